//! A route becomes a plan: the hosts to try, in order, and the key of the site that they make.
//!
//! Domains share a site, and so its connections and its health, only if everything that decides how their mail
//! travels is the same: the hosts, their preferences, TLS, roots, login, and whether DNS chose them.
//! Not here: what DNS said (`ways`), and addresses (`connect`), since they may change while a plan is still good.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use super::route::Terms;
use super::trouble::Trouble;
use crate::base::limit::MX_HOSTS_MAX;
use crate::config::{Config, NextHop, RelayLogin, RelayTls};
use crate::mail::domain::Domain;
use crate::mail::mailbox::Host;
use crate::net::dns::MailHosts;
use crate::net::tls::Roots;

/// Is equal for two sites only if a mail travels alike to both. Shown it names the hosts and no secret.
#[derive(Clone)]
pub struct SiteKey(Arc<Keyed>);

struct Keyed {
    travel: Travel,
    /// Of `travel`, because maps ask for it again and again.
    hash: u64,
}

/// Everything that decides how a mail travels. What is added to a plan belongs here too, or connections would be used
/// for mail that must not go over them. Our own name is not here: it decides nothing before a connection is made anew.
#[derive(PartialEq, Eq)]
struct Travel {
    /// By preference; hosts of one preference are tried in random order (RFC 5321 section 5.1), and here in one order.
    hosts: Vec<Vec<NextHop>>,
    terms: Arc<Terms>,
    /// As they lie on disk. None where nothing is verified.
    roots: Option<Roots>,
    foreign: bool,
}

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
    /// The configuration that it follows from; under another one a mail's way may be another.
    under: Weak<Config>,
}

impl Plan {
    /// To the hosts that the configuration names.
    pub fn by_relay(terms: &Arc<Terms>, hops: &[NextHop], conf: &Arc<Config>) -> Self {
        let each = hops.iter().map(|hop| vec![hop.clone()]).collect();
        Self::new(terms, each, false, conf)
    }

    /// To the address that stands in the recipient.
    pub fn by_literal(terms: &Arc<Terms>, address: IpAddr, port: u16, conf: &Arc<Config>) -> Self {
        let host = Host::Literal(address);
        Self::new(terms, vec![vec![NextHop { host, port }]], true, conf)
    }

    /// By the MX hosts of `domain`.
    pub fn by_mx(
        terms: &Arc<Terms>,
        domain: &Domain,
        found: &MailHosts,
        port: u16,
        conf: &Arc<Config>,
    ) -> Result<Self, Trouble> {
        let own = &conf.server.hostname;
        let found = found.clone().before(own);
        if found.hosts.is_empty() {
            let text = format!("mail for {domain} loops back to myself: {own} is its best MX host");
            return Err(Trouble::Loop(text));
        }
        let alike = found.hosts.chunk_by(|a, b| a.preference == b.preference);
        let hosts = alike.map(|mxs| {
            let each = mxs.iter().map(|mx| NextHop {
                host: Host::Domain(mx.name.clone()),
                port,
            });
            each.collect()
        });
        let mut plan = Self::new(terms, hosts.collect(), true, conf);
        plan.hops.truncate(MX_HOSTS_MAX);
        Ok(plan)
    }

    fn new(
        terms: &Arc<Terms>,
        mut hosts: Vec<Vec<NextHop>>,
        foreign: bool,
        conf: &Arc<Config>,
    ) -> Self {
        let hops = hosts.iter().flatten().cloned().collect();
        for alike in &mut hosts {
            alike.sort();
        }
        let verified = matches!(terms.tls, RelayTls::Required | RelayTls::Implicit);
        let key = SiteKey::new(Travel {
            hosts,
            terms: Arc::clone(terms),
            roots: verified.then(|| Roots::of(terms.ca.as_deref())),
            foreign,
        });
        Self {
            key,
            hops,
            tls: terms.tls,
            ca: terms.ca.clone(),
            sasl: terms.sasl.clone(),
            foreign,
            under: Arc::downgrade(conf),
        }
    }

