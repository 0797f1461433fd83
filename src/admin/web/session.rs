//! Who is logged in: one-time links, sessions and their cookie, and where a form may come from.
//!
//! A secret is 32 random octets; the store keeps its SHA-256 only, `k/o/<hash>` for a link and `k/s/<hash>` for a
//! session, so that a stolen store logs nobody in. A link is used up in the batch that makes its session: of two that
//! come at once one wins. What has ended, by its age or because nobody used it, is judged when it is read, and swept when
//! a new link is made. A start of the server ends no session.
//! Not here: the pages (`login`), and the list of sessions (`sessions`).

use std::net::IpAddr;

use aws_lc_rs::{digest, rand};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::{Decode, Encode};

use super::site::Site;
use super::visit::Visit;
use crate::base::clock::micros;
use crate::base::limit::{LOGIN_IDLE, LOGIN_LINK_AGE, LOGIN_SEEN_EVERY, SESSION_AGE, SESSIONS_MAX};
use crate::store::{Batch, Key, Op, Pre, Span, Store, StoreError};

/// `k/o/<hash>` and `k/s/<hash>`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Stored {
    /// Who made the link: `cli:root`.
    #[n(0)]
    pub(super) by: String,
    /// Store time of its end in microseconds.
    #[n(1)]
    pub(super) until: u64,
    /// From which address somebody logged in.
    #[n(2)]
    pub(super) place: Option<String>,
    /// Store time of the last request that was noted, in microseconds; none: a link, or as old as the session.
    #[n(3)]
    pub(super) seen: Option<u64>,
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Session {
    /// As facts show it.
    pub by: String,
    /// What its forms carry.
    pub token: String,
    /// What every page shows to administrators: a certificate that ends soon.
    pub alert: Option<String>,
    key: Key,
}

/// Octets of a secret.
const SECRET: usize = 32;
/// A secret in base64url.
const LETTERS: usize = 43;
pub(super) const LINK: u8 = b'o';
pub(super) const SESSION: u8 = b's';
/// What facts call whoever is logged in.
pub const ADMIN: &str = "admin";

/// Makes a one-time link's token.
pub(super) async fn new_link(store: &Store, by: &str) -> Result<String, StoreError> {
    sweep(store).await?;
    let secret = fresh()?;
    // Who empties a full disk must be able to log in.
    let mut batch = Batch::ending();
    put(&mut batch, store, (LINK, &secret), by, None);
    store.commit(batch).await?;
    Ok(secret)
}

/// Whether a token can still be used; does not use it.
pub(super) async fn is_open(store: &Store, token: &str) -> Result<bool, StoreError> {
    Ok(read(store, LINK, token).await?.is_some())
}

