//! The MIME structure of a mail while it streams by (RFC 2045, RFC 2046): its attachments, and what is wrong with it.
//!
//! Each octet is looked at once, whatever is in the mail; what is kept of it is bounded by `base::limit`, and the
//! result does not depend on how the octets are cut. A line is a delimiter only if all of it is: "--", the boundary of
//! an open multipart, maybe "--", maybe blanks. What a bound leaves out is told by `cut`, never by a wrong answer.
//! Not here: what a part says of itself (`part`, `parameter`), and what its first octets show (`sniff`).

mod decode;
pub mod name;
mod parameter;
mod part;
pub mod sniff;
#[cfg(test)]
mod tests;
mod watch;

use std::mem;

use memchr::{memchr, memmem};

use super::attachment::Attachment;
use crate::base::limit::{
    ATTACHMENTS_LOOKED_MAX, MIME_BOUNDARY_MAX, MIME_DEPTH_MAX, MIME_HEADER_MAX, MIME_PARTS_MAX,
};
use part::{Kind, Part};
use sniff::Sniff;
use watch::Watch;

pub use watch::Event;

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// In the order of the mail; at most `ATTACHMENTS_LOOKED_MAX`.
    pub attachments: Vec<Attachment>,
    /// The mail itself, its parts, and theirs.
    pub parts: usize,
    /// Multiparts and mails inside each other.
    pub depth: usize,
    /// A bound was reached: parts, levels or attachments are left out.
    pub cut: bool,
    /// What leaves a reader without content.
    pub broken: Option<&'static str>,
}

/// Scans a mail that is fed to it.
#[derive(Debug)]
pub struct Scan {
    /// Octets taken.
    at: u64,
    place: Place,
    /// The beginning of a line that came in pieces: of a header, or of what may be a delimiter.
    line: Vec<u8>,
    /// Where that line begins.
    line_at: u64,
    /// Octets of the line end before it.
    line_end: u64,
    /// The last octet taken of a body.
    last: u8,
    /// The fields of the part's header that count here.
    fields: Vec<u8>,
    /// The last field of the header is one of those.
    keeping: bool,
    /// What a part without Content-Type is: a mail, in a digest (RFC 2046 section 5.1.5).
    usual: Kind,
    levels: Vec<Level>,
    /// The attachment whose octets come by, and where they began.
    open: Option<(usize, u64)>,
    sniff: Sniff,
    /// Somebody looks into the parts.
    watch: Option<Watch>,
    /// The bound behind which parts were not looked into.
    lost: Option<Lost>,
    /// See `worked`.
    worked: u64,
    /// The sums of all boundaries that are open.
    sums: Sums,
    found: Structure,
}

/// The bounds of a scan behind which parts are not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// `MIME_PARTS_MAX`
    Parts,
    /// `MIME_DEPTH_MAX`
    Depth,
    /// `MIME_HEADER_MAX`
    Header,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the header section of a part.
    Header,
    /// At the start of a line that may be a delimiter.
    Start,
    /// Behind it.
    Inside,
    /// No multipart is open: only counted.
    Rest,
}

/// A multipart or a mail whose inside comes by.
#[derive(Debug)]
struct Level {
    /// None: a mail.
    boundary: Option<Boundary>,
    /// A delimiter of it came.
    begun: bool,
    /// A digest.
    digest: bool,
    /// The attachment that it is, and where it began.
    open: Option<(usize, u64)>,
}

#[derive(Debug)]
struct Boundary {
    text: Box<[u8]>,
    /// Compared first: a line is compared with up to a hundred boundaries.
    sum: u32,
}

/// What a line costs that may be a delimiter.
const LINE_COST: u64 = 100;
/// What an octet of a header costs that is kept: parameters and encoded words are read from it, for names several times.
const HEADER_COST: u64 = 90;

/// Octets of a line that may be a delimiter: blanks at its end are allowed.
const DELIMITER_MAX: usize = MIME_BOUNDARY_MAX + 60;

impl Default for Scan {
    fn default() -> Self {
        Self {
            at: 0,
            place: Place::Header,
            line: Vec::new(),
            line_at: 0,
            line_end: 0,
            last: 0,
            fields: Vec::new(),
            keeping: false,
            usual: Kind::Text,
            levels: Vec::new(),
            open: None,
            sniff: Sniff::default(),
            watch: None,
            lost: None,
            worked: 0,
            sums: Sums::default(),
            found: Structure::default(),
        }
    }
}

