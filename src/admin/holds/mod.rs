//! `/holds`: what is kept for a person, and the person's decision. For those who are logged in.
//!
//! Lists and pages are read when they are asked for; decisions go through `Queue::decide`, so of two that press a button
//! at once one acts and the other learns who did. A POST that changed something answers with a redirect, so that loading
//! a page again never acts again. Nothing of a mail is HTML here: it is cleaned, and templates escape all of it.
//! Not here: links of digests (`link`), how a hold ends (`queue`).

mod all;
mod jobs;
mod list;
mod many;
mod one;
mod story;
mod tab;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::link::facts::Tongue;
use super::web::{Page, Session, Site, Visit};
use crate::base::clock::Wall;
use crate::queue::hold::{Card, Decision};
use crate::queue::verbs::{Actor, Verb};

/// All paths below `/holds`.
pub fn router() -> Router<Site> {
    Router::new()
        .route("/holds", get(list::list).post(many::choose))
        .route("/holds/{id}", get(one::show).post(one::decide))
        .route("/jobs", get(jobs::list).post(all::begin))
        .route("/jobs/{id}", get(jobs::progress).post(jobs::undo))
}

/// The word of a button.
fn verb_of(site: &Site, word: &str) -> Option<Verb> {
    let undo = !site.conf.load().hold.undo.is_zero();
    match word {
        "release" => Some(Verb::Release { undo }),
        "requeue" => Some(Verb::Requeue { undo }),
        "delete" => Some(Verb::Delete { now: false }),
        "bounce" => Some(Verb::Bounce),
        "undo" => Some(Verb::Undo),
        _ => None,
    }
}

fn actor(session: &Session, visit: &Visit) -> Actor {
    Actor {
        by: session.by.clone(),
        place: Some(visit.address.to_string()),
        digest: None,
    }
}

fn tongue(site: &Site, visit: &Visit) -> Tongue {
    Tongue {
        lang: visit.lang,
        zone: site.conf.load().digest.zone.clone(),
    }
}

/// When a hold's time is over, on the wall.
fn expires(site: &Site, card: &Card) -> Wall {
    Wall(site.queue.wall_of(card.until))
}

/// Microseconds in which a decision can still be taken back; none: it cannot.
fn left(site: &Site, end: &Decision) -> Option<u64> {
    let left = end.until?.saturating_sub(site.queue.store().now().0);
    (left > 0).then_some(left)
}

fn answer(
    visit: &Visit,
    session: &Session,
    status: StatusCode,
    title: &str,
    body: Result<String, askama::Error>,
    again: Option<u32>,
) -> Response {
    match body {
        Ok(body) => Page {
            lang: visit.lang,
            title,
            body,
            status,
            session: Some(session),
            again,
        }
        .into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
