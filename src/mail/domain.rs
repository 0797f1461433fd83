//! A mail domain in the one form that is compared, stored and sent: lower-case A-labels.
//!
//! `Bücher.example` and `xn--bcher-kva.example` are one domain (RFC 5890), and so is one with a dot at its end.
//! Not here: address literals (`mailbox::Host`).

use std::fmt;
use std::str::FromStr;

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
    /// RFC 5321 section 4.1.2: letters, digits and hyphens, no hyphen at an edge.
    #[error("the domain has a character that domains cannot have")]
    Character,
}

impl Domain {
    /// Reads A-labels or U-labels. An underscore inside is refused: no mail domain has one.
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
            idna::domain_to_ascii_strict(text).map_err(|_| BadDomain::Character)?
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
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
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

    /// Lower-case A-labels, without a dot at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For people: U-labels.
    pub fn to_unicode(&self) -> String {
        idna::domain_to_unicode(&self.0).0
    }

    /// Whether this is `parent` or below it.
    pub fn is_within(&self, parent: &Self) -> bool {
        self.0
            .strip_suffix(&*parent.0)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
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
            "a_b.example",
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
