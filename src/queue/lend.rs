//! Lends due parcels to delivery.
//!
//! A claim ends by `settle`, by being dropped, or with the process, so a crash can neither lose a recipient nor
//! deliver it from two tasks at once. A message may still be sent twice when the reply to our final dot is lost
//! (RFC 5321 section 6.1; RFC 1047); that is the protocol's price, and whom it may have met is known (`intent`).
//! Not here: the order in which groups are served (`deliver::schedule`), and the retry times (`retry`).

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::Queue;
use super::damaged::{self, Damage};
use super::intent::Loan;
use super::record::{
    Message, MessageId, Parcel, Unanswered, decode, message_key, message_of, number_of,
};
use super::waits::Underway;
use crate::base::band::Band;
use crate::base::limit::REST_MAX;
use crate::mail::envelope::Notify;
use crate::mail::mailbox::Mailbox;
use crate::mail::state::{Move, State, next};
use crate::store::{
    ClaimGuard, Claimed, Group, Head, Record, Room, StoreError, StoreTime, Version, Work,
};

/// What is due for delivery.
#[derive(Clone, Debug)]
pub struct Deliveries {
    pub(super) queue: Queue,
}

/// A parcel lent to a delivery; dropped before its final dot, it is given back untried.
#[derive(Debug)]
pub struct Lent {
    /// Its message.
    pub message: Arc<Message>,
    /// Its recipients that are due.
    pub recipients: Vec<DueRecipient>,
    /// Tries before this one.
    pub attempts: u32,
    pub(super) number: u64,
    pub(super) version: Version,
    pub(super) parcel: Parcel,
    pub(super) loan: Loan,
    /// Behind the loan: what is shown as lent is lent.
    pub(super) underway: Underway,
}

/// One recipient to try.
#[derive(Clone, Debug)]
pub struct DueRecipient {
    /// Its index in the message.
    pub index: u32,
    /// Where to.
    pub mailbox: Mailbox,
    /// NOTIFY.
    pub notify: Notify,
    /// ORCPT.
    pub orcpt: Option<String>,
    /// An earlier try whose final dot was never answered.
    pub unanswered: Option<Unanswered>,
}

impl Lent {
    /// Fields that checks put on top of the mail.
    pub fn top(&self) -> &str {
        self.parcel.top.as_deref().unwrap_or(&self.message.top)
    }
}

impl Deliveries {
    pub(super) fn new(queue: Queue) -> Self {
        Self { queue }
    }

    /// Groups with due parcels, earliest first; then at most one that is not yet due. None while `[queue] paused`, and
    /// none on a full disk: what could not be settled would be sent again.
    pub async fn ready(&self, limit: usize) -> Result<Vec<Head>, StoreError> {
        if self.queue.conf.load().queue.paused || self.queue.store.room() == Room::None {
            return Ok(Vec::new());
        }
        self.queue.store.ready(Work::Deliver, limit).await
    }

    /// Lends at most `room` parcels of a group; none on a full disk.
    pub async fn claim(&self, group: &Group, room: usize) -> Result<Vec<Lent>, StoreError> {
        if self.queue.store.room() == Room::None {
            return Ok(Vec::new());
        }
        let claimed = self
            .queue
            .store
            .claim(Work::Deliver, group.clone(), room)
            .await?;
        let messages = self.messages(&claimed).await?;
        let now = self.queue.store.now();
        let mut lent = Vec::with_capacity(claimed.len());
        for Claimed {
            record,
            band,
            guard,
            panics,
        } in claimed
        {
            let parcel = match decode::<Parcel>(&record.key, &record.value) {
                Ok(parcel) => parcel,
                Err(error) => {
                    self.damaged(&record, band, group, guard, &error.to_string())
                        .await?;
                    continue;
                }
            };
            let message = message_of(&record.key).and_then(|id| messages.get(&id));
            let (Some(message), Some(number)) = (message, number_of(&record.key)) else {
                let why = "a parcel whose message is gone, or cannot be read";
                self.damaged(&record, band, group, guard, why).await?;
                continue;
            };
            if panics >= PANICS_MAX {
                self.queue.set_aside(message, number, parcel, guard).await?;
                continue;
            }
            let recipients = due_recipients(&parcel, now);
            let underway = self.queue.waits.lend(message.id, number);
            lent.push(Lent {
                message: Arc::clone(message),
                recipients,
                attempts: parcel.attempts,
                number,
                version: record.version,
                parcel,
                loan: Loan::new(guard, self.queue.store.clone()),
                underway,
            });
        }
        Ok(lent)
    }

