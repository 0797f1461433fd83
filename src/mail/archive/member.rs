//! One attachment or entry: judged by its names and by its first octets, and looked into if it has something inside.
//!
//! The content decides what it is; only what no content shows is taken by its name.

use std::mem;
use std::sync::Arc;

use super::gzip::Gzip;
use super::look::Look;
use super::mail::Mail;
use super::office::Plain;
use super::tar::Tar;
use super::uu::Text;
use super::{tnef, zip};
use crate::base::limit::{ARCHIVE_HELD_MAX, SNIFF_MAX};
use crate::mail::structure::Leaf;
use crate::mail::structure::sniff::media_type;

/// What comes by now.
#[derive(Debug)]
pub(super) struct Member {
    named: Arc<Named>,
    /// The types that a part of a mail may be of.
    declared: Vec<String>,
    /// Its octets are lines in which files may stand.
    lines: bool,
    /// It is a multipart that was encoded as a whole: the field that opens it.
    packed: Option<Vec<u8>>,
    /// Until it is known what it is.
    head: Vec<u8>,
    inside: Option<Inside>,
}

/// Names of one thing, read once: a zip may have a thousand of an entry, and as many contents for them.
#[derive(Debug)]
pub(super) struct Named {
    names: Vec<String>,
    /// As it stands in a path.
    shown: String,
    /// What one of its names says that it is.
    mail: bool,
    zip: bool,
    tar: bool,
}

#[derive(Debug)]
enum Inside {
    Plain(Plain),
    Text(Box<Text>),
    Gzip(Box<Gzip>),
    Tar(Box<Tar>),
    Mail(Box<Mail>),
    /// Kept to its end: its table of contents stands there.
    Zip(Kept),
    Tnef(Kept),
    Nothing,
}

#[derive(Debug, Default)]
struct Kept(Vec<u8>);

impl Member {
    /// An entry of an archive.
    pub(super) fn new(names: Vec<String>, look: &mut Look) -> Self {
        let leaf = Leaf {
            names,
            ..Leaf::default()
        };
        Self::of_mail(leaf, look)
    }

    /// A part of a mail.
    pub(super) fn of_mail(leaf: Leaf, look: &mut Look) -> Self {
        let mut types = leaf.types.iter();
        let shown = look.enter(&leaf.names, types.next().map(String::as_str));
        types.for_each(|other| look.media(other));
        let named = Named::new(leaf.names, shown, look);
        Self {
            declared: leaf.types,
            lines: leaf.lines,
            packed: leaf.packed,
            ..Self::of(Arc::new(named))
        }
    }

    /// The same entry once more, for another content that somebody may see in it.
    pub(super) fn again(named: &Arc<Named>, look: &mut Look) -> Self {
        look.enter_again(&named.shown);
        Self::of(Arc::clone(named))
    }

    fn of(named: Arc<Named>) -> Self {
        Self {
            named,
            declared: Vec::new(),
            lines: false,
            packed: None,
            head: Vec::new(),
            inside: None,
        }
    }

    /// Its names, for `again`.
    pub(super) fn named(&self) -> Arc<Named> {
        Arc::clone(&self.named)
    }

    pub(super) fn feed(&mut self, bytes: &[u8], look: &mut Look) {
        if look.is_over() {
            return;
        }
        if let Some(inside) = &mut self.inside {
            inside.feed(bytes, look);
            return;
        }
        let room = SNIFF_MAX.saturating_sub(self.head.len()).min(bytes.len());
        let (now, rest) = bytes.split_at(room);
        self.head.extend_from_slice(now);
        if self.head.len() == SNIFF_MAX {
            self.open(look);
            if !rest.is_empty() {
                self.feed(rest, look);
            }
        }
    }

    /// All of it, and its end: an archive that is not packed again needs no copy.
    pub(super) fn whole(mut self, bytes: &[u8], look: &mut Look) {
        let head = bytes.get(..SNIFF_MAX).unwrap_or(bytes);
        let mut inside = self.kind(head, look);
        match &inside {
            Inside::Zip(_) => zip::look_into(bytes, look),
            Inside::Tnef(_) => tnef::look_into(bytes, look),
            Inside::Plain(_)
            | Inside::Text(_)
            | Inside::Gzip(_)
            | Inside::Tar(_)
            | Inside::Mail(_)
            | Inside::Nothing => {
                inside.feed(bytes, look);
                self.inside = Some(inside);
                self.finish(look);
                return;
            }
        }
        look.shallower();
        look.leave();
    }

