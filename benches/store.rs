//! How fast the store commits, claims and settles on this disk.
//!
//! `cargo bench --bench store`. Items are batches or records; their number per second is what counts. The large runs
//! build a million due records once: `POSTWERK_BENCH_RECORDS=1000000 cargo bench --bench store -- claim`; they are of
//! 1,000 groups, or of `POSTWERK_BENCH_GROUPS`.
//! Compare within one run only, beside `fsync`: disks slow down after some gigabytes of writes.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench may fail loudly"
)]

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use postwerk::base::clock::Clock;
use postwerk::base::size::ByteSize;
use postwerk::store::redb::open;
use postwerk::store::{
    Band, Batch, Counter, Due, Group, IndexId, Key, Need, Op, Pre, Side, Store, Term, Work,
};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime starts")
}

fn folder() -> tempfile::TempDir {
    // Beside the build, because /tmp may be memory; `POSTWERK_BENCH_DIR` names another disk.
    let parent = std::env::var_os("POSTWERK_BENCH_DIR");
    let parent = parent.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    tempfile::tempdir_in(parent).expect("a folder can be made")
}

fn open_in(path: PathBuf) -> Store {
    open(&path, ByteSize::mib(24), None, Clock::system()).expect("the store opens")
}

fn due(group: u64, after: Duration) -> Due {
    Due {
        work: Work::Deliver,
        group: Group(format!("site-{group}.example").into_bytes().into()),
        band: Band::Normal,
        after,
    }
}

/// A small batch: one record that is due.
fn small(n: u64) -> Batch {
    let put = Op::Put {
        key: Key::of(b'p', &[&n.to_be_bytes()]),
        value: Bytes::from_static(&[1; 100]),
        due: Some(due(n % 100, Duration::from_secs(3_600))),
        terms: Vec::new(),
    };
    Batch {
        pre: Vec::new(),
        ops: vec![put],
        side: Side::Front,
        need: Need::Grow,
    }
}

/// What accepting a mail with a body of `octets` for one recipient writes.
fn accept(n: u64, octets: usize) -> Batch {
    let key = |letter| Key::of(letter, &[&n.to_be_bytes()]);
    let put = |letter, octets, due, terms| Op::Put {
        key: key(letter),
        value: vec![7; octets].into(),
        due,
        terms,
    };
    let domain = Term(format!("site-{}.example", n % 100).into_bytes().into());
    Batch {
        pre: vec![Pre::Absent(key(b'm'))],
        ops: vec![
            put(
                b'm',
                300,
                Some(due(0, Duration::from_secs(432_000))),
                vec![],
            ),
            put(
                b'p',
                150,
                Some(due(n % 100, Duration::ZERO)),
                vec![(IndexId(1), domain)],
            ),
            put(b'b', octets, None, vec![]),
            put(b'h', 200, None, vec![]),
            Op::Add(Counter(b"messages"[..].into()), 1),
        ],
        side: Side::Front,
        need: Need::Grow,
    }
}

/// Commits `each` batches by each of `writers` at once.
async fn commit_all(store: &Store, writers: u64, each: u64, make: fn(u64) -> Batch, from: u64) {
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..each {
                    let n = from + writer * each + n;
                    // Scattered, as ids of many sessions are not, to be on the safe side.
                    store.commit(make(n)).await.expect("a batch is committed");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a writer ends");
    }
}

