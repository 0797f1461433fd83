//! Places for connections, at the doors for mail and at the pages: who fills them all takes them from nobody.
//!
//! Each address of 127.0.0.0/8 is a client of its own, each /24 a network. Not here: each rule by itself (`net::permits`).

use std::net::SocketAddr;
use std::time::Duration;

use postwerk::base::clock::Clock;
use postwerk::base::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::DEADLINE;
use crate::client::{Client, letter};
use crate::house::{Door, House, nobody};
use crate::web::Browser;
use crate::web::browser;
use crate::web::login::administrator;

const TEN: &str = "[queue]\npaused = true\n[limits]\nconnections = 10\nconnections_per_address = 4\n\
                   connections_per_network = 6\n";

/// A client that has said EHLO.
async fn guest(from: &str, to: SocketAddr) -> Client {
    let (mut client, banner) = Client::connect_from(from, to).await;
    assert_eq!(banner.code, 220, "{from}: {banner:?}");
    assert_eq!(client.cmd("EHLO client.example").await.code, 250);
    client
}

async fn guests(from: &str, to: SocketAddr, number: usize) -> Vec<Client> {
    let mut all = Vec::new();
    for _ in 0..number {
        all.push(guest(from, to).await);
    }
    all
}

async fn silent(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let from = SocketAddr::new(from.parse().unwrap(), 0);
    socket.bind(from).unwrap();
    socket.connect(to).await.unwrap()
}

/// What comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset says as well that it is closed.
    let read = Clock::system()
        .timeout(DEADLINE, stream.read_to_end(&mut all))
        .await;
    drop(read.expect("closed"));
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn idle_connections_make_room_and_what_is_under_way_goes_on() {
    let house = House::start(nobody().await, TEN).await;
    let mx = house.door(Door::Mx);
    let mut first = guests("127.0.1.1", mx, 4).await;
    let mut second = guests("127.0.2.1", mx, 4).await;
    let _third = guests("127.0.3.1", mx, 1).await;
    assert_eq!(first[0].cmd("MAIL FROM:<a@far.example>").await.code, 250);
    let fourth = guest("127.0.4.1", mx).await;
    // The longest idle one of those who have most; the very first has a mail under way.
    let reply = first[1].reply().await;
    assert_eq!(reply.code, 421, "{reply:?}");
    assert!(reply.text().starts_with("4.7.0"), "{reply:?}");
    assert!(first[1].closed().await);
    for client in &mut second {
        assert_eq!(client.cmd("NOOP").await.code, 250);
    }
    let begun = &mut first[0];
    assert_eq!(begun.cmd("RCPT TO:<b@example.org>").await.code, 250);
    assert_eq!(begun.data(&letter("under way")).await.code, 250);
    // Strangers have no more than nine: a trusted one needs nobody's place.
    let mut trusted = guest("127.0.0.1", house.door(Door::Open)).await;
    let sent = trusted
        .mail("a@sender.example", &["b@example.org"], &letter("trusted"))
        .await;
    assert_eq!(sent.code, 250, "{sent:?}");
    drop(fourth);
}

#[tokio::test]
async fn strangers_with_mails_under_way_leave_a_place_to_who_is_trusted_or_logs_in() {
    let house = House::start(nobody().await, TEN).await;
    let mx = house.door(Door::Mx);
    let mut busy = guests("127.0.1.1", mx, 4).await;
    busy.extend(guests("127.0.2.1", mx, 4).await);
    busy.extend(guests("127.0.3.1", mx, 1).await);
    for client in &mut busy {
        assert_eq!(client.cmd("MAIL FROM:<a@far.example>").await.code, 250);
    }
    let (mut refused, banner) = Client::connect_from("127.0.4.1", mx).await;
    assert_eq!(banner.code, 421, "{banner:?}");
    assert!(refused.closed().await);
    // Who wants to log in waits at the last place; who is trusted takes it from who has not.
    let mut caller = guest("127.0.5.1", house.door(Door::Login)).await;
    let _trusted = guest("127.0.0.1", house.door(Door::Open)).await;
    assert_eq!(caller.reply().await.code, 421);
    for client in &mut busy {
        assert_eq!(client.cmd("RCPT TO:<b@example.org>").await.code, 250);
    }
}

