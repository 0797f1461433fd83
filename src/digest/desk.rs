//! What a link may do: how its hold stands, and the one act of whoever presses the button.
//!
//! `look` reads and never writes; `canary` writes once; `act` decides. Everything is judged when it is used: the hold,
//! the digest, the configuration in force, whose the mail is by it, who is logged in. Once the hidden link of a digest was opened, each act needs
//! the code of its row, and the fifth wrong one closes that link: guesses are judged one after the other and stored, so
//! that neither many at once nor a restart gives more of them.
//! Not here: tokens (`token`), HTTP, nonces and throttles (`admin`), how a hold ends (`queue`).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::key::Keys;
use super::record::{Digest, digest_key};
use super::token::{Action, Token};
use crate::accounts::Accounts;
use crate::base::limit::{LINK_AGENT_MAX, LINK_CODES_MAX};
use crate::base::text::clean;
use crate::mail::state::Illegal;
use crate::queue::Queue;
use crate::queue::hold::Card;
use crate::queue::record::decode;
use crate::queue::verbs::{Actor, Undecided, Verb};
use crate::store::{Record, StoreError};

mod rights;
mod stand;
mod standing;
mod write;

pub use rights::{Right, Rights};
pub use stand::Stand;

/// Decides what links do; clones share it.
#[derive(Clone)]
pub struct Desk {
    queue: Queue,
    keys: Keys,
    accounts: Accounts,
    /// One guess of a code at a time.
    turn: Arc<Mutex<()>>,
}

/// What stands behind a link.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The hold, and how it ended if it did.
    pub card: Card,
    /// The digest whose link it is.
    pub digest: Digest,
    /// Its number.
    pub number: u32,
    /// How things stand for this link.
    pub stand: Stand,
    /// What its buttons may do.
    pub rights: Rights,
    /// Whether this visitor may take back what was done.
    pub undo: bool,
    /// Whether each button needs the code of the row.
    pub needs_code: bool,
}

/// A digest by the link that belongs to all of it.
#[derive(Clone, Debug)]
pub struct Whole {
    /// As it is stored.
    pub digest: Digest,
    /// The link has ended, or its key was revoked.
    pub over: bool,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// From where.
    pub address: IpAddr,
    /// What the browser calls itself; cut before it is logged.
    pub agent: String,
    /// An administrator's session, if there is one.
    pub login: Option<String>,
}

/// What a button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkVerb {
    /// Deliver without a check.
    Release,
    /// Judge again.
    Requeue,
    /// Into the trash.
    Delete,
    /// Delete, and tell the sender.
    Bounce,
    /// Take back what was just done.
    Undo,
}

