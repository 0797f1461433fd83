//! The dialogue: steps, macros, answers and faults.
//!
//! Each through the real server. Not here: what is changed (`changes`).

use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::queue::hold::{Card, Shelf};

use super::peer::{ACTIONS, Answer, Filter, terms};
use crate::client::letter;
use crate::house::{Door, House, nobody};
use crate::until;

pub async fn cards(house: &House) -> Vec<Card> {
    let queue = house.server.queue();
    let page = queue.cards(&Shelf::All, None, false, 100).await;
    page.expect("cards").cards
}

async fn paused(filter: &Filter, more: &str) -> House {
    let conf = format!("[queue]\npaused = true\n{}", filter.section("f", more));
    House::start(nobody().await, &conf).await
}

#[tokio::test]
async fn a_filter_sees_the_whole_session_with_its_macros() {
    let filter = Filter::mild().await;
    let house = paused(&filter, "").await;
    let text = "Subject: one\r\n  two\r\nX:tight\r\nX-Empty:\r\n\r\n.line\r\nend\r\n";
    let to = ["b@example.org", "c@example.org"];
    let mut client = house.client(Door::Open).await;
    client
        .cmd("MAIL FROM:<a@sender.example> BODY=8BITMIME RET=HDRS")
        .await;
    for to in to {
        client.cmd(&format!("RCPT TO:<{to}>")).await;
    }
    let reply = client.data(text).await;
    assert_eq!(reply.code, 250, "{reply:?}");
    assert!(cards(&house).await.is_empty());
    // Its farewell is not waited for by the mail.
    until("the farewell", || async { filter.dialog().ends_with('Q') }).await;
    let dialog = filter.dialog();
    assert_eq!(dialog, "ODCDHDMDRDRDTLLLLLDNBDEQ");
    let one = |command| filter.asked_for(command).remove(0);
    let connect = one(b'C');
    assert!(connect.text.starts_with(b"[127.0.0.1]\x004"), "{connect:?}");
    assert!(connect.text.ends_with(b"127.0.0.1\0"), "{connect:?}");
    assert_eq!(one(b'H').parts(), ["client.example"]);
    let mail = one(b'M').parts();
    assert_eq!(mail[0], "<a@sender.example>");
    assert!(mail[1].starts_with("SIZE="));
    assert_eq!(mail[2..], ["BODY=8BITMIME", "RET=HDRS"]);
    let fields: Vec<_> = filter
        .asked_for(b'L')
        .iter()
        .map(|one| one.parts())
        .collect();
    assert_eq!(fields[0], ["Subject", "one\n  two"]);
    assert_eq!(fields[1], ["X", "tight"]);
    assert_eq!(fields[2], ["X-Empty", ""]);
    assert_eq!(one(b'B').text, b".line\r\nend\r\n");
    let macros: Vec<_> = filter
        .asked_for(b'D')
        .iter()
        .map(|one| one.parts())
        .collect();
    assert!(
        macros[0][0].starts_with('C') && macros[0][1] == crate::house::HOSTNAME,
        "{macros:?}"
    );
    assert_eq!(macros[2][0], "Mi");
    assert_eq!(macros[2][1], reply.queue_id());
    let addr = macros[4]
        .iter()
        .position(|name| name == "{rcpt_addr}")
        .unwrap();
    assert_eq!(macros[4][addr + 1], "c@example.org");
}

#[tokio::test]
async fn what_a_filter_does_not_want_is_left_out() {
    for (name, steps, dialog) in [
        ("all but the end", 0x27f, "ODDDDDDDEQ"),
        ("no answers", 0xdf080, "ODCDHDMDRDTLLLLDNBDEQ"),
    ] {
        let filter = Filter::scripted(move |asked| match asked.command {
            b'O' => Answer::Say(vec![terms(6, ACTIONS, steps)]),
            b'E' => Answer::GoOn,
            _ if steps == 0xdf080 => Answer::Nothing,
            _ => Answer::GoOn,
        })
        .await;
        let house = paused(&filter, "").await;
        house
            .send(
                "a@sender.example",
                &["b@example.org"],
                "Subject: x\r\n\r\ny\r\n",
            )
            .await;
        // The client has its reply before the filter is told to go.
        until("the end of the dialog", || async {
            filter.dialog().ends_with('Q')
        })
        .await;
        let seen = filter.dialog().replace("LLL", "L");
        assert_eq!(seen, dialog.replace("LLLL", "L"), "case: {name}");
    }
}

