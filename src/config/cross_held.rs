//! What `[admin]`, `[digest]`, `[hold]` and the hold rules say together, and with the rest of the file.
//!
//! A digest without links still works, so that is a warning, unless links were demanded.
//! Not here: what one section alone can tell (`admin`, `digest`, `rule`).

use std::net::SocketAddr;

use super::admin::is_blank;
use super::cross::{All, collide, twice};
use super::digest::longest_wait;
use super::file::{Fault, Section};
use super::kind::{list, string};
use super::section::Placed;
use super::value::mailbox;
use super::{
    ActionLinks, AdminConf, DigestConf, HoldRule, HoldsConf, LinksConf, PublicUrl, RateAction,
};
use crate::base::limit;
use crate::base::size::show_span;
use crate::mail::hold::HoldQueue;
use crate::mail::mailbox::Mailbox;

/// The sections of held mail.
pub(super) struct Held<'n, 'i> {
    pub(super) admin: Placed<'n, 'i, AdminConf>,
    pub(super) digest: Placed<'n, 'i, DigestConf>,
    pub(super) links: LinksConf,
    pub(super) hold: Placed<'n, 'i, HoldsConf>,
    pub(super) rules: Vec<Placed<'n, 'i, HoldRule>>,
}

/// Why digests cannot carry links.
struct Lack {
    what: String,
    remedy: String,
}

