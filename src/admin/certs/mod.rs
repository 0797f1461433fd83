//! `/certificates` and `/api/v1/certs`: how the certificates stand, and an order that a person asks for.
//!
//! Both show the same view of `certs`; the page speaks the visitor's language, the API English. Nothing here waits for a
//! directory: an order is a due record, and what came of it is read later. Names and issuers of files are somebody's
//! text: cleaned where they are read, escaped where HTML is made. Not here: certificates themselves (`certs`).

pub mod api;
pub mod check;
mod doors;
mod page;
pub mod reach;
pub mod say;
pub mod tlsa;
pub mod view;

use axum::Router;
use axum::routing::get;

use super::web::Site;
use crate::base::lang::Lang;
use crate::words::{Arg, say};

pub use view::CertView;

/// The pages.
pub fn router() -> Router<Site> {
    Router::new()
        .route("/certificates", get(page::show).post(page::renew))
        .route("/certificates/check", get(page::check))
}

/// How each stands now, the default first.
pub fn views(site: &Site) -> Vec<CertView> {
    let (conf, now) = (site.conf.load(), site.clock.wall().secs());
    let stands = site.certs.stands();
    stands
        .iter()
        .map(|stand| CertView::of(stand, &conf, now))
        .collect()
}

/// What every page of administrators says while a certificate ends soon.
pub fn alert(site: &Site, lang: Lang) -> Option<String> {
    let now = site.clock.wall().secs();
    let stands = site.certs.stands();
    let first = stands
        .iter()
        .filter(|stand| stand.ends_soon(now))
        .min_by_key(|stand| stand.until)?;
    let left = say::left(lang, first.until?, now);
    let args = [
        ("name", Arg::Text(first.title())),
        ("left", Arg::Text(&left)),
    ];
    Some(say(lang, "certs-alert", &args))
}
