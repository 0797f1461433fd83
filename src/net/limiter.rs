//! Token buckets by key: how much of something an account or an address may do in a span.
//!
//! In memory, so a restart forgives. A bucket that is full again is forgotten, and the number of buckets is bounded:
//! above the bound those that have lost least make room, so that a flood of new keys frees nobody who is held back.
//! A token can be lent while it is not known whether it will be used up, so that many who come at once are neither let
//! through uncounted nor turned away for what may turn out well.
//! Not here: how many connections an address may have (`listen`).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Mono;
use crate::base::limit::LIMITER_KEYS_MAX;

/// Buckets of one kind.
#[derive(Debug)]
pub struct Limiter {
    count: u32,
    span: Duration,
    buckets: Mutex<Buckets>,
}

/// Buckets without a lock, for who looks at several at once.
#[derive(Debug, Default)]
pub struct Buckets(HashMap<String, Bucket>);

/// What is left, in millionths of a token, so that a slow refill is not rounded away.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u64,
    /// When it holds all that it may.
    full: u64,
    at: Mono,
    /// Full again after it; its own, because keys can have bounds of their own.
    span: Duration,
    /// Tokens of `left` that are lent.
    lent: u32,
}

/// Whether a token can be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lend {
    /// Yes.
    Free,
    /// All that are left are lent: one may come back.
    Later,
    /// None is left; the next one comes after this span.
    Empty(Duration),
}

const TOKEN: u64 = 1_000_000;

impl Limiter {
    /// `count` in each `span`; all of them may come at once.
    pub fn new(count: u32, span: Duration) -> Self {
        Self {
            count,
            span,
            buckets: Mutex::default(),
        }
    }

    /// Takes one token of `key`; false when there is none.
    pub fn take(&self, key: &str, now: Mono) -> bool {
        self.take_of(key, self.count, self.span, now)
    }

    /// The same with a bound that belongs to the key.
    pub fn take_of(&self, key: &str, count: u32, span: Duration, now: Mono) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(key, count, span, now)
    }

    /// After how long `key` has a token again; zero when it has one.
    pub fn wait(&self, key: &str, count: u32, now: Mono) -> Duration {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        match buckets.look(key, count, self.span, now) {
            Lend::Free | Lend::Later => Duration::ZERO,
            Lend::Empty(wait) => wait,
        }
    }
}

impl Buckets {
    /// Takes one token of `key`; false when there is none.
    pub fn take(&mut self, key: &str, count: u32, span: Duration, now: Mono) -> bool {
        let bucket = self.bucket(key, count, span, now);
        let good = bucket.left >= TOKEN;
        if good {
            bucket.left -= TOKEN;
        }
        good
    }

    /// Whether a token of `key` can be lent now.
    pub fn look(&self, key: &str, count: u32, span: Duration, now: Mono) -> Lend {
        let Some(bucket) = self.0.get(key) else {
            return Lend::Free;
        };
        let mut bucket = *bucket;
        bucket.refill(u64::from(count) * TOKEN, span, now);
        let lent = u64::from(bucket.lent) * TOKEN;
        if bucket.left >= lent + TOKEN {
            Lend::Free
        } else if bucket.left >= TOKEN {
            Lend::Later
        } else {
            Lend::Empty(bucket.next_token())
        }
    }

    /// Lends a token, whatever `look` says.
    pub fn lend(&mut self, key: &str, count: u32, span: Duration, now: Mono) {
        let bucket = self.bucket(key, count, span, now);
        bucket.lent = bucket.lent.saturating_add(1);
    }

    /// Ends a loan; `used`: the token is gone.
    pub fn settle(&mut self, key: &str, used: bool) {
        if let Some(bucket) = self.0.get_mut(key) {
            bucket.lent = bucket.lent.saturating_sub(1);
            if used {
                bucket.left = bucket.left.saturating_sub(TOKEN);
            }
        }
    }

    fn bucket(&mut self, key: &str, count: u32, span: Duration, now: Mono) -> &mut Bucket {
        if !self.0.contains_key(key) && self.0.len() >= LIMITER_KEYS_MAX {
            self.make_room(now);
        }
        let full = u64::from(count) * TOKEN;
        let bucket = self.0.entry(key.to_owned()).or_insert(Bucket {
            left: full,
            full,
            at: now,
            span,
            lent: 0,
        });
        bucket.refill(full, span, now);
        bucket
    }

