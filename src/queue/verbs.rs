//! What a person can do to recipients, on whom, and who it is: retry, requeue, release, hold, delete, bounce, undo.
//!
//! The words are the same in CLI, API, pages, links and facts. Not here: doing it (`act`), and who may (`admin`).

use std::fmt;
use std::str::FromStr;

use super::hold::Card;
use super::record::MessageId;
use crate::base::id::BadId;
use crate::mail::mailbox::{BadMailbox, Mailbox};
use crate::mail::state::Illegal;
use crate::mail::unlinked::joined;
use crate::store::{Need, StoreError};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Verb {
    /// Due now.
    #[n(0)]
    Retry,
    /// Judged again; with a wait in which it can be undone, if asked.
    #[n(1)]
    Requeue {
        /// Wait first.
        #[n(0)]
        undo: bool,
    },
    /// Out of its hold, unchecked.
    #[n(2)]
    Release {
        /// Wait first.
        #[n(0)]
        undo: bool,
    },
    /// Into `quarantine`, reason `operator`.
    #[n(3)]
    Hold,
    /// Into the trash, or gone at once.
    #[n(4)]
    Delete {
        /// At once.
        #[n(0)]
        now: bool,
    },
    /// Given up, and its sender is told.
    #[n(5)]
    Bounce,
    /// Back from a wait or the trash.
    #[n(6)]
    Undo,
}

/// On whom: all unfinished recipients of a message, or one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which message.
    pub message: MessageId,
    /// Only this recipient.
    pub address: Option<Mailbox>,
}

/// Who acts, as facts and cards show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `cli:root`, `admin`, `link:anna@example.org`, `postwerk`.
    pub by: String,
    /// From where, as far as it is known.
    pub place: Option<String>,
    /// By a link of this digest.
    pub digest: Option<u32>,
}

/// Why nothing was done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ActError {
    /// Retired, deleted, or never was.
    #[error("no such message in the queue; `queue show` still has its history for a while")]
    Unknown,
    /// The message has no such recipient.
    #[error("the message has no recipient {0}")]
    NoRecipient(Mailbox),
    /// The state does not allow it.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a hold was not decided.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Undecided {
    /// There never was such a hold, or it is forgotten.
    #[error("there is no such hold; it never was, or it ended long ago")]
    Unknown,
    /// Somebody else was faster; the card says who and when.
    #[error("it was handled already")]
    Handled(Box<Card>),
    /// It is in delivery or being judged at this moment.
    #[error("is in delivery; try again")]
    Busy,
    /// The state does not allow it.
    #[error(transparent)]
    Refused(Illegal),
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A text that is no target.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BadTarget {
    /// Before the slash.
    #[error(transparent)]
    Id(#[from] BadId),
    /// Behind it.
    #[error(transparent)]
    Address(#[from] BadMailbox),
}

impl Actor {
    /// Somebody of whom no more is known.
    pub fn of(by: impl Into<String>) -> Self {
        Self {
            by: by.into(),
            place: None,
            digest: None,
        }
    }
}

impl Verb {
    /// As CLI and facts spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Requeue { .. } => "requeue",
            Self::Release { .. } => "release",
            Self::Hold => "hold",
            Self::Delete { .. } => "delete",
            Self::Bounce => "bounce",
            Self::Undo => "undo",
        }
    }

    /// What it asks of a full disk: who empties a queue by hand must be able to.
    pub(super) fn need(self) -> Need {
        match self {
            Self::Delete { .. } | Self::Bounce => Need::End,
            Self::Retry | Self::Requeue { .. } | Self::Release { .. } | Self::Hold | Self::Undo => {
                Need::Grow
            }
        }
    }
}

/// `ID` or `ID/ADDRESS`.
impl FromStr for Target {
    type Err = BadTarget;
    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let (id, address) = match text.split_once('/') {
            Some((id, address)) => (id, Some(address)),
            None => (text, None),
        };
        Ok(Self {
            message: id.trim().parse()?,
            address: address.map(address_of).transpose()?,
        })
    }
}

/// Also as digests and pages show it, `a[at]b[.]example`.
fn address_of(text: &str) -> Result<Mailbox, BadMailbox> {
    Mailbox::parse(text).or_else(|bad| Mailbox::parse(&joined(text)).map_err(|_| bad))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => write!(f, "{}/{address}", self.message),
            None => self.message.fmt(f),
        }
    }
}
