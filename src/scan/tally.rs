//! Counts what scanners said about mails, and how long they took.
//!
//! For `/metrics` and the page, since the start. Labels are names of the configuration and words of this file, so
//! nothing that a mail or a scanner says becomes one. Not here: whether a scanner is well (`breaker`).

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::rspamd::learn::Class;
use super::{Action, End, Opinion, Trouble};

/// Upper ends of the histogram in seconds: an instant answer, an ordinary mail, a large archive, a time limit.
const SECONDS: [f64; 10] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

type Labels = Vec<(&'static str, String)>;

/// Counts of all scanners; clones share them.
#[derive(Clone, Debug)]
pub struct Tally {
    said: Family<Labels, Counter>,
    learned: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
}

/// Every word of `result`.
pub const RESULTS: [&str; 18] = [
    "clean",
    "infected",
    "flagged",
    "spam",
    "refused",
    "deferred",
    "quarantined",
    "excepted",
    "unreachable",
    "slow",
    "broken",
    "garbage",
    "unable",
    "over_limit",
    "too_large",
    "busy",
    "paused",
    "unread",
];

impl Default for Tally {
    fn default() -> Self {
        Self {
            said: Family::default(),
            learned: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        }
    }
}

impl Tally {
    /// One mail.
    pub(super) fn count(&self, name: &str, said: &Result<Opinion, Trouble>, took: Duration) {
        let word = result(said);
        self.said.get_or_create(&labels(name, Some(word))).inc();
        // What was not asked took no time of the scanner's.
        if !matches!(word, "excepted" | "too_large" | "paused") {
            let seconds = self.seconds.get_or_create(&labels(name, None));
            seconds.observe(took.as_secs_f64());
        }
    }

    /// A report that it learned from.
    pub(super) fn learned(&self, name: &str, class: Class) {
        let mut labels = labels(name, None);
        labels.push(("class", class.word().to_owned()));
        self.learned.get_or_create(&labels).inc();
    }

    /// How often this scanner's answer was so.
    pub fn of(&self, name: &str, result: &'static str) -> u64 {
        let found = self.said.get(&labels(name, Some(result)));
        found.map_or(0, |count| count.get())
    }

    /// Adds `scan_total` and `scan_seconds`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "scan",
            "Mails by what a scanner said, since the start",
            self.said.clone(),
        );
        registry.register(
            "scan_learned",
            "Reports that a scanner learned from, since the start",
            self.learned.clone(),
        );
        registry.register(
            "scan_seconds",
            "From the question about a mail to the answer",
            self.seconds.clone(),
        );
    }
}

fn labels(name: &str, result: Option<&'static str>) -> Labels {
    let mut labels = vec![("scanner", name.to_owned())];
    labels.extend(result.map(|word| ("result", word.to_owned())));
    labels
}

/// One of `RESULTS`.
fn result(said: &Result<Opinion, Trouble>) -> &'static str {
    match said {
        Ok(opinion) => match opinion {
            Opinion::Clean => "clean",
            Opinion::Infected(_) => "infected",
            Opinion::Flagged(..) => "flagged",
            Opinion::Excepted(_) => "excepted",
            Opinion::Scored(score) => match score.action {
                Action::None | Action::Greylist => "clean",
                Action::AddHeader
                | Action::RewriteSubject
                | Action::SoftReject
                | Action::Quarantine
                | Action::Reject
                | Action::Discard => "spam",
            },
            Opinion::Filtered(filtered) => match filtered.end {
                End::Accept => "clean",
                End::Reject(_) => "refused",
                End::Defer(_) => "deferred",
                End::Discard | End::Quarantine(_) => "quarantined",
            },
        },
        Err(trouble) => match trouble {
            Trouble::Unreachable(..) => "unreachable",
            Trouble::Slow(_) => "slow",
            Trouble::Broken(_) => "broken",
            Trouble::Garbage(_) => "garbage",
            Trouble::Unable(_) => "unable",
            Trouble::OverLimit(_) => "over_limit",
            Trouble::TooLarge(..) | Trouble::Unfit(_) => "too_large",
            Trouble::Busy(..) | Trouble::Crowded(_) => "busy",
            Trouble::Stopping => "stopping",
            Trouble::Paused(_) => "paused",
            Trouble::Unread(_) => "unread",
        },
    }
}
