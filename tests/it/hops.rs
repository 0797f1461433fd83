//! Next hops that do not keep to the rules, or are slow, or fail half-way: no mail is doubled, held up or let out for it,
//! and what a person reads says plainly what failed and where.
//!
//! Each wait and each reply by itself are the tests of `deliver::wire` and `smtp::client::reply`.

use std::time::Duration;

use postwerk::base::clock::Clock;
use postwerk::journal::event::EventKind;
use postwerk::journal::fact::{Fact, Tried};
use postwerk::queue::MessageId;

use crate::client::letter;
use crate::house::{Door, House, START, nobody};
use crate::remote::{Answer, Asked, Remote};

const MINUTE: Duration = Duration::from_secs(60);
const QUICK: &str = "[queue]\nretry = [\"5m\"]\n";
const TO: &str = "b@elsewhere.example";

async fn send(house: &House, tag: &str) -> String {
    house.send("a@sender.example", &[TO], &letter(tag)).await
}

/// The last try of a message.
async fn tried(house: &House, id: &str) -> Tried {
    let id = MessageId(u64::from_str_radix(id, 16).unwrap());
    let shown = house.server.queue().show(id).await.unwrap().unwrap();
    let facts = shown.facts.into_iter().rev();
    let mut tries = facts.filter_map(|entry| {
        if let Fact::Tried(tried) = entry.fact {
            Some(tried)
        } else {
            None
        }
    });
    tries.next().expect("a try")
}

#[tokio::test]
async fn a_code_behind_the_dot_is_a_verdict_however_the_reply_goes_on() {
    let long: &'static str = String::leak(format!("250 2.0.0 queued {}", "x".repeat(5_000)));
    let huge: &'static str = String::leak(format!("250 2.0.0 queued {}", "x".repeat(90_000)));
    let many: &'static str =
        String::leak(format!("{}250 2.0.0 end", "250-2.0.0 x\r\n".repeat(500)));
    for (name, answer) in [
        ("a long line", Answer::Say(long)),
        ("a line without end", Answer::Say(huge)),
        ("many lines", Answer::Say(many)),
        ("no blank", Answer::Say("250x")),
        ("a tab", Answer::Say("250\t2.0.0 kept")),
        (
            "nonsense behind it",
            Answer::Say("250-2.0.0 kept\r\nnonsense"),
        ),
        ("cut behind the code", Answer::Break("250 2.0.0 kept", 3)),
        ("cut in the text", Answer::Break("250 2.0.0 kept", 9)),
        ("cut between CR and LF", Answer::Break("250 2.0.0 kept", 15)),
    ] {
        let remote = Remote::scripted(move |asked| match asked.verb {
            "DOT" if asked.nth == 1 => answer.clone(),
            _ => Answer::Usual,
        })
        .await;
        let mut house = House::before(&remote, QUICK).await;
        send(&house, "first").await;
        let event = house.told(EventKind::Delivered).await;
        assert!(event.text.starts_with("250"), "case: {name}, got {event:?}");
        // And where the connection is no longer understood, the next mail has another one.
        send(&house, "second").await;
        house.told(EventKind::Delivered).await;
        let mails = remote.mails(2).await;
        assert_eq!(mails.len(), 2, "case: {name}");
        let whole = ["a long line", "many lines"].contains(&name);
        assert_eq!(mails[1].connection == 1, whole, "case: {name}");
        house.server.shutdown().await;
    }
}

