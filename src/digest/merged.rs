//! Several shelves of one recipient read as one, each card once.
//!
//! Pages are read only as far as they are needed, from either end or from behind an id, so that a hundred thousand held
//! messages cost no more than the rows that are wanted. Not here: what of it is told (`choice`, `rest`).

use std::collections::{BTreeSet, VecDeque};

use super::record::Scope;
use crate::mail::hold::HoldQueue;
use crate::queue::Queue;
use crate::queue::hold::{Card, Shelf};
use crate::queue::record::HoldId;
use crate::store::StoreError;

/// Cards read with one scan: a page of rows and a few.
pub(super) const PAGE: usize = 64;

/// Several shelves read as one, each card once.
pub(super) struct Merged<'a> {
    queue: &'a Queue,
    newest_first: bool,
    rows: Vec<Source>,
}

struct Source {
    shelf: Shelf,
    cards: VecDeque<Card>,
    after: Option<HoldId>,
    more: bool,
}

impl<'a> Merged<'a> {
    /// From one end.
    pub(super) fn new(queue: &'a Queue, scopes: &BTreeSet<Scope>, newest_first: bool) -> Self {
        Self::behind(queue, scopes, None, newest_first)
    }

    /// From behind `after`, which need not be held any more.
    pub(super) fn behind(
        queue: &'a Queue,
        scopes: &BTreeSet<Scope>,
        after: Option<HoldId>,
        newest_first: bool,
    ) -> Self {
        let source = |shelf| Source {
            shelf,
            cards: VecDeque::new(),
            after,
            more: true,
        };
        Self {
            queue,
            newest_first,
            rows: shelves(scopes).into_iter().map(source).collect(),
        }
    }

    /// The next card, if there is one.
    pub(super) async fn next(&mut self) -> Result<Option<Card>, StoreError> {
        for source in &mut self.rows {
            while source.cards.is_empty() && source.more {
                let page = self
                    .queue
                    .cards(&source.shelf, source.after, self.newest_first, PAGE)
                    .await?;
                source.more = page.next.is_some();
                source.after = page.next;
                source.cards.extend(page.cards);
            }
        }
        let heads = self.rows.iter().filter_map(|source| source.cards.front());
        let ids = heads.map(|card| card.id);
        let next = if self.newest_first {
            ids.max()
        } else {
            ids.min()
        };
        let mut found = None;
        for source in &mut self.rows {
            if source.cards.front().map(|card| card.id) == next {
                found = source.cards.pop_front().or(found);
            }
        }
        Ok(found)
    }
}

fn shelves(scopes: &BTreeSet<Scope>) -> Vec<Shelf> {
    let whole = HoldQueue::ALL
        .into_iter()
        .all(|queue| scopes.contains(&Scope::Queue(queue)));
    if whole {
        return vec![Shelf::All];
    }
    scopes.iter().flat_map(shelves_of).collect()
}

/// Where the cards of one scope are found.
pub(super) fn shelves_of(scope: &Scope) -> Vec<Shelf> {
    match scope {
        Scope::Queue(queue) => vec![Shelf::Queue(*queue)],
        Scope::Domain(domain) => {
            vec![Shelf::Domain(domain.clone()), Shelf::Sent(domain.clone())]
        }
        Scope::Account(account) => vec![Shelf::Account(account.clone())],
    }
}
