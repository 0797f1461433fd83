//! `/jobs`: bulk jobs with what they were understood as, how far they are, and the button that takes one back.
//!
//! A job goes on without its page, over restarts too. What cannot be taken back any more has no button, and the answer
//! to an old page says why. Not here: the look before one (`all`), the job (`queue::bulk`).

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use serde::Deserialize;

use super::story::who;
use super::{actor, answer, tongue};
use crate::admin::jobs::understood;
use crate::admin::web::{Session, Site, Visit, Words, broken, foreign, plain, refusal};
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::queue::bulk::{Job, JobId};
use crate::queue::undoing::NotTakenBack;
use crate::queue::verbs::Verb;
use crate::words::{Arg, say};

/// Seconds until a page of progress looks again.
const AGAIN: u32 = 2;

/// What the button sends.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/holds/job.html")]
struct Progress<'a> {
    words: Words,
    title: &'a str,
    token: &'a str,
    id: String,
    understood: String,
    text: String,
    notes: Vec<String>,
    notice: Option<String>,
    done: u64,
    total: u64,
    ended: bool,
    undo: Option<String>,
    of: Option<String>,
    undone: Option<String>,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/holds/jobs.html")]
struct List<'a> {
    words: Words,
    title: &'a str,
    rows: Vec<Row>,
}

/// A job of the list.
struct Row {
    id: String,
    verb: String,
    state: String,
    understood: String,
    count: String,
    begun: String,
    by: String,
    undo: Option<String>,
}

pub(super) async fn list(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
) -> Response {
    let jobs = match site.queue.jobs().await {
        Ok(jobs) => jobs,
        Err(error) => return broken(visit.lang, &error),
    };
    let title = say(visit.lang, "holds-jobs", &[]);
    let body = List {
        words: Words(visit.lang),
        title: &title,
        rows: jobs.iter().map(|job| Row::of(&site, &visit, job)).collect(),
    };
    answer(
        &visit,
        &session,
        StatusCode::OK,
        &title,
        body.render(),
        None,
    )
}

/// How far a job is.
pub(super) async fn progress(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
    Path(id): Path<String>,
) -> Response {
    page(&site, &visit, &session, &id, None).await
}

/// Takes a job back.
pub(super) async fn undo(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Order>, FormRejection>,
) -> Response {
    let Ok(Form(order)) = form else {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    };
    if let Some(refused) = foreign(&site, &visit, &headers, &session, &order.token) {
        return refused;
    }
    let Ok(job) = id.parse::<JobId>() else {
        return plain(visit.lang, StatusCode::NOT_FOUND, "holds-no-job");
    };
    let key = match site.queue.undo_job(job, &actor(&session, &visit)).await {
        Ok(undo) => return Redirect::to(&format!("/jobs/{}", undo.id)).into_response(),
        Err(NotTakenBack::Store(error)) => return broken(visit.lang, &error),
        Err(NotTakenBack::Unknown) => {
            return plain(visit.lang, StatusCode::NOT_FOUND, "holds-no-job");
        }
        Err(NotTakenBack::Never) => "holds-back-never",
        Err(NotTakenBack::Late) => "holds-back-late",
        Err(NotTakenBack::Already(_)) => "holds-back-already",
        Err(NotTakenBack::Nothing) => "holds-back-nothing",
    };
    page(&site, &visit, &session, &id, Some(key)).await
}

async fn page(
    site: &Site,
    visit: &Visit,
    session: &Session,
    id: &str,
    notice: Option<&str>,
) -> Response {
    let lang = visit.lang;
    let found = match id.parse::<JobId>() {
        Ok(id) => site.queue.job(id).await,
        Err(_) => Ok(None),
    };
    let job = match found {
        Ok(Some(job)) => job,
        Ok(None) => return plain(lang, StatusCode::NOT_FOUND, "holds-no-job"),
        Err(error) => return broken(lang, &error),
    };
    let count = |key: &str, count: u64| say(lang, key, &[("count", Arg::Count(count))]);
    let title = name(lang, &job);
    let ended = job.ended.is_some();
    let notes = [
        ("holds-job-refused", job.refused),
        ("holds-job-stays", job.stays),
    ];
    let body = Progress {
        words: Words(lang),
        title: &title,
        token: &session.token,
        id: job.id.to_string(),
        understood: understood(&job, lang),
        text: if ended {
            count(done_key(&job), job.done)
        } else {
            count("holds-job-so-far", job.done)
        },
        notes: notes
            .into_iter()
            .filter(|(_, many)| *many > 0)
            .map(|(key, many)| count(key, many))
            .collect(),
        notice: notice.map(|key| say(lang, key, &[])),
        done: job.done,
        total: job.total.max(job.done),
        ended,
        undo: until(site, visit, &job),
        of: job.of.map(|of| of.to_string()),
        undone: job.undone.map(|by| by.to_string()),
    };
    let again = (!ended).then_some(AGAIN);
    let status = match notice {
        Some(_) => StatusCode::CONFLICT,
        None => StatusCode::OK,
    };
    answer(visit, session, status, &title, body.render(), again)
}

/// Until when a job can be taken back, in words; none: it cannot.
fn until(site: &Site, visit: &Visit, job: &Job) -> Option<String> {
    site.queue.can_take_back(job).ok()?;
    let back = job.back.map(|at| site.queue.wall_of(at));
    let date = tongue(site, visit).when(Wall(back.unwrap_or(site.clock.wall().0)));
    let key = match back {
        Some(_) => "holds-back-until",
        // It has begun and did nothing yet.
        None => return Some(String::new()),
    };
    Some(say(visit.lang, key, &[("date", Arg::Text(&date))]))
}

fn name(lang: Lang, job: &Job) -> String {
    match job.of {
        Some(_) => say(lang, "holds-job-back", &[]),
        None => say(lang, &format!("verb-{}", job.verb.word()), &[]),
    }
}

fn done_key(job: &Job) -> &'static str {
    match job.verb {
        Verb::Retry => "holds-done-retry",
        Verb::Requeue { .. } => "holds-done-requeue",
        Verb::Release { .. } => "holds-done-release",
        Verb::Hold => "holds-done-hold",
        Verb::Delete { now: false } => "holds-done-delete",
        Verb::Delete { now: true } => "holds-done-delete-now",
        Verb::Bounce => "holds-done-bounce",
        Verb::Undo => "holds-done-undo",
    }
}

impl Row {
    fn of(site: &Site, visit: &Visit, job: &Job) -> Self {
        let lang = visit.lang;
        let state = match (job.undone, job.ended) {
            (Some(_), _) => "holds-job-undone",
            (None, Some(_)) => "holds-job-done",
            (None, None) => "holds-job-running",
        };
        let args = [
            ("done", Arg::Count(job.done)),
            ("total", Arg::Count(job.total)),
        ];
        Self {
            id: job.id.to_string(),
            verb: name(lang, job),
            state: say(lang, state, &[]),
            understood: understood(job, lang),
            count: say(lang, "holds-job-of", &args),
            begun: tongue(site, visit).when(Wall(job.begun)),
            by: who(lang, &job.by, job.place.as_deref()),
            undo: until(site, visit, job),
        }
    }
}
