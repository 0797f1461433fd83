//! The MIME structure of a mail while it streams by (RFC 2045, RFC 2046): its attachments, and what is wrong with it.
//!
//! Readers differ in what they make of a mail that is written in its own way. The first reading is the most probable one
//! and what people are told; where another one begins (`reader`) it is followed beside the first, line by line, so that
//! no part is seen by some mail program and not here. An ordinary mail has one reading, and each octet is looked at once.
//! What is kept is bounded by `base::limit`, the result does not depend on how the octets are cut, and what a bound
//! leaves out is told by `cut`, never by a wrong answer.
//! Not here: what a part says of itself (`part`, `readings`), and what its first octets show (`sniff`).

mod decode;
mod foreign;
mod level;
pub mod name;
mod parameter;
mod part;
mod reader;
mod readings;
pub mod sniff;
#[cfg(test)]
mod tests;
mod watch;

use std::borrow::Cow;
use std::mem;

use memchr::memchr;

use super::attachment::Attachment;
use reader::{Out, Reader};

pub use watch::{Event, Lane, Leaf};

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// In the order of the mail; at most `ATTACHMENTS_LOOKED_MAX`.
    pub attachments: Vec<Attachment>,
    /// All that some reader may show as an attachment.
    pub seen: Vec<Seen>,
    /// The mail itself, its parts, and theirs.
    pub parts: usize,
    /// Multiparts and mails inside each other.
    pub depth: usize,
    /// A bound was reached: parts, levels or attachments are left out.
    pub cut: bool,
    /// Readers may differ in what its parts are.
    pub split: bool,
    /// What leaves a reader without content.
    pub broken: Option<&'static str>,
}

/// What a part may be called, and may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its file names in every reading, cleaned and bounded.
    pub names: Vec<String>,
    /// The declared media types, and those that its first octets show.
    pub types: Vec<String>,
}

/// Scans a mail that is fed to it.
#[derive(Debug, Default)]
pub struct Scan {
    first: Reader,
    others: Vec<Reader>,
    /// If there are others: a line that came in pieces.
    line: Vec<u8>,
    out: Out,
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
    /// `MIME_BOUNDARY_MAX`
    Boundary,
    /// `MIME_NAMES_MAX`
    Names,
    /// `MIME_READINGS_MAX`
    Readings,
}

impl Structure {
    /// There is nothing in it but texts to read, to every reader.
    pub fn is_bare(&self) -> bool {
        self.seen.is_empty() && !self.cut && !self.split
    }
}

impl Scan {
    /// A scan that also gives out what is in the parts; `take` it after each `feed`.
    pub fn watched() -> Self {
        let mut scan = Self::default();
        scan.out.watch.events = Some(Vec::new());
        scan
    }

    /// One that begins behind this field: for the inside of a multipart that was encoded as a whole.
    pub fn watched_behind(content_type: &[u8]) -> Self {
        let mut scan = Self::watched();
        let value: Vec<u8> = content_type
            .iter()
            .copied()
            .filter(|b| !matches!(b, b'\r' | b'\n'))
            .collect();
        scan.feed(&[b"Content-Type:", value.as_slice(), b"\r\n\r\n"].concat());
        scan
    }

    /// What came by since the last call; empty if nobody watches.
    pub fn take(&mut self) -> Vec<Event> {
        let events = self.out.watch.events.as_mut();
        events.map(mem::take).unwrap_or_default()
    }

    /// The bound behind which parts did not come by.
    pub fn lost(&self) -> Option<Lost> {
        let mut all = [&self.first].into_iter().chain(&self.others);
        let lost = all.find_map(|reader| reader.lost);
        lost.or_else(|| self.out.is_spent().then_some(Lost::Readings))
    }

    /// What it did besides walking over octets, in nanoseconds of an old core.
    pub fn worked(&self) -> u64 {
        self.out.worked()
    }

    /// Readers may differ in what the parts are.
    pub fn is_split(&self) -> bool {
        !self.others.is_empty() || self.out.is_spent()
    }

