//! What a batch will do, worked out before its first write.
//!
//! One batch of a redb transaction cannot be undone alone, so all its preconditions, sizes and decodings are checked
//! here, against the tables as the batches before it left them. The result is one final state per record: a record
//! that a batch puts and counts is written once. Not here: writing (`apply`), waiting and committing (`writer`).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use ::redb::{ReadableTable, StorageError};
use bytes::Bytes;

use super::apply::Tables;
use super::claims::Claims;
use super::frame::{Frame, Slot};
use super::index::Home;
use crate::base::limit::{BATCH_BYTES_MAX, BATCH_OPS_MAX, GROUP_MAX, KEY_MAX};
use crate::store::{
    Batch, ClaimId, Counter, Due, Key, Op, Pre, StoreError, StoreTime, TERM_MAX, TERMS_MAX, Version,
};

/// The final state of everything that a batch changes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) records: BTreeMap<Key, Change>,
    pub(super) chunks: BTreeMap<Key, Option<Bytes>>,
    pub(super) adds: Vec<(Counter, i64)>,
    pub(super) settles: Vec<ClaimId>,
}

#[derive(Debug)]
pub(super) struct Change {
    pub(super) old: Option<Frame>,
    pub(super) new: State,
}

#[derive(Debug)]
pub(super) enum State {
    Kept,
    Put(Frame, Bytes),
    Gone,
}

/// Why a batch is not planned.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The answer to its caller; the others go on.
    Batch(StoreError),
    /// Nothing of this transaction can be trusted.
    Storage(StorageError),
}

/// What all batches of one commit share.
pub(super) struct Moment<'a> {
    pub(super) now: StoreTime,
    pub(super) claims: &'a Claims,
}

/// Operations and octets of a batch; none when it is larger than any commit, or a part of it is.
pub(super) fn weigh(batch: &Batch) -> Option<(usize, usize)> {
    let ops = batch.pre.len() + batch.ops.len();
    let mut octets = 0usize;
    for op in &batch.ops {
        octets += match op {
            Op::Put {
                key,
                value,
                due,
                terms,
            } => {
                let fits = fits(key)
                    && due.as_ref().is_none_or(fits_due)
                    && terms.len() <= TERMS_MAX
                    && terms.iter().all(|(_, term)| term.0.len() <= TERM_MAX);
                let home = match Home::of(&key.0) {
                    Home::Records => true,
                    Home::Chunks => due.is_none() && terms.is_empty(),
                    Home::Counters => false,
                };
                debug_assert!(
                    home,
                    "{key:?}: chunks have no due and no terms, counters no put"
                );
                if !fits || !home {
                    return None;
                }
                64 + key.0.len() + value.len()
            }
            Op::Delete(key) => key.0.len(),
            Op::Due { due: Some(due), .. } if !fits_due(due) => return None,
            Op::Due { .. } => 64,
            Op::DeleteRange { from, to, .. } => {
                debug_assert!(
                    Home::of(&from.0) != Home::Counters && from.0.len().min(to.0.len()) > 0,
                    "a range stays among records or among chunks"
                );
                64
            }
            Op::Add(counter, _) if counter.0.len() > KEY_MAX => return None,
            Op::Add(..) => 64,
            Op::Count { key, at_zero, .. } if !fits(key) || !fits_due(at_zero) => return None,
            Op::Count { .. } => 64,
        };
    }
    (ops <= BATCH_OPS_MAX && octets <= BATCH_BYTES_MAX).then_some((ops, octets))
}

fn fits(key: &Key) -> bool {
    key.0.len() <= KEY_MAX
}

fn fits_due(due: &Due) -> bool {
    due.group.0.len() <= GROUP_MAX
}

impl Plan {
    /// Refused: also the claims that were marked for this batch; they are as before once they are released.
    pub(super) fn make(
        batch: Batch,
        version: Version,
        moment: &Moment<'_>,
        tables: &Tables<'_>,
    ) -> Result<Self, (Refusal, Vec<ClaimId>)> {
        let mut plan = Self::default();
        let first_op = batch.pre.len();
        let made = plan
            .check(&batch.pre, moment, tables)
            .and_then(|()| plan.work_out(batch.ops, first_op, version, moment.now, tables));
        match made {
            Ok(()) => Ok(plan),
            Err(refusal) => Err((refusal, plan.settles)),
        }
    }

