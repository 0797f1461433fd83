//! Where the mail of a host goes under the configuration in force, and what DNS said of it.
//!
//! What is remembered of DNS is only DNS's own words. The way follows from them and from the configuration each time,
//! so that a reload can leave nothing behind that was true before it. Pure but for the look at a file of roots.
//! Not here: asking DNS, and who waits for its answer (`dispatch`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::plan::Plan;
use super::route::{Routes, Way};
use super::trouble::Trouble;
use crate::base::clock::Mono;
use crate::base::limit::DOMAINS_LEARNED_MAX;
use crate::config::Config;
use crate::mail::domain::Domain;
use crate::mail::mailbox::Host;
use crate::net::dns::{DnsFault, MailHosts};

/// The ways of the configuration in force.
#[derive(Debug)]
pub struct Ways {
    conf: Arc<Config>,
    routes: Routes,
    /// Port of hosts that no configuration names.
    port: u16,
    heard: HashMap<Domain, Heard>,
}

/// What DNS said of a domain.
#[derive(Debug)]
struct Heard {
    said: Result<MailHosts, DnsFault>,
    until: Mono,
    /// What followed from it last time.
    plan: Option<Arc<Plan>>,
}

/// Where a host's mail goes.
#[derive(Clone, Debug)]
pub enum Found {
    /// There.
    Plan(Arc<Plan>),
    /// Nowhere, and why.
    Nowhere(Trouble),
    /// DNS must be asked for the hosts of that domain.
    Ask(Domain),
}

impl Ways {
    /// Nothing is known of DNS yet.
    pub fn new(conf: Arc<Config>, port: u16) -> Self {
        Self {
            routes: Routes::new(&conf),
            conf,
            port,
            heard: HashMap::new(),
        }
    }

    /// Takes what is in force now; whether it is something new, so that no way found before may be gone any more.
    pub fn follow(&mut self, conf: &Arc<Config>) -> bool {
        if Arc::ptr_eq(&self.conf, conf) {
            return false;
        }
        self.routes = Routes::new(conf);
        self.conf = Arc::clone(conf);
        // What waited for DNS is looked at anew, and must not use up a try without a question.
        self.heard
            .retain(|_, heard| !matches!(heard.said, Err(DnsFault::NotNow { .. })));
        true
    }

    /// DNS was asked for the hosts of `domain`.
    pub fn hear(&mut self, domain: Domain, said: Result<MailHosts, DnsFault>, now: Mono) {
        let ttl = match &said {
            Ok(found) => found.ttl,
            Err(DnsFault::NotNow { .. }) => NOT_NOW_TTL,
            Err(
                DnsFault::NoSuchDomain(_)
                | DnsFault::NullMx(_)
                | DnsFault::NoAddress(_)
                | DnsFault::UnusableMx(_),
            ) => NO_TTL,
        };
        let heard = Heard {
            said,
            until: now + ttl,
            plan: None,
        };
        self.heard.insert(domain, heard);
    }

    /// Where mail for `host` goes.
    pub fn find(&mut self, host: &Host, now: Mono) -> Found {
        let route = self.routes.find(host);
        let (terms, port, conf) = (&route.terms, self.port, &self.conf);
        let domain = match route.way {
            Way::Hops(hops) => return Found::Plan(Arc::new(Plan::by_relay(terms, &hops, conf))),
            Way::Literal(address) => {
                return Found::Plan(Arc::new(Plan::by_literal(terms, address, port, conf)));
            }
            Way::Mx(domain) => domain,
        };
        let Some(heard) = self.heard.get_mut(&domain).filter(|of| of.until > now) else {
            return Found::Ask(domain);
        };
        let found = match &heard.said {
            Ok(found) => found,
            Err(fault) => return Found::Nowhere(Trouble::Domain(fault.clone())),
        };
        // A file of roots may be another one by now, so that its plan is made anew.
        let good = |plan: &&Arc<Plan>| plan.is_under(conf) && plan.ca.is_none();
        if let Some(plan) = heard.plan.as_ref().filter(good) {
            return Found::Plan(Arc::clone(plan));
        }
        match Plan::by_mx(terms, &domain, found, port, conf) {
            Ok(plan) => {
                let plan = Arc::new(plan);
                heard.plan = Some(Arc::clone(&plan));
                Found::Plan(plan)
            }
            Err(trouble) => Found::Nowhere(trouble),
        }
    }

    /// A person wants mail for `host` tried: what DNS could not say is asked again.
    pub fn ask_again(&mut self, host: &Host) {
        if let Host::Domain(domain) = host
            && let Some(heard) = self.heard.get(domain)
            && matches!(heard.said, Err(DnsFault::NotNow { .. }))
        {
            self.heard.remove(domain);
        }
    }

    /// Keeps what is remembered within its bound.
    pub fn forget(&mut self, now: Mono) {
        if self.heard.len() > DOMAINS_LEARNED_MAX {
            self.heard.retain(|_, heard| heard.until > now);
            if self.heard.len() > DOMAINS_LEARNED_MAX {
                self.heard.clear();
            }
        }
    }
}

