//! Not delivered: one honest DSN to the reverse-path, never to a null one, and never a loop (RFC 3464, RFC 3461).
//!
//! Wording and MIME structure have their own tests in `bounce`; here it is when a DSN is sent and to whom.

use std::time::Duration;

use postwerk::journal::event::EventKind;
use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::mail::state::State;

use crate::client::letter;
use crate::house::{Door, House};
use crate::remote::{Answer, Remote};

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// Refuses every recipient at example.org.
async fn refusing() -> Remote {
    Remote::scripted(|asked| {
        if asked.verb == "RCPT" && asked.line.contains("@example.org") {
            Answer::Say("550 5.1.1 unknown here")
        } else {
            Answer::Usual
        }
    })
    .await
}

#[tokio::test]
async fn a_failed_recipient_is_reported_to_the_reverse_path() {
    let remote = refusing().await;
    let mut house = House::before(&remote, "").await;
    house
        .send("a@sender.example", &["b@example.org"], &letter("fails"))
        .await;
    house.told(EventKind::Bounced).await;
    house
        .pass_until(EventKind::Delivered, HALF_A_MINUTE, 6)
        .await;
    let dsn = remote.mails(1).await.remove(0);
    assert_eq!(dsn.to[0].split(' ').next(), Some("<a@sender.example>"));
    assert!(
        dsn.from.starts_with("<>"),
        "a DSN never asks for one: {}",
        dsn.from
    );
    for part in [
        "Content-Type: multipart/report",
        "report-type=delivery-status",
        "Auto-Submitted: auto-",
        "Final-Recipient: rfc822;b@example.org",
        "Action: failed",
        "Status: 5.1.1",
        "unknown here",
        "Subject: fails",
    ] {
        let plain = dsn.text.replace("rfc822; ", "rfc822;").replace("\"", "");
        assert!(plain.contains(part), "no {part:?} in\n{}", dsn.text);
    }
}

#[tokio::test]
async fn a_null_reverse_path_never_gets_a_dsn() {
    let remote = refusing().await;
    let mut house = House::before(&remote, "").await;
    house.send("", &["b@example.org"], &letter("null")).await;
    house.told(EventKind::Held).await;
    for _ in 0..5 {
        house.pass(HALF_A_MINUTE);
    }
    // A mail behind it shows that the house had time.
    house
        .send(
            "a@sender.example",
            &["c@elsewhere.example"],
            &letter("behind"),
        )
        .await;
    let mails = remote.mails(1).await;
    assert!(
        mails.iter().all(|mail| mail.text.contains("behind")),
        "{mails:#?}"
    );
}

#[tokio::test]
async fn notify_never_is_obeyed() {
    let remote = refusing().await;
    let mut house = House::before(&remote, "").await;
    let mut client = house.client(Door::Open).await;
    client.cmd("MAIL FROM:<a@sender.example>").await;
    client.cmd("RCPT TO:<b@example.org> NOTIFY=NEVER").await;
    assert_eq!(client.data(&letter("never")).await.code, 250);
    house.told(EventKind::Bounced).await;
    for _ in 0..5 {
        house.pass(HALF_A_MINUTE);
    }
    house
        .send(
            "a@sender.example",
            &["c@elsewhere.example"],
            &letter("behind"),
        )
        .await;
    let mails = remote.mails(1).await;
    assert!(
        mails.iter().all(|mail| mail.text.contains("behind")),
        "{mails:#?}"
    );
}

#[tokio::test]
async fn recipients_that_fail_within_a_minute_share_one_dsn() {
    let remote = refusing().await;
    let mut house = House::before(&remote, "").await;
    let to = ["b@example.org", "c@example.org", "d@example.org"];
    house.send("a@sender.example", &to, &letter("three")).await;
    house.told_nth(EventKind::Bounced, 3).await;
    house
        .pass_until(EventKind::Delivered, HALF_A_MINUTE, 6)
        .await;
    let mails = remote.mails(1).await;
    assert_eq!(mails.len(), 1);
    assert_eq!(
        mails[0].text.matches("Action: failed").count(),
        3,
        "{}",
        mails[0].text
    );
}

#[tokio::test]
async fn a_dsn_that_cannot_be_delivered_ends_in_the_defect_hold() {
    let remote = Remote::scripted(|asked| match asked.verb {
        "RCPT" => Answer::Say("550 5.1.1 unknown here"),
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, "").await;
    house
        .send("a@sender.example", &["b@example.org"], &letter("double"))
        .await;
    house.told(EventKind::Bounced).await;
    house.pass_until(EventKind::Held, HALF_A_MINUTE, 6).await;
    let place = house
        .until_place("a@sender.example", |place| place.state == State::Held)
        .await;
    assert_eq!(
        place.hold,
        Some((HoldQueue::Defect, HoldReason::Undeliverable))
    );
}
