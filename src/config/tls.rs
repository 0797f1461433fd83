//! `[tls]`, `[[certificate]]` and `[acme]` as the rest of the program sees them.
//!
//! In `certificates` everything has its default already: `mode = "acme"` without a `[[certificate]]` is one for the
//! hostname, and the pair of `[tls]` stands first. Only self-signed alone leaves it empty.
//! Not here: how they are read and checked (`cert`, `cross_tls`), and what is in force (`certs`).

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::secret::Secret;
use crate::mail::domain::Domain;
use crate::mail::mailbox::Mailbox;

/// `[tls]`, with its certificates and `[acme]`.
#[derive(Clone, Debug)]
pub struct TlsConf {
    /// Where certificates come from.
    pub mode: TlsMode,
    /// Where those lie that we make or order.
    pub dir: PathBuf,
    /// Each that is read or ordered.
    pub certificates: Vec<CertConf>,
    /// There when `mode` is `acme`.
    pub acme: Option<AcmeConf>,
}

/// Where certificates come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Made at first use, kept in `dir`.
    SelfSigned,
    /// PEM files.
    Files,
    /// Ordered from an ACME directory (RFC 8555).
    Acme,
}

/// `[[certificate]]`, or the pair of `[tls]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertConf {
    /// Whom it is for; empty: whom the file says.
    pub names: Vec<CertName>,
    /// None: ordered by ACME.
    pub files: Option<CertFiles>,
}

/// A chain and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertFiles {
    /// Chain.
    pub cert: PathBuf,
    /// Key.
    pub key: PathBuf,
}

/// A name of a certificate: `mail.example.org` or `*.example.org`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertName {
    /// `*.` in front.
    pub wildcard: bool,
    /// The rest.
    pub domain: Domain,
}

/// `[acme]`
#[derive(Clone, Debug)]
pub struct AcmeConf {
    /// The directory's URL.
    pub directory: String,
    /// Whom the directory may write to.
    pub contact: Mailbox,
    /// How it is proved that a name is ours.
    pub challenge: Challenge,
    /// The program of `dns-01`.
    pub hook: Option<PathBuf>,
    /// What it finds in its environment besides the few things that every program needs.
    pub hook_env: Vec<(String, Secret)>,
    /// How long one call of it may take.
    pub hook_timeout: Duration,
    /// PEM with roots that the directory's own certificate may chain to, beside the system's.
    pub root: Option<PathBuf>,
    /// Of the directory.
    pub profile: Option<String>,
    /// External account binding.
    pub binding: Option<Binding>,
    /// Whether each order gets a key of its own.
    pub new_key: bool,
}

/// External account binding (RFC 8555 section 7.3.4).
#[derive(Clone, Debug)]
pub struct Binding {
    /// The key's name at the directory.
    pub kid: String,
    /// The key, base64url.
    pub hmac: Secret,
}

/// How it is proved that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A file on port 80 (RFC 8555 section 8.3).
    Http01,
    /// A certificate on port 443 (RFC 8737).
    TlsAlpn01,
    /// A TXT record (RFC 8555 section 8.4).
    Dns01,
}

impl TlsConf {
    /// Self-signed, in `dir`.
    pub fn self_signed(dir: PathBuf) -> Self {
        Self {
            mode: TlsMode::SelfSigned,
            dir,
            certificates: Vec::new(),
            acme: None,
        }
    }

    /// Those that are ordered.
    pub fn ordered(&self) -> impl Iterator<Item = &CertConf> {
        let acme = self.mode == TlsMode::Acme;
        let all = self.certificates.iter();
        all.filter(move |cert| acme && cert.files.is_none())
    }
}

impl CertName {
    /// Reads `mail.example.org`, `*.example.org`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (wildcard, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let bare = rest.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return Err("write a name: certificates are for names here, not for addresses".into());
        }
        let shape = |_| "write it as \"mail.example.org\" or \"*.example.org\"".to_owned();
        let domain = Domain::host(rest).map_err(shape)?;
        Ok(Self { wildcard, domain })
    }

    /// The name itself.
    pub fn exact(domain: Domain) -> Self {
        Self {
            wildcard: false,
            domain,
        }
    }

    /// Whether a client that asks for `host` is served by it: `*` is one label (RFC 6125 section 6.4.3).
    pub fn covers(&self, host: &str) -> bool {
        if !self.wildcard {
            return host == self.domain.as_str();
        }
        host.split_once('.')
            .is_some_and(|(label, parent)| !label.is_empty() && parent == self.domain.as_str())
    }
}

impl fmt::Display for CertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wildcard {
            f.write_str("*.")?;
        }
        f.write_str(self.domain.as_str())
    }
}

impl Challenge {
    /// As the directory and the configuration call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_one_label() {
        for (name, host, covered) in [
            ("mail.example.org", "mail.example.org", true),
            ("mail.example.org", "a.mail.example.org", false),
            ("*.example.org", "mail.example.org", true),
            ("*.example.org", "a.b.example.org", false),
            ("*.example.org", "example.org", false),
            ("*.example.org", ".example.org", false),
        ] {
            let name = CertName::parse(name).unwrap();
            assert_eq!(name.covers(host), covered, "case: {name} {host}");
        }
        for text in [
            "",
            "*",
            "*.",
            "a.*.example.org",
            "192.0.2.1",
            "[::1]",
            "::1",
            "a b",
        ] {
            assert!(CertName::parse(text).is_err(), "case: {text}");
        }
    }
}
