//! The queue's own due work: lifetimes that end, messages with nothing left to do, trash, old facts, jobs.
//!
//! Each is a due record, so a crash repeats it and nothing is swept by looking through the whole store. What is due at
//! one time shares commits (`joint`); whatever fails rests and stops no other (`worker`).
//! Not here: what each does (`lifetimes`, `retire`, `expiry`, `history`, `bulk`), deliveries, DSNs.

use std::time::Duration;

use super::Queue;
use super::ledger::RETIRE_AHEAD;
use super::rests;
use super::worker::{Failures, Pieces, Share, Worker, of_itself};
use crate::base::shutdown::Shutdown;
use crate::store::{StoreError, Work};

impl Queue {
    /// Does the queue's own work until the server stops.
    pub async fn upkeep(&self, shutdown: &Shutdown) {
        // Before the workers, so that none of them sets aside again what is just made due; if the store does not answer
        // yet, beside them.
        let begun = self.start_upkeep().await;
        let run = |work, share| {
            let (queue, stop) = (self.clone(), shutdown.clone());
            let ahead = if work == Work::Retire {
                RETIRE_AHEAD
            } else {
                Duration::ZERO
            };
            let worker = self.worker(shutdown, work).ahead(ahead);
            // Boxed: seven loops side by side are too large for a stack.
            Box::pin(worker.run(share, move |pieces| {
                let (queue, stop) = (queue.clone(), stop.clone());
                async move { queue.keep_up(work, pieces, &stop).await }
            }))
        };
        tokio::join!(
            self.start_again(begun, shutdown),
            run(Work::Expire, Share::All),
            run(Work::Retire, Share::All),
            run(Work::HoldEnd, Share::All),
            run(Work::Sweep, Share::All),
            run(Work::Bulk, Share::Group),
            self.sweep_left(shutdown),
        );
    }

    /// The loop of one kind of work on this queue's store.
    pub fn worker(&self, shutdown: &Shutdown, work: Work) -> Worker {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        Worker::new(store, clock, shutdown.clone(), work)
    }

    async fn keep_up(&self, work: Work, pieces: Pieces, shutdown: &Shutdown) -> Failures {
        match work {
            Work::Expire => self.expire_all(&pieces).await,
            Work::Retire => self.retire_all(&pieces).await,
            Work::HoldEnd => Box::pin(self.hold_end_all(&pieces)).await,
            Work::Sweep => self.sweep_all(&pieces).await,
            Work::Bulk => {
                let mut failures = Failures::new();
                for piece in pieces.iter() {
                    // Boxed: else every upkeep future is as large as the rarest of them.
                    let done = Box::pin(self.go_through(piece, shutdown)).await;
                    let key = piece.record.key.clone();
                    failures.extend(
                        done.err()
                            .map(|error| (key.clone(), of_itself(&key, error))),
                    );
                }
                failures
            }
            Work::Deliver
            | Work::Judge
            | Work::Dsn
            | Work::Notice
            | Work::Digest
            | Work::Cert
            | Work::Recheck => Failures::new(),
        }
    }

    /// What a start begins: walks, and another try for what was set aside.
    pub(super) async fn start_upkeep(&self) -> Result<(), StoreError> {
        self.begin_walks().await?;
        self.try_damaged_again().await
    }

    async fn start_again(&self, mut begun: Result<(), StoreError>, shutdown: &Shutdown) {
        let mut failures = 0;
        while let Err(error) = begun {
            failures += 1;
            if let Some(repeated) = self.repeats.say(&format!("begin: {error}")) {
                tracing::warn!(%error, "upkeep cannot begin yet; it is tried again{repeated}");
            }
            tokio::select! {
                () = shutdown.wait() => return,
                () = self.clock.sleep(rests::span(failures)) => {}
            }
            begun = self.start_upkeep().await;
        }
    }
}
