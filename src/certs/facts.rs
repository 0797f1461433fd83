//! What stands in a certificate, for people and for deciding when to renew.
//!
//! Read once when a certificate comes into force. A certificate that cannot be read so is not used.
//! Not here: whether it is the right one (`check`).

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use crate::base::text::clean;
use crate::config::CertName;

/// What a chain says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) issuer: String,
    /// Leaf first.
    pub(super) chain: Vec<String>,
    pub(super) serial: String,
    /// Seconds since 1970.
    pub(super) from: u64,
    /// Seconds since 1970.
    pub(super) until: u64,
    pub(super) key_kind: String,
    /// Hex: the TLSA record 3 1 1 (RFC 6698 section 2.1).
    pub(super) spki_sha256: String,
    /// DNS names of subjectAltName.
    pub(super) names: Vec<CertName>,
}

impl Facts {
    /// None: a certificate of the chain is none.
    pub(super) fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let all: Vec<X509Certificate<'_>> = chain
            .iter()
            .map(|der| X509Certificate::from_der(der).ok())
            .map(|read| Some(read?.1))
            .collect::<Option<_>>()?;
        let own = all.first()?;
        let secs = |at: x509_parser::time::ASN1Time| u64::try_from(at.timestamp()).unwrap_or(0);
        Some(Self {
            issuer: shown(&own.issuer().to_string()),
            chain: all.iter().map(subject).collect(),
            serial: own.raw_serial_as_string(),
            from: secs(own.validity().not_before),
            until: secs(own.validity().not_after),
            key_kind: kind(own),
            spki_sha256: hex(digest::digest(&digest::SHA256, own.public_key().raw).as_ref()),
            names: names(own),
        })
    }
}

/// The public key's digest of a SubjectPublicKeyInfo.
pub(super) fn spki(der: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, der).as_ref())
}

fn names(own: &X509Certificate<'_>) -> Vec<CertName> {
    let Ok(Some(listed)) = own.subject_alternative_name() else {
        return Vec::new();
    };
    let dns = listed.value.general_names.iter().filter_map(|name| {
        // Other kinds of names are nothing that a client of ours asks for.
        if let GeneralName::DNSName(text) = name {
            CertName::parse(text).ok()
        } else {
            None
        }
    });
    dns.collect()
}

/// Certificates of today often have an empty subject; then the first name says more.
fn subject(own: &X509Certificate<'_>) -> String {
    let subject = own.subject().to_string();
    let first = || names(own).first().map(|name| format!("CN={name}"));
    if subject.is_empty() {
        first().unwrap_or_default()
    } else {
        shown(&subject)
    }
}

fn kind(own: &X509Certificate<'_>) -> String {
    let Ok(key) = own.public_key().parsed() else {
        return "unknown".to_owned();
    };
    let bits = key.key_size();
    match key {
        PublicKey::EC(_) => format!("ECDSA P-{bits}"),
        PublicKey::RSA(_) => format!("RSA {bits}"),
        PublicKey::DSA(_)
        | PublicKey::GostR3410(_)
        | PublicKey::GostR3410_2012(_)
        | PublicKey::Unknown(_) => "another kind".to_owned(),
    }
}

fn shown(text: &str) -> String {
    clean(text, TEXT_MAX)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Characters of a subject: whoever made the certificate wrote it.
const TEXT_MAX: usize = 200;
