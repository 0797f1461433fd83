//! A text as filters have changed it: made while it is read, from the stored one and their edits.
//!
//! The next scanner in the row reads it so, and `judge` writes it down so; nothing is kept but the header section, for
//! as long as one reader needs it. Fields on top count as part of the text for whoever looks at it next.

use std::collections::VecDeque;
use std::io;

use bytes::{BufMut, Bytes, BytesMut};

use super::section::{Section, name_of};
use super::{Body, Next, Octets};
use crate::mail::edit::{Edits, FieldEdit, to_text};

/// `body` after `edits`.
pub struct Edited<'a> {
    body: &'a dyn Body,
    edits: &'a Edits,
    /// Whether its fields on top are part of it.
    topped: bool,
}

struct Reading {
    inner: Box<dyn Octets>,
    edits: Edits,
    topped: bool,
    begun: bool,
    ready: VecDeque<Bytes>,
    /// What follows is the old body.
    old: bool,
}

impl<'a> Edited<'a> {
    /// With its fields on top.
    pub fn whole(body: &'a dyn Body, edits: &'a Edits) -> Self {
        Self {
            body,
            edits,
            topped: true,
        }
    }

    /// Without them: they are kept beside it.
    pub fn without_top(body: &'a dyn Body, edits: &'a Edits) -> Self {
        Self {
            topped: false,
            ..Self::whole(body, edits)
        }
    }
}

/// The octets of a text.
///
/// # Errors
/// It cannot be read.
pub async fn length(body: &dyn Body) -> io::Result<u64> {
    let (mut octets, mut length) = (body.open(), 0);
    while let Some(more) = octets.next().await? {
        length += more.len() as u64;
    }
    Ok(length)
}

impl Body for Edited<'_> {
    fn open(&self) -> Box<dyn Octets> {
        Box::new(Reading {
            inner: self.body.open(),
            edits: self.edits.clone(),
            topped: self.topped,
            begun: false,
            ready: VecDeque::new(),
            old: true,
        })
    }
}

impl Octets for Reading {
    fn next(&mut self) -> Next<'_> {
        Box::pin(async {
            if !self.begun {
                self.begun = true;
                self.begin().await?;
            }
            match self.ready.pop_front() {
                Some(piece) => Ok(Some(piece)),
                None if self.old => self.inner.next().await,
                None => Ok(None),
            }
        })
    }
}

impl Reading {
    async fn begin(&mut self) -> io::Result<()> {
        if self.topped && !self.edits.top.is_empty() {
            self.ready.push_back(to_text(&self.edits.top).into());
        }
        if !self.edits.rewrites() {
            // The first octets of a reader hold the whole section: not the top alone.
            let first = self.inner.next().await?.unwrap_or_default();
            let top = self.ready.pop_front().unwrap_or_default();
            self.ready.push_back([top, first].concat().into());
            return Ok(());
        }
        let section = Section::read(&mut *self.inner).await?;
        let mut fields = section.fields;
        for edit in &self.edits.fields {
            apply(&mut fields, edit);
        }
        let top = self.ready.pop_front().unwrap_or_default();
        let mut head = BytesMut::from(top.as_ref());
        fields.iter().for_each(|field| head.put_slice(field));
        let body = self.edits.body.take();
        // A body needs the empty line, even where the mail had none before.
        if section.separated || body.is_some() {
            head.put_slice(b"\r\n");
        }
        self.ready.push_back(head.freeze());
        match body {
            Some(body) => {
                self.old = false;
                self.ready.extend(body.pieces);
            }
            None => self.ready.push_back(section.rest),
        }
        Ok(())
    }
}

fn apply(fields: &mut Vec<Vec<u8>>, edit: &FieldEdit) {
    match edit {
        FieldEdit::Insert { at, field } => {
            let at = (*at).min(fields.len());
            fields.insert(at, field.to_stored().into_bytes());
        }
        FieldEdit::Change { nth, field } => {
            let name = field.name.to_ascii_lowercase();
            let mut places = fields.iter().enumerate();
            let mut found = places
                .by_ref()
                .filter(|(_, one)| name_of(one) == name)
                .map(|(at, _)| at);
            let at = found.nth(nth.saturating_sub(1));
            match at {
                Some(at) if field.value.is_empty() => drop(fields.remove(at)),
                Some(at) => {
                    if let Some(slot) = fields.get_mut(at) {
                        *slot = field.to_stored().into_bytes();
                    }
                }
                None if field.value.is_empty() => {}
                None => fields.push(field.to_stored().into_bytes()),
            }
        }
    }
}
