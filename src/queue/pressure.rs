//! Whether new mail is taken now.
//!
//! Below the reserve of the disk nothing new is accepted, so that what is here can still be settled; it is taken again
//! as soon as there is room, without a restart. A writer that is far behind slows sessions by its bounded inbox.

use super::{AcceptError, Queue};
use crate::store::{Room, StoreError};

/// Why nothing is accepted now; answered with 452 4.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Less room than `[queue] reserve`.
    #[error("the disk has less room than [queue] reserve; free some")]
    Disk,
}

impl Queue {
    /// Asked at MAIL, and again before the final reply.
    pub fn pressure(&self) -> Result<(), Full> {
        match self.store.room() {
            Room::Plenty => Ok(()),
            Room::Low | Room::None => Err(Full::Disk),
        }
    }

    /// What a failure of the store is to who hands in mail: on a full disk it is that, and says so.
    pub(super) fn refused(&self, error: StoreError) -> AcceptError {
        match (self.pressure(), error) {
            (Err(full), StoreError::Unavailable(_) | StoreError::InDoubt(_)) => full.into(),
            (_, error) => error.into(),
        }
    }
}
