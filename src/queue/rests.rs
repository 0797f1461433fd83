//! What failed and rests: a second at first, then twice as long each time, up to a bound.
//!
//! In memory only: after a restart everything is tried once at once. Bounded; above the bound the rests begin anew.
//! Not here: who asks (`worker`).

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::base::clock::Mono;
use crate::base::limit::{REST_FIRST, REST_MAX, RESTS_MAX};

/// Failures in a row of each, and until when it rests.
#[derive(Debug)]
pub struct Rests<K> {
    all: HashMap<K, (u32, Mono)>,
    longest: Duration,
}

impl<K: Eq + Hash> Rests<K> {
    /// Nothing has failed yet.
    pub fn new(longest: Duration) -> Self {
        Self {
            all: HashMap::new(),
            longest,
        }
    }

    /// It failed again; how long it rests.
    pub fn failed(&mut self, which: K, now: Mono) -> Duration {
        if self.all.len() >= RESTS_MAX && !self.all.contains_key(&which) {
            self.all.clear();
        }
        let (times, until) = self.all.entry(which).or_insert((0, now));
        *times = times.saturating_add(1);
        let span = span(*times).min(self.longest);
        *until = now + span;
        span
    }

    /// It was done.
    pub fn done(&mut self, which: &K) {
        self.all.remove(which);
    }

    /// How long it still rests.
    pub fn left(&self, which: &K, now: Mono) -> Option<Duration> {
        let (_, until) = self.all.get(which)?;
        let left = *until - now;
        (!left.is_zero()).then_some(left)
    }

    /// How many have failed and not been done since.
    pub fn count(&self) -> usize {
        self.all.len()
    }
}

/// The rest after so many failures in a row.
pub fn span(times: u32) -> Duration {
    let doubled = REST_FIRST.saturating_mul(1 << times.saturating_sub(1).min(16));
    doubled.min(REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_a_minute_and_end_with_the_first_success() {
        let mut rests = Rests::new(REST_MAX);
        let spans: Vec<u64> = (0..9).map(|_| rests.failed(1, Mono(0)).as_secs()).collect();
        assert_eq!(spans, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(rests.left(&1, Mono(59_000_000)), Some(REST_FIRST));
        assert_eq!(rests.left(&1, Mono(60_000_000)), None);
        rests.done(&1);
        assert_eq!((rests.failed(1, Mono(0)), rests.count()), (REST_FIRST, 1));
    }
}
