//! Holds by what people look for: queue, reason, domains, account, words of the subject.
//!
//! A shelf is an index term of the cards; a page of one costs what it shows, however many are held. What a query asks
//! beyond its shelf is looked at card by card, a bounded number of them a page. Ended ones stand on two shelves of their
//! own: what can still be brought back, and the rest.
//! Not here: what a card says (`hold`), and the query language (`query`).

use std::time::Duration;

use super::hold::{Card, Decision, card_key, counter, hold_of_key};
use super::query::{Facts, Query};
use super::record::HoldId;
use super::verbs::Verb;
use super::{Queue, hold};
use crate::base::clock::Wall;
use crate::base::limit::SCAN_MAX;
use crate::mail::hold::{HoldQueue, HoldReason};
use crate::mail::state::State;
use crate::store::{IndexId, Span, StoreError, TERM_MAX, Term};

/// One shelf of holds, open ones unless it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// All.
    All,
    /// One queue.
    Queue(HoldQueue),
    /// One reason.
    Reason(HoldReason),
    /// To a domain.
    Domain(String),
    /// From a domain, as its reverse-path says.
    From(String),
    /// Sent by an account that is bound to this domain.
    Sent(String),
    /// Sent by an account.
    Account(String),
    /// With this word in its subject.
    Word(String),
    /// Deleted, and still to be brought back.
    Trash,
    /// Ended in any other way, or for good.
    Done,
}

/// Open holds in the order of their ids, which is that of time.
#[derive(Clone, Debug, Default)]
pub struct CardPage {
    /// In the order asked for.
    pub cards: Vec<Card>,
    /// Give it as `after` for the next page; none: that was the last.
    pub next: Option<HoldId>,
    /// It ends here because enough was looked at, not because it is full.
    pub cut: bool,
}

/// The index of open cards.
const BY_SHELF: IndexId = IndexId(3);
/// Words of a subject that it is found by: a search for one of the first words finds it.
const WORDS_MAX: usize = 6;
/// Shorter words tell nothing.
const WORD_MIN: usize = 3;

/// Cards read with one scan when a query looks at each.
const PAGE: usize = 500;

/// What a card is found by.
pub(super) fn terms(card: &Card) -> Vec<(IndexId, Term)> {
    let mut shelves = vec![
        Shelf::All,
        Shelf::Queue(card.hold.queue),
        Shelf::Domain(card.to.host().to_string()),
    ];
    // Each once: what else was found is why it is kept as well.
    for reason in card.hold.reasons() {
        let shelf = Shelf::Reason(reason);
        if !shelves.contains(&shelf) {
            shelves.push(shelf);
        }
    }
    if let Some((_, host)) = card.from.rsplit_once('@') {
        shelves.push(Shelf::From(host.to_owned()));
    }
    shelves.extend(card.proven.clone().map(Shelf::Sent));
    shelves.extend(card.account.clone().map(Shelf::Account));
    shelves.extend(words(&card.plain_subject()).map(Shelf::Word));
    shelves
        .iter()
        .map(|shelf| (BY_SHELF, shelf.term()))
        .collect()
}

/// What an ended card is found by.
pub(super) fn ended_terms(card: &Card) -> Vec<(IndexId, Term)> {
    let is_in_trash =
        |end: &Decision| end.verb == Verb::Delete { now: false }.word() && end.until.is_some();
    let shelf = if card.end.as_ref().is_some_and(is_in_trash) {
        Shelf::Trash
    } else {
        Shelf::Done
    };
    vec![(BY_SHELF, shelf.term())]
}

/// The first words of a subject, in lower case, each once.
pub(super) fn words(subject: &str) -> impl Iterator<Item = String> {
    let plain = subject.to_lowercase();
    let mut found: Vec<String> = Vec::new();
    for word in plain.split(|c: char| !c.is_alphanumeric()) {
        if word.chars().count() >= WORD_MIN && !found.iter().any(|old| old == word) {
            found.push(word.to_owned());
        }
        if found.len() == WORDS_MAX {
            break;
        }
    }
    found.into_iter()
}

