//! The query language of `queue list --where`: a pure parser, and whether a recipient matches.
//!
//! `queue:quarantine from:@shop.example -to:*@vip.example older:3d`: every word must hold; the same word given again,
//! or a comma, means "one of them"; `-` negates; quotes keep spaces. A word that is not known is an error with its
//! position, because a query that silently means something else ends in `delete`.
//! Not here: how the matching records are found (`queue::list`).

use std::fmt;
use std::time::Duration;

use super::shelf::{Shelf, words};
use crate::base::limit::{QUERY_MAX, QUERY_WORDS_MAX};
use crate::base::text::{clean, fits, nearest};
use crate::base::{id, size};
use crate::mail::domain::Domain;
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::state::State;

/// What must hold; the empty query matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    terms: Vec<Term>,
}

/// One recipient, as a query sees it.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The queue id.
    pub id: u64,
    /// The reverse-path as it prints; empty when null.
    pub from: &'a str,
    /// The recipient's address as it prints.
    pub to: &'a str,
    /// Where and why it is held; none: it is not.
    pub hold: Option<&'a Hold>,
    /// The decoded subject.
    pub subject: &'a str,
    /// Who logged in to send it.
    pub account: Option<&'a str>,
    /// Its state.
    pub state: &'a State,
    /// Since the message arrived.
    pub age: Duration,
}

/// Why a text is no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {what}")]
pub struct QueryError {
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub what: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    negated: bool,
    any: Vec<Test>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Queue(Option<HoldQueue>),
    From(Pattern),
    To(Pattern),
    Id(u64),
    Older(Duration),
    Newer(Duration),
    Status(&'static str),
    Reason(HoldReason),
    Subject(String),
    Word(String),
    Account(String),
}

/// `@example.org`, `*.bulk@example.org`, or a part of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// `<>`
    Null,
    /// With `@` or `*`: all of it.
    Whole(String),
    /// Anywhere in it.
    Part(String),
}

/// A word as it stands in the text.
struct Word {
    column: usize,
    negated: bool,
    key: String,
    value: String,
}

impl Query {
    /// Reads a query; empty text matches everything.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > QUERY_MAX {
            return Err(wrong(1, "the query is too long".to_owned()));
        }
        let mut terms: Vec<Term> = Vec::new();
        for word in split(text)? {
            if terms.len() == QUERY_WORDS_MAX {
                return Err(wrong(word.column, "too many words".to_owned()));
            }
            let any = tests(&word)?;
            let same = terms.iter_mut().find(|term| {
                !term.negated && !word.negated && term.any.first().is_some_and(|t| t.joins(&any))
            });
            match same {
                Some(term) => term.any.extend(any),
                None => terms.push(Term {
                    negated: word.negated,
                    any,
                }),
            }
        }
        Ok(Self { terms })
    }

    /// Whether a recipient is meant.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        self.terms
            .iter()
            .all(|term| term.any.iter().any(|test| test.holds(facts)) != term.negated)
    }

    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The only ids that can match, if the query names some: they need no scan.
    pub fn ids(&self) -> Option<Vec<u64>> {
        self.positive().find_map(|any| {
            any.iter()
                .map(|test| match test {
                    Test::Id(id) => Some(*id),
                    Test::Queue(_)
                    | Test::From(_)
                    | Test::To(_)
                    | Test::Older(_)
                    | Test::Newer(_)
                    | Test::Status(_)
                    | Test::Reason(_)
                    | Test::Subject(_)
                    | Test::Word(_)
                    | Test::Account(_) => None,
                })
                .collect()
        })
    }

    /// The only recipient domain that can match (`to:@example.org`), if the query names one: for the index.
    pub fn recipient_domain(&self) -> Option<Domain> {
        self.positive().find_map(|any| match any {
            [Test::To(pattern)] => Domain::parse(&pattern.domain()?).ok(),
            _ => None,
        })
    }

    /// The only hold queue that can match, if the query names one: for the index.
    pub fn hold(&self) -> Option<HoldQueue> {
        self.positive().find_map(|any| match any {
            [Test::Queue(queue)] => *queue,
            _ => None,
        })
    }

    /// Whether it asks for a state that is an end; else ended recipients are left out.
    pub fn wants_ended(&self) -> bool {
        self.positive().flatten().any(|test| match test {
            Test::Status(word) => ENDS.contains(word),
            Test::Queue(_)
            | Test::From(_)
            | Test::To(_)
            | Test::Id(_)
            | Test::Older(_)
            | Test::Newer(_)
            | Test::Reason(_)
            | Test::Subject(_)
            | Test::Word(_)
            | Test::Account(_) => false,
        })
    }

    /// Whether only held recipients can match.
    pub fn is_of_holds(&self) -> bool {
        self.positive().any(|any| {
            any.iter().all(|test| match test {
                Test::Queue(queue) => queue.is_some(),
                Test::Status(word) => *word == "held",
                Test::Reason(_) => true,
                Test::From(_)
                | Test::To(_)
                | Test::Id(_)
                | Test::Older(_)
                | Test::Newer(_)
                | Test::Subject(_)
                | Test::Word(_)
                | Test::Account(_) => false,
            })
        })
    }

    /// The smallest shelf of open holds that has all that can match.
    pub fn shelf(&self) -> Shelf {
        let shelves = self.positive().filter_map(|any| match any {
            [Test::Word(word)] => Some((0, Shelf::Word(word.clone()))),
            [Test::Account(account)] => Some((1, Shelf::Account(account.clone()))),
            [Test::From(pattern)] => Some((2, Shelf::From(pattern.domain()?))),
            [Test::To(pattern)] => Some((3, Shelf::Domain(pattern.domain()?))),
            [Test::Reason(reason)] => Some((4, Shelf::Reason(*reason))),
            [Test::Queue(Some(queue))] => Some((5, Shelf::Queue(*queue))),
            _ => None,
        });
        shelves
            .min_by_key(|(order, _)| *order)
            .map_or(Shelf::All, |(_, shelf)| shelf)
    }

    fn positive(&self) -> impl Iterator<Item = &[Test]> {
        self.terms
            .iter()
            .filter(|term| !term.negated)
            .map(|term| term.any.as_slice())
    }
}

