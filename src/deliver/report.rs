//! The end of a try: settle it with the queue, then say so in the log, once it is durable.
//!
//! A lane does not wait for the commit: many settles share one, and meanwhile the connection sends the next mail. How
//! many may be under way is bounded. Not here: what an outcome is (`trouble`), and what becomes of it (`queue::settle`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::base::limit::SETTLES_MAX;
use crate::base::shutdown::Shutdown;
use crate::journal::line::{self, Delivered};
use crate::mail::outcome::{Fault, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::queue::{Attempt, DueRecipient, Lent, Message, Queue};

/// Settles in the background; clones share the bound.
#[derive(Clone)]
pub struct Reporter {
    queue: Queue,
    shutdown: Shutdown,
    places: Arc<Semaphore>,
    troubled: Arc<AtomicBool>,
}

/// What is logged after the commit.
struct Lines {
    message: Arc<Message>,
    recipients: Vec<DueRecipient>,
    outcomes: Vec<(u32, Outcome)>,
    relay: String,
    tls: Option<String>,
    connect: Duration,
    transmit: Duration,
    expires: bool,
}

impl Reporter {
    /// Settles with `queue`.
    pub fn new(queue: Queue, shutdown: Shutdown) -> Self {
        Self {
            queue,
            shutdown,
            places: Arc::new(Semaphore::new(SETTLES_MAX)),
            troubled: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Begins to settle; waits only while too many others are under way.
    pub async fn settle(&self, mut lent: Lent, attempt: Attempt) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let lines = Lines {
            message: Arc::clone(&lent.message),
            recipients: std::mem::take(&mut lent.recipients),
            outcomes: attempt.outcomes.clone(),
            relay: attempt.site.clone(),
            tls: attempt.tls.clone(),
            connect: attempt.delays.connect,
            transmit: attempt.delays.transmit,
            expires: lent.expired(self.queue.store().now()),
        };
        let (this, guard) = (self.clone(), self.shutdown.guard());
        tokio::spawn(async move {
            match this.queue.settle(lent, attempt).await {
                Ok(()) => lines.log(&this.queue),
                Err(error) => {
                    // The claim is given back, and the mail may go out twice: the scheduler pauses, so that it does
                    // not do so as fast as it can.
                    this.troubled.store(true, Ordering::Release);
                    tracing::error!(id = %lines.message.id, %error, "a delivery could not be recorded; it may be sent twice");
                }
            }
            drop((place, guard));
        });
    }

    /// Whether a settle failed since the last call.
    pub fn was_troubled(&self) -> bool {
        self.troubled.swap(false, Ordering::AcqRel)
    }

    /// Waits until nothing is under way.
    pub async fn finished(&self) {
        let all = u32::try_from(SETTLES_MAX).unwrap_or(u32::MAX);
        drop(self.places.acquire_many(all).await);
    }
}

impl Lines {
    fn log(&self, queue: &Queue) {
        let now = queue.store().now().0;
        let delay = Duration::from_micros(now.saturating_sub(self.message.arrived));
        let queued = delay.saturating_sub(self.connect + self.transmit);
        for (index, outcome) in &self.outcomes {
            let Some(to) = self.recipients.iter().find(|rcpt| rcpt.index == *index) else {
                continue;
            };
            let Some((status, dsn, text)) = self.words(outcome) else {
                continue;
            };
            line::delivery(&Delivered {
                id: self.message.id,
                to: &to.mailbox,
                relay: &self.relay,
                delay,
                delays: [Duration::ZERO, queued, self.connect, self.transmit],
                status,
                dsn,
                text: &text,
                tls: self.tls.as_deref(),
            });
        }
    }

    fn words(&self, outcome: &Outcome) -> Option<(&'static str, EnhancedStatus, String)> {
        match outcome {
            Outcome::Relayed(reply) => Some(("sent", reply.status_or_class(), reply.to_string())),
            Outcome::Deferred(fault) if self.expires => {
                Some(("expired", fault.reply.status_or_class(), self.why(fault)))
            }
            Outcome::Deferred(fault) => {
                let EnhancedStatus(_, subject, detail) = fault.reply.status_or_class();
                // A 5yz that does not end the mail (a banner, a password) is a deferral for whoever reads the log.
                Some((
                    "deferred",
                    EnhancedStatus(4, subject, detail),
                    self.why(fault),
                ))
            }
            Outcome::Failed(fault) => {
                Some(("bounced", fault.reply.status_or_class(), self.why(fault)))
            }
            Outcome::Broken(fault) => {
                let EnhancedStatus(_, subject, detail) = fault.reply.status_or_class();
                let text = format!("held in `bad`: {}", self.why(fault));
                Some(("deferred", EnhancedStatus(4, subject, detail), text))
            }
            Outcome::Untried => None,
        }
    }

    /// As Postfix says it.
    fn why(&self, fault: &Fault) -> String {
        if fault.synthetic {
            return fault.reply.text().replace('\n', " ");
        }
        format!(
            "host {} said: {} (in reply to {} command)",
            self.relay, fault.reply, fault.step
        )
    }
}