    pub(super) fn finish(&mut self, look: &mut Look) {
        if self.inside.is_none() {
            self.open(look);
        }
        if let Some(inside) = self.inside.take() {
            let deep = inside.is_deep();
            inside.finish(look);
            if deep {
                look.shallower();
            }
        }
        look.leave();
    }

    fn open(&mut self, look: &mut Look) {
        let head = mem::take(&mut self.head);
        let mut inside = self.kind(&head, look);
        inside.feed(&head, look);
        self.inside = Some(inside);
    }

    fn kind(&self, head: &[u8], look: &mut Look) -> Inside {
        let found = media_type(head);
        if let Some(found) = found {
            look.media(found);
        }
        if look.is_over() {
            return Inside::Nothing;
        }
        let inside = self.by_content(found, head, look);
        if inside.is_deep() {
            look.deeper();
        }
        inside
    }

    fn by_content(&self, found: Option<&str>, head: &[u8], look: &Look) -> Inside {
        let archives = look.archives();
        if let Some(field) = &self.packed {
            return Inside::Mail(Box::new(Mail::behind(field)));
        }
        if self.lines {
            return Inside::Text(Box::default());
        }
        match found {
            Some("application/vnd.ms-tnef") => return Inside::Tnef(Kept::default()),
            Some("application/x-ole-storage") => return Inside::Plain(Plain::ole()),
            Some("application/gzip") if archives => {
                return Inside::Gzip(Box::new(Gzip::new(&self.named.names)));
            }
            Some("application/x-tar") if archives => return Inside::Tar(Box::default()),
            Some(_) if head.starts_with(b"PK") && archives => {
                return Inside::Zip(Kept::default());
            }
            Some(_) | None => {}
        }
        // Some readers take any message for a mail.
        let message = |own: &String| own.starts_with("message/");
        if self.named.mail || self.declared.iter().any(message) {
            return Inside::Mail(Box::default());
        }
        // Something may stand before it: a program that unpacks itself, or octets that are to mislead.
        if archives && (self.named.zip || self.declares(ZIP_TYPES)) {
            return Inside::Zip(Kept::default());
        }
        let tar = self.named.tar || self.declares(&["application/x-tar"]);
        if archives && tar && super::tar::is_header(head) {
            return Inside::Tar(Box::default());
        }
        // Whatever it begins with: mail programs look for files in what is declared to be text.
        if self.declared.iter().any(|own| own.starts_with("text/")) {
            return Inside::Text(Box::default());
        }
        Inside::Plain(Plain::default())
    }

    fn declares(&self, types: &[&str]) -> bool {
        let mut declared = self.declared.iter();
        declared.any(|declared| types.contains(&declared.as_str()))
    }
}

impl Named {
    fn new(names: Vec<String>, shown: String, look: &Look) -> Self {
        let mut named = Self {
            names,
            shown,
            mail: false,
            zip: false,
            tar: false,
        };
        // Names of a look that is over are not worth reading.
        if look.is_over() {
            return named;
        }
        for name in &named.names {
            let ends = |ending: &&str| {
                let from = name.len().checked_sub(ending.len());
                let end = from.and_then(|from| name.get(from..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(ending))
            };
            named.mail |= MAILS.iter().any(ends);
            named.zip |= ZIPS.iter().any(ends);
            named.tar |= TARS.iter().any(ends);
        }
        named
    }
}

impl Inside {
    /// Archives count as levels.
    fn is_deep(&self) -> bool {
        match self {
            Self::Gzip(_) | Self::Tar(_) | Self::Mail(_) | Self::Zip(_) | Self::Tnef(_) => true,
            Self::Plain(_) | Self::Text(_) | Self::Nothing => false,
        }
    }

