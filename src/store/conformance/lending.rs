//! Cases about due records: lending, giving back, bands, groups and snoozes.
//!
//! What a case promises is its name. Time passes only when the case moves its clock.
//! Not here: what is read and written (`records`), and running the cases.

use std::collections::HashSet;
use std::time::Duration;

use super::{Bench, batch, due, key, put, put_due};
use crate::store::{Band, Due, Group, Key, Op, Pre, StoreError, StoreTime, Work};

pub(super) async fn a_record_is_lent_when_it_is_due_and_not_before(bench: Bench) {
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

pub(super) async fn a_claim_is_lent_once_and_ends_with_its_commit(bench: Bench) {
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

pub(super) async fn a_dropped_claim_is_given_back(bench: Bench) {
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

pub(super) async fn a_record_whose_work_panics_rests_for_a_minute(bench: Bench) {
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

pub(super) async fn a_record_whose_work_fails_rests_and_others_go_on(bench: Bench) {
    let ops = ["p1", "p2"].map(|name| put_due(name, due("g", 0)));
    bench.done(ops.to_vec()).await;
    let lent = bench.claim("g", 1).await;
    lent[0].guard.rest(Duration::from_secs(7));
    drop(lent);
    let lent = bench.claim("g", 20).await;
    let keys: Vec<&Key> = lent.iter().map(|one| &one.record.key).collect();
    assert_eq!(keys, [&key("p2")], "the one that rests keeps no other");
    assert_eq!(bench.ready(1).await, [("g".to_owned(), 7)]);
    bench.clock.advance(Duration::from_secs(7));
    let again = bench.claim("g", 20).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].panics, 0, "a failure is no panic");
    again[0].guard.rest(Duration::from_secs(60));
    drop(again);
    bench.done(vec![put_due("p1", due("g", 0))]).await;
    let anew = bench.claim("g", 20).await;
    assert_eq!(anew.len(), 1, "written anew it does not rest");
}

pub(super) async fn free_keeps_a_claimed_record_from_being_changed(bench: Bench) {
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

pub(super) async fn bands_are_lent_eight_to_three_to_one(bench: Bench) {
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

pub(super) async fn groups_are_ready_earliest_first(bench: Bench) {
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

pub(super) async fn a_snooze_outranks_new_work_until_it_ends(bench: Bench) {
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

pub(super) async fn a_claim_whose_caller_is_gone_is_given_back(bench: Bench) {
    bench.done(vec![put_due("p1", due("g", 0))]).await;
    let group = || Group(b"g"[..].into());
    let mut claim = bench.store.claim(Work::Deliver, group(), 1);
    std::future::poll_fn(|cx| {
        drop(claim.as_mut().poll(cx));
        std::task::Poll::Ready(())
    })
    .await;
    drop(claim);
    let mut tries = 0;
    while bench.claim("g", 1).await.is_empty() {
        tries += 1;
        assert!(tries < 10_000, "it stays lent");
        tokio::task::yield_now().await;
    }
}

pub(super) async fn what_is_due_soon_can_go_with_what_is_due(bench: Bench) {
    bench
        .done(vec![
            put_due("p1", due("g", 0)),
            put_due("p2", due("g", 30)),
            put_due("p3", due("g", 90)),
        ])
        .await;
    let until = bench.store.now() + Duration::from_secs(45);
    let group = Group(b"g"[..].into());
    let lent = bench
        .store
        .claim_by(Work::Deliver, group, 20, until)
        .await
        .unwrap();
    let keys: Vec<&Key> = lent.iter().map(|one| &one.record.key).collect();
    assert_eq!(keys, [&key("p1"), &key("p2")]);
    drop(lent);
    let heads = bench.store.ready_by(Work::Deliver, 1, until).await.unwrap();
    assert_eq!(heads.len(), 1);
    assert_eq!(bench.claim("g", 20).await.len(), 1, "and else it waits");
}
