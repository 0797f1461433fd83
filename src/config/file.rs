//! The file as a tree of keys with their places, and what reads values out of it.
//!
//! serde stops at the first mistake; a person wants all of them at once. So the file is parsed into a table with spans,
//! sections are asked for their keys one by one, each mistake is noted at its place, and a key nobody asked for is
//! unknown. That a key was asked for is what makes it known: there is no second list to keep.
//! Not here: what the values mean (`value`), and which keys there are (`load`, `section`).

use std::cell::RefCell;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Severity};
use crate::base::text;

/// Octets of the file.
pub(super) type Span = std::ops::Range<usize>;

/// A value and its place.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// What is wrong with a value.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    at: Option<Span>,
    text: String,
    remedy: String,
}

/// What is wrong with a value that may hold several.
pub(super) type Faults = Vec<Fault>;

/// The mistakes found so far.
pub(super) struct Notes<'i> {
    file: &'i Path,
    text: &'i str,
    found: RefCell<Vec<(usize, Problem)>>,
    /// The file is no TOML: what is missing may stand in the part that could not be read.
    torn: bool,
}

/// A table of the file, or the place where it would stand.
pub(super) struct Section<'n, 'i> {
    notes: &'n Notes<'i>,
    name: String,
    table: Option<&'n DeTable<'i>>,
    at: Span,
    known: RefCell<Vec<&'static str>>,
}

impl Fault {
    /// `text` says what is wrong, `remedy` what to write.
    pub(super) fn new(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            at: None,
            text: text.into(),
            remedy: remedy.into(),
        }
    }

    fn within(mut self, at: Span) -> Self {
        self.at.get_or_insert(at);
        self
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        vec![fault]
    }
}

impl<'i> Notes<'i> {
    /// None so far; those of the TOML parser come first.
    pub(super) fn new(file: &'i Path, text: &'i str, syntax: &[toml::de::Error]) -> Self {
        let notes = Self {
            file,
            text,
            found: RefCell::default(),
            torn: !syntax.is_empty(),
        };
        for error in syntax {
            let at = error.span().unwrap_or_default();
            let what = format!("this is no TOML: {}", error.message().replace('\n', ", "));
            notes.note(
                Severity::Error,
                &at,
                "",
                Fault::new(what, "see https://toml.io"),
            );
        }
        notes
    }

    fn note(&self, severity: Severity, at: &Span, key: &str, fault: Fault) {
        let at = fault.at.as_ref().unwrap_or(at);
        let mut problem = Problem::at(self.file, self.text, at, severity);
        key.clone_into(&mut problem.key);
        problem.text = fault.text;
        problem.remedy = fault.remedy;
        let mut found = self.found.borrow_mut();
        // A line that is no TOML says nothing more that can be trusted.
        let torn_here =
            |(_, other): &(usize, Problem)| other.key.is_empty() && other.line == problem.line;
        if !(self.torn && found.iter().any(torn_here)) {
            found.push((at.start, problem));
        }
    }

    /// All, in the order of the file.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, problem)| problem).collect()
    }
}

impl<'n, 'i> Section<'n, 'i> {
    /// The file itself.
    pub(super) fn root(notes: &'n Notes<'i>, table: &'n DeTable<'i>) -> Self {
        Self {
            notes,
            name: String::new(),
            table: Some(table),
            at: 0..0,
            known: RefCell::default(),
        }
    }

    /// The table `[key]`, even when it is not there.
    pub(super) fn section(&self, key: &'static str) -> Self {
        let (table, at) = match self.entry(key) {
            None => (None, self.at.clone()),
            Some((place, value)) => match value.get_ref() {
                DeValue::Table(table) => (Some(table), place),
                DeValue::Array(_) => {
                    let fault = Fault::new("there is only one", format!("write [{key}] instead"));
                    self.fault(key, fault.within(value.span()));
                    (None, place)
                }
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => {
                    self.fault(key, not(value, "a table", &format!("[{key}]")));
                    (None, place)
                }
            },
        };
        self.child(key, table, at)
    }

    /// Every `[[key]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Self> {
        let Some((_, value)) = self.entry(key) else {
            return Vec::new();
        };
        let DeValue::Array(tables) = value.get_ref() else {
            let fault = Fault::new("there can be several", format!("write [[{key}]] instead"));
            self.fault(key, fault.within(value.span()));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for each in tables {
            if let DeValue::Table(table) = each.get_ref() {
                sections.push(self.child(key, Some(table), each.span()));
            } else {
                self.fault(key, not(each, "a table", &format!("[[{key}]]")));
            }
        }
        sections
    }

    fn child(&self, key: &'static str, table: Option<&'n DeTable<'i>>, at: Span) -> Self {
        Self {
            notes: self.notes,
            name: self.dotted(key),
            table,
            at,
            known: RefCell::default(),
        }
    }

