//! What two sections say together: names and ports twice, names that nobody has, mail that would run in a circle.
//!
//! Each finding is noted at the later of the two places, because the earlier one was there first.
//! Not here: the sections of held mail (`cross_held`).

use std::collections::HashMap;
use std::net::SocketAddr;

use super::cross_held::Held;
use super::file::{Fault, Section};
use super::scanner::Looked;
use super::section::Placed;
use super::{
    AccountConf, DomainConf, ListenerConf, NextHop, PatternIndex, Role, RouteConf, Stage,
    TenantConf, default,
};
use crate::base::size::ByteSize;
use crate::base::text::nearest;
use crate::mail::domain::Domain;
use crate::mail::mailbox::{Host, Mailbox};

/// Every section that others speak of.
pub(super) struct All<'a, 'n, 'i> {
    pub(super) root: &'a Section<'n, 'i>,
    pub(super) server: &'a Section<'n, 'i>,
    pub(super) tenants: &'a [Placed<'n, 'i, TenantConf>],
    pub(super) listeners: &'a [Placed<'n, 'i, ListenerConf>],
    pub(super) accounts: &'a [Placed<'n, 'i, AccountConf>],
    pub(super) domains: &'a [Placed<'n, 'i, DomainConf>],
    pub(super) routes: &'a [Placed<'n, 'i, RouteConf>],
    pub(super) held: &'a Held<'n, 'i>,
    pub(super) looked: &'a Looked<'n, 'i>,
    pub(super) hostname: Option<&'a Domain>,
    pub(super) max_message_size: ByteSize,
    pub(super) hold_broken_mime: bool,
}

