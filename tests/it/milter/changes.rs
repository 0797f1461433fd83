//! Changes: of fields, bodies and envelopes.
//!
//! Each through the real server, as it arrives at the next hop. Not here: verdicts (`dialog`).

use super::peer::Filter;
use crate::house::House;
use crate::remote::Remote;

const FROM: &str = "a@sender.example";

/// The mail that comes out, behind our Received field.
async fn out(filter: &Filter, text: &str) -> crate::remote::Mail {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, &filter.section("f", "")).await;
    house.send(FROM, &["b@example.org"], text).await;
    let mut mail = remote.mails(1).await.remove(0);
    let mut at = 0;
    for (n, line) in mail.text.split_inclusive('\n').enumerate() {
        if n > 0 && !line.starts_with([' ', '\t']) {
            break;
        }
        at += line.len();
    }
    mail.text = mail.text.split_off(at);
    mail
}

#[tokio::test]
async fn fields_come_on_top_of_a_text_that_stays() {
    let filter = Filter::at_end(&[
        (b'h', b"X-Added\0last\0"),
        (b'i', b"\0\0\0\0X-First\0one\n\ttwo\0"),
        (b'p', b""),
        (b'i', b"\0\0\0\x01X-Top\0v\0"),
    ])
    .await;
    let text = "Subject: x\r\nDate: d\r\nMessage-ID: <m@x>\r\n\r\ny\r\n";
    let mail = out(&filter, text).await;
    let wanted = format!("X-Top: v\r\nX-First: one\r\n\ttwo\r\nX-Added: last\r\n{text}");
    assert_eq!(mail.text, wanted);
}

#[tokio::test]
async fn a_text_is_rewritten_across_its_chunks() {
    let fields: &[(u8, &[u8])] = &[
        (b'm', b"\0\0\0\x01Subject\0[x] new\0"),
        (b'm', b"\0\0\0\x02X-Spam\0\0"),
        (b'i', b"\0\0\0\x03X-In\0between\0"),
        (b'h', b"X-Last\0v\0"),
    ];
    let head = "From: f\r\nSubject: old\r\n folded\r\nX-Spam: 1\r\nX-Spam: 2\r\nDate: d\r\nMessage-ID: <m@x>\r\n";
    let new = "From: f\r\nSubject: [x] new\r\nX-In: between\r\nX-Spam: 1\r\nDate: d\r\nMessage-ID: <m@x>\r\nX-Last: v\r\n";
    let long = ".dot\r\n..\r\nl\u{e4}ng and wide\r\n".repeat(12_000);
    for body in ["", "\r\n", "\r\n.\r\n", &format!("\r\n{long}")] {
        let filter = Filter::at_end(fields).await;
        let mail = out(&filter, &format!("{head}{body}")).await;
        assert_eq!(mail.text.len(), new.len() + body.len());
        assert!(
            mail.text == format!("{new}{body}"),
            "case: {} octets",
            body.len()
        );
    }
}

#[tokio::test]
async fn a_new_body_takes_the_place_of_the_old_one() {
    let filter = Filter::at_end(&[
        (b'b', b"one\n.two\r"),
        (b'b', b"\nthree"),
        (b'h', b"A\0b\0"),
    ])
    .await;
    let fields = "Date: d\r\nMessage-ID: <m@x>\r\n";
    for body in [
        "\r\nold\r\n".to_owned(),
        String::new(),
        format!("\r\n{}", "old\r\n".repeat(40_000)),
    ] {
        let mail = out(&filter, &format!("{fields}{body}")).await;
        assert_eq!(
            mail.text,
            format!("A: b\r\n{fields}\r\none\r\n.two\r\nthree\r\n")
        );
    }
}

#[tokio::test]
async fn a_long_header_section_can_be_changed() {
    let filter = Filter::at_end(&[(b'm', b"\0\0\0\x01X-First\0new\0")]).await;
    let rest = format!(
        "{}Date: d\r\nMessage-ID: <m@x>\r\n\r\ny\r\n",
        "X-More: 0123456789\r\n".repeat(12_000)
    );
    let mail = out(&filter, &format!("X-First: old\r\n{rest}")).await;
    assert!(mail.text == format!("X-First: new\r\n{rest}"));
}

