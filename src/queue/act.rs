//! Doing what a person decides: on recipients of a message, or on one hold.
//!
//! Each act is recorded with who, from where and by which digest. A recipient that somebody acts on alone moves into a
//! parcel of its own in the same batch. Of many that act on one recipient at once exactly one changes it; the others
//! learn who did. Not here: the words (`verbs`), and ends by time (`expiry`).

use std::time::Duration;

use super::Queue;
use super::hold::{Card, Decision};
use super::ledger::{self, Stored};
use super::noted::note;
use super::record::{
    FailedRecipient, HoldId, JobId, Message, Parcel, Slot, decode, encode, message_key, parcel_key,
};
use super::returned::{Returned, may_return};
use super::verbs::{ActError, Actor, Target, Undecided, Verb};
use crate::base::clock::micros;
use crate::journal::event::EventKind;
use crate::journal::fact::{Acted, Fact};
use crate::journal::line;
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::mailbox::Mailbox;
use crate::mail::outcome::{Fault, Scope};
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::mail::state::{Illegal, Leave, Move, State, next};
use crate::store::{Batch, Group, Op, Pre, StoreError, StoreTime, Version};

/// How long a deleted recipient can be brought back.
pub(super) const TRASH: Duration = Duration::from_secs(7 * 86_400);
/// A change that somebody else's change overtook is built again so often: as often as a message has recipients that
/// are acted on at once by different people, and more.
const TRIES: usize = 100;

/// The changes of one message, while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Acting {
    pub(super) batch: Batch,
    pub(super) done: Vec<Mailbox>,
    pub(super) note: String,
    /// What goes back to the sender, should it be given up, by recipient.
    backs: Vec<Returned>,
    /// The card of the last hold that was opened or closed.
    pub(super) card: Option<Card>,
    /// Groups that go now, or from then on, and when.
    woken: Vec<(StoreTime, Group)>,
    ended: usize,
    failed: Vec<FailedRecipient>,
    refused: Option<Illegal>,
    /// Recipients that were meant and whose state does not allow it.
    pub(super) refusals: u64,
    seen: Vec<(u64, Version)>,
}

/// Something done to recipients: what, by whom, and which step that is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed<'a> {
    pub(super) verb: Verb,
    pub(super) step: Move,
    pub(super) actor: &'a Actor,
    /// The bulk job that does it.
    pub(super) job: Option<JobId>,
}

impl Queue {
    /// Does `verb` to `target`; how many recipients it was done to.
    pub async fn act(&self, verb: Verb, target: &Target, actor: &Actor) -> Result<usize, ActError> {
        let done = self.act_noted(verb, target, actor).await?;
        Ok(done.0)
    }

