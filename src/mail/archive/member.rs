//! One attachment or entry: judged by its names and by its first octets, and looked into if it has something inside.
//!
//! It is looked into as all that its content shows and as all that its names and types claim: a file that begins as one
//! kind may be another to the program that opens it by its name.
//! Not here: what each kind does with the octets (`inside`).

use std::mem;
use std::sync::Arc;

use super::gzip::Gzip;
use super::inside::{Inside, Kept};
use super::look::{Look, Standing};
use super::mail::Mail;
use super::office::Plain;
use super::uu::Text;
use super::work::{ENTRY, NAME_OCTET, OCTET, cost};
use crate::base::limit::SNIFF_MAX;
use crate::mail::structure::Leaf;
use crate::mail::structure::name;
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
    open: Option<Open>,
}

/// All that it may be, once that is known.
#[derive(Debug)]
struct Open {
    plain: Plain,
    /// Each with where it stands: they come by at the same time.
    insides: Vec<(Inside, Standing)>,
    /// Octets until all of them take a block: who finds first must not depend on the cuts.
    block: Vec<u8>,
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
            open: None,
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
        if let Some(open) = &mut self.open {
            open.feed(bytes, look);
            return;
        }
        let room = SNIFF_MAX.saturating_sub(self.head.len()).min(bytes.len());
        let (now, rest) = bytes.split_at(room);
        self.head.extend_from_slice(now);
        if self.head.len() == SNIFF_MAX {
            let mut open = self.open(look);
            open.feed(rest, look);
            self.open = Some(open);
        }
    }

    /// All of it, and its end: an archive that is not packed again needs no copy.
    pub(super) fn whole(self, bytes: &[u8], look: &mut Look) {
        let head = bytes.get(..SNIFF_MAX).unwrap_or(bytes);
        let mut open = self.kinds(head, look);
        for block in bytes.chunks(BLOCK) {
            open.take(block, false, look);
        }
        open.finish(Some(bytes), look);
        look.leave();
    }

    pub(super) fn finish(&mut self, look: &mut Look) {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.open(look),
        };
        open.finish(None, look);
        look.leave();
    }

    fn open(&mut self, look: &mut Look) -> Open {
        let head = mem::take(&mut self.head);
        let mut open = self.kinds(&head, look);
        open.feed(&head, look);
        open
    }

    fn kinds(&self, head: &[u8], look: &mut Look) -> Open {
        let found = media_type(head);
        if let Some(found) = found {
            look.media(found);
        }
        let plain = match found {
            Some("application/x-ole-storage") => Plain::ole(),
            Some(_) | None => Plain::default(),
        };
        let mut insides = Vec::new();
        if !look.is_over() {
            for inside in self.insides(found, head, look) {
                look.charge(ENTRY);
                let before = look.standing();
                if inside.is_deep() {
                    look.deeper();
                }
                insides.push((inside, look.stand(before)));
            }
        }
        Open {
            plain,
            insides,
            block: Vec::new(),
        }
    }

    fn insides(&self, found: Option<&str>, head: &[u8], look: &mut Look) -> Vec<Inside> {
        let archives = look.archives();
        let mut all = Vec::new();
        if let Some(field) = &self.packed {
            all.push(Inside::Mail(Box::new(Mail::behind(field))));
            return all;
        }
        if found == Some("application/vnd.ms-tnef") {
            all.push(Inside::Tnef(Kept::default()));
        }
        if archives && found == Some("application/gzip") {
            let names = self.named.read(look);
            all.push(Inside::Gzip(Box::new(Gzip::new(&names))));
        }
        let tar = self.named.tar || self.declares(&["application/x-tar"]);
        let tar = tar && super::tar::is_header(head);
        if archives && (tar || found == Some("application/x-tar")) {
            all.push(Inside::Tar(Box::default()));
        }
        // Something may stand before it: a program that unpacks itself, or octets that are to mislead.
        let zip = self.named.zip || self.declares(ZIP_TYPES);
        if archives && (zip || found.is_some() && head.starts_with(b"PK")) {
            all.push(Inside::Zip(Kept::default()));
        }
        // Some readers take any message for a mail.
        let message = |own: &String| own.starts_with("message/");
        if self.named.mail || self.declared.iter().any(message) {
            all.push(Inside::Mail(Box::default()));
        }
        // Whatever it begins with: mail programs look for files in what is declared to be text.
        if self.lines {
            all.push(Inside::Text(Box::new(Text::lines())));
        } else if self.declared.iter().any(|own| own.starts_with("text/")) {
            all.push(Inside::Text(Box::default()));
        }
        all
    }

    fn declares(&self, types: &[&str]) -> bool {
        let mut declared = self.declared.iter();
        declared.any(|declared| types.contains(&declared.as_str()))
    }
}

