//! What is not unpacked but searched: disk images by their mark, old office files for macros and passwords.
//!
//! The streams of an old office file (MS-CFB) have names in UTF-16; a macro project has always the same. Office also
//! wraps documents with a password, whatever their kind, into such a file.

use memchr::memmem;

use super::look::Look;
use super::work::{OCTET, cost};

/// A file whose octets come by.
#[derive(Debug, Default)]
pub(super) struct Plain {
    at: u64,
    ole: bool,
    /// The last octets, in which a name may have begun.
    tail: Vec<u8>,
    mark: Vec<u8>,
    macros: bool,
}

impl Plain {
    pub(super) fn ole() -> Self {
        Self {
            ole: true,
            ..Self::default()
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], look: &mut Look) {
        if self.ole {
            // Twice, and the seam.
            look.charge(cost(bytes.len() + LONGEST, 3 * OCTET));
            self.search(bytes, look);
        }
        // Whatever it begins with: nothing of an image stands there.
        self.image(bytes, look);
        self.at += bytes.len() as u64;
    }

    /// ISO 9660 has its mark in its seventeenth sector.
    fn image(&mut self, bytes: &[u8], look: &mut Look) {
        let end = IMAGE_AT + IMAGE.len() as u64;
        if self.at >= end || self.at + (bytes.len() as u64) <= IMAGE_AT {
            return;
        }
        let from = usize::try_from(IMAGE_AT.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let room = IMAGE.len() - self.mark.len();
        let part = bytes.get(from..).unwrap_or_default();
        self.mark.extend(part.iter().take(room));
        if self.mark == IMAGE {
            look.media("application/x-iso9660-image");
        }
    }

    fn search(&mut self, bytes: &[u8], look: &mut Look) {
        let (head, _) = bytes.split_at(bytes.len().min(LONGEST));
        let seam = [self.tail.as_slice(), head].concat();
        for text in [seam.as_slice(), bytes] {
            if !self.macros && memmem::find(text, MACROS).is_some() {
                self.macros = true;
                look.media(MACRO_TYPE);
            }
            if memmem::find(text, PASSWORD).is_some() {
                look.encrypted();
            }
        }
        if bytes.len() >= LONGEST {
            self.tail.clear();
        }
        let from = bytes.len().saturating_sub(LONGEST);
        self.tail
            .extend_from_slice(bytes.get(from..).unwrap_or_default());
        let spare = self.tail.len().saturating_sub(LONGEST);
        self.tail.drain(..spare);
    }
}

const IMAGE_AT: u64 = 32_769;
const IMAGE: &[u8] = b"CD001";
const MACRO_TYPE: &str = "application/vnd.ms-office.vbaproject";
const MACROS: &[u8] = b"_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T\0";
const PASSWORD: &[u8] = b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0";
/// At least as long as either.
const LONGEST: usize = 40;
