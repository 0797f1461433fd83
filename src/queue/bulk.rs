//! One verb on everything that a query means: a job that survives crashes, shows its progress and acts once on each.
//!
//! A job is a due record with a cursor. It goes through the open holds, or through all messages, page by page (`stride`).
//! What comes after the job began is not touched: what a requeue holds again would be judged for ever. A job on many
//! begins only with their number, so that nobody acts on more than was looked at, whatever way the order comes.
//! Not here: the verbs themselves (`act`), the look before (`survey`), taking a job back (`undoing`).

use minicbor::{Decode, Encode};

use super::Queue;
use super::query::{Query, QueryError};
pub use super::record::JobId;
use super::record::{decode, encode};
use super::stride::Course;
use super::verbs::{Actor, Verb};
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::base::limit::{BULK_NUMBER_ABOVE, JOBS_SHOWN_MAX};
use crate::base::shutdown::Shutdown;
use crate::store::{
    Band, Batch, Claimed, Due, Group, Key, Need, Op, Pre, Room, Span, StoreError, Version, Work,
};

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
    /// Recipients that were meant and that `[hold.release]` lets nobody release.
    #[cbor(n(11), default)]
    pub stays: u64,
    /// The job that this one takes back.
    #[n(12)]
    pub of: Option<JobId>,
    /// The job that takes this one back.
    #[n(13)]
    pub undone: Option<JobId>,
    /// It was taken back before it had gone through.
    #[cbor(n(14), default)]
    pub stopped: bool,
    /// Store time until which it can be taken back, if what it does can be.
    #[n(15)]
    pub back: Option<u64>,
}

/// An order to do a verb to all that a query means.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// What.
    pub verb: Verb,
    /// To what.
    pub query: &'a str,
    /// How many that are, as whoever asks was told: must be right, and must be there above `BULK_NUMBER_ABOVE`.
    pub number: Option<u64>,
}

impl Job {
    /// One that has not begun; what has a later id is not its business.
    pub(super) fn new(id: JobId, verb: Verb, query: &str, actor: &Actor, now: Wall) -> Self {
        Self {
            id,
            verb,
            query: query.to_owned(),
            by: actor.by.clone(),
            place: actor.place.clone(),
            begun: now.0,
            ended: None,
            after: None,
            until: id.0,
            done: 0,
            refused: 0,
            total: 0,
            stays: 0,
            of: None,
            undone: None,
            stopped: false,
            back: None,
        }
    }

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
    /// It says nothing, and would mean everything.
    #[error("an empty query means everything; say it: status:held, queue:due or the like")]
    Empty,
    /// It means nothing now.
    #[error("nothing matches; nothing was done")]
    Nothing,
    /// All that it means `[hold.release]` lets nobody let go.
    #[error("nobody may let go of any of these ([hold.release] never); nothing was done")]
    Barred,
    /// It means another number than was said, or so many that the number must be said.
    #[error("{}", number_words(*count, *more, *given))]
    Number {
        /// What it means now.
        count: u64,
        /// There may be more than were counted.
        more: bool,
        /// What was said.
        given: Option<u64>,
    },
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A job is remembered so long after its end.
const JOB_MEMORY: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);
/// Waited before a job looks again whether the disk has room.
const ROOM_PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

impl Queue {
    /// Begins a job; it goes on by itself, over restarts too.
    ///
    /// # Errors
    /// [`BulkError`]; then nothing was done.
    pub async fn begin_job(&self, order: Order<'_>, actor: &Actor) -> Result<Job, BulkError> {
        let Order { verb, query, .. } = order;
        let parsed = Query::parse(query)?;
        if parsed.is_empty() {
            return Err(BulkError::Empty);
        }
        // It ends what the job acts on, so nothing that comes after the look is meant.
        let own = JobId(self.fresh_id());
        let survey = self.survey(&parsed, Some(verb)).await?;
        if survey.count == 0 {
            return Err(BulkError::Nothing);
        }
        if survey.all_stay() {
            return Err(BulkError::Barred);
        }
        if !order
            .number
            .map_or(survey.count <= BULK_NUMBER_ABOVE, |n| n == survey.count)
        {
            return Err(BulkError::Number {
                count: survey.count,
                more: survey.is_cut(),
                given: order.number,
            });
        }
        let job = Job {
            total: survey.count,
            ..Job::new(own, verb, query, actor, self.clock.wall())
        };
        let mut batch = Batch::new();
        batch.need = verb.need();
        batch.pre.push(Pre::Absent(job_key(job.id)));
        batch.ops.push(put_job(&job));
        self.store.commit(batch).await?;
        let understood = parsed.understood(Lang::En);
        tracing::info!(job = %job.id, verb = verb.word(), query, understood, by = job.by, "a bulk job begins");
        Ok(job)
    }

    /// The newest jobs, those that ended in the last seven days too.
    ///
    /// # Errors
    /// The store's.
    pub async fn jobs(&self) -> Result<Vec<Job>, StoreError> {
        let all = Span::Prefix(Key::of(b'x', &[]));
        let page = self.store.scan(all, None, true, JOBS_SHOWN_MAX).await?;
        let mut jobs = Vec::with_capacity(page.records.len());
        for record in &page.records {
            match read_job(&record.key, &record.value) {
                Ok(job) => jobs.push(job),
                Err(error) => self.pass_over(&error),
            }
        }
        Ok(jobs)
    }

    /// A job; none: it never was, or it ended more than seven days ago.
    ///
    /// # Errors
    /// The store's.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.job_and_version(id).await?.map(|(job, _)| job))
    }

    pub(super) async fn job_and_version(
        &self,
        id: JobId,
    ) -> Result<Option<(Job, Version)>, StoreError> {
        let found = self.store.get(vec![job_key(id)]).await?;
        let record = found.into_iter().flatten().next();
        record
            .map(|record| Ok((read_job(&record.key, &record.value)?, record.version)))
            .transpose()
    }

    /// Goes on with a job until it ends or the server stops.
    pub(super) async fn go_through(
        &self,
        claimed: &Claimed,
        shutdown: &Shutdown,
    ) -> Result<(), StoreError> {
        let job = read_job(&claimed.record.key, &claimed.record.value)?;
        let Some(query) = Self::query_of(&job) else {
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
            match self.act_on_page(&mut course, &query, page).await {
                Ok(()) => {}
                // Whoever takes it back has ended it; nothing of the page was done.
                Err(StoreError::Conflict(_)) if self.is_ended(course.job.id).await? => break,
                Err(error) => return Err(error),
            }
            if course.job.ended.is_some() {
                let (done, refused) = (course.job.done, course.job.refused);
                tracing::info!(job = %course.job.id, done, refused, "a bulk job is done");
                break;
            }
        }
        Ok(())
    }

    async fn is_ended(&self, id: JobId) -> Result<bool, StoreError> {
        let job = self.job(id).await?;
        Ok(job.is_none_or(|job| job.ended.is_some()))
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

fn number_words(count: u64, more: bool, given: Option<u64>) -> String {
    let more = if more { " or more" } else { "" };
    match given {
        Some(given) => format!(
            "this means {count}{more} recipients now, not {given}; nothing was done: look again, and give the number as it is"
        ),
        None => format!(
            "this means {count}{more} recipients; above {BULK_NUMBER_ABOVE} their number must be given, {count}; nothing was done"
        ),
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
