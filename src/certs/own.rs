//! The certificate that we make ourselves.
//!
//! ECDSA P-256, because a signature of it costs a tenth of RSA's and every client knows it. It lies in
//! `[tls] dir` (folder 0700, key 0600) and stays the same over restarts, so that a client that pinned it stays
//! content; another hostname makes a new one. It never expires: nobody verifies it by a root, and a date would only
//! break those who pinned it.

use std::path::Path;

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use super::shelf::{self, ShelfError};
use crate::config::CertName;
use crate::config::pem::{self, PemError};
use crate::mail::domain::Domain;

/// Why we have no certificate of our own.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// It cannot be written.
    #[error("the self-signed certificate: {0}")]
    Write(#[from] ShelfError),
    /// rustls does not take a key that we made.
    #[error(
        "a key that was just made cannot be used; remove the folder `certs` in the data directory"
    )]
    Key,
    /// It cannot be made.
    #[error(
        "a self-signed certificate for {name} cannot be made: {source}; use [tls] mode = \"files\""
    )]
    Make {
        /// For whom.
        name: String,
        /// Why.
        source: rcgen::Error,
    },
    /// What we just wrote cannot be read.
    #[error(
        "the self-signed certificate is of no use: {0}; remove the folder `certs` in the data directory"
    )]
    Read(#[from] PemError),
}

/// The one that is there, if it is a pair for this name.
pub(super) fn read(folder: &Path, hostname: &Domain) -> Option<CertifiedKey> {
    let pair = pem::read_pair(&folder.join(CERT), &folder.join(KEY)).ok();
    pair.filter(|pair| pem::names(&pair.cert, hostname))
}

/// A new one, in the place of whatever is there.
pub(super) fn make(folder: &Path, hostname: &Domain) -> Result<CertifiedKey, OwnError> {
    let (cert, key) = (folder.join(CERT), folder.join(KEY));
    write(folder, hostname)?;
    tracing::info!(%hostname, path = %cert.display(), "made a self-signed certificate");
    Ok(pem::read_pair(&cert, &key)?)
}

fn write(folder: &Path, hostname: &Domain) -> Result<(), OwnError> {
    let name = hostname.as_str();
    let failed = |source| OwnError::Make {
        name: name.to_owned(),
        source,
    };
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(failed)?;
    // A common name has at most 64 characters (X.520); the name that counts stands in subjectAltName.
    let common: String = name.chars().take(64).collect();
    params.distinguished_name.push(DnType::CommonName, common);
    let cert = params.self_signed(&pair).map_err(failed)?;
    // The key first: a crash between the two leaves a pair that does not match, and that is made anew.
    shelf::write(folder, &folder.join(KEY), &pair.serialize_pem())?;
    Ok(shelf::write(folder, &folder.join(CERT), &cert.pem())?)
}

/// One for names whose order is not done yet, with the key that the order will use: it lies nowhere.
pub(super) fn stand_in(names: &[CertName], key: &KeyPair) -> Result<CertifiedKey, OwnError> {
    let title = names.first().map(ToString::to_string).unwrap_or_default();
    let failed = |source| OwnError::Make {
        name: title.clone(),
        source,
    };
    let listed: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(listed).map_err(failed)?;
    let common: String = title.chars().take(64).collect();
    params.distinguished_name.push(DnType::CommonName, common);
    let cert = params.self_signed(key).map_err(failed)?;
    let der = PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| OwnError::Key)?;
    let key = aws_lc_rs::sign::any_supported_type(&der).map_err(|_| OwnError::Key)?;
    Ok(CertifiedKey::new(vec![cert.der().clone()], key))
}

pub(super) const CERT: &str = "self-signed.pem";
pub(super) const KEY: &str = "self-signed.key";
