//! The wish to stop: Ctrl-C and SIGTERM.
//!
//! Listening starts before anything else is done, and a signal that comes while nobody waits is kept: neither a slow
//! start nor a reload may swallow it, and nothing temporary is left behind. Not here: what stopping means (`server`).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Keeps what was asked since it was made.
#[derive(Debug)]
pub struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    /// From now on neither signal ends the process by itself. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The system cannot register the signals.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Ends at the first signal, at once if one came before.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
