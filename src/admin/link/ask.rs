//! One request at one link: reads it, asks the desk, and answers with a page.
//!
//! The order in which a POST is judged: the link, where it comes from, the form, the cookie with its nonce, and then the
//! desk. A refusal shows how things stand now, so the button can be pressed again at once.
//! Not here: the pages' words (`answer`), methods and paths (`super`).

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::answer::{self, Setting};
use super::bind::Cookie;
use super::facts::{self, Tongue};
use super::form::{Code, Confirm, Order};
use super::sheet::Sheet;
use super::visits::Answer;
use crate::admin::preview;
use crate::admin::web::session::{is_from_us, session};
use crate::admin::web::{Site, Visit};
use crate::base::lang::Lang;
use crate::base::limit::LINK_WRONG_SPAN;
use crate::config::ReleaseRule;
use crate::digest::Fresh;
use crate::digest::desk::{DeskError, LinkVerb, Opened, Stand, Visitor};
use crate::digest::record::Digest;
use crate::digest::token::{Action, BadToken, Token};
use crate::mail::unlinked::unlinked;
use crate::words::{Arg, say};

mod whole;

/// Seconds after which a store that did not answer is worth another try.
const AWAY_SECS: u64 = 30;

/// One request.
pub struct Ask {
    pub site: Site,
    visit: Visit,
    headers: HeaderMap,
    /// What stands behind `/d/`, as it was sent: nothing is decoded, as a token has one spelling.
    text: String,
    wish: Option<Lang>,
    /// What it says, if it is one of ours.
    read: Result<Token, BadToken>,
    /// An administrator's session.
    login: Option<String>,
}

/// What a POST came to, when it is answered with the page again.
struct Said {
    status: StatusCode,
    /// Worded with the page, in its language.
    key: &'static str,
    args: Vec<(&'static str, Arg<'static>)>,
    wrong_code: bool,
}

impl Said {
    fn new(status: StatusCode, key: &'static str) -> Self {
        Self {
            status,
            key,
            args: Vec::new(),
            wrong_code: false,
        }
    }
}

impl Ask {
    pub async fn new(site: Site, visit: Visit, parts: &Parts) -> Self {
        let path = parts.uri.path();
        let wish = parts.headers.get(header::ACCEPT_LANGUAGE);
        let wish = wish.and_then(|wish| wish.to_str().ok());
        let text = path.strip_prefix("/d/").unwrap_or_default();
        let read = site.keys.read(text);
        let login = match read {
            // A store that does not answer is told of when the link itself is looked up.
            Ok(_) | Err(BadToken::Revoked(_)) => {
                let found = session(&site, &visit, &parts.headers).await;
                found.ok().flatten().map(|session| session.by)
            }
            // Whatever cookie comes with it: what is no link of ours never reaches the store.
            Err(BadToken::Unknown) => None,
        };
        Self {
            read,
            login,
            text: text.to_owned(),
            wish: wish.and_then(Lang::accepted),
            headers: parts.headers.clone(),
            site,
            visit,
        }
    }

    /// The browser's language, else the digest's, else the configured one.
    pub fn lang(&self, digest: Option<Lang>) -> Lang {
        self.wish.or(digest).unwrap_or(self.visit.lang)
    }

    /// The link, or the one answer to everything that is none.
    #[expect(clippy::result_large_err, reason = "it is the answer, made once")]
    pub fn token(&self) -> Result<Token, Response> {
        match self.read {
            // The desk answers *expired* to a revoked one.
            Ok(token) | Err(BadToken::Revoked(token)) => Ok(token),
            Err(BadToken::Unknown) => Err(self.unknown()),
        }
    }

    /// How things stand.
    pub async fn page(&self, token: &Token) -> Response {
        self.again(token, None).await
    }

    /// Judges a POST and, if nothing speaks against it, acts.
    pub async fn act(&self, token: &Token, body: &[u8]) -> Response {
        if !is_from_us(&self.site, &self.visit, &self.headers) {
            let said = Said::new(StatusCode::FORBIDDEN, "link-notice-origin");
            return self.again(token, Some(said)).await;
        }
        let order = match Order::parse(body) {
            Ok(order) if self.is_form() => order,
            Ok(_) | Err(_) => {
                let said = Said::new(StatusCode::BAD_REQUEST, "link-notice-form");
                return self.again(token, Some(said)).await;
            }
        };
        let cookie = Cookie::sent(&self.headers, self.visit.tls);
        let fits = cookie.is_some_and(|cookie| {
            let keys = &self.site.keys;
            keys.nonce_fits(&self.text, cookie.value(), &order.nonce)
        });
        if !fits {
            let said = Said::new(StatusCode::FORBIDDEN, "link-notice-cookie");
            return self.again(token, Some(said)).await;
        }
        if token.action == Action::More {
            return self.act_whole(token, order.confirm).await;
        }
        let verb = match order.confirm {
            Confirm::Release => LinkVerb::Release,
            Confirm::Requeue => LinkVerb::Requeue,
            Confirm::Delete => LinkVerb::Delete,
            Confirm::Bounce => LinkVerb::Bounce,
            Confirm::Undo => LinkVerb::Undo,
            Confirm::Fresh => return self.fresh(token).await,
            Confirm::More => return self.more(token).await,
        };
        let code = match order.code {
            Code::Given(code) => Some(code),
            Code::None | Code::Malformed => None,
        };
        let desk = &self.site.desk;
        let acted = desk
            .act(token, verb, code.as_deref(), &self.visitor())
            .await;
        match acted {
            Ok(opened) => {
                let undone = verb == LinkVerb::Undo && opened.stand == Stand::Open;
                let said = undone.then(|| Said::new(StatusCode::OK, "link-undone"));
                self.sheet(token, opened, said).await
            }
            Err(error) => match Self::refusal(&error) {
                Some(said) => self.again(token, Some(said)).await,
                None => self.trouble(token, &error),
            },
        }
    }

