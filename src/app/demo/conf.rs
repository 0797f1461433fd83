//! The configuration of the demo, as somebody could write it into a file: loopback, a sink for everything, and rules
//! that hold what a visitor wants to see held.
//!
//! `held@` and `broken@` are held by hold rules; `loop@` by nothing but the server's own counting of Received fields.
//! `virus@` and `spam@` are found by scanners that are configured like any other.
//! Not here: the sink's magic names (`sink`), and starting it all (`demo`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::base::lang::Lang;
use crate::base::limit::{SCAN_CONNECTIONS, SCAN_TIMEOUT};
use crate::base::size::ByteSize;
use crate::config::{
    AddressPattern, BareNewline, Config, DomainPattern, HeadersFor, HoldRule, ListenerConf,
    ListenerTls, Network, NextHop, OnFailure, PublicUrl, RelayTls, ReleaseRule, Role, RouteConf,
    RuleMatch, SaslRule, ScannerAddress, ScannerConf, ScannerKind, Timing,
};
use crate::mail::domain::{BadDomain, Domain};
use crate::mail::hold::{HoldQueue, HoldReason};
use crate::mail::mailbox::{BadMailbox, Host, Mailbox};

/// Somebody who looks at a demo waits for seconds.
const DIGEST_EVERY: Duration = Duration::from_secs(5);

/// What changes from demo to demo.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Store and control socket.
    pub dir: &'a Path,
    /// Mail comes in here.
    pub smtp: SocketAddr,
    /// Inbox, links and pages.
    pub web: SocketAddr,
    /// Mail goes out there.
    pub sink: SocketAddr,
    /// Looks for viruses.
    pub clamd: SocketAddr,
    /// Looks for spam.
    pub rspamd: SocketAddr,
    /// Of digests.
    pub lang: Lang,
}

/// Never: a name that stands in this file.
#[derive(Debug, thiserror::Error)]
pub enum BadName {
    /// A domain.
    #[error(transparent)]
    Domain(#[from] BadDomain),
    /// An address.
    #[error(transparent)]
    Mailbox(#[from] BadMailbox),
    /// A pattern.
    #[error("{0}")]
    Pattern(String),
}

/// All of it.
pub fn configuration(wanted: &Wanted<'_>) -> Result<Config, BadName> {
    let mut config = Config::fallback(Domain::parse("mail.demo.test")?, wanted.dir.to_owned());
    config.listeners.push(listener(wanted.smtp));
    config.routes.push(RouteConf {
        domain: DomainPattern::Any,
        relay: vec![NextHop {
            host: Host::Literal(wanted.sink.ip()),
            port: wanted.sink.port(),
        }],
        tls: RelayTls::Off,
        ca: None,
        sasl: None,
    });
    // Whoever presses Ctrl-C does not wait for a `timeout@`.
    config.queue.stop_timeout = Duration::from_secs(2);
    config.queue.retry = [2, 5, 10].map(Duration::from_secs).to_vec();
    config.admin.bind = Some(wanted.web);
    config.admin.public_url = Some(PublicUrl {
        https: false,
        host: Host::Literal(wanted.web.ip()),
        port: wanted.web.port(),
    });
    config.digest.to = vec![Mailbox::parse("postmaster@demo.test")?];
    config.digest.timing = Timing::Every(DIGEST_EVERY);
    config.digest.zone = jiff::tz::TimeZone::system();
    config.digest.lang = wanted.lang;
    config.hold_rules = vec![
        rule("held", HoldQueue::Quarantine, wanted.lang)?,
        rule("broken", HoldQueue::Defect, wanted.lang)?,
    ];
    // What a scanner found is let go by who is logged in, so that a visitor sees both ways.
    let by_login = (HoldReason::Spam, ReleaseRule::Login);
    config.hold.release.push(by_login);
    let rspamd = ScannerKind::Rspamd(Box::default());
    config.scanners = vec![
        scanner("clam", ScannerKind::Clamd, wanted.clamd),
        scanner("rspamd", rspamd, wanted.rspamd),
    ];
    Ok(config)
}

fn scanner(name: &str, kind: ScannerKind, at: SocketAddr) -> ScannerConf {
    ScannerConf {
        name: name.to_owned(),
        kind,
        address: ScannerAddress::Tcp(at.ip().to_string(), at.port()),
        timeout: SCAN_TIMEOUT,
        max_size: ByteSize::mib(25),
        connections: SCAN_CONNECTIONS,
        on_failure: OnFailure::Hold,
        listeners: vec![Role::Mx, Role::Submission],
        headers: HeadersFor::All,
    }
}

fn listener(bind: SocketAddr) -> ListenerConf {
    ListenerConf {
        bind,
        role: Role::Submission,
        tls: ListenerTls::Starttls,
        auth: SaslRule::Optional,
        auth_clear: false,
        trust: vec![Network {
            address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
            prefix: 8,
        }],
        bare_newline: BareNewline::Reject,
    }
}

/// Holds what goes to `LOCAL@` of the demo's domain.
fn rule(local: &str, queue: HoldQueue, lang: Lang) -> Result<HoldRule, BadName> {
    let address = format!("{local}@demo.test");
    let pattern = AddressPattern::parse(&address).map_err(BadName::Pattern)?;
    let reason = match lang {
        Lang::De => format!("Die Demo hält alles an {address} an"),
        Lang::En => format!("the demo holds everything to {address}"),
    };
    Ok(HoldRule {
        name: format!("demo {local}"),
        queue,
        reason,
        matching: RuleMatch {
            recipient: Some(pattern),
            ..RuleMatch::default()
        },
    })
}
