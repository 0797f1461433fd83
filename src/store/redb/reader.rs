//! Reads: records by key, pages, and which records of a group are due.
//!
//! A read transaction lives for one call. An iterator's first error ends the read: going on would leave records out.
//! Not here: threads (`pool`), and lending (`lend`).

use std::ops::Bound;

use ::redb::{ReadTransaction, StorageError, TableError, TransactionError};
use bytes::Bytes;

use super::frame::{Frame, Slot};
use super::index::{self, Home};
use super::plan::damaged;
use crate::base::limit::{PAGE_BYTES_MAX, SCAN_MAX};
use crate::store::{Key, Page, Record, Span, StoreError, Version};

/// A record with its whole frame.
pub(super) struct Found {
    pub(super) record: Record,
    pub(super) slot: Option<Slot>,
}

pub(super) fn get(txn: &ReadTransaction, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
    let mut out = Vec::with_capacity(keys.len());
    for key in keys {
        out.push(match Home::of(&key.0) {
            Home::Records => find(txn, key)?.map(|found| found.record),
            Home::Chunks => {
                let table = txn.open_table(index::CHUNKS).map_err(table_failed)?;
                let value = table.get(key.0.as_ref()).map_err(failed)?;
                value.map(|value| bare(key.clone(), Bytes::copy_from_slice(value.value())))
            }
            Home::Counters => {
                let table = txn.open_table(index::COUNTERS).map_err(table_failed)?;
                let value = table.get(key.0.as_ref()).map_err(failed)?;
                value.map(|value| bare(key.clone(), octets(value.value())))
            }
        });
    }
    Ok(out)
}

pub(super) fn find(txn: &ReadTransaction, key: &Key) -> Result<Option<Found>, StoreError> {
    let table = txn.open_table(index::RECORDS).map_err(table_failed)?;
    match table.get(key.0.as_ref()).map_err(failed)? {
        Some(value) => framed(key.clone(), value.value()).map(Some),
        None => Ok(None),
    }
}

/// One page, in the order asked, of at most `limit` records, 10,000 and 4 MiB.
pub(super) fn scan(
    txn: &ReadTransaction,
    span: &Span,
    after: Option<&Key>,
    reverse: bool,
    limit: usize,
) -> Result<Page, StoreError> {
    let prefix = match span {
        Span::Prefix(key) => key.0.to_vec(),
        Span::Term(index, term) => index::term(*index, term),
    };
    // Where the last page ended, as a key of the table that is walked.
    let after = after.map(|key| match span {
        Span::Prefix(_) => key.0.to_vec(),
        Span::Term(..) => [prefix.as_slice(), &key.0].concat(),
    });
    let (mut from, mut to) = (Bound::Included(prefix.clone()), index::behind(&prefix));
    if let Some(after) = after {
        if reverse {
            to = Bound::Excluded(after);
        } else {
            from = Bound::Excluded(after);
        }
    }
    if !sensible(&from, &to) {
        return Ok(Page::default());
    }
    let walk = Walk {
        from,
        to,
        reverse,
        limit: limit.min(SCAN_MAX),
    };
    match span {
        Span::Term(..) => walk.terms(txn, prefix.len()),
        Span::Prefix(key) => match Home::of(&key.0) {
            Home::Records => {
                let table = txn.open_table(index::RECORDS).map_err(table_failed)?;
                walk.page(&table, |key, value: &[u8]| {
                    framed(key, value).map(|found| found.record)
                })
            }
            Home::Chunks => {
                let table = txn.open_table(index::CHUNKS).map_err(table_failed)?;
                walk.page(&table, |key, value: &[u8]| {
                    Ok(bare(key, Bytes::copy_from_slice(value)))
                })
            }
            Home::Counters => {
                let table = txn.open_table(index::COUNTERS).map_err(table_failed)?;
                walk.page(&table, |key, value: i64| Ok(bare(key, octets(value))))
            }
        },
    }
}

struct Walk {
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    reverse: bool,
    limit: usize,
}

impl Walk {
    fn page<V: ::redb::Value + 'static>(
        &self,
        table: &::redb::ReadOnlyTable<index::Bytes, V>,
        mut record: impl for<'a> FnMut(Key, V::SelfType<'a>) -> Result<Record, StoreError>,
    ) -> Result<Page, StoreError> {
        let mut rows = table
            .range::<&[u8]>((index::borrow(&self.from), index::borrow(&self.to)))
            .map_err(failed)?;
        let mut page = Page::default();
        let mut octets = 0;
        loop {
            let row = if self.reverse {
                rows.next_back()
            } else {
                rows.next()
            };
            let Some(row) = row else { return Ok(page) };
            let (key, value) = row.map_err(failed)?;
            if page.records.len() >= self.limit || octets >= PAGE_BYTES_MAX {
                page.next = page.records.last().map(|record| record.key.clone());
                return Ok(page);
            }
            let record = record(Key(key.value().into()), value.value())?;
            octets += record.value.len();
            page.records.push(record);
        }
    }

    fn terms(&self, txn: &ReadTransaction, prefix: usize) -> Result<Page, StoreError> {
        let table = txn.open_table(index::TERMS).map_err(table_failed)?;
        let mut page = self.page(&table, |key, ()| {
            let key = Key(key.0.get(prefix..).unwrap_or_default().into());
            Ok(bare(key, Bytes::new()))
        })?;
        let mut octets = 0;
        let mut records = Vec::with_capacity(page.records.len());
        for named in page.records {
            if octets >= PAGE_BYTES_MAX {
                page.next = records.last().map(|record: &Record| record.key.clone());
                break;
            }
            let found = find(txn, &named.key)?.ok_or_else(|| {
                StoreError::Damaged(
                    format!("{:?}: a term names it, but it is gone", named.key).into(),
                )
            })?;
            octets += found.record.value.len();
            records.push(found.record);
        }
        page.records = records;
        Ok(page)
    }
}

fn sensible(from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
    match (from, to) {
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) => from < to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to)) => from <= to,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => true,
    }
}

fn framed(key: Key, value: &[u8]) -> Result<Found, StoreError> {
    let (frame, at) = Frame::decode(value).map_err(|bad| damaged(&key, bad))?;
    let record = Record {
        key,
        version: frame.version,
        value: Bytes::copy_from_slice(value.get(at..).unwrap_or_default()),
        due: frame.slot.as_ref().map(|slot| (slot.work, slot.at)),
        count: frame.count,
    };
    Ok(Found {
        record,
        slot: frame.slot,
    })
}

fn bare(key: Key, value: Bytes) -> Record {
    Record {
        key,
        version: Version(0),
        value,
        due: None,
        count: 0,
    }
}

fn octets(counter: i64) -> Bytes {
    Bytes::copy_from_slice(&counter.to_be_bytes())
}

pub(super) fn failed(error: StorageError) -> StoreError {
    if let StorageError::Corrupted(text) = error {
        StoreError::Damaged(text.into())
    } else {
        StoreError::Unavailable(error.to_string().into())
    }
}

pub(super) fn table_failed(error: TableError) -> StoreError {
    if let TableError::Storage(error) = error {
        failed(error)
    } else {
        StoreError::Damaged(error.to_string().into())
    }
}

pub(super) fn begin_failed(error: TransactionError) -> StoreError {
    if let TransactionError::Storage(error) = error {
        failed(error)
    } else {
        StoreError::Unavailable(error.to_string().into())
    }
}
