//! From a listening socket to a request with its body: permits, TLS, deadlines and bounds.
//!
//! HTTP/2 is spoken where TLS agreed on it (RFC 9113 section 3.3), HTTP/1.1 otherwise. A request comes to its handler
//! whole: a body is small, has a Content-Length, and comes in time, else the answer is 411, 413 or 408 and the end of
//! the connection. Without Transfer-Encoding there is nothing about which two parsers can disagree (RFC 9112 section
//! 11.2). Not here: which path is whose (`router`).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, Version, header, request::Parts};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::server::ClientHello;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::headers::seal;
use super::page::refusal;
use super::pulse::Pulse;
use super::site::Site;
use super::visit::Visit;
use crate::base::clock::Clock;
use crate::base::limit::{
    HANDSHAKE_TIMEOUT, LINGER, WEB_ADDRESS_PART, WEB_ANSWER_TIMEOUT, WEB_BODY_MAX,
    WEB_BODY_TIMEOUT, WEB_CONNECTIONS_MAX, WEB_CONNECTIONS_OF_BROWSER, WEB_FIELDS_MAX,
    WEB_HEAD_MAX, WEB_NETWORK_PART, WEB_STREAMS_MAX,
};
use crate::base::repeats::Repeats;
use crate::certs::Certs;
use crate::net::listen;
use crate::net::permits::{Permit, Permits, Standing, Terms};
use crate::net::tls;

/// One listening socket and what it serves.
#[derive(Debug)]
pub(super) struct Door {
    site: Site,
    router: Router,
    plain: bool,
    permits: Permits,
}

/// How a client is connected.
#[derive(Clone, Debug)]
struct Line {
    peer: SocketAddr,
    permit: Permit,
    tls: bool,
    h2: bool,
}

impl Door {
    pub(super) fn new(site: Site, router: Router, plain: bool, permits: Permits) -> Self {
        Self {
            site,
            router,
            plain,
            permits,
        }
    }
}

/// Takes connections until the signal to stop. Each holds a guard of it.
pub(super) async fn run(door: Arc<Door>, socket: TcpListener) {
    let stop = door.site.shutdown.wait();
    tokio::pin!(stop);
    let repeats = Repeats::new(door.site.clock.clone());
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut stop => return,
            next = listen::next(&socket, &door.site.clock, &repeats) => next,
        };
        let (standing, terms) = places(&door.site, peer);
        // Without a permit the connection is closed without a word: a handshake would cost what is short.
        let Ok(permit) = door.permits.take(peer.ip(), standing, terms) else {
            continue;
        };
        let (door, guard) = (Arc::clone(&door), door.site.shutdown.guard());
        tokio::spawn(async move {
            connection(&door, stream, peer, permit).await;
            drop(guard);
        });
    }
}

/// All clients of a proxy come from one address.
fn places(site: &Site, peer: SocketAddr) -> (Standing, Terms) {
    let admin = &site.conf.load().admin;
    let all = admin.connections.unwrap_or(WEB_CONNECTIONS_MAX);
    // Sessions have half of the files, and there may be two doors here.
    let all = all.min(listen::files() / 4).max(1);
    let terms = Terms {
        all,
        of_network: (all / WEB_NETWORK_PART).max(WEB_CONNECTIONS_OF_BROWSER),
        of_address: (all / WEB_ADDRESS_PART).max(WEB_CONNECTIONS_OF_BROWSER),
    };
    if admin.trust_proxy.iter().any(|net| net.contains(peer.ip())) {
        let of_address = all;
        return (
            Standing::Favoured,
            Terms {
                of_address,
                ..terms
            },
        );
    }
    (Standing::Stranger, terms)
}

async fn connection(door: &Arc<Door>, stream: TcpStream, peer: SocketAddr, permit: Permit) {
    let line = Line {
        peer,
        permit,
        tls: !door.plain,
        h2: false,
    };
    if door.plain {
        return talk(door, stream, line).await;
    }
    let shaken = tokio::select! {
        biased;
        () = door.site.shutdown.wait() => return,
        () = line.permit.leaving() => return,
        shaken = door.site.clock.timeout(HANDSHAKE_TIMEOUT, shake(&door.site.certs, stream)) => shaken,
    };
    match shaken {
        Ok(Ok(mut stream)) if Certs::was_validation(stream.get_ref().1.alpn_protocol()) => {
            tracing::info!(%peer, "a name was validated by tls-alpn-01");
            // Nothing follows it (RFC 8737 section 3).
            drop(stream.shutdown().await);
        }
        Ok(Ok(stream)) => {
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            talk(door, stream, Line { h2, ..line }).await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with a client of the endpoint"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake of the endpoint took too long"),
    }
}

