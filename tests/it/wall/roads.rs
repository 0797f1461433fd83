//! Every road on which a held mail is judged again or let go, while the scanner is away that found something.
//!
//! Not here: what keeps a check from looking (`stays`), and the rule itself (`judge::keep`).

use hyper::StatusCode;
use postwerk::base::lang::Lang;
use postwerk::cli::control::Place;
use postwerk::config::{PublicUrl, ReleaseRule};
use postwerk::digest::desk::{Desk, Right};
use postwerk::digest::record::{Digest, Scope};
use postwerk::digest::token::{Action, hour_of};
use postwerk::journal::event::EventKind;
use postwerk::mail::hold::HoldReason;
use postwerk::mail::mailbox::Host;
use postwerk::queue::MessageId;
use postwerk::queue::bulk::Order;
use postwerk::queue::hold::Card;
use postwerk::queue::verbs::{Actor, Verb};
use std::time::Duration;

use super::{FOUND, Says, again, clamd, configure, one};
use crate::client::letter;
use crate::house::{House, nobody};
use crate::links::{UNDO, appoint, digest, link, press, write};
use crate::remote::Remote;
use crate::web::Browser;
use crate::web::login::administrator;

/// How it is judged again.
#[derive(Clone, Copy, Debug)]
enum Road {
    ByItself,
    Link,
    Page,
    Cli,
    Api,
    Job,
    Expiry,
}

const ROADS: [Road; 7] = [
    Road::ByItself,
    Road::Link,
    Road::Page,
    Road::Cli,
    Road::Api,
    Road::Job,
    Road::Expiry,
];

async fn before(remote: &Remote, more: &str) -> House {
    House::changed(remote.address, more, |conf| {
        conf.admin.bind = Some(([127, 0, 0, 1], 0).into());
        conf.admin.public_url = Some(PublicUrl {
            https: false,
            host: Host::Literal([127, 0, 0, 1].into()),
            port: 8443,
        });
    })
    .await
}

/// A digest to the owner of example.org, beside the one to an administrator.
async fn to_owner(house: &House, number: u32, card: &Card) {
    let now = house.clock.wall();
    let digest = Digest {
        to: "chef@example.org".parse().unwrap(),
        scopes: vec![Scope::Domain("example.org".to_owned())],
        lang: Lang::De,
        at: now.0,
        end: hour_of(now + Duration::from_secs(7 * 86_400)),
        listed: vec![card.id],
        message: MessageId(1),
        canary: None,
        wrong: Vec::new(),
        failed: None,
        fresh: None,
    };
    appoint(house, &digest.to, false);
    write(house, number, &digest).await;
}

/// What release and requeue ask for by the link of a digest.
async fn rights(house: &House, number: u32, card: &Card) -> (Right, Right) {
    let keys = house.server.keys().clone();
    let path = link(house, Action::Release, card.id, number);
    let token = keys.read(path.trim_start_matches("/d/")).unwrap();
    let desk = Desk::new(house.server.queue().clone(), keys);
    let rights = desk.look(&token).await.unwrap().rights;
    (rights.release, rights.requeue)
}

async fn post(house: &House, verb: &str, id: &str) -> serde_json::Value {
    let place = Place {
        config: "unused".into(),
        data: Some(house.dir.path().join("data")),
    };
    let order = serde_json::json!({ "ids": [id] });
    let client = place.client().unwrap();
    let path = format!("/api/v1/queue/{verb}");
    let answer = client.post(&path, &order).await.unwrap();
    serde_json::from_str(answer.body.trim()).unwrap()
}

async fn button(house: &House, browser: &mut Browser, card: &Card, verb: &str) -> StatusCode {
    let path = format!("/holds/{}", card.id);
    let page = browser.get(&path).await;
    let form = format!("token={}&verb={verb}", page.field("token"));
    let status = browser.post(&path, &form).await.status;
    house.pass(UNDO);
    status
}

