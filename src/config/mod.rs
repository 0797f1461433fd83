//! Floor 2: the configuration as the rest of the program sees it: typed, checked, with every default filled in.
//!
//! Loading is checking; a `Config` that exists is right. The contract of the keys stands in `conf/production.toml`.
//! Not here: where a mistake is shown (`problem`), what the file looks like (`file`), and what is left out (`default`).

mod admin;
mod attachment;
mod cert;
mod cross;
mod cross_held;
mod cross_tls;
mod default;
mod digest;
mod file;
mod held;
mod index;
mod kind;
mod load;
mod mask;
pub mod pem;
pub mod problem;
mod rspamd;
mod rule;
mod scan;
mod scanner;
mod secret;
mod section;
mod single;
mod tls;
mod value;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::base::band::Band;
use crate::base::secret::Secret;
use crate::base::size::ByteSize;
use crate::mail::domain::Domain;
use crate::mail::hold::Check;
use crate::mail::mailbox::{Host, Mailbox};

pub use attachment::AttachmentsConf;
pub use held::{
    ActionLinks, AdminConf, AtExpiry, DigestConf, Glob, HoldConf, HoldRule, HoldsConf, Hours,
    LinksConf, PublicUrl, ReleaseRule, RuleMatch, Timing,
};
pub use index::PatternIndex;
pub use load::{load, parse};
pub use problem::{Problem, Problems, Severity};
pub use rspamd::{HeadersFor, RspamdConf, SpamAct};
pub use scan::{
    ChecksConf, MilterConf, OnFailure, OnReject, ScanException, ScannerAddress, ScannerConf,
    ScannerKind, Stage,
};
pub use secret::{is_checkable, is_phc};
pub use tls::{AcmeConf, Binding, CertConf, CertFiles, CertName, Challenge, TlsConf, TlsMode};

/// Everything; one `Arc`, swapped as a whole on reload.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`
    pub server: ServerConf,
    /// `[[tenant]]`; never empty.
    pub tenants: Vec<TenantConf>,
    /// `[[listener]]`
    pub listeners: Vec<ListenerConf>,
    /// `[[account]]`
    pub accounts: Vec<AccountConf>,
    /// `[[domain]]`
    pub domains: Vec<DomainConf>,
    /// `[[route]]`, first match wins.
    pub routes: Vec<RouteConf>,
    /// `[queue]`
    pub queue: QueueConf,
    /// `[tls]`, `[[certificate]]`, `[acme]`
    pub tls: TlsConf,
    /// `[dns]`
    pub dns: DnsConf,
    /// `[limits]`
    pub limits: LimitsConf,
    /// `[deliver]`
    pub deliver: DeliverConf,
    /// `[checks]`
    pub checks: ChecksConf,
    /// `[log]`
    pub log: LogConf,
    /// `[admin]`
    pub admin: AdminConf,
    /// `[digest]`
    pub digest: DigestConf,
    /// `[links]`
    pub links: LinksConf,
    /// `[hold]`
    pub hold: HoldsConf,
    /// `[[hold_rule]]`; the first match wins.
    pub hold_rules: Vec<HoldRule>,
    /// `[[scanner]]`, in the order in which they are asked.
    pub scanners: Vec<ScannerConf>,
    /// `[[exception]]`
    pub exceptions: Vec<ScanException>,
    /// `[attachments]`
    pub attachments: AttachmentsConf,
}

