//! Opens a connection to one of a site's hosts: address, TCP, banner, EHLO, STARTTLS, AUTH, each step with its bound.
//!
//! Hosts and their addresses are tried in order; every one that fails leaves its trouble, so that the last word is
//! not the only one. TLS that is required is never given up; where opportunistic TLS breaks between STARTTLS and the
//! EHLO behind it, the address is tried once more in the clear, on a connection of its own, and that is remembered.
//! Not here: what is said (`greet`, `login`), which troubles end a mail (`trouble`), and reuse (`lane`).

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;

use super::clear::ClearHosts;
use super::crew::Pass;
use super::greet::{Miss, Target, banner, ehlo, starttls};
use super::login::Login;
use super::plan::Plan;
use super::trouble::{Trouble, decisive, rule};
use super::wire::{Hurry, Stream, Wire};
use crate::base::clock::{Clock, Mono};
use crate::base::limit::{
    CONNECT_TRIES_FOR, CONNECT_TRIES_MAX, DIALOGUE_MAX, DNS_HOST_MAX, REPLY_HURRIED,
};
use crate::base::size::show_span;
use crate::config::{NextHop, RelayTls, Shared};
use crate::journal::line;
use crate::mail::mailbox::Host;
use crate::net::dns::{DnsFault, Resolver, is_foreign};
use crate::net::plain;
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
    /// Whose STARTTLS breaks.
    pub clear: ClearHosts,
    /// Set while somebody waits for a connection.
    pub hurry: Hurry,
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
    /// Counts it in its network for as long as it stands.
    pub pass: Option<Pass>,
}

/// No host could be used.
#[derive(Clone, Debug)]
pub struct NoHost {
    /// One for each that was tried.
    pub troubles: Vec<Trouble>,
    /// The one whose trouble decides (`rule_all`), or `none`.
    pub site: String,
    /// Its TLS, if it came so far.
    pub tls: Option<String>,
    /// What was said.
    pub dialogue: String,
    /// How long it took.
    pub took: Duration,
    /// When it began.
    pub since: Mono,
    /// An address was left out because its network has its share of the connections.
    pub busy: bool,
}

impl Reach {
    /// The first of `hops`, hosts of the plan, that takes us. `missed` is told of each that does not; `pass` says whether
    /// an address may be connected to.
    pub async fn open(
        &self,
        plan: &Plan,
        hops: &[NextHop],
        missed: impl Fn(&NextHop),
        pass: impl Fn(IpAddr) -> Option<Pass>,
    ) -> Result<Connection, NoHost> {
        let start = self.clock.mono();
        let mut none = NoHost {
            troubles: Vec::new(),
            site: "none".to_owned(),
            tls: None,
            dialogue: String::new(),
            took: Duration::ZERO,
            since: start,
            busy: false,
        };
        // Where each of the troubles was met.
        let mut met = Vec::new();
        let mut tries = 0;
        // Ten hosts that use up what each of them has would keep a place from others for ten times as long.
        let late = || {
            let took = self.clock.mono() - start;
            took > CONNECT_TRIES_FOR || (took >= REPLY_HURRIED && self.hurry.is_set())
        };
        for hop in hops {
            if tries == CONNECT_TRIES_MAX || late() {
                break;
            }
            let mut failed = true;
            for address in self.addresses(plan, hop, &mut none).await {
                if tries == CONNECT_TRIES_MAX || (tries > 0 && late()) {
                    break;
                }
                let Some(pass) = pass(address) else {
                    (none.busy, failed) = (true, false);
                    continue;
                };
                tries += 1;
                match self.address(plan, hop, address, start, &mut none).await {
                    Ok(mut connection) => {
                        connection.pass = Some(pass);
                        return Ok(connection);
                    }
                    Err(trouble) => {
                        met.resize(none.troubles.len(), ("none".to_owned(), None));
                        met.push((none.site.clone(), none.tls.take()));
                        none.troubles.push(trouble);
                    }
                }
            }
            if failed {
                missed(hop);
            }
        }
        let decides = decisive(&none.troubles).and_then(|n| met.into_iter().nth(n));
        (none.site, none.tls) = decides.unwrap_or_else(|| ("none".to_owned(), None));
        none.took = self.clock.mono() - start;
        Err(none)
    }

