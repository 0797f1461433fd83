//! DNS against name servers of ours on loopback: each answer it can give, and answers that nobody should believe.
//!
//! `Stub` is an honest name server. `Forger` stands before two of them: whoever asks by UDP is answered by the false
//! one, as by somebody on the way who saw the question go out but not how its letters were written.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::stub::{Stub, Zone, sockets};
use super::*;

fn name(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn conf(stub: &Stub) -> DnsConf {
    asking(stub.address())
}

fn asking(server: SocketAddr) -> DnsConf {
    DnsConf {
        servers: vec![server],
    }
}

/// Answers UDP from `false_one`, with the question in lower case, and TCP from `true_one`.
struct Forger {
    address: SocketAddr,
    /// Names as they were asked for by UDP.
    asked: Arc<Mutex<Vec<String>>>,
    /// Connections by TCP.
    by_tcp: Arc<AtomicUsize>,
}

impl Forger {
    async fn start(false_one: SocketAddr, true_one: SocketAddr) -> Self {
        let (udp, tcp) = sockets().await;
        let forger = Self {
            address: udp.local_addr().unwrap(),
            asked: Arc::default(),
            by_tcp: Arc::default(),
        };
        tokio::spawn(forge(udp, false_one, Arc::clone(&forger.asked)));
        tokio::spawn(pass(tcp, true_one, Arc::clone(&forger.by_tcp)));
        forger
    }
}

async fn forge(udp: UdpSocket, false_one: SocketAddr, asked: Arc<Mutex<Vec<String>>>) {
    let behind = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut packet = [0; 4_096];
    loop {
        let (octets, from) = udp.recv_from(&mut packet).await.unwrap();
        asked.lock().unwrap().push(name_of(&packet));
        behind.send_to(&packet[..octets], false_one).await.unwrap();
        let octets = behind.recv(&mut packet).await.unwrap();
        let end = HEADER + name_of(&packet).len();
        packet[HEADER..end].make_ascii_lowercase();
        udp.send_to(&packet[..octets], from).await.unwrap();
    }
}

async fn pass(tcp: TcpListener, true_one: SocketAddr, count: Arc<AtomicUsize>) {
    loop {
        let (mut asking, _) = tcp.accept().await.unwrap();
        count.fetch_add(1, Ordering::Relaxed);
        let mut behind = TcpStream::connect(true_one).await.unwrap();
        tokio::spawn(async move {
            drop(tokio::io::copy_bidirectional(&mut asking, &mut behind).await);
        });
    }
}

/// The name in the question of a packet, its lengths included: they are below the letters.
fn name_of(packet: &[u8]) -> String {
    let rest = packet[HEADER..].iter();
    rest.take_while(|b| **b != 0)
        .map(|b| char::from(*b))
        .collect()
}

/// Octets before the question (RFC 1035 section 4.1.1).
const HEADER: usize = 12;

async fn resolver() -> (Stub, Resolver) {
    let zone = Zone::default()
        .mx("two.test", 20, "b.two.test")
        .mx("two.test", 10, "a.two.test")
        .mx("null.test", 0, ".")
        .mx("number.test", 10, "192.0.2.1")
        .mx("nowhere.test", 10, "gone.nowhere.test")
        .a("plain.test", [192, 0, 2, 7])
        .a("a.two.test", [192, 0, 2, 8])
        .cname("alias.test", "two.test")
        .fails("broken.test");
    let stub = Stub::start(zone).await;
    let resolver = Resolver::new(&conf(&stub));
    (stub, resolver)
}

#[tokio::test]
async fn hosts_come_by_preference_and_by_alias() {
    let (_stub, resolver) = resolver().await;
    for domain in ["two.test", "alias.test"] {
        let found = resolver.mail_hosts(&name(domain)).await.unwrap();
        let names: Vec<&str> = found.hosts.iter().map(|h| h.name.as_str()).collect();
        assert_eq!(names, ["a.two.test", "b.two.test"], "case: {domain}");
    }
    let own = resolver.mail_hosts(&name("two.test")).await.unwrap();
    assert_eq!(own.clone().before(&name("b.two.test")).hosts.len(), 1);
    assert_eq!(own.before(&name("a.two.test")).hosts.len(), 0);
}

#[tokio::test]
async fn a_domain_without_mx_is_its_own_host() {
    let (_stub, resolver) = resolver().await;
    let found = resolver.mail_hosts(&name("plain.test")).await.unwrap();
    assert_eq!(found.hosts[0].name, name("plain.test"));
    assert_eq!(
        resolver.addresses(&name("plain.test")).await,
        Ok(vec![[192, 0, 2, 7].into()])
    );
}

#[tokio::test]
async fn each_no_of_dns_is_told_apart() {
    let (_stub, resolver) = resolver().await;
    let ask = async |domain: &str| resolver.mail_hosts(&name(domain)).await.unwrap_err();
    assert_eq!(ask("null.test").await, DnsFault::NullMx(name("null.test")));
    assert_eq!(
        ask("none.test").await,
        DnsFault::NoSuchDomain(name("none.test"))
    );
    assert_eq!(
        ask("number.test").await,
        DnsFault::UnusableMx(name("number.test"))
    );
    assert!(matches!(ask("broken.test").await, DnsFault::NotNow { .. }));
    let gone = resolver.addresses(&name("gone.nowhere.test")).await;
    assert_eq!(gone, Err(DnsFault::NoSuchDomain(name("gone.nowhere.test"))));
}

#[test]
fn no_zone_may_send_us_home() {
    for (address, foreign) in [
        ("127.0.0.1", false),
        ("127.8.8.8", false),
        ("0.0.0.0", false),
        ("::", false),
        ("::1", false),
        ("::ffff:127.0.0.1", false),
        ("224.0.0.1", false),
        ("255.255.255.255", false),
        ("192.0.2.1", true),
        ("10.0.0.1", true),
        ("2001:db8::1", true),
    ] {
        assert_eq!(
            is_foreign(address.parse().unwrap()),
            foreign,
            "case: {address}"
        );
    }
}

#[tokio::test]
async fn an_end_is_sure_only_when_both_kinds_of_address_were_answered() {
    let six: IpAddr = "2001:db8::7".parse().unwrap();
    let zone = Zone::default()
        .a("four.test", [192, 0, 2, 7])
        .aaaa("six.test", "2001:db8::7")
        .a("both.test", [192, 0, 2, 7])
        .aaaa("both.test", "2001:db8::7")
        .mx("none.test", 10, "a.test")
        .a("half.test", [192, 0, 2, 7])
        .fails_for("half.test", RecordType::AAAA)
        .aaaa("other.half.test", "2001:db8::7")
        .fails_for("other.half.test", RecordType::A)
        .mx("six-fails.test", 10, "a.test")
        .fails_for("six-fails.test", RecordType::AAAA)
        .mx("four-fails.test", 10, "a.test")
        .fails_for("four-fails.test", RecordType::A);
    let stub = Stub::start(zone).await;
    let resolver = Resolver::new(&conf(&stub));
    let four = IpAddr::from([192, 0, 2, 7]);
    for (host, found) in [
        ("four.test", vec![four]),
        ("six.test", vec![six]),
        ("both.test", vec![four, six]),
        ("half.test", vec![four]),
        ("other.half.test", vec![six]),
    ] {
        assert_eq!(resolver.addresses(&name(host)).await, Ok(found), "{host}");
    }
    for host in ["six-fails.test", "four-fails.test"] {
        let fault = resolver.addresses(&name(host)).await.unwrap_err();
        assert!(
            matches!(fault, DnsFault::NotNow { .. }),
            "{host}: {fault:?}"
        );
    }
    let fault = resolver.addresses(&name("none.test")).await;
    assert_eq!(fault, Err(DnsFault::NoAddress(name("none.test"))));
}

#[test]
fn two_faults_of_one_host_end_it_only_if_both_are_sure() {
    let host = || name("a.test");
    let open = || DnsFault::NotNow {
        name: host(),
        why: "SERVFAIL".to_owned(),
    };
    let (gone, bare) = (DnsFault::NoSuchDomain(host()), DnsFault::NoAddress(host()));
    for (four, six, told) in [
        (open(), bare.clone(), open()),
        (bare.clone(), open(), open()),
        (gone.clone(), open(), open()),
        (open(), gone.clone(), open()),
        (open(), open(), open()),
        (bare.clone(), bare.clone(), bare.clone()),
        (gone.clone(), gone.clone(), gone),
    ] {
        let case = format!("{four:?} {six:?}");
        assert_eq!(either(Err(four), Err(six)), Err(told), "case: {case}");
    }
}

#[tokio::test]
async fn hosts_and_domains_with_underscores_are_found() {
    let zone = Zone::default()
        .mx("under_score.test", 10, "mx_1.under_score.test")
        .a("mx_1.under_score.test", [192, 0, 2, 9]);
    let stub = Stub::start(zone).await;
    let resolver = Resolver::new(&conf(&stub));
    let found = resolver
        .mail_hosts(&name("under_score.test"))
        .await
        .unwrap();
    assert_eq!(found.hosts[0].name, name("mx_1.under_score.test"));
    let found = resolver.addresses(&found.hosts[0].name).await;
    assert_eq!(found, Ok(vec![[192, 0, 2, 9].into()]));
}

#[tokio::test]
async fn an_answer_whose_question_has_other_letters_is_not_believed() {
    let host = "a-name-with-many-letters.in-a-zone-with-many-more.test";
    let lies = Stub::start(Zone::default().a(host, [192, 0, 2, 66])).await;
    let truth = Stub::start(Zone::default().a(host, [192, 0, 2, 7])).await;
    let forger = Forger::start(lies.address(), truth.address()).await;
    let resolver = Resolver::new(&asking(forger.address));
    let found = resolver.addresses(&name(host)).await;
    assert_eq!(found, Ok(vec![[192, 0, 2, 7].into()]));
    assert!(forger.by_tcp.load(Ordering::Relaxed) > 0);
    let asked = forger.asked.lock().unwrap();
    assert!(!asked.is_empty());
    for name in asked.iter() {
        let has = |is: fn(&char) -> bool| name.chars().any(|c| is(&c));
        assert!(
            has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase),
            "the letters of {name} can be guessed"
        );
    }
}

#[tokio::test]
async fn a_zone_with_many_hosts_is_cut_at_the_same_place_each_time() {
    let mut zone = Zone::default();
    for n in 0..MX_HOSTS_KNOWN_MAX + 20 {
        zone = zone.mx("many.test", 10, &format!("mx{n}.test"));
    }
    let stub = Stub::start(zone).await;
    let found = async || {
        let resolver = Resolver::new(&conf(&stub));
        let found = resolver.mail_hosts(&name("many.test")).await.unwrap();
        let mut names: Vec<Domain> = found.hosts.into_iter().map(|host| host.name).collect();
        names.sort();
        names
    };
    let (one, two) = (found().await, found().await);
    assert_eq!(one.len(), MX_HOSTS_KNOWN_MAX);
    assert_eq!(one, two);
}
