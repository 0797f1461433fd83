//! Claims: which due records are lent, and which rest after a panic or a failure.
//!
//! They live in memory only, so a crash drops them and nothing has to be recovered. A claim ends by the commit that
//! carries it, or when its guard is dropped, never by the clock. While its commit is under way (`settling`) a dropped
//! guard does not free the record: otherwise it would be lent again although its settle may be durable already.
//! Not here: choosing records (`reader`), and when groups are due (`heads`).

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::frame::Slot;
use crate::base::limit::{PANIC_REST, PANICS_MAX};
use crate::store::{ClaimId, Key, Returned, StoreTime, Work};

/// A record that is lent for other work is looked at again so soon: upkeep holds its claims for milliseconds.
const OTHER_WORK: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    states: HashMap<Key, State>,
    /// Records that a batch of the commit under way wants unclaimed.
    locked: HashSet<Key>,
    panics: HashMap<Key, u8>,
    last: u64,
}

#[derive(Debug)]
enum State {
    Lent(Loan),
    Resting(StoreTime),
}

#[derive(Debug)]
struct Loan {
    token: u64,
    slot: Slot,
    settling: bool,
    dropped: Option<Returned>,
}

/// Whether a record may be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Free,
    Taken,
    /// A commit under way wants it unclaimed; it decides what is due.
    Locked,
    Resting(StoreTime),
}

impl Claims {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn standing(&self, key: &Key, work: Work, now: StoreTime) -> Standing {
        let table = self.table();
        match table.states.get(key) {
            // A count moved its due slot while it was lent for other work; nobody will say when that claim ends.
            Some(State::Lent(loan)) if loan.slot.work != work => {
                Standing::Resting(now + OTHER_WORK)
            }
            Some(State::Lent(_)) => Standing::Taken,
            Some(State::Resting(until)) if *until > now => Standing::Resting(*until),
            Some(State::Resting(_)) | None if table.locked.contains(key) => Standing::Locked,
            Some(State::Resting(_)) | None => Standing::Free,
        }
    }

    /// Lends a record; none: somebody was faster.
    pub(super) fn mark(&self, key: &Key, slot: Slot, now: StoreTime) -> Option<u64> {
        let mut table = self.table();
        match table.states.get(key) {
            Some(State::Lent(_)) => return None,
            Some(State::Resting(until)) if *until > now => return None,
            Some(State::Resting(_)) | None => {}
        }
        if table.locked.contains(key) {
            return None;
        }
        table.last += 1;
        let token = table.last;
        let loan = Loan {
            token,
            slot,
            settling: false,
            dropped: None,
        };
        table.states.insert(key.clone(), State::Lent(loan));
        Some(token)
    }

    /// Takes a mark back: the record was no longer due.
    pub(super) fn unmark(&self, key: &Key, token: u64) {
        let mut table = self.table();
        if table.loan(key, token).is_some() {
            table.states.remove(key);
        }
    }

    pub(super) fn panics(&self, key: &Key) -> u8 {
        self.table().panics.get(key).copied().unwrap_or(0)
    }

    /// A guard was dropped. Answers when the record is due again, unless a commit decides that.
    pub(super) fn give_back(&self, id: &ClaimId, how: Returned, now: StoreTime) -> Option<Slot> {
        let mut table = self.table();
        let loan = table.loan(&id.key, id.token)?;
        if loan.settling {
            loan.dropped = Some(how);
            return None;
        }
        let slot = loan.slot.clone();
        Some(table.free(&id.key, slot, how, now))
    }

    /// A batch carries the claim: it is still there and no other batch of the commit has it.
    pub(super) fn begin_settle(&self, id: &ClaimId) -> bool {
        let mut table = self.table();
        match table.loan(&id.key, id.token) {
            Some(loan) if !loan.settling => {
                loan.settling = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// The batch was not done. Answers when the record is due again if its guard is gone meanwhile.
    pub(super) fn end_settle(&self, id: &ClaimId, now: StoreTime) -> Option<Slot> {
        let mut table = self.table();
        let loan = table.loan(&id.key, id.token)?;
        loan.settling = false;
        let how = loan.dropped?;
        let slot = loan.slot.clone();
        Some(table.free(&id.key, slot, how, now))
    }

    /// The batch was committed: the claim is over. Answers its old slot.
    pub(super) fn settled(&self, id: &ClaimId) -> Option<Slot> {
        let mut table = self.table();
        table.loan(&id.key, id.token)?;
        table.panics.remove(&id.key);
        match table.states.remove(&id.key) {
            Some(State::Lent(loan)) => Some(loan.slot),
            Some(State::Resting(_)) | None => None,
        }
    }

    /// Keeps a record unclaimed until `unlock`; false: it is lent.
    pub(super) fn lock(&self, key: &Key) -> bool {
        let mut table = self.table();
        if let Some(State::Lent(_)) = table.states.get(key) {
            return false;
        }
        table.locked.insert(key.clone());
        true
    }

    /// Answers whether something was locked: who asked for it meanwhile was told to come again.
    pub(super) fn unlock(&self) -> bool {
        let mut table = self.table();
        let some = !table.locked.is_empty();
        table.locked.clear();
        some
    }

    /// The record was written anew: what it rested from is over.
    pub(super) fn wake(&self, key: &Key) {
        let mut table = self.table();
        if let Some(State::Resting(_)) = table.states.get(key) {
            table.states.remove(key);
        }
    }
}

impl Table {
    fn loan(&mut self, key: &Key, token: u64) -> Option<&mut Loan> {
        match self.states.get_mut(key)? {
            State::Lent(loan) if loan.token == token => Some(loan),
            State::Lent(_) | State::Resting(_) => None,
        }
    }

    fn free(&mut self, key: &Key, mut slot: Slot, how: Returned, now: StoreTime) -> Slot {
        match how {
            Returned::Unclaimed => {
                self.states.remove(key);
            }
            Returned::Panicked => {
                let until = now + PANIC_REST;
                slot.at = slot.at.max(until);
                self.states.insert(key.clone(), State::Resting(until));
                if self.panics.len() >= PANICS_MAX {
                    self.panics.clear();
                }
                let times = self.panics.entry(key.clone()).or_insert(0);
                *times = times.saturating_add(1);
            }
            Returned::Resting(span) => {
                let until = now + span;
                slot.at = slot.at.max(until);
                self.states.insert(key.clone(), State::Resting(until));
            }
        }
        slot
    }
}
