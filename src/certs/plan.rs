//! When a certificate is ordered next: one due record each, `y/<first name>`.
//!
//! Whatever asks for an order (a date, a failure, a person, a restart, another configuration) only changes this record,
//! and all of them meet the same bounds in `earliest`: so nothing can become a storm. What a try will cost is written
//! before it begins, so that a crash in the middle counts as a failure. Not here: who claims it (`work`).

use std::time::Duration;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::base::limit::{
    ORDER_FLOOR, ORDER_RETRY_FIRST, ORDER_RETRY_MAX, ORDERS_OF_DAY, RETRY_AFTER_MAX,
};
use crate::store::{Band, Due, Group, Key, Op, StoreError, StoreTime, Work};

/// `y/<first name>`
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Plan {
    /// Of the last order, or of the one that is due.
    #[n(0)]
    pub(super) names: Vec<String>,
    /// Whom it was ordered from.
    #[n(1)]
    pub(super) directory: String,
    /// When the next order is due: seconds since 1970.
    #[n(2)]
    pub(super) order_at: u64,
    /// When the directory is asked again for its window of renewal (RFC 9773): seconds since 1970; 0: it has none.
    #[cbor(n(3), default)]
    pub(super) look_at: u64,
    /// Tries that failed since the last that did not.
    #[cbor(n(4), default)]
    pub(super) failures: u32,
    /// Why, in words.
    #[cbor(n(5), default)]
    pub(super) error: String,
    /// The directory asked not to come before: seconds since 1970.
    #[cbor(n(6), default)]
    pub(super) not_before: u64,
    /// Store time in seconds of the last tries, oldest first, at most `ORDERS_OF_DAY`.
    #[cbor(n(7), default)]
    pub(super) tries: Vec<u64>,
    /// The URL of an order that was begun and not finished.
    #[cbor(n(8), default)]
    pub(super) order: String,
    /// What kind of failure the last one was.
    #[cbor(n(9), default)]
    pub(super) kind: String,
    /// Questions for the window that failed since the last that did not.
    #[cbor(n(10), default)]
    pub(super) looks: u32,
}

/// Where the record of a certificate lies.
pub(super) fn key(title: &str) -> Key {
    Key::of(LETTER, &[title.as_bytes()])
}

/// All of them.
pub(super) fn prefix() -> Key {
    Key::of(LETTER, &[])
}

/// Whose record it is.
pub(super) fn title(key: &Key) -> Option<&str> {
    std::str::from_utf8(key.0.strip_prefix(&[LETTER])?).ok()
}

impl Plan {
    /// Due at once.
    pub(super) fn fresh(names: Vec<String>, directory: &str, now: u64) -> Self {
        Self {
            names,
            directory: directory.to_owned(),
            order_at: now,
            ..Self::default()
        }
    }

    pub(super) fn read(key: &Key, value: &[u8]) -> Result<Self, StoreError> {
        minicbor::decode(value)
            .map_err(|error| StoreError::Damaged(format!("{key:?}: {error}").into()))
    }

    /// When something is to be done, in seconds since 1970.
    pub(super) fn due(&self) -> u64 {
        match self.look_at {
            0 => self.order_at,
            look => look.min(self.order_at),
        }
    }

    /// The record with its due slot; `now` is the wall in seconds.
    pub(super) fn put(&self, title: &str, now: u64) -> Op {
        let key = key(title);
        let group = Group::of_key(&key);
        Op::Put {
            key,
            // Writing to a Vec cannot fail.
            value: minicbor::to_vec(self).map(Bytes::from).unwrap_or_default(),
            due: Some(Due {
                work: Work::Cert,
                group,
                band: Band::Normal,
                // At least once a day, because the wall by which this was reckoned may have been wrong.
                after: Duration::from_secs(self.due().saturating_sub(now)).min(DAY),
            }),
            terms: Vec::new(),
        }
    }

