//! Files in the text of a mail: uuencode, as old programs still send and most mail programs still show as attachments.
//!
//! `begin 644 name` starts one, `end` ends it.

use std::mem;

use super::look::Look;
use super::member::Member;
use super::office::Plain;
use super::work::{LINE, OCTET, cost};

/// A text that comes by.
#[derive(Debug, Default)]
pub(super) struct Text {
    line: Vec<u8>,
    /// It may be no text at all: what says nothing of itself is declared to be one.
    plain: Plain,
    open: Option<Box<Member>>,
    /// Octets of it, until they are worth a call: a line has up to 63.
    octets: Vec<u8>,
}

impl Text {
    pub(super) fn feed(&mut self, mut bytes: &[u8], look: &mut Look) {
        self.plain.feed(bytes, look);
        look.charge(cost(bytes.len(), OCTET));
        while !bytes.is_empty() && !look.is_over() {
            let end = memchr::memchr(b'\n', bytes);
            let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            bytes = rest;
            let room = LINE_MAX.saturating_sub(self.line.len());
            self.line.extend(part.iter().take(room));
            if end.is_some() {
                self.end_line(look);
            }
        }
    }

    pub(super) fn finish(&mut self, look: &mut Look) {
        self.end_line(look);
        self.close(look);
    }

    fn end_line(&mut self, look: &mut Look) {
        look.charge(LINE + cost(self.line.len(), OCTET));
        let line = mem::take(&mut self.line);
        self.take(line.trim_ascii_end(), look);
        self.line = line;
        self.line.clear();
    }

    fn take(&mut self, line: &[u8], look: &mut Look) {
        if let Some(name) = begin(line) {
            self.close(look);
            let names = vec![super::zip_record::text(name)];
            self.open = Some(Box::new(Member::new(names, look)));
            return;
        }
        if line == b"end" {
            self.close(look);
        } else if let Some(open) = &mut self.open {
            decode(line, &mut self.octets);
            if self.octets.len() >= OCTETS {
                open.feed(&self.octets, look);
                self.octets.clear();
            }
        }
    }

    fn close(&mut self, look: &mut Look) {
        let octets = mem::take(&mut self.octets);
        if let Some(mut open) = self.open.take() {
            open.feed(&octets, look);
            open.finish(look);
        }
    }
}

/// The name behind `begin` and the permissions.
fn begin(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"begin ")?.trim_ascii_start();
    let blank = memchr::memchr(b' ', rest)?;
    let (mode, name) = rest.split_at(blank);
    let octal = (3..=4).contains(&mode.len()) && mode.iter().all(|b| matches!(b, b'0'..=b'7'));
    let name = name.trim_ascii();
    (octal && !name.is_empty()).then_some(name)
}

/// The first character says how many octets there are; blanks at the end may have been lost.
fn decode(line: &[u8], out: &mut Vec<u8>) {
    let Some((length, text)) = line.split_first() else {
        return;
    };
    let value = |at: Option<&u8>| at.map_or(0, |b| b.wrapping_sub(b' ') & 0x3f);
    let end = out.len() + usize::from(value(Some(length)));
    let mut groups = text.chunks(4);
    while out.len() < end {
        let group = groups.next().unwrap_or_default();
        let [a, b, c, d] = [0, 1, 2, 3].map(|n| value(group.get(n)));
        out.extend([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    }
    out.truncate(end);
}

/// Octets of a line that count: 61 of a file, more in a name.
const LINE_MAX: usize = 400;
/// Octets of a file that are given on at once.
const OCTETS: usize = 4 << 10;
