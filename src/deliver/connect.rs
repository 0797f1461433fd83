//! Opens a connection to one of a site's hosts: address, TCP, banner, EHLO, STARTTLS, AUTH, each step with its bound.
//!
//! Hosts and their addresses are tried in order; every one that fails leaves its trouble, so that the last word is
//! not the only one. TLS that is required is never given up; opportunistic TLS whose handshake fails is tried once
//! more in the clear, on a connection of its own (RFC 7435 section 3).
//! Not here: which troubles end a mail (`trouble`), and reuse (`lane`).

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;

use super::login;
use super::plan::Plan;
use super::trouble::Trouble;
use super::wire::{Stream, Wire, WireFault};
use crate::base::clock::{Clock, Mono};
use crate::base::limit::{CONNECT_TRIES_MAX, DIALOGUE_MAX};
use crate::config::{NextHop, RelayTls, Shared, Timeouts};
use crate::journal::line;
use crate::mail::domain::Domain;
use crate::mail::mailbox::Host;
use crate::mail::reply::{Class, Reply};
use crate::net::dns::{Resolver, is_foreign};
use crate::net::tls::{ClientTls, Proof, TlsFault, facts};
use crate::smtp::client::offers::Offers;

/// What connections are made with.
#[derive(Clone)]
pub struct Reach {
    /// In force.
    pub conf: Shared,
    /// For every bound in time.
    pub clock: Clock,
    /// Names and MX.
    pub resolver: Resolver,
    /// Roots and sessions.
    pub tls: ClientTls,
    /// Where our own listeners are: mail that leads there loops.
    pub own: Vec<SocketAddr>,
    /// What is different on a test's loopback.
    pub strangers: Strangers,
}

/// How hosts are reached that no configuration names.
#[derive(Clone, Copy, Debug)]
pub struct Strangers {
    /// 25.
    pub port: u16,
    /// Whether they may be on loopback; only in tests.
    pub loopback: bool,
}

impl Default for Strangers {
    fn default() -> Self {
        Self {
            port: 25,
            loopback: false,
        }
    }
}

/// Ready for MAIL.
#[derive(Debug)]
pub struct Connection {
    /// The line.
    pub wire: Wire,
    /// What the peer can.
    pub offers: Offers,
    /// `mx.example[192.0.2.1]:25`
    pub site: String,
    /// Version, cipher, and whether it was verified.
    pub tls: Option<String>,
    /// What was said until now.
    pub dialogue: String,
    /// How long it took.
    pub took: Duration,
    /// Transactions on it so far.
    pub messages: usize,
    /// The last transaction left something to clear.
    pub needs_reset: bool,
    /// Kept for the next body.
    pub out: Vec<u8>,
    /// The host.
    pub hop: NextHop,
}

/// No host could be used.
#[derive(Clone, Debug)]
pub struct NoHost {
    /// One for each that was tried.
    pub troubles: Vec<Trouble>,
    /// The last one tried, or `none`.
    pub site: String,
    /// What was said.
    pub dialogue: String,
    /// How long it took.
    pub took: Duration,
}

/// One address of one host.
struct Target<'a> {
    plan: &'a Plan,
    hop: &'a NextHop,
    at: SocketAddr,
    site: String,
    timeouts: Timeouts,
    own: Domain,
    clear: bool,
}

/// Why one address could not be used.
struct Miss {
    trouble: Trouble,
    try_clear: bool,
}

impl Reach {
    /// The first of `hops`, hosts of the plan, that takes us. `missed` is told of each that does not.
    pub async fn open(
        &self,
        plan: &Plan,
        hops: &[NextHop],
        missed: impl Fn(&NextHop),
    ) -> Result<Connection, NoHost> {
        let start = self.clock.mono();
        let mut none = NoHost {
            troubles: Vec::new(),
            site: "none".to_owned(),
            dialogue: String::new(),
            took: Duration::ZERO,
        };
        let mut tries = 0;
        for hop in hops {
            for address in self.addresses(plan, hop, &mut none).await {
                if tries == CONNECT_TRIES_MAX {
                    break;
                }
                tries += 1;
                match self.address(plan, hop, address, start, &mut none).await {
                    Ok(connection) => return Ok(connection),
                    Err(trouble) => none.troubles.push(trouble),
                }
            }
            missed(hop);
        }
        none.took = self.clock.mono() - start;
        Err(none)
    }

    async fn addresses(&self, plan: &Plan, hop: &NextHop, none: &mut NoHost) -> Vec<IpAddr> {
        let mut found = match &hop.host {
            Host::Literal(address) => vec![*address],
            Host::Domain(name) => match self.resolver.addresses(name).await {
                Ok(found) => found,
                Err(fault) => {
                    none.troubles.push(Trouble::Host(fault));
                    return Vec::new();
                }
            },
        };
        if plan.foreign && !self.strangers.loopback {
            let before = found.len();
            found.retain(|address| is_foreign(*address));
            if found.is_empty() && before > 0 {
                let text = format!("{} has only addresses that are no mail host's", hop.host);
                none.troubles.push(Trouble::Forbidden(text));
            }
        }
        found
    }

