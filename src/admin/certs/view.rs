//! One certificate as the API and `postwerk cert list --json` say it.
//!
//! Times are RFC 3339 in UTC, sentences are English. A field that is not known is left out.
//! Not here: the page's words (`page`).

use serde::{Deserialize, Serialize};

use super::say;
use super::tlsa::{self, Tlsa};
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::certs::CertStand;
use crate::config::Config;
use crate::mail::date::rfc3339;

/// From `GET /api/v1/certs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertView {
    /// The first is its title.
    pub names: Vec<String>,
    /// acme, files, self-signed.
    pub source: String,
    /// Self-signed until the first order is done.
    pub stand_in: bool,
    /// Why it is in memory only: its file is of no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsaved: Option<String>,
    /// Who signed it.
    pub issuer: String,
    /// Subjects, leaf first.
    pub chain: Vec<String>,
    /// Hex with colons.
    pub serial: String,
    /// For example `ECDSA P-256`.
    pub key_kind: String,
    /// Valid from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Valid until.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Whole days; below zero: it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_left: Option<i64>,
    /// `days_left` in words.
    pub left: String,
    /// It ends soon.
    pub ends_soon: bool,
    /// When the next order or look at it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<String>,
    /// Who renews it, and when.
    pub renewal: String,
    /// Orders that failed since the last that did not.
    pub failures: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Hex.
    pub spki_sha256: String,
    /// Of the key that the next order uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_spki_sha256: Option<String>,
    /// To be published.
    pub tlsa: Vec<Tlsa>,
    /// When those must change.
    pub tlsa_change: String,
}

impl CertView {
    /// `now` in seconds since 1970.
    pub fn of(stand: &CertStand, conf: &Config, now: u64) -> Self {
        let until = stand.until;
        Self {
            names: stand.names.clone(),
            source: stand.source.word().to_owned(),
            stand_in: stand.stand_in,
            unsaved: stand.unsaved.clone(),
            issuer: stand.issuer.clone(),
            chain: stand.chain.clone(),
            serial: stand.serial.clone(),
            key_kind: stand.key_kind.clone(),
            from: stand.from.map(utc),
            until: until.map(utc),
            days_left: until.map(|until| say::days(until, now)),
            left: until
                .map(|until| say::left(Lang::En, until, now))
                .unwrap_or_default(),
            ends_soon: stand.ends_soon(now),
            next_try: stand.next_try.map(utc),
            renewal: say::renewal(Lang::En, stand, utc),
            failures: stand.failures,
            last_error: stand.last_error.clone(),
            spki_sha256: stand.spki_sha256.clone(),
            next_spki_sha256: stand.next_spki_sha256.clone(),
            tlsa: tlsa::records(stand, conf),
            tlsa_change: tlsa::change(Lang::En, stand, conf, utc),
        }
    }

    /// Its first name.
    pub fn title(&self) -> &str {
        self.names.first().map_or("without a name", String::as_str)
    }
}

/// `2026-11-21T18:58:28.000Z`
pub fn utc(secs: u64) -> String {
    rfc3339(Wall(secs.saturating_mul(1_000_000)))
}
