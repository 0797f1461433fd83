//! Holds as a specification: cards, decisions by many at once, expiry and bounce.
//!
//! What is asserted is what the store says afterwards. Not here: many at once by a query (`jobs`), a peer or a socket (`tests/it`).

use std::sync::Arc;
use std::time::Duration;

use super::hold::Card;
use super::shelf::Shelf;
use super::tests::{Stage, relayed};
use super::verbs::{Actor, Undecided, Verb};
use crate::config::{AtExpiry, Config};
use crate::mail::hold::{Check, Hold, HoldQueue, HoldReason};
use crate::mail::state::{Illegal, State};
use crate::store::Work;

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn rule() -> Hold {
    let mut hold = Hold::new(HoldQueue::Quarantine, HoldReason::Rule, "look at it");
    hold.checked = vec![Check::Loop, Check::Rules];
    hold
}

pub(super) fn spam() -> Hold {
    Hold::new(HoldQueue::Quarantine, HoldReason::Spam, "7.4 of 6.0")
}

impl Stage {
    pub(super) async fn open(&self) -> Vec<Card> {
        let page = self.queue.cards(&Shelf::All, None, false, 1_000).await;
        page.unwrap().cards
    }

    pub(super) async fn count(&self) -> u64 {
        let counts = self.queue.held_counts().await.unwrap();
        counts.iter().map(|(.., count)| count).sum()
    }

    async fn dsns(&self) -> usize {
        let heads = self.queue.store().ready(Work::Dsn, 16).await.unwrap();
        heads.len()
    }

    pub(super) fn reconfigure(&self, change: impl FnOnce(&mut Config)) {
        let mut conf = Config::clone(&self.queue.conf().load());
        change(&mut conf);
        self.queue.conf().store(Arc::new(conf));
    }
}

pub(super) fn admin() -> Actor {
    Actor {
        by: "admin".into(),
        place: Some("192.0.2.9".into()),
        digest: Some(7),
    }
}

#[tokio::test]
async fn a_card_is_on_every_shelf_of_its_hold_until_it_is_decided() {
    let stage = Stage::new().await;
    let id = stage
        .accept_held("a@a.example", &["b@b.example", "c@c.example"], Some(rule()))
        .await;
    assert_eq!(
        stage.count().await,
        2,
        "each recipient is a hold of its own"
    );
    for (shelf, wanted) in [
        (Shelf::All, 2),
        (Shelf::Queue(HoldQueue::Quarantine), 2),
        (Shelf::Queue(HoldQueue::Bad), 0),
        (Shelf::Reason(HoldReason::Rule), 2),
        (Shelf::Domain("B.example".into()), 1),
        (Shelf::From("a.example".into()), 2),
        (Shelf::Word("test".into()), 2),
        (Shelf::Word("tes".into()), 0),
    ] {
        let page = stage.queue.cards(&shelf, None, true, 10).await.unwrap();
        assert_eq!(page.cards.len(), wanted, "case: {shelf:?}");
    }
    let first = stage.open().await.remove(0);
    assert_eq!((first.message, first.index), (id, 0));
    let verb = Verb::Release { undo: false };
    let card = stage.queue.decide(first.id, verb, &admin()).await.unwrap();
    let end = card.end.clone().unwrap();
    assert_eq!((end.verb.as_str(), end.by.as_str()), ("release", "admin"));
    assert_eq!(
        (end.place.as_deref(), end.digest),
        (Some("192.0.2.9"), Some(7))
    );
    assert_eq!(stage.queue.card(first.id).await.unwrap(), Some(card));
    assert_eq!((stage.open().await.len(), stage.count().await), (1, 1));
    let lent = stage.due().await.pop().unwrap();
    stage.settle(lent, &relayed()).await;
    let states = stage.states(id).await;
    assert_eq!(states[0].1, State::Relayed);
    assert_eq!(states[1].1, State::Held);
}

