//! Runs the program of dns-01: `HOOK add NAME VALUE`, `HOOK remove NAME VALUE`.
//!
//! No shell, nothing on standard input, and a bound in time after which its whole process group is killed. Of the
//! server's environment, in which its secrets stand, it gets only what every program needs, and `[acme] hook_env`. What
//! it writes to standard error becomes the error's text, cut, cleaned, and without these values.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::base::clock::Clock;
use crate::base::text::clean_bytes;
use crate::config::AcmeConf;
use crate::net::plain;

/// Runs it once; an error says what went wrong, in words.
pub(super) async fn run(
    program: &Path,
    acme: &AcmeConf,
    verb: &'static str,
    name: &str,
    value: &str,
    clock: &Clock,
) -> Result<(), String> {
    let (shown, span) = (program.display(), acme.hook_timeout);
    let mut child = Command::new(program)
        .args([verb, name, value])
        .env_clear()
        .envs(environment(acme))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|why| format!("the hook {shown} cannot be run: {}", plain::io(&why)))?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let waiting = tokio::task::spawn_blocking(move || {
        let mut said = Vec::new();
        if let Some(mut pipe) = child.stderr.take() {
            // What is above the bound is read away: a program that cannot write stands still.
            let kept = pipe.by_ref().take(SAID_MAX).read_to_end(&mut said);
            let rest = std::io::copy(&mut pipe, &mut std::io::sink());
            if let Err(error) = kept.and(rest) {
                tracing::debug!(%error, "the hook's standard error broke off");
            }
        }
        child.wait().map(|status| (status, said))
    });
    let guard = KillGroup(group);
    let (status, said) = match clock.timeout(span, waiting).await {
        Ok(Ok(Ok(ended))) => ended,
        Ok(Ok(Err(_)) | Err(_)) => return Err(format!("the hook {shown} cannot be waited for")),
        Err(_) => {
            let secs = span.as_secs();
            return Err(format!(
                "the hook {shown} {verb} {name} took longer than {secs} seconds and was ended; see [acme] hook_timeout"
            ));
        }
    };
    guard.forget();
    ended(status, &said, acme).map_err(|why| format!("the hook {shown} {verb} {name} {why}"))
}

/// What the program finds: what every program needs, then what is written for it, which wins.
fn environment(acme: &AcmeConf) -> Vec<(OsString, OsString)> {
    let passed = PASSED.iter().filter_map(|name| {
        let value = std::env::var_os(name)?;
        Some((OsString::from(name), value))
    });
    let path = (OsString::from("PATH"), OsString::from(PATH));
    let written = acme.hook_env.iter();
    let written = written.map(|(name, secret)| (name.into(), secret.reveal().into()));
    std::iter::once(path).chain(passed).chain(written).collect()
}

fn ended(status: ExitStatus, said: &[u8], acme: &AcmeConf) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    let values = acme.hook_env.iter().map(|(_, secret)| secret.reveal());
    let said = clean_bytes(&veiled(said.trim_ascii(), values), SHOWN_MAX);
    let said = if said.is_empty() {
        "it said nothing on standard error".to_owned()
    } else {
        said
    };
    Err(match status.code() {
        Some(code) => format!("returned {code}: {said}"),
        None => format!("was killed: {said}"),
    })
}

/// Programs that trace what they do show what they were given.
fn veiled<'v>(said: &[u8], values: impl Iterator<Item = &'v str>) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(said).into_owned();
    let mut values: Vec<&str> = values.filter(|value| value.len() >= VEILED_MIN).collect();
    // One that begins with another would keep its own end.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in values {
        text = text.replace(value, "***");
    }
    text.into_bytes()
}

/// An order that is given up leaves no program behind.
struct KillGroup(Option<Pid>);

impl KillGroup {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for KillGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::debug!(%error, "the hook had ended already");
        }
    }
}

/// Where programs are, if the server was not told.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What every program needs, as the server has it; nothing in these is a secret.
const PASSED: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/// A shorter value is part of ordinary words.
const VEILED_MIN: usize = 6;
/// Octets of standard error that are kept.
const SAID_MAX: u64 = 16 << 10;
/// Characters of it in an error.
const SHOWN_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_values_of_which_one_begins_with_the_other_neither_shows() {
        for values in [["hunter1", "hunter1-more"], ["hunter1-more", "hunter1"]] {
            let said = veiled(b"sent hunter1-more, hunter1 and x", values.into_iter());
            assert_eq!(String::from_utf8_lossy(&said), "sent ***, *** and x");
        }
    }
}