impl All<'_, '_, '_> {
    /// The first domain's owner.
    pub(super) fn postmaster(&self) -> Option<Mailbox> {
        self.domains.first()?.conf.owner.clone()
    }

    /// Notes all findings.
    pub(super) fn check(&self) {
        twice(self.tenants, "id", |tenant| tenant.id.clone());
        twice(self.accounts, "name", |account| account.name.clone());
        twice(self.domains, "name", |domain| domain.name.to_string());
        self.check_binds();
        self.check_tenants();
        self.check_mx();
        self.check_routes();
        self.check_circles();
        self.check_held();
        self.check_scanners();
    }

    /// Exceptions that name nobody, and a scanner that has the name of a check of ours.
    fn check_scanners(&self) {
        twice(&self.looked.scanners, "name", |scanner| {
            scanner.name.clone()
        });
        let own = Stage::Attachments.word();
        for scanner in &self.looked.scanners {
            // What either found would be taken back by the other.
            if scanner.conf.name == own {
                let fault = Fault::new(
                    format!("\"{own}\" is the name of the look into attachments that is built in"),
                    "write another one, such as \"clam\"",
                );
                scanner.at.fault("name", fault);
            }
        }
        let mut known: Vec<&str> = vec![own];
        known.extend(
            self.looked
                .scanners
                .iter()
                .map(|one| one.conf.name.as_str()),
        );
        for exception in &self.looked.exceptions {
            for name in &exception.conf.scanners {
                if known.contains(&name.as_str()) {
                    continue;
                }
                let remedy = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("write some of {}", known.join(", ")),
                };
                let fault = Fault::new(format!("there is no [[scanner]] \"{name}\""), remedy);
                exception.at.fault("scanners", fault);
            }
        }
    }

    fn check_binds(&self) {
        if self.listeners.is_empty() && !self.root.has("listener") {
            let fault = Fault::new(
                "there is no listener, so no mail can come in by SMTP",
                "write [[listener]] with bind = \"127.0.0.1:2525\" and role = \"submission\"",
            );
            self.root.warn("listener", fault);
        }
        for (n, later) in self.listeners.iter().enumerate() {
            let earlier = self.listeners.iter().take(n);
            let taken = earlier
                .map(|one| one.conf.bind)
                .find(|bind| collide(*bind, later.conf.bind));
            if let Some(bind) = taken {
                let fault = Fault::new(
                    format!("another listener has {bind} already"),
                    "write another address or port, or remove one of the two",
                );
                later.at.fault("bind", fault);
            }
        }
    }

    fn check_tenants(&self) {
        let known: Vec<&str> = if self.tenants.is_empty() {
            vec![default::TENANT]
        } else {
            self.tenants
                .iter()
                .map(|one| one.conf.id.as_str())
                .collect()
        };
        for account in self.accounts {
            let tenant = account.conf.tenant.as_str();
            if known.contains(&tenant) {
                continue;
            }
            let remedy = match nearest(tenant, known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("write one of {}, or add a [[tenant]]", known.join(", ")),
            };
            let fault = Fault::new(format!("there is no tenant \"{tenant}\""), remedy);
            account.at.fault("tenant", fault);
        }
    }

    fn check_mx(&self) {
        let mx = |one: &&Placed<'_, '_, ListenerConf>| one.conf.role == Role::Mx;
        let Some(listener) = self.listeners.iter().find(mx) else {
            return;
        };
        if self.domains.is_empty() && !self.root.has("domain") {
            let fault = Fault::new(
                "there is no [[domain]], so this listener refuses every recipient",
                "write [[domain]] with name = \"example.org\", or role = \"submission\"",
            );
            listener.at.warn("role", fault);
        }
        if !self.server.has("postmaster") && self.postmaster().is_none() {
            // RFC 5321 section 4.5.1: postmaster must be deliverable, also without a domain.
            let fault = Fault::new(
                "an mx listener must take mail for postmaster, and nobody is named",
                "write postmaster = \"you@example.org\", or `owner` in the first [[domain]]",
            );
            self.server.fault("postmaster", fault);
        }
    }

    fn check_routes(&self) {
        // An index, because a file can have 20,000 routes: each of them beside all others would take minutes.
        let mut index = PatternIndex::default();
        for (n, later) in self.routes.iter().enumerate() {
            let covering = index.covering(&later.conf.domain);
            index.add(&later.conf.domain, n);
            if let Some(earlier) = covering.and_then(|place| self.routes.get(place)) {
                let fault = Fault::new(
                    format!(
                        "it is never reached: the route for \"{}\" comes first",
                        earlier.conf.domain
                    ),
                    "move this one before it",
                );
                later.at.warn("domain", fault);
            }
        }
        for domain in self.domains {
            let name = &domain.conf.name;
            if domain.conf.relay.is_empty()
                && !domain.at.has("relay")
                && index.first(&Host::Domain(name.clone())).is_none()
            {
                let fault = Fault::new(
                    format!("mail for {name} has no next hop, and its MX is probably this server"),
                    "write relay = [\"HOST:PORT\"] of the server with the mailboxes",
                );
                domain.at.warn("relay", fault);
            }
        }
    }

    fn check_circles(&self) {
        let ours = |hop: &&NextHop| {
            let Host::Literal(ip) = hop.host else {
                return false;
            };
            let hop = SocketAddr::new(ip.to_canonical(), hop.port);
            self.listeners.iter().any(|one| {
                let own = one.conf.bind;
                own == hop
                    || (own.ip().is_unspecified()
                        && hop.ip().is_loopback()
                        && own.port() == hop.port())
            })
        };
        let circle = |hop: &NextHop| {
            Fault::new(
                format!("{hop} is this server itself: mail would run in a circle"),
                "write the address of another server",
            )
        };
        for route in self.routes {
            if let Some(hop) = route.conf.relay.iter().find(ours) {
                route.at.fault("relay", circle(hop));
            }
        }
        for domain in self.domains {
            if let Some(hop) = domain.conf.relay.iter().find(ours) {
                domain.at.fault("relay", circle(hop));
            }
        }
    }
}

/// Two listeners on one port: the same address, or one of them is all addresses of the family. Port 0 is a new one
/// each time.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0
        && a.port() == b.port()
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

pub(super) fn twice<T>(all: &[Placed<'_, '_, T>], key: &'static str, name: impl Fn(&T) -> String) {
    let mut seen: HashMap<String, ()> = HashMap::new();
    for one in all {
        let name = name(&one.conf);
        if seen.insert(name.clone(), ()).is_some() {
            let fault = Fault::new(
                format!("\"{name}\" stands twice"),
                "remove one of the two, or give it another name",
            );
            one.at.fault(key, fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DomainPattern;

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        for (wide, narrow, covers) in [
            ("*", "example.org", true),
            ("*", "*", true),
            ("*.example.org", "a.example.org", true),
            ("*.example.org", "example.org", false),
            ("*.example.org", "*.a.example.org", true),
            ("example.org", "*", false),
        ] {
            let parse = |text| DomainPattern::parse(text).unwrap();
            assert_eq!(
                parse(wide).covers(&parse(narrow)),
                covers,
                "{wide} {narrow}"
            );
        }
    }

    #[test]
    fn all_addresses_and_one_of_them_collide_on_a_port() {
        for (a, b, both) in [
            ("0.0.0.0:25", "127.0.0.1:25", true),
            ("127.0.0.1:25", "127.0.0.2:25", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("[::]:25", "0.0.0.0:25", false),
        ] {
            assert_eq!(
                collide(a.parse().unwrap(), b.parse().unwrap()),
                both,
                "{a} {b}"
            );
        }
    }
}
