//! What every engine must do, as cases that any engine can be run against.
//!
//! `failures` runs them all and names those that fail, so that a broken engine can be shown to fail (`sabotage`).
//! A case gets a store of its own and a clock that it moves itself. Not here: crashes (`redb::crash`), speed.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use super::{
    Band, Batch, ClaimId, Claimed, Counter, Due, Group, IndexId, Key, Op, Pre, Side, Span, Store,
    StoreError, StoreTime, Term, Work,
};
use crate::base::clock::{Clock, Wall};

type Case = fn(Bench) -> Pin<Box<dyn Future<Output = ()>>>;

/// A store to try, and its clock.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) clock: Clock,
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => { [$((stringify!($name), (|bench| Box::pin($name(bench))) as Case)),*] };
}

/// The names of the cases that fail.
pub(super) async fn failures(make: impl Fn(Clock) -> Store) -> Vec<&'static str> {
    let cases = cases![
        what_is_put_is_read_and_what_is_deleted_is_gone,
        a_failed_precondition_names_itself_and_changes_nothing,
        records_of_one_batch_share_a_version,
        of_many_that_change_one_version_one_wins,
        a_record_is_lent_when_it_is_due_and_not_before,
        a_claim_is_lent_once_and_ends_with_its_commit,
        a_dropped_claim_is_given_back,
        a_record_whose_work_panics_rests_for_a_minute,
        free_keeps_a_claimed_record_from_being_changed,
        bands_are_lent_eight_to_three_to_one,
        a_put_replaces_due_and_terms,
        adds_of_many_batches_all_count,
        a_count_at_zero_moves_the_due_slot,
        a_range_is_deleted_with_its_dues_and_terms,
        pages_follow_each_other_in_both_directions,
        groups_are_ready_earliest_first,
        a_snooze_outranks_new_work_until_it_ends,
        what_is_too_large_is_refused_whole,
        staged_chunks_are_read_back,
        back_batches_are_committed_too,
        a_closed_store_refuses,
    ];
    let mut failed = Vec::new();
    for (name, case) in cases {
        let clock = Clock::moved(Wall(1_700_000_000_000_000));
        let store = make(clock.clone());
        let set = tokio::task::LocalSet::new();
        let run = set
            .run_until(async move { tokio::task::spawn_local(case(Bench { store, clock })).await });
        if run.await.is_err() {
            failed.push(name);
        }
    }
    failed
}

pub(super) fn key(text: &str) -> Key {
    Key(text.as_bytes().into())
}

pub(super) fn put(text: &str, value: &str) -> Op {
    Op::Put {
        key: key(text),
        value: Bytes::copy_from_slice(value.as_bytes()),
        due: None,
        terms: Vec::new(),
    }
}

pub(super) fn put_due(text: &str, due: Due) -> Op {
    Op::Put {
        key: key(text),
        value: Bytes::new(),
        due: Some(due),
        terms: Vec::new(),
    }
}

pub(super) fn due(group: &str, secs: u64) -> Due {
    Due {
        work: Work::Deliver,
        group: Group(group.as_bytes().into()),
        band: Band::Normal,
        after: Duration::from_secs(secs),
    }
}

pub(super) fn batch(pre: Vec<Pre>, ops: Vec<Op>) -> Batch {
    Batch {
        pre,
        ops,
        side: Side::Front,
    }
}

impl Bench {
    async fn done(&self, ops: Vec<Op>) -> super::Version {
        self.store.commit(batch(Vec::new(), ops)).await.unwrap()
    }

    async fn value(&self, text: &str) -> Option<String> {
        let found = self.store.get(vec![key(text)]).await.unwrap();
        let record = found.into_iter().next().unwrap()?;
        Some(String::from_utf8(record.value.to_vec()).unwrap())
    }

    async fn claim(&self, group: &str, room: usize) -> Vec<Claimed> {
        let group = Group(group.as_bytes().into());
        self.store.claim(Work::Deliver, group, room).await.unwrap()
    }

    async fn ready(&self, limit: usize) -> Vec<(String, i64)> {
        let heads = self.store.ready(Work::Deliver, limit).await.unwrap();
        let now = i64::try_from(self.store.now().0).unwrap();
        heads
            .into_iter()
            .map(|head| {
                let group = String::from_utf8(head.group.0.to_vec()).unwrap();
                (group, (i64::try_from(head.at.0).unwrap() - now) / 1_000_000)
            })
            .collect()
    }

