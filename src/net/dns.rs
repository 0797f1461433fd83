//! Where mail for a domain goes: MX records, addresses, and the many ways in which DNS says no (RFC 5321 section 5.1).
//!
//! A name that surely does not exist is told apart from a name server that cannot answer now: the first ends a
//! recipient, the second never does. Answers are cached by hickory for as long as their TTL says, negative ones too.
//! Not here: which hosts are tried when (`deliver::connect`), and what a fault means for a recipient (`deliver::trouble`).

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver as Hickory, TokioResolver};

use super::plain;
use crate::base::limit::{
    DNS_ACTIVE_MAX, DNS_ATTEMPTS, DNS_TIMEOUT, HOST_ADDRESSES_MAX, MX_HOSTS_KNOWN_MAX,
};
use crate::config::DnsConf;
use crate::mail::domain::Domain;

/// Records of the kind that was asked for, and their TTLs in seconds; never none.
type Answers = Result<Vec<(RData, u32)>, DnsFault>;

/// Asks name servers; clones share the cache.
#[derive(Clone)]
pub struct Resolver(Result<TokioResolver, String>);

/// The hosts that take mail for a domain, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailHosts {
    /// At most `MX_HOSTS_KNOWN_MAX`; equal preferences in random order (RFC 5321 section 5.1).
    pub hosts: Vec<MailHost>,
    /// How long that may be believed.
    pub ttl: Duration,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailHost {
    /// Lower is better.
    pub preference: u16,
    /// Its name.
    pub name: Domain,
}

/// Why DNS gave no host or address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsFault {
    /// NXDOMAIN.
    #[error("the domain {0} does not exist")]
    NoSuchDomain(Domain),
    /// A single MX record that names the root (RFC 7505).
    #[error("the domain {0} takes no mail (null MX)")]
    NullMx(Domain),
    /// The name exists, without an address.
    #[error("{0} has neither an MX nor an address record")]
    NoAddress(Domain),
    /// MX records that name no host: addresses, names with spaces.
    #[error("the MX records of {0} name no usable host")]
    UnusableMx(Domain),
    /// SERVFAIL, REFUSED, no answer in time, no name server: ask again later.
    #[error("the name servers cannot answer for {name} now: {why}")]
    NotNow {
        /// Asked for.
        name: Domain,
        /// What happened.
        why: String,
    },
}

impl Resolver {
    /// Asks `conf.servers`, or those of the system. A system without name servers is no error here: fixed routes
    /// need none, and every lookup says what is missing.
    pub fn new(conf: &DnsConf) -> Self {
        let built = if conf.servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let servers = conf.servers.iter().map(name_server).collect();
            Ok(Hickory::builder_with_config(
                ResolverConfig::from_name_servers(servers),
                TokioRuntimeProvider::default(),
            ))
        };
        Self(
            built
                .and_then(|mut builder| {
                    adjust(builder.options_mut());
                    builder.build()
                })
                .map_err(|error| {
                    tracing::warn!(%error, "the system's name servers cannot be read");
                    "no name server is configured; write [dns] servers".to_owned()
                }),
        )
    }

    /// MX hosts by preference; none: the domain itself (RFC 5321 section 5.1).
    pub async fn mail_hosts(&self, domain: &Domain) -> Result<MailHosts, DnsFault> {
        let answers = match self.ask(domain, RecordType::MX).await {
            Ok(answers) => answers,
            // The domain exists without MX: its own address is asked for when it is connected to.
            Err(DnsFault::NoAddress(_)) => return Ok(implicit(domain)),
            Err(fault) => return Err(fault),
        };
        let mut null = false;
        let mut hosts = Vec::new();
        let mut ttl = TTL_MAX;
        for (record, seconds) in answers {
            let RData::MX(mx) = record else { continue };
            ttl = ttl.min(Duration::from_secs(u64::from(seconds)));
            null |= mx.exchange.is_root();
            if let Ok(name) = Domain::parse(&mx.exchange.to_ascii()) {
                hosts.push(MailHost {
                    preference: mx.preference,
                    name,
                });
            }
        }
        if hosts.is_empty() {
            return Err(if null {
                DnsFault::NullMx(domain.clone())
            } else {
                DnsFault::UnusableMx(domain.clone())
            });
        }
        // Cut in an order that stays the same, so that a domain does not become another site with each answer.
        hosts.sort_by(|a, b| (a.preference, &a.name).cmp(&(b.preference, &b.name)));
        hosts.dedup();
        hosts.truncate(MX_HOSTS_KNOWN_MAX);
        fastrand::shuffle(&mut hosts);
        hosts.sort_by_key(|host| host.preference);
        Ok(MailHosts {
            hosts,
            ttl: ttl.max(TTL_MIN),
        })
    }

    /// Addresses of a host, IPv4 first; at most `HOST_ADDRESSES_MAX`.
    pub async fn addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, DnsFault> {
        // Two questions, because hickory's one for both tells only one of two faults: the wrong one may be for ever.
        let (four, six) = tokio::join!(
            self.ask(host, RecordType::A),
            self.ask(host, RecordType::AAAA)
        );
        let found = either(four, six)?;
        let mut addresses: Vec<IpAddr> = found.iter().filter_map(address).collect();
        fastrand::shuffle(&mut addresses);
        addresses.sort_by_key(IpAddr::is_ipv6);
        addresses.dedup();
        addresses.truncate(HOST_ADDRESSES_MAX);
        Ok(addresses)
    }

    async fn ask(&self, domain: &Domain, kind: RecordType) -> Answers {
        let resolver = self.inner(domain)?;
        let name = absolute(domain)?;
        let found = boxed(resolver.lookup(name, kind)).await;
        let found = found.map_err(|error| fault(domain, &error))?;
        let wanted = found.answers().iter();
        let wanted: Vec<_> = wanted
            .filter(|record| record.record_type() == kind)
            .map(|record| (record.data.clone(), record.ttl))
            .collect();
        // A CNAME whose target has no such record (RFC 2308 section 2.2).
        if wanted.is_empty() {
            return Err(DnsFault::NoAddress(domain.clone()));
        }
        Ok(wanted)
    }

    fn inner(&self, name: &Domain) -> Result<&TokioResolver, DnsFault> {
        self.0.as_ref().map_err(|why| DnsFault::NotNow {
            name: name.clone(),
            why: why.clone(),
        })
    }
}

