//! `/api/v1/digests` at the control socket: who gets digests, what one would say now, and one at once.
//!
//! An operator may send as often as they like; the bound of one an hour is for links, which leak. Not here: what a
//! digest says and when it goes out (`digest`).

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query as Parameters, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::base::lang::Lang;
use crate::digest::{Digests, Fresh, SendError};
use crate::mail::date::rfc3339;
use crate::mail::mailbox::Mailbox;
use crate::queue::verbs::Actor;

/// A digest as it would go out, from `GET /api/v1/digests/preview`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// Whose.
    pub to: String,
    /// Of the mail.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// What `POST /api/v1/digests` takes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// To whom; none: to everybody of whose something is held.
    pub to: Option<String>,
}

/// What became of one recipient's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// Whose.
    pub to: String,
    /// Its number; none: nothing of theirs is held.
    pub number: Option<u32>,
}

/// One recipient, from `GET /api/v1/digests`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recipient {
    /// Who.
    pub to: String,
    /// Why their last digest did not arrive, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Failure>,
}

/// A digest that did not arrive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Of the digest.
    pub number: u32,
    /// When it was sent.
    pub at: String,
    /// What the next hop said.
    pub why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    to: Option<String>,
    lang: Option<String>,
}

/// The routes.
pub fn router(digests: Digests) -> Router {
    Router::new()
        .route("/api/v1/digests", get(list).post(order))
        .route("/api/v1/digests/preview", get(preview))
        .with_state(digests)
}

async fn list(State(digests): State<Digests>) -> Result<Json<Vec<Recipient>>, Problem> {
    let mut troubles = digests.troubles().await?;
    let audience = digests.audience().await?;
    let recipient = |to: &Mailbox| {
        let at = troubles.iter().position(|trouble| trouble.to == *to);
        Recipient {
            to: to.to_string(),
            trouble: at
                .map(|at| troubles.swap_remove(at))
                .map(|trouble| Failure {
                    number: trouble.number,
                    at: rfc3339(trouble.at),
                    why: trouble.why,
                }),
        }
    };
    Ok(Json(audience.keys().map(recipient).collect()))
}

async fn preview(
    State(digests): State<Digests>,
    ask: Result<Parameters<Ask>, QueryRejection>,
) -> Result<Json<Shown>, Problem> {
    let Parameters(ask) = ask.map_err(|error| Problem::bad(error.body_text()))?;
    let lang = match ask.lang.as_deref() {
        None => None,
        Some(code) => Some(
            Lang::ALL
                .into_iter()
                .find(|lang| lang.code() == code)
                .ok_or_else(|| Problem::bad(format!("no language `{code}`; de and en are")))?,
        ),
    };
    let to = one(&digests, ask.to.as_deref()).await?;
    let rendered = digests.preview(&to, lang).await?;
    let rendered =
        rendered.ok_or_else(|| Problem::unknown(format!("nothing is held that {to} would see")))?;
    Ok(Json(Shown {
        to: to.to_string(),
        subject: rendered.subject,
        text: rendered.text,
        html: rendered.html,
    }))
}

async fn order(
    State(digests): State<Digests>,
    Extension(actor): Extension<Actor>,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<Json<Vec<Sent>>, Problem> {
    let Json(order) = order.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let all = match order.to {
        Some(to) => vec![one(&digests, Some(&to)).await?],
        None => digests.audience().await?.into_keys().collect(),
    };
    let mut done = Vec::new();
    for to in all {
        let fresh = digests.send_now(&to).await.map_err(refused)?;
        tracing::info!(by = actor.by, %to, ?fresh, "a digest was asked for");
        done.push(Sent {
            to: to.to_string(),
            number: match fresh {
                Fresh::Sent(number) => Some(number),
                Fresh::Nothing | Fresh::TooSoon => None,
            },
        });
    }
    Ok(Json(done))
}

/// The recipient that is meant; without a name the only one there is.
async fn one(digests: &Digests, to: Option<&str>) -> Result<Mailbox, Problem> {
    let audience = digests.audience().await?;
    let Some(text) = to else {
        let mut all = audience.into_keys();
        return match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Problem::unknown(
                "nobody gets digests; write [digest] to in the configuration",
            )),
            (Some(_), Some(_)) => Err(Problem::bad("several get digests; say whose with --to")),
        };
    };
    let to = Mailbox::parse(text).map_err(|why| Problem::bad(format!("`{text}`: {why}")))?;
    if audience.contains_key(&to) {
        Ok(to)
    } else {
        Err(Problem::unknown(format!(
            "{to} gets no digests; write it into [digest] to, [hold.QUEUE] to, or as an owner"
        )))
    }
}

fn refused(error: SendError) -> Problem {
    match error {
        SendError::Store(error) => error.into(),
        SendError::Refused(_) | SendError::Address(_) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
    }
}
