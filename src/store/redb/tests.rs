//! What holds for this engine beyond the conformance suite: opening, errors of the disk, and what a look costs.
//!
//! Costs are counted (`steps`: entries and records looked at; `written`: insertions and removals), never timed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::room::Ground;
use super::sim::Disk;
use super::{OpenError, Shared, open, start, store};
use crate::base::clock::{Clock, Wall};
use crate::base::size::ByteSize;
use crate::store::conformance::{batch, due, key, put, put_due};
use crate::store::{Band, Due, Group, Op, Pre, Store, StoreError, StoreTime, Work};

const START: Wall = Wall(1_700_000_000_000_000);
const CACHE: ByteSize = ByteSize::mib(4);

fn on(disk: &Disk, clock: &Clock) -> (Arc<Shared>, Store) {
    let disk = disk.clone();
    let opener = move || open::backend(Path::new("sim"), CACHE, disk.clone());
    let shared = start(Box::new(opener), Ground::unknown(), clock.clone()).unwrap();
    (Arc::clone(&shared), store(shared))
}

fn fresh() -> (Arc<Shared>, Store, Clock) {
    let clock = Clock::moved(START);
    let (shared, store) = on(&Disk::new(Vec::new(), false), &clock);
    (shared, store, clock)
}

fn group(text: &str) -> Group {
    Group(text.as_bytes().into())
}

async fn put_all(store: &Store, ops: impl Iterator<Item = Op>) {
    let ops: Vec<Op> = ops.collect();
    for part in ops.chunks(20_000) {
        store.commit(batch(vec![], part.to_vec())).await.unwrap();
    }
}

#[tokio::test]
async fn a_claim_looks_at_a_bounded_number_of_records() {
    let (shared, store, _clock) = fresh();
    let small = (0..20_000).map(|n| put_due(&format!("p{n:06}"), due(&format!("g{n:05}"), 0)));
    put_all(&store, small).await;
    put_all(
        &store,
        (0..100_000).map(|n| put_due(&format!("q{n:06}"), due("large", 0))),
    )
    .await;
    let until = store.now() + Duration::from_secs(600);
    for n in 0..10_000 {
        store.snooze(Work::Deliver, group(&format!("g{n:05}")), until);
    }
    let steps = || shared.steps.load(Ordering::Relaxed);

    let before = steps();
    let ready = store.ready(Work::Deliver, 20_000).await.unwrap();
    assert_eq!(
        ready.iter().filter(|head| head.at <= store.now()).count(),
        10_001
    );
    assert_eq!(steps(), before, "what is ready is answered from memory");

    let mut lent = Vec::new();
    for calls in 0..10u64 {
        let before = steps();
        lent.extend(
            store
                .claim(Work::Deliver, group("large"), 20)
                .await
                .unwrap(),
        );
        // 21 entries, 20 records, and those that are lent already.
        let most = 21 + 20 + 20 * calls;
        assert!(
            steps() - before <= most,
            "{} steps in call {calls}",
            steps() - before
        );
    }
    assert_eq!(lent.len(), 200);

    let before = steps();
    for head in ready
        .iter()
        .filter(|head| head.at <= store.now())
        .take(1_000)
    {
        drop(
            store
                .claim(Work::Deliver, head.group.clone(), 1)
                .await
                .unwrap(),
        );
    }
    assert!(steps() - before <= 3_000, "{} steps", steps() - before);

    let before = steps();
    let snoozed = store
        .claim(Work::Deliver, group("g00001"), 20)
        .await
        .unwrap();
    assert!(snoozed.is_empty() && steps() == before);
}

#[tokio::test]
async fn heads_are_found_again_after_a_restart_one_seek_a_group() {
    let clock = Clock::moved(START);
    let disk = Disk::new(Vec::new(), false);
    let (_, store) = on(&disk, &clock);
    put_all(
        &store,
        (0..3_000).map(|n| put_due(&format!("p{n:06}"), due(&format!("g{n:05}"), n))),
    )
    .await;
    put_all(
        &store,
        (0..10_000).map(|n| put_due(&format!("q{n:06}"), due("large", 5))),
    )
    .await;
    let urgent = Due {
        band: Band::Urgent,
        ..due("large", 50)
    };
    put_all(&store, std::iter::once(put_due("u", urgent))).await;
    store.close().await.unwrap();
    let (shared, store) = on(&disk, &clock);
    let mut hint = store.hint(Work::Deliver);
    clock.advance(Duration::from_secs(10_000));
    while store.ready(Work::Deliver, 5_000).await.unwrap().len() < 3_001 {
        hint.changed().await.unwrap();
    }
    let steps = shared.steps.load(Ordering::Relaxed);
    assert!(steps < 3_001 + 100, "{steps} steps");
    let ready = store.ready(Work::Deliver, 5_000).await.unwrap();
    let large = ready.iter().position(|head| head.group == group("large"));
    assert!(large.is_some_and(|at| (5..=7).contains(&at)), "{large:?}");
}

