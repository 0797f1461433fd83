//! Several holds at once: choose, look again, decide.
//!
//! The list's form comes without a sure word first: the answer shows how many and which, with what is risky about them,
//! and a button that says so. Only that one acts; a button with nothing chosen says so. Each hold is decided by itself; what somebody else was faster with is
//! counted, not repeated. Not here: the list (`list`).

use askama::Template;
use axum::Extension;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::all::look;
use super::list::{self, Ask, Row};
use super::one::barred;
use super::{actor, answer, left, tongue, verb_of};
use crate::admin::link::answer::risk;
use crate::admin::meant;
use crate::admin::web::{Session, Site, Visit, Words, broken, foreign, refusal};
use crate::base::lang::Lang;
use crate::base::limit::HOLDS_PAGE;
use crate::queue::hold::Card;
use crate::queue::record::HoldId;
use crate::queue::verbs::{Undecided, Verb};
use crate::store::StoreError;
use crate::words::{Arg, say};

/// Rows that the look before shows.
const SAMPLE: usize = 10;

/// A form whose field `id` comes as often as something is chosen.
#[derive(Debug, Default)]
struct Order {
    token: String,
    verb: String,
    sure: bool,
    /// The verb for everything that the search means.
    all: Option<String>,
    queue: String,
    search: String,
    ids: Vec<HoldId>,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/holds/sure.html")]
struct Sure<'a> {
    words: Words,
    title: &'a str,
    token: &'a str,
    verb: &'a str,
    button: String,
    ids: Vec<String>,
    sample: Vec<Row>,
    more: u64,
    warnings: Vec<String>,
    notes: Vec<String>,
}

/// How many went which way.
#[derive(Default)]
struct Sum {
    done: Vec<HoldId>,
    undo: Vec<String>,
    handled: u64,
    barred: u64,
    busy: u64,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/holds/done.html")]
struct Done<'a> {
    words: Words,
    title: &'a str,
    token: &'a str,
    done: String,
    notes: Vec<String>,
    undo: Vec<String>,
}

pub(super) async fn choose(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
    headers: HeaderMap,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let Some(order) = form.ok().and_then(|Form(fields)| Order::of(fields)) else {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    };
    if let Some(refused) = foreign(&site, &visit, &headers, &session, &order.token) {
        return refused;
    }
    let asked = Ask {
        queue: order.queue.clone(),
        q: order.search.clone(),
        ..Ask::default()
    };
    if let Some(all) = &order.all {
        return look(&site, &visit, &session, all, &asked).await;
    }
    let Some(verb) = verb_of(&site, &order.verb) else {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    };
    if order.ids.is_empty() {
        let nothing = Some("holds-nothing-chosen");
        return list::page(&site, &visit, &session, &asked, nothing).await;
    }
    let result = if order.sure || verb == Verb::Undo {
        act(&site, &visit, &session, &order, verb).await
    } else {
        ask(&site, &visit, &session, &order, verb, &asked).await
    };
    result.unwrap_or_else(|error| broken(visit.lang, &error))
}

async fn ask(
    site: &Site,
    visit: &Visit,
    session: &Session,
    order: &Order,
    verb: Verb,
    asked: &Ask,
) -> Result<Response, StoreError> {
    let mut cards: Vec<Card> = Vec::new();
    for id in &order.ids {
        cards.extend(
            site.queue
                .card(*id)
                .await?
                .filter(|card| card.end.is_none()),
        );
    }
    if cards.is_empty() {
        let handled = Some("holds-all-handled");
        return Ok(list::page(site, visit, session, asked, handled).await);
    }
    let (lang, tongue) = (visit.lang, tongue(site, visit));
    let count = cards.len() as u64;
    let count_of = |key: &str| say(lang, key, &[("count", Arg::Count(count))]);
    let title = count_of(&format!("holds-sure-{}", order.verb));
    let survey = site.queue.survey_of(&cards, verb);
    let body = Sure {
        words: Words(lang),
        title: &title,
        token: &session.token,
        verb: &order.verb,
        button: say(lang, &format!("verb-{}", order.verb), &[]),
        ids: cards.iter().map(|card| card.id.to_string()).collect(),
        sample: cards
            .iter()
            .take(SAMPLE)
            .map(|card| Row::of(site, &tongue, card))
            .collect(),
        more: cards.len().saturating_sub(SAMPLE) as u64,
        warnings: warnings(lang, &order.verb, &cards),
        notes: meant::notes(lang, &survey),
    };
    Ok(answer(
        visit,
        session,
        StatusCode::OK,
        &title,
        body.render(),
        None,
    ))
}

/// What must be known before so many go out, each once.
pub(super) fn warnings(lang: Lang, verb: &str, cards: &[Card]) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    if verb == "release" {
        for card in cards {
            let text = risk(&card.hold).map(|key| say(lang, key, &[]));
            warnings.extend(text.filter(|text| !warnings.contains(text)));
        }
    }
    warnings
}

async fn act(
    site: &Site,
    visit: &Visit,
    session: &Session,
    order: &Order,
    verb: Verb,
) -> Result<Response, StoreError> {
    let (mut sum, actor) = (Sum::default(), actor(session, visit));
    for id in &order.ids {
        if barred(site, *id, verb).await? {
            sum.barred += 1;
            continue;
        }
        match site.queue.decide(*id, verb, &actor).await {
            Ok(card) => {
                sum.done.push(*id);
                let end = card.end.as_ref().filter(|end| left(site, end).is_some());
                sum.undo.extend(end.map(|_| id.to_string()));
            }
            Err(Undecided::Handled(_) | Undecided::Unknown) => sum.handled += 1,
            Err(Undecided::Busy | Undecided::Refused(_)) => sum.busy += 1,
            Err(Undecided::Store(error)) => return Err(error),
        }
    }
    let lang = visit.lang;
    let count = |key: &str, count: u64| say(lang, key, &[("count", Arg::Count(count))]);
    let notes = [
        ("holds-sum-handled", sum.handled),
        ("holds-sum-never", sum.barred),
        ("holds-sum-busy", sum.busy),
    ];
    let title = say(lang, &format!("verb-{}", order.verb), &[]);
    let body = Done {
        words: Words(lang),
        title: &title,
        token: &session.token,
        done: count(&format!("holds-done-{}", order.verb), sum.done.len() as u64),
        notes: notes
            .into_iter()
            .filter(|(_, many)| *many > 0)
            .map(|(key, many)| count(key, many))
            .collect(),
        undo: sum.undo,
    };
    Ok(answer(
        visit,
        session,
        StatusCode::OK,
        &title,
        body.render(),
        None,
    ))
}

impl Order {
    /// None: a field that the page does not have, or more than it shows.
    fn of(fields: Vec<(String, String)>) -> Option<Self> {
        let mut order = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "token" => order.token = value,
                "verb" => order.verb = value,
                "sure" => order.sure = true,
                "id" => order.ids.push(value.parse().ok()?),
                "all" => order.all = Some(value),
                "queue" => order.queue = value,
                "q" => order.search = value,
                _ => return None,
            }
        }
        (order.ids.len() <= HOLDS_PAGE).then_some(order)
    }
}