impl Test {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Queue(None) => facts.hold.is_none() && !facts.state.is_final(),
            Self::Queue(Some(queue)) => facts.hold.is_some_and(|hold| hold.queue == *queue),
            Self::Reason(reason) => facts.hold.is_some_and(|hold| hold.reason == *reason),
            Self::Subject(part) => facts.subject.to_lowercase().contains(part.as_str()),
            Self::Word(word) => words(facts.subject).any(|one| one == *word),
            Self::Account(account) => facts.account == Some(account),
            Self::From(pattern) => pattern.matches(facts.from),
            Self::To(pattern) => pattern.matches(facts.to),
            Self::Id(id) => facts.id == *id,
            Self::Older(age) => facts.age > *age,
            Self::Newer(age) => facts.age < *age,
            Self::Status(word) => facts.state.word() == *word,
        }
    }

    /// Whether `others` are of the same word, so that either may hold. Two ages bound a span and both must hold.
    fn joins(&self, others: &[Self]) -> bool {
        let age = matches!(self, Self::Older(_) | Self::Newer(_));
        !age && others
            .first()
            .is_some_and(|other| std::mem::discriminant(self) == std::mem::discriminant(other))
    }
}

impl Pattern {
    fn parse(text: &str) -> Self {
        let text = text.trim_start_matches('<').trim_end_matches('>');
        if text.is_empty() {
            return Self::Null;
        }
        let text = text.to_lowercase();
        let Some((local, domain)) = text.rsplit_once('@') else {
            return if text.contains('*') {
                Self::Whole(text)
            } else {
                Self::Part(text)
            };
        };
        // Stored addresses have A-labels; people write `@bücher.example`.
        let domain = Domain::parse(domain).map_or_else(|_| domain.to_owned(), |d| d.to_string());
        let local = if local.is_empty() { "*" } else { local };
        Self::Whole(format!("{local}@{domain}"))
    }

    /// The only domain that fits.
    fn domain(&self) -> Option<String> {
        match self {
            Self::Whole(text) => {
                let (_, domain) = text.rsplit_once('@')?;
                (!domain.contains('*')).then(|| domain.to_owned())
            }
            Self::Null | Self::Part(_) => None,
        }
    }

    fn matches(&self, address: &str) -> bool {
        match self {
            Self::Null => address.is_empty(),
            Self::Whole(pattern) => fits(pattern, &address.to_lowercase()),
            Self::Part(part) => address.to_lowercase().contains(part.as_str()),
        }
    }
}

impl fmt::Display for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X} <{}> to <{}>", self.id, self.from, self.to)
    }
}

impl std::str::FromStr for Query {
    type Err = QueryError;
    fn from_str(text: &str) -> Result<Self, QueryError> {
        Self::parse(text)
    }
}

