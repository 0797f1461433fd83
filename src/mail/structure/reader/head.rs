//! From the first line of a header to the beginning of the body.
//!
//! Only fields that say what the part is are kept. A line that some readers take for the end of the header is where a
//! second one goes its own way.

use memchr::memchr;

use super::{HEADER_COST, Kind, LINE_COST, Out, Place, Reader, Split, WITHOUT};
use crate::base::limit::{
    ATTACHMENTS_LOOKED_MAX, MIME_HEADER_MAX, MIME_HEADERS_MAX, MIME_PARTS_MAX, MIME_SEEN_MAX,
};
use crate::mail::attachment::Attachment;
use crate::mail::structure::level::Boundary;
use crate::mail::structure::part::{self, Encoding, Opening, Over, Part};
use crate::mail::structure::sniff::Sniff;
use crate::mail::structure::{Lost, Seen, name};

impl Reader {
    pub(super) fn header(&mut self, bytes: &[u8], out: &mut Out) -> usize {
        let mut line = std::mem::take(&mut self.line);
        let end = memchr(b'\n', bytes).map(|at| at + 1);
        let (part, _) = bytes.split_at(end.unwrap_or(bytes.len()));
        if line.is_empty() {
            self.line_at = self.at;
        }
        self.at += part.len() as u64;
        if end.is_some() && line.is_empty() {
            self.header_line(part, out);
        } else {
            // With its line end a line that is too long is still seen to be.
            let room = (MIME_HEADER_MAX + 3).saturating_sub(line.len());
            line.extend_from_slice(part.get(..room).unwrap_or(part));
            if end.is_some() {
                self.header_line(&line, out);
                line.clear();
            }
        }
        self.line = line;
        part.len()
    }

