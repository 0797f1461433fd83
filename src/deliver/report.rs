//! The end of a try: settle it with the queue, then say so in the log, once it is durable.
//!
//! A lane does not wait for the commit: many settles share one, and meanwhile the connection sends the next mail. How
//! many may be under way is bounded. At a stop settles get as long as everything else; what is not written down then is
//! claimed until the process ends, and its intent tells the next start. Not here: what an outcome is (`trouble`), and what becomes of it (`queue::settle`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::base::limit::SETTLES_MAX;
use crate::base::repeats::Repeats;
use crate::base::shutdown::Shutdown;
use crate::journal::line::{self, Delivered};
use crate::mail::outcome::{Fault, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::queue::settle::relayed_text;
use crate::queue::{Attempt, DueRecipient, Lent, Message, Queue};
use crate::store::StoreError;

/// Settles in the background; clones share the bound.
#[derive(Clone)]
pub struct Reporter {
    queue: Queue,
    shutdown: Shutdown,
    places: Arc<Semaphore>,
    troubled: Arc<AtomicBool>,
    repeats: Arc<Repeats>,
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
    holds_doubts: bool,
}

impl Reporter {
    /// Settles with `queue`.
    pub fn new(queue: Queue, shutdown: Shutdown) -> Self {
        let repeats = Repeats::new(queue.clock().clone());
        Self {
            queue,
            shutdown,
            places: Arc::new(Semaphore::new(SETTLES_MAX)),
            troubled: Arc::new(AtomicBool::new(false)),
            repeats: Arc::new(repeats),
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
            holds_doubts: self.queue.holds_doubts(&lent.message),
        };
        let (this, guard) = (self.clone(), self.shutdown.guard());
        tokio::spawn(async move {
            let settled = tokio::select! {
                biased;
                settled = this.queue.settle(lent, attempt) => settled,
                () = this.late() => Err(StoreError::Unavailable("the server stops".into())),
            };
            match settled {
                Ok(()) => lines.log(&this.queue),
                Err(error) => {
                    this.troubled.store(true, Ordering::Release);
                    tracing::error!(id = %lines.message.id, %error, "a delivery could not be recorded");
                }
            }
            drop((place, guard));
        });
    }

    /// Nothing may be handed over now: the dispatcher pauses, so that it does not try as fast as it can.
    pub fn trouble(&self, error: &StoreError) {
        self.troubled.store(true, Ordering::Release);
        if let Some(repeated) = self.repeats.say(&error.to_string()) {
            tracing::warn!(%error, "the store cannot write down what is about to be sent; delivery waits{repeated}");
        }
    }

    /// Ends when the server has been stopping for so long that it waits for nothing more.
    async fn late(&self) {
        self.shutdown.wait().await;
        let most = self.queue.conf().load().queue.stop_timeout;
        self.queue.clock().sleep(most).await;
    }

    /// Whether something could not be written since the last call.
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
            let Some((status, dsn, text)) = self.words(to, outcome) else {
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

    fn words(
        &self,
        to: &DueRecipient,
        outcome: &Outcome,
    ) -> Option<(&'static str, EnhancedStatus, String)> {
        match outcome {
            Outcome::Relayed(reply) => {
                let text = relayed_text(reply, to.unanswered.as_ref());
                Some(("sent", reply.status_or_class(), text))
            }
            Outcome::Deferred(fault) | Outcome::InDoubt(fault) | Outcome::Postponed(fault)
                if self.expires =>
            {
                Some(("expired", fault.reply.status_or_class(), self.why(fault)))
            }
            Outcome::InDoubt(fault) if self.holds_doubts => Some(self.held(fault)),
            Outcome::Deferred(fault) | Outcome::InDoubt(fault) => {
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
            Outcome::Broken(fault) => Some(self.held(fault)),
            Outcome::Postponed(fault) => {
                let text = format!(
                    "{}; the site is given a pause, no try is counted",
                    self.why(fault)
                );
                Some(("deferred", fault.reply.status_or_class(), text))
            }
            Outcome::Untried => None,
        }
    }

    fn held(&self, fault: &Fault) -> (&'static str, EnhancedStatus, String) {
        let EnhancedStatus(_, subject, detail) = fault.reply.status_or_class();
        let text = format!("held in `bad`: {}", self.why(fault));
        ("deferred", EnhancedStatus(4, subject, detail), text)
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
