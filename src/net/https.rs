//! A small HTTPS client: one request, one connection, one answer with its body, each within a bound.
//!
//! The certificate is always verified; redirects are an answer like any other. A connection is not kept: who asks here
//! asks a dozen times in two months. Not here: what is asked (`certs`).

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::plain;
use super::tls::{ClientTls, Proof, TlsFault};
use crate::base::clock::Clock;
use crate::mail::domain::Domain;
use crate::mail::mailbox::Host;

/// Asks over HTTPS.
#[derive(Clone)]
pub struct Https {
    tls: ClientTls,
    roots: Option<PathBuf>,
    clock: Clock,
    /// One request, from the look-up to the last octet.
    span: Duration,
    /// Octets of a body.
    max: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// Not a URL of ours.
    #[error("{0} is no https:// URL")]
    Url(String),
    /// No line.
    #[error("{host} cannot be reached: {}", plain::io(.source))]
    Connect {
        /// Whom.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// No TLS, or not theirs.
    #[error("{host}: {source}")]
    Tls {
        /// Whom.
        host: String,
        /// Why.
        source: TlsFault,
    },
    /// The line broke, or what came is no HTTP.
    #[error("{host} gave no whole answer: {}", plain::http(.source.as_ref()))]
    Broken {
        /// Whom.
        host: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Too late.
    #[error("{host} gave no answer within {} seconds", .span.as_secs())]
    Slow {
        /// Whom.
        host: String,
        /// The bound.
        span: Duration,
    },
}

impl Https {
    /// Verifies by the system's roots, and by those of a PEM file besides.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(
        roots: Option<PathBuf>,
        clock: Clock,
        span: Duration,
        max: usize,
    ) -> Result<Self, TlsFault> {
        let tls = ClientTls::new()?;
        Ok(Self {
            tls,
            roots,
            clock,
            span,
            max,
        })
    }

    /// The answer with its whole body, whatever its status.
    ///
    /// # Errors
    /// See [`HttpsError`].
    pub async fn ask<B>(&self, request: Request<B>) -> Result<Response<Bytes>, HttpsError>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let span = self.span;
        let asking = Box::pin(self.whole(request));
        let asked = self.clock.timeout(span, asking).await;
        asked.unwrap_or(Err(HttpsError::Slow { host, span }))
    }

    async fn whole<B>(&self, mut request: Request<B>) -> Result<Response<Bytes>, HttpsError>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (host, port, name) = place(request.uri())?;
        let stream = match &host {
            Host::Literal(ip) => TcpStream::connect((*ip, port)).await,
            Host::Domain(domain) => TcpStream::connect((domain.as_str(), port)).await,
        };
        let stream = stream.map_err(|source| HttpsError::Connect {
            host: name.clone(),
            source,
        })?;
        let proof = self
            .roots
            .as_deref()
            .map_or(Proof::Name(None), Proof::Beside);
        let stream = self.tls.connect(stream, &host, proof).await;
        let stream = stream.map_err(|source| HttpsError::Tls {
            host: name.clone(),
            source,
        })?;
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        let broken = |source| HttpsError::Broken {
            host: name.clone(),
            source,
        };
        let uri = path.parse().map_err(|_| HttpsError::Url(name.clone()))?;
        *request.uri_mut() = uri;
        let named = HeaderValue::try_from(&name).map_err(|_| HttpsError::Url(name.clone()))?;
        request.headers_mut().insert(HOST, named);
        let (mut requests, line) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(error.into()))?;
        // Its errors come back through the request; it ends with it.
        let line = AbortOnDrop(tokio::spawn(line).abort_handle());
        let answer = requests.send_request(request).await;
        let (parts, body) = answer.map_err(|error| broken(error.into()))?.into_parts();
        let body = Limited::new(body, self.max).collect().await;
        let body = body.map_err(broken)?.to_bytes();
        drop(line);
        Ok(Response::from_parts(parts, body))
    }
}

/// A request that is given up leaves no task behind.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Host, port, and both as a URL has them.
fn place(uri: &Uri) -> Result<(Host, u16, String), HttpsError> {
    let bad = || HttpsError::Url(uri.to_string());
    let authority = uri.authority().ok_or_else(bad)?;
    if uri.scheme_str() != Some("https") {
        return Err(bad());
    }
    let bare = authority.host().trim_matches(['[', ']']);
    let host = match bare.parse::<IpAddr>() {
        Ok(ip) => Host::Literal(ip),
        Err(_) => Host::Domain(Domain::parse(bare).map_err(|_| bad())?),
    };
    let port = authority.port_u16().unwrap_or(443);
    Ok((host, port, authority.as_str().to_owned()))
}
