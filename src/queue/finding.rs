//! What a check found, as a specification of the queue: it goes with the mail through everything that is not a judgement,
//! and what nobody may let go leaves by no road.
//!
//! Not here: what a judgement takes back (`judge`), and links, pages and scanners (`tests/it/wall`).

use std::time::Duration;

use super::bulk::{BulkError, Order};
use super::tests::{Stage, fault};
use super::verbs::{ActError, Actor, Undecided, Verb};
use crate::config::{AtExpiry, Config, MaybeDelivered, ReleaseRule};
use crate::mail::hold::{Hold, HoldQueue, HoldReason, SCANNER};
use crate::mail::outcome::Outcome;
use crate::mail::state::{Illegal, State};
use crate::queue::hold::Card;
use crate::queue::returned::Returned;
use crate::queue::shelf::Shelf;
use crate::store::Work;

const DAY: Duration = Duration::from_secs(86_400);
const RELEASE: Verb = Verb::Release { undo: false };
const REQUEUE: Verb = Verb::Requeue { undo: false };

fn virus() -> Hold {
    Hold::new(HoldQueue::Quarantine, HoldReason::Virus, "Eicar").with(SCANNER, "clam")
}

fn conf(stage: &Stage, change: impl FnOnce(&mut Config)) {
    let mut conf = Config::clone(&stage.queue.conf().load());
    change(&mut conf);
    stage.queue.conf().store(std::sync::Arc::new(conf));
}

async fn cards(stage: &Stage) -> Vec<Card> {
    let page = stage.queue.cards(&Shelf::All, None, false, 100).await;
    page.unwrap().cards
}

/// A mail that is held for a virus.
async fn infected(stage: &Stage, from: &str) -> String {
    let id = stage.accept_held(from, &["b@b.example"], Some(virus()));
    id.await.to_string()
}

#[tokio::test]
async fn what_a_person_let_go_and_is_held_again_is_still_what_was_found() {
    for (name, from, outcome, by_hand) in [
        ("by an operator", "a@a.example", None, true),
        (
            "put off",
            "a@a.example",
            Some(Outcome::Deferred(fault(451))),
            true,
        ),
        ("refused", "", Some(Outcome::Failed(fault(550))), false),
        (
            "our fault",
            "a@a.example",
            Some(Outcome::Broken(fault(451))),
            false,
        ),
        (
            "in doubt",
            "a@a.example",
            Some(Outcome::InDoubt(fault(451))),
            false,
        ),
    ] {
        let stage = Stage::new().await;
        conf(&stage, |conf| {
            conf.queue.maybe_delivered = MaybeDelivered::Hold;
        });
        let id = infected(&stage, from).await;
        // As after a link: when the time to undo is over nobody writes that down.
        let undo = outcome.is_some();
        stage.act(Verb::Release { undo }, &id).await.unwrap();
        stage.clock.advance(Duration::from_secs(11));
        if let Some(outcome) = outcome {
            let lent = stage.due().await.pop().unwrap();
            stage.settle(lent, &outcome).await;
        }
        if by_hand {
            stage.act(Verb::Hold, &id).await.unwrap();
        }
        let hold = cards(&stage).await.remove(0).hold;
        assert_ne!(hold.reason, HoldReason::Virus, "case: {name}");
        assert_eq!(hold.found().len(), 1, "case: {name}: {hold:?}");
        assert_eq!(hold.found()[0].by(), Some("clam"), "case: {name}");
        assert!(!hold.is_owners() && hold.is_dangerous(), "case: {name}");
        let rules = stage.queue.conf().load().hold.release_of(&hold);
        assert_eq!(rules, ReleaseRule::Login, "case: {name}");
    }
}

#[tokio::test]
async fn a_hold_by_hand_while_it_waits_to_be_judged_hides_nothing() {
    let stage = Stage::new().await;
    let id = infected(&stage, "a@a.example").await;
    stage.act(REQUEUE, &id).await.unwrap();
    stage.act(Verb::Hold, &id).await.unwrap();
    let hold = cards(&stage).await.remove(0).hold;
    assert_eq!(hold.reason, HoldReason::Operator);
    assert_eq!(hold.found()[0].reason, HoldReason::Virus);
    assert!(!hold.is_owners());
}

