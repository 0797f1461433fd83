//! The frame around every page: head, title, navigation of administrators, and the plain pages of refusals.
//!
//! The body comes as HTML that a template has escaped. There is no script on any page.
//! Not here: security headers (`headers`).

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::session::Session;
use crate::base::lang::Lang;
use crate::words::{Arg, say};

/// A page about to be made.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// Its language.
    pub lang: Lang,
    /// Plain text.
    pub title: &'a str,
    /// HTML, escaped by its template.
    pub body: String,
    /// Of the answer.
    pub status: StatusCode,
    /// Shows the navigation, its logout and what administrators should know: somebody is logged in.
    pub session: Option<&'a Session>,
    /// Asks for itself again after so many seconds: progress.
    pub again: Option<u32>,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/web/layout.html")]
struct Layout<'a> {
    page: &'a Page<'a>,
    style: &'static str,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/web/refusal.html")]
struct Refusal<'a> {
    title: &'a str,
    text: &'a str,
    again: Option<(&'a str, String)>,
}

/// The style sheet's path with its version: a new one is a new path, so an old one may be kept.
pub const STYLE_PATH: &str = concat!("/style.css?", env!("CARGO_PKG_VERSION"));

/// A page without navigation.
pub fn page(lang: Lang, status: StatusCode, title: &str, body: String) -> Response {
    Page {
        lang,
        title,
        body,
        status,
        session: None,
        again: None,
    }
    .into_response()
}

/// The words of one language, for templates.
#[derive(Clone, Copy, Debug)]
pub struct Words(pub Lang);

impl Words {
    /// Without arguments.
    pub fn of(self, key: &str) -> String {
        say(self.0, key, &[])
    }

    /// With a text.
    pub fn with(self, key: &str, name: &'static str, text: &str) -> String {
        say(self.0, key, &[(name, Arg::Text(text))])
    }

    /// With `$count`.
    pub fn count(self, key: &str, count: u64) -> String {
        say(self.0, key, &[("count", Arg::Count(count))])
    }
}

impl Page<'_> {
    fn say(&self, key: &str) -> String {
        say(self.lang, key, &[])
    }
}

impl IntoResponse for Page<'_> {
    fn into_response(self) -> Response {
        let layout = Layout {
            page: &self,
            style: STYLE_PATH,
        };
        match layout.render() {
            Ok(html) => {
                let lang = [(header::CONTENT_LANGUAGE, self.lang.code())];
                (self.status, lang, Html(html)).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "a page could not be made");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// A page for an answer that has nothing more to say than its status.
pub fn refusal(lang: Lang, status: StatusCode) -> Response {
    let key = match status {
        StatusCode::NOT_FOUND => "web-unknown",
        StatusCode::METHOD_NOT_ALLOWED => "web-method",
        StatusCode::REQUEST_TIMEOUT => "web-slow",
        StatusCode::PAYLOAD_TOO_LARGE => "web-large",
        StatusCode::SERVICE_UNAVAILABLE => "web-busy",
        StatusCode::FORBIDDEN => "web-foreign",
        StatusCode::TOO_MANY_REQUESTS => "web-often",
        _ => "web-bad",
    };
    plain(lang, status, key)
}

/// A page of a title, `KEY`, and a paragraph, `KEY-text`.
pub fn plain(lang: Lang, status: StatusCode, key: &str) -> Response {
    plain_with(lang, status, key, None)
}

/// The same with one link, of a path of ours and its words.
pub(super) fn plain_with(
    lang: Lang,
    status: StatusCode,
    key: &str,
    again: Option<(&str, String)>,
) -> Response {
    let (title, text) = (say(lang, key, &[]), say(lang, &format!("{key}-text"), &[]));
    let body = Refusal {
        title: &title,
        text: &text,
        again,
    };
    page(lang, status, &title, body.render().unwrap_or_default())
}
