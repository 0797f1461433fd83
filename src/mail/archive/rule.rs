//! What is blocked, made ready to be asked for each of thousands of entries.
//!
//! A pattern with a slash is of media types, any other of file names; `*` is anything, and case does not count.

use crate::base::text::fits;
use crate::mail::attachment::same_types;

/// The patterns of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    names: Vec<Pattern>,
    types: Vec<Pattern>,
    archives: bool,
}

#[derive(Clone, Debug)]
struct Pattern {
    written: String,
    lower: String,
}

impl Rules {
    /// `archives`: whether they are looked into.
    pub fn new<'a>(block: impl IntoIterator<Item = &'a str>, archives: bool) -> Self {
        let patterns = block.into_iter().map(|written| Pattern {
            written: written.to_owned(),
            lower: written.to_lowercase(),
        });
        let (types, names) = patterns.partition(|pattern| pattern.lower.contains('/'));
        Self {
            names,
            types,
            archives,
        }
    }

    /// The patterns as they are written, names first.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        let all = self.names.iter().chain(&self.types);
        all.map(|pattern| pattern.written.as_str())
    }

    /// Whether archives are looked into.
    pub fn archives(&self) -> bool {
        self.archives
    }

    /// The pattern that blocks a name.
    pub(super) fn of_name(&self, name: &str) -> Option<&str> {
        let name = name.to_lowercase();
        let found = self.names.iter().find(|own| fits(&own.lower, &name))?;
        Some(&found.written)
    }

    /// The pattern that blocks a media type, under any of its names.
    pub(super) fn of_type(&self, media: &str) -> Option<&str> {
        let media = media.to_ascii_lowercase();
        let mut own = self.types.iter();
        let found = own.find(|own| same_types(&media).any(|name| fits(&own.lower, name)))?;
        Some(&found.written)
    }
}
