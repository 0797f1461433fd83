//! Macros: what an MTA tells a filter beside the commands, by the names that Sendmail gave it.
//!
//! A filter that asks for names of its own gets those of them that are known here, at any stage; the others get what
//! Postfix sends when nothing is configured. What a name means stands in Postfix' MILTER_README.

use std::net::{IpAddr, SocketAddr};

use super::packet::command;
use crate::mail::mailbox::Mailbox;
use crate::scan::ScanMail;

/// When macros are sent (`SMFIM_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Connect,
    Helo,
    Mail,
    Rcpt,
    Data,
    End,
    Eoh,
}

/// What values are made of.
pub(super) struct Known<'a> {
    pub(super) mail: &'a ScanMail<'a>,
    pub(super) hostname: &'a str,
    /// At `Stage::Rcpt`.
    pub(super) recipient: Option<&'a Mailbox>,
}

impl Stage {
    /// By its number.
    pub(super) fn of(number: u32) -> Option<Self> {
        let all = [
            Self::Connect,
            Self::Helo,
            Self::Mail,
            Self::Rcpt,
            Self::Data,
            Self::End,
            Self::Eoh,
        ];
        usize::try_from(number)
            .ok()
            .and_then(|at| all.get(at).copied())
    }

    /// Of which command.
    pub(super) fn command(self) -> u8 {
        match self {
            Self::Connect => command::CONNECT,
            Self::Helo => command::HELO,
            Self::Mail => command::MAIL,
            Self::Rcpt => command::RCPT,
            Self::Data => command::DATA,
            Self::End => command::END,
            Self::Eoh => command::EOH,
        }
    }

    /// What is sent when nothing is asked for.
    pub(super) fn usual(self) -> &'static [&'static str] {
        match self {
            Self::Connect => &[
                "j",
                "_",
                "v",
                "{daemon_name}",
                "{daemon_addr}",
                "{daemon_port}",
                "{client_addr}",
                "{client_name}",
                "{client_port}",
                "{client_ptr}",
            ],
            Self::Helo => &["{tls_version}", "{cipher}", "{cipher_bits}"],
            Self::Mail => &[
                "i",
                "{auth_type}",
                "{auth_authen}",
                "{mail_mailer}",
                "{mail_host}",
                "{mail_addr}",
            ],
            Self::Rcpt => &["i", "{rcpt_mailer}", "{rcpt_host}", "{rcpt_addr}"],
            Self::Data | Self::Eoh | Self::End => &["i"],
        }
    }
}

impl Known<'_> {
    /// The value of a macro; none: it has none here.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let mail = self.mail;
        let tls = mail.tls.and_then(|tls| tls.split_once(' '));
        let bare = name.strip_prefix('{').and_then(|n| n.strip_suffix('}'));
        Some(match bare.unwrap_or(name) {
            "j" => self.hostname.to_owned(),
            "_" => format!("{} {}", self.name(), self.bracketed()?),
            "v" => concat!("Postwerk ", env!("CARGO_PKG_VERSION")).to_owned(),
            "i" => mail.id.to_owned(),
            "daemon_name" | "if_name" => self.hostname.to_owned(),
            "daemon_addr" | "if_addr" => address(self.local()?.ip()),
            "daemon_port" => self.local()?.port().to_string(),
            "client_addr" => address(mail.peer?.ip()),
            "client_name" => self.name(),
            "client_ptr" => mail.peer.map(|_| UNKNOWN.to_owned())?,
            "client_port" => mail.peer?.port().to_string(),
            "tls_version" => tls?.0.to_owned(),
            "cipher" => tls?.1.to_owned(),
            "cipher_bits" => bits(tls?.1)?.to_owned(),
            "auth_type" => mail.sasl?.to_owned(),
            "auth_authen" => mail.account?.to_owned(),
            "mail_mailer" => "smtp".to_owned(),
            "mail_addr" => mail.from.to_string(),
            "mail_host" => mail.from.mailbox()?.host().to_string(),
            "rcpt_mailer" => self.recipient.map(|_| "smtp".to_owned())?,
            "rcpt_addr" => self.recipient?.to_string(),
            "rcpt_host" => self.recipient?.host().to_string(),
            _ => return None,
        })
    }

    /// The client as Sendmail writes a host without a name in the DNS: names are not looked up.
    pub(super) fn client(&self) -> String {
        self.bracketed().unwrap_or_else(|| self.hostname.to_owned())
    }

    /// The client's name as Postfix tells one that it does not know.
    fn name(&self) -> String {
        let peer = self.mail.peer;
        peer.map_or_else(|| self.hostname.to_owned(), |_| UNKNOWN.to_owned())
    }

    /// Where the client met us; of mail that was stored before that was kept, what its listener was bound to.
    fn local(&self) -> Option<SocketAddr> {
        self.mail.local.or_else(|| self.mail.listener.parse().ok())
    }

    fn bracketed(&self) -> Option<String> {
        let peer = self.mail.peer?;
        Some(format!("[{}]", address(peer.ip())))
    }
}

