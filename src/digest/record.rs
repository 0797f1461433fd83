//! What is stored of digests: each one that was sent, `g/0/<number>`, and the stream of each recipient, `g/1/<address>`.
//!
//! A number is 4 octets, unique over all recipients, and names its recipient in every link. A record stays until its
//! links have ended and 30 days more. Not here: when a stream is due (`stream`), and what a link may do (`desk`).

use minicbor::{Decode, Encode};

use crate::base::lang::Lang;
use crate::mail::hold::HoldQueue;
use crate::mail::mailbox::Mailbox;
use crate::queue::MessageId;
use crate::queue::hold::Card;
use crate::queue::record::HoldId;
use crate::store::Key;

/// `g/0/<number>`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Digest {
    /// Who got it.
    #[n(0)]
    pub to: Mailbox,
    /// What of it was theirs.
    #[n(1)]
    pub scopes: Vec<Scope>,
    /// Its language.
    #[n(2)]
    pub lang: Lang,
    /// Wall time in microseconds.
    #[n(3)]
    pub at: u64,
    /// Hours since 1970 at which its links end; 0: it has none.
    #[n(4)]
    pub end: u32,
    /// What it lists with links.
    #[n(5)]
    pub listed: Vec<HoldId>,
    /// Its mail.
    #[n(6)]
    pub message: MessageId,
    /// Wall time at which its hidden link was opened first: from then on each click needs the code of its row.
    #[n(7)]
    pub canary: Option<u64>,
    /// Wrong codes by row.
    #[n(8)]
    pub wrong: Vec<WrongCodes>,
    /// Why it could not be delivered.
    #[n(9)]
    pub failed: Option<String>,
    /// Wall time at which a fresh digest was asked for last by one of its links.
    #[n(10)]
    pub fresh: Option<u64>,
}

/// How often a wrong code was given for a row.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WrongCodes {
    /// Which row.
    #[n(0)]
    pub hold: HoldId,
    /// At five its link is closed.
    #[n(1)]
    pub count: u8,
}

/// What a recipient of digests sees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Scope {
    /// As an administrator: everything in a queue.
    #[n(0)]
    Queue(#[n(0)] HoldQueue),
    /// As its owner: mail to or from this domain, in lower case.
    #[n(1)]
    Domain(#[n(0)] String),
    /// As its owner: mail that this account sent.
    #[n(2)]
    Account(#[n(0)] String),
}

impl Scope {
    /// Whether a held recipient is in it.
    pub fn holds(&self, card: &Card) -> bool {
        match self {
            Self::Queue(queue) => card.hold.queue == *queue,
            Self::Domain(domain) => {
                let from = card.from.rsplit_once('@').map(|(_, host)| host);
                card.to.host().to_string().eq_ignore_ascii_case(domain)
                    || from.is_some_and(|host| host.eq_ignore_ascii_case(domain))
            }
            Self::Account(account) => card.account.as_deref() == Some(account),
        }
    }

    /// Whether it is an administrator's.
    pub fn is_admins(&self) -> bool {
        match self {
            Self::Queue(_) => true,
            Self::Domain(_) | Self::Account(_) => false,
        }
    }
}

/// `g/0/<number>`
pub fn digest_key(number: u32) -> Key {
    Key::of(b'g', &[&[0], &number.to_be_bytes()])
}

/// `g/1/<address>`
pub fn stream_key(to: &Mailbox) -> Key {
    Key::of(b'g', &[&[1], to.to_string().as_bytes()])
}
