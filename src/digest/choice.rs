//! Which held messages a digest lists: what is new, what would lose its links, what ends soon.
//!
//! What found no row is not told of: it stays new, and the next digests list it, the oldest first, beside the newest.
//! Shelves are read from both ends and only as far as needed, so that a hundred thousand held messages cost no more
//! than fifty. Messages on several shelves of one recipient count once.
//! Not here: how the rows are dealt (`deal`), and how they are worded (`compose`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::compose::{Entry, Tally};
use super::deal::deal;
use super::merged::{Merged, PAGE, shelves_of};
use super::record::{Digest, Scope, digest_key};
use super::stream::{Listing, Stream};
use crate::base::clock::Wall;
use crate::base::limit::{DIGEST_COUNT_MAX, DIGEST_ROWS_MAX, DIGEST_TOLD_MAX};
use crate::mail::hold::HoldQueue;
use crate::queue::Queue;
use crate::queue::hold::Card;
use crate::queue::record::{HoldId, decode};
use crate::store::StoreError;

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
    /// Of the rows, what was told by none before.
    pub(super) told: Vec<HoldId>,
    /// Up to here nothing waits for a row any more.
    pub(super) told_up_to: HoldId,
    /// Digests whose rows are all listed again.
    pub(super) again: Vec<Listing>,
    /// Store time at which the first ends that should have been warned of and found no row.
    pub(super) unwarned: Option<u64>,
    /// Whether there is anything to tell.
    pub(super) tells: bool,
}

/// What lies on the shelves, as far as it was read.
#[derive(Default)]
struct Shelves {
    /// Not told yet, newest first: as many as a digest has rows.
    newest: Vec<Card>,
    /// Not told yet, oldest first: as many as a digest has rows.
    oldest: Vec<Card>,
    /// Told before, newest first; read only if everything is listed.
    before: Vec<Card>,
    /// What is told of, by queue.
    by_queue: BTreeMap<HoldQueue, u64>,
    /// Cards that were looked at.
    looked: usize,
    /// There are more than were looked at.
    capped: bool,
    /// And among these may be some that were not told yet.
    waits: bool,
}

/// What a digest listed whose links end.
struct Ended {
    listing: Listing,
    /// What of it has no other link.
    bare: BTreeSet<HoldId>,
}

/// Chooses for one stream. `all`: what is held, whether it is new or not.
pub(super) async fn choose(
    queue: &Queue,
    scopes: &BTreeSet<Scope>,
    stream: &Stream,
    dates: Dates,
    all: bool,
) -> Result<Choice, StoreError> {
    let counted = count_all(queue, scopes).await?;
    let mut seen = look(queue, scopes, stream, counted.is_some() && !all, all).await?;
    let (ended, again) = again(queue, scopes, stream, dates).await?;
    let ending = ending(queue, scopes, stream, dates).await?;
    let (beside, mut counted_too) = (again.iter().chain(&ending), BTreeSet::new());
    for card in beside.filter(|card| !all && stream.knows(card.id)) {
        if counted_too.insert(card.id) {
            *seen.by_queue.entry(card.hold.queue).or_default() += 1;
        }
    }
    let mut rows = BTreeMap::new();
    let oldest = std::mem::take(&mut seen.oldest);
    let (newest, before) = (
        std::mem::take(&mut seen.newest),
        std::mem::take(&mut seen.before),
    );
    let hands = vec![ending.clone(), oldest.clone(), newest, again];
    deal(&mut rows, hands, DIGEST_ROWS_MAX);
    deal(&mut rows, vec![before], DIGEST_ROWS_MAX);
    let unlisted = |card: &&Card| !rows.contains_key(&card.id);
    let mut choice = Choice {
        tells: !rows.is_empty(),
        told: rows
            .keys()
            .copied()
            .filter(|id| !stream.knows(*id))
            .collect(),
        told_up_to: told_up_to(&oldest, &rows, seen.waits),
        unwarned: ending.iter().filter(unlisted).map(|card| card.until).min(),
        ..Choice::default()
    };
    // What finds no room now is listed by the next digest.
    let relisted = |ended: &Ended| ended.bare.iter().all(|id| rows.contains_key(id));
    let done = ended.into_iter().filter(relisted);
    choice.again = done.map(|ended| ended.listing).collect();
    choice.tally = tally(&seen, counted, rows.len());
    let entries = rows.into_values().rev();
    choice.entries = entries.map(|card| entry(queue, card, dates)).collect();
    Ok(choice)
}

