//! The pages of the demo's inbox: `/inbox`, `/inbox/N`, its HTML part in a frame that may do nothing, and its source.
//!
//! Mails are hostile: text is escaped, addresses become links only when they are http or https, and the HTML part has
//! a route of its own under a sandbox without scripts, forms, pictures or a way out of the frame.
//! Not here: what is kept (`inbox`), and the pages of the product (`admin`).

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use mail_parser::{MessageParser, MimeHeaders};

use super::inbox::{Inbox, Mail};
use crate::base::lang::Lang;
use crate::mail::date;
use crate::words::say;

/// The HTML part of a mail, which somebody else wrote.
const FRAME: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'";
/// Our own pages: their style, the frame, nothing else.
const PAGE: &str = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'none'; \
                    frame-ancestors 'none'; base-uri 'none'";
/// What no browser and no proxy keeps, guesses at or hands on.
const ALWAYS: [(HeaderName, HeaderValue); 3] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
];
const STYLE: &str = include_str!("inbox.css");
const PLAIN: &str = "text/plain; charset=utf-8";

#[derive(Clone, Debug)]
struct Pages {
    inbox: Inbox,
    lang: Lang,
}

/// The routes; `lang` for browsers that ask for neither language.
pub fn router(inbox: Inbox, lang: Lang) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/inbox") }))
        .route("/inbox", get(list))
        .route("/inbox/style.css", get(style))
        .route("/inbox/{number}", get(mail))
        .route("/inbox/{number}/html", get(html))
        .route("/inbox/{number}/raw", get(raw))
        .with_state(Pages { inbox, lang })
}

/// Words of one language.
#[derive(Clone, Copy, Debug)]
struct Words(Lang);

impl Words {
    fn say(self, key: &str) -> String {
        say(self.0, key, &[])
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!DOCTYPE html>
<html lang="{{ words.0 }}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="3"><meta name="color-scheme" content="light dark">
<title>{{ words.say("inbox-title") }}</title><link rel="stylesheet" href="/inbox/style.css"></head>
<body><main><h1>{{ words.say("inbox-title") }}</h1>
<p>{{ words.say("inbox-note") }}</p>
{% if mails.is_empty() %}<p>{{ words.say("inbox-empty") }}</p>
<pre>postwerk test-mail held@demo.test</pre>
{% else %}<table><caption>{{ words.say("inbox-caption") }}</caption>
<thead><tr><th scope="col">{{ words.say("inbox-received") }}</th><th scope="col">{{ words.say("inbox-subject") }}</th><th scope="col">{{ words.say("inbox-from") }}</th><th scope="col">{{ words.say("inbox-to") }}</th></tr></thead>
<tbody>{% for mail in mails %}<tr><td>{{ mail.time() }}</td><td><a href="/inbox/{{ mail.number }}">{{ mail.title() }}</a></td><td>{{ mail.reverse_path() }}</td><td>{{ mail.to }}</td></tr>
{% endfor %}</tbody></table>{% endif %}
</main></body></html>
"#
)]
struct List {
    words: Words,
    mails: Vec<Arc<Mail>>,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!DOCTYPE html>
<html lang="{{ words.0 }}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ mail.title() }}</title><link rel="stylesheet" href="/inbox/style.css"></head>
<body><main><p><a href="/inbox">{{ words.say("inbox-back") }}</a></p>
<h1>{{ mail.title() }}</h1>
<dl><dt>{{ words.say("inbox-from") }}</dt><dd>{{ mail.reverse_path() }}</dd><dt>{{ words.say("inbox-to") }}</dt><dd>{{ mail.to }}</dd><dt>{{ words.say("inbox-received") }}</dt><dd>{{ mail.time() }}</dd></dl>
<h2>{{ words.say("inbox-text") }}</h2>
<pre>{% for piece in text %}{% match piece %}{% when Piece::Link with (url) %}<a href="{{ url }}" rel="noreferrer noopener">{{ url }}</a>{% when Piece::Text with (text) %}{{ text }}{% endmatch %}{% endfor %}</pre>
{% if framed %}<h2>{{ words.say("inbox-html") }}</h2>
<p>{{ words.say("inbox-frame") }}</p>
<iframe sandbox title="{{ words.say("inbox-html") }}" src="/inbox/{{ mail.number }}/html"></iframe>
{% endif %}<p><a href="/inbox/{{ mail.number }}/raw">{{ words.say("inbox-raw") }}</a></p>
</main></body></html>
"#
)]
struct One<'a> {
    words: Words,
    mail: &'a Mail,
    text: Vec<Piece<'a>>,
    framed: bool,
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Link(&'a str),
}

