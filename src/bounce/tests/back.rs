//! What goes back to whom: every finding, by every road on which a held mail can end, for every kind of sender.
//!
//! What is asserted is what leaves: how many DSNs, and whether the content is in them. Not here: the wording (`report`).

use super::*;
use crate::bounce::fixture::Sent;
use crate::config::{AtExpiry, Config};
use crate::journal::fact::Fact;
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::queue::hold::Shelf;
use crate::queue::record::LOCAL;
use crate::queue::returned::Returned;
use crate::queue::verbs::{Actor, Target, Verb};

/// Found by a check that looks for harm, or not judged.
const DANGEROUS: [HoldReason; 8] = [
    HoldReason::Attachment,
    HoldReason::Scanner,
    HoldReason::Internal,
    HoldReason::Filter,
    HoldReason::Virus,
    HoldReason::Phish,
    HoldReason::Spam,
    HoldReason::Dmarc,
];
const OTHERS: [HoldReason; 4] = [
    HoldReason::Operator,
    HoldReason::Rule,
    HoldReason::BrokenMime,
    HoldReason::MaybeDelivered,
];

const BODY: &str = "MZ this program";
const MAIL: &[u8] = b"Subject: Rechnung\r\nFrom: x@y.example\r\n\r\nMZ this program\r\n";
/// Programs read on at the first line that is no field.
const NO_EMPTY_LINE: &[u8] = b"Subject: Rechnung\r\nMZ this program\r\nX: MZ this program\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Road {
    /// A link or a page.
    Decided,
    /// The command line or the API.
    Ordered,
    /// `at_expiry = "bounce"`
    Expired,
    /// Given up while a release waits for its undo.
    Releasing,
    /// Given up while it is judged again.
    Requeued,
    /// Released, and given up while it waits for a next try.
    Released,
    /// Released, held by a person, given up.
    HeldAnew,
    /// Released, and refused by the next hop.
    Refused,
    /// Released, and its lifetime ended.
    Outlived,
}

const ROADS: [Road; 9] = [
    Road::Decided,
    Road::Ordered,
    Road::Expired,
    Road::Releasing,
    Road::Requeued,
    Road::Released,
    Road::HeldAnew,
    Road::Refused,
    Road::Outlived,
];

/// Who sent it, and whether it is one of ours.
fn senders() -> Vec<(&'static str, Origin, bool)> {
    let of = |listener: &str, mx| Origin {
        listener: listener.to_owned(),
        mx,
        ..Origin::default()
    };
    let stranger = Origin {
        trusted: Some(false),
        ..of("0.0.0.0:25", Some(true))
    };
    let trusted = Origin {
        trusted: Some(true),
        ..of("0.0.0.0:25", Some(true))
    };
    let login = Origin {
        account: Some("app1".to_owned()),
        ..of("0.0.0.0:587", Some(false))
    };
    vec![
        ("a stranger", stranger, false),
        ("an old record", of("0.0.0.0:587", None), false),
        ("a trusted network", trusted, true),
        ("a login", login, true),
        ("this program", of(LOCAL, None), true),
    ]
}

fn reconfigure(stage: &Stage) {
    let mut conf = Config::clone(&stage.queue.conf().load());
    conf.hold.quarantine.at_expiry = AtExpiry::Bounce;
    stage.queue.conf().store(Arc::new(conf));
}

/// Lets the queue end what is due of `work`.
async fn upkeep(stage: &Stage, work: Work) {
    let (shutdown, _finish) = Shutdown::new();
    let quiet = async {
        loop {
            let heads = stage.queue.store().ready(work, 16).await.unwrap();
            if heads.iter().all(|head| head.at > stage.queue.store().now()) {
                break;
            }
            tokio::task::yield_now().await;
        }
        shutdown.begin();
    };
    tokio::join!(stage.queue.upkeep(&shutdown), quiet);
}

