//! Requeued recipients: lent to `judge`, which passes them or holds them again.
//!
//! A requeue runs through every check again (the message may be held again, and that is a new hold); a release does not
//! come by here.

use super::Queue;
use super::hold::hold_of_key;
use super::ledger;
use super::record::{Kept, Message, Parcel, Worked};
use crate::journal::fact::{Acted, Fact};
use crate::mail::found::Found;
use crate::mail::hold::Hold;
use crate::mail::mailbox::Mailbox;
use crate::mail::state::{Leave, Move, State, next};
use crate::store::{Batch, ClaimId, Claimed, Pre, StoreError, StoreTime};

/// A parcel lent to `judge`, by a claim that the worker keeps.
#[derive(Debug)]
pub struct ToJudge {
    /// Its message.
    pub message: Message,
    number: u64,
    parcel: Parcel,
    claim: ClaimId,
}

impl ToJudge {
    /// Why it was held before the requeue.
    pub fn before(&self) -> Option<&Hold> {
        self.parcel.hold.as_ref().map(|kept| &kept.hold)
    }

    /// What checks found and did not take back, whether it is held for that or was let go.
    pub fn found(&self) -> Vec<Found> {
        self.parcel.all_found()
    }

    /// Filters that did their work on it already.
    pub fn worked(&self) -> &[Worked] {
        self.parcel.worked.as_ref().unwrap_or(&self.message.worked)
    }

    /// Who waits to be judged.
    pub fn recipients(&self, now: StoreTime) -> Vec<(u32, Mailbox)> {
        self.parcel
            .slots
            .iter()
            .filter(|slot| waits(&slot.state, now))
            .map(|slot| (slot.index, slot.mailbox.clone()))
            .collect()
    }
}

impl Queue {
    /// What a claim of Judge work is about.
    pub async fn to_judge(&self, claimed: &Claimed) -> Result<ToJudge, StoreError> {
        let (key, value) = (&claimed.record.key, &claimed.record.value);
        let Some((message, number, parcel)) = self.parcel_at(key, value).await? else {
            let what = format!("{key:?}: a parcel without a message");
            return Err(StoreError::Damaged(what.into()));
        };
        Ok(ToJudge {
            message,
            number,
            parcel,
            claim: claimed.guard.id(),
        })
    }

    /// Ends a judgement: who is in `held` is held anew, the others are due now, with `top` on their mail. `said` is what
    /// scanners said.
    pub async fn judged(
        &self,
        work: ToJudge,
        held: Vec<(u32, Hold)>,
        (top, worked): (String, Vec<Worked>),
        said: &[String],
    ) -> Result<(), StoreError> {
        let ToJudge {
            message,
            number,
            mut parcel,
            claim,
        } = work;
        let now = self.store.now();
        let hold_of = |index| {
            held.iter()
                .find(|(of, _)| *of == index)
                .map(|(_, hold)| hold)
        };
        let (mut good, mut told) = (Vec::new(), Vec::new());
        for slot in &mut parcel.slots {
            if !waits(&slot.state, now) {
                continue;
            }
            let hold = hold_of(slot.index);
            let step = if hold.is_some() {
                Move::Hold
            } else {
                Move::Pass
            };
            if let Ok(state) = next(&State::Judging, Move::Claim).and_then(|was| next(&was, step)) {
                slot.state = state;
                match hold {
                    Some(hold) => told.push((slot.mailbox.to_string(), hold)),
                    None => good.push(slot.mailbox.to_string()),
                }
            }
        }
        let mut batch = Batch::new();
        batch.pre.push(Pre::Mine(claim));
        let before = parcel.hold.take();
        // What was not taken back stands in `held`.
        parcel.found.clear();
        parcel.back = None;
        // Somebody asked for this mail, so its site is asked too, unless something of it is held again.
        let good_only = told.is_empty().then(|| super::accept::group_of(&parcel));
        let woken = good_only.flatten().map(|group| (now, group));
        parcel.next_try = now.0;
        parcel.top = Some(top);
        parcel.worked = Some(worked);
        if !good.is_empty() {
            let fact = Acted {
                verb: "judge".into(),
                recipients: good,
                by: "postwerk".into(),
                note: found_good(said),
                place: None,
                digest: None,
            };
            self.put_fact(&mut batch, message.id, Fact::Acted(fact));
        }
        if told.is_empty() {
            ledger::put_parcel(&mut batch, message.id, number, &parcel, now);
        } else {
            self.hold_each(&mut batch, &message, number, parcel, &held, "postwerk");
            self.put_again(&mut batch, before).await?;
        }
        self.store.commit(batch).await?;
        self.wake(woken);
        self.tell_held(&message, told.into_iter(), "postwerk");
        Ok(())
    }

    /// The card of the hold that a requeue ended says where the requeue came to.
    async fn put_again(&self, batch: &mut Batch, before: Option<Kept>) -> Result<(), StoreError> {
        let Some(before) = before else {
            return Ok(());
        };
        let Some(mut card) = self.card(before.id).await? else {
            return Ok(());
        };
        let new = batch
            .ops
            .iter()
            .find_map(|op| op.key().and_then(hold_of_key));
        if let Some(end) = &mut card.end {
            end.again = new;
            end.until = None;
            self.put_closed(batch, &card);
        }
        Ok(())
    }
}

/// How the note of a judgement begins that let a mail go; what scanners said follows in brackets.
pub const FOUND_GOOD: &str = "found good";

fn found_good(said: &[String]) -> String {
    if said.is_empty() {
        FOUND_GOOD.to_owned()
    } else {
        format!("{FOUND_GOOD} ({})", said.join("; "))
    }
}

/// Whether a slot of a lent parcel waits to be judged now.
fn waits(state: &State, now: StoreTime) -> bool {
    match state {
        State::Judging => true,
        State::Releasing {
            until,
            verb: Leave::Requeue,
        } => *until <= now.0,
        State::Releasing {
            verb: Leave::Release,
            ..
        }
        | State::Due
        | State::Claimed
        | State::Held
        | State::Trashed { .. }
        | State::MaybeDelivered
        | State::Relayed
        | State::Failed
        | State::Expired
        | State::Deleted => false,
    }
}
