//! The query language of `queue list --where`: what a query means, and whether a recipient matches.
//!
//! `queue:quarantine from:@shop.example -to:*@vip.example older:3d`: every word must hold; the same word given again,
//! or a comma, means "one of them" (`text:` and ages: all of them); `-` negates; quotes keep spaces and commas. What is
//! not known, empty, or means everybody is an error with its position, because a query that silently means something
//! else ends in `delete`; and before anything is done it is said back in words (`say`).
//! Not here: the parser (`read`), how the matching records are found (`queue::list`, `queue::shelf`).

mod read;
mod say;

use std::fmt;
use std::time::Duration;

pub use self::read::{QueryError, Wrong};
use super::shelf::{Shelf, words};
use crate::base::text::fits;
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
    /// The decoded From field; empty: it has none.
    pub author: &'a str,
    /// Who logged in to send it.
    pub account: Option<&'a str>,
    /// Its state.
    pub state: &'a State,
    /// Since the message arrived.
    pub age: Duration,
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
    Subject(Part),
    /// Anywhere in subject, From field, reverse-path or recipient.
    Text(Part),
    Word(String),
    Account(String),
}

/// A text that is looked for, whatever its case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    typed: String,
    lower: String,
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

impl Query {
    /// Reads a query; empty text matches everything.
    ///
    /// # Errors
    /// [`QueryError`], with the place.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        read::query(text, read::Bare::Refused)
    }

    /// Reads what a person types into a search field: words without a `word:` before them search subject, sender and
    /// recipient.
    ///
    /// # Errors
    /// [`QueryError`], with the place.
    pub fn search(text: &str) -> Result<Self, QueryError> {
        read::query(text, read::Bare::Text)
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
                    | Test::Text(_)
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

    /// Whether it names a hold queue itself, so that no other may be added to it.
    pub fn names_queue(&self) -> bool {
        self.positive()
            .any(|any| any.iter().any(|test| matches!(test, Test::Queue(_))))
    }

    /// Whether it asks for a state.
    pub fn names_status(&self) -> bool {
        let mut tests = self.terms.iter().flat_map(|term| &term.any);
        tests.any(|test| matches!(test, Test::Status(_)))
    }

    /// The same without the hold queues that it names.
    #[must_use]
    pub fn without_queue(mut self) -> Self {
        self.terms.retain(|term| {
            term.negated || !term.any.iter().any(|test| matches!(test, Test::Queue(_)))
        });
        self
    }

    /// The same, of one hold queue, or of whatever is held. One that names a queue means that one.
    #[must_use]
    pub fn of_held(mut self, queue: Option<HoldQueue>) -> Self {
        let test = match queue {
            Some(queue) if !self.names_queue() => Test::Queue(Some(queue)),
            Some(_) | None => Test::Status(HELD),
        };
        let is_there = matches!(test, Test::Status(_)) && self.is_of_holds();
        if !is_there {
            self.terms.push(Term {
                negated: false,
                any: vec![test],
            });
        }
        self
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
            | Test::Text(_)
            | Test::Word(_)
            | Test::Account(_) => false,
        })
    }

    /// Whether only held recipients can match.
    pub fn is_of_holds(&self) -> bool {
        self.positive().any(|any| {
            any.iter().all(|test| match test {
                Test::Queue(queue) => queue.is_some(),
                Test::Status(word) => *word == HELD,
                Test::Reason(_) => true,
                Test::From(_)
                | Test::To(_)
                | Test::Id(_)
                | Test::Older(_)
                | Test::Newer(_)
                | Test::Subject(_)
                | Test::Text(_)
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
            Self::Reason(reason) => facts
                .hold
                .is_some_and(|hold| hold.reasons().any(|one| one == *reason)),
            Self::Subject(part) => part.is_in(facts.subject),
            Self::Text(part) => [facts.subject, facts.author, facts.from, facts.to]
                .iter()
                .any(|field| part.is_in(field)),
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

    /// Whether `others` are of the same word, so that either may hold. Two ages bound a span, and of two words that are
    /// searched for both are wanted.
    fn joins(&self, others: &[Self]) -> bool {
        let each = matches!(self, Self::Older(_) | Self::Newer(_) | Self::Text(_));
        !each
            && others
                .first()
                .is_some_and(|other| std::mem::discriminant(self) == std::mem::discriminant(other))
    }
}

impl Part {
    fn new(typed: &str) -> Self {
        Self {
            typed: typed.to_owned(),
            lower: typed.to_lowercase(),
        }
    }

    fn is_in(&self, field: &str) -> bool {
        field.to_lowercase().contains(self.lower.as_str())
    }
}

impl Pattern {
    /// What no address is like is refused, and what every address is like.
    fn parse(text: &str) -> Result<Self, Wrong> {
        if text == "<>" {
            return Ok(Self::Null);
        }
        let text = match (text.strip_prefix('<'), text.strip_suffix('>')) {
            (Some(_), Some(_)) => text.trim_start_matches('<').trim_end_matches('>'),
            (None, None) => text,
            (Some(_), None) | (None, Some(_)) => return Err(Wrong::Angle),
        };
        if !text.chars().any(char::is_alphanumeric) {
            return Err(Wrong::Everybody(text.to_owned()));
        }
        let text = text.to_lowercase();
        let Some((local, domain)) = text.rsplit_once('@') else {
            return Ok(if text.contains('*') {
                Self::Whole(text)
            } else {
                Self::Part(text)
            });
        };
        if domain.is_empty() {
            return Err(Wrong::NoDomain(text));
        }
        // Stored addresses have A-labels; people write `@bücher.example`.
        let domain = Domain::parse(domain).map_or_else(|_| domain.to_owned(), |d| d.to_string());
        let local = if local.is_empty() { "*" } else { local };
        Ok(Self::Whole(format!("{local}@{domain}")))
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

const HELD: &str = "held";
const ENDS: [&str; 4] = ["relayed", "failed", "expired", "deleted"];

#[cfg(test)]
mod tests;
