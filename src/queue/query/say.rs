//! A query in words, and as text again: what a person reads before it acts, and what a job keeps.
//!
//! The words say what was understood, not what was written: each value with how it is compared, in German or English.
//! The text, read again, means the same. Values are the asker's own, cleaned of what hides or turns.
//! Not here: the counts beside the words (`queue::bulk`).

use std::fmt;
use std::time::Duration;

use super::read::{QUEUES, QueryError, WORDS, Wrong};
use super::{Pattern, Query, Term, Test};
use crate::base::lang::Lang;
use crate::base::text::clean;
use crate::mail::hold::HoldReason;
use crate::mail::state::State;
use crate::words::{Arg, say};

impl Query {
    /// What it means: `subject contains 'Dear customer,' and from is 'a@b.example'`.
    pub fn understood(&self, lang: Lang) -> String {
        let and = say(lang, "query-and", &[]);
        let alone = self.terms.len() == 1;
        let terms: Vec<String> = self
            .terms
            .iter()
            .map(|term| term.understood(lang, alone))
            .collect();
        match terms.as_slice() {
            [] => say(lang, "query-everything", &[]),
            terms => terms.join(&format!(" {and} ")),
        }
    }
}

impl Term {
    fn understood(&self, lang: Lang, alone: bool) -> String {
        // None of several: each of them is not.
        let joint = if self.negated {
            "query-and"
        } else {
            "query-or"
        };
        let joint = format!(" {} ", say(lang, joint, &[]));
        let each: Vec<String> = self
            .any
            .iter()
            .map(|test| test.understood(lang, self.negated))
            .collect();
        let text = each.join(&joint);
        if alone || self.negated || each.len() == 1 {
            text
        } else {
            format!("({text})")
        }
    }
}

impl Test {
    fn understood(&self, lang: Lang, negated: bool) -> String {
        let (key, value) = match self {
            Self::Queue(None) => ("query-say-unheld", String::new()),
            Self::Queue(Some(queue)) => ("query-say-queue", named(lang, "queue", queue.word())),
            Self::From(Pattern::Null) => ("query-say-from-null", String::new()),
            Self::From(pattern) => (pattern.key(FROM), pattern.said()),
            Self::To(pattern) => (pattern.key(TO), pattern.said()),
            Self::Id(id) => ("query-say-id", format!("{id:016X}")),
            Self::Older(age) => ("query-say-older", span(*age)),
            Self::Newer(age) => ("query-say-newer", span(*age)),
            Self::Status(word) => ("query-say-status", named(lang, "state", word)),
            Self::Reason(reason) => ("query-say-reason", named(lang, "reason", reason.word())),
            Self::Subject(part) => ("query-say-subject", part.typed.clone()),
            Self::Text(part) => ("query-say-text", part.typed.clone()),
            Self::Word(word) => ("query-say-word", word.clone()),
            Self::Account(account) => ("query-say-account", account.clone()),
        };
        let key = format!("{key}{}", if negated { "-not" } else { "" });
        let value = clean(&value, usize::MAX);
        if value.is_empty() {
            return say(lang, &key, &[]);
        }
        say(lang, &key, &[("value", Arg::Text(&value))])
    }

    /// The word of the language and its value.
    fn written(&self) -> (&'static str, String) {
        match self {
            Self::Queue(None) => ("queue", "due".to_owned()),
            Self::Queue(Some(queue)) => ("queue", queue.word().to_owned()),
            Self::From(pattern) => ("from", pattern.written()),
            Self::To(pattern) => ("to", pattern.written()),
            Self::Id(id) => ("id", format!("{id:016X}")),
            Self::Older(age) => ("older", span(*age)),
            Self::Newer(age) => ("newer", span(*age)),
            Self::Status(word) => ("status", (*word).to_owned()),
            Self::Reason(reason) => ("reason", reason.word().to_owned()),
            Self::Subject(part) => ("subject", part.typed.clone()),
            Self::Text(part) => ("text", part.typed.clone()),
            Self::Word(word) => ("word", word.clone()),
            Self::Account(account) => ("account", account.clone()),
        }
    }
}

/// The name of something that the language knows by a word: `Störung (bad)`.
fn named(lang: Lang, kind: &str, word: &str) -> String {
    let name = say(lang, &format!("{kind}-{word}"), &[]);
    if name.eq_ignore_ascii_case(word) {
        word.to_owned()
    } else {
        format!("{name} ({word})")
    }
}

/// Keys of the ways in which an address is compared: all of it, its domain, with stars, a part of it.
struct Ways {
    whole: &'static str,
    domain: &'static str,
    like: &'static str,
    part: &'static str,
}

const FROM: Ways = Ways {
    whole: "query-say-from",
    domain: "query-say-from-domain",
    like: "query-say-from-like",
    part: "query-say-from-part",
};
const TO: Ways = Ways {
    whole: "query-say-to",
    domain: "query-say-to-domain",
    like: "query-say-to-like",
    part: "query-say-to-part",
};

