//! The only place that asks what time it is.
//!
//! `Wall` is for people: mail dates, calendars, display; it may jump. `Mono` is for waiting: it never goes back.
//! A moved clock stands still until a test advances it, so that days pass without a sleep.
//! Not here: store time, which is made of both and kept by the store.

use std::future::Future;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// Microseconds since 1970-01-01 UTC, as the machine's clock tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub u64);

/// Microseconds since this clock was made; never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

/// The bound passed before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time allowed for it is over")]
pub struct Elapsed;

/// A handle on time; clones share it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    System { start: Instant },
    Moved(watch::Sender<Moved>),
}

#[derive(Clone, Copy, Debug)]
struct Moved {
    wall: Wall,
    mono: Mono,
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn system() -> Self {
        Self(Arc::new(Source::System {
            start: Instant::now(),
        }))
    }

    /// A clock that stands at `wall` until it is advanced.
    pub fn moved(wall: Wall) -> Self {
        Self(Arc::new(Source::Moved(watch::Sender::new(Moved {
            wall,
            mono: Mono(0),
        }))))
    }

    /// Lets time pass on a moved clock, and wakes who waited for it; the machine's clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Source::Moved(state) = self.0.as_ref() {
            state.send_modify(|now| {
                now.wall = now.wall + by;
                now.mono = now.mono + by;
            });
        }
    }

    /// Sets the wall of a moved clock without letting time pass: a clock that jumps.
    pub fn jump(&self, to: Wall) {
        if let Source::Moved(state) = self.0.as_ref() {
            state.send_modify(|now| now.wall = to);
        }
    }

    /// What the clock on the wall says.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn wall(&self) -> Wall {
        match self.0.as_ref() {
            Source::System { .. } => Wall(micros(
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default(),
            )),
            Source::Moved(state) => state.borrow().wall,
        }
    }

    /// How long this clock has been running.
    pub fn mono(&self) -> Mono {
        match self.0.as_ref() {
            Source::System { start } => Mono(micros(start.elapsed())),
            Source::Moved(state) => state.borrow().mono,
        }
    }

    /// Waits until `span` has passed.
    pub async fn sleep(&self, span: Duration) {
        self.sleep_until(self.mono() + span).await;
    }

    /// Waits until `at` has come.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub async fn sleep_until(&self, at: Mono) {
        match self.0.as_ref() {
            Source::System { .. } => tokio::time::sleep(at - self.mono()).await,
            Source::Moved(state) => {
                // The sender lives as long as `self`, so the wait cannot fail before it succeeds.
                drop(state.subscribe().wait_for(|now| now.mono >= at).await);
            }
        }
    }

    /// Runs `work`, but not for longer than `span`.
    pub async fn timeout<F: Future>(&self, span: Duration, work: F) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.sleep(span) => Err(Elapsed),
        }
    }
}

impl Wall {
    /// Whole seconds since 1970, as `Date:` and log parsers want them.
    pub fn secs(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<Duration> for Wall {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }
}

impl Sub for Wall {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }
}

impl Sub for Mono {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// 64 bits of microseconds last for 584,000 years; longer spans are cut there.
pub fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_moved_clock_wakes_who_waited() {
        let clock = Clock::moved(Wall(0));
        let end = clock.mono() + Duration::from_secs(3600);
        let wait = clock.sleep_until(end);
        clock.advance(Duration::from_secs(3600));
        wait.await;
        assert_eq!(clock.wall(), Wall(3_600_000_000));
    }

    #[tokio::test]
    async fn a_jump_of_the_wall_lets_no_time_pass() {
        let clock = Clock::moved(Wall(10));
        clock.jump(Wall(5));
        assert_eq!((clock.wall(), clock.mono()), (Wall(5), Mono(0)));
    }

    #[tokio::test]
    async fn a_bound_ends_what_never_ends() {
        let clock = Clock::system();
        assert_eq!(
            clock
                .timeout(Duration::ZERO, std::future::pending::<()>())
                .await,
            Err(Elapsed)
        );
    }
}
