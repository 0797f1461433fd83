//! Reads secrets: a text, `file:PATH` or `env:NAME`; plain or a PHC string; and tables of them.
//!
//! A file's path is relative to the configuration's folder. A plain password in the configuration itself works but is
//! warned of, and so is a secret file that everybody can read.
//! Not here: comparing passwords (`accounts`).

use std::env::VarError;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;
use toml::de::DeValue;

use super::file::{Fault, Section, Value};
use super::kind::{not, string};
use crate::base::secret::Secret;

/// Keys whose values no mistake shows, in whichever section they stand.
pub(super) const SECRET_KEYS: [&str; 4] = ["password", "metrics_token", "eab_hmac", "hook_env"];

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
    debug_assert!(SECRET_KEYS.contains(&key), "or `check` shows it: {key}");
    // A number may be the password: it is not repeated.
    let written = |value| string(value).map_err(|fault| fault.instead("write \"file:PATH\""));
    let text = section.need(key, "\"file:PATH\"", written)?;
    let found = referred(section, key, folder, text).unwrap_or_else(|| {
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
    });
    let checked = found.and_then(|secret| examine(secret, purpose));
    checked.map_err(|fault| section.fault(key, fault)).ok()
}

/// Reads a table of names and texts, each of which may be a secret: the environment of a program.
pub(super) fn table(
    section: &Section<'_, '_>,
    key: &'static str,
    folder: &Path,
) -> Vec<(String, Secret)> {
    let written = |value| texts(value).map_err(|fault| vec![fault]);
    let mut all = Vec::new();
    for (name, text) in section.get(key, written).unwrap_or_default() {
        let found = referred(section, key, folder, text).unwrap_or_else(|| Ok(Secret::new(text)));
        match found.and_then(|secret| variable(name, secret)) {
            Ok(one) => all.push(one),
            Err(fault) => section.fault(key, fault),
        }
    }
    if all.len() > VARIABLES_MAX {
        let what = format!("there are {}", all.len());
        section.fault(
            key,
            Fault::new(what, format!("write at most {VARIABLES_MAX}")),
        );
        all.clear();
    }
    all
}

/// `{ NAME = "text" }`; a text of another kind is not repeated.
fn texts<'v>(value: &'v Value<'_>) -> Result<Vec<(&'v str, &'v str)>, Fault> {
    let shape = "write { NAME = \"VALUE\", OTHER = \"file:PATH\" }";
    let DeValue::Table(table) = value.get_ref() else {
        return Err(not(value, "a table", "").instead(shape));
    };
    let pair = |(name, value): (&'v toml::Spanned<_>, &'v Value<'_>)| {
        let name: &std::borrow::Cow<'v, str> = name.get_ref();
        let text = string(value).map_err(|fault| fault.instead(shape))?;
        Ok((name.as_ref(), text))
    };
    table.iter().map(pair).collect()
}

/// A variable as an environment can have it.
fn variable(name: &str, secret: Secret) -> Result<(String, Secret), Fault> {
    let good = !name.is_empty()
        && name.len() <= NAME_MAX
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !good {
        // Somebody may have written the secret in its name's place.
        let remedy = "write letters, digits and _, as HETZNER_TOKEN";
        return Err(Fault::new("a name in it is none of a variable", remedy));
    }
    if secret.reveal().contains('\0') {
        let what = format!("the value of {name} has an octet that no variable can hold");
        return Err(Fault::new(what, "write a text"));
    }
    Ok((name.to_owned(), secret))
}

/// What `file:PATH` or `env:NAME` refer to; none: the text refers to nothing.
fn referred(
    section: &Section<'_, '_>,
    key: &'static str,
    folder: &Path,
    text: &str,
) -> Option<Result<Secret, Fault>> {
    if let Some(path) = text.strip_prefix("file:") {
        Some(from_file(section, key, &folder.join(path)))
    } else {
        text.strip_prefix("env:").map(from_env)
    }
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
            let why = match why {
                VarError::NotPresent => "it is not set",
                VarError::NotUnicode(_) => "it is not UTF-8",
            };
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

/// Variables of a program's environment; what needs more has a file of its own.
const VARIABLES_MAX: usize = 64;
/// Letters of a variable's name.
const NAME_MAX: usize = 64;
/// Octets of a secret file; a mistaken path often names something large.
const SECRET_MAX: u64 = 8 << 10;
/// Memory of one check in KiB: two run at once.
const HASH_KIB_MAX: u32 = 256 << 10;
/// Rounds of one check.
const HASH_ROUNDS_MAX: u32 = 20;
