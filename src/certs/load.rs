//! From the configuration to the certificates in force.
//!
//! What was ordered and cannot be read, or is not there yet, is stood in for by a self-signed one with the key of the
//! coming order, so that no handshake is without a certificate. But what is good and in force stays in force when a
//! reload finds its file damaged, gone or for other names. Files of somebody else must be right: at the start that is a
//! mistake, later the old one stays. Not here: ordering (`work`).

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

/// All that the configuration names. `old`: what is in force.
pub(super) fn table(config: &Config, old: Option<&Table>) -> Result<Table, CertError> {
    let tls = &config.tls;
    let mut all = Vec::new();
    if tls.mode == TlsMode::SelfSigned {
        all.push(Arc::new(self_signed(config, old)?));
    }
    for cert in &tls.certificates {
        all.push(Arc::new(match &cert.files {
            Some(files) => of_files(&cert.names, files)?,
            None => ordered(config, cert, old)?,
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

/// The one that we make. Who pinned it shall not see another one because a file was damaged.
fn self_signed(config: &Config, old: Option<&Table>) -> Result<Shown, CertError> {
    let (folder, host) = (&config.tls.dir, &config.server.hostname);
    let names = vec![CertName::exact(host.clone())];
    let kept = old.and_then(|old| old.titled(host.as_str()));
    let kept = kept.filter(|one| one.source == CertSource::SelfSigned);
    match (own::read(folder, host), kept) {
        (None, Some(kept)) => {
            let why = "its files are gone, damaged or for another name";
            tracing::error!(certificate = %host, why, "the self-signed certificate cannot be read; the one in memory stays in force until the next start, which makes a new one");
            Ok(again(kept, names, CertSource::SelfSigned, why.to_owned()))
        }
        (Some(pair), _) => shown(names, CertSource::SelfSigned, pair, None),
        (None, None) => {
            let pair = own::make(folder, host)?;
            shown(names, CertSource::SelfSigned, pair, None)
        }
    }
}

/// What was ordered last, what is in force and better, or what stands in for it.
fn ordered(config: &Config, cert: &CertConf, old: Option<&Table>) -> Result<Shown, CertError> {
    let title = cert.names.first().map(ToString::to_string);
    let title = title.unwrap_or_default();
    let shelf = Shelf::new(&config.tls.dir, &title);
    let kept = old.and_then(|old| in_force(old, cert, &title));
    let least = kept.map_or(1, |kept| covered(kept, cert));
    let why = match shelf.read() {
        Some(Ok(pair)) => {
            let read = shown(cert.names.clone(), CertSource::Acme, pair, None)?;
            if covered(&read, cert) >= least {
                return Ok(read);
            }
            "it is for other names".to_owned()
        }
        Some(Err(error)) => error.to_string(),
        None if kept.is_some() => "there is no file of it".to_owned(),
        None => String::new(),
    };
    if let Some(kept) = kept {
        tracing::error!(certificate = %title, path = %shelf.cert().display(), why, "the ordered certificate cannot be read; what is in force stays in force, and a new one is ordered");
        return Ok(again(kept, cert.names.clone(), CertSource::Acme, why));
    }
    if why.is_empty() {
        tracing::info!(certificate = %title, "a self-signed certificate stands in until the first order is done");
    } else {
        tracing::error!(certificate = %title, path = %shelf.cert().display(), why, "the ordered certificate cannot be used; a self-signed one stands in, and a new one is ordered");
    }
    let fresh = config.tls.acme.as_ref().is_some_and(|acme| acme.new_key);
    let key = shelf.next_key(fresh).or_else(|_| shelf.next_key(true))?;
    let pair = own::stand_in(&cert.names, &key)?;
    let mut shown = shown(cert.names.clone(), CertSource::Acme, pair, None)?;
    shown.stand_in = true;
    Ok(shown)
}

/// What somebody signed and clients are shown now: under this title, or for all of these names under another one.
fn in_force<'t>(old: &'t Table, cert: &CertConf, title: &str) -> Option<&'t Shown> {
    let signed = |one: &&Arc<Shown>| !one.stand_in && one.source != CertSource::SelfSigned;
    let own = old.titled(title).filter(signed);
    let own = own.filter(|one| covered(one, cert) > 0);
    let whole = |one: &&Arc<Shown>| covered(one, cert) == cert.names.len();
    let other = || old.all().iter().filter(signed).find(whole);
    own.or_else(other).map(AsRef::as_ref)
}

/// How many of the names it is for.
pub(super) fn covered(shown: &Shown, cert: &CertConf) -> usize {
    count(shown, &cert.names)
}

/// How many of these it is for.
pub(super) fn count(shown: &Shown, names: &[CertName]) -> usize {
    let own = &shown.key.cert;
    names.iter().filter(|name| pem::covers(own, name)).count()
}

/// What is in force already, under these names.
fn again(kept: &Shown, names: Vec<CertName>, source: CertSource, why: String) -> Shown {
    Shown {
        names,
        source,
        stand_in: false,
        unsaved: Some(why),
        key: Arc::clone(&kept.key),
        facts: kept.facts.clone(),
        files: None,
        stamp: None,
    }
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
        unsaved: None,
        key: Arc::new(pair),
        facts,
        files,
        stamp: None,
    })
}
