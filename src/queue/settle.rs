//! The end of a try: one batch per transaction.
//!
//! Relayed and failed recipients end; deferred ones are due again together. Failures make the message's DSN due in a
//! minute, so that those of one minute share one. What cannot be told to anybody, because its reverse-path is null,
//! is held in `defect` rather than lost. A reply that was lost after the final dot leaves its recipients in doubt: they
//! are sent again, or held, and stay marked. Whatever the store answers, a mail whose dot is out is not sent again for
//! it: the settle is tried for long, and then the claim is kept.
//! Not here: what a crash leaves (`intent`).

use std::time::Duration;

use super::Queue;
use super::intent::Loan;
use super::ledger;
use super::lend::{Lent, claimable};
use super::record::{
    DsnWork, FailedRecipient, Message, Parcel, Slot, Unanswered, dsn_key, encode, parcel_key,
};
use super::retry;
use super::returned::Returned;
use crate::base::clock::micros;
use crate::base::limit::{DIALOGUE_MAX, DIALOGUES_MAX, SETTLE_FOR, SETTLE_PAUSE, SETTLE_PAUSE_MAX};
use crate::base::text::clean;
use crate::journal::event::EventKind;
use crate::journal::fact::{Fact, Tried, TriedRecipient};
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::outcome::{Fault, Outcome};
use crate::mail::reply::Reply;
use crate::mail::state::{Move, State, next};
use crate::store::{
    Band, Batch, Counter, Due, Group, Key, Op, Pre, StoreError, StoreTime, Version, Work,
};

/// Failures within this span share one DSN.
const DSN_AFTER: Duration = Duration::from_secs(60);

/// Characters of a fault's text that a hold keeps.
const CAUSE_MAX: usize = 500;

/// What a try came to.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// For each recipient that was lent; one that is missing counts as untried.
    pub outcomes: Vec<(u32, Outcome)>,
    /// `mx.example[192.0.2.1]:25`, or `none`.
    pub site: String,
    /// TLS version, cipher and whether it was verified.
    pub tls: Option<String>,
    /// What was said; kept when somebody was not relayed.
    pub dialogue: String,
    /// How long it took.
    pub delays: Delays,
    /// Whether the hop knows DSN (RFC 3461) and so answers NOTIFY=SUCCESS itself.
    pub dsn: bool,
    /// What is deferred because the site cannot be used is due when the site is, and not by `[queue] retry`.
    pub again: Option<StoreTime>,
}

/// Parts of the time a try took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delays {
    /// DNS, TCP, EHLO, TLS.
    pub connect: Duration,
    /// MAIL to the last reply.
    pub transmit: Duration,
}

/// What became of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Became {
    Relayed(Reply),
    Deferred,
    InDoubt,
    Failed,
    Expired,
    Held(HoldReason),
    Untried,
}