    /// Whether it follows from `conf`.
    pub fn is_under(&self, conf: &Arc<Config>) -> bool {
        // No other configuration can have this address while `under` keeps it.
        self.under.as_ptr() == Arc::as_ptr(conf)
    }
}

impl SiteKey {
    fn new(travel: Travel) -> Self {
        // Without a seed: peers choose names, but all 64 bits would have to be equal, and maps hash them once more.
        let mut hasher = DefaultHasher::new();
        travel.hash(&mut hasher);
        let hash = hasher.finish();
        Self(Arc::new(Keyed { travel, hash }))
    }

    /// A site of that name, where nothing else matters.
    #[cfg(test)]
    pub fn named(name: &str) -> Self {
        let terms = Terms {
            tls: RelayTls::Off,
            ca: None,
            sasl: None,
        };
        let host = Host::Domain(name.parse().unwrap());
        Self::new(Travel {
            hosts: vec![vec![NextHop { host, port: 25 }]],
            terms: Arc::new(terms),
            roots: None,
            foreign: false,
        })
    }
}

impl Hash for Travel {
    /// Without the password: equality is enough for it, and it need not be in more places.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            hosts,
            terms,
            roots,
            foreign,
        } = self;
        hosts.hash(state);
        terms.tls.hash(state);
        terms.ca.hash(state);
        terms.sasl.as_ref().map(|login| &login.user).hash(state);
        roots.hash(state);
        foreign.hash(state);
    }
}

impl PartialEq for SiteKey {
    fn eq(&self, other: &Self) -> bool {
        let alike = || self.0.hash == other.0.hash && self.0.travel == other.0.travel;
        Arc::ptr_eq(&self.0, &other.0) || alike()
    }
}

impl Eq for SiteKey {}

impl Hash for SiteKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

/// Its hosts, as a person would name it.
impl fmt::Display for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, hop) in self.0.travel.hosts.iter().flatten().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            hop.fmt(f)?;
        }
        Ok(())
    }
}

