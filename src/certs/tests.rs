//! What a client meets: the certificate made once, both versions of TLS, resumption, and reload.
//!
//! Each handshake is a real one, in memory.
//! Not here: STARTTLS and what is said around it (`receive`).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::mail::domain::Domain;
use crate::net::tls::Anybody;

fn conf(folder: &Path, hostname: &str) -> Config {
    Config::fallback(Domain::parse(hostname).unwrap(), folder.to_owned())
}

fn shown(certs: &Certs) -> Vec<u8> {
    let config = client(&[&rustls::version::TLS13]);
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(async { meet(certs, &config).await.1 })
}

fn client(versions: &[&'static rustls::SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    Arc::new(config)
}

/// One handshake in memory: how it went, and the certificate that was shown.
async fn meet(certs: &Certs, config: &Arc<ClientConfig>) -> (HandshakeKind, Vec<u8>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (near, far) = tokio::io::duplex(16 << 10);
    let acceptor = TlsAcceptor::from(certs.server_config());
    let server = async {
        let mut stream = acceptor.accept(far).await.unwrap();
        stream.write_all(b"220").await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let connector = TlsConnector::from(Arc::clone(config));
    let client = async {
        let name = ServerName::try_from("mail.example.org").unwrap();
        let mut stream = connector.connect(name, near).await.unwrap();
        let mut banner = Vec::new();
        stream.read_to_end(&mut banner).await.unwrap();
        assert_eq!(banner, b"220");
        let (_, session) = stream.get_ref();
        let cert = session.peer_certificates().unwrap()[0].to_vec();
        (session.handshake_kind().unwrap(), cert)
    };
    tokio::join!(server, client).1
}

#[test]
fn a_self_signed_certificate_is_made_once_and_its_key_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let config = conf(folder.path(), "mail.example.org");
    let first = shown(&Certs::load(&config).unwrap());
    let again = shown(&Certs::load(&config).unwrap());
    assert_eq!(first, again);
    let key = folder.path().join("certs/self-signed.key");
    let mode = std::fs::metadata(key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn another_hostname_or_a_broken_key_makes_a_new_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let first = shown(&Certs::load(&conf(folder.path(), "mail.example.org")).unwrap());
    let config = conf(folder.path(), "mx.example.org");
    let other = shown(&Certs::load(&config).unwrap());
    assert_ne!(first, other);
    std::fs::write(folder.path().join("certs/self-signed.key"), "torn").unwrap();
    assert_ne!(other, shown(&Certs::load(&config).unwrap()));
}

#[tokio::test]
async fn both_versions_of_tls_work_and_a_returning_client_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let certs = Certs::load(&conf(folder.path(), "mail.example.org")).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = client(&[version]);
        let first = meet(&certs, &client).await.0;
        let second = meet(&certs, &client).await.0;
        assert!(
            matches!(
                first,
                HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest
            ),
            "{version:?}: {first:?}"
        );
        assert_eq!(second, HandshakeKind::Resumed, "{version:?}");
    }
}

#[test]
fn files_are_read_and_a_broken_reload_leaves_the_old_one_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let made = conf(folder.path(), "mail.example.org");
    let own = shown(&Certs::load(&made).unwrap());
    let mut config = made.clone();
    config.tls.mode = TlsMode::Files {
        cert: folder.path().join("certs/self-signed.pem"),
        key: folder.path().join("certs/self-signed.key"),
    };
    let certs = Certs::load(&config).unwrap();
    assert_eq!(shown(&certs), own);
    let other = tempfile::tempdir().unwrap();
    let stranger = conf(other.path(), "mail.example.org");
    drop(Certs::load(&stranger).unwrap());
    config.tls.mode = TlsMode::Files {
        cert: folder.path().join("certs/self-signed.pem"),
        key: other.path().join("certs/self-signed.key"),
    };
    let why = certs.reload(&config).unwrap_err().to_string();
    assert!(why.contains("does not belong to the certificate"), "{why}");
    assert_eq!(shown(&certs), own);
    certs.reload(&stranger).unwrap();
    assert_ne!(shown(&certs), own);
}
