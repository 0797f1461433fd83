//! Remembers, for some minutes, which logins were right, so that a program that logs in for each mail (PHPMailer in a
//! loop) does not pay 20 ms of argon2 each time.
//!
//! Why this is safe. What is kept is no password but a MAC under a random key that never leaves the process, over the
//! name, the password and *the verifier it was right for*: a changed password or hash gives another MAC, so an old
//! login is forgotten the moment the account changes; a removed account is not even looked up here. A hit needs the
//! right password, so guessing gains nothing: each wrong guess still costs a whole argon2. Right passwords answer
//! faster than wrong ones, which says only what the reply says anyway.
//! Bounded: two generations of at most `LOGINS_MAX`; what is not used for two spans is forgotten.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::{constant_time, hmac, rand};

use crate::base::clock::micros;
use crate::base::limit::LOGINS_MAX;
use crate::store::StoreTime;

/// A login that was right, as a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mark([u8; 32]);

/// Right logins of the last minutes.
#[derive(Debug)]
pub(super) struct Recent {
    key: Option<hmac::Key>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    now: HashSet<Mark>,
    before: HashSet<Mark>,
    since: StoreTime,
}

impl Recent {
    /// Nothing yet. Without randomness of the system nothing is ever remembered.
    pub(super) fn new() -> Self {
        let random = rand::SystemRandom::new();
        Self {
            key: hmac::Key::generate(hmac::HMAC_SHA256, &random).ok(),
            seen: Mutex::new(Seen {
                now: HashSet::new(),
                before: HashSet::new(),
                since: StoreTime(0),
            }),
        }
    }

    /// The MAC of a login; none without a key.
    pub(super) fn mark(&self, name: &str, password: &str, verifier: &str) -> Option<Mark> {
        // Lengths before the parts: no two logins give the same octets.
        let mut login = hmac::Context::with_key(self.key.as_ref()?);
        for part in [name, password, verifier] {
            login.update(&part.len().to_be_bytes());
            login.update(part.as_bytes());
        }
        Some(Mark(login.sign().as_ref().try_into().ok()?))
    }

    /// Whether this login was right a short while ago.
    pub(super) fn knows(&self, mark: &Option<Mark>, at: StoreTime) -> bool {
        let Some(mark) = mark else { return false };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.turn(at);
        if seen.now.contains(mark) {
            return true;
        }
        let known = seen.before.contains(mark);
        if known {
            seen.now.insert(*mark);
        }
        known
    }

    /// Remembers a right one.
    pub(super) fn note(&self, mark: Option<Mark>, at: StoreTime) {
        if let Some(mark) = mark {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.turn(at);
            seen.now.insert(mark);
        }
    }

    /// Whether two texts are equal, in a time that tells neither where they differ nor how long they are: their MACs
    /// are compared.
    pub(super) fn same(&self, known: &str, offered: &str) -> bool {
        let Some(key) = &self.key else {
            return constant_time::verify_slices_are_equal(known.as_bytes(), offered.as_bytes())
                .is_ok();
        };
        let known = hmac::sign(key, known.as_bytes());
        hmac::verify(key, offered.as_bytes(), known.as_ref()).is_ok()
    }
}

impl Seen {
    /// A new generation when the span is over or this one is full.
    fn turn(&mut self, at: StoreTime) {
        let old = at.0.saturating_sub(self.since.0) >= micros(SPAN);
        if old || self.now.len() >= LOGINS_MAX {
            let idle = at.0.saturating_sub(self.since.0) >= micros(SPAN * 2);
            self.before = std::mem::take(&mut self.now);
            if idle {
                self.before.clear();
            }
            self.since = at;
        }
    }
}

/// A right login is remembered for one to two of these after its last use.
const SPAN: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000;

    #[test]
    fn a_right_login_is_known_until_it_is_not_used_for_ten_minutes() {
        let recent = Recent::new();
        let mark = recent.mark("app", "secret", "$hash");
        assert!(!recent.knows(&mark, StoreTime(0)));
        recent.note(mark, StoreTime(0));
        for minute in [1, 4, 8, 12, 16] {
            assert!(recent.knows(&mark, StoreTime(minute * MINUTE)), "{minute}");
        }
        assert!(!recent.knows(&mark, StoreTime(27 * MINUTE)));
    }

    #[test]
    fn another_password_or_verifier_is_another_login() {
        let recent = Recent::new();
        let mark = recent.mark("app", "secret", "$hash");
        for (name, password, verifier) in [
            ("app", "secret", "$new"),
            ("app", "secres", "$hash"),
            ("apps", "ecret", "$hash"),
        ] {
            assert_ne!(mark, recent.mark(name, password, verifier));
        }
        assert_ne!(mark, Recent::new().mark("app", "secret", "$hash"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let recent = Recent::new();
        for n in 0..LOGINS_MAX * 5 {
            recent.note(recent.mark("app", &n.to_string(), "x"), StoreTime(1));
        }
        let seen = recent.seen.lock().unwrap();
        assert!(seen.now.len() + seen.before.len() <= LOGINS_MAX * 2);
    }

    #[test]
    fn plain_passwords_are_equal_or_not() {
        let recent = Recent::new();
        assert!(recent.same("secret", "secret"));
        assert!(!recent.same("secret", "secre") && !recent.same("secret", ""));
    }
}
