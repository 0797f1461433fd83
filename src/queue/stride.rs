//! One page of a bulk job: what is meant, acting on it, and the cursor behind it.
//!
//! Acts, counts and the cursor land in one batch, or in a few when a page is large: a crash repeats nothing that was
//! done and counts nothing twice. Who is overtaken by somebody else is read again; who is lent to a delivery is left
//! out and counted. Not here: the job's life (`bulk`) and what an act changes (`act`).

use std::collections::HashMap;

use super::act::{Acting, Deed};
use super::bulk::{Job, job_key, put_job};
use super::hold::{self, Card};
use super::ledger::Stored;
use super::query::{Facts, Query};
use super::record::{
    HoldId, JobId, Message, MessageId, Parcel, Slot, decode, message_key, message_of, parcel_key,
};
use super::survey::is_done_already;
use super::verbs::Actor;
use super::{Queue, record};
use crate::base::clock::{Wall, micros};
use crate::mail::state::State;
use crate::store::{Batch, ClaimId, Key, Pre, Side, Span, StoreError, Version};

/// Cards or messages read at once.
const PAGE: usize = 500;
/// Preconditions and operations of one commit of a job, unless one message has more: a few milliseconds, in which
/// nobody else waits long.
const OPS: usize = 2_000;
/// A page yields so often to others that act on the same recipients; then it leaves out whom they act on.
const TRIES: usize = 1_000;

/// A job on its way.
pub(super) struct Course {
    pub(super) job: Job,
    /// Of the job's record.
    pub(super) version: Version,
    pub(super) claim: ClaimId,
}

/// A message with the parcels that are meant.
pub(super) struct Target {
    pub(super) message: Message,
    pub(super) version: Version,
    pub(super) parcels: Vec<Stored>,
}

/// What a job does next.
pub(super) struct Page {
    pub(super) targets: Vec<Target>,
    pub(super) meant: Meant,
    /// Meant when the page was read, and gone before its parcel was.
    pub(super) gone: u64,
    pub(super) next: Option<u64>,
}

/// Which recipients of a page's messages are meant.
pub(super) enum Meant {
    /// Of these holds.
    Holds(Vec<HoldId>),
    /// Whatever the query means.
    Query,
    /// What this job left where it can be taken back from.
    Job(JobId),
}

/// Left out of a page so far.
#[derive(Clone, Copy, Default)]
struct Left {
    /// In delivery, or somebody was faster.
    refused: u64,
    /// Nobody may release them.
    stays: u64,
}

/// What is done with one commit: the acts of the first `taken` targets.
#[derive(Default)]
struct Draft {
    batch: Batch,
    taken: usize,
    done: u64,
    left: Left,
    /// Preconditions of the job itself, in front of those of the acts.
    front: usize,
    /// By target, with where its operations end in the batch.
    acts: Vec<(usize, Acting, usize)>,
}

impl Queue {
    pub(super) async fn page(&self, job: &Job, query: &Query) -> Result<Page, StoreError> {
        if let Some(of) = job.of {
            self.page_of_job(of, job.after.map(MessageId)).await
        } else if query.is_of_holds() {
            self.page_of_holds(query, job.after.map(HoldId), job.until)
                .await
        } else {
            self.page_of_messages(query, job.after.map(MessageId), job.until)
                .await
        }
    }

    async fn page_of_holds(
        &self,
        query: &Query,
        after: Option<HoldId>,
        until: u64,
    ) -> Result<Page, StoreError> {
        let mut page = self.find_cards(query, after, false, PAGE).await?;
        let before = page.cards.len();
        page.cards.retain(|card| card.id.0 <= until);
        let next = page.next.filter(|_| page.cards.len() == before);
        let targets = self.targets_of(&page.cards).await?;
        let found: usize = targets.iter().map(|target| target.parcels.len()).sum();
        Ok(Page {
            targets,
            gone: page.cards.len().saturating_sub(found) as u64,
            meant: Meant::Holds(page.cards.iter().map(|card| card.id).collect()),
            next: next.map(|id| id.0),
        })
    }