#[tokio::test]
async fn what_is_deleted_while_it_waits_to_be_judged_comes_back_to_be_judged() {
    let stage = Stage::new().await;
    let id = infected(&stage, "a@a.example").await;
    stage.act(REQUEUE, &id).await.unwrap();
    stage.act(Verb::Delete { now: false }, &id).await.unwrap();
    stage.act(Verb::Undo, &id).await.unwrap();
    let (message, _) = stage
        .queue
        .message_by_id(id.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let parcels = stage.queue.parcels_of(message.id).await.unwrap();
    assert_eq!(parcels[0].parcel.slots[0].state, State::Judging);
    assert_eq!(parcels[0].parcel.all_found()[0].reason, HoldReason::Virus);
    assert!(stage.due().await.is_empty(), "unjudged it goes to nobody");
}

#[tokio::test]
async fn what_is_found_good_travels_back_as_if_nothing_had_been_found() {
    let stage = Stage::new().await;
    let id = infected(&stage, "a@a.example").await;
    let back = async || {
        let parcels = stage.queue.parcels_of(id.parse().unwrap()).await.unwrap();
        parcels[0].parcel.back
    };
    stage.act(RELEASE, &id).await.unwrap();
    assert_eq!(back().await, Some(Returned::Nothing));
    stage.act(Verb::Hold, &id).await.unwrap();
    stage.act(REQUEUE, &id).await.unwrap();
    assert_eq!(back().await, Some(Returned::Nothing), "nobody looked yet");
    let store = stage.queue.store();
    let head = store.ready(Work::Judge, 1).await.unwrap().remove(0);
    let claimed = store.claim(Work::Judge, head.group, 1).await.unwrap();
    let work = stage.queue.to_judge(&claimed[0]).await.unwrap();
    let done = stage
        .queue
        .judged(work, Vec::new(), Default::default(), &[]);
    done.await.unwrap();
    assert_eq!(back().await, None);
}

#[tokio::test]
async fn what_nobody_may_let_go_leaves_by_no_road() {
    let stage = Stage::new().await;
    conf(&stage, |conf| {
        conf.hold.release = vec![
            (HoldReason::Virus, ReleaseRule::Never),
            // A requeue would let it go: no check finds it again.
            (HoldReason::Operator, ReleaseRule::Never),
        ];
        conf.hold.quarantine.at_expiry = AtExpiry::Requeue;
        conf.hold.quarantine.expiry = 3 * DAY;
    });
    let admin = Actor::of("admin");
    let operator =
        Hold::new(HoldQueue::Quarantine, HoldReason::Operator, "").beside(virus().found());
    for (hold, verbs) in [(virus(), vec![RELEASE]), (operator, vec![RELEASE, REQUEUE])] {
        let id = stage.accept_held("a@a.example", &["b@b.example"], Some(hold));
        let id = id.await.to_string();
        let card = cards(&stage).await.pop().unwrap();
        for verb in verbs {
            let acted = stage.act(verb, &id).await;
            let barred = matches!(acted, Err(ActError::Illegal(Illegal::Barred)));
            assert!(barred, "{verb:?}: {acted:?}");
            let decided = stage.queue.decide(card.id, verb, &admin).await;
            let barred = matches!(decided, Err(Undecided::Refused(Illegal::Barred)));
            assert!(barred, "{verb:?}: {decided:?}");
            let query = format!("id:{id} status:held");
            let order = Order {
                verb,
                query: &query,
                number: None,
            };
            let job = stage.queue.begin_job(order, &admin).await;
            assert!(matches!(job, Err(BulkError::Barred)), "{verb:?}: {job:?}");
            // Back from the trash it is what it was.
            stage.act(Verb::Delete { now: false }, &id).await.unwrap();
            stage.act(Verb::Undo, &id).await.unwrap();
            stage.act(verb, &id).await.unwrap_err();
            assert_eq!(stage.states(id.parse().unwrap()).await[0].1, State::Held);
        }
        assert!(stage.due().await.is_empty());
    }
    // At the end of its time, a week for what was brought back, what a check can find again is looked at; the other stays.
    stage.clock.advance(7 * DAY + Duration::from_secs(60));
    stage.upkeep().await;
    let left = cards(&stage).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].hold.reason, HoldReason::Operator);
    stage.clock.advance(3 * DAY + Duration::from_secs(60));
    stage.upkeep().await;
    assert_eq!(
        cards(&stage).await.len(),
        1,
        "however often its time is over"
    );
    assert!(stage.due().await.is_empty());
}

#[tokio::test]
async fn the_strictest_of_all_that_was_found_says_who_may_let_it_go() {
    let stage = Stage::new().await;
    let rules = stage.queue.conf().load().hold.clone();
    let rule = || Hold::new(HoldQueue::Quarantine, HoldReason::Rule, "x");
    let spam = || Hold::new(HoldQueue::Quarantine, HoldReason::Spam, "x");
    for (hold, release, owners) in [
        (rule(), ReleaseRule::Link, true),
        (rule().beside(spam().found()), ReleaseRule::Login, true),
        (rule().beside(virus().found()), ReleaseRule::Login, false),
        (virus().and(rule()), ReleaseRule::Login, false),
        (rule().and(virus()), ReleaseRule::Login, false),
    ] {
        assert_eq!(rules.release_of(&hold), release, "{hold:?}");
        assert_eq!(hold.is_owners(), owners, "{hold:?}");
    }
    assert_eq!(
        rule().and(virus()).reason,
        HoldReason::Virus,
        "the graver tells"
    );
    assert_eq!(
        rule().and(virus()).others.len(),
        1,
        "and the other is not lost"
    );
}
