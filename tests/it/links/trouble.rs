//! What a link answers when the server cannot look or may not write, when a mail is held again, and what it warns of.
//!
//! Each in both languages. Not here: what a link answers otherwise (`answers`).

use postwerk::config::ReleaseRule;
use postwerk::mail::envelope::{Envelope, MailFrom, RcptTo};
use postwerk::mail::hold::{Hold, HoldReason};
use postwerk::mail::path::ReversePath;
use postwerk::queue::{NewMail, Origin};
use postwerk::store::{Band, Room};

use super::*;

const ENDPOINT: &str = "[admin]\nbind = \"127.0.0.1:0\"\npublic_url = \"http://127.0.0.1:8443/\"\n";
const RULE: &str = "[[hold_rule]]\nmatch = { recipient = \"b@example.org\" }\nreason = \"seen\"\n";

/// Holds a mail for this reason, as a check that comes later would.
pub async fn hold_for(house: &House, queue: HoldQueue, reason: HoldReason) -> HoldId {
    let before: Vec<HoldId> = open(house).await.iter().map(|card| card.id).collect();
    let mails = house.server.queue();
    let mut body = mails.begin_body();
    body.write(letter("judged").as_bytes()).await.unwrap();
    let envelope = Envelope {
        from: MailFrom::new(ReversePath::parse("a@sender.example").unwrap()),
        recipients: vec![RcptTo::new("b@example.org".parse().unwrap())],
    };
    let mail = NewMail {
        top: String::new(),
        worked: Vec::new(),
        said: Vec::new(),
        held: NewMail::held_all(&envelope, Some(Hold::new(queue, reason, "because"))),
        body: body.finish(),
        envelope,
        origin: Origin::default(),
        band: Band::Normal,
        digest: None,
    };
    mails.accept(mail, None).await.unwrap();
    let cards = open(house).await;
    let new = cards.iter().find(|card| !before.contains(&card.id));
    new.expect("a new hold").id
}

fn english(house: &House) -> Browser {
    let mut browser = Browser::of(house, false);
    browser
        .fields
        .push(("accept-language".to_owned(), "en".to_owned()));
    browser
}

fn says_to_come_back(answer: &Answer, case: &str) {
    assert_eq!(answer.status, 503, "case: {case}: {}", answer.text);
    let seconds: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "case: {case}");
    assert!(!answer.text.contains("<form"), "case: {case}");
}

#[tokio::test]
async fn a_store_that_is_closed_is_told_and_when_to_come_back() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let canary = link(&house, Action::Canary, HoldId(0), 1);
    let (mut german, mut english) = (visitor(&house), english(&house));
    let nonce = german.get(&path).await.field("nonce");
    let store = house.server.queue().store();
    store.close().await.expect("closed");
    let form = format!("nonce={nonce}&confirm=release");
    says_to_come_back(&german.post(&path, &form).await, "POST");
    says_to_come_back(&german.get(&canary).await, "the hidden link");
    let page = german.get(&path).await;
    says_to_come_back(&page, "GET");
    assert!(page.text.contains("kann gerade nicht"), "{}", page.text);
    assert!(page.text.contains("nichts verändert"), "{}", page.text);
    let page = english.get(&path).await;
    says_to_come_back(&page, "GET in English");
    assert!(page.text.contains("cannot look it up"), "{}", page.text);
    // What never reaches the store is answered as ever.
    let wrong = german.get(&format!("/d/{}", "A".repeat(44))).await;
    assert_eq!(wrong.status, 404);
}

#[tokio::test]
async fn on_a_full_disk_a_link_deletes_and_its_other_buttons_say_not_now() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, &format!("{ENDPOINT}{RULE}")).await;
    for _ in 0..2 {
        house
            .submit("a@sender.example", &["b@example.org"], &letter("x"))
            .await;
    }
    let holds: Vec<HoldId> = open(&house).await.iter().map(|card| card.id).collect();
    let (hold, unwanted) = (holds[0], holds[1]);
    digest(&house, 1, "anna@example.org", &holds).await;
    // No disk of ours has so much to spare.
    let full = format!("{ENDPOINT}{RULE}[queue]\nreserve = \"1000000 GiB\"\n");
    let house = house.restart(remote.address, &full).await;
    appoint(&house, &"anna@example.org".parse().unwrap(), true);
    let path = link(&house, Action::Release, hold, 1);
    let mut browser = visitor(&house);
    assert_eq!(browser.get(&path).await.status, 200);
    assert_eq!(house.server.queue().store().room(), Room::None);
    for confirm in ["release", "requeue"] {
        says_to_come_back(&press(&mut browser, &path, confirm).await, confirm);
    }
    assert_eq!(browser.get(&path).await.status, 200);
    let other = link(&house, Action::Delete, unwanted, 1);
    assert_eq!(press(&mut browser, &other, "delete").await.status, 200);
    assert_eq!(open(&house).await.len(), 1, "who makes room is let");
    let house = house
        .restart(remote.address, &format!("{ENDPOINT}{RULE}"))
        .await;
    appoint(&house, &"anna@example.org".parse().unwrap(), true);
    let mut browser = visitor(&house);
    assert_eq!(press(&mut browser, &path, "release").await.status, 200);
    assert_eq!(delivered(&house, &remote, 1).await, 1);
}

