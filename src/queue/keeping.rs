//! Upkeep as a specification: what fails rests, what is damaged is set aside, and nothing is left behind.
//!
//! Time is moved, never waited for; damage is done to the records themselves.
//! Not here: the history (`remembering`), and holds (`holding`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::record::{MessageId, message_key, parcel_key};
use super::tests::{Stage, attempt, fault, relayed};
use super::verbs::{Actor, Verb};
use super::worker::{Failures, Share, Worker};
use crate::base::clock::{Clock, Wall};
use crate::base::shutdown::Shutdown;
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::outcome::Outcome;
use crate::mail::state::State;
use crate::store::{
    Band, Batch, Claimed, Due, Group, Key, Op, Pre, Record, Store, StoreError, Work,
};

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

fn key(text: &str) -> Key {
    Key(text.as_bytes().into())
}

/// A piece of work that nobody else has.
fn piece(name: &str) -> Op {
    Op::Put {
        key: key(name),
        value: Bytes::new(),
        due: Some(Due {
            work: Work::Notice,
            group: Group(b"g"[..].into()),
            band: Band::Normal,
            after: Duration::ZERO,
        }),
        terms: Vec::new(),
    }
}

async fn commit(store: &Store, ops: Vec<Op>) {
    let batch = Batch {
        ops,
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
}

/// Lets a loop work while so many seconds pass, one by one.
async fn pass(store: &Store, clock: &Clock, shutdown: &Shutdown, secs: u64) {
    for _ in 0..secs {
        // Some turns for the loop and for the threads that read for it. With fewer it does less, never more.
        for _ in 0..10 {
            drop(store.get(vec![key("x1")]).await.unwrap());
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(1));
    }
    shutdown.begin();
}

/// How often each of two pieces was tried in ten minutes; `act` says what comes of the first.
async fn tries(act: impl Fn() -> Failures) -> [usize; 2] {
    let clock = Clock::moved(Wall(1_795_000_000_000_000));
    let store = crate::store::redb::memory(clock.clone());
    commit(&store, vec![piece("x1"), piece("x2")]).await;
    let (shutdown, _finish) = Shutdown::new();
    let worker = Worker::new(store.clone(), clock.clone(), shutdown.clone(), Work::Notice);
    let counts = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let running = worker.run(Share::Group, |pieces| {
        let (store, counts, act) = (&store, &counts, &act);
        async move {
            let mut failures = Failures::new();
            for piece in pieces.iter() {
                let good = piece.record.key == key("x2");
                counts[usize::from(good)].fetch_add(1, Ordering::Relaxed);
                if good {
                    let mut batch = Batch::new();
                    batch.pre.push(Pre::Mine(piece.guard.id()));
                    batch.ops.push(Op::Delete(key("x2")));
                    store.commit(batch).await.unwrap();
                } else {
                    failures.extend(act());
                }
            }
            failures
        }
    });
    tokio::join!(running, pass(&store, &clock, &shutdown, 600));
    counts.map(AtomicUsize::into_inner)
}

#[tokio::test]
async fn what_fails_is_tried_no_more_often_than_its_rest_and_stops_no_other() {
    for (name, error) in [
        (
            "no room",
            StoreError::Unavailable("the disk is full".into()),
        ),
        ("overtaken each time", StoreError::Conflict(0)),
    ] {
        let [bad, good] = tries(|| vec![(key("x1"), error.clone())]).await;
        // Rests of 1, 2, 4 … 32 seconds, then of a minute.
        assert!(
            (2..=16).contains(&bad),
            "case {name}: {bad} tries in ten minutes"
        );
        assert_eq!(good, 1, "case {name}");
    }
}

#[tokio::test]
async fn what_comes_back_as_it_was_without_a_word_does_not_spin() {
    let [silent, good] = tries(Failures::new).await;
    assert!(silent <= 601 && good == 1, "{silent} tries in ten minutes");
}

#[tokio::test]
async fn only_what_is_damaged_is_set_aside() {
    let [damaged, good] = tries(|| {
        let what = StoreError::Damaged("x1: nonsense".into());
        vec![(key("x1"), what)]
    })
    .await;
    assert_eq!([damaged, good], [1, 1]);
}

async fn record(stage: &Stage, key: Key) -> Option<Record> {
    stage.queue.store().get(vec![key]).await.unwrap().remove(0)
}

async fn claim(stage: &Stage, work: Work) -> Vec<Claimed> {
    let store = stage.queue.store();
    let mut all = Vec::new();
    for head in store.ready(work, 16).await.unwrap() {
        all.extend(store.claim(work, head.group, 20).await.unwrap());
    }
    all
}

/// Overwrites a record's payload with nonsense; everything else of it stays as it is.
async fn damage(stage: &Stage, key: &Key) -> Bytes {
    let found = record(stage, key.clone()).await.unwrap();
    let (work, at) = found.due.unwrap();
    let group = if work == Work::Deliver {
        super::group::for_delivery(
            crate::mail::mailbox::Mailbox::parse("b@b.example")
                .unwrap()
                .host(),
            "",
        )
    } else {
        Group::of_key(key)
    };
    let due = Due {
        work,
        group,
        band: Band::Normal,
        after: Duration::from_micros(at.0.saturating_sub(stage.queue.store().now().0)),
    };
    let put = Op::Put {
        key: key.clone(),
        value: Bytes::from_static(b"\xffnonsense"),
        due: Some(due),
        terms: Vec::new(),
    };
    commit(stage.queue.store(), vec![put]).await;
    found.value
}

#[tokio::test]
async fn the_last_settle_outlives_an_end_of_the_lifetime_that_was_read_before() {
    let stage = Stage::new().await;
    let id = stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = stage.due().await.pop().unwrap();
    stage.clock.advance(6 * DAY);
    let claimed = claim(&stage, Work::Expire).await;
    stage.settle(lent, &relayed()).await;
    let failures = stage.queue.expire_all(&claimed).await;
    assert!(failures.is_empty(), "{failures:?}");
    drop(claimed);
    let due = record(&stage, message_key(id)).await.unwrap().due;
    assert_eq!(due.map(|(work, _)| work), Some(Work::Retire));
    stage.clock.advance(2 * MINUTE);
    stage.upkeep().await;
    assert!(record(&stage, message_key(id)).await.is_none());
}

#[tokio::test]
async fn what_is_lent_keeps_no_other_recipient_from_its_end() {
    let stage = Stage::new().await;
    let to = ["b@b.example", "c@c.example", "d@d.example"];
    let id = stage.accept("a@a.example", &to).await;
    let is_first = |lent: &super::Lent| lent.recipients[0].index == 0;
    let lent: Vec<_> = stage.due().await.into_iter().filter(is_first).collect();
    stage.clock.advance(6 * DAY);
    stage.upkeep().await;
    let states: Vec<State> = stage
        .states(id)
        .await
        .into_iter()
        .map(|one| one.1)
        .collect();
    assert_eq!(states, [State::Due, State::Expired, State::Expired]);
    drop(lent);
    stage.clock.advance(Duration::from_secs(10));
    stage.upkeep().await;
    assert_eq!(
        stage.states(id).await[0].1,
        State::Expired,
        "given back it ends soon"
    );
}

#[tokio::test]
async fn a_release_that_nobody_delivers_ends_with_its_lifetime() {
    let stage = Stage::new().await;
    let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Rule, "x");
    let id = stage
        .accept_held("a@a.example", &["b@b.example"], Some(hold))
        .await;
    let target = id.to_string().parse().unwrap();
    let release = Verb::Release { undo: true };
    stage
        .queue
        .act(release, &target, &Actor::of("test"))
        .await
        .unwrap();
    stage.clock.advance(6 * DAY);
    stage.upkeep().await;
    assert_eq!(stage.states(id).await[0].1, State::Expired);
    let parcel = stage.queue.parcels_of(id).await.unwrap().remove(0).parcel;
    assert!(parcel.hold.is_none(), "no list names it any more");
}

