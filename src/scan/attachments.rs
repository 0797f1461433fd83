//! Looks into the attachments of a mail: the scanner that is built in.
//!
//! Reads the stored text as any scanner does. Unpacking is work for a core and not for the threads that serve
//! connections, so it is done on blocking ones, for `LOOKS_MAX` mails at once: that bounds its memory. Small mails have a
//! place of their own besides. A stop waits for no look: those that run end at their next step, with no answer.
//! Not here: what is looked for (`mail::archive`), and what a finding means (`policy`).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

use super::{ScanMail, Scanners, Trouble, exception};
use crate::base::limit::{LOOK_SMALL_MAX, LOOK_WAIT, LOOKS_MAX, LOOKS_SMALL_MAX};
use crate::config::{Config, Stage};
use crate::mail::archive::{Bounds, Findings, Inspector};

/// The places of those that are looked into, and the word that ends them.
#[derive(Debug)]
pub(super) struct Looks {
    places: Semaphore,
    small: Semaphore,
    stopping: Arc<AtomicBool>,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            places: Semaphore::new(LOOKS_MAX),
            small: Semaphore::new(LOOKS_SMALL_MAX),
            stopping: Arc::default(),
        }
    }
}

impl Looks {
    /// A place for a mail of so many octets. None is left once the server stops.
    async fn place(&self, size: u64) -> Result<SemaphorePermit<'_>, AcquireError> {
        if size > LOOK_SMALL_MAX {
            return self.places.acquire().await;
        }
        tokio::select! {
            biased;
            own = self.small.acquire() => own,
            other = self.places.acquire() => other,
        }
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.places.close();
        self.small.close();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// What a look came to.
#[derive(Debug)]
pub enum Looked {
    /// By an `[[exception]]`, and why.
    Excepted(String),
    /// It was looked at.
    Found(Findings),
    /// It was not, by a fault of ours.
    Failed(Trouble),
}

impl Scanners {
    /// The server stops: looks end, and none begins. Nothing that they say counts any more.
    pub fn stop(&self) {
        self.0.looks.stop();
    }

    /// Whether `stop` was said.
    pub fn is_stopping(&self) -> bool {
        self.0.looks.is_stopping()
    }

    /// How many mails are looked into at the moment.
    pub fn looking(&self) -> usize {
        let looks = &self.0.looks;
        let free = looks.places.available_permits() + looks.small.available_permits();
        (LOOKS_MAX + LOOKS_SMALL_MAX).saturating_sub(free)
    }

    /// Looks into one mail; none if `[attachments]` is not about mail of its listener. `bare`: it is known to have no
    /// attachment, so that all there can be is a uuencoded file.
    pub async fn attachments(
        &self,
        conf: &Config,
        mail: &ScanMail<'_>,
        bare: bool,
    ) -> Option<Looked> {
        if !conf.attachments.listeners.contains(&mail.role) {
            return None;
        }
        if let Some(why) = exception(conf, Stage::Attachments.word(), mail) {
            return Some(Looked::Excepted(why));
        }
        // Another thread and a turn would cost most mails more than the look itself.
        if bare && mail.size <= BARE_MAX {
            match is_plain(mail).await {
                Ok(true) => return Some(Looked::Found(Findings::default())),
                Ok(false) => {}
                Err(trouble) => return Some(Looked::Failed(trouble)),
            }
        }
        let looks = &self.0.looks;
        let turn = self.0.clock.timeout(LOOK_WAIT, looks.place(mail.size));
        let _turn = match turn.await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => return Some(Looked::Failed(Trouble::Stopping)),
            Err(_) => return Some(Looked::Failed(Trouble::Crowded(LOOK_WAIT))),
        };
        let rules = Arc::clone(&conf.attachments.rules);
        let cancel = Arc::clone(&looks.stopping);
        let inspector = Inspector::cancelled_by(rules, Bounds::default(), cancel);
        Some(match look(inspector, mail).await {
            _ if looks.is_stopping() => Looked::Failed(Trouble::Stopping),
            Ok(findings) => Looked::Found(findings),
            Err(trouble) => Looked::Failed(trouble),
        })
    }
}

/// Whether no line of it begins a uuencoded file; at most `BARE_MAX` octets are read.
async fn is_plain(mail: &ScanMail<'_>) -> Result<bool, Trouble> {
    let mut octets = mail.body.open();
    let unread = |error: std::io::Error| Trouble::Unread(error.to_string());
    let mut text = Vec::new();
    while let Some(chunk) = octets.next().await.map_err(unread)? {
        text.extend_from_slice(&chunk);
    }
    Ok(memchr::memmem::find(&text, b"begin").is_none())
}

async fn look(mut inspector: Inspector, mail: &ScanMail<'_>) -> Result<Findings, Trouble> {
    let mut octets = mail.body.open();
    let unread = |error: std::io::Error| Trouble::Unread(error.to_string());
    let mut now = octets.next().await.map_err(unread)?;
    while let Some(chunk) = now {
        now = octets.next().await.map_err(unread)?;
        let last = now.is_none();
        let fed = spawn_blocking(move || {
            inspector.feed(&chunk);
            if last || inspector.is_done() {
                ControlFlow::Break(inspector.finish())
            } else {
                ControlFlow::Continue(inspector)
            }
        });
        match fed.await {
            Ok(ControlFlow::Continue(more)) => inspector = more,
            Ok(ControlFlow::Break(findings)) => return Ok(findings),
            Err(error) => {
                tracing::error!(%error, id = mail.id, "looking into attachments failed");
                let why = "a fault of this program; the log says where";
                return Err(Trouble::Unable(why.to_owned()));
            }
        }
    }
    Ok(inspector.finish())
}

/// Octets of a mail without attachments in which only the word is looked for that begins a uuencoded file.
const BARE_MAX: u64 = 32 << 10;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// What a future is that need not wait.
    async fn at_once<F: Future>(future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let poll = poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Poll::Ready(None),
        });
        poll.await
    }

    #[tokio::test]
    async fn small_mails_do_not_stand_behind_large_ones() {
        let looks = Looks::default();
        let mut large = Vec::new();
        for _ in 0..LOOKS_MAX {
            large.push(
                at_once(looks.place(LOOK_SMALL_MAX + 1))
                    .await
                    .unwrap()
                    .unwrap(),
            );
        }
        assert!(at_once(looks.place(LOOK_SMALL_MAX + 1)).await.is_none());
        let small = at_once(looks.place(LOOK_SMALL_MAX)).await.unwrap().unwrap();
        assert!(at_once(looks.place(LOOK_SMALL_MAX)).await.is_none());
        // One of either kind takes the place of a large one.
        large.pop();
        let other = at_once(looks.place(1)).await.unwrap().unwrap();
        drop((small, other));
        assert!(at_once(looks.place(1)).await.is_some());
    }

    #[tokio::test]
    async fn a_stop_ends_every_wait_and_no_look_begins() {
        let looks = Looks::default();
        let held = looks.places.acquire_many(2).await.unwrap();
        let waiting = pin!(looks.place(LOOK_SMALL_MAX + 1));
        looks.stop();
        assert!(waiting.await.is_err());
        drop(held);
        assert!(looks.place(1).await.is_err());
        assert!(looks.is_stopping());
    }
}