async fn travel(stage: &Stage, id: MessageId, road: Road) {
    let target = |verb| {
        let target = Target {
            message: id,
            address: None,
        };
        async move { stage.queue.act(verb, &target, &Actor::of("cli:root")).await }
    };
    let release = |undo| target(Verb::Release { undo });
    match road {
        Road::Decided => {
            let page = stage.queue.cards(&Shelf::All, None, true, 1).await.unwrap();
            let actor = Actor::of("link:boss@one.example");
            let card = stage.queue.decide(page.cards[0].id, Verb::Bounce, &actor);
            card.await.unwrap();
        }
        Road::Expired => {
            let expiry = stage.queue.conf().load().hold.quarantine.expiry;
            stage.pass(expiry.as_secs() - 60);
            upkeep(stage, Work::HoldEnd).await;
            stage.pass(120);
            upkeep(stage, Work::HoldEnd).await;
        }
        Road::Refused => {
            release(false).await.unwrap();
            assert_eq!(stage.settle_all(&failed()).await, 1);
        }
        Road::Outlived => {
            release(false).await.unwrap();
            let lifetime = stage.queue.conf().load().queue.lifetime;
            stage.pass(lifetime.as_secs() - 60);
            upkeep(stage, Work::Expire).await;
            stage.pass(120);
            upkeep(stage, Work::Expire).await;
        }
        Road::Ordered => {}
        Road::Releasing => {
            release(true).await.unwrap();
        }
        Road::Requeued => {
            target(Verb::Requeue { undo: false }).await.unwrap();
        }
        Road::Released => {
            release(false).await.unwrap();
        }
        Road::HeldAnew => {
            release(false).await.unwrap();
            target(Verb::Hold).await.unwrap();
        }
    }
    match road {
        Road::Ordered | Road::Releasing | Road::Requeued | Road::Released | Road::HeldAnew => {
            target(Verb::Bounce).await.unwrap();
        }
        Road::Decided | Road::Expired | Road::Refused | Road::Outlived => {}
    }
}

/// The DSNs of one mail that was held and went down a road.
async fn dsns(origin: &Origin, reason: HoldReason, road: Road, content: &[u8]) -> Vec<String> {
    let stage = Stage::new();
    reconfigure(&stage);
    let hold = Hold::new(HoldQueue::Quarantine, reason, "because");
    let sent = Sent {
        from: "victim@innocent.example",
        origin: origin.clone(),
        content,
    };
    let id = stage
        .accept_of(sent, vec![rcpt("a@one.example")], Some(hold))
        .await;
    travel(&stage, id, road).await;
    stage.pass(61);
    notify(&stage).await;
    let mut all = Vec::new();
    for message in messages(&stage).await {
        if message.id != id {
            let body = body_of(&stage, &message).await;
            all.push(String::from_utf8(body).unwrap());
        }
    }
    all
}

fn wanted(reason: HoldReason, is_own: bool, road: Road) -> Returned {
    let decided = !matches!(road, Road::Refused | Road::Outlived);
    match (is_own, DANGEROUS.contains(&reason)) {
        (true, false) => Returned::AsUsual,
        (false, true) if decided => Returned::Nothing,
        (true, true) | (false, _) => Returned::Header,
    }
}

