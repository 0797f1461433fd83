//! One reading of a mail: a machine that goes from header to body to delimiter, octet by octet.
//!
//! Where readers differ it goes on in the one way and gives out a second reader that goes on in the other, and from then
//! on both know which way they go. Each octet is looked at once by each; the result does not depend on the cut.
//! Not here: keeping the readers together (`mod`), and what a part says of itself (`part`).

mod head;
mod line;

use std::mem;

use super::level::{Boundary, Delimiter, Level, Levels};
use super::part::Kind;
use super::sniff::Sniff;
use super::watch::{Lanes, Watch};
use super::{Lost, Structure};
use crate::base::limit::{MIME_AGAIN_LINE, MIME_AGAIN_MAX, MIME_DEPTH_MAX, MIME_READINGS_MAX};

/// Scans a mail in one way.
#[derive(Debug)]
pub(super) struct Reader {
    /// 0: the one that people are told of.
    id: u16,
    ways: Ways,
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
    levels: Levels,
    /// The multipart that was closed last, and how deep it stood.
    closed: Option<(usize, Level)>,
    /// The attachment whose octets come by, and where they began.
    open: Option<(usize, u64)>,
    /// Where it stands among those that were seen.
    seen: Option<usize>,
    sniff: Sniff,
    /// In the other encodings that it may have.
    sniffs: Vec<Sniff>,
    lanes: Lanes,
    /// The bound behind which parts were not looked into.
    pub(super) lost: Option<Lost>,
    pub(super) found: Structure,
}

/// Which way it goes where readers differ; none: the question did not come yet.
#[derive(Clone, Copy, Debug, Default)]
struct Ways {
    /// A line of blanks ends a header. RFC 5322 section 3.2.2 has it as a fold.
    blanks_end: Option<bool>,
    /// A line that is no field ends a header. Others pass over it.
    junk_ends: Option<bool>,
    /// A line that begins as a delimiter is one.
    loose: Option<bool>,
    /// A delimiter behind the last one begins a part all the same.
    reopens: Option<bool>,
    /// CR alone ends a line.
    lone_cr: Option<bool>,
}

/// A second reader, and what it takes before it goes on with the octets behind.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) reader: Reader,
    pub(super) first: Vec<u8>,
}

/// Where a reading gives out what it sees.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// Octets of fields that counted, of all parts and readers.
    pub(super) headers: usize,
    pub(super) watch: Watch,
    pub(super) splits: Vec<Split>,
    /// Readers beside the first one.
    readers: u16,
    /// Parts and names that all of them keep in `found.seen`.
    seen: usize,
    /// What was done besides walking over the octets once, in nanoseconds of an old core.
    worked: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the header section of a part.
    Header,
    /// At the start of a line that may be a delimiter.
    Start,
    /// Behind it.
    Inside,
    /// In the rest of a line that is a delimiter.
    Tail(Delimiter),
    /// No multipart is open: only counted.
    Rest,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            id: 0,
            ways: Ways::default(),
            at: 0,
            place: Place::Header,
            line: Vec::new(),
            line_at: 0,
            line_end: 0,
            last: 0,
            fields: Vec::new(),
            keeping: false,
            usual: Kind::Text,
            levels: Levels::default(),
            closed: None,
            open: None,
            seen: None,
            sniff: Sniff::default(),
            sniffs: Vec::new(),
            lanes: Lanes::default(),
            lost: None,
            found: Structure::default(),
        }
    }
}

impl Reader {
    /// Whether CR alone ends a line.
    pub(super) fn reads_lone_cr(&self) -> bool {
        self.ways.lone_cr == Some(true)
    }