    /// A parcel that cannot be delivered before it is repaired: given back it would come again at once, for ever.
    async fn damaged(
        &self,
        record: &Record,
        band: Band,
        group: &Group,
        guard: ClaimGuard,
        why: &str,
    ) -> Result<(), StoreError> {
        let clock = &self.queue.clock;
        let damage = Damage::of((record, band), Work::Deliver, group, why, clock);
        let done = damaged::set_aside(&self.queue.store, &guard, &damage).await;
        if done.is_err() {
            guard.rest(REST_MAX);
        }
        done
    }

    /// Nothing of the group is lent before `until`; in the past: the snooze ends.
    pub fn snooze(&self, group: &Group, until: StoreTime) {
        self.queue.store.snooze(Work::Deliver, group.clone(), until);
    }

    /// Changes when something may have become due.
    pub fn hint(&self) -> watch::Receiver<u64> {
        self.queue.store.hint(Work::Deliver)
    }

    /// The store's now, which `Head::at` is compared with.
    pub fn now(&self) -> StoreTime {
        self.queue.store.now()
    }

    async fn messages(
        &self,
        claimed: &[Claimed],
    ) -> Result<HashMap<MessageId, Arc<Message>>, StoreError> {
        let mut ids: Vec<MessageId> = claimed
            .iter()
            .filter_map(|lent| message_of(&lent.record.key))
            .collect();
        ids.dedup();
        let keys = ids.into_iter().map(message_key).collect();
        let mut messages = HashMap::new();
        for found in self.queue.get_each(keys).await? {
            let read = found.and_then(|found| {
                found
                    .map(|record| Message::read(&record.key, &record.value))
                    .transpose()
            });
            match read {
                Ok(Some(message)) => drop(messages.insert(message.id, Arc::new(message))),
                Ok(None) => {}
                // Its parcels stay where they are; others of the claim are not to suffer.
                Err(error) => tracing::error!(%error, "a message cannot be read"),
            }
        }
        Ok(messages)
    }
}

impl Lent {
    /// The group it was claimed from.
    pub fn group(&self) -> Option<Group> {
        super::accept::group_of(&self.parcel)
    }

    /// How urgent it is.
    pub fn band(&self) -> Band {
        Band::of(self.parcel.band)
    }

    /// Whether the lifetime is over: what is deferred now ends.
    pub fn expired(&self, now: StoreTime) -> bool {
        self.parcel.expires <= now.0
    }

    /// Given back untried; when this returns it can be lent again. Dropping it does the same, a moment later.
    pub async fn give_back(self) {
        let Self { loan, .. } = self;
        loan.give_back().await;
    }

    /// Whether its final dot may be out: then the peer may have the mail.
    pub fn is_dotted(&self) -> bool {
        self.loan.is_dotted()
    }
}

/// A parcel that made so many tries panic is kept for a person: the next one would panic too.
const PANICS_MAX: u8 = 3;

fn due_recipients(parcel: &Parcel, now: StoreTime) -> Vec<DueRecipient> {
    let due = parcel
        .slots
        .iter()
        .filter(|slot| claimable(&slot.state, now).is_some());
    due.map(|slot| DueRecipient {
        index: slot.index,
        mailbox: slot.mailbox.clone(),
        notify: slot.notify,
        orcpt: slot.orcpt.clone(),
        unanswered: slot.unanswered.clone(),
    })
    .collect()
}

/// The claimed state of a slot that is due for delivery now.
pub(super) fn claimable(state: &State, now: StoreTime) -> Option<State> {
    let waiting = match state {
        State::Releasing { until, .. } if *until > now.0 => return None,
        State::Releasing { .. } => next(state, Move::Left).ok()?,
        State::Due | State::MaybeDelivered => state.clone(),
        State::Claimed
        | State::Judging
        | State::Held
        | State::Trashed { .. }
        | State::Relayed
        | State::Failed
        | State::Expired
        | State::Deleted => return None,
    };
    if waiting == State::Judging {
        None
    } else {
        next(&waiting, Move::Claim).ok()
    }
}
