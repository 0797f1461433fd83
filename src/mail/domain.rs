//! A mail domain in the one form that is compared, stored and sent: lower-case A-labels.
//!
//! `Bücher.example` and `xn--bcher-kva.example` are one domain (RFC 5890), and so is one with a dot at its end.
//! Not here: address literals (`mailbox::Host`).

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// `example.org`; compared without regard to case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Box<str>);

/// Why a text is no domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDomain {
    /// Nothing there.
    #[error("the domain is empty")]
    Empty,
    /// Longer than 253 octets or a label longer than 63 (RFC 1035 section 2.3.4).
    #[error("the domain is too long")]
    TooLong,
    /// RFC 5321 section 4.1.2: letters, digits and hyphens, no hyphen at an edge; and underscores, see `parse`.
    #[error("the domain has a character that domains cannot have")]
    Character,
    /// Only of a name that must be a host's.
    #[error("the name of a host cannot have an underscore")]
    Underscore,
}

impl Domain {
    /// Reads A-labels or U-labels. An underscore is taken although RFC 5321 has none: DNS carries it (RFC 2181 section
    /// 11), and there are mail domains and MX hosts with one. `host` is for names that must do without.
    pub fn parse(text: &str) -> Result<Self, BadDomain> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(BadDomain::Empty);
        }
        if text.len() > 1_000 {
            return Err(BadDomain::TooLong);
        }
        let ascii = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else if text.contains(['\u{3002}', '\u{FF0E}', '\u{FF61}']) {
            // Full stops that only look like dots hide a second domain; no client writes them.
            return Err(BadDomain::Character);
        } else {
            // Which ASCII characters may stand there is asked below, of both kinds of text alike.
            let (deny, hyphens) = (AsciiDenyList::EMPTY, Hyphens::Check);
            let ascii = Uts46::new().to_ascii(text.as_bytes(), deny, hyphens, DnsLength::Verify);
            ascii.map_err(|_| BadDomain::Character)?.into_owned()
        };
        if ascii.len() > 253 {
            return Err(BadDomain::TooLong);
        }
        for label in ascii.split('.') {
            if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
                return Err(BadDomain::Character);
            }
            if label.len() > 63 {
                return Err(BadDomain::TooLong);
            }
            if !label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            {
                return Err(BadDomain::Character);
            }
        }
        // RFC 5321 section 4.1.3: an address without brackets is no domain.
        if ascii
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(BadDomain::Character);
        }
        Ok(Self(ascii.into_boxed_str()))
    }

    /// Reads a name that we go by, which others look up, verify and certify: without underscores (RFC 1123 section 2.1).
    pub fn host(text: &str) -> Result<Self, BadDomain> {
        let domain = Self::parse(text)?;
        if domain.0.contains('_') {
            return Err(BadDomain::Underscore);
        }
        Ok(domain)
    }

    /// Lower-case A-labels, without a dot at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For people: U-labels.
    pub fn to_unicode(&self) -> String {
        idna::domain_to_unicode(&self.0).0
    }

    /// The domains above it, the nearest first: of `a.b.example` these are `b.example` and `example`.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.as_str();
        std::iter::from_fn(move || {
            rest = rest.split_once('.')?.1;
            Some(rest)
        })
    }

    /// Whether this is `parent` or below it.
    pub fn is_within(&self, parent: &Self) -> bool {
        self.0
            .strip_suffix(&*parent.0)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

/// It is compared and hashed as its text, so that a map can be asked by a part of another domain.
impl Borrow<str> for Domain {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = BadDomain;
    fn from_str(text: &str) -> Result<Self, BadDomain> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_domain_are_equal() {
        for text in ["xn--bcher-kva.example", "BÜCHER.example", "bücher.example."] {
            assert_eq!(
                Domain::parse(text).unwrap().as_str(),
                "xn--bcher-kva.example",
                "case: {text}"
            );
        }
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for text in [
            "",
            ".",
            "a..b",
            "-a.example",
            "a-.example",
            "192.0.2.1",
            "a b",
            "a\0b",
            "a.例\u{3002}b",
        ] {
            assert!(Domain::parse(text).is_err(), "case: {text:?}");
        }
        assert_eq!(Domain::parse(&"a".repeat(64)), Err(BadDomain::TooLong));
    }

    #[test]
    fn names_with_underscores_are_domains_but_no_names_of_ours() {
        for (text, read) in [
            ("mx_1.example", "mx_1.example"),
            ("_DMARC.example", "_dmarc.example"),
            ("a_.b_b.example.", "a_.b_b.example"),
            ("mx_1.Bücher.example", "mx_1.xn--bcher-kva.example"),
        ] {
            assert_eq!(Domain::parse(text).unwrap().as_str(), read, "case: {text}");
            assert_eq!(
                Domain::host(text),
                Err(BadDomain::Underscore),
                "case: {text}"
            );
        }
        assert!(Domain::host("mx-1.example").is_ok());
        for text in [
            "mx\\_1.example",
            "mx_1 .example",
            "mx_1..example",
            "ü@b.example",
            "ü\u{ff20}b.example",
        ] {
            assert!(Domain::parse(text).is_err(), "case: {text:?}");
        }
    }

    #[test]
    fn the_domains_above_one_are_the_rests_behind_its_dots() {
        let domain = Domain::parse("a.b.example").unwrap();
        let above: Vec<&str> = domain.parents().collect();
        assert_eq!(above, ["b.example", "example"]);
        assert_eq!(Domain::parse("example").unwrap().parents().count(), 0);
    }

    #[test]
    fn a_subdomain_ends_at_a_dot() {
        let parent = Domain::parse("example.org").unwrap();
        assert!(Domain::parse("a.example.org").unwrap().is_within(&parent));
        assert!(
            !Domain::parse("evil-example.org")
                .unwrap()
                .is_within(&parent)
        );
    }
}
