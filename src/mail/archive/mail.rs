//! A mail: its parts one after the other, each a member.
//!
//! The mail that is looked into, and the mails that are packed in its archives, which the scan cannot see.

use super::Bound;
use super::look::Look;
use super::member::Member;
use super::work::{MAIL_OCTET, cost};
use crate::mail::structure::{Event, Lost, Scan};

/// The mail itself, or one that is attached or packed.
#[derive(Debug)]
pub(super) struct Mail {
    scan: Scan,
    open: Option<Box<Member>>,
    /// Of the scan's work.
    charged: u64,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            scan: Scan::watched(),
            open: None,
            charged: 0,
        }
    }
}

impl Mail {
    pub(super) fn feed(&mut self, bytes: &[u8], look: &mut Look) {
        for piece in bytes.chunks(PIECE) {
            if look.is_over() {
                return;
            }
            look.charge(cost(piece.len(), MAIL_OCTET));
            self.scan.feed(piece);
            self.charge(look);
            self.events(look);
        }
    }

    /// What the scan did besides walking over the octets: never more than the piece is worth.
    fn charge(&mut self, look: &mut Look) {
        let worked = self.scan.worked();
        look.charge(worked.saturating_sub(self.charged));
        self.charged = worked;
    }

    pub(super) fn finish(&mut self, look: &mut Look) {
        self.scan.end();
        self.charge(look);
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