    /// The same, with what is to be known of it: what was not checked, and whom nobody tells.
    pub async fn act_noted(
        &self,
        verb: Verb,
        target: &Target,
        actor: &Actor,
    ) -> Result<(usize, String), ActError> {
        let mut seen = None;
        for _ in 0..TRIES {
            let (message, version) = self
                .message_by_id(target.message)
                .await?
                .ok_or(ActError::Unknown)?;
            let deed = self.deed(verb, actor);
            let parcels = self.parcels_of(message.id).await?;
            let meant = |slot: &Slot| target.address.as_ref().is_none_or(|a| *a == slot.mailbox);
            if let Some(address) = &target.address
                && !parcels.iter().any(|one| one.parcel.slots.iter().any(meant))
            {
                return Err(ActError::NoRecipient(address.clone()));
            }
            let acting = self.act_on_all(&message, version, parcels, |_, slot| meant(slot), deed);
            if acting.done.is_empty() {
                return Err(acting.refused.unwrap_or(Illegal::AlreadyFinal).into());
            }
            let now_seen = (version, acting.seen.clone());
            match self.store.commit(acting.batch.clone()).await {
                Ok(_) => {
                    self.tell_acted(&message, &acting, deed);
                    return Ok((acting.done.len(), acting.note));
                }
                // Nothing changed since the last conflict: the parcel is lent to a delivery.
                Err(StoreError::Conflict(_)) if seen.as_ref() == Some(&now_seen) => break,
                Err(StoreError::Conflict(_)) => seen = Some(now_seen),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Illegal::InDelivery.into())
    }

    /// Does `verb` to one hold; its card after that. Of many calls at once exactly one succeeds.
    pub async fn decide(&self, id: HoldId, verb: Verb, actor: &Actor) -> Result<Card, Undecided> {
        let mut seen = None;
        for _ in 0..TRIES {
            let card = self.card(id).await?.ok_or(Undecided::Unknown)?;
            let Some((message, version, stored)) = self.held_by(&card).await? else {
                return Err(self.handled(id).await?);
            };
            if is_open(&stored.parcel) != card.end.is_none() {
                // Somebody decided between the two reads; from here on the card must be of the parcel's time.
                continue;
            }
            let mut acting = Acting::default();
            let deed = self.deed(verb, actor);
            let now_seen = (version, stored.version);
            let is_open = card.end.is_none();
            if is_open == (verb == Verb::Undo) {
                return Err(if is_open {
                    Undecided::Refused(Illegal::NothingToUndo)
                } else {
                    self.handled(id).await?
                });
            }
            self.act_on_parcel(&mut acting, &message, stored, |_| true, deed);
            if acting.done.is_empty() {
                return Err(match (self.handled(id).await?, acting.refused) {
                    // Nobody was faster: it is the verb that does not fit a hold.
                    (Undecided::Busy, Some(why)) => Undecided::Refused(why),
                    (handled, _) => handled,
                });
            }
            self.put_acted(&mut acting, &message, version, deed);
            match self.store.commit(acting.batch.clone()).await {
                Ok(_) => {
                    self.tell_acted(&message, &acting, deed);
                    return acting.card.ok_or(Undecided::Unknown);
                }
                Err(StoreError::Conflict(_)) if seen == Some(now_seen) => break,
                Err(StoreError::Conflict(_)) => seen = Some(now_seen),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Undecided::Busy)
    }

    /// Somebody was faster: read again, because the card may have been read before they acted.
    async fn handled(&self, id: HoldId) -> Result<Undecided, StoreError> {
        let card = self.card(id).await?;
        let ended = card.filter(|card| card.end.is_some());
        Ok(ended.map_or(Undecided::Busy, |card| Undecided::Handled(Box::new(card))))
    }

    /// The message and the parcel of a hold, as long as the parcel is still that hold's.
    pub(super) async fn held_by(
        &self,
        card: &Card,
    ) -> Result<Option<(Message, Version, Stored)>, StoreError> {
        let keys = vec![
            message_key(card.message),
            parcel_key(card.message, card.parcel),
        ];
        let mut found = self.store.get(keys).await?.into_iter();
        let (Some(Some(message)), Some(Some(parcel))) = (found.next(), found.next()) else {
            return Ok(None);
        };
        let stored = Stored {
            number: card.parcel,
            version: parcel.version,
            parcel: decode(&parcel.key, &parcel.value)?,
        };
        let is_its = stored
            .parcel
            .hold
            .as_ref()
            .is_some_and(|kept| kept.id == card.id);
        let version = message.version;
        let message = Message::read(&message.key, &message.value)?;
        Ok(is_its.then_some((message, version, stored)))
    }

    pub(super) fn deed<'a>(&self, verb: Verb, actor: &'a Actor) -> Deed<'a> {
        let now = self.store.now().0;
        let wait = self.conf.load().hold.undo;
        let until =
            |undo: bool| (undo && !wait.is_zero()).then(|| now.saturating_add(micros(wait)));
        let step = match verb {
            Verb::Retry => Move::Unclaim,
            Verb::Requeue { undo } => Move::Leave {
                verb: Leave::Requeue,
                until: until(undo),
            },
            Verb::Release { undo } => Move::Leave {
                verb: Leave::Release,
                until: until(undo),
            },
            Verb::Hold => Move::Hold,
            Verb::Delete { now: true } => Move::Delete,
            Verb::Delete { now: false } => Move::Trash {
                until: now.saturating_add(micros(TRASH)),
            },
            Verb::Bounce => Move::Bounce,
            Verb::Undo => Move::Undo,
        };
        Deed {
            verb,
            step,
            actor,
            job: None,
        }
    }

