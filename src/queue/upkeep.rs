//! The queue's own due work: lifetimes that end, messages with nothing left to do, trash, bodies nobody accepted.
//!
//! Each is a due record, so a crash repeats it and nothing is swept by looking through the whole store.
//! Not here: deliveries (`lend`, `settle`) and DSNs (`bounce`).

use super::Queue;
use super::bulk::job_of_key;
use super::hold::hold_of_key;
use super::intent;
use super::ledger::{self, Stored};
use super::record::{
    FailedRecipient, Message, chunk_key, chunks_end, message_key, message_of, parcel_key, sweep_key,
};
use super::settle::hold_of;
use super::worker;
use crate::base::clock::micros;
use crate::base::shutdown::Shutdown;
use crate::journal::event::EventKind;
use crate::journal::fact::{Expired, Fact};
use crate::journal::line;
use crate::mail::hold::HoldReason;
use crate::mail::outcome::{Fault, Scope};
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::mail::state::{Move, State, next};
use crate::store::{Batch, Claimed, Due, Group, Key, Op, Pre, StoreError, Work};

/// An expiry that meets a delivery waits so long and looks again.
const EXPIRE_AGAIN: std::time::Duration = std::time::Duration::from_secs(60);
/// Facts removed with one operation.
const HISTORY_ROWS: usize = 5_000;
/// History is looked at this often.
const HISTORY_EVERY: std::time::Duration = std::time::Duration::from_secs(3_600);

impl Queue {
    /// Does the queue's own work until the server stops.
    pub async fn upkeep(&self, shutdown: &Shutdown) {
        let run = |work| {
            let queue = self.clone();
            worker::run(
                self.store.clone(),
                self.clock.clone(),
                shutdown.clone(),
                work,
                move |claimed| {
                    let (queue, shutdown) = (queue.clone(), shutdown.clone());
                    async move {
                        for one in claimed {
                            queue.keep_up(work, one, &shutdown).await?;
                        }
                        Ok(())
                    }
                },
            )
        };
        tokio::join!(
            run(Work::Expire),
            run(Work::Retire),
            run(Work::HoldEnd),
            run(Work::Sweep),
            run(Work::Bulk),
            self.history(shutdown),
            self.sweep_left(shutdown)
        );
    }

    async fn keep_up(
        &self,
        work: Work,
        claimed: Claimed,
        shutdown: &Shutdown,
    ) -> Result<(), StoreError> {
        let done = match work {
            Work::Expire => self.expire(&claimed).await,
            Work::Retire => self.retire(&claimed).await,
            Work::HoldEnd => Box::pin(self.hold_end(&claimed)).await,
            Work::Sweep => self.sweep(&claimed).await,
            Work::Bulk => Box::pin(self.go_through(&claimed, shutdown)).await,
            // Boxed: else every upkeep future is as large as the rarest of them.
            Work::Deliver
            | Work::Judge
            | Work::Dsn
            | Work::Notice
            | Work::Digest
            | Work::Cert
            | Work::Recheck => Ok(()),
        };
        match done {
            // Somebody else was faster; the work is looked at again when it is due again.
            Err(StoreError::Conflict(_)) => Ok(()),
            // It would come again at once and stand in the way of all others; kept it waits for a restart.
            Err(error @ StoreError::Damaged(_)) => {
                tracing::error!(?work, %error, "a record cannot be read; its work waits");
                claimed.guard.keep();
                Ok(())
            }
            done => done,
        }
    }

