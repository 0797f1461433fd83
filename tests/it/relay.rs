//! Relaying: the bytes stay, one Received field comes in front, and each recipient has its own answer.
//!
//! What a failure means for the next try is in `retry`, what the author is told in `dsn`.

use postwerk::journal::event::EventKind;
use postwerk::mail::state::State;

use crate::client::letter;
use crate::house::{Door, HOSTNAME, House, nobody};
use crate::remote::{Answer, Remote};

#[tokio::test]
async fn one_received_field_comes_in_front_and_nothing_else_changes() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, "").await;
    let text = format!(
        "{}.\r\n..\r\n.dot\r\n \t\r\nblanks at the end  \r\n\r\n",
        letter("bytes")
    );
    let id = house
        .send("a@sender.example", &["b@example.org"], &text)
        .await;
    let mail = remote.mails(1).await.remove(0);
    let trace = mail
        .text
        .strip_suffix(&text)
        .expect("the text is unchanged");
    assert!(
        trace.starts_with("Received: from client.example"),
        "{trace}"
    );
    assert!(
        trace.contains(HOSTNAME) && trace.contains(&id) && trace.contains("ESMTP"),
        "{trace}"
    );
    assert_eq!(trace.matches("Received:").count(), 1, "{trace}");
    assert!(mail.from.starts_with("<a@sender.example>"), "{}", mail.from);
}

#[tokio::test]
async fn a_domain_in_unicode_and_an_orcpt_of_rfc_6533_go_on_as_the_hop_can_take_them() {
    const ALL: &[&str] = &["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"];
    const OLD: &[&str] = &["PIPELINING", "8BITMIME", "DSN"];
    for (words, mail, unicode, ascii) in [
        (
            ALL,
            "<a@bücher.example> SMTPUTF8",
            "<b@bücher.example> ORCPT=utf-8;δ@bücher.example",
            "<c@xn--bcher-kva.example> ORCPT=utf-8;δ\\x{2B}@x",
        ),
        (
            OLD,
            "<a@xn--bcher-kva.example>",
            "<b@xn--bcher-kva.example> ORCPT=utf-8;\\x{3B4}@b\\x{FC}cher.example",
            "<c@xn--bcher-kva.example> ORCPT=utf-8;\\x{3B4}\\x{2B}@x",
        ),
    ] {
        let remote = Remote::with_words(words).await;
        let house = House::before(&remote, "").await;
        let mut client = house.client(Door::Open).await;
        for line in [
            "MAIL FROM:<a@bücher.example> SMTPUTF8",
            "RCPT TO:<b@bücher.example> ORCPT=utf-8;δ@bücher.example",
            "RCPT TO:<c@xn--bcher-kva.example> ORCPT=utf-8;\\x{3B4}\\x{2B}@x",
        ] {
            assert_eq!(client.cmd(line).await.code, 250, "{line}");
        }
        assert_eq!(client.data(&letter("domain")).await.code, 250);
        let got = remote.mails(1).await.remove(0);
        assert_eq!(got.to, [unicode, ascii], "both in one transaction");
        assert_eq!(got.from, mail);
    }
}

#[tokio::test]
async fn recipients_of_one_domain_share_a_transaction() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, "").await;
    let to = ["one@example.org", "two@example.org", "three@example.org"];
    house.send("a@sender.example", &to, &letter("shared")).await;
    let mails = remote.mails(1).await;
    assert_eq!(mails[0].to.len(), 3, "{mails:?}");
    assert_eq!(remote.asked("DATA"), 1);
}

#[tokio::test]
async fn a_refused_recipient_does_not_stop_the_others() {
    let remote = Remote::scripted(|asked| {
        if asked.line.contains("bad@") {
            Answer::Say("550 5.1.1 no such user")
        } else {
            Answer::Usual
        }
    })
    .await;
    let mut house = House::before(&remote, "").await;
    let to = ["good@example.org", "bad@example.org", "fine@example.org"];
    house
        .send("a@sender.example", &to, &letter("partial"))
        .await;
    let event = house.told(EventKind::Bounced).await;
    assert_eq!(event.recipient, "bad@example.org");
    assert!(event.text.contains("no such user"), "{event:?}");
    let mails = remote.mails(1).await;
    assert_eq!(mails[0].to.len(), 2, "{mails:?}");
}