impl Shelf {
    fn term(&self) -> Term {
        let text = match self {
            Self::All => "*".to_owned(),
            Self::Queue(queue) => format!("q:{queue}"),
            Self::Reason(reason) => format!("r:{reason}"),
            Self::Domain(domain) => format!("d:{}", domain.to_lowercase()),
            Self::From(domain) => format!("f:{}", domain.to_lowercase()),
            Self::Sent(domain) => format!("s:{}", domain.to_lowercase()),
            Self::Account(account) => format!("a:{account}"),
            Self::Word(word) => format!("w:{}", word.to_lowercase()),
            Self::Trash => "ended:trash".to_owned(),
            Self::Done => "ended:done".to_owned(),
        };
        Term(text.bytes().take(TERM_MAX).collect())
    }
}

impl Queue {
    /// One page of a shelf's open holds. A card that cannot be read is logged and left out.
    pub async fn cards(
        &self,
        shelf: &Shelf,
        after: Option<HoldId>,
        newest_first: bool,
        limit: usize,
    ) -> Result<CardPage, StoreError> {
        let span = Span::Term(BY_SHELF, shelf.term());
        let after = after.map(card_key);
        let page = self.store.scan(span, after, newest_first, limit).await?;
        let mut cards = Vec::with_capacity(page.records.len());
        for record in &page.records {
            match Card::read(&record.key, &record.value) {
                Ok(card) => cards.push(card),
                Err(error) => self.pass_over(&error),
            }
        }
        let next = page.next.as_ref().and_then(hold_of_key);
        Ok(CardPage {
            cards,
            next,
            cut: false,
        })
    }

    /// How many recipients are held, by queue and reason; only what is above zero.
    pub async fn held_counts(&self) -> Result<Vec<(HoldQueue, HoldReason, u64)>, StoreError> {
        let all: Vec<_> = HoldQueue::ALL
            .into_iter()
            .flat_map(|queue| HoldReason::ALL.map(|reason| (queue, reason)))
            .collect();
        let keys = all
            .iter()
            .map(|(queue, reason)| counter(*queue, *reason).key());
        let found = self.store.get(keys.collect()).await?;
        let count = |value: &[u8]| {
            let value = value.try_into().map(i64::from_be_bytes).unwrap_or_default();
            u64::try_from(value).unwrap_or_default()
        };
        Ok(all
            .into_iter()
            .zip(found)
            .map(|((queue, reason), record)| {
                (
                    queue,
                    reason,
                    record.map_or(0, |record| count(&record.value)),
                )
            })
            .filter(|(_, _, count)| *count > 0)
            .collect())
    }

    /// One page of the open holds that a query means, and where the next one starts.
    pub async fn find_cards(
        &self,
        query: &Query,
        after: Option<HoldId>,
        newest_first: bool,
        limit: usize,
    ) -> Result<CardPage, StoreError> {
        let most = (limit, SCAN_MAX);
        self.find_on(&query.shelf(), query, after, newest_first, most)
            .await
    }

    /// The same of one shelf, after looking at so many.
    pub async fn find_on(
        &self,
        shelf: &Shelf,
        query: &Query,
        mut after: Option<HoldId>,
        newest_first: bool,
        (limit, most): (usize, usize),
    ) -> Result<CardPage, StoreError> {
        let (mut cards, mut looked) = (Vec::new(), 0);
        // Most shelves have what is asked for on top.
        let mut some = limit.clamp(1, PAGE);
        loop {
            let page = self.cards(shelf, after, newest_first, some).await?;
            some = PAGE;
            for card in page.cards {
                let id = card.id;
                looked += 1;
                if self.is_meant(query, &card) {
                    cards.push(card);
                }
                if cards.len() >= limit || looked >= most {
                    let cut = cards.len() < limit;
                    let next = Some(id);
                    return Ok(CardPage { cards, next, cut });
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(CardPage {
                    cards,
                    ..CardPage::default()
                });
            }
        }
    }

    fn is_meant(&self, query: &Query, card: &Card) -> bool {
        let age: Duration = self.clock.wall() - Wall(card.arrived);
        // Of ended ones no state is asked for: their cards do not know it.
        let state = match &card.end {
            None => State::Held,
            Some(_) => State::Deleted,
        };
        query.matches(&Facts {
            id: card.message.0,
            from: &card.from,
            to: &card.to.to_string(),
            hold: Some(&card.hold),
            subject: &card.plain_subject(),
            author: &hold::plain(card.author.as_deref().unwrap_or_default()),
            account: card.account.as_deref(),
            state: &state,
            age,
        })
    }
}