impl MailHosts {
    /// Without `own` and every host that is not better than it: who is listed after us would send the mail back
    /// to us (RFC 5321 section 5.1). Empty: the mail loops.
    pub fn before(mut self, own: &Domain) -> Self {
        if let Some(ours) = self.hosts.iter().find(|host| host.name == *own) {
            let limit = ours.preference;
            self.hosts.retain(|host| host.preference < limit);
        }
        self
    }
}

/// Whether a stranger's zone may send us there: not to ourselves, and not to nobody (hardening: loopback MX).
pub fn is_foreign(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let broadcast =
        matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets().first() == Some(&0));
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || broadcast)
}

fn implicit(domain: &Domain) -> MailHosts {
    MailHosts {
        hosts: vec![MailHost {
            preference: 0,
            name: domain.clone(),
        }],
        ttl: TTL_MIN,
    }
}

/// What two questions about one host say together: one good answer is enough, and no end is sure while one is missing.
fn either(four: Answers, six: Answers) -> Answers {
    match (four, six) {
        (Ok(mut four), Ok(six)) => {
            four.extend(six);
            Ok(four)
        }
        (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
        (Err(open @ DnsFault::NotNow { .. }), Err(_)) => Err(open),
        (Err(_), Err(open @ DnsFault::NotNow { .. })) => Err(open),
        (Err(sure), Err(_)) => Err(sure),
    }
}

fn address((record, _): &(RData, u32)) -> Option<IpAddr> {
    record.ip_addr()
}

/// With its dot, so that no search list is tried.
fn absolute(domain: &Domain) -> Result<Name, DnsFault> {
    Name::from_ascii(format!("{domain}.")).map_err(|_| DnsFault::NotNow {
        name: domain.clone(),
        why: "DNS has no such names".to_owned(),
    })
}

/// hickory's futures are large; they live on the heap only while a question is asked.
fn boxed<'a, F: Future + Send + 'a>(
    question: F,
) -> std::pin::Pin<Box<dyn Future<Output = F::Output> + Send + 'a>> {
    Box::pin(question)
}

fn fault(name: &Domain, error: &NetError) -> DnsFault {
    let name = name.clone();
    if error.is_nx_domain() {
        return DnsFault::NoSuchDomain(name);
    }
    if let NetError::Dns(DnsError::NoRecordsFound(none)) = error
        && none.response_code == ResponseCode::NoError
    {
        return DnsFault::NoAddress(name);
    }
    DnsFault::NotNow {
        name,
        why: plain::dns(error).into_owned(),
    }
}

fn name_server(at: &SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = at.port();
    }
    NameServerConfig::new(at.ip(), true, connections)
}

fn adjust(options: &mut ResolverOpts) {
    options.timeout = DNS_TIMEOUT;
    options.attempts = DNS_ATTEMPTS;
    options.max_active_requests = DNS_ACTIVE_MAX;
    options.edns0 = true;
    // Off-path answers must guess the letters' case as well; servers that do not keep it are asked by TCP.
    options.case_randomization = true;
}

/// What a domain's hosts are believed at least: a zone with TTL 0 must not cost a question for each mail.
const TTL_MIN: Duration = Duration::from_secs(60);
/// And at most.
const TTL_MAX: Duration = Duration::from_secs(3_600);

#[cfg(test)]
#[path = "../../tests/it/dns.rs"]
pub mod stub;

#[cfg(test)]
mod tests;