#[tokio::test]
async fn each_recipient_is_in_the_state_that_its_reply_says() {
    let remote = Remote::scripted(|asked| match asked.line {
        line if line.starts_with("RCPT") && line.contains("later@") => {
            Answer::Say("451 4.7.1 greylisted")
        }
        line if line.starts_with("RCPT") && line.contains("never@") => {
            Answer::Say("550 5.1.1 unknown")
        }
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, "").await;
    let to = ["now@example.org", "later@example.org", "never@example.org"];
    house.send("a@sender.example", &to, &letter("states")).await;
    house.told(EventKind::Deferred).await;
    for (address, state) in [
        ("now@example.org", State::Relayed),
        ("later@example.org", State::Due),
        ("never@example.org", State::Failed),
    ] {
        house
            .until_place(address, |place| place.state == state)
            .await;
    }
}

#[tokio::test]
async fn the_second_next_hop_is_asked_when_the_first_is_away() {
    let remote = Remote::friendly().await;
    let away = nobody().await;
    let route = format!(
        "[[route]]\ndomain = \"*\"\nrelay = [\"{away}\", \"{}\"]\n",
        remote.address
    );
    let house = House::start(away, &route).await;
    house
        .send(
            "a@sender.example",
            &["b@elsewhere.example"],
            &letter("second hop"),
        )
        .await;
    remote.mails(1).await;
}

#[tokio::test]
async fn dsn_parameters_are_passed_on() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, "").await;
    let mut client = house.client(Door::Open).await;
    client
        .cmd("MAIL FROM:<a@sender.example> RET=HDRS ENVID=QQ314159")
        .await;
    client
        .cmd("RCPT TO:<b@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;orig@example.org")
        .await;
    assert_eq!(client.data(&letter("dsn parameters")).await.code, 250);
    let mail = remote.mails(1).await.remove(0);
    assert!(
        mail.from.contains("RET=HDRS") && mail.from.contains("ENVID=QQ314159"),
        "{mail:?}"
    );
    assert!(
        mail.to[0].contains("ORCPT=rfc822;orig@example.org"),
        "{mail:?}"
    );
    assert!(mail.to[0].contains("NOTIFY=FAILURE,DELAY"), "{mail:?}");
}

#[tokio::test]
async fn an_address_in_utf_8_is_never_sent_to_a_hop_without_smtputf8() {
    let remote = Remote::with_words(&["PIPELINING", "8BITMIME"]).await;
    let mut house = House::before(&remote, "").await;
    let mut client = house.client(Door::Open).await;
    client.cmd("MAIL FROM:<a@sender.example> SMTPUTF8").await;
    client.cmd("RCPT TO:<jörg@example.org>").await;
    assert_eq!(client.data(&letter("utf8")).await.code, 250);
    let event = house.told(EventKind::Bounced).await;
    assert!(event.text.contains("SMTPUTF8"), "{event:?}");
    assert_eq!(remote.asked("DATA"), 0);
}

#[tokio::test]
async fn a_hop_without_extensions_gets_the_mail_step_by_step() {
    let remote = Remote::with_words(&[]).await;
    let house = House::before(&remote, "").await;
    house
        .send("a@sender.example", &["b@example.org"], &letter("plain hop"))
        .await;
    let mails = remote.mails(1).await;
    assert_eq!(
        mails[0].from, "<a@sender.example>",
        "no parameter that was not offered"
    );
}

#[tokio::test]
async fn several_mails_go_over_one_connection() {
    let remote = Remote::friendly().await;
    let house = House::start(remote.address, "[queue]\npaused = true\n").await;
    for n in 0..10 {
        house
            .send(
                "a@sender.example",
                &["b@example.org"],
                &letter(&format!("many{n}")),
            )
            .await;
    }
    let _house = house
        .restart(remote.address, "[deliver]\nconnections_per_site = 1\n")
        .await;
    remote.mails(10).await;
    assert_eq!(remote.asked("CONNECT"), 1, "{:#?}", remote.lines());
}
