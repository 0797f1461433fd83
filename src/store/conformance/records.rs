//! Cases about what is written and read: batches, preconditions, counters, ranges and pages.
//!
//! What a case promises is its name.
//! Not here: lending (`lending`), and running the cases.

use std::time::Duration;

use bytes::Bytes;

use super::{Bench, batch, due, key, put, put_due};
use crate::store::{
    Batch, ClaimId, Counter, Due, Group, IndexId, Need, Op, Pre, Side, Span, StoreError, TERM_MAX,
    Term, Work,
};

pub(super) async fn what_is_put_is_read_and_what_is_deleted_is_gone(bench: Bench) {
    bench.done(vec![put("m1", "one"), put("m2", "two")]).await;
    bench
        .done(vec![put("m1", "new"), Op::Delete(key("m2"))])
        .await;
    assert_eq!(bench.value("m1").await.as_deref(), Some("new"));
    assert_eq!(bench.value("m2").await, None);
    let found = bench.store.get(vec![key("m3"), key("m1")]).await.unwrap();
    assert!(found[0].is_none() && found[1].as_ref().unwrap().key == key("m1"));
}

pub(super) async fn a_failed_precondition_names_itself_and_changes_nothing(bench: Bench) {
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

pub(super) async fn records_of_one_batch_share_a_version(bench: Bench) {
    let first = bench.done(vec![put("m1", ""), put("m2", "")]).await;
    let found = bench.store.get(vec![key("m1"), key("m2")]).await.unwrap();
    assert!(found.into_iter().all(|r| r.unwrap().version == first));
    let second = bench.done(vec![put("m1", "")]).await;
    assert_ne!(first, second);
    let pre = vec![Pre::Is(key("m1"), second), Pre::Is(key("m2"), first)];
    bench.store.commit(batch(pre, vec![])).await.unwrap();
}

pub(super) async fn of_many_that_change_one_version_one_wins(bench: Bench) {
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

pub(super) async fn a_put_replaces_due_and_terms(bench: Bench) {
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

pub(super) async fn adds_of_many_batches_all_count(bench: Bench) {
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

pub(super) async fn a_count_at_zero_moves_the_due_slot(bench: Bench) {
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
    assert_eq!(record.count, 0);
    assert_ne!(record.version, version);
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

pub(super) async fn who_read_before_a_count_at_zero_writes_over_nothing(bench: Bench) {
    let count = |by| Op::Count {
        key: key("m1"),
        by,
        at_zero: due("retire", 0),
    };
    let version = bench
        .done(vec![put_due("m1", due("expire", 0)), count(1)])
        .await;
    let lent = bench.claim("expire", 1).await;
    bench.done(vec![count(-1)]).await;
    let pre = vec![
        Pre::Mine(lent[0].guard.id()),
        Pre::Is(key("m1"), lent[0].record.version),
    ];
    assert_eq!(lent[0].record.version, version);
    let late = bench.store.commit(batch(pre, vec![put("m1", "")])).await;
    assert!(matches!(late, Err(StoreError::Conflict(1))), "got {late:?}");
    drop(lent);
    assert_eq!(bench.claim("retire", 1).await.len(), 1);
}

pub(super) async fn what_a_count_moved_while_it_was_lent_is_due_when_the_claim_ends(bench: Bench) {
    let count = |by| Op::Count {
        key: key("m1"),
        by,
        at_zero: Due {
            work: Work::Retire,
            ..due("retire", 0)
        },
    };
    bench
        .done(vec![put_due("m1", due("expire", 0)), count(1)])
        .await;
    let lent = bench.claim("expire", 1).await;
    bench.done(vec![count(-1)]).await;
    let group = || Group(b"retire"[..].into());
    let claim = || bench.store.claim(Work::Retire, group(), 1);
    assert!(claim().await.unwrap().is_empty());
    drop(lent);
    bench.clock.advance(Duration::from_secs(1));
    let heads = bench.store.ready(Work::Retire, 1).await.unwrap();
    assert_eq!(heads.len(), 1, "whoever waits for the group is told");
    assert_eq!(claim().await.unwrap().len(), 1);
}

pub(super) async fn another_due_slot_changes_nothing_else(bench: Bench) {
    let slot = |name, due| Op::Due {
        key: key(name),
        due,
    };
    let term = || (IndexId(3), Term(b"word"[..].into()));
    let ops = vec![
        Op::Put {
            key: key("m1"),
            value: Bytes::from_static(b"kept"),
            due: Some(due("g", 0)),
            terms: vec![term()],
        },
        Op::Count {
            key: key("m1"),
            by: 2,
            at_zero: due("g", 0),
        },
    ];
    let version = bench.done(ops).await;
    bench
        .done(vec![slot("m1", None), slot("m2", Some(due("g", 0)))])
        .await;
    assert!(bench.claim("g", 1).await.is_empty());
    let found = bench.store.get(vec![key("m1"), key("m2")]).await.unwrap();
    let record = found[0].as_ref().unwrap();
    assert_eq!((record.count, record.due), (2, None));
    assert_ne!(record.version, version, "it is another record now");
    assert!(record.value.as_ref() == b"kept" && found[1].is_none());
    let (index, word) = term();
    let named = Span::Term(index, word);
    assert_eq!(bench.scanned(named, false, 5).await, ["m1"]);
    bench.done(vec![slot("m1", Some(due("h", 0)))]).await;
    let lent = bench.claim("h", 1).await;
    assert_eq!(lent[0].record.value.as_ref(), b"kept");
    assert_eq!(lent[0].record.count, 2);
}

pub(super) async fn a_range_is_deleted_with_its_dues_and_terms(bench: Bench) {
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

pub(super) async fn pages_follow_each_other_in_both_directions(bench: Bench) {
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

pub(super) async fn what_is_too_large_is_refused_whole(bench: Bench) {
    let many = |number| {
        (0..number)
            .map(|n| put(&format!("m{n}"), ""))
            .collect::<Vec<_>>()
    };
    let terms = vec![(IndexId(0), Term(vec![b'x'; TERM_MAX + 1].into()))];
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

pub(super) async fn staged_chunks_are_read_back(bench: Bench) {
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

pub(super) async fn back_batches_are_committed_too(bench: Bench) {
    let tasks = (0..60).map(|n| {
        let store = bench.store.clone();
        tokio::task::spawn_local(async move {
            let side = if n % 2 == 0 { Side::Back } else { Side::Front };
            let ops = (0..50).map(|m| put(&format!("m{n:02}/{m}"), "")).collect();
            let batch = Batch {
                pre: Vec::new(),
                ops,
                side,
                need: Need::Grow,
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

pub(super) async fn a_closed_store_refuses(bench: Bench) {
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
