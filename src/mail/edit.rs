//! What a filter changes in a mail.
//!
//! Fields that are added stand on top of the header section, as trace fields do, and are kept beside the stored text;
//! everything else makes a new text.
//! Not here: making it (`judge`).

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

use super::mailbox::Mailbox;
use super::path::ReversePath;
use crate::base::limit::TOP_MAX;

/// A header field without line ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Before the colon.
    pub name: String,
    /// Behind it; folds are spaces or CRLF and a blank.
    pub value: String,
}

/// One change of a field that is there, or a field at a place of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldEdit {
    /// The `nth` (from 1) field of that name gets another value; an empty one removes it. One that is not there is added.
    Change {
        /// Of that name.
        nth: usize,
        /// With its new value.
        field: Field,
    },
    /// A field is put before the `at`th (from 0) field of the header section.
    Insert {
        /// Its place.
        at: usize,
        /// It.
        field: Field,
    },
}

/// A body that a filter wrote: its pieces, with CRLF line ends, and whatever lends them memory.
#[derive(Clone, Debug)]
pub struct NewBody {
    /// In their order.
    pub pieces: Vec<Bytes>,
    _loan: Arc<dyn Any + Send + Sync>,
}

/// All changes of one filter, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// The filter.
    pub by: String,
    /// New fields, on top.
    pub top: Vec<Field>,
    /// Changes of the section.
    pub fields: Vec<FieldEdit>,
    /// A new body.
    pub body: Option<NewBody>,
    /// A new reverse-path.
    pub from: Option<ReversePath>,
    /// New recipients.
    pub add: Vec<Mailbox>,
    /// Recipients that go.
    pub remove: Vec<Mailbox>,
}

impl NewBody {
    /// `loan` is given back with the last copy.
    pub fn new(pieces: Vec<Bytes>, loan: impl Any + Send + Sync) -> Self {
        Self {
            pieces,
            _loan: Arc::new(loan),
        }
    }
}

impl PartialEq for NewBody {
    fn eq(&self, other: &Self) -> bool {
        self.pieces == other.pieces
    }
}

impl Eq for NewBody {}

impl Edits {
    /// Whether reverse-path or recipients change.
    pub fn changes_envelope(&self) -> bool {
        self.from.is_some() || !self.add.is_empty() || !self.remove.is_empty()
    }

    /// Whether the stored text must be made anew.
    pub fn rewrites(&self) -> bool {
        !self.fields.is_empty() || self.body.is_some()
    }
}

/// Fields as they stand in a mail; what does not fit into `TOP_MAX` is left out. US-ASCII only: they are written after
/// the next hop was asked what it can take.
pub fn to_text<'a>(fields: impl IntoIterator<Item = &'a Field>) -> String {
    let mut text = String::new();
    for field in fields {
        let line = field.to_line();
        if text.len() + line.len() <= TOP_MAX {
            text.push_str(&line);
        }
    }
    text
}

impl Field {
    /// Of these two.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }

    /// With its line end, US-ASCII.
    pub fn to_line(&self) -> String {
        self.written(|c| c.is_ascii())
    }

    /// With its line end, as it stands in a stored text, which may have more characters than US-ASCII.
    pub fn to_stored(&self) -> String {
        self.written(|_| true)
    }

    /// Whatever the value has, it stays one field: a line end in it becomes a fold. A fold keeps its blanks, because a
    /// signature may count them.
    fn written(&self, good: impl Fn(char) -> bool) -> String {
        let name = self.name.chars();
        let mut text: String = name.filter(|c| c.is_ascii_graphic() && *c != ':').collect();
        text.push_str(": ");
        let lines = self.value.split(['\r', '\n']).enumerate();
        for (n, line) in lines.filter(|(n, line)| *n == 0 || !line.trim().is_empty()) {
            if n > 0 {
                text.push_str("\r\n");
                if !line.starts_with([' ', '\t']) {
                    text.push('\t');
                }
            }
            let shown = |c: char| c == '\t' || (!c.is_control() && good(c));
            text.extend(line.chars().map(|c| if shown(c) { c } else { '?' }));
        }
        text.push_str("\r\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_never_leaves_its_field() {
        for (value, line) in [
            ("a", "X: a\r\n"),
            ("a\n b", "X: a\r\n b\r\n"),
            ("a;\r\n\t b ", "X: a;\r\n\t b \r\n"),
            (
                "a\r\nEvil: b\r\n\r\nbody",
                "X: a\r\n\tEvil: b\r\n\tbody\r\n",
            ),
            ("ü\u{7}", "X: ??\r\n"),
        ] {
            assert_eq!(Field::new("X", value).to_line(), line, "case: {value:?}");
        }
        assert_eq!(Field::new("X", "ü").to_stored(), "X: ü\r\n");
        assert_eq!(Field::new("X:\r\nY", "a").to_line(), "XY: a\r\n");
    }
}