    fn feed(&mut self, bytes: &[u8], look: &mut Look) {
        if look.is_over() {
            return;
        }
        match self {
            Self::Plain(plain) => plain.feed(bytes, look),
            Self::Text(text) => text.feed(bytes, look),
            Self::Gzip(gzip) => gzip.feed(bytes, look),
            Self::Tar(tar) => tar.feed(bytes, look),
            Self::Mail(mail) => mail.feed(bytes, look),
            Self::Zip(kept) | Self::Tnef(kept) => kept.feed(bytes, look),
            Self::Nothing => {}
        }
    }

    fn finish(self, look: &mut Look) {
        if look.is_over() {
            return;
        }
        match self {
            Self::Plain(_) | Self::Nothing => {}
            Self::Text(mut text) => text.finish(look),
            Self::Gzip(mut gzip) => gzip.finish(look),
            Self::Tar(mut tar) => tar.finish(look),
            Self::Mail(mut mail) => mail.finish(look),
            Self::Zip(kept) => kept.finish(look, zip::look_into),
            Self::Tnef(kept) => kept.finish(look, tnef::look_into),
        }
    }
}

impl Kept {
    fn feed(&mut self, bytes: &[u8], look: &mut Look) {
        look.hold(bytes.len());
        if look.is_over() {
            return;
        }
        let own = &mut self.0;
        if own.capacity() - own.len() < bytes.len() {
            let wanted = own.len() + bytes.len();
            // Only the pages that octets come to are memory, nothing is copied again, and all of it goes back at the end.
            let whole = ARCHIVE_HELD_MAX.max(wanted) - own.len();
            if wanted <= GROWN_MAX || own.try_reserve_exact(whole).is_err() {
                // In steps: doubled, it could take twice as much.
                own.reserve_exact(bytes.len().max(own.len() / 8));
            }
        }
        own.extend_from_slice(bytes);
    }

    fn finish(self, look: &mut Look, into: fn(&[u8], &mut Look)) {
        into(&self.0, look);
        look.release(self.0.len());
    }
}

/// Octets that are kept in a block that grows. What is larger gets one block of the largest size at once: blocks that grow
/// and go on many threads leave holes, and an allocator keeps such holes for itself, ten times what is looked into.
const GROWN_MAX: usize = 1 << 20;
/// Blocks above it (glibc's `DEFAULT_MMAP_THRESHOLD_MAX`) come from the system each time, and go back to it.
const _: () = assert!(ARCHIVE_HELD_MAX > 32 << 20);

const MAILS: &[&str] = &[".eml"];
const TARS: &[&str] = &[".tar"];
/// What is a zip by its name, whatever stands at its begin.
const ZIPS: &[&str] = &[
    ".zip", ".jar", ".apk", ".docx", ".docm", ".dotx", ".dotm", ".xlsx", ".xlsm", ".xlsb", ".xltx",
    ".xltm", ".xlam", ".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm", ".odt", ".ods", ".odp",
    ".epub", ".xpi", ".kmz", ".vsdx", ".vsdm",
];
const ZIP_TYPES: &[&str] = &[
    "application/zip",
    "application/x-zip-compressed",
    "application/x-zip",
    "application/java-archive",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::mail::archive::{Bounds, Rules};

    #[test]
    fn what_is_kept_grows_in_small_steps_or_has_one_block_for_all_of_it() {
        let mut look = Look::new(
            Arc::new(Rules::default()),
            Bounds::default(),
            Arc::default(),
        );
        let (mut kept, piece) = (Kept::default(), vec![b'x'; 60_000]);
        let mut blocks = BTreeSet::new();
        for _ in 0..200 {
            kept.feed(&piece, &mut look);
            blocks.insert(kept.0.capacity());
        }
        let most = blocks.pop_last();
        assert_eq!(kept.0.len(), 200 * piece.len());
        assert_eq!(most, Some(ARCHIVE_HELD_MAX));
        let small = GROWN_MAX + GROWN_MAX / 8;
        assert!(blocks.iter().all(|block| *block <= small), "{blocks:?}");
        assert!(blocks.len() < 20, "{blocks:?}");
        assert!(!look.is_over());
    }
}
