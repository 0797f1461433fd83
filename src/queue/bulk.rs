//! One verb on everything that a query means: a job that survives crashes, shows its progress and acts once on each.
//!
//! A job is a due record with a cursor. It goes through the open holds, or through all messages, page by page; a page's
//! acts and the cursor behind them land in one batch, so a crash repeats nothing. What comes after the job began is not
//! touched: what a requeue holds again would be judged for ever.
//! Not here: the verbs themselves (`act`), and what the query language can say (`query`).

use minicbor::{Decode, Encode};

use super::act::{Acting, Deed};
use super::hold::Card;
use super::ledger::Stored;
use super::query::{Facts, Query, QueryError};
use super::record::{HoldId, Message, MessageId, Parcel, Slot, decode, encode, message_key};
use super::verbs::{Actor, Undecided, Verb};
use super::{Queue, hold};
use crate::base::clock::Wall;
use crate::base::limit::SCAN_MAX;
use crate::base::shutdown::Shutdown;
use crate::id;
use crate::mail::state::State;
use crate::store::{
    Band, Batch, Claimed, Due, Group, Key, Op, Pre, Room, Side, Span, StoreError, Version, Work,
};

id! {
    /// One bulk job.
    pub struct JobId;
}

/// `x/<job>`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Job {
    /// From the key.
    #[cbor(skip)]
    pub id: JobId,
    /// retry, requeue, release, hold, delete, bounce, undo.
    #[n(0)]
    pub verb: Verb,
    /// What it means.
    #[n(1)]
    pub query: String,
    /// Who began it.
    #[n(2)]
    pub by: String,
    /// From where.
    #[n(3)]
    pub place: Option<String>,
    /// Wall time of its beginning in microseconds.
    #[n(4)]
    pub begun: u64,
    /// Wall time of its end.
    #[n(5)]
    pub ended: Option<u64>,
    /// The last hold or message that it has gone through.
    #[n(6)]
    pub after: Option<u64>,
    /// What was held or accepted later is not its business.
    #[n(7)]
    pub until: u64,
    /// Recipients acted on.
    #[n(8)]
    pub done: u64,
    /// Recipients that were meant and could not be acted on: in delivery, or somebody was faster.
    #[n(9)]
    pub refused: u64,
    /// What it meant when it began; `COUNT_MAX` may stand for more.
    #[n(10)]
    pub total: u64,
}

/// What a query means now.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Recipients; at `COUNT_MAX` there may be more.
    pub count: u64,
    /// The newest of them, as far as they are held.
    pub sample: Vec<Card>,
}

/// Why a job did not begin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BulkError {
    /// The query cannot be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// It means nothing now.
    #[error("nothing matches; nothing was done")]
    Nothing,
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Counting stops here: "more than 10,000".
pub const COUNT_MAX: u64 = SCAN_MAX as u64;
/// Cards of a survey's sample.
const SAMPLE: usize = 5;
/// Recipients acted on in one batch: a commit of a few milliseconds, in which nobody else waits long.
const PAGE: usize = 200;
/// A job is remembered so long after its end.
const JOB_MEMORY: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);
/// Waited before a job looks again whether the disk has room.
const ROOM_PAUSE: std::time::Duration = std::time::Duration::from_secs(10);

/// Messages of one page of a job with the parcels that are meant.
struct Page {
    found: Vec<(Message, Version, Vec<Stored>)>,
    /// Only these holds; none: whatever the query means.
    holds: Option<Vec<HoldId>>,
    next: Option<u64>,
}

impl Queue {
    /// What a query means now, counted up to `COUNT_MAX`.
    ///
    /// # Errors
    /// The store's.
    pub async fn survey(&self, query: &Query) -> Result<Survey, StoreError> {
        let mut survey = Survey::default();
        if query.is_of_holds() {
            let limit = SCAN_MAX;
            let page = self.find_cards(query, None, true, limit).await?;
            survey.count = page.cards.len() as u64;
            survey.sample = page.cards.into_iter().take(SAMPLE).collect();
            return Ok(survey);
        }
        let mut after = None;
        while survey.count < COUNT_MAX {
            let page = self.page_of_messages(query, after, u64::MAX).await?;
            for (message, _, parcels) in &page.found {
                survey.count += self.meant(query, message, parcels);
            }
            after = page.next.map(MessageId);
            if after.is_none() {
                break;
            }
        }
        survey.count = survey.count.min(COUNT_MAX);
        Ok(survey)
    }

