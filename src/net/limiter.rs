//! Token buckets by key: how much of something an account or an address may do in a span.
//!
//! In memory, so a restart forgives. A bucket that is full again is forgotten, and the number of buckets is bounded;
//! above the bound nobody new is limited, because turning the wrong ones away would be worse.
//! Not here: how many connections an address may have (`listen`).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Mono;
use crate::base::limit::LIMITER_KEYS_MAX;

/// Buckets of one kind.
#[derive(Debug)]
pub struct Limiter {
    count: u32,
    span: Duration,
    buckets: Mutex<HashMap<String, Bucket>>,
}

/// What is left, in millionths of a token, so that a slow refill is not rounded away.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u64,
    at: Mono,
    /// Full again after it; its own, because keys can have bounds of their own.
    span: Duration,
}

const TOKEN: u64 = 1_000_000;

impl Limiter {
    /// `count` in each `span`; all of them may come at once.
    pub fn new(count: u32, span: Duration) -> Self {
        Self {
            count,
            span,
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Takes one token of `key`; false when there is none.
    pub fn take(&self, key: &str, now: Mono) -> bool {
        self.take_of(key, self.count, self.span, now)
    }

    /// The same with a bound that belongs to the key.
    pub fn take_of(&self, key: &str, count: u32, span: Duration, now: Mono) -> bool {
        let full = u64::from(count) * TOKEN;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(key) && buckets.len() >= LIMITER_KEYS_MAX {
            buckets.retain(|_, bucket| now - bucket.at < bucket.span);
            if buckets.len() >= LIMITER_KEYS_MAX {
                return true;
            }
        }
        let bucket = buckets.entry(key.to_owned()).or_insert(Bucket {
            left: full,
            at: now,
            span,
        });
        bucket.span = span;
        bucket.refill(full, span, now);
        let good = bucket.left >= TOKEN;
        if good {
            bucket.left -= TOKEN;
        }
        good
    }

    /// Whether `key` has a token, without taking it.
    pub fn has(&self, key: &str, now: Mono) -> bool {
        let full = u64::from(self.count) * TOKEN;
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.get(key).is_none_or(|bucket| {
            let mut bucket = *bucket;
            bucket.refill(full, self.span, now);
            bucket.left >= TOKEN
        })
    }
}

impl Bucket {
    fn refill(&mut self, full: u64, span: Duration, now: Mono) {
        let passed = (now - self.at).as_micros();
        let gained = passed * u128::from(full) / span.as_micros().max(1);
        self.left = self
            .left
            .saturating_add(u64::try_from(gained).unwrap_or(u64::MAX))
            .min(full);
        self.at = now;
    }
}

/// What counts as one peer: an IPv4 address, or the /64 of an IPv6 one, because every customer has a whole /64.
pub fn peer_key(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn tokens_come_back_with_time() {
        let limiter = Limiter::new(2, HOUR);
        let start = Mono(0);
        assert!(limiter.take("a", start) && limiter.take("a", start));
        assert!(!limiter.has("a", start) && !limiter.take("a", start));
        assert!(limiter.take("b", start));
        let later = start + HOUR / 2;
        assert!(limiter.take("a", later) && !limiter.take("a", later));
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let limiter = Limiter::new(1, HOUR);
        for n in 0..LIMITER_KEYS_MAX + 10 {
            assert!(limiter.take(&n.to_string(), Mono(0)));
        }
        assert!(limiter.buckets.lock().unwrap().len() <= LIMITER_KEYS_MAX);
        assert!(limiter.take("new", Mono(0) + HOUR));
        assert_eq!(limiter.buckets.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_flood_of_short_bounds_forgets_no_long_one() {
        let limiter = Limiter::new(1, HOUR);
        let second = Duration::from_secs(1);
        assert!(limiter.take_of("long", 1, HOUR, Mono(0)));
        for n in 1..LIMITER_KEYS_MAX {
            assert!(limiter.take_of(&n.to_string(), 1, second, Mono(0)));
        }
        let later = Mono(0) + second;
        assert!(limiter.take_of("new", 1, second, later));
        assert_eq!(limiter.buckets.lock().unwrap().len(), 2);
        assert!(!limiter.take_of("long", 1, HOUR, later));
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let key = |text: &str| peer_key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