impl Queue {
    /// Ends a try; who was put off without a counted try stays due at once (`postpone`). The recipients' new states, the
    /// facts and the work that follows land together or not at all.
    pub async fn settle(&self, lent: Lent, mut attempt: Attempt) -> Result<(), StoreError> {
        let now = self.store.now();
        if lent.expired(now) {
            attempt.count_all();
        }
        let Lent {
            message,
            mut parcel,
            number,
            version,
            loan,
            underway,
            ..
        } = lent;
        if attempt.is_uncounted() {
            // Dropping the loan gives the parcel back as it was.
            loan.answered();
            self.tell_postponed(&message, &parcel, &attempt);
            return Ok(());
        }
        let before = attempt.leaves_some(&parcel, now).then(|| parcel.clone());
        let try_number = parcel.attempts + 1;
        parcel.attempts = try_number;
        // What leaves a hold has left it now; its card says how.
        parcel.leave_hold();
        parcel.last_site = Some(attempt.site.clone());
        let conf = self.conf.load_full();
        let terms = Terms {
            now,
            wall: self.clock.wall().0,
            is_held: self.holds_doubts(&message),
        };
        let became = apply(&message, &mut parcel, &attempt, &terms);
        let wait = retry::wait(&conf.queue.retry, parcel.attempts, parcel.jitter);
        parcel.tried = terms.wall;
        parcel.next_try = now.0.saturating_add(micros(wait));
        if let Some(again) = attempt.again.filter(|again| *again > now) {
            parcel.next_try = again.0;
        }
        assert!(
            parcel.next_try > now.0,
            "a deferral must move forward, or the scheduler spins"
        );
        let relayed = |(_, became): &(u32, Became)| matches!(became, Became::Relayed(_));
        if !became.iter().all(relayed) {
            keep_dialogue(&mut parcel, &attempt.dialogue);
        }
        // Held recipients move to parcels of their own below; events name them all the same.
        let any_held = became.iter().any(|(_, became)| became.reason().is_some());
        let slots = (any_held || self.events.wanted()).then(|| parcel.slots.clone());
        let mut batch = Batch::ending();
        batch.pre.extend(loan.id().map(Pre::Mine));
        batch.ops.extend(loan.forget());
        if let Some(before) = before {
            self.split_off(&mut batch, message.id, &mut parcel, (before, &became));
        }
        let what = (number, try_number);
        self.put_settled(&mut batch, &message, what, &mut parcel, &became, &attempt);
        let key = parcel_key(message.id, number);
        self.commit_settled(batch, loan, &key, version).await?;
        drop(underway);
        let slots = slots.unwrap_or_default();
        self.tell_all_held(&message, &slots, &became);
        self.tell_settled(&message, &slots, &became);
        Ok(())
    }

    /// What the remote has is relayed already: a store that cannot be used must not send it twice. A commit in doubt is
    /// never repeated as it was: from then on it asks for the parcel that was read, so that it is refused when the
    /// first one is on disk after all.
    async fn commit_settled(
        &self,
        mut batch: Batch,
        loan: Loan,
        key: &Key,
        version: Version,
    ) -> Result<(), StoreError> {
        let end = self.clock.mono() + SETTLE_FOR;
        let (mut pause, mut doubted) = (SETTLE_PAUSE, None);
        loop {
            let error = match self.store.commit(batch.clone()).await {
                Ok(_) => break,
                Err(StoreError::Conflict(at)) if doubted == Some(at) => break,
                Err(error @ (StoreError::Unavailable(_) | StoreError::InDoubt(_))) => error,
                Err(
                    error @ (StoreError::Conflict(_)
                    | StoreError::TooLarge
                    | StoreError::Damaged(_)),
                ) => {
                    // No further try mends it, and none may send the mail again.
                    loan.keep();
                    return Err(error);
                }
            };
            if matches!(error, StoreError::InDoubt(_)) && doubted.is_none() {
                doubted = Some(batch.pre.len());
                batch.pre.push(Pre::Is(key.clone(), version));
            }
            if self.clock.mono() >= end {
                // Given back if no dot is out; else the claim is kept.
                return Err(error);
            }
            if let Some(repeated) = self.repeats.say(&format!("settle: {error}")) {
                tracing::warn!(?key, %error, "a delivery is not recorded yet; trying again{repeated}");
            }
            self.clock.sleep(pause).await;
            pause = pause.saturating_mul(2).min(SETTLE_PAUSE_MAX);
        }
        loan.end();
        Ok(())
    }

    fn put_settled(
        &self,
        batch: &mut Batch,
        message: &Message,
        (number, number_of_try): (u64, u32),
        parcel: &mut Parcel,
        became: &[(u32, Became)],
        attempt: &Attempt,
    ) {
        let now = self.store.now();
        let fact = Tried {
            site: attempt.site.clone(),
            tls: attempt.tls.clone(),
            results: became
                .iter()
                .filter_map(|(index, became)| result(parcel, *index, became))
                .collect(),
            attempt: number_of_try,
            next_try: waits(parcel).then(|| self.wall_of(parcel.next_try)),
            dialogue: parcel
                .dialogues
                .last()
                .filter(|_| unrelayed(became))
                .cloned(),
        };
        self.put_fact(batch, message.id, Fact::Tried(fact));
        let told = self.told(message, parcel, became, attempt);
        let dsns = usize::from(!told.is_empty());
        if dsns > 0 {
            self.put_dsn(batch, message, told);
        }
        let ended = became.iter().filter(|(_, became)| {
            matches!(
                became,
                Became::Relayed(_) | Became::Failed | Became::Expired
            )
        });
        ledger::count(batch, message.id, ended.count(), dsns);
        let relayed = became
            .iter()
            .filter(|(_, became)| matches!(became, Became::Relayed(_)))
            .count();
        if relayed > 0 {
            batch.ops.push(Op::Add(
                Counter(b"relayed".as_slice().into()),
                i64::try_from(relayed).unwrap_or(i64::MAX),
            ));
        }
        let held: Vec<(u32, Hold)> = became
            .iter()
            .filter_map(|(index, became)| {
                let slot = parcel.slots.iter().find(|slot| slot.index == *index)?;
                Some((*index, hold_of(slot, became.reason()?)))
            })
            .collect();
        if held.is_empty() {
            ledger::put_parcel(batch, message.id, number, parcel, now);
        } else {
            self.hold_each(batch, message, number, parcel.clone(), &held, "postwerk");
        }
    }

