//! Looks a whole store through: indexes against records, and counters against what they count.
//!
//! Counters are sums of `Add`s and never a precondition, so nothing notices when an owner forgets one; here they are
//! counted again from the records. For a stopped server: a running one changes between the pages.
//! Not here: repairing. A fault is a bug or a damaged disk, and both want the last backup and a report.

use std::collections::BTreeMap;

use super::{Counter, Key, Record, Span, Store, StoreError};
use crate::base::limit::{FAULTS_MAX, SCAN_MAX};

/// What is wrong, in words. `counted` says what a record adds to which counters.
pub async fn check(
    store: &Store,
    counted: impl Fn(&Record) -> Vec<(Counter, i64)>,
) -> Result<Vec<String>, StoreError> {
    let mut faults = store.check().await?;
    let mut sums: BTreeMap<Key, i64> = BTreeMap::new();
    // By first octet, because a prefix names the table; chunks and counters count for nothing.
    for letter in (0..=u8::MAX).filter(|letter| !b"bc".contains(letter)) {
        walk(store, letter, |record| {
            for (counter, by) in counted(record) {
                *sums.entry(counter.key()).or_insert(0) += by;
            }
        })
        .await?;
    }
    walk(store, b'c', |record| {
        let stored = <[u8; 8]>::try_from(record.value.as_ref()).map_or(0, i64::from_be_bytes);
        let sum = sums.remove(&record.key).unwrap_or(0);
        if sum != stored {
            faults.push(format!(
                "{:?}: {stored} is stored, {sum} counted",
                record.key
            ));
        }
    })
    .await?;
    let unstored = sums.into_iter().filter(|(_, sum)| *sum != 0);
    faults.extend(unstored.map(|(key, sum)| format!("{key:?}: 0 is stored, {sum} counted")));
    faults.truncate(FAULTS_MAX);
    Ok(faults)
}

async fn walk(store: &Store, letter: u8, mut look: impl FnMut(&Record)) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let span = Span::Prefix(Key::of(letter, &[]));
        let page = store.scan(span, after, false, SCAN_MAX).await?;
        page.records.iter().for_each(&mut look);
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Clock, Wall};
    use crate::store::conformance::{batch, due, put, put_due};
    use crate::store::{IndexId, Op, Term};

    fn messages(record: &Record) -> Vec<(Counter, i64)> {
        let counter = Counter(b"messages"[..].into());
        record
            .key
            .0
            .starts_with(b"m")
            .then_some((counter, 1))
            .into_iter()
            .collect()
    }

    #[tokio::test]
    async fn a_forgotten_add_is_found() {
        let store = crate::store::memory(Clock::moved(Wall(1)));
        let add = || Op::Add(Counter(b"messages"[..].into()), 1);
        let ops = vec![put("m1", ""), add(), put_due("m2", due("g", 5)), add()];
        store.commit(batch(vec![], ops)).await.unwrap();
        assert_eq!(check(&store, messages).await.unwrap(), [""; 0]);
        store
            .commit(batch(vec![], vec![put("m3", "")]))
            .await
            .unwrap();
        assert_eq!(
            check(&store, messages).await.unwrap(),
            ["cmessages: 2 is stored, 3 counted"]
        );
    }

    #[tokio::test]
    async fn a_backup_opens_with_everything_and_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::moved(Wall(1));
        let store = crate::store::memory(clock.clone());
        let mut ops: Vec<Op> = (0..300)
            .map(|n| put_due(&format!("m{n}"), due("g", 0)))
            .collect();
        ops.push(Op::Put {
            key: Key::of(b'p', &[b"1"]),
            value: vec![1; 100].into(),
            due: None,
            terms: vec![(IndexId(1), Term(b"x"[..].into()))],
        });
        ops.push(Op::Add(Counter(b"messages"[..].into()), 300));
        store.commit(batch(vec![], ops)).await.unwrap();
        store
            .stage(Key::of(b'b', &[b"1"]), vec![2; 65_024].into())
            .await
            .unwrap();
        let path = folder.path().join("copy.redb");
        store.backup(path.clone()).await.unwrap();
        assert!(store.backup(path.clone()).await.is_err());
        let cache = crate::base::size::ByteSize::mib(4);
        let copy = crate::store::redb::open(&path, cache, None, clock).unwrap();
        assert_eq!(check(&copy, messages).await.unwrap(), [""; 0]);
        let chunk = copy.get(vec![Key::of(b'b', &[b"1"])]).await.unwrap();
        assert_eq!(chunk[0].as_ref().unwrap().value.len(), 65_024);
        assert!(copy.now() >= store.now());
    }
}
