//! Which held messages a digest lists: what is new, what would lose its links, what ends soon.
//!
//! Shelves are read newest first and only as far as needed, so that a hundred thousand held messages cost no more than
//! fifty. Messages on several shelves of one recipient count once. Not here: how rows are worded (`compose`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::compose::{Entry, Tally};
use super::record::{Digest, Scope, digest_key};
use super::stream::{Listing, Stream};
use crate::base::clock::Wall;
use crate::base::limit::{DIGEST_COUNT_MAX, DIGEST_ROWS_MAX};
use crate::mail::hold::HoldQueue;
use crate::queue::Queue;
use crate::queue::hold::{Card, Shelf};
use crate::queue::record::{HoldId, decode};
use crate::store::StoreError;

/// Cards read with one scan: a page of rows and a few.
const PAGE: usize = 64;
/// A hold can be seen so long after its id was made, in microseconds; a commit that takes longer has failed.
pub(super) const UNSEEN: u64 = 60_000_000;

/// When digests come, as far as it matters for what one lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dates {
    /// The next.
    pub(super) next: Wall,
    /// The one after the next.
    pub(super) second: Wall,
}

/// What a digest lists.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    /// Newest first.
    pub(super) entries: Vec<Entry>,
    /// How much there is.
    pub(super) tally: Tally,
    /// New ones, listed or counted.
    pub(super) new: Vec<HoldId>,
    /// Digests whose rows are listed again.
    pub(super) again: Vec<Listing>,
    /// Whether there is anything to tell.
    pub(super) tells: bool,
}

/// Several shelves read as one, each card once.
struct Merged<'a> {
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

/// Chooses for one stream. `all`: what is held, whether it is new or not.
pub(super) async fn choose(
    queue: &Queue,
    scopes: &BTreeSet<Scope>,
    stream: &Stream,
    dates: Dates,
    all: bool,
) -> Result<Choice, StoreError> {
    let mut choice = Choice::default();
    let mut rows: BTreeMap<HoldId, Card> = BTreeMap::new();
    let mut by_queue: BTreeMap<HoldQueue, u64> = BTreeMap::new();
    let counted = count_all(queue, scopes).await?;
    let mut older = 0;
    let mut merged = Merged::new(queue, scopes, true);
    while let Some(card) = merged.next().await? {
        let is_new = !stream.knows(card.id);
        // Ids behind the last one told are in no order with those told; before it nothing new follows.
        let is_end = card.id <= stream.last && !all && counted.is_some();
        if is_end {
            break;
        }
        if choice.new.len() + older >= DIGEST_COUNT_MAX {
            choice.tally.capped = true;
            break;
        }
        if is_new {
            choice.new.push(card.id);
        } else {
            older += 1;
        }
        if (is_new || all) && rows.len() < DIGEST_ROWS_MAX {
            rows.insert(card.id, card.clone());
        }
        if is_new || all {
            *by_queue.entry(card.hold.queue).or_default() += 1;
        }
    }
    let told: u64 = by_queue.values().sum();
    let beside = again(queue, scopes, stream, dates, &mut choice).await?;
    let ending = ending(queue, scopes, stream, dates).await?;
    for card in beside.into_iter().chain(ending) {
        if !rows.contains_key(&card.id) && !choice.new.contains(&card.id) && !all {
            *by_queue.entry(card.hold.queue).or_default() += 1;
            rows.insert(card.id, card);
        }
    }
    choice.tells = !rows.is_empty();
    if rows.len() > DIGEST_ROWS_MAX {
        // What finds no room now is listed by the next digest.
        choice.again.clear();
    }
    let extra = u64_of(rows.len()).saturating_sub(told.min(u64_of(DIGEST_ROWS_MAX)));
    let told = told.saturating_add(extra);
    let held = counted.as_ref().map_or_else(
        || u64_of(choice.new.len() + older),
        |counted| counted.values().sum(),
    );
    let entries = rows.into_values().rev().take(DIGEST_ROWS_MAX);
    choice.entries = entries.map(|card| entry(queue, card, dates)).collect();
    let listed = u64_of(choice.entries.len());
    if let Some(counted) = counted.filter(|_| choice.tally.capped) {
        // Too many to count which are new: what is known exactly is how many are held.
        choice.tally = Tally {
            told: counted.into_iter().collect(),
            left_out: held.saturating_sub(listed),
            older: 0,
            capped: false,
        };
    } else {
        choice.tally.told = by_queue.into_iter().collect();
        choice.tally.left_out = told.saturating_sub(listed);
        choice.tally.older = held.saturating_sub(told);
    }
    Ok(choice)
}

/// What a stream remembers of what it told.
pub(super) fn remember(stream: &mut Stream, choice: &Choice, store_now: u64) {
    let seen = HoldId(store_now.saturating_sub(UNSEEN) << 8);
    let newest = choice.new.iter().max().copied().unwrap_or_default();
    stream.last = stream.last.max(newest.min(seen));
    let last = stream.last;
    stream.recent.extend(&choice.new);
    stream.recent.retain(|id| *id > last);
    stream
        .listings
        .retain(|listing| !choice.again.contains(listing));
}

