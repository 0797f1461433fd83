//! Delivery, from an accepted mail to the next hop's reply: each test is one promise of `postwerk::deliver`.
//!
//! Queue and delivery are real, the store is in memory, remotes are scripted. Not here: reception (`receive`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use postwerk::base::clock::Clock;
use postwerk::base::secret::Secret;
use postwerk::base::shutdown::{Finish, Shutdown};
use postwerk::config::{Config, DomainPattern, NextHop, RelayLogin, RelayTls, RouteConf, Shared};
use postwerk::deliver::{self, Context, Strangers};
use postwerk::journal::event::{Event, EventKind, Events, Subscription};
use postwerk::mail::envelope::{Envelope, MailFrom, RcptTo};
use postwerk::mail::mailbox::{Host, Mailbox};
use postwerk::mail::path::ReversePath;
use postwerk::queue::{MessageId, NewMail, Origin, Queue};
use postwerk::store::{self, Band};
use tokio::task::JoinHandle;

use crate::DEADLINE;
use crate::dns::{Stub, Zone};
use crate::remote::{Answer, Remote};

/// Queue and delivery, without listeners.
pub struct Rig {
    pub queue: Queue,
    events: Subscription,
    pub conf: Shared,
    shutdown: Shutdown,
    _finish: Finish,
    task: JoinHandle<()>,
}

pub fn conf() -> Config {
    let mut conf = Config::fallback("mail.example.org".parse().unwrap(), "/nowhere".into());
    conf.queue.retry = vec![Duration::from_millis(200)];
    conf
}

pub fn route(remote: &Remote, tls: RelayTls) -> RouteConf {
    let host = Host::Literal(remote.address.ip());
    let port = remote.address.port();
    RouteConf {
        domain: DomainPattern::Any,
        relay: vec![NextHop { host, port }],
        tls,
        ca: None,
        sasl: None,
    }
}

fn routed(remote: &Remote) -> Config {
    let mut conf = conf();
    conf.routes.push(route(remote, RelayTls::Opportunistic));
    conf
}

impl Rig {
    pub fn start(conf: Config) -> Self {
        Self::among(conf, Strangers::default())
    }

    pub fn among(conf: Config, strangers: Strangers) -> Self {
        Self::build(conf, strangers, Vec::new(), Clock::system())
    }

    /// With a clock that the test moves.
    pub fn clocked(conf: Config, strangers: Strangers, clock: &Clock) -> Self {
        Self::build(conf, strangers, Vec::new(), clock.clone())
    }

    fn build(
        conf: Config,
        strangers: Strangers,
        own_addresses: Vec<SocketAddr>,
        clock: Clock,
    ) -> Self {
        let conf: Shared = Arc::new(ArcSwap::from_pointee(conf));
        let store = store::redb::memory(clock.clone());
        let queue = Queue::new(Arc::clone(&conf), store, clock.clone(), Events::new());
        let (shutdown, finish) = Shutdown::new();
        let events = queue.events().subscribe();
        let context = Context {
            conf: Arc::clone(&conf),
            queue: queue.clone(),
            clock,
            shutdown: shutdown.clone(),
            own_addresses,
        };
        let task = tokio::spawn(deliver::run_among(context, strangers));
        Self {
            queue,
            events,
            conf,
            shutdown,
            _finish: finish,
            task,
        }
    }

    pub async fn accept(&self, from: &str, to: &[&str], text: &str) -> MessageId {
        self.accept_as(MailFrom::new(ReversePath::parse(from).unwrap()), to, text)
            .await
    }

    async fn accept_as(&self, from: MailFrom, to: &[&str], text: &str) -> MessageId {
        self.accept_in(Band::Normal, from, to, text).await
    }

