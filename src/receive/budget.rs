//! Memory for long header sections, which all sessions share; no peer has more than a part of it.
//!
//! A loan lives as long as its section is kept. A header may take its whole transaction to come, so one client with many
//! connections could otherwise hold all of the budget for as long. Trusted networks are counted in all only, as their
//! unfinished mail is. Not here: what is kept (`header`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::limit::{HEADER_BUDGET, HEADER_FREE, HEADER_MAX, HEADER_SHARE_OF_PEER};
use crate::queue::Source;

/// Shared memory; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    room: Arc<Semaphore>,
    /// Loans of each peer.
    loans: Arc<Mutex<HashMap<Box<str>, usize>>>,
}

/// Room for what a section needs above `HEADER_FREE`.
#[derive(Debug)]
pub(super) struct Loan {
    _room: OwnedSemaphorePermit,
    of: Option<(Budget, Box<str>)>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(HEADER_BUDGET)),
            loans: Arc::default(),
        }
    }

    /// Room for one section; none: there is no more, or no more for this peer.
    pub(super) fn borrow(&self, source: &Source) -> Option<Loan> {
        const LOAN: usize = HEADER_MAX - HEADER_FREE;
        let peer = match source {
            Source::Own | Source::Trusted => None,
            Source::Peer(name) => Some(name),
        };
        let mut loans = self.loans.lock().unwrap_or_else(PoisonError::into_inner);
        let held = |name| loans.get(name).copied().unwrap_or_default();
        if peer.is_some_and(|name| held(name) >= HEADER_BUDGET / HEADER_SHARE_OF_PEER / LOAN) {
            return None;
        }
        let octets = u32::try_from(LOAN).ok()?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(octets).ok()?;
        if let Some(name) = peer {
            *loans.entry(name.clone()).or_default() += 1;
        }
        Some(Loan {
            _room: room,
            of: peer.map(|name| (self.clone(), name.clone())),
        })
    }

    /// Octets that can still be lent.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.room.available_permits()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some((budget, name)) = &self.of else {
            return;
        };
        let mut loans = budget.loans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = loans.get_mut(name) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                loans.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_leaves_most_of_it_to_others_and_gives_all_back() {
        let budget = Budget::new();
        let peer = |name: &str| Source::Peer(name.into());
        let of = |source: &Source| {
            let loans: Vec<Loan> = std::iter::from_fn(|| budget.borrow(source)).collect();
            loans
        };
        let whole = budget.left();
        let first = of(&peer("192.0.2.1"));
        assert!(budget.left() >= whole / 4 * 3 && !first.is_empty());
        assert!(budget.borrow(&peer("192.0.2.2")).is_some());
        let trusted = of(&Source::Trusted);
        assert!(trusted.len() > first.len() * 2);
        assert!(budget.borrow(&peer("192.0.2.2")).is_none());
        drop((first, trusted));
        assert_eq!(budget.left(), whole);
        assert!(budget.loans.lock().unwrap().is_empty());
    }
}
