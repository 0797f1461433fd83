//! Why an order failed, in words for somebody who was woken by it.
//!
//! The directory's own text is kept (it names the host and what it met there), cleaned, because it comes from outside.

use std::time::Duration;

use instant_acme::{Error, Problem};

use super::check::Unfit;
use super::http::WayError;
use super::shelf::ShelfError;
use crate::base::text::clean;

/// A try that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// In words.
    pub(super) why: String,
    /// What the directory asked to wait.
    pub(super) wait: Option<Duration>,
    /// Only because of a nonce (RFC 8555 section 6.5).
    pub(super) nonce: bool,
}

/// What kind of trouble: the same kind again is not told by another event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No answer, or none that is ACME.
    Unreachable,
    /// Too many orders.
    Limited,
    /// A name could not be validated.
    Validation,
    /// The account.
    Account,
    /// Ours or theirs is far off.
    Clock,
    /// Another refusal.
    Refused,
    /// What came cannot be used.
    Unfit,
    /// It could not be kept.
    Disk,
    /// It took too long.
    Slow,
    /// Our own fault.
    Broken,
}

/// Types of problems (RFC 8555 section 6.7).
const PREFIX: &str = "urn:ietf:params:acme:error:";

impl Failure {
    pub(super) fn new(kind: Kind, why: impl Into<String>) -> Self {
        Self {
            kind,
            why: clean(&why.into(), TEXT_MAX),
            wait: None,
            nonce: false,
        }
    }

    /// Whether a Retry-After is about it: one that came with another answer is not.
    pub(super) fn heeds(&self) -> bool {
        match self.kind {
            Kind::Limited | Kind::Unreachable | Kind::Refused | Kind::Account | Kind::Slow => true,
            Kind::Validation | Kind::Clock | Kind::Unfit | Kind::Disk | Kind::Broken => false,
        }
    }

    /// For a record.
    pub(super) fn word(&self) -> &'static str {
        match self.kind {
            Kind::Unreachable => "unreachable",
            Kind::Limited => "limited",
            Kind::Validation => "validation",
            Kind::Account => "account",
            Kind::Clock => "clock",
            Kind::Refused => "refused",
            Kind::Unfit => "unfit",
            Kind::Disk => "disk",
            Kind::Slow => "slow",
            Kind::Broken => "broken",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Api(problem) = &error {
            let kind = match kind_of(problem) {
                Some("rateLimited") => Kind::Limited,
                Some("accountDoesNotExist" | "externalAccountRequired") => Kind::Account,
                Some("dns" | "connection" | "tls" | "caa" | "incorrectResponse") => {
                    Kind::Validation
                }
                Some(_) | None => Kind::Refused,
            };
            let why = format!("the directory refuses: {}", said(problem));
            let nonce = kind_of(problem) == Some("badNonce");
            return Self {
                nonce,
                ..Self::new(kind, why)
            };
        }
        if let Error::Other(inner) = &error
            && inner.is::<WayError>()
        {
            return Self::new(Kind::Unreachable, inner.to_string());
        }
        let why = format!("the directory answers what is no ACME: {error}");
        Self::new(Kind::Unreachable, why)
    }
}

impl From<ShelfError> for Failure {
    fn from(error: ShelfError) -> Self {
        Self::new(Kind::Disk, error.to_string())
    }
}

impl From<Unfit> for Failure {
    fn from(error: Unfit) -> Self {
        let kind = match &error {
            Unfit::Ended(_) | Unfit::Early(_) => Kind::Clock,
            Unfit::Unreadable | Unfit::Key(_) | Unfit::Mismatch | Unfit::Name(_) => Kind::Unfit,
        };
        Self::new(kind, error.to_string())
    }
}

/// The last part of a problem's type.
pub(super) fn kind_of(problem: &Problem) -> Option<&str> {
    problem.r#type.as_deref()?.strip_prefix(PREFIX)
}

/// Whether an error is this problem.
pub(super) fn is(error: &Error, word: &str) -> bool {
    if let Error::Api(problem) = error {
        kind_of(problem) == Some(word)
    } else {
        false
    }
}

/// A problem in its own words.
pub(super) fn said(problem: &Problem) -> String {
    let mut text = problem.detail.clone().unwrap_or_default();
    for part in &problem.subproblems {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&part.to_string());
    }
    match (kind_of(problem), problem.status) {
        (Some(word), _) => format!("{text} ({word})"),
        (None, Some(status)) => format!("{text} ({status})"),
        (None, None) => text,
    }
}

/// Characters of an error: directories send whole answers of web servers.
const TEXT_MAX: usize = 500;
