//! A text in two: its header section, whole, and what follows, as it comes.
//!
//! The section is bounded; nothing of the body is kept but what came with its end.

use std::io;

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use super::Octets;
use crate::base::limit::HEADER_MAX;

/// Octets of a section: what a reception takes, and what filters before this one wrote.
const SECTION_MAX: usize = 8 * HEADER_MAX;

/// The front of a text.
pub(super) struct Section {
    /// Each with its line ends.
    pub(super) fields: Vec<Vec<u8>>,
    /// Whether an empty line follows.
    pub(super) separated: bool,
    /// What came with it of the body.
    pub(super) rest: Bytes,
}

impl Section {
    /// Reads up to the empty line.
    pub(super) async fn read(octets: &mut dyn Octets) -> io::Result<Self> {
        let mut bytes = BytesMut::new();
        let mut seen = 0;
        loop {
            while let Some(line) = memchr(b'\n', bytes.get(seen..).unwrap_or_default()) {
                let empty = bytes.get(seen..=seen + line) == Some(b"\r\n");
                if empty {
                    let head = bytes.split_to(seen);
                    let rest = bytes.freeze().slice(2..);
                    return Ok(Self::of(&head, true, rest));
                }
                seen += line + 1;
            }
            if bytes.len() > SECTION_MAX {
                return Err(io::Error::other("its header section does not end"));
            }
            match octets.next().await? {
                Some(more) => bytes.extend_from_slice(&more),
                None => return Ok(Self::of(&bytes, false, Bytes::new())),
            }
        }
    }

    fn of(head: &[u8], separated: bool, rest: Bytes) -> Self {
        let mut fields: Vec<Vec<u8>> = Vec::new();
        for line in head.split_inclusive(|octet| *octet == b'\n') {
            match (line.first(), fields.last_mut()) {
                (Some(b' ' | b'\t'), Some(field)) => field.extend_from_slice(line),
                (Some(_) | None, _) => fields.push(line.to_vec()),
            }
        }
        Self {
            fields,
            separated,
            rest,
        }
    }

    /// In small letters, in their order.
    pub(super) fn names(&self) -> Vec<String> {
        self.fields.iter().map(|field| name_of(field)).collect()
    }
}

/// A field's name in small letters.
pub(super) fn name_of(field: &[u8]) -> String {
    let name = memchr(b':', field).and_then(|at| field.get(..at));
    let name = name.unwrap_or_default().trim_ascii_end();
    String::from_utf8_lossy(name).to_ascii_lowercase()
}
