//! `/api/v1/jobs`: one verb on everything that a query means, with a look before and progress meanwhile.
//!
//! `GET /api/v1/survey?q=&verb=` says what was understood, counts and shows a sample, and changes nothing; `POST
//! /api/v1/jobs` begins a job, which goes on by itself over restarts; `GET /api/v1/jobs` lists them, `GET
//! /api/v1/jobs/ID` says how far one is, and `POST /api/v1/jobs/ID/undo` takes it back while nothing has left.
//! Not here: what a job does (`queue::bulk`).

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query as Parameters, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::api::{lines, verb_of};
use super::meant;
use super::problem::Problem;
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::base::limit::BULK_NUMBER_ABOVE;
use crate::mail::date::rfc3339;
use crate::queue::Queue;
use crate::queue::bulk::{BulkError, Job, JobId, Order};
use crate::queue::query::Query;
use crate::queue::survey::{COUNT_MAX, Sampled};
use crate::queue::undoing::NotTakenBack;
use crate::queue::verbs::{Actor, Verb};

/// What `POST /api/v1/jobs` takes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
    /// How many the survey counted: above 500 it must be said, and it must be right whenever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

/// How far a job is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Its id, 16 hex digits.
    pub id: String,
    /// running, done, stopped, or undone.
    #[serde(default)]
    pub state: String,
    /// What it does.
    pub verb: String,
    /// To what.
    pub query: String,
    /// The query in words.
    #[serde(default)]
    pub understood: String,
    /// Who began it.
    pub by: String,
    /// When, RFC 3339.
    #[serde(default)]
    pub begun: String,
    /// Recipients done.
    pub done: u64,
    /// Recipients that were meant and could not be acted on.
    pub refused: u64,
    /// Recipients that were meant and that `[hold.release]` lets nobody release.
    #[serde(default)]
    pub stays: u64,
    /// What it meant when it began.
    pub total: u64,
    /// Whether `total` is where counting stopped.
    pub more: bool,
    /// Whether it has ended.
    pub ended: bool,
    /// Until when it can be taken back, RFC 3339; absent: it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_until: Option<String>,
    /// The job that it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The job that takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<String>,
}

/// What a query means now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Meant {
    /// What was understood, in words.
    pub understood: String,
    /// Recipients.
    pub count: u64,
    /// Whether there may be more than were counted.
    pub more: bool,
    /// Whether a job needs `number`.
    pub number_needed: bool,
    /// Of these, found harmful.
    pub harmful: u64,
    /// Of these, not judged or found doubtful.
    pub doubtful: u64,
    /// Of these, left alone by the verb: `[hold.release]` lets nobody release them.
    pub stays: u64,
    /// Of these, released by a login only, which the control socket is.
    pub login: u64,
    /// The same and more in sentences.
    pub notes: Vec<String>,
    /// Whether the verb can be taken back as a whole, in words; only when a verb was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_back: Option<String>,
    /// Some of them: the newest when all are held, else the oldest.
    pub sample: Vec<Sample>,
}

/// One of a sample.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// The queue id.
    pub id: String,
    /// Its state.
    pub status: String,
    /// The hold's id, if it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// Which queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_queue: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// low, raised, high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
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
    verb: Option<String>,
    #[serde(default)]
    undo: bool,
    #[serde(default)]
    now: bool,
}

/// The routes; the caller adds who asks as an `Extension<Actor>`.
pub fn router(queue: Queue) -> Router {
    Router::new()
        .route("/api/v1/survey", get(survey))
        .route("/api/v1/jobs", get(list).post(begin))
        .route("/api/v1/jobs/{id}", get(show))
        .route("/api/v1/jobs/{id}/undo", post(undo))
        .with_state(queue)
}

async fn survey(
    State(queue): State<Queue>,
    asked: Result<Parameters<Asked>, QueryRejection>,
) -> Result<Json<Meant>, Problem> {
    let Parameters(asked) = asked.map_err(|error| Problem::bad(error.body_text()))?;
    let query = Query::parse(&asked.q)?;
    if query.is_empty() {
        return Err(BulkError::Empty.into());
    }
    let verb: Option<Verb> = match &asked.verb {
        Some(word) => Some(verb_of(word, asked.undo, asked.now)?),
        None => None,
    };
    let survey = queue.survey(&query, verb).await?;
    let back = verb.map(|verb| meant::take_back(Lang::En, queue.take_back(verb)));
    Ok(Json(Meant {
        understood: query.understood(Lang::En),
        count: survey.count,
        more: survey.is_cut(),
        number_needed: survey.count > BULK_NUMBER_ABOVE,
        harmful: survey.high,
        doubtful: survey.raised,
        stays: survey.stays,
        login: survey.login,
        notes: meant::notes(Lang::En, &survey),
        take_back: back,
        sample: survey.sample.iter().map(Sample::of).collect(),
    }))
}

