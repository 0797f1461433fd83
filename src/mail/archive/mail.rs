//! A mail: its parts one after the other, each a member, and each of its readings too.
//!
//! The mail that is looked into, and the mails that are packed in its archives, which the scan cannot see.

use std::collections::BTreeMap;

use super::look::{Look, Standing};
use super::member::Member;
use super::work::{MAIL_OCTET, cost};
use super::{Bound, Unread};
use crate::mail::structure::{Event, Lane, Leaf, Lost, Scan};

/// The mail itself, or one that is attached or packed.
#[derive(Debug)]
pub(super) struct Mail {
    scan: Scan,
    /// One for each reading of the part that comes by, with where it stands.
    open: BTreeMap<Lane, (Member, Standing)>,
    /// Of the scan's work.
    charged: u64,
}

impl Default for Mail {
    fn default() -> Self {
        Self::of(Scan::watched())
    }
}

impl Mail {
    fn of(scan: Scan) -> Self {
        Self {
            scan,
            open: BTreeMap::new(),
            charged: 0,
        }
    }

    /// The inside of a multipart that was encoded as a whole.
    pub(super) fn behind(content_type: &[u8]) -> Self {
        Self::of(Scan::watched_behind(content_type))
    }

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
            Some(Lost::Boundary) => look.stop(Bound::Boundary),
            Some(Lost::Names) => look.stop(Bound::Said),
            Some(Lost::Readings) => look.stop(Bound::Readings),
            None => {}
        }
    }

    fn events(&mut self, look: &mut Look) {
        for event in self.scan.take() {
            if look.is_over() {
                return;
            }
            match event {
                Event::Begin(lane, leaf) => {
                    let before = look.standing();
                    let member = begin(*leaf, look);
                    self.open.insert(lane, (member, look.stand(before)));
                }
                Event::Octets(lane, octets) => {
                    if let Some((member, own)) = self.open.get_mut(&lane) {
                        let before = look.stand(std::mem::take(own));
                        member.feed(&octets, look);
                        *own = look.stand(before);
                    }
                }
                Event::End(lane) => {
                    if let Some((mut member, own)) = self.open.remove(&lane) {
                        let before = look.stand(own);
                        member.finish(look);
                        look.stand(before);
                    }
                }
            }
        }
    }
}

fn begin(leaf: Leaf, look: &mut Look) -> Member {
    let is = |types: &[&str]| leaf.types.iter().any(|own| types.contains(&own.as_str()));
    let unread = if is(&["message/partial"]) {
        Some(Unread::Piece)
    } else if is(BINHEX) {
        Some(Unread::BinHex)
    } else {
        leaf.unknown.clone().map(Unread::Encoding)
    };
    let member = Member::of_mail(leaf, look);
    if let Some(why) = unread {
        look.unread(why);
    }
    member
}

/// What the scan gives out waits for so many octets.
const PIECE: usize = 16 << 10;
/// Files of old Macintoshes, in an encoding of their own.
const BINHEX: &[&str] = &[
    "application/mac-binhex40",
    "application/x-binhex40",
    "application/binhex",
];
