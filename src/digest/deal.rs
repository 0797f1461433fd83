//! Which rows a digest has room for: several hands are dealt one row each in turn.
//!
//! No hand can take the rows of another: a flood of new mail leaves room for the oldest that waits, for what ends soon
//! and for what would lose its links, and none of these keeps today's mail out. What a hand cannot use, the others get.
//! Not here: what is in the hands (`choice`).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::queue::hold::Card;
use crate::queue::record::HoldId;

/// Deals from `hands`, each in its own order, until `rows` has `room` many or every hand is empty. A card that is in
/// several hands is dealt once, and the hand that comes later gets its next one instead.
pub(super) fn deal(rows: &mut BTreeMap<HoldId, Card>, hands: Vec<Vec<Card>>, room: usize) {
    let mut hands: Vec<_> = hands.into_iter().map(Vec::into_iter).collect();
    while rows.len() < room && !hands.is_empty() {
        hands.retain_mut(|hand| rows.len() >= room || one(rows, hand));
    }
}

/// One row of a hand; false: it has none any more.
fn one(rows: &mut BTreeMap<HoldId, Card>, hand: &mut impl Iterator<Item = Card>) -> bool {
    for card in hand {
        if let Entry::Vacant(place) = rows.entry(card.id) {
            place.insert(card);
            return true;
        }
    }
    false
}
