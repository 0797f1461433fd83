//! The machine's part of a DSN: `message/delivery-status` (RFC 3464 section 2), and its UTF-8 form (RFC 6533).
//!
//! Programs read it, so its fields are those of the RFC and in no language. An address beyond ASCII is written out in
//! ASCII where the report is ASCII; nothing of it is lost.
//! Not here: the part for people (`text`).

use super::report::Report;
use crate::base::clock::Wall;
use crate::base::text::clean;
use crate::mail::date;
use crate::mail::mailbox::Mailbox;
use crate::mail::reply::EnhancedStatus;
use crate::mail::unitext;
use crate::queue::FailedRecipient;

/// Where a field is folded; RFC 5322 section 2.1.1 asks for 78.
const LINE: usize = 76;
/// Octets of a word, which is never folded: a line has at most 998, and an address at most 509 in ASCII.
const WORD_MAX: usize = 900;
/// A message that ended without being refused: its time was over (RFC 3463, X.4.7).
const EXPIRED: EnhancedStatus = EnhancedStatus(4, 4, 7);

/// The fields of the message and of each recipient, groups separated by an empty line.
pub(super) fn fields(report: &Report<'_>) -> String {
    let message = report.message;
    let mut out = Fields {
        text: String::new(),
        utf8: report.has_global_status(),
    };
    out.field("Reporting-MTA", &format!("dns; {}", report.hostname));
    if let Some(envid) = &message.from.envid {
        out.field("Original-Envelope-Id", envid);
    }
    out.field("X-Postwerk-Queue-ID", &message.id.to_string());
    out.field("Arrival-Date", &date::rfc5322(Wall(message.wall)));
    for one in report.told {
        out.text.push_str("\r\n");
        recipient(&mut out, one);
    }
    out.text
}

/// The status of a recipient, as the fields and the text say it.
pub(super) fn status_of(one: &FailedRecipient) -> EnhancedStatus {
    if let Some(reply) = &one.relayed {
        return reply.status_or_class();
    }
    match &one.fault {
        Some(fault) => fault.reply.status_or_class(),
        None if one.expired => EXPIRED,
        None => EnhancedStatus(5, 0, 0),
    }
}

/// `mx.example.org` of `mx.example.org[192.0.2.1]:25`, if a remote was reached at all.
pub(super) fn remote_of(one: &FailedRecipient) -> Option<&str> {
    let said = one.relayed.is_some() || one.fault.as_ref().is_some_and(|fault| !fault.synthetic);
    let host = one.site.split('[').next().filter(|host| !host.is_empty());
    host.filter(|host| said && *host != "none")
}

fn recipient(out: &mut Fields, one: &FailedRecipient) {
    if let Some((kind, address)) = one.orcpt.as_deref().and_then(|text| text.split_once(';')) {
        out.field("Original-Recipient", &original(kind, address, out.utf8));
    }
    out.field("Final-Recipient", &last(&one.mailbox, out.utf8));
    let action = if one.relayed.is_some() {
        "relayed"
    } else {
        "failed"
    };
    out.field("Action", action);
    out.field("Status", &status_of(one).to_string());
    if let Some(host) = remote_of(one) {
        out.field("Remote-MTA", &format!("dns; {host}"));
    }
    if let Some(reply) = &one.relayed {
        out.field("Diagnostic-Code", &format!("smtp; {reply}"));
    } else if let Some(fault) = &one.fault {
        let kind = if fault.synthetic {
            "X-Postwerk"
        } else {
            "smtp"
        };
        out.field("Diagnostic-Code", &format!("{kind}; {}", fault.reply));
    }
    // RFC 3464 section 2.3.7: it must not be there if nothing was tried.
    if was_tried(one) {
        out.field("Last-Attempt-Date", &date::rfc5322(Wall(one.at)));
    }
}

/// Whether there was an attempt.
pub(super) fn was_tried(one: &FailedRecipient) -> bool {
    one.at > 0
}

/// RFC 6533 section 3: only what ASCII cannot say has the type `utf-8`.
fn original(kind: &str, address: &str, utf8: bool) -> String {
    if address.is_ascii() && !kind.eq_ignore_ascii_case("utf-8") {
        format!("{kind}; {address}")
    } else {
        format!("utf-8; {}", unitext::encode(address, utf8))
    }
}

/// A domain alone never makes an address one of RFC 6533: it has A-labels.
fn last(mailbox: &Mailbox, utf8: bool) -> String {
    if mailbox.needs_smtputf8() {
        let address = mailbox.as_written();
        format!("utf-8; {}", unitext::encode(&address, utf8))
    } else {
        format!("rfc822; {mailbox}")
    }
}

struct Fields {
    text: String,
    utf8: bool,
}

impl Fields {
    /// One folded field. What is not ASCII stays only in the UTF-8 form; line ends of others never stay.
    fn field(&mut self, name: &str, value: &str) {
        let value = clean(value, 4_000);
        let mut column = name.len() + 1;
        self.text.push_str(name);
        self.text.push(':');
        for word in value.split(' ').filter(|word| !word.is_empty()) {
            let mut fits = WORD_MAX;
            let word: String = word
                .chars()
                .map(|c| if c.is_ascii() || self.utf8 { c } else { '?' })
                .take_while(|c| {
                    fits = fits.saturating_sub(c.len_utf8());
                    fits > 0
                })
                .collect();
            if column + 1 + word.len() > LINE && column > name.len() + 1 {
                self.text.push_str("\r\n");
                column = 0;
            }
            self.text.push(' ');
            self.text.push_str(&word);
            column += 1 + word.len();
        }
        self.text.push_str("\r\n");
    }
}
