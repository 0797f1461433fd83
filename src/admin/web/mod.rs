//! The HTTPS endpoint: links of digests, health, and the pages of administrators.
//!
//! `[admin] bind` speaks TLS with the certificate of the listeners; plain HTTP only where `public_url` is `http://` on a
//! loopback address and `bind` is loopback too. `[admin] http_bind` redirects and does nothing else. Every answer, of
//! whichever handler, gets its security headers where it leaves (`headers`), so that no page can forget them.
//! Not here: what links may do (`digest`), and the verbs (`queue`).

pub mod headers;
mod health;
mod login;
mod meter;
pub mod page;
mod pulse;
mod reach;
mod redirect;
mod router;
mod serve;
pub mod session;
pub mod sessions;
mod site;
pub mod visit;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;

pub use health::free_router as free_metrics;
pub(crate) use login::{broken, foreign};
pub use meter::Meter;
pub use page::{Page, Words, page, plain, refusal};
pub use reach::Reach;
pub use session::{Session, session};
pub use site::Site;
pub use visit::Visit;

use crate::config::Config;
use crate::net::listen::{self, ListenError};
use crate::store::{Store, StoreError};

/// Open sockets of the endpoint.
#[derive(Debug)]
pub struct Endpoint {
    pages: TcpListener,
    plain: bool,
    redirects: Option<TcpListener>,
}

impl Endpoint {
    /// Opens what `[admin]` names; nothing when it names nothing.
    ///
    /// # Errors
    /// The first socket that cannot be opened.
    pub fn bind(conf: &Config) -> Result<Option<Self>, ListenError> {
        let admin = &conf.admin;
        let Some(bind) = admin.bind else {
            return Ok(None);
        };
        Ok(Some(Self {
            pages: listen::bind(bind)?,
            plain: admin.is_plain(),
            redirects: admin.http_bind.map(listen::bind).transpose()?,
        }))
    }

    /// Where the pages are; port 0 has become a real one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.pages.local_addr().ok()
    }

    /// Where the redirects are.
    pub fn redirect_address(&self) -> Option<SocketAddr> {
        self.redirects.as_ref()?.local_addr().ok()
    }

    /// Serves until the signal to stop; what is being answered is finished first. `more` are pages of others.
    pub async fn run(self, site: Site, more: Router) {
        let pages = Arc::new(serve::Door::new(
            site.clone(),
            router::router(site.clone()).merge(more),
            self.plain,
            site.places.pages.clone(),
        ));
        let pages = serve::run(pages, self.pages);
        match self.redirects {
            Some(socket) => {
                let places = site.places.redirects.clone();
                let door = serve::Door::new(site.clone(), redirect::router(site), true, places);
                tokio::join!(pages, serve::run(Arc::new(door), socket));
            }
            None => pages.await,
        }
    }
}

/// A new one-time token for `/login/TOKEN`.
///
/// # Errors
/// The store failed, or the system gives no random octets.
pub async fn login_link(store: &Store, by: &str) -> Result<String, StoreError> {
    session::new_link(store, by).await
}
