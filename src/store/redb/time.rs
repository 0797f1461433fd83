//! Store time: what is due and how old something is, whatever the wall clock does.
//!
//! It starts at the later of the last stored time and the wall, then goes with the monotonic clock. Once a minute the
//! wall is looked at: is it ahead, store time follows; is it behind, store time goes on. So it never goes back, not
//! even over a restart. Not here: persisting it (`writer`, with every commit).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::clock::{Clock, micros};
use crate::store::StoreTime;

const COMPARE_EVERY: Duration = Duration::from_secs(60);
const STEP_LOGGED: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
pub(super) struct StoreClock {
    clock: Clock,
    /// Store time when the monotonic clock was zero; only grows.
    start: AtomicU64,
    compared: AtomicU64,
}

impl StoreClock {
    pub(super) fn new(clock: Clock, last: StoreTime) -> Self {
        let first = last.0.max(clock.wall().0);
        let mono = clock.mono().0;
        Self {
            start: AtomicU64::new(first.saturating_sub(mono)),
            compared: AtomicU64::new(mono),
            clock,
        }
    }

    pub(super) fn now(&self) -> StoreTime {
        let mono = self.clock.mono().0;
        let compared = self.compared.load(Ordering::Relaxed);
        if mono.saturating_sub(compared) >= micros(COMPARE_EVERY) {
            self.compared.store(mono, Ordering::Relaxed);
            let target = self.clock.wall().0.saturating_sub(mono);
            let before = self.start.fetch_max(target, Ordering::Relaxed);
            let step = Duration::from_micros(target.saturating_sub(before));
            if step > STEP_LOGGED {
                tracing::warn!(
                    seconds = step.as_secs(),
                    "the wall clock jumped ahead; due times follow it"
                );
            }
        }
        StoreTime(self.start.load(Ordering::Relaxed).saturating_add(mono))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Wall;

    #[test]
    fn store_time_follows_the_wall_ahead_and_never_back() {
        let clock = Clock::moved(Wall(1_000_000_000));
        let time = StoreClock::new(clock.clone(), StoreTime(5));
        assert_eq!(time.now(), StoreTime(1_000_000_000));
        clock.jump(Wall(9_000_000_000));
        assert_eq!(time.now(), StoreTime(1_000_000_000), "before the minute");
        clock.advance(Duration::from_secs(60));
        assert_eq!(time.now(), StoreTime(9_060_000_000));
        clock.jump(Wall(7));
        clock.advance(Duration::from_secs(60));
        assert_eq!(time.now(), StoreTime(9_120_000_000));
    }

    #[test]
    fn after_a_restart_with_a_clock_behind_time_goes_on_from_the_last_stored() {
        let time = StoreClock::new(Clock::moved(Wall(10)), StoreTime(500));
        assert_eq!(time.now(), StoreTime(500));
    }
}