/// Whether nothing that they were told of is held, and something is.
pub(super) async fn is_first(
    queue: &Queue,
    scopes: &BTreeSet<Scope>,
    stream: &Stream,
) -> Result<bool, StoreError> {
    let oldest = Merged::new(queue, scopes, false).next().await?;
    Ok(oldest.is_some_and(|card| !stream.knows(card.id)))
}

/// Whether anything is held.
pub(super) async fn is_any(queue: &Queue, scopes: &BTreeSet<Scope>) -> Result<bool, StoreError> {
    Ok(Merged::new(queue, scopes, true).next().await?.is_some())
}

/// What is held, by queue, when the counters know it: for administrators of whole queues.
async fn count_all(
    queue: &Queue,
    scopes: &BTreeSet<Scope>,
) -> Result<Option<BTreeMap<HoldQueue, u64>>, StoreError> {
    if !scopes.iter().all(Scope::is_admins) {
        return Ok(None);
    }
    let mut counted = BTreeMap::new();
    for (of, _, count) in queue.held_counts().await? {
        if scopes.contains(&Scope::Queue(of)) {
            *counted.entry(of).or_default() += count;
        }
    }
    Ok(Some(counted))
}

/// What was listed before and would have no link that counts when the next digest comes.
async fn again(
    queue: &Queue,
    scopes: &BTreeSet<Scope>,
    stream: &Stream,
    dates: Dates,
    choice: &mut Choice,
) -> Result<Vec<Card>, StoreError> {
    let ends = |listing: &&Listing| u64::from(listing.end) * 3_600_000_000 <= dates.next.0;
    let (due, good): (Vec<&Listing>, Vec<&Listing>) = stream.listings.iter().partition(ends);
    if due.is_empty() {
        return Ok(Vec::new());
    }
    choice.again = due.iter().map(|listing| **listing).collect();
    let covered = listed(queue, &good).await?;
    let mut cards = Vec::new();
    for id in listed(queue, &due).await?.difference(&covered) {
        let card = queue.card(*id).await?;
        cards.extend(
            card.filter(|card| card.end.is_none() && scopes.iter().any(|scope| scope.holds(card))),
        );
    }
    Ok(cards)
}

/// What these digests list.
async fn listed(queue: &Queue, listings: &[&Listing]) -> Result<BTreeSet<HoldId>, StoreError> {
    let keys = listings.iter().map(|listing| digest_key(listing.number));
    let mut ids = BTreeSet::new();
    for record in queue
        .store()
        .get(keys.collect())
        .await?
        .into_iter()
        .flatten()
    {
        match decode::<Digest>(&record.key, &record.value) {
            Ok(digest) => ids.extend(digest.listed),
            // One bad record must not keep everybody from being told.
            Err(error) => tracing::error!(%error, "what a digest listed cannot be read"),
        }
    }
    Ok(ids)
}

/// What ends before the digest after the next one, and was not warned of. Expiry follows the order of holds but for
/// queues with spans of their own, so reading from the oldest on ends with the first page that has nothing.
async fn ending(
    queue: &Queue,
    scopes: &BTreeSet<Scope>,
    stream: &Stream,
    dates: Dates,
) -> Result<Vec<Card>, StoreError> {
    let mut cards = Vec::new();
    for shelf in shelves(scopes) {
        let (mut after, mut looked) = (None, 0);
        while looked < DIGEST_COUNT_MAX {
            let page = queue.cards(&shelf, after, false, PAGE).await?;
            looked += page.cards.len();
            let before = page.cards.len();
            let soon = page
                .cards
                .into_iter()
                .filter(|card| ends_by(queue, card, dates.second));
            let soon: Vec<Card> = soon.collect();
            let none = soon.is_empty() && before > 0;
            cards.extend(soon.into_iter().filter(|card| card.until > stream.warned));
            after = page.next;
            if none || after.is_none() {
                break;
            }
        }
    }
    Ok(cards)
}

fn ends_by(queue: &Queue, card: &Card, at: Wall) -> bool {
    queue.wall_of(card.until) <= at.0
}

fn entry(queue: &Queue, card: Card, dates: Dates) -> Entry {
    Entry {
        until: Wall(queue.wall_of(card.until)),
        ending: ends_by(queue, &card, dates.second),
        card,
    }
}

fn shelves(scopes: &BTreeSet<Scope>) -> Vec<Shelf> {
    let whole = HoldQueue::ALL
        .into_iter()
        .all(|queue| scopes.contains(&Scope::Queue(queue)));
    if whole {
        return vec![Shelf::All];
    }
    let mut all = Vec::new();
    for scope in scopes {
        match scope {
            Scope::Queue(queue) => all.push(Shelf::Queue(*queue)),
            Scope::Domain(domain) => {
                all.extend([Shelf::Domain(domain.clone()), Shelf::From(domain.clone())]);
            }
            Scope::Account(account) => all.push(Shelf::Account(account.clone())),
        }
    }
    all
}

fn u64_of(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

impl<'a> Merged<'a> {
    fn new(queue: &'a Queue, scopes: &BTreeSet<Scope>, newest_first: bool) -> Self {
        let source = |shelf| Source {
            shelf,
            cards: VecDeque::new(),
            after: None,
            more: true,
        };
        Self {
            queue,
            newest_first,
            rows: shelves(scopes).into_iter().map(source).collect(),
        }
    }

    async fn next(&mut self) -> Result<Option<Card>, StoreError> {
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
