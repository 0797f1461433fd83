//! Who gets a connection when there are fewer than wanted: every site in its turn, and no network all of them.
//!
//! Not here: the same as arithmetic (`deliver::places`), and whom DNS means (`sites`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postwerk::base::clock::{Clock, Wall};
use postwerk::config::{Config, DomainPattern, RelayTls};
use postwerk::deliver::Strangers;
use postwerk::journal::event::EventKind;
use tokio::net::TcpListener;

use crate::deliver::{LETTER, Rig, conf, route};
use crate::dns::{Stub, Zone};
use crate::remote::{Answer, Remote};

/// `*.busy` to the first, everything else to the second.
fn two_sites(busy: &Remote, idle: &Remote) -> Config {
    let mut conf = conf();
    let mut first = route(busy, RelayTls::Off);
    first.domain = DomainPattern::Exact("busy.example".parse().unwrap());
    conf.routes = vec![first, route(idle, RelayTls::Off)];
    conf
}

async fn noting(name: &'static str, order: &Arc<Mutex<Vec<&'static str>>>) -> Remote {
    let order = Arc::clone(order);
    Remote::scripted(move |asked| {
        if asked.verb == "DOT" {
            order.lock().unwrap().push(name);
        }
        Answer::Usual
    })
    .await
}

/// Accepts while nothing goes out, so that everything is due at once.
async fn at_once(rig: &Rig, to: &[&str]) {
    let running = rig.conf.load_full();
    let mut paused = Config::clone(&running);
    paused.queue.paused = true;
    rig.conf.store(Arc::new(paused));
    for to in to {
        rig.accept("a@b.example", &[to], LETTER).await;
    }
    rig.conf.store(running);
}

#[tokio::test]
async fn a_busy_site_gives_its_place_up_after_site_messages() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let (busy, idle) = (noting("busy", &order).await, noting("idle", &order).await);
    let mut conf = two_sites(&busy, &idle);
    conf.deliver.connections = 1;
    conf.deliver.site_messages = 2;
    let rig = Rig::start(conf);
    let mut to = vec!["c@busy.example"; 40];
    to.push("c@idle.example");
    at_once(&rig, &to).await;
    busy.mails(40).await;
    idle.mails(1).await;
    let order = order.lock().unwrap().clone();
    let at = order.iter().position(|name| *name == "idle").unwrap();
    // As soon as it waits; a lane that never gave its place up would let it come last.
    assert!(at < 20, "the idle site came {at}th: {order:?}");
    rig.stop().await;
}

