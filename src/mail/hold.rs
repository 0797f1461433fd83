//! Why a recipient is kept for a person: queue, reason and cause.
//!
//! A hold has one queue and one closed reason; both names are stored and shown, so they never change.
//! Not here: who may release what (`queue`).

use std::fmt;
use std::str::FromStr;

/// The three hold queues. The names are fixed in configuration, API and CLI.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
pub enum HoldQueue {
    /// Störung: it could not be judged.
    #[n(0)]
    Bad,
    /// Quarantäne: judged and withheld.
    #[n(1)]
    Quarantine,
    /// Defekt: broken or dead.
    #[n(2)]
    Defect,
}

/// Why; worded in German and English where it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum HoldReason {
    /// A person held it.
    #[n(0)]
    Operator,
    /// Too many Received fields, or too many of ours.
    #[n(1)]
    Loop,
    /// Malformed MIME, and `[checks] broken_mime = "hold"`.
    #[n(2)]
    BrokenMime,
    /// A DSN that could not be delivered, or a mail without a reverse-path that could not.
    #[n(3)]
    Undeliverable,
    /// A fault of ours while processing.
    #[n(4)]
    Internal,
    /// A rule of the configuration.
    #[n(5)]
    Rule,
    /// The account is in hold-everything mode.
    #[n(6)]
    Account,
    /// Too many mails of one account.
    #[n(7)]
    RateLimit,
}

/// A hold as it is stored with its recipient.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Hold {
    /// Which of the three.
    #[n(0)]
    pub queue: HoldQueue,
    /// The code.
    #[n(1)]
    pub reason: HoldReason,
    /// The cause in words: rule, finding, error text. Cleaned and bounded.
    #[n(2)]
    pub cause: String,
}

impl HoldQueue {
    /// All three, in the order of the pages.
    pub const ALL: [Self; 3] = [Self::Bad, Self::Quarantine, Self::Defect];

    /// `bad`, `quarantine`, `defect`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Quarantine => "quarantine",
            Self::Defect => "defect",
        }
    }
}

impl HoldReason {
    /// The code as configuration, events and API spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Loop => "loop",
            Self::BrokenMime => "broken_mime",
            Self::Undeliverable => "undeliverable",
            Self::Internal => "internal",
            Self::Rule => "rule",
            Self::Account => "account",
            Self::RateLimit => "rate_limit",
        }
    }
}

impl fmt::Display for HoldQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for HoldQueue {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|queue| queue.word() == text)
            .ok_or(())
    }
}
