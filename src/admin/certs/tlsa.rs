//! The DANE record of a certificate: what to publish for each name and port, and when it must change.
//!
//! `3 1 1` is the digest of the public key (RFC 6698 section 2.1), so it stays right over renewals as long as the key
//! stays (RFC 7671 section 8.1). Senders of mail look at port 25 of the MX host (RFC 7672 section 3.1); ports of
//! submission are listed for the few clients that look. Not here: asking DNS whether it is published.

use serde::{Deserialize, Serialize};

use crate::base::lang::Lang;
use crate::certs::{CertSource, CertStand};
use crate::config::{CertName, Config, ListenerTls, Role};
use crate::words::{Arg, say};

/// Port 25 is where servers of the world come, whatever stands between it and our listener.
const MX_PORT: u16 = 25;

/// One name and port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tlsa {
    /// Of a host.
    pub name: String,
    /// Of TCP.
    pub port: u16,
    /// As it stands in a zone file.
    pub record: String,
    /// Beside it, if the next certificate will have another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// All records of one certificate.
pub fn records(stand: &CertStand, conf: &Config) -> Vec<Tlsa> {
    let mut all = Vec::new();
    for name in names(stand, conf) {
        for port in ports(conf) {
            let line = |spki: &String| format!("_{port}._tcp.{name}. IN TLSA 3 1 1 {spki}");
            all.push(Tlsa {
                record: line(&stand.spki_sha256),
                next: next(stand).map(line),
                name: name.clone(),
                port,
            });
        }
    }
    all
}

/// When the record must change; `at` writes a moment.
pub fn change(lang: Lang, stand: &CertStand, conf: &Config, at: impl Fn(u64) -> String) -> String {
    let new_key = conf.tls.acme.as_ref().is_some_and(|acme| acme.new_key);
    let key = match (stand.source, next(stand)) {
        (CertSource::SelfSigned, _) => "certs-tlsa-self-signed",
        (CertSource::Files, _) => "certs-tlsa-files",
        (CertSource::Acme, Some(_)) => "certs-tlsa-next",
        (CertSource::Acme, None) if new_key => "certs-tlsa-unmade",
        (CertSource::Acme, None) => "certs-tlsa-stays",
    };
    let at = stand.next_try.map(at).unwrap_or_default();
    say(lang, key, &[("at", Arg::Text(&at))])
}

/// The key that the next order will use, if it is another one.
fn next(stand: &CertStand) -> Option<&String> {
    let next = stand.next_spki_sha256.as_ref();
    next.filter(|next| **next != stand.spki_sha256)
}

/// Exact names; of a wildcard our own name, because `*` may stand only first in an owner (RFC 4592 section 2.1.1).
fn names(stand: &CertStand, conf: &Config) -> Vec<String> {
    let host = conf.server.hostname.as_str();
    let mut names: Vec<String> = Vec::new();
    for name in stand
        .names
        .iter()
        .filter_map(|name| CertName::parse(name).ok())
    {
        let name = match name.wildcard {
            false => name.domain.to_string(),
            true if name.covers(host) => host.to_owned(),
            true => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn ports(conf: &Config) -> Vec<u16> {
    let mut ports: Vec<u16> = Vec::new();
    for listener in &conf.listeners {
        let port = match listener.role {
            Role::Mx => MX_PORT,
            Role::Submission => listener.bind.port(),
        };
        if listener.tls != ListenerTls::Off && port != 0 && !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports.sort_unstable();
    ports
}
