//! Intents: `a/<message>/<parcel>` stands on disk before a final dot goes out, so that a crash behind it is known.
//!
//! One intent per transaction. Its commit overlaps with MAIL, RCPT and DATA; the dot waits for it. The settle deletes
//! it; a claim that is given back before the dot deletes it first and is free afterwards, so that no later intent of
//! the parcel can be deleted by it. A claim whose dot is out is never given back: while it is not settled it is kept,
//! and the next start marks its recipients. What is marked may have been delivered, and is never taken as sent.
//! Not here: what a lost reply means while the server runs (`settle`), and when the dot goes out (`deliver::transact`).

use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

use minicbor::{Decode, Encode};
use tokio::runtime::Handle;

use super::Queue;
use super::ledger;
use super::lend::{Lent, claimable};
use super::record::{
    Message, MessageId, Parcel, Unanswered, decode, encode, intent_key, message_key, message_of,
    number_of, parcel_key,
};
use super::retry;
use super::settle::hold_of;
use crate::base::clock::micros;
use crate::base::limit::{INTENT_OPS_MAX, INTENTS_PAGE, TRIES_AT_ONCE};
use crate::config::MaybeDelivered;
use crate::journal::event::EventKind;
use crate::journal::fact::{Fact, InDoubt};
use crate::mail::hold::{Hold, HoldReason};
use crate::mail::outcome::{Fault, Scope};
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::mail::state::{Move, next};
use crate::store::{
    Batch, Call, ClaimGuard, ClaimId, Key, Need, Op, Pre, Record, Span, Store, StoreError, Version,
};

/// `a/<msg>/<parcel>`: to whom a mail is about to be handed over, and where.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Intent {
    #[n(0)]
    recipients: Vec<u32>,
    /// `mx.example[192.0.2.1]:25`
    #[n(1)]
    site: String,
    /// Wall time in microseconds.
    #[n(2)]
    at: u64,
}

/// The claim of a lent parcel, and how far its transaction is.
#[derive(Debug)]
pub(super) struct Loan {
    guard: Option<ClaimGuard>,
    phase: AtomicU8,
    store: Store,
}

/// No intent was written.
const CLEAN: u8 = 0;
/// An intent is on disk, or on its way there; no dot is out.
const NOTED: u8 = 1;
/// The intent is on disk and the dot may be out.
const DOTTED: u8 = 2;

/// An intent on its way to the disk.
pub struct Pending<'a> {
    commit: Call<'static, Version>,
    loan: &'a Loan,
}

/// What a commit of the recovery did, to be told after it.
struct Marked {
    message: Message,
    site: String,
    /// By address; with a hold if it is held.
    recipients: Vec<(String, Option<Hold>)>,
}

/// A commit of the recovery: it ends what was under way, so it asks for no room.
struct Draft {
    batch: Batch,
    marked: Vec<Marked>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            batch: Batch::ending(),
            marked: Vec::new(),
        }
    }
}

