//! TLS towards next hops: verified where the configuration asks for it, else better than nothing (RFC 3207, RFC 7435).
//!
//! Opportunistic TLS verifies nothing: a mail that would go out in the clear gains by any certificate. Required and
//! implicit TLS verify the host's name against the system's roots, or against a file of roots, and never fall back.
//! A certificate that stands in that file itself counts as it is (`named`).
//! Not here: when STARTTLS is said (`deliver::connect`), and our own certificate (`certs`).

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{Acceptor, ClientHello};
use rustls::{
    ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore, ServerConfig,
    SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

use super::plain;
use crate::mail::mailbox::Host;

mod either;
mod named;

/// Makes TLS connections; clones share sessions and roots.
#[derive(Clone)]
pub struct ClientTls(Arc<Shared>);

struct Shared {
    provider: Arc<CryptoProvider>,
    unverified: Arc<ClientConfig>,
    /// Read at first use: most servers never need the system's roots, and they take milliseconds and memory.
    verified: Mutex<HashMap<(Roots, Beside), Arc<ClientConfig>>>,
}

/// Whether a file's roots stand beside the system's instead of in their place.
type Beside = bool;

/// Which roots; a file that changed is read again, and what was verified by the old ones is not verified by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Roots {
    /// The system's, as they were at their first use.
    System,
    /// A PEM file, and how it looks now; None: it cannot be looked at.
    File(PathBuf, Option<Look>),
}

/// What tells a file from one that was there before: when it was written, its octets, its number on the disk.
pub type Look = (SystemTime, u64, u64);

impl Roots {
    /// Those of `path`, as the file is now.
    pub fn of(path: Option<&Path>) -> Self {
        let Some(path) = path else {
            return Self::System;
        };
        let look = std::fs::metadata(path).and_then(|meta| {
            let written = meta.modified()?;
            Ok((written, meta.len(), meta.ino()))
        });
        Self::File(path.to_owned(), look.ok())
    }
}

/// How much the peer's certificate must prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof<'a> {
    /// Nothing.
    Nothing,
    /// That it is the host, by the system's roots, or by those of a PEM file.
    Name(Option<&'a Path>),
    /// That it is the host, by the system's roots or by those of a PEM file.
    Beside(&'a Path),
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// Our own side: the roots.
    #[error("the roots of trust cannot be read from {from}: {why}")]
    Roots {
        /// A path, or the system.
        from: String,
        /// In plain words.
        why: String,
    },
    /// The library cannot be set up.
    #[error("TLS cannot be set up on this machine")]
    Setup(#[from] rustls::Error),
    /// The peer, or the line, or the certificate.
    #[error("the TLS handshake failed: {}", plain::io(.0))]
    Handshake(#[source] std::io::Error),
}

impl ClientTls {
    /// Nothing is read yet.
    pub fn new() -> Result<Self, TlsFault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let unverified = builder(&provider)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(Arc::clone(&provider))))
            .with_no_client_auth();
        Ok(Self(Arc::new(Shared {
            provider,
            unverified: Arc::new(unverified),
            verified: Mutex::default(),
        })))
    }

    /// Shakes hands as a client. Without a bound in time: the caller has one.
    pub async fn connect<S>(
        &self,
        stream: S,
        host: &Host,
        proof: Proof<'_>,
    ) -> Result<TlsStream<S>, TlsFault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = match proof {
            Proof::Nothing => Arc::clone(&self.0.unverified),
            Proof::Name(roots) => self.verified(roots, false)?,
            Proof::Beside(roots) => self.verified(Some(roots), true)?,
        };
        let name = server_name(host).map_err(TlsFault::Handshake)?;
        TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(TlsFault::Handshake)
    }

    fn verified(
        &self,
        roots: Option<&Path>,
        beside: Beside,
    ) -> Result<Arc<ClientConfig>, TlsFault> {
        let key = (Roots::of(roots), beside);
        let known =
            |map: &HashMap<(Roots, Beside), Arc<ClientConfig>>| map.get(&key).map(Arc::clone);
        if let Some(config) = known(
            &self
                .0
                .verified
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        ) {
            return Ok(config);
        }
        // Two that come at once both read; one result is kept.
        let made = Arc::new(self.make(roots, beside)?);
        let mut map = self
            .0
            .verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        map.retain(|(old, was), _| match (old, &key.0) {
            (Roots::File(old, _), Roots::File(new, _)) => old != new || *was != beside,
            (Roots::System | Roots::File(..), _) => true,
        });
        map.insert(key, Arc::clone(&made));
        Ok(made)
    }

    fn make(&self, roots: Option<&Path>, beside: Beside) -> Result<ClientConfig, TlsFault> {
        let provider = &self.0.provider;
        let verifier: Arc<dyn ServerCertVerifier> = match roots {
            None => from_system(provider)?,
            Some(path) if beside => {
                let own = Arc::new(from_file(path, provider)?);
                match from_system(provider) {
                    Ok(system) => Arc::new(either::Either::new(system, own)),
                    // A machine without roots still has those that are named.
                    Err(_) => own,
                }
            }
            Some(path) => Arc::new(from_file(path, provider)?),
        };
        Ok(builder(provider)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth())
    }
}