    async fn scanned(&self, span: Span, reverse: bool, limit: usize) -> Vec<String> {
        let mut keys = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .store
                .scan(span.clone(), after, reverse, limit)
                .await
                .unwrap();
            assert!(page.records.len() <= limit);
            keys.extend(
                page.records
                    .iter()
                    .map(|r| r.key.0.escape_ascii().to_string()),
            );
            after = page.next;
            if after.is_none() {
                return keys;
            }
        }
    }
}

async fn what_is_put_is_read_and_what_is_deleted_is_gone(bench: Bench) {
    bench.done(vec![put("m1", "one"), put("m2", "two")]).await;
    bench
        .done(vec![put("m1", "new"), Op::Delete(key("m2"))])
        .await;
    assert_eq!(bench.value("m1").await.as_deref(), Some("new"));
    assert_eq!(bench.value("m2").await, None);
    let found = bench.store.get(vec![key("m3"), key("m1")]).await.unwrap();
    assert!(found[0].is_none() && found[1].as_ref().unwrap().key == key("m1"));
}

async fn a_failed_precondition_names_itself_and_changes_nothing(bench: Bench) {
    let version = bench.done(vec![put("m1", "old")]).await;
    let ghost = ClaimId {
        key: key("m1"),
        token: 9,
    };
    for (name, pre, place) in [
        (
            "absent",
            vec![Pre::Absent(key("m2")), Pre::Absent(key("m1"))],
            1,
        ),
        ("is", vec![Pre::Is(key("m2"), version)], 0),
        (
            "mine",
            vec![Pre::Is(key("m1"), version), Pre::Mine(ghost)],
            1,
        ),
    ] {
        let ops = vec![
            put("m1", "new"),
            put_due("p1", due("g", 0)),
            Op::Add(Counter(b"n"[..].into()), 1),
        ];
        let answer = bench.store.commit(batch(pre, ops)).await;
        assert!(
            matches!(answer, Err(StoreError::Conflict(n)) if n == place),
            "case: {name}"
        );
        assert_eq!(
            bench.value("m1").await.as_deref(),
            Some("old"),
            "case: {name}"
        );
        assert_eq!(bench.value("p1").await, None, "case: {name}");
        assert_eq!(bench.value("cn").await, None, "case: {name}");
        assert!(bench.claim("g", 20).await.is_empty(), "case: {name}");
    }
    let missing = batch(
        Vec::new(),
        vec![
            put("m1", "new"),
            Op::Count {
                key: key("m9"),
                by: 1,
                at_zero: due("g", 0),
            },
        ],
    );
    assert!(matches!(
        bench.store.commit(missing).await,
        Err(StoreError::Conflict(1))
    ));
    assert_eq!(bench.value("m1").await.as_deref(), Some("old"));
}

async fn records_of_one_batch_share_a_version(bench: Bench) {
    let first = bench.done(vec![put("m1", ""), put("m2", "")]).await;
    let found = bench.store.get(vec![key("m1"), key("m2")]).await.unwrap();
    assert!(found.into_iter().all(|r| r.unwrap().version == first));
    let second = bench.done(vec![put("m1", "")]).await;
    assert_ne!(first, second);
    let pre = vec![Pre::Is(key("m1"), second), Pre::Is(key("m2"), first)];
    bench.store.commit(batch(pre, vec![])).await.unwrap();
}

async fn of_many_that_change_one_version_one_wins(bench: Bench) {
    let version = bench.done(vec![put("m1", "")]).await;
    let tries = (0..40).map(|n| {
        let store = bench.store.clone();
        tokio::task::spawn_local(async move {
            let pre = vec![Pre::Is(key("m1"), version)];
            let own = format!("m1/{n}");
            store
                .commit(batch(pre, vec![put("m1", ""), put(&own, "")]))
                .await
        })
    });
    let mut won = 0;
    for tried in tries.collect::<Vec<_>>() {
        match tried.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, StoreError::Conflict(0)), "{error}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(
        bench
            .scanned(Span::Prefix(key("m1/")), false, 50)
            .await
            .len(),
        1
    );
}

