//! TLS on both sides: state and bytes from before the handshake are gone, and a route that requires it gets nothing less.
//!
//! Versions and ciphers are rustls's; here it is what we do around them (RFC 3207, RFC 8314).

use std::time::Duration;

use postwerk::journal::event::EventKind;

use crate::client::{Client, letter};
use crate::house::{Door, House, nobody};
use crate::remote::{Answer, Remote};

#[tokio::test]
async fn what_was_said_before_starttls_is_forgotten() {
    let house = House::start(nobody().await, "").await;
    let mut client = house.client(Door::Open).await;
    client.cmd("MAIL FROM:<early@sender.example>").await;
    let mut client = client.starttls().await;
    let reply = client.cmd("RCPT TO:<b@example.org>").await;
    assert_eq!(reply.code, 503, "{reply:?}");
    assert!(
        !client
            .cmd("EHLO again.example")
            .await
            .text()
            .contains("STARTTLS")
    );
}

#[tokio::test]
async fn commands_sent_behind_starttls_in_the_clear_never_count() {
    let house = House::start(nobody().await, "").await;
    let mut client = house.client(Door::Open).await;
    client
        .send("STARTTLS\r\nMAIL FROM:<injected@sender.example>\r\n")
        .await;
    let reply = client.reply().await;
    if reply.code == 220 {
        // The server may throw the rest away and go on; then the handshake fails on our side at worst.
        return;
    }
    assert!(reply.code >= 400, "{reply:?}");
}

#[tokio::test]
async fn implicit_tls_greets_inside() {
    let house = House::start(nobody().await, "").await;
    let mut client = Client::connect_tls(house.door(Door::Secure)).await;
    let reply = client.cmd("EHLO client.example").await;
    assert!(
        reply.text().contains("AUTH") && !reply.text().contains("STARTTLS"),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_hop_that_offers_starttls_gets_the_mail_inside() {
    let (remote, _) = Remote::with_tls(|_| Answer::Usual).await;
    let house = House::before(&remote, "").await;
    house
        .send(
            "a@sender.example",
            &["b@elsewhere.example"],
            &letter("opportunistic"),
        )
        .await;
    assert!(remote.mails(1).await[0].tls);
}

#[tokio::test]
async fn a_hop_whose_starttls_fails_gets_the_mail_in_the_clear_where_tls_is_opportunistic() {
    let (remote, _) = Remote::with_tls(|asked| match asked.verb {
        "STARTTLS" => Answer::Say("454 4.7.0 not now"),
        _ => Answer::Usual,
    })
    .await;
    let house = House::before(&remote, "").await;
    house
        .send(
            "a@sender.example",
            &["b@elsewhere.example"],
            &letter("fallback"),
        )
        .await;
    assert!(!remote.mails(1).await[0].tls);
}

#[tokio::test]
async fn replies_sent_in_the_clear_behind_the_220_to_starttls_are_never_used() {
    let (remote, _) = Remote::with_tls(|asked| match (asked.verb, asked.connection) {
        ("STARTTLS", 1) => Answer::Say(
            "220 2.0.0 go\r\n250-forged.example\r\n250 SIZE 1000\r\n250 ok\r\n250 ok\r\n354 go\r\n250 forged",
        ),
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, "[queue]\nretry = [\"5m\"]\n").await;
    house
        .send(
            "a@sender.example",
            &["b@elsewhere.example"],
            &letter("forged"),
        )
        .await;
    let event = house
        .pass_until(EventKind::Delivered, Duration::from_secs(61), 20)
        .await;
    assert!(event.text.contains("kept"), "{event:?}");
    let mails = remote.mails(1).await;
    assert!(mails.iter().all(|mail| mail.connection > 1), "{mails:?}");
}

fn required(remote: &Remote) -> String {
    format!(
        "[[route]]\ndomain = \"*\"\nrelay = [\"localhost:{}\"]\ntls = \"required\"\nca = \"{{dir}}/ca.pem\"\n",
        remote.address.port()
    )
}

#[tokio::test]
async fn a_route_that_requires_tls_sends_nothing_in_the_clear() {
    let remote = Remote::friendly().await;
    let (_other, pem) = Remote::with_tls(|_| Answer::Usual).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), pem).unwrap();
    let clock = postwerk::base::clock::Clock::system();
    let mut house = House::in_dir(dir, remote.address, &required(&remote), clock).await;
    house
        .send(
            "a@sender.example",
            &["b@elsewhere.example"],
            &letter("required"),
        )
        .await;
    house.told(EventKind::Deferred).await;
    assert_eq!(remote.asked("MAIL"), 0);
}

#[tokio::test]
async fn a_route_that_requires_tls_accepts_the_certificate_it_was_given_and_no_other() {
    let (remote, pem) = Remote::with_tls(|_| Answer::Usual).await;
    let (_other, other_pem) = Remote::with_tls(|_| Answer::Usual).await;
    for (name, pem, wanted) in [
        ("its own", pem, EventKind::Delivered),
        ("another", other_pem, EventKind::Deferred),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), pem).unwrap();
        let clock = postwerk::base::clock::Clock::system();
        let mut house = House::in_dir(dir, remote.address, &required(&remote), clock).await;
        house
            .send(
                "a@sender.example",
                &["b@elsewhere.example"],
                &letter("verified"),
            )
            .await;
        let event = house.told(wanted).await;
        assert_eq!(event.kind, wanted, "case: {name}");
    }
    assert_eq!(remote.so_far().len(), 1);
}

#[tokio::test]
async fn a_handshake_that_never_comes_ends_by_its_deadline() {
    let house = House::start(nobody().await, "").await;
    let mut client = house.client(Door::Open).await;
    assert_eq!(client.cmd("STARTTLS").await.code, 220);
    house.pass(Duration::from_secs(31));
    assert!(client.closed().await);
}
