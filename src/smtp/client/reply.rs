//! Reads a peer's replies from the octets as they arrive (RFC 5321 section 4.2).
//!
//! The buffer is kept from reply to reply, because with PIPELINING several arrive in one segment and one in several.
//! Lines may be as long as they like, a whole reply not; what is no reply ends the connection, because nobody knows
//! where the next one starts. After the final dot there is no next one: then the head alone is a verdict (`head`).
//! smtp-proto's `ResponseReceiver` is not used: it takes 999 for a code and drops the enhanced status 5.7.509 to 5.7.253.
//! Not here: what a reply means.

use crate::base::limit::REPLY_OCTETS_MAX;
use crate::mail::reply::Reply;

/// Takes octets, gives replies.
#[derive(Debug, Default)]
pub struct ReplyReader {
    buffer: Vec<u8>,
    /// Where the reply that is being read starts.
    start: usize,
    /// Where its first unread line starts.
    line: usize,
    /// Up to where no line end was seen: a line that drips is not searched from its start each time.
    searched: usize,
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
    /// A reply without an end.
    #[error("the server sent a reply of more than {REPLY_OCTETS_MAX} octets")]
    Endless,
}

impl ReplyReader {
    /// Takes what the peer sent. Feed again only when `next` has nothing more, so that the buffer stays bounded.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.line -= self.start;
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
            // One huge reply must not be paid for as long as the connection lives.
            self.buffer.shrink_to(BUFFER_KEPT);
        }
        self.buffer.extend_from_slice(octets);
    }

    /// The next whole reply; `None` when more octets are needed.
    pub fn next_raw(&mut self) -> Result<Option<RawReply<'_>>, NoReply> {
        loop {
            let from = self.searched.max(self.line);
            let rest = self.buffer.get(from..).unwrap_or_default();
            let Some(found) = rest.iter().position(|b| *b == b'\n') else {
                self.searched = self.buffer.len();
                return if self.buffer.len() - self.start > REPLY_OCTETS_MAX {
                    Err(NoReply::Endless)
                } else {
                    Ok(None)
                };
            };
            let end = from + found;
            if end - self.start >= REPLY_OCTETS_MAX {
                return Err(NoReply::Endless);
            }
            let line = self.buffer.get(self.line..end).unwrap_or_default();
            let (code, more) = code_of(line).ok_or(NoReply::Syntax)?;
            let more = more.ok_or(NoReply::Syntax)?;
            self.line = end + 1;
            if !more {
                let (start, end) = (self.start, self.line);
                self.start = end;
                let octets = self.buffer.get(start..end).unwrap_or_default();
                return Ok(Some(RawReply { code, octets }));
            }
        }
    }

    /// The next whole reply, its text cleaned and cut.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, NoReply> {
        Ok(self.next_raw()?.map(RawReply::to_reply))
    }

    /// What there is of the reply that is being read, if its first three octets are a code: whatever follows them, the
    /// peer has decided. Only for the last reply of a transaction: where the next one starts is unknown afterwards.
    pub fn head(&self) -> Option<Reply> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let first = rest.split(|b| *b == b'\n').next().unwrap_or_default();
        let (code, _) = code_of(first)?;
        let text = without_end(first).get(3..).unwrap_or_default();
        let text = match text {
            [b' ' | b'-' | b'\t', rest @ ..] => rest,
            whole => whole,
        };
        Some(Reply::of_peer(code, [text]))
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

/// Code, and whether more lines follow; the latter is unknown behind a separator that is none. Several codes in one
/// reply: the last one counts, as with Postfix.
fn code_of(line: &[u8]) -> Option<(u16, Option<bool>)> {
    let [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = without_end(line) else {
        return None;
    };
    let digit = |d: &u8| u16::from(*d - b'0');
    let more = match rest.first() {
        None | Some(b' ') => Some(false),
        Some(b'-') => Some(true),
        Some(_) => None,
    };
    Some((digit(a) * 100 + digit(b) * 10 + digit(c), more))
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// What is kept of the buffer behind a long reply.
const BUFFER_KEPT: usize = 4 << 10;

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
            (b"250\tx\r\n", NoReply::Syntax),
            (b"\r\n", NoReply::Syntax),
            (&[b'2'; REPLY_OCTETS_MAX + 1], NoReply::Endless),
            (
                &b"250-x\r\n".repeat(REPLY_OCTETS_MAX / 7 + 1),
                NoReply::Endless,
            ),
        ] {
            let mut reader = ReplyReader::default();
            reader.feed(octets);
            assert_eq!(
                reader.next_reply(),
                Err(error),
                "case: {}",
                octets.get(..40).unwrap_or(octets).escape_ascii()
            );
        }
    }

    #[test]
    fn a_reply_may_have_long_lines_and_many_and_its_text_is_cut() {
        let long = format!("250 2.0.0 queued {}\r\n354 go\r\n", "x".repeat(60_000));
        let many = format!(
            "{}250 2.0.0 end\r\n354 go\r\n",
            "250-2.0.0 more\r\n".repeat(2_000)
        );
        for (name, text, start) in [
            ("a long line", long, "250 2.0.0 queued xxx"),
            ("many lines", many, "250 2.0.0 more more"),
        ] {
            for size in [1_024, 100_000] {
                let mut reader = ReplyReader::default();
                let mut got = Vec::new();
                for part in text.as_bytes().chunks(size) {
                    reader.feed(part);
                    got.extend(all(&mut reader));
                }
                assert_eq!(got.len(), 2, "case: {name}");
                assert!(
                    got[0].starts_with(start) && got[0].len() < 1_200,
                    "case: {name}"
                );
                assert_eq!(got[1], "354 go", "case: {name}");
            }
        }
    }

    #[test]
    fn a_head_is_a_verdict_whatever_follows_it() {
        for (octets, head) in [
            (&b"250 2.0.0 taken"[..], Some("250 2.0.0 taken")),
            (b"250", Some("250")),
            (b"250x\r\n", Some("250 x")),
            (b"250\t2.0.0 ok\r\n", Some("250 2.0.0 ok")),
            (b"250-2.0.0 first\r\n25", Some("250 2.0.0 first")),
            (b"451 4.3.0 la", Some("451 4.3.0 la")),
            (b"5", None),
            (b"25", None),
            (b"banana\r\n250 ok\r\n", None),
            (b"\r\n250 ok\r\n", None),
            (b"", None),
        ] {
            let mut reader = ReplyReader::default();
            reader.feed(b"354 go\r\n");
            reader.next_reply().unwrap();
            reader.feed(octets);
            drop(reader.next_reply());
            let got = reader.head().map(|reply| reply.to_string());
            assert_eq!(got.as_deref(), head, "case: {}", octets.escape_ascii());
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
