//! Copies a snapshot of the store into a fresh file while mail flows.
//!
//! The copy is made under another name and renamed when it is whole and on disk, so a file of the wanted name is
//! always a backup. Copying the open file itself is no backup: its pages change meanwhile.

use std::path::Path;

use ::redb::{Database, ReadTransaction, TableDefinition, Value};

use super::reader::{failed, table_failed};
use super::{index, open};
use crate::base::limit::COMMIT_BYTES_MAX;
use crate::base::size::ByteSize;
use crate::store::StoreError;

/// Octets that the copy keeps in memory.
const CACHE: ByteSize = ByteSize::mib(8);

pub(super) fn backup(txn: &ReadTransaction, to: &Path) -> Result<(), StoreError> {
    if to.exists() {
        let text = format!("{} exists; name a new file", to.display());
        return Err(StoreError::Unavailable(text.into()));
    }
    open::whole(to, CACHE, |db| {
        copy(txn, db, index::RECORDS)?;
        copy(txn, db, index::CHUNKS)?;
        copy(txn, db, index::DUES)?;
        copy(txn, db, index::TERMS)?;
        copy(txn, db, index::COUNTERS)?;
        // Last, because it makes the copy a store.
        copy(txn, db, index::META)
    })
}

fn copy<V: Value + 'static>(
    txn: &ReadTransaction,
    db: &Database,
    table: TableDefinition<'static, index::Bytes, V>,
) -> Result<(), StoreError> {
    let source = txn.open_table(table).map_err(table_failed)?;
    let mut rows = source.range::<&[u8]>(..).map_err(failed)?;
    loop {
        let into = write_failed(db.begin_write())?;
        let mut octets = 0;
        let mut ended = true;
        {
            let mut target = into.open_table(table).map_err(table_failed)?;
            for row in rows.by_ref() {
                let (key, value) = row.map_err(failed)?;
                target.insert(key.value(), value.value()).map_err(failed)?;
                octets += 64 + V::as_bytes(&value.value()).as_ref().len();
                if octets > COMMIT_BYTES_MAX {
                    ended = false;
                    break;
                }
            }
        }
        write_failed(into.commit())?;
        if ended {
            return Ok(());
        }
    }
}

fn write_failed<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, StoreError> {
    result.map_err(|error| {
        StoreError::Unavailable(format!("the backup cannot be written: {error}").into())
    })
}
