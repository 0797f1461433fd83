//! Reads a query: words and quotes first, then what each word means; and says what is wrong, with its place.
//!
//! Values are cut at commas and words at blanks, both outside of quotes only; inside of quotes `\"` and `\\` stand for
//! themselves. Nothing is guessed: what could mean two things is refused. Columns count characters from 1.
//! Not here: what matches (`mod`), and the sentences of the errors (`say`).

use std::iter::Peekable;
use std::vec::IntoIter;

use super::{Part, Pattern, Query, Term, Test, say};
use crate::base::limit::{QUERY_MAX, QUERY_WORDS_MAX};
use crate::base::text::nearest;
use crate::base::{id, size};
use crate::mail::hold::{HoldQueue, HoldReason};
use crate::mail::state::State;
use crate::queue::shelf;

/// Why a text is no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// What is wrong, with what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// More than `QUERY_MAX` octets.
    Long,
    /// More than `QUERY_WORDS_MAX` words.
    Many,
    /// Nothing stands before it that says where to look; quoted where a value must be.
    NoWord(String),
    /// No word of the language; perhaps the other was meant.
    UnknownWord(String, Option<&'static str>),
    /// A word of the language and a value that it does not have; perhaps the other was meant.
    UnknownValue(&'static str, String, Option<&'static str>),
    /// A word without a value.
    NoValue(String),
    /// Nothing before or behind a comma, or between quotes.
    EmptyValue(String),
    /// A quote that is not closed.
    OpenQuote,
    /// Text touches a quote.
    MidQuote,
    /// A backslash that protects nothing.
    Escape,
    /// A typographic quote: it would be searched for.
    CurlyQuote(char),
    /// A star where none has a meaning.
    Star(&'static str),
    /// It fits everybody.
    Everybody(String),
    /// One of a pair of angle brackets.
    Angle,
    /// Nothing behind the `@`.
    NoDomain(String),
    /// A recipient is never empty.
    NullTo,
    /// No single word, or too short to be remembered.
    NoSubjectWord(String),
    /// No span of time.
    Span(String),
    /// No queue id.
    Id(String),
    /// A state is asked for where only one is.
    Status,
}

/// What becomes of words without a `word:` before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    Refused,
    Text,
}

/// All words of the language.
pub(super) const WORDS: [&str; 12] = [
    "queue", "from", "to", "id", "older", "newer", "status", "reason", "subject", "text", "word",
    "account",
];
pub(super) const QUEUES: [&str; 4] = ["due", "bad", "quarantine", "defect"];
/// Quotes of word processors.
const CURLY: [char; 10] = ['„', '“', '”', '‟', '«', '»', '‚', '‘', '’', '‹'];

/// A word as it stands in the text.
struct Word {
    column: usize,
    negated: bool,
    key: &'static str,
    values: Vec<Value>,
}

struct Value {
    column: usize,
    text: String,
    quoted: bool,
}

/// The characters of a query with their columns.
struct Reader {
    chars: Peekable<IntoIter<(usize, char)>>,
    end: usize,
}

pub(super) fn query(text: &str, bare: Bare) -> Result<Query, QueryError> {
    if text.len() > QUERY_MAX {
        return Err(at(1, Wrong::Long));
    }
    let mut reader = Reader::of(text);
    let mut terms: Vec<Term> = Vec::new();
    while let Some(word) = reader.word(bare)? {
        if terms.len() == QUERY_WORDS_MAX {
            return Err(at(word.column, Wrong::Many));
        }
        let any = word.tests()?;
        let same = terms.iter_mut().find(|term| {
            !term.negated && !word.negated && term.any.first().is_some_and(|one| one.joins(&any))
        });
        match same {
            Some(term) => term.any.extend(any),
            None => terms.push(Term {
                negated: word.negated,
                any,
            }),
        }
    }
    Ok(Query { terms })
}