/// What a stream remembers of what it told. What is forgotten is listed twice, and nothing never.
pub(super) fn remember(stream: &mut Stream, choice: &Choice, store_now: u64) {
    stream.recent.extend(&choice.told);
    stream.recent.sort_unstable();
    stream.recent.dedup();
    // An id can be seen a moment after it was made.
    let seen = HoldId(store_now.saturating_sub(UNSEEN) << 8);
    let newest = stream.recent.last().copied().unwrap_or_default();
    stream.last = stream.last.max(choice.told_up_to.min(newest).min(seen));
    let last = stream.last;
    stream.recent.retain(|id| *id > last);
    let surplus = stream.recent.len().saturating_sub(DIGEST_TOLD_MAX);
    stream.recent.drain(..surplus);
    stream
        .listings
        .retain(|listing| !choice.again.contains(listing));
}

/// Up to which store time everything that ends was warned of, when all that ends up to `wanted` should be.
pub(super) fn warned(choice: &Choice, wanted: u64) -> u64 {
    let first = choice.unwarned.map(|until| until.saturating_sub(1));
    first.map_or(wanted, |first| first.min(wanted))
}

/// Whether nothing that they were told of is held, and something is.
pub(super) async fn is_first(
    queue: &Queue,
    scopes: &BTreeSet<Scope>,
    stream: &Stream,
) -> Result<bool, StoreError> {
    let oldest = Merged::new(queue, scopes, false).next().await?;
    if oldest.is_none_or(|card| stream.knows(card.id)) {
        return Ok(false);
    }
    // The oldest is behind `last`, so what they were told of and is still held stands in `recent`.
    for id in stream.recent.iter().rev() {
        let card = match queue.card(*id).await {
            Err(StoreError::Damaged(_)) => None,
            card => card?,
        };
        let held = |card: &Card| card.end.is_none() && scopes.iter().any(|s| s.holds(card));
        if card.as_ref().is_some_and(held) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether anything is held.
pub(super) async fn is_any(queue: &Queue, scopes: &BTreeSet<Scope>) -> Result<bool, StoreError> {
    Ok(Merged::new(queue, scopes, true).next().await?.is_some())
}

/// Reads the shelves from the newest on, and from the oldest that may wait if that is too far away. `ends`: before the
/// last one told nothing needs to be counted.
async fn look(
    queue: &Queue,
    scopes: &BTreeSet<Scope>,
    stream: &Stream,
    ends: bool,
    all: bool,
) -> Result<Shelves, StoreError> {
    let mut seen = Shelves::default();
    let mut last = VecDeque::new();
    let mut merged = Merged::new(queue, scopes, true);
    while let Some(card) = merged.next().await? {
        // Ids behind the last one told are in no order with those told; before it nothing new follows.
        if ends && card.id <= stream.last {
            break;
        }
        if seen.looked >= DIGEST_COUNT_MAX {
            seen.capped = true;
            // Below the last one told nothing waits.
            seen.waits = all || card.id > stream.last;
            break;
        }
        seen.looked += 1;
        let is_new = !stream.knows(card.id);
        if is_new || all {
            *seen.by_queue.entry(card.hold.queue).or_default() += 1;
        }
        if is_new && seen.newest.len() < DIGEST_ROWS_MAX {
            seen.newest.push(card.clone());
        }
        if is_new {
            last.push_front(card);
            last.truncate(DIGEST_ROWS_MAX);
        } else if all && seen.before.len() < DIGEST_ROWS_MAX {
            seen.before.push(card);
        }
    }
    seen.oldest = if seen.waits {
        oldest(queue, scopes, stream).await?
    } else {
        last.into()
    };
    Ok(seen)
}

/// What waits for longest, when there is more than is counted.
async fn oldest(
    queue: &Queue,
    scopes: &BTreeSet<Scope>,
    stream: &Stream,
) -> Result<Vec<Card>, StoreError> {
    let mut found = Vec::new();
    let mut merged = Merged::behind(queue, scopes, Some(stream.last), false);
    let most = DIGEST_ROWS_MAX + stream.recent.len();
    for _ in 0..most {
        let Some(card) = merged.next().await? else {
            break;
        };
        if !stream.knows(card.id) {
            found.push(card);
        }
        if found.len() >= DIGEST_ROWS_MAX {
            break;
        }
    }
    Ok(found)
}

/// Everything up to here has had its row. `oldest` is all that waits, or as many of it as a digest has rows.
fn told_up_to(oldest: &[Card], rows: &BTreeMap<HoldId, Card>, more: bool) -> HoldId {
    match oldest.iter().find(|card| !rows.contains_key(&card.id)) {
        Some(first) => HoldId(first.id.0.saturating_sub(1)),
        None if more || oldest.len() >= DIGEST_ROWS_MAX => {
            oldest.last().map(|card| card.id).unwrap_or_default()
        }
        None => HoldId(u64::MAX),
    }
}

fn tally(seen: &Shelves, counted: Option<BTreeMap<HoldQueue, u64>>, listed: usize) -> Tally {
    let told: u64 = seen.by_queue.values().sum();
    let held = counted.as_ref().map(|counted| counted.values().sum());
    let held = held.unwrap_or(u64_of(seen.looked));
    match counted.filter(|_| seen.capped) {
        // Too many to count which are new: what is known exactly is how many are held.
        Some(counted) => Tally {
            told: counted.into_iter().collect(),
            left_out: held.saturating_sub(u64_of(listed)),
            ..Tally::default()
        },
        None => Tally {
            told: seen.by_queue.iter().map(|(of, n)| (*of, *n)).collect(),
            left_out: told.saturating_sub(u64_of(listed)),
            older: held.saturating_sub(told),
            capped: seen.waits,
            older_capped: seen.capped,
        },
    }
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

/// What was listed before and would have no link that counts when the next digest comes: the digests that listed it, the
/// oldest first, and what of it is still held. So many digests as fill one; the rest is as good a day later.
async fn again(
    queue: &Queue,
    scopes: &BTreeSet<Scope>,
    stream: &Stream,
    dates: Dates,
) -> Result<(Vec<Ended>, Vec<Card>), StoreError> {
    let ends = |listing: &&Listing| u64::from(listing.end) * 3_600_000_000 <= dates.next.0;
    let (due, good): (Vec<&Listing>, Vec<&Listing>) = stream.listings.iter().partition(ends);
    let (mut ended, mut cards) = (Vec::new(), Vec::new());
    if due.is_empty() {
        return Ok((ended, cards));
    }
    let covered = listed(queue, &good).await?;
    for listing in due {
        if cards.len() >= DIGEST_ROWS_MAX {
            break;
        }
        let mut bare = BTreeSet::new();
        for id in listed(queue, &[listing]).await?.difference(&covered) {
            let card = queue
                .card(*id)
                .await?
                .filter(|card| card.end.is_none() && scopes.iter().any(|scope| scope.holds(card)));
            bare.extend(card.as_ref().map(|card| card.id));
            cards.extend(card);
        }
        let listing = *listing;
        ended.push(Ended { listing, bare });
    }
    Ok((ended, cards))
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

/// What ends before the digest after the next one and was not warned of, what ends first before all else.
///
/// Expiry follows the order of holds within a queue: there the first page from the oldest on that has nothing is the
/// last. On the shelves of an owner lie queues with spans of their own, so these are read as far as anything is counted.
async fn ending(
    queue: &Queue,
    scopes: &BTreeSet<Scope>,
    stream: &Stream,
    dates: Dates,
) -> Result<Vec<Card>, StoreError> {
    let mut cards = Vec::new();
    for scope in scopes {
        let ordered = scope.is_admins();
        for shelf in shelves_of(scope) {
            let (mut after, mut looked) = (None, 0);
            while looked < DIGEST_COUNT_MAX {
                let page = queue.cards(&shelf, after, false, PAGE).await?;
                looked += page.cards.len();
                let before = page.cards.len();
                let soon = |card: &Card| ends_by(queue, card, dates.second);
                let soon: Vec<Card> = page.cards.into_iter().filter(soon).collect();
                let none = ordered && soon.is_empty() && before > 0;
                cards.extend(soon.into_iter().filter(|card| card.until > stream.warned));
                after = page.next;
                if none || after.is_none() {
                    break;
                }
            }
        }
    }
    cards.sort_by_key(|card| (card.until, card.id));
    cards.dedup_by_key(|card| card.id);
    Ok(cards)
}

fn ends_by(queue: &Queue, card: &Card, at: Wall) -> bool {
    queue.wall_of(card.until) <= at.0
}

pub(super) fn entry(queue: &Queue, card: Card, dates: Dates) -> Entry {
    Entry {
        until: Wall(queue.wall_of(card.until)),
        ending: ends_by(queue, &card, dates.second),
        card,
    }
}

fn u64_of(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
