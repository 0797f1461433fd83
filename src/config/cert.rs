//! Reads `[tls]`, `[[certificate]]` and `[acme]`.
//!
//! Files that are named here are read now, so that a wrong path is found before anything starts.
//! Not here: what only together with doors and listeners is wrong (`cross_tls`).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::pki_types::CertificateDer;

use super::admin::is_blank;
use super::file::{Fault, Section};
use super::kind::{choice, flag, list, string};
use super::secret::{self, Purpose};
use super::section::Placed;
use super::tls::{AcmeConf, Binding, CertConf, CertFiles, CertName, Challenge, TlsConf, TlsMode};
use super::value::{mailbox, name, parsed, span};
use super::{ServerConf, default, pem};
use crate::base::clock::Clock;
use crate::base::limit::{CERT_NAMES_MAX, HOOK_TIMEOUT, HOOK_TIMEOUT_MAX};
use crate::mail::domain::Domain;

/// `[tls]` and `[acme]`, and each `[[certificate]]`.
pub(super) struct Tls<'n, 'i> {
    pub(super) at: Section<'n, 'i>,
    pub(super) acme: Section<'n, 'i>,
    pub(super) conf: Option<TlsConf>,
    pub(super) certificates: Vec<Placed<'n, 'i, CertConf>>,
}

/// All three, as they stand below `root`.
pub(super) fn tls<'n, 'i>(
    root: &Section<'n, 'i>,
    folder: &Path,
    server: Option<&ServerConf>,
) -> Tls<'n, 'i> {
    let (at, acme) = (root.section("tls"), root.section("acme"));
    let host = server.map(|server| &server.hostname);
    let sections = root.sections("certificate").into_iter();
    let certificates: Vec<_> = sections.filter_map(|at| certificate(at, folder)).collect();
    let words = &[
        ("self-signed", TlsMode::SelfSigned),
        ("files", TlsMode::Files),
        ("acme", TlsMode::Acme),
    ];
    let chosen = at.get("mode", choice(words));
    let dir = at.get("dir", string).map(|path| folder.join(path));
    let conf_of_acme = acme_conf(&acme, folder);
    let mode = match chosen {
        Some(mode) => Some(mode),
        None if at.has("mode") => None,
        None => Some(TlsMode::SelfSigned),
    };
    let own = if mode == Some(TlsMode::Files) {
        pair(&at, folder, host)
    } else {
        // Asked for, so that they are known; `check_mode` says that they are not used.
        for key in ["cert", "key"] {
            at.get(key, string);
        }
        None
    };
    at.finish();
    if let Some(mode) = mode {
        check_mode(&at, mode, &certificates, root.has("certificate"));
        check_acme(&at, &acme, mode);
    }
    let data_dir = server.map_or(Path::new(default::DATA_DIR), |server| &server.data_dir);
    let mut all: Vec<CertConf> = certificates.iter().map(|one| one.conf.clone()).collect();
    let conf = mode.and_then(|mode| {
        let acme = match mode {
            TlsMode::Acme => Some(conf_of_acme?),
            TlsMode::SelfSigned | TlsMode::Files => None,
        };
        match mode {
            TlsMode::Files if at.has("cert") || at.has("key") => all.insert(0, own?),
            TlsMode::Acme if all.is_empty() => all.push(CertConf {
                names: vec![CertName::exact(host?.clone())],
                files: None,
            }),
            TlsMode::SelfSigned | TlsMode::Files | TlsMode::Acme => {}
        }
        Some(TlsConf {
            mode,
            dir: dir.unwrap_or_else(|| data_dir.join(FOLDER)),
            certificates: all,
            acme,
        })
    });
    Tls {
        at,
        acme,
        conf,
        certificates,
    }
}

/// `[[certificate]]`
fn certificate<'n, 'i>(at: Section<'n, 'i>, folder: &Path) -> Option<Placed<'n, 'i, CertConf>> {
    let read = list(parsed("name of a certificate", CertName::parse));
    let names: Option<Vec<CertName>> = at.need("names", "[\"mail.example.org\"]", read);
    let pair = pair(&at, folder, None);
    let files = (at.has("cert") || at.has("key")).then_some(pair);
    at.finish();
    let names = names?;
    if names.is_empty() || names.len() > CERT_NAMES_MAX {
        let fault = Fault::new(
            format!("{} names are no list for one certificate", names.len()),
            format!("write 1 to {CERT_NAMES_MAX} names"),
        );
        at.fault("names", fault);
    }
    let files = match files {
        Some(pair) => Some(pair?.files?),
        None => None,
    };
    if let Some(files) = &files
        && let Ok(chain) = pem::read_chain(&files.cert)
    {
        let missing = names.iter().find(|name| !pem::covers(&chain, name));
        if let Some(missing) = missing {
            let fault = Fault::new(
                format!(
                    "the certificate is not for {missing}; programs that verify will refuse it"
                ),
                "write one for this name, or remove the name",
            );
            at.warn("cert", fault);
        }
    }
    let conf = CertConf { names, files };
    Some(Placed { conf, at })
}

