//! What a key is when it is not written, with the reason where one is needed.
//!
//! `conf/production.toml` shows the same values as commented lines; a test holds the two together.
//! Not here: bounds that no key can move (`base::limit`).

use std::path::PathBuf;
use std::time::Duration;

use super::{
    AdminConf, AttachmentsConf, ChecksConf, Config, DeliverConf, DigestConf, DnsConf, HoldsConf,
    LimitsConf, LinksConf, LogConf, MaybeDelivered, QueueConf, ServerConf, TenantConf, Timeouts,
    TlsConf, cert,
};
use crate::base::limit;
use crate::base::size::ByteSize;
use crate::mail::domain::Domain;

impl Config {
    /// All defaults, no listener, no account, no domain, no route: for tests, the demo and embedding programs.
    pub fn fallback(hostname: Domain, data_dir: PathBuf) -> Self {
        let certs = data_dir.join(cert::FOLDER);
        Self {
            server: ServerConf {
                hostname,
                data_dir,
                postmaster: None,
            },
            tenants: vec![TenantConf::default()],
            listeners: Vec::new(),
            accounts: Vec::new(),
            domains: Vec::new(),
            routes: Vec::new(),
            queue: QueueConf::default(),
            tls: TlsConf::self_signed(certs),
            dns: DnsConf {
                servers: Vec::new(),
            },
            limits: LimitsConf::default(),
            deliver: DeliverConf::default(),
            checks: ChecksConf::default(),
            log: LogConf::default(),
            admin: AdminConf::default(),
            digest: DigestConf::default(),
            links: LinksConf::default(),
            hold: HoldsConf::default(),
            hold_rules: Vec::new(),
            scanners: Vec::new(),
            exceptions: Vec::new(),
            attachments: AttachmentsConf::default(),
        }
    }
}

impl Default for TenantConf {
    fn default() -> Self {
        Self {
            id: TENANT.to_owned(),
            name: "Standard".to_owned(),
        }
    }
}

impl Default for QueueConf {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            // RFC 5321 section 4.5.4.1 says SHOULD 30 minutes; most greylists open after five.
            retry: [5, 15, 30, 60, 120, 240].map(minutes).to_vec(),
            // The same section: generally 4 to 5 days.
            lifetime: days(5),
            max_message_size: ByteSize::mib(50),
            hops_max: 50,
            paused: false,
            maybe_delivered: MaybeDelivered::default(),
            stop_timeout: Duration::from_secs(60),
            reserve: None,
            history: days(7),
            // redb's own default is 1 GiB; with 24 MiB the start of a tree stays in memory, and that is what counts.
            cache: ByteSize::mib(24),
        }
    }
}

impl Default for LimitsConf {
    fn default() -> Self {
        Self {
            connections: 1_000,
            // An app server with a pool of workers is one address; a quarter leaves room for others.
            connections_per_address: 250,
            // Half, so that who rents a network is not alone.
            connections_per_network: 500,
            recipients: limit::RECIPIENTS_MAX,
            errors: limit::ERRORS_MAX,
            command_timeout: limit::COMMAND_TIMEOUT,
            transaction_timeout: limit::TRANSACTION_TIMEOUT,
        }
    }
}

impl Default for DeliverConf {
    fn default() -> Self {
        Self {
            connections: 200,
            connections_per_site: 20,
            site_messages: 100,
            timeouts: Timeouts::default(),
        }
    }
}

/// RFC 5321 section 4.5.3.2 where it names one.
impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            // Not in the RFC; the system's own two minutes per address are too long with eight addresses.
            connect: Duration::from_secs(30),
            banner: minutes(5),
            ehlo: minutes(5),
            tls: limit::HANDSHAKE_TIMEOUT,
            mail: minutes(5),
            rcpt: minutes(5),
            data: minutes(2),
            block: minutes(3),
            dot: minutes(10),
            // Nothing is lost when nobody answers these.
            reset: Duration::from_secs(20),
        }
    }
}

impl Default for LogConf {
    fn default() -> Self {
        Self {
            format: None,
            level: "info".to_owned(),
            file: None,
            keep: 14,
            syslog_name: "postwerk".to_owned(),
        }
    }
}

pub(super) fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}

/// The tenant of everything that names none.
pub(super) const TENANT: &str = "standard";
/// Where the store is when the file does not say.
pub(super) const DATA_DIR: &str = "/var/lib/postwerk";
