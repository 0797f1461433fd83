//! Composes a DSN: multipart/report with text, status and what is returned (RFC 6522, RFC 3464; UTF-8: RFC 6533).
//!
//! Pure: ids, time and boundary come in, octets go out. A report to an ASCII address is ASCII in every octet, with lines
//! that every hop takes: it may go back by the way on which the message failed. One to an address beyond ASCII needs
//! SMTPUTF8 anyway, so it is UTF-8 and never hidden in base64. Not here: what is returned (`returned`).

use mail_builder::MessageBuilder;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};

use super::{returned, status, text};
use crate::base::clock::Wall;
use crate::mail::date;
use crate::mail::domain::Domain;
use crate::mail::mailbox::Mailbox;
use crate::mail::quoted_printable;
use crate::queue::{FailedRecipient, Message, MessageId};

pub use super::returned::{Returned, Terms, Why};

/// Everything a DSN says.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Of the DSN itself.
    pub id: MessageId,
    /// Ours.
    pub hostname: &'a Domain,
    /// What could not be delivered.
    pub message: &'a Message,
    /// Its reverse-path.
    pub to: &'a Mailbox,
    /// To whom it could not be delivered, and who was only relayed to; not empty.
    pub told: &'a [FailedRecipient],
    /// What comes back of it.
    pub returned: &'a Returned,
    /// Now.
    pub now: Wall,
    /// Must not occur in what is returned, so it has something random.
    pub boundary: &'a str,
}

impl Report<'_> {
    /// The mail, header and body.
    pub fn compose(&self) -> Vec<u8> {
        let fields = status::fields(self);
        let eight_bit = !fields.is_ascii() || self.encoding_of_returned() == "8bit";
        let mut parts = vec![self.text_part(), self.status_part(fields)];
        // RFC 6522 section 3: it may be missing.
        if !self.returned.octets().is_empty() {
            parts.push(self.returned_part());
        }
        let kind = ContentType::new("multipart/report")
            .attribute("report-type", self.report_type())
            .attribute("boundary", self.boundary);
        let mut mail = MessageBuilder::new()
            .header(
                "From",
                Raw::new(format!(
                    "Mail Delivery System <MAILER-DAEMON@{}>",
                    self.hostname
                )),
            )
            .header("To", Raw::new(format!("<{}>", self.written(self.to))))
            .header(
                "Subject",
                Raw::new(if self.all_relayed() {
                    "Mail relayed / Nachricht weitergegeben"
                } else {
                    "Undelivered mail / Nicht zugestellte Nachricht"
                }),
            )
            .header("Date", Raw::new(date::rfc5322(self.now)))
            .message_id(format!("{}@{}", self.id, self.hostname))
            // RFC 3834 section 5: nobody shall answer this by a machine.
            .header("Auto-Submitted", Raw::new("auto-replied"));
        if let Some(id) = self
            .message
            .header_id
            .as_deref()
            .filter(|id| is_plain_id(id))
        {
            mail = mail
                .header("In-Reply-To", Raw::new(id))
                .header("References", Raw::new(id));
        }
        let mut report = MimePart::new(kind, parts);
        if eight_bit {
            // RFC 2045 section 6.4: a multipart says what its parts need.
            report = report.transfer_encoding("8bit");
        }
        let mut out = Vec::new();
        mail.body(report).serialize(&mut out);
        out
    }

    /// Whether the forms of RFC 6533 are taken: only where the report itself cannot go without SMTPUTF8.
    pub(super) fn utf8(&self) -> bool {
        self.to.needs_smtputf8()
    }

    /// As it was written where the report is UTF-8, else in A-labels.
    fn written(&self, mailbox: &Mailbox) -> String {
        if self.utf8() {
            mailbox.as_written()
        } else {
            mailbox.to_string()
        }
    }

    /// Nothing failed: it tells only of hops that will not tell themselves.
    fn all_relayed(&self) -> bool {
        self.told.iter().all(|one| one.relayed.is_some())
    }

    /// Whether the machine's part takes the form of RFC 6533. The older form is always allowed, and many programs that read
    /// bounces know no other: only an address beyond ASCII is worth leaving it.
    pub(super) fn has_global_status(&self) -> bool {
        let beyond = |one: &FailedRecipient| {
            let orcpt = one.orcpt.as_ref();
            one.mailbox.needs_smtputf8() || orcpt.is_some_and(|orcpt| !orcpt.is_ascii())
        };
        self.utf8() && self.told.iter().any(beyond)
    }

    fn report_type(&self) -> &'static str {
        if self.has_global_status() {
            "global-delivery-status"
        } else {
            "delivery-status"
        }
    }

    fn text_part(&self) -> MimePart<'static> {
        let words = quoted_printable::encode(text::compose(self).as_bytes());
        MimePart::new(
            ContentType::new("text/plain").attribute("charset", "utf-8"),
            BodyPart::Binary(words.into()),
        )
        .transfer_encoding("quoted-printable")
        .header("Content-Description", Raw::new("Notification"))
        .header("Content-Language", Raw::new("de, en"))
    }

    /// Never in base64, which RFC 6533 section 4 allows for the UTF-8 form: programs that read bounces do not look into it.
    fn status_part(&self, fields: String) -> MimePart<'static> {
        let encoding = if fields.is_ascii() { "7bit" } else { "8bit" };
        MimePart::new(
            ContentType::new(format!("message/{}", self.report_type())),
            BodyPart::Binary(fields.into_bytes().into()),
        )
        .header("Content-Description", Raw::new("Delivery report"))
        .transfer_encoding(encoding)
    }

    fn returned_part(&self) -> MimePart<'_> {
        let octets = self.returned.octets();
        let utf8 = self.utf8() && is_utf8(octets);
        let (kind, name) = match (self.returned, utf8) {
            (Returned::Whole(_), _) if octets.is_ascii() => ("message/rfc822", "Message"),
            (Returned::Whole(_), _) => ("message/global", "Message"),
            (Returned::Header(..), false) => ("text/rfc822-headers", "Message header"),
            (Returned::Header(..), true) => ("message/global-headers", "Message header"),
        };
        let encoding = self.encoding_of_returned();
        let body = if encoding == ENCODED {
            quoted_printable::encode(octets).into()
        } else {
            octets.into()
        };
        MimePart::new(ContentType::new(kind), BodyPart::Binary(body))
            .header("Content-Description", Raw::new(name))
            .transfer_encoding(encoding)
    }

    /// Only a header is ever encoded: of a whole message no encoding is allowed in message/rfc822 (RFC 2046
    /// section 5.2.1), and `returned` has seen to it that none is needed.
    fn encoding_of_returned(&self) -> &'static str {
        let octets = self.returned.octets();
        let plain = returned::has_plain_lines(octets);
        match self.returned {
            Returned::Whole(_) if octets.is_ascii() => "7bit",
            Returned::Whole(_) => "8bit",
            Returned::Header(..) if plain && octets.is_ascii() => "7bit",
            Returned::Header(..) if plain && self.utf8() && is_utf8(octets) => "8bit",
            Returned::Header(..) => ENCODED,
        }
    }
}

const ENCODED: &str = "quoted-printable";

fn is_utf8(octets: &[u8]) -> bool {
    std::str::from_utf8(octets).is_ok()
}

/// `<a@b>` and nothing else: what a peer wrote must not become a second field of ours.
fn is_plain_id(id: &str) -> bool {
    let inner = id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
    inner.is_some_and(|id| {
        id.contains('@')
            && id
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>')
    })
}

#[cfg(test)]
mod tests;
