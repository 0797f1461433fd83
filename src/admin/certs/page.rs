//! `/certificates`: each certificate with what it says, what happens next, its DANE records, and a button to order anew.
//!
//! Whether a person may order so soon is decided by `certs`; its answer is shown as it is, in English.
//! Not here: the API (`api`).

use askama::Template;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form};
use serde::Deserialize;

use super::check::{self, Beside, Finding, Level, Section};
use super::tlsa::{self, Tlsa};
use super::{reach, say};
use crate::admin::link::facts::Tongue;
use crate::admin::web::{Page, Session, Site, Visit, Words, foreign, refusal};
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::base::limit::SHOWN_MAX;
use crate::certs::{CertSource, CertStand};
use crate::config::Config;
use crate::mail::shown::shown;

/// The button's form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    #[serde(default)]
    token: String,
    /// A name of the certificate.
    name: String,
}

/// One certificate.
struct Block {
    title: String,
    names: String,
    source: String,
    issuer: String,
    chain: Vec<String>,
    serial: String,
    key_kind: String,
    from: String,
    until: String,
    left: String,
    tone: &'static str,
    renewal: String,
    failures: Option<String>,
    error: Option<String>,
    ordered: bool,
    tlsa: Vec<Tlsa>,
    change: String,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/certs/page.html")]
struct Body<'a> {
    words: Words,
    title: &'a str,
    token: &'a str,
    blocks: Vec<Block>,
}

/// What was found about one certificate, or about this server.
struct Part {
    title: String,
    lines: Vec<Line>,
}

struct Line {
    tone: &'static str,
    word: String,
    text: String,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/certs/check.html")]
struct Checked<'a> {
    words: Words,
    title: &'a str,
    parts: Vec<Part>,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/certs/done.html")]
struct Done<'a> {
    words: Words,
    title: &'a str,
    tone: &'a str,
    lines: Vec<String>,
}

pub(super) async fn show(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
) -> Response {
    let words = Words(visit.lang);
    let title = words.of("certs-title");
    let (conf, now) = (site.conf.load_full(), site.clock.wall().secs());
    let tongue = Tongue {
        lang: visit.lang,
        zone: conf.digest.zone.clone(),
    };
    let stands = site.certs.stands();
    let body = Body {
        words,
        title: &title,
        token: &session.token,
        blocks: stands
            .iter()
            .map(|stand| Block::of(stand, &conf, &tongue, now))
            .collect(),
    };
    answer(&visit, &session, StatusCode::OK, &title, body.render())
}

pub(super) async fn check(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
) -> Response {
    let conf = site.conf.load_full();
    let beside = Beside {
        running: Some(&super::views(&site)),
        now: site.clock.wall(),
    };
    let mut sections = check::check(&conf, &beside);
    let reached = reach::reach(&conf, &site.clock, reach::PORTS).await;
    check::add_reached(&mut sections, reached);
    let words = Words(visit.lang);
    let title = words.of("certs-check");
    let part = |section: &Section| Part {
        title: match &section.name {
            Some(name) => name.clone(),
            None => words.of("certs-check-general"),
        },
        lines: section
            .findings
            .iter()
            .map(|one| line_of(visit.lang, one))
            .collect(),
    };
    let body = Checked {
        words,
        title: &title,
        parts: sections.iter().map(part).collect(),
    };
    answer(&visit, &session, StatusCode::OK, &title, body.render())
}

fn line_of(lang: Lang, finding: &Finding) -> Line {
    let (tone, key) = match finding.level {
        Level::Good => ("good", "certs-check-good"),
        Level::Note => ("", "certs-check-note"),
        Level::Bad => ("bad", "certs-check-bad"),
    };
    Line {
        tone,
        word: Words(lang).of(key),
        text: finding.text(lang),
    }
}

pub(super) async fn renew(
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
    let words = Words(visit.lang);
    let title = words.of("certs-renew");
    let (status, tone, lines) = match site.certs.renew(Some(&order.name)).await {
        Ok(lines) => {
            tracing::info!(by = session.by, name = %shown(&order.name, SHOWN_MAX), "a new certificate was asked for");
            (StatusCode::OK, "good", lines)
        }
        Err(error) => (StatusCode::CONFLICT, "warn", vec![error.to_string()]),
    };
    let body = Done {
        words,
        title: &title,
        tone,
        lines: lines.iter().map(|line| shown(line, LINE_MAX)).collect(),
    };
    answer(&visit, &session, status, &title, body.render())
}

/// Characters of a sentence from `certs`; errors of directories are long.
const LINE_MAX: usize = 1_000;

impl Block {
    fn of(stand: &CertStand, conf: &Config, tongue: &Tongue, now: u64) -> Self {
        let lang = tongue.lang;
        let when = |secs: u64| tongue.when(Wall(secs.saturating_mul(1_000_000)));
        let moment = |at: Option<u64>| at.map(when).unwrap_or_default();
        let ended = stand.until.is_some_and(|until| until <= now);
        Self {
            title: stand.title().to_owned(),
            names: stand.names.join(", "),
            source: say::source(lang, stand),
            issuer: shown(&stand.issuer, SHOWN_MAX),
            chain: stand
                .chain
                .iter()
                .map(|one| shown(one, SHOWN_MAX))
                .collect(),
            serial: stand.serial.clone(),
            key_kind: stand.key_kind.clone(),
            from: moment(stand.from),
            until: moment(stand.until),
            left: stand
                .until
                .map(|until| say::left(lang, until, now))
                .unwrap_or_default(),
            tone: if ended {
                "bad"
            } else if stand.ends_soon(now) || is_self_signed(stand) {
                // Nobody who verifies takes it: that is not well, however long it lasts.
                "warn"
            } else {
                "good"
            },
            renewal: say::renewal(lang, stand, when),
            failures: say::failures(lang, stand),
            error: stand
                .last_error
                .as_deref()
                .map(|error| shown(error, LINE_MAX)),
            ordered: stand.source == CertSource::Acme,
            tlsa: tlsa::records(stand, conf),
            change: tlsa::change(lang, stand, conf, when),
        }
    }
}

/// Whether nobody but itself vouches for it.
fn is_self_signed(stand: &CertStand) -> bool {
    let alone = match stand.chain.as_slice() {
        [one] => *one == stand.issuer,
        _ => false,
    };
    alone || stand.stand_in || stand.source == CertSource::SelfSigned
}

fn answer(
    visit: &Visit,
    session: &Session,
    status: StatusCode,
    title: &str,
    body: Result<String, askama::Error>,
) -> Response {
    match body {
        Ok(body) => Page {
            lang: visit.lang,
            title,
            body,
            status,
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
