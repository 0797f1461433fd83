//! What is found in attachments holds the mail: at the door, when it is requeued, and in mail of the program itself.
//!
//! Not here: what is found in which archive (`mail::archive`), and how `[attachments]` is written (`conf_bad`).

use std::io::{Cursor, Write};

use postwerk::base::lang::Lang;
use postwerk::digest::told;
use postwerk::journal::event::EventKind;
use postwerk::mail::hold::{Check, Hold, HoldQueue, HoldReason};
use postwerk::mail::state::State;
use postwerk::queue::hold::Shelf;
use postwerk::queue::verbs::Verb;
use zip::write::SimpleFileOptions;

use crate::house::{Door, House, config, nobody};
use crate::remote::Remote;

const PAUSED: &str = "[queue]\npaused = true\n";

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        file.start_file(*name, SimpleFileOptions::default())
            .unwrap();
        file.write_all(content).unwrap();
    }
    file.finish().unwrap().into_inner()
}

/// A mail with one file, encoded by what other programs use.
fn parcel(name: &str, file: Vec<u8>) -> String {
    mail_builder::MessageBuilder::new()
        .from("a@sender.example")
        .to("b@example.org")
        .subject("Rechnung")
        .text_body("see there")
        .attachment("application/octet-stream", name, file)
        .write_to_string()
        .unwrap()
}

fn program() -> Vec<u8> {
    zipped(&[("inner.zip", &zipped(&[("setup.exe", b"MZ\x90\0\x03\0")]))])
}

async fn holds(house: &House) -> Vec<Hold> {
    let queue = house.server.queue();
    let page = queue.cards(&Shelf::All, None, false, 100).await;
    let cards = page.expect("cards").cards;
    cards.into_iter().map(|card| card.hold).collect()
}

async fn send(house: &House, door: Door, text: &str) -> String {
    let mut client = house.client(door).await;
    let reply = client
        .mail("a@sender.example", &["b@example.org"], text)
        .await;
    assert_eq!(reply.code, 250, "{reply:?}");
    reply.queue_id()
}

/// Why one mail is held that comes from outside.
async fn held(more: &str, text: &str) -> Option<Hold> {
    let house = House::start(nobody().await, &format!("{PAUSED}{more}")).await;
    send(&house, Door::Mx, text).await;
    holds(&house).await.pop()
}

#[tokio::test]
async fn a_program_in_a_zip_in_a_zip_waits_in_quarantine_and_its_path_is_told() {
    let hold = held("", &parcel("rechnung.zip", program())).await.unwrap();
    assert_eq!(hold.queue, HoldQueue::Quarantine);
    assert_eq!(hold.reason, HoldReason::Attachment);
    assert_eq!(
        hold.cause,
        "rechnung.zip > inner.zip > setup.exe: blocked by \"*.exe\""
    );
    assert_eq!(hold.checked, [Check::Loop, Check::Attachments]);
    assert_eq!(
        told::reason(Lang::De, &hold),
        "Nicht zugelassener Anhang: rechnung[.]zip > inner[.]zip > setup.exe"
    );
    // By its content, whatever it is called.
    let photo = parcel("photo.jpg", b"MZ\x90\0\x03\0\0\0".to_vec());
    let hold = held("", &photo).await.unwrap();
    assert_eq!(
        told::reason(Lang::En, &hold),
        "Attachment of a kind that is not let through: photo.jpg (EXE)"
    );
}

#[tokio::test]
async fn what_cannot_be_seen_to_its_end_waits_in_bad_with_the_bound() {
    let bomb = zipped(&[("a.txt", &vec![0; 40 << 20])]);
    let hold = held("", &parcel("a.zip", bomb)).await.unwrap();
    assert_eq!(hold.queue, HoldQueue::Bad);
    assert_eq!(hold.reason, HoldReason::Scanner);
    assert_eq!(
        hold.cause,
        "archive bomb: a.zip > a.txt: unpacks to far more than it is (bound ARCHIVE_RATIO_MAX = 200)"
    );
    assert_eq!(
        told::reason(Lang::De, &hold),
        "Prüfung nicht möglich, a[.]zip > a.txt überschreitet eine Grenze (ARCHIVE_RATIO_MAX = 200)"
    );
    let mut torn = zipped(&[("a.txt", b"some text that is torn")]);
    torn.truncate(45);
    let torn = parcel("a.zip", torn);
    let hold = held("", &torn).await.unwrap();
    assert_eq!(hold.queue, HoldQueue::Bad);
    let lax = "[attachments]\ndamaged = \"accept\"\n";
    assert_eq!(held(lax, &torn).await, None);
}

