//! Lines of a body: which of them is a delimiter, and to whom.
//!
//! Most octets are passed over to the next line that begins with "--". A line that only some readers take for a delimiter
//! is where a second one goes its own way.

use memchr::{memchr, memmem};

use super::{LEVEL_COST, LINE_COST, Out, Place, Reader};
use crate::mail::structure::level::{DELIMITER_MAX, Delimiter};

impl Reader {
    /// At the start of a line: is it a delimiter?
    pub(super) fn start(&mut self, bytes: &[u8], out: &mut Out) -> usize {
        if self.line.is_empty() {
            self.line_at = self.at;
        }
        out.worked += LINE_COST;
        let mut both = self.line.iter().chain(bytes);
        if both.next() != Some(&b'-') || both.next().is_some_and(|second| *second != b'-') {
            self.no_delimiter(out);
            return 0;
        }
        let end = memchr(b'\n', bytes);
        let (part, _) = bytes.split_at(end.unwrap_or(bytes.len()));
        let mut line = std::mem::take(&mut self.line);
        let known = line.len();
        let is_long = known + part.len() > DELIMITER_MAX;
        let room = DELIMITER_MAX.saturating_sub(known);
        line.extend_from_slice(part.get(..room).unwrap_or(part));
        if end.is_none() && !is_long {
            self.at += part.len() as u64;
            self.line = line;
            return part.len();
        }
        let found = match is_long {
            true => self.loosely(&line),
            false => self.delimiter(&line),
        };
        if let Some(delimiter) = found {
            line.clear();
            self.line = line;
            self.place = Place::Tail(delimiter);
            return 0;
        }
        self.ask_others(&line, out);
        line.truncate(known);
        self.line = line;
        self.no_delimiter(out);
        0
    }

    /// Whether another reader takes a line for a delimiter that is none here.
    fn ask_others(&mut self, line: &[u8], out: &mut Out) {
        out.worked += LEVEL_COST * self.levels.len() as u64;
        if self.ways.loose.is_none()
            && let Some(delimiter) = self.levels.loose(line)
        {
            self.ways.loose = Some(false);
            self.give(b"", out, |other| {
                other.ways.loose = Some(true);
                other.place = Place::Tail(delimiter);
            });
        }
        if self.ways.reopens.is_none() && self.is_closed(line) {
            self.ways.reopens = Some(false);
            self.give(b"", out, |other| {
                other.ways.reopens = Some(true);
                if let Some(delimiter) = other.reopen() {
                    other.place = Place::Tail(delimiter);
                }
            });
        }
    }

    /// A delimiter of the multipart that was closed last.
    fn is_closed(&self, line: &[u8]) -> bool {
        let closed = self.closed.as_ref();
        closed.is_some_and(|(_, level)| level.is_separated_by(line))
    }

    /// The multipart that was closed last is open again.
    fn reopen(&mut self) -> Option<Delimiter> {
        let (depth, level) = self.closed.take()?;
        self.levels.truncate(depth);
        self.levels.push(level);
        Some((self.levels.len().checked_sub(1)?, false))
    }

    /// Inside the line of a delimiter: to its end.
    pub(super) fn tail(&mut self, bytes: &[u8], delimiter: Delimiter, out: &mut Out) -> usize {
        let end = memchr(b'\n', bytes).map(|at| at + 1);
        let used = end.unwrap_or(bytes.len());
        self.at += used as u64;
        if end.is_some() {
            self.cross(delimiter, out);
        }
        used
    }

    /// The line that began is content.
    fn no_delimiter(&mut self, out: &mut Out) {
        self.place = Place::Inside;
        let line = std::mem::take(&mut self.line);
        if let Some(last) = line.last() {
            self.last = *last;
            self.look(&line, out);
        }
        self.line = line;
        self.line.clear();
    }

    /// Inside a line of a body: to the next line that begins with "--".
    pub(super) fn inside(&mut self, bytes: &[u8], out: &mut Out) -> usize {
        let found = memmem::find(bytes, b"\n--");
        let tail = || {
            // The next octets may make it one.
            let at = bytes.len().saturating_sub(2);
            let tail = bytes.get(at..).unwrap_or_default();
            match tail {
                [.., b'\n'] => Some(bytes.len() - 1),
                [b'\n', b'-'] => Some(at),
                _ => None,
            }
        };
        let Some(end) = found.or_else(tail) else {
            self.pass(bytes, out);
            self.last = bytes.last().copied().unwrap_or(self.last);
            return bytes.len();
        };
        let (line, _) = bytes.split_at(end);
        let before = line.last().copied().unwrap_or(self.last);
        self.line_end = if before == b'\r' { 2 } else { 1 };
        self.last = b'\n';
        self.pass(bytes.get(..=end).unwrap_or(bytes), out);
        self.place = Place::Start;
        end + 1
    }

    pub(super) fn delimiter(&mut self, line: &[u8]) -> Option<Delimiter> {
        let exact = self.levels.exact(line);
        if exact.is_none() && self.ways.reopens == Some(true) && self.is_closed(line) {
            return self.reopen();
        }
        exact
            .or_else(|| self.levels.guess(line))
            .or_else(|| self.loosely(line))
    }

    fn loosely(&self, line: &[u8]) -> Option<Delimiter> {
        let is_way = self.ways.loose == Some(true);
        is_way.then(|| self.levels.loose(line)).flatten()
    }
}
