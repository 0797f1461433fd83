//! What a filter changes at the end of a mail, packet by packet, and how that becomes `Edits`.
//!
//! Positions count the fields that the filter was shown, with what it changed so far: 0 and 1 are the top, behind our
//! Received field, which is written later. A field that was removed is not counted any more. Only what can be put on top
//! is; a change, a removal and a place further down make a new text.
//! Addresses and names are read strictly: what is none makes the answer garbage, and the mail stays as it is.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::packet::{Packet, Parts};
use super::terms::{Terms, action};
use crate::base::limit::{HEADER_MAX, SCAN_WORDS_MAX, TOP_MAX};
use crate::base::text::clean_bytes;
use crate::mail::edit::{Edits, Field, FieldEdit, NewBody};
use crate::mail::mailbox::Mailbox;
use crate::mail::path::ReversePath;
use crate::smtp::data::{Bare, Decoder};

/// Recipients that one filter adds or removes.
const RECIPIENTS_CHANGED_MAX: usize = 1_000;
/// Changes of fields of one filter.
const FIELDS_CHANGED_MAX: usize = 10_000;

/// Octets of fields that one filter puts on top; more make a new text.
const TOP_OF_ONE_MAX: usize = TOP_MAX / 4;

/// All of it, as it comes.
pub(super) struct Changes {
    terms: Terms,
    fields: Vec<Change>,
    octets: usize,
    body: Option<Body>,
    body_max: u64,
    room: Arc<Semaphore>,
    edits: Edits,
    pub(super) quarantine: Option<String>,
}

enum Change {
    Add(Field),
    Insert(usize, Field),
    /// An empty value removes it.
    Put(usize, Field),
}

struct Body {
    /// Line ends become CRLF, as everything here has them.
    decoder: Decoder,
    pieces: Vec<Bytes>,
    loan: Option<OwnedSemaphorePermit>,
}

/// What is wrong with a packet; none of the wording names the step.
pub(super) enum Wrong {
    /// It makes no sense.
    Garbage(String),
    /// There is no room for it now.
    NoRoom,
    /// Not a change at all.
    Other,
}

impl From<&str> for Wrong {
    fn from(words: &str) -> Self {
        Self::Garbage(words.to_owned())
    }
}

impl Changes {
    pub(super) fn new(terms: Terms, body_max: u64, room: Arc<Semaphore>) -> Self {
        Self {
            terms,
            fields: Vec::new(),
            octets: 0,
            body: None,
            body_max,
            room,
            edits: Edits::default(),
            quarantine: None,
        }
    }

    /// Takes one packet.
    pub(super) fn take(&mut self, packet: &Packet) -> Result<(), Wrong> {
        let needed = match packet.code {
            b'h' => action::ADD_FIELDS,
            b'i' => action::ADD_FIELDS | action::CHANGE_FIELDS,
            b'm' => action::CHANGE_FIELDS,
            b'b' => action::NEW_BODY,
            b'e' => action::NEW_FROM,
            b'+' => action::ADD_RCPT,
            b'2' => action::ADD_RCPT_PAR,
            b'-' => action::DEL_RCPT,
            b'q' => action::QUARANTINE,
            _ => return Err(Wrong::Other),
        };
        if !self.terms.may(needed) {
            return Err("it makes a change that it did not announce".into());
        }
        let mut parts = Parts(&packet.text);
        match packet.code {
            b'h' => self.field(&mut parts, false, |_, field| Change::Add(field)),
            b'i' => self.field(&mut parts, true, Change::Insert),
            b'm' => self.field(&mut parts, true, Change::Put),
            b'b' => self.body(&packet.text),
            b'q' => {
                let why = parts
                    .text()
                    .ok_or("a quarantine without its reason's end")?;
                self.quarantine = Some(clean_bytes(why, SCAN_WORDS_MAX));
                ended(&parts)
            }
            _ => self.address(packet.code, &mut parts),
        }
    }

    fn field(
        &mut self,
        parts: &mut Parts<'_>,
        numbered: bool,
        change: impl FnOnce(usize, Field) -> Change,
    ) -> Result<(), Wrong> {
        let at = if numbered { parts.number() } else { Some(0) };
        let (Some(at), Some(name), Some(value)) = (at, parts.text(), parts.text()) else {
            return Err("a field that cannot be read".into());
        };
        ended(parts)?;
        // RFC 5322 section 3.6.8.
        let good = |octet: &u8| octet.is_ascii_graphic() && *octet != b':';
        if name.is_empty() || !name.iter().all(good) {
            let name = clean_bytes(name, SCAN_WORDS_MAX);
            return Err(Wrong::Garbage(format!("\"{name}\" is no name of a field")));
        }
        self.octets += name.len() + value.len() + 4;
        if self.octets > HEADER_MAX || self.fields.len() >= FIELDS_CHANGED_MAX {
            return Err("it writes longer fields than a header section may have".into());
        }
        let value = String::from_utf8_lossy(value);
        // Where both sides agreed that blanks count, the one behind the colon is part of the value.
        let value = value.strip_prefix(' ').unwrap_or(&value);
        let name = String::from_utf8_lossy(name);
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        self.fields.push(change(at, Field::new(name, value)));
        Ok(())
    }