impl Scan {
    /// A scan that also gives out what is in the parts; `take` it after each `feed`.
    pub fn watched() -> Self {
        Self {
            watch: Some(Watch::default()),
            ..Self::default()
        }
    }

    /// What came by since the last call; empty if nobody watches.
    pub fn take(&mut self) -> Vec<Event> {
        self.watch.as_mut().map(Watch::take).unwrap_or_default()
    }

    /// The bound behind which parts did not come by.
    pub fn lost(&self) -> Option<Lost> {
        self.lost
    }

    /// What it did besides walking over octets, in nanoseconds of an old core: headers that were read, lines that may
    /// have been delimiters.
    pub fn worked(&self) -> u64 {
        self.worked
    }

    /// Takes the next octets.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = match self.place {
                Place::Header => self.header(bytes),
                Place::Start => self.start(bytes),
                Place::Inside => self.inside(bytes),
                Place::Rest => {
                    self.pass(bytes);
                    bytes.len()
                }
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// The mail has ended.
    pub fn finish(mut self) -> Structure {
        self.end();
        self.found
    }

    /// The mail has ended; what then comes by can be taken.
    pub fn end(&mut self) {
        let line = mem::take(&mut self.line);
        match self.place {
            Place::Header => self.header_line(&line),
            Place::Start => match self.delimiter(&line) {
                Some((level, close)) => self.cross(level, close),
                None => self.look(&line),
            },
            Place::Inside | Place::Rest => {}
        }
        // A mail in it may begin here, with a header of nothing.
        while self.place == Place::Header {
            self.begin_body();
        }
        self.line_at = self.at;
        self.line_end = 0;
        self.end_leaf();
        self.pop_to(0, false);
    }

    fn header(&mut self, bytes: &[u8]) -> usize {
        let mut line = mem::take(&mut self.line);
        let end = memchr(b'\n', bytes).map(|at| at + 1);
        let (part, _) = bytes.split_at(end.unwrap_or(bytes.len()));
        if line.is_empty() {
            self.line_at = self.at;
        }
        self.at += part.len() as u64;
        if end.is_some() && line.is_empty() {
            self.header_line(part);
        } else {
            // With its line end a line that is too long is still seen to be.
            let room = (MIME_HEADER_MAX + 3).saturating_sub(line.len());
            line.extend_from_slice(part.get(..room).unwrap_or(part));
            if end.is_some() {
                self.header_line(&line);
                line.clear();
            }
        }
        self.line = line;
        part.len()
    }

