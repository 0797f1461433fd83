//! A gzip file (RFC 1952): its members, one after the other, are one content, as all programs join them.
//!
//! Works on blocks of one size from its begin on, so that it does not matter how the octets come.
//! Not looked at: check sums; what can be unpacked is looked at, right or wrong.

use std::mem;

use super::inflate::{Inflate, Step};
use super::look::Look;
use super::member::Member;
use super::work::{OCTET, RECORD, cost};

/// A gzip file that comes by.
#[derive(Debug)]
pub(super) struct Gzip {
    /// Its own names without the ending.
    names: Vec<String>,
    block: Vec<u8>,
    place: Place,
    /// Of a member, until it is whole.
    header: Vec<u8>,
    inflate: Inflate,
    member: Option<Box<Member>>,
    read: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Body,
    /// So many octets of check sum and length are to come.
    Trailer(usize),
    /// Nobody reads this.
    Rest,
}

/// What a header is.
enum Header {
    Short,
    None,
    Whole(usize, Option<String>),
}

impl Gzip {
    pub(super) fn new(names: &[String]) -> Self {
        Self {
            names: names.iter().map(|name| without_ending(name)).collect(),
            block: Vec::new(),
            place: Place::Header,
            header: Vec::new(),
            inflate: Inflate::default(),
            member: None,
            read: 0,
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8], look: &mut Look) {
        while !bytes.is_empty() && self.place != Place::Rest {
            let room = BLOCK.saturating_sub(self.block.len()).min(bytes.len());
            let (now, rest) = bytes.split_at(room);
            self.block.extend_from_slice(now);
            bytes = rest;
            if self.block.len() == BLOCK {
                self.work(look);
            }
            if look.is_over() {
                return;
            }
        }
    }

    pub(super) fn finish(&mut self, look: &mut Look) {
        self.work(look);
        let begun = self.member.is_some();
        if let Some(mut member) = self.member.take() {
            member.finish(look);
        }
        // A member's check sum that is missing hides nothing; a second member that never begins is no member.
        let whole = match self.place {
            Place::Header => begun,
            Place::Body => false,
            Place::Trailer(_) | Place::Rest => true,
        };
        if !whole {
            look.damaged();
        }
    }

    fn work(&mut self, look: &mut Look) {
        let block = mem::take(&mut self.block);
        self.read += block.len() as u64;
        let mut rest = block.as_slice();
        while !rest.is_empty() && !look.is_over() {
            let used = match self.place {
                Place::Header => self.header(rest, look),
                Place::Body => self.body(rest, look),
                Place::Trailer(left) => {
                    let used = left.min(rest.len());
                    self.place = match left - used {
                        0 => Place::Header,
                        left => Place::Trailer(left),
                    };
                    used
                }
                Place::Rest => break,
            };
            rest = rest.get(used..).unwrap_or_default();
        }
        self.block = block;
        self.block.clear();
    }

    fn header(&mut self, bytes: &[u8], look: &mut Look) -> usize {
        // What is there of it is read from its begin each time.
        look.charge(RECORD + cost(self.header.len() + bytes.len(), OCTET));
        let before = self.header.len();
        self.header.extend_from_slice(bytes);
        match header(&self.header) {
            Header::Short if self.header.len() < HEADER_MAX => bytes.len(),
            Header::Short | Header::None => {
                if self.member.is_none() {
                    look.damaged();
                }
                self.place = Place::Rest;
                bytes.len()
            }
            Header::Whole(end, name) => {
                self.header.clear();
                self.place = Place::Body;
                self.inflate.reset(look);
                if self.member.is_some() {
                    look.names(name.as_slice());
                } else {
                    let names = self.names.iter().cloned().chain(name).collect();
                    self.member = Some(Box::new(Member::new(names, look)));
                }
                end.saturating_sub(before)
            }
        }
    }

    fn body(&mut self, bytes: &[u8], look: &mut Look) -> usize {
        let Some(member) = &mut self.member else {
            return bytes.len();
        };
        let room = look.room(self.read);
        let (used, step) = self.inflate.feed(bytes, room, member, look);
        match step {
            Step::More => return bytes.len(),
            Step::End => self.place = Place::Trailer(TRAILER),
            Step::Broken => {
                look.damaged();
                self.place = Place::Rest;
            }
        }
        used
    }
}

fn header(bytes: &[u8]) -> Header {
    let magic: &[u8] = &[0x1f, 0x8b, 8];
    let some = bytes.get(..magic.len()).unwrap_or(bytes);
    if !magic.starts_with(some) {
        return Header::None;
    }
    let Some([_, _, _, flags, ..]) = bytes.get(..FIXED) else {
        return Header::Short;
    };
    let mut at = FIXED;
    if flags & EXTRA != 0 {
        let Some([low, high]) = bytes.get(at..at + 2) else {
            return Header::Short;
        };
        at += 2 + usize::from(u16::from_le_bytes([*low, *high]));
    }
    let mut name = None;
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            let text = bytes.get(at..).unwrap_or_default();
            let Some(end) = memchr::memchr(0, text) else {
                return Header::Short;
            };
            let text = text.get(..end).unwrap_or_default();
            if flag == NAME {
                name = Some(super::zip_record::text(text));
            }
            at += end + 1;
        }
    }
    if flags & SUM != 0 {
        at += 2;
    }
    if bytes.len() < at {
        return Header::Short;
    }
    Header::Whole(at, name)
}

/// `a.tar.gz` is `a.tar` inside, and so is `a.tgz`.
fn without_ending(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    for (ending, instead) in [(".tgz", ".tar"), (".gz", ""), (".gzip", ""), (".z", "")] {
        if lower.ends_with(ending) {
            let kept = name.len() - ending.len();
            return format!("{}{instead}", name.get(..kept).unwrap_or(name));
        }
    }
    name.to_owned()
}

const BLOCK: usize = 4 << 10;
const FIXED: usize = 10;
const TRAILER: usize = 8;
const SUM: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
/// Octets of a member's header: an extra field is at most 64 KiB, and nobody has names like that.
const HEADER_MAX: usize = 80 << 10;
