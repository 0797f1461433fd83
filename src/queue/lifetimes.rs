//! Lifetimes that end: what still waits ends, what is held or leaving a hold does not.
//!
//! A message's own due slot is Expire. What is free ends at once; what is lent to a delivery, or on its way back from a
//! hold, is looked at again soon, and keeps nobody else waiting. The slot is only ever changed under the version that was
//! read, because the last settle makes it Retire. Not here: ends of holds (`expiry`), a try that ends one (`settle`).

use std::time::Duration;

use super::Queue;
use super::joint::Part;
use super::ledger::{self, Stored};
use super::record::{FailedRecipient, Message, Slot, number_of, parcel_key};
use super::returned::Returned;
use super::settle::hold_of;
use super::worker::Failures;
use crate::base::clock::micros;
use crate::base::limit::{EXPIRE_AGAIN, EXPIRE_PENDING, RECIPIENTS_MAX};
use crate::journal::event::EventKind;
use crate::journal::fact::{Expired, Fact};
use crate::journal::line;
use crate::mail::hold::{Hold, HoldReason};
use crate::mail::outcome::{Fault, Scope};
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::mail::state::{Illegal, Leave, Move, State, next};
use crate::store::{
    Band, Batch, ClaimId, Claimed, Due, Group, Key, Op, Pre, Record, StoreError, StoreTime, Work,
};

/// Each conflict names one parcel that is lent: as many as a message has, and some changes of others beside.
const TRIES: usize = RECIPIENTS_MAX + 100;

/// What the end of a lifetime changes of one message.
struct Ending {
    message: Option<Message>,
    batch: Batch,
    /// Who has ended, and why.
    ended: Vec<String>,
    failed: Vec<FailedRecipient>,
    /// Who is held, because nobody could be told.
    held: Vec<(String, Hold)>,
    /// When to look again.
    later: Option<u64>,
}

/// What a lifetime means for a recipient.
enum Stand {
    /// It ends.
    Waits,
    /// It may wait again before long, and then its lifetime counts; not before this store time.
    Pending(u64),
    /// Nothing, as long as it is so.
    Apart,
}

impl Queue {
    /// The lifetimes of these messages are over: with few commits, and each for itself.
    pub(super) async fn expire_all(&self, pieces: &[Claimed]) -> Failures {
        let (mut failures, mut endings, mut parts) = (Failures::new(), Vec::new(), Vec::new());
        for piece in pieces {
            let key = piece.record.key.clone();
            match self.ending(&piece.record, piece.guard.id(), &[]).await {
                Ok(None) => {}
                Ok(Some(ending)) => {
                    parts.push(Part::of(ending.batch.clone()));
                    endings.push((piece, ending));
                }
                Err(error) => failures.push((key, error)),
            }
        }
        let ends = self.commit_jointly(&parts).await;
        for ((piece, ending), end) in endings.into_iter().zip(ends) {
            let done = match end {
                Ok(()) => {
                    self.tell_ending(ending);
                    Ok(())
                }
                Err(StoreError::Conflict(_)) => self.expire(piece).await,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                failures.push((piece.record.key.clone(), error));
            }
        }
        failures
    }