    /// The lifetime of a message is over: what still waits ends, what is held or leaving does not.
    pub(super) async fn expire(&self, claimed: &Claimed) -> Result<(), StoreError> {
        let message = Message::read(&claimed.record.key, &claimed.record.value)?;
        let now = self.store.now();
        let mut batch = Batch::ending();
        // Whoever leaves a hold meanwhile gives the message a new lifetime, which must not be lost.
        let unchanged = Pre::Is(claimed.record.key.clone(), claimed.record.version);
        batch.pre.extend([Pre::Mine(claimed.guard.id()), unchanged]);
        let (mut failed, mut ended, mut later) = (Vec::new(), Vec::new(), None::<u64>);
        for stored in self.parcels_of(message.id).await? {
            if !stored.parcel.slots.iter().any(|slot| waits(&slot.state)) {
                continue;
            }
            let end = stored.parcel.expires;
            let grace = self.gap.grace(end, now, &self.clock);
            let end = grace.map_or(end, |span| now.0.saturating_add(micros(span)));
            if end > now.0 {
                later = Some(later.unwrap_or(u64::MAX).min(end));
                continue;
            }
            self.expire_parcel(&mut batch, &message, stored, &mut failed, &mut ended);
        }
        let due = later.map(|at| {
            self.expire_due(
                &claimed.record.key,
                std::time::Duration::from_micros(at - now.0),
            )
        });
        let key = claimed.record.key.clone();
        batch.ops.push(Op::Put {
            key,
            value: claimed.record.value.clone(),
            due,
            terms: Vec::new(),
        });
        let dsns = usize::from(!failed.is_empty());
        if dsns > 0 {
            self.put_dsn(&mut batch, &message, failed);
        }
        ledger::count(&mut batch, message.id, ended.len(), dsns);
        if !ended.is_empty() {
            self.put_fact(
                &mut batch,
                message.id,
                Fact::Expired(Expired {
                    recipients: ended.clone(),
                }),
            );
        }
        match self.store.commit(batch).await {
            Ok(_) => {
                if !ended.is_empty() {
                    line::expired(message.id, &message.from.path);
                }
                for address in ended {
                    self.tell(
                        EventKind::Bounced,
                        &message,
                        address,
                        "lifetime over".to_owned(),
                    );
                }
                Ok(())
            }
            Err(StoreError::Conflict(_)) => self.expire_again(claimed).await,
            Err(error) => Err(error),
        }
    }

    fn expire_parcel(
        &self,
        batch: &mut Batch,
        message: &Message,
        stored: Stored,
        failed: &mut Vec<FailedRecipient>,
        ended: &mut Vec<String>,
    ) {
        let Stored {
            number,
            version,
            mut parcel,
        } = stored;
        let key = parcel_key(message.id, number);
        batch
            .pre
            .extend([Pre::Is(key.clone(), version), Pre::Free(key)]);
        let (out, stay): (Vec<_>, Vec<_>) =
            parcel.slots.drain(..).partition(|slot| waits(&slot.state));
        parcel.slots = stay;
        let mut held = Vec::new();
        for mut slot in out {
            let fault = slot.fault.get_or_insert_with(never_tried).clone();
            if message.from.path.is_null() {
                let Ok(state) = next(&slot.state, Move::Hold) else {
                    continue;
                };
                slot.state = state;
                slot.fault = Some(fault);
                held.push((slot.index, hold_of(&slot, HoldReason::Undeliverable)));
                parcel.slots.push(slot);
                continue;
            }
            let Ok(state) = next(&slot.state, Move::Expire) else {
                continue;
            };
            slot.state = state;
            ended.push(slot.mailbox.to_string());
            if slot.notify.failure() {
                failed.push(FailedRecipient {
                    index: slot.index,
                    mailbox: slot.mailbox.clone(),
                    orcpt: slot.orcpt.clone(),
                    notify: slot.notify,
                    fault: Some(fault),
                    site: parcel.last_site.clone().unwrap_or_default(),
                    expired: true,
                    at: self.clock.wall().0,
                    relayed: None,
                    unanswered: slot.unanswered.clone(),
                });
            }
            parcel.slots.push(slot);
        }
        if held.is_empty() {
            ledger::put_parcel(batch, message.id, number, &parcel, self.store.now());
        } else {
            self.hold_each(batch, message, number, parcel, &held, "postwerk");
        }
    }

