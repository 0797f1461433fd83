//! Scanners that fail in every way: no mail is lost, none goes through unseen, and the client is answered in time.
//!
//! Not here: what is found (`infected`).

use std::time::Duration;

use postwerk::mail::hold::{HoldQueue, HoldReason};

use super::peer::{Answer, At, OK, Peer, clean};
use super::{TIMEOUT, clam, facts, holds};
use crate::client::{Reply, letter};
use crate::house::{Door, House, nobody};
use crate::remote::Remote;

/// A fault and what is said of it.
struct Fault {
    name: &'static str,
    /// None: nobody is there.
    peer: Option<Peer>,
    /// Whether the answer comes only when the time is over.
    slow: bool,
    words: &'static str,
}

/// A scanner that answers so, once the whole mail is there.
async fn late(name: &'static str, answer: Answer, words: &'static str) -> Fault {
    early(name, usize::MAX, answer, words).await
}

/// A scanner that answers so after some octets.
async fn early(name: &'static str, octets: usize, answer: Answer, words: &'static str) -> Fault {
    let slow = matches!(answer, Answer::Silence);
    let peer = Peer::clamd_at(At::Tcp, octets, move |_, _| answer.clone()).await;
    Fault {
        name,
        peer: Some(peer),
        slow,
        words,
    }
}

fn down() -> Fault {
    Fault {
        name: "down",
        peer: None,
        slow: false,
        words: "cannot be reached",
    }
}

async fn faults() -> Vec<Fault> {
    let octets = |text: &str| Answer::Octets(text.into());
    let says = |text: &str| Answer::Say(text.into());
    let endless = Answer::Flood(100 << 20);
    let smtp = octets("220 mail.example ESMTP\r\n\0");
    let http = octets("HTTP/1.1 400 Bad Request\r\n\r\n\0");
    let limit = says("INSTREAM size limit exceeded. ERROR");
    let full = says("stream: Can't create temporary file ERROR");
    let slow = "no answer within 30s";
    vec![
        down(),
        early("silent from the start", 0, Answer::Silence, slow).await,
        late("silent behind the mail", Answer::Silence, slow).await,
        early("dies at the start", 0, Answer::Close, "broke off").await,
        early("dies in the middle", 100_000, Answer::Close, "broke off").await,
        late("dies at the end", Answer::Close, "without an answer").await,
        late("half a line", octets("stream: O"), "stream: O").await,
        late("no NUL", octets(OK), "broke off").await,
        late("100 MB", endless.clone(), "does not end").await,
        early("100 MB at once", 0, endless, "does not end").await,
        early("SMTP", 0, smtp, "makes no sense: 220 mail").await,
        late("HTTP", http, "makes no sense: HTTP/1.1 400").await,
        early("OK too early", 1_000, says(OK), "the whole mail").await,
        early("too large for it", 100_000, limit, "StreamMaxLength").await,
        late("unable", full, "Can't create temporary file").await,
    ]
}

/// 1 MiB, so that it does not fit into the buffers between.
fn large() -> String {
    format!(
        "{}{}",
        letter("large"),
        "0123456789abcdef\r\n".repeat(1 << 16)
    )
}

/// One mail to a server with this fault; its reply.
async fn ask(house: &House, fault: &Fault) -> Reply {
    let mut client = house.client(Door::Open).await;
    let sent = tokio::spawn(async move {
        client
            .mail("a@sender.example", &["b@example.org"], &large())
            .await
    });
    if let (Some(peer), true) = (&fault.peer, fault.slow) {
        peer.until_asked(1).await;
        // Whoever waits from now on waits for this.
        house.pass(TIMEOUT);
    }
    sent.await.expect("answered")
}

async fn house(remote: &Remote, fault: &Fault, rule: &str) -> House {
    let address = match &fault.peer {
        Some(peer) => peer.address.clone(),
        None => nobody().await.to_string(),
    };
    let rule = format!("on_failure = \"{rule}\"");
    House::before(remote, &clam(&address, &rule)).await
}

