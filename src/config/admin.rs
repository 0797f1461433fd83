//! Reads `[admin]`: where pages and links are served, and what they are called from outside.
//!
//! An empty text is the same as no key, so that an example can show every key.
//! Not here: whether ports are free among listeners and whether digests can carry links (`cross_held`).

use std::net::IpAddr;
use std::path::Path;

use super::file::{Fault, Section, Span, Value};
use super::kind::{list, placed, string, whole};
use super::secret::{self, Purpose};
use super::value::{parsed, socket};
use super::{AdminConf, Network, PublicUrl};
use crate::base::limit;
use crate::mail::domain::Domain;
use crate::mail::mailbox::Host;

/// `[admin]`
pub(super) fn admin(at: &Section<'_, '_>, folder: &Path) -> AdminConf {
    let networks = list(placed(parsed("network", Network::parse)));
    let bind = or_none(at, "bind", socket);
    let http_bind = or_none(at, "http_bind", socket);
    let public_url = or_none(at, "public_url", parsed("public URL", PublicUrl::parse));
    let metrics_token = at
        .has("metrics_token")
        .then(|| secret::read(at, "metrics_token", folder, Purpose::Shown))
        .flatten();
    let trust: Vec<(Network, Span)> = at.get("trust_proxy", networks).unwrap_or_default();
    let connections = at.get("connections", whole(limit::WEB_CONNECTIONS_MIN..=100_000));
    at.finish();
    if let Some(token) = &metrics_token
        && token.reveal().len() < limit::METRICS_TOKEN_MIN
    {
        let fault = Fault::new(
            format!("a token of {} octets can be guessed", token.reveal().len()),
            "write what `openssl rand -hex 16` prints",
        );
        at.warn("metrics_token", fault);
    }
    for (network, place) in trust.iter().filter(|(network, _)| network.prefix == 0) {
        let fault = Fault::new(
            format!("{network} is the whole world: anybody could say where a visitor comes from"),
            "write the addresses of your proxy, such as [\"127.0.0.1\"]",
        );
        at.fault("trust_proxy", fault.within(place.clone()));
    }
    AdminConf {
        bind,
        http_bind,
        public_url,
        metrics_token,
        trust_proxy: trust.into_iter().map(|(network, _)| network).collect(),
        connections,
    }
}

/// The value, unless it is an empty text.
fn or_none<'n, T>(
    at: &Section<'n, '_>,
    key: &'static str,
    read: impl FnOnce(&'n Value<'_>) -> Result<T, Fault>,
) -> Option<T> {
    if is_blank(at, key) {
        None
    } else {
        at.get(key, read)
    }
}

/// Whether an empty text stands there.
pub(super) fn is_blank(at: &Section<'_, '_>, key: &'static str) -> bool {
    let blank = |value| Ok::<_, Fault>(string(value).is_ok_and(str::is_empty));
    at.get(key, blank).unwrap_or(false)
}

impl PublicUrl {
    /// Reads `https://mail.example.com:444/`; what is not scheme, host and port is refused, because links are built
    /// by putting their path behind it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = || "write it as \"https://mail.example.org:8443/\"".to_owned();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None if text.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
                return Err(Self::parse(&format!("https://{text}"))
                    .map_or_else(|remedy| remedy, |url| format!("write \"{url}/\"")));
            }
            None => return Err(shape()),
        };
        let https = match scheme.as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(shape()),
        };
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at_checked(end).ok_or_else(shape)?;
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, authority),
        };
        let (host, port) = host_and_port(authority).ok_or_else(shape)?;
        let port = match port {
            None => {
                if https {
                    443
                } else {
                    80
                }
            }
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                "write a port from 1 to 65535, as \"https://mail.example.org:8443/\"".to_owned()
            })?,
        };
        let url = Self { https, host, port };
        if user.is_some() || !matches!(tail, "" | "/") {
            return Err(format!(
                "write \"{url}/\": only scheme, host and port; links begin at its root, and nobody logs in by a URL"
            ));
        }
        Ok(url)
    }
}

/// `[2001:db8::1]:443`, `192.0.2.1:443`, `mail.example.org:443`; each also without the port.
fn host_and_port(text: &str) -> Option<(Host, Option<&str>)> {
    if let Some(inner) = text.strip_prefix('[') {
        let (ip, tail) = inner.split_once(']')?;
        let port = match tail.strip_prefix(':') {
            None if !tail.is_empty() => return None,
            port => port,
        };
        return Some((Host::Literal(IpAddr::V6(ip.parse().ok()?)), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let host = match host.parse() {
        Ok(ip) => Host::Literal(IpAddr::V4(ip)),
        Err(_) => Host::Domain(Domain::host(host).ok()?),
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_keeps_its_port_and_prints_as_it_was_meant() {
        for (text, printed) in [
            (
                "https://mail.example.com:444/",
                "https://mail.example.com:444",
            ),
            (
                "https://mail.example.com:444",
                "https://mail.example.com:444",
            ),
            ("HTTPS://Mail.Example.com/", "https://mail.example.com"),
            ("https://mail.example.com:443", "https://mail.example.com"),
            ("https://mail.example.com:80", "https://mail.example.com:80"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://localhost:80/", "http://localhost"),
            ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]"),
            ("https://bücher.example/", "https://xn--bcher-kva.example"),
        ] {
            let url = PublicUrl::parse(text).map(|url| url.to_string());
            assert_eq!(url.as_deref(), Ok(printed), "case: {text}");
        }
    }

    #[test]
    fn what_is_more_or_less_than_a_root_is_refused_with_what_to_write() {
        for (text, remedy) in [
            ("mail.example.org", "write \"https://mail.example.org/\""),
            (
                "mail.example.org:444",
                "write \"https://mail.example.org:444/\"",
            ),
            (
                "https://mail.example.org:444/postwerk",
                "write \"https://mail.example.org:444/\": ",
            ),
            (
                "https://mail.example.org/?a=1",
                "write \"https://mail.example.org/\": ",
            ),
            (
                "https://mail.example.org#x",
                "write \"https://mail.example.org/\": ",
            ),
            (
                "https://me:pw@mail.example.org/",
                "write \"https://mail.example.org/\": ",
            ),
            ("https://mail.example.org:0/", "write a port"),
            ("https://mail.example.org:99999/", "write a port"),
            ("https://mail.example.org:/", "write a port"),
            ("ftp://mail.example.org/", "write it as"),
            ("https://", "write it as"),
            ("https:///", "write it as"),
            ("https://a b/", "write it as"),
            ("https://a_b.example/", "write it as"),
            ("https://[::1/", "write it as"),
            ("https://[::1]x/", "write it as"),
            ("https://1.2.3.4.5/", "write it as"),
            ("//mail.example.org/", "write it as"),
            (
                "https://mail.example.org\\@evil.example/",
                "write \"https://mail.example.org/\": ",
            ),
        ] {
            let told = PublicUrl::parse(text).unwrap_err();
            assert!(told.starts_with(remedy), "case: {text}: {told}");
        }
    }

    #[test]
    fn plain_http_is_safe_on_this_machine_only() {
        for (text, safe) in [
            ("https://mail.example.org/", true),
            ("http://mail.example.org/", false),
            ("http://127.0.0.1:8080/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost:8080/", true),
            ("http://localhost.example.org/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(
                PublicUrl::parse(text).unwrap().is_safe(),
                safe,
                "case: {text}"
            );
        }
    }
}
