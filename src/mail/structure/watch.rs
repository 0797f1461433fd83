//! The decoded octets of every part, for whoever looks into them while the mail streams by.
//!
//! A part is told with all the names and types that a mail program may show for it, and once for each way in which its
//! octets may be meant: fields that contradict each other are how an attachment hides. What waits to be taken is no more
//! than one piece of the mail that was fed, once for each reading.
//! Not here: what is looked for in the octets (`archive`).

use super::decode::Decoder;
use super::part::{Encoding, Part};

/// One reading of one part, as long as it comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// Which reading of the mail.
    pub(super) reader: u16,
    /// Which transfer encoding.
    pub(super) encoding: Encoding,
}

/// What comes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins that has no parts.
    Begin(Lane, Box<Leaf>),
    /// Decoded octets of it.
    Octets(Lane, Vec<u8>),
    /// It has ended.
    End(Lane),
}

/// A part that has no parts, or is looked at as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// Every file name that its fields may mean, decoded, otherwise as it came; the most probable one first.
    pub names: Vec<String>,
    /// The declared media types in lower case, the most probable one first; never empty.
    pub types: Vec<String>,
    /// Its octets are lines in which files may stand, whatever it is declared as.
    pub lines: bool,
    /// It is a multipart that is encoded as a whole: the field that opens it.
    pub packed: Option<Vec<u8>>,
    /// The transfer encoding that nobody knows.
    pub unknown: Option<String>,
}

/// What the readings give out.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// None: nobody takes it.
    pub(super) events: Option<Vec<Event>>,
    /// Octets that were taken once more than once.
    pub(super) again: usize,
}

/// A part that comes by for somebody who watches.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    open: Vec<(Lane, Decoder)>,
}

impl Lanes {
    pub(super) fn begin(&mut self, reader: u16, part: &Part, watch: &mut Watch) {
        let Some(events) = &mut watch.events else {
            return;
        };
        for encoding in &part.encodings {
            let lane = Lane {
                reader,
                encoding: *encoding,
            };
            let lines = *encoding == Encoding::Lines;
            let leaf = part.leaf(lines);
            events.push(Event::Begin(lane, Box::new(leaf)));
            self.open.push((lane, Decoder::new(*encoding)));
        }
    }

    pub(super) fn feed(&mut self, text: &[u8], watch: &mut Watch) {
        let Some(events) = &mut watch.events else {
            return;
        };
        watch.again += self.open.len().saturating_sub(1) * text.len();
        for (lane, decoder) in &mut self.open {
            if let Some(Event::Octets(last, out)) = events.last_mut()
                && last == lane
            {
                decoder.feed(text, out);
                continue;
            }
            let mut out = Vec::new();
            decoder.feed(text, &mut out);
            if !out.is_empty() {
                events.push(Event::Octets(*lane, out));
            }
        }
    }

    pub(super) fn end(&mut self, watch: &mut Watch) {
        let open = self.open.drain(..).map(|(lane, _)| Event::End(lane));
        if let Some(events) = &mut watch.events {
            events.extend(open);
        }
    }
}
