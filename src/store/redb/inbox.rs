//! What waits for the writer, and how much of it shares a commit.
//!
//! Two bounded queues. A commit takes what waits, up to 256 batches, 8 MiB and 4,000 operations, of which the back
//! queue gets at most a quarter; a batch above that goes with the front ones that fit or alone. There is no timer: a
//! lone client waits only for its own commit.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::plan;
use crate::base::limit::{
    BACK_INBOX, COMMIT_BATCHES_MAX, COMMIT_BYTES_MAX, COMMIT_OPS_MAX, FRONT_INBOX,
};
use crate::store::{Batch, Side, StoreError, Version};

pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    front: Arc<Semaphore>,
    back: Arc<Semaphore>,
}

#[derive(Default)]
struct Waiting {
    front: VecDeque<Letter>,
    back: VecDeque<Letter>,
    closing: bool,
}

/// A batch and who waits for it.
pub(super) struct Letter {
    pub(super) batch: Batch,
    ops: usize,
    octets: usize,
    pub(super) answer: oneshot::Sender<Result<Version, StoreError>>,
    _place: OwnedSemaphorePermit,
}

/// What the writer does next.
pub(super) enum Turn {
    Commit(Vec<Letter>),
    /// Nothing came for a while.
    Idle,
    /// Closed, and nothing waits.
    End,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            wake: Condvar::new(),
            front: Arc::new(Semaphore::new(FRONT_INBOX)),
            back: Arc::new(Semaphore::new(BACK_INBOX)),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn send(&self, batch: Batch) -> Result<Version, StoreError> {
        let (ops, octets) = plan::weigh(&batch).ok_or(StoreError::TooLarge)?;
        let places = match batch.side {
            Side::Front => &self.front,
            Side::Back => &self.back,
        };
        let place = Arc::clone(places)
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        let (answer, answered) = oneshot::channel();
        let side = batch.side;
        let letter = Letter {
            batch,
            ops,
            octets,
            answer,
            _place: place,
        };
        {
            let mut waiting = self.waiting();
            if waiting.closing {
                return Err(closed());
            }
            match side {
                Side::Front => waiting.front.push_back(letter),
                Side::Back => waiting.back.push_back(letter),
            }
        }
        self.wake.notify_one();
        // The writer answers every letter, unless it panicked in the middle of a commit.
        answered.await.map_err(|_| {
            StoreError::InDoubt("the writer stopped before it answered; see the log".into())
        })?
    }

    pub(super) fn close(&self) {
        self.waiting().closing = true;
        self.front.close();
        self.back.close();
        self.wake.notify_one();
    }

    /// Waits for work, but not for longer than `idle`.
    pub(super) fn next(&self, idle: Duration) -> Turn {
        let mut waiting = self.waiting();
        if waiting.front.is_empty() && waiting.back.is_empty() {
            if waiting.closing {
                return Turn::End;
            }
            waiting = self
                .wake
                .wait_timeout(waiting, idle)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let letters = waiting.gather();
        if letters.is_empty() {
            Turn::Idle
        } else {
            Turn::Commit(letters)
        }
    }
}

impl Waiting {
    fn gather(&mut self) -> Vec<Letter> {
        let mut letters = Vec::new();
        let quarter = COMMIT_OPS_MAX / 4;
        let (mut ops, mut octets) = (0, 0);
        // The back first, because its share is small and certain; but alone in its commit it may have all.
        let share = if self.front.is_empty() {
            COMMIT_OPS_MAX
        } else {
            quarter
        };
        for (queue, ops_max) in [(&mut self.back, share), (&mut self.front, COMMIT_OPS_MAX)] {
            let mut first = true;
            while let Some(letter) = queue.front() {
                let fits = ops + letter.ops <= ops_max
                    && octets + letter.octets <= COMMIT_BYTES_MAX
                    && letters.len() < COMMIT_BATCHES_MAX;
                // A batch above the limits goes when it is the first of its queue, or it would wait for ever.
                if !(fits || first && (letters.is_empty() || ops <= quarter)) {
                    break;
                }
                first = false;
                ops += letter.ops;
                octets += letter.octets;
                letters.extend(queue.pop_front());
            }
        }
        letters
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("it is closed".into())
}