    /// Whom the reverse-path must be told of: who failed, and who was relayed to a hop without DSN although SUCCESS was
    /// asked for (RFC 3461 section 5.2.2).
    fn told(
        &self,
        message: &Message,
        parcel: &Parcel,
        became: &[(u32, Became)],
        attempt: &Attempt,
    ) -> Vec<FailedRecipient> {
        if message.from.path.is_null() {
            return Vec::new();
        }
        let one = |(index, became): &(u32, Became)| {
            let slot = parcel.slots.iter().find(|slot| slot.index == *index)?;
            let (wanted, relayed) = match became {
                Became::Failed | Became::Expired => (slot.notify.failure(), None),
                Became::Relayed(reply) => {
                    (slot.notify.success() && !attempt.dsn, Some(reply.clone()))
                }
                Became::Deferred | Became::InDoubt | Became::Held(_) | Became::Untried => {
                    return None;
                }
            };
            wanted.then(|| FailedRecipient {
                index: *index,
                mailbox: slot.mailbox.clone(),
                orcpt: slot.orcpt.clone(),
                notify: slot.notify,
                fault: slot.fault.clone().filter(|_| relayed.is_none()),
                site: attempt.site.clone(),
                expired: *became == Became::Expired,
                at: self.clock.wall().0,
                relayed,
                unanswered: slot.unanswered.clone(),
                bare: parcel.back.is_some_and(Returned::keeps_content),
            })
        };
        became.iter().filter_map(one).collect()
    }

    /// Makes the DSN of a message due; `bounce` owns the work.
    pub(super) fn put_dsn(
        &self,
        batch: &mut Batch,
        message: &Message,
        failed: Vec<FailedRecipient>,
    ) {
        debug_assert!(
            !message.from.path.is_null(),
            "a null reverse-path never gets a DSN"
        );
        let key = dsn_key(message.id, self.fresh_id());
        // All DSN work of one message is in one group, so that one claim can take it together.
        let group = Group::of_key(&super::record::dsn_prefix(message.id));
        let due = Due {
            // Who is told of a digest that fails is not its own sender but who sees to digests.
            work: if message.digest.is_some() {
                Work::Digest
            } else {
                Work::Dsn
            },
            group,
            band: Band::Normal,
            after: DSN_AFTER,
        };
        batch.ops.push(Op::Put {
            key,
            value: encode(&DsnWork { failed }),
            due: Some(due),
            terms: Vec::new(),
        });
    }

    /// Store time as a wall time for people.
    pub fn wall_of(&self, store_micros: u64) -> u64 {
        let (now, wall) = (self.store.now().0, self.clock.wall().0);
        wall.saturating_add(store_micros.saturating_sub(now))
            .saturating_sub(now.saturating_sub(store_micros))
    }

    fn tell_all_held(&self, message: &Message, slots: &[Slot], became: &[(u32, Became)]) {
        let held: Vec<(String, Hold)> = became
            .iter()
            .filter_map(|(index, became)| {
                let slot = slots.iter().find(|slot| slot.index == *index)?;
                Some((slot.mailbox.to_string(), hold_of(slot, became.reason()?)))
            })
            .collect();
        let told = held.iter().map(|(address, hold)| (address.clone(), hold));
        self.tell_held(message, told, "postwerk");
    }

