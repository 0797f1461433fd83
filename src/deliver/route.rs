//! Which way mail for a host goes: the domain's own relay, then the first route that fits, then MX; literals go there.
//!
//! Pure: configuration and host in, way out. It is made once for each configuration, so that a question costs as many
//! look-ups as the domain has labels and not one for each route.
//! Not here: names become addresses in `connect`, MX hosts in `ways`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, DomainConf, NextHop, PatternIndex, RelayLogin, RelayTls, RouteConf};
use crate::mail::domain::Domain;
use crate::mail::mailbox::Host;

/// A way, and how to talk at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub way: Way,
    /// How to talk there.
    pub terms: Arc<Terms>,
}

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// These, in order.
    Hops(Arc<[NextHop]>),
    /// The hosts that DNS names.
    Mx(Domain),
    /// That address (RFC 5321 section 4.1.3).
    Literal(IpAddr),
}

/// How to talk to a next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// TLS there.
    pub tls: RelayTls,
    /// PEM of roots, instead of the system's.
    pub ca: Option<PathBuf>,
    /// AUTH there.
    pub sasl: Option<RelayLogin>,
}

/// The ways of one configuration.
#[derive(Debug)]
pub struct Routes {
    /// Relays of our own domains.
    own: HashMap<Domain, Leg>,
    index: PatternIndex,
    /// As they stand in the file.
    routes: Vec<Leg>,
    /// Where no route says anything.
    unrouted: Leg,
}

/// The end of a way.
#[derive(Clone, Debug)]
struct Leg {
    /// Empty: what DNS or the literal says.
    relay: Arc<[NextHop]>,
    terms: Arc<Terms>,
}

impl Routes {
    /// Of `conf`.
    pub fn new(conf: &Config) -> Self {
        let mut own = HashMap::new();
        for domain in &conf.domains {
            own.entry(domain.name.clone())
                .or_insert_with(|| Leg::to_own(domain));
        }
        own.retain(|_, leg: &mut Leg| !leg.relay.is_empty());
        Self {
            own,
            index: PatternIndex::new(conf.routes.iter().map(|route| &route.domain)),
            routes: conf.routes.iter().map(Leg::of_route).collect(),
            unrouted: Leg::new(&[], RelayTls::Opportunistic, None, None),
        }
    }

    /// The way for `host`.
    pub fn find(&self, host: &Host) -> Route {
        let own = match host {
            Host::Domain(domain) => self.own.get(domain),
            Host::Literal(_) => None,
        };
        let routed = || self.routes.get(self.index.first(host)?);
        let leg = own.or_else(routed).unwrap_or(&self.unrouted);
        let way = match (leg.relay.is_empty(), host) {
            (false, _) => Way::Hops(Arc::clone(&leg.relay)),
            (true, Host::Domain(domain)) => Way::Mx(domain.clone()),
            (true, Host::Literal(address)) => Way::Literal(*address),
        };
        Route {
            way,
            terms: Arc::clone(&leg.terms),
        }
    }
}

impl Leg {
    fn new(
        relay: &[NextHop],
        tls: RelayTls,
        ca: Option<PathBuf>,
        sasl: Option<RelayLogin>,
    ) -> Self {
        Self {
            relay: relay.into(),
            terms: Arc::new(Terms { tls, ca, sasl }),
        }
    }

    fn to_own(domain: &DomainConf) -> Self {
        Self::new(&domain.relay, domain.tls, domain.ca.clone(), None)
    }

