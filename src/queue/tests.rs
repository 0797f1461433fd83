//! The queue as a specification: a real store in memory, a clock that the test moves.
//!
//! What is asserted is what the store says afterwards, never what a function returned on the way.
//! Not here: a peer or a socket (`tests/it`).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::record::MessageId;
use super::verbs::{ActError, Actor, Target, Verb};
use super::{Attempt, Delays, Lent, NewMail, Origin, Queue, StoredBody};
use crate::base::clock::{Clock, Wall};
use crate::base::shutdown::Shutdown;
use crate::config::Config;
use crate::journal::event::{EventKind, Events, Subscription};
use crate::journal::fact::Fact;
use crate::mail::domain::Domain;
use crate::mail::envelope::{Envelope, MailFrom, RcptTo};
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::mailbox::Mailbox;
use crate::mail::outcome::{Fault, Outcome, Scope};
use crate::mail::path::ReversePath;
use crate::mail::reply::Reply;
use crate::mail::state::{Illegal, State};
use crate::store::{Band, Store, Work};

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

pub(super) struct Stage {
    pub(super) queue: Queue,
    pub(super) clock: Clock,
    pub(super) events: Subscription,
}

impl Stage {
    pub(super) async fn new() -> Self {
        let clock = Clock::moved(Wall(1_795_000_000_000_000));
        Self::over(crate::store::redb::memory(clock.clone()), clock)
    }

    /// A start over what an earlier one left.
    pub(super) fn over(store: Store, clock: Clock) -> Self {
        let config = Config::fallback(
            Domain::parse("mail.example.org").unwrap(),
            "/nonexistent".into(),
        );
        let events = Events::new();
        let subscription = events.subscribe();
        let queue = Queue::new(
            Arc::new(ArcSwap::from_pointee(config)),
            store,
            clock.clone(),
            events,
        );
        Self {
            queue,
            clock,
            events: subscription,
        }
    }

    pub(super) async fn accept(&self, from: &str, to: &[&str]) -> MessageId {
        self.accept_held(from, to, None).await
    }

    pub(super) async fn accept_held(
        &self,
        from: &str,
        to: &[&str],
        hold: Option<Hold>,
    ) -> MessageId {
        let mut body = self.queue.begin_body();
        body.write(b"Subject: test\r\nMessage-ID: <x@y>\r\n\r\nhello\r\n")
            .await
            .unwrap();
        let recipients = to.iter().map(|to| RcptTo::new(Mailbox::parse(to).unwrap()));
        let envelope = Envelope {
            from: MailFrom::new(ReversePath::parse(from).unwrap()),
            recipients: recipients.collect(),
        };
        let mail = NewMail {
            top: String::new(),
            worked: Vec::new(),
            said: Vec::new(),
            body: body.finish(),
            held: NewMail::held_all(&envelope, hold),
            envelope,
            origin: Origin {
                tenant: "standard".into(),
                ..Origin::default()
            },
            digest: None,
            band: Band::Normal,
        };
        self.queue.accept(mail, None).await.unwrap()
    }

    /// Everything that is due for delivery now.
    pub(super) async fn due(&self) -> Vec<Lent> {
        let deliveries = self.queue.deliveries();
        let mut lent = Vec::new();
        for head in deliveries.ready(100).await.unwrap() {
            lent.extend(deliveries.claim(&head.group, 20).await.unwrap());
        }
        lent
    }

    pub(super) async fn settle(&self, lent: Lent, outcome: &Outcome) {
        let outcomes = lent
            .recipients
            .iter()
            .map(|rcpt| (rcpt.index, outcome.clone()))
            .collect();
        self.queue.settle(lent, attempt(outcomes)).await.unwrap();
    }

    pub(super) async fn states(&self, id: MessageId) -> Vec<(String, State)> {
        let mut all: Vec<(u32, String, State)> = Vec::new();
        for stored in self.queue.parcels_of(id).await.unwrap() {
            all.extend(
                stored
                    .parcel
                    .slots
                    .into_iter()
                    .map(|slot| (slot.index, slot.mailbox.to_string(), slot.state)),
            );
        }
        all.sort_by_key(|(index, ..)| *index);
        all.into_iter()
            .map(|(_, address, state)| (address, state))
            .collect()
    }