    /// The first moment at which an order may begin, whoever wants it, in seconds since 1970.
    pub(super) fn earliest(&self, now: u64, store: StoreTime) -> u64 {
        let store = store.0 / 1_000_000;
        let after = |begun: Option<&u64>, span: Duration| {
            let free = begun.map_or(0, |begun| begun.saturating_add(span.as_secs()));
            free.saturating_sub(store)
        };
        let floor = after(self.tries.last(), ORDER_FLOOR);
        let day = if self.tries.len() < ORDERS_OF_DAY {
            0
        } else {
            after(self.tries.first(), DAY)
        };
        let asked = self.not_before.min(latest_wait(now));
        asked.max(now.saturating_add(floor.max(day)))
    }

    /// Dates that this wall cannot have led to are drawn back: the one that they were reckoned by was ahead. `renewal`:
    /// when what is in force is renewed at the latest; none: nothing is.
    pub(super) fn bound(&mut self, renewal: Option<u64>, now: u64) {
        self.not_before = self.not_before.min(latest_wait(now));
        let day = now.saturating_add(DAY.as_secs());
        if self.look_at > 0 {
            self.look_at = self.look_at.min(day);
        }
        // A try that failed comes back within a day, whatever its back-off.
        let most = renewal.filter(|_| self.failures == 0).unwrap_or(day);
        self.order_at = self.order_at.min(most.max(self.not_before));
    }

    /// The directory asked the account to wait: that is said to all of its orders.
    pub(super) fn wait_until(&mut self, until: u64) {
        self.not_before = self.not_before.max(until);
        self.order_at = self.order_at.max(until);
    }

    /// A try begins: until its end is known it counts as failed. `jitter` is drawn by the caller.
    pub(super) fn begin(&mut self, now: u64, store: StoreTime, jitter: u16) {
        if self.tries.len() >= ORDERS_OF_DAY {
            self.tries.remove(0);
        }
        self.tries.push(store.0 / 1_000_000);
        self.failures = self.failures.saturating_add(1);
        let wait = back_off(self.failures, jitter).as_secs();
        self.order_at = now.saturating_add(wait).max(self.earliest(now, store));
        self.look_at = 0;
        INTERRUPTED.clone_into(&mut self.error);
    }

    /// The try that began failed.
    pub(super) fn failed(&mut self, error: String, retry_after: Option<Duration>, now: u64) {
        self.error = error;
        if let Some(span) = retry_after {
            self.not_before = 0;
            self.wait_until(waits(span, now));
        }
    }

    /// A person asks for an order: as soon as may be.
    pub(super) fn ask(&mut self, now: u64, store: StoreTime) {
        // A failed try is due later than it may be; a date in the past stays one that is due.
        self.order_at = self.earliest(now, store);
    }
}

/// The span after so many failures: doubled each time, and up to a quarter longer, so that many servers of one
/// directory do not come back together.
pub(super) fn back_off(failures: u32, jitter: u16) -> Duration {
    let doubled = failures.saturating_sub(1).min(20);
    let span = ORDER_RETRY_FIRST
        .saturating_mul(1 << doubled)
        .min(ORDER_RETRY_MAX);
    let more = span.as_secs() / 4 * u64::from(jitter) / 65_535;
    span + Duration::from_secs(more)
}

/// Until when a directory's wish binds.
pub(super) fn waits(span: Duration, now: u64) -> u64 {
    now.saturating_add(span.min(RETRY_AFTER_MAX).as_secs())
}

/// The most that a directory can have asked for up to now.
fn latest_wait(now: u64) -> u64 {
    waits(RETRY_AFTER_MAX, now)
}

const LETTER: u8 = b'y';
const DAY: Duration = Duration::from_secs(86_400);
/// What stands in the record while an order is under way.
const INTERRUPTED: &str =
    "the last order was interrupted: the server ended in the middle of it, or is still at it";

#[cfg(test)]
mod tests {
    use super::*;

    fn store(secs: u64) -> StoreTime {
        StoreTime(secs * 1_000_000)
    }

