//! Texts of the file as values: networks, patterns, next hops, rates.
//!
//! Each reads what people write, refuses what only looks right, and prints in the same form. Errors are a sentence and
//! a remedy, for the caret of `check`.
//! Not here: where in the file they stand (`file`).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::file::{Fault, Value};
use super::kind::{number, string};
use super::{AddressPattern, DomainPattern, Network, NextHop, Rate, RateAction};
use crate::base::size::{self, BadAmount, ByteSize};
use crate::base::text::clean;
use crate::mail::domain::Domain;
use crate::mail::mailbox::{Host, Mailbox};

impl Network {
    /// Reads `10.0.0.0/8`; an address alone is a network of one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let shape = || "write it as \"10.0.0.0/8\" or \"2001:db8::/32\"".to_owned();
        let address: IpAddr = address.trim().parse().map_err(|_| shape())?;
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) => prefix.trim().parse().map_err(|_| shape())?,
        };
        if prefix > bits {
            return Err(format!("write a prefix from 1 to {bits}"));
        }
        let network = Self { address, prefix }.base();
        if network.address == address {
            Ok(network)
        } else {
            // As a host it is one address, as a network 16 million: guessing here opens a relay.
            Err(format!(
                "write \"{network}\" for the network or \"{address}\" for the one address"
            ))
        }
    }

    /// Whether `ip` is in it; an IPv4 address in IPv6 clothes is taken for what it is.
    pub fn contains(&self, ip: IpAddr) -> bool {
        Self {
            address: ip.to_canonical(),
            prefix: self.prefix,
        }
        .base_as(self.address)
            == Some(self.address)
    }

    /// Whether nobody outside can have an address of it (RFC 1918, 4193, 6598, 3927, loopback).
    pub fn is_private(&self) -> bool {
        PRIVATE
            .iter()
            .filter_map(|text| Self::parse(text).ok())
            .any(|private| self.prefix >= private.prefix && private.contains(self.address))
    }

    fn base(self) -> Self {
        let address = self.base_as(self.address).unwrap_or(self.address);
        Self { address, ..self }
    }

    /// The first address of the network, if it is of the same family as `like`.
    fn base_as(self, like: IpAddr) -> Option<IpAddr> {
        match (self.address, like) {
            (IpAddr::V4(ip), IpAddr::V4(_)) => {
                let gone = 32u32.saturating_sub(u32::from(self.prefix));
                let mask = u32::MAX.checked_shl(gone).unwrap_or(0);
                Some(IpAddr::V4((ip.to_bits() & mask).into()))
            }
            (IpAddr::V6(ip), IpAddr::V6(_)) => {
                let gone = 128u32.saturating_sub(u32::from(self.prefix));
                let mask = u128::MAX.checked_shl(gone).unwrap_or(0);
                Some(IpAddr::V6((ip.to_bits() & mask).into()))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }
}

impl DomainPattern {
    /// Reads `example.org`, `*.example.org`, `*`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = |_| "write \"example.org\", \"*.example.org\" or \"*\"".to_owned();
        match (text, text.strip_prefix("*.")) {
            ("*", _) => Ok(Self::Any),
            (_, Some(parent)) => Domain::parse(parent).map(Self::Below).map_err(shape),
            (exact, None) => Domain::parse(exact).map(Self::Exact).map_err(shape),
        }
    }

    /// Whether mail for `domain` is meant.
    pub fn matches(&self, domain: &Domain) -> bool {
        match self {
            Self::Exact(own) => own == domain,
            Self::Below(parent) => domain != parent && domain.is_within(parent),
            Self::Any => true,
        }
    }

    /// Whether everything that `other` matches is matched by this one; `PatternIndex` finds the first that does.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Exact(own), Self::Exact(other)) => own == other,
            (Self::Below(_), Self::Exact(other)) => self.matches(other),
            (Self::Below(own), Self::Below(other)) => other.is_within(own),
            (Self::Exact(_), Self::Below(_) | Self::Any) | (Self::Below(_), Self::Any) => false,
        }
    }
}

