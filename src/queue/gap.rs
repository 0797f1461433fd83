//! Gaps in time: the server was off, or the clock jumped ahead. What ended in one is tried once more before it expires.
//!
//! Nothing could be tried in the gap, so a lifetime that ended there has not been used. A try settles it (`settle`); who
//! is not tried, because its site stays down, expires `GAP_GRACE` after the gap. Not here: store time itself (`store`).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::{Clock, micros};
use crate::base::limit::{GAP_GRACE, GAP_MIN};
use crate::store::StoreTime;

/// The last gap.
#[derive(Debug)]
pub(super) struct Gap(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// Store time when the monotonic clock was zero, as it was known; it grows when the clock jumps ahead.
    start: u64,
    end: StoreTime,
}

impl Gap {
    /// A start ends a gap, however short.
    pub(super) fn new(now: StoreTime, clock: &Clock) -> Self {
        Self(Mutex::new(Inner {
            start: now.0.saturating_sub(clock.mono().0),
            end: now,
        }))
    }

    /// How much longer what ended at `end` may wait for a try; none: it ended when it could have been tried.
    pub(super) fn grace(&self, end: u64, now: StoreTime, clock: &Clock) -> Option<Duration> {
        let start = now.0.saturating_sub(clock.mono().0);
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if start.saturating_sub(inner.start) > micros(GAP_MIN) {
            inner.end = now;
        }
        inner.start = inner.start.max(start);
        let until = inner.end.0.saturating_add(micros(GAP_GRACE));
        let waits = end <= inner.end.0 && now.0 < until;
        waits.then(|| Duration::from_micros(until - now.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Wall;

    #[test]
    fn what_ended_in_a_gap_waits_and_what_ended_outside_does_not() {
        let clock = Clock::moved(Wall(1_000_000_000_000_000));
        let now = |ahead: u64| StoreTime(2_000_000_000_000_000 + clock.mono().0 + ahead);
        let gap = Gap::new(now(0), &clock);
        let start = now(0).0;
        assert_eq!(gap.grace(start - 1, now(0), &clock), Some(GAP_GRACE));
        clock.advance(GAP_GRACE / 2);
        assert_eq!(gap.grace(start - 1, now(0), &clock), Some(GAP_GRACE / 2));
        assert_eq!(gap.grace(start + 1, now(0), &clock), None, "after the gap");
        clock.advance(GAP_GRACE);
        assert_eq!(gap.grace(start - 1, now(0), &clock), None, "long after");
        let jump = 315_360_000_000_000;
        let jumped = now(jump);
        assert_eq!(gap.grace(start + jump, jumped, &clock), Some(GAP_GRACE));
        clock.advance(GAP_GRACE);
        assert_eq!(gap.grace(start + jump, now(jump), &clock), None);
    }
}