    fn body(&mut self, text: &[u8]) -> Result<(), Wrong> {
        let body = self.body.get_or_insert_with(|| Body {
            decoder: Decoder::chunked(Bare::Normalise, self.body_max),
            pieces: Vec::new(),
            loan: None,
        });
        let octets = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.room).try_acquire_many_owned(octets);
        let more = more.map_err(|_| Wrong::NoRoom)?;
        match &mut body.loan {
            Some(loan) => loan.merge(more),
            None => body.loan = Some(more),
        }
        let mut piece = Vec::with_capacity(text.len());
        let mut used = 0;
        while let Some(rest) = text.get(used..).filter(|rest| !rest.is_empty()) {
            let decoded = body.decoder.next(rest);
            used += decoded.used;
            piece.extend_from_slice(decoded.text);
        }
        if body.decoder.fault().is_some() {
            return Err("the new body is larger than max_size".into());
        }
        body.pieces.push(piece.into());
        Ok(())
    }

    fn address(&mut self, code: u8, parts: &mut Parts<'_>) -> Result<(), Wrong> {
        let path = parts.text().ok_or("an address without its end")?;
        // ESMTP parameters may follow; of those only the address counts here.
        if !parts.is_empty() && parts.text().is_none() {
            return Err("parameters of an address without their end".into());
        }
        ended(parts)?;
        let shown = clean_bytes(path, SCAN_WORDS_MAX);
        let no = |why: String| Wrong::Garbage(format!("\"{shown}\" is no address: {why}"));
        let text = std::str::from_utf8(path).map_err(|error| no(error.to_string()))?;
        let bare = text.strip_prefix('<').and_then(|t| t.strip_suffix('>'));
        let bare = bare.unwrap_or(text);
        if code == b'e' {
            let from = ReversePath::parse(bare).map_err(|error| no(error.to_string()))?;
            self.edits.from = Some(from);
            return Ok(());
        }
        let mailbox = Mailbox::parse(bare).map_err(|error| no(error.to_string()))?;
        if self.edits.add.len() + self.edits.remove.len() >= RECIPIENTS_CHANGED_MAX {
            return Err("it adds and removes too many recipients".into());
        }
        // The last word counts, as if the recipients were a list.
        self.edits.add.retain(|one| *one != mailbox);
        self.edits.remove.retain(|one| *one != mailbox);
        if code == b'-' {
            self.edits.remove.push(mailbox);
        } else {
            self.edits.add.push(mailbox);
        }
        Ok(())
    }

    /// What it comes to, of a mail with fields of these names.
    pub(super) fn finish(mut self, names: Vec<String>) -> Edits {
        if let Some(mut body) = self.body {
            body.pieces
                .push(Bytes::from_static(body.decoder.finish_chunks()));
            self.edits.body = Some(NewBody::new(body.pieces, body.loan));
        }
        let (top, fields) = resolved(self.fields, names);
        Edits {
            top,
            fields,
            ..self.edits
        }
    }
}

fn ended(parts: &Parts<'_>) -> Result<(), Wrong> {
    if parts.is_empty() {
        Ok(())
    } else {
        Err("more octets than the packet has parts".into())
    }
}

/// Changes that put fields on top only are those fields; else every change, in its order.
fn resolved(changes: Vec<Change>, mut names: Vec<String>) -> (Vec<Field>, Vec<FieldEdit>) {
    let (mut top, mut added, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let mut on_top = true;
    for change in changes {
        match change {
            Change::Insert(at, field) => {
                let at = at.saturating_sub(1).min(names.len());
                on_top &= at <= top.len();
                if on_top {
                    top.insert(at, field.clone());
                }
                names.insert(at, field.name.to_ascii_lowercase());
                all.push(FieldEdit::Insert { at, field });
            }
            Change::Put(nth, field) => {
                let (nth, name) = (nth.max(1), field.name.to_ascii_lowercase());
                let mut places = names.iter().enumerate().filter(|(_, one)| **one == name);
                let place = places.nth(nth - 1).map(|(at, _)| at);
                match place {
                    Some(at) => {
                        on_top = false;
                        if field.value.is_empty() {
                            names.remove(at);
                        }
                        all.push(FieldEdit::Change { nth, field });
                    }
                    None if field.value.is_empty() => {}
                    None => add(field, &mut names, &mut added, &mut all),
                }
            }
            Change::Add(field) => add(field, &mut names, &mut added, &mut all),
        }
    }
    top.append(&mut added);
    // What stands beside a text is short, and US-ASCII whoever takes it.
    let lines = top.iter().map(Field::to_stored);
    let fits = lines.clone().all(|line| line.is_ascii());
    let octets = lines.map(|line| line.len()).sum::<usize>();
    if on_top && fits && octets <= TOP_OF_ONE_MAX {
        (top, Vec::new())
    } else {
        (Vec::new(), all)
    }
}

/// At the end of the section, where an MTA appends; alone it may as well stand on top.
fn add(field: Field, names: &mut Vec<String>, added: &mut Vec<Field>, all: &mut Vec<FieldEdit>) {
    added.push(field.clone());
    let at = names.len();
    names.push(field.name.to_ascii_lowercase());
    all.push(FieldEdit::Insert { at, field });
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
