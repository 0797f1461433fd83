//! The signal to stop, and the proof that everybody has.
//!
//! A `Shutdown` is cloned into every task. `begin` tells them; `finished` waits until the last `Guard` is dropped.

use tokio::sync::{mpsc, watch};

/// Tells tasks to stop; clones share the signal.
#[derive(Clone, Debug)]
pub struct Shutdown {
    signal: watch::Sender<bool>,
    alive: mpsc::Sender<()>,
}

/// Held by a task for as long as it has something to finish.
#[derive(Clone, Debug)]
pub struct Guard {
    _alive: mpsc::Sender<()>,
}

/// Waits for the guards; kept by whoever started the tasks.
#[derive(Debug)]
pub struct Finish(mpsc::Receiver<()>);

impl Shutdown {
    /// A signal not yet given.
    pub fn new() -> (Self, Finish) {
        let (alive, gone) = mpsc::channel(1);
        (
            Self {
                signal: watch::Sender::new(false),
                alive,
            },
            Finish(gone),
        )
    }

    /// Tells everybody to stop. Twice is as once.
    pub fn begin(&self) {
        self.signal.send_replace(true);
    }

    /// A guard that keeps `finished` waiting until it is dropped.
    pub fn guard(&self) -> Guard {
        Guard {
            _alive: self.alive.clone(),
        }
    }

    /// Whether the signal was given.
    pub fn begun(&self) -> bool {
        *self.signal.borrow()
    }

    /// Ends when the signal is given.
    pub async fn wait(&self) {
        // `self` holds the sender, so the wait ends only by the signal.
        drop(self.signal.subscribe().wait_for(|begun| *begun).await);
    }
}

impl Finish {
    /// Ends when the last guard, and the last `Shutdown`, is gone.
    pub async fn finished(mut self) {
        while self.0.recv().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finishing_waits_for_the_last_guard() {
        let (shutdown, finish) = Shutdown::new();
        let guard = shutdown.guard();
        let task = tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                shutdown.wait().await;
                drop(guard);
            }
        });
        shutdown.begin();
        assert!(shutdown.begun());
        drop(shutdown);
        finish.finished().await;
        task.await.unwrap();
    }
}