    async fn addresses(&self, plan: &Plan, hop: &NextHop, none: &mut NoHost) -> Vec<IpAddr> {
        let mut found = match &hop.host {
            Host::Literal(address) => vec![*address],
            Host::Domain(name) => {
                let asked = self.resolver.addresses(name);
                let asked = self.clock.timeout(DNS_HOST_MAX, asked).await;
                let late = |_| DnsFault::NotNow {
                    name: name.clone(),
                    why: format!("no answer within {}", show_span(DNS_HOST_MAX)),
                };
                match asked.map_err(late).flatten() {
                    Ok(found) => found,
                    Err(fault) => {
                        none.troubles.push(Trouble::Host(fault));
                        return Vec::new();
                    }
                }
            }
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
        let mut target = self.target(plan, hop, address);
        none.site.clone_from(&target.site);
        let miss = match Box::pin(self.attempt(&target, start, none)).await {
            Ok(connection) => return Ok(connection),
            Err(miss) if miss.try_clear => miss,
            Err(miss) => return Err(miss.trouble),
        };
        target.clear = true;
        match Box::pin(self.attempt(&target, start, none)).await {
            Ok(connection) => {
                self.clear.remember(&hop.host, target.at);
                let why = rule(&miss.trouble).fault.reply.text().to_owned();
                tracing::info!(site = %target.site, why, "STARTTLS does not work; opportunistic mail goes in the clear for a while");
                Ok(connection)
            }
            Err(second) => Err(second.trouble),
        }
    }

    fn target<'a>(&self, plan: &'a Plan, hop: &'a NextHop, address: IpAddr) -> Target<'a> {
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
        // Another route may have found it out, for mail that may go in the clear.
        target.clear = target.may_be_clear() && self.clear.has(&hop.host, target.at);
        target
    }

    async fn attempt(
        &self,
        target: &Target<'_>,
        start: Mono,
        none: &mut NoHost,
    ) -> Result<Connection, Miss> {
        let (log, secured) = (&mut none.dialogue, &mut none.tls);
        *secured = None;
        said(log, "--", &format!("connecting to {}", target.site));
        let stream = self.tcp(target).await?;
        let mut wire = if target.plan.tls == RelayTls::Implicit {
            self.handshake(stream, target, log, secured).await?
        } else {
            Wire::new(
                Stream::Clear(stream),
                self.clock.clone(),
                self.hurry.clone(),
            )
        };
        banner(&mut wire, target, log).await?;
        let mut offers = ehlo(&mut wire, target, log).await?;
        if self.wants_tls(target, &offers)? {
            let secure = self.secure(wire, offers, target, log, secured).await;
            (wire, offers) = secure.map_err(|miss| target.behind_starttls(miss))?;
        }
        self.login(&mut wire, &offers, target, log, secured.is_some())
            .await?;
        Ok(Connection {
            wire,
            offers,
            site: target.site.clone(),
            tls: secured.take(),
            dialogue: std::mem::take(log),
            took: self.clock.mono() - start,
            messages: 0,
            needs_reset: false,
            out: Vec::new(),
            hop: target.hop.clone(),
            pass: None,
        })
    }

    /// STARTTLS, handshake, and EHLO again; the same in the clear where the hop says no and may.
    async fn secure(
        &self,
        mut wire: Wire,
        offers: Offers,
        target: &Target<'_>,
        log: &mut String,
        secured: &mut Option<String>,
    ) -> Result<(Wire, Offers), Miss> {
        if !starttls(&mut wire, target, log).await? {
            return Ok((wire, offers));
        }
        let Stream::Clear(stream) = wire.into_stream() else {
            return Err(target.broken("STARTTLS", "TLS inside TLS"));
        };
        let mut wire = self.handshake(stream, target, log, secured).await?;
        let offers = ehlo(&mut wire, target, log).await?;
        Ok((wire, offers))
    }

    async fn login(
        &self,
        wire: &mut Wire,
        offers: &Offers,
        target: &Target<'_>,
        log: &mut String,
        secured: bool,
    ) -> Result<(), Miss> {
        let Some(as_whom) = &target.plan.sasl else {
            return Ok(());
        };
        let login = Login {
            site: &target.site,
            as_whom,
            safe: secured || target.at.ip().is_loopback(),
            within: target.timeouts.mail,
            clock: &self.clock,
        };
        let done = Box::pin(login.run(wire, offers)).await;
        let word = if done.is_ok() {
            "logged in"
        } else {
            "login failed"
        };
        said(log, "--", word);
        done.map_err(Miss::from)
    }

    async fn tcp(&self, target: &Target<'_>) -> Result<TcpStream, Miss> {
        let within = target.timeouts.connect;
        let open = self.clock.timeout(within, TcpStream::connect(target.at));
        let stream = match open.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(unreachable(&target.site, &plain::io(&error)));
            }
            Err(_) => {
                let why = format!("no answer within {}", show_span(within));
                return Err(unreachable(&target.site, &why));
            }
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
            return Err(unreachable(&target.site, &plain::io(&error)));
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
        secured: &mut Option<String>,
    ) -> Result<Wire, Miss> {
        let proof = match target.plan.tls {
            RelayTls::Off | RelayTls::Opportunistic => Proof::Nothing,
            RelayTls::Required | RelayTls::Implicit => {
                Proof::Name(target.plan.ca.as_deref().map(Path::new))
            }
        };
        let within = target.timeouts.tls;
        let shake = self.tls.connect(stream, &target.hop.host, proof);
        let done = self.clock.timeout(within, shake).await;
        let stream =
            done.unwrap_or_else(|_| Err(TlsFault::Handshake(std::io::ErrorKind::TimedOut.into())));
        let stream = stream.map_err(|fault| {
            said(log, "--", &fault.to_string());
            Miss::from(Trouble::NoTls(format!("{}: {fault}", target.site)))
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
        *secured = Some(text);
        let stream = Stream::Tls(Box::new(stream));
        Ok(Wire::new(stream, self.clock.clone(), self.hurry.clone()))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::route::Terms;
    use super::*;
    use crate::base::clock::Wall;
    use crate::base::secret::Secret;
    use crate::config::{Config, RelayLogin};

    #[test]
    fn a_route_with_a_password_asks_for_tls_though_another_found_it_broken() {
        let clock = Clock::moved(Wall(0));
        let name = "mail.example.org".parse().unwrap();
        let conf = Arc::new(Config::fallback(name, "/nowhere".into()));
        let reach = Reach {
            conf: Arc::new(arc_swap::ArcSwap::new(Arc::clone(&conf))),
            resolver: Resolver::new(&conf.dns),
            tls: ClientTls::new().unwrap(),
            own: Vec::new(),
            strangers: Strangers::default(),
            clear: ClearHosts::new(clock.clone()),
            hurry: Hurry::default(),
            clock,
        };
        let hop = NextHop {
            host: Host::Domain("mx.example".parse().unwrap()),
            port: 587,
        };
        for (address, login, clear) in [
            ("192.0.2.1", false, true),
            ("192.0.2.1", true, false),
            ("127.0.0.1", true, true),
        ] {
            let address = address.parse().unwrap();
            let sasl = login.then(|| RelayLogin {
                user: "me".to_owned(),
                password: Secret::new("secret"),
            });
            let terms = Arc::new(Terms {
                tls: RelayTls::Opportunistic,
                ca: None,
                sasl,
            });
            let plan = Plan::by_relay(&terms, std::slice::from_ref(&hop), &conf);
            reach
                .clear
                .remember(&hop.host, SocketAddr::new(address, hop.port));
            let target = reach.target(&plan, &hop, address);
            assert_eq!(target.clear, clear, "case: {address}, login: {login}");
        }
    }
}