#[tokio::test]
async fn who_never_ends_a_handshake_or_never_reads_makes_room_too() {
    let house = House::start(nobody().await, TEN).await;
    let secure = house.door(Door::Secure);
    let mut shaking = Vec::new();
    for net in 1..=5 {
        for _ in 0..2 {
            shaking.push(silent(&format!("127.0.{net}.1"), secure).await);
        }
    }
    // Until all have been accepted: the listener takes them in their order.
    let mut newcomer = guest("127.0.6.1", house.door(Door::Mx)).await;
    assert_eq!(rest(&mut shaking[0]).await, "");
    assert_eq!(newcomer.cmd("NOOP").await.code, 250);
}

#[tokio::test]
async fn a_flood_of_silent_clients_does_not_take_the_pages_from_others() {
    let house = browser::house(true, "", |conf| conf.admin.connections = Some(32)).await;
    let at = house.server.admin_address().unwrap();
    let mut inside = administrator(&house, true).await;
    // What drips: nothing, the begin of a handshake.
    let mut flood = Vec::new();
    for net in 1..=8 {
        for n in 0..6 {
            let mut stream = silent(&format!("127.0.{net}.1"), at).await;
            if n % 2 == 0 {
                // It may have been closed for the next one already.
                drop(stream.write_all(&[22, 3, 1]).await);
            }
            flood.push(stream);
        }
    }
    house.pass(Duration::from_secs(5));
    let mut browser = Browser::of(&house, true);
    for h2 in [false, true] {
        browser.h2 = h2;
        assert_eq!(browser.get("/livez").await.status, 200, "h2: {h2}");
    }
    assert_eq!(inside.get("/holds").await.status, 200);
    assert_eq!(rest(&mut flood[0]).await, "");
}

#[tokio::test]
async fn metrics_tell_who_came_and_who_had_to_go() {
    let token = Secret::new("0123456789abcdef");
    let house = browser::house(false, TEN, |conf| conf.admin.metrics_token = Some(token)).await;
    let mx = house.door(Door::Mx);
    let _first = guests("127.0.1.1", mx, 4).await;
    let _second = guests("127.0.2.1", mx, 4).await;
    let _third = guests("127.0.3.1", mx, 2).await;
    let (_, banner) = Client::connect_from("127.0.1.1", mx).await;
    assert_eq!(
        banner.code, 220,
        "one of its own has gone before: {banner:?}"
    );
    let mut monitor = Browser::of(&house, false);
    let bearer = "Bearer 0123456789abcdef".to_owned();
    monitor.fields = vec![("authorization".to_owned(), bearer)];
    let text = monitor.get("/metrics").await.text;
    for line in [
        "postwerk_connections_max{door=\"smtp\"} 10",
        "postwerk_connections_made_room_total{door=\"smtp\"} 2",
        "postwerk_connections_turned_away_total{door=\"smtp\"} 0",
        "postwerk_connections_max{door=\"https\"} 512",
        "postwerk_auth_throttled_total{bound=\"address\"} 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn who_must_go_in_the_middle_of_a_line_or_after_a_wrong_password_is_gone_at_once() {
    let house = House::start(nobody().await, TEN).await;
    let mx = house.door(Door::Mx);
    let caller = guest("127.0.1.1", house.door(Door::Login)).await;
    let mut caller = caller.starttls().await;
    assert_eq!(caller.cmd("EHLO client.example").await.code, 250);
    let mut all = guests("127.0.1.1", mx, 3).await;
    all.extend(guests("127.0.2.1", mx, 4).await);
    all.extend(guests("127.0.3.1", mx, 1).await);
    for client in &mut all {
        client.send("NOOP\r\nNO").await;
        assert_eq!(client.reply().await.code, 250);
    }
    caller.send("AUTH PLAIN AHVzZXIAd3Jvbmc=\r\n").await;
    let mut newcomers = Vec::new();
    // More than may be on their way out at once, and nobody's time passes.
    for net in 11..=16 {
        newcomers.push(guest(&format!("127.0.{net}.1"), mx).await);
    }
    assert_eq!(caller.reply().await.code, 535);
    assert_eq!(caller.reply().await.code, 421);
    assert!(caller.closed().await);
}