    /// The messages and parcels of these holds, with one read; those that are no longer theirs are left out.
    async fn targets_of(&self, cards: &[Card]) -> Result<Vec<Target>, StoreError> {
        let mut keys: Vec<Key> = cards.iter().map(|card| message_key(card.message)).collect();
        keys.dedup();
        let messages = keys.len();
        keys.extend(
            cards
                .iter()
                .map(|card| parcel_key(card.message, card.parcel)),
        );
        let found = self.get_each(keys).await?.into_iter();
        let mut found =
            found.map(|read| read.map_err(|error| self.pass_over(&error)).ok().flatten());
        let (mut targets, mut places) = (Vec::<Target>::new(), HashMap::new());
        for record in found.by_ref().take(messages).flatten() {
            let message = match Message::read(&record.key, &record.value) {
                Ok(message) => message,
                Err(error) => {
                    self.pass_over(&error);
                    continue;
                }
            };
            if let std::collections::hash_map::Entry::Vacant(place) = places.entry(message.id) {
                place.insert(targets.len());
                targets.push(Target {
                    message,
                    version: record.version,
                    parcels: Vec::new(),
                });
            }
        }
        for (card, record) in cards.iter().zip(found) {
            let place = places.get(&card.message).copied();
            let target = place.and_then(|place| targets.get_mut(place));
            let (Some(target), Some(record)) = (target, record) else {
                continue;
            };
            let parcel: Parcel = match decode(&record.key, &record.value) {
                Ok(parcel) => parcel,
                Err(error) => {
                    self.pass_over(&error);
                    continue;
                }
            };
            if parcel.hold.as_ref().is_some_and(|kept| kept.id == card.id) {
                target.parcels.push(Stored {
                    number: card.parcel,
                    version: record.version,
                    parcel,
                });
            }
        }
        Ok(targets)
    }

