//! What makes two sites one: only mail that travels alike shares connections, hosts and health.
//!
//! Each test is a mail that once went the way of another one, because the two were the same to us by less than all
//! that decides a way. Not here: keys without connections (`deliver::plan`), and who is served when.

use std::sync::Arc;

use postwerk::base::secret::Secret;
use postwerk::config::{Config, DomainConf, DomainPattern, NextHop, RelayLogin, RelayTls};
use postwerk::deliver::Strangers;
use postwerk::journal::event::EventKind;
use postwerk::mail::mailbox::Host;

use crate::deliver::{LETTER, Rig, conf, route};
use crate::dns::{Stub, Zone};
use crate::remote::{Answer, Remote};

/// Accepts everything first, so that one look of the dispatcher sees all of it.
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

fn exactly(name: &str) -> DomainPattern {
    DomainPattern::Exact(name.parse().unwrap())
}

fn login(password: &str) -> Option<RelayLogin> {
    Some(RelayLogin {
        user: "u".to_owned(),
        password: Secret::new(password),
    })
}

/// RFC 4954: `u` may log in with `right`, and nobody else may.
async fn guarded() -> Remote {
    Remote::scripted(|asked| match (asked.verb, asked.line) {
        ("EHLO", _) => Answer::Say("250-remote.example\r\n250 AUTH PLAIN"),
        ("AUTH", "AUTH PLAIN AHUAcmlnaHQ=") => Answer::Say("235 2.7.0 in"),
        ("AUTH", _) => Answer::Say("535 5.7.8 no"),
        _ => Answer::Usual,
    })
    .await
}

#[tokio::test]
async fn a_stranger_whose_mx_names_our_relay_does_not_bounce_our_own_mail() {
    let remote = Remote::friendly().await;
    let zone = Zone::default()
        .mx("stranger.example", 10, "store.ours.example")
        .a("store.ours.example", [127, 0, 0, 1]);
    let stub = Stub::start(zone).await;
    let mut conf = conf();
    conf.dns.servers = vec![stub.address()];
    conf.domains.push(DomainConf {
        name: "ours.example".parse().unwrap(),
        relay: vec![NextHop {
            host: Host::Domain("store.ours.example".parse().unwrap()),
            port: remote.address.port(),
        }],
        owner: None,
        tls: RelayTls::Opportunistic,
        ca: None,
    });
    let strangers = Strangers {
        port: remote.address.port(),
        loopback: false,
    };
    let mut rig = Rig::among(conf, strangers);
    // DNS is asked about the stranger before both are looked at together.
    rig.accept("a@b.example", &["c@stranger.example"], LETTER)
        .await;
    let event = rig.event(EventKind::Bounced).await;
    assert!(event.text.contains("5.4.6"), "got {event:?}");
    let both = ["c@ours.example", "c@stranger.example", "d@ours.example"];
    at_once(&rig, &both).await;
    let event = rig.event(EventKind::Bounced).await;
    assert_eq!(event.recipient, "c@stranger.example", "{event:?}");
    let mails = remote.mails(2).await;
    let to: Vec<_> = mails.iter().flat_map(|mail| &mail.to).collect();
    assert_eq!(to, ["<c@ours.example>", "<d@ours.example>"]);
    rig.stop().await;
}

