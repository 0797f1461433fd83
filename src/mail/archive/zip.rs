//! A zip file that is there as a whole: every entry that some program may find in it, under every name it may have.
//!
//! Programs find entries by the directory at the end, or by walking from header to header; files that mean to mislead
//! say different things in each. So both ways are gone, and what differs is looked at twice. Octets before, between and
//! behind the entries do not hide any.
//! Each octet is searched a bounded number of times, whatever the records say of each other.
//! Not here: methods other than stored and deflated; of such entries the names count, and that they hide their content.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use memchr::memmem;

use super::Bound;
use super::inflate::{Inflate, Step};
use super::look::{Look, Room};
use super::member::{Member, Named};
use super::work::{NAME_OCTET, OCTET, RECORD, cost};
use super::zip_mark::Marks;
use super::zip_record::{
    CENTRAL, DEFLATED, DESCRIPTOR, Directory, LOCAL, Record, STORED, directories,
};
use crate::base::limit::{ARCHIVE_ENTRIES_MAX, ARCHIVE_NAMES_MAX};

/// One file.
struct Zip<'a> {
    bytes: &'a [u8],
    /// Central headers by where their local one stands, and where they do.
    central: BTreeMap<usize, BTreeMap<usize, Record>>,
    /// Where contents began that were looked at, with their method, and if stored their length.
    seen: BTreeSet<(usize, u16, usize)>,
    room: Room,
    inflate: Inflate,
    locals: Marks<'a>,
    /// What ends a content whose size nobody knows.
    descriptors: Marks<'a>,
    centrals: Marks<'a>,
    /// Octets that stored entries gave.
    stored: u64,
}

/// Looks into a whole file; one without any record of a zip is none.
pub(super) fn look_into(bytes: &[u8], look: &mut Look) {
    let mut zip = Zip {
        bytes,
        central: BTreeMap::new(),
        seen: BTreeSet::new(),
        room: look.room(bytes.len() as u64),
        inflate: Inflate::default(),
        locals: Marks::new(bytes, LOCAL),
        descriptors: Marks::new(bytes, DESCRIPTOR),
        centrals: Marks::new(bytes, CENTRAL),
        stored: 0,
    };
    // The end records are searched for, and maybe the first central one.
    look.charge(cost(bytes.len(), 3 * OCTET));
    if look.is_over() {
        return;
    }
    let ends = directories(bytes);
    let cut = ends.as_ref().is_some_and(|(_, whole)| !whole);
    for directory in ends.iter().flat_map(|(found, _)| found) {
        zip.read(*directory, look);
    }
    let walked = zip.walk(look);
    zip.others(look);
    let empty = !walked && zip.central.is_empty();
    if ends.is_none() && (walked || bytes.starts_with(b"PK"))
        || ends.is_some() && (cut || empty) && has_entries(bytes)
    {
        look.damaged();
    }
}

/// An end record that speaks of entries, none of which are there.
fn has_entries(bytes: &[u8]) -> bool {
    memmem::find(bytes, CENTRAL).is_some()
}