    fn header_line(&mut self, line: &[u8]) {
        self.worked += LINE_COST;
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            if !line.is_empty() {
                self.begin_body();
            }
            return;
        }
        // A part that ends in its header has no body.
        if let Some((level, close)) = self.delimiter(text) {
            self.begin_body();
            self.line_end = 0;
            self.cross(level, close);
            return;
        }
        if !matches!(text.first(), Some(b' ' | b'\t')) {
            self.keeping = part::counts(text);
        }
        if self.keeping {
            let room = MIME_HEADER_MAX.saturating_sub(self.fields.len());
            if text.len() > room {
                self.found.cut = true;
                self.lost.get_or_insert(Lost::Header);
            }
            self.worked += HEADER_COST * text.len().min(room) as u64;
            self.fields
                .extend_from_slice(text.get(..room).unwrap_or(text));
            self.fields.push(b'\n');
        }
    }

    /// The header section of a part is over.
    fn begin_body(&mut self) {
        let part = Part::read(&self.fields, self.usual);
        let names = match &self.watch {
            Some(_) => Part::names(&self.fields),
            None => Vec::new(),
        };
        self.fields.clear();
        self.keeping = false;
        self.place = if self.levels.iter().any(|level| level.boundary.is_some()) {
            Place::Start
        } else {
            Place::Rest
        };
        self.line_end = 0;
        if self.found.parts == MIME_PARTS_MAX {
            self.give_up();
            return;
        }
        self.found.parts += 1;
        let slot = self.note(&part);
        self.open = slot;
        match part.kind {
            Kind::Multipart { digest } => self.open_multipart(part.boundary, digest),
            Kind::Mail if part.encoding.is_plain() => self.open_mail(),
            Kind::Mail | Kind::Text | Kind::Other => {
                if slot.is_some() {
                    self.sniff.begin(part.encoding);
                }
                if let Some(watch) = &mut self.watch {
                    watch.begin(names, part.declared, part.encoding);
                }
            }
        }
    }

    /// Records a part that is an attachment.
    fn note(&mut self, part: &Part) -> Option<(usize, u64)> {
        if !part.is_attachment() {
            return None;
        }
        let slot = self.found.attachments.len();
        if slot == ATTACHMENTS_LOOKED_MAX {
            self.found.cut = true;
            return None;
        }
        self.found.attachments.push(Attachment {
            name: part.name.clone(),
            declared: part.declared.clone(),
            found: None,
            size: 0,
        });
        Some((slot, self.at))
    }

    fn open_multipart(&mut self, boundary: Option<Vec<u8>>, digest: bool) {
        match boundary {
            None => self.broken("a multipart without a boundary"),
            Some(text) if text.len() > MIME_BOUNDARY_MAX => {
                self.broken("a multipart whose boundary is too long");
            }
            Some(text) => {
                let sum = sum(&text);
                let text = text.into_boxed_slice();
                if self.push(Level {
                    boundary: Some(Boundary { text, sum }),
                    begun: false,
                    digest,
                    open: None,
                }) {
                    self.place = Place::Start;
                }
            }
        }
    }

    fn open_mail(&mut self) {
        let open = self.open;
        if self.push(Level {
            boundary: None,
            begun: true,
            digest: false,
            open,
        }) {
            self.open = None;
            self.usual = Kind::Text;
            self.place = Place::Header;
        }
    }

    fn push(&mut self, level: Level) -> bool {
        if self.levels.len() == MIME_DEPTH_MAX {
            self.found.cut = true;
            self.lost.get_or_insert(Lost::Depth);
            return false;
        }
        if let Some(boundary) = &level.boundary {
            self.sums.add(boundary.sum);
        }
        self.levels.push(level);
        self.found.depth = self.found.depth.max(self.levels.len());
        true
    }

    /// At the start of a line: is it a delimiter?
    fn start(&mut self, bytes: &[u8]) -> usize {
        if self.line.is_empty() {
            self.line_at = self.at;
        }
        self.worked += LINE_COST;
        let mut both = self.line.iter().chain(bytes);
        if both.next() != Some(&b'-') || both.next().is_some_and(|second| *second != b'-') {
            self.no_delimiter();
            return 0;
        }
        let end = memchr(b'\n', bytes);
        let (part, _) = bytes.split_at(end.unwrap_or(bytes.len()));
        let mut line = mem::take(&mut self.line);
        if line.len() + part.len() > DELIMITER_MAX {
            self.line = line;
            self.no_delimiter();
            return 0;
        }
        let Some(end) = end else {
            line.extend_from_slice(part);
            self.at += part.len() as u64;
            self.line = line;
            return part.len();
        };
        let found = if line.is_empty() {
            self.delimiter(part)
        } else {
            line.extend_from_slice(part);
            self.delimiter(&line)
        };
        let Some((level, close)) = found else {
            line.truncate(line.len().saturating_sub(part.len()));
            self.line = line;
            self.no_delimiter();
            return 0;
        };
        line.clear();
        self.line = line;
        self.at += end as u64 + 1;
        self.cross(level, close);
        end + 1
    }

    /// The line that began is content.
    fn no_delimiter(&mut self) {
        self.place = Place::Inside;
        let line = mem::take(&mut self.line);
        if let Some(last) = line.last() {
            self.last = *last;
            self.look(&line);
        }
        self.line = line;
        self.line.clear();
    }

    /// Inside a line of a body: to the next line that begins with "--".
    fn inside(&mut self, bytes: &[u8]) -> usize {
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
            self.pass(bytes);
            self.last = bytes.last().copied().unwrap_or(self.last);
            return bytes.len();
        };
        let (line, _) = bytes.split_at(end);
        let before = line.last().copied().unwrap_or(self.last);
        self.line_end = if before == b'\r' { 2 } else { 1 };
        self.last = b'\n';
        self.pass(bytes.get(..=end).unwrap_or(bytes));
        self.place = Place::Start;
        end + 1
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        self.look(bytes);
    }

    fn look(&mut self, bytes: &[u8]) {
        self.sniff.feed(bytes);
        if let Some(watch) = &mut self.watch {
            watch.feed(bytes);
        }
    }

    /// Whose delimiter a line is, and whether it is the last one. The innermost level is asked first.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        if self.levels.is_empty() || text.len() > MIME_BOUNDARY_MAX + 2 {
            return None;
        }
        let bare = text.strip_suffix(b"--");
        let sums = (sum(text), bare.map(sum));
        if !self.sums.may_have(sums.0) && !sums.1.is_some_and(|sum| self.sums.may_have(sum)) {
            return None;
        }
        let mut levels = self.levels.iter().enumerate().rev();
        levels.find_map(|(n, level)| {
            let own = level.boundary.as_ref()?;
            if own.sum == sums.0 && *own.text == *text {
                Some((n, false))
            } else if Some(own.sum) == sums.1 && Some(&*own.text) == bare {
                Some((n, true))
            } else {
                None
            }
        })
    }

    /// A delimiter: all that is open above its level ends.
    fn cross(&mut self, level: usize, close: bool) {
        self.end_leaf();
        self.pop_to(level + 1, false);
        if close {
            self.pop_to(level, true);
            // What follows is the epilogue; nobody reads it.
            let open = self.levels.iter().any(|level| level.boundary.is_some());
            self.place = if open { Place::Start } else { Place::Rest };
            self.line_end = 0;
        } else if let Some(own) = self.levels.last_mut() {
            own.begun = true;
            self.usual = if own.digest { Kind::Mail } else { Kind::Text };
            self.place = Place::Header;
        }
    }

    fn end_leaf(&mut self) {
        let found = self.sniff.end();
        if let Some(watch) = &mut self.watch {
            watch.end();
        }
        if let Some((slot, from)) = self.open.take() {
            self.end_attachment(slot, from, found);
        }
    }

    fn end_attachment(&mut self, slot: usize, from: u64, found: Option<&str>) {
        let end = self.line_at.saturating_sub(self.line_end);
        if let Some(attachment) = self.found.attachments.get_mut(slot) {
            attachment.size = end.saturating_sub(from);
            attachment.found = found.map(str::to_owned);
        }
    }

    fn pop_to(&mut self, level: usize, well: bool) {
        while self.levels.len() > level {
            let Some(level) = self.levels.pop() else {
                return;
            };
            if let Some((slot, from)) = level.open {
                self.end_attachment(slot, from, None);
            }
            if level.boundary.is_some() {
                let all = self.levels.iter().filter_map(|own| own.boundary.as_ref());
                self.sums = all.map(|own| own.sum).collect();
            }
            if level.boundary.is_some() && !well {
                self.broken(if level.begun {
                    "a multipart without its end"
                } else {
                    "a multipart whose boundary never comes"
                });
            }
        }
    }

    /// More parts than anybody reads: what follows is only counted.
    fn give_up(&mut self) {
        self.found.cut = true;
        self.lost.get_or_insert(Lost::Parts);
        self.place = Place::Rest;
        let broken = self.found.broken;
        self.line_at = self.at;
        self.end_leaf();
        self.pop_to(0, false);
        self.found.broken = broken;
    }

    fn broken(&mut self, why: &'static str) {
        self.found.broken.get_or_insert(why);
    }
}

/// A set that may have more than was added, and never less: most lines are compared with no boundary at all.
#[derive(Debug, Default)]
struct Sums([u64; 16]);

impl Sums {
    fn add(&mut self, sum: u32) {
        let (word, bit) = Self::place(sum);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn may_have(&self, sum: u32) -> bool {
        let (word, bit) = Self::place(sum);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn place(sum: u32) -> (usize, u64) {
        let mixed = sum ^ (sum >> 16);
        ((mixed >> 6 & 15) as usize, 1 << (mixed & 63))
    }
}

impl FromIterator<u32> for Sums {
    fn from_iter<I: IntoIterator<Item = u32>>(sums: I) -> Self {
        let mut all = Self::default();
        sums.into_iter().for_each(|sum| all.add(sum));
        all
    }
}

/// FNV-1a: lines that are compared are short.
fn sum(text: &[u8]) -> u32 {
    text.iter().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