    async fn address(
        &self,
        plan: &Plan,
        hop: &NextHop,
        address: IpAddr,
        start: Mono,
        none: &mut NoHost,
    ) -> Result<Connection, Trouble> {
        let conf = self.conf.load();
        let mut target = Target {
            plan,
            hop,
            at: SocketAddr::new(address, hop.port),
            site: site(&hop.host, address, hop.port),
            timeouts: conf.deliver.timeouts,
            own: conf.server.hostname.clone(),
            clear: false,
        };
        drop(conf);
        none.site.clone_from(&target.site);
        let mut miss = match Box::pin(self.attempt(&target, start, none)).await {
            Ok(connection) => return Ok(connection),
            Err(miss) => miss,
        };
        if miss.try_clear {
            target.clear = true;
            match Box::pin(self.attempt(&target, start, none)).await {
                Ok(connection) => return Ok(connection),
                Err(second) => miss = second,
            }
        }
        Err(miss.trouble)
    }

    async fn attempt(
        &self,
        target: &Target<'_>,
        start: Mono,
        none: &mut NoHost,
    ) -> Result<Connection, Miss> {
        let log = &mut none.dialogue;
        said(log, "--", &format!("connecting to {}", target.site));
        let stream = self.tcp(target).await?;
        let mut secured = None;
        let mut wire = if target.plan.tls == RelayTls::Implicit {
            let (wire, facts) = self.handshake(stream, target, log).await?;
            secured = Some(facts);
            wire
        } else {
            Wire::new(Stream::Clear(stream), self.clock.clone())
        };
        banner(&mut wire, target, log).await?;
        let mut offers = ehlo(&mut wire, target, log).await?;
        if self.wants_tls(target, &offers)? {
            let stream = starttls(&mut wire, target, log).await?;
            if stream {
                let Stream::Clear(stream) = wire.into_stream() else {
                    return Err(broken("STARTTLS", "TLS inside TLS"));
                };
                let (secure, facts) = self.handshake(stream, target, log).await?;
                secured = Some(facts);
                wire = secure;
                offers = ehlo(&mut wire, target, log).await?;
            }
        }
        if let Some(credentials) = &target.plan.sasl {
            let safe = secured.is_some() || target.at.ip().is_loopback();
            let done = login::login(&mut wire, &offers, credentials, safe, target.timeouts.mail);
            let done = Box::pin(done).await;
            said(
                log,
                "--",
                if done.is_ok() {
                    "logged in"
                } else {
                    "login failed"
                },
            );
            done.map_err(Miss::from)?;
        }
        Ok(Connection {
            wire,
            offers,
            site: target.site.clone(),
            tls: secured,
            dialogue: std::mem::take(log),
            took: self.clock.mono() - start,
            messages: 0,
            needs_reset: false,
            out: Vec::new(),
            hop: target.hop.clone(),
        })
    }

    async fn tcp(&self, target: &Target<'_>) -> Result<TcpStream, Miss> {
        let within = target.timeouts.connect;
        let open = self.clock.timeout(within, TcpStream::connect(target.at));
        let stream = match open.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(unreachable(&target.site, &error.to_string()));
            }
            Err(_) => return Err(unreachable(&target.site, "Connection timed out")),
        };
        let local = stream.local_addr().map(|at| at.ip()).ok();
        let ours = |own: &SocketAddr| {
            own.port() == target.at.port()
                && (own.ip() == target.at.ip()
                    || (own.ip().is_unspecified() && local == Some(target.at.ip())))
        };
        if self.own.iter().any(ours) {
            let text = format!(
                "mail loops back to myself: {} is a listener of ours",
                target.at
            );
            return Err(Miss::from(Trouble::Loop(text)));
        }
        // Without it every pipelined group would wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            return Err(unreachable(&target.site, &error.to_string()));
        }
        Ok(stream)
    }

    fn wants_tls(&self, target: &Target<'_>, offers: &Offers) -> Result<bool, Miss> {
        match target.plan.tls {
            RelayTls::Off | RelayTls::Implicit => Ok(false),
            RelayTls::Opportunistic => Ok(offers.starttls() && !target.clear),
            RelayTls::Required if offers.starttls() => Ok(true),
            RelayTls::Required => {
                let text = format!("TLS is required, but {} does not offer it", target.site);
                Err(Miss::from(Trouble::NoTls(text)))
            }
        }
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        target: &Target<'_>,
        log: &mut String,
    ) -> Result<(Wire, String), Miss> {
        let (proof, try_clear) = match target.plan.tls {
            RelayTls::Off | RelayTls::Opportunistic => (Proof::Nothing, true),
            RelayTls::Required | RelayTls::Implicit => {
                (Proof::Name(target.plan.ca.as_deref().map(Path::new)), false)
            }
        };
        let shake = self.tls.connect(stream, &target.hop.host, proof);
        let done = self.clock.timeout(target.timeouts.tls, shake).await;
        let stream =
            done.unwrap_or_else(|_| Err(TlsFault::Handshake(std::io::ErrorKind::TimedOut.into())));
        let stream = stream.map_err(|fault| {
            said(log, "--", &fault.to_string());
            Miss {
                trouble: Trouble::NoTls(format!("{}: {fault}", target.site)),
                try_clear,
            }
        })?;
        let session = stream.get_ref().1;
        let cipher = facts(
            session.protocol_version(),
            session.negotiated_cipher_suite(),
        );
        let verified = proof != Proof::Nothing;
        line::tls_to(&target.site, verified, &cipher);
        let word = if verified { "verified" } else { "unverified" };
        let text = format!("{cipher}, {word}");
        said(log, "--", &text);
        Ok((
            Wire::new(Stream::Tls(Box::new(stream)), self.clock.clone()),
            text,
        ))
    }
}

