//! A disk that fills and empties under the queue: what is taken, lent, settled and deleted at each level.
//!
//! The room is what the test says; the writer looks when the clock has moved. Not here: the levels (`store::redb::room`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::base::clock::{Clock, Wall};
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::queue::MessageId;
use crate::queue::bulk::{Job, JobId, Order};
use crate::queue::joint::Part;
use crate::queue::tests::{Stage, mail_of, relayed};
use crate::queue::verbs::{ActError, Actor, Target, Verb};
use crate::store::redb::narrow_memory;
use crate::store::{Batch, Key, Need, Op, Work};

const PLENTY: u64 = 1 << 30;
/// Below a reserve of 100 MiB, and below an eighth of it.
const LOW: u64 = 50 << 20;
const NONE: u64 = 1 << 20;

struct Narrow {
    stage: Stage,
    available: Arc<AtomicU64>,
}

impl Narrow {
    fn new() -> Self {
        let clock = Clock::moved(Wall(1_795_000_000_000_000));
        let available = Arc::new(AtomicU64::new(PLENTY));
        let store = narrow_memory(clock.clone(), Arc::clone(&available));
        Self {
            stage: Stage::over(store, clock),
            available,
        }
    }

    async fn room(&self, available: u64, wanted: Room) {
        self.available.store(available, Ordering::Relaxed);
        let store = self.stage.queue.store();
        for _ in 0..100 {
            self.stage.clock.advance(Duration::from_secs(1));
            store.commit(Batch::freeing()).await.unwrap();
            if store.room() == wanted {
                return;
            }
        }
        panic!("room is {:?}", store.room());
    }

    /// What is done is retired a moment later.
    async fn upkeep(&self) {
        self.stage.clock.advance(Duration::from_secs(120));
        self.stage.upkeep().await;
    }

    /// A job when it has ended, or when it seems never to.
    async fn end_of(&self, id: JobId) -> Job {
        for _ in 0..100 {
            self.upkeep().await;
            let job = self.stage.queue.job(id).await.unwrap().unwrap();
            if job.ended.is_some() {
                break;
            }
        }
        self.stage.queue.job(id).await.unwrap().unwrap()
    }

    async fn take(&self, source: Source) -> Result<(), AcceptError> {
        let mut body = self.stage.queue.begin_body_of(source);
        body.write(b"Subject: x\r\n\r\n").await?;
        body.write(&[b'x'; 100_000]).await?;
        let accepted = self.stage.queue.accept(mail_of(body.finish()), None).await;
        accepted.map(drop)
    }

    async fn act(&self, verb: Verb, message: MessageId) -> Result<usize, ActError> {
        let address = None;
        let target = Target { message, address };
        self.stage
            .queue
            .act(verb, &target, &Actor::of("test"))
            .await
    }
}

