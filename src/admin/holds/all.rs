//! Everything that a search means, at once: a look before, with its number, then a job.
//!
//! The look says what was understood, counts, marks what is dangerous and shows the newest; what is begun is what was
//! looked at, as a query. Above 500 its number is typed; if that is another one by now, the look comes again. What
//! nobody may release stays, and the look says how many those are.
//! Not here: the jobs' pages (`jobs`), the job (`queue::bulk`), and chosen ones (`many`).

use askama::Template;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use serde::Deserialize;

use super::list::{self, Ask, Row};
use super::many::warnings;
use super::tab::Tab;
use super::{actor, answer, tongue, verb_of};
use crate::admin::meant;
use crate::admin::web::{Session, Site, Visit, Words, broken, foreign, plain, refusal};
use crate::base::limit::BULK_NUMBER_ABOVE;
use crate::queue::bulk::{self, BulkError};
use crate::queue::hold::Card;
use crate::queue::query::Query;
use crate::queue::survey::{Sampled, Survey};
use crate::queue::verbs::Verb;
use crate::words::{Arg, say};

/// What the look's button sends.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    #[serde(default)]
    token: String,
    verb: String,
    query: String,
    /// As it was typed.
    #[serde(default)]
    number: String,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/holds/all.html")]
struct Look<'a> {
    words: Words,
    title: &'a str,
    token: &'a str,
    verb: &'a str,
    query: &'a str,
    button: String,
    understood: String,
    notice: Option<String>,
    notes: Vec<String>,
    sample: Vec<Row>,
    warnings: Vec<String>,
    asks_number: bool,
    number: &'a str,
}

/// The look before.
pub(super) async fn look(
    site: &Site,
    visit: &Visit,
    session: &Session,
    word: &str,
    ask: &Ask,
) -> Response {
    let tab = Tab::parse(&ask.queue);
    let verb = verb_of(site, word).filter(|verb| *verb != Verb::Undo && tab.is_open());
    let Some(verb) = verb else {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    };
    let Ok(wanted) = tab.wanted(&ask.q) else {
        return list::page(site, visit, session, ask, None).await;
    };
    let text = wanted.query.to_string();
    shown(site, visit, session, (word, verb, &text), None).await
}

/// The page of the look, again with what is wrong about its number.
async fn shown(
    site: &Site,
    visit: &Visit,
    session: &Session,
    (word, verb, text): (&str, Verb, &str),
    wrong: Option<&str>,
) -> Response {
    let lang = visit.lang;
    let Ok(query) = Query::parse(text) else {
        return refusal(lang, StatusCode::BAD_REQUEST);
    };
    let survey = match site.queue.survey(&query, Some(verb)).await {
        Ok(survey) => survey,
        Err(error) => return broken(lang, &error),
    };
    if survey.count == 0 {
        return plain(lang, StatusCode::OK, "holds-nothing");
    }
    if survey.all_stay() {
        return plain(lang, StatusCode::OK, "holds-barred");
    }
    let count = [("count", Arg::Count(survey.count))];
    let mut title = say(lang, &format!("holds-sure-{word}"), &count);
    if survey.is_cut() {
        title = format!("{title} {}", say(lang, "holds-or-more", &[]));
    }
    let tongue = tongue(site, visit);
    let cards = cards(&survey);
    let mut notes = meant::notes(lang, &survey);
    notes.push(meant::take_back(lang, site.queue.take_back(verb)));
    let body = Look {
        words: Words(lang),
        title: &title,
        token: &session.token,
        verb: word,
        query: text,
        button: say(lang, &format!("verb-{word}"), &[]),
        understood: query.understood(lang),
        notice: wrong.map(|_| say(lang, "holds-number-other", &count)),
        notes,
        warnings: warnings(lang, word, &cards),
        sample: cards
            .iter()
            .map(|card| Row::of(site, &tongue, card))
            .collect(),
        asks_number: survey.count > BULK_NUMBER_ABOVE,
        number: wrong.unwrap_or_default(),
    };
    let status = match wrong {
        Some(_) => StatusCode::CONFLICT,
        None => StatusCode::OK,
    };
    answer(visit, session, status, &title, body.render(), None)
}

fn cards(survey: &Survey) -> Vec<Card> {
    let each = survey.sample.iter();
    each.filter_map(|one| match one {
        Sampled::Held(card) => Some((**card).clone()),
        Sampled::Other(_) => None,
    })
    .collect()
}

/// Begins a job.
pub(super) async fn begin(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Session,
    headers: HeaderMap,
    form: Result<Form<Order>, FormRejection>,
) -> Response {
    let Ok(Form(order)) = form else {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    };
    if let Some(refused) = foreign(&site, &visit, &headers, &session, &order.token) {
        return refused;
    }
    let verb = verb_of(&site, &order.verb).filter(|verb| *verb != Verb::Undo);
    let is_of_holds = Query::parse(&order.query).is_ok_and(|query| query.is_of_holds());
    let Some(verb) = verb.filter(|_| is_of_holds) else {
        return refusal(visit.lang, StatusCode::BAD_REQUEST);
    };
    let wanted = bulk::Order {
        verb,
        query: &order.query,
        number: number(&order.number),
    };
    match site.queue.begin_job(wanted, &actor(&session, &visit)).await {
        Ok(job) => Redirect::to(&format!("/jobs/{}", job.id)).into_response(),
        Err(BulkError::Nothing) => plain(visit.lang, StatusCode::OK, "holds-nothing"),
        Err(BulkError::Barred) => plain(visit.lang, StatusCode::OK, "holds-barred"),
        Err(BulkError::Number { .. }) => {
            let what = (order.verb.as_str(), verb, order.query.as_str());
            shown(&site, &visit, &session, what, Some(&order.number)).await
        }
        Err(BulkError::Query(_) | BulkError::Empty) => refusal(visit.lang, StatusCode::BAD_REQUEST),
        Err(BulkError::Store(error)) => broken(visit.lang, &error),
    }
}

/// The number as people type it, with the marks between thousands; what is none fits nothing.
fn number(typed: &str) -> Option<u64> {
    if typed.trim().is_empty() {
        return None;
    }
    let mark = |c: char| c.is_whitespace() || matches!(c, '.' | ',' | '\'' | '’');
    let digits: String = typed.chars().filter(|c| !mark(*c)).collect();
    Some(digits.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_people_type_it() {
        for (typed, wanted) in [
            ("", None),
            (" ", None),
            ("612", Some(612)),
            (" 1.284 ", Some(1_284)),
            ("1,284", Some(1_284)),
            ("1 284", Some(1_284)),
            ("all", Some(0)),
            ("-5", Some(0)),
        ] {
            assert_eq!(number(typed), wanted, "case: {typed:?}");
        }
    }
}