async fn a_record_is_lent_when_it_is_due_and_not_before(bench: Bench) {
    bench
        .done(vec![
            put_due("p1", due("g", 60)),
            put_due("p2", due("g", 10)),
        ])
        .await;
    assert!(bench.claim("g", 20).await.is_empty());
    bench.clock.advance(Duration::from_secs(10));
    let lent = bench.claim("g", 20).await;
    assert_eq!(
        lent.iter().map(|c| &c.record.key).collect::<Vec<_>>(),
        [&key("p2")]
    );
    assert_eq!(lent[0].record.due, Some((Work::Deliver, bench.store.now())));
    assert!(bench.claim("h", 20).await.is_empty());
    assert_eq!(bench.ready(5).await, [("g".to_owned(), 50)]);
    bench.clock.advance(Duration::from_secs(50));
    assert_eq!(bench.claim("g", 20).await.len(), 1);
}

async fn a_claim_is_lent_once_and_ends_with_its_commit(bench: Bench) {
    bench
        .done(
            (0..30)
                .map(|n| put_due(&format!("p{n:02}"), due("g", 0)))
                .collect(),
        )
        .await;
    let (first, second, third) = (
        bench.claim("g", 20).await,
        bench.claim("g", 20).await,
        bench.claim("g", 20).await,
    );
    let all: HashSet<Key> = first
        .iter()
        .chain(&second)
        .map(|c| c.record.key.clone())
        .collect();
    assert_eq!(
        (first.len(), second.len(), third.len(), all.len()),
        (20, 10, 0, 30)
    );
    for lent in first.into_iter().chain(second) {
        let id = lent.guard.id();
        let text = String::from_utf8(id.key.0.to_vec()).unwrap();
        let settle = || {
            batch(
                vec![Pre::Mine(id.clone())],
                vec![put_due(&text, due("g", 5))],
            )
        };
        bench.store.commit(settle()).await.unwrap();
        let again = bench.store.commit(settle()).await;
        assert!(matches!(again, Err(StoreError::Conflict(0))));
    }
    assert!(bench.claim("g", 20).await.is_empty());
    assert_eq!(bench.ready(5).await, [("g".to_owned(), 5)]);
    bench.clock.advance(Duration::from_secs(5));
    assert_eq!(bench.ready(5).await[0].0, "g");
    assert_eq!(bench.claim("g", 20).await.len(), 20);
}

async fn a_dropped_claim_is_given_back(bench: Bench) {
    bench.done(vec![put_due("p1", due("g", 0))]).await;
    let lent = bench.claim("g", 1).await;
    let id = lent[0].guard.id();
    assert!(bench.ready(5).await.is_empty());
    drop(lent);
    assert_eq!(bench.ready(5).await, [("g".to_owned(), 0)]);
    let late = bench
        .store
        .commit(batch(vec![Pre::Mine(id)], vec![put("p1", "late")]))
        .await;
    assert!(matches!(late, Err(StoreError::Conflict(0))));
    let lent = bench.claim("g", 1).await;
    // A settle that changes something else leaves the record due.
    let pre = vec![Pre::Mine(lent[0].guard.id())];
    bench
        .store
        .commit(batch(pre, vec![put("m1", "")]))
        .await
        .unwrap();
    assert_eq!(bench.ready(5).await.len(), 1);
    assert_eq!(bench.claim("g", 1).await.len(), 1);
}

async fn a_record_whose_work_panics_rests_for_a_minute(bench: Bench) {
    bench
        .done(vec![put_due("p1", due("g", 0)), put_due("p2", due("g", 0))])
        .await;
    for times in 0..3u8 {
        let mut lent = bench.claim("g", 20).await;
        assert_eq!(lent.len(), 2);
        lent.retain(|c| c.record.key == key("p1"));
        assert_eq!(lent[0].panics, times);
        let work = tokio::task::spawn_local(async move {
            let _lent = lent;
            panic!("work on p1 panics");
        });
        assert!(work.await.is_err());
        assert_eq!(bench.claim("g", 20).await.len(), 1);
        assert_eq!(bench.claim("g", 20).await.len(), 1);
        bench.clock.advance(Duration::from_secs(60));
        assert_eq!(bench.ready(1).await[0].0, "g");
    }
}

