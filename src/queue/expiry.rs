//! The end of a hold's time and of the trash's: what `[hold.QUEUE] at_expiry` says happens, and is recorded as such.
//!
//! A hold that ended while the server was off, or over a jump of the clock, waits for one more digest (`gap`).
//! Not here: the warning before (`digest`), and what a person decides (`act`).

use std::time::Duration;

use super::Queue;
use super::act::{Acting, is_open};
use super::ledger;
use super::record::{Message, Parcel, decode, message_of, number_of};
use super::verbs::{Actor, Verb};
use crate::base::clock::micros;
use crate::config::AtExpiry;
use crate::mail::state::next;
use crate::store::{Batch, Claimed, Need, Pre, StoreError};

impl Queue {
    /// A parcel's hold or trash time is over.
    pub(super) async fn hold_end(&self, claimed: &Claimed) -> Result<(), StoreError> {
        let record = &claimed.record;
        let (Some(id), Some(number)) = (message_of(&record.key), number_of(&record.key)) else {
            return Ok(());
        };
        let Some((message, version)) = self.message_by_id(id).await? else {
            return Ok(());
        };
        let mut parcel: Parcel = decode(&record.key, &record.value)?;
        let mut acting = Acting::default();
        acting.batch.pre.push(Pre::Mine(claimed.guard.id()));
        let now = self.store.now();
        let was_open = is_open(&parcel);
        let until = parcel.hold.as_ref().map_or(0, |kept| kept.until);
        if was_open && let Some(more) = self.gap.grace(until, now, &self.clock) {
            return self
                .hold_longer(acting.batch, &message, number, parcel, more)
                .await;
        }
        let actor = Actor::of("postwerk");
        let deed = self.deed(self.ending(&parcel), &actor);
        for slot in &mut parcel.slots {
            if let Ok(state) = next(&slot.state, deed.step) {
                slot.state = state;
            }
        }
        if !was_open {
            // Trash: its card says who deleted it, and stays so.
            parcel.hold = None;
        }
        self.put_moved(&mut acting, &message, number, (parcel, was_open), deed);
        acting.note = format!("its time is over; {}", acting.note);
        self.put_acted(&mut acting, &message, version, deed);
        acting.batch.need = Need::End;
        self.store.commit(acting.batch.clone()).await?;
        let verb = deed.verb.word();
        tracing::info!(id = %message.id, verb, "its time in the hold or the trash is over");
        self.tell_acted(&message, &acting, deed);
        Ok(())
    }

    fn ending(&self, parcel: &Parcel) -> Verb {
        let Some(kept) = parcel.hold.as_ref().filter(|_| is_open(parcel)) else {
            return Verb::Delete { now: true };
        };
        match self.conf.load().hold.of(kept.hold.queue).at_expiry {
            AtExpiry::Delete => Verb::Delete { now: true },
            AtExpiry::Bounce => Verb::Bounce,
            AtExpiry::Requeue => Verb::Requeue { undo: false },
        }
    }

    async fn hold_longer(
        &self,
        mut batch: Batch,
        message: &Message,
        number: u64,
        mut parcel: Parcel,
        more: Duration,
    ) -> Result<(), StoreError> {
        let now = self.store.now();
        if let Some(kept) = &mut parcel.hold {
            kept.until = now.0.saturating_add(micros(more));
        }
        ledger::put_parcel(&mut batch, message.id, number, &parcel, now);
        drop(self.put_open(&mut batch, message, number, &parcel));
        batch.need = Need::End;
        self.store.commit(batch).await.map(drop)
    }
}
