//! Trace fields: the Received field that we add, and what those of others tell (RFC 5321 section 4.4).
//!
//! What we add is one field, folded, that any server can parse.
//! Not here: when a loop is a loop (`policy`).

use std::net::IpAddr;

use super::date;
use crate::base::clock::Wall;
use crate::base::text::clean;

/// Everything a Received field says.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// What the client called itself.
    pub helo: &'a str,
    /// Where it came from; none for mail submitted inside the process.
    pub peer: Option<IpAddr>,
    /// Our name.
    pub by: &'a str,
    /// ESMTP, ESMTPS, ESMTPA, ESMTPSA, SMTP, UTF8SMTP… (RFC 3848, RFC 6531 section 4.3).
    pub with: &'a str,
    /// TLS version and cipher, if any.
    pub tls: Option<&'a str>,
    /// The queue id.
    pub id: &'a str,
    /// The only recipient; left out when there are several, so that nobody sees a blind copy.
    pub only_for: Option<&'a str>,
    /// When it was accepted.
    pub at: Wall,
}

impl Received<'_> {
    /// The field with its folds and CRLF.
    pub fn to_field(&self) -> String {
        let helo = clean(self.helo, 255).replace(['(', ')', '\\'], "?");
        let from = match self.peer {
            Some(IpAddr::V4(ip)) => format!("from {helo} ([{ip}])"),
            Some(IpAddr::V6(ip)) => format!("from {helo} ([IPv6:{ip}])"),
            None => format!("from {helo}"),
        };
        let tls = self
            .tls
            .map(|tls| format!("\r\n\t(using {tls})"))
            .unwrap_or_default();
        let only = self
            .only_for
            .map(|rcpt| format!("\r\n\tfor <{rcpt}>"))
            .unwrap_or_default();
        format!(
            "Received: {from}{tls}\r\n\tby {} with {} id {}{only};\r\n\t{}\r\n",
            self.by,
            self.with,
            self.id,
            date::rfc5322(self.at)
        )
    }
}

/// How often a header section says Received, and how often it says so of our own host name.
///
/// `header` is the section with its line ends; folded fields count once.
pub fn count_received(header: &[u8], own: &str) -> (usize, usize) {
    let (mut all, mut ours, mut inside) = (0, 0, false);
    let by = format!("by {} ", own.to_ascii_lowercase());
    let mut field = Vec::new();
    let mut close = |field: &mut Vec<u8>, inside: bool| {
        if inside {
            let text = String::from_utf8_lossy(field).to_ascii_lowercase();
            let flat: String = text
                .split_whitespace()
                .flat_map(|word| [word, " "])
                .collect();
            ours += usize::from(flat.contains(&by));
        }
        field.clear();
    };
    for line in header.split(|b| *b == b'\n') {
        if line.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
            if inside {
                field.extend_from_slice(line);
            }
            continue;
        }
        close(&mut field, inside);
        inside = line
            .get(..9)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"received:"));
        if inside {
            all += 1;
            field.extend_from_slice(line);
        }
    }
    close(&mut field, inside);
    (all, ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_received_field_is_folded_and_says_for_whom() {
        let field = Received {
            helo: "client.example",
            peer: Some([192, 0, 2, 1].into()),
            by: "mail.example.org",
            with: "ESMTPS",
            tls: Some("TLSv1.3"),
            id: "0643E1B2A90C7701",
            only_for: Some("a@b.example"),
            at: Wall(1_795_287_508_204_000),
        }
        .to_field();
        assert!(field.starts_with("Received: from client.example ([192.0.2.1])\r\n\t(using TLSv1.3)\r\n\tby mail.example.org with ESMTPS id 0643E1B2A90C7701\r\n\tfor <a@b.example>;\r\n\t"));
        assert!(field.ends_with("\r\n"));
    }

    #[test]
    fn received_fields_are_counted_with_their_folds() {
        let header = b"Received: from a\r\n\tby mail.example.org with SMTP;\r\n now\r\nX: Received: no\r\nreceived: by other ; x\r\n";
        assert_eq!(count_received(header, "Mail.Example.ORG"), (2, 1));
    }
}