/// By the system's roots.
fn from_system(provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsFault> {
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider));
    let verifier = verifier.map_err(|error| {
        tracing::error!(%error, "the system's roots of trust cannot be read");
        TlsFault::Roots {
            from: "the system".to_owned(),
            why: "it gives none; install the package ca-certificates".to_owned(),
        }
    })?;
    Ok(Arc::new(verifier))
}

/// By the certificates of a PEM file.
fn from_file(path: &Path, provider: &Arc<CryptoProvider>) -> Result<named::Named, TlsFault> {
    let fault = |why: &str| TlsFault::Roots {
        from: path.display().to_string(),
        why: why.to_owned(),
    };
    let (mut store, mut found) = (RootCertStore::empty(), Vec::new());
    let all = CertificateDer::pem_file_iter(path).map_err(|error| fault(&plain::pem(&error)))?;
    for certificate in all {
        let certificate = certificate.map_err(|error| fault(&plain::pem(&error)))?;
        store
            .add(certificate.clone())
            .map_err(|_| fault("a certificate in it is damaged"))?;
        found.push(certificate);
    }
    let inner =
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build();
    let inner = inner.map_err(|_| fault("there is no certificate in it"))?;
    Ok(named::Named::new(inner, found))
}

/// Shakes hands as a server whose configuration depends on what the client says first.
///
/// # Errors
/// The line or the handshake broke; the client was told why.
pub async fn accept_by_hello<S>(
    stream: S,
    choose: impl FnOnce(&ClientHello<'_>) -> Arc<ServerConfig>,
) -> std::io::Result<tokio_rustls::server::TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let config = choose(&start.client_hello());
    start.into_stream(config).await
}

/// `TLSv1.3 TLS_AES_256_GCM_SHA384`, as logs and Received fields say it.
pub fn facts(
    version: Option<ProtocolVersion>,
    suite: Option<rustls::SupportedCipherSuite>,
) -> String {
    let version = match version {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(_) | None => "TLS",
    };
    let suite = suite.and_then(|suite| suite.suite().as_str());
    let suite = suite.unwrap_or("unknown cipher").replace("TLS13_", "TLS_");
    format!("{version} {suite}")
}

