//! Where the next record of one kind begins, asked from many places of one file.
//!
//! Each octet is searched once, whoever asks from where: thousands of entries whose size stands behind them would else
//! each search all that follows.

use std::collections::BTreeMap;

use memchr::memmem::Finder;

use super::look::Look;
use super::work::{OCTET, RECORD, cost};

/// One kind of record in one file.
pub(super) struct Marks<'a> {
    bytes: &'a [u8],
    mark: Finder<'static>,
    /// Where nothing is before the place beside it; they do not overlap.
    known: BTreeMap<usize, usize>,
}

impl<'a> Marks<'a> {
    pub(super) fn new(bytes: &'a [u8], mark: &'static [u8]) -> Self {
        Self {
            bytes,
            mark: Finder::new(mark),
            known: BTreeMap::new(),
        }
    }

    /// The first at `from` or behind it; none: the end of the file.
    pub(super) fn next(&mut self, from: usize, look: &mut Look) -> usize {
        look.charge(RECORD);
        let before = self.known.range(..=from).next_back();
        if let Some((_, found)) = before.filter(|(_, found)| **found >= from) {
            return *found;
        }
        let behind = self
            .known
            .range(from..)
            .next()
            .map(|(at, found)| (*at, *found));
        let (end, then) = behind.unwrap_or((self.bytes.len(), self.bytes.len()));
        let found = self.search(from, end, look).unwrap_or(then);
        if !look.is_over() {
            self.known.insert(from, found);
        }
        found
    }

    /// The first that begins before `end`, by steps that are charged one after the other.
    fn search(&self, from: usize, end: usize, look: &mut Look) -> Option<usize> {
        let (mut at, more) = (from, self.mark.needle().len().saturating_sub(1));
        while at < end {
            let stop = end.min(at + STEP);
            let part = self.bytes.get(at..self.bytes.len().min(stop + more));
            let part = part.unwrap_or_default();
            look.charge(RECORD + cost(part.len(), OCTET));
            if look.is_over() {
                return None;
            }
            if let Some(found) = self.mark.find(part) {
                return Some(at + found);
            }
            at = stop;
        }
        None
    }
}

/// Octets that are searched at once.
const STEP: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mail::archive::Bounds;

    #[test]
    fn each_octet_is_searched_once_and_the_answer_is_that_of_a_search() {
        let mut bytes = vec![b'.'; 10_000];
        for at in [0, 3, 700, 701, 5_000, 9_996, 9_998] {
            bytes[at..(at + 4).min(10_000)].copy_from_slice(&b"PK\x07\x08"[..4.min(10_000 - at)]);
        }
        let mut look = Look::new(Arc::default(), Bounds::default(), Arc::default());
        let mut marks = Marks::new(&bytes, b"PK\x07\x08");
        // Backwards, forwards, and from between.
        let places = (0..=10_000).rev().step_by(7).chain((0..=10_000).step_by(3));
        for from in places {
            let wanted = memchr::memmem::find(&bytes[from..], b"PK\x07\x08");
            let wanted = wanted.map_or(10_000, |at| from + at);
            assert_eq!(marks.next(from, &mut look), wanted, "from {from}");
        }
        let asked = 10_001 / 7 + 10_001 / 3 + 2;
        let most = cost(2 * asked + 100, RECORD) + cost(10_000 + 8 * STEP + 4 * asked, OCTET);
        assert!(look.worked() <= most, "{} of {most}", look.worked());
    }
}