impl AddressPattern {
    /// Reads `*@example.org`, `*@*.example.org`, `app@example.org`, `*`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = || {
            "write \"app@example.org\", \"*@example.org\", \"*@*.example.org\" or \"*\"".to_owned()
        };
        let (local, host) = match text.rsplit_once('@') {
            None if text == "*" => (None, "*"),
            None => return Err(shape()),
            Some(("*", host)) => (None, host),
            Some((local, host)) => (Some(local), host),
        };
        let host = DomainPattern::parse(host).map_err(|_| shape())?;
        let local = match local {
            None => None,
            Some(local) => {
                let whole = Mailbox::parse(&format!("{local}@postwerk.invalid"));
                let whole = whole.map_err(|_| shape())?;
                if whole.local().contains('*') {
                    return Err(shape());
                }
                Some(whole.local().into())
            }
        };
        Ok(Self { local, host })
    }

    /// Whether it is `*`, which the null reverse-path fits too.
    pub fn is_any(&self) -> bool {
        self.local.is_none() && self.host == DomainPattern::Any
    }

    /// Whether it allows `mailbox` by its domain or one above it, and not any domain.
    pub fn names(&self, mailbox: &Mailbox) -> bool {
        self.host != DomainPattern::Any && self.matches(mailbox)
    }

    /// Whether it allows `mailbox`. Local parts are compared without regard to case: no host of today has both
    /// `App` and `app`, and an operator who writes one means the other too.
    pub fn matches(&self, mailbox: &Mailbox) -> bool {
        let local = self
            .local
            .as_ref()
            .is_none_or(|own| own.eq_ignore_ascii_case(mailbox.local()));
        let host = match mailbox.domain() {
            Some(domain) => self.host.matches(domain),
            None => self.host == DomainPattern::Any,
        };
        local && host
    }
}

impl NextHop {
    /// Reads `host`, `host:port`, `192.0.2.1:25`, `[2001:db8::1]:25`.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let shape = "write \"mail.example.org:25\", \"192.0.2.1:25\" or \"[2001:db8::1]:25\"";
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Self::at(Host::Literal(address.ip()), address.port());
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Self::at(Host::Literal(ip), default_port);
        }
        if let Some(inner) = text.strip_prefix('[') {
            if let Some(Ok(ip)) = inner.strip_suffix(']').map(str::parse::<Ipv6Addr>) {
                return Self::at(Host::Literal(ip.into()), default_port);
            }
            let name = inner.split(']').next().unwrap_or(inner);
            if Domain::parse(name).is_ok() {
                let plain = text.replace(['[', ']'], "");
                return Err(format!(
                    "write \"{plain}\": a next hop is always looked up by A and AAAA, never by MX"
                ));
            }
            return Err(shape.to_owned());
        }
        let (name, port) = match text.split_once(':') {
            None => (text, default_port),
            Some((name, port)) => (name, port.parse().map_err(|_| shape.to_owned())?),
        };
        let domain = Domain::parse(name).map_err(|_| shape.to_owned())?;
        Self::at(Host::Domain(domain), port)
    }

    fn at(host: Host, port: u16) -> Result<Self, String> {
        if port == 0 {
            return Err("write a port from 1 to 65535".to_owned());
        }
        Ok(Self { host, port })
    }
}

impl Rate {
    /// Reads `100/h`, `5/30s`.
    pub fn parse(text: &str, action: RateAction) -> Result<Self, String> {
        let shape = || "write it as \"100/h\" or \"10/30s\"".to_owned();
        let (count, span) = text.split_once('/').ok_or_else(shape)?;
        let count: u32 = count.trim().parse().map_err(|_| shape())?;
        let span = span.trim();
        let span = if span.starts_with(|c: char| c.is_ascii_digit()) {
            size::parse_span(span)
        } else {
            size::parse_span(&format!("1{span}"))
        };
        let span = span.map_err(|_| shape())?;
        if count == 0 || span.is_zero() {
            return Err("write a number above 0, or `hold = true` to hold everything".to_owned());
        }
        Ok(Self {
            count,
            span,
            action,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(domain) => domain.fmt(f),
            Self::Below(domain) => write!(f, "*.{domain}"),
            Self::Any => f.write_str("*"),
        }
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.local, &self.host) {
            (None, DomainPattern::Any) => f.write_str("*"),
            (None, host) => write!(f, "*@{host}"),
            (Some(local), host) => write!(f, "{local}@{host}"),
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Domain(domain) => write!(f, "{domain}:{}", self.port),
            Host::Literal(ip) => SocketAddr::new(*ip, self.port).fmt(f),
        }
    }
}

