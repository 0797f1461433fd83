//! Not delivered: one honest DSN to the reverse-path, never to a null one, and never a loop (RFC 3464, RFC 3461).
//!
//! Wording and MIME structure have their own tests in `bounce`; here it is when a DSN is sent and to whom.

use std::time::Duration;

use postwerk::journal::event::EventKind;
use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::mail::state::State;
use postwerk::queue::verbs::Verb;

use crate::client::letter;
use crate::house::{Door, House};
use crate::remote::{Answer, Remote};

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// A hop that takes ASCII only.
const ASCII_ONLY: &[&str] = &["PIPELINING", "DSN", "SIZE 104857600"];

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
#[expect(
    clippy::too_many_lines,
    reason = "one table of mails, one look at all reports"
)]
async fn a_report_leaves_by_the_hop_that_could_not_take_the_message() {
    let rule = "[[hold_rule]]\nmatch = { sender = \"held@sender.example\" }\nreason = \"a look\"\n";
    let remote = Remote::with_words(ASCII_ONLY).await;
    let mut house = House::before(&remote, rule).await;
    for (from, to, text) in [
        (
            "body@sender.example",
            "b@example.org",
            "Subject: a\r\n\r\nGrüße\r\n",
        ),
        (
            "header@sender.example",
            "b@example.org",
            "Subject: Grüße\r\n\r\na\r\n",
        ),
        (
            "utf8@sender.example",
            "jörg@example.org",
            "Subject: a\r\n\r\na\r\n",
        ),
        (
            "idn@bücher.example",
            "jörg@example.org",
            "Subject: a\r\n\r\na\r\n",
        ),
        (
            "held@sender.example",
            "b@example.org",
            "Subject: Grüße\r\n\r\nGrüße\r\n",
        ),
    ] {
        let mut client = house.client(Door::Open).await;
        let mail = format!("MAIL FROM:<{from}> BODY=8BITMIME SMTPUTF8");
        assert_eq!(client.cmd(&mail).await.code, 250, "{from}");
        assert_eq!(
            client.cmd(&format!("RCPT TO:<{to}>")).await.code,
            250,
            "{to}"
        );
        let reply = client.data(text).await;
        assert_eq!(reply.code, 250, "{reply:?}");
        if from.starts_with("held") {
            house.act(Verb::Bounce, &reply.queue_id()).await;
        }
        house.told(EventKind::Bounced).await;
    }
    house
        .pass_until(EventKind::Delivered, HALF_A_MINUTE, 6)
        .await;
    let mut mails = remote.mails(5).await;
    mails.sort_by(|a, b| a.to.cmp(&b.to));
    let to: Vec<&str> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
    assert_eq!(
        to,
        [
            "<body@sender.example>",
            "<header@sender.example>",
            "<held@sender.example>",
            "<idn@xn--bcher-kva.example>",
            "<utf8@sender.example>",
        ]
    );
    for dsn in &mails {
        assert!(dsn.text.is_ascii(), "{}", dsn.text);
        assert!(dsn.text.contains("message/delivery-status"), "{}", dsn.text);
        // What a person returned was never tried.
        let tried = !dsn.to[0].contains("held@");
        assert_eq!(
            dsn.text.contains("Last-Attempt-Date:"),
            tried,
            "{}",
            dsn.text
        );
    }
}

#[tokio::test]
async fn a_report_never_asks_for_smtputf8_because_of_a_domain() {
    let remote = refusing().await;
    let mut house = House::before(&remote, "").await;
    house
        .send("a@bücher.example", &["b@example.org"], &letter("domain"))
        .await;
    house.told(EventKind::Bounced).await;
    house
        .pass_until(EventKind::Delivered, HALF_A_MINUTE, 6)
        .await;
    let dsn = remote.mails(1).await.remove(0);
    assert!(!dsn.from.contains("SMTPUTF8"), "{}", dsn.from);
    assert_eq!(
        dsn.to[0].split(' ').next(),
        Some("<a@xn--bcher-kva.example>")
    );
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
