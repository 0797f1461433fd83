//! The file as a tree of keys with their places, and what reads values out of it.
//!
//! serde stops at the first mistake; a person wants all of them at once. So the file is parsed into a table with spans,
//! sections are asked for their keys one by one, each mistake is noted at its place, and a key nobody asked for is
//! unknown. That a key was asked for is what makes it known: there is no second list to keep.
//! Not here: kinds of values (`kind`), what they mean (`value`), and which keys there are (`load`, `section`).

use std::cell::{Cell, RefCell};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::kind::not;
use super::mask::{Mask, names_secret, veil_login};
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
    found: RefCell<Vec<(Span, Problem)>>,
    /// Where the file stops being TOML: what is missing may stand in the part that could not be read, and behind a
    /// torn header keys stand where nobody wrote them.
    torn: Option<usize>,
    /// Keys nobody asked for, told when all that could have been meant is known.
    strange: RefCell<Vec<Strange>>,
    /// Keys that should be there, told unless a strange one was meant for them.
    missing: RefCell<Vec<Missing>>,
    /// Every key that was asked for, with the title of its section.
    asked: RefCell<Vec<(String, &'static str)>>,
}

/// A key nobody asked for.
struct Strange {
    at: Span,
    section: String,
    word: String,
    known: Vec<&'static str>,
}

/// A key that should be there.
struct Missing {
    at: Span,
    section: String,
    key: &'static str,
    example: String,
}

/// A table of the file, or the place where it would stand.
pub(super) struct Section<'n, 'i> {
    notes: &'n Notes<'i>,
    name: String,
    /// As it is written: `[queue]`, `[[listener]]`.
    title: String,
    table: Option<&'n DeTable<'i>>,
    at: Span,
    known: RefCell<Vec<&'static str>>,
    /// What is missing was told in other words already.
    quiet: Cell<bool>,
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

    /// With another remedy.
    pub(super) fn instead(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// At octets `at`, unless it has a place already.
    pub(super) fn within(mut self, at: Span) -> Self {
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
            torn: syntax
                .iter()
                .map(|e| e.span().unwrap_or_default().start)
                .min(),
            strange: RefCell::default(),
            missing: RefCell::default(),
            asked: RefCell::default(),
        };
        for error in syntax {
            let at = error.span().unwrap_or_default();
            let what = format!("{NO_TOML}{}", error.message().replace('\n', ", "));
            let fault = Fault::new(what, "see https://toml.io");
            notes.note(Severity::Error, &at, "", fault);
        }
        notes
    }

    fn note(&self, severity: Severity, at: &Span, key: &str, fault: Fault) {
        let value = at;
        let at = fault.at.as_ref().unwrap_or(value);
        let mut problem = Problem::at(self.file, self.text, at, severity);
        key.clone_into(&mut problem.key);
        problem.text = veil_login(&text::clean(&fault.text, TEXT_MAX));
        problem.remedy = veil_login(&text::clean(&fault.remedy, TEXT_MAX));
        // Where its end is missing, the keys below are a part of it, with their secrets. What is said of secrets repeats none.
        if self.has_lines(value) && !names_secret(key) {
            LINES.clone_into(&mut problem.text);
        }
        let mut found = self.found.borrow_mut();
        // A line that is no TOML says nothing more that can be trusted.
        let torn_here =
            |(_, other): &(Span, Problem)| other.key.is_empty() && other.line == problem.line;
        if !(self.torn.is_some() && found.iter().any(torn_here)) {
            found.push((at.clone(), problem));
        }
    }

    /// Whether a text of several lines stands there.
    fn has_lines(&self, at: &Span) -> bool {
        let text = self.text.get(at.clone()).unwrap_or_default();
        text.starts_with(['"', '\'']) && text.contains(['\n', '\r'])
    }

    /// All, in the order of the file.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let asked = self.asked.take();
        let mask = Mask::new(asked.iter().map(|(_, key)| *key));
        let missing = self.missing.take();
        let mut meant = Vec::new();
        for strange in self.strange.take() {
            let near = text::nearest(&strange.word, strange.known.iter().copied());
            meant.extend(near.map(|near| (strange.section.clone(), near)));
            let fault = Fault::new("unknown key", remedy(&asked, &strange, near));
            let key = joined(&strange.section, &mask.key(&strange.word));
            self.note(Severity::Error, &strange.at, &key, fault);
        }
        for one in missing {
            // One slip of the finger is one mistake, not two.
            if self.torn.is_some() || meant.contains(&(one.section.clone(), one.key)) {
                continue;
            }
            let fault = Fault::new("is missing", format!("write {} = {}", one.key, one.example));
            let key = joined(&one.section, one.key);
            self.note(Severity::Error, &one.at, &key, fault);
        }
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, _)| at.start);
        let shown = found.into_iter().map(|(at, mut problem)| {
            problem.show(self.text, &at, &mask);
            if let Some(said) = problem.text.strip_prefix(NO_TOML) {
                problem.text = format!("{NO_TOML}{}", mask.syntax(said));
            }
            problem
        });
        shown.collect()
    }
}

impl<'n, 'i> Section<'n, 'i> {
    /// The file itself.
    pub(super) fn root(notes: &'n Notes<'i>, table: &'n DeTable<'i>) -> Self {
        Self {
            notes,
            name: String::new(),
            title: String::new(),
            table: Some(table),
            at: 0..0,
            known: RefCell::default(),
            quiet: Cell::new(false),
        }
    }