/// With what else tells it from others, but for the password and what the roots look like.
impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let travel = &self.0.travel;
        write!(f, "{self} {:?}", travel.terms.tls)?;
        if let Some(ca) = &travel.terms.ca {
            write!(f, " {}", ca.display())?;
        }
        if let Some(login) = &travel.terms.sasl {
            write!(f, " as {}", login.user)?;
        }
        if travel.foreign {
            f.write_str(" by DNS")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::net::dns::MailHost;

    fn conf() -> Arc<Config> {
        let name = "mail.example.org".parse().unwrap();
        Arc::new(Config::fallback(name, "/nowhere".into()))
    }

    fn terms(change: impl FnOnce(&mut Terms)) -> Arc<Terms> {
        let mut terms = Terms {
            tls: RelayTls::Required,
            ca: None,
            sasl: Some(RelayLogin {
                user: "app".to_owned(),
                password: Secret::new("geheim"),
            }),
        };
        change(&mut terms);
        Arc::new(terms)
    }

    fn relay(names: &[&str], terms: Arc<Terms>) -> SiteKey {
        let hops = names.iter().map(|name| NextHop {
            host: Host::Domain(name.parse().unwrap()),
            port: 25,
        });
        let hops: Vec<_> = hops.collect();
        Plan::by_relay(&terms, &hops, &conf()).key
    }

    fn found(hosts: &[(u16, &str)]) -> MailHosts {
        let each = hosts.iter().map(|(preference, name)| MailHost {
            preference: *preference,
            name: name.parse().unwrap(),
        });
        MailHosts {
            hosts: each.collect(),
            ttl: std::time::Duration::ZERO,
        }
    }

    fn mx(hosts: &[(u16, &str)], terms: Arc<Terms>) -> Plan {
        let domain = "a.test".parse().unwrap();
        Plan::by_mx(&terms, &domain, &found(hosts), 25, &conf()).unwrap()
    }

    #[test]
    fn sites_are_one_only_if_everything_of_their_way_is() {
        let same = || terms(|_| {});
        let key = relay(&["a.test", "b.test"], same());
        assert_eq!(key, relay(&["a.test", "b.test"], same()));
        let password = |login: &mut RelayLogin| login.password = Secret::new("other");
        for (name, other) in [
            ("order", relay(&["b.test", "a.test"], same())),
            ("fewer hosts", relay(&["a.test"], same())),
            (
                "password",
                relay(
                    &["a.test", "b.test"],
                    terms(|t| t.sasl.iter_mut().for_each(password)),
                ),
            ),
            (
                "no login",
                relay(&["a.test", "b.test"], terms(|t| t.sasl = None)),
            ),
            (
                "TLS",
                relay(&["a.test", "b.test"], terms(|t| t.tls = RelayTls::Implicit)),
            ),
            (
                "roots",
                relay(
                    &["a.test", "b.test"],
                    terms(|t| t.ca = Some("/ca.pem".into())),
                ),
            ),
            (
                "chosen by DNS",
                mx(&[(10, "a.test"), (20, "b.test")], same()).key,
            ),
        ] {
            assert_ne!(key, other, "case: {name}");
        }
    }

    #[test]
    fn each_domain_keeps_its_own_preferences() {
        let same = || terms(|_| {});
        let key = |hosts: &[(u16, &str)]| mx(hosts, same()).key;
        let ab = key(&[(10, "a.test"), (20, "b.test")]);
        assert_eq!(ab, key(&[(5, "a.test"), (99, "b.test")]));
        assert_ne!(ab, key(&[(10, "b.test"), (20, "a.test")]));
        assert_ne!(ab, key(&[(10, "a.test"), (10, "b.test")]));
        // Equal ones come in random order.
        let (one, two) = (
            [(9, "a.test"), (9, "b.test")],
            [(9, "b.test"), (9, "a.test")],
        );
        assert_eq!(key(&one), key(&two));
        let first = |hosts| mx(hosts, same()).hops[0].host.to_string();
        assert_eq!(
            (first(&one), first(&two)),
            ("a.test".into(), "b.test".into())
        );
    }

    #[test]
    fn a_zone_with_many_hosts_is_one_site_whichever_of_them_are_tried() {
        let names: Vec<String> = (0..MX_HOSTS_MAX + 4)
            .map(|n| format!("mx{n}.test"))
            .collect();
        let mut hosts: Vec<(u16, &str)> = names.iter().map(|name| (10, name.as_str())).collect();
        let one = mx(&hosts, terms(|_| {}));
        hosts.reverse();
        let two = mx(&hosts, terms(|_| {}));
        assert_eq!(one.hops.len(), MX_HOSTS_MAX);
        assert_ne!(one.hops, two.hops);
        assert_eq!(one.key, two.key);
    }

    #[test]
    fn roots_that_were_written_anew_make_another_site() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let key = |tls| {
            let ca = Some(file.clone());
            relay(
                &["a.test"],
                Arc::new(Terms {
                    tls,
                    ca,
                    sasl: None,
                }),
            )
        };
        std::fs::write(&file, "one").unwrap();
        let (before, loose) = (key(RelayTls::Required), key(RelayTls::Opportunistic));
        assert_eq!(before, key(RelayTls::Required));
        std::fs::write(&file, "other").unwrap();
        assert_ne!(before, key(RelayTls::Required));
        assert_eq!(
            loose,
            key(RelayTls::Opportunistic),
            "nothing is verified there"
        );
    }

    #[test]
    fn a_key_shows_its_hosts_and_no_secret() {
        let key = relay(&["a.test", "b.test"], terms(|_| {}));
        assert_eq!(key.to_string(), "a.test:25,b.test:25");
        assert_eq!(format!("{key:?}"), "a.test:25,b.test:25 Required as app");
    }

    #[test]
    fn a_plan_knows_its_configuration() {
        let (old, new) = (conf(), conf());
        let plan = Plan::by_literal(&terms(|_| {}), [192, 0, 2, 1].into(), 25, &old);
        assert!(plan.is_under(&old) && !plan.is_under(&new));
    }
}
