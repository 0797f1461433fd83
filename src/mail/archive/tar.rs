//! A tar file: its entries as they come by, under every name that a program may give them.
//!
//! Long names stand in entries of their own, before the one they name (GNU), or among its extended fields (POSIX pax).
//! Not looked at: what links point to, and where entries would be put.

use super::Bound;
use super::look::Look;
use super::member::Member;
use super::work::{NAME, NAME_OCTET, OCTET, RECORD, cost};
use super::zip_record::text;
use crate::base::limit::ARCHIVE_NAMES_MAX;

/// A tar file that comes by.
#[derive(Debug, Default)]
pub(super) struct Tar {
    /// A header until it is whole.
    header: Vec<u8>,
    place: Place,
    /// Names that the next entry has besides its own.
    names: Vec<String>,
    /// Names that all that follow have besides their own.
    global: Vec<String>,
    /// The size of the next entry, if it is not in its header.
    size: Option<u64>,
    begun: bool,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Header,
    /// So many octets are to come of an entry, and so many behind it up to a full block.
    Entry(u64, u64, Content),
    /// Nobody reads this.
    Rest,
}

#[derive(Debug)]
enum Content {
    Member(Box<Member>),
    /// GNU: the next name.
    Name(Vec<u8>),
    /// pax: fields of the next entry,
    Fields(Vec<u8>),
    /// or of all that follow.
    Global(Vec<u8>),
    Skip,
}

