//! Everything that a search means, at once: a look before, then a job with its progress.
//!
//! The look counts and shows the newest; what is begun is what was looked at, as a query. Reasons that nobody may release
//! are left out of a release. The job goes on without the page, over restarts too.
//! Not here: the job (`queue::bulk`), and chosen ones (`many`).

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use serde::Deserialize;

use super::list::{Row, queue_of};
use super::many::warnings;
use super::{actor, answer, tongue, verb_of};
use crate::admin::web::{Session, Site, Visit, Words, broken, foreign, plain, refusal};
use crate::config::ReleaseRule;
use crate::mail::hold::HoldReason;
use crate::queue::bulk::{BulkError, COUNT_MAX, JobId};
use crate::queue::query::Query;
use crate::words::{Arg, say};

/// Seconds until a page of progress looks again.
const AGAIN: u32 = 2;

/// What the look's button sends.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    #[serde(default)]
    token: String,
    verb: String,
    query: String,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/holds/all.html")]
struct Look<'a> {
    words: Words,
    title: &'a str,
    token: &'a str,
    verb: &'a str,
    query: &'a str,
    button: String,
    sample: Vec<Row>,
    warnings: Vec<String>,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/holds/job.html")]
struct Progress<'a> {
    words: Words,
    title: &'a str,
    text: String,
    refused: Option<String>,
    done: u64,
    total: u64,
    ended: bool,
}

/// The look before.
pub(super) async fn look(
    site: &Site,
    visit: &Visit,
    session: &Session,
    verb: &str,
    (queue, search): (&str, &str),
) -> Response {
    let lang = visit.lang;
    let text = query_text(site, verb, queue, search);
    let Ok(query) = Query::parse(&text) else {
        return refusal(lang, StatusCode::BAD_REQUEST);
    };
    let survey = match site.queue.survey(&query).await {
        Ok(survey) => survey,
        Err(error) => return broken(lang, &error),
    };
    if survey.count == 0 {
        return plain(lang, StatusCode::OK, "holds-nothing");
    }
    let mut title = say(
        lang,
        &format!("holds-sure-{verb}"),
        &[("count", Arg::Count(survey.count))],
    );
    if survey.count >= COUNT_MAX {
        title = format!("{title} {}", say(lang, "holds-or-more", &[]));
    }
    let tongue = tongue(site, visit);
    let body = Look {
        words: Words(lang),
        title: &title,
        token: &session.token,
        verb,
        query: &text,
        button: say(lang, &format!("verb-{verb}"), &[]),
        warnings: warnings(lang, verb, &survey.sample),
        sample: survey
            .sample
            .iter()
            .map(|card| Row::of(site, &tongue, card))
            .collect(),
    };
    answer(visit, session, StatusCode::OK, &title, body.render(), None)
}

/// Begins a job.
pub(super) async fn begin(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
    headers: HeaderMap,
    form: Result<Form<Order>, FormRejection>,
) -> Response {
    let Ok(Form(order)) = form else {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    };
    if let Some(refused) = foreign(&site, &visit, &headers, &session, &order.token) {
        return refused;
    }
    let Some(verb) = verb_of(&site, &order.verb) else {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    };
    // What may not be released may have changed since the look, or the form may say otherwise.
    let query = format!("{}{}", order.query, barred(&site, &order.verb));
    if !Query::parse(&query).is_ok_and(|query| query.is_of_holds()) {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    }
    let actor = actor(&session, &visit);
    match site.queue.begin_job(verb, &query, &actor).await {
        Ok(job) => Redirect::to(&format!("/jobs/{}", job.id)).into_response(),
        Err(BulkError::Nothing) => plain(visit.lang, StatusCode::OK, "holds-nothing"),
        Err(BulkError::Query(_)) => refusal(visit.lang, StatusCode::BAD_REQUEST),
        Err(BulkError::Store(error)) => broken(visit.lang, &error),
    }
}

/// How far a job is.
pub(super) async fn progress(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
    Path(id): Path<String>,
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
    let title = say(lang, &format!("verb-{}", job.verb.word()), &[]);
    let ended = job.ended.is_some();
    let body = Progress {
        words: Words(lang),
        title: &title,
        text: if ended {
            count(&format!("holds-done-{}", job.verb.word()), job.done)
        } else {
            count("holds-job-so-far", job.done)
        },
        refused: (job.refused > 0).then(|| count("holds-job-refused", job.refused)),
        done: job.done,
        total: job.total.max(job.done),
        ended,
    };
    let again = (!ended).then_some(AGAIN);
    answer(
        &visit,
        &session,
        StatusCode::OK,
        &title,
        body.render(),
        again,
    )
}

/// The search and its tab as a query of holds alone.
fn query_text(site: &Site, verb: &str, queue: &str, search: &str) -> String {
    let shelf = match queue_of(queue) {
        Some(queue) => format!("queue:{queue}"),
        None => "status:held".to_owned(),
    };
    format!("{search} {shelf}{}", barred(site, verb))
}

/// What nobody may release is not meant by a release, nor by a requeue that would be one.
fn barred(site: &Site, verb: &str) -> String {
    if verb != "release" && verb != "requeue" {
        return String::new();
    }
    let conf = site.conf.load();
    HoldReason::ALL
        .into_iter()
        .filter(|reason| verb == "release" || !reason.is_found_again())
        .filter(|reason| conf.hold.release(*reason) == ReleaseRule::Never)
        .map(|reason| format!(" -reason:{reason}"))
        .collect()
}
