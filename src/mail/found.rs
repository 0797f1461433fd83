//! What a check found in a mail, and why a look at it was not made again.
//!
//! A finding belongs to the check that made it, by its name: only that check takes it back, or the configuration that
//! no longer has the rule it broke. A mail can have several; a hold tells the gravest and carries the others.
//! What could not be judged is no finding, nor is what a person or a limit ordered: both end with the next judgement.
//! Not here: when a finding is taken back (`judge::keep`), and the words for people (`digest`).

use std::collections::BTreeMap;

use super::hold::{Check, Hold, HoldQueue, HoldReason, SCANNER, TRIES};

/// The look into attachments that is built in, by its name as a scanner.
pub const ATTACHMENTS: &str = "attachments";

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Found {
    /// Where it is held for that.
    #[n(0)]
    pub queue: HoldQueue,
    /// The code.
    #[n(1)]
    pub reason: HoldReason,
    /// See `Hold::cause`.
    #[n(2)]
    pub cause: String,
    /// See `Hold::params`.
    #[cbor(n(3), default)]
    pub params: BTreeMap<String, String>,
}

/// Why a check did not look again at what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Why {
    /// It failed, and may answer later.
    #[n(0)]
    Failed,
    /// It takes no mail like this one.
    #[n(1)]
    Unfit,
    /// An `[[exception]]`.
    #[n(2)]
    Excepted,
    /// Its own settings let the mail pass unseen.
    #[n(3)]
    Skipped,
    /// The configuration does not have it any more.
    #[n(4)]
    Gone,
    /// It does not look at mail of this listener.
    #[n(5)]
    Elsewhere,
    /// Another check ended the judgement before.
    #[n(6)]
    NotReached,
    /// Nobody knows which check it was: an older version did not say.
    #[n(7)]
    Nameless,
    /// A fault of ours ended the judgement before.
    #[n(8)]
    Fault,
}

/// A look that was not made.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Unseen {
    /// The check; empty when nobody knows.
    #[n(0)]
    pub by: String,
    /// Why.
    #[n(1)]
    pub why: Why,
    /// In words, for administrators and logs: it may name inner addresses.
    #[n(2)]
    pub cause: String,
}

impl Found {
    /// What a hold itself tells, if a check found it.
    pub fn told_by(hold: &Hold) -> Option<Self> {
        hold.reason.is_finding().then(|| {
            let mut params = hold.params.clone();
            params.remove(TRIES);
            Self {
                queue: hold.queue,
                reason: hold.reason,
                cause: hold.cause.clone(),
                params,
            }
        })
    }

    /// The check that found it, and that alone can take it back; none: nobody can but a person.
    pub fn by(&self) -> Option<&str> {
        let param = |name: &str| self.params.get(name).map(String::as_str);
        match self.reason {
            HoldReason::Virus | HoldReason::Phish | HoldReason::Spam | HoldReason::Dmarc => {
                param(SCANNER)
            }
            HoldReason::Filter => param(SCANNER).or_else(|| param("name")),
            // Nothing else looked at attachments when the name was not written yet.
            HoldReason::Attachment => param(SCANNER).or(Some(ATTACHMENTS)),
            HoldReason::Rule => Some(Check::Rules.word()),
            HoldReason::Account => Some(Check::Account.word()),
            HoldReason::Loop => Some(Check::Loop.word()),
            HoldReason::BrokenMime => Some(Check::Mime.word()),
            HoldReason::Operator
            | HoldReason::Undeliverable
            | HoldReason::Internal
            | HoldReason::RateLimit
            | HoldReason::Scanner
            | HoldReason::MaybeDelivered => None,
        }
    }

    /// Whether both are the same find of the same check.
    pub fn is_of(&self, other: &Self) -> bool {
        self.reason == other.reason && self.by() == other.by()
    }

    /// A hold that tells it.
    pub fn into_hold(self) -> Hold {
        let hold = Hold::new(self.queue, self.reason, self.cause);
        Hold {
            params: self.params,
            ..hold
        }
    }
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Failed,
        Self::Unfit,
        Self::Excepted,
        Self::Skipped,
        Self::Gone,
        Self::Elsewhere,
        Self::NotReached,
        Self::Nameless,
        Self::Fault,
    ];

    /// As keys of texts spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Unfit => "unfit",
            Self::Excepted => "excepted",
            Self::Skipped => "skipped",
            Self::Gone => "gone",
            Self::Elsewhere => "elsewhere",
            Self::NotReached => "not_reached",
            Self::Nameless => "nameless",
            Self::Fault => "fault",
        }
    }
}

impl Unseen {
    /// `clam did not look again: no answer within 30 s`
    pub fn in_words(&self) -> String {
        if self.why == Why::Nameless {
            return "nobody knows which check found it, so none takes it back".to_owned();
        }
        format!("{} did not look again: {}", self.by, self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_belongs_to_the_check_that_made_it() {
        for (reason, params, wanted) in [
            (HoldReason::Virus, vec![(SCANNER, "clam")], Some("clam")),
            (HoldReason::Virus, vec![("name", "Eicar")], None),
            (HoldReason::Spam, vec![(SCANNER, "rspamd")], Some("rspamd")),
            (HoldReason::Filter, vec![("name", "milter")], Some("milter")),
            (HoldReason::Filter, vec![], None),
            (HoldReason::Attachment, vec![], Some("attachments")),
            (
                HoldReason::Attachment,
                vec![(SCANNER, "clam")],
                Some("clam"),
            ),
            (HoldReason::Rule, vec![("rule", "r")], Some("rules")),
        ] {
            let hold = Hold::new(HoldQueue::Quarantine, reason, "x");
            let hold = params
                .iter()
                .fold(hold, |hold, (name, value)| hold.with(name, value));
            let found = Found::told_by(&hold).unwrap();
            assert_eq!(found.by(), wanted, "case: {reason} {params:?}");
            assert_eq!(found.into_hold(), hold, "case: {reason} {params:?}");
        }
        for reason in HoldReason::ALL {
            let found = Found::told_by(&Hold::new(HoldQueue::Bad, reason, "x"));
            assert_eq!(found.is_some(), reason.is_finding(), "case: {reason}");
        }
    }
}
