//! Whether a connection is doing anything: how many requests are being answered, and when there was one last.
//!
//! A connection without a request under way has a bound: short until its first request is whole, longer between two.
//! That bounds slow heads, idle connections and clients that do not read, for HTTP/1.1 and HTTP/2 alike.

use tokio::sync::watch;

use crate::base::clock::Clock;
use crate::base::limit::{WEB_HEAD_TIMEOUT, WEB_IDLE_TIMEOUT};

/// Of one connection; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse(watch::Sender<Beat>);

#[derive(Clone, Copy, Debug, Default)]
struct Beat {
    open: usize,
    begun: u64,
}

/// One request that is being answered.
#[derive(Debug)]
pub(super) struct Busy(Pulse);

impl Pulse {
    /// A request has come whole.
    pub(super) fn begin(&self) -> Busy {
        self.0.send_modify(|beat| {
            beat.open += 1;
            beat.begun += 1;
        });
        Busy(self.clone())
    }

    /// Ends when nothing was asked for too long.
    pub(super) async fn idle(&self, clock: &Clock) {
        let mut beats = self.0.subscribe();
        loop {
            let beat = *beats.borrow_and_update();
            if beat.open > 0 {
                drop(beats.changed().await);
                continue;
            }
            let span = if beat.begun == 0 {
                WEB_HEAD_TIMEOUT
            } else {
                WEB_IDLE_TIMEOUT
            };
            tokio::select! {
                biased;
                changed = beats.changed() => drop(changed),
                () = clock.sleep(span) => return,
            }
        }
    }

    /// Ends when no request is being answered.
    pub(super) async fn quiet(&self) {
        drop(self.0.subscribe().wait_for(|beat| beat.open == 0).await);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0
            .0
            .send_modify(|beat| beat.open = beat.open.saturating_sub(1));
    }
}
