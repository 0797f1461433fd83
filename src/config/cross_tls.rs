//! What certificates, doors and listeners say together: names twice, and names that a directory cannot validate here.
//!
//! A directory connects to port 80 or 443 of the name, whatever port we listen on (RFC 8555 section 8.3, RFC 8737
//! section 3). A forwarded port is possible, so another one is a warning; no door at all is a mistake.

use super::ListenerTls;
use super::cert::Tls;
use super::cross::All;
use super::file::{Fault, Section};
use super::tls::{AcmeConf, CertConf, CertName, Challenge, TlsMode};

impl All<'_, '_, '_> {
    /// Notes what is wrong with certificates.
    pub(super) fn check_tls(&self, tls: &Tls<'_, '_>) {
        let mut seen: Vec<&CertName> = Vec::new();
        for one in &tls.certificates {
            for name in &one.conf.names {
                if seen.contains(&name) {
                    let fault = Fault::new(
                        format!("{name} stands in a certificate already"),
                        "remove it here or there; a client gets one certificate for a name",
                    );
                    one.at.fault("names", fault);
                }
                seen.push(name);
            }
        }
        let Some(conf) = &tls.conf else { return };
        let Some(acme) = &conf.acme else { return };
        if conf.mode != TlsMode::Acme {
            return;
        }
        for one in tls.certificates.iter() {
            if one.conf.files.is_none() {
                check_names(&one.at, "names", &one.conf, acme);
            }
        }
        if tls.certificates.is_empty() {
            conf.ordered()
                .for_each(|cert| check_names(&tls.at, "mode", cert, acme));
        }
        if conf.ordered().next().is_none() {
            let fault = Fault::new(
                "every [[certificate]] has its files, so nothing is ordered",
                "write mode = \"files\", or a [[certificate]] with names only",
            );
            return tls.at.warn("mode", fault);
        }
        match acme.challenge {
            Challenge::Http01 => self.check_http(&tls.acme),
            Challenge::TlsAlpn01 => self.check_alpn(&tls.acme),
            Challenge::Dns01 => {}
        }
    }

    fn check_http(&self, at: &Section<'_, '_>) {
        let admin = &self.held.admin.conf;
        match admin.http_bind.filter(|_| admin.bind.is_some()) {
            None => at.fault(
                "challenge",
                Fault::new(
                    "http-01 is answered on plain HTTP, and [admin] has no bind and http_bind",
                    "write [admin] bind and http_bind = \"0.0.0.0:80\", or challenge = \"tls-alpn-01\"",
                ),
            ),
            Some(door) if door.port() != 80 => at.warn("challenge", not_there(door.port(), 80)),
            Some(_) => {}
        }
    }

    fn check_alpn(&self, at: &Section<'_, '_>) {
        let admin = &self.held.admin.conf;
        let door = admin.bind.filter(|_| !admin.is_plain());
        let implicit = self.listeners.iter().map(|one| &one.conf);
        let implicit = implicit.filter(|one| one.tls == ListenerTls::Implicit);
        let ports = door.into_iter().chain(implicit.map(|one| one.bind));
        let ports: Vec<u16> = ports.map(|bind| bind.port()).collect();
        match ports.first() {
            None => at.fault(
                "challenge",
                Fault::new(
                    "tls-alpn-01 is answered where TLS begins at once, and there is no such door",
                    "write [admin] bind = \"0.0.0.0:443\", or challenge = \"dns-01\"",
                ),
            ),
            Some(port) if !ports.contains(&443) => at.warn("challenge", not_there(*port, 443)),
            Some(_) => {}
        }
    }
}

fn not_there(port: u16, wanted: u16) -> Fault {
    Fault::new(
        format!("ACME cannot validate on {port}: 80, 443 or DNS-01 is needed"),
        format!(
            "let port {wanted} of the name lead to {port} here, or listen on {wanted}, or write challenge = \"dns-01\""
        ),
    )
}

/// Names that no directory validates, or not in this way.
fn check_names(at: &Section<'_, '_>, key: &'static str, cert: &CertConf, acme: &AcmeConf) {
    for name in &cert.names {
        let text = name.domain.as_str();
        if !text.contains('.') {
            let fault = Fault::new(
                format!("no directory can validate {name}: it is no name of the public DNS"),
                "write a full name, such as \"mail.example.org\"",
            );
            at.fault(key, fault);
        } else if name.wildcard && acme.challenge != Challenge::Dns01 {
            let fault = Fault::new(
                format!("{name} can be validated by dns-01 only (RFC 8555 section 7.1.3)"),
                "write each name, or [acme] challenge = \"dns-01\"",
            );
            at.fault(key, fault);
        }
    }
}