#[tokio::test]
async fn store_time_and_versions_go_on_after_a_restart() {
    let disk = Disk::new(Vec::new(), false);
    let clock = Clock::moved(START);
    let (_, store) = on(&disk, &clock);
    clock.advance(Duration::from_secs(100));
    let version = store
        .commit(batch(vec![], vec![put("m1", "")]))
        .await
        .unwrap();
    let last = store.now();
    store.close().await.unwrap();
    // The wall is an hour behind now.
    let (_, store) = on(&disk, &Clock::moved(Wall(START.0 - 3_600_000_000)));
    assert_eq!(store.now(), last);
    let pre = vec![Pre::Is(key("m1"), version)];
    let next = store.commit(batch(pre, vec![put("m1", "")])).await.unwrap();
    assert!(next.0 > version.0);
}

#[tokio::test]
async fn after_an_error_of_the_disk_the_store_opens_again_and_loses_nothing() {
    for operations in 0..30 {
        let disk = Disk::new(Vec::new(), false);
        let clock = Clock::moved(START);
        let (_, store) = on(&disk, &clock);
        store
            .commit(batch(vec![], vec![put_due("p1", due("g", 0))]))
            .await
            .unwrap();
        let lent = store.claim(Work::Deliver, group("g"), 1).await.unwrap();
        let mine = || vec![Pre::Mine(lent[0].guard.id())];
        disk.fail_after(operations, 1);
        let mut tries = 0;
        while let Err(error) = store.commit(batch(mine(), vec![put("p1", "done")])).await {
            // In doubt, the claim is still held: the holder reads the record again before it goes on.
            assert!(
                matches!(error, StoreError::InDoubt(_) | StoreError::Unavailable(_)),
                "{operations}: {error}"
            );
            tries += 1;
            assert!(tries < 5, "{operations}: {error}");
        }
        // The error may have been late enough to hit this one.
        while store
            .commit(batch(vec![], vec![put("p2", "")]))
            .await
            .is_err()
        {}
        let found = store.get(vec![key("p1"), key("p2")]).await.unwrap();
        assert_eq!(
            found[0].as_ref().unwrap().value.as_ref(),
            b"done",
            "{operations}"
        );
        assert!(found[1].is_some(), "{operations}");
        assert_eq!(store.check().await.unwrap(), [""; 0], "{operations}");
        drop(lent);
        assert!(
            store
                .claim(Work::Deliver, group("g"), 1)
                .await
                .unwrap()
                .is_empty()
        );
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_claim_given_back_while_its_commit_is_under_way_is_not_lent_again() {
    let (shared, store, _clock) = fresh();
    store
        .commit(batch(vec![], vec![put_due("p1", due("g", 0))]))
        .await
        .unwrap();
    let lent = store.claim(Work::Deliver, group("g"), 1).await.unwrap();
    let id = lent[0].guard.id();
    assert!(shared.claims.begin_settle(&id));
    drop(lent);
    assert!(
        store
            .claim(Work::Deliver, group("g"), 1)
            .await
            .unwrap()
            .is_empty()
    );
    // The commit failed: now it is given back.
    let slot = shared.claims.end_settle(&id, store.now()).unwrap();
    shared.heads.lower(&slot);
    assert_eq!(
        store
            .claim(Work::Deliver, group("g"), 1)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn what_a_commit_in_doubt_made_due_is_seen_although_a_seek_is_under_way() {
    let mut in_doubt = 0;
    for operations in 0..30 {
        let disk = Disk::new(Vec::new(), false);
        let (shared, store) = on(&disk, &Clock::moved(START));
        // It has read the index already, and takes its time to the end.
        let seek = shared.heads.begin_seek(Work::Deliver).unwrap();
        let mut hint = store.hint(Work::Deliver);
        hint.mark_unchanged();
        disk.fail_after(operations, 1);
        let made = batch(vec![], vec![put_due("p1", due("g", 0))]);
        let failed = store.commit(made).await.is_err();
        if failed {
            // Who met the error waits for this.
            hint.changed().await.unwrap();
        }
        let found = store.get(vec![key("p1")]).await.unwrap();
        shared.heads.end_seek(Work::Deliver, seek);
        let ready = store.ready(Work::Deliver, 9).await.unwrap();
        assert_eq!(ready.len(), found.iter().flatten().count(), "{operations}");
        in_doubt += usize::from(failed && !ready.is_empty());
        store.close().await.unwrap();
    }
    assert!(in_doubt > 0, "no failure came behind the last write");
}

#[tokio::test]
async fn what_cannot_be_opened_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postwerk.redb");
    let reopen = || open(&path, CACHE, None, Clock::moved(START));
    let first = reopen().unwrap();
    first
        .commit(batch(vec![], vec![put("m1", "")]))
        .await
        .unwrap();
    assert!(matches!(reopen().unwrap_err(), OpenError::Locked { .. }));
    first.close().await.unwrap();
    let whole = std::fs::read(&path).unwrap();

    for (name, bytes) in [
        ("empty", Vec::new()),
        ("text", b"this is no database".to_vec()),
        ("only its head", whole[..100].to_vec()),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("zeros", vec![0; whole.len()]),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let error = reopen().unwrap_err();
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{name}: {error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{name} was changed");
    }
    let missing = folder.path().join("missing").join("postwerk.redb");
    let error = open(&missing, CACHE, None, Clock::moved(START)).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");

    std::fs::write(&path, &whole).unwrap();
    let again = reopen().unwrap();
    assert!(again.get(vec![key("m1")]).await.unwrap()[0].is_some());
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let disk = Disk::new(Vec::new(), false);
    let (db, _) = open::backend(Path::new("sim"), CACHE, disk.clone()).unwrap();
    let txn = db.begin_write().unwrap();
    {
        let mut tables = super::apply::Tables::open(&txn).unwrap();
        tables.remember(b"z/schema", &9u32.to_be_bytes()).unwrap();
    }
    txn.commit().unwrap();
    drop(db);
    let error = open::backend(Path::new("sim"), CACHE, disk).unwrap_err();
    assert!(
        matches!(error, OpenError::Newer { found: 9, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn what_does_not_change_is_not_written() {
    let (_, store, _clock) = fresh();
    let term = |text: &str| {
        (
            crate::store::IndexId(1),
            crate::store::Term(text.as_bytes().into()),
        )
    };
    let put = |due, terms| Op::Put {
        key: key("p1"),
        value: Default::default(),
        due,
        terms,
    };
    let mut before = 0;
    for (name, ops, wanted) in [
        (
            "record, due, two terms",
            vec![put(Some(due("g", 5)), vec![term("a"), term("b")])],
            4,
        ),
        (
            "the same again",
            vec![put(Some(due("g", 5)), vec![term("a"), term("b")])],
            1,
        ),
        (
            "another time",
            vec![put(Some(due("g", 6)), vec![term("a"), term("b")])],
            3,
        ),
        (
            "a term less",
            vec![put(Some(due("g", 6)), vec![term("b")])],
            2,
        ),
        (
            "twice in a batch",
            vec![
                Op::Delete(key("p1")),
                put(Some(due("g", 6)), vec![term("b")]),
            ],
            1,
        ),
        ("deleted", vec![Op::Delete(key("p1"))], 3),
        ("nothing there", vec![Op::Delete(key("p1"))], 0),
    ] {
        store.commit(batch(vec![], ops)).await.unwrap();
        assert_eq!(store.written() - before, wanted, "case: {name}");
        before = store.written();
    }
}

#[tokio::test]
async fn a_snooze_in_the_past_wakes_the_group() {
    let (_, store, _clock) = fresh();
    store
        .commit(batch(vec![], vec![put_due("p1", due("g", 0))]))
        .await
        .unwrap();
    store.snooze(
        Work::Deliver,
        group("g"),
        store.now() + Duration::from_secs(60),
    );
    let hint = store.hint(Work::Deliver);
    store.snooze(Work::Deliver, group("g"), StoreTime(0));
    assert!(hint.has_changed().unwrap());
    assert_eq!(store.ready(Work::Deliver, 5).await.unwrap().len(), 1);
}

#[tokio::test]

async fn a_claim_that_leaves_something_for_later_wakes_who_waits() {
    let (_, store, clock) = fresh();
    for (key, secs) in [("p1", 0), ("p2", 5)] {
        store
            .commit(batch(vec![], vec![put_due(key, due("g", secs))]))
            .await
            .unwrap();
    }
    let hint = store.hint(Work::Deliver);
    let lent = store.claim(Work::Deliver, group("g"), 5).await.unwrap();
    assert_eq!(lent.len(), 1);
    assert!(
        hint.has_changed().unwrap(),
        "whoever claimed looked before, and would sleep over p2"
    );
    clock.advance(Duration::from_secs(5));
    assert_eq!(store.ready(Work::Deliver, 5).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_lone_commit_costs_two_syncs_and_many_share_them() {
    let disk = Disk::new(Vec::new(), false);
    let (_, store) = on(&disk, &Clock::moved(START));
    store
        .commit(batch(vec![], vec![put("m0", "")]))
        .await
        .unwrap();
    let before = disk.syncs();
    store
        .commit(batch(vec![], vec![put("m1", "")]))
        .await
        .unwrap();
    assert_eq!(disk.syncs() - before, 2);
    let before = disk.syncs();
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let store = store.clone();
            let put = put(&format!("m{n}"), "");
            tokio::spawn(async move { store.commit(batch(vec![], vec![put])).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(
        disk.syncs() - before < 100,
        "{} syncs",
        disk.syncs() - before
    );
    let before = disk.syncs();
    let refused = batch(vec![Pre::Absent(key("m1"))], vec![put("m2", "")]);
    assert!(store.commit(refused).await.is_err());
    assert_eq!(disk.syncs(), before, "what is refused costs nothing");
}

#[tokio::test]
async fn the_estimate_of_what_is_used_is_near_what_the_trees_occupy() {
    for (name, octets) in [
        ("small bodies", 1_000),
        ("10 KiB", 10 << 10),
        ("a full chunk", crate::base::limit::CHUNK),
    ] {
        let (shared, store, _clock) = fresh();
        for n in 0..300u32 {
            let put = |letter: u8, value: usize, due| Op::Put {
                key: crate::store::Key::of(letter, &[&n.to_be_bytes(), &n.to_be_bytes()]),
                value: vec![7; value].into(),
                due,
                terms: vec![],
            };
            let ops = vec![
                put(b'm', 300, Some(due("g", 5))),
                put(b'p', 150, Some(due("h", 5))),
                put(b'b', octets, None),
                put(b'h', 200, None),
            ];
            store.commit(batch(vec![], ops)).await.unwrap();
        }
        let used = shared.used.load(Ordering::Relaxed);
        let guard = shared.db();
        let txn = guard.as_ref().unwrap().begin_write().unwrap();
        let real = txn.stats().unwrap().allocated_pages() * 4_096;
        assert!(
            used * 100 / real > 60 && used * 100 / real < 140,
            "{name}: {used}, really {real}"
        );
    }
}

#[tokio::test]
async fn damaged_pages_are_answered_and_never_waited_for() {
    let disk = Disk::new(Vec::new(), false);
    let clock = Clock::moved(START);
    let (_, store) = on(&disk, &clock);
    put_all(
        &store,
        (0..400).map(|n| put_due(&format!("p{n:06}"), due(&format!("g{}", n % 7), 0))),
    )
    .await;
    store.close().await.unwrap();
    let whole = disk.crash(&mut fastrand::Rng::with_seed(0));
    let mut noticed = 0;
    let mut rng = fastrand::Rng::with_seed(1);
    for page in 0..whole.len() / 4_096 {
        let mut image = whole.clone();
        for _ in 0..8 {
            image[page * 4_096 + rng.usize(..256)] ^= rng.u8(1..);
        }
        let disk = Disk::new(image, false);
        let opener = move || open::backend(Path::new("sim"), CACHE, disk.clone());
        let Ok(shared) = start(Box::new(opener), Ground::unknown(), clock.clone()) else {
            noticed += 1;
            continue;
        };
        let store = super::store(shared);
        let faults = store.check().await;
        let claimed = store.claim(Work::Deliver, group("g1"), 20).await;
        let written = store
            .commit(batch(vec![], vec![put_due("p000007", due("g9", 0))]))
            .await;
        if faults.is_err()
            || faults.is_ok_and(|faults| !faults.is_empty())
            || claimed.is_err()
            || written.is_err()
        {
            noticed += 1;
        }
        drop(claimed);
        store.close().await.unwrap();
    }
    assert!(noticed > 5, "{noticed}");
}