    /// Everything that the deed changes of one message.
    pub(super) fn act_on_all(
        &self,
        message: &Message,
        version: Version,
        parcels: Vec<Stored>,
        meant: impl Fn(&Parcel, &Slot) -> bool,
        deed: Deed<'_>,
    ) -> Acting {
        let mut acting = Acting::default();
        for stored in parcels {
            let whole = stored.parcel.clone();
            self.act_on_parcel(
                &mut acting,
                message,
                stored,
                |slot| meant(&whole, slot),
                deed,
            );
        }
        if !acting.done.is_empty() {
            self.put_acted(&mut acting, message, version, deed);
        }
        acting
    }

    fn act_on_parcel(
        &self,
        acting: &mut Acting,
        message: &Message,
        stored: Stored,
        meant: impl Fn(&Slot) -> bool,
        deed: Deed<'_>,
    ) {
        let Stored {
            number,
            version,
            mut parcel,
        } = stored;
        let (mut acted, mut rest) = (Vec::new(), Vec::new());
        let was_open = is_open(&parcel);
        let kept = parcel.hold.as_ref();
        let is_barred = kept.is_some_and(|kept| self.is_barred(deed.verb, &kept.hold));
        for mut slot in parcel.slots.drain(..) {
            let step = |state: &State| {
                if is_barred && *state == State::Held {
                    return Err(Illegal::Barred);
                }
                next(state, deed.step)
            };
            match meant(&slot).then(|| step(&slot.state)) {
                Some(Ok(state)) => {
                    slot.state = state;
                    acted.push(slot);
                }
                Some(Err(why)) => {
                    acting.refuse(why);
                    rest.push(slot);
                }
                None => rest.push(slot),
            }
        }
        if acted.is_empty() {
            return;
        }
        let key = parcel_key(message.id, number);
        acting.seen.push((number, version));
        acting
            .batch
            .pre
            .extend([Pre::Is(key.clone(), version), Pre::Free(key)]);
        let number = if rest.is_empty() {
            number
        } else {
            let old = Parcel {
                slots: rest,
                ..parcel.clone()
            };
            ledger::put_parcel(
                &mut acting.batch,
                message.id,
                number,
                &old,
                self.store.now(),
            );
            self.fresh_id()
        };
        parcel.slots = acted;
        self.put_moved(acting, message, number, (parcel, was_open), deed);
    }

    /// Writes a parcel of which every slot has just taken the deed's step.
    pub(super) fn put_moved(
        &self,
        acting: &mut Acting,
        message: &Message,
        number: u64,
        (mut parcel, was_open): (Parcel, bool),
        deed: Deed<'_>,
    ) {
        let kept = parcel.hold.clone();
        for slot in &parcel.slots {
            acting.done.push(slot.mailbox.clone());
            acting.ended += usize::from(slot.state.is_final());
            let back = Returned::of(message, &parcel, slot);
            acting.backs.push(back);
            if deed.step == Move::Bounce && back.tells() {
                let bare = back.keeps_content();
                acting.failed.push(returned(slot, parcel.tried, bare));
            }
        }
        acting.note = note(
            &self.conf.load().checks(),
            deed.verb,
            kept.as_ref().map(|kept| &kept.hold),
            &acting.backs,
        );
        let first_back = parcel
            .slots
            .first()
            .map(|slot| Returned::of(message, &parcel, slot));
        let first_back = first_back.unwrap_or(Returned::AsUsual);
        self.change(message, &mut parcel, deed);
        self.note_woken(acting, &parcel, deed);
        if deed.verb == Verb::Hold {
            let held: Vec<_> = parcel
                .slots
                .iter()
                .map(|slot| (slot.index, by_operator()))
                .collect();
            let by = &deed.actor.by;
            self.hold_each(&mut acting.batch, message, number, parcel, &held, by);
            return;
        }
        ledger::put_parcel(
            &mut acting.batch,
            message.id,
            number,
            &parcel,
            self.store.now(),
        );
        let (Some(kept), Some(slot)) = (kept, parcel.slots.first()) else {
            return;
        };
        acting.card = if slot.state == State::Held {
            self.open_card(&mut acting.batch, message, number, &parcel)
        } else {
            let decision = Decision {
                verb: deed.verb.word().to_owned(),
                by: deed.actor.by.clone(),
                at: self.clock.wall().0,
                place: deed.actor.place.clone(),
                digest: deed.actor.digest,
                until: until(&slot.state),
                again: None,
            };
            let ended = (message, number, slot, &kept, first_back);
            Some(self.close_card(&mut acting.batch, ended, decision, was_open))
        };
    }

