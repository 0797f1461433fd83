//! A certificate counts if one of two verifiers takes it: roots of one's own stand beside the system's.
//!
//! What the first refuses for whatever reason the second is asked; if both refuse, the second says why. Signatures are
//! the same arithmetic for both. Not here: which roots these are (`super`).

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// By one or the other.
#[derive(Debug)]
pub(super) struct Either {
    first: Arc<dyn ServerCertVerifier>,
    second: Arc<dyn ServerCertVerifier>,
}

impl Either {
    /// Asked in this order.
    pub(super) fn new(
        first: Arc<dyn ServerCertVerifier>,
        second: Arc<dyn ServerCertVerifier>,
    ) -> Self {
        Self { first, second }
    }
}

impl ServerCertVerifier for Either {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ask = |one: &Arc<dyn ServerCertVerifier>| {
            one.verify_server_cert(leaf, others, name, ocsp, now)
        };
        ask(&self.first).or_else(|_| ask(&self.second))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.second.verify_tls12_signature(message, leaf, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.second.verify_tls13_signature(message, leaf, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.second.supported_verify_schemes()
    }
}