    /// Lets the queue do its own due work once.
    pub(super) async fn upkeep(&self) {
        let (shutdown, _finish) = Shutdown::new();
        // What a start makes due must be due before anybody looks whether all is quiet.
        self.queue.start_upkeep().await.unwrap();
        let upkeep = self.queue.upkeep(&shutdown);
        // Work that is under way when the signal comes is finished first.
        let quiet = async {
            for work in [
                Work::Expire,
                Work::Retire,
                Work::HoldEnd,
                Work::Sweep,
                Work::Bulk,
            ] {
                loop {
                    let heads = self.queue.store().ready(work, 16).await.unwrap();
                    if heads.iter().all(|head| head.at > self.queue.store().now()) {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::join!(upkeep, async {
            quiet.await;
            shutdown.begin();
        });
    }

    pub(super) async fn act(&self, verb: Verb, target: &str) -> Result<usize, ActError> {
        self.queue
            .act(verb, &target.parse::<Target>().unwrap(), &Actor::of("test"))
            .await
    }
}

/// A mail to one recipient.
pub(super) fn mail_of(body: StoredBody) -> NewMail {
    NewMail {
        top: String::new(),
        worked: Vec::new(),
        said: Vec::new(),
        body,
        envelope: Envelope {
            from: MailFrom::new(ReversePath::Null),
            recipients: vec![RcptTo::new(Mailbox::parse("b@b.example").unwrap())],
        },
        origin: Origin::default(),
        held: Vec::new(),
        digest: None,
        band: Band::Normal,
    }
}

pub(super) fn attempt(outcomes: Vec<(u32, Outcome)>) -> Attempt {
    Attempt {
        outcomes,
        site: "mx[192.0.2.1]:25".into(),
        tls: None,
        dialogue: "S: 220\n".into(),
        delays: Delays::default(),
        dsn: false,
        again: None,
    }
}

pub(super) fn relayed() -> Outcome {
    Outcome::Relayed(Reply::new(250, None, "ok"))
}

pub(super) fn fault(code: u16) -> Fault {
    Fault {
        scope: Scope::Recipient,
        reply: Reply::new(code, None, "no"),
        synthetic: false,
        step: "RCPT TO".into(),
    }
}

#[tokio::test]
async fn an_accepted_message_is_due_and_its_end_retires_it() {
    let mut stage = Stage::new().await;
    let id = stage
        .accept("a@a.example", &["b@b.example", "c@b.example"])
        .await;
    assert_eq!(stage.events.next().await.unwrap().kind, EventKind::Accepted);
    let lent = stage.due().await.pop().unwrap();
    assert_eq!(
        lent.recipients.len(),
        2,
        "recipients of one host share a parcel"
    );
    assert!(
        stage.due().await.is_empty(),
        "what is lent is not lent twice"
    );
    stage.settle(lent, &relayed()).await;
    assert_eq!(
        stage.events.next().await.unwrap().kind,
        EventKind::Delivered
    );
    stage.clock.advance(2 * MINUTE);
    stage.upkeep().await;
    assert!(stage.queue.message_by_id(id).await.unwrap().is_none());
    let shown = stage.queue.show(id).await.unwrap().unwrap();
    assert!(
        shown.message.is_none() && shown.facts.len() == 2,
        "the facts stay: {:?}",
        shown.facts
    );
}

#[tokio::test]
async fn a_body_longer_than_a_chunk_comes_back_byte_for_byte() {
    let stage = Stage::new().await;
    let content: Vec<u8> = b"Subject: long\r\n\r\n"
        .iter()
        .copied()
        .chain((0..200_000u32).map(|n| (n % 90) as u8 + 33))
        .collect();
    let mut body = stage.queue.begin_body();
    for piece in content.chunks(7_001) {
        body.write(piece).await.unwrap();
    }
    let id = body.id();
    let mail = mail_of(body.finish());
    stage.queue.accept(mail, None).await.unwrap();
    let (message, _) = stage.queue.message_by_id(id).await.unwrap().unwrap();
    let (mut reader, mut back) = (stage.queue.open_body(&message), Vec::new());
    while let Some(chunk) = reader.next().await.unwrap() {
        back.extend_from_slice(&chunk);
    }
    assert!(back == content);
    stage.clock.advance(2 * super::body::SWEEP_AFTER);
    stage.upkeep().await;
    assert!(
        stage.queue.open_body(&message).next().await.is_ok(),
        "accept won over the sweep"
    );
}

#[tokio::test]
async fn a_deferred_parcel_is_due_again_later_and_together() {
    let stage = Stage::new().await;
    stage
        .accept("a@a.example", &["b@b.example", "c@b.example"])
        .await;
    let lent = stage.due().await.pop().unwrap();
    stage.settle(lent, &Outcome::Deferred(fault(451))).await;
    stage.clock.advance(4 * MINUTE);
    assert!(
        stage.due().await.is_empty(),
        "not before 90 % of the first span"
    );
    stage.clock.advance(2 * MINUTE);
    assert_eq!(stage.due().await.pop().unwrap().recipients.len(), 2);
}

#[tokio::test]
async fn what_was_not_tried_counts_no_attempt() {
    let stage = Stage::new().await;
    stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = stage.due().await.pop().unwrap();
    stage.settle(lent, &Outcome::Untried).await;
    assert_eq!(stage.due().await.pop().unwrap().attempts, 0);
}

#[tokio::test]
async fn a_failure_makes_a_dsn_due_in_a_minute() {
    let stage = Stage::new().await;
    let id = stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = stage.due().await.pop().unwrap();
    stage.settle(lent, &Outcome::Failed(fault(550))).await;
    assert_eq!(
        stage.states(id).await,
        [("b@b.example".into(), State::Failed)]
    );
    let heads = stage.queue.store().ready(Work::Dsn, 16).await.unwrap();
    assert_eq!(heads.len(), 1);
    assert!(
        heads[0].at > stage.queue.store().now(),
        "failures of one minute share it"
    );
    stage.clock.advance(DAY);
    stage.upkeep().await;
    assert!(
        stage.queue.message_by_id(id).await.unwrap().is_some(),
        "it stays until its DSN is made"
    );
}

#[tokio::test]
async fn a_failure_without_a_reverse_path_is_kept_for_a_person() {
    let mut stage = Stage::new().await;
    let id = stage.accept("", &["b@b.example", "c@b.example"]).await;
    let lent = stage.due().await.pop().unwrap();
    let outcomes = vec![(0, Outcome::Failed(fault(550))), (1, relayed())];
    stage.queue.settle(lent, attempt(outcomes)).await.unwrap();
    assert_eq!(
        stage.states(id).await,
        [
            ("b@b.example".into(), State::Held),
            ("c@b.example".into(), State::Relayed)
        ]
    );
    assert_eq!(stage.events.next().await.unwrap().kind, EventKind::Accepted);
    let held = stage.events.next().await.unwrap();
    assert_eq!(
        (held.kind, held.recipient.as_str()),
        (EventKind::Held, "b@b.example")
    );
    let parcels = stage.queue.parcels_of(id).await.unwrap();
    let hold = parcels
        .iter()
        .find_map(|stored| stored.parcel.hold.as_ref())
        .unwrap();
    assert_eq!(
        (hold.hold.queue, hold.hold.reason),
        (HoldQueue::Defect, HoldReason::Undeliverable)
    );
    assert!(
        stage
            .queue
            .store()
            .ready(Work::Dsn, 16)
            .await
            .unwrap()
            .is_empty(),
        "a null reverse-path never gets a DSN"
    );
}

#[tokio::test]
async fn a_lifetime_ends_what_waits_and_not_what_is_held() {
    let stage = Stage::new().await;
    let id = stage
        .accept("a@a.example", &["b@b.example", "c@c.example"])
        .await;
    stage
        .act(Verb::Hold, &format!("{id}/c@c.example"))
        .await
        .unwrap();
    stage.clock.advance(6 * DAY);
    stage.upkeep().await;
    assert_eq!(
        stage.states(id).await,
        [
            ("b@b.example".into(), State::Expired),
            ("c@c.example".into(), State::Held)
        ]
    );
    assert_eq!(
        stage
            .queue
            .store()
            .ready(Work::Dsn, 16)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_lifetime_that_ends_during_a_delivery_waits_for_it() {
    let stage = Stage::new().await;
    let id = stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = stage.due().await.pop().unwrap();
    stage.clock.advance(6 * DAY);
    stage.upkeep().await;
    assert_eq!(stage.states(id).await, [("b@b.example".into(), State::Due)]);
    stage.settle(lent, &relayed()).await;
    assert_eq!(
        stage.states(id).await,
        [("b@b.example".into(), State::Relayed)]
    );
}

#[tokio::test]
async fn one_recipient_is_held_alone_and_released_unchecked() {
    let stage = Stage::new().await;
    let id = stage
        .accept("a@a.example", &["b@b.example", "c@b.example"])
        .await;
    assert_eq!(
        stage
            .act(Verb::Hold, &format!("{id}/c@b.example"))
            .await
            .unwrap(),
        1
    );
    let lent = stage.due().await.pop().unwrap();
    assert_eq!(lent.recipients.len(), 1, "the held one is not lent");
    stage.settle(lent, &relayed()).await;
    assert_eq!(
        stage
            .act(Verb::Release { undo: false }, &id.to_string())
            .await
            .unwrap(),
        1
    );
    let lent = stage.due().await.pop().unwrap();
    assert_eq!(lent.recipients[0].mailbox.to_string(), "c@b.example");
    stage.settle(lent, &relayed()).await;
    let facts = stage.queue.show(id).await.unwrap().unwrap().facts;
    assert!(facts.iter().any(|entry| matches!(&entry.fact, Fact::Acted(acted) if acted.note.contains("without being checked"))));
}

#[tokio::test]
async fn a_release_with_undo_waits_and_can_be_taken_back() {
    let stage = Stage::new().await;
    let id = stage.accept("a@a.example", &["b@b.example"]).await;
    stage.act(Verb::Hold, &id.to_string()).await.unwrap();
    stage
        .act(Verb::Release { undo: true }, &id.to_string())
        .await
        .unwrap();
    assert!(stage.due().await.is_empty());
    stage.act(Verb::Undo, &id.to_string()).await.unwrap();
    assert_eq!(stage.states(id).await[0].1, State::Held);
    stage
        .act(Verb::Release { undo: true }, &id.to_string())
        .await
        .unwrap();
    stage.clock.advance(MINUTE);
    assert_eq!(stage.due().await.len(), 1);
}

#[tokio::test]
async fn a_deleted_recipient_comes_back_from_the_trash_or_goes_for_good() {
    let stage = Stage::new().await;
    let id = stage.accept("a@a.example", &["b@b.example"]).await;
    stage
        .act(Verb::Delete { now: false }, &id.to_string())
        .await
        .unwrap();
    assert!(stage.due().await.is_empty());
    stage.act(Verb::Undo, &id.to_string()).await.unwrap();
    assert_eq!(stage.due().await.len(), 1);
    stage
        .act(Verb::Delete { now: false }, &id.to_string())
        .await
        .unwrap();
    stage.clock.advance(8 * DAY);
    stage.upkeep().await;
    assert_eq!(stage.states(id).await[0].1, State::Deleted);
}

#[tokio::test]
async fn a_person_is_told_when_a_delivery_is_under_way_and_when_it_is_over() {
    let stage = Stage::new().await;
    let id = stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = stage.due().await.pop().unwrap();
    let during = stage.act(Verb::Delete { now: true }, &id.to_string()).await;
    assert!(
        matches!(during, Err(ActError::Illegal(Illegal::InDelivery))),
        "got {during:?}"
    );
    stage.settle(lent, &relayed()).await;
    let after = stage.act(Verb::Delete { now: true }, &id.to_string()).await;
    assert!(
        matches!(after, Err(ActError::Illegal(Illegal::AlreadyFinal))),
        "got {after:?}"
    );
    let other = stage.act(Verb::Retry, "0000000000000001").await;
    assert!(matches!(other, Err(ActError::Unknown)), "got {other:?}");
}

#[tokio::test]
async fn retry_makes_a_deferred_message_due_now() {
    let stage = Stage::new().await;
    let id = stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = stage.due().await.pop().unwrap();
    stage.settle(lent, &Outcome::Deferred(fault(451))).await;
    assert!(stage.due().await.is_empty());
    stage.act(Verb::Retry, &id.to_string()).await.unwrap();
    assert_eq!(stage.due().await.len(), 1);
}

#[tokio::test]
async fn a_thousand_recipients_make_parcels_of_a_hundred() {
    let stage = Stage::new().await;
    let all: Vec<String> = (0..250).map(|n| format!("u{n}@b.example")).collect();
    let to: Vec<&str> = all.iter().map(String::as_str).collect();
    stage.accept("a@a.example", &to).await;
    let mut sizes: Vec<usize> = stage
        .due()
        .await
        .iter()
        .map(|lent| lent.recipients.len())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
}

#[tokio::test]
async fn an_old_history_is_removed_by_range() {
    let stage = Stage::new().await;
    let id = stage.accept("a@a.example", &["b@b.example"]).await;
    let lent = stage.due().await.pop().unwrap();
    stage.settle(lent, &relayed()).await;
    stage.clock.advance(2 * MINUTE);
    stage.upkeep().await;
    stage.clock.advance(8 * DAY);
    stage.upkeep().await;
    assert!(stage.queue.show(id).await.unwrap().is_none());
}

#[tokio::test]
async fn the_life_of_a_relayed_mail_stays_within_its_budget_of_operations() {
    let stage = Stage::new().await;
    let store = stage.queue.store().clone();
    // A start begins walks of its own.
    stage.upkeep().await;
    let mut before = store.written();
    let mut spent = || {
        let now = store.written();
        now - std::mem::replace(&mut before, now)
    };
    stage.accept("a@a.example", &["b@b.example"]).await;
    let accept = spent();
    let lent = stage.due().await.pop().unwrap();
    let intent = stage.queue.intend(&lent, vec![0], "mx[192.0.2.1]:25");
    intent.durable().await.unwrap();
    let intent = spent();
    stage.settle(lent, &relayed()).await;
    let settle = spent();
    stage.clock.advance(2 * MINUTE);
    stage.upkeep().await;
    let retire = spent();
    assert!(
        accept <= 9 && intent <= 2 && settle <= 10 && retire <= 6,
        "accept {accept}, intent {intent}, settle {settle}, retire {retire}"
    );
}

#[tokio::test]
async fn a_mail_whose_delivery_panics_three_times_is_kept_for_a_person() {
    let stage = Stage::new().await;
    let id = stage.accept("a@a.example", &["b@b.example"]).await;
    for _ in 0..3 {
        let lent = stage.due().await.pop().unwrap();
        let panics = tokio::spawn(async move {
            let _lent = lent;
            panic!("a fault of ours");
        });
        assert!(panics.await.is_err());
        stage.clock.advance(2 * MINUTE);
    }
    assert!(stage.due().await.is_empty());
    let parcels = stage.queue.parcels_of(id).await.unwrap();
    let hold = parcels[0].parcel.hold.as_ref().unwrap();
    assert_eq!(
        (hold.hold.queue, hold.hold.reason),
        (HoldQueue::Bad, HoldReason::Internal)
    );
}
