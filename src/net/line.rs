//! Lines that end in CRLF and nothing else, cut from one buffer that is kept across reads.
//!
//! The buffer is the only place where octets of a peer wait, so that pipelined commands are never lost and whatever
//! stands behind STARTTLS is seen (CVE-2011-0411). A line has a bound; one without an end is cut at it. The search is
//! pure: `fill` is the only function that touches a stream, and the fuzzer does without it.
//! Not here: what a line means (`smtp::command`), and mail text (`smtp::data`).

use std::io;

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::base::limit::{READ_LARGE, READ_SMALL, READ_TEXT};

/// Octets that were read and not used yet.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Octets before it were used. `start <= bytes.len()`.
    start: usize,
    /// Octets behind `start` that are known to hold no LF.
    scanned: usize,
    /// The last read filled all the room there was, so the next one gets more.
    flooded: bool,
}

/// What stands at the front of the buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A whole line.
    Line {
        /// Without its CRLF.
        text: &'a [u8],
        /// Something stands behind it already.
        more: bool,
    },
    /// A line whose end is a lone LF, or with a CR inside (RFC 5321 section 2.3.8 forbids both).
    BareNewline,
    /// More octets than allowed; where the line ends is not known.
    TooLong,
    /// No end yet.
    Nothing,
}

impl LineBuffer {
    /// Without memory; it comes with the first read.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            scanned: 0,
            flooded: false,
        }
    }

    /// Takes the next line of at most `max` octets, CRLF included.
    pub fn take_line(&mut self, max: usize) -> Found<'_> {
        let unread = self.bytes.get(self.start..).unwrap_or_default();
        let fresh = unread.get(self.scanned..).unwrap_or_default();
        let Some(end) = memchr(b'\n', fresh).map(|at| at + self.scanned) else {
            self.scanned = unread.len();
            return if unread.len() >= max {
                Found::TooLong
            } else {
                Found::Nothing
            };
        };
        if end >= max {
            return Found::TooLong;
        }
        let from = self.start;
        self.start += end + 1;
        self.scanned = 0;
        let line = self.bytes.get(from..from + end).unwrap_or_default();
        match line.split_last() {
            Some((b'\r', text)) if memchr(b'\r', text).is_none() => Found::Line {
                text,
                more: self.start < self.bytes.len(),
            },
            _ => Found::BareNewline,
        }
    }

    /// Appends octets that came by another way than `fill`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets the first `n` unread octets.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.bytes.len());
        self.scanned = 0;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.consume(self.bytes.len());
    }

    /// Reads once; 0 is the end of the stream. `bulk` says that mail text is expected, not commands.
    pub async fn fill<R: AsyncRead + Unpin>(
        &mut self,
        from: &mut R,
        bulk: bool,
    ) -> io::Result<usize> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        let room = match (bulk, self.flooded) {
            (true, true) => READ_LARGE,
            (true, false) => READ_TEXT,
            (false, _) => READ_SMALL,
        };
        if self.bytes.capacity() - self.bytes.len() < room {
            self.bytes.reserve_exact(room);
        }
        let free = self.bytes.capacity() - self.bytes.len();
        let read = from.read_buf(&mut self.bytes).await?;
        self.flooded = read == free;
        Ok(read)
    }

    /// Gives the memory back when nothing waits in it, so that an idle session costs next to nothing.
    pub fn release(&mut self) {
        if self.is_empty() {
            *self = Self::new();
        }
    }

    /// Everything unread.
    pub fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Whether nothing is unread.
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(bytes: &[u8]) -> LineBuffer {
        let mut buffer = LineBuffer::new();
        buffer.push(bytes);
        buffer
    }

    fn taken(buffer: &mut LineBuffer, max: usize) -> Vec<u8> {
        match buffer.take_line(max) {
            Found::Line { text, .. } => text.to_vec(),
            found @ (Found::BareNewline | Found::TooLong | Found::Nothing) => {
                panic!("no line: {found:?}")
            }
        }
    }

    #[test]
    fn pipelined_lines_are_taken_one_by_one() {
        let mut buffer = buffer(b"NOOP\r\nRSET\r\nQU");
        assert_eq!(taken(&mut buffer, 100), b"NOOP");
        assert!(!buffer.is_empty());
        assert_eq!(taken(&mut buffer, 100), b"RSET");
        assert_eq!(buffer.take_line(100), Found::Nothing);
        buffer.push(b"IT\r");
        assert_eq!(buffer.take_line(100), Found::Nothing);
        buffer.push(b"\n");
        assert_eq!(taken(&mut buffer, 100), b"QUIT");
        assert!(buffer.is_empty());
    }

    #[test]
    fn only_crlf_ends_a_line() {
        for (name, bytes) in [
            ("lone LF", &b"NOOP\n"[..]),
            ("nothing but LF", b"\n"),
            ("CR inside", b"NO\rOP\r\n"),
            ("two CR", b"NOOP\r\r\n"),
        ] {
            assert_eq!(
                buffer(bytes).take_line(100),
                Found::BareNewline,
                "case: {name}"
            );
        }
        assert_eq!(taken(&mut buffer(b"\r\n"), 100), b"");
    }

    #[test]
    fn a_line_may_be_as_long_as_the_bound_with_its_crlf() {
        assert_eq!(taken(&mut buffer(b"12345678\r\n"), 10), b"12345678");
        assert_eq!(buffer(b"123456789\r\n").take_line(10), Found::TooLong);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        assert_eq!(buffer(&[b'x'; 10]).take_line(10), Found::TooLong);
        assert_eq!(buffer(&[b'x'; 9]).take_line(10), Found::Nothing);
    }

    #[tokio::test]
    async fn octets_survive_reads_and_memory_is_given_back() {
        let mut buffer = buffer(b"A\r\nB");
        assert_eq!(taken(&mut buffer, 10), b"A");
        assert_eq!(buffer.fill(&mut &b"C\r\n"[..], false).await.unwrap(), 3);
        assert_eq!(taken(&mut buffer, 10), b"BC");
        buffer.release();
        assert_eq!(buffer.bytes.capacity(), 0);
        assert_eq!(buffer.fill(&mut &b""[..], false).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_flood_gets_a_larger_buffer_only_while_mail_text_comes() {
        let text = vec![b'x'; READ_TEXT + READ_LARGE];
        let mut from = &text[..];
        let mut buffer = LineBuffer::new();
        assert_eq!(buffer.fill(&mut from, true).await.unwrap(), READ_TEXT);
        buffer.clear();
        assert_eq!(buffer.fill(&mut from, true).await.unwrap(), READ_LARGE);
    }
}