    fn of_route(route: &RouteConf) -> Self {
        let (ca, sasl) = (route.ca.clone(), route.sasl.clone());
        Self::new(&route.relay, route.tls, ca, sasl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DomainPattern;

    fn hop(port: u16) -> NextHop {
        NextHop {
            host: Host::Literal([127, 0, 0, 1].into()),
            port,
        }
    }

    fn hops(port: u16) -> Way {
        Way::Hops([hop(port)].into())
    }

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    fn route(pattern: DomainPattern, port: Option<u16>) -> RouteConf {
        RouteConf {
            domain: pattern,
            relay: port.map(hop).into_iter().collect(),
            tls: RelayTls::Required,
            ca: None,
            sasl: None,
        }
    }

    fn own(name: &str, port: Option<u16>) -> DomainConf {
        DomainConf {
            name: domain(name),
            relay: port.map(hop).into_iter().collect(),
            owner: None,
            tls: RelayTls::Off,
            ca: None,
        }
    }

    fn conf() -> Config {
        let mut conf = Config::fallback(domain("mail.example.org"), "/nowhere".into());
        conf.domains = vec![own("ours.test", Some(1)), own("bare.test", None)];
        conf.routes = vec![
            route(DomainPattern::Exact(domain("ours.test")), Some(2)),
            route(DomainPattern::Exact(domain("one.test")), Some(3)),
            route(DomainPattern::Below(domain("one.test")), Some(4)),
            route(DomainPattern::Exact(domain("mx.test")), None),
            route(DomainPattern::Exact(domain("bare.test")), Some(5)),
        ];
        conf
    }

    #[test]
    fn the_first_that_fits_shows_the_way() {
        let mx = |text: &str| Way::Mx(domain(text));
        let routes = Routes::new(&conf());
        for (host, way, tls) in [
            ("ours.test", hops(1), RelayTls::Off),
            ("one.test", hops(3), RelayTls::Required),
            ("a.one.test", hops(4), RelayTls::Required),
            ("mx.test", mx("mx.test"), RelayTls::Required),
            ("bare.test", hops(5), RelayTls::Required),
            ("else.test", mx("else.test"), RelayTls::Opportunistic),
        ] {
            let route = routes.find(&Host::Domain(domain(host)));
            assert_eq!((route.way, route.terms.tls), (way, tls), "case: {host}");
        }
    }

    #[test]
    fn a_literal_goes_there_unless_everything_is_routed() {
        let literal = Host::Literal([192, 0, 2, 1].into());
        let mut conf = conf();
        let way = Routes::new(&conf).find(&literal).way;
        assert_eq!(way, Way::Literal([192, 0, 2, 1].into()));
        conf.routes.push(route(DomainPattern::Any, Some(6)));
        assert_eq!(Routes::new(&conf).find(&literal).way, hops(6));
    }

    /// What the configuration means, read from top to bottom.
    fn walked(conf: &Config, domain: &Domain) -> Way {
        let own = conf.domains.iter().find(|own| own.name == *domain);
        if let Some(own) = own.filter(|own| !own.relay.is_empty()) {
            return Way::Hops(own.relay.clone().into());
        }
        let routed = conf
            .routes
            .iter()
            .find(|route| route.domain.matches(domain));
        match routed.filter(|route| !route.relay.is_empty()) {
            Some(route) => Way::Hops(route.relay.clone().into()),
            None => Way::Mx(domain.clone()),
        }
    }

    #[test]
    fn the_way_is_that_of_a_walk_through_the_configuration() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut name = || {
                let labels = [0; 2].map(|_| random.choice(["a", "b", "c"]).unwrap());
                labels.join(".")
            };
            let mut conf = conf();
            for port in 10..20 {
                let pattern = match port % 3 {
                    0 => DomainPattern::Below(domain(&name())),
                    _ => DomainPattern::Exact(domain(&name())),
                };
                conf.routes
                    .push(route(pattern, (port % 5 > 0).then_some(port)));
                if conf.domains.len() < 6 {
                    conf.domains
                        .push(own(&name(), (port % 4 > 0).then_some(port)));
                }
            }
            let routes = Routes::new(&conf);
            for _ in 0..20 {
                for text in [name(), format!("c.{}", name())] {
                    let asked = domain(&text);
                    let found = routes.find(&Host::Domain(asked.clone())).way;
                    assert_eq!(found, walked(&conf, &asked), "seed {seed}: {asked}");
                }
            }
        }
    }
}
