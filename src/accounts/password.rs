//! argon2id: making a hash, and measuring a password by one.
//!
//! Parameters are the crate's own (19 MiB, 2 rounds: OWASP's first choice), about 20 ms a check in a release build.
//! Both functions block; callers run them on the blocking pool.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};

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

/// Whether `text` is a hash that `verify` can use.
pub(super) fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|known| {
        known.algorithm.as_str() == "argon2id" && known.salt.is_some() && known.hash.is_some()
    })
}

/// What the password of an unknown name is measured by. Made with the parameters of `hash` from 32 random octets that
/// nobody kept; that it could match changes nothing, because there is no account behind it.
pub(super) const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$wvqoB+65PVia8PvlzaNqVA$CsOPWVd0qIWKvj1T7tAAobIhlwzoEeWKlRzSZO96TDs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_its_password_and_no_other() {
        let made = hash("correct horse").unwrap();
        assert!(made.starts_with("$argon2id$") && is_hash(&made));
        assert!(verify(&made, "correct horse") && !verify(&made, "correct house"));
        assert!(!verify("$argon2id$torn", "correct horse"));
    }

    #[test]
    fn an_unknown_name_costs_what_a_known_one_costs() {
        let cost = |phc: &str| phc.rsplitn(3, '$').last().map(str::to_owned);
        assert!(is_hash(DUMMY));
        assert_eq!(cost(DUMMY), cost(&hash("x").unwrap()));
    }
}
