//! The certificate that we make ourselves.
//!
//! ECDSA P-256, because a signature of it costs a tenth of RSA's and every client knows it. It lies in
//! `<data_dir>/certs` (folder 0700, key 0600) and stays the same over restarts, so that a client that pinned it stays
//! content; another hostname makes a new one. It never expires: nobody verifies it by a root, and a date would only
//! break those who pinned it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::sign::CertifiedKey;

use crate::config::pem::{self, PemError};
use crate::mail::domain::Domain;

/// Why we have no certificate of our own.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// It cannot be written.
    #[error(
        "the self-signed certificate cannot be written to {path}: {source}; let the server's user write there"
    )]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
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

/// The one that is there, if it is a pair for this name; else a new one.
pub(super) fn load(data_dir: &Path, hostname: &Domain) -> Result<CertifiedKey, OwnError> {
    let folder = data_dir.join("certs");
    let (cert, key) = (folder.join(CERT), folder.join(KEY));
    if let Ok(pair) = pem::read_pair(&cert, &key)
        && pem::names(&pair.cert, hostname)
    {
        return Ok(pair);
    }
    make(&folder, hostname)?;
    tracing::info!(%hostname, path = %cert.display(), "made a self-signed certificate");
    Ok(pem::read_pair(&cert, &key)?)
}

fn make(folder: &Path, hostname: &Domain) -> Result<(), OwnError> {
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
    let refused = |source| OwnError::Write {
        path: folder.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(refused)?;
    // The key first: a crash between the two leaves a pair that does not match, and that is made anew.
    write(folder, KEY, &pair.serialize_pem()).map_err(refused)?;
    write(folder, CERT, &cert.pem()).map_err(refused)
}

/// Whole or not at all, and readable by its owner only.
fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let fresh = folder.join(format!("{name}.new"));
    if let Err(why) = fs::remove_file(&fresh)
        && why.kind() != io::ErrorKind::NotFound
    {
        return Err(why);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, folder.join(name))
}

const CERT: &str = "self-signed.pem";
const KEY: &str = "self-signed.key";
