//! The pages behind the links of digests, `/d/TOKEN`: GET and HEAD show how things stand, a button's POST acts.
//!
//! A GET writes nothing but the first visit of the hidden link. A POST needs the page's nonce and the cookie that it was
//! issued with, and no other site's word for it; whatever is refused is answered with the same page and a fresh nonce,
//! never with a bare status. Not here: what a link may do (`digest::desk`), and how a hold ends (`queue`).

pub mod answer;
pub mod ask;
pub mod bind;
pub mod facts;
pub mod form;
pub mod sheet;
pub mod visits;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};

use ask::Ask;
use sheet::Sheet;
use visits::Answer;

use crate::admin::web::{Site, Visit};
use crate::base::limit::LINK_FORM_MAX;
use crate::digest::token::{Action, Token};

/// Everything below `/d`.
pub fn router(site: Site) -> Router {
    Router::new()
        .route("/d", any(open))
        .route("/d/", any(open))
        .route("/d/{*token}", any(open))
        .with_state(site)
}

async fn open(
    State(site): State<Site>,
    Extension(visit): Extension<Visit>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let ask = Ask::new(site, visit, &parts).await;
    let is_head = parts.method == Method::HEAD;
    let response = match parts.method {
        Method::GET | Method::HEAD => show(&ask).await,
        // What does not fit is read as far as it proves that.
        Method::POST => match to_bytes(body, LINK_FORM_MAX + 1).await {
            Ok(body) => decide(&ask, &body).await,
            Err(_) => decide(&ask, &[]).await,
        },
        _ => method(&ask),
    };
    if is_head {
        response.map(|_| Body::empty())
    } else {
        response
    }
}

async fn show(ask: &Ask) -> Response {
    match ask.token() {
        Ok(token) if token.action == Action::Canary => canary(ask, &token).await,
        Ok(token) => ask.page(&token).await,
        Err(response) => response,
    }
}

async fn decide(ask: &Ask, body: &[u8]) -> Response {
    match ask.token() {
        Ok(token) if token.action == Action::Canary => canary(ask, &token).await,
        Ok(token) => ask.act(&token, body).await,
        Err(response) => response,
    }
}

/// Whoever comes here followed a link that no person sees.
async fn canary(ask: &Ask, token: &Token) -> Response {
    match ask.site.desk.canary(token).await {
        Ok(()) => {
            let sheet = Sheet::new(ask.lang(None), StatusCode::OK, "canary");
            ask.count(Answer::Canary, Some(token));
            ask.plain(sheet.lead("link-canary", &[]))
        }
        Err(error) => ask.trouble(token, &error),
    }
}

/// RFC 9110 section 15.5.6: 405 names what is allowed.
fn method(ask: &Ask) -> Response {
    let sheet = Sheet::new(ask.lang(None), StatusCode::METHOD_NOT_ALLOWED, "method");
    let mut response = ask.plain(sheet.lead("link-method", &[]));
    ask.count(Answer::Refused, None);
    let allowed = HeaderValue::from_static("GET, HEAD, POST");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}