    /// The lifetime of one message is over. Whoever is overtaken reads everything again; what is lent is left out.
    pub(super) async fn expire(&self, claimed: &Claimed) -> Result<(), StoreError> {
        let mut lent = Vec::new();
        for _ in 0..TRIES {
            let found = self.store.get(vec![claimed.record.key.clone()]).await?;
            let Some(record) = found.into_iter().flatten().next() else {
                return Ok(());
            };
            let Some(ending) = self.ending(&record, claimed.guard.id(), &lent).await? else {
                return Ok(());
            };
            match self.store.commit(ending.batch.clone()).await {
                Ok(_) => {
                    self.tell_ending(ending);
                    return Ok(());
                }
                Err(StoreError::Conflict(at)) => match ending.batch.pre.get(at) {
                    Some(Pre::Mine(_)) => return Ok(()),
                    Some(Pre::Free(key)) => lent.extend(number_of(key)),
                    Some(Pre::Is(..) | Pre::Absent(_)) | None => {}
                },
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict(0))
    }

    /// What is to be changed of a message as it stands now; none: its slot is not Expire any more.
    async fn ending(
        &self,
        record: &Record,
        claim: ClaimId,
        lent: &[u64],
    ) -> Result<Option<Ending>, StoreError> {
        if !matches!(record.due, Some((Work::Expire, _))) {
            return Ok(None);
        }
        let key = record.key.clone();
        let mut ending = Ending {
            message: None,
            batch: Batch::ending(),
            ended: Vec::new(),
            failed: Vec::new(),
            held: Vec::new(),
            later: None,
        };
        // Whoever leaves a hold meanwhile gives the message a new lifetime, which must not be lost.
        let unchanged = Pre::Is(key.clone(), record.version);
        ending.batch.pre.extend([Pre::Mine(claim), unchanged]);
        if record.count == 0 {
            // Nothing is left to do: its slot was lost to an older version of this program.
            let due = Some(ledger::retire(&key));
            ending.batch.ops.push(Op::Due { key, due });
            return Ok(Some(ending));
        }
        let message = Message::read(&record.key, &record.value)?;
        let now = self.store.now();
        for stored in self.parcels_of(message.id).await? {
            let is_lent = lent.contains(&stored.number);
            self.end_parcel(&mut ending, &message, stored, is_lent, now);
        }
        let due = ending.later.map(|at| {
            let after = Duration::from_micros(at.saturating_sub(now.0));
            self.expire_due(&key, after)
        });
        ending.batch.ops.push(Op::Due { key, due });
        let dsns = usize::from(!ending.failed.is_empty());
        if dsns > 0 {
            let failed = std::mem::take(&mut ending.failed);
            self.put_dsn(&mut ending.batch, &message, failed);
        }
        ledger::count(&mut ending.batch, message.id, ending.ended.len(), dsns);
        if !ending.ended.is_empty() {
            let recipients = ending.ended.clone();
            let fact = Fact::Expired(Expired { recipients });
            self.put_fact(&mut ending.batch, message.id, fact);
        }
        ending.message = Some(message);
        Ok(Some(ending))
    }

    /// Ends what waits in a parcel, if its lifetime is over and nobody has it; else says when to look again.
    fn end_parcel(
        &self,
        ending: &mut Ending,
        message: &Message,
        stored: Stored,
        is_lent: bool,
        now: StoreTime,
    ) {
        let slots = &stored.parcel.slots;
        let stands = slots.iter().map(|slot| stand(&slot.state, now));
        let mut waits = false;
        for stand in stands {
            match stand {
                Stand::Waits => waits = true,
                Stand::Pending(until) => ending.look_again(until.max(stored.parcel.expires)),
                Stand::Apart => {}
            }
        }
        if !waits {
            return;
        }
        let end = stored.parcel.expires;
        let grace = self.gap.grace(end, now, &self.clock);
        let end = grace.map_or(end, |span| now.0.saturating_add(micros(span)));
        if end > now.0 {
            ending.look_again(end);
        } else if is_lent {
            ending.look_again(now.0.saturating_add(micros(EXPIRE_AGAIN)));
        } else {
            self.expire_parcel(ending, message, stored, now);
        }
    }

    fn expire_parcel(
        &self,
        ending: &mut Ending,
        message: &Message,
        stored: Stored,
        now: StoreTime,
    ) {
        let Stored {
            number,
            version,
            mut parcel,
        } = stored;
        let key = parcel_key(message.id, number);
        let unchanged = [Pre::Is(key.clone(), version), Pre::Free(key)];
        ending.batch.pre.extend(unchanged);
        let (out, stay): (Vec<_>, Vec<_>) = parcel
            .slots
            .drain(..)
            .partition(|slot| matches!(stand(&slot.state, now), Stand::Waits));
        parcel.slots = stay;
        // What left a hold has left it for good.
        if parcel.slots.is_empty() {
            parcel.leave_hold();
        }
        // What was never tried itself waited for a site, and the server knew why.
        let host = out.first().map(|slot| slot.mailbox.host().clone());
        let reason = host.and_then(|host| self.last_reason(&host, &parcel.account));
        let named = reason.as_ref().map(|why| why.site.clone());
        let site = parcel.last_site.clone().or(named).unwrap_or_default();
        let known = || {
            let known = reason.as_ref().map(|why| why.fault.clone());
            known.unwrap_or_else(never_tried)
        };
        let mut held = Vec::new();
        for mut slot in out {
            let fault = slot.fault.get_or_insert_with(known).clone();
            let step = if message.from.path.is_null() {
                Move::Hold
            } else {
                Move::Expire
            };
            let Ok(state) = ended(&slot.state, step) else {
                parcel.slots.push(slot);
                continue;
            };
            slot.state = state;
            if step == Move::Hold {
                let hold = hold_of(&slot, HoldReason::Undeliverable);
                ending.held.push((slot.mailbox.to_string(), hold.clone()));
                held.push((slot.index, hold));
            } else {
                ending.ended.push(slot.mailbox.to_string());
                if slot.notify.failure() {
                    let last = (fault, site.clone(), parcel.tried);
                    let mut failed = expired_recipient(&slot, last);
                    failed.bare = parcel.back.is_some_and(Returned::keeps_content);
                    ending.failed.push(failed);
                }
            }
            parcel.slots.push(slot);
        }
        if held.is_empty() {
            ledger::put_parcel(&mut ending.batch, message.id, number, &parcel, now);
        } else {
            self.hold_each(
                &mut ending.batch,
                message,
                number,
                parcel,
                &held,
                "postwerk",
            );
        }
    }

    fn tell_ending(&self, ending: Ending) {
        let Some(message) = &ending.message else {
            return;
        };
        if !ending.ended.is_empty() {
            line::expired(message.id, &message.from.path);
        }
        for address in ending.ended {
            let text = "lifetime over".to_owned();
            self.tell(EventKind::Bounced, message, address, text);
        }
        let held = ending.held.iter();
        let held = held.map(|(address, hold)| (address.clone(), hold));
        self.tell_held(message, held, "postwerk");
    }

    /// When a message's lifetime is looked at.
    pub(super) fn expire_due(&self, key: &Key, after: Duration) -> Due {
        Due {
            work: Work::Expire,
            group: Group::of_key(key),
            band: Band::Normal,
            after,
        }
    }
}

impl Ending {
    fn look_again(&mut self, at: u64) {
        self.later = Some(self.later.unwrap_or(u64::MAX).min(at));
    }
}

fn stand(state: &State, now: StoreTime) -> Stand {
    let soon = now.0.saturating_add(micros(EXPIRE_PENDING));
    match state {
        State::Due | State::MaybeDelivered => Stand::Waits,
        State::Releasing {
            until,
            verb: Leave::Release,
        } => {
            // It is due since then, and nobody had to write that down.
            if *until <= now.0 {
                Stand::Waits
            } else {
                Stand::Pending(*until)
            }
        }
        // What is judged may pass and wait again.
        State::Judging
        | State::Claimed
        | State::Releasing {
            verb: Leave::Requeue,
            ..
        } => Stand::Pending(soon),
        // Leaving these begins a new lifetime, and sets the message's slot.
        State::Held | State::Trashed { .. } => Stand::Apart,
        State::Relayed | State::Failed | State::Expired | State::Deleted => Stand::Apart,
    }
}

fn ended(state: &State, step: Move) -> Result<State, Illegal> {
    match state {
        State::Releasing { .. } => next(&next(state, Move::Left)?, step),
        State::Due
        | State::Claimed
        | State::Judging
        | State::Held
        | State::Trashed { .. }
        | State::MaybeDelivered
        | State::Relayed
        | State::Failed
        | State::Expired
        | State::Deleted => next(state, step),
    }
}

/// With its last fault, where that was, and when; 0: it was never tried.
fn expired_recipient(slot: &Slot, (fault, site, at): (Fault, String, u64)) -> FailedRecipient {
    FailedRecipient {
        index: slot.index,
        mailbox: slot.mailbox.clone(),
        orcpt: slot.orcpt.clone(),
        notify: slot.notify,
        fault: Some(fault),
        site,
        expired: true,
        at,
        relayed: None,
        unanswered: slot.unanswered.clone(),
        bare: false,
    }
}

fn never_tried() -> Fault {
    let status = EnhancedStatus(4, 4, 7);
    Fault {
        scope: Scope::Message,
        reply: Reply::new(
            451,
            Some(status),
            "the message could not be delivered within its lifetime",
        ),
        synthetic: true,
        step: "queue".to_owned(),
    }
}
