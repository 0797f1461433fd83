//! `/holds/ID`: one held mail with all that is known of it, its buttons, and what became of it.
//!
//! Where letting it go is risky the page says so beside the button. What is decided can be taken back as long as the
//! page says; somebody who was slower gets 409 and who decided.
//! Not here: many at once (`many`), the timeline's words (`story`).

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use serde::Deserialize;

use super::story::{Step, steps, who};
use super::{actor, answer, expires, left, tongue, verb_of};
use crate::admin::link::answer::risk;
use crate::admin::link::facts;
use crate::admin::link::sheet::Row;
use crate::admin::preview::{self, Preview};
use crate::admin::report::{self, ReportError};
use crate::admin::web::{Session, Site, Visit, Words, broken, foreign, plain, refusal};
use crate::base::clock::Wall;
use crate::config::ReleaseRule;
use crate::queue::hold::{Card, Decision};
use crate::queue::record::HoldId;
use crate::queue::verbs::{Undecided, Verb};
use crate::scan::rspamd::learn::{Class, Learned};
use crate::store::StoreError;
use crate::words::{Arg, say};

/// What a button of the page sends.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    #[serde(default)]
    token: String,
    #[serde(default)]
    verb: String,
}

/// A paragraph that stands out.
struct Notice {
    tone: &'static str,
    text: String,
}

/// How it ended.
struct End {
    text: String,
    when: String,
    by: String,
    undo: bool,
    again: Option<String>,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/holds/one.html")]
struct One<'a> {
    words: Words,
    token: &'a str,
    id: String,
    message: String,
    subject: &'a str,
    notices: Vec<Notice>,
    end: Option<End>,
    rows: Vec<Row>,
    preview: Option<Preview>,
    may: May,
    report: bool,
    steps: Vec<Step>,
}

/// Which buttons there are beside delete.
struct May {
    release: bool,
    requeue: bool,
    /// Whether anybody is told of it then; else it is what delete does.
    bounce: bool,
}

pub(super) async fn show(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
    Path(id): Path<String>,
) -> Response {
    page(&site, &visit, &session, &id, StatusCode::OK, None).await
}

pub(super) async fn decide(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Order>, axum::extract::rejection::FormRejection>,
) -> Response {
    let Ok(Form(order)) = form else {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    };
    if let Some(refused) = foreign(&site, &visit, &headers, &session, &order.token) {
        return refused;
    }
    if let (Ok(hold), Some(class)) = (id.parse::<HoldId>(), Class::parse(&order.verb)) {
        return learned(&site, &visit, &session, hold, class).await;
    }
    let (Ok(hold), Some(verb)) = (id.parse::<HoldId>(), verb_of(&site, &order.verb)) else {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    };
    let actor = actor(&session, &visit);
    let result = match barred(&site, hold, verb).await {
        Ok(false) => site.queue.decide(hold, verb, &actor).await,
        Ok(true) => {
            let key = "holds-never";
            return page(
                &site,
                &visit,
                &session,
                &id,
                StatusCode::FORBIDDEN,
                Some(key),
            )
            .await;
        }
        Err(error) => return broken(visit.lang, &error),
    };
    let (status, key) = match result {
        Ok(_) => return Redirect::to(&format!("/holds/{hold}")).into_response(),
        Err(Undecided::Unknown) => return unknown(&visit),
        Err(Undecided::Handled(_)) => (StatusCode::CONFLICT, "holds-handled"),
        Err(Undecided::Busy | Undecided::Refused(_)) => (StatusCode::CONFLICT, "link-moment"),
        Err(Undecided::Store(error)) => return broken(visit.lang, &error),
    };
    page(&site, &visit, &session, &id, status, Some(key)).await
}

/// Reports it, and shows the page with what came of that.
async fn learned(
    site: &Site,
    visit: &Visit,
    session: &Session,
    hold: HoldId,
    class: Class,
) -> Response {
    let card = match site.queue.card(hold).await {
        Ok(Some(card)) => card,
        Ok(None) => return unknown(visit),
        Err(error) => return broken(visit.lang, &error),
    };
    let actor = actor(session, visit);
    let told = report::tell(site, card.message, vec![card.to.to_string()], class, &actor);
    let (status, key) = match told.await {
        Ok(Learned::New) => (StatusCode::OK, "report-new"),
        Ok(Learned::Already) => (StatusCode::OK, "report-already"),
        Ok(Learned::Nothing(_)) => (StatusCode::OK, "report-nothing"),
        Err(ReportError::Unknown) => (StatusCode::NOT_FOUND, "link-preview-gone"),
        Err(ReportError::Nobody) => (StatusCode::CONFLICT, "report-nobody"),
        Err(ReportError::Trouble(trouble)) => {
            tracing::warn!(%trouble, "a report could not be learned");
            (StatusCode::BAD_GATEWAY, "report-failed")
        }
        Err(ReportError::Store(error)) => return broken(visit.lang, &error),
    };
    page(site, visit, session, &hold.to_string(), status, Some(key)).await
}