fn split(text: &str) -> Result<Vec<Word>, QueryError> {
    let mut words = Vec::new();
    let mut chars = text.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let column = at + 1;
        let (mut raw, mut quoted, mut first) = (String::new(), false, Some(c));
        let mut colon = None;
        loop {
            let next = match first.take() {
                Some(c) => Some(c),
                None => chars
                    .next_if(|(_, c)| quoted || !c.is_whitespace())
                    .map(|(_, c)| c),
            };
            match next {
                Some('"') => quoted = !quoted,
                Some(c) => {
                    if c == ':' && colon.is_none() && !quoted {
                        colon = Some(raw.len());
                    }
                    raw.push(c);
                }
                None if quoted => {
                    return Err(wrong(
                        column,
                        "the closing quote `\"` is missing".to_owned(),
                    ));
                }
                None => break,
            }
        }
        words.push(word(column, &raw, colon)?);
    }
    Ok(words)
}

fn word(column: usize, raw: &str, colon: Option<usize>) -> Result<Word, QueryError> {
    let negated = raw.starts_with('-');
    let Some((key, value)) = colon.and_then(|at| raw.split_at_checked(at)) else {
        return Err(wrong(
            column,
            format!(
                "`{raw}` has no word before it; write from:{raw}, to:{raw} or another of {}",
                listed(&WORDS)
            ),
        ));
    };
    let key = key.strip_prefix('-').unwrap_or(key);
    let value = value.strip_prefix(':').unwrap_or(value);
    if !WORDS.contains(&key) {
        return Err(wrong(
            column + usize::from(negated),
            format!("unknown word `{key}:`; {}", instead(key, &WORDS)),
        ));
    }
    if value.is_empty() {
        return Err(wrong(column, format!("`{key}:` needs a value behind it")));
    }
    Ok(Word {
        column: column + usize::from(negated) + key.chars().count() + 1,
        negated,
        key: key.to_owned(),
        value: value.to_owned(),
    })
}

fn tests(word: &Word) -> Result<Vec<Test>, QueryError> {
    let span =
        |text: &str| size::parse_span(text).map_err(|error| wrong(word.column, error.to_string()));
    word.value
        .split(',')
        .map(|value| match word.key.as_str() {
            "queue" if value == "due" => Ok(Test::Queue(None)),
            "queue" => match value.parse::<HoldQueue>() {
                Ok(queue) => Ok(Test::Queue(Some(queue))),
                Err(()) => Err(unknown(word, "queue", value, &QUEUES)),
            },
            "from" => Ok(Test::From(Pattern::parse(value))),
            "to" => Ok(Test::To(Pattern::parse(value))),
            "id" => id::parse(value)
                .map(Test::Id)
                .map_err(|error| wrong(word.column, error.to_string())),
            "reason" => value.parse::<HoldReason>().map(Test::Reason).map_err(|()| {
                let all = HoldReason::ALL.map(HoldReason::word);
                unknown(word, "reason", value, &all)
            }),
            "subject" => Ok(Test::Subject(value.to_lowercase())),
            "word" => Ok(Test::Word(value.to_lowercase())),
            "account" => Ok(Test::Account(value.to_owned())),
            "older" => span(value).map(Test::Older),
            "newer" => span(value).map(Test::Newer),
            _ => State::WORDS
                .into_iter()
                .find(|state| *state == value)
                .map(Test::Status)
                .ok_or_else(|| unknown(word, "status", value, &State::WORDS)),
        })
        .collect()
}

fn unknown(word: &Word, kind: &str, value: &str, words: &[&str]) -> QueryError {
    wrong(
        word.column,
        format!("unknown {kind} `{value}`; {}", instead(value, words)),
    )
}

fn instead(wrong: &str, words: &[&str]) -> String {
    match nearest(wrong, words.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("write one of {}", listed(words)),
    }
}

fn listed(words: &[&str]) -> String {
    words.join(", ")
}

fn wrong(column: usize, what: String) -> QueryError {
    QueryError {
        column,
        // The query is bounded; what it hides is not repeated to terminals and pages.
        what: clean(&what, usize::MAX),
    }
}

const WORDS: [&str; 11] = [
    "queue", "from", "to", "id", "older", "newer", "status", "reason", "subject", "word", "account",
];
const ENDS: [&str; 4] = ["relayed", "failed", "expired", "deleted"];
const QUEUES: [&str; 4] = ["due", "bad", "quarantine", "defect"];

#[cfg(test)]
mod tests;
