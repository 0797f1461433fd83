//! Engines that are broken on purpose, to show that the conformance suite notices.
//!
//! Each breaks one promise of a sound engine below it. A sabotage that no case fails on is a hole in the suite.

use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::watch;

use super::conformance::{failures, failures_when_full};
use super::{
    Batch, Call, ClaimGuard, Claimed, Engine, Group, Head, Key, Need, Op, Page, Pre, Record, Room,
    Span, Store, StoreError, StoreTime, Version, Work,
};
use crate::base::clock::Clock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    None,
    DropsAPrecondition,
    ForgetsADue,
    ForgetsTerms,
    GivesAClaimTwice,
    LosesAnAdd,
    CommitsHalfABatch,
    DeletesTooMuch,
    IgnoresSnoozes,
    AddsToAFullDisk,
    StopsDeletingOnAFullDisk,
}

struct Broken {
    inner: Store,
    how: Sabotage,
    lent: Mutex<Vec<Record>>,
}

fn broken(how: Sabotage) -> impl Fn(Clock) -> Store {
    over(how, super::memory)
}

fn over(how: Sabotage, inner: fn(Clock) -> Store) -> impl Fn(Clock) -> Store {
    move |clock| {
        Store::new(std::sync::Arc::new(Broken {
            inner: inner(clock),
            how,
            lent: Mutex::default(),
        }))
    }
}

impl Broken {
    fn spoil(&self, batch: &mut Batch) {
        match self.how {
            Sabotage::DropsAPrecondition => drop(batch.pre.pop()),
            Sabotage::ForgetsADue => {
                for op in &mut batch.ops {
                    if let Op::Put { key, due, .. } = op
                        && key.0.ends_with(b"2")
                    {
                        *due = None;
                    }
                }
            }
            Sabotage::ForgetsTerms => {
                for op in &mut batch.ops {
                    if let Op::Put { terms, .. } = op {
                        terms.truncate(1);
                    }
                }
            }
            Sabotage::LosesAnAdd => {
                if let Some(at) = batch.ops.iter().position(|op| matches!(op, Op::Add(..))) {
                    batch.ops.remove(at);
                }
            }
            Sabotage::DeletesTooMuch => {
                for op in &mut batch.ops {
                    if let Op::DeleteRange { limit, .. } = op {
                        *limit += 1;
                    }
                }
            }
            Sabotage::AddsToAFullDisk => batch.need = Need::End,
            Sabotage::StopsDeletingOnAFullDisk if batch.need == Need::Free => {
                batch.need = Need::Grow;
            }
            Sabotage::None
            | Sabotage::StopsDeletingOnAFullDisk
            | Sabotage::GivesAClaimTwice
            | Sabotage::CommitsHalfABatch
            | Sabotage::IgnoresSnoozes => {}
        }
    }
}

impl Engine for Broken {
    fn commit(&self, mut batch: Batch) -> Call<'_, Version> {
        self.spoil(&mut batch);
        Box::pin(async move {
            let answer = self.inner.commit(batch.clone()).await;
            if self.how == Sabotage::CommitsHalfABatch
                && let Err(StoreError::Conflict(_)) = answer
            {
                batch.pre.retain(|pre| matches!(pre, Pre::Absent(_)));
                batch.pre.clear();
                batch.ops.truncate(1);
                drop(self.inner.commit(batch).await);
            }
            answer
        })
    }

    fn stage(&self, key: Key, chunk: Bytes) -> Call<'_, ()> {
        self.inner.stage(key, chunk)
    }

    fn get(&self, keys: Vec<Key>) -> Call<'_, Vec<Option<Record>>> {
        self.inner.get(keys)
    }

    fn scan(&self, span: Span, after: Option<Key>, reverse: bool, limit: usize) -> Call<'_, Page> {
        self.inner.scan(span, after, reverse, limit)
    }

    fn ready_by(&self, work: Work, limit: usize, until: StoreTime) -> Call<'_, Vec<Head>> {
        self.inner.ready_by(work, limit, until)
    }

    fn claim_by(
        &self,
        work: Work,
        group: Group,
        room: usize,
        until: StoreTime,
    ) -> Call<'_, Vec<Claimed>> {
        Box::pin(async move {
            let mut claimed = self.inner.claim_by(work, group, room, until).await?;
            if self.how == Sabotage::GivesAClaimTwice {
                let mut lent = self.lent.lock().unwrap();
                let fresh: Vec<Record> = claimed.iter().map(|c| c.record.clone()).collect();
                if let Some(record) = lent.pop() {
                    let id = super::ClaimId {
                        key: record.key.clone(),
                        token: 0,
                    };
                    claimed.push(Claimed {
                        record,
                        band: super::Band::Normal,
                        panics: 0,
                        guard: ClaimGuard::new(id, |_, _| {}),
                    });
                }
                lent.extend(fresh);
            }
            Ok(claimed)
        })
    }

    fn snooze(&self, work: Work, group: Group, until: StoreTime) {
        if self.how != Sabotage::IgnoresSnoozes {
            self.inner.snooze(work, group, until);
        }
    }

    fn hint(&self, work: Work) -> watch::Receiver<u64> {
        self.inner.hint(work)
    }

    fn now(&self) -> StoreTime {
        self.inner.now()
    }

    fn room(&self) -> Room {
        self.inner.room()
    }

    fn spare(&self) -> u64 {
        self.inner.spare()
    }

    fn written(&self) -> u64 {
        self.inner.written()
    }

    fn check(&self) -> Call<'_, Vec<String>> {
        self.inner.check()
    }

    fn backup(&self, to: std::path::PathBuf) -> Call<'_, ()> {
        self.inner.backup(to)
    }

    fn close(&self) -> Call<'_, ()> {
        self.inner.close()
    }
}

#[tokio::test]
async fn a_broken_engine_fails_the_suite() {
    for how in [
        Sabotage::DropsAPrecondition,
        Sabotage::ForgetsADue,
        Sabotage::ForgetsTerms,
        Sabotage::GivesAClaimTwice,
        Sabotage::LosesAnAdd,
        Sabotage::CommitsHalfABatch,
        Sabotage::DeletesTooMuch,
        Sabotage::IgnoresSnoozes,
    ] {
        assert!(
            !failures(broken(how)).await.is_empty(),
            "{how:?} went unnoticed"
        );
    }
}

#[tokio::test]
async fn an_engine_that_is_broken_on_a_full_disk_fails_the_suite() {
    for how in [
        Sabotage::AddsToAFullDisk,
        Sabotage::StopsDeletingOnAFullDisk,
    ] {
        let failed = failures_when_full(over(how, super::redb::full_memory)).await;
        assert!(!failed.is_empty(), "{how:?} went unnoticed");
    }
}

#[tokio::test]
async fn a_full_redb_passes() {
    let sound = over(Sabotage::None, super::redb::full_memory);
    assert_eq!(failures_when_full(sound).await, [""; 0]);
}

#[tokio::test]
async fn a_wrapper_that_breaks_nothing_passes() {
    assert_eq!(failures(broken(Sabotage::None)).await, [""; 0]);
}

#[tokio::test]
async fn redb_in_a_file_passes() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    let make = |clock| {
        let n = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.path().join(format!("{n}.redb"));
        let cache = crate::base::size::ByteSize::mib(4);
        super::redb::open(&path, cache, None, clock).unwrap()
    };
    assert_eq!(failures(make).await, [""; 0]);
}
