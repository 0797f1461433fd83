//! Reverse-path and forward-path: two types, because one may be null and the other may be `Postmaster`.
//!
//! Both are parsed at the door; inside there are only valid ones.
//! Not here: the mailbox they hold (`mailbox`).

use std::fmt;

use super::mailbox::{BadMailbox, Mailbox};

/// Where DSNs go (RFC 5321 section 4.1.1.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReversePath {
    /// `<>` is a path of its own: it forbids DSNs (RFC 5321 section 4.5.5).
    Null,
    /// `<a@b.example>`
    Mailbox(Mailbox),
}

/// Where a recipient is routed (RFC 5321 section 4.1.1.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain, which every server must take.
    Postmaster,
    /// `<a@b.example>`
    Mailbox(Mailbox),
}

impl ReversePath {
    /// Reads what stands between the angle brackets.
    pub fn parse(text: &str) -> Result<Self, BadMailbox> {
        if text.is_empty() {
            Ok(Self::Null)
        } else {
            Mailbox::parse(strip_route(text)).map(Self::Mailbox)
        }
    }

    /// Whether it forbids DSNs.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The address, unless null.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

impl ForwardPath {
    /// Reads what stands between the angle brackets.
    pub fn parse(text: &str) -> Result<Self, BadMailbox> {
        if text.eq_ignore_ascii_case("postmaster") {
            Ok(Self::Postmaster)
        } else {
            Mailbox::parse(strip_route(text)).map(Self::Mailbox)
        }
    }
}

/// Without the angle brackets; the null path is the empty text.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("postmaster"),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

/// Stored as it is written.
impl<C> minicbor::Encode<C> for ReversePath {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Self::Null => e.str("").map(drop),
            Self::Mailbox(mailbox) => mailbox.encode(e, c),
        }
    }
}

impl<'b, C> minicbor::Decode<'b, C> for ReversePath {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::parse(d.str()?).map_err(minicbor::decode::Error::custom)
    }
}

/// Source routes are accepted and ignored (RFC 5321 section 4.1.1.3): `@a.example,@b.example:u@c.example`.
fn strip_route(text: &str) -> &str {
    match text.split_once(':') {
        Some((route, rest))
            if route.split(',').all(|hop| {
                hop.strip_prefix('@')
                    .is_some_and(|d| super::domain::Domain::parse(d).is_ok())
            }) =>
        {
            rest
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_route_is_ignored() {
        let path = ForwardPath::parse("@a.example,@b.example:u@c.example").unwrap();
        assert_eq!(path.to_string(), "u@c.example");
        assert!(ForwardPath::parse("@a.example:").is_err());
    }

    #[test]
    fn null_and_postmaster_are_paths_of_their_own() {
        assert!(ReversePath::parse("").unwrap().is_null());
        assert_eq!(
            ForwardPath::parse("POSTMASTER"),
            Ok(ForwardPath::Postmaster)
        );
        assert!(ForwardPath::parse("").is_err());
    }
}
