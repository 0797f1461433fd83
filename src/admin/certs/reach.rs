//! What is reachable now: our doors on this machine, and ports 80 and 443 of each name as DNS says.
//!
//! A connection and, where TLS begins at once, a handshake that tells whether it is us. From inside many networks one's
//! own outside address cannot be called, so what fails here is worth a look and no proof. Bounded in names and time.
//! Not here: what must be reachable (`doors`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::check::{Finding, Level};
use super::doors;
use crate::base::clock::Clock;
use crate::certs::look;
use crate::config::{Challenge, Config};
use crate::mail::domain::Domain;
use crate::mail::mailbox::Host;
use crate::net::dns::Resolver;
use crate::net::plain;
use crate::net::tls::{ClientTls, Proof};

/// One name with all its addresses.
const NAME_TIMEOUT: Duration = Duration::from_secs(8);
/// One connection, and one handshake.
const PORT_TIMEOUT: Duration = Duration::from_secs(3);
/// Names that are tried; with more, the first ones stand for the others.
const NAMES_MAX: usize = 10;

/// The ports of the world; tests have their own.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// 80
    pub http: u16,
    /// 443
    pub https: u16,
}

/// Those of RFC 8555 and RFC 8737.
pub const PORTS: Ports = Ports {
    http: doors::HTTP,
    https: doors::HTTPS,
};

/// Tries doors and names; never longer than `NAME_TIMEOUT`.
pub async fn reach(config: &Config, clock: &Clock, ports: Ports) -> Vec<Finding> {
    let mut findings = own_doors(config, clock).await;
    let resolver = Resolver::new(&config.dns);
    let mut tries = JoinSet::new();
    for (n, name) in names(config).into_iter().enumerate() {
        for port in wanted(config, ports) {
            let (resolver, clock, name) = (resolver.clone(), clock.clone(), name.clone());
            let ours = serials(config);
            tries.spawn(async move {
                let tried = try_name(&resolver, &clock, &name, port, ports, &ours);
                let found = clock.timeout(NAME_TIMEOUT, tried).await;
                let late = |_| said(Level::Bad, "certs-reach-late", &name, port);
                ((n, port), found.unwrap_or_else(late))
            });
        }
    }
    let mut found = tries.join_all().await;
    found.sort_by_key(|(at, _)| *at);
    findings.extend(found.into_iter().map(|(_, finding)| finding));
    if config.tls.acme.is_none() {
        // Nothing is ordered, so nothing has to be reachable.
        for finding in findings.iter_mut().filter(|one| one.level == Level::Bad) {
            finding.level = Level::Note;
        }
    }
    findings
}

/// The port of the challenge; without ACME both, because the question is which one would do.
fn wanted(config: &Config, ports: Ports) -> Vec<u16> {
    match config.tls.acme.as_ref().map(|acme| acme.challenge) {
        Some(Challenge::Http01) => vec![ports.http],
        Some(Challenge::TlsAlpn01) => vec![ports.https],
        Some(Challenge::Dns01) => Vec::new(),
        None => vec![ports.http, ports.https],
    }
}

/// Exact names of what is ordered; without ACME our own.
fn names(config: &Config) -> Vec<Domain> {
    let mut names: Vec<Domain> = Vec::new();
    let ordered = config.tls.ordered().flat_map(|cert| &cert.names);
    for name in ordered.filter(|name| !name.wildcard) {
        if !names.contains(&name.domain) {
            names.push(name.domain.clone());
        }
    }
    if config.tls.acme.is_none() {
        names.push(config.server.hostname.clone());
    }
    names.truncate(NAMES_MAX);
    names
}

/// Whether somebody listens where we would, seen from this machine.
async fn own_doors(config: &Config, clock: &Clock) -> Vec<Finding> {
    let mut findings = Vec::new();
    let all = doors::plain(config).into_iter().chain(doors::tls(config));
    for door in all.filter(|door| door.port() != 0) {
        let ip = match door.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V4(_) | IpAddr::V6(_) => door.ip(),
        };
        let open = connect(clock, SocketAddr::new(ip, door.port())).await;
        findings.push(match open {
            Ok(_) => Finding::new(Level::Good, "certs-reach-door").with("door", door),
            Err(_) => Finding::new(Level::Note, "certs-reach-no-door").with("door", door),
        });
    }
    findings
}

/// Of the certificates on disk, as they go over the wire.
fn serials(config: &Config) -> Vec<Vec<u8>> {
    let all = look(config).into_iter();
    all.filter_map(|found| Some(found.chain?.ok()?.first()?.to_vec()))
        .collect()
}

async fn try_name(
    resolver: &Resolver,
    clock: &Clock,
    name: &Domain,
    port: u16,
    ports: Ports,
    ours: &[Vec<u8>],
) -> Finding {
    let addresses = match resolver.addresses(name).await {
        Ok(addresses) => addresses,
        Err(why) => {
            return said(Level::Bad, "certs-reach-no-address", name, port).with("why", why);
        }
    };
    let mut last = None;
    for ip in addresses {
        match connect(clock, SocketAddr::new(ip, port)).await {
            Ok(stream) if port == ports.https => {
                return greet(clock, name, port, ip, stream, ours).await;
            }
            Ok(_) => return said(Level::Good, "certs-reach-open", name, port).with("ip", ip),
            Err(why) => last = Some((ip, why)),
        }
    }
    let (ip, why) = last.map_or((String::new(), String::new()), |(ip, why)| {
        (ip.to_string(), why)
    });
    let closed = said(Level::Bad, "certs-reach-closed", name, port);
    closed.with("ip", ip).with("why", why)
}

/// A handshake tells whether it is we who answer.
async fn greet(
    clock: &Clock,
    name: &Domain,
    port: u16,
    ip: IpAddr,
    stream: TcpStream,
    ours: &[Vec<u8>],
) -> Finding {
    let shaken = async {
        let tls = ClientTls::new().ok()?;
        let host = Host::Domain(name.clone());
        let stream = tls.connect(stream, &host, Proof::Nothing).await.ok()?;
        let chain = stream.get_ref().1.peer_certificates()?;
        Some(chain.first()?.to_vec())
    };
    match clock.timeout(PORT_TIMEOUT, shaken).await {
        Ok(Some(leaf)) if ours.contains(&leaf) => {
            said(Level::Good, "certs-reach-ours", name, port).with("ip", ip)
        }
        Ok(Some(_)) => said(Level::Bad, "certs-reach-other", name, port).with("ip", ip),
        Ok(None) | Err(_) => said(Level::Bad, "certs-reach-no-tls", name, port).with("ip", ip),
    }
}

async fn connect(clock: &Clock, at: SocketAddr) -> Result<TcpStream, String> {
    match clock.timeout(PORT_TIMEOUT, TcpStream::connect(at)).await {
        Ok(connected) => connected.map_err(|error| plain::io(&error).into_owned()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn said(level: Level, key: &'static str, name: &Domain, port: u16) -> Finding {
    Finding::new(level, key)
        .with("name", name.as_str())
        .with("port", port)
}
