//! What happened, told to the program that embeds the server (and later to webhooks).
//!
//! An event is sent after the commit that made it true, never before. The channel is bounded: a reader that falls
//! behind is told how many it missed. Durable subscriptions read the facts instead (`fact`).

use tokio::sync::broadcast;

use crate::base::clock::Wall;

/// Events kept for a slow reader.
const BACKLOG: usize = 4_096;

/// One thing that happened to one message or recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Wall,
    /// The queue id, 16 hex digits.
    pub queue_id: String,
    /// Whose.
    pub tenant: String,
    /// The reverse-path; empty for `<>`.
    pub from: String,
    /// The recipient; all of them, separated by commas, for `Accepted`.
    pub recipient: String,
    /// The reply, reason or cause in words; empty if there is none.
    pub text: String,
}

/// The names of the webhook contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// `email.accepted`: safe on disk.
    Accepted,
    /// `email.delivered`: the next hop took it.
    Delivered,
    /// `email.deferred`: later.
    Deferred,
    /// `email.maybe_delivered`: the final dot went out and no answer came back.
    MaybeDelivered,
    /// `email.bounced`: never.
    Bounced,
    /// `email.held`
    Held,
    /// `email.released`
    Released,
    /// `email.requeued`
    Requeued,
    /// `email.deleted`
    Deleted,
    /// `cert.renewed`: another certificate is in force. `recipient` is its first name, `queue_id` is empty.
    CertRenewed,
    /// `cert.failed`: the old one stays in force; `text` says why.
    CertFailed,
    /// `cert.expiring`: it ends soon and nothing has replaced it; once a day.
    CertExpiring,
}

/// Where events are sent and subscribed to; clones share it.
#[derive(Clone, Debug)]
pub struct Events(broadcast::Sender<Event>);

/// A reader of events.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Event>);

impl EventKind {
    /// As webhooks and the API spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "email.accepted",
            Self::Delivered => "email.delivered",
            Self::Deferred => "email.deferred",
            Self::MaybeDelivered => "email.maybe_delivered",
            Self::Bounced => "email.bounced",
            Self::Held => "email.held",
            Self::Released => "email.released",
            Self::Requeued => "email.requeued",
            Self::Deleted => "email.deleted",
            Self::CertRenewed => "cert.renewed",
            Self::CertFailed => "cert.failed",
            Self::CertExpiring => "cert.expiring",
        }
    }
}

impl Events {
    /// Without readers.
    pub fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }

    /// From now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.0.subscribe())
    }

    /// Whether somebody listens; composing an event that nobody reads is wasted.
    pub fn wanted(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Tells all readers.
    pub fn send(&self, event: Event) {
        // Nobody listening is not an error.
        drop(self.0.send(event));
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Subscription {
    /// The next event; none when the server has ended. Events missed by reading too slowly are skipped.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "a reader of events is too slow");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_goes_on_with_what_is_left() {
        let events = Events::new();
        let mut reader = events.subscribe();
        for n in 0..=BACKLOG {
            events.send(Event {
                kind: EventKind::Accepted,
                at: Wall(0),
                queue_id: n.to_string(),
                tenant: String::new(),
                from: String::new(),
                recipient: String::new(),
                text: String::new(),
            });
        }
        assert_eq!(reader.next().await.unwrap().queue_id, "1");
        drop(events);
    }
}
