//! Counts what links are answered, and holds back whoever tries out links.
//!
//! Only wrong links use up an address's patience, so that a guessing machine behind the same router takes nobody's real
//! link away. Visits are counted in memory and told to the log once a minute: a GET writes nothing. What a crash
//! forgets is at most that minute's. Not here: the canary, which is stored by the digest.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::base::clock::{Clock, Mono};
use crate::base::limit::{
    LINK_DIGESTS_COUNTED_MAX, LINK_VISITS_SPAN, LINK_WRONG_OF_ADDRESS, LINK_WRONG_SPAN,
};
use crate::base::shutdown::Shutdown;
use crate::net::limiter::{Limiter, peer_key};

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// Shown, still held.
    Open,
    /// Done by this very POST, or still to be undone.
    Done,
    /// Somebody decided before.
    Handled,
    /// Too old, replaced, or closed by wrong codes.
    Over,
    /// The hidden link.
    Canary,
    /// A POST that was refused: nonce, origin, form, code or right.
    Refused,
    /// No link of ours.
    Unknown,
    /// No link of ours, once too often.
    Throttled,
    /// The store did not answer.
    Away,
}

/// All counts. One for the whole endpoint.
#[derive(Debug)]
pub struct Visits {
    wrong: Limiter,
    totals: [AtomicU64; Answer::ALL.len()],
    recent: Mutex<Recent>,
}

/// Since the last line in the log.
#[derive(Debug, Default, PartialEq, Eq)]
struct Recent {
    answers: BTreeMap<Answer, u64>,
    digests: BTreeMap<u32, u64>,
}

impl Answer {
    /// In the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Done,
        Self::Handled,
        Self::Over,
        Self::Canary,
        Self::Refused,
        Self::Unknown,
        Self::Throttled,
        Self::Away,
    ];

    /// As counters and the log spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Handled => "handled",
            Self::Over => "over",
            Self::Canary => "canary",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Throttled => "throttled",
            Self::Away => "away",
        }
    }
}

impl Default for Visits {
    fn default() -> Self {
        Self {
            wrong: Limiter::new(LINK_WRONG_OF_ADDRESS, LINK_WRONG_SPAN),
            totals: Default::default(),
            recent: Mutex::default(),
        }
    }
}

impl Visits {
    /// A wrong link came from here; false: too many did.
    pub fn may_be_wrong(&self, from: IpAddr, now: Mono) -> bool {
        self.wrong.take(&peer_key(from).to_string(), now)
    }

    /// One visit, by the link of this digest if it was one of ours.
    pub fn count(&self, answer: Answer, digest: Option<u32>) {
        if let Some((_, total)) = self.pairs().find(|(one, _)| *one == answer) {
            total.fetch_add(1, Ordering::Relaxed);
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        *recent.answers.entry(answer).or_default() += 1;
        if let Some(digest) = digest
            && (recent.digests.len() < LINK_DIGESTS_COUNTED_MAX
                || recent.digests.contains_key(&digest))
        {
            *recent.digests.entry(digest).or_default() += 1;
        }
    }

    /// Since the start, for counters.
    pub fn totals(&self) -> impl Iterator<Item = (Answer, u64)> {
        self.pairs()
            .map(|(answer, total)| (answer, total.load(Ordering::Relaxed)))
    }

    /// Tells the log once a minute, and once more at the end.
    pub async fn run(&self, clock: Clock, shutdown: Shutdown) {
        loop {
            let stopping = tokio::select! {
                biased;
                () = shutdown.wait() => true,
                () = clock.sleep(LINK_VISITS_SPAN) => false,
            };
            self.tell();
            if stopping {
                return;
            }
        }
    }

    fn tell(&self) {
        let recent = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *recent)
        };
        let Recent { answers, digests } = recent;
        if answers.is_empty() {
            return;
        }
        let answers = joined(answers.iter().map(|(one, count)| (one.word(), count)));
        let digests = joined(digests.iter());
        tracing::info!(%answers, %digests, "links were visited");
    }

    fn pairs(&self) -> impl Iterator<Item = (Answer, &AtomicU64)> {
        Answer::ALL.into_iter().zip(&self.totals)
    }
}

/// `open=3 unknown=1`
fn joined<K: std::fmt::Display>(
    counts: impl Iterator<Item = (K, impl std::fmt::Display)>,
) -> String {
    let words: Vec<String> = counts
        .map(|(key, count)| format!("{key}={count}"))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_with_an_address_ends_and_comes_back() {
        let visits = Visits::default();
        let guesser = "192.0.2.1".parse().unwrap();
        let other = "192.0.2.2".parse().unwrap();
        let now = Mono(0);
        for _ in 0..LINK_WRONG_OF_ADDRESS {
            assert!(visits.may_be_wrong(guesser, now));
        }
        assert!(!visits.may_be_wrong(guesser, now));
        assert!(visits.may_be_wrong(other, now));
        assert!(visits.may_be_wrong(guesser, now + LINK_WRONG_SPAN));
    }

    #[test]
    fn a_minute_counts_answers_and_digests_and_the_totals_stay() {
        let visits = Visits::default();
        visits.count(Answer::Open, Some(7));
        visits.count(Answer::Open, Some(7));
        visits.count(Answer::Unknown, None);
        let total = |wanted| {
            let mut totals = visits.totals();
            totals.find(|(answer, _)| *answer == wanted).unwrap().1
        };
        assert_eq!((total(Answer::Open), total(Answer::Unknown)), (2, 1));
        visits.tell();
        assert_eq!(*visits.recent.lock().unwrap(), Recent::default());
        assert_eq!(total(Answer::Open), 2);
    }

    #[test]
    fn the_number_of_counted_digests_is_bounded() {
        let visits = Visits::default();
        for digest in 0..2 * u32::try_from(LINK_DIGESTS_COUNTED_MAX).unwrap() {
            visits.count(Answer::Open, Some(digest));
        }
        assert_eq!(
            visits.recent.lock().unwrap().digests.len(),
            LINK_DIGESTS_COUNTED_MAX
        );
    }
}