#[tokio::test]
async fn a_requeued_mail_that_is_held_again_says_so() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, &format!("{ENDPOINT}{RULE}")).await;
    house
        .submit("a@sender.example", &["b@example.org"], &letter("x"))
        .await;
    let first = open(&house).await[0].id;
    digest(&house, 1, "anna@example.org", &[first]).await;
    let path = link(&house, Action::Requeue, first, 1);
    let mut browser = visitor(&house);
    let nonce = browser.get(&path).await.field("nonce");
    let done = press(&mut browser, &path, "requeue").await;
    assert_eq!(done.status, 200, "{}", done.text);
    house.pass(UNDO + Duration::from_secs(1));
    let inner = &house;
    crate::until("the new hold", || async move {
        open(inner).await.iter().any(|card| card.id != first)
    })
    .await;
    let form = format!("nonce={nonce}&confirm=release");
    for answer in [browser.get(&path).await, browser.post(&path, &form).await] {
        assert_eq!(answer.status, 409, "{}", answer.text);
        assert!(
            answer.text.contains("Sie wurde danach erneut angehalten."),
            "{}",
            answer.text
        );
        assert!(
            answer.text.contains("anna[at]example[.]org"),
            "{}",
            answer.text
        );
    }
    let answer = english(&house).get(&path).await;
    assert_eq!(answer.status, 409);
    assert!(
        answer.text.contains("It was held again afterwards."),
        "{}",
        answer.text
    );
    // The new hold is another one: the old link does not decide about it.
    assert_eq!(open(&house).await.len(), 1);
    assert_eq!(remote.so_far().len(), 0);
}

#[tokio::test]
async fn a_release_is_warned_of_by_its_risk() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |conf| {
        conf.hold.release = vec![(HoldReason::Phish, ReleaseRule::Link)];
    })
    .await;
    for (number, (queue, reason, german, english_text)) in (1..).zip([
        (
            HoldQueue::Bad,
            HoldReason::Internal,
            "Diese Nachricht wurde nicht geprüft.",
            "This message was not checked.",
        ),
        (
            HoldQueue::Quarantine,
            HoldReason::Spam,
            "Diese Nachricht gilt als zweifelhaft.",
            "This message is considered doubtful.",
        ),
        (
            HoldQueue::Quarantine,
            HoldReason::Phish,
            "Diese Nachricht gilt als schädlich.",
            "This message is considered harmful.",
        ),
        (HoldQueue::Quarantine, HoldReason::Rule, "", ""),
    ]) {
        let hold = hold_for(&house, queue, reason).await;
        digest(&house, number, "anna@example.org", &[hold]).await;
        let path = link(&house, Action::Release, hold, number);
        for (mut browser, text) in [(visitor(&house), german), (english(&house), english_text)] {
            let page = browser.get(&path).await;
            assert_eq!(page.status, 200, "case: {reason:?}");
            assert!(page.text.contains("value=\"release\""), "case: {reason:?}");
            let warned = page.text.contains("<div class=\"note warn\"");
            assert_eq!(warned, !text.is_empty(), "case: {reason:?}: {}", page.text);
            assert!(page.text.contains(text), "{text} in {}", page.text);
        }
    }
}

#[tokio::test]
async fn a_virus_is_released_only_by_somebody_who_is_logged_in() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold_for(&house, HoldQueue::Quarantine, HoldReason::Virus).await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    for (mut browser, needed) in [
        (visitor(&house), "wer angemeldet ist"),
        (english(&house), "somebody who is logged in"),
    ] {
        let page = browser.get(&path).await;
        assert_eq!(page.status, 200);
        for needed in [needed, "postwerk admin login-link", "value=\"delete\""] {
            assert!(page.text.contains(needed), "{needed} in {}", page.text);
        }
        assert!(!page.text.contains("value=\"release\""), "{}", page.text);
        let forced = format!("nonce={}&confirm=release", page.field("nonce"));
        let answer = browser.post(&path, &forced).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
    }
    house.pass(2 * UNDO);
    assert_eq!(open(&house).await.len(), 1);
    assert_eq!(remote.so_far().len(), 0);
}
