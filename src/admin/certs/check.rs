//! What is wrong with the certificates of a configuration, and whether ACME could validate its names: for the page and
//! for `postwerk cert check`, with or without a running server.
//!
//! Each finding says what is, and if something is wrong, what to do. Reading only: no file is made, no order begun.
//! Not here: what can be reached from here (`reach`), mistakes of the configuration as text (`config`).

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::say;
use super::view::{CertView, utc};
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::base::limit::CLOCK_SKEW_MAX;
use crate::base::text::clean;
use crate::certs::{CertSource, Found, look};
use crate::config::{Config, pem};
use crate::mail::mailbox::Host;
use crate::words::{Arg, say as words};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// Something is to be done.
    Bad,
}

/// One sentence, by its key in `certs.ftl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// Its words.
    pub key: &'static str,
    /// What they are said with; already cleaned.
    pub args: Vec<(&'static str, String)>,
    /// `$count`
    pub count: u64,
}

/// Findings about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// A certificate's first name; none: ACME and the doors.
    pub name: Option<String>,
    /// At least one.
    pub findings: Vec<Finding>,
}

/// What certificates are looked at beside.
#[derive(Debug)]
pub struct Beside<'a> {
    /// Of a server that runs; none: none does.
    pub running: Option<&'a [CertView]>,
    /// Now.
    pub now: Wall,
}

impl Level {
    /// For JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Bad => "bad",
        }
    }
}

impl Finding {
    /// Without arguments.
    pub fn new(level: Level, key: &'static str) -> Self {
        Self {
            level,
            key,
            args: Vec::new(),
            count: 0,
        }
    }

    /// With one more.
    pub fn with(mut self, name: &'static str, text: impl ToString) -> Self {
        self.args.push((name, clean(&text.to_string(), TEXT_MAX)));
        self
    }

    fn counted(mut self, count: usize) -> Self {
        self.count = u64::try_from(count).unwrap_or(u64::MAX);
        self
    }

    /// In words.
    pub fn text(&self, lang: Lang) -> String {
        let texts = self.args.iter();
        let mut args: Vec<_> = texts
            .map(|(name, text)| (*name, Arg::Text(text.as_str())))
            .collect();
        args.push(("count", Arg::Count(self.count)));
        words(lang, self.key, &args)
    }
}

/// Characters of what a file, a path or an error says: a path with a sentence fits.
const TEXT_MAX: usize = 600;

/// All that can be said without the network.
pub fn check(config: &Config, beside: &Beside<'_>) -> Vec<Section> {
    let all = look(config);
    let mut sections: Vec<Section> = all
        .iter()
        .map(|found| Section {
            name: Some(title(found)),
            findings: one(found, beside),
        })
        .collect();
    let mut findings = covered(config, &all);
    findings.push(super::doors::challenge(config));
    sections.push(Section {
        name: None,
        findings,
    });
    sections
}

/// Adds what was reached. A port that leads to us is a challenge answered, whatever port we listen on.
pub fn add_reached(sections: &mut [Section], reached: Vec<Finding>) {
    let Some(last) = sections.last_mut() else {
        return;
    };
    let good = |finding: &Finding| matches!(finding.key, "certs-reach-ours" | "certs-reach-open");
    let bad = reached.iter().any(|finding| finding.level == Level::Bad);
    if !bad && reached.iter().any(good) {
        for finding in &mut last.findings {
            if finding.key.starts_with("certs-acme-not-") {
                finding.level = Level::Note;
            }
        }
    }
    last.findings.extend(reached);
}

/// Whether somebody should do something.
pub fn is_bad(sections: &[Section]) -> bool {
    let mut all = sections.iter().flat_map(|section| &section.findings);
    all.any(|finding| finding.level == Level::Bad)
}

fn title(found: &Found) -> String {
    let name = found.names.first().map(ToString::to_string);
    name.unwrap_or_else(|| found.path.display().to_string())
}

fn one(found: &Found, beside: &Beside<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &found.chain {
        None => findings.push(match found.source {
            CertSource::Acme => Finding::new(Level::Note, "certs-check-unordered"),
            CertSource::SelfSigned | CertSource::Files => {
                Finding::new(Level::Note, "certs-check-unmade")
            }
        }),
        Some(Err(why)) => {
            findings.push(Finding::new(Level::Bad, "certs-check-unreadable").with("why", why));
        }
        Some(Ok(chain)) => {
            findings.push(
                Finding::new(Level::Good, "certs-check-pair").with("path", found.path.display()),
            );
            findings.extend(names(found, chain));
            findings.extend(span(found, beside.now.secs()));
            findings.extend(order(found, chain, beside.now));
        }
    }
    findings.extend(live(found, beside));
    findings
}

