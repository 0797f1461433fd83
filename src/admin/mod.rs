//! Floor 11: what operators reach: the control socket, and the HTTPS endpoint with its pages.
//!
//! Handlers answer from the queue and change it only by its verbs; they hold no state of their own, so that the same
//! handlers can serve the socket and a remote. Not here: what a verb may do (`queue::verbs`), how it prints (`cli`).

pub mod accounts;
pub mod api;
pub mod certs;
pub mod checks;
pub mod control;
pub mod digests;
pub mod find;
pub mod holds;
pub mod jobs;
pub mod link;
pub mod links;
pub mod logins;
pub mod meant;
pub mod preview;
pub mod problem;
pub mod report;
pub mod status;
pub mod view;
pub mod web;

pub use control::ControlError;

use std::net::SocketAddr;

use crate::accounts::Accounts;
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::config::Shared;
use crate::digest::Digests;
use crate::digest::key::Keys;
use crate::queue::Queue;
use web::Site;

/// What operators work with.
#[derive(Clone, Debug)]
pub struct Context {
    /// In force.
    pub conf: Shared,
    /// Listed and acted on.
    pub queue: Queue,
    /// Listed and edited.
    pub accounts: Accounts,
    /// Of links, to be rotated.
    pub keys: Keys,
    /// Shown and sent; none: there is nothing about digests.
    pub digests: Option<Digests>,
    /// For deadlines.
    pub clock: Clock,
    /// When to stop.
    pub shutdown: Shutdown,
    /// Where the pages are.
    pub endpoint: Option<SocketAddr>,
    /// What the pages work with; `status` tells of it.
    pub site: Option<Site>,
}