    fn tell_settled(&self, message: &Message, slots: &[Slot], became: &[(u32, Became)]) {
        if !self.events.wanted() {
            return;
        }
        for (index, became) in became {
            let slot = slots.iter().find(|slot| slot.index == *index);
            let address = slot
                .map(|slot| slot.mailbox.to_string())
                .unwrap_or_default();
            let fault = slot.and_then(|slot| slot.fault.as_ref());
            let said = fault
                .map(|fault| fault.reply.to_string())
                .unwrap_or_default();
            match became {
                Became::Relayed(reply) => {
                    let before = slot.and_then(|slot| slot.unanswered.as_ref());
                    let text = relayed_text(reply, before);
                    self.tell(EventKind::Delivered, message, address, text)
                }
                Became::InDoubt | Became::Held(HoldReason::MaybeDelivered) => {
                    self.tell(EventKind::MaybeDelivered, message, address, said)
                }
                Became::Deferred => self.tell(EventKind::Deferred, message, address, said),
                Became::Failed | Became::Expired => {
                    self.tell(EventKind::Bounced, message, address, said)
                }
                // Told by `tell_held`, with its reason.
                Became::Held(_) => {}
                Became::Untried => {}
            }
        }
    }
}

/// What a settle goes by.
struct Terms {
    now: StoreTime,
    wall: u64,
    /// Whether what is in doubt is held.
    is_held: bool,
}

/// The reply, and whether the mail may have arrived before.
pub fn relayed_text(reply: &Reply, before: Option<&Unanswered>) -> String {
    match before {
        Some(before) => format!(
            "{reply}; it may have arrived twice: a try before, at {}, was not answered",
            before.site
        ),
        None => reply.to_string(),
    }
}

/// Moves each slot that was tried, and says what became of it.
fn apply(
    message: &Message,
    parcel: &mut Parcel,
    attempt: &Attempt,
    terms: &Terms,
) -> Vec<(u32, Became)> {
    let mut all = Vec::new();
    let expired = parcel.expires <= terms.now.0;
    for slot in &mut parcel.slots {
        let Some(claimed) = claimable(&slot.state, terms.now) else {
            continue;
        };
        let outcome = attempt
            .outcomes
            .iter()
            .find(|(index, _)| *index == slot.index)
            .map(|(_, outcome)| outcome);
        if let Some(Outcome::InDoubt(_)) = outcome {
            slot.unanswered = Some(Unanswered {
                at: terms.wall,
                site: attempt.site.clone(),
            });
        }
        let (step, became, fault) = meaning(message, slot, outcome, expired, terms.is_held);
        match next(&claimed, step) {
            Ok(state) => slot.state = state,
            Err(error) => {
                debug_assert!(false, "a claimed recipient takes {step:?}: {error}");
                continue;
            }
        }
        if let Some(fault) = fault {
            slot.fault = Some(fault);
        }
        all.push((slot.index, became));
    }
    all
}

impl Became {
    /// Why it is held, if it is.
    fn reason(&self) -> Option<HoldReason> {
        match self {
            Self::Held(reason) => Some(*reason),
            Self::Relayed(_)
            | Self::Deferred
            | Self::InDoubt
            | Self::Failed
            | Self::Expired
            | Self::Untried => None,
        }
    }
}

/// Why a recipient is held after a try: nobody could be told that it failed, nobody knows whether it arrived, or the
/// fault is ours.
pub(super) fn hold_of(slot: &Slot, reason: HoldReason) -> Hold {
    let fault = slot.fault.as_ref();
    let cause = fault
        .map(|fault| fault.reply.to_string())
        .unwrap_or_default();
    let queue = if matches!(reason, HoldReason::Internal | HoldReason::MaybeDelivered) {
        HoldQueue::Bad
    } else {
        HoldQueue::Defect
    };
    Hold::new(queue, reason, clean(&cause, CAUSE_MAX))
}