    /// A delivery has one of the parcels: it will expire or defer it itself; look again soon.
    async fn expire_again(&self, claimed: &Claimed) -> Result<(), StoreError> {
        let mut batch = Batch::ending();
        batch.pre.push(Pre::Mine(claimed.guard.id()));
        let due = Some(self.expire_due(&claimed.record.key, EXPIRE_AGAIN));
        let key = claimed.record.key.clone();
        batch.ops.push(Op::Put {
            key,
            value: claimed.record.value.clone(),
            due,
            terms: Vec::new(),
        });
        self.store.commit(batch).await.map(drop)
    }

    pub(super) fn expire_due(&self, key: &Key, after: std::time::Duration) -> Due {
        Due {
            work: Work::Expire,
            group: Group::of_key(key),
            band: crate::store::Band::Normal,
            after,
        }
    }

    /// Nothing of the message is left to do: it goes, its facts stay.
    async fn retire(&self, claimed: &Claimed) -> Result<(), StoreError> {
        let Some(id) = message_of(&claimed.record.key) else {
            return Ok(());
        };
        let mut batch = Batch::freeing();
        batch.pre.push(Pre::Mine(claimed.guard.id()));
        for stored in self.parcels_of(id).await? {
            debug_assert!(
                stored.parcel.slots.iter().all(|slot| slot.state.is_final()),
                "{id} retires with a recipient left"
            );
            batch.ops.push(Op::Delete(parcel_key(id, stored.number)));
        }
        batch.ops.push(Op::DeleteRange {
            from: chunk_key(id, 0),
            to: chunks_end(id),
            limit: usize::MAX,
        });
        batch.ops.push(intent::all_of(id));
        batch.ops.push(Op::Delete(message_key(id)));
        self.store.commit(batch).await?;
        line::removed(id);
        Ok(())
    }

    /// A body that nobody accepted within its hour.
    async fn sweep(&self, claimed: &Claimed) -> Result<(), StoreError> {
        let key = &claimed.record.key;
        if hold_of_key(key).is_some() || job_of_key(key).is_some() {
            return self.forget(claimed).await;
        }
        let Some(id) = message_of(&claimed.record.key) else {
            return Ok(());
        };
        let mut batch = Batch::freeing();
        batch.pre.push(Pre::Mine(claimed.guard.id()));
        batch.ops.push(Op::DeleteRange {
            from: chunk_key(id, 0),
            to: chunks_end(id),
            limit: usize::MAX,
        });
        batch.ops.push(Op::Delete(sweep_key(id)));
        self.store.commit(batch).await?;
        tracing::info!(%id, "swept a body that no session finished");
        Ok(())
    }

    /// A hold or a job that ended so long ago that nobody asks for it.
    async fn forget(&self, claimed: &Claimed) -> Result<(), StoreError> {
        let mut batch = Batch::freeing();
        batch.pre.push(Pre::Mine(claimed.guard.id()));
        batch.ops.push(Op::Delete(claimed.record.key.clone()));
        self.store.commit(batch).await.map(drop)
    }

    /// Removes facts older than `[queue] history`. Ids sort by time, so that is one range.
    pub(super) async fn forget_history(&self) -> Result<(), StoreError> {
        let keep = micros(self.conf.load().queue.history);
        let cut = self.store.now().0.saturating_sub(keep) << 8;
        let mut batch = Batch {
            side: crate::store::Side::Back,
            ..Batch::freeing()
        };
        batch.ops.push(Op::DeleteRange {
            from: Key::of(b'h', &[]),
            to: Key::of(b'h', &[&cut.to_be_bytes()]),
            limit: HISTORY_ROWS,
        });
        self.store.commit(batch).await.map(drop)
    }

    async fn history(&self, shutdown: &Shutdown) {
        while !shutdown.begun() {
            if let Err(error) = self.forget_history().await {
                tracing::warn!(%error, "old history could not be removed; it is tried again");
            }
            tokio::select! {
                () = shutdown.wait() => {}
                () = self.clock.sleep(HISTORY_EVERY) => {}
            }
        }
    }
}

/// Whether a lifetime governs this state.
fn waits(state: &State) -> bool {
    matches!(state, State::Due | State::MaybeDelivered)
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
