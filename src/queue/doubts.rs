//! Mail that may have been delivered: lost replies, intents that are left over, settles that meet a bad disk.
//!
//! What is asserted is what the store says afterwards. A restart is a new store over what is on the simulated disk.
//! Not here: a peer or a socket (`tests/it/doubts.rs`).

use std::time::Duration;

use super::Lent;
use super::record::{MessageId, intent_key, message_key};
use super::tests::{Stage, attempt, fault, relayed};
use super::verbs::Verb;
use crate::base::clock::{Clock, Wall};
use crate::base::limit::{SETTLE_FOR, SETTLE_PAUSE_MAX};
use crate::config::{Config, MaybeDelivered};
use crate::journal::event::EventKind;
use crate::journal::fact::Fact;
use crate::mail::hold::{HoldQueue, HoldReason};
use crate::mail::outcome::Outcome;
use crate::mail::state::State;
use crate::store::redb::sim::{self, Disk};
use crate::store::{Batch, Key, Op, Span, Store, StoreError};

mod crash;
mod moody;

use moody::{Mood, Moods, moody};

const HOUR: Duration = Duration::from_secs(3_600);
const SITE: &str = "mx[192.0.2.1]:25";

/// A server's life over a disk that outlives it.
struct Life {
    stage: Stage,
    disk: Disk,
}

impl Life {
    fn first() -> Self {
        Self::on(Disk::new(Vec::new(), false), Wall(1_795_000_000_000_000))
    }

    fn on(disk: Disk, wall: Wall) -> Self {
        let clock = Clock::moved(wall);
        let store = sim::opened(&disk, clock.clone()).unwrap();
        let stage = Stage::over(store, clock);
        Self { stage, disk }
    }

    /// The power is cut; whoever lives then finds what was written.
    fn killed(self) -> Self {
        let image = self.disk.crash(&mut fastrand::Rng::with_seed(1));
        let wall = self.stage.clock.wall() + Duration::from_secs(1);
        Self::on(Disk::new(image, false), wall)
    }

    /// Lends the first parcel that is due, and lets its dot go out.
    async fn dotted(&self, recipients: Vec<u32>) -> Lent {
        let lent = self.stage.due().await.remove(0);
        let intent = self.stage.queue.intend(&lent, recipients, SITE);
        intent.durable().await.unwrap();
        lent
    }
}

fn reconfigure(stage: &Stage, change: impl FnOnce(&mut Config)) {
    let mut conf = Config::clone(&stage.queue.conf().load());
    change(&mut conf);
    stage.queue.conf().store(std::sync::Arc::new(conf));
}

fn hold(stage: &Stage) {
    reconfigure(stage, |conf| {
        conf.queue.maybe_delivered = MaybeDelivered::Hold
    });
}

async fn intents(store: &Store) -> usize {
    let span = Span::Prefix(Key::of(b'a', &[]));
    store
        .scan(span, None, false, 100)
        .await
        .unwrap()
        .records
        .len()
}

async fn facts(stage: &Stage, id: MessageId) -> Vec<Fact> {
    let shown = stage.queue.show(id).await.unwrap().unwrap();
    shown.facts.into_iter().map(|entry| entry.fact).collect()
}

fn lost() -> Outcome {
    Outcome::InDoubt(fault(451))
}

#[tokio::test]
async fn a_lost_reply_is_sent_again_and_never_forgotten() {
    let mut stage = Stage::new().await;
    let id = stage.accept("a@a.example", &["b@b.example"]).await;
    stage.events.next().await.unwrap();
    let lent = stage.due().await.remove(0);
    stage.settle(lent, &lost()).await;
    assert_eq!(
        stage.events.next().await.unwrap().kind,
        EventKind::MaybeDelivered
    );
    assert_eq!(stage.states(id).await[0].1, State::MaybeDelivered);
    assert!(stage.due().await.is_empty(), "it waits as its retries say");
    // A deferral, and a person who wants it sent now, leave it in doubt.
    stage.act(Verb::Retry, &id.to_string()).await.unwrap();
    assert_eq!(stage.states(id).await[0].1, State::MaybeDelivered);
    let lent = stage.due().await.remove(0);
    stage.settle(lent, &Outcome::Deferred(fault(450))).await;
    assert_eq!(stage.states(id).await[0].1, State::MaybeDelivered);
    stage.clock.advance(HOUR);
    let lent = stage.due().await.remove(0);
    assert_eq!(
        (
            lent.attempts,
            lent.recipients[0]
                .unanswered
                .as_ref()
                .unwrap()
                .site
                .as_str()
        ),
        (2, SITE)
    );
    stage.settle(lent, &relayed()).await;
    assert_eq!(stage.states(id).await[0].1, State::Relayed);
    let told = stage.events.next().await.unwrap();
    assert_eq!(told.kind, EventKind::Deferred);
    let told = stage.events.next().await.unwrap();
    assert!(
        told.kind == EventKind::Delivered && told.text.contains("may have arrived twice"),
        "{told:?}"
    );
    let mut results = Vec::new();
    for fact in facts(&stage, id).await {
        if let Fact::Tried(tried) = fact {
            let one = &tried.results[0];
            results.push((one.action.clone(), one.maybe_before));
        }
    }
    let wanted = [
        ("maybe_delivered", false),
        ("deferred", true),
        ("relayed", true),
    ];
    assert_eq!(
        results,
        wanted.map(|(action, before)| (action.to_owned(), before))
    );
}

