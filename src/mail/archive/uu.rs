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
    /// The name of a begin that may be prose, until a line is as a file's are; and whether that line is the next.
    doubt: Option<(Vec<u8>, bool)>,
    /// Lines in which a file in BinHex may begin.
    binhex: usize,
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
        if let Some((name, plain)) = begin(line) {
            if plain || self.lines {
                self.open(Code::Uu, name, look);
            } else {
                self.doubt = Some((name.to_vec(), true));
            }
            return;
        }
        if let Some(name) = yenc_name(line) {
            self.open(Code::Yenc, name, look);
            return;
        }
        if let Some((name, next)) = self.doubt.take() {
            if is_data(line, next) {
                self.open(Code::Uu, &name, look);
            } else {
                self.doubt = Some((name, false));
            }
        }
        if line.starts_with(BINHEX) {
            self.binhex = BINHEX_LINES;
        } else if self.binhex > 0 && !line.is_empty() {
            self.binhex -= 1;
            if line.starts_with(b":") {
                look.unread(Unread::BinHex);
            }
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

    fn open(&mut self, code: Code, name: &[u8], look: &mut Look) {
        self.close(look);
        let names = vec![super::zip_record::text(name)];
        self.open = Some(Box::new(Member::new(names, look)));
        (self.code, self.found, self.doubt) = (code, true, None);
    }

    fn close(&mut self, look: &mut Look) {
        let octets = mem::take(&mut self.octets);
        if let Some(mut open) = self.open.take() {
            open.feed(&octets, look);
            open.finish(look);
        }
    }
}

/// The name behind `begin` and the permissions, and whether prose is never so; some readers take a file without a name too.
fn begin(line: &[u8]) -> Option<(&[u8], bool)> {
    let rest = line.strip_prefix(b"begin ")?.trim_ascii_start();
    let blank = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    let (mode, name) = rest.split_at(blank);
    let octal = (1..=7).contains(&mode.len()) && mode.iter().all(|b| matches!(b, b'0'..=b'7'));
    let name = name.trim_ascii();
    let plain = (3..=4).contains(&mode.len()) && !name.contains(&b' ');
    octal.then_some((name, plain))
}

/// Whether a line behind a begin is one of a file: its length and its digits. Some readers know other digits too.
fn is_data(line: &[u8], next: bool) -> bool {
    let Some((length, text)) = line.split_first() else {
        return false;
    };
    let octets = usize::from(length.wrapping_sub(b' ') & 0x3f);
    let digits = octets.div_ceil(3) * 4;
    let ours = line.iter().all(|b| matches!(b, b' '..=b'`'));
    octets > 0 && !text.is_empty() && (ours || next && text.len().abs_diff(digits) <= 1)
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
/// Lines behind the words, of which one begins the file: prose quotes the words alone.
const BINHEX_LINES: usize = 3;
/// Octets of a line that count: 61 of a file, more in a name.
const LINE_MAX: usize = 400;
/// Octets of a file that are given on at once.
const OCTETS: usize = 4 << 10;
