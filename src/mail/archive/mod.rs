//! Looks into the attachments of a mail while it streams by: names and contents that are blocked, archives in archives.
//!
//! Pure, and hostile input is the rule: every step is charged to one account of work before it is done (`work`), nothing
//! is allocated because a file says so, and the findings do not depend on how the octets are cut; only where in a mail
//! its account is spent does. Zip, gzip, tar, TNEF, uuencode and mails are looked into; of 7z, rar, xz, bzip2, cab and
//! disk images only name and type count. What is found first ends the look.
//! Not here: what becomes of a mail with findings (`policy`), and on which thread it is looked at (`scan`).

mod gzip;
mod inflate;
mod inside;
mod look;
mod mail;
mod member;
mod office;
mod pattern;
mod rule;
mod tar;
#[cfg(test)]
mod tests;
mod tnef;
mod uu;
mod work;
mod zip;
mod zip_mark;
mod zip_record;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::base::limit::{
    ARCHIVE_DEPTH_MAX, ARCHIVE_ENTRIES_MAX, ARCHIVE_HELD_MAX, ARCHIVE_NAMES_MAX,
    ARCHIVE_RATIO_FREE, ARCHIVE_RATIO_MAX, ARCHIVE_TOTAL_MAX, ARCHIVE_WORK_MAX, ENCODING_SHOWN_MAX,
    MIME_BOUNDARY_MAX, MIME_DEPTH_MAX, MIME_HEADER_MAX, MIME_NAMES_MAX, MIME_PARTS_MAX,
    MIME_READINGS_MAX,
};
use crate::base::text::clean;
use look::Look;
use mail::Mail;
pub use rule::Rules;

/// What was found; the first thing that stops the mail ends the look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// A name or a content that is blocked.
    pub blocked: Option<Blocked>,
    /// A bound was reached, and not everything was seen.
    pub stopped: Option<Stopped>,
    /// The first part whose content nobody here can read.
    pub lost: Option<Lost>,
    /// The path of the first archive or document that only a password opens.
    pub encrypted: Option<String>,
    /// The path of the first archive that cannot be read to its end.
    pub damaged: Option<String>,
    /// The first entry whose content is packed by a method that is not unpacked.
    pub packed: Option<Packed>,
    /// Parts, attachments and entries that were looked at.
    pub looked: usize,
}

/// An entry whose content nobody saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// As of `Blocked`.
    pub path: String,
    /// The method: `lzma`.
    pub method: &'static str,
}

/// What is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// `invoice.zip > inner.zip > setup.exe`: cleaned and bounded.
    pub path: String,
    /// The media type, if it was the type that is blocked.
    pub media: Option<String>,
    /// As the configuration writes it.
    pub rule: String,
}

/// Where and why the look ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// As of `Blocked`; empty: the mail itself.
    pub path: String,
    /// Which bound.
    pub bound: Bound,
}

/// A part that is there and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// As of `Blocked`.
    pub path: String,
    /// Why.
    pub why: Unread,
}

/// Why a part cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// A transfer encoding that nobody knows, as it is written.
    Encoding(String),
    /// It is a piece of a mail, the rest of which comes in others (RFC 2046 section 5.2.2).
    Piece,
    /// BinHex, which is not decoded here.
    BinHex,
}

/// The bounds by which a look ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `ARCHIVE_HELD_MAX`
    Held,
    /// `ARCHIVE_TOTAL_MAX`
    Total,
    /// `ARCHIVE_RATIO_MAX`
    Ratio,
    /// `ARCHIVE_DEPTH_MAX`
    Depth,
    /// `ARCHIVE_ENTRIES_MAX`
    Entries,
    /// `ARCHIVE_NAMES_MAX`
    Names,
    /// `ARCHIVE_WORK_MAX`
    Work,
    /// `MIME_PARTS_MAX`
    Parts,
    /// `MIME_DEPTH_MAX`
    Levels,
    /// `MIME_HEADER_MAX`
    Header,
    /// `MIME_BOUNDARY_MAX`
    Boundary,
    /// `MIME_NAMES_MAX`
    Said,
    /// `MIME_READINGS_MAX`
    Readings,
}

/// The bounds of one look; tests take smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Octets of archives that are kept at once.
    pub held: usize,
    /// Octets read and written while unpacking.
    pub total: u64,
    /// Octets out for one in,
    pub ratio: u64,
    /// once there are more of them than this.
    pub free: u64,
    /// Archives in archives.
    pub depth: usize,
    /// Entries of all archives.
    pub entries: usize,
    /// Units of work.
    pub work: u64,
}

/// Looks into one mail that is fed to it.
#[derive(Debug)]
pub struct Inspector {
    look: Look,
    mail: Mail,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            held: ARCHIVE_HELD_MAX,
            total: ARCHIVE_TOTAL_MAX,
            ratio: ARCHIVE_RATIO_MAX,
            free: ARCHIVE_RATIO_FREE,
            depth: ARCHIVE_DEPTH_MAX,
            entries: ARCHIVE_ENTRIES_MAX,
            work: ARCHIVE_WORK_MAX,
        }
    }
}