#[tokio::test]
async fn who_failed_after_a_lost_reply_is_told_that_it_may_have_arrived() {
    for (name, end) in [
        ("refused", Some(Outcome::Failed(fault(550)))),
        ("its lifetime ends in a try", Some(lost())),
        ("its lifetime ends while it waits", None),
    ] {
        let stage = Stage::new().await;
        let id = stage.accept("a@a.example", &["b@b.example"]).await;
        let lent = stage.due().await.remove(0);
        stage.settle(lent, &lost()).await;
        stage.clock.advance(6 * 24 * HOUR);
        match end {
            Some(outcome) => {
                let lent = stage.due().await.remove(0);
                stage.settle(lent, &outcome).await;
            }
            None => stage.upkeep().await,
        }
        assert!(stage.states(id).await[0].1.is_final(), "case: {name}");
        let work = Span::Prefix(super::record::dsn_prefix(id));
        let page = stage
            .queue
            .store()
            .scan(work, None, false, 10)
            .await
            .unwrap();
        let work: super::DsnWork =
            super::record::decode(&page.records[0].key, &page.records[0].value).unwrap();
        assert!(work.failed[0].unanswered.is_some(), "case: {name}");
    }
}

#[tokio::test]
async fn a_lost_reply_is_held_for_a_person_if_the_configuration_says_so() {
    let mut stage = Stage::new().await;
    hold(&stage);
    let id = stage
        .accept("a@a.example", &["b@b.example", "c@b.example"])
        .await;
    stage.events.next().await.unwrap();
    let lent = stage.due().await.remove(0);
    stage
        .queue
        .settle(lent, attempt(vec![(0, lost()), (1, relayed())]))
        .await
        .unwrap();
    let wanted = [
        ("b@b.example".into(), State::Held),
        ("c@b.example".into(), State::Relayed),
    ];
    assert_eq!(stage.states(id).await, wanted);
    let parcels = stage.queue.parcels_of(id).await.unwrap();
    let kept = parcels
        .iter()
        .find_map(|stored| stored.parcel.hold.as_ref())
        .unwrap();
    assert_eq!(
        (kept.hold.queue, kept.hold.reason),
        (HoldQueue::Bad, HoldReason::MaybeDelivered)
    );
    let told = [
        stage.events.next().await.unwrap().kind,
        stage.events.next().await.unwrap().kind,
    ];
    assert_eq!(told, [EventKind::Held, EventKind::MaybeDelivered]);
    // Released it goes out once more, and a deferral does not hold it again.
    stage
        .act(Verb::Release { undo: false }, &id.to_string())
        .await
        .unwrap();
    let lent = stage.due().await.remove(0);
    stage.settle(lent, &Outcome::Deferred(fault(450))).await;
    assert_eq!(stage.states(id).await[0].1, State::MaybeDelivered);
}

