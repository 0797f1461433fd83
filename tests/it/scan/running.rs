//! Scanners in a server that lives: reloads and stops while mails are looked at, and mail of its own that none sees.
//!
//! Not here: scanners that fail (`faults`), and what they find (`infected`).

use postwerk::journal::event::EventKind;
use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::mail::state::State;
use postwerk::queue::verbs::Verb;

use super::infected::infected;
use super::peer::{Answer, Gate, Peer, clean, eicar};
use super::{TIMEOUT, clam, holds};
use crate::client::{letter, stuffed};
use crate::house::{Door, House, config};
use crate::remote::{self, Remote};

const VIRUS: Option<(HoldQueue, HoldReason)> = Some((HoldQueue::Quarantine, HoldReason::Virus));
const SOON: &str = "[queue]\nstop_timeout = \"1s\"\n";

#[tokio::test]
async fn a_reload_changes_the_scanner_and_what_is_under_way_ends_with_the_old_one() {
    let remote = Remote::friendly().await;
    let gate = Gate::default();
    let slow = gate.clone();
    let first =
        Peer::clamd(move |_, mail| Answer::After(slow.clone(), Box::new(eicar(mail)))).await;
    let second = Peer::clamd(|_, _| clean()).await;
    let house = House::before(&remote, &clam(&first.address, "")).await;
    let mut open = house.client(Door::Open).await;
    let mut client = house.client(Door::Open).await;
    let waiting = tokio::spawn(async move {
        client
            .mail("a@sender.example", &["b@example.org"], &infected())
            .await
    });
    first.until_asked(1).await;
    for (tag, more, asked) in [
        ("by the second", clam(&second.address, ""), 1),
        ("by none", String::new(), 1),
    ] {
        let new = config(house.dir.path(), remote.address, &more);
        house.server.reload(new).await.expect("reloaded");
        let reply = open
            .mail("a@sender.example", &["b@example.org"], &letter(tag))
            .await;
        assert_eq!(reply.code, 250, "case: {tag}");
        assert_eq!(second.asked(), asked, "case: {tag}");
    }
    gate.open();
    assert_eq!(waiting.await.expect("answered").code, 250);
    let hold = holds(&house).await.remove(0);
    assert_eq!(Some((hold.queue, hold.reason)), VIRUS);
    assert_eq!(first.asked(), 1);
    assert_eq!(remote.mails(2).await.len(), 2);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_scanner_and_what_it_looked_at_was_never_taken() {
    let remote = Remote::friendly().await;
    let peer = Peer::clamd(|_, _| Answer::Silence).await;
    let more = format!("{SOON}{}", clam(&peer.address, ""));
    let house = House::before(&remote, &more).await;
    let mut client = house.client(Door::Open).await;
    for (line, code) in [
        ("MAIL FROM:<a@sender.example>", 250),
        ("RCPT TO:<b@example.org>", 250),
        ("DATA", 354),
    ] {
        assert_eq!(client.cmd(line).await.code, code);
    }
    client.send(stuffed(&letter("stopped"))).await;
    peer.until_asked(1).await;
    let house = house.restart(remote.address, &more).await;
    // For what may still be left of the old one.
    house.pass(TIMEOUT);
    while let Some(reply) = client.next_reply().await {
        assert_ne!(reply.code / 100, 2, "{reply:?}");
    }
    assert!(house.places().await.is_empty());
}

#[tokio::test]
async fn a_requeue_that_a_stop_cuts_off_is_scanned_after_the_start() {
    let remote = Remote::friendly().await;
    let peer = Peer::clamd(|nth, mail| match nth {
        2 => Answer::Silence,
        _ => eicar(mail),
    })
    .await;
    let more = format!("{SOON}{}", clam(&peer.address, ""));
    let house = House::before(&remote, &more).await;
    let id = house
        .send("a@sender.example", &["b@example.org"], &infected())
        .await;
    house.act(Verb::Requeue { undo: false }, &id).await;
    peer.until_asked(2).await;
    let house = house.restart(remote.address, &more).await;
    peer.until_asked(3).await;
    house
        .until_place("b@example.org", |place| {
            place.state == State::Held && place.hold == VIRUS
        })
        .await;
    assert!(remote.so_far().is_empty());
}

#[tokio::test]
async fn what_the_server_writes_itself_is_not_scanned() {
    let remote = Remote::scripted(|asked| {
        if asked.verb == "RCPT" && asked.line.contains("gone@example.org") {
            remote::Answer::Say("550 5.1.1 unknown here")
        } else {
            remote::Answer::Usual
        }
    })
    .await;
    let peer = Peer::clamd(|_, mail| eicar(mail)).await;
    let digest = "[admin]\nbind = \"127.0.0.1:0\"\npublic_url = \"http://127.0.0.1:8443/\"\n\
        [digest]\nto = [\"boss@admin.example\"]\nowners = false\non_first = true\n";
    let more = format!("{digest}{}", clam(&peer.address, ""));
    let mut house = House::before(&remote, &more).await;
    house
        .send("a@sender.example", &["b@example.org"], &infected())
        .await;
    let told = remote.mails(1).await.remove(0);
    assert!(told.text.contains("List-Id: "), "{}", told.text);
    house
        .send("a@sender.example", &["gone@example.org"], &letter("gone"))
        .await;
    house.told(EventKind::Bounced).await;
    house.pass_until(EventKind::Delivered, TIMEOUT, 6).await;
    let mails = remote.mails(2).await;
    assert!(mails[1].text.contains("multipart/report"));
    assert_eq!(peer.asked(), 2);
}