impl Mail {
    fn time(&self) -> String {
        date::time_of_day(self.at)
    }
    fn title(&self) -> &str {
        if self.subject.is_empty() {
            "—"
        } else {
            &self.subject
        }
    }
    fn reverse_path(&self) -> &str {
        if self.from.is_empty() {
            "<>"
        } else {
            &self.from
        }
    }
}

impl Pages {
    fn words(&self, headers: &HeaderMap) -> Words {
        let asked = headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|field| Lang::accepted(field.to_str().ok()?));
        Words(asked.unwrap_or(self.lang))
    }
}

async fn list(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    let page = List {
        words: pages.words(&headers),
        mails: pages.inbox.newest(),
    };
    shown(&page)
}

async fn mail(
    State(pages): State<Pages>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Response {
    let words = pages.words(&headers);
    let Some(mail) = found(&pages, &number) else {
        return gone(words);
    };
    let parsed = MessageParser::default().parse(&mail.raw);
    let text = parsed
        .as_ref()
        .and_then(|mail| mail.body_text(0))
        .unwrap_or_default();
    shown(&One {
        words,
        mail: &mail,
        text: pieces(&text),
        framed: html_part(&mail).is_some(),
    })
}

async fn html(
    State(pages): State<Pages>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Response {
    match found(&pages, &number).and_then(|mail| html_part(&mail)) {
        Some(html) => answer(FRAME, "text/html; charset=utf-8", html),
        None => gone(pages.words(&headers)),
    }
}

async fn raw(
    State(pages): State<Pages>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Response {
    match found(&pages, &number) {
        Some(mail) => answer(FRAME, PLAIN, mail.raw.clone()),
        None => gone(pages.words(&headers)),
    }
}

async fn style() -> Response {
    answer(PAGE, "text/css; charset=utf-8", STYLE)
}

fn found(pages: &Pages, number: &str) -> Option<Arc<Mail>> {
    pages.inbox.mail(number.parse().ok()?)
}

/// The HTML part as its author wrote it; none: there is only text.
fn html_part(mail: &Mail) -> Option<String> {
    let parsed = MessageParser::default().parse(&mail.raw)?;
    let part = parsed.html_part(0)?;
    let kind = part.content_type()?;
    kind.subtype()
        .is_some_and(|subtype| subtype.eq_ignore_ascii_case("html"))
        .then(|| parsed.body_html(0))?
        .map(std::borrow::Cow::into_owned)
}

fn shown(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => answer(PAGE, "text/html; charset=utf-8", text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn gone(words: Words) -> Response {
    let text = words.say("inbox-gone");
    (StatusCode::NOT_FOUND, answer(PAGE, PLAIN, text)).into_response()
}

fn answer(policy: &'static str, kind: &'static str, body: impl IntoResponse) -> Response {
    let own = [
        // The endpoint says DENY where nobody says anything; our own page frames the HTML part.
        (
            header::X_FRAME_OPTIONS,
            HeaderValue::from_static("SAMEORIGIN"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(policy),
        ),
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
    ];
    (ALWAYS, own, body).into_response()
}

/// Text cut at its http and https addresses; an address ends at a blank, a quote or an angle bracket.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = ["http://", "https://"]
        .iter()
        .filter_map(|scheme| rest.find(scheme))
        .min()
    {
        let (before, from) = rest.split_at(at);
        let end = from
            .find(|c: char| c.is_whitespace() || c.is_control() || "<>\"'".contains(c))
            .unwrap_or(from.len());
        let (url, behind) = from.split_at(end);
        found.extend([Piece::Text(before), Piece::Link(url)]);
        rest = behind;
    }
    found.push(Piece::Text(rest));
    found
}

#[cfg(test)]
mod tests;
