//! Who is put off without a counted try: the site asked for less, or the transaction had recipients enough.
//!
//! He is due at once, and the site's own wait holds him back if it must. Beside others who were deferred or held he parts
//! from them, with the tries that he had before. Not here: which replies mean that (`deliver::throttle`).

use super::Queue;
use super::ledger;
use super::lend::claimable;
use super::record::{Message, MessageId, Parcel, Slot};
use super::settle::{Attempt, Became};
use crate::journal::event::EventKind;
use crate::mail::outcome::Outcome;
use crate::store::{Batch, StoreTime};

impl Attempt {
    /// At the end of a lifetime there is no later: what was put off ends as if it had been deferred.
    pub(super) fn count_all(&mut self) {
        for (_, outcome) in &mut self.outcomes {
            if let Outcome::Postponed(fault) = outcome {
                *outcome = Outcome::Deferred(fault.clone());
            }
        }
    }

    /// Whether nobody's try is counted.
    pub(super) fn is_uncounted(&self) -> bool {
        self.outcomes
            .iter()
            .all(|(_, outcome)| is_uncounted(outcome))
    }

    /// Whether somebody who was lent is put off, or was not tried.
    pub(super) fn leaves_some(&self, parcel: &Parcel, now: StoreTime) -> bool {
        let counted = |(_, outcome): &&(u32, Outcome)| !is_uncounted(outcome);
        let lent = |slot: &&Slot| claimable(&slot.state, now).is_some();
        let counted = self.outcomes.iter().filter(counted).count();
        counted < parcel.slots.iter().filter(lent).count()
    }
}

impl Queue {
    /// Who was put off is due at once and must not wait with those who go on, nor count their try: they part.
    pub(super) fn split_off(
        &self,
        batch: &mut Batch,
        id: MessageId,
        parcel: &mut Parcel,
        (before, became): (Parcel, &[(u32, Became)]),
    ) {
        let now = self.store.now();
        let is_off = |slot: &Slot| {
            let became = became.iter().find(|(index, _)| *index == slot.index);
            became.is_some_and(|(_, became)| *became == Became::Untried)
        };
        if !parcel.slots.iter().any(is_off) {
            return;
        }
        // Who is deferred waits, and who is held may be returned: both were tried, and their parcel says when.
        let goes_on = |became: &Became| {
            matches!(became, Became::Deferred | Became::InDoubt | Became::Held(_))
        };
        if !became.iter().any(|(_, became)| goes_on(became)) {
            // Who is left was not tried, and at the end of a lifetime nobody says so.
            parcel.attempts = before.attempts;
            parcel.tried = before.tried;
            parcel.last_site = before.last_site;
            parcel.next_try = now.0;
            return;
        }
        let (off, stay): (Vec<Slot>, Vec<Slot>) = parcel.slots.drain(..).partition(is_off);
        parcel.slots = stay;
        let mut off = Parcel {
            slots: off,
            next_try: now.0,
            ..before
        };
        off.leave_hold();
        ledger::put_parcel(batch, id, self.fresh_id(), &off, now);
    }

    /// What a site that has no time said is told, though nothing is written.
    pub(super) fn tell_postponed(&self, message: &Message, parcel: &Parcel, attempt: &Attempt) {
        if !self.events.wanted() {
            return;
        }
        for (index, outcome) in &attempt.outcomes {
            let slot = parcel.slots.iter().find(|slot| slot.index == *index);
            if let (Some(slot), Outcome::Postponed(fault)) = (slot, outcome) {
                let (address, said) = (slot.mailbox.to_string(), fault.reply.to_string());
                self.tell(EventKind::Deferred, message, address, said);
            }
        }
    }
}

/// Whether no try is counted for it.
fn is_uncounted(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Untried | Outcome::Postponed(_) => true,
        Outcome::Relayed(_)
        | Outcome::Deferred(_)
        | Outcome::Failed(_)
        | Outcome::Broken(_)
        | Outcome::InDoubt(_) => false,
    }
}
