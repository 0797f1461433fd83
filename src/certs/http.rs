//! How instant-acme asks the directory: by our own client, with what it does not keep.
//!
//! Beside each answer its date and its Retry-After are noted, and an answer that is an error but no problem document
//! (RFC 8555 section 6.7) becomes a text that says what came instead of a complaint about JSON.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Request, Response, header};
use bytes::Bytes;
use http_body_util::Full;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::base::clock::Clock;
use crate::base::limit::{ACME_ANSWER_MAX, ACME_REQUEST_TIMEOUT, RETRY_AFTER_MAX};
use crate::base::text::clean_bytes;
use crate::config::AcmeConf;
use crate::net::https::{Https, HttpsError};
use crate::net::tls::TlsFault;

/// The way to one directory; clones share what was noted.
#[derive(Clone)]
pub(super) struct Way {
    https: Https,
    clock: Clock,
    noted: Arc<Mutex<Noted>>,
}

/// What answers said beside their bodies.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noted {
    /// Of the last answer that was an error.
    pub(super) retry_after: Option<Duration>,
    /// The directory's clock, in seconds since 1970, and ours at that moment.
    pub(super) date: Option<(u64, u64)>,
}

/// An error that is none of ACME's.
#[derive(Debug, thiserror::Error)]
pub(super) enum WayError {
    #[error("the directory cannot be asked: {0}")]
    Https(#[from] HttpsError),
    #[error("the directory answers {status}: {text}")]
    Status { status: u16, text: String },
}

impl Way {
    pub(super) fn new(acme: &AcmeConf, clock: Clock) -> Result<Self, TlsFault> {
        let root = acme.root.clone();
        let https = Https::new(root, clock.clone(), ACME_REQUEST_TIMEOUT, ACME_ANSWER_MAX)?;
        Ok(Self {
            https,
            clock,
            noted: Arc::default(),
        })
    }

    pub(super) fn noted(&self) -> Noted {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, headers: &HeaderMap, wrong: bool) {
        let now = self.clock.wall().secs();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let date = text(header::DATE).and_then(http_date);
        if let Some(date) = date {
            noted.date = Some((date, now));
        }
        if wrong {
            // A date is meant by the directory's clock, which may be another than ours.
            let base = date.unwrap_or(now);
            let wait = |text: &str| match text.trim().parse::<u64>() {
                Ok(secs) => Some(secs),
                Err(_) => Some(http_date(text)?.saturating_sub(base)),
            };
            noted.retry_after = text(header::RETRY_AFTER)
                .and_then(wait)
                .map(Duration::from_secs);
        }
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, WayError> {
        let answer = self.https.ask(request).await?;
        let (mut parts, body) = answer.into_parts();
        let wrong = parts.status.is_client_error() || parts.status.is_server_error();
        self.note(&parts.headers, wrong);
        let wait = parts.headers.get(header::RETRY_AFTER);
        let wait = wait.and_then(|wait| wait.to_str().ok()?.trim().parse::<u64>().ok());
        if wait.is_some_and(|wait| wait > RETRY_AFTER_MAX.as_secs()) {
            // The library adds it to the clock, and panics where that overflows.
            let most = HeaderValue::from(RETRY_AFTER_MAX.as_secs());
            parts.headers.insert(header::RETRY_AFTER, most);
        }
        let is_problem = || serde_json::from_slice::<instant_acme::Problem>(&body).is_ok();
        if wrong && !is_problem() {
            return Err(WayError::Status {
                status: parts.status.as_u16(),
                text: clean_bytes(&body, SHOWN_MAX),
            });
        }
        let whole = Response::from_parts(parts, Full::new(body));
        Ok(BytesResponse::from(whole))
    }
}

impl HttpClient for Way {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let asking = self.clone().ask(request);
        Box::pin(async move { asking.await.map_err(|error| Error::Other(Box::new(error))) })
    }
}

/// RFC 9110 section 5.6.7, in the form that everybody writes.
fn http_date(text: &str) -> Option<u64> {
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    u64::try_from(at.timestamp().as_second()).ok()
}

/// Characters of an answer that is no problem document.
const SHOWN_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(http_date("soon"), None);
    }
}