#[tokio::test]
async fn sender_and_recipients_change() {
    let filter = Filter::at_end(&[
        (b'e', b"<new@sender.example>\0"),
        (b'+', b"<added@example.org>\0"),
        (b'-', b"<c@example.org>\0"),
    ])
    .await;
    let remote = Remote::friendly().await;
    let house = House::before(&remote, &filter.section("f", "")).await;
    let to = ["b@example.org", "c@example.org"];
    let id = house.send(FROM, &to, "Subject: x\r\n\r\ny\r\n").await;
    let mail = remote.mails(1).await.remove(0);
    assert!(
        mail.from.starts_with("<new@sender.example>"),
        "{}",
        mail.from
    );
    let to: Vec<&str> = mail
        .to
        .iter()
        .filter_map(|to| to.split(' ').next())
        .collect();
    assert_eq!(to, ["<b@example.org>", "<added@example.org>"]);
    assert!(!id.is_empty());
}

#[tokio::test]
async fn a_mail_whose_recipients_are_all_removed_is_held() {
    let filter = Filter::at_end(&[(b'-', b"<b@example.org>\0")]).await;
    let conf = format!("[queue]\npaused = true\n{}", filter.section("f", ""));
    let house = House::start(crate::house::nobody().await, &conf).await;
    house
        .send(FROM, &["b@example.org"], "Subject: x\r\n\r\ny\r\n")
        .await;
    let cards = super::dialog::cards(&house).await;
    assert_eq!(cards.len(), 1);
    assert!(
        cards[0].hold.cause.contains("every recipient"),
        "{}",
        cards[0].hold.cause
    );
}

#[tokio::test]
async fn the_next_filter_sees_what_the_one_before_it_changed() {
    let first = Filter::at_end(&[(b'm', b"\0\0\0\x01Subject\0new\0"), (b'b', b"footer\r\n")]).await;
    let second = Filter::at_end(&[(b'i', b"\0\0\0\0Signed\0yes\0")]).await;
    let remote = Remote::friendly().await;
    let conf = format!("{}{}", first.section("f", ""), second.section("g", ""));
    let house = House::before(&remote, &conf).await;
    house
        .send(FROM, &["b@example.org"], "Subject: x\r\n\r\ny\r\n")
        .await;
    let mail = remote.mails(1).await.remove(0);
    assert!(
        mail.text.contains("\r\nSigned: yes\r\nSubject: new\r\n"),
        "{}",
        mail.text
    );
    assert!(mail.text.ends_with("\r\n\r\nfooter\r\n"), "{}", mail.text);
    assert_eq!(second.asked_for(b'L')[0].parts(), ["Subject", "new"]);
    assert_eq!(second.asked_for(b'B')[0].text, b"footer\r\n");
}

#[tokio::test]
async fn a_requeue_does_not_repeat_what_a_filter_did() {
    let filter = Filter::at_end(&[
        (b'h', b"Signed\0yes\0"),
        (b'b', b"footer\r\n"),
        (b'q', b"look\0"),
    ])
    .await;
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, &filter.section("f", "")).await;
    let id = house
        .send(FROM, &["b@example.org"], "Subject: x\r\n\r\ny\r\n")
        .await;
    house
        .act(postwerk::queue::verbs::Verb::Requeue { undo: false }, &id)
        .await;
    house
        .told_nth(postwerk::journal::event::EventKind::Held, 2)
        .await;
    assert_eq!(filter.asked_for(b'E').len(), 2);
    house
        .act(postwerk::queue::verbs::Verb::Release { undo: false }, &id)
        .await;
    let mail = remote.mails(1).await.remove(0);
    assert_eq!(mail.text.matches("Signed: yes").count(), 1, "{}", mail.text);
    assert_eq!(mail.text.matches("footer").count(), 1, "{}", mail.text);
}
