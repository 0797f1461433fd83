//! Floor 5: the queue, where receivers and deliverers meet, and nowhere else.
//!
//! One ledger changes state: it reads, asks `mail::state::next`, and makes states, indexes, facts and the work that
//! follows in one batch. What must happen later is a due record; a crash drops the claim, so there is no recovery code.
//! Not here: who may send (`policy`), where mail goes (`deliver`), what a DSN looks like (`bounce`).

pub mod accept;
mod act;
mod aside;
pub mod body;
pub mod bulk;
pub mod damaged;
#[cfg(test)]
mod doubts;
mod expiry;
#[cfg(test)]
mod finding;
mod gap;
pub mod group;
mod history;
pub mod hold;
#[cfg(test)]
mod holding;
mod intent;
#[cfg(test)]
mod jobs;
mod joint;
pub mod judging;
#[cfg(test)]
mod keeping;
pub mod ledger;
pub mod lend;
mod lifetimes;
pub mod list;
mod noted;
mod postpone;
pub mod pressure;
pub mod query;
pub mod record;
#[cfg(test)]
mod remembering;
mod reported;
pub mod rests;
mod retire;
pub mod retry;
pub mod returned;
pub mod settle;
pub mod shelf;
mod staged;
mod stride;
pub mod survey;
#[cfg(test)]
mod tests;
pub mod undoing;
pub mod upkeep;
pub mod verbs;
pub mod waits;
pub mod worker;

use std::fmt;
use std::sync::Arc;

pub use accept::{AcceptError, Finishing, NewMail};
pub use body::{BodyReader, BodyWriter, StoredBody};
pub use intent::Pending;
pub use lend::{Deliveries, DueRecipient, Lent};
pub use pressure::Full;
pub use record::{DsnWork, FailedRecipient, Message, MessageId, Origin, RecipientId};
pub use settle::{Attempt, Delays};
pub use staged::Source;

use crate::base::clock::Clock;
use crate::base::id::Ids;
use crate::base::repeats::Repeats;
use crate::config::Shared;
use crate::journal::event::Events;
use crate::store::Store;

/// A handle on the queue; clones share it.
#[derive(Clone)]
pub struct Queue {
    conf: Shared,
    store: Store,
    clock: Clock,
    ids: Arc<Ids>,
    gap: Arc<gap::Gap>,
    events: Events,
    held: Arc<tokio::sync::watch::Sender<u64>>,
    waits: Arc<waits::Waits>,
    staged: Arc<staged::Staged>,
    /// Ids before it are of an earlier start.
    began: MessageId,
    repeats: Arc<Repeats>,
}

impl Queue {
    /// A queue over `store`.
    pub fn new(conf: Shared, store: Store, clock: Clock, events: Events) -> Self {
        let gap = Arc::new(gap::Gap::new(store.now(), &clock));
        let ids = Ids::new(0);
        let began = MessageId(ids.make(store.now().0));
        let repeats = Repeats::new(clock.clone());
        Self {
            conf,
            store,
            clock,
            ids: Arc::new(ids),
            gap,
            events,
            held: Arc::new(tokio::sync::watch::Sender::new(0)),
            waits: Arc::default(),
            staged: Arc::default(),
            began,
            repeats: Arc::new(repeats),
        }
    }

    /// Begins a body that a program hands in; its id is the message's.
    pub fn begin_body(&self) -> BodyWriter {
        self.begin_body_of(Source::Trusted)
    }

    /// Begins a body; its id is the message's.
    pub fn begin_body_of(&self, source: Source) -> BodyWriter {
        BodyWriter::new(self.clone(), MessageId(self.fresh_id()), source)
    }

    /// Begins another text of a body that is complete but not accepted, which is read back meanwhile.
    pub fn begin_again(&self, body: &StoredBody) -> BodyWriter {
        BodyWriter::behind(self.clone(), body)
    }

    /// Reads a body that is complete but not accepted.
    pub fn read_back(&self, body: &StoredBody) -> BodyReader {
        let reader = BodyReader::new(self.store.clone(), body.id, body.first, body.chunks - 1);
        reader.before(body.last.clone())
    }

    /// Reads the body of a message.
    pub fn open_body(&self, message: &Message) -> BodyReader {
        BodyReader::new(
            self.store.clone(),
            message.id,
            message.first,
            message.chunks,
        )
    }

    /// For delivery: what is due, and claims of it.
    pub fn deliveries(&self) -> Deliveries {
        Deliveries::new(self.clone())
    }

    /// The store underneath, for owners of other records.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where events are told.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The clock of this server.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The configuration in force.
    pub fn conf(&self) -> &Shared {
        &self.conf
    }

    fn fresh_id(&self) -> u64 {
        self.ids.make(self.store.now().0)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}