    pub async fn accept_in(
        &self,
        band: Band,
        from: MailFrom,
        to: &[&str],
        text: &str,
    ) -> MessageId {
        let mut body = self.queue.begin_body();
        body.write(text.as_bytes()).await.unwrap();
        let rcpt = |to: &&str| RcptTo::new(Mailbox::parse(to).unwrap());
        let mail = NewMail {
            top: String::new(),
            worked: Vec::new(),
            said: Vec::new(),
            body: body.finish(),
            envelope: Envelope {
                from,
                recipients: to.iter().map(rcpt).collect(),
            },
            origin: Origin {
                helo: "app.example".to_owned(),
                with: "ESMTP".to_owned(),
                ..Origin::default()
            },
            held: Vec::new(),
            digest: None,
            band,
        };
        self.queue.accept(mail, None).await.unwrap()
    }

    /// The next event of a kind.
    pub async fn event(&mut self, kind: EventKind) -> Event {
        let wait = async {
            loop {
                let event = self.events.next().await.expect("the queue lives");
                if event.kind == kind {
                    return event;
                }
            }
        };
        let waited = Clock::system().timeout(DEADLINE, wait).await;
        waited.unwrap_or_else(|_| panic!("no event {kind:?} came"))
    }

    pub async fn stop(self) {
        self.shutdown.begin();
        let ended = Clock::system().timeout(DEADLINE, self.task).await;
        ended
            .expect("delivery stops in time")
            .expect("without a panic");
    }
}

pub const LETTER: &str = "Subject: hello\r\n\r\n.dot\r\nend\r\n";

#[tokio::test]
async fn a_mail_arrives_with_our_received_field_and_all_its_octets() {
    let remote = Remote::friendly().await;
    let mut rig = Rig::start(routed(&remote));
    let id = rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    let mail = remote.mails(1).await.remove(0);
    let (received, rest) = mail.text.split_at(mail.text.find("Subject").unwrap());
    assert_eq!(rest, LETTER);
    assert!(
        received.contains(&format!("by mail.example.org with ESMTP id {id}")),
        "got {received}"
    );
    assert!(received.contains("for <c@d.example>"), "got {received}");
    let event = rig.event(EventKind::Delivered).await;
    assert_eq!(event.recipient, "c@d.example");
    rig.stop().await;
}

