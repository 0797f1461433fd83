//! What is found is held, whatever way it came in, and what a person does then is recorded.
//!
//! Not here: scanners that fail (`faults`).

use postwerk::base::lang::Lang;
use postwerk::digest::told::reason;
use postwerk::journal::event::EventKind;
use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::queue::verbs::Verb;

use super::peer::{Answer, Peer, eicar, eicar_file};
use super::{clam, facts, holds};
use crate::client::letter;
use crate::house::{Door, House};
use crate::remote::Remote;

const VIRUS: (HoldQueue, HoldReason) = (HoldQueue::Quarantine, HoldReason::Virus);

/// A mail with EICAR's file in its attachment.
pub fn infected() -> String {
    use base64::Engine;
    let file = base64::engine::general_purpose::STANDARD.encode(eicar_file());
    let text = letter("infected");
    let (header, _) = text.split_once("\r\n\r\n").expect("a header");
    format!(
        "{header}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\n\r\nSee the attachment.\r\n--b\r\nContent-Type: application/octet-stream\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=invoice.txt\r\n\r\n{file}\r\n--b--\r\n"
    )
}

#[tokio::test]
async fn an_infected_attachment_is_quarantined_and_the_peer_never_learns_of_it() {
    let remote = Remote::friendly().await;
    let peer = Peer::clamd(|_, mail| eicar(mail)).await;
    let house = House::before(&remote, &clam(&peer.address, "")).await;
    let id = house
        .send("a@sender.example", &["b@example.org"], &infected())
        .await;
    let hold = holds(&house).await.remove(0);
    assert_eq!((hold.queue, hold.reason), VIRUS);
    assert_eq!(
        hold.params.get("name").map(String::as_str),
        Some("Eicar-Test-Signature")
    );
    assert!(
        facts(&house, &id)
            .await
            .contains("clam: infected with Eicar-Test-Signature")
    );
    house
        .send("a@sender.example", &["b@example.org"], &letter("clean"))
        .await;
    assert!(remote.mails(1).await[0].text.contains("clean"));
}

#[tokio::test]
async fn chunks_that_cut_the_signature_hide_nothing() {
    let remote = Remote::friendly().await;
    let peer = Peer::clamd(|_, mail| eicar(mail)).await;
    let house = House::before(&remote, &clam(&peer.address, "")).await;
    let text = infected();
    let mut client = house.client(Door::Mx).await;
    client.cmd("MAIL FROM:<a@sender.example>").await;
    client.cmd("RCPT TO:<b@example.org>").await;
    let (most, last) = text.as_bytes().split_at(text.len() - 1);
    for octets in most.chunks(7) {
        client
            .send([format!("BDAT {}\r\n", octets.len()).as_bytes(), octets].concat())
            .await;
        assert_eq!(client.reply().await.code, 250);
    }
    client
        .send([b"BDAT 1 LAST\r\n".as_slice(), last].concat())
        .await;
    assert_eq!(client.reply().await.code, 250);
    let hold = holds(&house).await.remove(0);
    assert_eq!((hold.queue, hold.reason), VIRUS);
    assert_eq!(peer.mails().remove(0), text.as_bytes());
}

#[tokio::test]
async fn a_requeue_is_scanned_again_and_a_release_is_not_and_says_so() {
    let remote = Remote::friendly().await;
    let peer = Peer::clamd(|_, mail| eicar(mail)).await;
    let mut house = House::before(&remote, &clam(&peer.address, "")).await;
    let id = house
        .send("a@sender.example", &["b@example.org"], &infected())
        .await;
    house.act(Verb::Requeue { undo: false }, &id).await;
    house.told(EventKind::Requeued).await;
    house.told(EventKind::Held).await;
    assert_eq!(peer.asked(), 2);
    let hold = holds(&house).await.remove(0);
    assert_eq!((hold.queue, hold.reason), VIRUS);
    house.act(Verb::Release { undo: false }, &id).await;
    remote.mails(1).await;
    assert_eq!(peer.asked(), 2);
    let facts = facts(&house, &id).await;
    assert!(
        facts.contains("released without being checked; skipped: "),
        "{facts}"
    );
}

#[tokio::test]
async fn mail_of_the_program_around_us_is_scanned() {
    let remote = Remote::friendly().await;
    let peer = Peer::clamd(|_, mail| eicar(mail)).await;
    let house = House::before(&remote, &clam(&peer.address, "")).await;
    house
        .submit("a@example.org", &["b@example.org"], &infected())
        .await;
    let hold = holds(&house).await.remove(0);
    assert_eq!((hold.queue, hold.reason), VIRUS);
}

#[tokio::test]
async fn what_clamd_finds_and_is_no_virus_is_held_where_it_belongs() {
    for (name, place, param) in [
        (
            "Heuristics.Limits.Exceeded.MaxFileSize",
            (HoldQueue::Bad, HoldReason::Scanner),
            None,
        ),
        (
            "Heuristics.Encrypted.Zip",
            (HoldQueue::Quarantine, HoldReason::Attachment),
            Some("clam"),
        ),
        (
            "Heuristics.Phishing.Email.SpoofedDomain",
            (HoldQueue::Quarantine, HoldReason::Phish),
            Some("clam"),
        ),
        (
            "Heuristics.OLE2.ContainsMacros.VBA",
            (HoldQueue::Quarantine, HoldReason::Attachment),
            Some("clam"),
        ),
        ("Heuristics.Exploit.X", VIRUS, Some("clam")),
        (
            "(null)",
            (HoldQueue::Bad, HoldReason::Scanner),
            Some("clam"),
        ),
    ] {
        let remote = Remote::friendly().await;
        let peer = Peer::clamd(move |_, _| Answer::Say(format!("stream: {name} FOUND"))).await;
        // Whatever is done with mail that no scanner judged, this one was found.
        let rule = if name == "(null)" { "hold" } else { "accept" };
        let rule = format!("on_failure = \"{rule}\"");
        let house = House::before(&remote, &clam(&peer.address, &rule)).await;
        house
            .send("a@sender.example", &["b@example.org"], &letter("x"))
            .await;
        let hold = holds(&house).await.remove(0);
        assert_eq!((hold.queue, hold.reason), place, "case: {name}");
        let scanner = hold.params.get("scanner").map(String::as_str);
        assert_eq!(scanner, param, "case: {name}");
        for (lang, none) in [(Lang::De, "reason-"), (Lang::En, "why-")] {
            let told = reason(lang, &hold);
            assert!(!told.contains(none), "case: {name}: {told}");
            // The last part may stand with its dots made harmless.
            let last = name.rsplit('.').next().unwrap();
            assert!(told.contains(last), "case: {name}: {told}");
        }
    }
}

#[tokio::test]
async fn mails_that_are_found_without_a_name_switch_no_scanner_off() {
    let remote = Remote::friendly().await;
    let peer = Peer::clamd(|nth, mail| match nth {
        1..=4 => Answer::Say("stream: (null) FOUND".to_owned()),
        _ => eicar(mail),
    })
    .await;
    let house = House::before(&remote, &clam(&peer.address, "on_failure = \"accept\"")).await;
    for _ in 0..4 {
        house
            .send("a@sender.example", &["b@example.org"], &letter("x"))
            .await;
    }
    house
        .send("a@sender.example", &["b@example.org"], &infected())
        .await;
    assert_eq!(peer.asked(), 5);
    let hold = holds(&house).await.remove(0);
    assert_eq!((hold.queue, hold.reason), VIRUS);
}
