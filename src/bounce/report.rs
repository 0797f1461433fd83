//! Composes a DSN: multipart/report with text, status and what is returned (RFC 6522, RFC 3464; UTF-8: RFC 6533).
//!
//! Pure: ids, time and boundary come in, octets go out. Headers are ASCII unless the reverse-path itself is not; what
//! is returned stays octet for octet as it was stored.

use mail_builder::MessageBuilder;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};

use super::{status, text};
use crate::base::clock::Wall;
use crate::mail::date;
use crate::mail::domain::Domain;
use crate::mail::mailbox::Mailbox;
use crate::queue::{FailedRecipient, Message, MessageId};

pub use super::returned::Returned;

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
        let parts = vec![self.text_part(), self.status_part(), self.returned_part()];
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
            .header("To", Raw::new(format!("<{}>", self.to)))
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
        if self.is_eight_bit() {
            // RFC 2045 section 6.4: a multipart says what its parts need.
            report = report.transfer_encoding("8bit");
        }
        let mut out = Vec::new();
        mail.body(report).serialize(&mut out);
        out
    }

    /// Whether a part has octets above 127 as they are: message/rfc822 knows no other way (RFC 2046 section 5.2.1).
    fn is_eight_bit(&self) -> bool {
        match self.returned {
            Returned::Whole(octets) => !octets.is_ascii() && !self.utf8(),
            Returned::Header(_) => false,
        }
    }

    /// Whether the forms of RFC 6533 are needed: some address, or the returned header, is not ASCII.
    pub(super) fn utf8(&self) -> bool {
        self.message.from.smtputf8
            || self.to.needs_smtputf8()
            || self.told.iter().any(|one| one.mailbox.needs_smtputf8())
    }

    /// Nothing failed: it tells only of hops that will not tell themselves.
    fn all_relayed(&self) -> bool {
        self.told.iter().all(|one| one.relayed.is_some())
    }

    fn report_type(&self) -> &'static str {
        if self.utf8() {
            "global-delivery-status"
        } else {
            "delivery-status"
        }
    }

    fn text_part(&self) -> MimePart<'static> {
        MimePart::new(
            ContentType::new("text/plain").attribute("charset", "utf-8"),
            text::compose(self),
        )
        .header("Content-Description", Raw::new("Notification"))
        .header("Content-Language", Raw::new("de, en"))
    }

    fn status_part(&self) -> MimePart<'static> {
        let fields = status::fields(self);
        let ascii = fields.is_ascii();
        let part = MimePart::new(
            ContentType::new(format!("message/{}", self.report_type())),
            BodyPart::Binary(fields.into_bytes().into()),
        )
        .header("Content-Description", Raw::new("Delivery report"));
        // Without a named encoding the builder takes base64, which RFC 6533 section 4 allows for the UTF-8 form only.
        if ascii {
            part.transfer_encoding("7bit")
        } else {
            part
        }
    }

    fn returned_part(&self) -> MimePart<'_> {
        let (kind, name) = match (self.returned, self.utf8()) {
            (Returned::Whole(_), false) => ("message/rfc822", "Message"),
            (Returned::Whole(_), true) => ("message/global", "Message"),
            (Returned::Header(_), false) => ("text/rfc822-headers", "Message header"),
            (Returned::Header(_), true) => ("message/global-headers", "Message header"),
        };
        let octets = self.returned.octets();
        let part = MimePart::new(ContentType::new(kind), BodyPart::Binary(octets.into()))
            .header("Content-Description", Raw::new(name));
        if octets.is_ascii() {
            part.transfer_encoding("7bit")
        } else if self.is_eight_bit() {
            part.transfer_encoding("8bit")
        } else {
            // The builder encodes it, so that the DSN itself stays ASCII and passes every hop.
            part
        }
    }
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
