//! `/livez`, `/readyz` and `/metrics`.
//!
//! `/livez` says that the process answers; `/readyz` that it can do its work, one JSON line a component. `/metrics` is
//! for who has `[admin] metrics_token`, on this machine too: whoever may connect to loopback is not yet whoever may know
//! how much mail there is. At the control socket, which has a mode, it is free.
//! Not here: what is counted (`meter`).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde::Serialize;

use super::site::Site;
use super::visit::Visit;
use crate::admin::certs::views;
use crate::admin::problem::Problem;
use crate::base::text::clean;
use crate::config::OnFailure;
use crate::scan::ScannerStand;
use crate::store::{Key, Room};

/// Certificates with trouble that are named.
const TROUBLES_MAX: usize = 5;
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a path that nobody may ask says to who set it up.
const UNSET: &str = "metrics need [admin] metrics_token; at the control socket they need none\n";

const WRONG: &str = "Authorization: Bearer TOKEN is needed, with [admin] metrics_token\n";

/// Characters of a detail.
const DETAIL_MAX: usize = 300;

/// One component.
#[derive(Serialize)]
struct Component {
    component: String,
    ready: bool,
    detail: String,
}

pub(super) fn router() -> Router<Site> {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

async fn live() -> &'static str {
    "ok\n"
}

async fn ready(State(site): State<Site>, Extension(visit): Extension<Visit>) -> Response {
    let room = match site.queue.store().room() {
        Room::Plenty => "plenty",
        Room::Low => "low",
        Room::None => "none",
    };
    // Any record will do: it is about whether the store answers.
    let read = site
        .queue
        .store()
        .get(vec![Key::of(b'c', &[b"ready"])])
        .await;
    let stopping = site.shutdown.begun();
    let mut all = vec![
        Component {
            component: "store".to_owned(),
            ready: read.is_ok(),
            detail: read
                .err()
                .map_or_else(|| "ok".to_owned(), |error| error.to_string()),
        },
        Component {
            component: "disk".to_owned(),
            ready: site.queue.store().room() == Room::Plenty,
            detail: room.to_owned(),
        },
        Component {
            component: "server".to_owned(),
            ready: !stopping,
            detail: if stopping { "stopping" } else { "running" }.to_owned(),
        },
        certificates(&site),
    ];
    let near = is_near(&visit);
    let stands = site.scanners.stands();
    all.extend(stands.iter().map(|stand| scanner(stand, near)));
    let good = all.iter().all(|one| one.ready);
    let lines: String = all
        .iter()
        .filter_map(|one| serde_json::to_string(one).ok())
        .map(|line| line + "\n")
        .collect();
    let status = if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, [(header::CONTENT_TYPE, "application/jsonl")], lines).into_response()
}

/// Always ready: mail goes on with an old certificate, and who takes this server out of service makes it worse.
fn certificates(site: &Site) -> Component {
    let troubles: Vec<String> = views(site)
        .iter()
        .filter(|view| view.ends_soon || view.stand_in || view.failures > 0)
        .take(TROUBLES_MAX)
        .map(|view| match (view.stand_in, view.failures) {
            (true, _) => format!("{}: self-signed until its first order", view.title()),
            (false, 0) => format!("{}: {}", view.title(), view.left),
            (false, many) => format!("{}: {}, {many} failed", view.title(), view.left),
        })
        .collect();
    Component {
        component: "certificates".to_owned(),
        ready: true,
        detail: if troubles.is_empty() {
            "ok".to_owned()
        } else {
            troubles.join("; ")
        },
    }
}

/// A scanner that fails makes the server unready only where its mails are put off by it: then nothing is accepted, as on
/// a full disk. Where they are held or let through the server does its work, and the detail tells. Why it fails, which
/// names inner addresses, is for this machine.
fn scanner(stand: &ScannerStand, near: bool) -> Component {
    let (conf, health) = (&stand.conf, &stand.health);
    let (ready, mut detail) = match (&health.failure, conf.on_failure) {
        (None, _) if health.answered.is_none() => (true, "not asked yet".to_owned()),
        (None, _) => (true, "ok".to_owned()),
        (Some(_), OnFailure::Hold) => (true, "failing; mails are held".to_owned()),
        (Some(_), OnFailure::Accept) => (true, "failing; mails pass unseen".to_owned()),
        (Some(_), OnFailure::Defer) => (!health.paused, "failing; mails are put off".to_owned()),
    };
    if let (Some((why, _)), true) = (&health.failure, near) {
        detail = clean(&format!("{detail}: {why}"), DETAIL_MAX);
    }
    Component {
        component: format!("scanner {}", conf.name),
        ready,
        detail,
    }
}

/// This machine.
fn is_near(visit: &Visit) -> bool {
    visit.peer.ip().to_canonical().is_loopback() && !visit.proxied
}

async fn metrics(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Response {
    if site.conf.load().admin.metrics_token.is_none() {
        if site.meter.is_first_refusal() {
            tracing::warn!(
                "/metrics was asked for and there is no [admin] metrics_token: write one, or ask at the control socket"
            );
        }
        return (StatusCode::NOT_FOUND, UNSET).into_response();
    }
    if !has_token(&site, &headers) {
        let wanted = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, wanted, WRONG).into_response();
    }
    match site.meter.text(&site).await {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => super::login::broken(visit.lang, &error),
    }
}

/// `/metrics` at the control socket.
pub fn free_router(site: Site) -> Router {
    Router::new().route("/metrics", get(free)).with_state(site)
}

async fn free(State(site): State<Site>) -> Result<Response, Problem> {
    let text = site.meter.text(&site).await?;
    Ok(([(header::CONTENT_TYPE, TEXT)], text).into_response())
}

fn has_token(site: &Site, headers: &HeaderMap) -> bool {
    let conf = site.conf.load();
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|field| field.to_str().ok())
        .and_then(|field| field.strip_prefix("Bearer "));
    match (&conf.admin.metrics_token, given) {
        (Some(token), Some(given)) => {
            verify_slices_are_equal(token.reveal().as_bytes(), given.as_bytes()).is_ok()
        }
        _ => false,
    }
}