impl Config {
    /// What a mail is looked at for, in its order.
    pub fn checks(&self) -> Vec<Check> {
        let mut made = Vec::new();
        for stage in &self.checks.order {
            match stage {
                Stage::Loop => made.push(Check::Loop),
                Stage::Mime if self.checks.hold_broken_mime => made.push(Check::Mime),
                Stage::Mime => {}
                Stage::Attachments => made.push(Check::Attachments),
                Stage::Scanners => made.extend(self.scanners.iter().map(|one| one.kind.check())),
                Stage::Account => made.push(Check::Account),
                Stage::Rate => made.push(Check::Rate),
                Stage::Rules => made.push(Check::Rules),
            }
        }
        made
    }
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct ServerConf {
    /// Our name in banner, EHLO and Received.
    pub hostname: Domain,
    /// Where store and control socket live.
    pub data_dir: PathBuf,
    /// Target of the bare postmaster.
    pub postmaster: Option<Mailbox>,
}

impl ServerConf {
    /// The store's file in the data directory.
    pub fn store_file(&self) -> PathBuf {
        self.data_dir.join("store.redb")
    }
}

/// `[[tenant]]`
#[derive(Clone, Debug)]
pub struct TenantConf {
    /// In records and events.
    pub id: String,
    /// For people.
    pub name: String,
}

/// `[[listener]]`
#[derive(Clone, Debug)]
pub struct ListenerConf {
    /// Address and port; port 0 takes any free one.
    pub bind: SocketAddr,
    /// MSA or MTA.
    pub role: Role,
    /// How TLS begins.
    pub tls: ListenerTls,
    /// Who must say who they are.
    pub auth: SaslRule,
    /// Whether AUTH is offered in the clear; only on loopback.
    pub auth_clear: bool,
    /// Networks that may relay without AUTH.
    pub trust: Vec<Network>,
    /// What a bare CR or LF in a mail does.
    pub bare_newline: BareNewline,
}

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes mail of accounts and trusted networks for anywhere (RFC 6409).
    Submission,
    /// Takes mail of anybody for our domains.
    Mx,
}

/// How TLS begins on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerTls {
    /// Never.
    Off,
    /// After STARTTLS.
    Starttls,
    /// At once (RFC 8314).
    Implicit,
}

/// Whether AUTH is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslRule {
    /// From everybody who is not in `trust`.
    Required,
    /// Offered.
    Optional,
    /// Not offered.
    Off,
}

/// What a bare CR or LF in a mail does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareNewline {
    /// The mail is refused.
    Reject,
    /// It becomes CRLF.
    Normalise,
}

/// An IP network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its address; bits behind the prefix are zero.
    pub address: IpAddr,
    /// Bits.
    pub prefix: u8,
}

/// `[[account]]`
#[derive(Clone, Debug)]
pub struct AccountConf {
    /// What AUTH says.
    pub name: String,
    /// A PHC string, or the text behind `file:` or `env:` (plain or PHC).
    pub password: Secret,
    /// Patterns of reverse-paths and From it may use; empty: any.
    pub senders: Vec<AddressPattern>,
    /// Its tenant.
    pub tenant: String,
    /// Who is told about its holds.
    pub owner: Option<Mailbox>,
    /// Hold everything.
    pub hold: bool,
    /// Mails in a span, and what is done with more.
    pub rate: Option<Rate>,
    /// How urgent its mail is.
    pub band: Band,
}

/// `100/h`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Messages.
    pub count: u32,
    /// In this span.
    pub span: Duration,
    /// Above it.
    pub action: RateAction,
}

/// What is done above a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateAction {
    /// 450 4.7.1
    Defer,
    /// 550 5.7.1
    Reject,
    /// Quarantine, reason `rate_limit`.
    Hold,
}

/// `*@example.org`, `*@*.example.org`, `app@example.org`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPattern {
    /// None: any.
    local: Option<Box<str>>,
    host: DomainPattern,
}

/// `[[domain]]`
#[derive(Clone, Debug)]
pub struct DomainConf {
    /// Ours.
    pub name: Domain,
    /// Next hops; wins over routes.
    pub relay: Vec<NextHop>,
    /// Who is told about its holds.
    pub owner: Option<Mailbox>,
    /// How to talk to `relay`.
    pub tls: RelayTls,
    /// The relay's own roots.
    pub ca: Option<PathBuf>,
}

/// `[[route]]`
#[derive(Clone, Debug)]
pub struct RouteConf {
    /// Which recipients.
    pub domain: DomainPattern,
    /// Next hops in order; empty: MX.
    pub relay: Vec<NextHop>,
    /// How TLS begins there.
    pub tls: RelayTls,
    /// PEM of roots, instead of the system's.
    pub ca: Option<PathBuf>,
    /// AUTH towards it.
    pub sasl: Option<RelayLogin>,
}

