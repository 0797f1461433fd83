//! Looks whether the indexes and the records say the same: the pair of what `apply` keeps up.
//!
//! Every slot and every term of a record has its entry, and there are no more entries than that. It reads the whole
//! store in one snapshot, so it is for a stopped server, for tests and for support. It changes nothing.
//! Not here: counters, which only their owners can recount (`store::check`).

use std::collections::BTreeSet;

use ::redb::{ReadOnlyTable, ReadTransaction, ReadableTableMetadata};

use super::frame::Frame;
use super::index::{self, Bytes, Home};
use super::reader::{failed, table_failed};
use crate::base::limit::FAULTS_MAX;
use crate::store::{Key, StoreError};

/// What is wrong, in words; empty: nothing. It stops after `FAULTS_MAX`.
pub(super) fn check(txn: &ReadTransaction) -> Result<Vec<String>, StoreError> {
    let records = txn.open_table(index::RECORDS).map_err(table_failed)?;
    let dues = txn.open_table(index::DUES).map_err(table_failed)?;
    let terms = txn.open_table(index::TERMS).map_err(table_failed)?;
    let mut look = Look {
        records: &records,
        faults: Vec::new(),
        slots: 0,
        terms: 0,
    };
    for row in records.range::<&[u8]>(..).map_err(failed)? {
        let (key, value) = row.map_err(failed)?;
        look.record(&Key(key.value().into()), value.value(), &dues, &terms)?;
    }
    if dues.len().map_err(failed)? != look.slots {
        look.orphaned_dues(&dues)?;
    }
    if terms.len().map_err(failed)? != look.terms {
        look.orphaned_terms(&terms)?;
    }
    Ok(look.faults)
}

struct Look<'a> {
    records: &'a ReadOnlyTable<Bytes, Bytes>,
    faults: Vec<String>,
    slots: u64,
    terms: u64,
}

impl Look<'_> {
    fn fault(&mut self, text: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(text);
        }
    }

    fn record(
        &mut self,
        key: &Key,
        value: &[u8],
        dues: &ReadOnlyTable<Bytes, ()>,
        terms: &ReadOnlyTable<Bytes, ()>,
    ) -> Result<(), StoreError> {
        if Home::of(&key.0) != Home::Records {
            self.fault(format!("{key:?}: it is in the wrong table"));
        }
        let frame = match Frame::decode(value) {
            Ok((frame, _)) => frame,
            Err(bad) => {
                self.fault(format!("{key:?}: {bad}"));
                return Ok(());
            }
        };
        if let Some(slot) = &frame.slot {
            self.slots += 1;
            let entry = index::due(slot, &key.0);
            if dues.get(entry.as_slice()).map_err(failed)?.is_none() {
                self.fault(format!(
                    "{key:?}: it is due, but the due index has no entry"
                ));
            }
        }
        let distinct: BTreeSet<_> = frame.terms.iter().collect();
        for (id, term) in distinct {
            self.terms += 1;
            let entry = index::term_of(*id, term, key);
            if terms.get(entry.as_slice()).map_err(failed)?.is_none() {
                self.fault(format!("{key:?}: the index of {term:?} has no entry"));
            }
        }
        Ok(())
    }

    fn orphaned_dues(&mut self, dues: &ReadOnlyTable<Bytes, ()>) -> Result<(), StoreError> {
        for row in dues.range::<&[u8]>(..).map_err(failed)? {
            let (bytes, _) = row.map_err(failed)?;
            let known = match index::parse(bytes.value()) {
                Some(entry) => self.frame(entry.key)?.is_some_and(|frame| {
                    frame
                        .slot
                        .is_some_and(|slot| index::due(&slot, entry.key) == bytes.value())
                }),
                None => false,
            };
            if !known {
                let text = bytes.value().escape_ascii();
                self.fault(format!("the due index names what is not due: {text}"));
            }
        }
        Ok(())
    }

    fn orphaned_terms(&mut self, terms: &ReadOnlyTable<Bytes, ()>) -> Result<(), StoreError> {
        for row in terms.range::<&[u8]>(..).map_err(failed)? {
            let (bytes, _) = row.map_err(failed)?;
            let bytes = bytes.value();
            let length = bytes.get(1).map_or(0, |length| usize::from(*length));
            let key = bytes.get(2 + length..).unwrap_or_default();
            let known = self.frame(key)?.is_some_and(|frame| {
                let key = Key(key.into());
                let mut own = frame.terms.iter();
                own.any(|(id, term)| index::term_of(*id, term, &key) == bytes)
            });
            if !known {
                let text = bytes.escape_ascii();
                self.fault(format!(
                    "the term index names what does not carry it: {text}"
                ));
            }
        }
        Ok(())
    }

    fn frame(&self, key: &[u8]) -> Result<Option<Frame>, StoreError> {
        let value = self.records.get(key).map_err(failed)?;
        Ok(value.and_then(|value| Frame::decode(value.value()).ok().map(|(frame, _)| frame)))
    }
}