async fn requeue(house: &mut House, road: Road, card: &Card, number: u32) {
    let (id, verb) = (card.message.to_string(), Verb::Requeue { undo: false });
    match road {
        Road::Link => {
            let path = link(house, Action::Requeue, card.id, number);
            let done = press(&mut Browser::of(house, false), &path, "requeue").await;
            assert_eq!(done.status, StatusCode::OK, "{}", done.text);
            house.pass(UNDO);
        }
        Road::Page => {
            let mut browser = administrator(house, false).await;
            let status = button(house, &mut browser, card, "requeue").await;
            assert_eq!(status, StatusCode::SEE_OTHER);
        }
        Road::Cli => drop(house.act(verb, &id).await),
        Road::Api => assert_eq!(post(house, "requeue", &id).await["ok"], true),
        Road::Job => {
            let job = house.server.queue();
            let actor = Actor::of("admin");
            let order = Order {
                verb,
                query: "reason:virus status:held",
                number: None,
            };
            job.begin_job(order, &actor).await.unwrap();
        }
        Road::Expiry => house.pass(Duration::from_secs(86_400 + 60)),
        // The scanner answers again, and fails on mails.
        Road::ByItself => {
            house
                .pass_until(EventKind::Requeued, Duration::from_secs(20), 200)
                .await;
        }
    }
    house.told(EventKind::Held).await;
}

#[tokio::test]
async fn on_no_road_is_a_virus_less_than_a_virus_while_its_scanner_is_away() {
    let remote = Remote::friendly().await;
    let says = Says::new(FOUND);
    let peer = says.clamd().await;
    let more = clamd("clam", &peer.address, "");
    let mut house = before(&remote, &more).await;
    let text = letter("infected");
    let id = house
        .send("a@sender.example", &["b@example.org"], &text)
        .await;
    house.told(EventKind::Held).await;
    let first = one(&house).await.hold;
    let expiry = "[hold.quarantine]\nexpiry = \"1d\"\nat_expiry = \"requeue\"\n";
    let away = clamd("clam", &nobody().await.to_string(), "") + expiry;
    configure(&house, &remote, &away);
    again(&mut house, &id).await;
    for (number, road) in (1_001..).step_by(2).zip(ROADS) {
        let card = one(&house).await;
        digest(&house, number, "admin@example.org", &[card.id]).await;
        to_owner(&house, number + 1, &card).await;
        let owner = rights(&house, number + 1, &card).await;
        let asks = Right::Administrator;
        assert_eq!(owner, (asks, asks), "before {road:?}");
        let admin = rights(&house, number, &card).await;
        assert_eq!(admin, (Right::Login, Right::Yes), "before {road:?}");
        let path = link(&house, Action::Release, card.id, number);
        let refused = press(&mut Browser::of(&house, false), &path, "release").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "before {road:?}");
        if matches!(road, Road::ByItself) {
            says.now(crate::scan::peer::Answer::Close);
            configure(&house, &remote, &(more.clone() + expiry));
        }
        requeue(&mut house, road, &card, number).await;
        configure(&house, &remote, &away);
        let hold = one(&house).await.hold;
        let told =
            |hold: &postwerk::mail::hold::Hold| (hold.queue, hold.reason, hold.cause.clone());
        assert_eq!(told(&hold), told(&first), "after {road:?}");
        assert!(
            hold.in_words().contains("clam did not look again"),
            "{road:?}"
        );
        assert!(remote.so_far().is_empty(), "after {road:?}");
    }
}

#[tokio::test]
async fn what_nobody_may_let_go_leaves_by_no_page_link_or_command() {
    let remote = Remote::friendly().await;
    let says = Says::new(FOUND);
    let peer = says.clamd().await;
    let never = "[hold.release]\nvirus = \"never\"\n";
    let more = clamd("clam", &peer.address, "") + never;
    let mut house = before(&remote, &more).await;
    let text = letter("infected");
    let id = house
        .send("a@sender.example", &["b@example.org"], &text)
        .await;
    house.told(EventKind::Held).await;
    let away = clamd(
        "clam",
        &nobody().await.to_string(),
        "on_failure = \"accept\"",
    ) + never;
    configure(&house, &remote, &away);
    let hold = again(&mut house, &id).await;
    assert_eq!(hold.reason, HoldReason::Virus);
    let conf = house.server.queue().conf().load_full();
    assert_eq!(conf.hold.release_of(&hold), ReleaseRule::Never);
    let card = one(&house).await;
    digest(&house, 1, "admin@example.org", &[card.id]).await;
    let path = link(&house, Action::Release, card.id, 1);
    let mut browser = administrator(&house, false).await;
    let refused = press(&mut browser, &path, "release").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    let status = button(&house, &mut browser, &card, "release").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let answer = post(&house, "release", &id).await;
    assert_eq!(answer["ok"], false, "{answer}");
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains("[hold.release]"), "{error}");
    house.act(Verb::Delete { now: false }, &id).await;
    house.act(Verb::Undo, &id).await;
    assert_eq!(post(&house, "release", &id).await["ok"], false);
    assert_eq!(one(&house).await.hold.reason, HoldReason::Virus);
    assert!(remote.so_far().is_empty());
}