fn meaning(
    message: &Message,
    slot: &Slot,
    outcome: Option<&Outcome>,
    expired: bool,
    is_held: bool,
) -> (Move, Became, Option<Fault>) {
    let end = |fault: &Fault, step, became| {
        // Nobody can be told of it: RFC 5321 section 4.5.5 forbids a DSN to `<>`. A person decides.
        if message.from.path.is_null() {
            let became = Became::Held(HoldReason::Undeliverable);
            (Move::Hold, became, Some(fault.clone()))
        } else {
            (step, became, Some(fault.clone()))
        }
    };
    // What was in doubt once stays so while it waits.
    let doubtful = slot.unanswered.is_some();
    let wait = |step| if doubtful { Move::Lose } else { step };
    match outcome {
        Some(Outcome::Relayed(reply)) => (Move::Relay, Became::Relayed(reply.clone()), None),
        Some(Outcome::Deferred(fault)) if expired => end(fault, Move::Expire, Became::Expired),
        Some(Outcome::Deferred(fault)) => {
            (wait(Move::Defer), Became::Deferred, Some(fault.clone()))
        }
        Some(Outcome::InDoubt(fault)) if expired => end(fault, Move::Expire, Became::Expired),
        Some(Outcome::InDoubt(fault)) if is_held => {
            let became = Became::Held(HoldReason::MaybeDelivered);
            (Move::Hold, became, Some(fault.clone()))
        }
        Some(Outcome::InDoubt(fault)) => (Move::Lose, Became::InDoubt, Some(fault.clone())),
        Some(Outcome::Failed(fault)) => end(fault, Move::Fail, Became::Failed),
        // A digest is never held: who is told of holds would be told of it by another digest.
        Some(Outcome::Broken(fault)) if message.digest.is_some() => {
            (Move::Fail, Became::Failed, Some(fault.clone()))
        }
        Some(Outcome::Broken(fault)) => {
            let became = Became::Held(HoldReason::Internal);
            (Move::Hold, became, Some(fault.clone()))
        }
        Some(Outcome::Postponed(fault)) => {
            (wait(Move::Unclaim), Became::Untried, Some(fault.clone()))
        }
        Some(Outcome::Untried) | None => (wait(Move::Unclaim), Became::Untried, slot.fault.clone()),
    }
}

fn result(parcel: &Parcel, index: u32, became: &Became) -> Option<TriedRecipient> {
    let slot = parcel.slots.iter().find(|slot| slot.index == index)?;
    let fault = slot.fault.as_ref();
    let (action, reply) = match became {
        Became::Relayed(reply) => ("relayed", Some(reply.clone())),
        Became::Deferred => ("deferred", fault.map(|fault| fault.reply.clone())),
        Became::InDoubt => ("maybe_delivered", fault.map(|fault| fault.reply.clone())),
        Became::Failed => ("failed", fault.map(|fault| fault.reply.clone())),
        Became::Expired => ("expired", fault.map(|fault| fault.reply.clone())),
        Became::Held(_) => ("held", fault.map(|fault| fault.reply.clone())),
        Became::Untried => return None,
    };
    // Only what a remote answered was in reply to something; our own words say themselves where it went wrong.
    let step = fault
        .filter(|fault| action != "relayed" && !fault.synthetic)
        .map(|fault| fault.step.clone())
        .unwrap_or_default();
    Some(TriedRecipient {
        address: slot.mailbox.to_string(),
        action: action.to_owned(),
        reply,
        step,
        maybe_before: slot.unanswered.is_some() && *became != Became::InDoubt,
    })
}

fn waits(parcel: &Parcel) -> bool {
    parcel
        .slots
        .iter()
        .any(|slot| matches!(slot.state, State::Due | State::MaybeDelivered))
}

fn unrelayed(became: &[(u32, Became)]) -> bool {
    became
        .iter()
        .any(|(_, became)| !matches!(became, Became::Relayed(_) | Became::Untried))
}

fn keep_dialogue(parcel: &mut Parcel, dialogue: &str) {
    if dialogue.is_empty() {
        return;
    }
    while parcel.dialogues.len() >= DIALOGUES_MAX {
        parcel.dialogues.remove(0);
    }
    parcel
        .dialogues
        .push(dialogue.chars().take(DIALOGUE_MAX).collect());
}