    /// Begins a job; it goes on by itself, over restarts too.
    ///
    /// # Errors
    /// [`BulkError`]; then nothing was done.
    pub async fn begin_job(
        &self,
        verb: Verb,
        query: &str,
        actor: &Actor,
    ) -> Result<Job, BulkError> {
        let parsed = Query::parse(query)?;
        let survey = self.survey(&parsed).await?;
        if survey.count == 0 {
            return Err(BulkError::Nothing);
        }
        let id = self.fresh_id();
        let job = Job {
            id: JobId(id),
            verb,
            query: query.to_owned(),
            by: actor.by.clone(),
            place: actor.place.clone(),
            begun: self.clock.wall().0,
            ended: None,
            after: None,
            until: id,
            done: 0,
            refused: 0,
            total: survey.count,
        };
        let mut batch = Batch::new();
        batch.pre.push(Pre::Absent(job_key(job.id)));
        batch.ops.push(put_job(&job));
        self.store.commit(batch).await?;
        tracing::info!(job = %job.id, verb = verb.word(), query, by = job.by, "a bulk job begins");
        Ok(job)
    }

    /// A job; none: it never was, or it ended more than seven days ago.
    ///
    /// # Errors
    /// The store's.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let found = self.store.get(vec![job_key(id)]).await?;
        let record = found.into_iter().flatten().next();
        record
            .map(|record| read_job(&record.key, &record.value))
            .transpose()
    }

    /// Goes on with a job until it ends or the server stops.
    pub(super) async fn go_through(
        &self,
        claimed: &Claimed,
        shutdown: &Shutdown,
    ) -> Result<(), StoreError> {
        let mut job = read_job(&claimed.record.key, &claimed.record.value)?;
        let Ok(query) = Query::parse(&job.query) else {
            return Err(StoreError::Damaged(
                format!("{:?}: its query", claimed.record.key).into(),
            ));
        };
        let mut version = claimed.record.version;
        while !shutdown.begun() {
            if self.store.room() != Room::Plenty {
                tracing::warn!(job = %job.id, "a bulk job waits: the disk has no room");
                tokio::select! {
                    () = shutdown.wait() => {}
                    () = self.clock.sleep(ROOM_PAUSE) => {}
                }
                continue;
            }
            let page = self.page(&job, &query).await?;
            job.after = page.next;
            let ends = page.next.is_none();
            if ends {
                job.ended = Some(self.clock.wall().0);
            }
            let pre = if ends {
                Pre::Mine(claimed.guard.id())
            } else {
                Pre::Is(claimed.record.key.clone(), version)
            };
            version = self.act_on_page(&mut job, &query, page, pre).await?;
            if ends {
                let (done, refused) = (job.done, job.refused);
                tracing::info!(job = %job.id, done, refused, "a bulk job is done");
                return Ok(());
            }
        }
        Ok(())
    }

    async fn page(&self, job: &Job, query: &Query) -> Result<Page, StoreError> {
        if query.is_of_holds() {
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
        let mut found: Vec<(Message, Version, Vec<Stored>)> = Vec::new();
        for card in &page.cards {
            let Some((message, version, stored)) = self.held_by(card).await? else {
                continue;
            };
            match found.iter_mut().find(|(old, ..)| old.id == message.id) {
                Some((.., parcels)) => parcels.push(stored),
                None => found.push((message, version, vec![stored])),
            }
        }
        Ok(Page {
            found,
            holds: Some(page.cards.iter().map(|card| card.id).collect()),
            next: next.map(|id| id.0),
        })
    }

    async fn page_of_messages(
        &self,
        query: &Query,
        after: Option<MessageId>,
        until: u64,
    ) -> Result<Page, StoreError> {
        let span = Span::Prefix(Key::of(b'm', &[]));
        let after = after.map(message_key);
        let page = self.store.scan(span, after, false, PAGE).await?;
        let (mut found, mut over) = (Vec::new(), false);
        for record in &page.records {
            let message = match Message::read(&record.key, &record.value) {
                Ok(message) => message,
                Err(error) => {
                    tracing::error!(%error, "a bulk job passes by what cannot be read");
                    continue;
                }
            };
            over = message.id.0 > until;
            if over {
                break;
            }
            let parcels = self.parcels_of(message.id).await?;
            if self.meant(query, &message, &parcels) > 0 {
                found.push((message, record.version, parcels));
            }
        }
        let next = page.next.filter(|_| !over);
        let next = next.as_ref().and_then(super::record::message_of);
        Ok(Page {
            found,
            holds: None,
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

    fn is_slot_meant(
        &self,
        query: &Query,
        message: &Message,
        parcel: &Parcel,
        slot: &Slot,
    ) -> bool {
        let kept = parcel.hold.as_ref();
        let subject = hold::plain(message.subject.as_deref().unwrap_or_default());
        let is_ended = slot.state.is_final() && !query.wants_ended();
        !is_ended
            && query.matches(&Facts {
                id: message.id.0,
                from: &message.from.path.to_string(),
                to: &slot.mailbox.to_string(),
                hold: kept.map(|kept| &kept.hold),
                subject: &subject,
                account: message.origin.account.as_deref(),
                state: &slot.state,
                age: self.clock.wall() - Wall(message.wall),
            })
    }

    /// Acts on a page and moves the cursor, in one batch; what is in delivery or decided meanwhile is left out.
    async fn act_on_page(
        &self,
        job: &mut Job,
        query: &Query,
        page: Page,
        pre: Pre,
    ) -> Result<Version, StoreError> {
        let actor = Actor {
            by: job.by.clone(),
            place: job.place.clone(),
            digest: None,
        };
        let deed = self.deed(job.verb, &actor);
        let all = self.gather(query, &page, deed);
        let mut whole = job.clone();
        let mut batch = Batch {
            pre: vec![pre.clone()],
            side: Side::Back,
            ..Batch::default()
        };
        for (_, acting) in &all {
            whole.done += acting.done.len() as u64;
            batch.join(acting.batch.clone());
        }
        batch.ops.push(put_job(&whole));
        match self.store.commit(batch).await {
            Ok(version) => {
                for (message, acting) in &all {
                    self.tell_acted(message, acting, deed);
                }
                *job = whole;
                Ok(version)
            }
            // Somebody else acts on one of them: each for itself, and then the cursor.
            Err(StoreError::Conflict(at)) if at > 0 => {
                self.act_on_each(job, query, page, deed).await?;
                let mut batch = Batch {
                    pre: vec![pre],
                    side: Side::Back,
                    ..Batch::default()
                };
                batch.ops.push(put_job(job));
                self.store.commit(batch).await
            }
            Err(error) => Err(error),
        }
    }

    fn gather<'p>(
        &self,
        query: &Query,
        page: &'p Page,
        deed: Deed<'_>,
    ) -> Vec<(&'p Message, Acting)> {
        let mut all = Vec::new();
        for (message, version, parcels) in &page.found {
            let meant = |parcel: &Parcel, slot: &Slot| match &page.holds {
                Some(holds) => {
                    let id = parcel.hold.as_ref().map(|kept| kept.id);
                    slot.state == State::Held && id.is_some_and(|id| holds.contains(&id))
                }
                None => self.is_slot_meant(query, message, parcel, slot),
            };
            let acting = self.act_on_all(message, *version, parcels.clone(), meant, deed);
            if !acting.done.is_empty() {
                all.push((message, acting));
            }
        }
        all
    }

    async fn act_on_each(
        &self,
        job: &mut Job,
        query: &Query,
        page: Page,
        deed: Deed<'_>,
    ) -> Result<(), StoreError> {
        if let Some(holds) = page.holds {
            for id in holds {
                match self.decide(id, deed.verb, deed.actor).await {
                    Ok(_) => job.done += 1,
                    Err(Undecided::Store(error)) => return Err(error),
                    Err(
                        Undecided::Unknown
                        | Undecided::Handled(_)
                        | Undecided::Busy
                        | Undecided::Refused(_),
                    ) => job.refused += 1,
                }
            }
            return Ok(());
        }
        for (message, ..) in &page.found {
            let Some((message, version)) = self.message_by_id(message.id).await? else {
                continue;
            };
            let parcels = self.parcels_of(message.id).await?;
            let meant =
                |parcel: &Parcel, slot: &Slot| self.is_slot_meant(query, &message, parcel, slot);
            let acting = self.act_on_all(&message, version, parcels, meant, deed);
            let count = acting.done.len() as u64;
            match self.store.commit(acting.batch.clone()).await {
                Ok(_) => {
                    job.done += count;
                    self.tell_acted(&message, &acting, deed);
                }
                Err(StoreError::Conflict(_)) => job.refused += count,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// `x/<job>`
fn job_key(id: JobId) -> Key {
    Key::of(b'x', &[&id.0.to_be_bytes()])
}

/// The job that a key names.
pub(super) fn job_of_key(key: &Key) -> Option<JobId> {
    let id = key.0.strip_prefix(b"x")?;
    Some(JobId(u64::from_be_bytes(id.try_into().ok()?)))
}

fn read_job(key: &Key, value: &[u8]) -> Result<Job, StoreError> {
    let mut job: Job = decode(key, value)?;
    job.id = job_of_key(key).ok_or_else(|| StoreError::Damaged(format!("{key:?}").into()))?;
    Ok(job)
}

fn put_job(job: &Job) -> Op {
    let key = job_key(job.id);
    let (work, after) = match job.ended {
        Some(_) => (Work::Sweep, JOB_MEMORY),
        None => (Work::Bulk, std::time::Duration::ZERO),
    };
    Op::Put {
        value: encode(job),
        due: Some(Due {
            work,
            group: Group::of_key(&key),
            band: Band::Bulk,
            after,
        }),
        key,
        terms: Vec::new(),
    }
}