    /// Takes the next octets.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        if self.others.is_empty() {
            let used = self.first.feed(bytes, &mut self.out);
            bytes = bytes.get(used..).unwrap_or_default();
            self.adopt(b"");
        }
        // All readers go on line by line, so that none of them is ahead by how the octets were cut.
        while !bytes.is_empty() {
            let room = UNIT - self.line.len();
            let near = bytes.get(..room).unwrap_or(bytes);
            let end = memchr(b'\n', near).map_or(near.len(), |at| at + 1);
            let (now, rest) = bytes.split_at(end);
            bytes = rest;
            self.line.extend_from_slice(now);
            if self.line.len() == UNIT || self.line.ends_with(b"\n") {
                self.all();
            }
        }
    }

    /// Gives the line to all readers.
    fn all(&mut self) {
        let line = mem::take(&mut self.line);
        self.out.again(self.others.len(), line.len());
        if self.out.is_spent() {
            // Only the first one is followed from here.
            for mut reader in mem::take(&mut self.others) {
                reader.leave(&mut self.out);
            }
        }
        let mut old = mem::take(&mut self.others);
        for reader in [&mut self.first].into_iter().chain(&mut old) {
            let text = match reader.reads_lone_cr() {
                true => lines(&line),
                false => Cow::Borrowed(line.as_slice()),
            };
            feed_all(reader, &text, &mut self.others, &mut self.out);
        }
        // Those that were given out now have had the line already.
        old.append(&mut self.others);
        self.others = old;
        self.line = line;
        self.line.clear();
    }

    /// Takes up readers that were given out, which go on with `rest`.
    fn adopt(&mut self, rest: &[u8]) {
        adopt(rest, false, &mut self.others, &mut self.out);
    }

    /// The mail has ended.
    pub fn finish(mut self) -> Structure {
        self.end();
        let mut found = self.first.found;
        found.split = !self.others.is_empty() || self.out.is_spent();
        found.cut |= self.out.is_spent();
        for other in self.others {
            found.cut |= other.found.cut;
            for seen in other.found.seen {
                if !found.seen.contains(&seen) {
                    found.seen.push(seen);
                }
            }
        }
        found
    }

    /// The mail has ended; what then comes by can be taken.
    pub fn end(&mut self) {
        self.all();
        self.first.end(&mut self.out);
        self.adopt(b"");
        let mut at = 0;
        while let Some(reader) = self.others.get_mut(at) {
            reader.end(&mut self.out);
            self.adopt(b"");
            at += 1;
        }
    }
}

/// Gives octets to one reader; those that it gives out go on from where they begin.
fn feed_all(reader: &mut Reader, bytes: &[u8], others: &mut Vec<Reader>, out: &mut Out) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let used = reader.feed(rest, out);
        rest = rest.get(used..).unwrap_or_default();
        adopt(rest, reader.reads_lone_cr(), others, out);
    }
}

/// `split`: `rest` already has an LF for each lone CR.
fn adopt(rest: &[u8], split: bool, others: &mut Vec<Reader>, out: &mut Out) {
    for split_off in mem::take(&mut out.splits) {
        let mut reader = split_off.reader;
        let open = reader.reads_lone_cr() && !split;
        for text in [&split_off.first, rest] {
            let text = if open {
                lines(text)
            } else {
                Cow::Borrowed(text)
            };
            feed_all(&mut reader, &text, others, out);
        }
        others.push(reader);
    }
}

/// With an LF for each CR that stands alone.
fn lines(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\r', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut text = text.to_vec();
    for at in 0..text.len() {
        let next = text.get(at + 1).copied();
        if let Some(byte) = text.get_mut(at)
            && *byte == b'\r'
            && next != Some(b'\n')
        {
            *byte = b'\n';
        }
    }
    Cow::Owned(text)
}

/// Octets of a line that are kept before all readers take them.
const UNIT: usize = 8 << 10;