impl Zip<'_> {
    /// Reads a directory; how many entries it should have is not asked.
    fn read(&mut self, directory: Directory, look: &mut Look) {
        let mut at = directory.at;
        let mut count = 0;
        while let Some(record) = Record::central(self.bytes, at) {
            look.charge(RECORD);
            at = record.end;
            count += 1;
            if look.is_over() {
                return;
            }
            if count > ARCHIVE_ENTRIES_MAX {
                look.stop(Bound::Entries);
                return;
            }
            let local = record.local.wrapping_add(directory.shift);
            let local = usize::try_from(local).unwrap_or(usize::MAX);
            let all = self.central.entry(local).or_default();
            all.insert(record.at, record);
        }
    }

    /// From one local header to the next; whether there was one.
    fn walk(&mut self, look: &mut Look) -> bool {
        let (mut at, mut walked) = (0, false);
        while !look.is_over() {
            at = self.locals.next(at, look);
            if at >= self.bytes.len() {
                break;
            }
            let Some(local) = Record::local(self.bytes, at) else {
                at += LOCAL.len();
                continue;
            };
            walked = true;
            let named = self.central.remove(&at).unwrap_or_default();
            at = self.entry(local, &named, look).max(at + LOCAL.len());
        }
        walked
    }

    /// What only the directory knows of, because the walk passed over it.
    fn others(&mut self, look: &mut Look) {
        while let Some((at, named)) = self.central.pop_first() {
            if look.is_over() {
                return;
            }
            if let Some(local) = Record::local(self.bytes, at) {
                self.entry(local, &named, look);
                continue;
            }
            for record in named.into_values() {
                let names = self.names([&record].into_iter(), look);
                let mut member = Member::new(names, look);
                look.damaged();
                member.finish(look);
            }
        }
    }

    /// Each name once, first those of the first.
    fn names<'r>(&self, records: impl Iterator<Item = &'r Record>, look: &mut Look) -> Vec<String> {
        let (mut names, mut known) = (Vec::new(), HashSet::new());
        for record in records {
            look.charge(RECORD + cost(record.length(), NAME_OCTET));
            // One above the bound is enough to be seen.
            if look.is_over() || names.len() > ARCHIVE_NAMES_MAX {
                break;
            }
            for name in record.names(self.bytes) {
                if known.insert(name.clone()) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// One entry and the central headers that mean it; where its content ends.
    fn entry(&mut self, local: Record, named: &BTreeMap<usize, Record>, look: &mut Look) -> usize {
        let names = self.names([&local].into_iter().chain(named.values()), look);
        let packed = named.values().map(|record| record.packed).max();
        let mut member = Some(Member::new(names, look));
        let known = member.as_ref().map(Member::named);
        for record in [&local].into_iter().chain(named.values()) {
            let described = local.flags & DESCRIBED != 0;
            if record.packed > 0 || described && packed.is_none_or(|packed| packed > 0) {
                look.packed(record.strange());
            }
        }
        let mut end = local.end;
        for (n, record) in [&local].into_iter().chain(named.values()).enumerate() {
            look.charge(RECORD);
            if look.is_over() {
                return end;
            }
            if local.is_encrypted() || record.is_encrypted() {
                look.encrypted();
                let size = packed.unwrap_or_default().max(record.packed);
                end = end.max(self.end_of(local.end, size));
                continue;
            }
            let size = match record.packed {
                // It stands behind the content, where nobody can find it without knowing it.
                0 if n == 0 && local.flags & DESCRIBED != 0 => packed,
                size => Some(size),
            };
            let Some(stop) = self.range(local.end, record.method, size, look) else {
                continue;
            };
            let Some(own) = member.take().or_else(|| again(known.as_ref(), look)) else {
                return end;
            };
            end = end.max(self.content(own, local.end, stop, record.method, look));
        }
        if let Some(mut member) = member {
            member.finish(look);
        }
        end
    }

    /// The end of a content that was not looked at yet; a deflated one knows itself where it ends.
    fn range(
        &mut self,
        from: usize,
        method: u16,
        size: Option<u64>,
        look: &mut Look,
    ) -> Option<usize> {
        let stop = match (method, size) {
            (STORED, Some(size)) => self.end_of(from, size),
            (STORED, None) => {
                let descriptor = self.descriptors.next(from, look);
                descriptor.min(self.centrals.next(from, look))
            }
            (DEFLATED, _) => self.bytes.len(),
            (_, _) => return None,
        };
        let key = if method == STORED { stop } else { 0 };
        self.seen.insert((from, method, key)).then_some(stop)
    }

    fn end_of(&self, from: usize, size: u64) -> usize {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        from.saturating_add(size).min(self.bytes.len())
    }

    fn content(
        &mut self,
        mut member: Member,
        from: usize,
        stop: usize,
        method: u16,
        look: &mut Look,
    ) -> usize {
        let content = self.bytes.get(from..stop).unwrap_or_default();
        if method == STORED {
            self.stored += content.len() as u64;
            look.unpacked(0, content.len(), self.stored, self.room);
            member.whole(content, look);
            return stop;
        }
        self.inflate.reset(look);
        let (used, step) = self.inflate.feed(content, self.room, &mut member, look);
        member.finish(look);
        if step != Step::End {
            look.damaged();
            // What follows is looked for from its begin: it may be no content at all.
            return from;
        }
        from + used
    }
}

fn again(known: Option<&Arc<Named>>, look: &mut Look) -> Option<Member> {
    known.map(|named| Member::again(named, look))
}

/// Size and check sum stand behind the content.
const DESCRIBED: u16 = 8;