#[tokio::test]
async fn every_recipient_gets_its_own_answer() {
    let remote = Remote::scripted(|asked| match asked.line {
        "RCPT TO:<bad@d.example>" => Answer::Say("550 5.1.1 unknown"),
        "RCPT TO:<late@d.example>" if asked.nth <= 3 => Answer::Say("450 4.2.0 greylisted"),
        _ => Answer::Usual,
    })
    .await;
    let mut rig = Rig::start(routed(&remote));
    let to = ["good@d.example", "bad@d.example", "late@d.example"];
    rig.accept("a@b.example", &to, LETTER).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let wait = Clock::system().timeout(DEADLINE, rig.events.next()).await;
        let event = wait.unwrap().unwrap();
        seen.push((event.kind.name(), event.recipient));
    }
    seen.sort();
    let wanted = [
        (
            "email.accepted",
            "good@d.example, bad@d.example, late@d.example",
        ),
        ("email.bounced", "bad@d.example"),
        ("email.deferred", "late@d.example"),
        ("email.delivered", "good@d.example"),
        ("email.delivered", "late@d.example"),
    ];
    let wanted: Vec<_> = wanted.iter().map(|(k, r)| (*k, (*r).to_owned())).collect();
    assert_eq!(seen, wanted);
    assert_eq!(remote.mails(2).await[1].to, ["<late@d.example>"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_connection_serves_many_mails() {
    let remote = Remote::friendly().await;
    let mut conf = routed(&remote);
    conf.deliver.connections_per_site = 1;
    let rig = Rig::start(conf);
    for _ in 0..30 {
        rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    }
    let mails = remote.mails(30).await;
    assert!(mails.iter().all(|mail| mail.connection == 1));
    rig.stop().await;
}

#[tokio::test]
async fn a_connection_ends_after_site_messages() {
    let remote = Remote::friendly().await;
    let mut conf = routed(&remote);
    conf.deliver.connections_per_site = 1;
    conf.deliver.site_messages = 2;
    let rig = Rig::start(conf);
    for _ in 0..6 {
        rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    }
    let mails = remote.mails(6).await;
    let used: Vec<usize> = mails.iter().map(|mail| mail.connection).collect();
    assert_eq!(used, [1, 1, 2, 2, 3, 3]);
    rig.stop().await;
}

#[tokio::test]
async fn a_large_body_goes_out_in_chunks_and_unchanged() {
    let remote = Remote::friendly().await;
    let rig = Rig::start(routed(&remote));
    let text = format!(
        "Subject: large\r\n\r\n{}",
        ".line of text that repeats\r\n\r\n".repeat(9_000)
    );
    rig.accept("a@b.example", &["c@d.example"], &text).await;
    let mail = remote.mails(1).await.remove(0);
    assert!(
        mail.text.ends_with(&text),
        "{} octets came",
        mail.text.len()
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_lost_connection_defers_and_the_mail_comes_again() {
    for (name, verb, answer) in [
        ("banner", "CONNECT", Answer::Break("220 re", 3)),
        ("EHLO", "EHLO", Answer::Break("", 0)),
        ("MAIL", "MAIL", Answer::Break("250 ok", 2)),
        ("RCPT", "RCPT", Answer::Break("", 0)),
        ("DATA", "DATA", Answer::Break("354 go", 3)),
        ("421 to the dot", "DOT", Answer::Say("421 4.7.0 too many")),
        ("421", "RCPT", Answer::Say("421 4.3.2 closing")),
        ("nonsense", "MAIL", Answer::Say("hello world")),
    ] {
        let remote = Remote::scripted(move |asked| {
            if asked.verb == verb && asked.nth == 1 {
                answer.clone()
            } else {
                Answer::Usual
            }
        })
        .await;
        let mut rig = Rig::start(routed(&remote));
        rig.accept("a@b.example", &["c@d.example"], LETTER).await;
        let deferred = rig.event(EventKind::Deferred).await;
        assert!(
            deferred.text.starts_with('4'),
            "case: {name}, got {}",
            deferred.text
        );
        rig.event(EventKind::Delivered).await;
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_site_that_is_down_costs_one_try_for_all_its_mail() {
    let remote = Remote::scripted(|asked| match (asked.verb, asked.connection) {
        ("CONNECT", 1) => Answer::Say("421 4.3.2 not now"),
        _ => Answer::Usual,
    })
    .await;
    let mut rig = Rig::start(routed(&remote));
    for _ in 0..40 {
        rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    }
    remote.mails(40).await;
    let mut deferred = 0;
    for _ in 0..40 + 40 + 1 {
        let event = Clock::system().timeout(DEADLINE, rig.events.next()).await;
        deferred += usize::from(event.unwrap().unwrap().kind == EventKind::Deferred);
    }
    assert_eq!(deferred, 1);
    rig.stop().await;
}

#[tokio::test]
async fn the_next_hop_is_tried_when_the_first_is_away() {
    let away = Remote::scripted(|_| Answer::Say("554 5.3.2 no service")).await;
    let remote = Remote::friendly().await;
    let mut conf = routed(&away);
    let second = route(&remote, RelayTls::Off).relay;
    conf.routes[0].relay.extend(second);
    let rig = Rig::start(conf);
    rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    remote.mails(1).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_host_that_closes_in_the_middle_is_tried_last() {
    let moody = Remote::scripted(|asked| match asked.verb {
        "MAIL" => Answer::Say("421 4.3.2 not now"),
        _ => Answer::Usual,
    })
    .await;
    let remote = Remote::friendly().await;
    let mut conf = routed(&moody);
    let second = route(&remote, RelayTls::Off).relay;
    conf.routes[0].relay.extend(second);
    let rig = Rig::start(conf);
    rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    remote.mails(1).await;
    assert_eq!(moody.asked("MAIL"), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_silent_site_with_many_domains_is_in_nobodys_way() {
    let silent = Remote::scripted(|_| Answer::Silence).await;
    let remote = Remote::friendly().await;
    let mut conf = routed(&silent);
    let mut fast = route(&remote, RelayTls::Off);
    fast.domain = DomainPattern::Exact("fast.example".parse().unwrap());
    conf.routes.insert(0, fast);
    let rig = Rig::start(conf);
    for n in 0..600 {
        let to = format!("c@d{n}.example");
        rig.accept("a@b.example", &[&to], LETTER).await;
    }
    for _ in 0..5 {
        rig.accept("a@b.example", &["c@fast.example"], LETTER).await;
    }
    remote.mails(5).await;
    rig.stop().await;
}

#[tokio::test]
async fn opportunistic_tls_is_used_and_given_up_when_its_handshake_fails() {
    let (remote, _) = Remote::with_tls(|_| Answer::Usual).await;
    let rig = Rig::start(routed(&remote));
    rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    assert!(remote.mails(1).await[0].tls);
    rig.stop().await;
    let broken = |asked: &crate::remote::Asked<'_>| match asked.verb {
        "STARTTLS" => Answer::Say("220 2.0.0 go"),
        _ => Answer::Usual,
    };
    let (liar, _) = Remote::with_tls(broken).await;
    let rig = Rig::start(routed(&liar));
    rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    let mails = liar.mails(1).await;
    assert!(!mails[0].tls && mails[0].connection == 2);
    rig.stop().await;
}

#[tokio::test]
async fn required_tls_is_never_given_up() {
    let (stranger, _) = Remote::with_tls(|_| Answer::Usual).await;
    let plain = Remote::friendly().await;
    let injecting = Remote::with_tls(|asked| match asked.verb {
        "STARTTLS" => Answer::Say("220 go\r\n250-injected\r\n250 SIZE"),
        _ => Answer::Usual,
    })
    .await
    .0;
    for (name, remote) in [
        ("unknown root", &stranger),
        ("no STARTTLS", &plain),
        ("injection", &injecting),
    ] {
        let mut conf = conf();
        conf.routes.push(route(remote, RelayTls::Required));
        let mut rig = Rig::start(conf);
        rig.accept("a@b.example", &["c@d.example"], LETTER).await;
        rig.event(EventKind::Deferred).await;
        rig.stop().await;
        assert_eq!(remote.asked("MAIL"), 0, "case: {name}");
    }
}

#[tokio::test]
async fn we_log_in_where_the_route_says_so() {
    for (reply, taken) in [("235 2.7.0 in", true), ("535 5.7.8 no", false)] {
        let remote = Remote::scripted(move |asked| match asked.verb {
            "EHLO" => Answer::Say("250-remote.example\r\n250 AUTH DIGEST-MD5 PLAIN"),
            "AUTH" => Answer::Say(reply),
            _ => Answer::Usual,
        })
        .await;
        let mut conf = routed(&remote);
        conf.routes[0].sasl = Some(RelayLogin {
            user: "u".to_owned(),
            password: Secret::new("hunter2"),
        });
        let mut rig = Rig::start(conf);
        rig.accept("a@b.example", &["c@d.example"], LETTER).await;
        if taken {
            remote.mails(1).await;
            assert!(
                remote
                    .lines()
                    .contains(&"AUTH PLAIN AHUAaHVudGVyMg==".to_owned())
            );
        } else {
            let event = rig.event(EventKind::Deferred).await;
            assert!(event.text.contains("5.7.8"), "got {}", event.text);
            assert_eq!(remote.asked("MAIL"), 0);
        }
        rig.stop().await;
    }
}

#[tokio::test]
async fn mail_that_leads_back_to_a_listener_of_ours_is_a_loop() {
    let ourselves = Remote::friendly().await;
    let mut rig = Rig::build(
        routed(&ourselves),
        Strangers::default(),
        vec![ourselves.address],
        Clock::system(),
    );
    rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    let event = rig.event(EventKind::Bounced).await;
    assert!(event.text.contains("5.4.6"), "got {}", event.text);
    rig.stop().await;
}

#[tokio::test]
async fn what_a_hop_cannot_take_is_never_sent_to_it() {
    let remote = Remote::with_words(&["PIPELINING", "SIZE 100"]).await;
    let mut rig = Rig::start(routed(&remote));
    for (to, text, status) in [
        ("jörg@d.example", "Subject: x\r\n\r\ny\r\n", "5.6.7"),
        ("c@d.example", "Subject: x\r\n\r\nä\r\n", "5.6.3"),
        ("c@d.example", LETTER, "5.3.4"),
    ] {
        let text = if status == "5.3.4" {
            text.repeat(10)
        } else {
            text.to_owned()
        };
        rig.accept("a@b.example", &[to], &text).await;
        let event = rig.event(EventKind::Bounced).await;
        assert!(
            event.text.contains(status),
            "wanted {status}, got {}",
            event.text
        );
    }
    assert_eq!(remote.asked("MAIL"), 0);
    rig.stop().await;
}

#[tokio::test]
async fn mail_goes_where_dns_says() {
    let remote = Remote::friendly().await;
    let zone = Zone::default()
        .mx("d.example", 10, "gone.d.example")
        .mx("d.example", 20, "mx.d.example")
        .a("mx.d.example", [127, 0, 0, 1])
        .mx("null.example", 0, ".")
        .mx("us.example", 10, "mail.example.org")
        .fails("broken.example");
    let stub = Stub::start(zone).await;
    let mut conf = conf();
    conf.dns.servers = vec![stub.address()];
    let strangers = Strangers {
        port: remote.address.port(),
        loopback: true,
    };
    let mut rig = Rig::among(conf, strangers);
    rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    remote.mails(1).await;
    for (to, kind, status) in [
        ("c@null.example", EventKind::Bounced, "5.1.10"),
        ("c@none.example", EventKind::Bounced, "5.1.2"),
        ("c@us.example", EventKind::Bounced, "5.4.6"),
        ("c@broken.example", EventKind::Deferred, "4.4.3"),
    ] {
        rig.accept("a@b.example", &[to], LETTER).await;
        let event = rig.event(kind).await;
        assert!(
            event.text.contains(status),
            "case: {to}, got {}",
            event.text
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn no_zone_can_send_mail_to_our_own_machine() {
    let zone = Zone::default().a("home.example", [127, 0, 0, 1]);
    let stub = Stub::start(zone).await;
    let mut conf = conf();
    conf.dns.servers = vec![stub.address()];
    let mut rig = Rig::start(conf);
    for to in ["c@home.example", "c@[127.0.0.1]"] {
        rig.accept("a@b.example", &[to], LETTER).await;
        let event = rig.event(EventKind::Bounced).await;
        assert!(
            event.text.contains("5.4.6"),
            "case: {to}, got {}",
            event.text
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn nothing_goes_out_while_the_queue_is_paused() {
    let remote = Remote::friendly().await;
    let mut conf = routed(&remote);
    conf.queue.paused = true;
    let rig = Rig::start(conf);
    rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    let mut conf = rig.conf.load().as_ref().clone();
    assert_eq!(remote.asked("CONNECT"), 0);
    conf.queue.paused = false;
    rig.conf.store(Arc::new(conf));
    remote.mails(1).await;
    rig.stop().await;
}

#[tokio::test]
async fn stopping_gives_back_what_has_no_dot_yet() {
    let remote = Remote::scripted(|asked| match asked.verb {
        "RCPT" => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let rig = Rig::start(routed(&remote));
    rig.accept("a@b.example", &["c@d.example"], LETTER).await;
    while remote.asked("RCPT") == 0 {
        tokio::task::yield_now().await;
    }
    let queue = rig.queue.clone();
    rig.stop().await;
    let heads = queue.deliveries().ready(10).await.unwrap();
    let lent = queue.deliveries().claim(&heads[0].group, 10).await.unwrap();
    assert_eq!(lent[0].attempts, 0);
}