    /// Who wants mail to go, now or after a wait, wants its site asked then.
    fn note_woken(&self, acting: &mut Acting, parcel: &Parcel, deed: Deed<'_>) {
        let at = match deed.step {
            Move::Unclaim | Move::Undo => self.store.now(),
            Move::Leave {
                verb: Leave::Release,
                until,
            } => until.map_or(self.store.now(), StoreTime),
            // What is judged again is woken when it was found good.
            Move::Leave {
                verb: Leave::Requeue,
                ..
            }
            | Move::Claim
            | Move::Relay
            | Move::Defer
            | Move::Fail
            | Move::Lose
            | Move::Hold
            | Move::Pass
            | Move::Left
            | Move::Trash { .. }
            | Move::Delete
            | Move::Bounce
            | Move::Expire => return,
        };
        acting
            .woken
            .extend(super::accept::group_of(parcel).map(|group| (at, group)));
    }

    /// What the deed changes in a parcel besides the states.
    fn change(&self, message: &Message, parcel: &mut Parcel, deed: Deed<'_>) {
        // Whoever acts last is whose it is: a job takes back only what nobody has touched since.
        parcel.job = deed.job;
        let now = self.store.now().0;
        let lifetime = micros(self.conf.load().queue.lifetime);
        let waits = parcel.slots.iter().any(|slot| slot.state == State::Due);
        match deed.verb {
            Verb::Retry => parcel.next_try = now,
            Verb::Requeue { .. } | Verb::Release { .. } => {
                parcel.next_try = now;
                parcel.expires = now.saturating_add(lifetime);
                parcel.unchecked = matches!(deed.verb, Verb::Release { .. });
                if parcel.unchecked {
                    // What was found stays so, wherever the mail fails later.
                    let held = parcel.hold.as_ref();
                    let held = held.map(|kept| may_return(&message.origin, &kept.hold));
                    parcel.back = parcel.back.max(held);
                }
            }
            Verb::Undo => {
                parcel.unchecked = false;
                // A hold whose end passed meanwhile would end at once, and nobody could look at what they brought back.
                if let Some(kept) = &mut parcel.hold
                    && kept.until > 0
                {
                    kept.until = kept.until.max(now.saturating_add(micros(TRASH)));
                }
                if waits {
                    parcel.next_try = now;
                    parcel.expires = now.saturating_add(lifetime);
                }
            }
            Verb::Hold | Verb::Delete { .. } | Verb::Bounce => {}
        }
        let left = |slot: &Slot| slot.state.is_final() || slot.state == State::Due;
        if parcel.slots.iter().all(left) {
            parcel.leave_hold();
        }
    }
}

fn returned(slot: &Slot, tried: u64, bare: bool) -> FailedRecipient {
    let status = EnhancedStatus(5, 7, 1);
    let text = "the message was kept back on its way and is returned to its sender";
    FailedRecipient {
        index: slot.index,
        mailbox: slot.mailbox.clone(),
        orcpt: slot.orcpt.clone(),
        notify: slot.notify,
        fault: Some(Fault {
            scope: Scope::Message,
            reply: Reply::new(550, Some(status), text),
            synthetic: true,
            step: "hold".to_owned(),
        }),
        site: String::new(),
        expired: false,
        // A decision is no attempt; the last one, if there was one, was then.
        at: tried,
        relayed: None,
        unanswered: slot.unanswered.clone(),
        bare,
    }
}