/// `cert` and `key`, wherever they stand.
fn pair(at: &Section<'_, '_>, folder: &Path, host: Option<&Domain>) -> Option<CertConf> {
    let cert = at.get("cert", string).map(|path| folder.join(path));
    let key = at.get("key", string).map(|path| folder.join(path));
    for (name, other, wrong) in [
        ("cert", "key", !at.has("cert") && at.has("key")),
        ("key", "cert", !at.has("key") && at.has("cert")),
    ] {
        if wrong {
            let fault = Fault::new(
                format!("{other} is of no use without it"),
                format!("write {name} = \"PATH\""),
            );
            at.fault(name, fault);
        }
    }
    let chain = cert.as_ref().map(|path| pem::read_chain(path));
    let own = key.as_ref().map(|path| pem::read_key(path));
    for (name, why) in [
        ("cert", chain.as_ref().and_then(|read| read.as_ref().err())),
        ("key", own.as_ref().and_then(|read| read.as_ref().err())),
    ] {
        if let Some(why) = why {
            at.fault(name, Fault::new(why.what(), why.remedy()));
        }
    }
    let (cert, key) = (cert?, key?);
    if let (Some(Ok(chain)), Some(Ok(_))) = (chain, own) {
        match pem::read_pair(&cert, &key) {
            Ok(_) => check_chain(at, &chain, host),
            Err(why) => at.fault("key", Fault::new(why.what(), why.remedy())),
        }
    }
    Some(CertConf {
        names: Vec::new(),
        files: Some(CertFiles { cert, key }),
    })
}

/// What programs that verify will not like.
fn check_chain(at: &Section<'_, '_>, chain: &[CertificateDer<'_>], host: Option<&Domain>) {
    if let Some(host) = host.filter(|host| !pem::names(chain, host)) {
        let fault = Fault::new(
            format!("the certificate is not for {host}; programs that verify will refuse it"),
            "write one for this name, or set [server] hostname to its name",
        );
        at.warn("cert", fault);
    }
    let Some((from, end)) = pem::validity(chain) else {
        return;
    };
    let now = Clock::system().wall().secs();
    let days = end.saturating_sub(now) / 86_400;
    let what = if end <= now {
        "the certificate is no longer valid".to_owned()
    } else if pem::ends_soon(from, end, now) {
        format!("the certificate is valid for {days} days only")
    } else {
        return;
    };
    at.warn("cert", Fault::new(what, "renew it"));
}

/// What the mode asks for, and what it has no use for.
fn check_mode(
    at: &Section<'_, '_>,
    mode: TlsMode,
    certificates: &[Placed<'_, '_, CertConf>],
    others: bool,
) {
    let written = at.has("cert") || at.has("key");
    if mode == TlsMode::Files {
        let without = !others && !written;
        for name in ["cert", "key"].into_iter().filter(|_| without) {
            let what = "mode = \"files\" needs it";
            at.fault(name, Fault::new(what, format!("write {name} = \"PATH\"")));
        }
    } else {
        for name in ["cert", "key"].into_iter().filter(|name| at.has(name)) {
            let remedy = match mode {
                TlsMode::Acme => "write cert and key into a [[certificate]] of their own",
                TlsMode::SelfSigned | TlsMode::Files => "write mode = \"files\" too",
            };
            at.warn(name, Fault::new("it is not used", remedy));
        }
    }
    if mode == TlsMode::Acme {
        return;
    }
    for one in certificates.iter().filter(|one| one.conf.files.is_none()) {
        let fault = Fault::new(
            "it says neither where its files are nor that it is to be ordered",
            "write cert = \"PATH\" and key = \"PATH\", or [tls] mode = \"acme\"",
        );
        one.at.fault("names", fault);
    }
}

fn check_acme(tls: &Section<'_, '_>, acme: &Section<'_, '_>, mode: TlsMode) {
    if mode == TlsMode::Acme && !acme.is_there() {
        let fault = Fault::new(
            "mode = \"acme\" needs the section [acme]",
            "write [acme] with contact = \"postmaster@example.org\"; it means that you agree to the directory's terms",
        );
        tls.fault("mode", fault);
    } else if mode != TlsMode::Acme && acme.is_there() {
        let fault = Fault::new("it is not used", "write [tls] mode = \"acme\" too");
        acme.warn("", fault);
    }
}

/// `[acme]`
fn acme_conf(at: &Section<'_, '_>, folder: &Path) -> Option<AcmeConf> {
    let directory = at.get("directory", parsed("URL of a directory", https));
    let contact = at.is_there().then(|| {
        let example = "\"postmaster@example.org\"";
        at.need("contact", example, mailbox)
    });
    let challenge = at.get("challenge", choice(CHALLENGES));
    let challenge = challenge.unwrap_or(Challenge::TlsAlpn01);
    let text = |key| {
        if is_blank(at, key) {
            None
        } else {
            at.get(key, string)
        }
    };
    let hook = text("hook").map(|path| folder.join(path));
    let hook_env = secret::table(at, "hook_env", folder);
    let root = text("root").map(|path| folder.join(path));
    let hook_timeout = at.get("hook_timeout", span).unwrap_or(HOOK_TIMEOUT);
    let profile = (!is_blank(at, "profile"))
        .then(|| at.get("profile", name))
        .flatten();
    let binding = binding(at, folder);
    let new_key = at.get("new_key", flag).unwrap_or(false);
    at.finish();
    check_hook(at, challenge, hook.as_deref(), hook_timeout);
    if hook.is_none() && !hook_env.is_empty() {
        let fault = Fault::new("it is not used", "write hook = \"PROGRAM\" too");
        at.warn("hook_env", fault);
    }
    if let Some(Err(why)) = root.as_ref().map(|path| pem::read_chain(path)) {
        at.fault("root", Fault::new(why.what(), why.remedy()));
    }
    Some(AcmeConf {
        directory: directory.unwrap_or_else(|| LETS_ENCRYPT.to_owned()),
        contact: contact??,
        challenge,
        hook,
        hook_env,
        hook_timeout,
        root,
        profile,
        binding,
        new_key,
    })
}

fn check_hook(at: &Section<'_, '_>, challenge: Challenge, hook: Option<&Path>, wait: Duration) {
    if wait.is_zero() || wait > HOOK_TIMEOUT_MAX {
        let fault = Fault::new("it is out of bounds", "write a span from \"1s\" to \"5m\"");
        at.fault("hook_timeout", fault);
    }
    match (challenge, hook) {
        (Challenge::Dns01, None) => at.fault(
            "hook",
            Fault::new(
                "challenge = \"dns-01\" needs a program that writes TXT records",
                "write hook = \"PROGRAM\"; it is called with `add NAME VALUE` and `remove NAME VALUE`",
            ),
        ),
        (Challenge::Dns01, Some(path)) => {
            if let Some(what) = not_executable(path) {
                let remedy = "write the path of a program that the server's user may run";
                at.fault("hook", Fault::new(what, remedy));
            }
        }
        (Challenge::Http01 | Challenge::TlsAlpn01, Some(_)) => {
            let fault = Fault::new("it is not used", "write challenge = \"dns-01\" too");
            at.warn("hook", fault);
        }
        (Challenge::Http01 | Challenge::TlsAlpn01, None) => {}
    }
}

fn not_executable(path: &Path) -> Option<String> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Err(why) => Some(format!("{shown} cannot be run: {why}")),
        Ok(facts) if !facts.is_file() => Some(format!("{shown} is no file")),
        Ok(facts) if facts.permissions().mode() & 0o111 == 0 => {
            Some(format!("{shown} is not executable"))
        }
        Ok(_) => None,
    }
}