#[tokio::test]
async fn every_fault_holds_the_mail_in_bad_with_its_text() {
    for fault in faults().await {
        let remote = Remote::friendly().await;
        let house = house(&remote, &fault, "hold").await;
        let reply = ask(&house, &fault).await;
        assert_eq!(reply.code, 250, "case: {}: {reply:?}", fault.name);
        let hold = holds(&house).await.remove(0);
        let place = (hold.queue, hold.reason);
        assert_eq!(
            place,
            (HoldQueue::Bad, HoldReason::Scanner),
            "case: {}",
            fault.name
        );
        assert!(
            hold.cause.starts_with("clam: "),
            "case: {}: {hold:?}",
            fault.name
        );
        assert!(
            hold.cause.contains(fault.words),
            "case: {}: {hold:?}",
            fault.name
        );
        assert!(remote.so_far().is_empty(), "case: {}", fault.name);
    }
}

#[tokio::test]
async fn every_fault_defers_if_that_is_wanted_and_keeps_nothing() {
    for fault in faults().await {
        let remote = Remote::friendly().await;
        let house = house(&remote, &fault, "defer").await;
        let reply = ask(&house, &fault).await;
        assert_eq!(reply.code, 451, "case: {}: {reply:?}", fault.name);
        assert!(house.places().await.is_empty(), "case: {}", fault.name);
    }
}

#[tokio::test]
async fn every_fault_lets_the_mail_go_if_that_is_wanted_and_its_timeline_says_so() {
    for fault in faults().await {
        let remote = Remote::friendly().await;
        let house = house(&remote, &fault, "accept").await;
        let reply = ask(&house, &fault).await;
        assert_eq!(reply.code, 250, "case: {}: {reply:?}", fault.name);
        remote.mails(1).await;
        let facts = facts(&house, &reply.queue_id()).await;
        assert!(facts.contains(fault.words), "case: {}: {facts}", fault.name);
    }
}

#[tokio::test]
async fn a_scanner_that_is_slow_for_one_mail_stops_no_other() {
    let remote = Remote::friendly().await;
    let peer = Peer::clamd(|nth, _| match nth {
        3 => Answer::Silence,
        _ => clean(),
    })
    .await;
    let house = House::before(&remote, &clam(&peer.address, "")).await;
    let mut sent = Vec::new();
    for n in 0..10 {
        let mut client = house.client(Door::Open).await;
        let asked = peer.asked();
        sent.push(tokio::spawn(async move {
            let text = letter(&format!("mail {n}"));
            client
                .mail("a@sender.example", &["b@example.org"], &text)
                .await
        }));
        peer.until_asked(asked + 1).await;
    }
    remote.mails(9).await;
    house.pass(TIMEOUT);
    for sent in sent {
        assert_eq!(sent.await.expect("answered").code, 250);
    }
    let held = holds(&house).await;
    assert_eq!(held.len(), 1);
    assert_eq!(
        held[0].params.get("scanner").map(String::as_str),
        Some("clam")
    );
    assert_eq!(remote.so_far().len(), 9);
}

#[tokio::test]
async fn a_dead_scanner_is_left_alone_and_found_again_when_it_is_back() {
    let remote = Remote::friendly().await;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("clamd.ctl");
    let at = At::Unix(path.clone());
    let more = clam(&format!("unix:{}", path.display()), "");
    let house = House::before(&remote, &more).await;
    let send = async |tag: &str| {
        house
            .send("a@sender.example", &["b@example.org"], &letter(tag))
            .await
    };
    for _ in 0..4 {
        send("down").await;
    }
    let held = holds(&house).await;
    assert!(held[2].cause.contains("; start it"), "{held:?}");
    assert!(held[3].cause.contains("left alone"), "{held:?}");
    let stands = || house.server.scanners().stands().remove(0).health;
    assert!(stands().paused);
    let peer = Peer::clamd_at(at, usize::MAX, |_, _| clean()).await;
    send("too early").await;
    assert_eq!(peer.asked(), 0);
    house.pass(Duration::from_secs(5));
    send("back").await;
    send("back again").await;
    assert_eq!(peer.asked(), 2);
    remote.mails(2).await;
    assert!(!stands().paused);
    assert_eq!(stands().answers, 2);
}
