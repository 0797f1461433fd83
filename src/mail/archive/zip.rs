//! A zip file that is there as a whole: every entry that some program may find in it, under every name it may have.
//!
//! Programs find entries by the directory at the end, or by walking from header to header; files that mean to mislead
//! say different things in each. So both ways are gone, and what differs is looked at twice. Octets before, between and
//! behind the entries do not hide any.
//! Not here: methods other than stored and deflated; of such entries only the names count.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;

use super::Bound;
use super::inflate::{Inflate, Step};
use super::look::{Look, Room};
use super::member::Member;
use super::zip_record::{CENTRAL, DESCRIPTOR, Directory, LOCAL, Record, directories};
use crate::base::limit::ARCHIVE_ENTRIES_MAX;

/// One file.
struct Zip<'a> {
    bytes: &'a [u8],
    /// Central headers by where their local one stands.
    central: BTreeMap<usize, Vec<Record>>,
    /// Where contents began that were looked at, with their method, and if stored their length.
    seen: BTreeSet<(usize, u16, usize)>,
    room: Room,
    inflate: Inflate,
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
        stored: 0,
    };
    let ends = directories(bytes);
    for directory in ends.iter().flatten() {
        zip.read(*directory, look);
    }
    let walked = zip.walk(look);
    zip.others(look);
    let empty = !walked && zip.central.is_empty();
    if ends.is_none() && (walked || bytes.starts_with(b"PK"))
        || ends.is_some() && empty && has_entries(bytes)
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
            at = record.end;
            count += 1;
            if count > ARCHIVE_ENTRIES_MAX {
                look.stop(Bound::Entries);
                return;
            }
            let local = record.local.wrapping_add(directory.shift);
            let local = usize::try_from(local).unwrap_or(usize::MAX);
            let all = self.central.entry(local).or_default();
            if !all.iter().any(|own| own.at == record.at) {
                all.push(record);
            }
        }
    }

    /// From one local header to the next; whether there was one.
    fn walk(&mut self, look: &mut Look) -> bool {
        let (mut at, mut walked) = (0, false);
        while !look.is_over() {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let Some(found) = memmem::find(rest, LOCAL) else {
                break;
            };
            at += found;
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
            for record in named {
                let mut member = Member::new(record.names(self.bytes), look);
                look.damaged();
                member.finish(look);
            }
        }
    }

    /// One entry and the central headers that mean it; where its content ends.
    fn entry(&mut self, local: Record, named: &[Record], look: &mut Look) -> usize {
        let mut names = local.names(self.bytes);
        for record in named {
            for name in record.names(self.bytes) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let packed = named.iter().map(|record| record.packed);
        let mut member = Some(Member::new(names.clone(), look));
        let mut end = local.end;
        for (n, record) in [&local].into_iter().chain(named).enumerate() {
            if look.is_over() {
                return end;
            }
            if local.is_encrypted() || record.is_encrypted() {
                look.encrypted();
                let size = packed.clone().max().unwrap_or_default().max(record.packed);
                end = end.max(self.end_of(local.end, size));
                continue;
            }
            let size = match record.packed {
                // It stands behind the content, where nobody can find it without knowing it.
                0 if n == 0 && local.flags & DESCRIBED != 0 => packed.clone().max(),
                size => Some(size),
            };
            let Some(stop) = self.range(local.end, record.method, size) else {
                continue;
            };
            let own = member.take();
            let own = own.unwrap_or_else(|| Member::new(names.clone(), look));
            end = end.max(self.content(own, local.end, stop, record.method, look));
        }
        if let Some(mut member) = member {
            member.finish(look);
        }
        end
    }

    /// The end of a content that was not looked at yet; a deflated one knows itself where it ends.
    fn range(&mut self, from: usize, method: u16, size: Option<u64>) -> Option<usize> {
        let stop = match (method, size) {
            (STORED, Some(size)) => self.end_of(from, size),
            (STORED, None) => {
                let rest = self.bytes.get(from..).unwrap_or_default();
                let ends = [DESCRIPTOR, CENTRAL].map(|mark| memmem::find(rest, mark));
                from + ends.into_iter().flatten().min().unwrap_or(rest.len())
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
            look.work(0, content.len(), self.stored, self.room);
            member.whole(content, look);
            return stop;
        }
        self.inflate.reset();
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

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Size and check sum stand behind the content.
const DESCRIBED: u16 = 8;
