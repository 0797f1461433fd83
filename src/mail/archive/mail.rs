//! A mail: its parts one after the other, each a member.
//!
//! The mail that is looked into, and the mails that are packed in its archives, which the scan cannot see.

use super::Bound;
use super::look::Look;
use super::member::Member;
use crate::mail::structure::{Event, Lost, Scan};

/// The mail itself, or one that is attached or packed.
#[derive(Debug)]
pub(super) struct Mail {
    scan: Scan,
    open: Option<Box<Member>>,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            scan: Scan::watched(),
            open: None,
        }
    }
}

impl Mail {
    pub(super) fn feed(&mut self, bytes: &[u8], look: &mut Look) {
        for piece in bytes.chunks(PIECE) {
            if look.is_over() {
                return;
            }
            self.scan.feed(piece);
            self.events(look);
        }
    }

    pub(super) fn finish(&mut self, look: &mut Look) {
        self.scan.end();
        self.events(look);
        // Only now, so that it does not matter how the mail was cut.
        match self.scan.lost() {
            Some(Lost::Parts) => look.stop(Bound::Parts),
            Some(Lost::Depth) => look.stop(Bound::Levels),
            Some(Lost::Header) => look.stop(Bound::Header),
            None => {}
        }
    }

    fn events(&mut self, look: &mut Look) {
        for event in self.scan.take() {
            if look.is_over() {
                return;
            }
            match event {
                Event::Begin { names, declared } => {
                    self.open = Some(Box::new(Member::of_mail(names, declared, look)));
                }
                Event::Octets(octets) => {
                    if let Some(open) = &mut self.open {
                        open.feed(&octets, look);
                    }
                }
                Event::End => {
                    if let Some(mut open) = self.open.take() {
                        open.finish(look);
                    }
                }
            }
        }
    }
}

/// What the scan gives out waits for so many octets.
const PIECE: usize = 16 << 10;