#[tokio::test]
async fn an_end_before_the_settle_marks_exactly_whom_the_transaction_was_for() {
    let life = Life::first();
    let stage = &life.stage;
    let (to, other) = (
        ["b@b.example", "c@b.example", "d@b.example"],
        ["e@b.example"],
    );
    let id = stage.accept("a@a.example", &to).await;
    let others = stage.accept("a@a.example", &other).await;
    // The second recipient cannot be served by this hop, so it is not in the transaction.
    let lent = life.dotted(vec![0, 2]).await;
    let mut life = life.killed();
    drop(lent);
    assert_eq!(life.stage.queue.recover().await.unwrap(), 2);
    let states = |states: Vec<(String, State)>| {
        states
            .into_iter()
            .map(|(_, state)| state)
            .collect::<Vec<_>>()
    };
    let wanted = [State::MaybeDelivered, State::Due, State::MaybeDelivered];
    assert_eq!(states(life.stage.states(id).await), wanted);
    assert_eq!(states(life.stage.states(others).await), [State::Due]);
    assert_eq!(intents(life.stage.queue.store()).await, 0);
    let all = facts(&life.stage, id).await;
    let Some(Fact::InDoubt(fact)) = all.last() else {
        panic!("{all:?}")
    };
    assert_eq!(
        (
            fact.recipients.len(),
            fact.site.as_str(),
            fact.next_try.is_some()
        ),
        (2, SITE, true)
    );
    let parcel = life.stage.queue.parcels_of(id).await.unwrap().remove(0);
    assert_eq!(parcel.parcel.tried, fact.tried, "it was an attempt");
    let told = life.stage.events.next().await.unwrap();
    assert_eq!(
        (told.kind, told.recipient.as_str()),
        (EventKind::MaybeDelivered, "b@b.example")
    );
    assert_eq!(life.stage.queue.recover().await.unwrap(), 0, "once");
    assert!(life.stage.queue.store().check().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_mail_that_the_servers_end_cut_off_is_due_at_once_but_not_for_ever() {
    let mut life = Life::first();
    life.stage.accept("a@a.example", &["b@b.example"]).await;
    for at_once in [true, true, false] {
        let lent = life.dotted(vec![0]).await;
        life = life.killed();
        drop(lent);
        life.stage.queue.recover().await.unwrap();
        let due = life.stage.due().await;
        assert_eq!(!due.is_empty(), at_once);
    }
}

#[tokio::test]
async fn an_end_before_the_settle_holds_if_the_configuration_says_so() {
    let life = Life::first();
    let to = ["b@b.example", "c@b.example"];
    let id = life.stage.accept("a@a.example", &to).await;
    let lent = life.dotted(vec![0]).await;
    let life = life.killed();
    drop(lent);
    hold(&life.stage);
    assert_eq!(life.stage.queue.recover().await.unwrap(), 1);
    let wanted = [
        ("b@b.example".into(), State::Held),
        ("c@b.example".into(), State::Due),
    ];
    assert_eq!(life.stage.states(id).await, wanted);
    let held = life.stage.queue.held_counts().await.unwrap();
    assert_eq!(held, [(HoldQueue::Bad, HoldReason::MaybeDelivered, 1)]);
    assert!(life.stage.queue.store().check().await.unwrap().is_empty());
}

#[tokio::test]
async fn whom_somebody_acted_on_and_what_cannot_be_read_stop_no_recovery() {
    let life = Life::first();
    let stage = &life.stage;
    let id = stage
        .accept("a@a.example", &["b@b.example", "c@b.example"])
        .await;
    let gone = MessageId(id.0 + 1);
    let mut batch = Batch::new();
    for (of, value) in [(id, "no intent"), (gone, "of nobody")] {
        batch.ops.push(Op::Put {
            key: intent_key(of, 0),
            value: value.into(),
            due: None,
            terms: Vec::new(),
        });
    }
    stage.queue.store().commit(batch).await.unwrap();
    stage
        .act(Verb::Hold, &format!("{id}/c@b.example"))
        .await
        .unwrap();
    assert_eq!(stage.queue.recover().await.unwrap(), 1);
    let wanted = [
        ("b@b.example".into(), State::MaybeDelivered),
        ("c@b.example".into(), State::Held),
    ];
    assert_eq!(stage.states(id).await, wanted);
    assert_eq!(intents(stage.queue.store()).await, 0);
}

#[tokio::test]
async fn a_claim_that_is_given_back_before_the_dot_leaves_no_intent() {
    for name in [
        "dropped",
        "untried",
        "refused at the dot, and not counted",
        "panic",
    ] {
        let stage = Stage::new().await;
        let store = stage.queue.store().clone();
        let id = stage.accept("a@a.example", &["b@b.example"]).await;
        let lent = stage.due().await.remove(0);
        let intent = stage.queue.intend(&lent, vec![0], SITE);
        match name {
            "dropped" => {
                drop(intent);
                drop(lent);
            }
            "untried" => {
                drop(intent);
                stage.settle(lent, &Outcome::Untried).await;
            }
            "panic" => {
                drop(intent);
                let panics = tokio::spawn(async move {
                    let _lent = lent;
                    panic!("a fault of ours");
                });
                assert!(panics.await.is_err());
            }
            _ => {
                intent.durable().await.unwrap();
                stage.settle(lent, &Outcome::Untried).await;
            }
        }
        stage.clock.advance(2 * Duration::from_secs(60));
        let lent = loop {
            // It is lent again only when its intent is gone.
            match stage.due().await.pop() {
                Some(lent) => break lent,
                None => tokio::task::yield_now().await,
            }
        };
        assert_eq!(intents(&store).await, 0, "case: {name}");
        assert_eq!(
            (lent.attempts, stage.states(id).await[0].1.clone()),
            (0, State::Due),
            "case: {name}"
        );
    }
}

#[tokio::test]
async fn a_message_that_ends_takes_its_intents_along() {
    let stage = Stage::new().await;
    let id = stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = stage.due().await.remove(0);
    stage.settle(lent, &relayed()).await;
    let mut batch = Batch::new();
    batch.ops.push(Op::Put {
        key: intent_key(id, 7),
        value: "left".into(),
        due: None,
        terms: Vec::new(),
    });
    stage.queue.store().commit(batch).await.unwrap();
    stage.clock.advance(HOUR);
    stage.upkeep().await;
    assert_eq!(intents(stage.queue.store()).await, 0);
}

/// Settles while time passes, whenever nobody waits for the disk.
async fn settle_meanwhile(stage: &Stage, moods: &Moods, lent: Lent) -> Result<(), StoreError> {
    let outcomes = vec![(0, relayed())];
    let mut settle = std::pin::pin!(stage.queue.settle(lent, attempt(outcomes)));
    loop {
        tokio::select! {
            biased;
            settled = &mut settle => return settled,
            () = tokio::task::yield_now() => {}
        }
        if moods.is_quiet() {
            stage.clock.advance(SETTLE_PAUSE_MAX);
        }
    }
}

#[tokio::test]
async fn a_settle_that_meets_a_bad_disk_goes_on_until_it_is_written_once() {
    use Mood::{Away, Done, Lost};
    for moods in [
        vec![Away],
        vec![Lost],
        vec![Done],
        vec![Lost, Away, Away, Away],
        vec![Done, Away, Away, Away],
        vec![Away, Lost, Away, Done, Away],
        vec![Away; 200],
    ] {
        let name = format!("{moods:?}");
        let clock = Clock::moved(Wall(1_795_000_000_000_000));
        let (store, set) = moody(crate::store::redb::memory(clock.clone()));
        let stage = Stage::over(store, clock);
        let id = stage.accept("a@a.example", &["b@b.example"]).await;
        let lent = stage.due().await.remove(0);
        stage
            .queue
            .intend(&lent, vec![0], SITE)
            .durable()
            .await
            .unwrap();
        set.set(moods);
        settle_meanwhile(&stage, &set, lent).await.unwrap();
        assert_eq!(set.left(), 0, "case: {name}");
        assert_eq!(stage.states(id).await[0].1, State::Relayed, "case: {name}");
        let tried = facts(&stage, id)
            .await
            .into_iter()
            .filter(|fact| matches!(fact, Fact::Tried(_)));
        assert_eq!(tried.count(), 1, "case: {name}");
        assert!(stage.due().await.is_empty(), "case: {name}");
        assert_eq!(intents(stage.queue.store()).await, 0, "case: {name}");
        stage.clock.advance(HOUR);
        stage.upkeep().await;
        assert!(
            stage.queue.message_by_id(id).await.unwrap().is_none(),
            "case: {name}"
        );
    }
}

#[tokio::test]
async fn a_settle_that_gives_up_never_sends_again_but_comes_back_in_doubt() {
    let most = usize::try_from(SETTLE_FOR.as_secs() / SETTLE_PAUSE_MAX.as_secs()).unwrap() + 10;
    for (name, moods) in [
        ("the bound is over", vec![Mood::Away; most]),
        ("for good", vec![Mood::TooLarge]),
    ] {
        let clock = Clock::moved(Wall(1_795_000_000_000_000));
        let disk = Disk::new(Vec::new(), false);
        let (store, set) = moody(sim::opened(&disk, clock.clone()).unwrap());
        let stage = Stage::over(store, clock);
        let id = stage.accept("a@a.example", &["b@b.example"]).await;
        let lent = stage.due().await.remove(0);
        stage
            .queue
            .intend(&lent, vec![0], SITE)
            .durable()
            .await
            .unwrap();
        set.set(moods);
        assert!(
            settle_meanwhile(&stage, &set, lent).await.is_err(),
            "case: {name}"
        );
        set.set([]);
        stage.clock.advance(HOUR);
        assert!(stage.due().await.is_empty(), "case: {name}");
        let life = Life { stage, disk }.killed();
        assert_eq!(life.stage.queue.recover().await.unwrap(), 1, "case: {name}");
        assert_eq!(
            life.stage.states(id).await[0].1,
            State::MaybeDelivered,
            "case: {name}"
        );
    }
}

#[tokio::test]
async fn a_settle_without_a_dot_that_gives_up_gives_the_parcel_back() {
    let clock = Clock::moved(Wall(1_795_000_000_000_000));
    let (store, set) = moody(crate::store::redb::memory(clock.clone()));
    let stage = Stage::over(store, clock);
    stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = stage.due().await.remove(0);
    set.set(vec![Mood::Away; 10_000]);
    assert!(settle_meanwhile(&stage, &set, lent).await.is_err());
    assert_eq!(stage.due().await.len(), 1);
}

#[tokio::test]
async fn a_task_that_ends_after_the_dot_sends_nothing_again() {
    let life = Life::first();
    let id = life.stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = life.dotted(vec![0]).await;
    let panics = tokio::spawn(async move {
        let _lent = lent;
        panic!("a fault of ours");
    });
    assert!(panics.await.is_err());
    life.stage.clock.advance(HOUR);
    assert!(life.stage.due().await.is_empty());
    let life = life.killed();
    life.stage.queue.recover().await.unwrap();
    assert_eq!(life.stage.states(id).await[0].1, State::MaybeDelivered);
}

#[tokio::test]
async fn an_intent_that_cannot_be_written_lets_no_dot_go_out() {
    for mood in [Mood::Away, Mood::Lost, Mood::Done] {
        let clock = Clock::moved(Wall(1_795_000_000_000_000));
        let (store, set) = moody(crate::store::redb::memory(clock.clone()));
        let stage = Stage::over(store, clock);
        stage.accept("a@a.example", &["b@b.example"]).await;
        let lent = stage.due().await.remove(0);
        set.set([mood]);
        let intent = stage.queue.intend(&lent, vec![0], SITE);
        assert!(intent.durable().await.is_err(), "case: {mood:?}");
        assert!(!lent.is_dotted(), "case: {mood:?}");
        drop(lent);
        while stage.due().await.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(intents(stage.queue.store()).await, 0, "case: {mood:?}");
    }
}

#[tokio::test]
async fn a_record_that_the_store_cannot_read_stops_no_other_mark_and_no_other_delivery() {
    let clock = Clock::moved(Wall(1_795_000_000_000_000));
    let (store, set) = moody(crate::store::redb::memory(clock.clone()));
    let stage = Stage::over(store, clock);
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(stage.accept("a@a.example", &["b@b.example"]).await);
    }
    for id in &ids {
        let put = Op::Put {
            key: intent_key(*id, 0),
            value: b"\xff"[..].into(),
            due: None,
            terms: Vec::new(),
        };
        let mut batch = Batch::new();
        batch.ops.push(put);
        stage.queue.store().commit(batch).await.unwrap();
    }
    set.damage(message_key(ids[0]));
    assert_eq!(stage.queue.recover().await.unwrap(), 1);
    assert_eq!(stage.states(ids[1]).await[0].1, State::MaybeDelivered);
    assert_eq!(intents(stage.queue.store()).await, 1, "kept for a repair");
}

#[tokio::test]
async fn a_message_that_the_store_cannot_read_keeps_no_other_from_being_lent() {
    let clock = Clock::moved(Wall(1_795_000_000_000_000));
    let (store, set) = moody(crate::store::redb::memory(clock.clone()));
    let stage = Stage::over(store, clock);
    let bad = stage.accept("a@a.example", &["b@b.example"]).await;
    let good = stage.accept("a@a.example", &["b@b.example"]).await;
    set.damage(message_key(bad));
    let lent: Vec<MessageId> = stage.due().await.iter().map(|one| one.message.id).collect();
    assert_eq!(lent, [good]);
    assert_eq!(stage.queue.damages_of(bad).await.unwrap().len(), 1);
}