    #[test]
    fn waits_grow_between_named_bounds() {
        for (failures, least, most) in [
            (1, ORDER_RETRY_FIRST, ORDER_RETRY_FIRST * 5 / 4),
            (2, ORDER_RETRY_FIRST * 2, ORDER_RETRY_FIRST * 5 / 2),
            (1_000_000, ORDER_RETRY_MAX, ORDER_RETRY_MAX * 5 / 4),
        ] {
            for jitter in [0, 1, u16::MAX] {
                let span = back_off(failures, jitter);
                assert!(
                    span >= least && span <= most,
                    "{failures} {jitter}: {span:?}"
                );
            }
        }
    }

    #[test]
    fn a_person_who_asks_a_hundred_times_gets_one_order_in_a_floor() {
        let mut plan = Plan::fresh(Vec::new(), "", 1_000);
        plan.begin(1_000, store(50), 0);
        for _ in 0..100 {
            plan.ask(1_000, store(50));
        }
        assert_eq!(plan.order_at, 1_000 + ORDER_FLOOR.as_secs());
    }

    #[test]
    fn nobody_orders_more_often_than_a_day_allows() {
        let mut plan = Plan::fresh(Vec::new(), "", 0);
        let (mut now, mut orders) = (0, 0);
        while now < 86_400 {
            plan.ask(now, store(now));
            now = now.max(plan.order_at);
            if now < 86_400 {
                plan.begin(now, store(now), 0);
                orders += 1;
            }
        }
        assert_eq!(orders, ORDERS_OF_DAY);
    }

    #[test]
    fn dates_of_a_wall_that_was_ahead_are_drawn_back() {
        let (now, ahead) = (1_000_000_000_u64, 4_000_000_000_u64);
        let renewal = now + 50 * 86_400;
        for (name, failures, renewal, most) in [
            ("in force", 0, Some(renewal), renewal),
            (
                "in force, and the last order failed",
                1,
                Some(renewal),
                now + 86_400,
            ),
            ("nothing in force", 0, None, now + 86_400),
        ] {
            let mut plan = Plan {
                order_at: ahead,
                look_at: ahead,
                failures,
                ..Plan::default()
            };
            plan.bound(renewal, now);
            assert_eq!(plan.order_at, most, "case: {name}");
            assert_eq!(plan.look_at, now + 86_400, "case: {name}");
            // A day later it is due, and not put off again.
            plan.bound(renewal, now + 86_400);
            assert_eq!(plan.order_at, most, "case: {name}");
            plan.not_before = ahead;
            let wish = now + RETRY_AFTER_MAX.as_secs();
            assert_eq!(plan.earliest(now, store(0)), wish, "case: {name}");
            plan.order_at = ahead;
            plan.bound(renewal, now);
            assert_eq!(plan.not_before, wish, "case: {name}");
            assert_eq!(plan.order_at, most.max(wish), "case: {name}");
        }
        // What this wall led to stays.
        let mut plan = Plan::fresh(Vec::new(), "", now);
        plan.begin(now, store(50), u16::MAX);
        plan.failed(
            "limited".to_owned(),
            Some(Duration::from_secs(3 * 86_400)),
            now,
        );
        let before = plan.clone();
        plan.bound(Some(renewal), now);
        assert_eq!(plan, before);
    }

    #[test]
    fn a_wish_of_the_directory_binds_a_person_too() {
        let mut plan = Plan::fresh(Vec::new(), "", 0);
        plan.begin(0, store(0), 0);
        let day = Duration::from_secs(86_400);
        plan.failed("rate limited".to_owned(), Some(day * 3), 0);
        plan.ask(3_600, store(3_600));
        assert_eq!(plan.order_at, 3 * 86_400);
        plan.failed("rate limited".to_owned(), Some(day * 365), 0);
        assert_eq!(plan.not_before, RETRY_AFTER_MAX.as_secs());
    }
}
