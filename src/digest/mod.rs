//! Floor 10: tells people what is held and why, and lets one safe click decide.
//!
//! A digest is a due record of a recipient: the mail, its number and its next date land in one batch. Links are signed
//! over hold, digest and expiry; what they may do is decided when they are used.
//! Not here: the pages behind the links (`admin`), and how a hold ends (`queue`).

pub mod calendar;
mod choice;
pub mod compose;
mod deal;
pub mod desk;
mod failure;
#[cfg(test)]
mod golden;
mod html;
pub mod key;
mod mail;
mod merged;
mod plain;
pub mod record;
mod rest;
mod send;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod token;
pub mod told;
mod unseen;
mod work;

use std::fmt;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::accounts::Accounts;
use crate::queue::Queue;

pub use failure::Trouble;
pub use key::Keys;
pub use rest::Rest;
pub use send::{Fresh, SendError};

/// Who is told of held mail, and when; clones share it.
#[derive(Clone)]
pub struct Digests(Arc<Inner>);

struct Inner {
    queue: Queue,
    keys: Keys,
    accounts: Accounts,
    /// One digest at a time takes a number; the store's preconditions hold off everything else.
    turn: Mutex<()>,
}

/// A digest as it is shown or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Of the mail.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

impl Digests {
    /// Over the holds of `queue`, with links signed by `keys`.
    pub fn new(queue: Queue, keys: Keys) -> Self {
        let accounts = Accounts::new(Arc::clone(queue.conf()), queue.store().clone());
        Self(Arc::new(Inner {
            queue,
            keys,
            accounts,
            turn: Mutex::new(()),
        }))
    }
}

impl Rendered {
    /// Both parts of a digest.
    pub fn of(view: &compose::View) -> Self {
        Self {
            subject: view.subject.clone(),
            text: plain::write(view),
            html: html::write(view),
        }
    }
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digests")
    }
}
