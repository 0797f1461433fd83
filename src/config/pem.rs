//! Reads certificates and keys from PEM files, and proves that a key belongs to its certificate.
//!
//! Done while the configuration is loaded, so that `check` finds a wrong file and no listener starts with one.
//! Not here: which certificate is in force, and the one we make ourselves (`certs`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

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