async fn free_keeps_a_claimed_record_from_being_changed(bench: Bench) {
    bench.done(vec![put_due("p1", due("g", 0))]).await;
    let lent = bench.claim("g", 1).await;
    let change = || batch(vec![Pre::Free(key("p1"))], vec![put("p1", "changed")]);
    assert!(matches!(
        bench.store.commit(change()).await,
        Err(StoreError::Conflict(0))
    ));
    drop(lent);
    bench.store.commit(change()).await.unwrap();
    assert!(bench.claim("g", 1).await.is_empty());
}

async fn bands_are_lent_eight_to_three_to_one(bench: Bench) {
    let bands = [(Band::Urgent, "u"), (Band::Normal, "n"), (Band::Bulk, "b")];
    for (band, name) in bands {
        let ops = (0..24).map(|n| {
            let due = Due {
                band,
                ..due("g", 0)
            };
            put_due(&format!("p{name}{n:02}"), due)
        });
        bench.done(ops.collect()).await;
    }
    let mut lent = Vec::new();
    // One at a time: the share must hold over calls, or bulk starves at a site that takes one at a time.
    for _ in 0..24 {
        lent.extend(bench.claim("g", 1).await);
    }
    let count = |band: Band| lent.iter().filter(|c| c.band == band).count();
    assert_eq!(bands.map(|(band, _)| count(band)), [16, 6, 2]);
    let rest = [
        bench.claim("g", 20).await,
        bench.claim("g", 20).await,
        bench.claim("g", 20).await,
    ];
    assert_eq!(rest.iter().flatten().count(), 48);
}

async fn a_put_replaces_due_and_terms(bench: Bench) {
    let term = |text: &str| (IndexId(1), Term(text.as_bytes().into()));
    let put = |due, terms| Op::Put {
        key: key("p1"),
        value: Bytes::new(),
        due,
        terms,
    };
    bench
        .done(vec![put(Some(due("g", 0)), vec![term("a"), term("b")])])
        .await;
    bench
        .done(vec![put(Some(due("h", 0)), vec![term("b"), term("c")])])
        .await;
    let named = |text: &str| Span::Term(IndexId(1), Term(text.as_bytes().into()));
    for (text, number) in [("a", 0), ("b", 1), ("c", 1)] {
        assert_eq!(
            bench.scanned(named(text), false, 5).await.len(),
            number,
            "term {text}"
        );
    }
    assert!(bench.claim("g", 5).await.is_empty());
    assert_eq!(bench.claim("h", 5).await.len(), 1);
    bench.done(vec![put(None, vec![])]).await;
    assert!(bench.scanned(named("b"), false, 5).await.is_empty());
    assert!(bench.claim("h", 5).await.is_empty());
}

async fn adds_of_many_batches_all_count(bench: Bench) {
    let counter = || Counter(b"mail"[..].into());
    let adds = (0..50).map(|n| {
        let store = bench.store.clone();
        tokio::task::spawn_local(async move {
            let ops = vec![
                Op::Add(counter(), 3),
                put(&format!("m{n}"), ""),
                Op::Add(counter(), -1),
            ];
            store.commit(batch(Vec::new(), ops)).await.unwrap();
        })
    });
    for add in adds.collect::<Vec<_>>() {
        add.await.unwrap();
    }
    let read = || async {
        let found = bench.store.get(vec![counter().key()]).await.unwrap();
        found[0]
            .as_ref()
            .map(|r| i64::from_be_bytes(r.value.as_ref().try_into().unwrap()))
    };
    assert_eq!(read().await, Some(100));
    bench.done(vec![Op::Add(counter(), -101)]).await;
    assert_eq!(read().await, Some(-1));
    bench.done(vec![Op::Add(counter(), 1)]).await;
    assert_eq!(read().await, None);
}

