//! The keys of links, `k/l/<id>`: made by us, rotated by an administrator, all in memory.
//!
//! One key signs; those before it are believed until the last link that they signed has ended, or not at all once they
//! are revoked. A record goes 30 days later, and only then its id is used again. Reading a token asks memory alone:
//! whoever sends unknown ones never reaches the store, and cannot tell an unknown key from a wrong MAC by the time.
//! Codes and nonces are made by keys derived from the same secret, each for its own purpose.
//! Not here: the form of a token (`token`), what a link may do (`desk`).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arc_swap::ArcSwap;
use aws_lc_rs::{constant_time, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::{Decode, Encode};
use tokio::sync::Mutex;

use super::token::{Action, BadToken, Token, Written, hour_of};
use crate::base::clock::Clock;
use crate::queue::record::HoldId;
use crate::store::{Key, Store, StoreError};

mod ring;

use ring::Ring;
pub use ring::{RotateError, Rotated};

const CODE_PURPOSE: &[u8] = b"postwerk/d/code/1";
const NONCE_PURPOSE: &[u8] = b"postwerk/d/nonce/1";
/// Four digits.
const CODES: u64 = 10_000;
/// Octets of a nonce before base64url, which makes 22 characters of them.
const NONCE: usize = 16;

/// All link keys; clones share them.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    ring: ArcSwap<Ring>,
    /// One rotation at a time in this process; the store's preconditions hold off all others.
    turn: Mutex<()>,
    /// Whether the key that signs is on disk.
    stored: AtomicBool,
    /// What tokens of unknown keys are measured by; new with each start, and never signs.
    dummy: Secrets,
}

/// Signs the links and codes of one digest, all by the key that was in use when it began.
#[derive(Clone)]
pub struct Signer {
    id: u8,
    key: Arc<LinkKey>,
}

/// `k/l/<id>`
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
struct Stored {
    /// 32 random octets.
    #[cbor(n(0), with = "minicbor::bytes")]
    secret: [u8; 32],
    /// Wall time in microseconds.
    #[n(1)]
    made: u64,
    /// Hour since 1970 at which its last link ends; none: it signs.
    #[n(2)]
    until: Option<u32>,
    /// Wall time in microseconds at which its links were ended.
    #[n(3)]
    revoked: Option<u64>,
}

/// A key at work.
struct LinkKey {
    stored: Stored,
    secrets: Secrets,
    /// The latest end that it has signed since we started.
    last: Arc<AtomicU32>,
}

/// One secret, and what is derived from it.
struct Secrets {
    token: hmac::Key,
    code: hmac::Key,
    nonce: hmac::Key,
}

impl Keys {
    /// Reads the keys, forgets those that have long ended, and makes the first one.
    ///
    /// # Errors
    /// The store failed, or the system gives no random octets.
    pub async fn load(store: Store, clock: Clock) -> Result<Self, StoreError> {
        let (ring, stored) = match Ring::load(&store, clock.wall()).await {
            Ok(ring) => (ring, true),
            // A full disk must not keep the server from starting, or nothing would ever leave it.
            Err(StoreError::Unavailable(why)) => {
                tracing::warn!(%why, "the first link key cannot be stored; no digest is sent before it is");
                Ring::unwritten(&store, clock.wall()).await?
            }
            Err(error) => return Err(error),
        };
        Ok(Self(Arc::new(Inner {
            store,
            clock,
            ring: ArcSwap::from_pointee(ring),
            turn: Mutex::new(()),
            stored: AtomicBool::new(stored),
            dummy: Secrets::of(&fresh_secret()?),
        })))
    }

