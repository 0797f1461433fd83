//! `POST /api/v1/links/rotate` at the control socket: a new key for the links of digests.
//!
//! The answer says what becomes of the links that are out. Who ends them all at once fears that somebody has what they
//! should not, so sessions and login links end too. Not here: the keys (`digest::key`), how it prints (`cli`).

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::web::sessions;
use crate::digest::key::{Keys, RotateError};
use crate::queue::verbs::Actor;
use crate::store::Store;

/// What `POST /api/v1/links/rotate` takes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Ends every link that is out.
    #[serde(default)]
    pub now: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Id of the key that signs from now on.
    pub key: u8,
    /// Old keys whose links still work.
    pub believed: usize,
    /// Old keys whose links were ended by this.
    pub revoked: usize,
    /// When the last of the links that still work ends, in UTC; none: none works.
    pub until: Option<String>,
    /// Sessions of the pages, and login links, that were ended by this.
    #[serde(default)]
    pub logged_out: usize,
}

#[derive(Clone)]
struct Place {
    keys: Keys,
    store: Store,
}

/// The route.
pub fn router(keys: Keys, store: Store) -> Router {
    Router::new()
        .route("/api/v1/links/rotate", post(rotate))
        .with_state(Place { keys, store })
}

async fn rotate(
    State(Place { keys, store }): State<Place>,
    Extension(by): Extension<Actor>,
    asked: Result<Json<Rotate>, JsonRejection>,
) -> Result<Json<Rotation>, Problem> {
    let Json(Rotate { now }) = asked.map_err(|error| {
        let sentence = "write {} or {\"now\": true}";
        Problem::new(error.status(), format!("{}; {sentence}", error.body_text()))
    })?;
    // First: also when there is no room for another key, whoever is logged in goes.
    let ended = if now {
        sessions::end_all(&store).await?
    } else {
        sessions::Ended::default()
    };
    let rotated = keys.rotate(now).await?;
    let logged_out = ended.sessions + ended.links;
    tracing::info!(
        key = rotated.key,
        now,
        logged_out,
        by = by.by,
        "link keys rotated"
    );
    Ok(Json(Rotation {
        key: rotated.key,
        believed: rotated.believed,
        revoked: rotated.revoked,
        until: rotated.until.map(utc),
        logged_out,
    }))
}

fn utc(hour: u32) -> String {
    let at = jiff::Timestamp::from_second(i64::from(hour) * 3_600);
    at.map(|at| at.to_string()).unwrap_or_default()
}

impl From<RotateError> for Problem {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Store(error) => error.into(),
            RotateError::Full => Self::new(StatusCode::CONFLICT, error.to_string()),
            RotateError::Raced => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_told_as_a_date() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(495_000), "2026-06-21T00:00:00Z");
        assert_eq!(utc(u32::MAX), "");
    }
}