impl Reader {
    fn of(text: &str) -> Self {
        let chars: Vec<_> = text.chars().enumerate().map(|(n, c)| (n + 1, c)).collect();
        Self {
            end: chars.len() + 1,
            chars: chars.into_iter().peekable(),
        }
    }

    /// Where the next character stands.
    fn column(&mut self) -> usize {
        let end = self.end;
        self.chars.peek().map_or(end, |(column, _)| *column)
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.chars.next_if(|(_, c)| *c == wanted).is_some()
    }

    /// Whether a blank or the end comes.
    fn is_over(&mut self) -> bool {
        self.chars.peek().is_none_or(|(_, c)| c.is_whitespace())
    }

    fn word(&mut self, bare: Bare) -> Result<Option<Word>, QueryError> {
        while self.chars.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        if self.chars.peek().is_none() {
            return Ok(None);
        }
        let column = self.column();
        let negated = self.takes('-');
        let place = self.column();
        let mut head = String::new();
        while let Some((_, c)) = self
            .chars
            .next_if(|(_, c)| !c.is_whitespace() && !matches!(c, ':' | '"'))
        {
            head.push(c);
        }
        if !self.takes(':') {
            let value = self.bare_value(place, head)?;
            return match bare {
                Bare::Refused => Err(at(column, Wrong::NoWord(say::quoted(&value.text)))),
                Bare::Text => Ok(Some(Word {
                    column: place,
                    negated,
                    key: "text",
                    values: vec![value],
                })),
            };
        }
        let Some(key) = WORDS.into_iter().find(|word| *word == head) else {
            let near = nearest(&head, WORDS);
            let near = near.and_then(|near| WORDS.into_iter().find(|word| *word == near));
            return Err(at(place, Wrong::UnknownWord(head, near)));
        };
        if self.is_over() {
            return Err(at(column, Wrong::NoValue(key.to_owned())));
        }
        let mut values = vec![self.value(key)?];
        while self.takes(',') {
            values.push(self.value(key)?);
        }
        Ok(Some(Word {
            column: place,
            negated,
            key,
            values,
        }))
    }

    /// What stands alone: a text as it is, or what quotes hold together.
    fn bare_value(&mut self, column: usize, head: String) -> Result<Value, QueryError> {
        let quote = self.column();
        if !self.takes('"') {
            if head.is_empty() {
                return Err(at(column, Wrong::EmptyValue("text".to_owned())));
            }
            curly(column, &head)?;
            return Ok(Value {
                column,
                text: head,
                quoted: false,
            });
        }
        if !head.is_empty() {
            return Err(at(quote, Wrong::MidQuote));
        }
        let text = self.quoted(quote)?;
        if !self.is_over() {
            let column = self.column();
            return Err(at(column, Wrong::MidQuote));
        }
        Ok(Value {
            column,
            text,
            quoted: true,
        })
    }

    /// One value, up to a comma, a blank or the end.
    fn value(&mut self, key: &str) -> Result<Value, QueryError> {
        let column = self.column();
        let quoted = self.takes('"');
        let mut text = String::new();
        if quoted {
            text = self.quoted(column)?;
            let behind = self.column();
            if !self.is_over() && self.chars.peek().is_some_and(|(_, c)| *c != ',') {
                return Err(at(behind, Wrong::MidQuote));
            }
        } else {
            while let Some((column, c)) =
                self.chars.next_if(|(_, c)| !c.is_whitespace() && *c != ',')
            {
                match c {
                    '"' => return Err(at(column, Wrong::MidQuote)),
                    '\\' => return Err(at(column, Wrong::Escape)),
                    c => text.push(c),
                }
            }
            curly(column, &text)?;
        }
        if text.trim().is_empty() {
            return Err(at(column, Wrong::EmptyValue(key.to_owned())));
        }
        Ok(Value {
            column,
            text,
            quoted,
        })
    }

