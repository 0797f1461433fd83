//! A route becomes a plan: the hosts to try, in order, and the name of the site that they make.
//!
//! Domains that share their MX hosts share a site, and so its connections and its health. Not here: addresses
//! (`connect`), since they may change while a plan is still good.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::route::{Route, Way};
use super::trouble::Trouble;
use crate::config::{NextHop, RelayLogin, RelayTls};
use crate::mail::domain::Domain;
use crate::mail::mailbox::Host;
use crate::net::dns::{DnsFault, Resolver};

/// Names a site: its hosts and how to talk to them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteKey(pub Arc<str>);

/// The hosts of a site.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The site.
    pub key: SiteKey,
    /// In order.
    pub hops: Vec<NextHop>,
    /// TLS there.
    pub tls: RelayTls,
    /// PEM of roots.
    pub ca: Option<PathBuf>,
    /// AUTH there.
    pub sasl: Option<RelayLogin>,
    /// Somebody else's zone or address chose the hosts: they must not be ourselves.
    pub foreign: bool,
}

/// A plan, or why there is none, and how long that holds.
#[derive(Clone, Debug)]
pub struct Learned {
    /// The plan.
    pub plan: Result<Arc<Plan>, Trouble>,
    /// For so long.
    pub ttl: Duration,
}

impl Plan {
    /// Without a question to DNS, if the route allows it.
    pub fn known(route: &Route, port: u16) -> Option<Self> {
        match &route.way {
            Way::Hops(hops) => Some(Self::new(route, hops.clone(), false)),
            Way::Literal(address) => {
                let host = Host::Literal(*address);
                Some(Self::new(route, vec![NextHop { host, port }], true))
            }
            Way::Mx(_) => None,
        }
    }

    /// By the MX hosts of `domain`; `own` is our name.
    pub async fn learn(
        route: &Route,
        domain: &Domain,
        own: &Domain,
        port: u16,
        resolver: &Resolver,
    ) -> Learned {
        match resolver.mail_hosts(domain).await {
            Ok(found) => {
                let ttl = found.ttl;
                let found = found.before(own);
                if found.hosts.is_empty() {
                    let text = format!(
                        "mail for {domain} loops back to myself: {own} is its best MX host"
                    );
                    return Learned {
                        plan: Err(Trouble::Loop(text)),
                        ttl,
                    };
                }
                let hops = found.hosts.into_iter().map(|mx| NextHop {
                    host: Host::Domain(mx.name),
                    port,
                });
                let plan = Self::new(route, hops.collect(), true);
                Learned {
                    plan: Ok(Arc::new(plan)),
                    ttl,
                }
            }
            Err(fault) => Learned {
                ttl: match fault {
                    DnsFault::NotNow { .. } => NOT_NOW_TTL,
                    DnsFault::NoSuchDomain(_)
                    | DnsFault::NullMx(_)
                    | DnsFault::NoAddress(_)
                    | DnsFault::UnusableMx(_) => NO_TTL,
                },
                plan: Err(Trouble::Domain(fault)),
            },
        }
    }

    fn new(route: &Route, hops: Vec<NextHop>, foreign: bool) -> Self {
        let mut names: Vec<String> = hops
            .iter()
            .map(|hop| format!("{}:{}", hop.host, hop.port))
            .collect();
        if foreign {
            // Hosts of equal preference come in random order; the site is the same.
            names.sort();
        }
        Self {
            key: SiteKey(route.key(&names.join(",")).into()),
            hops,
            tls: route.tls,
            ca: route.ca.clone(),
            sasl: route.sasl.clone(),
            foreign,
        }
    }
}

/// After a name server could not answer, the domain is asked for again at most once a minute.
const NOT_NOW_TTL: Duration = Duration::from_secs(60);
/// A name that does not exist may be registered soon.
const NO_TTL: Duration = Duration::from_secs(300);