#[tokio::test]
async fn a_filter_that_skips_sees_no_more_of_the_body() {
    let filter = Filter::scripted(|asked| match asked.command {
        b'O' => Answer::Say(vec![terms(6, ACTIONS, 0x400)]),
        b'B' => Answer::one(b's', ""),
        _ => Answer::GoOn,
    })
    .await;
    let house = paused(&filter, "").await;
    let text = letter(&"yyyyyyyyy yyyyyyyyyy\r\n".repeat(20_000));
    house
        .send("a@sender.example", &["b@example.org"], &text)
        .await;
    assert_eq!(filter.asked_for(b'B').len(), 1);
    assert_eq!(filter.asked_for(b'E').len(), 1);
}

/// The code, the text and the holds after one mail to two.
async fn after(
    script: impl Fn(&super::peer::Asked) -> Answer + Send + Sync + 'static,
    more: &str,
) -> (u16, String, Vec<Card>) {
    let filter = Filter::scripted(script).await;
    let house = paused(&filter, more).await;
    let mut client = house.client(Door::Open).await;
    let to = ["b@example.org", "c@example.org"];
    let reply = client.mail("a@sender.example", &to, &letter("x")).await;
    (reply.code, reply.lines.join(" "), cards(&house).await)
}

#[tokio::test]
async fn every_step_can_end_the_mail_with_a_reply() {
    for step in *b"CHMTLNBE" {
        for (code, text, wanted) in [
            (b'r', &b""[..], "550 5.7.1 The mail is refused"),
            (
                b't',
                b"",
                "451 4.7.1 The mail is not taken now; try again later",
            ),
            (
                b'4',
                b"",
                "451 4.7.1 The mail is not taken now; try again later",
            ),
            (b'y', b"554 5.7.9 own words\0", "554 5.7.9 own words"),
            (b'y', b"421 4.7.0 go away\0", "451 4.7.0 go away"),
        ] {
            let text = text.to_vec();
            let (got, words, cards) = after(
                move |asked| {
                    if asked.command == step {
                        Answer::one(code, &text)
                    } else {
                        Answer::GoOn
                    }
                },
                "",
            )
            .await;
            let case = char::from(step);
            assert_eq!(format!("{got} {words}"), wanted, "case: {case}");
            assert!(cards.is_empty(), "case: {case}");
        }
    }
}

#[tokio::test]
async fn a_refusal_can_be_a_hold() {
    let end = |asked: &super::peer::Asked| match asked.command {
        b'E' => Answer::one(b'y', b"554 5.7.9 own words\0"),
        _ => Answer::GoOn,
    };
    let (code, _, cards) = after(end, "on_reject = \"hold\"").await;
    assert_eq!(code, 250);
    assert_eq!(cards.len(), 2);
    assert_eq!(cards[0].hold.queue, HoldQueue::Quarantine);
    assert_eq!(cards[0].hold.reason, HoldReason::Filter);
    assert_eq!(cards[0].hold.cause, "554 5.7.9 own words");
}

#[tokio::test]
async fn what_a_filter_would_drop_or_keep_is_held() {
    for (answer, wanted) in [
        (Answer::one(b'd', ""), "it would have dropped the mail"),
        (Answer::changes(&[(b'q', b"looks odd\0")]), "looks odd"),
    ] {
        let (code, _, cards) = after(
            move |asked| match asked.command {
                b'E' => answer.clone(),
                _ => Answer::GoOn,
            },
            "",
        )
        .await;
        assert_eq!(code, 250);
        assert_eq!(cards.len(), 2);
        assert_eq!(cards[0].hold.queue, HoldQueue::Quarantine);
        assert_eq!(cards[0].hold.reason, HoldReason::Filter);
        assert_eq!(cards[0].hold.cause, wanted);
    }
}

