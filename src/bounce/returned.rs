//! What of the message comes back with its DSN: all of it when it is small, else its header (RET, RFC 3461 section 4.3).
//!
//! What comes back is never larger than the bound, whatever the author asked for, and never asks a hop for more than
//! every hop has: the way back may be the way on which the message failed.
//! Not here: how it becomes a part of the report (`report`).

use crate::base::limit::{DSN_FULL_MAX, DSN_LINE_MAX};
use crate::mail::envelope::Ret;
use crate::mail::mailbox::Mailbox;
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
        }
    }
}

impl Returned {
    /// What RET, the size and the way back allow.
    pub fn of(content: Vec<u8>, size: u64, terms: Terms) -> Self {
        let why = if terms.ret == Some(Ret::Headers) {
            Why::Asked
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

fn header_of(mut content: Vec<u8>) -> Vec<u8> {
    let end = content
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(content.len(), |at| at + 2);
    content.truncate(end);
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Terms = Terms {
        ret: None,
        utf8: false,
        too_large: false,
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
    fn an_endless_header_is_cut_at_a_line() {
        let mail = b"X: 0123456789\r\n".repeat(10_000);
        let header = of(&mail, PLAIN);
        assert!(header.octets().len() as u64 <= DSN_FULL_MAX);
        assert!(header.octets().ends_with(b"9\r\n"));
    }
}
