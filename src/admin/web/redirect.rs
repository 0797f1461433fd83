//! `[admin] http_bind`: sends whoever comes without TLS to `public_url`, and answers validations of certificates.
//!
//! The host comes from the configuration, never from the request. Without an `https://` address to send anybody to, the
//! answer is 404.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::site::Site;

pub(super) fn router(site: Site) -> Router {
    Router::new()
        .route("/.well-known/acme-challenge/{token}", get(validation))
        .fallback(redirect)
        .with_state(site)
}

/// RFC 8555 section 8.3. A token that no order of ours has placed is a path like any other.
async fn validation(State(site): State<Site>, Path(token): Path<String>, uri: Uri) -> Response {
    match site.certs.http_answer(&token) {
        Some(text) => ([(header::CONTENT_TYPE, "application/octet-stream")], text).into_response(),
        None => redirect(State(site), uri).await,
    }
}

async fn redirect(State(site): State<Site>, uri: Uri) -> Response {
    let conf = site.conf.load();
    let url = conf.admin.public_url.as_ref().filter(|url| url.https);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    // RFC 9110 section 15.4.9: 308 keeps the method, so that nothing becomes a GET unseen.
    match url.and_then(|url| HeaderValue::try_from(format!("{url}{path}")).ok()) {
        Some(location) => (
            StatusCode::PERMANENT_REDIRECT,
            [(header::LOCATION, location)],
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