/// `eab_kid` and `eab_hmac`
fn binding(at: &Section<'_, '_>, folder: &Path) -> Option<Binding> {
    let kid = (!is_blank(at, "eab_kid"))
        .then(|| at.get("eab_kid", name))
        .flatten();
    let there = at.has("eab_hmac") && !is_blank(at, "eab_hmac");
    let hmac = there.then(|| secret::read(at, "eab_hmac", folder, Purpose::Sent));
    for (key, other, wrong) in [
        ("eab_hmac", "eab_kid", kid.is_some() && !there),
        ("eab_kid", "eab_hmac", kid.is_none() && there),
    ] {
        if wrong {
            let fault = Fault::new(
                format!("{other} is of no use without it"),
                format!("write {key} as the directory's owner gave it to you"),
            );
            at.fault(key, fault);
        }
    }
    let (kid, hmac) = (kid?, hmac??);
    let plain = hmac.reveal().trim().trim_end_matches('=');
    if BASE64_URL_SAFE_NO_PAD.decode(plain).is_err() {
        let fault = Fault::new(
            "the secret is no base64url",
            "write it as the directory's owner gave it to you: letters, digits, - and _",
        );
        at.fault("eab_hmac", fault);
    }
    Some(Binding { kid, hmac })
}

fn https(text: &str) -> Result<String, String> {
    let shape = || format!("write it as \"{LETS_ENCRYPT}\"");
    let rest = text.strip_prefix("https://").ok_or_else(shape)?;
    let host = rest.split('/').next().unwrap_or_default();
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if host.is_empty() || host.contains('@') || text.contains(odd) || text.len() > URL_MAX {
        return Err(shape());
    }
    Ok(text.to_owned())
}

const CHALLENGES: &[(&str, Challenge)] = &[
    ("http-01", Challenge::Http01),
    ("tls-alpn-01", Challenge::TlsAlpn01),
    ("dns-01", Challenge::Dns01),
];
/// Whom most people mean.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// In the data directory.
pub(super) const FOLDER: &str = "certs";
/// Octets of a directory's URL.
const URL_MAX: usize = 1_000;
