//! Macros: what an MTA tells a filter beside the commands, by the names that Sendmail gave it.
//!
//! A filter that asks for names of its own gets those of them that are known here; the others get what Sendmail and
//! Postfix send when nothing is configured.

use std::net::IpAddr;

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
                "{client_addr}",
                "{client_name}",
                "{client_port}",
                "{client_ptr}",
            ],
            Self::Helo => &["{tls_version}", "{cipher}"],
            Self::Mail => &[
                "i",
                "{auth_type}",
                "{auth_authen}",
                "{mail_mailer}",
                "{mail_host}",
                "{mail_addr}",
            ],
            Self::Rcpt => &["{rcpt_mailer}", "{rcpt_host}", "{rcpt_addr}"],
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
            "_" => format!("{} {}", self.client(), self.bracketed()?),
            "v" => concat!("Postwerk ", env!("CARGO_PKG_VERSION")).to_owned(),
            "i" => mail.id.to_owned(),
            "daemon_name" | "daemon_addr" => mail.listener.to_owned(),
            "client_addr" => address(mail.peer?.ip()),
            "client_name" => self.client(),
            "client_ptr" => "unknown".to_owned(),
            "client_port" => mail.peer?.port().to_string(),
            "tls_version" => tls?.0.to_owned(),
            "cipher" => tls?.1.to_owned(),
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

    /// The client as a host without a name in the DNS is written: names are not looked up.
    pub(super) fn client(&self) -> String {
        self.bracketed().unwrap_or_else(|| self.hostname.to_owned())
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