impl Tar {
    pub(super) fn feed(&mut self, mut bytes: &[u8], look: &mut Look) {
        while !bytes.is_empty() && !look.is_over() {
            let used = match &mut self.place {
                Place::Header => self.header(bytes, look),
                Place::Entry(left, padding, content) => {
                    let now = usize::try_from(*left).unwrap_or(usize::MAX);
                    let now = bytes.get(..now).unwrap_or(bytes);
                    content.feed(now, look);
                    *left -= now.len() as u64;
                    if *left == 0 {
                        let rest = (bytes.len() - now.len()) as u64;
                        let skipped = rest.min(*padding);
                        *padding -= skipped;
                        let used = now.len() + usize::try_from(skipped).unwrap_or_default();
                        if *padding == 0 {
                            self.end(look);
                        }
                        used
                    } else {
                        now.len()
                    }
                }
                Place::Rest => return,
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, look: &mut Look) {
        let cut = match &self.place {
            Place::Entry(left, _, _) => *left > 0,
            Place::Header | Place::Rest => false,
        };
        self.end(look);
        if cut || !self.begun {
            look.damaged();
        }
    }

    fn header(&mut self, bytes: &[u8], look: &mut Look) -> usize {
        let room = BLOCK.saturating_sub(self.header.len()).min(bytes.len());
        self.header.extend(bytes.iter().take(room));
        if self.header.len() < BLOCK {
            return room;
        }
        look.charge(RECORD + cost(BLOCK, OCTET));
        let header = std::mem::take(&mut self.header);
        // Two empty blocks are the end for some programs, and not for others.
        if header.iter().all(|byte| *byte == 0) {
            return room;
        }
        if !is_header(&header) {
            look.damaged();
            self.place = Place::Rest;
            return room;
        }
        self.begun = true;
        self.begin(&header, look);
        room
    }

    fn begin(&mut self, header: &[u8], look: &mut Look) {
        let kind = header.get(KIND).copied().unwrap_or_default();
        let own = number(header.get(SIZE..SIZE + 12).unwrap_or_default());
        let size = match kind {
            b'L' | b'K' | b'x' | b'g' | b'X' => own,
            _ => self.size.take().unwrap_or(own),
        };
        let content = match kind {
            b'L' => Content::Name(Vec::new()),
            b'x' | b'X' => Content::Fields(Vec::new()),
            b'g' => Content::Global(Vec::new()),
            b'K' | b'5' => Content::Skip,
            _ => {
                let mut names = std::mem::take(&mut self.names);
                names.extend(self.global.iter().cloned());
                let field = |at: usize, len: usize| {
                    let octets = header.get(at..at + len).unwrap_or_default();
                    text(octets.split(|byte| *byte == 0).next().unwrap_or_default())
                };
                names.push(field(0, 100));
                names.dedup();
                Content::Member(Box::new(Member::new(names, look)))
            }
        };
        // Links have a size in some files, and no content.
        let size = if matches!(kind, b'1'..=b'6') { 0 } else { size };
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        self.place = Place::Entry(size, padding, content);
        if size == 0 {
            self.end(look);
        }
    }

    fn end(&mut self, look: &mut Look) {
        let Place::Entry(_, _, content) = std::mem::take(&mut self.place) else {
            return;
        };
        match content {
            Content::Member(mut member) => member.finish(look),
            Content::Name(octets) => {
                let first = octets.split(|byte| *byte == 0).next();
                self.name(first.unwrap_or_default(), look);
            }
            Content::Fields(octets) => self.fields(&octets, look),
            Content::Global(octets) => self.globals(&octets, look),
            Content::Skip => {}
        }
    }

    /// Some programs give the names to every entry that follows.
    fn globals(&mut self, octets: &[u8], look: &mut Look) {
        let (names, size) = (std::mem::take(&mut self.names), self.size.take());
        self.fields(octets, look);
        let global = std::mem::replace(&mut self.names, names);
        self.global.extend(global);
        if self.global.len() > ARCHIVE_NAMES_MAX {
            look.stop(Bound::Names);
        }
        if std::mem::replace(&mut self.size, size).is_some() {
            // One size for all: programs differ in where the next entry begins.
            look.damaged();
        }
    }

    /// One more name of the next entry. Programs differ in which of them they take; a thousand are for none.
    fn name(&mut self, octets: &[u8], look: &mut Look) {
        look.charge(NAME + cost(octets.len(), NAME_OCTET));
        if self.names.len() >= ARCHIVE_NAMES_MAX {
            look.stop(Bound::Names);
        }
        if !look.is_over() {
            self.names.push(text(octets));
        }
    }

    /// `30 path=name\n`: the length counts itself.
    fn fields(&mut self, mut octets: &[u8], look: &mut Look) {
        // However often a size is said or a name is.
        look.charge(cost(octets.len(), NAME_OCTET));
        while !look.is_over()
            && let Some(blank) = memchr::memchr(b' ', octets)
        {
            let (digits, _) = octets.split_at(blank);
            let length = std::str::from_utf8(digits).ok();
            let Some(length) = length.and_then(|digits| digits.parse::<usize>().ok()) else {
                return;
            };
            let Some(field) = octets.get(blank + 1..length) else {
                return;
            };
            let field = field.strip_suffix(b"\n").unwrap_or(field);
            let name = NAMES.iter().find_map(|key| field.strip_prefix(*key));
            if let Some(name) = name {
                self.name(name, look);
            } else if let Some(size) = field.strip_prefix(b"size=") {
                let size = std::str::from_utf8(size).ok();
                self.size = size.and_then(|size| size.parse().ok());
            }
            octets = octets.get(length..).unwrap_or_default();
        }
    }
}

impl Content {
    fn feed(&mut self, bytes: &[u8], look: &mut Look) {
        match self {
            Self::Member(member) => member.feed(bytes, look),
            Self::Name(kept) | Self::Fields(kept) | Self::Global(kept) => {
                let room = FIELDS_MAX.saturating_sub(kept.len());
                kept.extend(bytes.iter().take(room));
                if bytes.len() > room {
                    // Who reads on may find a name there.
                    look.stop(Bound::Names);
                }
            }
            Self::Skip => {}
        }
    }
}

/// Whether its check sum is right: no other file has that.
pub(super) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else {
        return false;
    };
    let mut sum = 0;
    for (n, byte) in block.iter().enumerate() {
        let own = (SUM..SUM + 8).contains(&n);
        sum += u64::from(if own { b' ' } else { *byte });
    }
    number(block.get(SUM..SUM + 8).unwrap_or_default()) == sum
}

/// Octal digits, or a binary number behind a first bit.
fn number(field: &[u8]) -> u64 {
    if let Some((first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        let low = rest.iter().rev().take(8).rev();
        return low.fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    }
    let digits = field.trim_ascii_start();
    let digits = digits.iter().take_while(|byte| matches!(byte, b'0'..=b'7'));
    digits.fold(0u64, |sum, byte| {
        sum.wrapping_mul(8).wrapping_add(u64::from(byte - b'0'))
    })
}

const BLOCK: usize = 512;
const SIZE: usize = 124;
const SUM: usize = 148;
const KIND: usize = 156;
/// Fields that name an entry: of POSIX, and of GNU for files with holes.
const NAMES: &[&[u8]] = &[b"path=", b"GNU.sparse.name="];
/// Octets of names and extended fields of one entry.
const FIELDS_MAX: usize = 64 << 10;
