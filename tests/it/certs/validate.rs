//! What a directory does to see that a name is ours: http-01 and tls-alpn-01, over the network.
//!
//! Written from RFC 8555 section 8.3 and RFC 8737 section 3, not from the server's code.

use std::net::SocketAddr;
use std::sync::Arc;

use ::aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, X509Certificate};

/// RFC 7638.
pub fn thumbprint(jwk: &Value) -> String {
    let text = format!(
        r#"{{"crv":{},"kty":{},"x":{},"y":{}}}"#,
        jwk["crv"], jwk["kty"], jwk["x"], jwk["y"]
    );
    B64.encode(sha256(text.as_bytes()))
}

fn sha256(octets: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, octets).as_ref().to_vec()
}

pub async fn really(
    word: &str,
    [http, tls]: [SocketAddr; 2],
    name: &str,
    token: &str,
    text: &str,
) -> Result<(), String> {
    match word {
        "http-01" => by_http(http, name, token, text).await,
        "tls-alpn-01" => by_tls(tls, name, text).await,
        other => Err(format!("{other} is not looked at here")),
    }
}

async fn by_http(to: SocketAddr, name: &str, token: &str, text: &str) -> Result<(), String> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let ask = format!(
        "GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).await.unwrap();
    if got.starts_with("HTTP/1.1 200") && got.trim_end().ends_with(text) {
        Ok(())
    } else {
        Err(format!("{name} answers {got}"))
    }
}

/// Does not even read the certificate: its critical extension is one that no client knows.
#[derive(Debug)]
struct Blind(Arc<CryptoProvider>);

impl ServerCertVerifier for Blind {
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

async fn by_tls(to: SocketAddr, name: &str, text: &str) -> Result<(), String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Blind(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let stream = TcpStream::connect(to).await.unwrap();
    let asked = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(asked, stream);
    let mut stream = stream
        .await
        .map_err(|error| format!("no handshake: {error}"))?;
    let (_, session) = stream.get_ref();
    if session.alpn_protocol() != Some(b"acme-tls/1") {
        return Err("another protocol".to_owned());
    }
    let der = session.peer_certificates().unwrap()[0].to_vec();
    let (_, cert) = X509Certificate::from_der(&der).unwrap();
    let names = cert.subject_alternative_name().unwrap().unwrap();
    let one = names.value.general_names.len() == 1;
    // id-pe-acmeIdentifier, critical, an OCTET STRING with the digest.
    let wanted = [vec![4, 32], sha256(text.as_bytes())].concat();
    let is_acme = |ext: &&x509_parser::prelude::X509Extension<'_>| {
        ext.oid.to_id_string() == "1.3.6.1.5.5.7.1.31"
    };
    let found = cert.extensions().iter().find(is_acme);
    let right = found.is_some_and(|ext| ext.critical && ext.value == wanted);
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
    if one && right && rest.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "one name: {one}, digest: {right}, said: {} octets",
            rest.len()
        ))
    }
}
