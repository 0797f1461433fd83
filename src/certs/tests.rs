//! What a client meets: the certificate made once, both versions of TLS, resumption, and reload.
//!
//! Each handshake is a real one, in memory.
//! Not here: STARTTLS and what is said around it (`receive`).

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::config::{CertConf, CertFiles, CertName, TlsMode};
use crate::mail::domain::Domain;
use crate::net::tls::Anybody;

fn conf(folder: &Path, hostname: &str) -> Config {
    Config::fallback(Domain::parse(hostname).unwrap(), folder.to_owned())
}

fn files(config: &mut Config, cert: PathBuf, key: PathBuf) {
    config.tls.mode = TlsMode::Files;
    config.tls.certificates.push(CertConf {
        names: Vec::new(),
        files: Some(CertFiles { cert, key }),
    });
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
fn a_name_gets_its_certificate_and_nobody_gets_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = conf(folder.path(), "mail.example.org");
    let mut pair = |names: &[&str]| {
        let listed: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(listed).unwrap();
        let path = folder
            .path()
            .join(format!("{}.pem", names[0].replace('*', "_")));
        let cert = params.self_signed(&key).unwrap();
        std::fs::write(&path, format!("{}{}", cert.pem(), key.serialize_pem())).unwrap();
        files(&mut config, path.clone(), path);
    };
    pair(&["*.example.org", "example.org"]);
    pair(&["lists.example.org"]);
    pair(&["mail.example.org"]);
    let certs = Certs::load(&config).unwrap();
    let table = certs.0.table.load();
    for (asked, title) in [
        (None, "mail.example.org"),
        (Some("mail.example.org"), "mail.example.org"),
        (Some("Lists.Example.ORG"), "lists.example.org"),
        (Some("any.example.org"), "*.example.org"),
        (Some("example.org"), "*.example.org"),
        (Some("a.b.example.org"), "mail.example.org"),
        (Some("other.example"), "mail.example.org"),
        (Some(""), "mail.example.org"),
    ] {
        let chosen = table.choose(asked).unwrap().title();
        assert_eq!(chosen, title, "case: {asked:?}");
    }
    let stands = certs.stands();
    let titles: Vec<&str> = stands.iter().map(|one| one.names[0].as_str()).collect();
    assert_eq!(
        titles,
        ["mail.example.org", "*.example.org", "lists.example.org"]
    );
    assert_eq!(stands[0].key_kind, "ECDSA P-256");
    assert_eq!(stands[0].spki_sha256.len(), 64);
}

#[test]
fn what_is_to_be_ordered_is_stood_in_for_with_the_key_of_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = conf(folder.path(), "mail.example.org");
    config.tls.mode = TlsMode::Acme;
    let names = ["mail.example.org", "example.org"].map(|name| CertName::parse(name).unwrap());
    config.tls.certificates.push(CertConf {
        names: names.to_vec(),
        files: None,
    });
    let stand = || Certs::load(&config).unwrap().stands().remove(0);
    let first = stand();
    assert!(first.stand_in && first.source == CertSource::Acme);
    assert_eq!(first.names, ["mail.example.org", "example.org"]);
    assert_eq!(first.spki_sha256, stand().spki_sha256);
    let key = folder.path().join("certs/mail.example.org.next.key");
    let mode = std::fs::metadata(key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let dir = std::fs::metadata(folder.path().join("certs")).unwrap();
    assert_eq!(dir.permissions().mode() & 0o777, 0o700);
}

#[test]
fn files_are_read_and_a_broken_reload_leaves_the_old_one_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let made = conf(folder.path(), "mail.example.org");
    let own = shown(&Certs::load(&made).unwrap());
    let mut config = made.clone();
    files(
        &mut config,
        folder.path().join("certs/self-signed.pem"),
        folder.path().join("certs/self-signed.key"),
    );
    let certs = Certs::load(&config).unwrap();
    assert_eq!(shown(&certs), own);
    let other = tempfile::tempdir().unwrap();
    let stranger = conf(other.path(), "mail.example.org");
    drop(Certs::load(&stranger).unwrap());
    config.tls.certificates.clear();
    files(
        &mut config,
        folder.path().join("certs/self-signed.pem"),
        other.path().join("certs/self-signed.key"),
    );
    let why = certs.reload(&config).unwrap_err().to_string();
    assert!(why.contains("does not belong to the certificate"), "{why}");
    assert_eq!(shown(&certs), own);
    certs.reload(&stranger).unwrap();
    assert_ne!(shown(&certs), own);
}
