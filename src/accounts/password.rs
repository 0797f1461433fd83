//! argon2: making a hash, measuring a password by one, and doing the same work for nothing.
//!
//! Hashes of ours have the crate's parameters (19 MiB, 2 rounds: OWASP's first choice), about 20 ms a check in a release
//! build; those of the file may have others. All of it blocks; callers run it on the blocking pool.
//! Not here: which work is done for which login (`costs`).

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::config::is_checkable;

/// What one check costs: all that the time of an answer could tell of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost {
    memory: u32,
    rounds: u32,
    lanes: u32,
    kind: Algorithm,
}

/// A fresh PHC string for `password`.
///
/// # Errors
/// The system gives no randomness, or the password is longer than argon2 takes.
pub fn hash(password: &str) -> Result<String, Error> {
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes())?;
    Ok(hash.to_string())
}

/// Whether `password` is the one that `phc` was made from.
pub(super) fn verify(phc: &str, password: &str) -> bool {
    let Ok(known) = PasswordHash::new(phc) else {
        return false;
    };
    Argon2::default()
        .verify_password(password.as_bytes(), &known)
        .is_ok()
}

/// Whether `text` is a hash that `verify` can use, and that costs no more than a login may.
pub(super) fn is_hash(text: &str) -> bool {
    is_checkable(text)
        && PasswordHash::new(text).is_ok_and(|known| known.algorithm.as_str() == "argon2id")
}

impl Cost {
    /// Of a hash that `verify` can use.
    pub(super) fn of(phc: &str) -> Option<Self> {
        if !is_checkable(phc) {
            return None;
        }
        let known = PasswordHash::new(phc).ok()?;
        let params = Params::try_from(&known).ok()?;
        Some(Self {
            memory: params.m_cost(),
            rounds: params.t_cost(),
            lanes: params.p_cost(),
            kind: Algorithm::new(known.algorithm.as_str()).ok()?,
        })
    }

    /// Of the hashes that `hash` makes.
    pub(super) fn usual() -> Self {
        let params = Params::default();
        Self {
            memory: params.m_cost(),
            rounds: params.t_cost(),
            lanes: params.p_cost(),
            kind: Algorithm::default(),
        }
    }

    /// Octets that are written, which is the time it takes.
    pub(super) fn weight(&self) -> u64 {
        u64::from(self.memory) * u64::from(self.rounds)
    }

    /// Does the work of a check that comes to nothing.
    pub(super) fn spend(&self, password: &str) {
        let Ok(params) = Params::new(self.memory, self.rounds, self.lanes, None) else {
            return;
        };
        let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
        let work = Argon2::new(self.kind, Version::default(), params);
        // There is nothing to compare with, and so nothing that could match.
        let _unused = work.hash_password_into(password.as_bytes(), &[0; 16], &mut out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_its_password_and_no_other() {
        let made = hash("correct horse").unwrap();
        assert!(made.starts_with("$argon2id$") && is_hash(&made));
        assert!(verify(&made, "correct horse") && !verify(&made, "correct house"));
        assert!(!verify("$argon2id$torn", "correct horse"));
        assert_eq!(Cost::of(&made), Some(Cost::usual()));
    }

    #[test]
    fn what_cannot_be_checked_or_costs_too_much_is_no_hash() {
        let made = hash("x").unwrap();
        for (name, text) in [
            ("torn", "$argon2id$torn".to_owned()),
            ("bcrypt", "$2b$12$abcdefghijklmnopqrstuv".to_owned()),
            ("4 GiB", made.replace("m=19456", "m=4194304")),
            ("1,000 rounds", made.replace("t=2", "t=1000")),
        ] {
            assert!(!is_hash(&text) && Cost::of(&text).is_none(), "case: {name}");
        }
    }
}
