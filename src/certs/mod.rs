//! The certificates of every listener: read from files, ordered by ACME, or made here at the first start.
//!
//! One table is in force at a time, for mail and HTTP alike. A new one takes its place as a whole, and only after it was
//! checked; else the old one stays, so that neither a broken file nor a directory that is down ever stops mail. The TLS
//! configurations around it live as long as the server: connections under way keep what they began with, and tickets
//! work over every swap. Not here: reading PEM and proving pairs (`config::pem`), the roots for next hops (`net`).

mod account;
mod answer;
mod check;
mod facts;
mod failure;
mod hook;
mod http;
mod load;
mod look;
mod order;
mod own;
mod plan;
mod renewal;
mod shelf;
mod stand;
mod table;
mod tell;
mod watch;
mod work;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;
use tokio::sync::Notify;

use self::answer::Answers;
use self::plan::Plan;
use self::shelf::Shelf;
use self::table::{Resolver, Shown, Table};
use crate::base::clock::Clock;
use crate::base::limit::SHOWN_MAX;
use crate::base::shutdown::Shutdown;
use crate::base::text::clean;
use crate::config::pem::PemError;
use crate::config::{Config, Shared};
use crate::journal::event::Events;
use crate::store::{Store, StoreError};

pub use look::{Found, look};
pub use own::OwnError;
pub use shelf::ShelfError;
pub use stand::{CertSource, CertStand};

/// The live certificates; clones share them.
#[derive(Clone)]
pub struct Certs(Arc<Inner>);

struct Inner {
    table: Arc<ArcSwap<Table>>,
    mail: Arc<ServerConfig>,
    web: Arc<ServerConfig>,
    /// The due records as they were last read or written, by title, and the digest of the key the next order will use.
    plans: ArcSwap<HashMap<String, Known>>,
    answers: Answers,
    /// What a validation by tls-alpn-01 gets.
    validation: Arc<ServerConfig>,
    /// Set at the start.
    tools: OnceLock<Tools>,
    /// Another configuration is in force.
    changed: Notify,
    /// Held while a table is made from what lies on disk.
    swap: Mutex<()>,
}

/// What ordering works with.
#[derive(Clone)]
pub struct Tools {
    /// In force.
    pub conf: Shared,
    /// Keeps the due records.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// Told of what happens.
    pub events: Events,
}

