//! The threads that read, so that a slow disk never holds up the runtime.
//!
//! A job is one page, one claim, or a few hundred groups of a seek. What waits is bounded by the tasks that wait for
//! it, each for one job. A job that panics (a damaged page) loses its caller's answer and not the thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::Shared;

pub(super) type Job = Box<dyn FnOnce(&Arc<Shared>) + Send>;

#[derive(Default)]
pub(super) struct Pool {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Pool {
    /// Dropped unheard after `close`.
    pub(super) fn submit(&self, job: Job) {
        {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.closed {
                return;
            }
            queue.jobs.push_back(job);
        }
        self.wake.notify_one();
    }

    pub(super) fn close(&self) {
        let jobs = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.closed = true;
            std::mem::take(&mut queue.jobs)
        };
        drop(jobs);
        self.wake.notify_all();
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue = self
                .wake
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

pub(super) fn run(shared: &Arc<Shared>) {
    while let Some(job) = shared.pool.next() {
        if catch_unwind(AssertUnwindSafe(|| job(shared))).is_err() {
            tracing::error!("a read of the store panicked; its file may be damaged");
        }
    }
}
