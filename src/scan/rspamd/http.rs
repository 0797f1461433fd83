//! One request to rspamd, with the text streamed from where it lies.
//!
//! Connection, sending and reading run in the caller's task, so that nothing goes on when its time is over. Its answer is
//! read up to `SCAN_ANSWER_MAX` octets; a fault of our store is told apart from a fault of the connection.
//! Not here: what is asked, and what an answer means.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Body as _, Frame, SizeHint};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use crate::base::limit::SCAN_ANSWER_MAX;
use crate::config::ScannerAddress;
use crate::net::plain;
use crate::scan::socket::connect;
use crate::scan::{Body, Trouble};

/// A request.
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) fields: &'a [(&'static str, Vec<u8>)],
    /// A text and its octets.
    pub(super) body: Option<(&'a dyn Body, u64)>,
}

/// An answer.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// The octets of a text on their way into a request whose length is known.
struct Flow {
    chunks: mpsc::Receiver<Bytes>,
    left: Arc<AtomicU64>,
}

impl hyper::body::Body for Flow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.chunks.poll_recv(context).map(|chunk| {
            let chunk = chunk?;
            let octets = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            let left = self.left.load(Ordering::Acquire);
            self.left
                .store(left.saturating_sub(octets), Ordering::Release);
            Some(Ok(Frame::data(chunk)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.load(Ordering::Acquire))
    }
}

/// Asks, and reads the answer whatever its status is.
pub(super) async fn ask(address: &ScannerAddress, asked: Asked<'_>) -> Result<Answered, Trouble> {
    let stream = TokioIo::new(connect(address).await?);
    let (chunks, flow) = mpsc::channel(1);
    let body = asked.body;
    let left = Arc::new(AtomicU64::new(0));
    let request = request(address, asked, flow, Arc::clone(&left))?;
    let (mut requests, connection) = hyper::client::conn::http1::handshake(stream)
        .await
        .map_err(broken)?;
    let exchange = async move {
        let response = requests.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let announced = response.body().size_hint().lower();
        if announced > u64::try_from(SCAN_ANSWER_MAX).unwrap_or(u64::MAX) {
            return Err(too_long());
        }
        let limited = Limited::new(response.into_body(), SCAN_ANSWER_MAX).collect();
        match limited.await {
            Ok(read) => Ok(Answered {
                status,
                body: read.to_bytes(),
            }),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_long()),
            Err(error) => Err(Trouble::Broken(plain::http(error.as_ref()).into_owned())),
        }
    };
    let sending = async move {
        match body {
            Some((body, size)) => send(body, size, chunks).await,
            None => Ok(()),
        }
    };
    let (exchange, sending) = (Box::pin(exchange), Box::pin(sending));
    let driving = async move {
        // Its faults reach the exchange too, with what was waited for.
        drop(connection.await);
        std::future::pending::<Infallible>().await
    };
    let failing = async move {
        match sending.await {
            Err(trouble) => trouble,
            Ok(()) => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        trouble = failing => Err(trouble),
        answered = exchange => match answered {
            // An opinion of a part is none; an error may come early.
            Ok(answer) if answer.status.is_success() && left.load(Ordering::Acquire) > 0 => {
                let text = "it answered before it had the whole mail";
                Err(Trouble::Garbage(text.to_owned()))
            }
            answered => answered,
        },
        never = driving => match never {},
    }
}

/// Puts the text into the request; more or less than was announced is a fault of the store.
async fn send(body: &dyn Body, size: u64, chunks: mpsc::Sender<Bytes>) -> Result<(), Trouble> {
    let mut octets = body.open();
    let mut sent = 0;
    loop {
        let chunk = octets.next().await;
        let chunk = chunk.map_err(|error| Trouble::Unread(error.to_string()))?;
        let Some(chunk) = chunk else { break };
        sent += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if sent > size {
            break;
        }
        // An empty frame would only wake the connection.
        if !chunk.is_empty() && chunks.send(chunk).await.is_err() {
            // It answered before the end, or it is gone: the exchange knows.
            return Ok(());
        }
    }
    if sent == size {
        Ok(())
    } else {
        let text = format!("it should have {size} octets, and {sent} were found");
        Err(Trouble::Unread(text))
    }
}

fn request(
    address: &ScannerAddress,
    asked: Asked<'_>,
    chunks: mpsc::Receiver<Bytes>,
    left: Arc<AtomicU64>,
) -> Result<Request<BoxBody<Bytes, Infallible>>, Trouble> {
    let host = match address {
        ScannerAddress::Tcp(..) => address.to_string(),
        ScannerAddress::Unix(_) => "localhost".to_owned(),
    };
    let mut request = Request::builder()
        .method(asked.method)
        .uri(asked.path)
        .header(HOST, host)
        .header(USER_AGENT, "postwerk")
        // One mail, one connection: rspamd answers at once, and nothing is kept that may have died meanwhile.
        .header(CONNECTION, "close");
    for (name, value) in asked.fields {
        // Cleaned text has no octet that a field cannot carry; what still had one is left out.
        if let Ok(value) = HeaderValue::from_bytes(value) {
            request = request.header(*name, value);
        }
    }
    let body = match asked.body {
        Some((_, size)) => {
            request = request.header(CONTENT_TYPE, "message/rfc822");
            left.store(size, Ordering::Release);
            Flow { chunks, left }.boxed()
        }
        None => Empty::new().boxed(),
    };
    request.body(body).map_err(|error| {
        // Only an address that no request line can carry leads here.
        Trouble::Unreachable(address.to_string(), error.to_string())
    })
}

fn too_long() -> Trouble {
    Trouble::Garbage(format!("it has more than {SCAN_ANSWER_MAX} octets"))
}

fn broken(error: hyper::Error) -> Trouble {
    let words = plain::http(&error).into_owned();
    if error.is_parse() {
        Trouble::Garbage(words)
    } else {
        Trouble::Broken(words)
    }
}