    /// Forgets what is full again; when that is too little, the tenth that has lost least.
    fn make_room(&mut self, now: Mono) {
        self.0
            .retain(|_, bucket| bucket.lent > 0 || now - bucket.at < bucket.span);
        if self.0.len() < LIMITER_KEYS_MAX {
            return;
        }
        let lost = |bucket: &Bucket| (bucket.lent, bucket.lost(now));
        let mut all: Vec<(u32, u64)> = self.0.values().map(lost).collect();
        let place = all.len() / 10;
        let (_, &mut bound, _) = all.select_nth_unstable(place);
        // Those that are alike would all go; enough of them do.
        let mut left = place + 1;
        self.0.retain(|_, bucket| {
            let goes = left > 0 && bucket.lent == 0 && lost(bucket) <= bound;
            left -= usize::from(goes);
            !goes
        });
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
        (self.at, self.full, self.span) = (now, full, span);
    }

    /// How much is missing to a full one.
    fn lost(&self, now: Mono) -> u64 {
        let mut bucket = *self;
        bucket.refill(self.full, self.span, now);
        bucket.full.saturating_sub(bucket.left)
    }

    /// After how long there is a whole token.
    fn next_token(&self) -> Duration {
        let missing = u128::from(TOKEN.saturating_sub(self.left));
        let micros = missing * self.span.as_micros() / u128::from(self.full.max(1));
        // Never a moment too early.
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(1))
    }
}

/// What counts as one peer: an IPv4 address, or the /64 of an IPv6 one, because every customer has a whole /64.
pub fn peer_key(ip: IpAddr) -> IpAddr {
    masked(ip, 32, 64)
}

/// What counts as one network: the /24 of an IPv4 address, the /56 of an IPv6 one. Who rents addresses gets them side by
/// side.
pub fn network_key(ip: IpAddr) -> IpAddr {
    masked(ip, 24, 56)
}

fn masked(ip: IpAddr, v4_bits: u32, v6_bits: u32) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let rest = u32::MAX.checked_shr(v4_bits).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !rest))
        }
        IpAddr::V6(v6) => {
            let rest = u128::MAX.checked_shr(v6_bits).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !rest))
        }
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
        assert_eq!(limiter.wait("b", 2, start), Duration::ZERO);
        let wait = limiter.wait("a", 2, start);
        assert!(wait >= HOUR / 2 && wait < HOUR / 2 + Duration::from_millis(1));
        assert!(!limiter.take("a", start));
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
        assert!(limiter.buckets.lock().unwrap().0.len() <= LIMITER_KEYS_MAX);
        // What is full again goes first, and all of it.
        while limiter.buckets.lock().unwrap().0.len() < LIMITER_KEYS_MAX {
            let next = limiter.buckets.lock().unwrap().0.len();
            assert!(limiter.take(&format!("more {next}"), Mono(0)));
        }
        assert!(limiter.take("new", Mono(0) + HOUR));
        assert_eq!(limiter.buckets.lock().unwrap().0.len(), 1);
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
        assert_eq!(limiter.buckets.lock().unwrap().0.len(), 2);
        assert!(!limiter.take_of("long", 1, HOUR, later));
    }

    #[test]
    fn a_flood_of_new_keys_frees_nobody_who_is_held_back() {
        let limiter = Limiter::new(3, HOUR);
        while limiter.take("guesser", Mono(0)) {}
        for n in 0..LIMITER_KEYS_MAX * 2 {
            assert!(limiter.take(&n.to_string(), Mono(n as u64)));
        }
        assert!(!limiter.take("guesser", Mono(1_000)));
        // And who is new is counted all the same.
        assert!((0..3).all(|_| limiter.take("late", Mono(1_000))));
        assert!(!limiter.take("late", Mono(1_000)));
        assert!(limiter.buckets.lock().unwrap().0.len() <= LIMITER_KEYS_MAX);
    }

    #[test]
    fn what_is_lent_may_come_back() {
        let mut buckets = Buckets::default();
        let look = |buckets: &Buckets| buckets.look("a", 2, HOUR, Mono(0));
        for _ in 0..2 {
            assert_eq!(look(&buckets), Lend::Free);
            buckets.lend("a", 2, HOUR, Mono(0));
        }
        assert_eq!(look(&buckets), Lend::Later);
        buckets.settle("a", false);
        assert_eq!(look(&buckets), Lend::Free);
        buckets.settle("a", true);
        assert_eq!(look(&buckets), Lend::Free);
        buckets.lend("a", 2, HOUR, Mono(0));
        buckets.settle("a", true);
        assert!(matches!(look(&buckets), Lend::Empty(wait) if wait >= HOUR / 2));
    }

    #[test]
    fn a_network_is_what_is_rented_together() {
        let key = |text: &str| network_key(text.parse().unwrap());
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.254"));
        assert_ne!(key("192.0.2.1"), key("192.0.3.1"));
        assert_eq!(key("2001:db8:0:aa00::1"), key("2001:db8:0:aaff::1"));
        assert_ne!(key("2001:db8:0:aa00::1"), key("2001:db8:0:ab00::1"));
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