#[tokio::test]
async fn what_an_older_version_left_behind_is_retired_and_expires() {
    let stage = Stage::new().await;
    let done = stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = stage.due().await.pop().unwrap();
    stage.settle(lent, &relayed()).await;
    let waiting = stage.accept("a@a.example", &["c@c.example"]).await;
    let lost = [done, waiting].map(|id| Op::Due {
        key: message_key(id),
        due: None,
    });
    commit(stage.queue.store(), lost.to_vec()).await;
    stage.clock.advance(6 * DAY);
    stage.queue.begin_walks().await.unwrap();
    // The walk makes them due, and what is due is done.
    stage.upkeep().await;
    stage.upkeep().await;
    assert_eq!(stage.states(waiting).await[0].1, State::Expired);
    stage.clock.advance(2 * MINUTE);
    stage.upkeep().await;
    assert!(record(&stage, message_key(done)).await.is_none());
}

#[tokio::test]
async fn many_messages_retire_at_once_with_all_that_is_theirs() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for _ in 0..100 {
        ids.push(stage.accept("a@a.example", &["b@b.example"]).await);
        let lent = stage.due().await.pop().unwrap();
        stage.settle(lent, &relayed()).await;
    }
    stage.clock.advance(2 * MINUTE);
    let mut claimed = Vec::new();
    while claimed.len() < 100 {
        claimed.extend(claim(&stage, Work::Retire).await);
    }
    assert!(stage.queue.retire_all(&claimed).await.is_empty());
    drop(claimed);
    for id in ids {
        assert!(record(&stage, message_key(id)).await.is_none());
        assert!(stage.queue.parcels_of(id).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_ends_in_a_rush_retires_together_and_what_ended_just_now_stays() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for wait in [0, 30, 25] {
        stage.clock.advance(Duration::from_secs(wait));
        ids.push(stage.accept("a@a.example", &["b@b.example"]).await);
        let lent = stage.due().await.pop().unwrap();
        stage.settle(lent, &relayed()).await;
    }
    stage.clock.advance(Duration::from_secs(5));
    let (shutdown, _finish) = Shutdown::new();
    let gone = async {
        while record(&stage, message_key(ids[1])).await.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(stage.queue.upkeep(&shutdown), async {
        let gone = Clock::system().timeout(MINUTE, gone).await;
        shutdown.begin();
        gone.expect("what is due soon goes with what is due");
    });
    let mut there = Vec::new();
    for id in ids {
        there.push(record(&stage, message_key(id)).await.is_some());
    }
    assert_eq!(there, [false, false, true]);
}

#[tokio::test]
async fn a_damaged_message_is_set_aside_named_and_tried_again_at_the_next_start() {
    let stage = Stage::new().await;
    let bad = stage.accept("a@a.example", &["b@b.example"]).await;
    let good = stage.accept("a@a.example", &["c@c.example"]).await;
    let whole = damage(&stage, &message_key(bad)).await;
    stage.clock.advance(6 * DAY);
    stage.upkeep().await;
    assert_eq!(stage.states(good).await[0].1, State::Expired);
    let shown = stage.queue.show(bad).await.unwrap().unwrap();
    assert!(shown.message.is_none() && shown.damages.len() == 1);
    assert_eq!(stage.queue.damages_in_all().await.unwrap(), shown.damages);
    let put = Op::Put {
        key: message_key(bad),
        value: whole,
        due: None,
        terms: Vec::new(),
    };
    commit(stage.queue.store(), vec![put]).await;
    stage.queue.try_damaged_again().await.unwrap();
    stage.upkeep().await;
    assert_eq!(stage.states(bad).await[0].1, State::Expired);
    assert!(stage.queue.damages_in_all().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_parcel_keeps_no_other_from_being_lent_shown_or_ended() {
    let stage = Stage::new().await;
    let bad = stage
        .accept("a@a.example", &["b@b.example", "c@c.example"])
        .await;
    let other = stage.accept("a@a.example", &["d@b.example"]).await;
    damage(&stage, &parcel_key(bad, 0)).await;
    let lent: Vec<MessageId> = stage.due().await.iter().map(|one| one.message.id).collect();
    assert_eq!(
        lent.len(),
        2,
        "the parcel beside it, and the message behind it"
    );
    assert!(lent.contains(&other));
    let shown = stage.queue.show(bad).await.unwrap().unwrap();
    assert_eq!((shown.parcels.len(), shown.damages.len()), (1, 1));
    stage.clock.advance(6 * DAY);
    stage.upkeep().await;
    assert_eq!(
        stage.states(bad).await,
        [("c@c.example".into(), State::Expired)]
    );
    let store = stage.queue.store();
    assert!(
        store.get(vec![parcel_key(bad, 0)]).await.unwrap()[0].is_some(),
        "kept for repair"
    );
}

#[tokio::test]
async fn who_is_left_by_a_transaction_of_others_counts_as_not_tried() {
    let stage = Stage::new().await;
    let to = ["b@b.example", "c@b.example"];
    let id = stage.accept("a@a.example", &to).await;
    let lent = stage.due().await.pop().unwrap();
    let outcomes = vec![(0, relayed()), (1, Outcome::Untried)];
    let settled = stage.queue.settle(lent, attempt(outcomes)).await;
    settled.unwrap();
    let parcel = stage.queue.parcels_of(id).await.unwrap().remove(0).parcel;
    assert_eq!((parcel.attempts, parcel.tried), (0, 0));
    assert_eq!(parcel.last_site, None, "no site has said anything of it");
}

#[tokio::test]
async fn who_is_held_by_a_try_keeps_its_time_though_others_were_not_tried() {
    let stage = Stage::new().await;
    let to = ["b@b.example", "c@b.example"];
    let id = stage.accept("a@a.example", &to).await;
    let lent = stage.due().await.pop().unwrap();
    let outcomes = vec![(0, Outcome::Broken(fault(451))), (1, Outcome::Untried)];
    let settled = stage.queue.settle(lent, attempt(outcomes)).await;
    settled.unwrap();
    let parcels = stage.queue.parcels_of(id).await.unwrap();
    let mut tries: Vec<_> = parcels
        .iter()
        .map(|stored| &stored.parcel)
        .map(|parcel| (parcel.hold.is_some(), parcel.attempts, parcel.tried > 0))
        .collect();
    tries.sort_unstable();
    assert_eq!(tries, [(false, 0, false), (true, 1, true)]);
}
