//! Which way mail for a host goes: the domain's own relay, then the first route that fits, then MX; literals go there.
//!
//! Pure: configuration and host in, way out. Not here: names become addresses in `connect`, MX hosts in `plan`.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::config::{Config, DomainPattern, NextHop, RelayLogin, RelayTls};
use crate::mail::domain::Domain;
use crate::mail::mailbox::Host;

/// A way, and how to talk at its end.
#[derive(Clone, Debug)]
pub struct Route {
    /// Where to.
    pub way: Way,
    /// TLS there.
    pub tls: RelayTls,
    /// PEM of roots, instead of the system's.
    pub ca: Option<PathBuf>,
    /// AUTH there.
    pub sasl: Option<RelayLogin>,
}

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// These, in order.
    Hops(Vec<NextHop>),
    /// The hosts that DNS names.
    Mx(Domain),
    /// That address (RFC 5321 section 4.1.3).
    Literal(IpAddr),
}

impl Route {
    /// The way for `host`.
    pub fn find(conf: &Config, host: &Host) -> Self {
        if let Host::Domain(domain) = host
            && let Some(own) = conf.domains.iter().find(|own| own.name == *domain)
            && !own.relay.is_empty()
        {
            return Self {
                way: Way::Hops(own.relay.clone()),
                tls: own.tls,
                ca: own.ca.clone(),
                sasl: None,
            };
        }
        let direct = match host {
            Host::Domain(domain) => Way::Mx(domain.clone()),
            Host::Literal(address) => Way::Literal(*address),
        };
        let Some(found) = conf.routes.iter().find(|route| fits(&route.domain, host)) else {
            return Self {
                way: direct,
                tls: RelayTls::Opportunistic,
                ca: None,
                sasl: None,
            };
        };
        Self {
            way: if found.relay.is_empty() {
                direct
            } else {
                Way::Hops(found.relay.clone())
            },
            tls: found.tls,
            ca: found.ca.clone(),
            sasl: found.sasl.clone(),
        }
    }

    /// Names everything that makes two connections interchangeable, `hosts` apart: a mail that requires TLS must not
    /// go out on a connection without it.
    pub fn key(&self, hosts: &str) -> String {
        let mut key = format!("{hosts} {:?}", self.tls);
        if let Some(ca) = &self.ca {
            key.push_str(&format!(" {}", ca.display()));
        }
        if let Some(login) = &self.sasl {
            key.push_str(&format!(" {}", login.user));
        }
        key
    }
}

/// A literal fits only `*`: it is below no domain.
fn fits(pattern: &DomainPattern, host: &Host) -> bool {
    match (pattern, host) {
        (DomainPattern::Any, Host::Domain(_) | Host::Literal(_)) => true,
        (DomainPattern::Exact(wanted), Host::Domain(domain)) => domain == wanted,
        (DomainPattern::Below(parent), Host::Domain(domain)) => {
            domain != parent && domain.is_within(parent)
        }
        (DomainPattern::Exact(_) | DomainPattern::Below(_), Host::Literal(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DomainConf, RouteConf};

    fn hop(port: u16) -> NextHop {
        NextHop {
            host: Host::Literal([127, 0, 0, 1].into()),
            port,
        }
    }

    fn conf() -> Config {
        let route = |domain, port: Option<u16>| RouteConf {
            domain,
            relay: port.map(hop).into_iter().collect(),
            tls: RelayTls::Required,
            ca: None,
            sasl: None,
        };
        let domain = |text: &str| text.parse::<Domain>().unwrap();
        let mut conf = Config::fallback(domain("mail.example.org"), "/nowhere".into());
        conf.domains.push(DomainConf {
            name: domain("ours.test"),
            relay: vec![hop(1)],
            owner: None,
            tls: RelayTls::Off,
            ca: None,
        });
        conf.routes = vec![
            route(DomainPattern::Exact(domain("ours.test")), Some(2)),
            route(DomainPattern::Exact(domain("one.test")), Some(3)),
            route(DomainPattern::Below(domain("one.test")), Some(4)),
            route(DomainPattern::Exact(domain("mx.test")), None),
        ];
        conf
    }

    #[test]
    fn the_first_that_fits_shows_the_way() {
        let mx = |text: &str| Way::Mx(text.parse().unwrap());
        for (host, way, tls) in [
            ("ours.test", Way::Hops(vec![hop(1)]), RelayTls::Off),
            ("one.test", Way::Hops(vec![hop(3)]), RelayTls::Required),
            ("a.one.test", Way::Hops(vec![hop(4)]), RelayTls::Required),
            ("mx.test", mx("mx.test"), RelayTls::Required),
            ("else.test", mx("else.test"), RelayTls::Opportunistic),
        ] {
            let route = Route::find(&conf(), &Host::Domain(host.parse().unwrap()));
            assert_eq!((route.way, route.tls), (way, tls), "case: {host}");
        }
    }

    #[test]
    fn a_literal_goes_there_unless_everything_is_routed() {
        let literal = Host::Literal([192, 0, 2, 1].into());
        let mut conf = conf();
        assert_eq!(
            Route::find(&conf, &literal).way,
            Way::Literal([192, 0, 2, 1].into())
        );
        let mut all = conf.routes[1].clone();
        all.domain = DomainPattern::Any;
        conf.routes.push(all);
        assert_eq!(Route::find(&conf, &literal).way, Way::Hops(vec![hop(3)]));
    }

    #[test]
    fn connections_are_shared_only_by_routes_that_ask_the_same() {
        let secure = Route::find(&conf(), &Host::Domain("one.test".parse().unwrap()));
        let mut clear = secure.clone();
        clear.tls = RelayTls::Off;
        assert_ne!(secure.key("a:25"), clear.key("a:25"));
    }
}