    /// What the desk could not do, when there is no page of how things stand.
    pub fn trouble(&self, token: &Token, error: &DeskError) -> Response {
        let lang = self.lang(None);
        let (key, seconds) = match error {
            DeskError::Unknown if self.has_ended(token) => {
                self.count(Answer::Over, Some(token));
                let sheet = Sheet::new(lang, StatusCode::GONE, "expired");
                return self.plain(sheet.lead("link-expired-gone", &[]));
            }
            // Signed by us, so nobody guessed it.
            DeskError::Unknown => return self.nowhere(),
            DeskError::Busy => ("link-moment", 2),
            DeskError::NeedsCode
            | DeskError::WrongCode { .. }
            | DeskError::NotAllowed(_)
            | DeskError::Refused(_) => ("link-moment", 2),
            DeskError::Store(error) => {
                tracing::warn!(%error, "a link cannot be answered");
                ("link-away", AWAY_SECS)
            }
        };
        self.away(token, key, seconds)
    }

    /// Not now; nothing was changed.
    fn away(&self, token: &Token, key: &str, seconds: u64) -> Response {
        self.count(Answer::Away, Some(token));
        let sheet = Sheet::new(self.lang(None), StatusCode::SERVICE_UNAVAILABLE, "away")
            .lead(key, &[])
            .lead("link-nothing-changed", &[]);
        with(self.plain(sheet), header::RETRY_AFTER, &seconds.to_string())
    }

    /// A page without a form.
    pub fn plain(&self, mut sheet: Sheet) -> Response {
        sheet.host = self.host();
        sheet.into_response()
    }

    pub fn count(&self, answer: Answer, token: Option<&Token>) {
        self.site
            .visits
            .count(answer, token.map(|token| token.digest));
    }

    /// No link of ours; only these are held back.
    fn unknown(&self) -> Response {
        let now = self.site.clock.mono();
        if self.site.visits.may_be_wrong(self.visit.address, now) {
            return self.nowhere();
        }
        self.count(Answer::Throttled, None);
        let sheet = Sheet::new(self.lang(None), StatusCode::TOO_MANY_REQUESTS, "busy");
        let response = self.plain(sheet.lead("link-busy", &[]));
        let seconds = LINK_WRONG_SPAN.as_secs().to_string();
        with(response, header::RETRY_AFTER, &seconds)
    }

    fn nowhere(&self) -> Response {
        self.count(Answer::Unknown, None);
        let sheet = Sheet::new(self.lang(None), StatusCode::NOT_FOUND, "unknown")
            .lead("link-unknown", &[])
            .lead("link-nothing-changed", &[]);
        self.plain(sheet)
    }

    /// Looks anew, and shows it; with what the POST came to above it.
    async fn again(&self, token: &Token, said: Option<Said>) -> Response {
        if token.action == Action::More {
            return self.whole(token, said).await;
        }
        match self.site.desk.look_as(token, self.login.as_deref()).await {
            Ok(opened) => self.sheet(token, opened, said).await,
            Err(error) => self.trouble(token, &error),
        }
    }

    /// A page with its form and its cookie.
    async fn sheet(&self, token: &Token, opened: Opened, said: Option<Said>) -> Response {
        let Some(cookie) = self.cookie() else {
            return self.away(token, "link-away", AWAY_SECS);
        };
        let preview = match opened.stand {
            Stand::Open => preview::of(&self.site.queue, opened.card.message).await,
            Stand::Done | Stand::Handled | Stand::Replaced(_) | Stand::Expired | Stand::Closed => {
                Ok(None)
            }
        };
        let preview = match preview {
            Ok(preview) => preview,
            Err(error) => return self.trouble(token, &error.into()),
        };
        let setting = self.setting(token, &opened, &cookie);
        let mut sheet = answer::sheet(&setting, &opened, preview);
        // What is handled or over says so by its own status, whatever else was wrong with the request.
        let said = said.filter(|_| matches!(opened.stand, Stand::Open | Stand::Done));
        let answer = match (&said, opened.stand) {
            (Some(said), _) if said.status != StatusCode::OK => Answer::Refused,
            (_, Stand::Open) => Answer::Open,
            (_, Stand::Done) => Answer::Done,
            (_, Stand::Handled) => Answer::Handled,
            (_, Stand::Replaced(_) | Stand::Expired | Stand::Closed) => Answer::Over,
        };
        self.count(answer, Some(token));
        if let Some(said) = said {
            let text = say(setting.tongue.lang, said.key, &said.args);
            sheet.head(said.status, text, said.wrong_code);
        }
        let cookie = cookie.field(self.visit.tls);
        with(sheet.into_response(), header::SET_COOKIE, &cookie)
    }

