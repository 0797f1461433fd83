//! 250 means durable: what was acknowledged is there after a restart, what was not is nowhere.
//!
//! Crashes at any byte of the disk are the store's own tests; kill -9 and power cuts are in `tests/run.sh`.
//! Not here: what happens with an accepted mail (`relay`, `retry`).

use std::time::Duration;

use postwerk::base::clock::Wall;

use crate::client::letter;
use crate::house::{Door, House, nobody};
use crate::remote::Remote;

const PAUSED: &str = "[queue]\npaused = true\n";

#[tokio::test]
async fn a_mail_answered_with_250_is_delivered_after_a_restart() {
    let remote = Remote::friendly().await;
    let house = House::start(nobody().await, PAUSED).await;
    let text = letter("durable");
    house
        .send("a@sender.example", &["b@example.org"], &text)
        .await;
    let _house = house.restart(remote.address, "").await;
    let mails = remote.mails(1).await;
    assert!(mails[0].text.ends_with(&text), "{}", mails[0].text);
}

#[tokio::test]
async fn a_mail_whose_final_dot_never_came_is_nowhere() {
    let house = House::start(nobody().await, PAUSED).await;
    let mut client = house.client(Door::Open).await;
    for line in [
        "MAIL FROM:<a@sender.example>",
        "RCPT TO:<b@example.org>",
        "DATA",
    ] {
        assert!(client.cmd(line).await.code < 400);
    }
    client.send(letter("half")).await;
    drop(client);
    let house = house.restart(nobody().await, PAUSED).await;
    assert_eq!(house.places().await, []);
}

#[tokio::test]
async fn a_large_mail_comes_out_as_it_went_in() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, "").await;
    let mut text = letter("large");
    for n in 0..12_000 {
        text.push_str(&format!(
            "{n} .dots. and some words that fill the line up\r\n.{n}\r\n"
        ));
    }
    house
        .send("a@sender.example", &["b@example.org"], &text)
        .await;
    let got = &remote.mails(1).await[0].text;
    assert!(
        got.len() > 600_000 && got.ends_with(&text),
        "{} of {} octets",
        got.len(),
        text.len()
    );
}

#[tokio::test]
async fn a_mail_with_a_bare_line_feed_is_refused_and_nowhere() {
    let house = House::start(nobody().await, PAUSED).await;
    for (name, text) in [
        ("bare LF", "Subject: x\r\n\r\na\nb\r\n"),
        ("bare CR", "Subject: x\r\n\r\na\rb\r\n"),
        ("LF.LF", "Subject: x\r\n\r\na\n.\nb\r\n"),
    ] {
        let mut client = house.client(Door::Open).await;
        let reply = client
            .mail("a@sender.example", &["b@example.org"], text)
            .await;
        assert!((500..600).contains(&reply.code), "case {name}: {reply:?}");
    }
    assert_eq!(house.places().await, []);
}

#[tokio::test]
async fn rset_and_a_second_mail_keep_nothing_of_the_first() {
    let house = House::start(nobody().await, PAUSED).await;
    let mut client = house.client(Door::Open).await;
    client.cmd("MAIL FROM:<a@sender.example>").await;
    client.cmd("RCPT TO:<first@example.org>").await;
    assert_eq!(client.cmd("RSET").await.code, 250);
    let reply = client
        .mail(
            "a@sender.example",
            &["second@example.org"],
            &letter("second"),
        )
        .await;
    assert_eq!(reply.code, 250);
    let places = house.places().await;
    assert_eq!(places.len(), 1, "{places:?}");
    assert_eq!(places[0].address, "second@example.org");
}

#[tokio::test]
async fn a_clock_that_went_back_over_a_restart_gives_no_id_twice() {
    let house = House::start(nobody().await, PAUSED).await;
    let mut ids = Vec::new();
    for n in 0..20 {
        house.pass(Duration::from_millis(1));
        let text = letter(&n.to_string());
        ids.push(
            house
                .send("a@sender.example", &["b@example.org"], &text)
                .await,
        );
    }
    let wall = house.clock.wall();
    house.clock.jump(Wall(wall.0 - 3_600_000_000));
    let house = house.restart(nobody().await, PAUSED).await;
    for n in 20..40 {
        house.pass(Duration::from_millis(1));
        let text = letter(&n.to_string());
        ids.push(
            house
                .send("a@sender.example", &["b@example.org"], &text)
                .await,
        );
    }
    let mut sorted = ids.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(ids, sorted, "ids only grow");
    assert_eq!(house.places().await.len(), 40);
}