    pub(super) async fn page_of_messages(
        &self,
        query: &Query,
        after: Option<MessageId>,
        until: u64,
    ) -> Result<Page, StoreError> {
        let span = Span::Prefix(Key::of(b'm', &[]));
        let after = after.map(message_key);
        let page = self.store.scan(span, after, false, PAGE).await?;
        let (mut targets, mut over) = (Vec::new(), false);
        for record in &page.records {
            let message = match Message::read(&record.key, &record.value) {
                Ok(message) => message,
                Err(error) => {
                    self.pass_over(&error);
                    continue;
                }
            };
            over = message.id.0 > until;
            if over {
                break;
            }
            let parcels = match self.parcels_of(message.id).await {
                Ok(parcels) => parcels,
                Err(error @ StoreError::Damaged(_)) => {
                    self.pass_over(&error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if self.meant(query, &message, &parcels) > 0 {
                targets.push(Target {
                    message,
                    version: record.version,
                    parcels,
                });
            }
        }
        let next = page.next.filter(|_| !over);
        let next = next.as_ref().and_then(message_of);
        Ok(Page {
            targets,
            meant: Meant::Query,
            gone: 0,
            next: next.map(|id| id.0),
        })
    }

    /// How many recipients of a message a query means.
    fn meant(&self, query: &Query, message: &Message, parcels: &[Stored]) -> u64 {
        let slots = parcels.iter().flat_map(|stored| {
            let each = stored.parcel.slots.iter();
            each.map(|slot| (&stored.parcel, slot))
        });
        let count = slots.filter(|(parcel, slot)| self.is_slot_meant(query, message, parcel, slot));
        count.count() as u64
    }

    pub(super) fn is_slot_meant(
        &self,
        query: &Query,
        message: &Message,
        parcel: &Parcel,
        slot: &Slot,
    ) -> bool {
        let kept = parcel.hold.as_ref();
        let subject = hold::plain(message.subject.as_deref().unwrap_or_default());
        let author = hold::plain(message.author.as_deref().unwrap_or_default());
        let is_ended = slot.state.is_final() && !query.wants_ended();
        !is_ended
            && query.matches(&Facts {
                id: message.id.0,
                from: &message.from.path.to_string(),
                to: &slot.mailbox.to_string(),
                hold: kept.map(|kept| &kept.hold),
                subject: &subject,
                author: &author,
                account: message.origin.account.as_deref(),
                state: &slot.state,
                age: self.clock.wall() - Wall(message.wall),
            })
    }

    /// Whether a recipient on a page is meant, as it is now.
    fn is_on_page(
        &self,
        query: &Query,
        meant: &Meant,
        (message, parcel, slot): (&Message, &Parcel, &Slot),
    ) -> bool {
        match meant {
            Meant::Holds(holds) => {
                let id = parcel.hold.as_ref().map(|kept| kept.id);
                // Cards, and so these ids, come in order.
                slot.state == State::Held && id.is_some_and(|id| holds.binary_search(&id).is_ok())
            }
            Meant::Query => self.is_slot_meant(query, message, parcel, slot),
            Meant::Job(of) => {
                let waits = matches!(slot.state, State::Releasing { .. } | State::Trashed { .. });
                waits && parcel.job == Some(*of)
            }
        }
    }

    /// Acts on a page and moves the cursor; what is in delivery or decided meanwhile is left out and counted.
    pub(super) async fn act_on_page(
        &self,
        course: &mut Course,
        query: &Query,
        page: Page,
    ) -> Result<(), StoreError> {
        let actor = Actor {
            by: course.job.by.clone(),
            place: course.job.place.clone(),
            digest: None,
        };
        let deed = Deed {
            job: Some(course.job.id),
            ..self.deed(course.job.verb, &actor)
        };
        let meant = page.meant;
        // Any other is none any more when it was acted on; a message may be meant again.
        let is_again = matches!(meant, Meant::Query);
        let mut todo = page.targets;
        let mut left = Left {
            refused: page.gone,
            stays: 0,
        };
        let (mut tries, mut most) = (TRIES, OPS);
        loop {
            let mut draft = self.draft(query, &meant, &todo, deed, most);
            let is_last = draft.taken == todo.len();
            let mut job = course.job.clone();
            job.done += draft.done;
            let passed = todo
                .get(draft.taken.saturating_sub(1))
                .map(|one| one.message.id.0);
            if is_last || is_again {
                job.refused += left.refused + draft.left.refused;
                job.stays += left.stays + draft.left.stays;
                job.after = if is_last { page.next } else { passed };
            }
            if is_last && page.next.is_none() {
                self.end(&mut job);
            }
            match self.commit_draft(course, &mut draft, job).await {
                Ok(()) => {
                    self.tell_draft(&todo, &draft, deed);
                    left = if is_again {
                        Left::default()
                    } else {
                        left.and(draft.left)
                    };
                    todo.drain(..draft.taken);
                    if is_last {
                        return Ok(());
                    }
                }
                Err(StoreError::Conflict(at)) if at >= draft.front => {
                    tries = tries.saturating_sub(1);
                    let more = self
                        .give_way(query, &meant, &mut todo, &draft, (at, tries))
                        .await?;
                    left.refused += more;
                }
                Err(StoreError::TooLarge) if draft.taken > 1 => most /= 2,
                Err(StoreError::TooLarge) => {
                    let one = todo.remove(0);
                    tracing::error!(id = %one.message.id, "too much for one commit: a bulk job leaves it out");
                    left.refused += draft.done;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn end(&self, job: &mut Job) {
        job.ended = Some(self.clock.wall().0);
        if job.total < super::survey::COUNT_MAX {
            // Whoever was decided by somebody else before the job came by was left out as well.
            job.refused = job
                .refused
                .max(job.total.saturating_sub(job.done + job.stays));
        }
    }

    /// The acts of as many targets as one commit takes, and of one at least.
    fn draft(
        &self,
        query: &Query,
        meant: &Meant,
        todo: &[Target],
        deed: Deed<'_>,
        most: usize,
    ) -> Draft {
        let mut draft = Draft::default();
        for (place, target) in todo.iter().enumerate() {
            let message = &target.message;
            let stays = std::cell::Cell::new(0);
            let is_meant = |parcel: &Parcel, slot: &Slot| {
                let is_on_page = self.is_on_page(query, meant, (message, parcel, slot));
                let kept = parcel.hold.as_ref().filter(|_| slot.state == State::Held);
                let stay =
                    is_on_page && kept.is_some_and(|kept| self.is_barred(deed.verb, &kept.hold));
                stays.set(stays.get() + u64::from(stay));
                is_on_page && !stay && !is_done_already(deed.verb, &slot.state)
            };
            let parcels = target.parcels.clone();
            let mut acting = self.act_on_all(message, target.version, parcels, is_meant, deed);
            let batch = std::mem::take(&mut acting.batch);
            let so_far = draft.batch.pre.len() + draft.batch.ops.len();
            if draft.taken > 0 && so_far + batch.pre.len() + batch.ops.len() > most {
                break;
            }
            draft.taken += 1;
            draft.done += acting.done.len() as u64;
            draft.left.refused += acting.refusals;
            draft.left.stays += stays.get();
            if acting.done.is_empty() {
                continue;
            }
            draft.batch.join(batch);
            draft.acts.push((place, acting, draft.batch.ops.len()));
        }
        draft
    }

    async fn commit_draft(
        &self,
        course: &mut Course,
        draft: &mut Draft,
        mut job: Job,
    ) -> Result<(), StoreError> {
        // Who takes the job back changes its record, and stops it by that.
        let mut pre = vec![Pre::Is(job_key(job.id), course.version)];
        pre.extend(job.ended.map(|_| Pre::Mine(course.claim.clone())));
        draft.front = pre.len();
        if draft.done > 0 {
            let span = self.take_back(job.verb).span();
            job.back = span.map(|span| self.store.now().0.saturating_add(micros(span)));
        }
        let mut batch = Batch {
            pre,
            side: Side::Back,
            need: job.verb.need(),
            ..Batch::default()
        };
        batch.pre.extend(draft.batch.pre.iter().cloned());
        batch.ops = std::mem::take(&mut draft.batch.ops);
        batch.ops.push(put_job(&job));
        course.version = self.store.commit(batch).await?;
        course.job = job;
        Ok(())
    }

    fn tell_draft(&self, todo: &[Target], draft: &Draft, deed: Deed<'_>) {
        for (place, acting, _) in &draft.acts {
            if let Some(target) = todo.get(*place) {
                self.tell_acted(&target.message, acting, deed);
            }
        }
    }

    /// Somebody else has, or has changed, what the draft's precondition `at` is about: left out, or read again. How
    /// many recipients of the page were lost by that.
    async fn give_way(
        &self,
        query: &Query,
        meant: &Meant,
        todo: &mut [Target],
        draft: &Draft,
        (at, tries): (usize, usize),
    ) -> Result<u64, StoreError> {
        let Some((place, lent)) = draft.whose(at, todo) else {
            return Err(StoreError::Conflict(0));
        };
        let count = |target: &Target| {
            let parcels = target.parcels.iter();
            let slots =
                parcels.flat_map(|one| one.parcel.slots.iter().map(|slot| (&one.parcel, slot)));
            let on_page = slots.filter(|(parcel, slot)| {
                self.is_on_page(query, meant, (&target.message, parcel, slot))
            });
            on_page.count() as u64
        };
        let Some(target) = todo.get_mut(place) else {
            return Err(StoreError::Conflict(0));
        };
        let before = count(target);
        if let Some(number) = lent {
            target.parcels.retain(|stored| stored.number != number);
            return Ok(before - count(target).min(before));
        }
        let again = self.message_by_id(target.message.id).await?;
        let Some((message, version)) = again.filter(|_| tries > 0) else {
            target.parcels.clear();
            return Ok(before);
        };
        let mut parcels = self.parcels_of(message.id).await?;
        // Whoever was left out stays so; a deed may split a parcel, and then its new one is nobody's here.
        parcels.retain(|new| target.parcels.iter().any(|old| old.number == new.number));
        *target = Target {
            message,
            version,
            parcels,
        };
        Ok(before - count(target).min(before))
    }
}

impl Left {
    fn and(self, other: Self) -> Self {
        Self {
            refused: self.refused + other.refused,
            stays: self.stays + other.stays,
        }
    }
}

impl Draft {
    /// Which target the precondition or operation `at` of the commit belongs to; with the parcel if that is lent.
    fn whose(&self, at: usize, todo: &[Target]) -> Option<(usize, Option<u64>)> {
        let at = at.checked_sub(self.front)?;
        if let Some(pre) = self.batch.pre.get(at) {
            let (key, is_lent) = match pre {
                Pre::Free(key) => (key, true),
                Pre::Is(key, _) | Pre::Absent(key) => (key, false),
                Pre::Mine(id) => (&id.key, false),
            };
            let id = message_of(key)?;
            let place = todo.iter().position(|one| one.message.id == id)?;
            return Some((place, record::number_of(key).filter(|_| is_lent)));
        }
        let op = at - self.batch.pre.len();
        let act = self.acts.iter().find(|(.., end)| op < *end)?;
        Some((act.0, None))
    }
}