/// User and password at a next hop; another password is another login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayLogin {
    /// Name.
    pub user: String,
    /// Plain text, from `file:` or `env:` as a rule.
    pub password: Secret,
}

/// `example.org`, `*.example.org`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainPattern {
    /// That one.
    Exact(Domain),
    /// All below it, not itself.
    Below(Domain),
    /// All.
    Any,
}

/// `host:port`, by A/AAAA.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NextHop {
    /// Name or address.
    pub host: Host,
    /// 25; 465 for implicit TLS.
    pub port: u16,
}

/// TLS towards a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelayTls {
    /// Never.
    Off,
    /// If offered, unverified; else clear.
    Opportunistic,
    /// STARTTLS, verified.
    Required,
    /// At once, verified.
    Implicit,
}

/// `[queue]`
#[derive(Clone, Debug)]
pub struct QueueConf {
    /// Spans between tries; the last one repeats.
    pub retry: Vec<Duration>,
    /// From arrival.
    pub lifetime: Duration,
    /// Announced as SIZE.
    pub max_message_size: ByteSize,
    /// Received fields that make a loop.
    pub hops_max: usize,
    /// Accept and keep, deliver nothing.
    pub paused: bool,
    /// What becomes of mail whose last reply was lost.
    pub maybe_delivered: MaybeDelivered,
    /// Waiting for claims at a stop.
    pub stop_timeout: Duration,
    /// Free disk below which no mail is accepted; none: min(512 MiB, 10 %).
    pub reserve: Option<ByteSize>,
    /// How long facts stay.
    pub history: Duration,
    /// Store cache.
    pub cache: ByteSize,
}

/// `[queue] maybe_delivered`: the next hop may have the mail, and nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaybeDelivered {
    /// Sent again; it may arrive twice.
    #[default]
    Retry,
    /// Held in `bad`: a person asks the recipient.
    Hold,
}

/// `[dns]`
#[derive(Clone, Debug)]
pub struct DnsConf {
    /// Empty: the system's.
    pub servers: Vec<SocketAddr>,
}

/// `[limits]`
#[derive(Clone, Debug)]
pub struct LimitsConf {
    /// Connections in all.
    pub connections: usize,
    /// Of one address.
    pub connections_per_address: usize,
    /// Of strangers of one network (/24, /56).
    pub connections_per_network: usize,
    /// Of a transaction.
    pub recipients: usize,
    /// Of a session.
    pub errors: u32,
    /// Waiting for a command.
    pub command_timeout: Duration,
    /// MAIL to the final reply.
    pub transaction_timeout: Duration,
}

/// `[deliver]`
#[derive(Clone, Debug)]
pub struct DeliverConf {
    /// Connections in all.
    pub connections: usize,
    /// To one site.
    pub connections_per_site: usize,
    /// Messages on one connection.
    pub site_messages: usize,
    /// Steps of RFC 5321 section 4.5.3.2.
    pub timeouts: Timeouts,
}

/// Waiting for a peer; RFC 5321 section 4.5.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP.
    pub connect: Duration,
    /// 220.
    pub banner: Duration,
    /// EHLO.
    pub ehlo: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// MAIL.
    pub mail: Duration,
    /// RCPT.
    pub rcpt: Duration,
    /// 354.
    pub data: Duration,
    /// Each block of data.
    pub block: Duration,
    /// The reply to the final dot.
    pub dot: Duration,
    /// RSET, QUIT.
    pub reset: Duration,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct LogConf {
    /// None: pretty on a terminal, else postfix.
    pub format: Option<LogFormat>,
    /// A `tracing` filter such as `info`.
    pub level: String,
    /// None: standard error.
    pub file: Option<PathBuf>,
    /// A new file each day, so many kept; 0: never.
    pub keep: usize,
    /// The program's name in Postfix-shaped lines.
    pub syslog_name: String,
}

/// Shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// As Postfix writes them.
    Postfix,
    /// One object a line.
    Json,
}

/// What the program holds: swapped as a whole.
pub type Shared = Arc<arc_swap::ArcSwap<Config>>;
