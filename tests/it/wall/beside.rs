//! What ends one look, or holds a mail, keeps no scanner from the virus beside it.
//!
//! Not here: what stays at a requeue whose check does not look (`stays`).

use postwerk::journal::event::EventKind;
use postwerk::mail::hold::HoldReason;

use super::{FOUND, Says, again, clamd, configure, one};
use crate::client::letter;
use crate::house::{Door, House, nobody};
use crate::milter::peer::{Answer as Reply, Filter};
use crate::remote::Remote;

const UNREADABLE: &str = "Subject: x\r\nContent-Type: application/pdf; name=a.pdf\r\n\
     Content-Transfer-Encoding: x-foo\r\n\r\nabc\r\n";
const PROGRAM: &str =
    "Subject: x\r\nContent-Type: application/octet-stream; name=a.exe\r\n\r\nMZ\r\n";
const BROKEN: &str =
    "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nabc\r\n";

async fn taken(house: &mut House, text: &str) -> String {
    let mut client = house.client(Door::Mx).await;
    let reply = client
        .mail("a@sender.example", &["b@example.org"], text)
        .await;
    assert_eq!(reply.code, 250, "{reply:?}");
    house.told(EventKind::Held).await;
    reply.queue_id()
}

async fn filter(code: u8, text: &'static [u8]) -> Filter {
    Filter::scripted(move |asked| match asked.command {
        b'E' if code == b'q' => Reply::changes(&[(code, text)]),
        b'E' => Reply::one(code, text),
        _ => Reply::GoOn,
    })
    .await
}

#[tokio::test]
async fn a_virus_is_found_whatever_held_the_mail_before() {
    let remote = Remote::friendly().await;
    let says = Says::new(FOUND);
    let peer = says.clamd().await;
    let clam = clamd("clam", &peer.address, "");
    let (keeps, drops) = (filter(b'q', b"odd\0").await, filter(b'd', b"").await);
    let refuses = filter(b'y', b"550 5.7.1 no\0").await;
    let rule = "[[hold_rule]]\nmatch = { sender = \"*\" }\nreason = \"all\"\n\
         [checks]\norder = [\"rules\", \"scanners\"]\n";
    for (name, text, more, others) in [
        ("lost", UNREADABLE.to_owned(), clam.clone(), 0),
        ("blocked", PROGRAM.to_owned(), clam.clone(), 1),
        (
            "broken",
            BROKEN.to_owned(),
            clam.clone() + "[checks]\nbroken_mime = \"hold\"\n",
            1,
        ),
        ("ruled", letter("x"), clam.clone() + rule, 1),
        ("kept", letter("x"), keeps.section("m", "") + &clam, 1),
        ("dropped", letter("x"), drops.section("m", "") + &clam, 1),
        (
            "refused",
            letter("x"),
            refuses.section("m", "on_reject = \"hold\"") + &clam,
            1,
        ),
    ] {
        let mut house = House::before(&remote, &more).await;
        taken(&mut house, &text).await;
        let hold = one(&house).await.hold;
        assert_eq!(hold.reason, HoldReason::Virus, "case: {name}: {hold:?}");
        assert_eq!(hold.others.len(), others, "case: {name}: {hold:?}");
    }
}

#[tokio::test]
async fn a_requeue_that_nobody_hears_asks_behind_a_scanner_that_failed_or_refused() {
    let remote = Remote::friendly().await;
    let says = Says::new(FOUND);
    let peer = says.clamd().await;
    let clam = clamd("clam", &peer.address, "");
    let dead = clamd(
        "dead",
        &nobody().await.to_string(),
        "on_failure = \"defer\"",
    );
    let later = filter(b't', b"").await;
    let refuses = filter(b'y', b"550 5.7.1 no\0").await;
    let held = "[[hold_rule]]\nmatch = { sender = \"*\" }\nreason = \"all\"\n";
    for (name, first) in [
        ("away", dead),
        ("later", later.section("m", "")),
        ("refused", refuses.section("m", "")),
    ] {
        let mut house = House::before(&remote, held).await;
        let id = taken(&mut house, &letter("x")).await;
        configure(&house, &remote, &(first + &clam));
        let hold = again(&mut house, &id).await;
        assert_eq!(hold.reason, HoldReason::Virus, "case: {name}: {hold:?}");
    }
}

#[tokio::test]
async fn a_loop_is_looked_at_no_further() {
    let remote = Remote::friendly().await;
    let says = Says::new(FOUND);
    let peer = says.clamd().await;
    let house = House::before(&remote, &clamd("clam", &peer.address, "")).await;
    let hop = "Received: from a by b.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n";
    let mut client = house.client(Door::Mx).await;
    client
        .mail(
            "a@sender.example",
            &["b@example.org"],
            &(hop.repeat(200) + &letter("x")),
        )
        .await;
    assert_eq!(peer.asked(), 0);
}
