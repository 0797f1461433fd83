//! From the configuration to the certificates in force.
//!
//! What was ordered and cannot be read, or is not there yet, is stood in for by a self-signed one with the key of the
//! coming order, so that no handshake is without a certificate. Files of somebody else must be right: at the start that
//! is a mistake, later the old one stays. Not here: ordering (`work`).

use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::CertError;
use super::facts::Facts;
use super::own;
use super::shelf::Shelf;
use super::stand::CertSource;
use super::table::{Shown, Table};
use super::watch;
use crate::config::{CertConf, CertFiles, CertName, Config, TlsMode, pem};

/// All that the configuration names.
pub(super) fn table(config: &Config) -> Result<Table, CertError> {
    let tls = &config.tls;
    let mut all = Vec::new();
    if tls.mode == TlsMode::SelfSigned {
        let host = &config.server.hostname;
        let pair = own::load(&tls.dir, host)?;
        let names = vec![CertName::exact(host.clone())];
        all.push(Arc::new(shown(names, CertSource::SelfSigned, pair, None)?));
    }
    for cert in &tls.certificates {
        all.push(Arc::new(match &cert.files {
            Some(files) => of_files(&cert.names, files)?,
            None => ordered(config, cert)?,
        }));
    }
    Ok(Table::new(all, &config.server.hostname))
}

/// A pair of somebody else.
pub(super) fn of_files(names: &[CertName], files: &CertFiles) -> Result<Shown, CertError> {
    // Before they are read: what changes meanwhile is read again.
    let stamp = watch::stamp(files);
    let pair = pem::read_pair(&files.cert, &files.key)?;
    let mut shown = shown(names.to_vec(), CertSource::Files, pair, Some(files.clone()))?;
    shown.stamp = Some(stamp);
    Ok(shown)
}

/// What was ordered last, or what stands in for it.
fn ordered(config: &Config, cert: &CertConf) -> Result<Shown, CertError> {
    let title = cert.names.first().map(ToString::to_string);
    let title = title.unwrap_or_default();
    let shelf = Shelf::new(&config.tls.dir, &title);
    match shelf.read() {
        Some(Ok(pair)) => return shown(cert.names.clone(), CertSource::Acme, pair, None),
        Some(Err(error)) => {
            tracing::error!(certificate = %title, %error, "the ordered certificate cannot be read; a self-signed one stands in, and a new one is ordered");
        }
        None => {
            tracing::info!(certificate = %title, "a self-signed certificate stands in until the first order is done");
        }
    }
    let fresh = config.tls.acme.as_ref().is_some_and(|acme| acme.new_key);
    let key = shelf.next_key(fresh).or_else(|_| shelf.next_key(true))?;
    let pair = own::stand_in(&cert.names, &key)?;
    let mut shown = shown(cert.names.clone(), CertSource::Acme, pair, None)?;
    shown.stand_in = true;
    Ok(shown)
}

/// With what it says of itself.
pub(super) fn shown(
    names: Vec<CertName>,
    source: CertSource,
    pair: CertifiedKey,
    files: Option<CertFiles>,
) -> Result<Shown, CertError> {
    let facts = Facts::read(&pair.cert).ok_or(CertError::Unreadable)?;
    let names = if names.is_empty() {
        facts.names.clone()
    } else {
        names
    };
    Ok(Shown {
        names,
        source,
        stand_in: false,
        key: Arc::new(pair),
        facts,
        files,
        stamp: None,
    })
}
