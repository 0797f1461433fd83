//! `local-part@domain` or `local-part@[address]` (RFC 5321 section 4.1.2).
//!
//! The local part is kept without its quotes and quoted again when it is written, so that no text of a peer can
//! become a parameter or a second address in a command of ours. A domain that was written in Unicode is compared,
//! routed and shown as its A-labels (`domain`); how it was written is kept for hops that offer SMTPUTF8.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::domain::{BadDomain, Domain};
use crate::base::text::is_hidden;

/// An address that mail can be sent to; equal to another whatever form its domain was written in.
#[derive(Clone)]
pub struct Mailbox {
    local: Box<str>,
    host: Host,
    /// The domain in U-labels, if it was written in Unicode.
    unicode: Option<Box<str>>,
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
        let host = Host::parse(rest)?;
        Ok(Self {
            unicode: u_labels(rest, &host),
            local: local.into_boxed_str(),
            host,
        })
    }

    /// `postmaster@domain`.
    pub fn postmaster(domain: Domain) -> Self {
        Self {
            local: "postmaster".into(),
            host: Host::Domain(domain),
            unicode: None,
        }
    }

    /// `postwerk@domain`, whom what we write ourselves comes from.
    pub fn postwerk(domain: Domain) -> Self {
        Self {
            local: "postwerk".into(),
            host: Host::Domain(domain),
            unicode: None,
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

    /// Whether a hop without SMTPUTF8 cannot be given this address (RFC 6531 section 3.4). Its domain has A-labels.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    /// Whether its domain was written in Unicode.
    pub fn has_unicode_domain(&self) -> bool {
        self.unicode.is_some()
    }

    /// With the domain in U-labels if it was written so; everything else as `Display` has it.
    pub fn as_written(&self) -> String {
        match &self.unicode {
            Some(unicode) => format!("{}@{unicode}", Local(&self.local)),
            None => self.to_string(),
        }
    }

    /// With the domain in A-labels, which any hop takes, and any hop behind it.
    pub fn in_a_labels(&self) -> Self {
        Self {
            unicode: None,
            ..self.clone()
        }
    }

    fn identity(&self) -> (&str, &Host) {
        (&self.local, &self.host)
    }
}

impl PartialEq for Mailbox {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Mailbox {}

impl PartialOrd for Mailbox {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Mailbox {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Hash for Mailbox {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// A local part as it must be written.
struct Local<'a>(&'a str);

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

impl fmt::Display for Local<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(self.0) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

/// With A-labels: for logs, keys and every hop.
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", Local(&self.local), self.host)
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
        e.str(&self.as_written()).map(drop)
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Mailbox {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::parse(d.str()?).map_err(minicbor::decode::Error::custom)
    }
}

/// The U-labels of a domain that was written in Unicode: normalized, so that they are valid wherever they go (RFC 5890
/// section 2.3.2.1). None where they would not be read as the same domain again, or would deceive.
fn u_labels(text: &str, host: &Host) -> Option<Box<str>> {
    let Host::Domain(domain) = host else {
        return None;
    };
    let unicode = (!text.is_ascii()).then(|| domain.to_unicode())?;
    let same = || Domain::parse(&unicode).as_ref() == Ok(domain);
    let good = !unicode.is_ascii() && !unicode.chars().any(is_hidden) && same();
    good.then(|| unicode.into_boxed_str())
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
    fn a_domain_keeps_the_form_in_which_it_was_written() {
        for (text, written) in [
            ("jörg@bücher.example", "jörg@bücher.example"),
            ("a@BÜCHER.example.", "a@bücher.example"),
            ("a@straße.example", "a@straße.example"),
            ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
            ("\"a b\"@bücher.example", "\"a b\"@bücher.example"),
            // Letters that only look wide are ASCII.
            ("a@ｅxample.org", "a@example.org"),
            ("a@Example.ORG", "a@example.org"),
            ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ] {
            let mailbox = Mailbox::parse(text).unwrap();
            assert_eq!(mailbox.as_written(), written, "case: {text}");
            let stored = minicbor::to_vec(&mailbox).unwrap();
            let read: Mailbox = minicbor::decode(&stored).unwrap();
            assert_eq!(read.as_written(), written, "stored: {text}");
            assert!(
                read.in_a_labels()
                    .as_written()
                    .ends_with(&read.host().to_string())
            );
        }
    }

    #[test]
    fn both_forms_of_a_domain_are_one_address() {
        let unicode = Mailbox::parse("a@bücher.example").unwrap();
        let ascii = Mailbox::parse("a@xn--bcher-kva.example").unwrap();
        assert_eq!(unicode, ascii);
        assert_eq!(unicode.cmp(&ascii), Ordering::Equal);
        assert_eq!(unicode.to_string(), ascii.to_string());
        let both = std::collections::HashSet::from([unicode.clone(), ascii.clone()]);
        assert_eq!(both.len(), 1);
        assert!(unicode.has_unicode_domain() && !ascii.has_unicode_domain());
        assert!(!unicode.needs_smtputf8(), "A-labels go anywhere");
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