impl Open {
    fn feed(&mut self, mut bytes: &[u8], look: &mut Look) {
        if self.insides.is_empty() {
            self.take(bytes, true, look);
            return;
        }
        while !bytes.is_empty() && !look.is_over() {
            let room = BLOCK.saturating_sub(self.block.len()).min(bytes.len());
            let (now, rest) = bytes.split_at(room);
            self.block.extend_from_slice(now);
            bytes = rest;
            if self.block.len() == BLOCK {
                self.flush(look);
            }
        }
    }

    fn flush(&mut self, look: &mut Look) {
        let block = mem::take(&mut self.block);
        self.take(&block, true, look);
        self.block = block;
        self.block.clear();
    }

    /// A block; what is kept to its end needs no copy of what is there as a whole.
    fn take(&mut self, block: &[u8], keeps: bool, look: &mut Look) {
        self.plain.feed(block, look);
        for (n, (inside, own)) in self.insides.iter_mut().enumerate() {
            if n > 0 {
                look.charge(cost(block.len(), OCTET));
            }
            if !look.is_over() && (keeps || !inside.is_kept()) {
                let before = look.stand(mem::take(own));
                inside.feed(block, look);
                *own = look.stand(before);
            }
        }
    }

    fn finish(mut self, whole: Option<&[u8]>, look: &mut Look) {
        if !self.block.is_empty() {
            self.flush(look);
        }
        for (inside, own) in self.insides {
            if look.is_over() {
                return;
            }
            let before = look.stand(own);
            inside.finish(whole, look);
            look.stand(before);
        }
    }
}

impl Named {
    fn new(names: Vec<String>, shown: String, look: &mut Look) -> Self {
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
        for name in named.read(look) {
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

    /// As every system reads them: `a.zip.` is `a.zip`.
    fn read(&self, look: &mut Look) -> Vec<String> {
        let mut read = Vec::new();
        for raw in &self.names {
            look.charge(cost(raw.len(), NAME_OCTET));
            if look.is_over() {
                break;
            }
            read.extend(name::each(raw));
        }
        read
    }
}

/// Octets that all it may be take at once.
const BLOCK: usize = 4 << 10;
const MAILS: &[&str] = &[".eml"];
const TARS: &[&str] = &[".tar"];
/// What is a zip by its name, whatever stands at its begin.
const ZIPS: &[&str] = &[
    ".zip", ".jar", ".apk", ".docx", ".docm", ".dotx", ".dotm", ".xlsx", ".xlsm", ".xlsb", ".xltx",
    ".xltm", ".xlam", ".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm", ".odt", ".ods", ".odp",
    ".epub", ".xpi", ".kmz", ".vsdx", ".vsdm", ".war", ".ear", ".aar", ".nupkg", ".vsix", ".ipa",
    ".crx", ".zipx", ".appx", ".msix", ".thmx", ".ppam", ".sldx", ".whl",
];
const ZIP_TYPES: &[&str] = &[
    "application/zip",
    "application/x-zip-compressed",
    "application/x-zip",
    "application/java-archive",
];
