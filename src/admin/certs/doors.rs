//! Which of our doors a directory could come to, and whether it would: ACME connects to port 80 or 443 of a name and to
//! no other (RFC 8555 section 8.3, RFC 8737 section 3), or asks DNS.
//!
//! A router may forward a port, so a door on another one is no error of its own. Not here: trying it (`reach`).

use std::net::SocketAddr;

use super::check::{Finding, Level};
use crate::config::{Challenge, Config, ListenerTls};

/// Of http-01.
pub(super) const HTTP: u16 = 80;
/// Of tls-alpn-01.
pub(super) const HTTPS: u16 = 443;

/// Where plain HTTP is answered.
pub(super) fn plain(config: &Config) -> Vec<SocketAddr> {
    let admin = &config.admin;
    let door = admin.http_bind.filter(|_| admin.bind.is_some());
    door.into_iter().collect()
}

/// Where TLS begins at once.
pub(super) fn tls(config: &Config) -> Vec<SocketAddr> {
    let admin = &config.admin;
    let implicit = config.listeners.iter();
    let implicit = implicit.filter(|one| one.tls == ListenerTls::Implicit);
    let door = admin.bind.filter(|_| !admin.is_plain());
    door.into_iter()
        .chain(implicit.map(|one| one.bind))
        .collect()
}

/// Whether the configured challenge can be answered; without one, which could.
pub(super) fn challenge(config: &Config) -> Finding {
    let (http, https) = (plain(config), tls(config));
    let Some(acme) = &config.tls.acme else {
        return Finding::new(Level::Note, "certs-acme-off")
            .with("http", listed(&http))
            .with("https", listed(&https));
    };
    let of = |key| Finding::new(Level::Good, key);
    match acme.challenge {
        Challenge::Dns01 => {
            let hook = acme.hook.as_ref().map(|hook| hook.display().to_string());
            of("certs-acme-dns").with("hook", hook.unwrap_or_default())
        }
        Challenge::Http01 => fits(&http, HTTP, "certs-acme-http", "certs-acme-not-http"),
        Challenge::TlsAlpn01 => fits(&https, HTTPS, "certs-acme-alpn", "certs-acme-not-alpn"),
    }
}

fn fits(doors: &[SocketAddr], port: u16, good: &'static str, bad: &'static str) -> Finding {
    let right: Vec<SocketAddr> = doors
        .iter()
        .filter(|door| door.port() == port)
        .copied()
        .collect();
    if right.is_empty() {
        Finding::new(Level::Bad, bad).with("doors", listed(doors))
    } else {
        Finding::new(Level::Good, good).with("doors", listed(&right))
    }
}

/// `0.0.0.0:444, 0.0.0.0:465`, or a dash.
fn listed(doors: &[SocketAddr]) -> String {
    if doors.is_empty() {
        return "–".to_owned();
    }
    let texts: Vec<String> = doors.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
