//! Reads secrets: a text, `file:PATH` or `env:NAME`; plain or a PHC string.
//!
//! A file's path is relative to the configuration's folder. A plain password in the configuration itself works but is
//! warned of, and so is a secret file that everybody can read.
//! Not here: comparing passwords (`accounts`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;

use super::file::{Fault, Section};
use super::kind::string;
use crate::base::secret::Secret;

/// What a secret is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// We check it: a PHC string is as good as the text, and better.
    Checked,
    /// We send it: only the text itself is of use.
    Sent,
    /// A program shows it to us at each request: too often for a hash that is slow on purpose.
    Shown,
}

/// Reads `key` of `section`.
pub(super) fn read(
    section: &Section<'_, '_>,
    key: &'static str,
    folder: &Path,
    purpose: Purpose,
) -> Option<Secret> {
    let text = section.need(key, "\"file:PATH\"", string)?;
    let found = if let Some(path) = text.strip_prefix("file:") {
        from_file(section, key, &folder.join(path))
    } else if let Some(name) = text.strip_prefix("env:") {
        from_env(name)
    } else {
        let hashed = purpose == Purpose::Checked && is_phc(text);
        if !text.is_empty() && !hashed {
            section.warn(
                key,
                Fault::new(
                    match purpose {
                        Purpose::Checked | Purpose::Sent => "a plain password stands in the file",
                        Purpose::Shown => "a plain secret stands in the file",
                    },
                    "put it into a file of its own with mode 0600 and write \"file:PATH\"",
                ),
            );
        }
        Ok(Secret::new(text))
    };
    let checked = found.and_then(|secret| examine(secret, purpose));
    checked.map_err(|fault| section.fault(key, fault)).ok()
}

/// Whether the text is a hash in PHC form that we can check.
pub fn is_phc(text: &str) -> bool {
    text.starts_with('$')
}

/// Whether a PHC string can be checked, at a cost that a login may have.
pub fn is_checkable(text: &str) -> bool {
    check_phc(text).is_ok()
}

fn from_file(section: &Section<'_, '_>, key: &'static str, path: &Path) -> Result<Secret, Fault> {
    let shown = path.display();
    let cannot = |why: std::io::Error| {
        Fault::new(
            format!("the secret file {shown} cannot be read: {why}"),
            "create it, or write the right path (relative to this file's folder)",
        )
    };
    let facts = fs::metadata(path).map_err(cannot)?;
    if facts.len() > SECRET_MAX {
        return Err(Fault::new(
            format!("the secret file {shown} has {} octets", facts.len()),
            "write the path of a file that holds only the secret",
        ));
    }
    if facts.permissions().mode() & 0o004 != 0 {
        section.warn(
            key,
            Fault::new(
                format!("everybody on this machine can read {shown}"),
                format!("run `chmod 600 {shown}`"),
            ),
        );
    }
    let text = fs::read_to_string(path).map_err(cannot)?;
    Ok(Secret::new(&text))
}

fn from_env(name: &str) -> Result<Secret, Fault> {
    std::env::var(name)
        .map(|text| Secret::new(&text))
        .map_err(|why| {
            Fault::new(
                format!("the environment variable {name} cannot be used: {why}"),
                format!("set {name} where the server is started, or write \"file:PATH\""),
            )
        })
}

fn examine(secret: Secret, purpose: Purpose) -> Result<Secret, Fault> {
    if secret.reveal().is_empty() {
        let remedy = match purpose {
            Purpose::Checked => "write the password, or a hash made by `postwerk account hash`",
            Purpose::Sent => "write the password",
            Purpose::Shown => "write what `openssl rand -hex 16` prints",
        };
        return Err(Fault::new("the secret is empty", remedy));
    }
    if purpose == Purpose::Checked && is_phc(secret.reveal()) {
        check_phc(secret.reveal())?;
    }
    Ok(secret)
}

/// A hash that nobody can check, or that costs more than a login may cost, is a mistake of the file.
fn check_phc(text: &str) -> Result<(), Fault> {
    let remedy = "make one by `postwerk account hash`";
    let bad = |what: &str| Fault::new(what, remedy);
    let hash = PasswordHash::new(text)
        .map_err(|_| bad("this begins like a PHC string but is none, or none we know"))?;
    if !hash.algorithm.as_str().starts_with("argon2") {
        return Err(bad("only argon2id hashes are understood"));
    }
    let params = Params::try_from(&hash).map_err(|_| bad("the hash's parameters are wrong"))?;
    if params.m_cost() > HASH_KIB_MAX || params.t_cost() > HASH_ROUNDS_MAX {
        return Err(bad(
            "one check of this hash costs more than 256 MiB or 20 rounds",
        ));
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(bad("salt or hash is missing from the PHC string"));
    }
    Ok(())
}

/// Octets of a secret file; a mistaken path often names something large.
const SECRET_MAX: u64 = 8 << 10;
/// Memory of one check in KiB: two run at once.
const HASH_KIB_MAX: u32 = 256 << 10;
/// Rounds of one check.
const HASH_ROUNDS_MAX: u32 = 20;
