//! The one place that changes state: reads, asks `next`, and writes states, indexes, counts, facts and due work.
//!
//! Every other file of the queue says what happened; how that becomes operations of one batch is decided here, so that
//! a record, its due slot and its terms can never disagree.

use std::time::Duration;

use super::Queue;
use super::accept::{group_of, terms};
use super::record::{
    Message, MessageId, Parcel, decode, encode, fact_key, message_key, parcel_key, parcels_prefix,
};
use crate::journal::event::{Event, EventKind};
use crate::journal::fact::{Entry, Fact};
use crate::mail::state::{Leave, State};
use crate::store::{
    Band, Batch, Due, Group, Key, Op, Record, Span, StoreError, StoreTime, Version, Work,
};

/// Retirement waits so long, so that a page that somebody looks at does not vanish under their eyes.
const RETIRE_AFTER: Duration = Duration::from_secs(60);
/// But once one is retired, those go with it that are due within this span: what ends in a rush goes in a few commits,
/// and faster than it came.
pub(super) const RETIRE_AHEAD: Duration = Duration::from_secs(45);

/// Parcels read with one scan.
const PARCELS_PAGE: usize = 1_000;

/// A parcel as it stands in the store.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Behind the message in its key.
    pub number: u64,
    /// For `Pre::Is`.
    pub version: Version,
    /// What it says.
    pub parcel: Parcel,
}

/// When a message with nothing left to do is retired.
pub(super) fn retire(key: &Key) -> Due {
    Due {
        work: Work::Retire,
        group: Group::of_key(key),
        band: Band::Normal,
        after: RETIRE_AFTER,
    }
}

/// Writes a parcel with the due slot and the terms that its states ask for.
pub(super) fn put_parcel(
    batch: &mut Batch,
    id: MessageId,
    number: u64,
    parcel: &Parcel,
    now: StoreTime,
) {
    let key = parcel_key(id, number);
    let due = due_of(&key, parcel, now);
    batch.ops.push(Op::Put {
        key,
        value: encode(parcel),
        due,
        terms: terms(parcel),
    });
}

/// The due slot of a parcel: one time for all that waits in it.
fn due_of(key: &Key, parcel: &Parcel, now: StoreTime) -> Option<Due> {
    let in_time = |at: u64| Duration::from_micros(at.saturating_sub(now.0));
    let deliver = |after| {
        let group = group_of(parcel)?;
        Some(Due {
            work: Work::Deliver,
            group,
            band: Band::of(parcel.band),
            after,
        })
    };
    let shared = |work, after| {
        Some(Due {
            work,
            group: Group::of_key(key),
            band: Band::Normal,
            after,
        })
    };
    parcel.slots.iter().find_map(|slot| match slot.state {
        State::Due | State::MaybeDelivered => deliver(in_time(parcel.next_try)),
        State::Judging => shared(Work::Judge, Duration::ZERO),
        State::Releasing {
            until,
            verb: Leave::Release,
        } => deliver(in_time(until)),
        State::Releasing {
            until,
            verb: Leave::Requeue,
        } => shared(Work::Judge, in_time(until)),
        State::Trashed { until, .. } => shared(Work::HoldEnd, in_time(until)),
        State::Held => {
            // Holds of older stores have no end.
            let until = parcel.hold.as_ref().map(|kept| kept.until)?;
            (until > 0).then(|| shared(Work::HoldEnd, in_time(until)))?
        }
        State::Claimed | State::Relayed | State::Failed | State::Expired | State::Deleted => None,
    })
}

/// `ended` recipients of a message have reached their end, and `more` pieces of work were added to it.
pub fn count(batch: &mut Batch, id: MessageId, ended: usize, more: usize) {
    let by = i32::try_from(more).unwrap_or(i32::MAX) - i32::try_from(ended).unwrap_or(i32::MAX);
    if by != 0 {
        let key = message_key(id);
        let at_zero = retire(&key);
        batch.ops.push(Op::Count { key, by, at_zero });
    }
}

impl Queue {
    /// A message by its id; none if it is retired or never was.
    pub async fn message_by_id(
        &self,
        id: MessageId,
    ) -> Result<Option<(Message, Version)>, StoreError> {
        let key = message_key(id);
        let found = self
            .store
            .get(vec![key])
            .await?
            .into_iter()
            .flatten()
            .next();
        found
            .map(|record| Ok((Message::read(&record.key, &record.value)?, record.version)))
            .transpose()
    }

    /// Records by key, in the order asked; one whose frame cannot be read is an error of its own, and keeps no other from
    /// being read.
    pub(super) async fn get_each(
        &self,
        keys: Vec<Key>,
    ) -> Result<Vec<Result<Option<Record>, StoreError>>, StoreError> {
        match self.store.get(keys.clone()).await {
            Ok(found) => return Ok(found.into_iter().map(Ok).collect()),
            Err(StoreError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
        let mut all = Vec::with_capacity(keys.len());
        for key in keys {
            all.push(match self.store.get(vec![key]).await {
                Ok(found) => Ok(found.into_iter().flatten().next()),
                Err(error @ StoreError::Damaged(_)) => Err(error),
                Err(error) => return Err(error),
            });
        }
        Ok(all)
    }

    /// All parcels of a message that can be read: one that cannot is set aside by whoever claims it, and the others go
    /// on without it.
    pub async fn parcels_of(&self, id: MessageId) -> Result<Vec<Stored>, StoreError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .store
                .scan(Span::Prefix(parcels_prefix(id)), after, false, PARCELS_PAGE)
                .await?;
            for record in &page.records {
                let read = decode(&record.key, &record.value);
                match (super::record::number_of(&record.key), read) {
                    (Some(number), Ok(parcel)) => all.push(Stored {
                        number,
                        version: record.version,
                        parcel,
                    }),
                    (_, Err(error)) => self.pass_over(&error),
                    (None, Ok(_)) => {
                        let key = format!("{:?}: no parcel", record.key);
                        self.pass_over(&StoreError::Damaged(key.into()));
                    }
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// A record that cannot be read keeps no other from being seen.
    pub(super) fn pass_over(&self, error: &StoreError) {
        if let Some(repeated) = self.repeats.say(&error.to_string()) {
            tracing::error!(%error, "a record is passed over{repeated}");
        }
    }

    /// Appends a fact to a batch; it happened if the batch is committed.
    pub fn put_fact(&self, batch: &mut Batch, id: MessageId, fact: Fact) {
        let entry = Entry {
            at: self.clock.wall().0,
            fact,
        };
        let key = fact_key(id, self.fresh_id());
        batch.ops.push(Op::Put {
            key,
            value: encode(&entry),
            due: None,
            terms: Vec::new(),
        });
    }

    pub(super) fn tell(&self, kind: EventKind, message: &Message, recipient: String, text: String) {
        if !self.events.wanted() {
            return;
        }
        self.events.send(Event {
            kind,
            at: self.clock.wall(),
            queue_id: message.id.to_string(),
            tenant: message.origin.tenant.clone(),
            from: message.from.path.to_string(),
            recipient,
            text,
        });
    }
}