    /// What stands between a quote, which is read, and its closing one.
    fn quoted(&mut self, open: usize) -> Result<String, QueryError> {
        let mut text = String::new();
        loop {
            match self.chars.next() {
                None => return Err(at(open, Wrong::OpenQuote)),
                Some((_, '"')) => return Ok(text),
                Some((column, '\\')) => match self.chars.next() {
                    Some((_, c @ ('"' | '\\'))) => text.push(c),
                    Some(_) | None => return Err(at(column, Wrong::Escape)),
                },
                Some((_, c)) => text.push(c),
            }
        }
    }
}

impl Word {
    fn tests(&self) -> Result<Vec<Test>, QueryError> {
        let each = self.values.iter();
        each.map(|value| self.test(value).map_err(|wrong| at(value.column, wrong)))
            .collect()
    }

    fn test(&self, value: &Value) -> Result<Test, Wrong> {
        let text = value.text.as_str();
        let is_address = matches!(self.key, "from" | "to");
        if !is_address && !value.quoted && text.contains('*') {
            return Err(Wrong::Star(self.key));
        }
        match self.key {
            "queue" if text == "due" => Ok(Test::Queue(None)),
            "queue" => {
                let queue = text.parse::<HoldQueue>().ok();
                let queue = queue.ok_or_else(|| unknown("queue", text, &QUEUES))?;
                Ok(Test::Queue(Some(queue)))
            }
            "from" => Pattern::parse(text).map(Test::From),
            "to" => match Pattern::parse(text)? {
                Pattern::Null => Err(Wrong::NullTo),
                pattern @ (Pattern::Whole(_) | Pattern::Part(_)) => Ok(Test::To(pattern)),
            },
            "id" => id::parse(text)
                .map(Test::Id)
                .map_err(|_| Wrong::Id(text.to_owned())),
            "reason" => {
                let all = HoldReason::ALL.map(HoldReason::word);
                let reason = text.parse::<HoldReason>().ok();
                Ok(Test::Reason(
                    reason.ok_or_else(|| unknown("reason", text, &all))?,
                ))
            }
            "subject" => Ok(Test::Subject(Part::new(text))),
            // Every address has its `@` and its dots.
            "text" if !text.chars().any(char::is_alphanumeric) => {
                Err(Wrong::Everybody(text.to_owned()))
            }
            "text" => Ok(Test::Text(Part::new(text))),
            "word" => {
                let word = text.to_lowercase();
                let is_one = shelf::words(&word).next().is_some_and(|one| one == word);
                is_one
                    .then_some(Test::Word(word))
                    .ok_or_else(|| Wrong::NoSubjectWord(text.to_owned()))
            }
            "account" => Ok(Test::Account(text.to_owned())),
            "older" => span(text).map(Test::Older),
            "newer" => span(text).map(Test::Newer),
            _ => State::WORDS
                .into_iter()
                .find(|state| *state == text)
                .map(Test::Status)
                .ok_or_else(|| unknown("status", text, &State::WORDS)),
        }
    }
}

fn span(text: &str) -> Result<std::time::Duration, Wrong> {
    let span = size::parse_span(text).map_err(|_| Wrong::Span(text.to_owned()))?;
    // Older than nothing is everything.
    (!span.is_zero())
        .then_some(span)
        .ok_or_else(|| Wrong::Span(text.to_owned()))
}

fn curly(column: usize, text: &str) -> Result<(), QueryError> {
    match text.chars().next().filter(|c| CURLY.contains(c)) {
        Some(c) => Err(at(column, Wrong::CurlyQuote(c))),
        None => Ok(()),
    }
}

fn unknown(kind: &'static str, value: &str, words: &[&'static str]) -> Wrong {
    let near = nearest(value, words.iter().copied());
    let near = near.and_then(|near| words.iter().copied().find(|word| *word == near));
    Wrong::UnknownValue(kind, value.to_owned(), near)
}

fn at(column: usize, wrong: Wrong) -> QueryError {
    QueryError { column, wrong }
}
