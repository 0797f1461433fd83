//! Requeued recipients: lent to `judge`, which passes them or holds them again.
//!
//! A requeue runs through every check again (the message may be held again, and that is a new hold); a release does not
//! come by here.

use super::Queue;
use super::ledger;
use super::record::{Message, Parcel, Slot};
use crate::journal::event::EventKind;
use crate::journal::fact::{Acted, Fact, Held};
use crate::journal::line;
use crate::mail::hold::Hold;
use crate::mail::state::{Move, State, next};
use crate::store::{Batch, ClaimGuard, Claimed, Pre, StoreError};

/// A parcel lent to `judge`; dropped, it is given back.
#[derive(Debug)]
pub struct ToJudge {
    /// Its message.
    pub message: Message,
    number: u64,
    parcel: Parcel,
    guard: ClaimGuard,
}

impl Queue {
    /// What a claim of Judge work is about; none when its message is gone.
    pub async fn to_judge(&self, claimed: Claimed) -> Result<Option<ToJudge>, StoreError> {
        let found = self
            .parcel_at(&claimed.record.key, &claimed.record.value)
            .await?;
        Ok(found.map(|(message, number, parcel)| ToJudge {
            message,
            number,
            parcel,
            guard: claimed.guard,
        }))
    }

    /// Ends a judgement: without a hold the recipients are due now, else each is held anew.
    pub async fn judged(&self, work: ToJudge, hold: Option<Hold>) -> Result<(), StoreError> {
        let ToJudge {
            message,
            number,
            mut parcel,
            guard,
        } = work;
        let now = self.store.now();
        let step = if hold.is_some() {
            Move::Hold
        } else {
            Move::Pass
        };
        let mut addresses = Vec::new();
        for slot in &mut parcel.slots {
            let left = matches!(slot.state, State::Releasing { until, .. } if until <= now.0);
            let waiting = if left {
                next(&slot.state, Move::Left)
            } else {
                Ok(slot.state.clone())
            };
            let judged = waiting.ok().filter(|state| *state == State::Judging);
            if let Some(Ok(state)) = judged.map(|state| next(&state, step)) {
                slot.state = state;
                addresses.push(slot.mailbox.to_string());
            }
        }
        let mut batch = Batch::new();
        batch.pre.push(Pre::Mine(guard.id()));
        parcel.hold = None;
        parcel.next_try = now.0;
        if let Some(hold) = &hold {
            self.hold_each(&mut batch, &message, number, parcel, hold);
            let fact = Held {
                recipients: addresses.clone(),
                hold: hold.clone(),
                by: "postwerk".into(),
            };
            self.put_fact(&mut batch, message.id, Fact::Held(fact));
        } else {
            ledger::put_parcel(&mut batch, message.id, number, &parcel, now);
            let note = "found good".to_owned();
            let fact = Acted {
                verb: "judge".into(),
                recipients: addresses.clone(),
                by: "postwerk".into(),
                note,
            };
            self.put_fact(&mut batch, message.id, Fact::Acted(fact));
        }
        self.store.commit(batch).await?;
        drop(guard);
        if let Some(hold) = hold {
            line::acted(message.id, "placed on hold", "postwerk");
            for address in addresses {
                self.tell(
                    EventKind::Held,
                    &message,
                    address,
                    format!("{}: {}", hold.reason, hold.cause),
                );
            }
        }
        Ok(())
    }

    /// Puts each held slot into a parcel of its own; the first keeps the old number.
    pub(super) fn hold_each(
        &self,
        batch: &mut Batch,
        message: &Message,
        number: u64,
        mut parcel: Parcel,
        hold: &Hold,
    ) {
        let (held, rest): (Vec<Slot>, Vec<Slot>) = parcel
            .slots
            .drain(..)
            .partition(|slot| slot.state == State::Held);
        let mut number = Some(number);
        if !rest.is_empty() {
            let old = Parcel {
                slots: rest,
                ..parcel.clone()
            };
            ledger::put_parcel(
                batch,
                message.id,
                number.take().unwrap_or_default(),
                &old,
                self.store.now(),
            );
        }
        for slot in held {
            let mut own = Parcel {
                slots: vec![slot],
                ..parcel.clone()
            };
            own.hold = Some(self.kept(hold.clone()));
            let at = number.take().unwrap_or_else(|| self.fresh_id());
            ledger::put_parcel(batch, message.id, at, &own, self.store.now());
        }
    }
}
