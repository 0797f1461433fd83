//! What every page works with. Clones share it.
//!
//! Pages hold no state of their own: what they show is read when it is asked for, and what they change they change by
//! the verbs of the queue and of the digests.

use std::sync::Arc;

use super::meter::Meter;
use super::reach::Reach;
use crate::accounts::Accounts;
use crate::admin::link::visits::Visits;
use crate::base::clock::Clock;
use crate::base::limit::{WRONG_LINKS_MAX, WRONG_LINKS_SPAN};
use crate::base::repeats::Repeats;
use crate::base::shutdown::Shutdown;
use crate::certs::Certs;
use crate::config::Shared;
use crate::digest::Digests;
use crate::digest::desk::Desk;
use crate::digest::key::Keys;
use crate::net::limiter::Limiter;
use crate::net::permits::{Permits, Stand};
use crate::queue::Queue;
use crate::scan::Scanners;

/// Places for connections, by door.
#[derive(Clone, Debug)]
pub struct Places {
    /// Of all listeners.
    pub smtp: Permits,
    /// Of `[admin] bind`.
    pub pages: Permits,
    /// Of `[admin] http_bind`.
    pub redirects: Permits,
}

/// The state of the endpoint's handlers.
#[derive(Clone, Debug)]
pub struct Site {
    /// In force.
    pub conf: Shared,
    /// Shown and acted on.
    pub queue: Queue,
    /// What links may do.
    pub desk: Desk,
    /// Reads and signs links.
    pub keys: Keys,
    /// Sent when a page's button asks for one.
    pub digests: Digests,
    /// Who hands in mail.
    pub accounts: Accounts,
    /// Whether our own URL can be reached.
    pub reach: Reach,
    /// What `/metrics` tells.
    pub meter: Meter,
    /// Counts visits of links.
    pub visits: Arc<Visits>,
    /// What handshakes show.
    pub certs: Certs,
    /// Who looks at mails.
    pub scanners: Scanners,
    /// Time.
    pub clock: Clock,
    /// The signal to stop.
    pub shutdown: Shutdown,
    /// Login links that are not valid, by address.
    pub(super) wrong_logins: Arc<Limiter>,
    /// Who may be connected.
    pub places: Places,
    /// What the log was told of pages lately.
    pub(super) repeats: Arc<Repeats>,
}

impl Site {
    /// Of one server.
    pub fn new(
        queue: Queue,
        keys: Keys,
        digests: Digests,
        accounts: Accounts,
        certs: Certs,
        scanners: Scanners,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            conf: Arc::clone(queue.conf()),
            places: Places::new(queue.clock()),
            clock: queue.clock().clone(),
            repeats: Arc::new(Repeats::new(queue.clock().clone())),
            desk: Desk::new(queue.clone(), keys.clone()),
            keys,
            digests,
            accounts,
            reach: Reach::default(),
            meter: Meter::default(),
            visits: Arc::default(),
            queue,
            certs,
            scanners,
            shutdown,
            wrong_logins: Arc::new(Limiter::new(WRONG_LINKS_MAX, WRONG_LINKS_SPAN)),
        }
    }
}

impl Places {
    fn new(clock: &Clock) -> Self {
        let of = |door| Permits::new(door, clock.clone());
        Self {
            smtp: of("smtp"),
            pages: of("https"),
            redirects: of("http"),
        }
    }

    /// Of each door that somebody has come to.
    pub fn stands(&self) -> impl Iterator<Item = Stand> {
        let all = [&self.smtp, &self.pages, &self.redirects];
        all.into_iter()
            .map(Permits::stand)
            .filter(|stand| stand.max > 0)
    }
}
