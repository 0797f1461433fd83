//! What waits for the writer, and how much of it shares a commit.
//!
//! Two bounded queues. A commit takes what waits, up to 256 batches, 8 MiB and 4,000 operations, of which the back
//! queue gets at most a quarter; one above the limits goes when it is the first of its queue. There is no timer: a
//! lone client waits only for its own commit. But when some wait already, those who were just answered are given a
//! moment to come back (`Company`): otherwise two halves of the clients take turns, and each waits for two commits.

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
    /// The writer wants to be woken when so many wait.
    wanted: usize,
}

/// Whether it pays to wait for those who were just answered.
#[derive(Debug, Default)]
pub(super) struct Company {
    answered: usize,
    patience: Duration,
    /// Commits for which nobody is waited for, because nobody came before; doubles each time.
    pause: u32,
    paused: u32,
}

impl Company {
    /// A commit of `answered` batches took `span`; an eighth of that is little to lose.
    pub(super) fn after(&mut self, answered: usize, span: Duration) {
        self.answered = answered;
        self.patience = (span / 8).min(PATIENCE_MAX);
    }

    fn expects(&mut self) -> bool {
        if self.paused > 0 {
            self.paused -= 1;
            return false;
        }
        self.answered > 0 && !self.patience.is_zero()
    }

    fn learn(&mut self, came: usize) {
        self.pause = if came * 2 >= self.answered {
            0
        } else {
            (self.pause * 2).clamp(1, 64)
        };
        self.paused = self.pause;
    }
}

const PATIENCE_MAX: Duration = Duration::from_millis(1);

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
        let enough = {
            let mut waiting = self.waiting();
            if waiting.closing {
                return Err(closed());
            }
            match side {
                Side::Front => waiting.front.push_back(letter),
                Side::Back => waiting.back.push_back(letter),
            }
            waiting.len() >= waiting.wanted
        };
        if enough {
            self.wake.notify_one();
        }
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

    /// Closes, and drops what still waits: its callers hear that it is in doubt.
    pub(super) fn abandon(&self) {
        self.close();
        let mut waiting = self.waiting();
        let letters = (
            std::mem::take(&mut waiting.front),
            std::mem::take(&mut waiting.back),
        );
        drop(waiting);
        drop(letters);
    }

    /// Waits for work, but not for longer than `idle`.
    pub(super) fn next(&self, idle: Duration, company: &mut Company) -> Turn {
        let mut waiting = self.waiting();
        let early = waiting.len();
        if early > 0 && company.expects() {
            waiting.wanted = (early + company.answered).min(COMMIT_BATCHES_MAX);
            waiting = self
                .wake
                .wait_timeout_while(waiting, company.patience, |waiting| {
                    !waiting.closing && waiting.len() < waiting.wanted
                })
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            waiting.wanted = 0;
            company.learn(waiting.len() - early);
        }
        if waiting.len() == 0 {
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
    fn len(&self) -> usize {
        self.front.len() + self.back.len()
    }

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
                if !(fits || first) {
                    break;
                }
                first = false;
                ops += letter.ops;
                octets += letter.octets;
                letters.extend(queue.pop_front());
            }
            // However large the first of the back was, the front loses no more than the back's share.
            ops = ops.min(quarter);
            octets = octets.min(COMMIT_BYTES_MAX / 4);
        }
        letters
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("it is closed".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::put;

    /// A batch of so many operations that waits.
    fn letter(side: Side, ops: usize, octets: usize) -> (Side, Letter) {
        let batch = Batch {
            ops: vec![put("m", ""); ops],
            side,
            ..Batch::default()
        };
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let letter = Letter {
            batch,
            ops,
            octets,
            answer: oneshot::channel().0,
            _place: place,
        };
        (side, letter)
    }

    fn waiting(letters: Vec<(Side, Letter)>) -> Waiting {
        let mut waiting = Waiting::default();
        for (side, letter) in letters {
            match side {
                Side::Front => waiting.front.push_back(letter),
                Side::Back => waiting.back.push_back(letter),
            }
        }
        waiting
    }

    #[test]
    fn a_commit_takes_no_more_than_its_limits() {
        for (name, ops, octets, wanted) in [
            ("batches", 1, 1, COMMIT_BATCHES_MAX),
            ("operations", 100, 1, COMMIT_OPS_MAX / 100),
            ("octets", 1, 1 << 20, COMMIT_BYTES_MAX >> 20),
            ("one above the limit goes alone", COMMIT_OPS_MAX + 1, 1, 1),
        ] {
            let letters = (0..300).map(|_| letter(Side::Front, ops, octets));
            let mut waiting = waiting(letters.collect());
            assert_eq!(waiting.gather().len(), wanted, "case: {name}");
            assert_eq!(waiting.len(), 300 - wanted, "case: {name}");
        }
    }

    #[test]
    fn bulk_gets_a_quarter_of_a_commit_and_is_never_shut_out() {
        let front = (0..100).map(|_| letter(Side::Front, 100, 1));
        let back = (0..100).map(|_| letter(Side::Back, 100, 1));
        let mut waiting = waiting(front.chain(back).collect());
        for _ in 0..3 {
            let sides: Vec<Side> = waiting.gather().iter().map(|l| l.batch.side).collect();
            let bulk = sides.iter().filter(|side| **side == Side::Back).count();
            assert_eq!((bulk, sides.len()), (10, 40));
        }
        waiting.front.clear();
        assert_eq!(waiting.gather().len(), 40, "without company it gets all");
    }

    #[test]
    fn a_large_bulk_batch_goes_though_mail_never_stops() {
        let front = (0..100).map(|_| letter(Side::Front, 10, 1));
        let mut waiting = waiting(front.chain([letter(Side::Back, 5_000, 1)]).collect());
        let letters = waiting.gather();
        assert_eq!((letters.len(), waiting.back.len()), (101, 0));
    }

    #[test]
    fn who_waits_for_nobody_in_vain_waits_less_often() {
        let mut company = Company::default();
        assert!(!company.expects(), "nobody was answered yet");
        company.after(4, Duration::from_millis(8));
        assert_eq!(company.patience, PATIENCE_MAX);
        let mut waited = 0;
        for _ in 0..200 {
            if company.expects() {
                waited += 1;
                company.learn(1);
            }
        }
        assert!(waited < 12, "{waited}");
        while !company.expects() {}
        company.learn(2);
        assert!(company.expects() && company.expects());
    }
}
