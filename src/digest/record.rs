//! What is stored of digests: each one that was sent, `g/0/<number>`, and the stream of each recipient, `g/1/<address>`.
//!
//! A number is 4 octets, unique over all recipients, and names its recipient in every link. A record stays until its
//! links have ended and 30 days more. Not here: when a stream is due (`stream`), and what a link may do (`desk`).

use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::mail::hold::HoldQueue;
use crate::mail::mailbox::Mailbox;
use crate::queue::MessageId;
use crate::queue::hold::Card;
use crate::queue::record::{HoldId, encode};
use crate::store::{Band, Due, Group, Key, Op, Work};

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
    /// As its owner: mail to this domain, in lower case, or from it by an account that is bound to it.
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
                // Anybody can write a reverse-path, and so can an account without `senders`.
                let proven = card.proven.as_deref();
                card.to.host().to_string().eq_ignore_ascii_case(domain)
                    || proven.is_some_and(|host| host.eq_ignore_ascii_case(domain))
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

/// A record is looked up so long after its links have ended: "expired" is a better answer than "unknown".
const KEPT: Duration = Duration::from_secs(30 * 86_400);

impl Digest {
    /// Writes it, due when nobody needs it any more. Whoever changes one writes it by this, or it would stay for ever.
    pub fn put(&self, number: u32, now: Wall) -> Op {
        let key = digest_key(number);
        let end = Wall(
            u64::from(self.end)
                .saturating_mul(3_600_000_000)
                .max(self.at),
        ) + KEPT;
        let due = Due {
            work: Work::Digest,
            group: Group::of_key(&key),
            band: Band::Bulk,
            after: end - now,
        };
        Op::Put {
            key,
            value: encode(self),
            due: Some(due),
            terms: Vec::new(),
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

/// `g/2`: the last number, 4 octets. Numbers are never used twice, as links carry them.
pub fn number_key() -> Key {
    Key::of(b'g', &[&[2]])
}

/// `g/4/<address>`: when further rows of a digest were asked for last, and how far they have come.
pub fn rest_key(to: &Mailbox) -> Key {
    Key::of(b'g', &[&[4], to.to_string().as_bytes()])
}

/// `g/3/<address>`: wall time in microseconds at which a fresh digest was asked for last, 8 octets.
pub fn fresh_key(to: &Mailbox) -> Key {
    Key::of(b'g', &[&[3], to.to_string().as_bytes()])
}
