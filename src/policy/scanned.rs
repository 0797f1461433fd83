//! What the opinions of scanners mean for a mail.
//!
//! Pure: findings in, a verdict out. A refusal counts before a deferral, that before a hold, and of holds the most
//! dangerous one. What a scanner could not look at is never let through unseen, unless `on_failure` says so.
//! Not here: asking them (`scan`).

use super::{Verdict, reply};
use crate::base::limit::SCAN_WORDS_MAX;
use crate::base::text::clean;
use crate::config::OnFailure;
use crate::mail::edit::Edits;
use crate::mail::hold::{Check, Hold, HoldQueue, HoldReason, SCANNER};
use crate::scan::{Action, End, Filtered, Finding, Opinion, Score, Trouble};

/// What all of them together mean.
#[derive(Debug)]
pub struct Scanned {
    /// For the whole mail.
    pub verdict: Verdict,
    /// Recipients, by their place, that a milter refused.
    pub refused: Vec<(usize, Hold)>,
    /// What filters change, one after another.
    pub edits: Vec<Edits>,
    /// What the mail was really looked at for.
    pub checked: Vec<Check>,
    /// A line each, for the timeline and the log: `clam: clean`.
    pub said: Vec<String>,
}

/// Judges them.
pub fn scanned(findings: Vec<Finding>) -> Scanned {
    let mut all = Scanned {
        verdict: Verdict::Accept,
        refused: Vec::new(),
        edits: Vec::new(),
        checked: Vec::new(),
        said: Vec::new(),
    };
    for finding in findings {
        let verdict = all.add(finding);
        if rank(&verdict) > rank(&all.verdict) {
            all.verdict = verdict;
        }
    }
    all
}

impl Scanned {
    fn add(&mut self, finding: Finding) -> Verdict {
        let name = finding.conf.name.clone();
        let (verdict, said) = match finding.said {
            Err(trouble) => failed(&name, finding.conf.on_failure, &trouble),
            Ok(opinion) => {
                if !matches!(opinion, Opinion::Excepted(_)) {
                    self.checked.push(finding.conf.kind.check());
                }
                self.judge(&name, opinion)
            }
        };
        self.said
            .push(clean(&format!("{name}: {said}"), SCAN_WORDS_MAX));
        verdict
    }

    fn judge(&mut self, name: &str, opinion: Opinion) -> (Verdict, String) {
        match opinion {
            Opinion::Clean => (Verdict::Accept, "clean".to_owned()),
            Opinion::Excepted(why) => (Verdict::Accept, format!("not asked: {why}")),
            Opinion::Infected(virus) => {
                let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Virus, &virus)
                    .with("name", &virus)
                    .with("scanner", name);
                (Verdict::Hold(hold), format!("infected with {virus}"))
            }
            Opinion::Scored(score) => spam(name, &score),
            Opinion::Filtered(filtered) => self.filtered(name, *filtered),
        }
    }

    fn filtered(&mut self, name: &str, filtered: Filtered) -> (Verdict, String) {
        let hold = |cause: &str| {
            Hold::new(HoldQueue::Quarantine, HoldReason::Filter, cause).with("name", name)
        };
        for (place, reply) in filtered.refused {
            self.refused.push((place, hold(&reply.to_string())));
        }
        self.edits.push(filtered.edits);
        match filtered.end {
            End::Accept => (Verdict::Accept, "accepted".to_owned()),
            End::Reject(reply) => {
                let said = format!("refused: {reply}");
                (Verdict::Reject(reply), said)
            }
            End::Defer(reply) => {
                let said = format!("put off: {reply}");
                (Verdict::Defer(reply), said)
            }
            // Nothing is lost, whoever asks for it.
            End::Discard => (
                Verdict::Hold(hold("it would have dropped the mail")),
                "would have dropped it".to_owned(),
            ),
            End::Quarantine(why) => {
                let said = format!("quarantined: {why}");
                (Verdict::Hold(hold(&why)), said)
            }
        }
    }
}

/// A scanner that gave no opinion.
fn failed(name: &str, rule: OnFailure, trouble: &Trouble) -> (Verdict, String) {
    let text = clean(&trouble.to_string(), SCAN_WORDS_MAX);
    let verdict = match rule {
        OnFailure::Accept => Verdict::Accept,
        OnFailure::Defer => Verdict::Defer(reply(
            451,
            (4, 7, 1),
            "The mail cannot be checked at the moment; try again later",
        )),
        OnFailure::Hold => {
            let cause = format!("{name}: {text}");
            let mut hold = Hold::new(HoldQueue::Bad, HoldReason::Scanner, cause);
            // Only what the scanner is to blame for ends with its recovery.
            if trouble.is_scanners() {
                hold = hold.with(SCANNER, name);
            }
            Verdict::Hold(hold)
        }
    };
    (verdict, text)
}

fn spam(name: &str, score: &Score) -> (Verdict, String) {
    let said = format!("{:.1} of {:.1} points", score.score, score.required);
    let verdict = match score.action {
        Action::None | Action::Greylist => Verdict::Accept,
        Action::AddHeader
        | Action::RewriteSubject
        | Action::SoftReject
        | Action::Quarantine
        | Action::Reject
        | Action::Discard => Verdict::Hold(
            Hold::new(HoldQueue::Quarantine, HoldReason::Spam, "")
                .with("score", format!("{:.1}", score.score))
                .with("limit", format!("{:.1}", score.required))
                .with("scanner", name),
        ),
    };
    (verdict, said)
}

/// What counts more.
fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Accept => 0,
        Verdict::Hold(hold) => match hold.reason {
            HoldReason::Virus => 4,
            HoldReason::Phish => 3,
            HoldReason::Scanner => 1,
            HoldReason::Operator
            | HoldReason::Loop
            | HoldReason::BrokenMime
            | HoldReason::Undeliverable
            | HoldReason::Internal
            | HoldReason::Rule
            | HoldReason::Account
            | HoldReason::RateLimit
            | HoldReason::Spam
            | HoldReason::Dmarc
            | HoldReason::Attachment
            | HoldReason::Filter => 2,
        },
        Verdict::Defer(_) => 5,
        Verdict::Reject(_) => 6,
    }
}
