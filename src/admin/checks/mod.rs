//! `/checks`: what mails are looked at for, in which order, by which scanners, how those are, and what is left out.
//!
//! For those who are logged in. All of it is read when it is asked for: the configuration in force, and what the
//! scanners' breakers and counts know. Its only button asks a scanner whether it answers, which changes no mail.
//! Not here: scanners themselves (`scan`), and how a mail is judged (`judge`).

mod facts;

use askama::Template;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Form, Router};
use serde::Deserialize;

use super::link::facts::Tongue;
use super::link::sheet::Row;
use super::web::{Page, Session, Site, Visit, Words, foreign, refusal};
use crate::base::clock::Clock;
use crate::base::limit::{SCAN_ASK_TIMEOUT, SCAN_WORDS_MAX};
use crate::base::text::clean;
use crate::config::ScannerConf;
use crate::scan::{Scanners, Trouble};
use facts::{Left, Scanner, Step};

/// Where the page is.
pub fn router() -> Router<Site> {
    Router::new().route("/checks", get(show).post(ask))
}

/// What the button sends.
#[derive(Debug, Deserialize)]
struct Order {
    #[serde(default)]
    token: String,
    #[serde(default)]
    scanner: String,
}

/// What a scanner said just now.
struct Asked {
    tone: &'static str,
    text: String,
    words: String,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/checks/page.html")]
struct Checks<'a> {
    words: Words,
    token: &'a str,
    asked: Option<Asked>,
    steps: Vec<Step>,
    missing: Option<String>,
    scanners: Vec<Scanner>,
    attachments: Vec<Row>,
    exceptions: Vec<Left>,
    when_back: String,
}

async fn show(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
) -> Response {
    page(&site, &visit, &session, None)
}

async fn ask(
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
    let conf = site.conf.load_full();
    let Some(scanner) = conf.scanners.iter().find(|one| one.name == order.scanner) else {
        return refusal(visit.lang, StatusCode::NOT_FOUND);
    };
    let said = answer_of(&site.scanners, &site.clock, scanner).await;
    let words = Words(visit.lang);
    let (tone, key, said) = match said {
        Ok(said) => ("good", "checks-answers", said),
        Err(why) => ("bad", "checks-answers-not", why.to_string()),
    };
    let asked = Asked {
        tone,
        text: words.with(key, "name", &scanner.name),
        words: clean(&said, SCAN_WORDS_MAX),
    };
    page(&site, &visit, &session, Some(asked))
}

/// A person waits for a page, so it may take less time than a mail may.
async fn answer_of(
    scanners: &Scanners,
    clock: &Clock,
    conf: &ScannerConf,
) -> Result<String, Trouble> {
    let patience = conf.timeout.min(SCAN_ASK_TIMEOUT);
    match clock.timeout(patience, scanners.ping(conf)).await {
        Ok(said) => said,
        Err(_) => Err(Trouble::Slow(patience)),
    }
}

fn page(site: &Site, visit: &Visit, session: &Session, asked: Option<Asked>) -> Response {
    let conf = site.conf.load_full();
    let words = Words(visit.lang);
    let tongue = Tongue {
        lang: visit.lang,
        zone: conf.digest.zone.clone(),
    };
    let tally = site.scanners.tally();
    let stands = site.scanners.stands();
    let (steps, missing) = facts::steps(words, &conf);
    let body = Checks {
        words,
        token: &session.token,
        asked,
        steps,
        missing,
        scanners: stands
            .iter()
            .map(|stand| Scanner::of(&tongue, &conf, stand, tally))
            .collect(),
        attachments: facts::attachments(words, &conf),
        exceptions: facts::exceptions(words, &conf),
        when_back: facts::when_back(words, &conf),
    };
    match body.render() {
        Ok(body) => Page {
            lang: visit.lang,
            title: &words.of("checks-title"),
            body,
            status: StatusCode::OK,
            session: Some(session),
            again: None,
        }
        .into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