#[tokio::test]
async fn domains_that_share_hosts_keep_their_own_order_of_them() {
    let first = Remote::friendly().await;
    let port = first.address.port();
    let second = Remote::friendly_at(([127, 0, 0, 2], port).into()).await;
    let zone = Zone::default()
        .mx("one.example", 10, "first.example")
        .mx("one.example", 20, "second.example")
        .mx("two.example", 20, "first.example")
        .mx("two.example", 10, "second.example")
        .a("first.example", [127, 0, 0, 1])
        .a("second.example", [127, 0, 0, 2]);
    let stub = Stub::start(zone).await;
    let mut conf = conf();
    conf.dns.servers = vec![stub.address()];
    let loopback = true;
    let rig = Rig::among(conf, Strangers { port, loopback });
    for round in 1..3 {
        at_once(&rig, &["c@one.example", "c@two.example"]).await;
        for (remote, to) in [(&first, "<c@one.example>"), (&second, "<c@two.example>")] {
            let mails = remote.mails(round).await;
            assert!(mails.iter().all(|mail| mail.to == [to]), "{mails:?}");
        }
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_noticed_beside_an_open_connection_with_the_right_one() {
    let remote = guarded().await;
    let mut conf = conf();
    for (domain, password) in [("right.example", "right"), ("wrong.example", "wrong")] {
        let mut route = route(&remote, RelayTls::Off);
        route.domain = exactly(domain);
        route.sasl = login(password);
        conf.routes.push(route);
    }
    let mut rig = Rig::start(conf);
    at_once(&rig, &["c@right.example", "c@wrong.example"]).await;
    let event = rig.event(EventKind::Deferred).await;
    assert_eq!(event.recipient, "c@wrong.example");
    assert!(event.text.contains("5.7.8"), "got {event:?}");
    let mails = remote.mails(1).await;
    assert_eq!(mails[0].to, ["<c@right.example>"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_reload_ends_the_use_of_connections_that_were_made_on_other_terms() {
    let remote = guarded().await;
    let mut conf = conf();
    conf.routes.push(route(&remote, RelayTls::Off));
    conf.routes[0].sasl = login("right");
    let mut rig = Rig::start(conf.clone());
    rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    rig.event(EventKind::Delivered).await;
    conf.routes[0].sasl = login("wrong");
    rig.conf.store(Arc::new(conf.clone()));
    rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    let event = rig.event(EventKind::Deferred).await;
    assert!(event.text.contains("5.7.8"), "got {event:?}");
    conf.routes[0].sasl = login("right");
    rig.conf.store(Arc::new(conf));
    rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    rig.event(EventKind::Delivered).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_reload_that_changes_nothing_of_a_way_keeps_its_connection() {
    let remote = Remote::friendly().await;
    let mut conf = conf();
    conf.routes.push(route(&remote, RelayTls::Off));
    let mut rig = Rig::start(conf.clone());
    for _ in 0..3 {
        rig.accept("a@b.example", &["c@d.example"], LETTER).await;
        rig.event(EventKind::Delivered).await;
        rig.conf.store(Arc::new(conf.clone()));
    }
    assert_eq!(remote.asked("CONNECT"), 1);
    rig.stop().await;
}

#[tokio::test]
async fn what_waits_behind_a_stuck_hop_goes_by_the_new_route_after_a_reload() {
    let stuck = Remote::scripted(|asked| match asked.verb {
        "RCPT" => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let remote = Remote::friendly().await;
    let mut conf = conf();
    conf.deliver.connections_per_site = 1;
    conf.routes.push(route(&stuck, RelayTls::Off));
    let rig = Rig::start(conf.clone());
    at_once(&rig, &["1@d.example", "2@d.example", "3@d.example"]).await;
    while stuck.asked("RCPT") == 0 {
        tokio::task::yield_now().await;
    }
    conf.routes = vec![route(&remote, RelayTls::Off)];
    rig.conf.store(Arc::new(conf));
    rig.accept("a@b.example", &["4@d.example"], LETTER).await;
    let mails = remote.mails(3).await;
    assert!(mails.iter().any(|mail| mail.to == ["<4@d.example>"]));
    assert_eq!(stuck.asked("RCPT"), 1);
    rig.stop().await;
}

#[tokio::test]
async fn mail_for_a_domain_with_an_underscore_reaches_a_host_with_one() {
    let remote = Remote::friendly().await;
    let zone = Zone::default()
        .mx("under_score.example", 10, "mx_1.under_score.example")
        .a("mx_1.under_score.example", [127, 0, 0, 1]);
    let stub = Stub::start(zone).await;
    let mut conf = conf();
    conf.dns.servers = vec![stub.address()];
    let strangers = Strangers {
        port: remote.address.port(),
        loopback: true,
    };
    let rig = Rig::among(conf, strangers);
    rig.accept("a@b.example", &["c@under_score.example"], LETTER)
        .await;
    let mails = remote.mails(1).await;
    assert_eq!(mails[0].to, ["<c@under_score.example>"]);
    rig.stop().await;
}
