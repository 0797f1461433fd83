//! The certificates in force, and which of them a handshake shows.
//!
//! An exact name wins over a wildcard; who sends no name or one that nobody has gets the default, because clients of a
//! mail server often send none and shall decide themselves (RFC 7672 section 8.1 wants no failure by SNI).
//! A table is never changed: a new one takes its place as a whole. Not here: where certificates come from (`load`).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::facts::Facts;
use super::stand::CertSource;
use super::watch::Stamp;
use crate::config::{CertFiles, CertName};
use crate::mail::domain::Domain;

/// One certificate in force.
pub(super) struct Shown {
    /// Whom it is for, as configured or as it says itself.
    pub(super) names: Vec<CertName>,
    pub(super) source: CertSource,
    /// Self-signed until an order is done.
    pub(super) stand_in: bool,
    /// What lies on disk is of no use, and why: it was in force before.
    pub(super) unsaved: Option<String>,
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: Facts,
    /// Where it was read, if it is not ours.
    pub(super) files: Option<CertFiles>,
    /// How these looked when they were read.
    pub(super) stamp: Option<Stamp>,
}

/// All of them; the first is the default.
#[derive(Default)]
pub(super) struct Table {
    all: Vec<Arc<Shown>>,
    exact: HashMap<String, usize>,
    /// By what follows `*.`.
    wild: HashMap<String, usize>,
}

/// What rustls asks.
pub(super) struct Resolver(pub(super) Arc<ArcSwap<Table>>);

impl Shown {
    /// What records, files and people call it.
    pub(super) fn title(&self) -> String {
        self.names
            .first()
            .map_or_else(|| "without a name".to_owned(), ToString::to_string)
    }
}

impl Table {
    /// The one that is for `hostname` becomes the default.
    pub(super) fn new(all: Vec<Arc<Shown>>, hostname: &Domain) -> Self {
        let mut all = all;
        let own = |exact: bool| {
            let fits = |name: &CertName| name.covers(hostname.as_str()) && name.wildcard != exact;
            all.iter().position(|one| one.names.iter().any(fits))
        };
        if let Some(at) = own(true).or_else(|| own(false)) {
            let default = all.remove(at);
            all.insert(0, default);
        }
        Self::of(all)
    }

    fn of(all: Vec<Arc<Shown>>) -> Self {
        let (mut exact, mut wild) = (HashMap::new(), HashMap::new());
        for (n, one) in all.iter().enumerate() {
            for name in &one.names {
                let map = if name.wildcard { &mut wild } else { &mut exact };
                map.entry(name.domain.to_string()).or_insert(n);
            }
        }
        Self { all, exact, wild }
    }

    /// The same with `new` in the place of what has its files, or its title if it has none.
    pub(super) fn with(&self, new: &Arc<Shown>) -> Self {
        let swap = |old: &Arc<Shown>| {
            let same = match &new.files {
                Some(files) => old.files.as_ref() == Some(files),
                None => old.files.is_none() && old.title() == new.title(),
            };
            Arc::clone(if same { new } else { old })
        };
        Self::of(self.all.iter().map(swap).collect())
    }

    pub(super) fn all(&self) -> &[Arc<Shown>] {
        &self.all
    }

    pub(super) fn titled(&self, title: &str) -> Option<&Arc<Shown>> {
        self.all.iter().find(|one| one.title() == title)
    }

    /// For a client that asks for `name`.
    pub(super) fn choose(&self, name: Option<&str>) -> Option<&Arc<Shown>> {
        let asked = name.map(str::to_ascii_lowercase);
        let found = asked.and_then(|name| {
            let parent = name.split_once('.').map(|(_, parent)| parent);
            let wild = || self.wild.get(parent?);
            self.exact.get(name.trim_end_matches('.')).or_else(wild)
        });
        self.all.get(found.copied().unwrap_or(0))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.0.load();
        let shown = table.choose(hello.server_name())?;
        Some(Arc::clone(&shown.key))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}