impl Pattern {
    fn key(&self, ways: Ways) -> &'static str {
        match self {
            Self::Null => ways.whole,
            Self::Part(_) => ways.part,
            Self::Whole(text) => match text.strip_prefix("*@") {
                Some(domain) if !domain.contains('*') => ways.domain,
                Some(_) => ways.like,
                None if text.contains('*') => ways.like,
                None => ways.whole,
            },
        }
    }

    fn said(&self) -> String {
        match self {
            Self::Null => "<>".to_owned(),
            Self::Part(text) => text.clone(),
            Self::Whole(text) => match text.strip_prefix('*') {
                Some(domain) if domain.starts_with('@') && !domain.contains('*') => {
                    domain.to_owned()
                }
                Some(_) | None => text.clone(),
            },
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Null => "<>".to_owned(),
            Self::Whole(text) | Self::Part(text) => text.clone(),
        }
    }
}

/// Text that reads as the same query.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, term) in self.terms.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            if term.negated {
                f.write_str("-")?;
            }
            for (place, test) in term.any.iter().enumerate() {
                let (word, value) = test.written();
                match place {
                    0 => write!(f, "{word}:{}", quoted(&value))?,
                    _ => write!(f, ",{}", quoted(&value))?,
                }
            }
        }
        Ok(())
    }
}

/// A value as it is written behind a word.
pub(super) fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "@.-_+<>".contains(c);
    if value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// All units of a span, so that it is said as exactly as it counts: `3d4h`.
fn span(span: Duration) -> String {
    let (mut text, mut rest) = (String::new(), span.as_secs());
    for (unit, secs) in [
        ("w", 604_800),
        ("d", 86_400),
        ("h", 3_600),
        ("m", 60),
        ("s", 1),
    ] {
        if rest >= secs {
            text.push_str(&format!("{}{unit}", rest / secs));
            rest %= secs;
        }
    }
    if span.subsec_millis() > 0 || text.is_empty() {
        text.push_str(&format!("{}ms", span.subsec_millis()));
    }
    text
}

impl QueryError {
    /// What is wrong and where, and what to write instead.
    pub fn text(&self, lang: Lang) -> String {
        let column = self.column.to_string();
        let what = self.wrong.text(lang);
        let args = [("column", Arg::Text(&column)), ("what", Arg::Text(&what))];
        say(lang, "query-column", &args)
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Lang::En))
    }
}

impl std::error::Error for QueryError {}

impl Wrong {
    /// What is wrong, and what to write instead.
    pub fn text(&self, lang: Lang) -> String {
        let says = |key: &str, value: &str| {
            let value = clean(value, usize::MAX);
            say(lang, key, &[("value", Arg::Text(&value))])
        };
        match self {
            Self::Long => say(lang, "query-long", &[]),
            Self::Many => say(lang, "query-many", &[]),
            Self::NoWord(value) => {
                let (value, list) = (clean(value, usize::MAX), WORDS.join(", "));
                let args = [("value", Arg::Text(&value)), ("list", Arg::Text(&list))];
                say(lang, "query-no-word", &args)
            }
            Self::UnknownWord(word, near) => {
                unknown(lang, "query-unknown-word", ("", word), *near, &WORDS)
            }
            Self::UnknownValue(kind, value, near) => {
                let reasons = HoldReason::ALL.map(HoldReason::word);
                let all: &[&str] = match *kind {
                    "queue" => &QUEUES,
                    "reason" => &reasons,
                    _ => &State::WORDS,
                };
                unknown(lang, "query-unknown", (kind, value), *near, all)
            }
            Self::NoValue(word) => says("query-no-value", word),
            Self::EmptyValue(word) => says("query-empty-value", word),
            Self::OpenQuote => say(lang, "query-open-quote", &[]),
            Self::MidQuote => say(lang, "query-mid-quote", &[]),
            Self::Escape => say(lang, "query-escape", &[]),
            Self::CurlyQuote(c) => says("query-curly-quote", &c.to_string()),
            Self::Star(word) => says("query-star", word),
            Self::Everybody(value) => says("query-everybody", value),
            Self::Angle => say(lang, "query-angle", &[]),
            Self::NoDomain(value) => says("query-no-domain", value),
            Self::NullTo => say(lang, "query-null-to", &[]),
            Self::NoSubjectWord(value) => says("query-no-subject-word", value),
            Self::Span(value) => says("query-span", value),
            Self::Id(value) => says("query-id", value),
            Self::Status => say(lang, "query-status", &[]),
        }
    }
}

fn unknown(
    lang: Lang,
    key: &str,
    (kind, value): (&str, &str),
    near: Option<&str>,
    all: &[&str],
) -> String {
    let (value, list) = (clean(value, usize::MAX), all.join(", "));
    let (key, name, other) = match near {
        Some(near) => (format!("{key}-near"), "near", near),
        None => (key.to_owned(), "list", list.as_str()),
    };
    let kind = match kind {
        "" => String::new(),
        kind => say(lang, &format!("query-kind-{kind}"), &[]),
    };
    let args = [
        ("kind", Arg::Text(&kind)),
        ("value", Arg::Text(&value)),
        (name, Arg::Text(other)),
    ];
    say(lang, &key, &args)
}
