//! A small browser: one request a connection, cookies kept, any certificate taken.
//!
//! HTTP/1.1 by default, HTTP/2 where a test asks. It follows nothing by itself.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use postwerk::config::{self, Config};
use postwerk::mail::mailbox::Host;
use postwerk::net::tls::Anybody;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::house::{House, nobody};

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub text: String,
}

/// One visitor of the endpoint.
#[derive(Clone, Debug)]
pub struct Browser {
    pub at: SocketAddr,
    pub tls: bool,
    pub h2: bool,
    /// Sent with every request.
    pub fields: Vec<(String, String)>,
    /// `name=value`.
    pub cookies: Vec<String>,
}

/// A house whose endpoint listens on loopback, by TLS or not.
pub async fn house(tls: bool, more: &str, change: impl FnOnce(&mut Config)) -> House {
    let url = config::PublicUrl {
        https: tls,
        host: Host::Literal([127, 0, 0, 1].into()),
        port: 8443,
    };
    House::changed(nobody().await, more, |conf| {
        conf.admin.bind = Some(([127, 0, 0, 1], 0).into());
        conf.admin.http_bind = tls.then_some(([127, 0, 0, 1], 0).into());
        conf.admin.public_url = Some(url);
        change(conf);
    })
    .await
}

impl Browser {
    pub fn of(house: &House, tls: bool) -> Self {
        Self {
            at: house.server.admin_address().expect("an endpoint"),
            tls,
            h2: false,
            fields: Vec::new(),
            cookies: Vec::new(),
        }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    /// A form, as our own page sends it.
    pub async fn post(&mut self, path: &str, form: &str) -> Answer {
        self.send("POST", path, Some(form)).await
    }

    pub async fn send(&mut self, method: &str, path: &str, form: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method);
        let scheme = if self.tls { "https" } else { "http" };
        request = if self.h2 {
            request.uri(format!("{scheme}://{}{path}", self.at))
        } else {
            request.uri(path).header("host", self.at.to_string())
        };
        for (name, value) in &self.fields {
            request = request.header(name, value);
        }
        if !self.cookies.is_empty() {
            request = request.header("cookie", self.cookies.join("; "));
        }
        if form.is_some() {
            request = request.header("content-type", "application/x-www-form-urlencoded");
            if !self.fields.iter().any(|(name, _)| name == "origin") {
                request = request.header("origin", format!("{scheme}://{}", self.at));
            }
        }
        let body = Full::new(Bytes::from(form.unwrap_or_default().to_owned()));
        let request = request.body(body).expect("a request");
        let stream = TcpStream::connect(self.at).await.expect("connected");
        let response = if self.tls {
            let stream = tls(stream, if self.h2 { b"h2" } else { b"http/1.1" }).await;
            self.exchange(stream, request).await
        } else {
            self.exchange(stream, request).await
        };
        let (head, body) = response.into_parts();
        let text = body.collect().await.expect("a whole answer").to_bytes();
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(text.to_vec()).expect("text"),
        };
        self.keep(&answer);
        answer
    }

    async fn exchange<S>(
        &self,
        stream: S,
        request: Request<Full<Bytes>>,
    ) -> Response<hyper::body::Incoming>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        if self.h2 {
            let (mut sender, line) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                    .await
                    .expect("HTTP/2");
            tokio::spawn(line);
            sender.send_request(request).await.expect("an answer")
        } else {
            let (mut sender, line) = hyper::client::conn::http1::handshake(io)
                .await
                .expect("HTTP/1.1");
            tokio::spawn(line);
            sender.send_request(request).await.expect("an answer")
        }
    }

    fn keep(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().expect("text");
            let (pair, rest) = cookie.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            self.cookies
                .retain(|kept| !kept.starts_with(&format!("{name}=")));
            if !value.is_empty() && !rest.contains("Max-Age=0") {
                self.cookies.push(pair.to_owned());
            }
        }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    /// The value of the first hidden field of this name.
    pub fn field(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        let (_, behind) = self
            .text
            .split_once(&mark)
            .unwrap_or_else(|| panic!("no field {name} in {}", self.text));
        behind.split('"').next().expect("a value").to_owned()
    }
}

/// A handshake that takes any certificate and offers one protocol.
pub async fn tls(stream: TcpStream, protocol: &[u8]) -> TlsStream<TcpStream> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("mail.postwerk.example").expect("a name");
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    stream
}
