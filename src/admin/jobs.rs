//! `/api/v1/jobs`: one verb on everything that a query means, with a look before and progress meanwhile.
//!
//! `GET /api/v1/survey?q=` counts and shows a sample and changes nothing; `POST /api/v1/jobs` begins a job, which goes
//! on by itself over restarts; `GET /api/v1/jobs/ID` says how far it is. Not here: what a job does (`queue::bulk`).

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query as Parameters, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::api::verb_of;
use super::problem::Problem;
use crate::queue::Queue;
use crate::queue::bulk::{BulkError, COUNT_MAX, Job, JobId};
use crate::queue::hold::Card;
use crate::queue::query::Query;
use crate::queue::verbs::Actor;

/// What `POST /api/v1/jobs` takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkOrder {
    /// retry, requeue, release, hold, delete, bounce or undo.
    pub verb: String,
    /// What it is done to; an empty query is refused: write `status:held` or the like.
    pub query: String,
    /// Release and requeue wait first, so that they can be undone.
    #[serde(default)]
    pub undo: bool,
    /// Delete at once, not into the trash.
    #[serde(default)]
    pub now: bool,
}

/// How far a job is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// Its id, 16 hex digits.
    pub id: String,
    /// What it does.
    pub verb: String,
    /// To what.
    pub query: String,
    /// Who began it.
    pub by: String,
    /// Recipients done.
    pub done: u64,
    /// Recipients that were meant and could not be acted on.
    pub refused: u64,
    /// What it meant when it began.
    pub total: u64,
    /// Whether `total` is where counting stopped.
    pub more: bool,
    /// Whether it has ended.
    pub ended: bool,
}

/// What a query means now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Meant {
    /// Recipients.
    pub count: u64,
    /// Whether there may be more than were counted.
    pub more: bool,
    /// Some of them, newest first, as far as they are held.
    pub sample: Vec<Sample>,
}

/// One of a sample.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// The queue id.
    pub id: String,
    /// The hold's id.
    pub hold: String,
    /// Which queue.
    pub hold_queue: String,
    /// Why.
    pub reason: String,
    /// The reverse-path.
    pub from: String,
    /// The recipient.
    pub to: String,
    /// The decoded subject.
    pub subject: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    q: String,
}

/// The routes; the caller adds who asks as an `Extension<Actor>`.
pub fn router(queue: Queue) -> Router {
    Router::new()
        .route("/api/v1/survey", get(survey))
        .route("/api/v1/jobs", post(begin))
        .route("/api/v1/jobs/{id}", get(show))
        .with_state(queue)
}

async fn survey(
    State(queue): State<Queue>,
    asked: Result<Parameters<Asked>, QueryRejection>,
) -> Result<Json<Meant>, Problem> {
    let Parameters(asked) = asked.map_err(|error| Problem::bad(error.body_text()))?;
    refuse_empty(&asked.q)?;
    let query = Query::parse(&asked.q)?;
    let survey = queue.survey(&query).await?;
    Ok(Json(Meant {
        count: survey.count,
        more: survey.count >= COUNT_MAX,
        sample: survey.sample.iter().map(Sample::of).collect(),
    }))
}

async fn begin(
    State(queue): State<Queue>,
    Extension(actor): Extension<Actor>,
    order: Result<Json<BulkOrder>, JsonRejection>,
) -> Result<(StatusCode, Json<Progress>), Problem> {
    let Json(order) = order.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    refuse_empty(&order.query)?;
    let verb = verb_of(&order.verb, order.undo, order.now)?;
    let job = queue.begin_job(verb, &order.query, &actor).await?;
    Ok((StatusCode::ACCEPTED, Json(Progress::of(&job))))
}

/// A forgotten query must not end in a deleted queue.
fn refuse_empty(query: &str) -> Result<(), Problem> {
    if query.trim().is_empty() {
        return Err(Problem::bad(
            "an empty query means everything; say it: status:held, queue:due or the like",
        ));
    }
    Ok(())
}

async fn show(
    State(queue): State<Queue>,
    Path(id): Path<String>,
) -> Result<Json<Progress>, Problem> {
    let id = id
        .parse::<JobId>()
        .map_err(|error| Problem::bad(error.to_string()))?;
    let job = queue.job(id).await?.ok_or_else(|| {
        Problem::unknown(format!("no job {id}; it never was, or it ended a week ago"))
    })?;
    Ok(Json(Progress::of(&job)))
}

impl Progress {
    /// Of a job.
    pub fn of(job: &Job) -> Self {
        Self {
            id: job.id.to_string(),
            verb: job.verb.word().to_owned(),
            query: job.query.clone(),
            by: job.by.clone(),
            done: job.done,
            refused: job.refused,
            total: job.total,
            more: job.total >= COUNT_MAX,
            ended: job.ended.is_some(),
        }
    }
}

impl Sample {
    fn of(card: &Card) -> Self {
        Self {
            id: card.message.to_string(),
            hold: card.id.to_string(),
            hold_queue: card.hold.queue.to_string(),
            reason: card.hold.reason.to_string(),
            from: card.from.clone(),
            to: card.to.to_string(),
            subject: card.plain_subject(),
        }
    }
}

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::Query(error) => error.into(),
            BulkError::Nothing => Self::unknown(error.to_string()),
            BulkError::Store(error) => error.into(),
        }
    }
}
