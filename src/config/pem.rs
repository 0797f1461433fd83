//! Reads certificates and keys from PEM files, and proves that a key belongs to its certificate.
//!
//! Done while the configuration is loaded, so that `check` finds a wrong file and no listener starts with one.
//! Not here: which certificate is in force, and the one we make ourselves (`certs`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SigningKey};

use super::CertName;
use crate::base::limit::CERT_WARN;
use crate::mail::domain::Domain;

/// Why a PEM file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// The file cannot be read.
    #[error(
        "{path} cannot be read: {source}; write the right path, and let the server's user read it"
    )]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No certificate in it.
    #[error(
        "{path} holds no certificate; write the path of a PEM file with the chain, the server's own first"
    )]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// No key in it.
    #[error(
        "{path} holds no private key; write the path of a PEM file with an unencrypted private key"
    )]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// A key of a kind that TLS does not use.
    #[error(
        "the key in {path} cannot be used: {why}; make an ECDSA P-256 or an RSA key of 2048 bits or more"
    )]
    BadKey {
        /// Which.
        path: PathBuf,
        /// Why.
        why: rustls::Error,
    },
    /// The key belongs to something else.
    #[error(
        "the key {key} does not belong to the certificate {cert}; write the paths of a pair that was made together"
    )]
    Mismatch {
        /// Of the chain.
        cert: PathBuf,
        /// Of the key.
        key: PathBuf,
    },
}

impl PemError {
    /// What is wrong.
    pub fn what(&self) -> String {
        let text = self.to_string();
        text.split_once("; ")
            .map_or(text.clone(), |(what, _)| what.to_owned())
    }

    /// What to do.
    pub fn remedy(&self) -> String {
        let text = self.to_string();
        text.split_once("; ")
            .map_or(String::new(), |(_, remedy)| remedy.to_owned())
    }
}

/// Every certificate in the file; at least one.
pub fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) | Err(_) => Err(PemError::NoCertificate {
            path: path.to_owned(),
        }),
    }
}

/// The private key in the file, ready to sign.
pub fn read_key(path: &Path) -> Result<Arc<dyn SigningKey>, PemError> {
    let pem = read(path)?;
    let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| PemError::NoKey {
        path: path.to_owned(),
    })?;
    aws_lc_rs::sign::any_supported_type(&der).map_err(|why| PemError::BadKey {
        path: path.to_owned(),
        why,
    })
}

/// A chain with its key, proven to be a pair.
pub fn read_pair(cert: &Path, key: &Path) -> Result<CertifiedKey, PemError> {
    let pair = CertifiedKey::new(read_chain(cert)?, read_key(key)?);
    match pair.keys_match() {
        Ok(()) => Ok(pair),
        Err(_) => Err(PemError::Mismatch {
            cert: cert.to_owned(),
            key: key.to_owned(),
        }),
    }
}

