//! The handlers of `/api/v1`: list, show and the verbs of the queue, health and status.
//!
//! Lists and verbs answer JSON Lines, errors are RFC 9457 problems. What a verb may do is the queue's to say; who asks
//! comes with the connection (`Actor`). The same handlers serve the control socket and, later, the remote API.

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query as Parameters, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::find::find;
use super::problem::Problem;
use super::view::{Row, Story};
use crate::accounts::Accounts;
use crate::base::limit::{BULK_NUMBER_ABOVE, CONTROL_BODY_MAX, CONTROL_IDS_MAX, CONTROL_PAGE_MAX};
use crate::queue::bulk::BulkError;
use crate::queue::query::Query;
use crate::queue::verbs::{Actor, Target, Verb};
use crate::queue::{MessageId, Queue};

/// Where the next page of a list starts; absent on the last one.
pub const NEXT: HeaderName = HeaderName::from_static("postwerk-next");
/// Messages of a page when nobody says.
const PAGE: usize = 100;

/// What `POST /api/v1/queue/{verb}` takes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// `ID` or `ID/ADDRESS`.
    pub ids: Vec<String>,
    /// Release and requeue wait first, so that they can be undone.
    #[serde(default)]
    pub undo: bool,
    /// Delete at once, not into the trash.
    #[serde(default)]
    pub now: bool,
    /// How many ids these are; above `BULK_NUMBER_ABOVE` it must be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

/// What became of one id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Done {
    /// As it was given.
    pub id: String,
    /// Whether anything was done.
    pub ok: bool,
    /// Recipients it was done to.
    #[serde(default)]
    pub recipients: usize,
    /// What is to be known of it: what a release did not check, or that nobody is told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    q: String,
    after: Option<String>,
    limit: Option<usize>,
}

/// All routes; the caller adds who asks as an `Extension<Actor>`.
pub fn router(queue: Queue, accounts: Accounts) -> Router {
    let own = Router::new()
        .route("/livez", get(live))
        .route("/api/v1/queue", get(list))
        .route("/api/v1/queue/{word}", get(show).post(act))
        .with_state(queue.clone());
    own.merge(super::jobs::router(queue))
        .merge(super::accounts::router(accounts))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(CONTROL_BODY_MAX))
}

async fn live() -> &'static str {
    "ok\n"
}

async fn list(
    State(queue): State<Queue>,
    page: Result<Parameters<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    let Parameters(page) = page.map_err(|error| Problem::bad(error.body_text()))?;
    let query = Query::parse(&page.q)?;
    let after = page.after.as_deref().map(message_id).transpose()?;
    let limit = page.limit.unwrap_or(PAGE).clamp(1, CONTROL_PAGE_MAX);
    let (found, next) = find(&queue, &query, after, limit).await?;
    let ended = query.wants_ended();
    let rows = found
        .iter()
        .filter_map(|listed| Row::of(&queue, listed, |slot| ended || !slot.state.is_final()));
    let mut response = lines(rows);
    if let Some(next) = next
        && let Ok(value) = next.to_string().parse()
    {
        response.headers_mut().insert(NEXT, value);
    }
    Ok(response)
}

async fn show(State(queue): State<Queue>, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = message_id(&id)?;
    let shown = queue.show(id).await?.ok_or_else(|| {
        Problem::unknown(format!(
            "no message {id}; it never was, or its history is over ([queue] history)"
        ))
    })?;
    Ok(Json(Story::of(&queue, id.to_string(), shown)).into_response())
}

async fn act(
    State(queue): State<Queue>,
    Extension(actor): Extension<Actor>,
    Path(verb): Path<String>,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(order) = order.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    if order.ids.len() > CONTROL_IDS_MAX {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("more than {CONTROL_IDS_MAX} ids; send them in several requests"),
        ));
    }
    let verb = verb_of(&verb, order.undo, order.now)?;
    let count = order.ids.len() as u64;
    if !order
        .number
        .map_or(count <= BULK_NUMBER_ABOVE, |n| n == count)
    {
        return Err(BulkError::Number {
            count,
            more: false,
            given: order.number,
        }
        .into());
    }
    let mut done = Vec::with_capacity(order.ids.len());
    for id in order.ids {
        let outcome = match id.parse::<Target>() {
            Ok(target) => queue
                .act_noted(verb, &target, &actor)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        done.push(match outcome {
            Ok((recipients, note)) => Done {
                id,
                ok: true,
                recipients,
                note,
                error: None,
            },
            Err(error) => Done {
                id,
                ok: false,
                recipients: 0,
                note: String::new(),
                error: Some(error),
            },
        });
    }
    Ok(lines(done.into_iter()))
}

async fn no_such_path() -> Problem {
    Problem::unknown("no such path; /api/v1/queue and /api/v1/status are here")
}

async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "read with GET; act with POST /api/v1/queue/{verb}",
    )
}

/// The verb of a word, with what may go with it.
pub(super) fn verb_of(word: &str, undo: bool, now: bool) -> Result<Verb, Problem> {
    let verb = match word {
        "retry" => Verb::Retry,
        "requeue" => Verb::Requeue { undo },
        "release" => Verb::Release { undo },
        "hold" => Verb::Hold,
        "delete" => Verb::Delete { now },
        "bounce" => Verb::Bounce,
        "undo" => Verb::Undo,
        _ => {
            return Err(Problem::unknown(format!(
                "no verb `{word}`; retry, requeue, release, hold, delete, bounce and undo are"
            )));
        }
    };
    let undoable = matches!(verb, Verb::Requeue { .. } | Verb::Release { .. });
    let deletes = matches!(verb, Verb::Delete { .. });
    if (undo && !undoable) || (now && !deletes) {
        return Err(Problem::bad(
            "`undo` goes with release and requeue, `now` with delete",
        ));
    }
    Ok(verb)
}

fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse::<MessageId>()
        .map_err(|error| Problem::bad(error.to_string()))
}

/// One JSON object a line.
pub(super) fn lines<T: Serialize>(all: impl Iterator<Item = T>) -> Response {
    let mut body = String::new();
    for one in all {
        match serde_json::to_string(&one) {
            Ok(line) => {
                body.push_str(&line);
                body.push('\n');
            }
            Err(error) => return Problem::bad(error.to_string()).into_response(),
        }
    }
    let kind = [(header::CONTENT_TYPE, "application/jsonl")];
    (kind, body).into_response()
}
