//! `/holds`: the list, with its tabs, its search and its pages.
//!
//! Tabs are queues with their counts; the search is the query language of `queue list`. A page ends with a cursor, the
//! id of its last hold, so that what comes or goes meanwhile moves nothing. Not here: what is done with the chosen ones
//! (`many`).

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as Parameters, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::{answer, expires, tongue};
use crate::admin::link::facts::{self, Tongue};
use crate::admin::web::{Session, Site, Visit, Words, broken, refusal};
use crate::base::clock::Wall;
use crate::base::limit::HOLDS_PAGE;
use crate::mail::hold::{HoldQueue, Risk};
use crate::queue::hold::Card;
use crate::queue::query::Query;
use crate::queue::record::HoldId;
use crate::words::say;

/// What the address of a list says.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    pub(super) queue: String,
    #[serde(default)]
    pub(super) q: String,
    #[serde(default)]
    after: String,
}

/// One line of the list.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) received: String,
    pub(super) from: String,
    envelope: Option<String>,
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) reason: String,
    tone: &'static str,
    queue: String,
    size: String,
    expires: String,
}

struct Tab {
    href: String,
    name: String,
    count: u64,
    here: bool,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/holds/list.html")]
struct List<'a> {
    words: Words,
    title: &'a str,
    token: &'a str,
    ask: &'a Ask,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    wrong: Option<String>,
    next: Option<String>,
    first: Option<String>,
    all_queues: bool,
}

pub(super) async fn list(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
    ask: Result<Parameters<Ask>, QueryRejection>,
) -> Response {
    let Ok(Parameters(ask)) = ask else {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    };
    let counts = match site.queue.held_counts().await {
        Ok(counts) => counts,
        Err(error) => return broken(visit.lang, &error),
    };
    let count = |queue: Option<HoldQueue>| {
        let of = |(own, _, _): &&(HoldQueue, _, u64)| queue.is_none_or(|queue| *own == queue);
        counts.iter().filter(of).map(|(_, _, count)| count).sum()
    };
    let here = queue_of(&ask.queue);
    let tabs = [None]
        .into_iter()
        .chain(HoldQueue::ALL.map(Some))
        .map(|queue| Tab {
            href: href(queue, &ask.q, None),
            name: queue.map_or_else(
                || say(visit.lang, "holds-all", &[]),
                |queue| say(visit.lang, &format!("queue-{queue}"), &[]),
            ),
            count: count(queue),
            here: queue == here,
        })
        .collect();
    let after = ask.after.parse().ok();
    let (rows, next, wrong) = match query_of(here, &ask.q) {
        Ok(query) => match site.queue.find_cards(&query, after, true, HOLDS_PAGE).await {
            Ok(page) => {
                let tongue = tongue(&site, &visit);
                let rows = page.cards.iter().map(|card| Row::of(&site, &tongue, card));
                let next = page
                    .next
                    .filter(|_| !page.cards.is_empty() || after.is_none());
                (rows.collect(), next, None)
            }
            Err(error) => return broken(visit.lang, &error),
        },
        Err(error) => (Vec::new(), None, Some(error.to_string())),
    };
    let title = say(visit.lang, "web-holds", &[]);
    let status = if wrong.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let body = List {
        words: Words(visit.lang),
        title: &title,
        token: &session.token,
        ask: &ask,
        tabs,
        rows,
        wrong,
        next: next.map(|next| href(here, &ask.q, Some(next))),
        first: after.map(|_| href(here, &ask.q, None)),
        all_queues: here.is_none(),
    };
    answer(&visit, &session, status, &title, body.render(), None)
}

/// The query of a tab and a search.
pub(super) fn query_of(
    queue: Option<HoldQueue>,
    search: &str,
) -> Result<Query, crate::queue::query::QueryError> {
    // The tab stands behind, so that a mistake is told by its place in what was typed.
    let queue = queue
        .map(|queue| format!(" queue:{queue}"))
        .unwrap_or_default();
    Query::parse(&format!("{search}{queue}"))
}

pub(super) fn queue_of(word: &str) -> Option<HoldQueue> {
    HoldQueue::ALL
        .into_iter()
        .find(|queue| queue.word() == word)
}

fn href(queue: Option<HoldQueue>, search: &str, after: Option<HoldId>) -> String {
    let mut parts = Vec::new();
    if let Some(queue) = queue {
        parts.push(format!("queue={queue}"));
    }
    if !search.is_empty() {
        parts.push(format!("q={}", encoded(search)));
    }
    if let Some(after) = after {
        parts.push(format!("after={after}"));
    }
    match parts.join("&") {
        parts if parts.is_empty() => "/holds".to_owned(),
        parts => format!("/holds?{parts}"),
    }
}

/// RFC 3986 section 2.1.
fn encoded(text: &str) -> String {
    let one = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(one).collect()
}

impl Row {
    pub(super) fn of(site: &Site, tongue: &Tongue, card: &Card) -> Self {
        let lang = tongue.lang;
        Self {
            id: card.id.to_string(),
            received: tongue.when(Wall(card.arrived)),
            from: facts::from(card),
            envelope: facts::envelope_text(lang, card),
            to: facts::mailbox(&card.to),
            subject: facts::subject(lang, card),
            reason: crate::digest::told::reason(lang, &card.hold),
            tone: match card.hold.risk() {
                Risk::High => "bad",
                Risk::Raised => "warn",
                Risk::Low => "",
            },
            queue: say(lang, &format!("queue-{}", card.hold.queue), &[]),
            size: crate::digest::told::size(lang, card.size),
            expires: tongue.when(expires(site, card)),
        }
    }
}
