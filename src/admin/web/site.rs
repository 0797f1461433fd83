//! What every page works with. Clones share it.
//!
//! Pages hold no state of their own: what they show is read when it is asked for, and what they change they change by
//! the verbs of the queue and of the digests.

use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::certs::Certs;
use crate::config::Shared;
use crate::queue::Queue;

/// The state of the endpoint's handlers.
#[derive(Clone, Debug)]
pub struct Site {
    /// In force.
    pub conf: Shared,
    /// Shown and acted on.
    pub queue: Queue,
    /// What handshakes show.
    pub certs: Certs,
    /// Time.
    pub clock: Clock,
    /// The signal to stop.
    pub shutdown: Shutdown,
}