#[tokio::test]
async fn a_refusal_behind_the_dot_counts_although_it_breaks() {
    let remote = Remote::scripted(|asked| match asked.verb {
        "DOT" => Answer::Break("554 5.7.1 spam", 11),
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, QUICK).await;
    send(&house, "refused").await;
    let event = house.told(EventKind::Bounced).await;
    assert!(event.text.starts_with("554 5.7.1"), "got {event:?}");
}

#[tokio::test]
async fn octets_that_nobody_asked_for_behind_a_reply_end_the_connection() {
    let remote = Remote::scripted(|asked| match (asked.verb, asked.nth) {
        ("DOT", 1) => Answer::Say("250 2.0.0 kept\r\n550 5.0.0 and more"),
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, QUICK).await;
    for tag in ["first", "second"] {
        send(&house, tag).await;
        house.told(EventKind::Delivered).await;
    }
    assert_eq!(remote.mails(2).await[1].connection, 2);
}

#[tokio::test]
async fn a_yes_that_comes_before_the_mail_is_no_yes_to_it() {
    let remote = Remote::scripted(|asked| match (asked.verb, asked.nth) {
        ("DATA", 1) => Answer::Say("354 go\r\n250 2.0.0 kept"),
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, QUICK).await;
    send(&house, "early").await;
    let event = house.told(EventKind::Deferred).await;
    assert!(
        event.text.contains("answered before it was asked"),
        "got {event:?}"
    );
    assert!(remote.so_far().is_empty());
    house.pass_until(EventKind::Delivered, 5 * MINUTE, 5).await;
}

#[tokio::test]
async fn a_refusal_that_comes_before_the_mail_is_one() {
    let remote = Remote::scripted(|asked| match asked.verb {
        "DATA" => Answer::Say("354 go\r\n552 5.3.4 too large after all"),
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, QUICK).await;
    send(&house, "early").await;
    let event = house.told(EventKind::Bounced).await;
    assert!(event.text.starts_with("552 5.3.4"), "got {event:?}");
}

#[tokio::test]
async fn a_transaction_has_an_end_although_each_of_its_steps_is_in_time() {
    let clock = Clock::moved(START);
    let slow = clock.clone();
    let remote = Remote::bare(move |asked| {
        if ["MAIL", "RCPT", "DATA"].contains(&asked.verb) {
            slow.advance(4 * MINUTE);
        }
        Answer::Usual
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let mut house = House::in_dir(dir, remote.address, QUICK, clock).await;
    let to = [
        "b@elsewhere.example",
        "c@elsewhere.example",
        "d@elsewhere.example",
    ];
    let slow = letter("slow");
    house.submit("a@sender.example", &to, &slow).await;
    let event = house.told(EventKind::Deferred).await;
    assert!(
        event.text.contains("the transaction was not done within"),
        "got {event:?}"
    );
    assert_eq!(remote.asked("DOT"), 0);
}

/// Ways in which TLS breaks between STARTTLS and the EHLO behind it.
const BREAKS: &[&str] = &[
    "close",
    "silence",
    "421",
    "no handshake",
    "lost behind it",
    "421 behind it",
];

fn breaking(how: &'static str) -> impl Fn(&Asked<'_>) -> Answer + Send + Sync {
    move |asked| match (how, asked.verb, asked.nth) {
        ("close", "STARTTLS", _) => Answer::Break("", 0),
        ("silence", "STARTTLS", _) => Answer::Silence,
        ("421", "STARTTLS", _) => Answer::Say("421 4.7.0 not now"),
        ("no handshake", "STARTTLS", _) => Answer::Say("220 2.0.0 go"),
        ("lost behind it", "EHLO", 2) => Answer::Break("", 0),
        ("421 behind it", "EHLO", 2) => Answer::Say("421 4.3.2 closing"),
        _ => Answer::Usual,
    }
}

#[tokio::test]
async fn wherever_opportunistic_tls_breaks_the_mail_goes_on_in_the_clear() {
    for how in BREAKS {
        let (remote, _) = Remote::with_tls(breaking(how)).await;
        let more = "[deliver]\ntimeout_ehlo = \"30s\"\ntimeout_tls = \"30s\"\n";
        let mut house = House::before(&remote, more).await;
        send(&house, "broken").await;
        if *how == "silence" {
            house.pass_until(EventKind::Delivered, MINUTE, 5).await;
        } else {
            house.told(EventKind::Delivered).await;
        }
        let mails = remote.mails(1).await;
        assert!(
            !mails[0].tls && mails[0].connection == 2,
            "case: {how}, got {mails:?}"
        );
        house.server.shutdown().await;
    }
}

#[tokio::test]
async fn wherever_required_tls_breaks_the_mail_waits() {
    for how in BREAKS {
        let (remote, pem) = Remote::with_tls(breaking(how)).await;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), pem).unwrap();
        let more = format!(
            "[deliver]\ntimeout_ehlo = \"30s\"\ntimeout_tls = \"30s\"\n[[route]]\ndomain = \"*\"\n\
             relay = [\"localhost:{}\"]\ntls = \"required\"\nca = \"{{dir}}/ca.pem\"\n",
            remote.address.port()
        );
        let clock = Clock::moved(START);
        let mut house = House::in_dir(dir, remote.address, &more, clock).await;
        send(&house, "required").await;
        if ["silence", "no handshake"].contains(how) {
            house.pass_until(EventKind::Deferred, MINUTE, 5).await;
        } else {
            house.told(EventKind::Deferred).await;
        }
        assert_eq!(remote.asked("MAIL"), 0, "case: {how}");
        house.server.shutdown().await;
    }
}

#[tokio::test]
async fn a_host_whose_starttls_breaks_is_remembered_for_half_an_hour() {
    let (remote, _) = Remote::with_tls(breaking("close")).await;
    let mut house = House::before(&remote, QUICK).await;
    for (name, wait, asked) in [
        ("the first mail", Duration::ZERO, 1),
        ("a minute later", MINUTE, 1),
        ("when its time is over", 31 * MINUTE, 2),
    ] {
        // The idle connection of the former mail ends meanwhile.
        house.pass(wait);
        send(&house, "again").await;
        house.told(EventKind::Delivered).await;
        assert_eq!(remote.asked("STARTTLS"), asked, "case: {name}");
    }
}

#[tokio::test]
async fn a_host_that_wants_tls_after_its_starttls_broke_gets_it_at_the_next_try() {
    let (remote, _) = Remote::with_tls(|asked| match (asked.verb, asked.connection) {
        ("STARTTLS", 1) => Answer::Break("", 0),
        ("MAIL" | "RCPT" | "DATA", 2) => {
            Answer::Say("530 5.7.0 Must issue a STARTTLS command first")
        }
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, QUICK).await;
    send(&house, "wants TLS").await;
    house.told(EventKind::Deferred).await;
    house.pass_until(EventKind::Delivered, MINUTE, 10).await;
    let mails = remote.mails(1).await;
    assert!(mails[0].tls && mails[0].connection == 3, "got {mails:?}");
}

#[tokio::test]
async fn a_try_that_fails_behind_starttls_says_so() {
    let (remote, pem) = Remote::with_tls(|asked| match (asked.verb, asked.nth) {
        ("EHLO", 2) => Answer::Say("250-remote.example\r\n250 AUTH PLAIN LOGIN"),
        ("AUTH", _) => Answer::Say("535 5.7.8 wrong"),
        _ => Answer::Usual,
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), pem).unwrap();
    std::fs::write(dir.path().join("pw"), "geheim\n").unwrap();
    let port = remote.address.port();
    let more = format!(
        "[[route]]\ndomain = \"*\"\nrelay = [\"localhost:{port}\"]\ntls = \"required\"\n\
         ca = \"{{dir}}/ca.pem\"\nauth = {{ user = \"me\", password = \"file:{{dir}}/pw\" }}\n"
    );
    let mut house = House::in_dir(dir, remote.address, &more, Clock::moved(START)).await;
    let id = send(&house, "password").await;
    house.told(EventKind::Deferred).await;
    let tried = tried(&house, &id).await;
    let tls = tried.tls.unwrap_or_default();
    assert!(
        tls.starts_with("TLSv1.3") && tls.ends_with("verified"),
        "got {tls:?}"
    );
    assert_eq!(tried.site, format!("localhost[127.0.0.1]:{port}"));
    assert_eq!(tried.results[0].step, "AUTH");
    let dialogue = tried.dialogue.unwrap_or_default();
    assert!(
        !dialogue.contains("geheim") && !dialogue.contains("Z2VoZWlt"),
        "got {dialogue}"
    );
}

#[tokio::test]
async fn the_address_of_a_try_is_that_of_the_host_whose_answer_counts() {
    let first = Remote::scripted(|_| Answer::Say("450 4.7.1 not you")).await;
    let away = nobody().await;
    let route = format!(
        "[[route]]\ndomain = \"*\"\nrelay = [\"{}\", \"{away}\"]\n",
        first.address
    );
    let mut house = House::start(away, &route).await;
    let id = send(&house, "two hosts").await;
    house.told(EventKind::Deferred).await;
    let tried = tried(&house, &id).await;
    let site = format!("127.0.0.1[127.0.0.1]:{}", first.address.port());
    let reply = tried.results[0].reply.clone().unwrap();
    assert_eq!(
        (tried.site, reply.to_string()),
        (site, "450 4.7.1 not you".to_owned())
    );
}

#[tokio::test]
async fn reasons_of_ours_are_plain_name_the_address_and_answer_no_command() {
    let closing = Remote::scripted(|asked| match asked.verb {
        "RCPT" => Answer::Break("", 0),
        _ => Answer::Usual,
    })
    .await;
    let poor = Remote::with_words(&["PIPELINING", "8BITMIME", "SIZE 100"]).await;
    for (name, address, words) in [
        ("nobody there", nobody().await, "connection refused"),
        (
            "lost in the middle",
            closing.address,
            "the server closed the connection (RCPT TO)",
        ),
        (
            "too large for it",
            poor.address,
            "the next hop takes at most 100 octets",
        ),
    ] {
        let mut house = House::start(address, QUICK).await;
        let id = send(&house, "words").await;
        let kind = if name == "too large for it" {
            EventKind::Bounced
        } else {
            EventKind::Deferred
        };
        house.told(kind).await;
        let tried = tried(&house, &id).await;
        let text = tried.results[0].reply.clone().unwrap().to_string();
        let site = format!("127.0.0.1[127.0.0.1]:{}", address.port());
        assert!(text.contains(words), "case: {name}, got {text}");
        assert!(text.contains(&site), "case: {name}, got {text}");
        assert!(!text.contains("os error"), "case: {name}, got {text}");
        assert_eq!(tried.results[0].step, "", "case: {name}");
        house.server.shutdown().await;
    }
}

#[tokio::test]
async fn a_header_in_utf_8_is_seen_behind_the_first_chunk() {
    let remote = Remote::with_words(&["PIPELINING", "8BITMIME"]).await;
    let mut house = House::before(&remote, "").await;
    let filler = "X-Filler: a line of a long header section\r\n".repeat(2_000);
    let text = letter("late").replace("\r\n\r\n", &format!("\r\n{filler}X-Late: ä\r\n\r\n"));
    let mut client = house.client(Door::Open).await;
    client.cmd("MAIL FROM:<a@sender.example> SMTPUTF8").await;
    client.cmd("RCPT TO:<b@example.org>").await;
    assert_eq!(client.data(&text).await.code, 250);
    let event = house.told(EventKind::Bounced).await;
    assert!(event.text.contains("SMTPUTF8"), "{event:?}");
    assert_eq!(remote.asked("MAIL"), 0);
}

#[tokio::test]
async fn a_large_mail_whose_header_was_looked_at_goes_out_whole() {
    let remote = Remote::with_words(&["PIPELINING", "8BITMIME"]).await;
    let house = House::before(&remote, "").await;
    let filler = "X-Filler: a line of a long header section\r\n".repeat(2_000);
    let body = "a line of text\r\n".repeat(12_000);
    let text = letter("whole").replace("\r\n\r\n", &format!("\r\n{filler}\r\n")) + &body;
    let mut client = house.client(Door::Open).await;
    client.cmd("MAIL FROM:<a@sender.example> SMTPUTF8").await;
    client.cmd("RCPT TO:<b@example.org>").await;
    assert_eq!(client.data(&text).await.code, 250);
    let mail = remote.mails(1).await.remove(0);
    assert!(
        mail.text.ends_with(&text),
        "{} octets came",
        mail.text.len()
    );
}