#[tokio::test]
async fn an_idle_connection_goes_when_another_site_needs_its_place() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let (busy, idle) = (noting("busy", &order).await, noting("idle", &order).await);
    let mut conf = two_sites(&busy, &idle);
    conf.deliver.connections = 1;
    let rig = Rig::start(conf);
    for _ in 0..3 {
        rig.accept("a@b.example", &["c@busy.example"], LETTER).await;
        busy.mails(1).await;
        rig.accept("a@b.example", &["c@idle.example"], LETTER).await;
        idle.mails(1).await;
    }
    idle.mails(3).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_site_without_a_lane_gets_out_beside_one_that_is_silent() {
    let silent = Remote::scripted(|asked| match asked.verb {
        "MAIL" => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let other = Remote::friendly().await;
    let mut conf = two_sites(&silent, &other);
    conf.deliver.connections = 10;
    let rig = Rig::start(conf);
    let to = vec!["c@busy.example"; 40];
    at_once(&rig, &to).await;
    crate::until("the silent site to have all it gets", || async {
        silent.asked("MAIL") >= 9
    })
    .await;
    rig.accept("a@b.example", &["c@idle.example"], LETTER).await;
    other.mails(1).await;
    assert_eq!(silent.asked("MAIL"), 9, "a tenth is not for it");
    rig.stop().await;
}

#[tokio::test]
async fn a_network_that_dns_chose_has_its_share_and_the_next_site_waits_without_a_try() {
    let remote = Remote::scripted(|asked| match (asked.verb, asked.nth) {
        ("MAIL", 1) => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let zone = Zone::default()
        .mx("one.example", 10, "mx.one.example")
        .a("mx.one.example", [127, 0, 0, 1])
        .mx("two.example", 10, "mx.two.example")
        .a("mx.two.example", [127, 0, 0, 1]);
    let stub = Stub::start(zone).await;
    let mut conf = conf();
    conf.dns.servers = vec![stub.address()];
    conf.deliver.connections = 4;
    conf.deliver.timeouts.mail = Duration::from_millis(400);
    let strangers = Strangers {
        port: remote.address.port(),
        loopback: true,
    };
    let mut rig = Rig::among(conf, strangers);
    rig.accept("a@b.example", &["c@one.example"], LETTER).await;
    crate::until("the first connection", || async {
        remote.asked("MAIL") == 1
    })
    .await;
    rig.accept("a@b.example", &["c@two.example"], LETTER).await;
    rig.event(EventKind::Deferred).await;
    let delivered = rig.event(EventKind::Delivered).await;
    assert_eq!(delivered.recipient, "c@two.example");
    let mails = remote.mails(1).await;
    assert_eq!(mails[0].connection, 2, "one at a time");
    rig.stop().await;
}

/// Its second host is in another network and does not work: asking it again and again is no way to wait for the first.
#[tokio::test]
async fn a_site_that_waits_for_a_network_does_not_hammer_its_other_hosts() {
    let remote = Remote::scripted(|asked| match (asked.verb, asked.nth) {
        ("MAIL", 1) => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let port = remote.address.port();
    let broken = TcpListener::bind(("127.0.1.1", port)).await.unwrap();
    let (asked, counted) = (Arc::new(AtomicUsize::new(0)), broken);
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        while counted.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let zone = Zone::default()
        .mx("one.example", 10, "mx.one.example")
        .a("mx.one.example", [127, 0, 0, 1])
        .mx("two.example", 10, "mx.two.example")
        .a("mx.two.example", [127, 0, 0, 1])
        .mx("two.example", 20, "broken.two.example")
        .a("broken.two.example", [127, 0, 1, 1]);
    let stub = Stub::start(zone).await;
    let mut conf = conf();
    conf.dns.servers = vec![stub.address()];
    conf.deliver.connections = 4;
    conf.deliver.timeouts.mail = Duration::from_millis(400);
    let strangers = Strangers {
        port,
        loopback: true,
    };
    let mut rig = Rig::among(conf, strangers);
    rig.accept("a@b.example", &["c@one.example"], LETTER).await;
    crate::until("the first connection", || async {
        remote.asked("MAIL") == 1
    })
    .await;
    rig.accept("a@b.example", &["c@two.example"], LETTER).await;
    let delivered = rig.event(EventKind::Delivered).await;
    assert_eq!(delivered.recipient, "c@two.example");
    let times = asked.load(Ordering::Relaxed);
    assert!(times <= 2, "the broken host was asked {times} times");
    rig.stop().await;
}

/// Each of them may take a minute; together they may not take ten.
#[tokio::test]
async fn a_site_whose_many_hosts_are_silent_gives_its_place_up_after_a_minute() {
    let silent = || {
        Remote::scripted(|asked| match asked.verb {
            "CONNECT" => Answer::Silence,
            _ => Answer::Usual,
        })
    };
    let (first, second, other) = (silent().await, silent().await, Remote::friendly().await);
    let mut conf = two_sites(&first, &other);
    conf.routes[0]
        .relay
        .extend(route(&second, RelayTls::Off).relay);
    conf.deliver.connections = 1;
    let clock = Clock::moved(Wall(1_795_000_000_000_000));
    let rig = Rig::clocked(conf, Strangers::default(), &clock);
    rig.accept("a@b.example", &["c@busy.example"], LETTER).await;
    crate::until("the first host to be asked", || async {
        first.asked("CONNECT") == 1
    })
    .await;
    rig.accept("a@b.example", &["c@idle.example"], LETTER).await;
    clock.advance(Duration::from_secs(61));
    other.mails(1).await;
    assert_eq!(second.asked("CONNECT"), 0);
    rig.stop().await;
}
