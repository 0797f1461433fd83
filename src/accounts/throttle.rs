//! How often a password may be wrong before it is not looked at any more: for a pair of address and account, for an
//! account, and for an address.
//!
//! One that guesses must not lock out another. So who logged in from a place before (`places`) does not share the
//! place's bucket with others, and an account's failures from its own places, from trusted networks and from strangers
//! are three buckets: whatever strangers try, its people find theirs as they left it. A trusted network has more room,
//! and is never without a bound. A try borrows its tokens before the password is looked at: of many at once only so many
//! are looked at as may be wrong, and the others wait for them.
//! Not here: what a client is told (`receive`).

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::base::clock::Mono;
use crate::base::limit::{
    LOGIN_FAILURES_OF_ACCOUNT, LOGIN_FAILURES_OF_ADDRESS, LOGIN_FAILURES_OF_PAIR,
    LOGIN_ROOM_TRUSTED, LOGIN_SPAN,
};
use crate::net::limiter::{Buckets, Lend, peer_key};

/// From where somebody logs in.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The client.
    pub ip: IpAddr,
    /// Of a network that the listener trusts.
    pub trusted: bool,
}

/// Which bucket is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// This account from this address.
    Pair,
    /// This account, from places of its kind.
    Account,
    /// This address, whatever the account.
    Address,
}

/// A password that is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// Why.
    pub bound: Bound,
    /// The next one is looked at after it.
    pub wait: Duration,
}

/// Failures of all.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    buckets: Mutex<Three>,
    /// A loan has ended.
    ended: Notify,
    refused: [AtomicU64; Bound::ALL.len()],
}

#[derive(Debug, Default)]
struct Three {
    pairs: Buckets,
    accounts: Buckets,
    addresses: Buckets,
}

/// A try: one token of each bucket, used up unless it turns out well.
#[derive(Debug)]
pub(super) struct Try<'t> {
    throttle: &'t Throttle,
    keys: Vec<Asked>,
    good: bool,
}

/// One bucket that a try is counted in.
#[derive(Debug)]
struct Asked {
    bound: Bound,
    key: String,
    count: u32,
}

impl Bound {
    /// In the order in which they are asked.
    pub const ALL: [Self; 3] = [Self::Pair, Self::Account, Self::Address];

    /// As the log and counters spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pair => "account from this address",
            Self::Account => "account",
            Self::Address => "address",
        }
    }
}

impl Throttle {
    /// Waits for tries under way, if they use all that is left. `known`: it logged in from there lately.
    pub(super) async fn enter(
        &self,
        caller: Caller,
        name: &str,
        known: bool,
        now: impl Fn() -> Mono,
    ) -> Result<Try<'_>, Throttled> {
        let keys = asked(caller, name, known);
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // Before the look, so that an end between the two wakes us.
            ended.as_mut().enable();
            match self.lend(&keys, now()) {
                Lent::All => break,
                Lent::Refused(throttled) => {
                    self.count(throttled.bound);
                    return Err(throttled);
                }
                Lent::Later => ended.await,
            }
        }
        Ok(Try {
            throttle: self,
            keys,
            good: false,
        })
    }

    /// Passwords that were not looked at since the start.
    pub(super) fn refused(&self) -> impl Iterator<Item = (Bound, u64)> {
        let counts = self.refused.iter();
        let counts = counts.map(|count| count.load(Ordering::Relaxed));
        Bound::ALL.into_iter().zip(counts)
    }

    fn count(&self, bound: Bound) {
        let counts = Bound::ALL.iter().zip(&self.refused);
        for (_, count) in counts.filter(|(one, _)| **one == bound) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All of them or none.
    fn lend(&self, keys: &[Asked], now: Mono) -> Lent {
        let mut three = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut later = false;
        for one in keys {
            let buckets = three.of(one.bound);
            match buckets.look(&one.key, one.count, LOGIN_SPAN, now) {
                Lend::Free => {}
                Lend::Later => later = true,
                Lend::Empty(wait) => {
                    let bound = one.bound;
                    return Lent::Refused(Throttled { bound, wait });
                }
            }
        }
        if later {
            return Lent::Later;
        }
        for one in keys {
            three
                .of(one.bound)
                .lend(&one.key, one.count, LOGIN_SPAN, now);
        }
        Lent::All
    }
}

enum Lent {
    All,
    Later,
    Refused(Throttled),
}

impl Three {
    fn of(&mut self, bound: Bound) -> &mut Buckets {
        match bound {
            Bound::Pair => &mut self.pairs,
            Bound::Account => &mut self.accounts,
            Bound::Address => &mut self.addresses,
        }
    }
}

/// Trusted places, known ones and strangers never share a bucket: its size is part of what it is.
fn asked(caller: Caller, name: &str, known: bool) -> Vec<Asked> {
    let kind = match (caller.trusted, known) {
        (true, _) => "trusted",
        (false, true) => "known",
        (false, false) => "stranger",
    };
    let room = |count: u32| {
        let more = if caller.trusted {
            LOGIN_ROOM_TRUSTED
        } else {
            1
        };
        count.saturating_mul(more)
    };
    let peer = peer_key(caller.ip);
    let (near, more) = (
        if caller.trusted { "trusted" } else { "" },
        room(LOGIN_FAILURES_OF_PAIR),
    );
    let mut keys = vec![
        Asked {
            bound: Bound::Pair,
            key: format!("{near} {peer} {name}"),
            count: more,
        },
        Asked {
            bound: Bound::Account,
            key: format!("{kind} {name}"),
            count: room(LOGIN_FAILURES_OF_ACCOUNT),
        },
    ];
    if !known {
        keys.push(Asked {
            bound: Bound::Address,
            key: format!("{near} {peer}"),
            count: room(LOGIN_FAILURES_OF_ADDRESS),
        });
    }
    keys
}

impl Try<'_> {
    /// It says nothing about guessing: the password was right, or nobody could look.
    pub(super) fn good(mut self) {
        self.good = true;
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        let buckets = &self.throttle.buckets;
        let mut three = buckets.lock().unwrap_or_else(PoisonError::into_inner);
        for one in &self.keys {
            three.of(one.bound).settle(&one.key, !self.good);
        }
        drop(three);
        self.throttle.ended.notify_waiters();
    }
}
