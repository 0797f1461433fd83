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
use crate::base::band::Band;
use crate::base::secret::Secret;
use crate::base::text::clean;
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
    /// `urgent`, `normal` or `bulk`; none: normal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
}

impl Add {
    /// The account to be.
    ///
    /// # Errors
    /// What to write instead.
    pub fn read(self) -> Result<NewAccount, String> {
        let mut senders = Vec::new();
        for text in &self.senders {
            let told = |remedy| format!("\"{text}\" is no sender pattern; {remedy}");
            senders.push(AddressPattern::parse(text).map_err(told)?);
        }
        let band = match &self.band {
            None => Band::default(),
            Some(word) => Band::parse(word).ok_or_else(|| {
                let shown = clean(word, WORD_MAX);
                format!("\"{shown}\" is no band; write urgent, normal or bulk")
            })?,
        };
        Ok(NewAccount {
            name: self.name,
            password: Secret::new(&self.password),
            senders,
            tenant: self.tenant,
            band,
        })
    }
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
    let new = add.read().map_err(Problem::bad)?;
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

/// Characters of a wrong word that are shown.
const WORD_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_to_be_is_read_or_told_what_to_write() {
        let add = |senders: &[&str], band: Option<&str>| Add {
            name: "app".to_owned(),
            password: "a secret".to_owned(),
            senders: senders.iter().map(|text| (*text).to_owned()).collect(),
            tenant: None,
            band: band.map(str::to_owned),
        };
        for (band, read) in [
            (None, Band::Normal),
            (Some("urgent"), Band::Urgent),
            (Some("bulk"), Band::Bulk),
        ] {
            let new = add(&["*@example.org"], band).read().unwrap();
            assert_eq!((new.band, new.senders.len()), (read, 1), "{band:?}");
        }
        let why = add(&[], Some("fast\u{202e}")).read().unwrap_err();
        assert!(
            why.ends_with("is no band; write urgent, normal or bulk"),
            "{why}"
        );
        assert!(!why.contains('\u{202e}'), "{why:?}");
        let why = add(&["a b"], None).read().unwrap_err();
        assert!(why.starts_with("\"a b\" is no sender pattern; "), "{why}");
    }
}