/// Whether the configuration lets nobody release it.
pub(super) async fn barred(site: &Site, id: HoldId, verb: Verb) -> Result<bool, StoreError> {
    let requeue = matches!(verb, Verb::Requeue { .. });
    if !requeue && !matches!(verb, Verb::Release { .. }) {
        return Ok(false);
    }
    let card = site.queue.card(id).await?;
    let may = if requeue { may_requeue } else { may_release };
    Ok(card.is_some_and(|card| !may(site, &card)))
}

fn may_release(site: &Site, card: &Card) -> bool {
    site.conf.load().hold.release_of(&card.hold) != ReleaseRule::Never
}

/// What no check finds again a requeue would release.
fn may_requeue(site: &Site, card: &Card) -> bool {
    site.conf.load().hold.requeue_of(&card.hold) != ReleaseRule::Never
}

fn unknown(visit: &Visit) -> Response {
    plain(visit.lang, StatusCode::NOT_FOUND, "holds-unknown")
}

async fn page(
    site: &Site,
    visit: &Visit,
    session: &Session,
    id: &str,
    status: StatusCode,
    notice: Option<&str>,
) -> Response {
    let Ok(hold) = id.parse::<HoldId>() else {
        return unknown(visit);
    };
    match body(site, visit, session, hold, notice).await {
        Ok(Some((subject, body, again))) => answer(visit, session, status, &subject, body, again),
        Ok(None) => unknown(visit),
        Err(error) => broken(visit.lang, &error),
    }
}

/// Title, HTML, and when to look again.
type Body = (String, Result<String, askama::Error>, Option<u32>);

async fn body(
    site: &Site,
    visit: &Visit,
    session: &Session,
    hold: HoldId,
    notice: Option<&str>,
) -> Result<Option<Body>, StoreError> {
    let Some(card) = site.queue.card(hold).await? else {
        return Ok(None);
    };
    let (lang, tongue) = (visit.lang, tongue(site, visit));
    let note = |tone, key: &str| Notice {
        tone,
        text: say(lang, key, &[]),
    };
    let tone = match notice {
        Some("report-new" | "report-already") => "good",
        Some(_) | None => "bad",
    };
    let mut notices: Vec<Notice> = notice.map(|key| note(tone, key)).into_iter().collect();
    let release = may_release(site, &card);
    if card.end.is_none() {
        let warning = risk(&card.hold);
        notices.extend(warning.map(|key| note("warn", key)));
        if !release && notice != Some("holds-never") {
            notices.push(note("warn", "holds-never"));
        }
    }
    let shown = site.queue.show(card.message).await?;
    let facts = shown.map(|shown| shown.facts).unwrap_or_default();
    let subject = facts::subject(lang, &card);
    let end = card.end.as_ref();
    // The page of something that leaves in seconds looks again when it has left.
    let waits = end.filter(|end| matches!(end.verb.as_str(), "release" | "requeue"));
    let again = waits.and_then(|end| left(site, end)).map(|left| {
        u32::try_from(left.div_ceil(1_000_000))
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    });
    let body = One {
        words: Words(lang),
        token: &session.token,
        id: card.id.to_string(),
        message: card.message.to_string(),
        subject: &subject,
        notices,
        end: end.map(|end| End::of(site, visit, &card, end)),
        rows: facts::rows(&tongue, &card, expires(site, &card)),
        preview: preview::of(&site.queue, card.message).await?,
        may: May {
            release,
            requeue: may_requeue(site, &card),
            bounce: card.returned().tells(),
        },
        report: report::possible(site),
        steps: steps(&tongue, &card, &facts),
    };
    let html = body.render();
    Ok(Some((subject, html, again)))
}

impl End {
    fn of(site: &Site, visit: &Visit, card: &Card, end: &Decision) -> Self {
        let lang = visit.lang;
        let left = left(site, end);
        let seconds = left.map(|left| left.div_ceil(1_000_000));
        let date = |at| tongue(site, visit).when(Wall(site.queue.wall_of(at)));
        let text = match (end.verb.as_str(), seconds) {
            (verb @ ("release" | "requeue"), Some(seconds)) => say(
                lang,
                &format!("link-done-{verb}-wait"),
                &[("seconds", Arg::Count(seconds))],
            ),
            ("delete", Some(_)) => {
                let date = date(end.until.unwrap_or_default());
                say(lang, "link-done-delete", &[("date", Arg::Text(&date))])
            }
            ("delete", None) => say(lang, "link-done-delete-now", &[]),
            ("bounce", _) => {
                let key = format!("link-done-bounce{}", card.returned().word());
                say(lang, &key, &[])
            }
            (verb @ ("release" | "requeue" | "expire"), _) => {
                say(lang, &format!("link-done-{verb}"), &[])
            }
            _ => say(lang, "link-handled-other", &[]),
        };
        Self {
            text,
            when: tongue(site, visit).when(Wall(end.at)),
            by: who(lang, &end.by, end.place.as_deref()),
            undo: left.is_some(),
            again: end.again.map(|again| again.to_string()),
        }
    }
}
