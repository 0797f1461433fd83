//! `/holds`: the list, with its tabs, its search and its pages.
//!
//! Tabs are queues with their counts, the trash, and what is done with; the search takes words alone, and the query
//! language of `queue list`. A page ends with a cursor, the id of its last hold, so that what comes or goes meanwhile
//! moves nothing; where no index answers it ends after a bounded look, and says so. What is wrong is said in the page's
//! language beside what was typed. Not here: what is done with the chosen ones (`many`).

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as Parameters, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::tab::{Tab, Wanted};
use super::{answer, expires, tongue};
use crate::admin::link::facts::{self, Tongue};
use crate::admin::meant;
use crate::admin::web::{Session, Site, Visit, Words, broken, refusal};
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::base::limit::{HOLDS_LOOKED_MAX, HOLDS_PAGE};
use crate::mail::hold::{HoldQueue, HoldReason, Risk};
use crate::queue::hold::{Card, CardPage, Decision};
use crate::queue::query::Query;
use crate::queue::record::HoldId;
use crate::store::StoreError;
use crate::words::{Arg, say};

/// What the address of a list says.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    pub(super) queue: String,
    #[serde(default)]
    pub(super) q: String,
    #[serde(default)]
    pub(super) after: String,
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
    /// Tone and word of the mark of what is dangerous.
    pub(super) mark: Option<(&'static str, String)>,
    tone: &'static str,
    queue: String,
    size: String,
    expires: String,
    /// How it ended, when, and by whom.
    end: Option<String>,
}

struct Link {
    href: String,
    name: String,
    count: Option<u64>,
    here: bool,
}

/// What a tab and a search found.
#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    next: Option<HoldId>,
    /// Enough was looked at, and there is more.
    looked: Option<String>,
    /// What the search was understood as.
    understood: Option<String>,
    wrong: Option<String>,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/holds/list.html")]
struct List<'a> {
    words: Words,
    title: &'a str,
    token: &'a str,
    ask: &'a Ask,
    notice: Option<String>,
    tabs: Vec<Link>,
    rows: Vec<Row>,
    looked: Option<String>,
    understood: Option<String>,
    wrong: Option<String>,
    next: Option<String>,
    first: Option<String>,
    all_queues: bool,
    open: bool,
    trash: bool,
    empty: &'a str,
    empty_text: &'a str,
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
    page(&site, &visit, &session, &ask, None).await
}

/// The list, with what must be said before it.
pub(super) async fn page(
    site: &Site,
    visit: &Visit,
    session: &Session,
    ask: &Ask,
    notice: Option<&str>,
) -> Response {
    let lang = visit.lang;
    let counts = match site.queue.held_counts().await {
        Ok(counts) => counts,
        Err(error) => return broken(lang, &error),
    };
    let tab = Tab::parse(&ask.queue);
    let (here, found) = match tab.wanted(&ask.q) {
        Ok(wanted) => match find(site, visit, ask, &wanted).await {
            Ok(found) => (wanted.tab, found),
            Err(error) => return broken(lang, &error),
        },
        Err(error) => {
            let wrong = Some(error.text(lang));
            let found = Found {
                wrong,
                ..Found::default()
            };
            (tab, found)
        }
    };
    let title = say(lang, "web-holds", &[]);
    let status = if found.wrong.is_some() || notice.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let empty = here.empty_key();
    let body = List {
        words: Words(lang),
        title: &title,
        token: &session.token,
        ask,
        notice: notice.map(|key| say(lang, key, &[])),
        tabs: links(lang, here, &ask.q, &counts),
        rows: found.rows,
        looked: found.looked,
        understood: found.understood,
        wrong: found.wrong,
        next: found.next.map(|next| href(tab, &ask.q, Some(next))),
        first: (!ask.after.is_empty()).then(|| href(tab, &ask.q, None)),
        all_queues: !matches!(here, Tab::Queue(_)),
        open: here.is_open(),
        trash: here == Tab::Trash,
        empty: &empty,
        empty_text: &format!("{empty}-text"),
    };
    answer(visit, session, status, &title, body.render(), None)
}