fn commits(bencher: Bencher<'_, '_>, writers: u64, each: u64, make: fn(u64) -> Batch) {
    let (runtime, folder) = (runtime(), folder());
    let store = open_in(folder.path().join("bench.redb"));
    let from = std::cell::Cell::new(0);
    bencher
        .counter(ItemsCount::new(writers * each))
        .bench_local(|| {
            runtime.block_on(commit_all(&store, writers, each, make, from.get()));
            from.set(from.get() + writers * each);
        });
    runtime.block_on(store.close()).expect("the store closes");
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn fsync(bencher: Bencher<'_, '_>) {
    let folder = folder();
    let mut file = std::fs::File::create(folder.path().join("probe")).expect("a file is made");
    bencher.counter(ItemsCount::new(100u32)).bench_local(|| {
        for _ in 0..100 {
            file.write_all(&[7; 4096]).expect("a page is written");
            file.sync_data().expect("a page is synced");
        }
    });
}

#[divan::bench(args = [1, 10, 50, 200], sample_count = 5, sample_size = 1)]
fn commit_small(bencher: Bencher<'_, '_>, writers: u64) {
    commits(bencher, writers, 10_000 / (writers + 9), small);
}

#[divan::bench(args = [1, 50], sample_count = 5, sample_size = 1)]
fn commit_accept_1_kib(bencher: Bencher<'_, '_>, writers: u64) {
    commits(bencher, writers, 4_000 / (writers + 9), |n| {
        accept(n, 1 << 10)
    });
}

#[divan::bench(args = [1, 50], sample_count = 5, sample_size = 1)]
fn commit_accept_10_kib(bencher: Bencher<'_, '_>, writers: u64) {
    commits(bencher, writers, 4_000 / (writers + 9), |n| {
        accept(n, 10 << 10)
    });
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A store with many due records, built once.
fn full() -> &'static (Runtime, tempfile::TempDir, Store, u64) {
    static FULL: OnceLock<(Runtime, tempfile::TempDir, Store, u64)> = OnceLock::new();
    FULL.get_or_init(|| {
        let records = number("POSTWERK_BENCH_RECORDS").unwrap_or(20_000);
        let groups = number("POSTWERK_BENCH_GROUPS").unwrap_or(1_000);
        let (runtime, folder) = (runtime(), folder());
        let store = open_in(folder.path().join("full.redb"));
        runtime.block_on(async {
            let mut n = 0u64;
            while n < records {
                let ops = (n..records.min(n + 4_000)).map(|n| Op::Put {
                    key: Key::of(b'p', &[&n.to_be_bytes()]),
                    value: Bytes::from_static(&[1; 150]),
                    due: Some(due(n % groups, Duration::ZERO)),
                    terms: Vec::new(),
                });
                let batch = Batch {
                    ops: ops.collect(),
                    ..Batch::default()
                };
                store.commit(batch).await.expect("a batch is committed");
                n += 4_000;
            }
        });
        (runtime, folder, store, records)
    })
}

/// 50 tasks claim from a full store, and settle each record by moving it an hour on.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn claim_and_settle(bencher: Bencher<'_, '_>) {
    let (runtime, _, store, _) = full();
    bencher
        .counter(ItemsCount::new(50 * 20u32))
        .bench_local(|| {
            runtime.block_on(async {
                let taken = Arc::new(tokio::sync::Semaphore::new(1_000));
                let tasks: Vec<_> = (0..50u64)
                    .map(|task| tokio::spawn(settle_some(store.clone(), task, Arc::clone(&taken))))
                    .collect();
                for task in tasks {
                    task.await.expect("a task ends");
                }
            });
        });
}

async fn settle_some(store: Store, task: u64, left: Arc<tokio::sync::Semaphore>) {
    let mut group = task;
    while left.available_permits() > 0 {
        let heads = store.ready(Work::Deliver, 100).await.expect("heads");
        let Some(head) = heads.get(usize::try_from(group % 100).unwrap_or(0)) else {
            return;
        };
        group += 7;
        let lent = store
            .claim(Work::Deliver, head.group.clone(), 5)
            .await
            .expect("a claim");
        for claimed in lent {
            let Ok(permit) = left.try_acquire() else {
                return;
            };
            permit.forget();
            let put = Op::Put {
                key: claimed.record.key.clone(),
                value: claimed.record.value.clone(),
                due: Some(due(group % 1_000, Duration::from_secs(3_600))),
                terms: Vec::new(),
            };
            let batch = Batch {
                pre: vec![Pre::Mine(claimed.guard.id())],
                ops: vec![put],
                side: Side::Front,
                need: Need::Grow,
            };
            store.commit(batch).await.expect("a settle");
        }
    }
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn claim_and_give_back(bencher: Bencher<'_, '_>) {
    let (runtime, _, store, _) = full();
    bencher.counter(ItemsCount::new(1_000u32)).bench_local(|| {
        runtime.block_on(async {
            for n in 0..1_000 {
                let group = due(n % 1_000, Duration::ZERO).group;
                drop(store.claim(Work::Deliver, group, 1).await.expect("a claim"));
            }
        });
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn get_one(bencher: Bencher<'_, '_>) {
    let (runtime, _, store, records) = full();
    bencher.counter(ItemsCount::new(1_000u32)).bench_local(|| {
        runtime.block_on(async {
            for n in 0..1_000u64 {
                let n = n.wrapping_mul(7_919) % records;
                let key = Key::of(b'p', &[&n.to_be_bytes()]);
                assert!(store.get(vec![key]).await.expect("a read")[0].is_some());
            }
        });
    });
}

/// Opens a copy of the file as a kill would leave it: the original is open and was never closed.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn open_after_kill(bencher: Bencher<'_, '_>) {
    let (runtime, folder, _, _) = full();
    let copy = folder.path().join("copy.redb");
    bencher
        .with_inputs(|| std::fs::copy(folder.path().join("full.redb"), &copy).expect("a copy"))
        .bench_local_values(|_| {
            let store = open_in(copy.clone());
            let heads = runtime
                .block_on(store.ready(Work::Deliver, 10))
                .expect("heads");
            assert_eq!(heads.len(), 10);
            runtime.block_on(store.close()).expect("the store closes");
        });
}