/// As filters parse it: an IPv4 address that came by a socket of both families is one of IPv4.
pub(super) fn address(ip: IpAddr) -> String {
    ip.to_canonical().to_string()
}

/// The size of a cipher's key, by the name of its suite.
fn bits(cipher: &str) -> Option<&'static str> {
    let known = [("256", "256"), ("CHACHA20", "256"), ("128", "128")];
    let found = known.into_iter().find(|(part, _)| {
        // `..._AES_128_GCM_SHA256`: the digest's size stands in the name too.
        let keyed = cipher
            .rsplit_once("_SHA")
            .map_or(cipher, |(front, _)| front);
        keyed.contains(part)
    });
    found.map(|(_, bits)| bits)
}

/// What is told in the place of a name that the DNS does not have, or was not asked for.
const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;
    use crate::mail::path::ReversePath;
    use crate::scan::{Body, Next, Octets};

    struct Nothing;
    impl Body for Nothing {
        fn open(&self) -> Box<dyn Octets> {
            Box::new(Self)
        }
    }
    impl Octets for Nothing {
        fn next(&mut self) -> Next<'_> {
            Box::pin(async { Ok(None) })
        }
    }

    fn told(peer: Option<&str>, local: Option<&str>, listener: &str, name: &str) -> Option<String> {
        let at = |text: &str| text.parse().unwrap();
        let mail = ScanMail {
            id: "1",
            from: &ReversePath::parse("s@sender.example").unwrap(),
            declared: None,
            recipients: &[],
            peer: peer.map(at),
            helo: "client.example",
            tls: Some("TLSv1.3 TLS13_AES_128_GCM_SHA256"),
            account: None,
            sasl: None,
            role: Role::Mx,
            listener,
            local: local.map(at),
            answered: true,
            size: 0,
            body: &Nothing,
        };
        let known = Known {
            mail: &mail,
            hostname: "mail.example.org",
            recipient: None,
        };
        known.value(name)
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn macros_mean_what_the_readme_of_milters_says() {
        let (four, six) = (Some("192.0.2.7:4711"), Some("[2001:db8::7]:4711"));
        for (name, peer, local, listener, wanted) in [
            (
                "{daemon_addr}",
                four,
                Some("192.0.2.1:25"),
                "0.0.0.0:25",
                Some("192.0.2.1"),
            ),
            (
                "{daemon_port}",
                four,
                Some("192.0.2.1:25"),
                "0.0.0.0:0",
                Some("25"),
            ),
            (
                "{daemon_addr}",
                four,
                Some("[::ffff:192.0.2.1]:25"),
                "[::]:25",
                Some("192.0.2.1"),
            ),
            (
                "{daemon_addr}",
                six,
                Some("[2001:db8::1]:587"),
                "[::]:587",
                Some("2001:db8::1"),
            ),
            (
                "{daemon_addr}",
                four,
                None,
                "192.0.2.1:25",
                Some("192.0.2.1"),
            ),
            ("{daemon_port}", four, None, "[::1]:2525", Some("2525")),
            ("{daemon_addr}", None, None, "local", None),
            ("{daemon_port}", None, None, "local", None),
            (
                "{daemon_name}",
                four,
                None,
                "0.0.0.0:25",
                Some("mail.example.org"),
            ),
            (
                "{daemon_name}",
                None,
                None,
                "local",
                Some("mail.example.org"),
            ),
            (
                "{if_addr}",
                four,
                Some("192.0.2.1:25"),
                "0.0.0.0:25",
                Some("192.0.2.1"),
            ),
            ("{client_addr}", six, None, "local", Some("2001:db8::7")),
            ("{client_port}", four, None, "local", Some("4711")),
            ("{client_name}", four, None, "local", Some("unknown")),
            ("{client_ptr}", four, None, "local", Some("unknown")),
            ("{client_ptr}", None, None, "local", None),
            (
                "{client_name}",
                None,
                None,
                "local",
                Some("mail.example.org"),
            ),
            ("_", four, None, "local", Some("unknown [192.0.2.7]")),
            ("_", None, None, "local", None),
            ("j", four, None, "local", Some("mail.example.org")),
            ("{j}", four, None, "local", Some("mail.example.org")),
            ("{cipher_bits}", four, None, "local", Some("128")),
            ("{tls_version}", four, None, "local", Some("TLSv1.3")),
            ("{mail_addr}", four, None, "local", Some("s@sender.example")),
            ("{mail_host}", four, None, "local", Some("sender.example")),
            ("{rcpt_addr}", four, None, "local", None),
            ("{cert_subject}", four, None, "local", None),
        ] {
            let got = told(peer, local, listener, name);
            assert_eq!(got.as_deref(), wanted, "case: {name} {local:?} {listener}");
        }
    }

    #[test]
    fn the_size_of_a_key_is_not_that_of_a_digest() {
        for (cipher, wanted) in [
            ("TLS13_AES_256_GCM_SHA384", Some("256")),
            ("TLS13_CHACHA20_POLY1305_SHA256", Some("256")),
            ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Some("128")),
            ("SOMETHING_NEW", None),
        ] {
            assert_eq!(bits(cipher), wanted, "case: {cipher}");
        }
    }
}
