//! `/api/v1/admin/…` at the control socket: a one-time link into the pages, the sessions that there are, and their end.
//!
//! Who may open the socket may do everything anyway; the link brings that right into a browser, for 15 minutes and one
//! use. Not here: what becomes of it (`web::session`).

use std::net::SocketAddr;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::web::{login_link, sessions};
use crate::base::clock::Wall;
use crate::base::limit::LOGIN_LINK_AGE;
use crate::mail::date::rfc3339;
use crate::queue::Queue;
use crate::queue::verbs::Actor;

/// The answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoginLink {
    /// Open it in a browser.
    pub url: String,
    /// So long.
    pub minutes: u64,
}

/// One session, from `GET /api/v1/admin/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// Names it for `POST /api/v1/admin/logout`.
    pub id: String,
    /// Who made its login link.
    pub by: String,
    /// From which address somebody logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// When.
    pub since: String,
    /// When it was used last, to a minute.
    pub seen: String,
    /// When it ends at the latest.
    pub until: String,
}

/// The answer of `GET /api/v1/admin/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSessions {
    /// Oldest first.
    pub sessions: Vec<OpenSession>,
    /// Login links that nobody has opened yet.
    pub login_links: usize,
}

/// What `POST /api/v1/admin/logout` takes: which session, or all of them with the login links.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logout {
    /// One.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// All.
    #[serde(default)]
    pub all: bool,
}

/// What was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedOut {
    /// Sessions.
    pub sessions: usize,
    /// Login links that nobody had opened.
    pub login_links: usize,
}

#[derive(Clone, Debug)]
struct Place {
    queue: Queue,
    endpoint: Option<SocketAddr>,
}

/// The route; `endpoint` is where the pages are.
pub fn router(queue: Queue, endpoint: Option<SocketAddr>) -> Router {
    Router::new()
        .route("/api/v1/admin/login-link", post(make))
        .route("/api/v1/admin/sessions", get(list))
        .route("/api/v1/admin/logout", post(logout))
        .with_state(Place { queue, endpoint })
}

async fn make(
    State(place): State<Place>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<LoginLink>, Problem> {
    let conflict = |text: &str| Problem::new(StatusCode::CONFLICT, text);
    let Some(endpoint) = place.endpoint else {
        return Err(conflict(
            "there are no pages: set [admin] bind and start the server again",
        ));
    };
    let conf = place.queue.conf().load_full();
    let base = match &conf.admin.public_url {
        Some(url) if url.is_safe() => url.to_string(),
        Some(_) => {
            return Err(conflict(
                "nobody logs in over plain HTTP: write [admin] public_url with https://",
            ));
        }
        None => format!("https://{endpoint}"),
    };
    let token = login_link(place.queue.store(), &actor.by).await?;
    tracing::info!(by = actor.by, "a login link was made");
    Ok(Json(LoginLink {
        url: format!("{base}/login/{token}"),
        minutes: LOGIN_LINK_AGE.as_secs() / 60,
    }))
}

async fn list(State(place): State<Place>) -> Result<Json<OpenSessions>, Problem> {
    let (open, login_links) = sessions::list(place.queue.store()).await?;
    let at = |store: u64| rfc3339(Wall(place.queue.wall_of(store)));
    let sessions = open.into_iter().map(|one| OpenSession {
        since: at(one.since),
        seen: at(one.seen),
        until: at(one.until),
        id: one.id,
        by: one.by,
        place: one.place,
    });
    Ok(Json(OpenSessions {
        sessions: sessions.collect(),
        login_links,
    }))
}

async fn logout(
    State(place): State<Place>,
    Extension(actor): Extension<Actor>,
    asked: Result<Json<Logout>, JsonRejection>,
) -> Result<Json<LoggedOut>, Problem> {
    let sentence = "write {\"id\": \"SESSION\"} or {\"all\": true}";
    let Json(asked) = asked.map_err(|error| {
        Problem::new(error.status(), format!("{}; {sentence}", error.body_text()))
    })?;
    let store = place.queue.store();
    let ended = match asked {
        Logout {
            id: None,
            all: true,
        } => sessions::end_all(store).await?,
        Logout {
            id: Some(id),
            all: false,
        } => {
            if !sessions::end(store, &id).await? {
                return Err(Problem::unknown(
                    "no such session; see `postwerk admin sessions`",
                ));
            }
            sessions::Ended {
                sessions: 1,
                links: 0,
            }
        }
        Logout { .. } => return Err(Problem::bad(sentence)),
    };
    let sessions::Ended { sessions, links } = ended;
    tracing::info!(by = actor.by, sessions, links, "sessions were ended");
    Ok(Json(LoggedOut {
        sessions,
        login_links: links,
    }))
}