/// Uses a token up: a new session's secret; none when it was used, has ended, or never was.
pub(super) async fn open(
    store: &Store,
    token: &str,
    place: IpAddr,
) -> Result<Option<String>, StoreError> {
    let Some((key, version, stored)) = read(store, LINK, token).await? else {
        return Ok(None);
    };
    let secret = fresh()?;
    let mut batch = Batch::ending();
    batch.pre.push(Pre::Is(key.clone(), version));
    batch.ops.push(Op::Delete(key));
    let place = Some(place.to_canonical().to_string());
    put(&mut batch, store, (SESSION, &secret), &stored.by, place);
    match store.commit(batch).await {
        Ok(_) => Ok(Some(secret)),
        Err(StoreError::Conflict(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Who sent this request, if anybody is logged in.
pub async fn session(
    site: &Site,
    visit: &Visit,
    headers: &HeaderMap,
) -> Result<Option<Session>, StoreError> {
    let Some(secret) = sent(headers, visit.tls) else {
        return Ok(None);
    };
    let found = read(site.queue.store(), SESSION, secret).await?;
    if let (Some(_), Some(permit)) = (&found, &visit.permit) {
        permit.favour();
    }
    Ok(found.map(|(key, _, _)| Session {
        by: ADMIN.to_owned(),
        token: token_of(secret),
        alert: crate::admin::certs::alert(site, visit.lang),
        key,
    }))
}

/// The same by a request that counts as use: its session does not end soon.
pub(super) async fn used(
    site: &Site,
    visit: &Visit,
    headers: &HeaderMap,
) -> Result<Option<Session>, StoreError> {
    let store = site.queue.store();
    if let Some(secret) = sent(headers, visit.tls)
        && let Some((key, version, mut stored)) = read(store, SESSION, secret).await?
    {
        let now = store.now().0;
        if now.saturating_sub(stored.last_seen()) >= micros(LOGIN_SEEN_EVERY) {
            stored.seen = Some(now);
            let mut batch = Batch::ending();
            batch.pre.push(Pre::Is(key.clone(), version));
            batch.ops.push(stored.put(key));
            // Another request was faster, or it was just ended; a store that is full ends it early.
            if let Err(error) = store.commit(batch).await {
                tracing::debug!(%error, "that a session was used is not noted");
            }
        }
    }
    session(site, visit, headers).await
}

/// Ends a session.
pub(super) async fn close(store: &Store, session: &Session) -> Result<(), StoreError> {
    let mut batch = Batch::freeing();
    batch.ops.push(Op::Delete(session.key.clone()));
    store.commit(batch).await.map(drop)
}

/// The Set-Cookie field of a new session; without a secret the one that ends it.
pub(super) fn cookie(secret: Option<&str>, tls: bool) -> String {
    let (name, secure) = (name_of(tls), if tls { "; Secure" } else { "" });
    let age = secret.map_or(0, |_| SESSION_AGE.as_secs());
    let secret = secret.unwrap_or_default();
    format!("{name}={secret}; Path=/; Max-Age={age}; SameSite=Strict; HttpOnly{secure}")
}

/// Whether a form may come from one of our pages, by what the browser says of it.
///
/// Under `Referrer-Policy: no-referrer` browsers send `Origin: null` with our own forms (Fetch section 3.2), so `null`
/// says nothing. Newer ones add Sec-Fetch-Site. Who sends neither still needs the session's token.
pub fn is_from_us(site: &Site, visit: &Visit, headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if !sites.all(|site| site == "same-origin" || site == "none") {
        return false;
    }
    let scheme = if visit.tls { "https" } else { "http" };
    let public = site
        .conf
        .load()
        .admin
        .public_url
        .as_ref()
        .map(ToString::to_string);
    let called = visit.host.as_ref().map(|host| format!("{scheme}://{host}"));
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.all(|origin| {
        let origin = origin.to_str().ok();
        origin == Some("null")
            || [&public, &called]
                .iter()
                .any(|ours| ours.is_some() && ours.as_deref() == origin)
    })
}

/// What the forms of a session carry: made of its secret, which no page shows.
fn token_of(secret: &str) -> String {
    let text = format!("postwerk/form/1/{secret}");
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// `__Host-` keeps other hosts and plain HTTP from setting it; on loopback without TLS browsers would drop it.
fn name_of(tls: bool) -> &'static str {
    if tls { "__Host-postwerk" } else { "postwerk" }
}

fn sent(headers: &HeaderMap, tls: bool) -> Option<&str> {
    let fields = headers.get_all(header::COOKIE).iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == name_of(tls) && is_ours(value))
        .map(|(_, value)| value)
}

/// Whether a text looks like a secret of ours; what does not, never reaches the store.
fn is_ours(text: &str) -> bool {
    text.len() == LETTERS
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn fresh() -> Result<String, StoreError> {
    let mut octets = [0; SECRET];
    let none = |_| StoreError::Unavailable("the system gives no random octets".into());
    rand::fill(&mut octets).map_err(none)?;
    Ok(URL_SAFE_NO_PAD.encode(octets))
}

fn key_of(kind: u8, secret: &str) -> Key {
    let hash = digest::digest(&digest::SHA256, secret.as_bytes());
    Key::of(b'k', &[&[kind], hash.as_ref()])
}

fn put(
    batch: &mut Batch,
    store: &Store,
    (kind, secret): (u8, &str),
    by: &str,
    place: Option<String>,
) {
    let is_session = kind == SESSION;
    let age = if is_session {
        SESSION_AGE
    } else {
        LOGIN_LINK_AGE
    };
    let stored = Stored {
        by: by.to_owned(),
        until: (store.now() + age).0,
        place,
        seen: is_session.then(|| store.now().0),
    };
    batch.ops.push(stored.put(key_of(kind, secret)));
}

impl Stored {
    /// Whether it counts at this store time.
    pub(super) fn counts(&self, kind: u8, now: u64) -> bool {
        let idle = now.saturating_sub(self.last_seen()) >= micros(LOGIN_IDLE);
        self.until > now && !(kind == SESSION && idle)
    }

    /// Store time of its last use; an old record knows only when it began.
    pub(super) fn last_seen(&self) -> u64 {
        self.seen.unwrap_or_else(|| self.began())
    }

    /// Store time of a session's login.
    pub(super) fn began(&self) -> u64 {
        self.until.saturating_sub(micros(SESSION_AGE))
    }

    fn put(&self, key: Key) -> Op {
        Op::Put {
            key,
            value: crate::queue::record::encode(self),
            due: None,
            terms: Vec::new(),
        }
    }
}

async fn read(
    store: &Store,
    kind: u8,
    secret: &str,
) -> Result<Option<(Key, crate::store::Version, Stored)>, StoreError> {
    if !is_ours(secret) {
        return Ok(None);
    }
    let found = store.get(vec![key_of(kind, secret)]).await?;
    let Some(record) = found.into_iter().flatten().next() else {
        return Ok(None);
    };
    let stored: Stored = crate::queue::record::decode(&record.key, &record.value)?;
    let counts = stored.counts(kind, store.now().0);
    Ok(counts.then_some((record.key, record.version, stored)))
}

/// Forgets what has ended.
async fn sweep(store: &Store) -> Result<(), StoreError> {
    for kind in [LINK, SESSION] {
        let span = Span::Prefix(Key::of(b'k', &[&[kind]]));
        let page = store.scan(span, None, false, SESSIONS_MAX).await?;
        let mut batch = Batch::freeing();
        for record in page.records {
            let stored = crate::queue::record::decode::<Stored>(&record.key, &record.value);
            if stored.is_ok_and(|stored| !stored.counts(kind, store.now().0)) {
                batch.ops.push(Op::Delete(record.key));
            }
        }
        if !batch.ops.is_empty() {
            store.commit(batch).await?;
        }
    }
    Ok(())
}
