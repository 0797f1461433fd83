//! Reports that a mail is spam, or is none: to the rspamd that learns, into the mail's history, and counted.
//!
//! `POST /api/v1/report/ID` at the control socket, and the buttons on the page of a held mail. A report changes nothing
//! about where the mail is: releasing it is another decision. Not here: the request (`scan::rspamd`).

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::web::Site;
use crate::judge::StoredText;
use crate::queue::record::{HoldId, MessageId};
use crate::queue::verbs::Actor;
use crate::scan::Trouble;
use crate::scan::rspamd::learn::{Class, Learned};
use crate::store::StoreError;

/// What `POST /api/v1/report/ID` takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// `ham` or `spam`.
    pub class: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// What came of it, in words.
    pub text: String,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No text any more.
    #[error("no mail has this id, or its text is gone")]
    Unknown,
    /// Nobody learns.
    #[error("no rspamd learns here; write `learn` in a [[scanner]] of kind \"rspamd\"")]
    Nobody,
    /// It failed.
    #[error("rspamd did not learn: {0}")]
    Trouble(#[from] Trouble),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The route.
pub fn router(site: Site) -> Router {
    Router::new()
        .route("/api/v1/report/{id}", post(report))
        .with_state(site)
}

/// Whether somebody learns, so that a button makes sense.
pub(super) fn possible(site: &Site) -> bool {
    site.scanners.learner().is_some()
}

/// Reports the text of a mail; the fact names `recipients`.
pub(super) async fn tell(
    site: &Site,
    id: MessageId,
    recipients: Vec<String>,
    class: Class,
    actor: &Actor,
) -> Result<Learned, ReportError> {
    let learner = site.scanners.learner().ok_or(ReportError::Nobody)?;
    let shown = site.queue.show(id).await?;
    let message = shown.and_then(|shown| shown.message);
    let message = message.ok_or(ReportError::Unknown)?;
    let text = StoredText::new(site.queue.open_body(&message));
    let learned = site.scanners.learn(&learner, class, &text, message.size);
    let learned = learned.await?;
    let verb = format!("report {}", class.word());
    let note = format!("{}: {}", learner.name, words(&learned));
    tracing::info!(%id, class = class.word(), by = actor.by, note, "a mail was reported");
    site.queue
        .reported(id, &verb, recipients, note, actor)
        .await?;
    Ok(learned)
}

fn words(learned: &Learned) -> String {
    match learned {
        Learned::New => "learned".to_owned(),
        Learned::Already => "it was learned before".to_owned(),
        Learned::Nothing(why) => format!("nothing learned: {why}"),
    }
}

async fn report(
    State(site): State<Site>,
    Extension(by): Extension<Actor>,
    Path(id): Path<String>,
    asked: Result<Json<Report>, JsonRejection>,
) -> Result<Json<Reported>, Problem> {
    let sentence = "write {\"class\": \"ham\"} or {\"class\": \"spam\"}";
    let Json(asked) = asked.map_err(|error| {
        Problem::new(error.status(), format!("{}; {sentence}", error.body_text()))
    })?;
    let class = Class::parse(&asked.class).ok_or_else(|| Problem::bad(sentence))?;
    let (message, recipients) = meant(&site, &id).await?;
    let learned = tell(&site, message, recipients, class, &by).await?;
    Ok(Json(Reported {
        text: words(&learned),
    }))
}

/// The mail of a hold or of a queue id, and whose it is.
async fn meant(site: &Site, id: &str) -> Result<(MessageId, Vec<String>), ReportError> {
    if let Ok(hold) = id.parse::<HoldId>()
        && let Some(card) = site.queue.card(hold).await?
    {
        return Ok((card.message, vec![card.to.to_string()]));
    }
    let message: MessageId = id.parse().map_err(|_| ReportError::Unknown)?;
    let shown = site
        .queue
        .show(message)
        .await?
        .ok_or(ReportError::Unknown)?;
    let parcels = shown.parcels.iter();
    let recipients = parcels.flat_map(|stored| &stored.parcel.slots);
    let recipients = recipients.map(|slot| slot.mailbox.to_string());
    Ok((message, recipients.collect()))
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        let status = match &error {
            ReportError::Unknown => StatusCode::NOT_FOUND,
            ReportError::Nobody => StatusCode::CONFLICT,
            ReportError::Trouble(_) => StatusCode::BAD_GATEWAY,
            ReportError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}