/// Why nothing was done, where the page cannot say it by how things stand.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeskError {
    /// No such digest or hold, or both are forgotten: the same answer as for a token that is none.
    #[error("no link of this server")]
    Unknown,
    /// The hidden link of this digest was opened, and no code came with the button.
    #[error("this digest was opened by a robot; the code beside the row in the mail is needed")]
    NeedsCode,
    /// Another code than the one beside the row.
    #[error("the code is wrong; {left} tries are left")]
    WrongCode {
        /// How many.
        left: u8,
    },
    /// This visitor may not do this.
    #[error("not allowed by this link: {0}")]
    NotAllowed(Right),
    /// It is in delivery or being judged at this moment.
    #[error("the message is being worked on; try again in a moment")]
    Busy,
    /// Its state does not allow it.
    #[error("the message {0}")]
    Refused(Illegal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the store has for a token.
struct Found {
    card: Card,
    digest: Digest,
}

impl Desk {
    /// Over the queue's store.
    pub fn new(queue: Queue, keys: Keys) -> Self {
        let accounts = Accounts::new(Arc::clone(queue.conf()), queue.store().clone());
        Self {
            queue,
            keys,
            accounts,
            turn: Arc::default(),
        }
    }

    /// How things stand for somebody who is not logged in. Never writes.
    ///
    /// # Errors
    /// [`DeskError::Unknown`] for a canary's token too: there is nothing behind it.
    pub async fn look(&self, token: &Token) -> Result<Opened, DeskError> {
        self.look_as(token, None).await
    }

    /// How things stand for an administrator who is logged in, or somebody who is not. Never writes.
    ///
    /// # Errors
    /// As `look`.
    pub async fn look_as(&self, token: &Token, login: Option<&str>) -> Result<Opened, DeskError> {
        let found = self.find(token).await?;
        self.opened(token, found, login).await
    }

    /// Somebody opened the hidden link of a digest: a robot. The first time is written, later ones are not.
    ///
    /// # Errors
    /// [`DeskError::Unknown`] for any other token, or a digest that is forgotten.
    pub async fn canary(&self, token: &Token) -> Result<(), DeskError> {
        if token.action != Action::Canary {
            return Err(DeskError::Unknown);
        }
        if self.is_over(token) {
            return Ok(());
        }
        self.mark_canary(token.digest).await
    }

    /// Does what the button says, if it may. `Stand::Done` (after Undo: `Stand::Open`) is returned to exactly one of many
    /// that press it; the others get how things stand.
    ///
    /// # Errors
    /// [`DeskError`] says why nothing was done.
    pub async fn act(
        &self,
        token: &Token,
        verb: LinkVerb,
        code: Option<&str>,
        visitor: &Visitor,
    ) -> Result<Opened, DeskError> {
        let login = visitor.login.as_deref();
        let found = self.find(token).await?;
        let mut opened = self.opened(token, found, login).await?;
        if !opened.takes(verb) {
            return Ok(opened.late());
        }
        let right = opened.right(verb);
        if right != Right::Yes {
            return Err(DeskError::NotAllowed(right));
        }
        if opened.needs_code && !self.passes(token, code, &mut opened).await? {
            return Ok(opened);
        }
        let actor = self.actor(&opened, visitor);
        let word = verb.word();
        match self.queue.decide(token.hold, self.verb(verb), &actor).await {
            Ok(card) => {
                let agent = clean(&visitor.agent, LINK_AGENT_MAX);
                let place = visitor.address.to_canonical();
                tracing::info!(hold = %token.hold, verb = word, by = actor.by, digest = token.digest, %place, agent, "a link acted");
                opened.card = card;
                opened.settle(verb, self.queue.store().now());
                Ok(opened)
            }
            // Read again: what it is now, and for whom, is one answer for all that come late.
            Err(Undecided::Handled(_) | Undecided::Refused(Illegal::NothingToUndo)) => {
                Ok(self.look_as(token, login).await?.late())
            }
            Err(Undecided::Unknown) => Err(DeskError::Unknown),
            Err(Undecided::Busy) => Err(DeskError::Busy),
            Err(Undecided::Refused(why)) => Err(DeskError::Refused(why)),
            Err(Undecided::Store(error)) => Err(error.into()),
        }
    }

    /// The digest of a link that asks for its other rows. Never writes.
    ///
    /// # Errors
    /// [`DeskError::Unknown`] for any other token, or a digest that is forgotten.
    pub async fn whole(&self, token: &Token) -> Result<Whole, DeskError> {
        if token.action != Action::More {
            return Err(DeskError::Unknown);
        }
        let record = self.digest_record(token.digest).await?;
        let digest: Digest = decode(&record.key, &record.value)?;
        Ok(Whole {
            over: self.is_over(token) || !self.gets_digests(&digest.to).await?,
            digest,
        })
    }

    async fn find(&self, token: &Token) -> Result<Found, DeskError> {
        if token.action.is_whole() {
            return Err(DeskError::Unknown);
        }
        let record = self.digest_record(token.digest).await?;
        let digest: Digest = decode(&record.key, &record.value)?;
        // What a digest does not list it has no links for, whoever signed them.
        if !digest.listed.contains(&token.hold) {
            return Err(DeskError::Unknown);
        }
        let card = self.queue.card(token.hold).await?;
        Ok(Found {
            card: card.ok_or(DeskError::Unknown)?,
            digest,
        })
    }

    async fn digest_record(&self, number: u32) -> Result<Record, DeskError> {
        let found = self.queue.store().get(vec![digest_key(number)]).await?;
        found.into_iter().flatten().next().ok_or(DeskError::Unknown)
    }

    fn actor(&self, opened: &Opened, visitor: &Visitor) -> Actor {
        let by = match visitor.login {
            Some(_) => "admin".to_owned(),
            None => stand::link_of(&opened.digest),
        };
        Actor {
            by,
            place: Some(visitor.address.to_canonical().to_string()),
            digest: Some(opened.number),
        }
    }

    fn verb(&self, verb: LinkVerb) -> Verb {
        let undo = !self.queue.conf().load().hold.undo.is_zero();
        match verb {
            LinkVerb::Release => Verb::Release { undo },
            LinkVerb::Requeue => Verb::Requeue { undo },
            LinkVerb::Delete => Verb::Delete { now: false },
            LinkVerb::Bounce => Verb::Bounce,
            LinkVerb::Undo => Verb::Undo,
        }
    }
}

impl LinkVerb {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Release,
        Self::Requeue,
        Self::Delete,
        Self::Bounce,
        Self::Undo,
    ];

    /// As forms, facts and log lines spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Requeue => "requeue",
            Self::Delete => "delete",
            Self::Bounce => "bounce",
            Self::Undo => "undo",
        }
    }
}

impl std::str::FromStr for LinkVerb {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut all = Self::ALL.into_iter();
        all.find(|verb| verb.word() == text).ok_or(())
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

/// Whether so many wrong codes close a link.
fn closes(count: u8) -> bool {
    count >= LINK_CODES_MAX
}

#[cfg(test)]
mod tests;
