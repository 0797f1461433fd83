//! The pages of links as browsers and robots meet them: the real server, its endpoint, and a clock that is moved.
//!
//! Digests are written as records, so that each scenario says itself who got which link; composing them is another
//! topic. Not here: what the desk decides (`digest::desk`), real browsers (`tests/peers`).

mod answers;
mod bad;
mod browser;
mod chromium;
mod races;
mod robots;
mod tokens;
mod trouble;
mod whole;

use std::time::Duration;

use postwerk::base::lang::Lang;
use postwerk::config::{Config, PublicUrl};
use postwerk::digest::record::{Digest, Scope, digest_key};
use postwerk::digest::token::{Action, hour_of};
use postwerk::mail::hold::HoldQueue;
use postwerk::mail::mailbox::{Host, Mailbox};
use postwerk::queue::MessageId;
use postwerk::queue::hold::{Card, Shelf};
use postwerk::queue::record::{HoldId, encode};
use postwerk::queue::verbs::Verb;
use postwerk::store::{Batch, Op};

use crate::client::letter;
use crate::house::House;
use crate::remote::Remote;
use crate::web::Browser;
use crate::web::browser::Answer;

pub const UNDO: Duration = Duration::from_secs(10);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// A house with an endpoint on plain loopback, or with TLS, before a remote.
pub async fn house(remote: &Remote, tls: bool, change: impl FnOnce(&mut Config)) -> House {
    House::changed(remote.address, "", |conf| {
        conf.admin.bind = Some(([127, 0, 0, 1], 0).into());
        conf.admin.public_url = Some(PublicUrl {
            https: tls,
            host: Host::Literal([127, 0, 0, 1].into()),
            port: 8443,
        });
        change(conf);
    })
    .await
}

/// Holds a mail of this text; its hold.
pub async fn hold_text(house: &House, text: &str) -> HoldId {
    let before: Vec<HoldId> = open(house).await.iter().map(|card| card.id).collect();
    let mut conf = (*house.server.queue().conf().load_full()).clone();
    conf.queue.paused = true;
    let conf = house.server.queue().conf().swap(std::sync::Arc::new(conf));
    let id = house
        .submit("a@sender.example", &["b@example.org"], text)
        .await;
    house.act(Verb::Hold, &id).await;
    house.server.queue().conf().store(conf);
    // A server that pauses looks once a second whether it still shall.
    house.pass(Duration::from_secs(1));
    let cards = open(house).await;
    let new = cards.iter().find(|card| !before.contains(&card.id));
    new.expect("a new hold").id
}

pub async fn hold(house: &House, subject: &str) -> HoldId {
    hold_text(house, &letter(subject)).await
}

/// What is held now.
pub async fn open(house: &House) -> Vec<Card> {
    let queue = house.server.queue();
    let page = queue.cards(&Shelf::All, None, false, 1_000).await;
    page.expect("cards").cards
}

pub async fn card(house: &House, hold: HoldId) -> Card {
    let card = house.server.queue().card(hold).await.expect("the store");
    card.expect("a card")
}

/// Writes a digest to an administrator that lists these.
pub async fn digest(house: &House, number: u32, to: &str, listed: &[HoldId]) {
    let digest = Digest {
        to: to.parse().expect("an address"),
        scopes: HoldQueue::ALL.map(Scope::Queue).to_vec(),
        lang: Lang::De,
        at: house.clock.wall().0,
        end: hour_of(house.clock.wall() + WEEK),
        listed: listed.to_vec(),
        message: MessageId(1),
        canary: None,
        wrong: Vec::new(),
        failed: None,
        fresh: None,
    };
    appoint(house, &digest.to, true);
    write(house, number, &digest).await;
}

/// Makes somebody an administrator of all queues, or one no more.
pub fn appoint(house: &House, to: &Mailbox, is_one: bool) {
    let mut conf = Config::clone(&house.server.queue().conf().load());
    conf.digest.to.retain(|one| one != to);
    if is_one {
        conf.digest.to.push(to.clone());
    }
    house.server.queue().conf().store(std::sync::Arc::new(conf));
}

pub async fn write(house: &House, number: u32, digest: &Digest) {
    let batch = Batch {
        ops: vec![Op::Put {
            key: digest_key(number),
            value: encode(digest),
            due: None,
            terms: Vec::new(),
        }],
        ..Batch::new()
    };
    let store = house.server.queue().store();
    store.commit(batch).await.expect("written");
}

/// The path of a link of a digest that was sent now.
pub fn link(house: &House, action: Action, hold: HoldId, number: u32) -> String {
    let end = hour_of(house.clock.wall() + WEEK);
    let signer = house.server.keys().signer();
    format!("/d/{}", signer.token(action, hold, number, end))
}

/// The four digits beside a row.
pub fn code(house: &House, hold: HoldId, number: u32) -> String {
    house.server.keys().signer().code(number, hold)
}

/// Opens the page and presses a button on it.
pub async fn press(browser: &mut Browser, path: &str, confirm: &str) -> Answer {
    press_with(browser, path, confirm, "").await
}

/// The same with a code.
pub async fn press_with(browser: &mut Browser, path: &str, confirm: &str, code: &str) -> Answer {
    let page = browser.get(path).await;
    let nonce = page.field("nonce");
    let code = if code.is_empty() {
        String::new()
    } else {
        format!("&code={code}")
    };
    let form = format!("nonce={nonce}&confirm={confirm}{code}");
    browser.post(path, &form).await
}

/// Lets the undo window end and waits for the mail.
pub async fn delivered(house: &House, remote: &Remote, count: usize) -> usize {
    house.pass(UNDO + Duration::from_secs(1));
    remote.mails(count).await.len()
}

/// A plain browser that speaks German.
pub fn visitor(house: &House) -> Browser {
    let mut browser = Browser::of(house, false);
    let german = ("accept-language".to_owned(), "de".to_owned());
    browser.fields.push(german);
    browser
}