async fn a_count_at_zero_moves_the_due_slot(bench: Bench) {
    let count = |by| Op::Count {
        key: key("m1"),
        by,
        at_zero: due("retire", 60),
    };
    let version = bench
        .done(vec![put_due("m1", due("expire", 3_600)), count(2)])
        .await;
    bench.done(vec![count(-1)]).await;
    let record = bench
        .store
        .get(vec![key("m1")])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!((record.count, record.version), (1, version));
    bench.done(vec![count(-1)]).await;
    let record = bench
        .store
        .get(vec![key("m1")])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!((record.count, record.version), (0, version));
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.claim("retire", 5).await.len(), 1);
    bench.clock.advance(Duration::from_secs(3_600));
    assert!(bench.claim("expire", 5).await.is_empty());
    // A put keeps the count.
    bench.done(vec![count(5)]).await;
    bench.done(vec![put("m1", "")]).await;
    let record = bench
        .store
        .get(vec![key("m1")])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(record.count, 5);
}

async fn a_range_is_deleted_with_its_dues_and_terms(bench: Bench) {
    let term = || (IndexId(3), Term(b"word"[..].into()));
    let ops = (0..10).map(|n| Op::Put {
        key: key(&format!("h{n}")),
        value: Bytes::new(),
        due: Some(due("g", 0)),
        terms: vec![term()],
    });
    bench.done(ops.collect()).await;
    let range = |limit| Op::DeleteRange {
        from: key("h2"),
        to: key("h9"),
        limit,
    };
    // What the same batch put before it counts; what it deleted before does not.
    let ops = vec![
        Op::Delete(key("h2")),
        put("h25", ""),
        range(3),
        put("h30", ""),
    ];
    bench.done(ops).await;
    let left = bench.scanned(Span::Prefix(key("h")), false, 50).await;
    assert_eq!(left, ["h0", "h1", "h30", "h5", "h6", "h7", "h8", "h9"]);
    bench.done(vec![range(100)]).await;
    let left = bench.scanned(Span::Prefix(key("h")), false, 50).await;
    assert_eq!(left, ["h0", "h1", "h9"]);
    let (index, word) = term();
    assert_eq!(
        bench
            .scanned(Span::Term(index, word), false, 50)
            .await
            .len(),
        3
    );
    assert_eq!(bench.claim("g", 20).await.len(), 3);
    for n in 0..5 {
        bench
            .store
            .stage(key(&format!("b/1/{n}")), Bytes::from_static(b"x"))
            .await
            .unwrap();
    }
    let chunks = Op::DeleteRange {
        from: key("b/1/"),
        to: key("b/2"),
        limit: 4,
    };
    bench.done(vec![Op::Delete(key("b/1/0")), chunks]).await;
    assert!(
        bench
            .scanned(Span::Prefix(key("b")), false, 50)
            .await
            .is_empty()
    );
}

async fn pages_follow_each_other_in_both_directions(bench: Bench) {
    let word = || (IndexId(3), Term(b"word"[..].into()));
    let ops = (0..25).map(|n| Op::Put {
        key: key(&format!("h{n:02}")),
        value: Bytes::new(),
        due: None,
        terms: vec![word()],
    });
    bench
        .done(ops.chain([put("g", ""), put("i", "")]).collect())
        .await;
    let (index, term) = word();
    let wanted: Vec<String> = (0..25).map(|n| format!("h{n:02}")).collect();
    for span in [Span::Prefix(key("h")), Span::Term(index, term)] {
        for limit in [1, 7, 25, 100] {
            assert_eq!(
                bench.scanned(span.clone(), false, limit).await,
                wanted,
                "{span:?} {limit}"
            );
            let mut back = bench.scanned(span.clone(), true, limit).await;
            back.reverse();
            assert_eq!(back, wanted, "{span:?} {limit} reverse");
        }
    }
}

async fn groups_are_ready_earliest_first(bench: Bench) {
    let groups = [("d", 9), ("a", 3), ("c", 7), ("b", 5)];
    let ops = groups.map(|(group, secs)| put_due(&format!("p{group}"), due(group, secs)));
    let hint = bench.store.hint(Work::Deliver);
    bench.done(ops.to_vec()).await;
    assert!(hint.has_changed().unwrap());
    assert_eq!(bench.ready(5).await, [("a".to_owned(), 3)]);
    bench.clock.advance(Duration::from_secs(7));
    let names = |heads: Vec<(String, i64)>| heads.into_iter().map(|h| h.0).collect::<String>();
    assert_eq!(names(bench.ready(5).await), "abcd");
    assert_eq!(names(bench.ready(2).await), "ab");
    assert!(bench.store.ready(Work::Judge, 5).await.unwrap().is_empty());
    let lent = bench.claim("a", 5).await;
    assert_eq!(names(bench.ready(5).await), "bcd");
    bench
        .store
        .commit(batch(
            vec![Pre::Mine(lent[0].guard.id())],
            vec![Op::Delete(key("pa"))],
        ))
        .await
        .unwrap();
    drop(lent);
    assert_eq!(names(bench.ready(5).await), "bcd");
}