impl All<'_, '_, '_> {
    /// Administrators when `[digest] to` is not written: whoever is postmaster.
    pub(super) fn administrators(&self, postmaster: Option<&Mailbox>) -> Vec<Mailbox> {
        let digest = &self.held.digest;
        if digest.at.has("to") {
            digest.conf.to.clone()
        } else {
            postmaster.cloned().into_iter().collect()
        }
    }

    /// Notes all findings.
    pub(super) fn check_held(&self) {
        self.check_doors();
        self.check_unused();
        self.check_url();
        self.check_links();
        self.check_told();
        self.check_expiry();
        self.check_rules();
    }

    /// Ports of `[admin]`: none may be another's.
    fn check_doors(&self) {
        let Placed { conf, at } = &self.held.admin;
        let listener = |own: SocketAddr| {
            let mut binds = self.listeners.iter().map(|one| one.conf.bind);
            binds.find(|bind| collide(*bind, own))
        };
        for (key, own) in [("bind", conf.bind), ("http_bind", conf.http_bind)] {
            if let Some(taken) = own.and_then(listener) {
                let fault = Fault::new(
                    format!("the [[listener]] {taken} has this port already"),
                    "write another port",
                );
                at.fault(key, fault);
            }
        }
        if let (Some(bind), Some(http)) = (conf.bind, conf.http_bind)
            && collide(bind, http)
        {
            let fault = Fault::new(
                format!("`bind` has {bind} already, and speaks HTTPS there"),
                "write another port, such as 80, or remove the key",
            );
            at.fault("http_bind", fault);
        }
    }

    /// Keys of `[admin]` that do nothing as they stand.
    fn check_unused(&self) {
        let Placed { conf, at } = &self.held.admin;
        if conf.bind.is_none() {
            if at.has("bind") && !is_blank(at, "bind") {
                return;
            }
            let written: Vec<&'static str> = [
                ("public_url", conf.public_url.is_some()),
                ("http_bind", conf.http_bind.is_some()),
                ("metrics_token", conf.metrics_token.is_some()),
                ("trust_proxy", !conf.trust_proxy.is_empty()),
                ("connections", conf.connections.is_some()),
            ]
            .into_iter()
            .filter_map(|(key, written)| written.then_some(key))
            .collect();
            if let Some(first) = written.first() {
                let fault = Fault::new(
                    format!(
                        "nothing answers without `bind`, so {} does nothing",
                        written.join(", ")
                    ),
                    "write bind = \"0.0.0.0:8443\" too",
                );
                at.warn(first, fault);
            }
        } else if conf.http_bind.is_some() {
            let (what, remedy) = match &conf.public_url {
                Some(url) if url.https => return,
                Some(_) => (
                    "it only redirects to HTTPS, and public_url is http://",
                    "remove it, or write public_url = \"https://HOST:PORT/\"",
                ),
                None if at.has("public_url") && !is_blank(at, "public_url") => return,
                None => (
                    "it only redirects to public_url, and there is none",
                    "write public_url = \"https://HOST:PORT/\" too",
                ),
            };
            at.warn("http_bind", Fault::new(what, remedy));
        }
    }

    /// A `public_url` that pages, logins and links cannot use.
    fn check_url(&self) {
        let Placed { conf, at } = &self.held.admin;
        let Some(url) = conf.public_url.as_ref().filter(|url| !url.https) else {
            return;
        };
        if !url.is_safe() {
            let lack = unsafe_url(url);
            // Demanded links make an error of it, and one is enough.
            if self.held.digest.conf.action_links != ActionLinks::On {
                at.warn("public_url", Fault::new(lack.what, lack.remedy));
            }
        } else if let Some(bind) = conf.bind
            && !conf.is_plain()
        {
            let fault = Fault::new(
                format!(
                    "{bind} can be reached from elsewhere, so it speaks HTTPS only, and public_url says http://"
                ),
                format!(
                    "write bind = \"127.0.0.1:{}\", or public_url = \"https://HOST:PORT/\"",
                    bind.port()
                ),
            );
            at.fault("bind", fault);
        }
    }

    fn check_links(&self) {
        let Placed { conf, at } = &self.held.digest;
        let Some(lack) = self.lack() else {
            return;
        };
        match conf.action_links {
            ActionLinks::Off => {}
            ActionLinks::On => at.fault("action_links", Fault::new(lack.what, lack.remedy)),
            ActionLinks::Auto => {
                // What stands there was told at its own place.
                let told = at.has("action_links") && !is_auto(at);
                if !told && self.held.admin.conf.public_url.is_none() && self.is_anybody_told() {
                    let remedy = format!("{}, or action_links = false in [digest]", lack.remedy);
                    let what = format!("digests will have no links: {}", lack.what);
                    at.warn("action_links", Fault::new(what, remedy));
                }
            }
        }
    }

    /// What `[admin]` lacks for links; none when it has all, or when what is wrong with it was told.
    fn lack(&self) -> Option<Lack> {
        let Placed { conf, at } = &self.held.admin;
        let wrong = |key, read: bool| !read && at.has(key) && !is_blank(at, key);
        if conf.can_link()
            || wrong("bind", conf.bind.is_some())
            || wrong("public_url", conf.public_url.is_some())
        {
            return None;
        }
        let Some(url) = &conf.public_url else {
            let host = self.hostname.map_or("HOST", |host| host.as_str());
            let port = conf.bind.map_or(8443, |bind| bind.port());
            let url = format!("public_url = \"https://{host}:{port}/\"");
            return Some(match conf.bind {
                Some(_) => Lack {
                    what: "[admin] has no public_url that they could lead to".to_owned(),
                    remedy: format!("write {url} in [admin]"),
                },
                None => Lack {
                    what: "[admin] has no bind and no public_url that they could lead to"
                        .to_owned(),
                    remedy: format!("write bind = \"0.0.0.0:8443\" and {url} in [admin]"),
                },
            });
        };
        Some(if url.is_safe() {
            Lack {
                what: format!("nothing answers at {url}: [admin] has no bind"),
                remedy: "write bind = \"0.0.0.0:8443\" in [admin]".to_owned(),
            }
        } else {
            unsafe_url(url)
        })
    }

    /// Whether a digest can go to anybody.
    fn is_anybody_told(&self) -> bool {
        let owned = self.held.digest.conf.owners
            && (self.accounts.iter().any(|one| one.conf.owner.is_some())
                || self.domains.iter().any(|one| one.conf.owner.is_some()));
        owned || self.has_administrator()
    }

    fn has_administrator(&self) -> bool {
        let Held { digest, hold, .. } = self.held;
        let own = |queue| !hold.conf.of(queue).to.is_empty();
        let default =
            !digest.at.has("to") && (self.server.has("postmaster") || self.postmaster().is_some());
        // A wrong list was told.
        let wrong = |value| Ok::<_, Fault>(list(mailbox)(value).is_err());
        let written = !digest.conf.to.is_empty() || digest.at.get("to", wrong).unwrap_or(false);
        default || written || HoldQueue::ALL.into_iter().all(own)
    }

    /// Mail that this file holds, and nobody who would hear of it.
    fn check_told(&self) {
        if self.has_administrator() {
            return;
        }
        let holding = |one: &&Placed<'_, '_, super::AccountConf>| {
            let action = one.conf.rate.map(|rate| rate.action);
            one.conf.hold || action == Some(RateAction::Hold)
        };
        let why = if !self.held.rules.is_empty() {
            "[[hold_rule]]".to_owned()
        } else if let Some(account) = self.accounts.iter().find(holding) {
            format!("the account {}", account.conf.name)
        } else if self.hold_broken_mime {
            "[checks] broken_mime".to_owned()
        } else {
            return;
        };
        let fault = Fault::new(
            format!("{why} holds mail, and no administrator would be told of it"),
            "write to = [\"you@example.org\"] in [digest], or [server] postmaster",
        );
        self.held.digest.at.warn("to", fault);
    }

    /// Mail that can be gone before a digest told of it.
    fn check_expiry(&self) {
        let wait = longest_wait(&self.held.digest.conf.timing);
        for queue in HoldQueue::ALL {
            let own = self.held.hold.conf.of(queue);
            if own.expiry < wait {
                let fault = Fault::new(
                    format!(
                        "a mail would be gone after {}, and digests can be {} apart",
                        show_span(own.expiry),
                        show_span(wait)
                    ),
                    format!(
                        "write an expiry above {}, or more digests in [digest]",
                        show_span(wait)
                    ),
                );
                self.held.hold.at.warn(queue.word(), fault);
            }
        }
    }

    fn check_rules(&self) {
        let rules = &self.held.rules;
        twice(rules, "name", |rule| rule.name.clone());
        if let Some(rule) = rules.get(limit::HOLD_RULES_MAX) {
            let fault = Fault::new(
                format!("{} rules are too many", rules.len()),
                format!(
                    "write at most {}: each mail is compared with each",
                    limit::HOLD_RULES_MAX
                ),
            );
            rule.at.fault("", fault);
        }
        for rule in rules {
            let larger = rule.conf.matching.larger;
            if larger.is_some_and(|larger| larger >= self.max_message_size) {
                let fault = Fault::new(
                    format!(
                        "it never matches: what is larger than {} is not accepted at all",
                        self.max_message_size
                    ),
                    "write less, or raise [queue] max_message_size",
                );
                rule.at.warn("match", fault);
            }
        }
    }
}

fn unsafe_url(url: &PublicUrl) -> Lack {
    let https = PublicUrl {
        https: true,
        host: url.host.clone(),
        port: if url.port == 80 { 443 } else { url.port },
    };
    Lack {
        what: format!("{url} would carry links and logins in the clear, so there are none"),
        remedy: format!("write public_url = \"{https}/\""),
    }
}

fn is_auto(at: &Section<'_, '_>) -> bool {
    let auto = |value| Ok::<_, Fault>(string(value).is_ok_and(|word| word == "auto"));
    at.get("action_links", auto).unwrap_or(false)
}