    /// The table `[key]`, even when it is not there.
    pub(super) fn section(&self, key: &'static str) -> Self {
        let title = format!("[{}]", joined(&self.name, key));
        let Some((place, value)) = self.entry(key) else {
            return self.child(key, title, None, self.at.clone());
        };
        if let DeValue::Table(table) = value.get_ref() {
            return self.child(key, title, Some(table), place);
        }
        let mut table = None;
        if let DeValue::Array(tables) = value.get_ref() {
            let fault = Fault::new("there is only one", format!("write {title} instead"));
            self.fault(key, fault.within(value.span()));
            // Its keys are looked at all the same: all mistakes at once.
            table = tables.iter().find_map(|one| as_table(one.get_ref()));
        } else {
            self.fault(key, not(value, "a table", &title));
        }
        let child = self.child(key, title, table, place);
        child.quiet.set(table.is_none());
        child
    }

    /// Every `[[key]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Self> {
        let title = format!("[[{key}]]");
        let Some((place, value)) = self.entry(key) else {
            return Vec::new();
        };
        let child = |table, at| self.child(key, title.clone(), Some(table), at);
        let DeValue::Array(tables) = value.get_ref() else {
            let fault = Fault::new("there can be several", format!("write {title} instead"));
            self.fault(key, fault.within(value.span()));
            let table = as_table(value.get_ref());
            return table.map(|table| child(table, place)).into_iter().collect();
        };
        let mut sections = Vec::new();
        for each in tables {
            match as_table(each.get_ref()) {
                Some(table) => sections.push(child(table, each.span())),
                None => self.fault(key, not(each, "a table", &title)),
            }
        }
        sections
    }

    fn child(
        &self,
        key: &'static str,
        title: String,
        table: Option<&'n DeTable<'i>>,
        at: Span,
    ) -> Self {
        Self {
            notes: self.notes,
            name: joined(&self.name, key),
            title,
            table,
            at,
            known: RefCell::default(),
            quiet: Cell::new(false),
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
        if self.entry(key).is_none() && !self.quiet.get() {
            self.notes.missing.borrow_mut().push(Missing {
                at: self.at.clone(),
                section: self.name.clone(),
                key,
                example: example.to_owned(),
            });
        }
        self.get(key, read)
    }

    /// Whether the table is there.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// Whether nothing stands in the table.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_none_or(|table| table.is_empty())
    }

    /// Whether the key is there, right or wrong.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.entry(key).is_some()
    }

    /// Notes an error at a key that belongs elsewhere, if it stands here; only then it counts as known.
    pub(super) fn stray(&self, key: &'static str, fault: Fault) {
        let mut all = self.table.into_iter().flatten();
        if all.any(|(name, _)| name.get_ref() == key) {
            self.fault(key, fault);
        }
    }

    /// Notes an error at `key`, or at the section when the key is not there.
    pub(super) fn fault(&self, key: &'static str, fault: Fault) {
        self.note(Severity::Error, key, fault);
    }

    /// Notes a warning there; none for a file of which only a part could be read.
    pub(super) fn warn(&self, key: &'static str, fault: Fault) {
        if self.notes.torn.is_none() {
            self.note(Severity::Warning, key, fault);
        }
    }

    fn note(&self, severity: Severity, key: &'static str, fault: Fault) {
        let at = self
            .entry(key)
            .map_or_else(|| self.at.clone(), |(_, value)| value.span());
        self.notes
            .note(severity, &at, &joined(&self.name, key), fault);
    }

    /// Every key that is to be asked for was: what else stands there is unknown.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        let mut asked = self.notes.asked.borrow_mut();
        asked.extend(known.iter().map(|key| (self.title.clone(), *key)));
        for (key, _) in self.table.into_iter().flatten() {
            let word = key.get_ref().as_ref();
            let torn = self.notes.torn.is_some_and(|at| key.span().start > at);
            let astray = torn && self.name.is_empty();
            if !astray && !known.contains(&word) {
                self.notes.strange.borrow_mut().push(Strange {
                    at: key.span(),
                    section: self.name.clone(),
                    word: word.to_owned(),
                    known: known.clone(),
                });
            }
        }
    }

    fn entry(&self, key: &'static str) -> Option<(Span, &'n Value<'i>)> {
        let mut known = self.known.borrow_mut();
        if !key.is_empty() && !known.contains(&key) {
            known.push(key);
        }
        self.table?
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(name, value)| (name.span(), value))
    }
}

/// What was probably meant by a strange key; else where it belongs; else what is known there.
fn remedy(asked: &[(String, &'static str)], strange: &Strange, near: Option<&str>) -> String {
    if let Some(near) = near {
        return format!("did you mean `{near}`?");
    }
    let home = asked.iter().find(|(_, key)| *key == strange.word);
    if let Some((title, _)) = home.filter(|(title, _)| !title.is_empty()) {
        return format!("move it to {title}");
    }
    format!("remove it (known here: {})", strange.known.join(", "))
}

fn joined(section: &str, key: &str) -> String {
    if section.is_empty() || key.is_empty() {
        format!("{section}{key}")
    } else {
        format!("{section}.{key}")
    }
}

fn as_table<'v, 'i>(value: &'v DeValue<'i>) -> Option<&'v DeTable<'i>> {
    match value {
        DeValue::Table(table) => Some(table),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => None,
    }
}

/// Characters of a wrong word that are repeated.
pub(super) const KEY_MAX: usize = 60;
/// What is said of a wrong text of several lines: it is not repeated.
const LINES: &str = "this text of several lines does not belong here, or its end is missing";
/// How the text about what the parser refused begins.
const NO_TOML: &str = "this is no TOML: ";
/// Characters of a text about a mistake; parts of the file stand in it.
const TEXT_MAX: usize = 500;