async fn begin(
    State(queue): State<Queue>,
    Extension(actor): Extension<Actor>,
    order: Result<Json<BulkOrder>, JsonRejection>,
) -> Result<(StatusCode, Json<Progress>), Problem> {
    let Json(order) = order.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let order = Order {
        verb: verb_of(&order.verb, order.undo, order.now)?,
        query: &order.query,
        number: order.number,
    };
    let job = queue.begin_job(order, &actor).await?;
    Ok((StatusCode::ACCEPTED, Json(Progress::of(&queue, &job))))
}

async fn list(State(queue): State<Queue>) -> Result<Response, Problem> {
    let jobs = queue.jobs().await?;
    Ok(lines(jobs.iter().map(|job| Progress::of(&queue, job))))
}

async fn show(
    State(queue): State<Queue>,
    Path(id): Path<String>,
) -> Result<Json<Progress>, Problem> {
    let job = queue.job(job_id(&id)?).await?;
    let job = job.ok_or_else(|| {
        Problem::unknown(format!("no job {id}; it never was, or it ended a week ago"))
    })?;
    Ok(Json(Progress::of(&queue, &job)))
}

async fn undo(
    State(queue): State<Queue>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Progress>), Problem> {
    let job = queue.undo_job(job_id(&id)?, &actor).await?;
    Ok((StatusCode::ACCEPTED, Json(Progress::of(&queue, &job))))
}

fn job_id(text: &str) -> Result<JobId, Problem> {
    text.parse::<JobId>().map_err(|_| {
        Problem::bad("this is no job; write its 16 hex digits, as `queue jobs` prints them")
    })
}

impl Progress {
    /// Of a job.
    pub fn of(queue: &Queue, job: &Job) -> Self {
        let state = match (job.undone, job.stopped, job.ended) {
            (Some(_), ..) => "undone",
            (None, true, _) => "stopped",
            (None, false, Some(_)) => "done",
            (None, false, None) => "running",
        };
        let back = job.back.filter(|_| queue.can_take_back(job).is_ok());
        Self {
            id: job.id.to_string(),
            state: state.to_owned(),
            verb: job.verb.word().to_owned(),
            query: job.query.clone(),
            understood: understood(job, Lang::En),
            by: job.by.clone(),
            begun: rfc3339(Wall(job.begun)),
            done: job.done,
            refused: job.refused,
            stays: job.stays,
            total: job.total,
            more: job.total >= COUNT_MAX,
            ended: job.ended.is_some(),
            undo_until: back.map(|at| rfc3339(Wall(queue.wall_of(at)))),
            of: job.of.map(|of| of.to_string()),
            undone: job.undone.map(|by| by.to_string()),
        }
    }
}

/// A job's query in words; one of an older version that is none any more, as it was written.
pub fn understood(job: &Job, lang: Lang) -> String {
    let query = Query::parse(&job.query);
    query.map_or_else(
        |_| crate::base::text::clean(&job.query, usize::MAX),
        |query| query.understood(lang),
    )
}

impl Sample {
    fn of(sampled: &Sampled) -> Self {
        match sampled {
            Sampled::Held(card) => Self {
                id: card.message.to_string(),
                status: "held".to_owned(),
                hold: Some(card.id.to_string()),
                hold_queue: Some(card.hold.queue.to_string()),
                reason: Some(card.hold.reason.to_string()),
                risk: Some(card.hold.risk().word().to_owned()),
                from: card.from.clone(),
                to: card.to.to_string(),
                subject: card.plain_subject(),
            },
            Sampled::Other(other) => Self {
                id: other.message.to_string(),
                status: other.state.word().to_owned(),
                from: other.from.clone(),
                to: other.to.clone(),
                subject: other.subject.clone(),
                ..Self::default()
            },
        }
    }
}

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::Query(error) => error.into(),
            BulkError::Empty => Self::bad(error.to_string()),
            BulkError::Nothing => Self::unknown(error.to_string()),
            BulkError::Barred => Self::new(StatusCode::CONFLICT, error.to_string()),
            BulkError::Number { count, .. } => Self {
                count: Some(count),
                ..Self::new(StatusCode::CONFLICT, error.to_string())
            },
            BulkError::Store(error) => error.into(),
        }
    }
}

impl From<NotTakenBack> for Problem {
    fn from(error: NotTakenBack) -> Self {
        match error {
            NotTakenBack::Unknown => Self::unknown(error.to_string()),
            NotTakenBack::Never
            | NotTakenBack::Late
            | NotTakenBack::Already(_)
            | NotTakenBack::Nothing => Self::new(StatusCode::CONFLICT, error.to_string()),
            NotTakenBack::Store(error) => error.into(),
        }
    }
}