    /// The value of `key` if it is there and right; a wrong one is noted.
    pub(super) fn get<T, E: Into<Faults>>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'n Value<'i>) -> Result<T, E>,
    ) -> Option<T> {
        let (_, value) = self.entry(key)?;
        match read(value) {
            Ok(read) => Some(read),
            Err(faults) => {
                for fault in faults.into() {
                    self.fault(key, fault.within(value.span()));
                }
                None
            }
        }
    }

    /// The same, but a missing key is a mistake too.
    pub(super) fn need<T, E: Into<Faults>>(
        &self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&'n Value<'i>) -> Result<T, E>,
    ) -> Option<T> {
        if self.entry(key).is_none() && !self.notes.torn {
            self.fault(
                key,
                Fault::new("is missing", format!("write {key} = {example}")),
            );
        }
        self.get(key, read)
    }

    /// Whether the table is there.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the key is there, right or wrong.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.entry(key).is_some()
    }

    /// Notes an error at `key`, or at the section when the key is not there.
    pub(super) fn fault(&self, key: &'static str, fault: Fault) {
        self.note(Severity::Error, key, fault);
    }

    /// Notes a warning there.
    pub(super) fn warn(&self, key: &'static str, fault: Fault) {
        self.note(Severity::Warning, key, fault);
    }

    fn note(&self, severity: Severity, key: &'static str, fault: Fault) {
        let at = self
            .entry(key)
            .map_or_else(|| self.at.clone(), |(_, value)| value.span());
        self.notes.note(severity, &at, &self.dotted(key), fault);
    }

    /// Notes every key nobody asked for.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            let word = key.get_ref().as_ref();
            if known.contains(&word) {
                continue;
            }
            let remedy = match text::nearest(word, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("remove it; known here: {}", known.join(", ")),
            };
            let key_name = self.dotted(&text::clean(word, KEY_MAX));
            self.notes.note(
                Severity::Error,
                &key.span(),
                &key_name,
                Fault::new("unknown key", remedy),
            );
        }
    }

    fn entry(&self, key: &'static str) -> Option<(Span, &'n Value<'i>)> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.table?
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(name, value)| (name.span(), value))
    }

    fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() || key.is_empty() {
            format!("{}{key}", self.name)
        } else {
            format!("{}.{key}", self.name)
        }
    }
}

/// A text.
pub(super) fn string<'v>(value: &'v Value<'_>) -> Result<&'v str, Fault> {
    if let DeValue::String(text) = value.get_ref() {
        return Ok(text);
    }
    if let DeValue::Integer(number) = value.get_ref() {
        return Err(not(value, "a text", &format!("\"{number}\"")));
    }
    Err(not(value, "a text", "it in \"quotes\""))
}

/// `true` or `false`.
pub(super) fn flag(value: &Value<'_>) -> Result<bool, Fault> {
    if let DeValue::Boolean(flag) = value.get_ref() {
        return Ok(*flag);
    }
    Err(not(value, "true or false", "true or false without quotes"))
}

/// A whole number within bounds.
pub(super) fn whole(
    bounds: std::ops::RangeInclusive<usize>,
) -> impl FnOnce(&Value<'_>) -> Result<usize, Fault> {
    move |value| {
        let (least, most) = (*bounds.start(), *bounds.end());
        let remedy = format!("a number from {least} to {most}");
        let DeValue::Integer(number) = value.get_ref() else {
            return Err(not(value, "a whole number", &remedy));
        };
        usize::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| {
                Fault::new(
                    format!("{number} is out of bounds"),
                    format!("write {remedy}"),
                )
            })
    }
}

/// One of some words.
pub(super) fn choice<T: Copy>(
    words: &'static [(&'static str, T)],
) -> impl FnOnce(&Value<'_>) -> Result<T, Fault> {
    move |value| {
        let word = string(value)?;
        if let Some((_, chosen)) = words.iter().find(|(name, _)| *name == word) {
            return Ok(*chosen);
        }
        let remedy = match text::nearest(word, words.iter().map(|(name, _)| *name)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => {
                let all: Vec<String> = words
                    .iter()
                    .map(|(name, _)| format!("\"{name}\""))
                    .collect();
                format!("write one of {}", all.join(", "))
            }
        };
        let shown = text::clean(word, KEY_MAX);
        Err(Fault::new(
            format!("\"{shown}\" is none of its words"),
            remedy,
        ))
    }
}

/// A list; every wrong element is told.
pub(super) fn list<'v, 'i: 'v, T>(
    each: impl Fn(&'v Value<'i>) -> Result<T, Fault>,
) -> impl FnOnce(&'v Value<'i>) -> Result<Vec<T>, Faults> {
    move |value| {
        let DeValue::Array(values) = value.get_ref() else {
            return Err(not(value, "a list", "it in [brackets]").into());
        };
        let (mut read, mut faults) = (Vec::new(), Faults::new());
        for one in values {
            match each(one) {
                Ok(one) => read.push(one),
                Err(fault) => faults.push(fault.within(one.span())),
            }
        }
        if faults.is_empty() {
            Ok(read)
        } else {
            Err(faults)
        }
    }
}

fn not(value: &Value<'_>, wanted: &str, remedy: &str) -> Fault {
    let is = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Fault::new(
        format!("{wanted} belongs here, and this is {is}"),
        format!("write {remedy}"),
    )
    .within(value.span())
}

/// Characters of a wrong word that are repeated.
const KEY_MAX: usize = 60;
