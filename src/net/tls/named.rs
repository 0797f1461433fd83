//! A certificate that an administrator named, octet for octet, counts as it is.
//!
//! Who signs for himself (`openssl req -x509` marks such a certificate as an authority's) cannot be verified by a chain,
//! and naming him in `ca` says all that a chain could say. His name and his dates still count, and that he has the key.
//! All other certificates are verified by the chain to those that were named, as ever.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

/// By what was named, itself or as a root.
#[derive(Debug)]
pub(super) struct Named {
    chain: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl Named {
    /// `chain` verifies what is not in `named`.
    pub(super) fn new(
        chain: Arc<WebPkiServerVerifier>,
        named: Vec<CertificateDer<'static>>,
    ) -> Self {
        Self { chain, named }
    }
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self
            .named
            .iter()
            .any(|named| named.as_ref() == leaf.as_ref())
        {
            return self.chain.verify_server_cert(leaf, others, name, ocsp, now);
        }
        in_time(leaf, now)?;
        verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, leaf, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, leaf, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

fn in_time(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let (_, parsed) =
        X509Certificate::from_der(leaf.as_ref()).map_err(|_| CertificateError::BadEncoding)?;
    let time = |at: x509_parser::time::ASN1Time| {
        // Before 1970 is before every server.
        let secs = u64::try_from(at.timestamp()).unwrap_or(0);
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs))
    };
    let validity = parsed.validity();
    let (not_before, not_after) = (time(validity.not_before), time(validity.not_after));
    if now.as_secs() < not_before.as_secs() {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before,
        });
    }
    if now.as_secs() > not_after.as_secs() {
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after,
        });
    }
    Ok(())
}
