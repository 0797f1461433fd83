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
use crate::mail::quoted_printable;
use crate::words::{Arg, say};

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
            BodyPart::Binary(quoted_printable::encode(text.as_bytes()).into()),
        )
        .transfer_encoding("quoted-printable")
        .header("Content-Language", Raw::new(self.lang.code()))
    }
}