/// Whether the chain's first certificate names `host`, as programs that verify will ask.
pub fn names(chain: &[CertificateDer<'_>], host: &Domain) -> bool {
    let Some(Ok(own)) = chain.first().map(ParsedCertificate::try_from) else {
        return false;
    };
    let name = ServerName::try_from(host.as_str());
    name.is_ok_and(|name| verify_server_name(&own, &name).is_ok())
}

/// Whether the chain's first certificate is for `own`; for a wildcard, whether it is for any label there.
pub fn covers(chain: &[CertificateDer<'_>], own: &CertName) -> bool {
    let any = if own.wildcard {
        Domain::parse(&format!("any.{}", own.domain)).ok()
    } else {
        Some(own.domain.clone())
    };
    any.is_some_and(|host| names(chain, &host))
}

/// Whether a certificate's end is so near that somebody should look: the one rule for pages, log, metrics, checks and
/// `check`. All three in seconds since 1970.
pub fn ends_soon(from: u64, until: u64, now: u64) -> bool {
    let third = until.saturating_sub(from) / 3;
    until <= now || until - now < CERT_WARN.as_secs().min(third)
}

/// From when and until when the chain's first certificate is valid, in seconds since 1970.
///
/// RFC 5280 section 4.1: Certificate { TBSCertificate { version, serial, algorithm, issuer, Validity { notBefore,
/// notAfter } … } }. rustls looks at this only when it verifies somebody, and we are the one who shows it.
pub fn validity(chain: &[CertificateDer<'_>]) -> Option<(u64, u64)> {
    let (certificate, _) = inside(chain.first()?.as_ref())?;
    let (mut rest, _) = inside(certificate)?;
    if *rest.first()? == EXPLICIT_VERSION {
        (_, rest) = inside(rest)?;
    }
    for _ in ["serial", "algorithm", "issuer"] {
        (_, rest) = inside(rest)?;
    }
    let (validity, _) = inside(rest)?;
    let (_, end) = inside(validity)?;
    Some((moment(validity)?, moment(end)?))
}

/// The time of a DER element.
fn moment(element: &[u8]) -> Option<u64> {
    let (text, _) = inside(element)?;
    let text = std::str::from_utf8(text).ok()?;
    let whole = match (element.first()?, text.get(..2)?.parse::<u8>()) {
        // Two digits of a year are of the years 1950 to 2049.
        (&UTC_TIME, Ok(50..)) => format!("19{text}"),
        (&UTC_TIME, Ok(_)) => format!("20{text}"),
        (_, _) => text.to_owned(),
    };
    let at = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", whole).ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(at.timestamp().as_second()).ok()
}

/// The content of the first DER element, and what follows the element.
fn inside(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.get(1..)?.split_first()?;
    if *length < 0x80 {
        return rest.split_at_checked(usize::from(*length));
    }
    let (long, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
    let length = long.iter().try_fold(0usize, |sum, octet| {
        Some(sum.checked_mul(256)? + usize::from(*octet))
    })?;
    rest.split_at_checked(length)
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    let unreadable = |source| PemError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > PEM_MAX {
        return Err(unreadable(io::Error::other("it is larger than 4 MiB")));
    }
    std::fs::read(path).map_err(unreadable)
}

/// Octets of a PEM file; the roots of all of the Web are 220 KiB.
const PEM_MAX: u64 = 4 << 20;
/// DER tags.
const EXPLICIT_VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn chain(name: &str, year: i32) -> Vec<CertificateDer<'static>> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 3, 1);
        let key = KeyPair::generate().unwrap();
        vec![params.self_signed(&key).unwrap().der().clone()]
    }

    #[test]
    fn a_certificate_ends_soon_in_its_last_third_and_never_more_than_two_weeks_before() {
        let day = 86_400;
        for (life, left, soon) in [
            (90, 15, false),
            (90, 13, true),
            (40, 14, false),
            (40, 13, true),
            (30, 11, false),
            (30, 9, true),
            (6, 3, false),
            (6, 1, true),
            (90, 0, true),
        ] {
            let (from, until) = (1_000 * day, (1_000 + life) * day);
            let got = ends_soon(from, until, until - left * day);
            assert_eq!(got, soon, "{left} of {life} days");
        }
        assert!(ends_soon(0, 10, 1_000));
    }

    #[test]
    fn a_certificate_says_how_long_it_is_valid() {
        for (year, secs) in [
            (1999, 920_246_400),
            (2030, 1_898_553_600),
            (2060, 2_845_324_800),
        ] {
            let end = validity(&chain("a.example", year)).map(|(_, until)| until);
            assert_eq!(end, Some(secs), "{year}");
        }
        assert_eq!(validity(&[]), None);
        let whole = chain("a.example", 2030);
        for cut in 0..whole[0].len().min(200) {
            let torn = CertificateDer::from(whole[0][..cut].to_vec());
            assert_eq!(validity(&[torn]), None, "{cut}");
        }
    }

    #[test]
    fn a_certificate_says_whose_it_is() {
        let own = chain("*.example.org", 2030);
        let domain = |text| Domain::parse(text).unwrap();
        assert!(names(&own, &domain("mail.example.org")));
        assert!(!names(&own, &domain("example.org")) && !names(&[], &domain("example.org")));
    }
}