    /// The key that signs is on disk: a link that a restart forgets would be a link to nowhere.
    ///
    /// # Errors
    /// The first key could not be stored at the start, and cannot now.
    pub async fn ready(&self) -> Result<(), StoreError> {
        if !self.0.stored.load(Ordering::Acquire) {
            let _turn = self.0.turn.lock().await;
            let ring = Ring::load(&self.0.store, self.0.clock.wall()).await?;
            self.0.ring.store(Arc::new(ring));
            self.0.stored.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// For one digest, once the keys are `ready`.
    pub fn signer(&self) -> Signer {
        self.0.ring.load().signer()
    }

    /// What a text says, if we signed it. Whether it has ended is not judged here.
    ///
    /// # Errors
    /// Not a link of ours, or one whose key was revoked.
    pub fn read(&self, text: &str) -> Result<Token, BadToken> {
        let parsed = Written::parse(text);
        let formed = parsed.is_some();
        let written = parsed.unwrap_or_else(Written::nothing);
        let ring = self.0.ring.load();
        let key = ring.get(written.key());
        // Always one MAC and one comparison, so that time does not tell which ids are in use.
        let secrets = key.map_or(&self.0.dummy, |key| &key.secrets);
        let signed = written.is_by(&secrets.token);
        let Some(key) = key.filter(|_| signed && formed) else {
            return Err(BadToken::Unknown);
        };
        let token = written.token().ok_or(BadToken::Unknown)?;
        if key.believes(&token) {
            Ok(token)
        } else {
            Err(BadToken::Revoked(token))
        }
    }

    /// Whether the key of a token that was read is still believed; a rotation may have come in between.
    pub fn believes(&self, token: &Token) -> bool {
        let ring = self.0.ring.load();
        ring.get(token.key).is_some_and(|key| key.believes(token))
    }

    /// The four digits printed beside a row, as the key that signed the token makes them.
    pub fn code(&self, token: &Token) -> String {
        let ring = self.0.ring.load();
        let key = ring.get(token.key);
        let secrets = key.map_or(&self.0.dummy, |key| &key.secrets);
        secrets.code_of(token.digest, token.hold)
    }

    /// Whether these are the four digits of the token's row; spaces around them do not count. The time it takes does
    /// not say which digit is wrong.
    pub fn code_fits(&self, token: &Token, given: &str) -> bool {
        same(self.code(token).as_bytes(), given.trim().as_bytes())
    }

    /// What a page's form must bring back, bound to the link, the cookie and the hour.
    pub fn nonce(&self, token: &str, cookie: &str) -> String {
        self.nonce_of(token, cookie, hour_of(self.0.clock.wall()))
    }

    /// Whether a form brought back a nonce of this hour or the last.
    pub fn nonce_fits(&self, token: &str, cookie: &str, nonce: &str) -> bool {
        let hour = hour_of(self.0.clock.wall());
        let fits = |hour| {
            same(
                self.nonce_of(token, cookie, hour).as_bytes(),
                nonce.as_bytes(),
            )
        };
        // Both are made in any case.
        fits(hour) | fits(hour.saturating_sub(1))
    }

    fn nonce_of(&self, token: &str, cookie: &str, hour: u32) -> String {
        let ring = self.0.ring.load();
        // Of the link's own key, so that a rotation spoils no page that is open; of none for what is no link.
        let key = Written::parse(token).and_then(|written| ring.get(written.key()));
        let secrets = key.map_or(&self.0.dummy, |key| &key.secrets);
        let mut signing = hmac::Context::with_key(&secrets.nonce);
        for part in [token.as_bytes(), cookie.as_bytes(), &hour.to_be_bytes()] {
            // Lengths before the parts: no two forms give the same octets.
            signing.update(&part.len().to_be_bytes());
            signing.update(part);
        }
        let octets = signing.sign();
        URL_SAFE_NO_PAD.encode(octets.as_ref().get(..NONCE).unwrap_or_default())
    }
}

impl Signer {
    /// A link's 44 characters.
    pub fn token(&self, action: Action, hold: HoldId, digest: u32, end_hour: u32) -> String {
        let hold = if action.is_whole() { HoldId(0) } else { hold };
        self.key.last.fetch_max(end_hour, Ordering::Relaxed);
        let token = Token {
            key: self.id,
            action,
            hold,
            digest,
            end: end_hour,
        };
        token.sealed(&self.key.secrets.token)
    }

    /// The four digits of a row.
    pub fn code(&self, digest: u32, hold: HoldId) -> String {
        self.key.secrets.code_of(digest, hold)
    }
}

impl LinkKey {
    fn new(stored: Stored, last: Arc<AtomicU32>) -> Self {
        Self {
            secrets: Secrets::of(&stored.secret),
            stored,
            last,
        }
    }

    /// Whether a token that it signed still counts. One that ends after its last link was not made by us, but by
    /// somebody who has an old secret.
    fn believes(&self, token: &Token) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        let in_time = self
            .stored
            .until
            .is_none_or(|until| token.end <= until.max(last));
        self.stored.revoked.is_none() && in_time
    }
}

impl Secrets {
    fn of(secret: &[u8; 32]) -> Self {
        let token = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived =
            |purpose| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&token, purpose).as_ref());
        Self {
            code: derived(CODE_PURPOSE),
            nonce: derived(NONCE_PURPOSE),
            token,
        }
    }

    fn code_of(&self, digest: u32, hold: HoldId) -> String {
        let mut signing = hmac::Context::with_key(&self.code);
        signing.update(&digest.to_be_bytes());
        signing.update(&hold.0.to_be_bytes());
        let octets = signing.sign();
        let eight = octets
            .as_ref()
            .first_chunk::<8>()
            .copied()
            .unwrap_or_default();
        format!("{:04}", u64::from_be_bytes(eight) % CODES)
    }
}

/// `k/l/<id>`
fn link_key(id: u8) -> Key {
    Key::of(b'k', &[b"l", &[id]])
}

fn fresh_secret() -> Result<[u8; 32], StoreError> {
    let mut secret = [0; 32];
    rand::fill(&mut secret).map_err(|_| {
        StoreError::Unavailable("the system gives no random octets for a link key".into())
    })?;
    Ok(secret)
}

fn same(known: &[u8], given: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(known, given).is_ok()
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.id)
    }
}

#[cfg(test)]
mod tests;
