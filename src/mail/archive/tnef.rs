//! TNEF (MS-OXTNEF), known as winmail.dat: the attachments that Outlook packs for Outlook.
//!
//! A row of attributes; each attachment begins with its rendering data and has its names beside its content. A mail in
//! it is TNEF again.
//! Not looked at: the mail's own properties, and check sums.

use std::collections::HashSet;
use std::sync::Arc;

use super::Bound;
use super::look::Look;
use super::member::{Member, Named};
use super::work::{NAME, NAME_OCTET, RECORD, cost};
use super::zip_record::text;
use crate::base::limit::{ARCHIVE_ENTRIES_MAX, ARCHIVE_NAMES_MAX};

/// One attachment, as far as it is known.
#[derive(Debug, Default)]
struct Attached<'a> {
    /// What is shown stands last.
    names: Vec<String>,
    known: HashSet<String>,
    contents: Vec<&'a [u8]>,
}

/// Looks into a whole file.
pub(super) fn look_into(bytes: &[u8], look: &mut Look) {
    let mut rest = bytes.get(6..).unwrap_or_default();
    let mut open: Option<Attached<'_>> = None;
    while let Some((id, data, behind)) = attribute(rest) {
        look.charge(RECORD);
        if look.is_over() {
            return;
        }
        match id {
            BEGIN => {
                end(open.take(), look);
                open = Some(Attached::default());
            }
            TITLE => open.get_or_insert_default().title(data, look),
            DATA => open.get_or_insert_default().content(data, look),
            PROPERTIES => properties(data, open.get_or_insert_default(), look),
            _ => {}
        }
        rest = behind;
    }
    end(open, look);
    // Fewer octets than an attribute's head are padding.
    if rest.len() >= HEAD && rest.iter().any(|byte| *byte != 0) {
        look.damaged();
    }
}

fn end(attached: Option<Attached<'_>>, look: &mut Look) {
    let Some(Attached {
        mut names,
        contents,
        ..
    }) = attached
    else {
        return;
    };
    names.reverse();
    let mut known: Option<Arc<Named>> = None;
    for content in contents {
        if look.is_over() {
            return;
        }
        let member = match &known {
            Some(named) => Member::again(named, look),
            None => Member::new(std::mem::take(&mut names), look),
        };
        known = Some(member.named());
        member.whole(content, look);
    }
}

impl<'a> Attached<'a> {
    fn name(&mut self, name: String, look: &mut Look) {
        if self.names.len() >= ARCHIVE_NAMES_MAX {
            look.stop(Bound::Names);
        } else if self.known.insert(name.clone()) {
            self.names.push(name);
        }
    }

    fn title(&mut self, data: &[u8], look: &mut Look) {
        let octets = data.split(|byte| *byte == 0).next().unwrap_or_default();
        look.charge(NAME + cost(octets.len(), NAME_OCTET));
        if !look.is_over() {
            self.name(text(octets), look);
        }
    }

    fn wide(&mut self, data: &[u8], look: &mut Look) {
        look.charge(NAME + cost(data.len(), NAME_OCTET));
        if !look.is_over() {
            self.name(wide(data), look);
        }
    }

    fn content(&mut self, data: &'a [u8], look: &mut Look) {
        if self.contents.len() >= ARCHIVE_ENTRIES_MAX {
            look.stop(Bound::Entries);
        } else {
            self.contents.push(data);
        }
    }
}

/// Level, id, length, data, check sum.
fn attribute(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let id = u32_at(bytes, 1)?;
    let length = usize::try_from(u32_at(bytes, 5)?).ok()?;
    let end = HEAD.checked_add(length)?;
    let data = bytes.get(HEAD..end)?;
    Some((id, data, bytes.get(end + 2..).unwrap_or_default()))
}

/// The attachment's MAPI properties: its long name, and its content if that is an object.
fn properties<'a>(data: &'a [u8], attached: &mut Attached<'a>, look: &mut Look) {
    let Some(count) = u32_at(data, 0) else {
        look.damaged();
        return;
    };
    if count > PROPERTIES_MAX {
        look.stop(Bound::Entries);
    }
    let mut rest = data.get(4..).unwrap_or_default();
    for _ in 0..count {
        if look.is_over() {
            return;
        }
        let Some(behind) = property(rest, attached, look) else {
            // A name may follow what is not understood.
            look.damaged();
            return;
        };
        rest = behind;
    }
}

/// Type, id, maybe a name, and the values, each filled up to four octets; what follows them.
fn property<'a>(bytes: &'a [u8], attached: &mut Attached<'a>, look: &mut Look) -> Option<&'a [u8]> {
    let tag = u32_at(bytes, 0)?;
    let (kind, id) = (tag & 0xffff, tag >> 16);
    let mut at = 4;
    if id >= NAMED {
        at += 16;
        at += match u32_at(bytes, at)? {
            0 => 8,
            _ => 8 + filled(u32_at(bytes, at + 4)?)?,
        };
    }
    let (kind, many) = (kind & !MANY, kind & MANY != 0);
    let fixed = match kind {
        0x2 | 0x3 | 0x4 | 0xa | 0xb => Some(4),
        0x5 | 0x6 | 0x7 | 0x14 | 0x40 => Some(8),
        0x48 => Some(16),
        _ => None,
    };
    let count = if many || fixed.is_none() {
        at += 4;
        u32_at(bytes, at - 4)?
    } else {
        1
    };
    for _ in 0..count {
        look.charge(RECORD);
        if look.is_over() {
            return None;
        }
        let (length, full) = match fixed {
            Some(length) => (length, length),
            None => {
                let length = u32_at(bytes, at)?;
                at += 4;
                (usize::try_from(length).ok()?, filled(length)?)
            }
        };
        let value = bytes.get(at..at.checked_add(length)?)?;
        at = at.checked_add(full)?;
        match id {
            // Readers show the long one.
            LONG_NAME | SHORT_NAME if kind == WIDE => attached.wide(value, look),
            LONG_NAME | SHORT_NAME => attached.title(value, look),
            // An object has the id of its interface before it.
            OBJECT if kind == AS_OBJECT => {
                if let Some(object) = value.get(16..) {
                    attached.content(object, look);
                }
            }
            OBJECT => attached.content(value, look),
            _ => {}
        }
    }
    Some(bytes.get(at..).unwrap_or_default())
}

fn filled(length: u32) -> Option<usize> {
    usize::try_from(length.checked_next_multiple_of(4)?).ok()
}

fn wide(value: &[u8]) -> String {
    let units = value.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// Octets of an attribute before its data.
const HEAD: usize = 9;
const BEGIN: u32 = 0x0006_9002;
const TITLE: u32 = 0x0001_8010;
const DATA: u32 = 0x0006_800f;
const PROPERTIES: u32 = 0x0006_9005;
const LONG_NAME: u32 = 0x3707;
const SHORT_NAME: u32 = 0x3704;
const OBJECT: u32 = 0x3701;
const NAMED: u32 = 0x8000;
const MANY: u32 = 0x1000;
const WIDE: u32 = 0x1f;
const AS_OBJECT: u32 = 0x0d;
/// Of one attachment; real ones have about thirty.
const PROPERTIES_MAX: u32 = 1_000;
