//! How fast a site is served, by what it answers: additive increase, multiplicative decrease, and pauses with an end.
//!
//! A reply that asks for less halves the connections or pauses the site; each pause in a row is twice as long, and a
//! number in the reply is honoured within bounds. Every mail that is taken makes up for it again. Pure.
//! Not here: which replies ask for less (`throttle`), and who is served meanwhile (`stand`).

use std::time::Duration;

use super::throttle::{Slow, What};
use crate::base::clock::Mono;
use crate::base::limit::{PACE_RISE, PAUSE_MAX, PAUSE_NAMED_MIN};

/// What a site has taught us.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// At most so many connections; none: as many as configured.
    limit: Option<usize>,
    /// Mails taken since the limit rose last.
    good: usize,
    /// Pauses in a row, less what was taken since.
    step: u32,
    /// When it was slowed down last.
    slowed: Option<Mono>,
    /// When the limit changed last.
    changed: Mono,
}

/// What follows from a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Another connection has just been told the same; nothing more.
    Known,
    /// Fewer connections.
    Fewer,
    /// Nothing for so long.
    Pause(Duration),
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            limit: None,
            good: 0,
            step: 0,
            slowed: None,
            changed: Mono(0),
        }
    }
}

impl Pace {
    /// Connections that it allows of those configured.
    pub fn most(&self, configured: usize) -> usize {
        self.limit
            .map_or(configured, |limit| limit.min(configured))
            .max(1)
    }

    /// A reply asked for less. `since`: when its transaction began; `running`: connections that stand; `first`: the
    /// shortest pause.
    pub fn slow(
        &mut self,
        slow: Slow,
        now: Mono,
        since: Mono,
        running: usize,
        first: Duration,
    ) -> Answer {
        // Twenty connections that are told the same at once have said it once.
        if self.slowed.is_some_and(|at| since <= at) {
            return Answer::Known;
        }
        self.slowed = Some(now);
        self.changed = now;
        self.good = 0;
        let now_running = self.limit.map_or(running, |limit| limit.min(running));
        self.limit = Some((now_running / 2).max(1));
        match slow.what {
            What::Connections if now_running > 1 => Answer::Fewer,
            What::Connections | What::Rate => {
                let doubled = first.saturating_mul(1 << self.step.min(10));
                let own = doubled.min(PAUSE_MAX.max(first));
                self.step = self.step.saturating_add(1);
                let named = slow.span.map(|span| span.clamp(PAUSE_NAMED_MIN, PAUSE_MAX));
                Answer::Pause(named.unwrap_or(own))
            }
        }
    }

    /// A connection was refused while so many stood.
    pub fn crowded(&mut self, connected: usize, now: Mono) {
        self.limit = Some(connected.max(1));
        self.changed = now;
        self.good = 0;
    }

    /// A mail was taken: as many as there are connections make room for one more, after a while.
    pub fn good(&mut self, configured: usize, now: Mono) {
        self.step = self.step.saturating_sub(1);
        let Some(limit) = self.limit else { return };
        self.good += 1;
        if self.good < limit || now < self.changed + PACE_RISE {
            return;
        }
        self.good = 0;
        self.changed = now;
        self.limit = Some(limit + 1).filter(|more| *more < configured);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(30);
    const RATE: Slow = Slow {
        what: What::Rate,
        span: None,
    };
    const CROWD: Slow = Slow {
        what: What::Connections,
        span: None,
    };

    fn at(secs: u64) -> Mono {
        Mono(secs * 1_000_000)
    }

    /// Told off every hour: the pauses in a row.
    fn pauses(pace: &mut Pace, slow: Slow, times: u64) -> Vec<u64> {
        let each = (1..=times).map(|hour| {
            let now = at(hour * 3_600);
            match pace.slow(slow, now, now, 1, FIRST) {
                Answer::Pause(span) => span.as_secs(),
                other @ (Answer::Known | Answer::Fewer) => panic!("no pause but {other:?}"),
            }
        });
        each.collect()
    }

    #[test]
    fn each_pause_in_a_row_is_twice_as_long_up_to_a_quarter_of_an_hour() {
        let mut pace = Pace::default();
        assert_eq!(
            pauses(&mut pace, RATE, 7),
            [30, 60, 120, 240, 480, 900, 900]
        );
        for _ in 0..6 {
            pace.good(20, at(99_000));
        }
        let now = at(100_000);
        let next = pace.slow(RATE, now, now, 1, FIRST);
        assert_eq!(next, Answer::Pause(Duration::from_secs(60)));
    }

    #[test]
    fn a_number_in_the_reply_is_honoured_within_bounds() {
        for (named, wanted) in [(0, 1), (5, 5), (300, 300), (86_400, 900)] {
            let slow = Slow {
                span: Some(Duration::from_secs(named)),
                ..RATE
            };
            assert_eq!(
                pauses(&mut Pace::default(), slow, 1),
                [wanted],
                "case: {named} s"
            );
        }
    }

    #[test]
    fn what_many_connections_hear_at_once_was_said_once() {
        let mut pace = Pace::default();
        let first = pace.slow(CROWD, at(10), at(9), 20, FIRST);
        let second = pace.slow(CROWD, at(11), at(9), 19, FIRST);
        assert_eq!((first, second), (Answer::Fewer, Answer::Known));
        assert_eq!(pace.most(20), 10);
    }

    #[test]
    fn fewer_connections_come_before_a_pause_and_success_brings_them_back() {
        let mut pace = Pace::default();
        let mut most = Vec::new();
        for secs in [10, 20, 30, 40] {
            pace.slow(CROWD, at(secs), at(secs), pace.most(20), FIRST);
            most.push(pace.most(20));
        }
        assert_eq!(most, [10, 5, 2, 1]);
        let now = at(50);
        assert_eq!(
            pace.slow(CROWD, now, now, 1, FIRST),
            Answer::Pause(FIRST),
            "one connection is too many"
        );
        pace.good(5, now);
        assert_eq!(pace.most(5), 1, "not at once");
        let mut taken = 0;
        while pace.most(5) < 5 {
            taken += 1;
            pace.good(5, at(100 + taken * PACE_RISE.as_secs()));
        }
        assert_eq!(taken, 1 + 2 + 3 + 4, "one more for each round of all");
        assert_eq!(pace.most(20), 20, "and what was configured is no limit");
    }

    #[test]
    fn a_site_that_takes_some_connections_is_asked_for_as_many() {
        let mut pace = Pace::default();
        pace.crowded(3, at(1));
        assert_eq!(pace.most(20), 3);
        pace.crowded(0, at(1));
        assert_eq!(pace.most(20), 1);
    }
}
