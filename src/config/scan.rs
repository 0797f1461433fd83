//! What is looked at before a mail goes on, by whom, in which order, and what is left out: `[checks]`, `[[scanner]]`,
//! `[[exception]]`.
//!
//! Not here: reading the tables (`scanner`), and talking to scanners (`scan`).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{AddressPattern, HeadersFor, Network, Role, RspamdConf};
use crate::base::limit;
use crate::base::size::ByteSize;
use crate::mail::hold::Check;

/// `[checks]`
#[derive(Clone, Debug)]
pub struct ChecksConf {
    /// Hold mails with broken MIME in `defect`.
    pub hold_broken_mime: bool,
    /// What comes first decides; what is not named is not looked at.
    pub order: Vec<Stage>,
    /// What a scanner's failure held is requeued when the scanner answers again: so many in such a span; none: never.
    pub when_back: Option<(u32, Duration)>,
}

/// One step of `[checks] order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Received fields.
    Loop,
    /// MIME structure.
    Mime,
    /// `[attachments]`
    Attachments,
    /// Every `[[scanner]]`, as they are written.
    Scanners,
    /// The account's hold mode.
    Account,
    /// The account's rate.
    Rate,
    /// `[[hold_rule]]`
    Rules,
}

impl Stage {
    /// All, in the order that counts when none is written: what is dangerous is told before what is only ordered.
    pub const ALL: [Self; 7] = [
        Self::Loop,
        Self::Mime,
        Self::Attachments,
        Self::Scanners,
        Self::Account,
        Self::Rate,
        Self::Rules,
    ];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Mime => "mime",
            Self::Attachments => "attachments",
            Self::Scanners => "scanners",
            Self::Account => "account",
            Self::Rate => "rate",
            Self::Rules => "rules",
        }
    }
}

impl Default for ChecksConf {
    fn default() -> Self {
        Self {
            hold_broken_mime: false,
            order: Stage::ALL.to_vec(),
            when_back: Some((limit::WHEN_BACK_COUNT, limit::WHEN_BACK_SPAN)),
        }
    }
}

/// `[[scanner]]`
#[derive(Clone, Debug, PartialEq)]
pub struct ScannerConf {
    /// In reasons, pages and metrics.
    pub name: String,
    /// What it speaks.
    pub kind: ScannerKind,
    /// Where it is.
    pub address: ScannerAddress,
    /// For one mail, from the connection to the answer.
    pub timeout: Duration,
    /// What is larger is not sent to it; then `on_failure` counts.
    pub max_size: ByteSize,
    /// Mails at once; more wait within their `timeout`.
    pub connections: usize,
    /// What becomes of a mail that it did not judge.
    pub on_failure: OnFailure,
    /// Listeners of these roles; mail of this program and requeued mail is looked at as its listener's was.
    pub listeners: Vec<Role>,
    /// Which mail gets its fields on top; never of a milter, which writes its own.
    pub headers: HeadersFor,
}

/// What a scanner speaks.
#[derive(Clone, Debug, PartialEq)]
pub enum ScannerKind {
    /// ClamAV's daemon.
    Clamd,
    /// rspamd's HTTP.
    Rspamd(Box<RspamdConf>),
    /// Sendmail's filter protocol, version 6.
    Milter(MilterConf),
}

/// Keys of `kind = "milter"`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MilterConf {
    /// What becomes of a mail that it refuses for good.
    pub on_reject: OnReject,
}

/// What becomes of a mail that a milter refuses for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnReject {
    /// The client gets the milter's reply.
    #[default]
    Reject,
    /// Held in `quarantine`.
    Hold,
}

/// `127.0.0.1:3310`, `name:3310`, `unix:/run/clamav/clamd.ctl`, `http://127.0.0.1:11333`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerAddress {
    /// Host and port.
    Tcp(String, u16),
    /// A socket's path.
    Unix(PathBuf),
}

/// What becomes of a mail that a scanner did not judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Held in `bad`.
    Hold,
    /// 451: the client tries again.
    Defer,
    /// It goes on as if it had passed.
    Accept,
}

/// `[[exception]]`: what is not asked, and why. All that is written must fit.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanException {
    /// Names of scanners, or `attachments`.
    pub scanners: Vec<String>,
    /// For people.
    pub reason: String,
    /// Who logged in.
    pub account: Option<String>,
    /// The reverse-path; anybody can write one, so it counts only beside one of the other keys.
    pub sender: Option<AddressPattern>,
    /// The client's address.
    pub networks: Vec<Network>,
    /// The listener's address as configured.
    pub listener: Option<SocketAddr>,
}

impl ScannerConf {
    /// Whether it writes fields on top of mail that came by a listener of this role.
    pub fn writes(&self, role: Role) -> bool {
        self.listeners.contains(&role)
            && match self.headers {
                HeadersFor::Mx => role == Role::Mx,
                HeadersFor::All => true,
                HeadersFor::None => false,
            }
    }
}

impl ScannerKind {
    /// What it looks for.
    pub fn check(&self) -> Check {
        match self {
            Self::Clamd => Check::Virus,
            Self::Rspamd(_) => Check::Spam,
            Self::Milter(_) => Check::Filter,
        }
    }

    /// Whether what it refuses is held instead.
    pub fn holds_refused(&self) -> bool {
        match self {
            Self::Milter(own) => own.on_reject == OnReject::Hold,
            Self::Clamd | Self::Rspamd(_) => false,
        }
    }

    /// As it is written.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Clamd => "clamd",
            Self::Rspamd(_) => "rspamd",
            Self::Milter(_) => "milter",
        }
    }
}

impl ScannerAddress {
    /// Reads it.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = || {
            "write \"127.0.0.1:3310\", \"unix:/run/clamav/clamd.ctl\" or \"http://127.0.0.1:11333\""
                .to_owned()
        };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err("write the whole path: \"unix:/run/clamav/clamd.ctl\"".to_owned())
            };
        }
        if text.starts_with("https://") {
            return Err("scanners are asked without TLS: write \"http://HOST:PORT\" of a host that only this machine reaches".to_owned());
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or_else(shape)?;
        let port: u16 = port.parse().map_err(|_| shape())?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let known = match bare {
            Some(six) => six.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4())
                    || crate::mail::domain::Domain::parse(host).is_ok()
            }
        };
        if port == 0 || !known {
            return Err(shape());
        }
        Ok(Self::Tcp(bare.unwrap_or(host).to_owned(), port))
    }
}

impl fmt::Display for ScannerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl OnFailure {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Defer => "defer",
            Self::Accept => "accept",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_scanners_are_read_and_shown() {
        for (text, shown) in [
            ("127.0.0.1:3310", "127.0.0.1:3310"),
            ("[::1]:3310", "[::1]:3310"),
            ("clamav:3310", "clamav:3310"),
            ("http://127.0.0.1:11333/", "127.0.0.1:11333"),
            ("unix:/run/clamav/clamd.ctl", "unix:/run/clamav/clamd.ctl"),
        ] {
            let got = ScannerAddress::parse(text).map(|read| read.to_string());
            assert_eq!(got.as_deref(), Ok(shown), "case: {text}");
        }
        for text in [
            "",
            "3310",
            "127.0.0.1",
            "127.0.0.1:0",
            "unix:clamd.ctl",
            "https://127.0.0.1:1",
            "::1:3310",
        ] {
            assert!(ScannerAddress::parse(text).is_err(), "case: {text}");
        }
    }
}