/// After a name server could not answer, the domain is asked for again at most once a minute.
const NOT_NOW_TTL: Duration = Duration::from_secs(60);
/// A name that does not exist may be registered soon.
const NO_TTL: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DomainPattern, NextHop, RelayTls, RouteConf};
    use crate::deliver::plan::SiteKey;
    use crate::net::dns::MailHost;

    const START: Mono = Mono(0);

    fn conf() -> Config {
        let name = "mail.example.org".parse().unwrap();
        Config::fallback(name, "/nowhere".into())
    }

    fn host(name: &str) -> Host {
        Host::Domain(name.parse().unwrap())
    }

    fn said(name: &str) -> Result<MailHosts, DnsFault> {
        let host = MailHost {
            preference: 10,
            name: name.parse().unwrap(),
        };
        Ok(MailHosts {
            hosts: vec![host],
            ttl: Duration::from_secs(60),
        })
    }

    fn key(found: &Found) -> SiteKey {
        match found {
            Found::Plan(plan) => plan.key.clone(),
            Found::Nowhere(_) | Found::Ask(_) => panic!("no plan: {found:?}"),
        }
    }

    fn route(tls: RelayTls, relay: Vec<NextHop>) -> RouteConf {
        RouteConf {
            domain: DomainPattern::Exact("a.test".parse().unwrap()),
            relay,
            tls,
            ca: None,
            sasl: None,
        }
    }

    #[test]
    fn dns_is_asked_once_and_again_when_its_word_has_expired() {
        let mut ways = Ways::new(Arc::new(conf()), 25);
        let host = host("a.test");
        assert!(matches!(ways.find(&host, START), Found::Ask(_)));
        ways.hear("a.test".parse().unwrap(), said("mx.test"), START);
        let plan = key(&ways.find(&host, START));
        assert_eq!(
            key(&ways.find(&host, START + Duration::from_secs(59))),
            plan
        );
        let late = START + Duration::from_secs(60);
        assert!(matches!(ways.find(&host, late), Found::Ask(_)));
    }

    #[test]
    fn what_dns_could_not_say_is_asked_again_when_a_person_wants_it() {
        let mut ways = Ways::new(Arc::new(conf()), 25);
        let (late, gone) = (host("late.test"), host("gone.test"));
        let name = |text: &str| text.parse::<Domain>().unwrap();
        let why = "no answer".to_owned();
        let not_now = DnsFault::NotNow {
            name: name("late.test"),
            why,
        };
        ways.hear(name("late.test"), Err(not_now), START);
        let never = DnsFault::NoSuchDomain(name("gone.test"));
        ways.hear(name("gone.test"), Err(never), START);
        for host in [&late, &gone] {
            assert!(matches!(ways.find(host, START), Found::Nowhere(_)));
            ways.ask_again(host);
        }
        assert!(matches!(ways.find(&late, START), Found::Ask(_)));
        assert!(matches!(ways.find(&gone, START), Found::Nowhere(_)));
    }

    #[test]
    fn a_reload_changes_the_terms_of_hosts_that_dns_named_before() {
        let mut ways = Ways::new(Arc::new(conf()), 25);
        ways.hear("a.test".parse().unwrap(), said("mx.test"), START);
        let before = ways.find(&host("a.test"), START);
        let mut secure = conf();
        secure.routes.push(route(RelayTls::Required, Vec::new()));
        let secure = Arc::new(secure);
        assert!(ways.follow(&secure) && !ways.follow(&secure));
        let Found::Plan(plan) = ways.find(&host("a.test"), START) else {
            panic!("DNS need not be asked again");
        };
        assert_eq!(plan.tls, RelayTls::Required);
        assert!(plan.is_under(&secure));
        assert_ne!(key(&before), plan.key);
    }

    #[test]
    fn a_reload_under_another_name_finds_the_loop() {
        let mut ways = Ways::new(Arc::new(conf()), 25);
        ways.hear("a.test".parse().unwrap(), said("mx.test"), START);
        drop(key(&ways.find(&host("a.test"), START)));
        let mut renamed = conf();
        renamed.server.hostname = "mx.test".parse().unwrap();
        ways.follow(&Arc::new(renamed));
        let found = ways.find(&host("a.test"), START);
        assert!(
            matches!(found, Found::Nowhere(Trouble::Loop(_))),
            "{found:?}"
        );
    }

    /// A stranger names our relay's host as MX; whoever writes to both must not make them one.
    #[test]
    fn a_stranger_who_names_our_relay_gets_a_site_of_his_own() {
        let mut conf = conf();
        let relay = NextHop {
            host: host("store.ours.test"),
            port: 25,
        };
        conf.routes
            .push(route(RelayTls::Opportunistic, vec![relay]));
        let mut ways = Ways::new(Arc::new(conf), 25);
        let stranger = "stranger.test";
        ways.hear(stranger.parse().unwrap(), said("store.ours.test"), START);
        let (ours, theirs) = (
            ways.find(&host("a.test"), START),
            ways.find(&host(stranger), START),
        );
        assert_ne!(key(&ours), key(&theirs));
        let foreign = |found: &Found| matches!(found, Found::Plan(plan) if plan.foreign);
        assert!(foreign(&theirs) && !foreign(&ours));
    }
}