#[tokio::test]
async fn nothing_dangerous_travels_back_by_any_road() {
    for (name, origin, is_own) in senders() {
        for reason in DANGEROUS.into_iter().chain(OTHERS) {
            for road in ROADS {
                let case = format!("{name}, {reason}, {road:?}");
                let dsns = dsns(&origin, reason, road, MAIL).await;
                let content = dsns.iter().any(|dsn| dsn.contains(BODY));
                let (count, whole) = match wanted(reason, is_own, road) {
                    Returned::AsUsual => (1, true),
                    Returned::Header => (1, false),
                    Returned::Nothing | Returned::Unasked | Returned::NoPath => (0, false),
                };
                assert_eq!((dsns.len(), content), (count, whole), "case: {case}");
                if count == 1 && !whole {
                    assert!(dsns[0].contains("text/rfc822-headers"), "case: {case}");
                    assert!(dsns[0].contains("For safety the content"), "case: {case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_passes_for_a_header_stays_here() {
    let (_, login, _) = senders().remove(3);
    for road in ROADS {
        let dsns = dsns(&login, HoldReason::Virus, road, NO_EMPTY_LINE).await;
        assert_eq!(dsns.len(), 1, "{road:?}");
        assert!(!dsns[0].contains(BODY), "{road:?}: {}", dsns[0]);
    }
}

#[tokio::test]
async fn what_the_next_hop_refuses_for_what_it_is_brings_a_stranger_only_its_header() {
    for (name, origin, is_own) in senders() {
        for (reply, unsafe_) in [
            ("554 5.7.1 virus found", true),
            ("550 5.1.1 no such user", false),
        ] {
            let stage = Stage::new();
            let sent = Sent {
                from: "victim@innocent.example",
                origin: origin.clone(),
                content: MAIL,
            };
            let id = stage
                .accept_of(sent, vec![rcpt("a@one.example")], None)
                .await;
            stage.settle_all(&Outcome::Failed(fault(reply))).await;
            stage.pass(61);
            notify(&stage).await;
            let all = messages(&stage).await;
            let dsn = all.iter().find(|message| message.id != id).unwrap();
            let text = String::from_utf8(body_of(&stage, dsn).await).unwrap();
            assert_eq!(
                text.contains(BODY),
                is_own || !unsafe_,
                "case: {name}, {reply}"
            );
        }
    }
}

#[tokio::test]
async fn a_mail_that_was_judged_good_after_all_comes_back_as_any_other() {
    let stage = Stage::new();
    let (_, stranger, _) = senders().remove(0);
    let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Virus, "Eicar");
    let sent = Sent {
        from: "a@home.example",
        origin: stranger,
        content: MAIL,
    };
    let id = stage
        .accept_of(sent, vec![rcpt("a@one.example")], Some(hold))
        .await;
    let target = id.to_string().parse::<Target>().unwrap();
    let verb = Verb::Requeue { undo: false };
    stage
        .queue
        .act(verb, &target, &Actor::of("admin"))
        .await
        .unwrap();
    let store = stage.queue.store();
    let head = store.ready(Work::Judge, 1).await.unwrap().remove(0);
    let claimed = store.claim(Work::Judge, head.group, 1).await.unwrap();
    let work = stage.queue.to_judge(&claimed[0]).await.unwrap();
    let good = stage
        .queue
        .judged(work, Vec::new(), Default::default(), &[]);
    good.await.unwrap();
    drop(claimed);
    assert_eq!(stage.settle_all(&failed()).await, 1);
    stage.pass(61);
    notify(&stage).await;
    let all = messages(&stage).await;
    let dsn = all.iter().find(|message| message.id != id).unwrap();
    let text = String::from_utf8(body_of(&stage, dsn).await).unwrap();
    assert!(text.contains(BODY), "{text}");
}

#[tokio::test]
async fn the_history_the_answer_and_the_card_say_who_is_not_told() {
    for (name, origin, is_own) in senders() {
        let stage = Stage::new();
        let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Virus, "Eicar");
        let sent = Sent {
            from: "a@home.example",
            origin,
            content: MAIL,
        };
        let id = stage
            .accept_of(sent, vec![rcpt("a@one.example")], Some(hold))
            .await;
        let page = stage.queue.cards(&Shelf::All, None, true, 1).await.unwrap();
        let wanted = if is_own {
            Returned::Header
        } else {
            Returned::Nothing
        };
        assert_eq!(page.cards[0].returned(), wanted, "case: {name}");
        let target = id.to_string().parse::<Target>().unwrap();
        let actor = Actor::of("cli:root");
        let done = stage.queue.act_noted(Verb::Bounce, &target, &actor);
        assert_eq!(done.await.unwrap(), (1, wanted.note().to_owned()));
        let card = stage.queue.card(page.cards[0].id).await.unwrap().unwrap();
        assert_eq!(card.returned(), wanted, "case: {name}");
        let shown = stage.queue.show(id).await.unwrap().unwrap();
        let noted = shown
            .facts
            .iter()
            .any(|entry| matches!(&entry.fact, Fact::Acted(fact) if fact.note == wanted.note()));
        assert!(noted, "case: {name}: {:?}", shown.facts);
        assert_eq!(Returned::of_note(wanted.note()), Some(wanted));
    }
}
