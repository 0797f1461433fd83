//! Whether the links that go out in digests come back here: a GET on `public_url` + `/livez`, at the start and hourly.
//!
//! A failure is a warning in the log and in `status`, and nothing else: many networks do not let a machine call its own
//! outside address, and links that work are worth more than our doubt. Any certificate is taken; browsers judge it.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::base::clock::{Clock, Wall};
use crate::base::limit::{REACH_SPAN, REACH_TIMEOUT};
use crate::base::shutdown::Shutdown;
use crate::config::{PublicUrl, Shared};
use crate::mail::mailbox::Host;
use crate::net::plain;
use crate::net::tls::{ClientTls, Proof};

/// What the last look found; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Reach(Arc<ArcSwap<Reached>>);

/// One look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// When; none: nobody has looked yet, or there is no `public_url`.
    pub at: Option<Wall>,
    /// Why it cannot be reached; none: it can.
    pub trouble: Option<String>,
}

impl Reach {
    /// The last look.
    pub fn last(&self) -> Arc<Reached> {
        self.0.load_full()
    }

    /// Looks until the signal to stop.
    pub async fn run(self, conf: Shared, clock: Clock, shutdown: Shutdown) {
        loop {
            let url = conf.load().admin.public_url.clone();
            if let Some(url) = url {
                let looked = tokio::select! {
                    biased;
                    () = shutdown.wait() => return,
                    looked = clock.timeout(REACH_TIMEOUT, look(&url)) => looked,
                };
                let trouble = match looked {
                    Ok(Ok(())) => None,
                    Ok(Err(why)) => Some(why),
                    Err(_) => Some("no answer in time".to_owned()),
                };
                if let Some(why) = &trouble {
                    tracing::warn!(%url, why, "[admin] public_url cannot be reached from here; links in digests may be dead");
                }
                let at = Some(clock.wall());
                self.0.store(Arc::new(Reached { at, trouble }));
            }
            tokio::select! {
                biased;
                () = shutdown.wait() => return,
                () = clock.sleep(REACH_SPAN) => {}
            }
        }
    }
}

async fn look(url: &PublicUrl) -> Result<(), String> {
    let says = |error: std::io::Error| plain::io(&error).into_owned();
    let stream = match &url.host {
        Host::Literal(ip) => TcpStream::connect((*ip, url.port)).await,
        Host::Domain(name) => TcpStream::connect((name.as_str(), url.port)).await,
    }
    .map_err(says)?;
    if !url.https {
        return ask(stream, url).await;
    }
    let tls = ClientTls::new().map_err(|error| error.to_string())?;
    let stream = tls.connect(stream, &url.host, Proof::Nothing).await;
    ask(stream.map_err(|error| error.to_string())?, url).await
}

async fn ask<S>(stream: S, url: &PublicUrl) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let host = match &url.host {
        Host::Literal(IpAddr::V6(ip)) => format!("[{ip}]:{}", url.port),
        Host::Literal(IpAddr::V4(ip)) => format!("{ip}:{}", url.port),
        Host::Domain(name) => format!("{name}:{}", url.port),
    };
    let request = Request::builder()
        .uri("/livez")
        .header(HOST, host)
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let says = |error: hyper::Error| plain::http(&error).into_owned();
    let (mut requests, line) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(says)?;
    // Its errors come back through the request; it ends with it.
    let line = tokio::spawn(line);
    let answer = requests.send_request(request).await;
    line.abort();
    match answer.map_err(says)?.status() {
        StatusCode::OK => Ok(()),
        other => Err(format!("{url}/livez answers {other}")),
    }
}