async fn banner(wire: &mut Wire, target: &Target<'_>, log: &mut String) -> Result<(), Miss> {
    let reply = wire.reply(target.timeouts.banner).await;
    let reply = reply.map_err(|fault| broken_by("banner", &fault))?;
    said(log, "S:", &reply.to_string());
    if reply.class() == Class::Done {
        Ok(())
    } else {
        Err(unwelcome("banner", reply))
    }
}

/// EHLO, and HELO for peers that do not know it (RFC 5321 section 3.2).
async fn ehlo(wire: &mut Wire, target: &Target<'_>, log: &mut String) -> Result<Offers, Miss> {
    let own = &target.own;
    for (word, step) in [("EHLO", "EHLO"), ("HELO", "HELO")] {
        said(log, "C:", &format!("{word} {own}"));
        let command = format!("{word} {own}\r\n");
        let sent = wire.send(command.as_bytes(), target.timeouts.ehlo).await;
        sent.map_err(|fault| broken_by(step, &fault))?;
        let answer = wire.offers(target.timeouts.ehlo).await;
        let (reply, offers) = answer.map_err(|fault| broken_by(step, &fault))?;
        said(log, "S:", &reply.to_string());
        match reply.class() {
            Class::Done if word == "HELO" => return Ok(Offers::default()),
            Class::Done => {
                if target.plan.foreign && offers.name().eq_ignore_ascii_case(own.as_str()) {
                    let text =
                        format!("mail loops back to myself: {} greets as {own}", target.site);
                    return Err(Miss::from(Trouble::Loop(text)));
                }
                return Ok(offers);
            }
            Class::Never if word == "EHLO" => {}
            Class::Never | Class::NotNow | Class::GoOn => return Err(unwelcome(step, reply)),
        }
    }
    Err(broken("HELO", "neither EHLO nor HELO was taken"))
}

/// Whether the handshake may begin; a refusal is borne when TLS is opportunistic.
async fn starttls(wire: &mut Wire, target: &Target<'_>, log: &mut String) -> Result<bool, Miss> {
    said(log, "C:", "STARTTLS");
    let sent = wire.send(b"STARTTLS\r\n", target.timeouts.ehlo).await;
    sent.map_err(|fault| broken_by("STARTTLS", &fault))?;
    let reply = wire.reply(target.timeouts.ehlo).await;
    let reply = reply.map_err(|fault| broken_by("STARTTLS", &fault))?;
    said(log, "S:", &reply.to_string());
    // What follows the 220 in the clear could be an attacker's, and would count as said under TLS (CVE-2011-0411).
    if wire.has_more() {
        return Err(broken(
            "STARTTLS",
            "octets follow the reply to STARTTLS in the clear",
        ));
    }
    match (reply.class(), target.plan.tls) {
        (Class::Done, _) => Ok(true),
        (_, RelayTls::Opportunistic) => Ok(false),
        (_, RelayTls::Off | RelayTls::Required | RelayTls::Implicit) => {
            Err(unwelcome("STARTTLS", reply))
        }
    }
}

/// As logs write it: `mx.example[192.0.2.1]:25`.
fn site(host: &Host, address: IpAddr, port: u16) -> String {
    match host {
        Host::Domain(name) => format!("{name}[{address}]:{port}"),
        Host::Literal(_) => format!("{address}[{address}]:{port}"),
    }
}

/// Adds a line to a dialogue, while there is room.
pub(super) fn said(log: &mut String, who: &str, text: &str) {
    if log.len() + who.len() + text.len() + 2 <= DIALOGUE_MAX {
        log.push_str(who);
        log.push(' ');
        log.push_str(text);
        log.push('\n');
    }
}

fn unreachable(site: &str, why: &str) -> Miss {
    Miss::from(Trouble::Unreachable(format!("connect to {site}: {why}")))
}

fn unwelcome(step: &'static str, reply: Reply) -> Miss {
    Miss::from(Trouble::Unwelcome { step, reply })
}

fn broken(step: &'static str, why: &str) -> Miss {
    let why = why.to_owned();
    Miss::from(Trouble::Broken { step, why })
}

fn broken_by(step: &'static str, fault: &WireFault) -> Miss {
    broken(step, &format!("{fault} ({step})"))
}

impl From<Trouble> for Miss {
    fn from(trouble: Trouble) -> Self {
        Self {
            trouble,
            try_clear: false,
        }
    }
}