/// What SNI and the certificate name.
fn server_name(host: &Host) -> Result<ServerName<'static>, std::io::Error> {
    match host {
        Host::Literal(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Domain(domain) => {
            ServerName::try_from(domain.as_str().to_owned()).map_err(std::io::Error::other)
        }
    }
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, TlsFault> {
    Ok(ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?)
}

/// Takes any certificate, if the peer has its key.
#[derive(Debug)]
pub struct Anybody(pub Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_rustls::TlsAcceptor;

    use crate::base::clock::{Clock, Wall};

    struct Peer {
        acceptor: TlsAcceptor,
        certificate: String,
    }

    fn peer(name: &str) -> Peer {
        made(name, |_| {})
    }

    /// With a certificate that it signed itself.
    fn made(name: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Peer {
        let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let signing = rcgen::KeyPair::generate().unwrap();
        let cert = params.self_signed(&signing).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(signing.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Peer {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate: cert.pem(),
        }
    }

    async fn shake(peer: &Peer, host: &str, proof: Proof<'_>) -> Result<String, TlsFault> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let accept = peer.acceptor.accept(theirs);
        let accept = tokio::spawn(async move { accept.await.is_ok() });
        let host = Host::Domain(host.parse().unwrap());
        let stream = ClientTls::new()?.connect(ours, &host, proof).await?;
        assert!(accept.await.unwrap());
        let session = stream.get_ref().1;
        Ok(facts(
            session.protocol_version(),
            session.negotiated_cipher_suite(),
        ))
    }

    #[tokio::test]
    async fn opportunistic_takes_any_certificate() {
        let text = shake(&peer("else.example"), "mx.example", Proof::Nothing)
            .await
            .unwrap();
        assert!(text.starts_with("TLSv1.3 TLS_"), "got {text}");
    }

    #[tokio::test]
    async fn a_host_whose_name_has_an_underscore_is_asked_for_and_verified() {
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("roots.pem");
        for host in ["mx_1.example", "_mx.example", "mx_.a_b.example"] {
            let peer = peer(host);
            std::fs::write(&roots, &peer.certificate).unwrap();
            for proof in [Proof::Nothing, Proof::Name(Some(&roots))] {
                let shaken = shake(&peer, host, proof).await;
                assert!(shaken.is_ok(), "case: {host} {proof:?}, got {shaken:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_verified_name_needs_its_root() {
        let peer = peer("mx.example");
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("roots.pem");
        std::fs::write(&roots, &peer.certificate).unwrap();
        assert!(
            shake(&peer, "mx.example", Proof::Name(Some(&roots)))
                .await
                .is_ok()
        );
        for (host, roots) in [
            ("other.example", Some(roots.as_path())),
            ("mx.example", None),
        ] {
            let result = shake(&peer, host, Proof::Name(roots)).await;
            assert!(
                matches!(result, Err(TlsFault::Handshake(_))),
                "case: {host} {roots:?}, got {result:?}"
            );
        }
        let missing = folder.path().join("none.pem");
        let result = shake(&peer, "mx.example", Proof::Name(Some(&missing))).await;
        assert!(
            matches!(result, Err(TlsFault::Roots { .. })),
            "got {result:?}"
        );
    }

    #[tokio::test]
    async fn roots_beside_others_take_what_either_takes_and_nothing_else() {
        let (one, two, none) = (peer("mx.example"), peer("mx.example"), peer("mx.example"));
        let folder = tempfile::tempdir().unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let file = |name: &str, peer: &Peer| {
            let path = folder.path().join(name);
            std::fs::write(&path, &peer.certificate).unwrap();
            path
        };
        let verifier = |path: &Path| Arc::new(from_file(path, &provider).unwrap());
        let (first, second) = (file("one.pem", &one), file("two.pem", &two));
        let both = either::Either::new(verifier(&first), verifier(&second));
        let name = ServerName::try_from("mx.example").unwrap();
        for (case, peer, taken) in [
            ("first", &one, true),
            ("second", &two, true),
            ("no", &none, false),
        ] {
            let path = file("peer.pem", peer);
            let leaf = CertificateDer::pem_file_iter(&path)
                .unwrap()
                .next()
                .unwrap();
            let result = both.verify_server_cert(&leaf.unwrap(), &[], &name, &[], UnixTime::now());
            assert_eq!(result.is_ok(), taken, "case: {case}: {result:?}");
        }
        // And so it is asked: a file beside the system's roots still counts by itself.
        assert!(
            shake(&one, "mx.example", Proof::Beside(&first))
                .await
                .is_ok()
        );
        assert!(
            shake(&two, "mx.example", Proof::Beside(&first))
                .await
                .is_err()
        );
    }

    /// As `openssl req -x509` makes it: an authority, and the server itself.
    fn authority(params: &mut rcgen::CertificateParams) {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }

    /// Valid from and until so many days from now.
    fn days(params: &mut rcgen::CertificateParams, from: i64, until: i64) {
        let now = i64::try_from(Clock::system().wall().secs()).unwrap();
        let day = |days: i64| {
            let secs = u64::try_from(now + days * 86_400).unwrap();
            let text = crate::mail::date::rfc3339(Wall(secs * 1_000_000));
            let number =
                |from: usize, to: usize| text.get(from..to).unwrap().parse::<u16>().unwrap();
            let (month, day) = (number(5, 7), number(8, 10));
            rcgen::date_time_ymd(
                number(0, 4).into(),
                month.try_into().unwrap(),
                day.try_into().unwrap(),
            )
        };
        (params.not_before, params.not_after) = (day(from), day(until));
    }

    #[tokio::test]
    async fn a_certificate_that_is_named_itself_counts_while_name_and_dates_are_right() {
        let expired = |params: &mut rcgen::CertificateParams| {
            authority(params);
            days(params, -20, -10);
        };
        let early = |params: &mut rcgen::CertificateParams| {
            authority(params);
            days(params, 10, 20);
        };
        let cases = [
            (
                "an authority's",
                made("mx.example", authority),
                "mx.example",
                "",
            ),
            (
                "another name",
                made("mx.example", authority),
                "other.example",
                "only for mx.example",
            ),
            (
                "expired",
                made("mx.example", expired),
                "mx.example",
                "expired on",
            ),
            (
                "not yet valid",
                made("mx.example", early),
                "mx.example",
                "not valid before",
            ),
        ];
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("roots.pem");
        for (name, peer, host, words) in cases {
            std::fs::write(&roots, &peer.certificate).unwrap();
            let result = shake(&peer, host, Proof::Name(Some(&roots))).await;
            match result {
                Ok(_) => assert_eq!(words, "", "case: {name}"),
                Err(fault) => {
                    let text = fault.to_string();
                    assert!(
                        !words.is_empty() && text.contains(words),
                        "case: {name}, got {text}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn another_certificate_of_the_same_name_is_not_the_one_that_is_named() {
        let (wanted, other) = (made("mx.example", authority), made("mx.example", authority));
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("roots.pem");
        std::fs::write(&roots, &wanted.certificate).unwrap();
        let result = shake(&other, "mx.example", Proof::Name(Some(&roots))).await;
        assert!(
            matches!(result, Err(TlsFault::Handshake(_))),
            "got {result:?}"
        );
    }
}
