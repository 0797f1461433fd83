//! `/api/v1/certs` at the control socket: how certificates stand, and a new order.
//!
//! An order is made due, not waited for: directories take minutes. Its bounds against storms hold for people too.
//! Not here: how it prints (`cli::cert`).

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::view::CertView;
use crate::admin::problem::Problem;
use crate::admin::web::Site;
use crate::certs::RenewError;
use crate::queue::verbs::Actor;

/// What `POST /api/v1/certs/renew` takes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// A name of the certificate; none: all that are ordered by us.
    #[serde(default)]
    pub name: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// What was done, a sentence each.
    pub done: Vec<String>,
}

/// The routes.
pub fn router(site: Site) -> Router {
    Router::new()
        .route("/api/v1/certs", get(list))
        .route("/api/v1/certs/renew", post(renew))
        .with_state(site)
}

async fn list(State(site): State<Site>) -> Json<Vec<CertView>> {
    Json(super::views(&site))
}

async fn renew(
    State(site): State<Site>,
    Extension(by): Extension<Actor>,
    asked: Result<Json<Renew>, JsonRejection>,
) -> Result<Json<Renewal>, Problem> {
    let Json(Renew { name }) = asked.map_err(|error| {
        let sentence = "write {} or {\"name\": \"mail.example.org\"}";
        Problem::new(error.status(), format!("{}; {sentence}", error.body_text()))
    })?;
    let done = site.certs.renew(name.as_deref()).await?;
    tracing::info!(by = by.by, ?name, "a new certificate was asked for");
    Ok(Json(Renewal { done }))
}

impl From<RenewError> for Problem {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::Store(error) => error.into(),
            RenewError::Unknown { .. } => Self::unknown(error.to_string()),
            RenewError::NotOrdered(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            RenewError::NotRunning => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}