/// Reads a text by one of the parsers above, which give a remedy on failure.
pub(super) fn parsed<'v, T>(
    what: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> impl Fn(&'v Value<'_>) -> Result<T, Fault> {
    move |value| {
        let text = string(value)?;
        parse(text).map_err(|remedy| {
            Fault::new(
                format!("\"{}\" is no {what}", clean(text, SHOWN_MAX)),
                remedy,
            )
        })
    }
}

/// `5d`
pub(super) fn span(value: &Value<'_>) -> Result<Duration, Fault> {
    let text = string(value).map_err(|fault| match number(value) {
        Some(n) => fault.instead(format!(
            "write it with its unit: \"{n}s\", \"{n}m\", \"{n}h\" or \"{n}d\""
        )),
        None => fault.instead("write a span such as \"4h\""),
    })?;
    size::parse_span(text).map_err(amount)
}

/// `50 MiB`
pub(super) fn bytes(value: &Value<'_>) -> Result<ByteSize, Fault> {
    let text = string(value).map_err(|fault| {
        // A short form that means the same, if there is one.
        let size = number(value).map(|n| {
            let short = ByteSize(n).to_string();
            if ByteSize::parse(&short) == Ok(ByteSize(n)) {
                short
            } else {
                format!("{n} B")
            }
        });
        fault.instead(format!("write \"{}\"", size.unwrap_or("50 MiB".to_owned())))
    })?;
    ByteSize::parse(text).map_err(amount)
}

/// `mail.example.org`
pub(super) fn domain(value: &Value<'_>) -> Result<Domain, Fault> {
    let example = "write it as \"mail.example.org\"";
    let text = string(value).map_err(|fault| fault.instead(example))?;
    Domain::parse(text).map_err(|why| {
        Fault::new(
            format!("\"{}\" is no domain: {why}", clean(text, SHOWN_MAX)),
            example,
        )
    })
}

/// `mail.example.org`, as a name that we go by.
pub(super) fn host_name(value: &Value<'_>) -> Result<Domain, Fault> {
    let name = domain(value)?;
    Domain::host(name.as_str()).map_err(|why| {
        Fault::new(
            format!("\"{name}\" is no name for a server: {why}"),
            "write it as \"mail.example.org\"",
        )
    })
}

/// `chef@example.org`
pub(super) fn mailbox(value: &Value<'_>) -> Result<Mailbox, Fault> {
    let example = "write it as \"name@example.org\"";
    let text = string(value).map_err(|fault| fault.instead(example))?;
    Mailbox::parse(text).map_err(|why| {
        let why = why.to_string();
        let why = why.split("; ").next().unwrap_or_default();
        let shown = clean(text, SHOWN_MAX);
        Fault::new(format!("\"{shown}\" is no address: {why}"), example)
    })
}

/// A text that is not empty and has no control characters.
pub(super) fn name(value: &Value<'_>) -> Result<String, Fault> {
    let text = string(value)?;
    if text.trim().is_empty() || text.len() > NAME_MAX || text.contains(char::is_control) {
        return Err(Fault::new(
            format!("\"{}\" is no name", clean(text, SHOWN_MAX)),
            format!("write 1 to {NAME_MAX} octets without control characters"),
        ));
    }
    Ok(text.to_owned())
}

/// An address and port to listen on or to ask.
pub(super) fn socket(value: &Value<'_>) -> Result<SocketAddr, Fault> {
    let text = string(value).map_err(|fault| {
        let port = number(value).unwrap_or(2525);
        fault.instead(format!(
            "write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" for every address"
        ))
    })?;
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().unwrap_or_default();
        let port: u16 = port.parse().unwrap_or(2525);
        let remedy = if text.starts_with("localhost") {
            format!("write \"127.0.0.1:{port}\"")
        } else if text.starts_with('*') || text.starts_with(':') {
            format!("write \"0.0.0.0:{port}\" or \"[::]:{port}\"")
        } else if text.parse::<IpAddr>().is_ok() {
            "write the port too, as \"127.0.0.1:2525\" or \"[::1]:2525\"".to_owned()
        } else {
            "write an address and a port, as \"127.0.0.1:2525\" or \"[::1]:2525\"".to_owned()
        };
        Fault::new(
            format!("\"{}\" is no address with a port", clean(text, SHOWN_MAX)),
            remedy,
        )
    })
}