    fn check(
        &mut self,
        pre: &[Pre],
        moment: &Moment<'_>,
        tables: &Tables<'_>,
    ) -> Result<(), Refusal> {
        for (n, pre) in pre.iter().enumerate() {
            let holds = match pre {
                Pre::Absent(key) => match Home::of(&key.0) {
                    Home::Chunks => tables.chunks.get(key.0.as_ref())?.is_none(),
                    Home::Records | Home::Counters => self.touch(key, tables)?.old.is_none(),
                },
                Pre::Is(key, version) => {
                    let old = &self.touch(key, tables)?.old;
                    old.as_ref().is_some_and(|frame| frame.version == *version)
                }
                Pre::Mine(id) => {
                    let mine = moment.claims.begin_settle(id);
                    if mine {
                        self.settles.push(id.clone());
                    }
                    mine
                }
                Pre::Free(key) => moment.claims.lock(key),
            };
            if !holds {
                return Err(Refusal::Batch(StoreError::Conflict(n)));
            }
        }
        Ok(())
    }

    fn work_out(
        &mut self,
        ops: Vec<Op>,
        first_op: usize,
        version: Version,
        now: StoreTime,
        tables: &Tables<'_>,
    ) -> Result<(), Refusal> {
        for (n, op) in ops.into_iter().enumerate() {
            match op {
                Op::Put { key, value, .. } if Home::of(&key.0) == Home::Chunks => {
                    self.chunks.insert(key, Some(value));
                }
                Op::Put {
                    key,
                    value,
                    due,
                    terms,
                } => {
                    let change = self.touch(&key, tables)?;
                    let frame = Frame {
                        version,
                        count: change.count(),
                        slot: due.map(|due| slot(due, now)),
                        terms,
                    };
                    change.new = State::Put(frame, value);
                }
                Op::Delete(key) if Home::of(&key.0) == Home::Chunks => {
                    self.chunks.insert(key, None);
                }
                Op::Delete(key) => self.touch(&key, tables)?.new = State::Gone,
                Op::DeleteRange { from, to, limit } => {
                    if Home::of(&from.0) == Home::Chunks {
                        self.clear_chunks(&from, &to, limit, tables)?;
                    } else {
                        self.clear(&from, &to, limit, tables)?;
                    }
                }
                Op::Add(counter, by) => self.adds.push((counter, by)),
                Op::Due { key, due } => {
                    if let Some(frame) = self.frame(&key, tables)? {
                        frame.version = version;
                        frame.slot = due.map(|due| slot(due, now));
                    }
                }
                Op::Count { key, by, at_zero } => {
                    let at_zero = (version, slot(at_zero, now));
                    if !self.count(&key, by, at_zero, tables)? {
                        return Err(Refusal::Batch(StoreError::Conflict(first_op + n)));
                    }
                }
            }
        }
        Ok(())
    }

    fn count(
        &mut self,
        key: &Key,
        by: i32,
        at_zero: (Version, Slot),
        tables: &Tables<'_>,
    ) -> Result<bool, Refusal> {
        let Some(frame) = self.frame(key, tables)? else {
            return Ok(false);
        };
        debug_assert!(
            i64::from(frame.count) + i64::from(by) >= 0,
            "{key:?}: the count would fall below zero"
        );
        frame.count = frame.count.saturating_add_signed(by);
        if frame.count == 0 {
            // Who read the record before this does not know of its new slot, and must not write over it.
            let (version, slot) = at_zero;
            frame.version = version;
            frame.slot = Some(slot);
        }
        Ok(true)
    }