async fn find(site: &Site, visit: &Visit, ask: &Ask, wanted: &Wanted) -> Result<Found, StoreError> {
    let lang = visit.lang;
    let most = (HOLDS_PAGE, HOLDS_LOOKED_MAX);
    let after: Option<HoldId> = ask.after.parse().ok();
    let found = site
        .queue
        .find_on(&wanted.shelf, &wanted.query, after, true, most);
    let CardPage { cards, next, cut } = found.await?;
    let tongue = tongue(site, visit);
    let understood = Query::search(&ask.q).ok().filter(|query| !query.is_empty());
    let count = [("count", Arg::Count(HOLDS_LOOKED_MAX as u64))];
    Ok(Found {
        next: next.filter(|_| cut || !cards.is_empty()),
        looked: cut.then(|| say(lang, "holds-looked", &count)),
        understood: understood.map(|query| {
            let text = query.understood(lang);
            say(lang, "holds-understood", &[("what", Arg::Text(&text))])
        }),
        rows: cards
            .iter()
            .map(|card| Row::of(site, &tongue, card))
            .collect(),
        wrong: None,
    })
}

/// The tabs; a queue that the search names is left out of it on the way to another.
fn links(
    lang: Lang,
    here: Tab,
    search: &str,
    counts: &[(HoldQueue, HoldReason, u64)],
) -> Vec<Link> {
    let count = |tab: Tab| {
        let of = |own: HoldQueue| match tab {
            Tab::All => true,
            Tab::Queue(queue) => own == queue,
            Tab::Trash | Tab::Done => false,
        };
        let each = counts.iter().filter(|(own, ..)| of(*own));
        let sum = each.map(|(.., count)| count).sum();
        tab.is_open().then_some(sum)
    };
    let rest = Query::search(search)
        .ok()
        .filter(Query::names_queue)
        .map(|query| query.without_queue().to_string());
    let rest = rest.as_deref().unwrap_or(search);
    Tab::ORDER
        .into_iter()
        .map(|tab| Link {
            href: href(tab, rest, None),
            name: say(lang, &tab.key(), &[]),
            count: count(tab),
            here: tab == here,
        })
        .collect()
}

fn href(tab: Tab, search: &str, after: Option<HoldId>) -> String {
    let mut parts = Vec::new();
    if tab != Tab::All {
        parts.push(format!("queue={}", tab.word()));
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
        let risk = card.hold.risk();
        Self {
            id: card.id.to_string(),
            received: tongue.when(Wall(card.arrived)),
            from: facts::from(card),
            envelope: facts::envelope_text(lang, card),
            to: facts::mailbox(&card.to),
            subject: facts::subject(lang, card),
            reason: crate::digest::told::reason(lang, &card.hold),
            mark: meant::mark(lang, risk),
            tone: match risk {
                Risk::High => "bad",
                Risk::Raised => "warn",
                Risk::Low => "",
            },
            queue: say(lang, &format!("queue-{}", card.hold.queue), &[]),
            size: crate::digest::told::size(lang, card.size),
            expires: tongue.when(expires(site, card)),
            end: card.end.as_ref().map(|end| ended(site, tongue, end)),
        }
    }
}

/// `Gelöscht, im Papierkorb bis …`
fn ended(site: &Site, tongue: &Tongue, end: &Decision) -> String {
    let lang = tongue.lang;
    let what = match end.verb.as_str() {
        verb @ ("release" | "requeue" | "delete" | "bounce") => {
            say(lang, &format!("link-title-done-{verb}"), &[])
        }
        "expire" => say(lang, "link-by-expiry", &[]),
        _ => say(lang, "link-title-handled", &[]),
    };
    let by = super::story::who(lang, &end.by, None);
    let when = tongue.when(Wall(end.at));
    let until = end.until.filter(|_| end.verb == "delete");
    let until = until.map(|at| tongue.when(Wall(site.queue.wall_of(at))));
    let until = until.map(|at| say(lang, "holds-trash-until", &[("date", Arg::Text(&at))]));
    let parts = [Some(what), Some(when), Some(by), until];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