fn names(found: &Found, chain: &[CertificateDer<'_>]) -> Vec<Finding> {
    let missing: Vec<Finding> = found
        .names
        .iter()
        .filter(|name| !pem::covers(chain, name))
        .map(|name| Finding::new(Level::Bad, "certs-check-name").with("name", name))
        .collect();
    if !missing.is_empty() {
        return missing;
    }
    let names: Vec<String> = found.names.iter().map(ToString::to_string).collect();
    vec![Finding::new(Level::Good, "certs-check-names").with("names", names.join(", "))]
}

fn span(found: &Found, now: u64) -> Option<Finding> {
    let (from, until) = (found.from?, found.until?);
    let left = say::left(Lang::En, until, now);
    let soon = pem::ends_soon(from, until, now);
    let of = |level, key| Some(Finding::new(level, key).with("until", utc(until)));
    let renewed = found.source == CertSource::Acme;
    if from > now.saturating_add(CLOCK_SKEW_MAX.as_secs()) {
        let early = Finding::new(Level::Bad, "certs-check-early");
        return Some(early.with("from", utc(from)));
    }
    match (until <= now, soon, renewed) {
        (true, _, _) => of(Level::Bad, "certs-check-ended"),
        (false, true, true) => of(Level::Bad, "certs-check-soon-acme"),
        (false, true, false) => of(Level::Bad, "certs-check-soon"),
        (false, false, _) if left == words(Lang::En, "certs-never", &[]) => None,
        (false, false, _) => of(Level::Good, "certs-check-until"),
    }
    .map(|finding| {
        let days = usize::try_from(say::days(until, now)).unwrap_or(0);
        finding.counted(days)
    })
}

/// Each signed by the next (RFC 8446 section 4.4.2), and the last by a root that this machine trusts.
fn order(found: &Found, chain: &[CertificateDer<'static>], now: Wall) -> Option<Finding> {
    let read: Option<Vec<X509Certificate<'_>>> = chain
        .iter()
        .map(|der| Some(X509Certificate::from_der(der).ok()?.1))
        .collect();
    let read = read?;
    let (leaf, last) = (read.first()?, read.last()?);
    if leaf.issuer().as_raw() == leaf.subject().as_raw() {
        return Some(match found.source {
            CertSource::SelfSigned => Finding::new(Level::Note, "certs-check-own"),
            CertSource::Files | CertSource::Acme => {
                Finding::new(Level::Note, "certs-check-self-signed")
            }
        });
    }
    for (one, next) in read.iter().zip(read.iter().skip(1)) {
        if one.issuer().as_raw() != next.subject().as_raw() {
            let wrong = Finding::new(Level::Bad, "certs-check-order");
            return Some(
                wrong
                    .with("subject", one.subject())
                    .with("issuer", one.issuer()),
            );
        }
    }
    let good = Finding::new(Level::Good, "certs-check-chain").counted(read.len());
    Some(
        if is_trusted(chain, &found.names.first()?.to_string(), now) {
            good
        } else {
            Finding::new(Level::Note, "certs-check-root").with("issuer", last.issuer())
        },
    )
}

/// By the roots of this machine; a wildcard stands for any label.
fn is_trusted(chain: &[CertificateDer<'_>], name: &str, now: Wall) -> bool {
    let name = name.replacen('*', "any", 1);
    let (Some((leaf, rest)), Ok(name)) = (chain.split_first(), ServerName::try_from(name)) else {
        return false;
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.secs()));
    rustls_platform_verifier::Verifier::new(provider)
        .is_ok_and(|roots| roots.verify_server_cert(leaf, rest, &name, &[], at).is_ok())
}

/// What a server that runs says of it.
fn live(found: &Found, beside: &Beside<'_>) -> Vec<Finding> {
    let Some(views) = beside.running else {
        return Vec::new();
    };
    let title = title(found);
    let Some(view) = views.iter().find(|view| view.title() == title) else {
        return vec![Finding::new(Level::Bad, "certs-check-not-loaded")];
    };
    let mut findings = Vec::new();
    if view.stand_in {
        let due = view.next_try.as_deref().unwrap_or("-");
        findings.push(Finding::new(Level::Bad, "certs-check-stand-in").with("at", due));
    } else if !found.serial.is_empty() && view.serial != found.serial {
        findings.push(Finding::new(Level::Bad, "certs-check-other"));
    }
    if view.failures > 0 {
        let why = view.last_error.as_deref().unwrap_or("-");
        let at = view.next_try.as_deref().unwrap_or("-");
        let failed = Finding::new(Level::Bad, "certs-check-failing").with("why", why);
        let failures = usize::try_from(view.failures).unwrap_or(usize::MAX);
        findings.push(failed.with("at", at).counted(failures));
    }
    findings
}

/// Whether what we call ourselves stands in a certificate.
fn covered(config: &Config, all: &[Found]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let has = |host: &str| {
        let mut names = all.iter().flat_map(|found| &found.names);
        names.any(|name| name.covers(host))
    };
    let host = config.server.hostname.as_str();
    findings.push(if has(host) {
        Finding::new(Level::Good, "certs-check-host").with("name", host)
    } else {
        Finding::new(Level::Bad, "certs-check-no-host").with("name", host)
    });
    let url = config.admin.public_url.as_ref().filter(|url| url.https);
    if let Some(Host::Domain(name)) = url.map(|url| &url.host)
        && !has(name.as_str())
    {
        findings.push(Finding::new(Level::Bad, "certs-check-no-url").with("name", name.as_str()));
    }
    findings
}
