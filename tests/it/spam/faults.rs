//! rspamd that fails in every way: its mail is held, and goes on by itself when rspamd is well again.
//!
//! Not here: clamd (`scan::faults`), and the rate at which mails go on (`when_back`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postwerk::journal::event::EventKind;
use postwerk::mail::hold::{HoldQueue, HoldReason};

use super::{opinion, spam};
use crate::client::{Reply, letter};
use crate::house::{Door, House};
use crate::remote::Remote;
use crate::scan::peer::{Answer, Peer};
use crate::scan::{TIMEOUT, holds};

/// A fault, how it answers, and what is said of it.
struct Fault(&'static str, fn() -> Answer, &'static str);

const FAULTS: &[Fault] = &[
    Fault("no JSON", || says("<html>oops"), "it is no JSON"),
    Fault(
        "half of a JSON",
        || says("{\"action\":\"no ac"),
        "it is no JSON",
    ),
    Fault("an empty answer", || says(""), "it is no JSON"),
    Fault(
        "no score",
        || says("{\"action\":\"no action\"}"),
        "\"score\" is missing",
    ),
    Fault(
        "an error",
        || says("{\"error\":\"no rules\\r\\n\"}"),
        "no rules",
    ),
    Fault(
        "500",
        || octets("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"),
        "HTTP 500",
    ),
    Fault(
        "a pass with 500",
        || {
            let pass = opinion("no action", 0.0, "");
            let length = pass.len();
            octets(&format!(
                "HTTP/1.1 500 Oops\r\nContent-Length: {length}\r\n\r\n{pass}"
            ))
        },
        "HTTP 500",
    ),
    Fault(
        "100 MB as announced",
        || octets("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n "),
        "more than 1048576 octets",
    ),
    Fault(
        "100 MB without a word",
        || {
            let blanks = vec![b' '; 100 << 20];
            Answer::Octets([b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &blanks].concat())
        },
        "more than 1048576 octets",
    ),
    Fault(
        "endless fields",
        || Answer::Flood(100 << 20),
        "makes no sense",
    ),
    Fault(
        "chunks that break off",
        || octets("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"act\r\n"),
        "broke off",
    ),
    Fault(
        "chunks of no length",
        || octets("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nlong\r\n{}\r\n0\r\n\r\n"),
        "broke off",
    ),
    Fault(
        "closed in the body",
        || octets("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"action\":"),
        "broke off",
    ),
    Fault("closed", || Answer::Close, "broke off"),
    Fault(
        "SMTP",
        || octets("220 mail.example ESMTP\r\n"),
        "makes no sense",
    ),
    Fault("silent", || Answer::Silence, "no answer within 30s"),
];

fn says(text: &str) -> Answer {
    Answer::Say(text.to_owned())
}

fn octets(text: &str) -> Answer {
    Answer::Octets(text.into())
}

/// rspamd with a fault until it is mended.
async fn broken(fault: fn() -> Answer) -> (Peer, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&mended);
    let peer = Peer::http(move |_, request| {
        if !now.load(Ordering::SeqCst) {
            fault()
        } else if request.line == "GET /ping" {
            says("pong\r\n")
        } else {
            says(&opinion("no action", 0.5, ""))
        }
    })
    .await;
    (peer, mended)
}

async fn ask(house: &House, peer: &Peer, slow: bool) -> Reply {
    let mut client = house.client(Door::Mx).await;
    let sent = tokio::spawn(async move {
        let text = letter("patient");
        client
            .mail("a@sender.example", &["b@example.org"], &text)
            .await
    });
    if slow {
        peer.until_asked(1).await;
        house.pass(TIMEOUT);
    }
    sent.await.expect("answered")
}

#[tokio::test]
async fn every_fault_holds_the_mail_in_bad_until_rspamd_is_well() {
    for Fault(name, fault, words) in FAULTS {
        let remote = Remote::friendly().await;
        let (peer, mended) = broken(*fault).await;
        // A house's doors share one address as configured, by which a requeue knows no door of role mx.
        let conf = spam(&peer.address, "headers = \"all\"");
        let mut house = House::before(&remote, &conf).await;
        let reply = ask(&house, &peer, words.starts_with("no answer")).await;
        assert_eq!(reply.code, 250, "case: {name}: {reply:?}");
        let hold = holds(&house).await.remove(0);
        let place = (hold.queue, hold.reason);
        assert_eq!(
            place,
            (HoldQueue::Bad, HoldReason::Scanner),
            "case: {name}: {hold:?}"
        );
        assert!(hold.cause.starts_with("spam: "), "case: {name}: {hold:?}");
        assert!(hold.cause.contains(words), "case: {name}: {hold:?}");
        assert!(remote.so_far().is_empty(), "case: {name}");
        mended.store(true, Ordering::SeqCst);
        house
            .pass_until(EventKind::Delivered, Duration::from_secs(5), 200)
            .await;
        let text = remote.mails(1).await.remove(0).text;
        assert!(
            text.contains("X-Spam-Score: 0.50\r\n"),
            "case: {name}: {text}"
        );
    }
}

#[tokio::test]
async fn an_answer_in_chunks_is_one() {
    let remote = Remote::friendly().await;
    let peer = Peer::http(|_, _| {
        let text = opinion("add header", 7.0, "");
        let (first, last) = text.split_at(20);
        octets(&format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n{first}\r\n{:x}\r\n{last}\r\n0\r\n\r\n",
            last.len()
        ))
    })
    .await;
    let house = House::before(&remote, &spam(&peer.address, "")).await;
    assert_eq!(ask(&house, &peer, false).await.code, 250);
    let text = remote.mails(1).await.remove(0).text;
    assert!(text.contains("X-Spam-Flag: YES\r\n"), "{text}");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_mail_is_taken_or_a_fault_but_never_a_pass() {
    let remote = Remote::friendly().await;
    // It refuses by the first octets, and hangs up.
    let serve = |mut line: crate::scan::peer::Line, _| async move {
        use tokio::io::AsyncReadExt;
        line.read_exact(&mut [0; 100]).await?;
        let refused = octets("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
        crate::scan::peer::say(&mut line, refused, |_| Vec::new()).await
    };
    let peer = Peer::raw(crate::scan::peer::At::Tcp, serve).await;
    let house = House::before(&remote, &spam(&peer.address, "")).await;
    let lines = "0123456789abcdef\r\n".repeat(1 << 17);
    let text = format!("{}{lines}", letter("large"));
    let mut client = house.client(Door::Mx).await;
    let reply = client
        .mail("a@sender.example", &["b@example.org"], &text)
        .await;
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(holds(&house).await.remove(0).queue, HoldQueue::Bad);
    assert!(remote.so_far().is_empty());
}