#[tokio::test]
async fn what_only_a_password_opens_waits_in_quarantine_unless_it_is_accepted() {
    let mut file = zipped(&[("offer.pdf", b"secret")]);
    let central = memchr::memmem::find(&file, b"PK\x01\x02").unwrap();
    file[6] |= 1;
    file[central + 8] |= 1;
    let text = parcel("offer.zip", file);
    let hold = held("", &text).await.unwrap();
    assert_eq!(hold.queue, HoldQueue::Quarantine);
    assert_eq!(
        told::reason(Lang::De, &hold),
        "Nur mit einem Passwort zu öffnen: offer[.]zip > offer.pdf"
    );
    let lax = "[attachments]\nencrypted = \"accept\"\n";
    assert_eq!(held(lax, &text).await, None);
}

#[tokio::test]
async fn a_requeue_finds_it_again_until_the_rule_is_changed_and_a_release_asks_nobody() {
    let remote = Remote::friendly().await;
    // All doors of a house have the same address, so that a requeue takes them for the first one.
    let both = "listeners = [\"mx\", \"submission\"]\n";
    let strict = format!("[attachments]\n{both}");
    let mut house = House::before(&remote, &strict).await;
    let text = parcel("a.zip", program());
    let id = send(&house, Door::Mx, &text).await;
    let other = send(&house, Door::Mx, &text).await;
    house.act(Verb::Requeue { undo: false }, &id).await;
    house.told_nth(EventKind::Held, 3).await;
    assert_eq!(holds(&house).await.len(), 2);
    let without = config(
        house.dir.path(),
        remote.address,
        &format!("{strict}block = [\"*.scr\"]\n"),
    );
    house.server.reload(without).await.expect("reloaded");
    house.act(Verb::Requeue { undo: false }, &id).await;
    remote.mails(1).await;
    let strict = config(house.dir.path(), remote.address, &strict);
    house.server.reload(strict).await.expect("reloaded");
    house.act(Verb::Release { undo: false }, &other).await;
    remote.mails(2).await;
    assert_eq!(holds(&house).await, []);
}

#[tokio::test]
async fn who_is_looked_at_is_configured_and_exceptions_count() {
    let text = parcel("a.zip", program());
    let both = "[attachments]\nlisteners = [\"mx\", \"submission\"]\n";
    let except = "[[exception]]\nscanners = [\"attachments\"]\nreason = \"our builds\"\nnetworks = [\"127.0.0.0/8\"]\n";
    let order = "[checks]\norder = [\"loop\", \"rules\"]\n";
    for (more, door, wanted) in [
        ("", Door::Mx, true),
        ("", Door::Open, false),
        (both, Door::Open, true),
        (except, Door::Mx, false),
        (order, Door::Mx, false),
        ("[attachments]\narchives = false\n", Door::Mx, false),
        ("[attachments]\nblock = []\n", Door::Mx, false),
    ] {
        let house = House::start(nobody().await, &format!("{PAUSED}{more}")).await;
        send(&house, door, &text).await;
        assert_eq!(holds(&house).await.len(), usize::from(wanted), "{more}");
    }
    let house = House::start(nobody().await, &format!("{PAUSED}{both}")).await;
    house
        .submit("a@sender.example", &["b@example.org"], &text)
        .await;
    assert_eq!(holds(&house).await[0].reason, HoldReason::Attachment);
}

#[tokio::test]
async fn a_program_across_chunks_and_in_a_large_mail_is_found() {
    let noise: Vec<u8> = (0..400_000u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let file = zipped(&[("noise.bin", &noise), ("setup.exe", b"x")]);
    let text = parcel("a.zip", file);
    let house = House::start(nobody().await, PAUSED).await;
    send(&house, Door::Mx, &text).await;
    let mut client = house.client(Door::Mx).await;
    client.cmd("MAIL FROM:<a@sender.example>").await;
    client.cmd("RCPT TO:<b@example.org>").await;
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(9_001).collect();
    for (n, piece) in pieces.iter().enumerate() {
        let last = if n + 1 == pieces.len() { " LAST" } else { "" };
        client.send(format!("BDAT {}{last}\r\n", piece.len())).await;
        client.send(piece).await;
        assert_eq!(client.reply().await.code, 250);
    }
    let holds = holds(&house).await;
    assert_eq!(holds.len(), 2);
    for hold in holds {
        assert_eq!(hold.params["name"], "a.zip > setup.exe");
    }
}

#[tokio::test]
async fn clean_attachments_go_out_as_they_came() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, "").await;
    let file = zipped(&[("a.txt", b"a"), ("b.pdf", b"%PDF-1.7")]);
    let text = parcel("a.zip", file);
    send(&house, Door::Mx, &text).await;
    let mails = remote.mails(1).await;
    assert!(mails[0].text.ends_with(&text));
    assert_ne!(
        house.places().await.first().map(|p| &p.state),
        Some(&State::Held)
    );
}