#[tokio::test]
async fn a_refused_recipient_is_held_and_all_of_them_are_a_refusal() {
    let refuse = |who: &'static str| {
        move |asked: &super::peer::Asked| {
            let is_it = asked.command == b'R' && asked.parts()[0].contains(who);
            if is_it {
                Answer::one(b'y', b"550 5.1.1 not here\0")
            } else {
                Answer::GoOn
            }
        }
    };
    let (code, _, cards) = after(refuse("c@"), "").await;
    assert_eq!(code, 250);
    assert_eq!(cards.len(), 1);
    assert_eq!(cards[0].to.to_string(), "c@example.org");
    assert_eq!(cards[0].hold.cause, "550 5.1.1 not here");
    let (code, words, cards) = after(refuse("@"), "").await;
    assert_eq!((code, words.as_str()), (550, "5.1.1 not here"));
    assert!(cards.is_empty());
}

/// Name, step, answer, and words of the cause.
fn faults() -> Vec<(&'static str, u8, Answer, &'static str)> {
    let many: Vec<u8> = vec![0xff; 100];
    vec![
        (
            "closes",
            b'O',
            Answer::Close,
            "it closed instead of answering (at negotiation)",
        ),
        ("closes in the middle", b'B', Answer::Close, "(at the body)"),
        (
            "an SMTP server",
            b'O',
            Answer::Raw(b"220 hello\r\n".to_vec()),
            "a packet of 842149920 octets",
        ),
        (
            "half a packet",
            b'H',
            Answer::Raw(b"\0\0\0\x05cab".to_vec()),
            "octets that it does not have",
        ),
        (
            "a length of nought",
            b'H',
            Answer::Raw(vec![0; 4]),
            "a packet of 0 octets",
        ),
        (
            "noise",
            b'E',
            Answer::Raw(many),
            "a packet of 4294967295 octets",
        ),
        (
            "an answer of nobody",
            b'E',
            Answer::one(b'Z', ""),
            "a packet \"Z\"",
        ),
        (
            "a change too early",
            b'L',
            Answer::one(b'h', b"A\0b\0"),
            "a packet \"h\"",
        ),
        (
            "a reply of success",
            b'E',
            Answer::one(b'y', b"250 ok\0"),
            "4yz or 5yz",
        ),
        (
            "a skip that was not agreed",
            b'B',
            Answer::one(b's', ""),
            "a packet \"s\"",
        ),
        (
            "too new",
            b'O',
            Answer::Say(vec![terms(7, 0, 0)]),
            "version 7",
        ),
        (
            "a bad address",
            b'E',
            Answer::one(b'+', b"<a b>\0"),
            "is no address",
        ),
    ]
}

#[tokio::test]
async fn a_fault_of_a_filter_holds_the_mail_with_its_words() {
    for (name, step, answer, wanted) in faults() {
        let answer = match (name, answer) {
            ("half a packet", Answer::Raw(octets)) => Answer::Raw([octets, vec![0, 0]].concat()),
            (_, answer) => answer,
        };
        let (code, _, cards) = after(
            move |asked| {
                if asked.command == step {
                    answer.clone()
                } else {
                    Answer::GoOn
                }
            },
            "",
        )
        .await;
        assert_eq!(code, 250, "case: {name}");
        assert_eq!(cards.len(), 2, "case: {name}");
        assert_eq!(cards[0].hold.queue, HoldQueue::Bad, "case: {name}");
        assert_eq!(cards[0].hold.reason, HoldReason::Scanner, "case: {name}");
        let cause = &cards[0].hold.cause;
        assert!(
            cause.starts_with("f: ") && cause.contains(wanted),
            "case: {name}: {cause}"
        );
    }
}

