//! The decoded octets of every part, for whoever looks into them while the mail streams by.
//!
//! A part is told with all the names that a mail program may show for it: fields that contradict each other are how an
//! attachment hides. What waits to be taken is no more than one piece of the mail that was fed.
//! Not here: what is looked for in the octets (`archive`).

use std::mem;

use super::decode::Decoder;
use super::part::Encoding;

/// What comes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins that has no parts.
    Begin {
        /// Every file name that its fields give, decoded, otherwise as it came.
        names: Vec<String>,
        /// The declared media type in lower case.
        declared: String,
    },
    /// Decoded octets of it.
    Octets(Vec<u8>),
    /// It has ended.
    End,
}

/// Events that nobody took yet.
#[derive(Debug, Default)]
pub(super) struct Watch {
    events: Vec<Event>,
    /// Of the part that comes by.
    decoder: Option<Decoder>,
}

impl Watch {
    pub(super) fn begin(&mut self, names: Vec<String>, declared: String, encoding: Encoding) {
        self.decoder = Some(Decoder::new(encoding));
        self.events.push(Event::Begin { names, declared });
    }

    pub(super) fn feed(&mut self, text: &[u8]) {
        let Some(decoder) = &mut self.decoder else {
            return;
        };
        if let Some(Event::Octets(out)) = self.events.last_mut() {
            decoder.feed(text, out);
            return;
        }
        let mut out = Vec::new();
        decoder.feed(text, &mut out);
        if !out.is_empty() {
            self.events.push(Event::Octets(out));
        }
    }

    pub(super) fn end(&mut self) {
        if self.decoder.take().is_some() {
            self.events.push(Event::End);
        }
    }

    pub(super) fn take(&mut self) -> Vec<Event> {
        mem::take(&mut self.events)
    }
}
