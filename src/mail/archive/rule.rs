//! What is blocked, made ready to be asked for each of thousands of entries.
//!
//! A pattern with a slash is of media types, any other of file names; `*` is anything, and case does not count.
//! Not here: comparing a text with thousands of patterns (`pattern`).

use super::pattern::Patterns;
use crate::mail::attachment::same_types;

/// The patterns of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    names: Patterns,
    types: Patterns,
    archives: bool,
}

impl Rules {
    /// `archives`: whether they are looked into.
    pub fn new<'a>(block: impl IntoIterator<Item = &'a str>, archives: bool) -> Self {
        let mut rules = Self {
            archives,
            ..Self::default()
        };
        for written in block {
            let of_type = written.contains('/');
            let to = if of_type {
                &mut rules.types
            } else {
                &mut rules.names
            };
            to.add(written);
        }
        rules
    }

    /// The patterns as they are written, names first.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.names.written().chain(self.types.written())
    }

    /// Whether archives are looked into.
    pub fn archives(&self) -> bool {
        self.archives
    }

    /// The pattern that blocks a name; before it, how many comparisons it took.
    pub(super) fn of_name(&self, name: &str) -> (usize, Option<&str>) {
        let (compared, found) = self.names.find(&name.to_lowercase());
        (compared, found.and_then(|n| self.names.at(n)))
    }

    /// The pattern that blocks a media type, under any of its names.
    pub(super) fn of_type(&self, media: &str) -> (usize, Option<&str>) {
        let media = media.to_ascii_lowercase();
        let each = same_types(&media).map(|name| self.types.find(name));
        let (compared, first) = each.fold((0, None), |(sum, first), (compared, found)| {
            let first = match (first, found) {
                (Some(one), Some(other)) => Some(usize::min(one, other)),
                (one, other) => one.or(other),
            };
            (sum + compared, first)
        });
        (compared, first.and_then(|n| self.types.at(n)))
    }
}