#[tokio::test]
async fn a_field_that_no_packet_holds_is_not_let_through_unseen() {
    let filter = Filter::mild().await;
    let house = paused(&filter, "").await;
    let line = format!(" {}\r\n", "x".repeat(900));
    let text = format!("Subject: x\r\nX-Long: a\r\n{}\r\ny\r\n", line.repeat(100));
    house
        .send("a@sender.example", &["b@example.org"], &text)
        .await;
    let cards = cards(&house).await;
    assert_eq!(cards[0].hold.queue, HoldQueue::Bad);
    assert!(
        cards[0].hold.cause.contains("does not fit its protocol"),
        "{}",
        cards[0].hold.cause
    );
    assert_eq!(cards[0].hold.failed_scanner(), None);
}

/// A filter that agreed not to answer some steps, answers them all the same, and refuses at the end.
fn chatty(steps: u32, step: u8, more: &'static [u8]) -> impl Fn(&super::peer::Asked) -> Answer {
    move |asked| match asked.command {
        b'O' => Answer::Say(vec![terms(6, ACTIONS, steps)]),
        b'E' => Answer::Say(vec![
            super::peer::packet(b'y', b"550 5.7.1 malware\0"),
            more.to_vec(),
        ]),
        command if command == step => Answer::one(b'c', ""),
        b'C' if steps & 0x1000 != 0 => Answer::Nothing,
        b'L' if steps & 0x80 != 0 => Answer::Nothing,
        _ => Answer::GoOn,
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_lets_nothing_through() {
    let late: &[u8] = b"\0\0\0\x01c";
    for (name, steps, step, more, fails) in [
        ("correct, fields not answered", 0x80, 0, &b""[..], false),
        ("correct, connect not answered", 0x1000, 0, b"", false),
        ("it answers fields", 0x80, b'L', b"", true),
        ("it answers connect", 0x1000, b'C', b"", true),
        ("it answers its macros", 0, b'D', b"", true),
        ("two answers to the end", 0, 0, late, true),
        ("a word behind its end", 0, 0, b"\0", true),
    ] {
        let (code, words, cards) = after(chatty(steps, step, more), "").await;
        if fails {
            assert_eq!((code, cards.len()), (250, 2), "case: {name}: {words}");
            let hold = &cards[0].hold;
            let place = (hold.queue, hold.reason);
            assert_eq!(place, (HoldQueue::Bad, HoldReason::Scanner), "case: {name}");
            assert!(
                hold.cause.contains("nobody asked"),
                "case: {name}: {hold:?}"
            );
        } else {
            assert_eq!(
                (code, words.as_str()),
                (550, "5.7.1 malware"),
                "case: {name}"
            );
        }
    }
}

#[tokio::test]
async fn a_filter_that_does_not_close_is_not_believed() {
    let (going, gone) = tokio::sync::watch::channel(false);
    let filter = Filter::scripted(move |asked| {
        if asked.command == b'E' {
            going.send_replace(true);
        }
        Answer::GoOn
    })
    .await;
    // The scripted one closes behind QUIT; this one stands before it and keeps its side open.
    let open = super::peer::open_behind(filter.address).await;
    let section = format!("[[scanner]]\nname = \"f\"\nkind = \"milter\"\naddress = \"{open}\"\n");
    let house = House::start(
        nobody().await,
        &format!("[queue]\npaused = true\n{section}"),
    )
    .await;
    let mut client = house.client(Door::Open).await;
    let sent = tokio::spawn(async move {
        client
            .mail("a@sender.example", &["b@example.org"], &letter("x"))
            .await
    });
    let mut gone = gone;
    gone.wait_for(|gone| *gone).await.unwrap();
    until("the end of its time", || async {
        house.pass(std::time::Duration::from_secs(30));
        sent.is_finished()
    })
    .await;
    assert_eq!(sent.await.unwrap().code, 250);
    let card = cards(&house).await.remove(0);
    assert!(card.hold.cause.contains("no answer within"), "{card:?}");
}
