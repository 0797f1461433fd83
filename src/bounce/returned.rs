//! What of the message comes back with its DSN: all of it when it is small, else its header (RET, RFC 3461 section 4.3).
//!
//! What comes back is never larger than the bound, whatever the author asked for, and never asks a hop for more than
//! every hop has: the way back may be the way on which the message failed.
//! Not here: how it becomes a part of the report (`report`).

use crate::base::limit::{DSN_FULL_MAX, DSN_LINE_MAX};
use crate::mail::envelope::Ret;
use crate::mail::mailbox::Mailbox;
use crate::mail::reply::Reply;
use crate::queue::{FailedRecipient, Message, Queue};
use crate::store::StoreError;

/// The part of the message that is returned, as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// Header and body.
    Whole(Vec<u8>),
    /// The header section, at most `DSN_FULL_MAX` octets of it, without the empty line.
    Header(Vec<u8>, Why),
}

/// Why the body does not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// RET=HDRS, or nothing failed.
    Asked,
    /// Above our own bound, or a server on the way said that it is too large.
    Large,
    /// A message/rfc822 of octets above 127 can be carried only by hops with 8BITMIME (RFC 2046 section 5.2.1).
    EightBit,
    /// It has lines, or a NUL, that not every hop takes (RFC 5321 section 4.5.3.1.6).
    Lines,
    /// The store lost a part of it.
    Damaged,
    /// A check found fault with it, or it came from a stranger and was kept back on its way, or refused for what it is.
    Kept,
}

/// What decides how much comes back.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// RET.
    pub ret: Option<Ret>,
    /// The report itself needs SMTPUTF8, and with it 8BITMIME (RFC 6531 section 3.1).
    pub utf8: bool,
    /// Somebody said that the message is too large.
    pub too_large: bool,
    /// Whoever stands in the reverse-path must not get its content.
    pub kept: bool,
}

impl Terms {
    /// For a report to `to` about `told`. RET is for failures: good news brings only the header back.
    pub(super) fn of(message: &Message, told: &[FailedRecipient], to: &Mailbox) -> Self {
        let all_relayed = told.iter().all(|one| one.relayed.is_some());
        Self {
            ret: if all_relayed {
                Some(Ret::Headers)
            } else {
                message.from.ret
            },
            utf8: to.needs_smtputf8(),
            too_large: told.iter().any(was_too_large),
            kept: told
                .iter()
                .any(|one| one.bare || (!message.origin.is_own() && was_unsafe(one))),
        }
    }
}

impl Returned {
    /// What RET, the size and the way back allow.
    pub fn of(content: Vec<u8>, size: u64, terms: Terms) -> Self {
        let why = if terms.ret == Some(Ret::Headers) {
            Why::Asked
        } else if terms.kept {
            Why::Kept
        } else if size > DSN_FULL_MAX || terms.too_large {
            Why::Large
        } else if !terms.utf8 && !content.is_ascii() {
            Why::EightBit
        } else if !has_plain_lines(&content) {
            Why::Lines
        } else {
            return Self::Whole(content);
        };
        Self::header(content, why)
    }

    fn header(content: Vec<u8>, why: Why) -> Self {
        let most = usize::try_from(DSN_FULL_MAX).unwrap_or(usize::MAX);
        let mut header = header_of(content);
        if header.len() > most {
            // Cut at a line, so that what is left is still fields.
            let end = header
                .get(..most)
                .and_then(|part| part.iter().rposition(|b| *b == b'\n'))
                .map_or(0, |at| at + 1);
            header.truncate(end);
        }
        Self::Header(header, why)
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Whole(octets) | Self::Header(octets, _) => octets,
        }
    }

    /// Why the body is missing.
    pub fn why(&self) -> Option<Why> {
        match self {
            Self::Whole(_) => None,
            Self::Header(_, why) => Some(*why),
        }
    }
}

/// Reads no more of the body than can be returned. A message that lost a part is told of with what is left.
pub(super) async fn read(
    queue: &Queue,
    message: &Message,
    terms: Terms,
) -> Result<Returned, StoreError> {
    let mut reader = queue.open_body(message);
    let mut content = Vec::new();
    loop {
        match reader.next().await {
            Ok(Some(chunk)) => content.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(StoreError::Damaged(_)) => return Ok(Returned::header(content, Why::Damaged)),
            Err(error) => return Err(error),
        }
        if content.len() as u64 >= DSN_FULL_MAX && message.size > DSN_FULL_MAX {
            break;
        }
    }
    Ok(Returned::of(content, message.size, terms))
}

/// Whether lines and octets but those above 127 are what every hop takes: 7bit and 8bit both ask for it
/// (RFC 2045 section 2.8).
pub(super) fn has_plain_lines(octets: &[u8]) -> bool {
    let mut lines = octets.split(|b| *b == b'\n');
    lines.all(|line| line.len() < DSN_LINE_MAX && !line.contains(&0))
}

