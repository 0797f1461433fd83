//! Which path is whose.
//!
//! A path nobody owns is 404, a method nobody takes 405, each with a page in the visitor's language.

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Router};

use super::page::refusal;
use super::site::Site;
use super::visit::Visit;
use crate::admin::link;

const STYLE: &str = include_str!("style.css");

/// All pages of the endpoint.
pub(super) fn router(site: Site) -> Router {
    Router::new()
        .route("/style.css", get(style))
        .merge(super::health::router())
        .merge(super::login::router())
        .merge(crate::admin::holds::router())
        .merge(crate::admin::certs::router())
        .merge(crate::admin::checks::router())
        .fallback(unknown)
        .method_not_allowed_fallback(no_such_method)
        .with_state(site.clone())
        .merge(link::router(site))
}

async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
    ];
    (headers, STYLE).into_response()
}

/// The top is the list, unless a program that embeds us has a page of its own there.
async fn unknown(Extension(visit): Extension<Visit>, uri: Uri) -> Response {
    if uri.path() == "/" {
        return Redirect::to("/holds").into_response();
    }
    refusal(visit.lang, StatusCode::NOT_FOUND)
}

async fn no_such_method(Extension(visit): Extension<Visit>) -> Response {
    refusal(visit.lang, StatusCode::METHOD_NOT_ALLOWED)
}
