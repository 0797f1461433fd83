//! What a directory is answered when it validates a name: tokens for http-01, certificates for tls-alpn-01.
//!
//! Only what an order under way has placed is answered, and the order takes it away again however it ends.
//! Not here: the doors that ask (`admin::web`, `receive`), and TXT records (`hook`).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// What is placed now; clones share it.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<Placed>>);

#[derive(Default)]
struct Placed {
    /// Key authorizations by token.
    tokens: HashMap<String, String>,
    /// By name.
    certificates: HashMap<String, Arc<CertifiedKey>>,
    /// TXT records that a hook wrote: name and value.
    records: Vec<(String, String)>,
}

/// The protocol of RFC 8737 section 6.2.
pub(super) const ALPN: &[u8] = b"acme-tls/1";

impl Answers {
    fn placed(&self) -> MutexGuard<'_, Placed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a GET of `/.well-known/acme-challenge/TOKEN` (RFC 8555 section 8.3).
    pub(super) fn place_token(&self, token: &str, text: &str) {
        self.placed()
            .tokens
            .insert(token.to_owned(), text.to_owned());
    }

    pub(super) fn token(&self, token: &str) -> Option<String> {
        self.placed().tokens.get(token).cloned()
    }

    /// For a handshake with `acme-tls/1` (RFC 8737 section 3).
    pub(super) fn place_certificate(&self, name: &str, digest: &[u8]) -> Result<(), String> {
        let pair = certificate(name, digest)?;
        self.placed()
            .certificates
            .insert(name.to_owned(), Arc::new(pair));
        Ok(())
    }

    /// Whether a handshake may be a validation.
    pub(super) fn expects_handshake(&self) -> bool {
        !self.placed().certificates.is_empty()
    }

    /// For the hook that takes it away again.
    pub(super) fn place_txt(&self, name: &str, value: &str) {
        self.placed()
            .records
            .push((name.to_owned(), value.to_owned()));
    }

    /// Takes all of it away (orders come one after the other); the TXT records that a hook must remove.
    pub(super) fn clear(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.placed()).records
    }

    /// What a validation is answered with.
    pub(super) fn config(&self) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.send_tls13_tickets = 0;
        Ok(tls)
    }
}

impl ResolvesServerCert for Answers {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        self.placed().certificates.get(&name).map(Arc::clone)
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}

/// Self-signed, for exactly this name, with the digest in a critical extension (RFC 8737 section 3).
fn certificate(name: &str, digest: &[u8]) -> Result<CertifiedKey, String> {
    if digest.len() != 32 {
        return Err("the digest of the key authorization has another length".to_owned());
    }
    let says = |error: rcgen::Error| error.to_string();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(says)?;
    let mut params = CertificateParams::new([name.to_owned()]).map_err(says)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let cert = params.self_signed(&key).map_err(says)?;
    let der = PrivateKeyDer::try_from(key.serialize_der())?;
    let key = aws_lc_rs::sign::any_supported_type(&der).map_err(|error| error.to_string())?;
    Ok(CertifiedKey::new(vec![cert.der().clone()], key))
}
