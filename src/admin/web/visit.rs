//! Who asks: address, agent and language, as far as a request tells.
//!
//! X-Forwarded-For counts only when it comes from `[admin] trust_proxy`; of its addresses the last one that is no such
//! proxy is the client, because what stands before it is the client's own word.
//! Not here: who is logged in (`session`).

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use axum::http::header::{self, HeaderName};

use crate::base::lang::Lang;
use crate::base::text;
use crate::config::Config;
use crate::net::permits::Permit;

/// A request's sender; every handler finds it as an extension.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The client's, as far as it is known.
    pub address: IpAddr,
    /// The connection's other end.
    pub peer: SocketAddr,
    /// Came by way of a proxy: it says so itself, whether it is believed or not.
    pub proxied: bool,
    /// User-Agent, cleaned and bounded.
    pub agent: String,
    /// For its pages.
    pub lang: Lang,
    /// By TLS.
    pub tls: bool,
    /// What the client called us, with the port.
    pub host: Option<String>,
    /// Its connection's place, if it came by one.
    pub permit: Option<Permit>,
}

/// Characters of a User-Agent that are kept.
const AGENT_MAX: usize = 200;
/// Fields by which proxies tell for whom they ask.
const PROXY_FIELDS: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];

impl Visit {
    /// Of a request's head.
    pub fn of(conf: &Config, headers: &HeaderMap, peer: SocketAddr, tls: bool) -> Self {
        let host = text_of(headers, header::HOST);
        let text = |name| text_of(headers, name);
        let wish = text(header::ACCEPT_LANGUAGE).and_then(Lang::accepted);
        Self {
            address: client(conf, headers, peer.ip().to_canonical()),
            peer,
            proxied: PROXY_FIELDS.iter().any(|name| headers.contains_key(*name)),
            agent: text::clean(text(header::USER_AGENT).unwrap_or_default(), AGENT_MAX),
            lang: wish.unwrap_or(conf.digest.lang),
            tls,
            host: host.map(str::to_owned),
            permit: None,
        }
    }
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn client(conf: &Config, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    let trusted = |ip: IpAddr| conf.admin.trust_proxy.iter().any(|net| net.contains(ip));
    if !trusted(peer) {
        return peer;
    }
    let fields: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let mut last = peer;
    for word in fields.iter().rev().flat_map(|field| field.rsplit(',')) {
        let Some(ip) = address(word.trim()) else {
            return last;
        };
        last = ip;
        if !trusted(ip) {
            return ip;
        }
    }
    last
}

/// With a port or without.
fn address(word: &str) -> Option<IpAddr> {
    let ip = word.parse().ok();
    let with_port = || word.parse().ok().map(|at: SocketAddr| at.ip());
    ip.or_else(with_port).map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::domain::Domain;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let mut conf = Config::fallback(Domain::parse("mail.example.org").unwrap(), "data".into());
        conf.admin.trust_proxy = vec![crate::config::Network::parse("10.0.0.0/8").unwrap()];
        for (peer, field, wanted) in [
            ("192.0.2.1:1", Some("203.0.113.9"), "192.0.2.1"),
            ("10.0.0.1:1", Some("203.0.113.9"), "203.0.113.9"),
            (
                "10.0.0.1:1",
                Some("1.2.3.4, 203.0.113.9, 10.0.0.2"),
                "203.0.113.9",
            ),
            ("10.0.0.1:1", Some("203.0.113.9:4711"), "203.0.113.9"),
            ("10.0.0.1:1", Some("nonsense"), "10.0.0.1"),
            ("10.0.0.1:1", Some("203.0.113.9, nonsense"), "10.0.0.1"),
            ("10.0.0.1:1", None, "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(field) = field {
                headers.insert("x-forwarded-for", field.parse().unwrap());
            }
            let visit = Visit::of(&conf, &headers, peer.parse().unwrap(), true);
            assert_eq!(visit.address.to_string(), wanted, "case: {peer} {field:?}");
            assert_eq!(visit.proxied, field.is_some());
        }
    }
}
