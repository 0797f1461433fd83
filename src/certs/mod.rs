//! The certificate of every listener: read from files, or made here at the first start.
//!
//! One certificate is in force at a time, in two `ServerConfig`s: for mail, and for HTTP with its ALPN. `reload` makes a whole new one and swaps it; when that fails the old one
//! stays, so that a broken file never stops mail. Connections under way keep what they began with.
//! Not here: reading PEM and proving pairs (`config::pem`), the roots for next hops (`net`), ACME (a later issue).

mod own;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::config::pem::{self, PemError};
use crate::config::{Config, TlsMode};

pub use own::OwnError;

/// A handle on the live certificate; clones share it.
#[derive(Clone)]
pub struct Certs(Arc<ArcSwap<Live>>);

/// One certificate, twice.
struct Live {
    mail: Arc<ServerConfig>,
    web: Arc<ServerConfig>,
    /// Its end in seconds since 1970.
    until: Option<u64>,
}

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// The files of `[tls]`.
    #[error("[tls]: {0}")]
    Files(#[from] PemError),
    /// The one we make.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// rustls refuses it.
    #[error("TLS cannot be set up: {0}; check the key and the certificate of [tls]")]
    Tls(#[from] rustls::Error),
}

impl Certs {
    /// What the configuration names; a self-signed one is made when there is none yet.
    pub fn load(config: &Config) -> Result<Self, CertError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(build(config)?))))
    }

    /// Reads again and swaps; on failure the old one stays in force.
    pub fn reload(&self, config: &Config) -> Result<(), CertError> {
        self.0.store(Arc::new(build(config)?));
        Ok(())
    }

    /// For a handshake that begins now.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.load().mail)
    }

    /// Until when the certificate is valid, in seconds since 1970.
    pub fn valid_until(&self) -> Option<u64> {
        self.0.load().until
    }

    /// The same for HTTP: offers HTTP/2 and HTTP/1.1 (RFC 9113 section 3.2).
    pub fn web_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.load().web)
    }
}

impl fmt::Debug for Certs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certs")
    }
}

fn build(config: &Config) -> Result<Live, CertError> {
    let pair = match &config.tls.mode {
        TlsMode::SelfSigned => own::load(&config.server.data_dir, &config.server.hostname)?,
        TlsMode::Files { cert, key } => pem::read_pair(cert, key)?,
    };
    let until = pem::valid_until(&pair.cert);
    let mail = server_config(pair)?;
    let mut web = mail.clone();
    web.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Live {
        mail: Arc::new(mail),
        web: Arc::new(web),
        until,
    })
}

/// TLS 1.2 and 1.3 with one certificate for every name: clients of a mail server often send no SNI, and one that
/// sends a name we do not know shall decide itself (RFC 7672 section 8.1 wants no failure by SNI).
fn server_config(pair: CertifiedKey) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    // A client that comes back resumes without a signature. Tickets keep no state here; their key turns every six
    // hours. One ticket per handshake: mail clients open one connection at a time, and each ticket costs a record.
    tls.ticketer = aws_lc_rs::Ticketer::new()?;
    tls.send_tls13_tickets = 1;
    Ok(tls)
}

#[cfg(test)]
mod tests;
