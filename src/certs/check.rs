//! Whether a certificate may come into force: it parses, the key is its own, it is for every name, and it is valid now.
//!
//! What a directory sends is looked at as if it came from anybody, because what is wrong here would be seen by every
//! client of mail and pages at once. Whether clients trust who signed it is theirs to say: a private CA is one too.

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::facts::Facts;
use crate::base::limit::CLOCK_SKEW_MAX;
use crate::config::{CertName, pem};
use crate::mail::date;

/// Why a new certificate is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("what the directory sent holds no certificate that can be read")]
    Unreadable,
    #[error("the key of the order cannot be used: {0}")]
    Key(String),
    #[error("the certificate belongs to another key than the one of its order")]
    Mismatch,
    #[error("the certificate is not for {0}")]
    Name(String),
    #[error("the certificate ended on {0}; is the clock of this machine right?")]
    Ended(String),
    #[error("the certificate begins on {0} only; is the clock of this machine right?")]
    Early(String),
}

/// The pair, if it may be used for `names` at `now` (seconds since 1970).
pub(super) fn pair(
    chain: &str,
    key_der: &[u8],
    names: &[CertName],
    now: u64,
) -> Result<CertifiedKey, Unfit> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| Unfit::Unreadable)?;
    let der = PrivateKeyDer::try_from(key_der.to_vec()).map_err(|why| Unfit::Key(why.into()))?;
    let key =
        aws_lc_rs::sign::any_supported_type(&der).map_err(|why| Unfit::Key(why.to_string()))?;
    let pair = CertifiedKey::new(chain, key);
    fit(&pair, names, now)?;
    Ok(pair)
}

/// Whether a pair may be used.
pub(super) fn fit(pair: &CertifiedKey, names: &[CertName], now: u64) -> Result<(), Unfit> {
    if pair.cert.is_empty() {
        return Err(Unfit::Unreadable);
    }
    let facts = Facts::read(&pair.cert).ok_or(Unfit::Unreadable)?;
    pair.keys_match().map_err(|_| Unfit::Mismatch)?;
    if let Some(name) = names.iter().find(|name| !pem::covers(&pair.cert, name)) {
        return Err(Unfit::Name(name.to_string()));
    }
    if facts.until <= now {
        return Err(Unfit::Ended(day(facts.until)));
    }
    // A few minutes too early are no reason to go without it: clients are as wrong as we are.
    if facts.from > now.saturating_add(CLOCK_SKEW_MAX.as_secs()) {
        return Err(Unfit::Early(day(facts.from)));
    }
    Ok(())
}

/// A moment as people of all places read it.
pub(super) fn day(secs: u64) -> String {
    date::rfc3339(crate::base::clock::Wall(secs.saturating_mul(1_000_000)))
}