/// What is known of a certificate's next order.
#[derive(Clone, Default)]
struct Known {
    plan: Plan,
    next_key: Option<String>,
}

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// Files of `[tls]` or of a `[[certificate]]`.
    #[error("[tls]: {0}")]
    Files(#[from] PemError),
    /// The one we make.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// Those we order.
    #[error("[tls] dir: {0}")]
    Shelf(#[from] ShelfError),
    /// Not X.509.
    #[error("[tls]: a certificate cannot be read; write a PEM file with X.509 certificates")]
    Unreadable,
    /// rustls refuses it.
    #[error("TLS cannot be set up: {0}; check the key and the certificate of [tls]")]
    Tls(#[from] rustls::Error),
}

/// Why a certificate is not ordered.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// None has this name.
    #[error("no certificate is called {name}; there is {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Their first names.
        known: String,
    },
    /// Files, or self-signed.
    #[error(
        "{0} is not ordered by us; whoever made its files renews it, or write [tls] mode = \"acme\""
    )]
    NotOrdered(String),
    /// Before the start or after the end.
    #[error("the server is not running")]
    NotRunning,
    /// The record could not be changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Certs {
    /// What the configuration names; a self-signed one is made when there is none yet.
    pub fn load(config: &Config) -> Result<Self, CertError> {
        let table = Arc::new(ArcSwap::from_pointee(load::table(config, None)?));
        let mail = server_config(Resolver(Arc::clone(&table)))?;
        let answers = Answers::default();
        let mut web = mail.clone();
        // RFC 9113 section 3.2.
        web.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(Inner {
            table,
            mail: Arc::new(mail),
            web: Arc::new(web),
            plans: ArcSwap::default(),
            validation: Arc::new(answers.config()?),
            answers,
            tools: OnceLock::new(),
            changed: Notify::new(),
            swap: Mutex::new(()),
        })))
    }

    /// Reads again and swaps; on failure the old ones stay in force.
    pub fn reload(&self, config: &Config) -> Result<(), CertError> {
        let held = self.0.swap.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.0.table.load_full();
        self.0
            .table
            .store(Arc::new(load::table(config, Some(&old))?));
        drop(held);
        Ok(())
    }

    /// The configuration that was reloaded is in force: its orders begin, others end.
    pub fn reloaded(&self) {
        self.0.changed.notify_one();
    }

    /// From now on [`Self::renew`] works.
    pub fn begin(&self, tools: Tools) {
        // Twice would be a fault of ours, and the first ones are as good.
        drop(self.0.tools.set(tools));
    }

    /// Orders, renews and watches until the signal to stop.
    pub async fn run(self, shutdown: Shutdown) {
        let Some(tools) = self.0.tools.get() else {
            return shutdown.wait().await;
        };
        tokio::join!(self.work(tools, &shutdown), self.watch(tools, &shutdown));
    }

    /// Puts one in force.
    fn install(&self, shown: Shown) {
        let held = self.0.swap.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = Arc::new(shown);
        self.0.table.rcu(|table| table.with(&shown));
        drop(held);
    }

    /// Puts what was ordered in force, under the names that the configuration in force has for it; none: it orders nothing
    /// under this title any more, or what is in force is for more of its names.
    fn install_ordered(
        &self,
        title: &str,
        pair: CertifiedKey,
    ) -> Result<Option<Arc<Shown>>, CertError> {
        let held = self.0.swap.lock().unwrap_or_else(PoisonError::into_inner);
        let table = self.0.table.load_full();
        let old = table.titled(title);
        let Some(old) = old.filter(|old| old.source == CertSource::Acme) else {
            return Ok(None);
        };
        let new = load::shown(old.names.clone(), CertSource::Acme, pair, None)?;
        let better = load::count(&new, &old.names) >= load::count(old, &old.names);
        if !old.stand_in && !better {
            return Ok(None);
        }
        let new = Arc::new(new);
        self.0.table.store(Arc::new(table.with(&new)));
        drop(held);
        Ok(Some(new))
    }

    /// Whether nothing that was ordered is in force under this title.
    fn stands_in(&self, title: &str) -> bool {
        let table = self.0.table.load();
        table.titled(title).is_some_and(|shown| shown.stand_in)
    }

    fn answers(&self) -> &Answers {
        &self.0.answers
    }

    /// The answer to a validation by http-01.
    pub fn http_answer(&self, token: &str) -> Option<String> {
        self.0.answers.token(token)
    }

    /// Whether a handshake may be a validation by tls-alpn-01: then its hello is looked at first.
    pub fn expects_validation(&self) -> bool {
        self.0.answers.expects_handshake()
    }

    /// What a validation by tls-alpn-01 gets; none: the hello is a client's.
    pub fn validation(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let asked = hello.alpn()?.any(|protocol| protocol == answer::ALPN);
        asked.then(|| Arc::clone(&self.0.validation))
    }

    /// Whether a handshake was a validation: nothing follows it (RFC 8737 section 3).
    pub fn was_validation(protocol: Option<&[u8]>) -> bool {
        protocol == Some(answer::ALPN)
    }

    /// Keeps what is known of the next order where `stands` finds it.
    fn know(&self, tools: &Tools, title: &str, plan: Option<Plan>) {
        let conf = tools.conf.load();
        let fresh = conf.tls.acme.as_ref().is_some_and(|acme| acme.new_key);
        let key = Shelf::new(&conf.tls.dir, title).next_key(fresh);
        let next_key = key.ok().map(|key| shelf::spki(&key));
        self.0.plans.rcu(|plans| {
            let mut plans = HashMap::clone(plans);
            match &plan {
                Some(plan) => plans.insert(
                    title.to_owned(),
                    Known {
                        plan: plan.clone(),
                        next_key: next_key.clone(),
                    },
                ),
                None => plans.remove(title),
            };
            plans
        });
    }

    fn forget_others(&self, conf: &Config) {
        self.0.plans.rcu(|plans| {
            let mut plans = HashMap::clone(plans);
            plans.retain(|title, _| work::of_title(conf, title).is_some());
            plans
        });
    }

    /// For a handshake of mail.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.mail)
    }

    /// The same for HTTP: offers HTTP/2 and HTTP/1.1.
    pub fn web_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.web)
    }

    /// Until when the first of them that ends is valid, in seconds since 1970.
    pub fn valid_until(&self) -> Option<u64> {
        let table = self.0.table.load();
        table.all().iter().map(|one| one.facts.until).min()
    }

    /// Makes the next order of a certificate, or of all, due as soon as may be; what was done, in words.
    ///
    /// # Errors
    /// See [`RenewError`]; then nothing changed.
    pub async fn renew(&self, name: Option<&str>) -> Result<Vec<String>, RenewError> {
        let titles = self.chosen(name)?;
        let tools = self.0.tools.get().ok_or(RenewError::NotRunning)?;
        let mut told = Vec::new();
        for title in titles {
            let (now, store) = (tools.clock.wall().secs(), tools.store.now());
            self.change(tools, &title, |plan| plan.ask(now, store))
                .await?;
            let plans = self.0.plans.load();
            let plan = plans.get(&title).map(|known| &known.plan);
            told.push(match plan {
                Some(plan) if plan.order_at > now => {
                    let at = check::day(plan.order_at);
                    let why = if plan.not_before > now {
                        "the directory asked to wait"
                    } else {
                        "it was ordered or tried just now"
                    };
                    format!("{title}: to be ordered on {at}, not earlier: {why}")
                }
                Some(_) | None => format!("{title}: is being ordered now"),
            });
        }
        Ok(told)
    }

    /// The titles of those that are ordered and meant by `name`.
    fn chosen(&self, name: Option<&str>) -> Result<Vec<String>, RenewError> {
        let table = self.0.table.load();
        let ordered = |one: &Arc<Shown>| one.source == CertSource::Acme;
        let Some(name) = name else {
            let all = table.all().iter().filter(|one| ordered(one));
            return Ok(all.map(|one| one.title()).collect());
        };
        let mut all = table.all().iter();
        let meant = |one: &&Arc<Shown>| one.names.iter().any(|own| own.to_string() == name);
        match all.find(meant) {
            Some(one) if ordered(one) => Ok(vec![one.title()]),
            Some(_) => Err(RenewError::NotOrdered(clean(name, SHOWN_MAX))),
            None => {
                let known: Vec<String> = table.all().iter().map(|one| one.title()).collect();
                Err(RenewError::Unknown {
                    name: clean(name, SHOWN_MAX),
                    known: known.join(", "),
                })
            }
        }
    }

    /// How each stands, the default first.
    pub fn stands(&self) -> Vec<CertStand> {
        let (table, plans) = (self.0.table.load(), self.0.plans.load());
        let all = table.all().iter();
        all.map(|shown| {
            let known = (shown.source == CertSource::Acme)
                .then(|| plans.get(&shown.title()))
                .flatten();
            let next = known.and_then(|known| known.next_key.clone());
            CertStand::of(shown, known.map(|known| &known.plan), next)
        })
        .collect()
    }
}

impl fmt::Debug for Certs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certs")
    }
}

/// TLS 1.2 and 1.3.
fn server_config(resolver: Resolver) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    // testssl.sh and auditors ask for it: every suite is strong, and ours stand strongest first.
    tls.ignore_client_order = true;
    // A client that comes back resumes without a signature. Tickets keep no state here; their key turns every six
    // hours. One ticket per handshake: mail clients open one connection at a time, and each ticket costs a record.
    tls.ticketer = aws_lc_rs::Ticketer::new()?;
    tls.send_tls13_tickets = 1;
    Ok(tls)
}

#[cfg(test)]
mod tests;
