//! What the opinions of scanners mean for a mail.
//!
//! Pure: findings in, a verdict out. A refusal counts before a deferral, that before a hold, and of holds the most
//! dangerous one. What a scanner could not look at is never let through unseen, unless `on_failure` says so.
//! Not here: asking them (`scan`).

use super::spam::spam;
use super::{Place, Verdict, fields, flagged, reply};
use crate::base::limit::SCAN_WORDS_MAX;
use crate::base::text::clean;
use crate::config::{OnFailure, ScannerConf, ScannerKind};
use crate::mail::edit::Edits;
use crate::mail::found::{Unseen, Why};
use crate::mail::hold::{Check, Hold, HoldQueue, HoldReason, SCANNER};
use crate::scan::{End, Filtered, Finding, Opinion, Score, Trouble};

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
    /// Who really looked, and for what: what each found before is what it finds now.
    pub looked: Vec<(String, Check)>,
    /// Who did not.
    pub unseen: Vec<Unseen>,
    /// A line each, for the timeline and the log: `clam: clean`.
    pub said: Vec<String>,
}

/// Judges them. Where nobody can be told to try again later, that is a hold.
pub fn scanned(findings: Vec<Finding>, place: &Place<'_>) -> Scanned {
    let mut all = Scanned {
        verdict: Verdict::Accept,
        refused: Vec::new(),
        edits: Vec::new(),
        checked: Vec::new(),
        looked: Vec::new(),
        unseen: Vec::new(),
        said: Vec::new(),
    };
    for finding in findings {
        let name = finding.conf.name.clone();
        let kind = finding.conf.kind.check();
        let verdict = all.add(finding, place);
        let put_off = matches!(verdict, Verdict::Defer(_));
        let verdict = if place.answered {
            verdict
        } else {
            held(&name, verdict)
        };
        if put_off {
            // "Later" is no opinion of the mail.
            all.overlook(&name, kind);
        }
        all.verdict = joined(all.verdict, verdict);
    }
    all
}

/// Where nobody can be answered, what a client would be told a person is told.
fn held(name: &str, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Accept | Verdict::Hold(_) => verdict,
        // It has not failed: nobody waits for it to answer again.
        Verdict::Defer(reply) => {
            let cause = format!("{name}: {reply}");
            Verdict::Hold(Hold::new(HoldQueue::Bad, HoldReason::Scanner, cause))
        }
        Verdict::Reject(reply) => Verdict::Hold(refusal(name, &reply.to_string())),
    }
}

/// What a filter withholds.
fn refusal(name: &str, cause: &str) -> Hold {
    let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Filter, cause);
    hold.with("name", name).with(SCANNER, name)
}

/// What counts more; two holds are one that forgets neither.
fn joined(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Hold(one), Verdict::Hold(other)) => Verdict::Hold(one.and(other)),
        (one, other) if rank(&other) > rank(&one) => other,
        (one, _) => one,
    }
}

impl Scanned {
    fn add(&mut self, finding: Finding, place: &Place<'_>) -> Verdict {
        let name = finding.conf.name.clone();
        let rule = match finding.conf.on_failure {
            OnFailure::Defer if !place.answered => OnFailure::Hold,
            rule @ (OnFailure::Hold | OnFailure::Defer | OnFailure::Accept) => rule,
        };
        let (verdict, said) = match finding.said {
            Err(trouble) => {
                let why = match trouble.is_scanners() {
                    true => Why::Failed,
                    false => Why::Unfit,
                };
                self.overlooked(&name, why, clean(&trouble.to_string(), SCAN_WORDS_MAX));
                failed(&name, rule, &trouble)
            }
            Ok(opinion) => {
                self.note_look(&name, finding.conf.kind.check(), &opinion);
                self.judge(&finding.conf, opinion, place)
            }
        };
        self.said
            .push(clean(&format!("{name}: {said}"), SCAN_WORDS_MAX));
        verdict
    }

    /// Whether it really looked.
    fn note_look(&mut self, name: &str, check: Check, opinion: &Opinion) {
        match opinion {
            Opinion::Excepted(why) => self.overlooked(name, Why::Excepted, why.clone()),
            Opinion::Scored(score) if score.skipped => {
                let cause = "its own settings let the mail pass unseen";
                self.overlooked(name, Why::Skipped, cause.to_owned());
            }
            // It may have ended there, before it saw all of the mail: what it found before stays.
            Opinion::Flagged(_, signature) => {
                self.overlooked(name, Why::Unfit, signature.clone());
            }
            Opinion::Clean | Opinion::Infected(_) | Opinion::Scored(_) | Opinion::Filtered(_) => {
                self.looks(name, check)
            }
        }
    }

    fn looks(&mut self, name: &str, check: Check) {
        if !self.checked.contains(&check) {
            self.checked.push(check);
        }
        self.looked.push((name.to_owned(), check));
    }

