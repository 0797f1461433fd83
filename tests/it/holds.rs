//! Holds: what is kept stays until a person says so, and the peer never learns of it.
//!
//! Not here: what is told of them (digests and `links`), rules (`rules`), loops (`loops`) and dead DSNs (`dsn`).

use postwerk::journal::event::EventKind;
use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::mail::state::State;
use postwerk::queue::verbs::Verb;

use crate::client::letter;
use crate::house::{Door, House};
use crate::remote::Remote;

const PAUSED: &str = "[queue]\npaused = true\n";

#[tokio::test]
async fn an_operators_hold_lands_in_quarantine_and_release_lets_it_go() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, PAUSED).await;
    let id = house
        .send("a@sender.example", &["b@example.org"], &letter("held"))
        .await;
    assert_eq!(house.act(Verb::Hold, &id).await, 1);
    let place = house.places().await.remove(0);
    assert_eq!(place.state, State::Held);
    assert_eq!(
        place.hold,
        Some((HoldQueue::Quarantine, HoldReason::Operator))
    );
    let mut house = house.restart(remote.address, "").await;
    house
        .send("a@sender.example", &["c@example.org"], &letter("other"))
        .await;
    assert!(remote.mails(1).await[0].text.contains("other"));
    house.act(Verb::Release { undo: false }, &id).await;
    house.told(EventKind::Released).await;
    assert_eq!(
        remote.mails(2).await[1].to[0].split(' ').next(),
        Some("<b@example.org>")
    );
}

#[tokio::test]
async fn one_of_two_recipients_is_held_and_the_other_goes() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, PAUSED).await;
    let to = ["b@example.org", "c@example.org"];
    let id = house
        .send("a@sender.example", &to, &letter("one of two"))
        .await;
    assert_eq!(
        house.act(Verb::Hold, &format!("{id}/b@example.org")).await,
        1
    );
    let house = house.restart(remote.address, "").await;
    let mails = remote.mails(1).await;
    assert_eq!(mails[0].to.len(), 1, "{mails:?}");
    house
        .until_place("b@example.org", |place| place.state == State::Held)
        .await;
}

#[tokio::test]
async fn a_deleted_mail_waits_in_the_trash_and_comes_back_by_undo() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, PAUSED).await;
    let id = house
        .send("a@sender.example", &["b@example.org"], &letter("trash"))
        .await;
    house.act(Verb::Delete { now: false }, &id).await;
    assert!(matches!(
        house.places().await[0].state,
        State::Trashed { .. }
    ));
    house.act(Verb::Undo, &id).await;
    assert_eq!(house.places().await[0].state, State::Due);
    let _house = house.restart(remote.address, "").await;
    remote.mails(1).await;
}

#[tokio::test]
async fn a_deleted_mail_is_never_delivered() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, PAUSED).await;
    let id = house
        .send("a@sender.example", &["b@example.org"], &letter("deleted"))
        .await;
    house.act(Verb::Delete { now: true }, &id).await;
    let house = house.restart(remote.address, "").await;
    house
        .send("a@sender.example", &["c@example.org"], &letter("other"))
        .await;
    let mails = remote.mails(1).await;
    assert!(
        mails.iter().all(|mail| mail.text.contains("other")),
        "{mails:?}"
    );
}

#[tokio::test]
async fn an_account_in_hold_mode_is_answered_250_and_held() {
    let remote = Remote::friendly().await;
    let more = "[[account]]\nname = \"app1\"\npassword = \"file:{dir}/password\"\nhold = true\nowner = \"chef@example.org\"\n";
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("password"), "correct horse\n").unwrap();
    let clock = postwerk::base::clock::Clock::system();
    let mut house = House::in_dir(dir, remote.address, more, clock).await;
    let mut client = house.client(Door::Login).await.starttls().await;
    assert_eq!(client.login("app1", "correct horse").await.code, 235);
    let reply = client
        .mail("a@sender.example", &["b@example.org"], &letter("account"))
        .await;
    assert_eq!(reply.code, 250, "{reply:?}");
    house.told(EventKind::Held).await;
    let place = house.places().await.remove(0);
    assert_eq!(
        place.hold,
        Some((HoldQueue::Quarantine, HoldReason::Account))
    );
}

#[tokio::test]
async fn a_held_mail_that_is_requeued_is_judged_again_and_goes() {
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, PAUSED).await;
    let id = house
        .send("a@sender.example", &["b@example.org"], &letter("requeued"))
        .await;
    house.act(Verb::Hold, &id).await;
    house.act(Verb::Requeue { undo: false }, &id).await;
    house.told(EventKind::Requeued).await;
    let _house = house.restart(remote.address, "").await;
    assert!(remote.mails(1).await[0].text.contains("requeued"));
}

#[tokio::test]
async fn what_a_fault_of_ours_keeps_from_going_out_is_held_in_bad_as_long_as_the_fault_lasts() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, PAUSED).await;
    let id = house
        .send("a@sender.example", &["b@example.org"], &letter("torn"))
        .await;
    house.lose_body(&id).await;
    let mut house = house.restart(remote.address, "").await;
    let kept = Some((HoldQueue::Bad, HoldReason::Internal));
    house.told(EventKind::Held).await;
    house
        .until_place("b@example.org", |place| place.hold == kept)
        .await;
    house.act(Verb::Requeue { undo: false }, &id).await;
    house.told(EventKind::Held).await;
    house
        .until_place("b@example.org", |place| place.hold == kept)
        .await;
    house.act(Verb::Release { undo: false }, &id).await;
    house.told(EventKind::Held).await;
    house
        .until_place("b@example.org", |place| place.hold == kept)
        .await;
    assert_eq!(remote.mails(0).await.len(), 0, "half a mail is never sent");
}
