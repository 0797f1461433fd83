//! An mx listener takes mail for our domains from anybody, and for nobody else, however the address is dressed up.
//!
//! The rules are `policy::rcpt`'s; here whole sessions try to get around them.
//! Not here: trusted networks and accounts (`sasl`).

use crate::client::Client;
use crate::house::{Door, House, nobody};

const OURS: [&str; 4] = [
    "user@example.org",
    "USER@EXAMPLE.ORG",
    "\"quoted user\"@example.org",
    "postmaster",
];

const FOREIGN: [&str; 17] = [
    "v@remote.example",
    "\"v\"@remote.example",
    "v@example.org.remote.example",
    "v@evil-example.org",
    "v@sub.example.org",
    "@example.org:v@remote.example",
    "@example.org,@example.org:v@remote.example",
    "v@example.org@remote.example",
    "v@[192.0.2.1]",
    "v@[IPv6:2001:db8::1]",
    "v@[127.0.0.1]",
    "v@192.0.2.1",
    "v@localhost",
    "remote.example!v",
    "v%remote.example",
    "v@",
    "v",
];

async fn stranger(house: &House) -> Client {
    let (mut client, banner) = Client::connect_from("127.0.0.9", house.door(Door::Mx)).await;
    assert_eq!(banner.code, 220, "{banner:?}");
    assert_eq!(client.cmd("EHLO stranger.example").await.code, 250);
    client
}

#[tokio::test]
async fn a_stranger_reaches_our_domains_and_no_others() {
    let house = House::start(nobody().await, "").await;
    for from in ["", "a@remote.example", "user@example.org"] {
        for to in OURS {
            let mut client = stranger(&house).await;
            assert_eq!(client.cmd(&format!("MAIL FROM:<{from}>")).await.code, 250);
            let reply = client.cmd(&format!("RCPT TO:<{to}>")).await;
            assert_eq!(reply.code, 250, "from {from:?} to {to:?}: {reply:?}");
        }
        for to in FOREIGN {
            let mut client = stranger(&house).await;
            assert_eq!(client.cmd(&format!("MAIL FROM:<{from}>")).await.code, 250);
            let reply = client.cmd(&format!("RCPT TO:<{to}>")).await;
            assert!(
                (500..600).contains(&reply.code),
                "from {from:?} to {to:?}: {reply:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_submission_listener_trusts_only_its_networks() {
    let house = House::start(nobody().await, "").await;
    for door in [Door::Login, Door::Mx] {
        let mut client = Client::hello(house.door(door)).await;
        client.cmd("MAIL FROM:<a@remote.example>").await;
        let reply = client.cmd("RCPT TO:<v@remote.example>").await;
        assert!((500..600).contains(&reply.code), "{door:?}: {reply:?}");
    }
}

#[tokio::test]
async fn no_command_claims_to_be_somebody_else() {
    let house = House::start(nobody().await, "").await;
    for line in [
        "XCLIENT ADDR=127.0.0.1 NAME=localhost",
        "PROXY TCP4 127.0.0.1 127.0.0.1 1 25",
        "XFORWARD ADDR=127.0.0.1",
    ] {
        let mut client = stranger(&house).await;
        client.send(format!("{line}\r\n")).await;
        // Whoever talks like another protocol may also just be cut off.
        let Some(reply) = client.next_reply().await else {
            continue;
        };
        assert!((400..600).contains(&reply.code), "{line}: {reply:?}");
    }
    let mut client = stranger(&house).await;
    client
        .cmd("MAIL FROM:<a@remote.example> AUTH=<admin@example.org>")
        .await;
    let reply = client.cmd("RCPT TO:<v@remote.example>").await;
    assert!((500..600).contains(&reply.code), "{reply:?}");
}
