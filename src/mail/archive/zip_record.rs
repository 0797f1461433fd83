//! The records of a zip file (PKWARE APPNOTE 6.3.10): local headers, central headers, and where the directory stands.
//!
//! Each is read on its own and believed in nothing: what disagrees is for the caller to look at twice.

use memchr::memmem;

/// A local header (4.3.7) or a central one (4.3.12), without its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where it stands.
    pub(super) at: usize,
    pub(super) flags: u16,
    pub(super) method: u16,
    /// Octets of the entry as packed.
    pub(super) packed: u64,
    /// Of a central header: where the local one is.
    pub(super) local: u64,
    /// The first octet behind it.
    pub(super) end: usize,
    name: (usize, usize),
    extra: (usize, usize),
}

/// Where a directory may stand, and how far its offsets are wrong because something stands before the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) at: usize,
    pub(super) shift: u64,
}

impl Record {
    pub(super) fn local(bytes: &[u8], at: usize) -> Option<Self> {
        let head = bytes.get(at..at.checked_add(30)?)?;
        if !head.starts_with(LOCAL) {
            return None;
        }
        let (names, extras) = (u16_at(head, 26)?, u16_at(head, 28)?);
        let mut record = Self::new(bytes, at, 30, names, extras, 0)?;
        record.flags = u16_at(head, 6)?;
        record.method = u16_at(head, 8)?;
        record.packed = u64::from(u32_at(head, 18)?);
        if record.packed == WIDE {
            let field = record.field(bytes, 1);
            record.packed = field.and_then(|field| u64_at(field, 8)).unwrap_or(WIDE);
        }
        Some(record)
    }

    pub(super) fn central(bytes: &[u8], at: usize) -> Option<Self> {
        let head = bytes.get(at..at.checked_add(46)?)?;
        if !head.starts_with(CENTRAL) {
            return None;
        }
        let (names, extras, comments) = (u16_at(head, 28)?, u16_at(head, 30)?, u16_at(head, 32)?);
        let mut record = Self::new(bytes, at, 46, names, extras, comments)?;
        record.flags = u16_at(head, 8)?;
        record.method = u16_at(head, 10)?;
        record.packed = u64::from(u32_at(head, 20)?);
        record.local = u64::from(u32_at(head, 42)?);
        // Only those that do not fit stand in the field, in this order (4.5.3).
        let mut next = 0;
        let full = u64::from(u32_at(head, 24)?) == WIDE;
        let mut wide = |value: u64| {
            if value != WIDE {
                return value;
            }
            let field = record.field(bytes, 1).unwrap_or_default();
            next += 8;
            u64_at(field, next - 8).unwrap_or(value)
        };
        if full {
            wide(WIDE);
        }
        let (packed, local) = (wide(record.packed), wide(record.local));
        Some(Self {
            packed,
            local,
            ..record
        })
    }

    fn new(bytes: &[u8], at: usize, head: usize, n: u16, x: u16, c: u16) -> Option<Self> {
        let name = at.checked_add(head)?;
        let extra = name.checked_add(usize::from(n))?;
        let comment = extra.checked_add(usize::from(x))?;
        let end = comment.checked_add(usize::from(c))?;
        bytes.get(at..end)?;
        Some(Self {
            at,
            flags: 0,
            method: 0,
            packed: 0,
            local: 0,
            end,
            name: (name, extra),
            extra: (extra, comment),
        })
    }

