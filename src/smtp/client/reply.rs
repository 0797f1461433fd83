//! Reads a peer's replies from the octets as they arrive (RFC 5321 section 4.2).
//!
//! The buffer is kept from reply to reply, because with PIPELINING several arrive in one segment and one in several.
//! Lines and replies are bounded; what is no reply ends the connection, because nobody knows where the next one starts.
//! smtp-proto's `ResponseReceiver` is not used: it takes 999 for a code and drops the enhanced status 5.7.509 to 5.7.253.
//! Not here: what a reply means.

use crate::base::limit::{REPLY_LINE_MAX, REPLY_LINES_MAX};
use crate::mail::reply::Reply;

/// Takes octets, gives replies.
#[derive(Debug, Default)]
pub struct ReplyReader {
    buffer: Vec<u8>,
    /// Where the reply that is being read starts.
    start: usize,
    /// Where its first unread line starts.
    line: usize,
    lines: usize,
}

/// One whole reply: its code and its lines as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawReply<'a> {
    /// 200 to 599.
    pub code: u16,
    /// All lines with codes and line ends.
    pub octets: &'a [u8],
}

/// What a peer said is no SMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReply {
    /// Not three digits and a separator.
    #[error("the server answered something that is no SMTP reply")]
    Syntax,
    /// A line without an end.
    #[error("the server sent a reply line of more than {REPLY_LINE_MAX} octets")]
    LongLine,
    /// A reply without an end.
    #[error("the server sent a reply of more than {REPLY_LINES_MAX} lines")]
    ManyLines,
}

impl ReplyReader {
    /// Takes what the peer sent. Feed again only when `next` has nothing more, so that the buffer stays bounded.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.line -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// The next whole reply; `None` when more octets are needed.
    pub fn next_raw(&mut self) -> Result<Option<RawReply<'_>>, NoReply> {
        loop {
            let rest = self.buffer.get(self.line..).unwrap_or_default();
            let Some(end) = rest.iter().position(|b| *b == b'\n') else {
                return if rest.len() > REPLY_LINE_MAX {
                    Err(NoReply::LongLine)
                } else {
                    Ok(None)
                };
            };
            if end >= REPLY_LINE_MAX {
                return Err(NoReply::LongLine);
            }
            let (code, more) = head(rest.get(..end).unwrap_or_default())?;
            self.line += end + 1;
            self.lines += 1;
            if !more {
                let (start, end) = (self.start, self.line);
                self.start = end;
                self.lines = 0;
                let octets = self.buffer.get(start..end).unwrap_or_default();
                return Ok(Some(RawReply { code, octets }));
            }
            if self.lines >= REPLY_LINES_MAX {
                return Err(NoReply::ManyLines);
            }
        }
    }

    /// The next whole reply, its text cleaned and cut.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, NoReply> {
        Ok(self.next_raw()?.map(RawReply::to_reply))
    }

    /// Whether octets wait that belong to no reply yet given out.
    ///
    /// After the 220 to STARTTLS there must be none: what came in the clear must not count as said under TLS.
    pub fn is_empty(&self) -> bool {
        self.buffer.len() <= self.start
    }
}

impl RawReply<'_> {
    /// For keeping: cleaned and cut.
    pub fn to_reply(self) -> Reply {
        Reply::of_peer(self.code, self.lines())
    }

    /// Each line without code, separator and line end.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.octets
            .split_inclusive(|b| *b == b'\n')
            .map(|line| without_end(line).get(4..).unwrap_or_default())
    }
}

/// Code, and whether more lines follow. Several codes in one reply: the last one counts, as with Postfix.
fn head(line: &[u8]) -> Result<(u16, bool), NoReply> {
    let [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = without_end(line) else {
        return Err(NoReply::Syntax);
    };
    let digit = |d: &u8| u16::from(*d - b'0');
    let more = match rest.first() {
        None | Some(b' ') => false,
        Some(b'-') => true,
        Some(_) => return Err(NoReply::Syntax),
    };
    Ok((digit(a) * 100 + digit(b) * 10 + digit(c), more))
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(reader: &mut ReplyReader) -> Vec<String> {
        std::iter::from_fn(|| reader.next_reply().unwrap())
            .map(|reply| reply.to_string())
            .collect()
    }

    #[test]
    fn replies_are_the_same_however_their_octets_arrive() {
        let octets =
            b"250-mx.example\r\n250 PIPELINING\r\n550-5.7.509 no\r\n550 5.7.509 never\r\n354\r\n";
        for size in [1, 2, 3, 7, 1000] {
            let mut reader = ReplyReader::default();
            let mut got = Vec::new();
            for part in octets.chunks(size) {
                reader.feed(part);
                got.extend(all(&mut reader));
            }
            assert_eq!(
                got,
                ["250 mx.example PIPELINING", "550 5.7.509 no never", "354"],
                "chunks of {size}"
            );
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for (octets, error) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], NoReply::Syntax),
            (b"99 x\r\n", NoReply::Syntax),
            (b"999 x\r\n", NoReply::Syntax),
            (b"250x\r\n", NoReply::Syntax),
            (b"\r\n", NoReply::Syntax),
            (&[b'2'; REPLY_LINE_MAX + 1], NoReply::LongLine),
            (&b"250-x\r\n".repeat(REPLY_LINES_MAX), NoReply::ManyLines),
        ] {
            let mut reader = ReplyReader::default();
            reader.feed(octets);
            assert_eq!(
                reader.next_reply(),
                Err(error),
                "case: {}",
                octets.escape_ascii()
            );
        }
    }

    #[test]
    fn octets_behind_a_reply_are_noticed() {
        let mut reader = ReplyReader::default();
        reader.feed(b"220 go ahead\r\n250 injected");
        assert!(reader.next_reply().unwrap().is_some());
        assert!(!reader.is_empty());
    }
}
