//! `POST /api/v1/admin/login-link` at the control socket: a one-time link into the pages.
//!
//! Who may open the socket may do everything anyway; the link brings that right into a browser, for 15 minutes and one
//! use. Not here: what becomes of it (`web::session`).

use std::net::SocketAddr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::web::login_link;
use crate::base::limit::LOGIN_LINK_AGE;
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

#[derive(Clone, Debug)]
struct Place {
    queue: Queue,
    endpoint: Option<SocketAddr>,
}

/// The route; `endpoint` is where the pages are.
pub fn router(queue: Queue, endpoint: Option<SocketAddr>) -> Router {
    Router::new()
        .route("/api/v1/admin/login-link", post(make))
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
