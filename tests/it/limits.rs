//! Every limit has its answer: a code, an enhanced status, and a session that goes on or ends as it says.
//!
//! Hostile byte streams in bulk are the probes' work (`tests/run.sh`) and the dialog files'.

use std::time::Duration;

use crate::client::{Client, letter};
use crate::house::{Door, House, nobody};

const MINUTE: Duration = Duration::from_secs(60);
const PAUSED: &str = "[queue]\npaused = true\n";

#[tokio::test]
async fn the_recipient_above_the_limit_is_told_to_come_in_another_mail() {
    let more = format!("{PAUSED}[limits]\nrecipients = 100\n");
    let house = House::start(nobody().await, &more).await;
    let mut client = house.client(Door::Open).await;
    client.cmd("MAIL FROM:<a@sender.example>").await;
    for n in 0..100 {
        assert_eq!(
            client
                .cmd(&format!("RCPT TO:<u{n}@example.org>"))
                .await
                .code,
            250
        );
    }
    let reply = client.cmd("RCPT TO:<more@example.org>").await;
    assert_eq!(reply.code, 452, "{reply:?}");
    assert!(reply.text().starts_with("4.5.3"), "{reply:?}");
    assert_eq!(client.data(&letter("hundred")).await.code, 250);
    assert_eq!(house.places().await.len(), 100);
}

#[tokio::test]
async fn a_mail_that_is_too_large_is_refused_before_and_after_data() {
    let more = "[queue]\npaused = true\nmax_message_size = \"100 KiB\"\n";
    let house = House::start(nobody().await, more).await;
    let mut client = house.client(Door::Open).await;
    let reply = client
        .cmd("MAIL FROM:<a@sender.example> SIZE=1000000")
        .await;
    assert_eq!(reply.code, 552, "{reply:?}");
    assert!(reply.text().starts_with("5.3.4"), "{reply:?}");
    let text = letter("large") + &"0123456789012345678901234567890123456789\r\n".repeat(4_000);
    let reply = client
        .mail("a@sender.example", &["b@example.org"], &text)
        .await;
    assert_eq!(reply.code, 552, "{reply:?}");
    let reply = client
        .mail("a@sender.example", &["b@example.org"], &letter("small"))
        .await;
    assert_eq!(reply.code, 250, "the session goes on: {reply:?}");
    assert_eq!(house.places().await.len(), 1);
}

#[tokio::test]
async fn too_many_errors_end_the_session_with_421() {
    let house = House::start(nobody().await, PAUSED).await;
    let mut client = house.client(Door::Open).await;
    let mut last = 0;
    for _ in 0..200 {
        client.send("WRONG\r\n").await;
        match client.next_reply().await {
            Some(reply) => last = reply.code,
            None => break,
        }
        if last == 421 {
            break;
        }
    }
    assert_eq!(last, 421);
    assert!(client.closed().await);
}

#[tokio::test]
async fn connections_of_one_address_are_bounded_and_others_are_served() {
    let more = format!("{PAUSED}[limits]\nconnections_per_address = 5\n");
    let house = House::start(nobody().await, &more).await;
    let mut kept = Vec::new();
    for _ in 0..5 {
        kept.push(Client::connect(house.door(Door::Mx)).await);
    }
    let (mut refused, banner) = Client::connect_from("127.0.0.1", house.door(Door::Mx)).await;
    assert_eq!(banner.code, 421, "{banner:?}");
    assert!(refused.closed().await);
    let (_served, banner) = Client::connect_from("127.0.0.2", house.door(Door::Mx)).await;
    assert_eq!(banner.code, 220, "{banner:?}");
}

#[tokio::test]
async fn a_command_line_that_is_too_long_is_refused_with_500() {
    let house = House::start(nobody().await, PAUSED).await;
    let mut client = house.client(Door::Open).await;
    let reply = client.cmd(&format!("NOOP {}", "x".repeat(10_000))).await;
    assert_eq!(reply.code, 500, "{reply:?}");
}

#[tokio::test]
async fn an_idle_client_gets_421_when_its_time_is_over() {
    let house = House::start(nobody().await, PAUSED).await;
    let mut client = house.client(Door::Open).await;
    house.pass(Duration::from_secs(301));
    let reply = client.reply().await;
    assert_eq!(reply.code, 421, "{reply:?}");
    assert!(client.closed().await);
}

#[tokio::test]
async fn a_command_line_that_drips_is_not_waited_for_longer_than_for_its_first_octet() {
    let house = House::start(nobody().await, PAUSED).await;
    let mut client = house.client(Door::Open).await;
    client.send("NOOP\r\nN").await;
    assert_eq!(client.reply().await.code, 250);
    house.pass(MINUTE * 3);
    client.send("O").await;
    house.pass(MINUTE * 2);
    let reply = client.reply().await;
    assert_eq!(reply.code, 421, "{reply:?}");
    assert!(reply.text().contains("took too long"), "{reply:?}");
    assert!(client.closed().await);
}

#[tokio::test]
async fn a_session_without_a_mail_ends_after_half_an_hour_whatever_it_says() {
    let house = House::start(nobody().await, PAUSED).await;
    for (name, words) in [
        ("nothing", ["NOOP", "RSET"]),
        ("begins only", ["MAIL FROM:<a@sender.example>", "RSET"]),
    ] {
        let mut client = house.client(Door::Open).await;
        let mut minutes = 0;
        let reply = loop {
            let reply = client.cmd(words[0]).await;
            let reply = match reply.code {
                250 => client.cmd(words[1]).await,
                _ => reply,
            };
            if reply.code != 250 {
                break reply;
            }
            assert!(minutes < 60, "case: {name}");
            house.pass(MINUTE * 4);
            minutes += 4;
        };
        assert_eq!(reply.code, 421, "case: {name}: {reply:?}");
        assert!(reply.text().starts_with("4.4.2"), "case: {name}: {reply:?}");
        assert_eq!(minutes, 32, "case: {name}");
    }
}

#[tokio::test]
async fn each_mail_that_is_taken_gives_a_session_another_half_hour() {
    let house = House::start(nobody().await, PAUSED).await;
    let mut client = house.client(Door::Open).await;
    for n in 0..4 {
        let reply = client
            .mail("a@sender.example", &["b@example.org"], &letter("again"))
            .await;
        assert_eq!(reply.code, 250, "mail {n}: {reply:?}");
        for _ in 0..5 {
            house.pass(MINUTE * 4);
            assert_eq!(client.cmd("NOOP").await.code, 250, "mail {n}");
        }
    }
}

#[tokio::test]
async fn a_chunk_that_belongs_to_no_mail_does_not_keep_a_session() {
    let house = House::start(nobody().await, PAUSED).await;
    let mut client = house.client(Door::Open).await;
    client.send("NOOP\r\nBDAT 1000000\r\nx").await;
    assert_eq!(client.reply().await.code, 250);
    for _ in 0..8 {
        house.pass(MINUTE * 4);
        client.send("x").await;
        tokio::task::yield_now().await;
    }
    assert!(client.closed().await);
}