    /// The frame that the record will have, to be changed; none: there will be no such record.
    fn frame(&mut self, key: &Key, tables: &Tables<'_>) -> Result<Option<&mut Frame>, Refusal> {
        let change = self.touch(key, tables)?;
        if let (State::Kept, Some(old)) = (&change.new, &change.old) {
            let value = tables.records.get(key.0.as_ref())?;
            let bytes = value.as_ref().map_or(&b""[..], |value| value.value());
            let (_, at) = decode(key, bytes)?;
            let payload = bytes.get(at..).unwrap_or_default();
            change.new = State::Put(old.clone(), Bytes::copy_from_slice(payload));
        }
        match &mut change.new {
            State::Put(frame, _) => Ok(Some(frame)),
            State::Kept | State::Gone => Ok(None),
        }
    }

    fn clear(
        &mut self,
        from: &Key,
        to: &Key,
        limit: usize,
        tables: &Tables<'_>,
    ) -> Result<(), Refusal> {
        if from >= to {
            return Ok(());
        }
        // Rows that this batch has already changed are in `records`; take enough of the table to see beyond them.
        let range = (Bound::Included(from.clone()), Bound::Excluded(to.clone()));
        let known = self.records.range(range.clone()).count();
        let rows = tables
            .records
            .range::<&[u8]>(from.0.as_ref()..to.0.as_ref())?;
        for row in rows.take(limit.saturating_add(known)) {
            let (key, value) = row?;
            let key = Key(key.value().into());
            if let Entry::Vacant(place) = self.records.entry(key) {
                let (frame, _) = decode(place.key(), value.value())?;
                place.insert(Change {
                    old: Some(frame),
                    new: State::Kept,
                });
            }
        }
        let present = self.records.range_mut(range).map(|(_, change)| change);
        for change in present.filter(|change| change.exists()).take(limit) {
            change.new = State::Gone;
        }
        Ok(())
    }

    fn clear_chunks(
        &mut self,
        from: &Key,
        to: &Key,
        limit: usize,
        tables: &Tables<'_>,
    ) -> Result<(), Refusal> {
        if from >= to {
            return Ok(());
        }
        let range = (Bound::Included(from.clone()), Bound::Excluded(to.clone()));
        let mut present: BTreeMap<Key, bool> = BTreeMap::new();
        let known = self.chunks.range(range.clone()).count();
        let rows = tables
            .chunks
            .range::<&[u8]>(from.0.as_ref()..to.0.as_ref())?;
        for row in rows.take(limit.saturating_add(known)) {
            present.insert(Key(row?.0.value().into()), true);
        }
        for (key, change) in self.chunks.range(range) {
            present.insert(key.clone(), change.is_some());
        }
        let doomed = present.into_iter().filter(|(_, there)| *there).take(limit);
        self.chunks.extend(doomed.map(|(key, _)| (key, None)));
        Ok(())
    }

    /// The record as this batch has left it so far.
    fn touch(&mut self, key: &Key, tables: &Tables<'_>) -> Result<&mut Change, Refusal> {
        match self.records.entry(key.clone()) {
            Entry::Occupied(change) => Ok(change.into_mut()),
            Entry::Vacant(place) => {
                let value = tables.records.get(key.0.as_ref())?;
                let old = match value.as_ref() {
                    Some(value) => Some(decode(key, value.value())?.0),
                    None => None,
                };
                Ok(place.insert(Change {
                    old,
                    new: State::Kept,
                }))
            }
        }
    }
}

impl Change {
    fn exists(&self) -> bool {
        match &self.new {
            State::Kept => self.old.is_some(),
            State::Put(..) => true,
            State::Gone => false,
        }
    }

    fn count(&self) -> u32 {
        match &self.new {
            State::Kept => self.old.as_ref().map_or(0, |frame| frame.count),
            State::Put(frame, _) => frame.count,
            State::Gone => 0,
        }
    }
}

fn slot(due: Due, now: StoreTime) -> Slot {
    Slot {
        work: due.work,
        group: due.group,
        band: due.band,
        at: now + due.after,
    }
}

fn decode(key: &Key, bytes: &[u8]) -> Result<(Frame, usize), Refusal> {
    Frame::decode(bytes).map_err(|bad| Refusal::Batch(damaged(key, bad)))
}

pub(super) fn damaged(key: &Key, bad: super::frame::BadFrame) -> StoreError {
    StoreError::Damaged(format!("{key:?}: {bad}").into())
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}