impl Queue {
    /// Begins to write down that the mail goes to these recipients now. The dot must wait for what comes back.
    pub fn intend<'a>(&self, lent: &'a Lent, recipients: Vec<u32>, site: &str) -> Pending<'a> {
        let intent = Intent {
            recipients,
            site: site.to_owned(),
            at: self.clock.wall().0,
        };
        let put = Op::Put {
            key: intent_key(lent.message.id, lent.number),
            value: encode(&intent),
            due: None,
            terms: Vec::new(),
        };
        lent.loan.phase.store(NOTED, Ordering::Release);
        // It is part of ending what is under way: else a disk that lets delivery go on would take bodies without a dot.
        Pending {
            commit: begin(&self.store, Need::End, put),
            loan: &lent.loan,
        }
    }

    /// Whether the configuration wants this mail held when nobody knows whether it arrived. A digest is never held: who
    /// is told of holds would be told of it by another digest.
    pub fn holds_doubts(&self, message: &Message) -> bool {
        match self.conf.load().queue.maybe_delivered {
            MaybeDelivered::Hold => message.digest.is_none(),
            MaybeDelivered::Retry => false,
        }
    }

    /// Marks whom transactions of an earlier life of this server may have reached; how many recipients that were.
    /// It comes before anything is delivered. A crash in the middle leaves the rest to the next call.
    ///
    /// # Errors
    /// The store failed; then nothing may be delivered until a later call succeeds.
    pub async fn recover(&self) -> Result<usize, StoreError> {
        let (mut after, mut all) = (None, 0);
        loop {
            let span = Span::Prefix(Key::of(b'a', &[]));
            let page = self
                .store
                .scan(span, after.take(), false, INTENTS_PAGE)
                .await?;
            all += self.recover_page(page.records).await?;
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    async fn recover_page(&self, intents: Vec<Record>) -> Result<usize, StoreError> {
        let keys = intents.iter().filter_map(|record| owner(&record.key));
        let keys = keys.flat_map(|(id, number)| [message_key(id), parcel_key(id, number)]);
        let mut found = self.get_each(keys.collect()).await?.into_iter();
        let (mut draft, mut all) = (Draft::default(), 0);
        for record in intents {
            let Some((id, number)) = owner(&record.key) else {
                tracing::error!(key = ?record.key, "this is no intent; it stays where it is");
                continue;
            };
            let mut read = || found.next().unwrap_or(Ok(None));
            let done = match (read(), read()) {
                (Ok(Some(message)), Ok(Some(parcel))) => {
                    self.mark(&mut draft, &record, number, &message, &parcel)
                }
                // Who repairs it starts the server again, which then marks it. Nobody else's mail waits for that.
                (Err(error), _) | (_, Err(error)) => Err(error),
                (Ok(_), Ok(_)) => {
                    // The message is gone, and so is every doubt about it.
                    draft.batch.ops.push(Op::Delete(record.key));
                    Ok(())
                }
            };
            if let Err(error) = done {
                tracing::error!(%id, %error, "what a delivery under way came to cannot be marked");
            }
            if draft.batch.ops.len() >= INTENT_OPS_MAX {
                all += self.commit_marked(std::mem::take(&mut draft)).await?;
            }
        }
        Ok(all + self.commit_marked(draft).await?)
    }

    /// Moves the recipients of one intent that still wait, and drops the intent. An error: nothing was added.
    fn mark(
        &self,
        draft: &mut Draft,
        intent: &Record,
        number: u64,
        message: &Record,
        record: &Record,
    ) -> Result<(), StoreError> {
        let message = Message::read(&message.key, &message.value)?;
        let mut parcel: Parcel = decode(&record.key, &record.value)?;
        // One that cannot be read may have named everybody.
        let named = decode::<Intent>(&intent.key, &intent.value).ok();
        let unanswered = Unanswered {
            at: named.as_ref().map_or(self.clock.wall().0, |named| named.at),
            site: named.as_ref().map_or(String::new(), |n| n.site.clone()),
        };
        let is_named = |index| named.as_ref().is_none_or(|n| n.recipients.contains(&index));
        let held = self.doubt(&message, &mut parcel, &unanswered, is_named);
        let delete = Op::Delete(intent.key.clone());
        if held.is_empty() {
            draft.batch.ops.push(delete);
            return Ok(());
        }
        let now = self.store.now();
        parcel.next_try = now.0.saturating_add(self.wait_after_end(&parcel));
        let retried = held.iter().any(|(_, _, hold)| hold.is_none());
        let fact = InDoubt {
            recipients: held.iter().map(|(_, to, _)| to.clone()).collect(),
            site: unanswered.site.clone(),
            tried: unanswered.at,
            next_try: retried.then(|| self.wall_of(parcel.next_try)),
        };
        let batch = &mut draft.batch;
        let key = record.key.clone();
        batch
            .pre
            .extend([Pre::Is(key.clone(), record.version), Pre::Free(key)]);
        batch.ops.push(delete);
        self.put_fact(batch, message.id, Fact::InDoubt(fact));
        let holds: Vec<(u32, Hold)> = held
            .iter()
            .filter_map(|(index, _, hold)| Some((*index, hold.clone()?)))
            .collect();
        if holds.is_empty() {
            ledger::put_parcel(batch, message.id, number, &parcel, now);
        } else {
            self.hold_each(batch, &message, number, parcel, &holds, "postwerk");
        }
        draft.marked.push(Marked {
            message,
            site: unanswered.site,
            recipients: held.into_iter().map(|(_, to, hold)| (to, hold)).collect(),
        });
        Ok(())
    }

    /// Counts the try, and moves each named slot that waits: by index, with its address and its hold.
    fn doubt(
        &self,
        message: &Message,
        parcel: &mut Parcel,
        unanswered: &Unanswered,
        is_named: impl Fn(u32) -> bool,
    ) -> Vec<(u32, String, Option<Hold>)> {
        let now = self.store.now();
        let is_held = self.holds_doubts(message);
        let step = if is_held { Move::Hold } else { Move::Lose };
        let mut all = Vec::new();
        for slot in &mut parcel.slots {
            let claimed = claimable(&slot.state, now).filter(|_| is_named(slot.index));
            let Some(Ok(state)) = claimed.map(|claimed| next(&claimed, step)) else {
                continue;
            };
            slot.state = state;
            slot.fault = Some(ended());
            slot.unanswered = Some(unanswered.clone());
            let hold = is_held.then(|| hold_of(slot, HoldReason::MaybeDelivered));
            all.push((slot.index, slot.mailbox.to_string(), hold));
        }
        if !all.is_empty() {
            parcel.attempts += 1;
            parcel.tried = unanswered.at;
            parcel.leave_hold();
            parcel.last_site = Some(unanswered.site.clone());
        }
        all
    }

    /// Microseconds until what the server's end cut off is sent again.
    fn wait_after_end(&self, parcel: &Parcel) -> u64 {
        if parcel.attempts <= TRIES_AT_ONCE {
            return 0;
        }
        let conf = self.conf.load();
        micros(retry::wait(
            &conf.queue.retry,
            parcel.attempts,
            parcel.jitter,
        ))
    }

    async fn commit_marked(&self, draft: Draft) -> Result<usize, StoreError> {
        if draft.batch.ops.is_empty() {
            return Ok(0);
        }
        self.store.commit(draft.batch).await?;
        let mut all = 0;
        for Marked {
            message,
            site,
            recipients,
        } in draft.marked
        {
            all += recipients.len();
            for (to, hold) in &recipients {
                let then = if hold.is_some() {
                    "it is held"
                } else {
                    "it is sent again, and may arrive twice"
                };
                tracing::warn!(
                    id = %message.id, recipient = %to, relay = %site, status = "maybe_delivered",
                    "the server ended while its delivery was under way; it may have arrived; {then}"
                );
                self.tell(
                    EventKind::MaybeDelivered,
                    &message,
                    to.clone(),
                    ended().reply.to_string(),
                );
            }
            let held = recipients
                .iter()
                .filter_map(|(to, hold)| Some((to.clone(), hold.as_ref()?)));
            self.tell_held(&message, held, "postwerk");
        }
        Ok(all)
    }
}

/// Drops whatever intents of a message are left.
pub(super) fn all_of(id: MessageId) -> Op {
    Op::DeleteRange {
        from: intent_key(id, 0),
        to: Key::of(b'a', &[&id.0.saturating_add(1).to_be_bytes()]),
        limit: usize::MAX,
    }
}

/// Whose intent it is.
fn owner(key: &Key) -> Option<(MessageId, u64)> {
    message_of(key).zip(number_of(key))
}

fn ended() -> Fault {
    let text = "the server ended before the reply to the final dot was written down; the mail may have been delivered";
    Fault {
        scope: Scope::Local,
        reply: Reply::new(451, Some(EnhancedStatus(4, 4, 2)), text),
        synthetic: true,
        step: "end of DATA".to_owned(),
    }
}

impl Loan {
    pub(super) fn new(guard: ClaimGuard, store: Store) -> Self {
        Self {
            guard: Some(guard),
            phase: AtomicU8::new(CLEAN),
            store,
        }
    }

    /// For `Pre::Mine`.
    pub(super) fn id(&self) -> Option<ClaimId> {
        self.guard.as_ref().map(ClaimGuard::id)
    }

    /// Whether the peer may have the mail.
    pub(super) fn is_dotted(&self) -> bool {
        self.phase.load(Ordering::Acquire) == DOTTED
    }

    /// The dot was answered, and the answer says that the mail was not taken: the parcel may be given back.
    pub(super) fn answered(&self) {
        if self.is_dotted() {
            self.phase.store(NOTED, Ordering::Release);
        }
    }

    /// What the settle does to the intent, if there is one.
    pub(super) fn forget(&self) -> Option<Op> {
        let noted = self.phase.load(Ordering::Acquire) != CLEAN;
        let guard = self.guard.as_ref().filter(|_| noted)?;
        Some(Op::Delete(intent_of(&guard.id().key)?))
    }

    /// Given back before its dot; when this returns its intent is gone and it is free.
    pub(super) async fn give_back(mut self) {
        let noted = self.phase.load(Ordering::Acquire) == NOTED;
        if let Some(guard) = self.guard.take_if(|_| noted)
            && let Some(key) = intent_of(&guard.id().key)
        {
            take_back(begin(&self.store, Need::Free, Op::Delete(key)), guard).await;
        }
    }

    /// The settle is on disk.
    pub(super) fn end(mut self) {
        drop(self.guard.take());
    }

    /// The claim lasts until the process ends: what it came to cannot be written down.
    pub(super) fn keep(mut self) {
        if let Some(guard) = self.guard.take() {
            guard.keep();
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(guard) = self.guard.take() else {
            return;
        };
        match self.phase.load(Ordering::Acquire) {
            CLEAN => drop(guard),
            DOTTED => {
                tracing::error!(
                    parcel = ?guard.id().key,
                    "the end of a delivery is not recorded; it waits for the next start, which marks it as maybe delivered"
                );
                guard.keep();
            }
            _ => take_back_beside(&self.store, guard),
        }
    }
}

/// Waits for the intent's delete, then gives the claim back: in this order, or the delete could meet the next intent.
async fn take_back(delete: Call<'static, Version>, guard: ClaimGuard) {
    if let Err(error) = delete.await {
        tracing::warn!(%error, "an intent could not be deleted; after a restart its mail counts as maybe delivered");
    }
    drop(guard);
}

/// The same beside whoever drops the claim.
fn take_back_beside(store: &Store, guard: ClaimGuard) {
    let Some(key) = intent_of(&guard.id().key) else {
        return;
    };
    let delete = begin(store, Need::Free, Op::Delete(key));
    // Without a runtime the process ends; what is left on disk then is in doubt, which is never wrong.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(take_back(delete, guard));
    }
}

/// The intent of a parcel.
fn intent_of(parcel: &Key) -> Option<Key> {
    let (id, number) = owner(parcel)?;
    Some(intent_key(id, number))
}

/// A commit of one operation that is in the writer's inbox when this returns, unless the inbox is full.
fn begin(store: &Store, need: Need, op: Op) -> Call<'static, Version> {
    let store = store.clone();
    let batch = Batch {
        ops: vec![op],
        need,
        ..Batch::default()
    };
    let mut commit: Call<'static, Version> = Box::pin(async move { store.commit(batch).await });
    // Whoever awaits it brings its own waker.
    match commit
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Pending => commit,
        Poll::Ready(done) => Box::pin(std::future::ready(done)),
    }
}

impl Pending<'_> {
    /// Waits until the intent is on disk; from then on the parcel counts as sent until its settle says otherwise.
    ///
    /// # Errors
    /// It may not be there, and the dot must not go out.
    pub async fn durable(self) -> Result<(), StoreError> {
        self.commit.await?;
        self.loan.phase.store(DOTTED, Ordering::Release);
        Ok(())
    }
}

impl std::fmt::Debug for Pending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pending")
    }
}
