//! Files in the text of a mail: uuencode, as old programs still send and most mail programs still show as attachments,
//! and yEnc, as news readers show them.
//!
//! `begin 644 name` or `=ybegin … name=…` starts one, `end` or `=yend` ends it. BinHex is not decoded, and is told.

use std::mem;

use super::Unread;
use super::look::Look;
use super::member::Member;
use super::work::{LINE, OCTET, cost};

/// A text that comes by.
#[derive(Debug, Default)]
pub(super) struct Text {
    line: Vec<u8>,
    /// All of it is said to be files.
    lines: bool,
    /// It has any line.
    any: bool,
    /// There was a file.
    found: bool,
    open: Option<Box<Member>>,
    /// How what is open is written.
    code: Code,
    /// Octets of it, until they are worth a call: a line has up to 63.
    octets: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Code {
    #[default]
    Uu,
    Yenc,
}

impl Text {
    /// What a transfer encoding says to be uuencode.
    pub(super) fn lines() -> Self {
        Self {
            lines: true,
            ..Self::default()
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8], look: &mut Look) {
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
        if self.lines && self.any && !self.found {
            // Others find a file by a begin that is none here.
            look.unread(Unread::Encoding("x-uuencode".to_owned()));
        }
    }

    fn end_line(&mut self, look: &mut Look) {
        look.charge(LINE + cost(self.line.len(), OCTET));
        let line = mem::take(&mut self.line);
        self.take(line.trim_ascii_end(), look);
        self.line = line;
        self.line.clear();
    }

    fn take(&mut self, line: &[u8], look: &mut Look) {
        self.any |= !line.is_empty();
        let found = begin(line).map(|name| (Code::Uu, name));
        let found = found.or_else(|| Some((Code::Yenc, yenc_name(line)?)));
        if let Some((code, name)) = found {
            self.close(look);
            let names = vec![super::zip_record::text(name)];
            self.open = Some(Box::new(Member::new(names, look)));
            self.code = code;
            self.found = true;
            return;
        }
        if line.starts_with(BINHEX) {
            look.unread(Unread::BinHex);
        }
        let Some(open) = &mut self.open else {
            return;
        };
        match self.code {
            Code::Uu if line == b"end" => return self.close(look),
            Code::Uu => decode(line, &mut self.octets),
            Code::Yenc if line.starts_with(b"=yend") => return self.close(look),
            Code::Yenc if line.starts_with(b"=ypart") => {}
            Code::Yenc => yenc_decode(line, &mut self.octets),
        }
        if self.octets.len() >= OCTETS {
            open.feed(&self.octets, look);
            self.octets.clear();
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

/// The name behind `begin` and the permissions; some readers take a file without a name too.
fn begin(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"begin ")?.trim_ascii_start();
    let blank = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    let (mode, name) = rest.split_at(blank);
    let octal = (1..=7).contains(&mode.len()) && mode.iter().all(|b| matches!(b, b'0'..=b'7'));
    octal.then(|| name.trim_ascii())
}

/// The name of a file in yEnc, which is the rest of its first line.
fn yenc_name(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"=ybegin ")?;
    let at = memchr::memmem::find(rest, b"name=")?;
    rest.get(at + 5..).map(<[u8]>::trim_ascii)
}

/// Each octet has 42 added; what cannot stand in a line has 64 more, behind an equals sign.
fn yenc_decode(line: &[u8], out: &mut Vec<u8>) {
    let mut escaped = false;
    let each = line.iter().filter_map(|byte| {
        if *byte == b'=' && !escaped {
            escaped = true;
            return None;
        }
        let more = if mem::take(&mut escaped) { 64 } else { 0 };
        Some(byte.wrapping_sub(42).wrapping_sub(more))
    });
    out.extend(each);
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

const BINHEX: &[u8] = b"(This file must be converted with BinHex";
/// Octets of a line that count: 61 of a file, more in a name.
const LINE_MAX: usize = 400;
/// Octets of a file that are given on at once.
const OCTETS: usize = 4 << 10;