    pub(super) fn header_line(&mut self, line: &[u8], out: &mut Out) {
        out.worked += LINE_COST;
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            if !line.is_empty() {
                self.begin_body(out);
            }
            return;
        }
        if self.ways.lone_cr.is_none() && memchr(b'\r', text).is_some() {
            self.ways.lone_cr = Some(false);
            self.give(line, out, |other| other.ways.lone_cr = Some(true));
        }
        // A part that ends in its header has no body.
        if let Some(delimiter) = self.delimiter(text) {
            self.begin_body(out);
            self.line_end = 0;
            self.cross(delimiter, out);
            return;
        }
        let folds = matches!(text.first(), Some(b' ' | b'\t'));
        if self.ends_header(line, text, folds, out) {
            return;
        }
        if !folds {
            self.keeping = part::counts(text);
        }
        self.keep(text, out);
    }

    /// Whether a line that is neither a field nor the fold of one ends the header.
    fn ends_header(&mut self, line: &[u8], text: &[u8], folds: bool, out: &mut Out) -> bool {
        if folds && text.trim_ascii().is_empty() {
            if self.ways.blanks_end.is_none() {
                self.ways.blanks_end = Some(false);
                self.give(line, out, |other| other.ways.blanks_end = Some(true));
            }
            let ends = self.ways.blanks_end == Some(true);
            if ends {
                self.begin_body(out);
            }
            return ends;
        }
        if folds || part::is_field(text) {
            return false;
        }
        if self.ways.junk_ends.is_none() {
            self.ways.junk_ends = Some(false);
            self.give(line, out, |other| other.ways.junk_ends = Some(true));
        }
        let ends = self.ways.junk_ends == Some(true);
        if ends {
            self.begin_body(out);
            self.first_line(line, text, out);
        }
        ends
    }

    /// The first line of a body, which was taken for one of the header.
    fn first_line(&mut self, line: &[u8], text: &[u8], out: &mut Out) {
        if self.place == Place::Header {
            self.header_line(line, out);
        } else if let Some(delimiter) = self.delimiter(text) {
            self.cross(delimiter, out);
        } else {
            self.look(line, out);
        }
    }

    fn keep(&mut self, text: &[u8], out: &mut Out) {
        if !self.keeping {
            return;
        }
        let room = MIME_HEADER_MAX.saturating_sub(self.fields.len());
        if text.len() > room {
            self.lose(Lost::Header);
        }
        out.worked += HEADER_COST * text.len().min(room) as u64;
        self.fields
            .extend_from_slice(text.get(..room).unwrap_or(text));
        self.fields.push(b'\n');
    }

    /// The header section of a part is over.
    pub(super) fn begin_body(&mut self, out: &mut Out) {
        out.headers = out.headers.saturating_add(self.fields.len());
        let part = Part::read(&self.fields, self.usual);
        self.fields.clear();
        self.keeping = false;
        self.line_end = 0;
        let full = out.headers > MIME_HEADERS_MAX;
        if full {
            self.lose(Lost::Header);
        }
        if full || self.found.parts == MIME_PARTS_MAX {
            self.give_up(out);
            return;
        }
        self.found.parts += 1;
        match part.over {
            Some(Over::Names) => self.lose(Lost::Names),
            Some(Over::Boundary) => self.lose(Lost::Boundary),
            None => {}
        }
        self.place = self.place_of_body();
        let mut others = Vec::new();
        for opening in part.openings.iter().skip(1) {
            others.extend(self.split(out).map(|reader| (reader, opening)));
        }
        let slot = self.note(&part);
        self.open = slot;
        self.note_seen(&part, out);
        if let Some(first) = part.openings.first() {
            self.enter(&part, first, out);
        }
        for (mut reader, opening) in others {
            reader.note_seen(&part, out);
            reader.enter(&part, opening, out);
            out.splits.push(Split {
                reader,
                first: Vec::new(),
            });
        }
    }

    pub(super) fn place_of_body(&self) -> Place {
        if self.levels.separate() || self.closed.is_some() {
            Place::Start
        } else {
            Place::Rest
        }
    }

    /// Goes into a part in one of its ways.
    fn enter(&mut self, part: &Part, opening: &Opening, out: &mut Out) {
        match opening {
            Opening::Multipart { digest, boundary } => {
                if boundary.as_ref().is_none_or(Vec::is_empty) {
                    self.broken(WITHOUT);
                }
                self.open_multipart(Boundary::of(boundary.as_deref()), *digest);
            }
            Opening::Mail => self.open_mail(),
            Opening::Leaf => {
                if let Kind::Multipart { .. } = part.kind {
                    self.broken(match part.over {
                        Some(Over::Boundary) => "a multipart whose boundary is too long",
                        Some(Over::Names) | None => WITHOUT,
                    });
                }
                if self.open.is_some() || self.seen.is_some() {
                    self.begin_sniff(&part.encodings);
                }
                self.lanes.begin(self.id, part, &mut out.watch);
            }
        }
    }

    fn begin_sniff(&mut self, encodings: &[Encoding]) {
        let mut encodings = encodings.iter();
        if let Some(first) = encodings.next() {
            self.sniff.begin(*first);
        }
        self.sniffs.extend(encodings.map(|encoding| {
            let mut sniff = Sniff::default();
            sniff.begin(*encoding);
            sniff
        }));
    }

    /// Records a part that is an attachment.
    fn note(&mut self, part: &Part) -> Option<(usize, u64)> {
        if self.id != 0 || !part.is_attachment() {
            return None;
        }
        let slot = self.found.attachments.len();
        if slot == ATTACHMENTS_LOOKED_MAX {
            self.found.cut = true;
            return None;
        }
        self.found.attachments.push(Attachment {
            name: part.name.clone(),
            declared: part.declared.clone(),
            found: None,
            size: 0,
        });
        Some((slot, self.at))
    }

    /// Records what a part may be called and may be.
    fn note_seen(&mut self, part: &Part, out: &mut Out) {
        self.seen = None;
        if !part.may_be_attachment() {
            return;
        }
        let mut seen = Seen {
            names: Vec::new(),
            types: part.types.clone(),
        };
        for name in part.names.iter().flat_map(|raw| name::each(raw)) {
            if !seen.names.contains(&name) {
                seen.names.push(name);
            }
        }
        out.seen += 1 + seen.names.len();
        if out.seen > MIME_SEEN_MAX {
            self.found.cut = true;
        } else {
            self.seen = Some(self.found.seen.len());
            self.found.seen.push(seen);
        }
    }
}