    /// Takes octets up to where a second reader begins; how many it took.
    pub(super) fn feed(&mut self, all: &[u8], out: &mut Out) -> usize {
        let mut bytes = all;
        while !bytes.is_empty() && out.splits.is_empty() {
            let used = match self.place {
                Place::Header => self.header(bytes, out),
                Place::Start => self.start(bytes, out),
                Place::Inside => self.inside(bytes, out),
                Place::Tail(delimiter) => self.tail(bytes, delimiter, out),
                Place::Rest => {
                    self.pass(bytes, out);
                    bytes.len()
                }
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
        all.len() - bytes.len()
    }

    /// Nobody follows it any more.
    pub(super) fn leave(&mut self, out: &mut Out) {
        self.lanes.end(&mut out.watch);
    }

    /// The mail has ended.
    pub(super) fn end(&mut self, out: &mut Out) {
        let line = mem::take(&mut self.line);
        match self.place {
            Place::Header => self.header_line(&line, out),
            Place::Start => match self.delimiter(&line) {
                Some(delimiter) => self.cross(delimiter, out),
                None => self.look(&line, out),
            },
            Place::Tail(delimiter) => self.cross(delimiter, out),
            Place::Inside | Place::Rest => {}
        }
        // A mail in it may begin here, with a header of nothing.
        while self.place == Place::Header {
            self.begin_body(out);
        }
        self.line_at = self.at;
        self.line_end = 0;
        self.end_leaf(out);
        self.pop_to(0, false);
    }

    /// A second reader at the same place, in no part; none above the bound.
    fn split(&mut self, out: &mut Out) -> Option<Self> {
        let Some(id) = out.number() else {
            self.lose(Lost::Readings);
            return None;
        };
        Some(Self {
            id,
            ways: self.ways,
            at: self.at,
            place: self.place,
            line_at: self.line_at,
            line_end: self.line_end,
            last: self.last,
            fields: self.fields.clone(),
            keeping: self.keeping,
            usual: self.usual,
            levels: self.levels.clone(),
            closed: self.closed.clone(),
            ..Self::default()
        })
    }

    /// Gives out a reader that takes the line that was just taken in another way.
    fn give(&mut self, line: &[u8], out: &mut Out, way: impl FnOnce(&mut Self)) {
        if let Some(mut other) = self.split(out) {
            other.at = other.at.saturating_sub(line.len() as u64);
            way(&mut other);
            out.splits.push(Split {
                reader: other,
                first: line.to_vec(),
            });
        }
    }

    fn lose(&mut self, lost: Lost) {
        self.found.cut = true;
        self.lost.get_or_insert(lost);
    }

    fn open_multipart(&mut self, boundary: Boundary, digest: bool) {
        if self.push(Level::multipart(boundary, digest)) {
            self.place = Place::Start;
        }
    }

    fn open_mail(&mut self) {
        let open = self.open;
        if self.push(Level::mail(open)) {
            self.open = None;
            self.usual = Kind::Text;
            self.place = Place::Header;
        }
    }

    fn push(&mut self, level: Level) -> bool {
        if self.levels.len() == MIME_DEPTH_MAX {
            self.lose(Lost::Depth);
            return false;
        }
        self.levels.push(level);
        self.found.depth = self.found.depth.max(self.levels.len());
        true
    }

    fn pass(&mut self, bytes: &[u8], out: &mut Out) {
        self.at += bytes.len() as u64;
        self.look(bytes, out);
    }

    fn look(&mut self, bytes: &[u8], out: &mut Out) {
        self.sniff.feed(bytes);
        for sniff in &mut self.sniffs {
            sniff.feed(bytes);
        }
        self.lanes.feed(bytes, &mut out.watch);
    }

    /// A delimiter: all that is open above its level ends.
    fn cross(&mut self, (level, close): Delimiter, out: &mut Out) {
        self.end_leaf(out);
        self.pop_to(level + 1, false);
        if close {
            self.closed = self.levels.last().cloned().map(|own| (level, own));
            self.pop_to(level, true);
            // What follows is the epilogue, which hardly anybody reads.
            self.place = self.place_of_body();
            self.line_end = 0;
        } else if let Some(own) = self.levels.last_mut() {
            own.begun = true;
            self.usual = if own.digest { Kind::Mail } else { Kind::Text };
            self.closed = None;
            self.place = Place::Header;
        }
    }

    fn end_leaf(&mut self, out: &mut Out) {
        let first = self.sniff.end();
        let others = self.sniffs.drain(..).filter_map(|mut sniff| sniff.end());
        let all: Vec<_> = first.into_iter().chain(others).map(str::to_owned).collect();
        let seen = self.seen.take();
        if let Some(seen) = seen.and_then(|at| self.found.seen.get_mut(at)) {
            seen.types.extend(all);
        }
        self.lanes.end(&mut out.watch);
        if let Some((slot, from)) = self.open.take() {
            self.end_attachment(slot, from, first);
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
    fn give_up(&mut self, out: &mut Out) {
        self.lose(Lost::Parts);
        self.place = Place::Rest;
        let broken = self.found.broken;
        self.line_at = self.at;
        self.end_leaf(out);
        self.pop_to(0, false);
        self.closed = None;
        self.found.broken = broken;
    }

    fn broken(&mut self, why: &'static str) {
        self.found.broken.get_or_insert(why);
    }
}

impl Out {
    /// What was done besides walking over the octets once, in nanoseconds of an old core: headers that were read, lines
    /// that may have been delimiters, and all that other readers take.
    pub(super) fn worked(&self) -> u64 {
        let again = AGAIN_COST.saturating_mul(self.watch.again as u64);
        self.worked.saturating_add(again)
    }

    /// Other readers take a line.
    pub(super) fn again(&mut self, readers: usize, octets: usize) {
        self.watch.again += readers * (octets + MIME_AGAIN_LINE);
    }

    /// Readers beside the first one took all that they may.
    pub(super) fn is_spent(&self) -> bool {
        self.watch.again > MIME_AGAIN_MAX
    }

    /// The next reader's; none above the bound.
    fn number(&mut self) -> Option<u16> {
        let next = self.readers + 1;
        if usize::from(next) >= MIME_READINGS_MAX || self.is_spent() {
            return None;
        }
        self.readers = next;
        Some(next)
    }
}

/// What a line costs that may be a delimiter, and each boundary that it is compared with.
const LINE_COST: u64 = 100;
const LEVEL_COST: u64 = 5;
/// What an octet of a header costs that is kept: parameters and encoded words are read from it, for names several times.
const HEADER_COST: u64 = 150;
/// What an octet costs another reader.
const AGAIN_COST: u64 = 5;

const WITHOUT: &str = "a multipart without a boundary";
