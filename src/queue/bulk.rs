//! One verb on everything that a query means: a job that survives crashes, shows its progress and acts once on each.
//!
//! A job is a due record with a cursor. It goes through the open holds, or through all messages, page by page (`stride`).
//! What comes after the job began is not touched: what a requeue holds again would be judged for ever.
//! Not here: the verbs themselves (`act`), and what the query language can say (`query`).

use minicbor::{Decode, Encode};

use super::Queue;
use super::hold::Card;
use super::query::{Query, QueryError};
use super::record::{MessageId, decode, encode};
use super::stride::Course;
use super::verbs::{Actor, Verb};
use crate::base::limit::SCAN_MAX;
use crate::base::shutdown::Shutdown;
use crate::id;
use crate::store::{Band, Batch, Claimed, Due, Group, Key, Need, Op, Pre, Room, StoreError, Work};

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
    /// Recipients that were meant and were left out: in delivery, or somebody was faster.
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

impl Job {
    /// Whether something of it is done already.
    fn has_begun(&self) -> bool {
        self.after.is_some() || self.done > 0 || self.refused > 0
    }
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
/// A job is remembered so long after its end.
const JOB_MEMORY: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);
/// Waited before a job looks again whether the disk has room.
const ROOM_PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

impl Queue {
    /// What a query means now, counted up to `COUNT_MAX`.
    ///
    /// # Errors
    /// The store's.
    pub async fn survey(&self, query: &Query) -> Result<Survey, StoreError> {
        let mut survey = Survey::default();
        if query.is_of_holds() {
            let mut after = None;
            // A page may be empty and not the last: it ends when enough was looked at.
            while survey.count < COUNT_MAX {
                let page = self.find_cards(query, after, true, SCAN_MAX).await?;
                survey.count += page.cards.len() as u64;
                let wanted = SAMPLE.saturating_sub(survey.sample.len());
                survey.sample.extend(page.cards.into_iter().take(wanted));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            survey.count = survey.count.min(COUNT_MAX);
            return Ok(survey);
        }
        let mut after = None;
        while survey.count < COUNT_MAX {
            let page = self.page_of_messages(query, after, u64::MAX).await?;
            for one in &page.targets {
                survey.count += self.meant(query, &one.message, &one.parcels);
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
        batch.need = verb.need();
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
        let job = read_job(&claimed.record.key, &claimed.record.value)?;
        let Ok(query) = Query::parse(&job.query) else {
            return Err(StoreError::Damaged(
                format!("{:?}: its query", claimed.record.key).into(),
            ));
        };
        let mut course = Course {
            job,
            version: claimed.record.version,
            claim: claimed.guard.id(),
        };
        let mut waited = course.job.has_begun() && self.has_room(&course.job);
        while !shutdown.begun() {
            if !self.has_room(&course.job) {
                self.say_waiting(&course.job);
                // Not here: a job that empties the queue is what a full disk waits for, and has its turn.
                claimed.guard.rest(ROOM_PAUSE);
                break;
            }
            if std::mem::take(&mut waited) {
                tracing::info!(job = %course.job.id, "a bulk job goes on");
            }
            let page = self.page(&course.job, &query).await?;
            self.act_on_page(&mut course, &query, page).await?;
            if course.job.ended.is_some() {
                let (done, refused) = (course.job.done, course.job.refused);
                tracing::info!(job = %course.job.id, done, refused, "a bulk job is done");
                break;
            }
        }
        Ok(())
    }

    /// A job is nobody's hurry: what is left of the disk is for deliveries, and for what frees some.
    fn has_room(&self, job: &Job) -> bool {
        job.verb.need() != Need::Grow || self.store.room() == Room::Plenty
    }

    fn say_waiting(&self, job: &Job) {
        if let Some(repeated) = self.repeats.say(&format!("bulk job {}", job.id)) {
            tracing::warn!(job = %job.id, "a bulk job waits: the disk has no room; it goes on by itself when some is freed{repeated}");
        }
    }
}

/// `x/<job>`
pub(super) fn job_key(id: JobId) -> Key {
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

pub(super) fn put_job(job: &Job) -> Op {
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
