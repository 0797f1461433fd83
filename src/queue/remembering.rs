//! The history as a specification: facts age by their own time, and the store stays bounded.
//!
//! Time is moved, never waited for. Not here: other upkeep (`keeping`).

use std::time::Duration;

use super::Queue;
use super::record::{MessageId, facts_prefix};
use super::tests::Stage;
use super::verbs::{Actor, Verb};
use crate::config::Config;
use crate::journal::fact::{Expired, Fact};
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::store::{Batch, Key, Span, Work};

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

/// Does the history's work until nothing of it is due, whatever else is.
async fn walk(queue: &Queue) {
    let store = queue.store();
    for _ in 0..10_000 {
        let mut all = Vec::new();
        for head in store.ready(Work::Sweep, 16).await.unwrap() {
            all.extend(store.claim(Work::Sweep, head.group, 20).await.unwrap());
        }
        if all.is_empty() {
            return;
        }
        let failures = queue.sweep_all(&all).await;
        assert!(failures.is_empty(), "{failures:?}");
    }
    panic!("the walk has no end");
}

async fn count(queue: &Queue) -> usize {
    let (mut all, mut after) = (0, None);
    loop {
        let span = Span::Prefix(Key::of(b'h', &[]));
        let page = queue
            .store()
            .scan(span, after, false, 10_000)
            .await
            .unwrap();
        all += page.records.len();
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

async fn facts(queue: &Queue, id: MessageId) -> usize {
    let page = queue
        .store()
        .scan(Span::Prefix(facts_prefix(id)), None, false, 100);
    page.await.unwrap().records.len()
}

async fn held(stage: &Stage) -> MessageId {
    let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Rule, "x");
    stage
        .accept_held("a@a.example", &["b@b.example"], Some(hold))
        .await
}

#[tokio::test]
async fn facts_age_by_their_own_time_and_not_by_that_of_their_message() {
    let stage = Stage::new().await;
    let queue = &stage.queue;
    let (id, living) = (held(&stage).await, held(&stage).await);
    let before = facts(queue, id).await;
    stage.clock.advance(8 * DAY);
    let target = id.to_string().parse().unwrap();
    let delete = Verb::Delete { now: true };
    queue
        .act(delete, &target, &Actor::of("test"))
        .await
        .unwrap();
    stage.clock.advance(2 * MINUTE);
    stage.upkeep().await;
    // The walk of the start may have come by before the message retired; the next one finds it gone.
    stage.clock.advance(11 * MINUTE);
    walk(queue).await;
    assert!(queue.message_by_id(id).await.unwrap().is_none());
    let shown = queue.show(id).await.unwrap().unwrap();
    assert_eq!(shown.facts.len(), 1, "today's stay: {:?}", shown.facts);
    assert!(matches!(shown.facts[0].fact, Fact::Acted(_)));
    assert_eq!(
        facts(queue, living).await,
        before,
        "what lives keeps its story"
    );
    stage.clock.advance(8 * DAY);
    walk(queue).await;
    assert!(queue.show(id).await.unwrap().is_none());
    assert_eq!(facts(queue, living).await, before);
}

/// Facts of messages that are gone, so many of them, each with two.
async fn come(queue: &Queue, messages: usize) {
    let mut batch = Batch::new();
    for _ in 0..messages {
        let id = queue.begin_body().id();
        for _ in 0..2 {
            let recipients = vec!["b@b.example".to_owned()];
            queue.put_fact(&mut batch, id, Fact::Expired(Expired { recipients }));
        }
    }
    queue.store().commit(batch).await.unwrap();
}

#[tokio::test]
async fn a_short_history_keeps_up_with_the_inflow_and_the_store_stays_bounded() {
    let stage = Stage::new().await;
    let queue = &stage.queue;
    let mut conf = Config::clone(&queue.conf().load());
    conf.queue.history = 10 * MINUTE;
    queue.conf().store(std::sync::Arc::new(conf));
    queue.begin_walks().await.unwrap();
    let flow = 300;
    for minute in 0..60 {
        come(queue, flow).await;
        stage.clock.advance(MINUTE);
        walk(queue).await;
        let there = count(queue).await;
        // Ten minutes, one more between two walks, and the one that has just begun.
        assert!(there <= 12 * 2 * flow, "minute {minute}: {there} facts");
    }
    // A backlog of many minutes goes with one walk, a page and a commit at a time.
    let before = queue.store().written();
    come(queue, 10 * flow).await;
    stage.clock.advance(12 * MINUTE);
    walk(queue).await;
    assert_eq!(count(queue).await, 0);
    assert!(queue.store().written() - before < 3 * 20 * flow as u64 * 2);
}

#[tokio::test]
async fn a_shorter_history_is_noticed_at_the_next_start() {
    let stage = Stage::new().await;
    let queue = &stage.queue;
    come(queue, 50).await;
    queue.begin_walks().await.unwrap();
    walk(queue).await;
    stage.clock.advance(Duration::from_secs(2));
    let mut conf = Config::clone(&queue.conf().load());
    conf.queue.history = Duration::from_secs(1);
    queue.conf().store(std::sync::Arc::new(conf));
    walk(queue).await;
    assert_eq!(count(queue).await, 100, "it waits, as it was told");
    queue.begin_walks().await.unwrap();
    walk(queue).await;
    assert_eq!(count(queue).await, 0);
}