impl Inspector {
    /// With the bounds of `base::limit`.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self::bounded(rules, Bounds::default())
    }

    /// With other bounds.
    pub fn bounded(rules: Arc<Rules>, bounds: Bounds) -> Self {
        Self::cancelled_by(rules, bounds, Arc::default())
    }

    /// Ends soon after `cancel` is set, with findings that mean nothing.
    pub fn cancelled_by(rules: Arc<Rules>, bounds: Bounds, cancel: Arc<AtomicBool>) -> Self {
        Self {
            look: Look::new(rules, bounds, cancel),
            mail: Mail::default(),
        }
    }

    /// Takes the next octets of the mail. They are worked on at once: up to seconds for the worst of mails.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.look.arrived(bytes.len());
        self.mail.feed(bytes, &mut self.look);
    }

    /// Whether what follows cannot change the findings.
    pub fn is_done(&self) -> bool {
        self.look.is_over()
    }

    /// The mail has ended.
    pub fn finish(self) -> Findings {
        self.finish_counted().0
    }

    /// The same, and how many units of work it took.
    pub fn finish_counted(mut self) -> (Findings, u64) {
        self.mail.finish(&mut self.look);
        let worked = self.look.worked();
        let mut found = self.look.found;
        if found.blocked.is_some() || found.stopped.is_some() {
            // They came by or not, as the octets were cut; they do not count any more.
            (found.encrypted, found.damaged) = (None, None);
            (found.packed, found.lost) = (None, None);
        }
        (found, worked)
    }
}

impl Findings {
    /// Nothing is known against the mail.
    pub fn is_clear(&self) -> bool {
        self.blocked.is_none()
            && self.stopped.is_none()
            && self.lost.is_none()
            && self.encrypted.is_none()
            && self.damaged.is_none()
            && self.packed.is_none()
    }
}

impl Bound {
    /// As `base::limit` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "ARCHIVE_HELD_MAX",
            Self::Total => "ARCHIVE_TOTAL_MAX",
            Self::Ratio => "ARCHIVE_RATIO_MAX",
            Self::Depth => "ARCHIVE_DEPTH_MAX",
            Self::Entries => "ARCHIVE_ENTRIES_MAX",
            Self::Names => "ARCHIVE_NAMES_MAX",
            Self::Work => "ARCHIVE_WORK_MAX",
            Self::Parts => "MIME_PARTS_MAX",
            Self::Levels => "MIME_DEPTH_MAX",
            Self::Header => "MIME_HEADER_MAX",
            Self::Boundary => "MIME_BOUNDARY_MAX",
            Self::Said => "MIME_NAMES_MAX",
            Self::Readings => "MIME_READINGS_MAX",
        }
    }

    /// Its number.
    pub fn limit(self) -> u64 {
        let of = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        match self {
            Self::Held => of(ARCHIVE_HELD_MAX),
            Self::Total => ARCHIVE_TOTAL_MAX,
            Self::Ratio => ARCHIVE_RATIO_MAX,
            Self::Depth => of(ARCHIVE_DEPTH_MAX),
            Self::Entries => of(ARCHIVE_ENTRIES_MAX),
            Self::Names => of(ARCHIVE_NAMES_MAX),
            Self::Work => ARCHIVE_WORK_MAX,
            Self::Parts => of(MIME_PARTS_MAX),
            Self::Levels => of(MIME_DEPTH_MAX),
            Self::Header => of(MIME_HEADER_MAX),
            Self::Boundary => of(MIME_BOUNDARY_MAX),
            Self::Said => of(MIME_NAMES_MAX),
            Self::Readings => of(MIME_READINGS_MAX),
        }
    }

    /// What there is too much of.
    pub fn what(self) -> &'static str {
        match self {
            Self::Held => "too large to be looked into",
            Self::Total => "unpacks to too much",
            Self::Ratio => "unpacks to far more than it is",
            Self::Depth => "too many archives inside each other",
            Self::Entries => "too many entries",
            Self::Names => "too many names for one part or entry",
            Self::Work => "too much work to look into",
            Self::Parts => "too many parts",
            Self::Levels => "too many mails and multiparts inside each other",
            Self::Header => "a part with a header that is too long",
            Self::Boundary => "a multipart with a boundary that is too long, or too many of them",
            Self::Said => "a part that says too much of itself",
            Self::Readings => "readers differ in too many ways in what its parts are",
        }
    }
}

/// `the transfer encoding "x-foo" is unknown`
impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding(word) => {
                let word = clean(word, ENCODING_SHOWN_MAX);
                write!(f, "the transfer encoding \"{word}\" is unknown")
            }
            Self::Piece => f.write_str("a piece of a mail whose rest comes in other mails"),
            Self::BinHex => f.write_str("a file in BinHex, which is not decoded"),
        }
    }
}

/// `unpacks to far more than it is (bound ARCHIVE_RATIO_MAX = 200)`
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name, limit) = (self.what(), self.name(), self.limit());
        write!(f, "{what} (bound {name} = {limit})")
    }
}
