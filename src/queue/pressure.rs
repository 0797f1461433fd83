//! Whether a mail is taken now, which depends on whose it is.
//!
//! Below the reserve of the disk nothing new is accepted, so that what is here can still be settled; mail of our own is
//! what settles it, and is taken until the disk is full. All is taken again as soon as there is room, without a restart.
//! A writer that is far behind slows sessions by its bounded inbox. Not here: what is unfinished (`staged`).

use super::staged::Source;
use super::{AcceptError, Queue};
use crate::store::{Room, StoreError};

/// Why nothing is accepted now; answered with 452 4.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Less room than `[queue] reserve`.
    #[error("the disk has less room than [queue] reserve; free some")]
    Disk,
    /// Unfinished mails of this peer, or of all, take all that they may.
    #[error("too much mail is coming in that is not finished")]
    Unfinished,
}

impl Queue {
    /// Asked at MAIL and DATA, for mail of others.
    pub fn pressure(&self) -> Result<(), Full> {
        self.pressure_of(&Source::Trusted)
    }

    /// Asked for each chunk and before the final reply.
    pub(super) fn pressure_of(&self, source: &Source) -> Result<(), Full> {
        match (self.store.room(), source) {
            (Room::Plenty, _) | (Room::Low, Source::Own) => Ok(()),
            (Room::Low, Source::Trusted | Source::Peer(_)) | (Room::None, _) => Err(Full::Disk),
        }
    }

    /// What a failure of the store is to who hands in mail: on a full disk it is that, and says so.
    pub(super) fn refused(&self, source: &Source, error: StoreError) -> AcceptError {
        match (self.pressure_of(source), error) {
            (Err(full), StoreError::Unavailable(_) | StoreError::InDoubt(_)) => full.into(),
            (_, error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests;
