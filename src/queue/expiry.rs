//! The end of a hold's time and of the trash's: what `[hold.QUEUE] at_expiry` says happens, and is recorded as such.
//!
//! A hold that ended while the server was off, or over a jump of the clock, waits for one more digest (`gap`). Many that
//! end at one time share commits. Not here: the warning before (`digest`), and what a person decides (`act`).

use std::time::Duration;

use super::Queue;
use super::act::{Acting, Deed, is_open};
use super::joint::Part;
use super::ledger;
use super::record::{Kept, Message, Parcel, decode, message_of, number_of};
use super::verbs::{Actor, Verb};
use super::worker::Failures;
use crate::base::clock::micros;
use crate::config::AtExpiry;
use crate::mail::state::next;
use crate::store::{Batch, Claimed, Need, Pre, StoreError};

/// Who acts on one message at once with us overtakes us so often.
const TRIES: usize = 10;

/// What the end of a hold's time changes.
struct HoldEnding {
    message: Message,
    acting: Acting,
    /// None: the hold goes on for a while.
    verb: Option<Verb>,
}

impl Queue {
    /// The hold or trash time of these parcels is over.
    pub(super) async fn hold_end_all(&self, pieces: &[Claimed]) -> Failures {
        let actor = Actor::of("postwerk");
        let (mut failures, mut endings, mut parts) = (Failures::new(), Vec::new(), Vec::new());
        for piece in pieces {
            match self.hold_ending(piece, &actor).await {
                Ok(ending) => {
                    parts.push(Part::of(ending.acting.batch.clone()));
                    endings.push((piece, ending));
                }
                Err(error) => failures.push((piece.record.key.clone(), error)),
            }
        }
        let ends = self.commit_jointly(&parts).await;
        for ((piece, ending), end) in endings.into_iter().zip(ends) {
            let done = match end {
                Ok(()) => {
                    self.tell_hold_ending(&ending, &actor);
                    Ok(())
                }
                Err(StoreError::Conflict(_)) => self.hold_end(piece, &actor).await,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                failures.push((piece.record.key.clone(), error));
            }
        }
        failures
    }

    /// One of them; whoever is overtaken reads the message again.
    async fn hold_end(&self, claimed: &Claimed, actor: &Actor) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let ending = self.hold_ending(claimed, actor).await?;
            match self.store.commit(ending.acting.batch.clone()).await {
                Ok(_) => {
                    self.tell_hold_ending(&ending, actor);
                    return Ok(());
                }
                // The parcel was ours, and changed hands.
                Err(StoreError::Conflict(0)) => return Ok(()),
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict(0))
    }

    async fn hold_ending(
        &self,
        claimed: &Claimed,
        actor: &Actor,
    ) -> Result<HoldEnding, StoreError> {
        let key = &claimed.record.key;
        let damaged = |what| StoreError::Damaged(format!("{key:?}: {what}").into());
        let (Some(id), Some(number)) = (message_of(key), number_of(key)) else {
            return Err(damaged("no parcel"));
        };
        let Some((message, version)) = self.message_by_id(id).await? else {
            return Err(damaged("a parcel without a message"));
        };
        let mut parcel: Parcel = decode(key, &claimed.record.value)?;
        let mut acting = Acting::default();
        acting.batch.need = Need::End;
        acting.batch.pre.push(Pre::Mine(claimed.guard.id()));
        let now = self.store.now();
        let was_open = is_open(&parcel);
        let until = parcel.hold.as_ref().map_or(0, |kept| kept.until);
        let deed = self.deed(self.ending_verb(&parcel), actor);
        let more = self.gap.grace(until, now, &self.clock);
        let more = more.or_else(|| self.stays(&message, &parcel, deed));
        if was_open && let Some(more) = more {
            self.hold_longer(&mut acting.batch, &message, number, parcel, more);
            return Ok(HoldEnding {
                message,
                acting,
                verb: None,
            });
        }
        for slot in &mut parcel.slots {
            if let Ok(state) = next(&slot.state, deed.step) {
                slot.state = state;
            }
        }
        if !was_open {
            // Trash: its card says who deleted it, and stays so; it only leaves the trash.
            let kept = parcel.hold.take();
            self.put_out_of_trash(&mut acting.batch, kept).await;
        }
        self.put_moved(&mut acting, &message, number, (parcel, was_open), deed);
        acting.note = format!("its time is over; {}", acting.note);
        self.put_acted(&mut acting, &message, version, deed);
        Ok(HoldEnding {
            message,
            acting,
            verb: Some(deed.verb),
        })
    }

    /// Judging again what no check finds again would let it go. Where nobody may do that it stays, and nothing is lost.
    fn stays(&self, message: &Message, parcel: &Parcel, deed: Deed<'_>) -> Option<Duration> {
        let kept = parcel.hold.as_ref()?;
        if !self.is_barred(deed.verb, &kept.hold) {
            return None;
        }
        let (id, reason) = (message.id, kept.hold.reason);
        tracing::warn!(%id, %reason, "its time is over and nobody may let it go ([hold.release] never): it stays held");
        Some(self.conf.load().hold.of(kept.hold.queue).expiry)
    }

    fn tell_hold_ending(&self, ending: &HoldEnding, actor: &Actor) {
        let Some(verb) = ending.verb else { return };
        let deed: Deed<'_> = self.deed(verb, actor);
        let (id, verb) = (ending.message.id, verb.word());
        tracing::info!(%id, verb, "its time in the hold or the trash is over");
        self.tell_acted(&ending.message, &ending.acting, deed);
    }

    async fn put_out_of_trash(&self, batch: &mut Batch, kept: Option<Kept>) {
        let Some(kept) = kept else { return };
        match self.card(kept.id).await {
            Ok(Some(mut card)) => {
                if let Some(end) = &mut card.end {
                    end.until = None;
                    self.put_closed(batch, &card);
                }
            }
            Ok(None) => {}
            // What it is for ends all the same.
            Err(error) => self.pass_over(&error),
        }
    }

    fn ending_verb(&self, parcel: &Parcel) -> Verb {
        let Some(kept) = parcel.hold.as_ref().filter(|_| is_open(parcel)) else {
            return Verb::Delete { now: true };
        };
        match self.conf.load().hold.of(kept.hold.queue).at_expiry {
            AtExpiry::Delete => Verb::Delete { now: true },
            AtExpiry::Bounce => Verb::Bounce,
            AtExpiry::Requeue => Verb::Requeue { undo: false },
        }
    }

    fn hold_longer(
        &self,
        batch: &mut Batch,
        message: &Message,
        number: u64,
        mut parcel: Parcel,
        more: Duration,
    ) {
        let now = self.store.now();
        if let Some(kept) = &mut parcel.hold {
            kept.until = now.0.saturating_add(micros(more));
        }
        ledger::put_parcel(batch, message.id, number, &parcel, now);
        drop(self.put_open(batch, message, number, &parcel));
    }
}
