//! The mail of a digest: header fields and both parts as octets.
//!
//! Everything is ASCII on the wire, so that every hop takes it as it is: a hop without 8BITMIME would bounce anything
//! else (RFC 6152 section 3). Parts are quoted-printable, which stays readable in the source; a line of at most 76
//! columns goes through whole, and so does each link of a host whose name leaves room for it. A longer link is split
//! softly (RFC 2045 section 6.7), which every reader joins again.
//! Not here: what it says (`compose`), and how it is accepted (`press`).

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};

use super::Rendered;
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::mail::date;
use crate::mail::domain::Domain;
use crate::mail::mailbox::Mailbox;
use crate::words::{Arg, say};

/// Columns of a line of quoted-printable, its soft break included (RFC 2045 section 6.7).
const LINE_MAX: usize = 76;

/// What its header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter<'a> {
    /// Its Message-ID's left side.
    pub(super) id: &'a str,
    /// Ours.
    pub(super) hostname: &'a Domain,
    /// See `Config::digest_from`.
    pub(super) from: &'a Mailbox,
    /// Whose digest.
    pub(super) to: &'a Mailbox,
    /// Of both parts.
    pub(super) lang: Lang,
    /// Now.
    pub(super) now: Wall,
    /// Must not occur in a part: no part has a line of only this, as it is random.
    pub(super) boundary: &'a str,
    /// Subject and parts.
    pub(super) rendered: &'a Rendered,
}

impl Letter<'_> {
    /// Header and body.
    pub(super) fn octets(&self) -> Vec<u8> {
        let hostname = self.hostname.as_str();
        let name = say(self.lang, "digest-from", &[("host", Arg::Text(hostname))]);
        let kind = ContentType::new("multipart/alternative").attribute("boundary", self.boundary);
        let parts = vec![
            self.part("text/plain", &self.rendered.text),
            self.part("text/html", &self.rendered.html),
        ];
        let mut out = Vec::new();
        MessageBuilder::new()
            .header(
                "From",
                Address::new_address(Some(name), self.from.to_string()),
            )
            .header("To", Raw::new(format!("<{}>", self.to)))
            .subject(self.rendered.subject.as_str())
            .header("Date", Raw::new(date::rfc5322(self.now)))
            .message_id(format!("{}@{hostname}", self.id))
            // RFC 3834 section 5: no machine shall answer; the second field says so to Exchange.
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .header("X-Auto-Response-Suppress", Raw::new("All"))
            .header("List-Id", Raw::new(format!("<holds.{hostname}>")))
            .header("Content-Language", Raw::new(self.lang.code()))
            .body(MimePart::new(kind, parts))
            .serialize(&mut out);
        out
    }

    fn part(&self, kind: &'static str, text: &str) -> MimePart<'static> {
        MimePart::new(
            ContentType::new(kind).attribute("charset", "utf-8"),
            BodyPart::Binary(quoted_printable(text).into_bytes().into()),
        )
        .transfer_encoding("quoted-printable")
        .header("Content-Language", Raw::new(self.lang.code()))
    }
}

/// RFC 2045 section 6.7; lines ended by `\n` come out ended by CRLF.
fn quoted_printable(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut column = 0;
        let mut octets = line.bytes().peekable();
        while let Some(octet) = octets.next() {
            let last = octets.peek().is_none();
            let blank = matches!(octet, b' ' | b'\t');
            // A dot that begins a line is doubled on the wire, and some hops forget to take it back.
            let plain =
                matches!(octet, b'!'..=b'<' | b'>'..=b'~') && !(octet == b'.' && column == 0);
            let piece = if plain || (blank && !last) {
                char::from(octet).to_string()
            } else {
                format!("={octet:02X}")
            };
            let room = if last { LINE_MAX } else { LINE_MAX - 1 };
            if column + piece.len() > room {
                out.push_str("=\r\n");
                column = 0;
            }
            column += piece.len();
            out.push_str(&piece);
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_printable_is_short_seven_bit_and_reversible() {
        let url = format!("https://mail.example.com:444/d/{}", "A".repeat(44));
        let text = format!("äöü = x \n{url}\n.\n{}\n", "ß ".repeat(100));
        let encoded = quoted_printable(&text);
        assert!(encoded.is_ascii());
        assert!(encoded.lines().all(|line| line.len() <= 76), "{encoded}");
        assert!(encoded.lines().any(|line| line == url), "{encoded}");
        assert!(!encoded.contains("\r\n."), "{encoded}");
        let mail = format!(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{encoded}"
        );
        let parsed = mail_parser::MessageParser::default().parse(&mail).unwrap();
        let read = parsed.body_text(0).unwrap().replace("\r\n", "\n");
        assert_eq!(read, text);
    }
}