impl Queue {
    /// Writes what follows for the message: fact, lifetime, DSN, count.
    pub(super) fn put_acted(
        &self,
        acting: &mut Acting,
        message: &Message,
        version: Version,
        deed: Deed<'_>,
    ) {
        acting.batch.need = deed.verb.need();
        if deed.verb != Verb::Hold {
            let fact = Acted {
                verb: deed.verb.word().to_owned(),
                recipients: acting.done.iter().map(Mailbox::to_string).collect(),
                by: deed.actor.by.clone(),
                note: acting.note.clone(),
                place: deed.actor.place.clone(),
                digest: deed.actor.digest,
            };
            self.put_fact(&mut acting.batch, message.id, Fact::Acted(fact));
        }
        if matches!(
            deed.verb,
            Verb::Release { .. } | Verb::Requeue { .. } | Verb::Undo
        ) {
            // Leaving a hold starts a new lifetime: the message's own due slot may have been used up.
            let key = message_key(message.id);
            let due = self.expire_due(&key, self.conf.load().queue.lifetime);
            acting.batch.pre.push(Pre::Is(key.clone(), version));
            acting.batch.ops.push(Op::Put {
                key,
                value: encode(message),
                due: Some(due),
                terms: Vec::new(),
            });
        }
        let dsns = usize::from(!acting.failed.is_empty());
        if dsns > 0 {
            let failed = std::mem::take(&mut acting.failed);
            self.put_dsn(&mut acting.batch, message, failed);
        }
        ledger::count(&mut acting.batch, message.id, acting.ended, dsns);
    }

    pub(super) fn tell_acted(&self, message: &Message, acting: &Acting, deed: Deed<'_>) {
        self.wake(acting.woken.iter().cloned());
        let (what, kind) = match deed.verb {
            Verb::Retry => ("due now", None),
            Verb::Requeue { .. } => ("requeued", Some(EventKind::Requeued)),
            Verb::Release { .. } => ("released from hold", Some(EventKind::Released)),
            Verb::Hold => {
                let hold = by_operator();
                let each = acting.done.iter().map(|one| (one.to_string(), &hold));
                return self.tell_held(message, each, &deed.actor.by);
            }
            Verb::Delete { .. } => ("removed", Some(EventKind::Deleted)),
            Verb::Bounce if !acting.backs.iter().any(|back| back.tells()) => (
                "given up without a word to its sender",
                Some(EventKind::Bounced),
            ),
            Verb::Bounce => ("returned to sender", Some(EventKind::Bounced)),
            Verb::Undo => ("brought back", None),
        };
        line::acted(message.id, what, &deed.actor.by);
        if let Some(kind) = kind {
            for address in &acting.done {
                self.tell(kind, message, address.to_string(), deed.actor.by.clone());
            }
        }
    }
}

impl Acting {
    /// "Already finished" says least: any other reason is the better answer.
    fn refuse(&mut self, why: Illegal) {
        self.refusals += 1;
        if self.refused.is_none_or(|old| old == Illegal::AlreadyFinal) {
            self.refused = Some(why);
        }
    }
}

/// Whether the parcel is a hold that nobody has decided.
pub(super) fn is_open(parcel: &Parcel) -> bool {
    parcel.hold.is_some() && parcel.slots.iter().any(|slot| slot.state == State::Held)
}

/// Store time until which a state can be taken back.
fn until(state: &State) -> Option<u64> {
    match state {
        State::Releasing { until, .. } | State::Trashed { until, .. } => Some(*until),
        State::Due
        | State::Claimed
        | State::Judging
        | State::Held
        | State::MaybeDelivered
        | State::Relayed
        | State::Failed
        | State::Expired
        | State::Deleted => None,
    }
}

fn by_operator() -> Hold {
    Hold::new(HoldQueue::Quarantine, HoldReason::Operator, "")
}