    /// What its method is called, if it is not unpacked (4.4.5). What a password opens says so itself.
    pub(super) fn strange(&self) -> Option<&'static str> {
        if self.is_encrypted() {
            return None;
        }
        Some(match self.method {
            STORED | DEFLATED | AES => return None,
            1 => "shrink",
            2..=5 => "reduce",
            6 => "implode",
            9 => "deflate64",
            12 => "bzip2",
            14 => "lzma",
            20 | 93 => "zstd",
            95 => "xz",
            98 => "ppmd",
            7 | 10 | 11 | 13 | 15..=19 | 21..=92 | 94 | 96 | 97 | 100.. => "unknown",
        })
    }

    /// Octets of it.
    pub(super) fn length(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// Its name, and the one that some programs prefer to it (4.6.9).
    pub(super) fn names(&self, bytes: &[u8]) -> Vec<String> {
        let own = bytes.get(self.name.0..self.name.1).unwrap_or_default();
        let other = self.field(bytes, 0x7075).and_then(|field| field.get(5..));
        [Some(own), other].into_iter().flatten().map(text).collect()
    }

    /// An extra field (4.5).
    fn field<'a>(&self, bytes: &'a [u8], id: u16) -> Option<&'a [u8]> {
        let mut rest = bytes.get(self.extra.0..self.extra.1)?;
        loop {
            let length = usize::from(u16_at(rest, 2)?);
            let field = rest.get(4..4 + length)?;
            if u16_at(rest, 0)? == id {
                return Some(field);
            }
            rest = rest.get(4 + length..)?;
        }
    }

    /// Only a password opens it: the flag, or the method of AES.
    pub(super) fn is_encrypted(&self) -> bool {
        self.flags & 1 != 0 || self.method == AES
    }
}

/// Every place where a program may look for the directory; they differ in which end record they find, and whether they
/// believe its offset, and whether none was left out. None: it has no end record.
pub(super) fn directories(bytes: &[u8]) -> Option<(Vec<Directory>, bool)> {
    memmem::rfind(bytes, END)?;
    let (mut found, mut tried, mut whole) = (Vec::new(), 0, false);
    // The last one that leads to a directory, and the one whose comment reaches to the end.
    for at in memmem::rfind_iter(bytes, END).take(ENDS_MAX) {
        let comment = u16_at(bytes, at + 20).map(usize::from);
        let exact = comment.is_some_and(|comment| at + 22 + comment == bytes.len());
        if exact || found.is_empty() {
            from_end(bytes, at, &mut found);
        }
        tried += 1;
        if exact {
            whole = true;
            break;
        }
    }
    Some((found, whole || tried < ENDS_MAX))
}

fn from_end(bytes: &[u8], end: usize, found: &mut Vec<Directory>) {
    let mut add = |size: Option<u64>, offset: Option<u64>, end: usize| {
        let (Some(size), Some(offset)) = (size, offset) else {
            return;
        };
        let near = usize::try_from(size).ok().and_then(|n| end.checked_sub(n));
        let near = near.map(|at| Directory {
            at,
            shift: (at as u64).wrapping_sub(offset),
        });
        let told = usize::try_from(offset).ok();
        let told = told.map(|at| Directory { at, shift: 0 });
        for directory in [told, near].into_iter().flatten() {
            let there = bytes.get(directory.at..);
            if there.is_some_and(|there| there.starts_with(CENTRAL)) && !found.contains(&directory)
            {
                found.push(directory);
            }
        }
    };
    let short = |at| u32_at(bytes, end + at).map(u64::from);
    add(short(12), short(16), end);
    // Zip64: a locator right before it says where the longer record is (4.3.15).
    let Some(locator) = end.checked_sub(20) else {
        return;
    };
    if bytes.get(locator..locator + 4) != Some(LOCATOR) {
        return;
    }
    let told = u64_at(bytes, locator + 8).and_then(|at| usize::try_from(at).ok());
    for at in [told, locator.checked_sub(56)].into_iter().flatten() {
        if bytes
            .get(at..)
            .is_some_and(|there| there.starts_with(END64))
        {
            add(u64_at(bytes, at + 40), u64_at(bytes, at + 48), at);
        }
    }
}

/// A name: UTF-8, else as Latin-1; the ending that counts is ASCII in every charset that is used.
pub(super) fn text(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => octets.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(two.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(eight.try_into().ok()?))
}

pub(super) const LOCAL: &[u8] = b"PK\x03\x04";
pub(super) const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR: &[u8] = b"PK\x06\x07";
/// Behind a size of what follows it.
pub(super) const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// A number that stands in an extra field.
const WIDE: u64 = 0xffff_ffff;
pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;
const AES: u16 = 99;
/// End records that are tried; an honest file has one.
const ENDS_MAX: usize = 64;