/// 5.3.4, 5.2.3, or 552 of a server that knows no enhanced status (RFC 1870 section 6.2).
fn was_too_large(one: &FailedRecipient) -> bool {
    let reply = one.fault.as_ref().map(|fault| &fault.reply);
    reply.is_some_and(|reply| match reply.status() {
        Some(status) => matches!((status.1, status.2), (2, 3) | (3, 4)),
        None => reply.code() == 552,
    })
}

/// X.7.z (RFC 3463 section 3.8): a next hop refused it for what it is.
fn was_unsafe(one: &FailedRecipient) -> bool {
    let reply = one.fault.as_ref().map(|fault| &fault.reply);
    let status = reply.and_then(Reply::status);
    status.is_some_and(|status| status.1 == 7)
}

/// Fields only: up to the empty line, or to the first line that is no field, for readers take that for the body.
fn header_of(mut content: Vec<u8>) -> Vec<u8> {
    let (mut end, mut first) = (0, true);
    for line in content.split_inclusive(|b| *b == b'\n') {
        if !is_of_header(line, first) {
            break;
        }
        end += line.len();
        first = false;
    }
    content.truncate(end);
    content
}

/// A field's first line, or one that goes on with it (RFC 5322 section 2.2).
fn is_of_header(line: &[u8], first: bool) -> bool {
    if line.trim_ascii().is_empty() {
        return false;
    }
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return !first;
    }
    let mut parts = line.splitn(2, |b| *b == b':');
    let name = parts.next().unwrap_or_default().trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name && parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Terms = Terms {
        ret: None,
        utf8: false,
        too_large: false,
        kept: false,
    };

    fn of(content: &[u8], terms: Terms) -> Returned {
        Returned::of(content.to_vec(), content.len() as u64, terms)
    }

    #[test]
    fn a_small_message_comes_back_whole_and_a_large_one_as_its_header() {
        let mail = b"Subject: a\r\nX: b\r\n\r\nbody\r\n".to_vec();
        assert_eq!(of(&mail, PLAIN), Returned::Whole(mail.clone()));
        let header = b"Subject: a\r\nX: b\r\n".to_vec();
        for (size, ret, why) in [
            (28, Some(Ret::Headers), Why::Asked),
            (DSN_FULL_MAX + 1, Some(Ret::Full), Why::Large),
        ] {
            let terms = Terms { ret, ..PLAIN };
            assert_eq!(
                Returned::of(mail.clone(), size, terms),
                Returned::Header(header.clone(), why)
            );
        }
        let refused = Terms {
            too_large: true,
            ..PLAIN
        };
        assert_eq!(of(&mail, refused).why(), Some(Why::Large));
    }

    #[test]
    fn what_not_every_hop_carries_comes_back_as_its_header() {
        let umlaut = "Subject: a\r\n\r\nGrüße\r\n".as_bytes();
        let long = format!("Subject: a\r\n\r\n{}\r\n", "x".repeat(DSN_LINE_MAX));
        let fits = format!("Subject: a\r\n\r\n{}\r\n", "x".repeat(DSN_LINE_MAX - 2));
        for (name, mail, ascii, utf8) in [
            ("8 bits", umlaut, Some(Why::EightBit), None),
            (
                "a NUL",
                b"Subject: a\r\n\r\n\0\r\n",
                Some(Why::Lines),
                Some(Why::Lines),
            ),
            (
                "a long line",
                long.as_bytes(),
                Some(Why::Lines),
                Some(Why::Lines),
            ),
            ("the longest line", fits.as_bytes(), None, None),
        ] {
            assert_eq!(of(mail, PLAIN).why(), ascii, "case: {name}");
            let terms = Terms {
                utf8: true,
                ..PLAIN
            };
            assert_eq!(of(mail, terms).why(), utf8, "case: {name}, SMTPUTF8");
        }
    }

    #[test]
    fn only_fields_are_a_header() {
        for (name, mail, wanted) in [
            ("an empty line", "A: b\r\n\r\nbody\r\n", "A: b\r\n"),
            ("no empty line", "A: b\r\nMZ body\r\nC: d\r\n", "A: b\r\n"),
            ("a line of blanks", "A: b\r\n \t\r\nbody: x\r\n", "A: b\r\n"),
            ("bare line feeds", "A: b\n\nbody: x\n", "A: b\n"),
            (
                "folds",
                "A: b\r\n\tc\r\nD : e\r\n\r\n",
                "A: b\r\n\tc\r\nD : e\r\n",
            ),
            ("nothing but a body", "body\r\nA: b\r\n", ""),
            ("a fold first", " body\r\nA: b\r\n", ""),
        ] {
            let terms = Terms {
                kept: true,
                ..PLAIN
            };
            let wanted = Returned::Header(wanted.as_bytes().to_vec(), Why::Kept);
            assert_eq!(of(mail.as_bytes(), terms), wanted, "case: {name}");
        }
    }

    #[test]
    fn an_endless_header_is_cut_at_a_line() {
        let mail = b"X: 0123456789\r\n".repeat(10_000);
        let header = of(&mail, PLAIN);
        assert!(header.octets().len() as u64 <= DSN_FULL_MAX);
        assert!(header.octets().ends_with(b"9\r\n"));
    }
}