    fn overlooked(&mut self, name: &str, why: Why, cause: String) {
        self.unseen.push(Unseen {
            by: name.to_owned(),
            why,
            cause,
        });
    }

    /// It looked, and gave no opinion.
    fn overlook(&mut self, name: &str, kind: Check) {
        if !self.looked.iter().any(|(by, _)| by == name) {
            return;
        }
        self.looked.retain(|(by, _)| by != name);
        if !self.looked.iter().any(|(_, check)| *check == kind) {
            self.checked.retain(|check| *check != kind);
        }
        self.overlooked(name, Why::Unfit, "it puts the mail off".to_owned());
    }

    fn judge(
        &mut self,
        conf: &ScannerConf,
        opinion: Opinion,
        place: &Place<'_>,
    ) -> (Verdict, String) {
        let name = conf.name.as_str();
        match opinion {
            Opinion::Clean => {
                if conf.writes(place.role) {
                    self.edits.push(Edits {
                        top: vec![fields::virus(place)],
                        ..Edits::default()
                    });
                }
                (Verdict::Accept, "clean".to_owned())
            }
            Opinion::Excepted(why) => (Verdict::Accept, format!("not asked: {why}")),
            Opinion::Infected(virus) => {
                let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Virus, &virus)
                    .with("name", &virus)
                    .with(SCANNER, name);
                (Verdict::Hold(hold), format!("infected with {virus}"))
            }
            Opinion::Flagged(flag, signature) => {
                let (hold, said) = flagged::hold(name, flag, &signature);
                (Verdict::Hold(hold), said)
            }
            Opinion::Scored(score) => self.scored(conf, &score, place),
            Opinion::Filtered(filtered) => self.filtered(name, &conf.kind, *filtered),
        }
    }

    fn scored(
        &mut self,
        conf: &ScannerConf,
        score: &Score,
        place: &Place<'_>,
    ) -> (Verdict, String) {
        let ScannerKind::Rspamd(own) = &conf.kind else {
            return (
                Verdict::Accept,
                "a score of a scanner that gives none".to_owned(),
            );
        };
        let spam = spam(conf, own, score, place);
        self.edits.push(spam.edits);
        if spam.dmarc && !score.skipped {
            self.looks(&conf.name, Check::Dmarc);
        }
        (spam.verdict, spam.said)
    }

    fn filtered(
        &mut self,
        name: &str,
        kind: &ScannerKind,
        filtered: Filtered,
    ) -> (Verdict, String) {
        let hold = |cause: &str| refusal(name, cause);
        for (place, reply) in filtered.refused {
            self.refused.push((place, hold(&reply.to_string())));
        }
        // Only who came to the end of its work has done it; the others are asked for all of it again.
        let worked = match &filtered.end {
            End::Accept | End::Quarantine(_) => true,
            End::Discard => filtered.edits != Edits::default(),
            End::Reject(_) | End::Defer(_) => false,
        };
        if worked {
            self.edits.push(Edits {
                by: name.to_owned(),
                ..filtered.edits
            });
        }
        match filtered.end {
            End::Accept => (Verdict::Accept, "accepted".to_owned()),
            End::Reject(reply) => {
                let said = format!("refused: {reply}");
                let verdict = if kind.holds_refused() {
                    Verdict::Hold(hold(&reply.to_string()))
                } else {
                    Verdict::Reject(reply)
                };
                (verdict, said)
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

/// What counts more.
fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Accept => 0,
        Verdict::Hold(_) => 1,
        Verdict::Defer(_) => 2,
        Verdict::Reject(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::base::size::ByteSize;
    use crate::config::{HeadersFor, Role, ScannerAddress};
    use crate::mail::path::ReversePath;
    use crate::mail::reply::Reply;
    use crate::scan::signature::Flag;

    fn finding(on_failure: OnFailure, said: Result<Opinion, Trouble>) -> Finding {
        Finding {
            conf: ScannerConf {
                name: "clam".to_owned(),
                kind: ScannerKind::Clamd,
                address: ScannerAddress::Tcp("127.0.0.1".to_owned(), 3310),
                timeout: Duration::from_secs(30),
                max_size: ByteSize::mib(25),
                connections: 1,
                on_failure,
                listeners: Vec::new(),
                headers: HeadersFor::None,
            },
            said,
            took: Duration::ZERO,
        }
    }

    fn scanned(findings: Vec<Finding>, answered: bool) -> Scanned {
        let place = Place {
            hostname: "mx.example.org",
            role: Role::Mx,
            from: &ReversePath::Null,
            helo: "client.example",
            answered,
        };
        super::scanned(findings, &place)
    }

    fn good(opinion: Opinion) -> Finding {
        finding(OnFailure::Hold, Ok(opinion))
    }

    fn filtered(end: End) -> Finding {
        good(Opinion::Filtered(Box::new(Filtered {
            end,
            ..Filtered::default()
        })))
    }

    fn word(findings: Vec<Finding>) -> String {
        match scanned(findings, true).verdict {
            Verdict::Accept => "accept".to_owned(),
            Verdict::Defer(reply) | Verdict::Reject(reply) => reply.code().to_string(),
            Verdict::Hold(hold) => format!("{} {}", hold.queue, hold.reason),
        }
    }

    fn slow(on_failure: OnFailure) -> Finding {
        finding(on_failure, Err(Trouble::Slow(Duration::from_secs(30))))
    }

    #[test]
    fn of_several_opinions_the_gravest_counts() {
        let virus = || good(Opinion::Infected("Eicar".to_owned()));
        let refuse = || filtered(End::Reject(Reply::new(550, None, "no")));
        for (name, findings, wanted) in [
            ("clean", vec![good(Opinion::Clean)], "accept"),
            ("virus", vec![virus()], "quarantine virus"),
            (
                "virus after a part that was not looked at",
                vec![
                    good(Opinion::Flagged(Flag::Limits, "L".to_owned())),
                    virus(),
                ],
                "quarantine virus",
            ),
            (
                "a forged link beside a password",
                vec![
                    good(Opinion::Flagged(Flag::Encrypted, "E".to_owned())),
                    good(Opinion::Flagged(Flag::Phishing, "P".to_owned())),
                ],
                "quarantine phish",
            ),
            (
                "virus after a failure",
                vec![slow(OnFailure::Hold), virus()],
                "quarantine virus",
            ),
            (
                "a failure after a wish",
                vec![
                    filtered(End::Quarantine("look".to_owned())),
                    slow(OnFailure::Hold),
                ],
                "quarantine filter",
            ),
            ("refused", vec![virus(), refuse()], "550"),
            ("put off", vec![slow(OnFailure::Defer), virus()], "451"),
            (
                "discarded",
                vec![filtered(End::Discard)],
                "quarantine filter",
            ),
            (
                "a failure that counts",
                vec![slow(OnFailure::Hold)],
                "bad scanner",
            ),
            ("one that does not", vec![slow(OnFailure::Accept)], "accept"),
        ] {
            assert_eq!(word(findings), wanted, "case: {name}");
        }
    }

    #[test]
    fn only_what_the_scanner_is_to_blame_for_waits_for_it() {
        let large = Trouble::TooLarge(ByteSize::mib(30), ByteSize::mib(25));
        for (trouble, waits) in [
            (Trouble::Slow(Duration::from_secs(30)), true),
            (Trouble::Garbage("?".to_owned()), true),
            (large, false),
            (Trouble::Unread("lost".to_owned()), false),
        ] {
            let found = scanned(vec![finding(OnFailure::Hold, Err(trouble.clone()))], true);
            let Verdict::Hold(hold) = found.verdict else {
                panic!("{trouble}: let through unseen");
            };
            assert_eq!(hold.failed_scanner().is_some(), waits, "case: {trouble}");
            assert_eq!(found.checked, [], "case: {trouble}");
        }
    }

    #[test]
    fn where_nobody_waits_for_a_reply_putting_off_is_holding() {
        let found = scanned(vec![slow(OnFailure::Defer)], false);
        let Verdict::Hold(hold) = found.verdict else {
            panic!("{:?}", found.verdict);
        };
        assert_eq!(hold.failed_scanner(), Some("clam"));
    }

    #[test]
    fn nobody_there_to_be_answered_loses_no_finding() {
        let later = || filtered(End::Defer(Reply::new(451, None, "later")));
        let refuse = || filtered(End::Reject(Reply::new(550, None, "no")));
        let virus = || good(Opinion::Infected("Eicar".to_owned()));
        for (name, findings, reason, others) in [
            ("put off", vec![later(), virus()], HoldReason::Virus, 0),
            ("refused", vec![refuse(), virus()], HoldReason::Virus, 1),
            ("only put off", vec![later()], HoldReason::Scanner, 0),
        ] {
            let found = scanned(findings, false);
            let Verdict::Hold(hold) = found.verdict else {
                panic!("{name}: {:?}", found.verdict);
            };
            assert_eq!(hold.reason, reason, "case: {name}");
            assert_eq!(hold.others.len(), others, "case: {name}");
        }
        let found = scanned(vec![later()], false);
        assert!(found.looked.is_empty(), "\"later\" is no opinion");
        assert_eq!(found.unseen.len(), 1);
    }

    #[test]
    fn what_was_not_asked_was_not_looked_at() {
        let found = scanned(vec![good(Opinion::Excepted("ours".to_owned()))], true);
        assert_eq!(found.checked, []);
        assert_eq!(found.said, ["clam: not asked: ours"]);
        assert_eq!(
            scanned(vec![good(Opinion::Clean)], true).checked,
            [Check::Virus]
        );
    }
}