async fn a_snooze_outranks_new_work_until_it_ends(bench: Bench) {
    let group = || Group(b"g"[..].into());
    bench
        .done(vec![put_due("p1", due("g", 0)), put_due("p2", due("h", 0))])
        .await;
    let until = bench.store.now() + Duration::from_secs(30);
    bench.store.snooze(Work::Deliver, group(), until);
    bench.done(vec![put_due("p3", due("g", 0))]).await;
    assert!(bench.claim("g", 5).await.is_empty());
    assert_eq!(
        bench.ready(5).await,
        [("h".to_owned(), 0), ("g".to_owned(), 30)]
    );
    bench.clock.advance(Duration::from_secs(30));
    assert_eq!(bench.ready(5).await.len(), 2);
    assert_eq!(bench.claim("g", 5).await.len(), 2);
    bench.store.snooze(
        Work::Deliver,
        group(),
        bench.store.now() + Duration::from_secs(30),
    );
    bench.store.snooze(Work::Deliver, group(), StoreTime(0));
    assert_eq!(bench.claim("g", 5).await.len(), 2);
}

async fn what_is_too_large_is_refused_whole(bench: Bench) {
    let many = |number| {
        (0..number)
            .map(|n| put(&format!("m{n}"), ""))
            .collect::<Vec<_>>()
    };
    let terms = vec![(IndexId(0), Term(vec![b'x'; super::TERM_MAX + 1].into()))];
    let long = Op::Put {
        key: key("m1"),
        value: Bytes::new(),
        due: None,
        terms,
    };
    for (name, ops) in [
        ("operations", many(20_001)),
        ("term", vec![put("m2", ""), long]),
    ] {
        let answer = bench.store.commit(batch(Vec::new(), ops)).await;
        assert!(matches!(answer, Err(StoreError::TooLarge)), "case: {name}");
    }
    assert!(
        bench
            .scanned(Span::Prefix(key("m")), false, 5)
            .await
            .is_empty()
    );
    bench.done(many(20_000)).await;
}

async fn staged_chunks_are_read_back(bench: Bench) {
    let chunk = Bytes::from(vec![7; crate::base::limit::CHUNK]);
    for n in 0..3 {
        bench
            .store
            .stage(key(&format!("b/1/{n}")), chunk.clone())
            .await
            .unwrap();
    }
    let page = bench
        .store
        .scan(Span::Prefix(key("b/1/")), None, false, 10)
        .await
        .unwrap();
    assert!(page.records.len() == 3 && page.records.iter().all(|r| r.value == chunk));
    let absent = batch(vec![Pre::Absent(key("b/1/0"))], vec![]);
    assert!(matches!(
        bench.store.commit(absent).await,
        Err(StoreError::Conflict(0))
    ));
}

async fn back_batches_are_committed_too(bench: Bench) {
    let tasks = (0..60).map(|n| {
        let store = bench.store.clone();
        tokio::task::spawn_local(async move {
            let side = if n % 2 == 0 { Side::Back } else { Side::Front };
            let ops = (0..50).map(|m| put(&format!("m{n:02}/{m}"), "")).collect();
            let batch = Batch {
                pre: Vec::new(),
                ops,
                side,
            };
            store.commit(batch).await.unwrap();
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(
        bench
            .scanned(Span::Prefix(key("m")), false, 1_000)
            .await
            .len(),
        3_000
    );
}

async fn a_closed_store_refuses(bench: Bench) {
    bench.done(vec![put("m1", "")]).await;
    bench.store.close().await.unwrap();
    bench.store.close().await.unwrap();
    let answer = bench
        .store
        .commit(batch(Vec::new(), vec![put("m2", "")]))
        .await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))));
    let answer = bench.store.get(vec![key("m1")]).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))));
}
