//! How certificates stand, for pages, the API and the command line.
//!
//! A copy of what is in force and of the last known due record; taking it never waits.

use super::plan::Plan;
use super::table::Shown;
use crate::config::pem;

/// One certificate: what is shown to clients, and what happens with it next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertStand {
    /// As configured, or as the file says; the first is its title.
    pub names: Vec<String>,
    /// Where it comes from.
    pub source: CertSource,
    /// Who signed it.
    pub issuer: String,
    /// The subject of each, leaf first.
    pub chain: Vec<String>,
    /// Hex with colons.
    pub serial: String,
    /// Seconds since 1970.
    pub from: Option<u64>,
    /// Seconds since 1970.
    pub until: Option<u64>,
    /// For example `ECDSA P-256`.
    pub key_kind: String,
    /// Hex; what a TLSA record 3 1 1 says.
    pub spki_sha256: String,
    /// Of the key that the next order will use; another than `spki_sha256` when keys change.
    pub next_spki_sha256: Option<String>,
    /// When the next order or look at its renewal is due, in seconds since 1970.
    pub next_try: Option<u64>,
    /// Orders that failed since the last that did not.
    pub failures: u32,
    /// Why the last one failed, in words.
    pub last_error: Option<String>,
    /// Self-signed until the first order is done.
    pub stand_in: bool,
    /// Why it is in memory only, in words: what lies on disk is of no use.
    pub unsaved: Option<String>,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertSource {
    /// Ordered by us.
    Acme,
    /// Files of somebody else.
    Files,
    /// Made by us.
    SelfSigned,
}

impl CertSource {
    /// For the API and the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Acme => "acme",
            Self::Files => "files",
            Self::SelfSigned => "self-signed",
        }
    }
}

impl CertStand {
    /// Its first name.
    pub fn title(&self) -> &str {
        self.names.first().map_or("without a name", String::as_str)
    }

    /// Whether its end is so near that somebody should look; `now` in seconds since 1970.
    pub fn ends_soon(&self, now: u64) -> bool {
        let from = self.from.unwrap_or(0);
        self.until
            .is_some_and(|until| pem::ends_soon(from, until, now))
    }

    pub(super) fn of(shown: &Shown, plan: Option<&Plan>, next_key: Option<String>) -> Self {
        let facts = &shown.facts;
        Self {
            names: shown.names.iter().map(ToString::to_string).collect(),
            source: shown.source,
            issuer: facts.issuer.clone(),
            chain: facts.chain.clone(),
            serial: facts.serial.clone(),
            from: Some(facts.from),
            until: Some(facts.until),
            key_kind: facts.key_kind.clone(),
            spki_sha256: facts.spki_sha256.clone(),
            next_spki_sha256: next_key,
            next_try: plan.map(Plan::due),
            failures: plan.map_or(0, |plan| plan.failures),
            last_error: plan
                .map(|plan| plan.error.clone())
                .filter(|error| !error.is_empty()),
            stand_in: shown.stand_in,
            unsaved: shown.unsaved.clone(),
        }
    }
}
