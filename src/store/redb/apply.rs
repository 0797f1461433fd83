//! Writes what `plan` worked out.
//!
//! Only what differs is written: a due slot or a term that stays costs nothing, because scattered pages are what a
//! commit costs. Every insertion and removal is counted; the queue's budget test reads the sum.
//! An error here is one of the storage, and the whole transaction is dropped. Not here: deciding anything.

use std::collections::BTreeMap;

use ::redb::{ReadableTable, StorageError, Table, TableError, WriteTransaction};

use super::frame::{Frame, Slot};
use super::index::{self, Bytes};
use super::plan::{Plan, State};
use crate::store::{ClaimId, Counter, Key};

pub(super) struct Tables<'t> {
    pub(super) records: Table<'t, Bytes, Bytes>,
    pub(super) chunks: Table<'t, Bytes, Bytes>,
    dues: Table<'t, Bytes, ()>,
    terms: Table<'t, Bytes, ()>,
    counters: Table<'t, Bytes, i64>,
    meta: Table<'t, Bytes, Bytes>,
    pub(super) tally: Tally,
}

/// What was written in a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Insertions and removals.
    pub(super) writes: u64,
    /// Octets put, less octets removed: an estimate, because redb keeps no cheap sum.
    pub(super) grown: i64,
}

/// What the memory must learn when the batch is durable.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) dues: Vec<Slot>,
    pub(super) settles: Vec<ClaimId>,
    pub(super) keys: Vec<Key>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(txn: &'t WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            records: txn.open_table(index::RECORDS)?,
            chunks: txn.open_table(index::CHUNKS)?,
            dues: txn.open_table(index::DUES)?,
            terms: txn.open_table(index::TERMS)?,
            counters: txn.open_table(index::COUNTERS)?,
            meta: txn.open_table(index::META)?,
            tally: Tally::default(),
        })
    }

    pub(super) fn apply(&mut self, plan: Plan) -> Result<Done, StorageError> {
        let mut done = Done {
            settles: plan.settles,
            ..Done::default()
        };
        for (key, chunk) in plan.chunks {
            let before = match &chunk {
                Some(chunk) => {
                    self.tally.grown += size(key.0.len() + chunk.len());
                    self.chunks.insert(key.0.as_ref(), chunk.as_ref())?
                }
                None => self.chunks.remove(key.0.as_ref())?,
            };
            self.tally.writes += u64::from(chunk.is_some() || before.is_some());
            self.tally.grown -= before.map_or(0, |old| size(key.0.len() + old.value().len()));
        }
        for (key, change) in plan.records {
            match (change.new, change.old) {
                (State::Kept, _) | (State::Gone, None) => continue,
                (State::Put(frame, payload), old) => {
                    let value = frame.encode(&payload);
                    self.tally.writes += 1;
                    self.tally.grown += size(key.0.len() + value.len());
                    let before = self.records.insert(key.0.as_ref(), value.as_slice())?;
                    self.tally.grown -=
                        before.map_or(0, |old| size(key.0.len() + old.value().len()));
                    self.reindex(&key, old.as_ref(), Some(&frame))?;
                    done.dues.extend(frame.slot);
                }
                (State::Gone, Some(old)) => {
                    self.tally.writes += 1;
                    let before = self.records.remove(key.0.as_ref())?;
                    self.tally.grown -=
                        before.map_or(0, |old| size(key.0.len() + old.value().len()));
                    self.reindex(&key, Some(&old), None)?;
                }
            }
            done.keys.push(key);
        }
        Ok(done)
    }

    fn reindex(
        &mut self,
        key: &Key,
        old: Option<&Frame>,
        new: Option<&Frame>,
    ) -> Result<(), StorageError> {
        let slot = |frame: Option<&'_ Frame>| frame.and_then(|frame| frame.slot.clone());
        let (was, is) = (slot(old), slot(new));
        if was != is {
            if let Some(slot) = was {
                self.dues.remove(index::due(&slot, &key.0).as_slice())?;
                self.tally.writes += 1;
            }
            if let Some(slot) = is {
                let entry = index::due(&slot, &key.0);
                self.dues.insert(entry.as_slice(), ())?;
                self.tally.writes += 1;
            }
        }
        let terms = |frame: Option<&Frame>| frame.map_or(Vec::new(), |frame| frame.terms.clone());
        let (was, is) = (terms(old), terms(new));
        for (id, term) in was.iter().filter(|term| !is.contains(term)) {
            let entry = index::term_of(*id, term, key);
            self.terms.remove(entry.as_slice())?;
            self.tally.writes += 1;
        }
        for (id, term) in is.iter().filter(|term| !was.contains(term)) {
            let entry = index::term_of(*id, term, key);
            self.terms.insert(entry.as_slice(), ())?;
            self.tally.writes += 1;
        }
        Ok(())
    }

    /// Counters are summed over the whole commit first: a hundred mails change the same few.
    pub(super) fn add(&mut self, sums: &BTreeMap<Counter, i64>) -> Result<(), StorageError> {
        for (counter, by) in sums.iter().filter(|(_, by)| **by != 0) {
            let key = counter.key();
            let before = self
                .counters
                .get(key.0.as_ref())?
                .map(|value| value.value());
            let after = before.unwrap_or(0).saturating_add(*by);
            if after == 0 {
                self.counters.remove(key.0.as_ref())?;
            } else {
                self.counters.insert(key.0.as_ref(), after)?;
            }
            self.tally.writes += 1;
        }
        Ok(())
    }

    pub(super) fn remember(&mut self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        self.meta.insert(key, value)?;
        Ok(())
    }
}

/// About what a row occupies: large ones have pages of their own, rounded up to powers of two, and small ones share
/// pages that are two thirds full, as trees are.
fn size(octets: usize) -> i64 {
    let row = octets + ROW;
    let octets = if row > PAGE / 2 {
        row.next_power_of_two().max(PAGE)
    } else {
        row + row / 2
    };
    i64::try_from(octets).unwrap_or(i64::MAX)
}

/// A page of redb, and what a row costs in it besides its octets; index entries are counted with their record.
const PAGE: usize = 4_096;
const ROW: usize = 48;
