//! `/login/TOKEN`, `/logout`, and what stands there for those who are not logged in.
//!
//! GET shows a button and uses nothing up: scanners and previews open links. The button's POST logs in, once. Wrong
//! tokens are counted by address, so that nobody tries many; a right one always counts, whoever shares the address.
//! Not here: what a session is (`session`).

use askama::Template;
use axum::extract::{FromRequestParts, OptionalFromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Form, Router};
use serde::Deserialize;

use super::page::{Words, page, plain, plain_with, refusal};
use super::session::{self, Session};
use super::site::Site;
use super::visit::Visit;
use crate::base::lang::Lang;
use crate::base::limit::{LOGIN_ROOM_TRUSTED, WRONG_LINKS_MAX, WRONG_LINKS_SPAN};
use crate::net::limiter::peer_key;
use crate::store::StoreError;
use crate::words::say;

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/web/login.html")]
struct LoginPage<'a> {
    words: Words,
    title: &'a str,
    host: &'a str,
}

/// What every form of a session carries.
#[derive(Debug, Deserialize)]
pub(super) struct Token {
    #[serde(default)]
    token: String,
}

pub(super) fn router() -> Router<Site> {
    Router::new()
        .route("/login", get(how))
        .route("/login/{token}", get(ask).post(enter))
        .route("/logout", axum::routing::post(leave))
}

/// A handler that takes it is for those who are logged in; all others get a page that says how.
impl FromRequestParts<Site> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Response> {
        let lang = lang_of(parts);
        match found(parts, site).await {
            Ok(Some(session)) => Ok(session),
            Ok(None) => Err(needed(lang, parts)),
            Err(error) => Err(broken(lang, &error)),
        }
    }
}

impl OptionalFromRequestParts<Site> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Option<Self>, Response> {
        let lang = lang_of(parts);
        found(parts, site)
            .await
            .map_err(|error| broken(lang, &error))
    }
}

async fn found(parts: &Parts, site: &Site) -> Result<Option<Session>, StoreError> {
    match parts.extensions.get::<Visit>() {
        Some(visit) => session::used(site, visit, &parts.headers).await,
        None => Ok(None),
    }
}

fn lang_of(parts: &Parts) -> Lang {
    parts
        .extensions
        .get::<Visit>()
        .map(|visit| visit.lang)
        .unwrap_or_default()
}

/// Browsers keep the session from a page that a link in a mail opened (SameSite=Strict): the way to it from here.
fn needed(lang: Lang, parts: &Parts) -> Response {
    let path = parts.uri.path_and_query().map(PathAndQuery::as_str);
    let path = path.filter(|path| {
        parts.method == Method::GET && path.starts_with('/') && !path.starts_with("//")
    });
    let again = (path.unwrap_or("/holds"), say(lang, "web-login-again", &[]));
    plain_with(
        lang,
        StatusCode::UNAUTHORIZED,
        "web-login-needed",
        Some(again),
    )
}

/// The store does not answer.
pub(crate) fn broken(lang: Lang, error: &StoreError) -> Response {
    tracing::warn!(%error, "a page cannot be answered");
    refusal(lang, StatusCode::SERVICE_UNAVAILABLE)
}

async fn how(Extension(visit): Extension<Visit>) -> Response {
    plain(visit.lang, StatusCode::OK, "web-login-needed")
}

async fn ask(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    Path(token): Path<String>,
) -> Response {
    match session::is_open(site.queue.store(), &token).await {
        Ok(true) => {
            let title = say(visit.lang, "web-login", &[]);
            let host = site.conf.load().server.hostname.to_string();
            let body = LoginPage {
                words: Words(visit.lang),
                title: &title,
                host: &host,
            };
            page(
                visit.lang,
                StatusCode::OK,
                &title,
                body.render().unwrap_or_default(),
            )
        }
        Ok(false) => over(&site, &visit),
        Err(error) => broken(visit.lang, &error),
    }
}

async fn enter(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !session::is_from_us(&site, &visit, &headers) {
        return refusal(visit.lang, StatusCode::FORBIDDEN);
    }
    let place = visit.address;
    match session::open(site.queue.store(), &token, place).await {
        Ok(Some(secret)) => {
            tracing::info!(%place, "somebody has logged in by a login link");
            with_cookie(&session::cookie(Some(&secret), visit.tls), "/holds")
        }
        Ok(None) => over(&site, &visit),
        Err(error) => broken(visit.lang, &error),
    }
}

async fn leave(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    session: Option<Session>,
    headers: HeaderMap,
    Form(form): Form<Token>,
) -> Response {
    if let Some(session) = session {
        if let Some(refused) = foreign(&site, &visit, &headers, &session, &form.token) {
            return refused;
        }
        if let Err(error) = session::close(site.queue.store(), &session).await {
            return broken(visit.lang, &error);
        }
    }
    with_cookie(&session::cookie(None, visit.tls), "/login")
}

/// A refusal, unless the form is one of this session's.
pub(crate) fn foreign(
    site: &Site,
    visit: &Visit,
    headers: &HeaderMap,
    session: &Session,
    token: &str,
) -> Option<Response> {
    let fits = aws_lc_rs::constant_time::verify_slices_are_equal(
        session.token.as_bytes(),
        token.as_bytes(),
    );
    let good = fits.is_ok() && session::is_from_us(site, visit, headers);
    (!good).then(|| refusal(visit.lang, StatusCode::FORBIDDEN))
}

/// Used, too old, or never was: which of them is nobody's business. After too many of them only that is said, and when
/// the next one is looked at again.
fn over(site: &Site, visit: &Visit) -> Response {
    let (place, now) = (visit.address, site.clock.mono());
    let (key, room) = (peer_key(place).to_string(), room_of(site, visit));
    if site.wrong_logins.take_of(&key, room, WRONG_LINKS_SPAN, now) {
        tracing::warn!(%place, "a login link was used that is not valid, or not any more");
        return plain(visit.lang, StatusCode::GONE, "web-login-over");
    }
    if let Some(repeated) = site.repeats.say(&key) {
        tracing::warn!(%place, "login links are tried that are not valid; valid ones still are{repeated}");
    }
    let wait = site.wrong_logins.wait(&key, room, now);
    let mut response = refusal(visit.lang, StatusCode::TOO_MANY_REQUESTS);
    let seconds = HeaderValue::from(wait.as_secs() + 1);
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

/// A proxy that does not say for whom it asks is many people.
fn room_of(site: &Site, visit: &Visit) -> u32 {
    let proxies = &site.conf.load().admin.trust_proxy;
    if proxies.iter().any(|net| net.contains(visit.address)) {
        WRONG_LINKS_MAX * LOGIN_ROOM_TRUSTED
    } else {
        WRONG_LINKS_MAX
    }
}

fn with_cookie(cookie: &str, to: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