#[tokio::test]
async fn below_the_reserve_only_mail_of_our_own_is_taken_and_on_a_full_disk_none() {
    let narrow = Narrow::new();
    let peer = || Source::Peer("192.0.2.1".into());
    for (available, room, taken) in [
        (PLENTY, Room::Plenty, [true, true, true]),
        (LOW, Room::Low, [true, false, false]),
        (NONE, Room::None, [false, false, false]),
        (PLENTY, Room::Plenty, [true, true, true]),
    ] {
        narrow.room(available, room).await;
        for (source, taken) in [Source::Own, Source::Trusted, peer()]
            .into_iter()
            .zip(taken)
        {
            let case = format!("{room:?} {source:?}");
            match narrow.take(source).await {
                Ok(()) => assert!(taken, "case: {case}"),
                Err(AcceptError::Full(Full::Disk)) => assert!(!taken, "case: {case}"),
                Err(error) => panic!("case: {case}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn delivery_goes_on_below_the_reserve() {
    let narrow = Narrow::new();
    let id = narrow.stage.accept("a@a.example", &["b@b.example"]).await;
    narrow.room(LOW, Room::Low).await;
    let lent = narrow.stage.due().await.pop().unwrap();
    narrow.stage.settle(lent, &relayed()).await;
    narrow.upkeep().await;
    let left = narrow.stage.queue.message_by_id(id).await.unwrap();
    assert!(left.is_none(), "what is done leaves the disk");
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_lent_and_what_is_done_is_recorded_and_deleted() {
    let narrow = Narrow::new();
    let stage = &narrow.stage;
    let first = stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = stage.due().await.pop().unwrap();
    stage.accept("a@a.example", &["c@c.example"]).await;
    narrow.room(NONE, Room::None).await;
    assert!(
        stage.due().await.is_empty(),
        "its settle could not be written"
    );
    stage.settle(lent, &relayed()).await;
    narrow.upkeep().await;
    let left = stage.queue.message_by_id(first).await.unwrap();
    assert!(left.is_none(), "what is done leaves the disk");
    let mut hint = stage.queue.store().hint(Work::Deliver);
    hint.mark_unchanged();
    narrow.room(PLENTY, Room::Plenty).await;
    assert!(hint.has_changed().unwrap(), "delivery looks again");
    assert_eq!(stage.due().await.len(), 1);
}

#[tokio::test]
async fn a_person_can_empty_the_queue_of_a_full_disk() {
    let narrow = Narrow::new();
    let stage = &narrow.stage;
    let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Rule, "look at it");
    let held = |to| {
        let hold = hold.clone();
        async move { stage.accept_held("a@a.example", &[to], Some(hold)).await }
    };
    let first = held("b@b.example").await;
    let many = [held("c@c.example").await, held("d@d.example").await];
    narrow.room(NONE, Room::None).await;
    let requeued = narrow.act(Verb::Requeue { undo: false }, first).await;
    assert!(matches!(requeued, Err(ActError::Store(_))));
    let deleted = narrow.act(Verb::Delete { now: true }, first).await;
    assert_eq!(deleted.unwrap(), 1);
    let verb = Verb::Delete { now: true };
    let by = Actor::of("test");
    let order = |verb, query| Order {
        verb,
        query,
        number: None,
    };
    let job = stage.queue.begin_job(order(verb, "status:held"), &by).await;
    let job = narrow.end_of(job.unwrap().id).await;
    assert_eq!((job.done, job.ended.is_some()), (2, true));
    narrow.upkeep().await;
    for id in many.into_iter().chain([first]) {
        assert!(stage.queue.message_by_id(id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_job_that_waits_for_room_keeps_none_waiting_that_makes_it() {
    let narrow = Narrow::new();
    let stage = &narrow.stage;
    let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Rule, "look at it");
    for to in ["b@b.example", "c@c.example"] {
        stage
            .accept_held("a@a.example", &[to], Some(hold.clone()))
            .await;
    }
    narrow.room(LOW, Room::Low).await;
    let begin = |verb, query| {
        let by = Actor::of("test");
        let order = Order {
            verb,
            query,
            number: None,
        };
        async move { stage.queue.begin_job(order, &by).await.unwrap() }
    };
    let release = Verb::Release { undo: false };
    let grows = begin(release, "to:b@b.example").await;
    let frees = begin(Verb::Delete { now: true }, "to:c@c.example").await;
    assert_eq!(narrow.end_of(frees.id).await.done, 1);
    let waits = stage.queue.job(grows.id).await.unwrap().unwrap();
    assert!(waits.ended.is_none());
    narrow.room(PLENTY, Room::Plenty).await;
    assert_eq!(narrow.end_of(grows.id).await.done, 1, "by itself");
}

#[tokio::test]
async fn what_a_full_disk_refuses_keeps_nothing_from_it_that_shares_its_upkeep() {
    let narrow = Narrow::new();
    let queue = &narrow.stage.queue;
    let put = |name: &str| Op::Put {
        key: Key(name.as_bytes().into()),
        value: "x".into(),
        due: None,
        terms: Vec::new(),
    };
    let part = |op, need| {
        Part::of(Batch {
            ops: vec![op],
            need,
            ..Batch::default()
        })
    };
    queue.commit_jointly(&[part(put("x1"), Need::Grow)]).await;
    narrow.room(NONE, Room::None).await;
    let gone = Op::Delete(Key(b"x1"[..].into()));
    let ends = queue
        .commit_jointly(&[part(put("x2"), Need::Grow), part(gone, Need::End)])
        .await;
    assert!(ends[0].is_err() && ends[1].is_ok(), "{ends:?}");
}