#[tokio::test]
async fn of_a_hundred_decisions_at_once_one_acts_and_the_others_learn_who() {
    let stage = Stage::new().await;
    let id = stage
        .accept_held("a@a.example", &["b@b.example"], Some(rule()))
        .await;
    let hold = stage.open().await.remove(0).id;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..100 {
        let queue = stage.queue.clone();
        let verb = if n % 2 == 0 {
            Verb::Release { undo: false }
        } else {
            Verb::Delete { now: true }
        };
        tasks.spawn(async move { queue.decide(hold, verb, &Actor::of(format!("n{n}"))).await });
    }
    let (mut won, mut told) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        match done.unwrap() {
            Ok(card) => won.push(card.end.unwrap().by),
            Err(Undecided::Handled(card)) => told.push(card.end.unwrap().by),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((won.len(), told.len()), (1, 99));
    assert!(told.iter().all(|by| *by == won[0]), "all learn who did it");
    assert_eq!(stage.count().await, 0);
    assert_eq!(stage.states(id).await.len(), 1);
}

#[tokio::test]
async fn recipients_of_one_message_are_decided_at_once_by_different_people() {
    let stage = Stage::new().await;
    let to: Vec<String> = (0..60).map(|n| format!("r{n}@b.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let id = stage.accept_held("a@a.example", &to, Some(rule())).await;
    let mut tasks = tokio::task::JoinSet::new();
    for card in stage.open().await {
        let queue = stage.queue.clone();
        let verb = Verb::Release { undo: false };
        tasks.spawn(async move { queue.decide(card.id, verb, &admin()).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    let states = stage.states(id).await;
    assert!(states.iter().all(|(_, state)| *state == State::Due));
}

#[tokio::test]
async fn a_decision_is_taken_back_within_its_time_and_not_later() {
    let stage = Stage::new().await;
    let id = stage
        .accept_held("a@a.example", &["b@b.example"], Some(rule()))
        .await;
    let hold = stage.open().await.remove(0).id;
    let undo = |actor: Actor| {
        let queue = stage.queue.clone();
        async move { queue.decide(hold, Verb::Undo, &actor).await }
    };
    assert!(matches!(
        undo(admin()).await,
        Err(Undecided::Refused(Illegal::NothingToUndo))
    ));
    let release = Verb::Release { undo: true };
    let card = stage.queue.decide(hold, release, &admin()).await.unwrap();
    assert!(card.end.unwrap().until.is_some());
    assert!(stage.due().await.is_empty(), "it waits");
    let card = undo(admin()).await.unwrap();
    assert_eq!(
        (card.id, card.end),
        (hold, None),
        "the same hold is open again"
    );
    assert_eq!((stage.open().await.len(), stage.count().await), (1, 1));
    stage.queue.decide(hold, release, &admin()).await.unwrap();
    stage.clock.advance(Duration::from_secs(11));
    let lent = stage.due().await.pop().unwrap();
    assert!(matches!(undo(admin()).await, Err(Undecided::Busy)));
    stage.settle(lent, &relayed()).await;
    assert!(matches!(undo(admin()).await, Err(Undecided::Handled(_))));
    assert_eq!(stage.states(id).await[0].1, State::Relayed);
}

#[tokio::test]
async fn what_a_requeue_holds_again_is_a_new_hold_that_the_old_card_names() {
    let stage = Stage::new().await;
    stage
        .accept_held("a@a.example", &["b@b.example"], Some(rule()))
        .await;
    let old = stage.open().await.remove(0).id;
    let verb = Verb::Requeue { undo: false };
    stage.queue.decide(old, verb, &admin()).await.unwrap();
    assert_eq!(stage.count().await, 0);
    let store = stage.queue.store();
    let head = store.ready(Work::Judge, 1).await.unwrap().remove(0);
    let claimed = store.claim(Work::Judge, head.group, 1).await.unwrap();
    let claimed = claimed.into_iter().next().unwrap();
    let work = stage.queue.to_judge(&claimed).await.unwrap();
    assert_eq!(work.recipients(store.now()).len(), 1);
    let held = vec![(0, rule())];
    let done = stage
        .queue
        .judged(work, held, Default::default(), &[])
        .await;
    done.unwrap();
    let new = stage.open().await.remove(0).id;
    assert!(new > old);
    let end = stage.queue.card(old).await.unwrap().unwrap().end.unwrap();
    assert_eq!((end.verb.as_str(), end.again), ("requeue", Some(new)));
}

#[tokio::test]
async fn a_hold_ends_as_its_queue_says() {
    for (at_expiry, state, dsns, verb) in [
        (AtExpiry::Delete, State::Deleted, 0, "delete"),
        (AtExpiry::Bounce, State::Failed, 1, "bounce"),
        (AtExpiry::Requeue, State::Judging, 0, "requeue"),
    ] {
        let stage = Stage::new().await;
        stage.reconfigure(|conf| {
            conf.hold.quarantine.at_expiry = at_expiry;
            conf.hold.quarantine.expiry = 3 * DAY;
        });
        let id = stage
            .accept_held("a@a.example", &["b@b.example"], Some(rule()))
            .await;
        let hold = stage.open().await.remove(0).id;
        stage.clock.advance(3 * DAY - Duration::from_secs(60));
        stage.upkeep().await;
        assert_eq!(
            stage.states(id).await[0].1,
            State::Held,
            "not before its time"
        );
        stage.clock.advance(Duration::from_secs(120));
        stage.upkeep().await;
        assert_eq!(stage.states(id).await[0].1, state, "case: {at_expiry:?}");
        assert_eq!(stage.dsns().await, dsns, "case: {at_expiry:?}");
        let end = stage.queue.card(hold).await.unwrap().unwrap().end.unwrap();
        assert_eq!((end.verb.as_str(), end.by.as_str()), (verb, "postwerk"));
        assert_eq!(stage.count().await, 0);
    }
}

#[tokio::test]
async fn a_returned_mail_tells_its_sender_unless_the_address_may_be_forged() {
    for (from, hold, dsns) in [
        ("a@a.example", rule(), 1),
        ("", rule(), 0),
        ("a@a.example", spam(), 0),
    ] {
        let stage = Stage::new().await;
        let id = stage.accept_held(from, &["b@b.example"], Some(hold)).await;
        let hold = stage.open().await.remove(0).id;
        stage
            .queue
            .decide(hold, Verb::Bounce, &admin())
            .await
            .unwrap();
        assert_eq!(stage.states(id).await[0].1, State::Failed);
        assert_eq!(stage.dsns().await, dsns, "case: <{from}>");
    }
}

#[tokio::test]
async fn a_job_tells_no_stranger_what_a_check_found() {
    let stage = Stage::new().await;
    for hold in [rule(), spam(), spam()] {
        stage
            .accept_held("a@a.example", &["b@b.example"], Some(hold))
            .await;
    }
    let job = stage.job(Verb::Bounce, "from:@a.example").await;
    assert_eq!(job.done, 3);
    assert_eq!(stage.dsns().await, 1, "of the rule's hold");
}

#[tokio::test]
async fn a_release_records_what_was_not_checked() {
    let stage = Stage::new().await;
    let id = stage
        .accept_held("a@a.example", &["b@b.example"], Some(rule()))
        .await;
    let hold = stage.open().await.remove(0).id;
    let verb = Verb::Release { undo: false };
    stage.queue.decide(hold, verb, &admin()).await.unwrap();
    let shown = stage.queue.show(id).await.unwrap().unwrap();
    let facts = format!("{:?}", shown.facts);
    assert!(
        facts.contains("released without being checked; skipped: attachments, account, rate"),
        "{facts}"
    );
}

#[tokio::test]
async fn a_lifetime_that_ends_takes_none_from_who_leaves_a_hold_meanwhile() {
    let stage = Stage::new().await;
    stage
        .accept_held("a@a.example", &["c@c.example"], Some(rule()))
        .await;
    let store = stage.queue.store();
    stage.clock.advance(5 * DAY + DAY);
    let head = store.ready(Work::Expire, 1).await.unwrap().remove(0);
    let claimed = store.claim(Work::Expire, head.group, 1).await.unwrap();
    let claimed = claimed.into_iter().next().unwrap();
    let hold = stage.open().await.remove(0).id;
    let verb = Verb::Release { undo: false };
    stage.queue.decide(hold, verb, &admin()).await.unwrap();
    stage.queue.expire(&claimed).await.unwrap();
    drop(claimed);
    stage.clock.advance(60 * DAY);
    let heads = store.ready(Work::Expire, 1).await.unwrap();
    assert!(!heads.is_empty(), "the released one has a lifetime again");
}