/// While an order is under way, a hello may be the directory's (RFC 8737).
async fn shake(certs: &Certs, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    if !certs.expects_validation() {
        return TlsAcceptor::from(certs.web_config()).accept(stream).await;
    }
    let choose = |hello: &ClientHello<'_>| {
        let validation = certs.validation(hello);
        validation.unwrap_or_else(|| certs.web_config())
    };
    tls::accept_by_hello(stream, choose).await
}

async fn talk<S>(door: &Arc<Door>, stream: S, line: Line)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pulse = Pulse::default();
    let service = {
        let (door, pulse, line) = (Arc::clone(door), pulse.clone(), line.clone());
        service_fn(move |request| {
            let (door, busy, line) = (Arc::clone(&door), pulse.begin(), line.clone());
            async move {
                let response = answer(&door, &line, request).await;
                line.permit.served();
                drop(busy);
                Ok::<_, Infallible>(response)
            }
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .max_headers(WEB_FIELDS_MAX)
        .max_buf_size(WEB_HEAD_MAX);
    builder
        .http2()
        .max_concurrent_streams(WEB_STREAMS_MAX)
        .max_header_list_size(u32::try_from(WEB_HEAD_MAX).unwrap_or(u32::MAX));
    let builder = if line.h2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    };
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let (site, peer) = (&door.site, line.peer);
    let ended = tokio::select! {
        biased;
        ended = serving.as_mut() => Some(ended),
        () = pulse.idle(&site.clock) => None,
        () = site.shutdown.wait() => None,
        () = line.permit.leaving() => None,
    };
    if let Some(Err(error)) = &ended {
        tracing::debug!(%peer, %error, "a connection to the endpoint broke off");
    }
    if ended.is_none() {
        // Tells the client that no more is taken, and lets what is being answered go out. The machine's clock: a moved
        // one may stand still.
        serving.as_mut().graceful_shutdown();
        let bound = async {
            pulse.quiet().await;
            Clock::system().sleep(LINGER).await;
        };
        tokio::select! {
            biased;
            ended = serving.as_mut() => drop(ended),
            () = bound => {}
        }
    }
}

async fn answer(door: &Door, line: &Line, request: Request<Incoming>) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut visit = Visit::of(&door.site.conf.load(), &parts.headers, line.peer, line.tls);
    if let Some(host) = parts.uri.authority() {
        visit.host = Some(host.to_string());
    }
    visit.permit = Some(line.permit.clone());
    let lang = visit.lang;
    let mut response = match whole(door, line, &parts, body).await {
        Ok(body) => {
            // A request that has come whole is answered; one that drips is as good as idle.
            let _work = line.permit.begin();
            parts.extensions.insert(visit);
            let service = TowerToHyperService::new(door.router.clone());
            let work = service.call(Request::from_parts(parts, Body::from(body)));
            match door.site.clock.timeout(WEB_ANSWER_TIMEOUT, work).await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_) => refusal(lang, StatusCode::SERVICE_UNAVAILABLE),
            }
        }
        Err(status) => {
            let mut response = refusal(lang, status);
            if !line.h2 {
                // What follows on this connection may be the rest of what was refused.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        }
    };
    door.site.meter.answered(response.status());
    seal(&mut response, line.tls);
    response
}

/// The body, or why the request is refused.
async fn whole(
    door: &Door,
    line: &Line,
    parts: &Parts,
    body: Incoming,
) -> Result<Bytes, StatusCode> {
    let hosts = parts.headers.get_all(header::HOST).iter().count();
    // RFC 9112 section 3.2: a request without Host, or with two, is answered 400.
    if hosts > 1 || (hosts == 0 && parts.version == Version::HTTP_11) {
        return Err(StatusCode::BAD_REQUEST);
    }
    if parts.headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(StatusCode::LENGTH_REQUIRED);
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > WEB_BODY_MAX as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let reading = Limited::new(body, WEB_BODY_MAX).collect();
    let read = tokio::select! {
        biased;
        () = door.site.shutdown.wait() => return Err(StatusCode::SERVICE_UNAVAILABLE),
        () = line.permit.leaving() => return Err(StatusCode::SERVICE_UNAVAILABLE),
        read = door.site.clock.timeout(WEB_BODY_TIMEOUT, reading) => read,
    };
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}
