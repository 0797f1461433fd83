//! The handlers of `/api/v1/accounts`: list, add, another password, remove.
//!
//! Passwords come in and never go out; each change is logged with who made it. Accounts of the file are shown and not changed; `accounts` says so.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::accounts::{AccountError, Accounts, NewAccount};
use crate::base::secret::Secret;
use crate::config::AddressPattern;
use crate::queue::verbs::Actor;

/// What `POST /api/v1/accounts` takes.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// What AUTH will say.
    pub name: String,
    /// Plain text or a PHC string.
    pub password: String,
    /// Patterns such as `*@example.org`; none: any.
    #[serde(default)]
    pub senders: Vec<String>,
    /// None: the first of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// What `POST /api/v1/accounts/{name}/password` takes.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Plain text or a PHC string.
    pub password: String,
}

/// The routes.
pub fn router(accounts: Accounts) -> Router {
    Router::new()
        .route("/api/v1/accounts", get(list).post(add))
        .route("/api/v1/accounts/{name}", axum::routing::delete(remove))
        .route("/api/v1/accounts/{name}/password", post(change))
        .with_state(accounts)
}

async fn list(State(accounts): State<Accounts>) -> Result<Response, Problem> {
    let mut body = String::new();
    for one in accounts.list().await? {
        body.push_str(&one.to_json().to_string());
        body.push('\n');
    }
    let kind = [(header::CONTENT_TYPE, "application/jsonl")];
    Ok((kind, body).into_response())
}

async fn add(
    State(accounts): State<Accounts>,
    Extension(by): Extension<Actor>,
    add: Result<Json<Add>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(add) = add.map_err(refused)?;
    let senders = add
        .senders
        .iter()
        .map(|text| {
            AddressPattern::parse(text)
                .map_err(|remedy| Problem::bad(format!("`{text}` is no sender pattern; {remedy}")))
        })
        .collect::<Result<_, _>>()?;
    let new = NewAccount {
        name: add.name,
        password: Secret::new(&add.password),
        senders,
        tenant: add.tenant,
    };
    let name = new.name.clone();
    accounts.add(new).await?;
    tracing::info!(account = name, by = by.by, "account added");
    Ok(StatusCode::CREATED)
}

async fn change(
    State(accounts): State<Accounts>,
    Extension(by): Extension<Actor>,
    Path(name): Path<String>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(change) = change.map_err(refused)?;
    let password = Secret::new(&change.password);
    accounts.change_password(&name, &password).await?;
    tracing::info!(account = name, by = by.by, "password changed");
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(accounts): State<Accounts>,
    Extension(by): Extension<Actor>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    accounts.remove(&name).await?;
    tracing::info!(account = name, by = by.by, "account removed");
    Ok(StatusCode::NO_CONTENT)
}

/// axum's own words could repeat the body, and the body holds a password.
fn refused(error: JsonRejection) -> Problem {
    Problem::new(
        error.status(),
        "the body is not what this path takes; see `postwerk account --help`",
    )
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let status = match error {
            AccountError::Store(error) => return error.into(),
            AccountError::InFile(_) | AccountError::Exists(_) | AccountError::Raced(_) => {
                StatusCode::CONFLICT
            }
            AccountError::Unknown(_) => StatusCode::NOT_FOUND,
            AccountError::Name(_)
            | AccountError::Tenant(_)
            | AccountError::Password
            | AccountError::Hash => StatusCode::BAD_REQUEST,
            AccountError::Argon(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}
