//! The tables, and the keys of the due index and the term index.
//!
//! Due: work, group (length first), band, time, key; so a claim seeks `time <= now` once per band, and the next group
//! is one seek away. Term: index, term (length first), key. Records, body chunks and counters are told apart by the
//! first octet of their key. Not here: reading or writing them.

use std::ops::Bound;

use ::redb::TableDefinition;

use super::frame::{self, Slot};
use crate::store::{Band, Group, IndexId, Key, StoreTime, Term, Work};

pub(super) type Bytes = &'static [u8];

pub(super) const RECORDS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("records");
pub(super) const CHUNKS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("chunks");
pub(super) const DUES: TableDefinition<'_, Bytes, ()> = TableDefinition::new("dues");
pub(super) const TERMS: TableDefinition<'_, Bytes, ()> = TableDefinition::new("terms");
pub(super) const COUNTERS: TableDefinition<'_, Bytes, i64> = TableDefinition::new("counters");
pub(super) const META: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("meta");

/// Which table keeps a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    Records,
    Chunks,
    Counters,
}

impl Home {
    pub(super) fn of(key: &[u8]) -> Self {
        match key.first() {
            Some(b'b') => Self::Chunks,
            Some(b'c') => Self::Counters,
            Some(_) | None => Self::Records,
        }
    }
}

/// An entry of the due index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) work: Work,
    pub(super) group: &'a [u8],
    pub(super) band: Band,
    pub(super) at: StoreTime,
    pub(super) key: &'a [u8],
}

pub(super) fn due(slot: &Slot, key: &[u8]) -> Vec<u8> {
    let mut out = band(slot.work, &slot.group, slot.band);
    out.extend_from_slice(&slot.at.0.to_be_bytes());
    out.extend_from_slice(key);
    out
}

/// What the entries of a band of a group start with.
pub(super) fn band(work: Work, group: &Group, band: Band) -> Vec<u8> {
    let mut out = self::group(work, &group.0);
    out.push(band as u8);
    out
}

/// What the entries of a group start with.
pub(super) fn group(work: Work, group: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(group.len() + 48);
    out.push(work as u8);
    out.extend_from_slice(&frame::length(group).to_be_bytes());
    out.extend_from_slice(group);
    out
}

pub(super) fn parse(bytes: &[u8]) -> Option<Entry<'_>> {
    let ([work, high, low], rest) = bytes.split_first_chunk::<3>()?;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let (group, rest) = rest.split_at_checked(length)?;
    let ([band], rest) = rest.split_first_chunk::<1>()?;
    let (at, key) = rest.split_first_chunk::<8>()?;
    Some(Entry {
        work: frame::work_of(*work)?,
        group,
        band: frame::band_of(*band)?,
        at: StoreTime(u64::from_be_bytes(*at)),
        key,
    })
}

/// What the keys of a term start with.
pub(super) fn term(index: IndexId, term: &Term) -> Vec<u8> {
    let mut out = Vec::with_capacity(term.0.len() + 40);
    out.push(index.0);
    out.push(u8::try_from(term.0.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(&term.0);
    out
}

pub(super) fn term_of(index: IndexId, term: &Term, key: &Key) -> Vec<u8> {
    let mut out = self::term(index, term);
    out.extend_from_slice(&key.0);
    out
}

/// The end of the keys that start with `prefix`.
pub(super) fn behind(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

/// A bound of owned octets as redb takes it.
pub(super) fn borrow(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(bytes) => Bound::Included(bytes),
        Bound::Excluded(bytes) => Bound::Excluded(bytes),
        Bound::Unbounded => Bound::Unbounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_entry_is_read_as_it_was_written() {
        let slot = Slot {
            work: Work::Dsn,
            group: Group(b"g"[..].into()),
            band: Band::Bulk,
            at: StoreTime(5),
        };
        let bytes = due(&slot, b"p/1");
        assert_eq!(
            parse(&bytes),
            Some(Entry {
                work: Work::Dsn,
                group: b"g",
                band: Band::Bulk,
                at: StoreTime(5),
                key: b"p/1",
            })
        );
        assert_eq!(parse(&bytes[..10]), None);
    }

    #[test]
    fn the_end_of_a_prefix_is_behind_all_its_keys() {
        assert_eq!(behind(b"ab"), Bound::Excluded(b"ac".to_vec()));
        assert_eq!(behind(b"a\xff"), Bound::Excluded(b"b".to_vec()));
        assert_eq!(behind(b"\xff"), Bound::Unbounded);
    }
}