    async fn fresh(&self, token: &Token) -> Response {
        let opened = match self.site.desk.look_as(token, self.login.as_deref()).await {
            Ok(opened) => opened,
            Err(error) => return self.trouble(token, &error),
        };
        match opened.stand {
            Stand::Replaced(_) | Stand::Expired | Stand::Closed => {}
            Stand::Open | Stand::Done | Stand::Handled => {
                return self.sheet(token, opened, None).await;
            }
        }
        self.send_fresh(token, &opened.digest).await
    }

    /// The other rows, asked for by the page of one.
    async fn more(&self, token: &Token) -> Response {
        let opened = match self.site.desk.look_as(token, self.login.as_deref()).await {
            Ok(opened) => opened,
            Err(error) => return self.trouble(token, &error),
        };
        match opened.stand {
            Stand::Open | Stand::Done | Stand::Handled => {
                self.send_rest(token, &opened.digest).await
            }
            Stand::Replaced(_) | Stand::Expired | Stand::Closed => {
                self.sheet(token, opened, None).await
            }
        }
    }

    async fn send_fresh(&self, token: &Token, digest: &Digest) -> Response {
        let to = facts::mailbox(&digest.to);
        let (status, key) = match self.site.digests.send_fresh(&digest.to).await {
            Ok(Fresh::Sent(_)) => (StatusCode::OK, "fresh"),
            Ok(Fresh::Nothing) => (StatusCode::OK, "fresh-none"),
            Ok(Fresh::TooSoon) => (StatusCode::TOO_MANY_REQUESTS, "fresh-soon"),
            Err(error) => {
                tracing::warn!(%error, "a fresh digest cannot be sent");
                return self.away(token, "link-away", AWAY_SECS);
            }
        };
        self.count(Answer::Over, Some(token));
        let lang = self.lang(Some(digest.lang));
        self.plain(answer::fresh(lang, status, key, &to))
    }

    fn refusal(error: &DeskError) -> Option<Said> {
        let (key, args, wrong_code) = match error {
            DeskError::NeedsCode => ("link-notice-code-missing", vec![], true),
            DeskError::WrongCode { left } => {
                let left = ("left", Arg::Count(u64::from(*left)));
                ("link-notice-code-wrong", vec![left], true)
            }
            DeskError::NotAllowed(_) => ("link-notice-right", vec![], false),
            DeskError::Refused(_) => ("link-notice-late", vec![], false),
            DeskError::Unknown | DeskError::Busy | DeskError::Store(_) => return None,
        };
        Some(Said {
            status: StatusCode::FORBIDDEN,
            key,
            args,
            wrong_code,
        })
    }

    fn setting<'a>(&'a self, token: &Token, opened: &Opened, cookie: &Cookie) -> Setting<'a> {
        let conf = self.site.conf.load();
        Setting {
            tongue: Tongue {
                lang: self.lang(Some(opened.digest.lang)),
                zone: conf.digest.zone.clone(),
            },
            token: *token,
            text: &self.text,
            nonce: self.site.keys.nonce(&self.text, cookie.value()),
            host: conf.server.hostname.to_string(),
            wall: self.site.clock.wall(),
            store: self.site.queue.store().now().0,
            at_expiry: conf.hold.of(opened.card.hold.queue).at_expiry,
            stays: conf.hold.requeue_of(&opened.card.hold) == ReleaseRule::Never,
            // The role, and nobody who gets digests.
            administrator: Some(unlinked(&format!("postmaster@{}", conf.server.hostname))),
            login: self.login.is_some(),
        }
    }

    /// The browser's own, so that two open pages do not spoil each other; else a new one.
    fn cookie(&self) -> Option<Cookie> {
        Cookie::sent(&self.headers, self.visit.tls).or_else(Cookie::fresh)
    }

    /// `application/x-www-form-urlencoded`, with parameters or without.
    fn is_form(&self) -> bool {
        let kind = self.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }

    fn visitor(&self) -> Visitor {
        Visitor {
            address: self.visit.address,
            agent: self.visit.agent.clone(),
            login: self.login.clone(),
        }
    }

    fn has_ended(&self, token: &Token) -> bool {
        token.has_ended(self.site.clock.wall())
    }

    fn host(&self) -> String {
        self.site.conf.load().server.hostname.to_string()
    }
}

fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
