//! What a filter answers to a step: go on, an end, or a reply of its own.
//!
//! A reply goes to a client, so it is checked as if a stranger had written it: its code is 4yz or 5yz, its text is
//! printable US-ASCII in short lines.

use super::packet::{Line, Packet, Parts};
use super::terms::{Terms, step};
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::scan::{End, Trouble};

/// Lines of a reply.
const LINES_MAX: usize = 16;
/// Octets of one: with code and status it stays within RFC 5321 section 4.5.3.1.5.
const LINE_MAX: usize = 480;

/// The answer to one step.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    GoOn,
    /// Nothing more of this kind is wanted.
    Skip,
    /// The filter is done with the mail.
    Accept,
    Discard,
    /// Of this mail, or of the recipient that was asked about.
    Refuse(Reply),
}

impl Said {
    /// Reads an answer, over any that only say that it is still at work.
    pub(super) async fn next(line: &mut Line, terms: &Terms) -> Result<Self, Trouble> {
        loop {
            let packet = line.next().await?;
            if packet.code != b'p' {
                return Self::read(line, terms, &packet);
            }
        }
    }

    /// Of one packet.
    pub(super) fn read(line: &Line, terms: &Terms, packet: &Packet) -> Result<Self, Trouble> {
        // All but a reply; whatever else comes is told by its name.
        let bare = b"csadrt4f".contains(&packet.code);
        if bare && !packet.text.is_empty() {
            return Err(line.garbage("an answer with octets that it does not have"));
        }
        Ok(match packet.code {
            b'c' => Self::GoOn,
            b's' if terms.has(step::SKIP) => Self::Skip,
            b'a' => Self::Accept,
            b'd' => Self::Discard,
            b'r' => Self::Refuse(Reply::new(
                550,
                Some(EnhancedStatus(5, 7, 1)),
                "The mail is refused",
            )),
            // Shutting down, or no connection wanted: nothing that is wrong with this mail.
            b't' | b'4' | b'f' => Self::Refuse(Reply::new(
                451,
                Some(EnhancedStatus(4, 7, 1)),
                "The mail is not taken now; try again later",
            )),
            b'y' => {
                let reply = reply(&packet.text);
                Self::Refuse(reply.map_err(|words| line.garbage(words))?)
            }
            _ => return Err(line.unexpected(packet)),
        })
    }

    /// What it means for the whole mail; none: it goes on.
    pub(super) fn end(self) -> Option<End> {
        match self {
            Self::GoOn | Self::Skip => None,
            Self::Accept => Some(End::Accept),
            Self::Discard => Some(End::Discard),
            Self::Refuse(reply) => Some(of_reply(reply)),
        }
    }
}

/// A reply to the whole mail.
pub(super) fn of_reply(reply: Reply) -> End {
    if reply.code() < 500 {
        End::Defer(reply)
    } else {
        End::Reject(reply)
    }
}

/// `550 5.7.1 text`, of several lines too.
fn reply(text: &[u8]) -> Result<Reply, &'static str> {
    let text = Parts(text).text().ok_or("a reply without its end")?;
    let mut code = None;
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in text.split(|octet| *octet == b'\n').take(LINES_MAX) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (digits, rest) = line.split_at_checked(3).ok_or("a reply without a code")?;
        let digits = std::str::from_utf8(digits).ok();
        let read = digits.filter(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()));
        let read: u16 = read
            .and_then(|digits| digits.parse().ok())
            .filter(|code| (400..600).contains(code))
            .ok_or("a reply whose code is not 4yz or 5yz")?;
        if *code.get_or_insert(read) != read {
            return Err("a reply of two codes");
        }
        let rest = match rest.split_first() {
            None => rest,
            Some((b' ' | b'-', rest)) => rest,
            Some(_) => return Err("a reply without a code"),
        };
        lines.push(printable(rest));
    }
    // 421 would end the session, and that is ours.
    let code = code.map(|code| if code == 421 { 451 } else { code });
    let code = code.ok_or("a reply without a code")?;
    let reply = Reply::of_peer(code, lines.iter().map(Vec::as_slice));
    if reply.text().trim().is_empty() {
        let status = reply.status();
        return Ok(Reply::new(code, status, "Refused by a filter"));
    }
    Ok(reply)
}

/// Percent signs come doubled, as libmilter wants them.
fn printable(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = line.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        if octet == b'%' {
            octets.next_if_eq(&b'%');
        }
        if out.len() < LINE_MAX {
            let good = octet == b' ' || octet.is_ascii_graphic();
            out.push(if good { octet } else { b'?' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_checked_before_a_client_sees_them() {
        for (text, wanted) in [
            (&b"550 5.7.1 no\0"[..], Some("550 5.7.1 no")),
            (b"450 later\0", Some("450 later")),
            (b"421 4.3.2 bye\0", Some("451 4.3.2 bye")),
            (
                b"554-5.7.1 one\r\n554 5.7.1 two\0",
                Some("554 5.7.1 one two"),
            ),
            (b"550 100 %% of %%s\0", Some("550 100 % of %s")),
            (b"550 a\x1b[31m\xff\0", Some("550 a?[31m?")),
            (b"550\0", Some("550 Refused by a filter")),
            (b"550 5.7.1\0", Some("550 5.7.1 Refused by a filter")),
            (b"550 no end", None),
            (b"250 fine\0", None),
            (b"650 fine\0", None),
            (b"55\0", None),
            (b"+55 x\0", None),
            (b"5501 x\0", None),
            (b"\0", None),
            (b"550-a\r\n551 b\0", None),
            (b"550 a\r\n250 2.0.0 queued\0", None),
        ] {
            let got = reply(text).map(|reply| reply.to_string());
            let shown = String::from_utf8_lossy(text);
            assert_eq!(got.ok().as_deref(), wanted, "case: {shown}");
        }
    }
}