fn amount(bad: BadAmount) -> Fault {
    let text = bad.to_string();
    match text.split_once("; ") {
        Some((what, remedy)) => Fault::new(what, remedy),
        None => Fault::new(text, ""),
    }
}

/// Characters of a wrong value that are repeated.
pub(super) const SHOWN_MAX: usize = 80;
/// Octets of a name: it becomes part of keys in the store.
const NAME_MAX: usize = crate::base::limit::ACCOUNT_NAME_MAX;
/// What no router of the public net passes on, and ourselves.
const PRIVATE: [&str; 9] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, ip, holds) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("::/0", "10.0.0.1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
        ] {
            let network = Network::parse(network).unwrap();
            assert_eq!(
                network.contains(ip.parse().unwrap()),
                holds,
                "{network} {ip}"
            );
        }
    }

    #[test]
    fn a_network_with_bits_behind_its_prefix_is_a_mistake() {
        assert_eq!(
            Network::parse("10.1.2.3/8"),
            Err("write \"10.0.0.0/8\" for the network or \"10.1.2.3\" for the one address".into())
        );
        for text in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/x", "localhost"] {
            assert!(Network::parse(text).is_err(), "case: {text}");
        }
    }

    #[test]
    fn private_is_only_what_lies_wholly_inside() {
        for (text, private) in [
            ("127.0.0.0/8", true),
            ("192.168.7.0/24", true),
            ("192.0.0.0/8", false),
            ("8.8.8.8", false),
            ("fd00::/8", true),
            ("2001:db8::/32", false),
        ] {
            assert_eq!(
                Network::parse(text).unwrap().is_private(),
                private,
                "{text}"
            );
        }
    }

    #[test]
    fn a_pattern_of_addresses_allows_what_it_says() {
        for (pattern, address, allowed) in [
            ("*", "a@b.example", true),
            ("*", "a@[192.0.2.1]", true),
            ("*@example.org", "a@Example.org", true),
            ("*@example.org", "a@sub.example.org", false),
            ("*@*.example.org", "a@sub.example.org", true),
            ("*@*.example.org", "a@example.org", false),
            ("App@example.org", "app@example.org", true),
            ("app@example.org", "app2@example.org", false),
            ("app@example.org", "app@evil-example.org", false),
        ] {
            let pattern = AddressPattern::parse(pattern).unwrap();
            let address = Mailbox::parse(address).unwrap();
            assert_eq!(pattern.matches(&address), allowed, "{pattern} {address}");
            assert_eq!(AddressPattern::parse(&pattern.to_string()), Ok(pattern));
        }
        for text in ["", "example.org", "app*@example.org", "@example.org", "a@"] {
            assert!(AddressPattern::parse(text).is_err(), "case: {text}");
        }
    }

    #[test]
    fn next_hops_are_read_as_people_write_them() {
        for (text, printed) in [
            ("127.0.0.1:2526", "127.0.0.1:2526"),
            ("mail.example.org", "mail.example.org:25"),
            ("mail.example.org:587", "mail.example.org:587"),
            ("[::1]:26", "[::1]:26"),
            ("2001:db8::1", "[2001:db8::1]:25"),
        ] {
            let hop = NextHop::parse(text, 25).map(|hop| hop.to_string());
            assert_eq!(hop.as_deref(), Ok(printed));
        }
        for text in [
            "",
            "a b",
            "mail.example.org:0",
            "mail:x",
            "[mail.example.org]:25",
        ] {
            assert!(NextHop::parse(text, 25).is_err(), "case: {text}");
        }
    }

    #[test]
    fn rates_are_a_number_in_a_span() {
        let rate = |text| Rate::parse(text, RateAction::Defer).map(|r| (r.count, r.span.as_secs()));
        assert_eq!(rate("100/h"), Ok((100, 3_600)));
        assert_eq!(rate("5/30s"), Ok((5, 30)));
        assert!(rate("0/h").is_err() && rate("100").is_err() && rate("x/h").is_err());
    }
}
