//! What a configuration's certificates are on disk, whether a server runs or not. Nothing is made and nothing changed.
//!
//! Not here: what is in force (`Certs::stands`), and what is wrong with what was found (`admin::certs::check`).

use std::path::PathBuf;

use rustls::pki_types::CertificateDer;

use super::facts::Facts;
use super::own;
use super::shelf::Shelf;
use super::stand::CertSource;
use crate::config::pem::{self, PemError};
use crate::config::{CertConf, CertName, Config, TlsMode};

/// One certificate of the configuration.
#[derive(Debug)]
pub struct Found {
    /// As configured, or as its file says.
    pub names: Vec<CertName>,
    /// Where it comes from.
    pub source: CertSource,
    /// Where the chain lies.
    pub path: PathBuf,
    /// What lies there, leaf first, its key proven to be its own; none: nothing yet.
    pub chain: Option<Result<Vec<CertificateDer<'static>>, PemError>>,
    /// As `CertStand` has it.
    pub serial: String,
    /// Seconds since 1970.
    pub from: Option<u64>,
    /// Seconds since 1970.
    pub until: Option<u64>,
}

/// All of them, in the order of the configuration.
pub fn look(config: &Config) -> Vec<Found> {
    let tls = &config.tls;
    let mut all = Vec::new();
    if tls.mode == TlsMode::SelfSigned {
        let names = vec![CertName::exact(config.server.hostname.clone())];
        let (cert, key) = (tls.dir.join(own::CERT), tls.dir.join(own::KEY));
        all.push(found(names, CertSource::SelfSigned, cert, key));
    }
    all.extend(tls.certificates.iter().map(|cert| one(config, cert)));
    all
}

fn one(config: &Config, cert: &CertConf) -> Found {
    let names = cert.names.clone();
    if let Some(files) = &cert.files {
        let (cert, key) = (files.cert.clone(), files.key.clone());
        return found(names, CertSource::Files, cert, key);
    }
    let title = names.first().map(ToString::to_string).unwrap_or_default();
    let path = Shelf::new(&config.tls.dir, &title).cert();
    found(names, CertSource::Acme, path.clone(), path)
}

fn found(names: Vec<CertName>, source: CertSource, path: PathBuf, key: PathBuf) -> Found {
    // Files of somebody else must be there; ours are made when they are needed.
    let there = source == CertSource::Files || path.exists();
    let chain = there.then(|| pem::read_pair(&path, &key).map(|pair| pair.cert));
    let facts = match &chain {
        Some(Ok(chain)) => Facts::read(chain),
        Some(Err(_)) | None => None,
    };
    let facts = facts.as_ref();
    Found {
        names: match facts {
            Some(facts) if names.is_empty() => facts.names.clone(),
            Some(_) | None => names,
        },
        source,
        path,
        serial: facts.map(|facts| facts.serial.clone()).unwrap_or_default(),
        from: facts.map(|facts| facts.from),
        until: facts.map(|facts| facts.until),
        chain,
    }
}
