//! `local-part@domain` or `local-part@[address]` (RFC 5321 section 4.1.2).
//!
//! The local part is kept without its quotes and quoted again when it is written, so that no text of a peer can
//! become a parameter or a second address in a command of ours.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::domain::{BadDomain, Domain};

/// An address that mail can be sent to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mailbox {
    local: Box<str>,
    host: Host,
}

/// What stands behind the `@`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// `example.org`
    Domain(Domain),
    /// `[192.0.2.1]`, `[IPv6:2001:db8::1]`
    Literal(IpAddr),
}

/// Why a text is no mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMailbox {
    /// No `@`.
    #[error("the address has no domain; write local-part@domain")]
    NoDomain,
    /// Empty, or a character that needs quotes without them.
    #[error("the local part is empty or has a character that needs quotes")]
    Local,
    /// RFC 5321 section 4.5.3.1.1 asks for 64; 255 for VERP and SRS, which are longer in practice.
    #[error("the local part is too long")]
    LongLocal,
    /// `[…]` without an address in it.
    #[error("the address literal is wrong; write [192.0.2.1] or [IPv6:2001:db8::1]")]
    Literal,
    /// See there.
    #[error(transparent)]
    Domain(#[from] BadDomain),
}

/// Octets of a local part.
const LOCAL_MAX: usize = 255;

impl Mailbox {
    /// Reads an address without angle brackets, quoted local parts and literals included.
    pub fn parse(text: &str) -> Result<Self, BadMailbox> {
        let (local, rest) = if let Some(quoted) = text.strip_prefix('"') {
            unquote(quoted)?
        } else {
            let (local, rest) = text.split_once('@').ok_or(BadMailbox::NoDomain)?;
            if !is_dot_string(local) {
                return Err(BadMailbox::Local);
            }
            (local.to_owned(), rest)
        };
        if local.len() > LOCAL_MAX {
            return Err(BadMailbox::LongLocal);
        }
        Ok(Self {
            local: local.into_boxed_str(),
            host: Host::parse(rest)?,
        })
    }

    /// `postmaster@domain`.
    pub fn postmaster(domain: Domain) -> Self {
        Self {
            local: "postmaster".into(),
            host: Host::Domain(domain),
        }
    }

    /// `postwerk@domain`, whom what we write ourselves comes from.
    pub fn postwerk(domain: Domain) -> Self {
        Self {
            local: "postwerk".into(),
            host: Host::Domain(domain),
        }
    }

    /// The local part without quotes. Compare with care: its meaning is its host's own (section 2.3.11).
    pub fn local(&self) -> &str {
        &self.local
    }

    /// What stands behind the `@`.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The domain, if it is none of an address literal.
    pub fn domain(&self) -> Option<&Domain> {
        match &self.host {
            Host::Domain(domain) => Some(domain),
            Host::Literal(_) => None,
        }
    }

    /// Whether a hop without SMTPUTF8 cannot be given this address (RFC 6531 section 3.4).
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, BadMailbox> {
        let Some(inner) = text.strip_prefix('[') else {
            return Ok(Self::Domain(Domain::parse(text)?));
        };
        let inner = inner.strip_suffix(']').ok_or(BadMailbox::Literal)?;
        let address = match inner.get(..5) {
            Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner
                .get(5..)
                .and_then(|text| text.parse::<Ipv6Addr>().ok())
                .map(IpAddr::V6),
            _ => inner.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        };
        address.map(Self::Literal).ok_or(BadMailbox::Literal)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Literal(IpAddr::V4(ip)) => write!(f, "[{ip}]"),
            Self::Literal(IpAddr::V6(ip)) => write!(f, "[IPv6:{ip}]"),
        }
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            return write!(f, "{}@{}", self.local, self.host);
        }
        f.write_str("\"")?;
        for c in self.local.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{}", self.host)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mailbox {
    type Err = BadMailbox;
    fn from_str(text: &str) -> Result<Self, BadMailbox> {
        Self::parse(text)
    }
}

/// Stored as it is written.
impl<C> minicbor::Encode<C> for Mailbox {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.to_string()).map(drop)
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Mailbox {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::parse(d.str()?).map_err(minicbor::decode::Error::custom)
    }
}

/// Reads behind the opening quote: the content without its escapes, and what follows `"@`.
fn unquote(text: &str) -> Result<(String, &str), BadMailbox> {
    let mut local = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                return Ok((local, rest.strip_prefix('@').ok_or(BadMailbox::NoDomain)?));
            }
            '\\' => {
                let (_, escaped) = chars.next().ok_or(BadMailbox::Local)?;
                local.push(printable(escaped)?);
            }
            _ => local.push(printable(c)?),
        }
    }
    Err(BadMailbox::Local)
}

/// RFC 5321 section 4.1.2, qtextSMTP: printable ASCII and space, and (RFC 6531) what is not ASCII.
fn printable(c: char) -> Result<char, BadMailbox> {
    if c.is_control() {
        Err(BadMailbox::Local)
    } else {
        Ok(c)
    }
}

fn is_dot_string(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_prints_as_it_must_be_written() {
        for (text, printed) in [
            ("a.b@Example.ORG", "a.b@example.org"),
            ("\"a b\"@x.example", "\"a b\"@x.example"),
            ("\"ab\"@x.example", "ab@x.example"),
            ("\"a> SIZE=9\"@x.example", "\"a> SIZE=9\"@x.example"),
            ("\"a\\\"\\\\b\"@x.example", "\"a\\\"\\\\b\"@x.example"),
            ("u@[192.0.2.1]", "u@[192.0.2.1]"),
            ("u@[ipv6:2001:DB8::1]", "u@[IPv6:2001:db8::1]"),
            ("jörg@bücher.example", "jörg@xn--bcher-kva.example"),
        ] {
            assert_eq!(
                Mailbox::parse(text).map(|m| m.to_string()).as_deref(),
                Ok(printed),
                "case: {text}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "a",
            "@x.example",
            "a@",
            ".a@x.example",
            "a.@x.example",
            "a..b@x.example",
            "a b@x.example",
            "a@b@x.example",
            "\"a@x.example",
            "\"a\"x@x.example",
            "a@[192.0.2.256]",
            "a@[192.0.2.1",
            "a@[2001:db8::1]",
            "a@192.0.2.1",
            "a\r\n@x.example",
            "\"a\rb\"@x.example",
            "a@x.example>",
            "<a@x.example",
        ] {
            assert!(Mailbox::parse(text).is_err(), "case: {text:?}");
        }
    }
}
