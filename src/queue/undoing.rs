//! Taking back a bulk job as a whole, while nothing of it has left.
//!
//! That is a job of its own: a due record with a cursor, over the parcels that carry the first one's mark. The mark is
//! set with the act and gone with the next act of anybody, so that what somebody decided since is not touched. A job
//! that still runs is stopped by the same batch. What left meanwhile is counted, not called back.
//! Not here: one page of it (`stride`), and the trash or wait itself (`act`).

use super::Queue;
use super::bulk::{Job, JobId, job_key, put_job};
use super::ledger::Stored;
use super::query::Query;
use super::record::{BY_JOB, Message, MessageId, job_term, message_of};
use super::stride::{Meant, Page, Target};
use super::survey::TakeBack;
use super::verbs::{Actor, Verb};
use crate::store::{Batch, Pre, Span, StoreError, Version};

/// A job that goes on moves its record with each page; it is read again so often, and more than once a page.
const TRIES: usize = 20;
/// Parcels read at once.
const PAGE: usize = 500;

/// Why a job is not taken back.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotTakenBack {
    /// It never was, or ended long ago.
    #[error("no such job; it never was, or it ended a week ago")]
    Unknown,
    /// Its verb cannot be taken back.
    #[error(
        "what this job did cannot be taken back: only a delete into the trash, and a release or requeue with --undo while it waits"
    )]
    Never,
    /// Its time is over.
    #[error("it is too late: what this job did has left, or is gone")]
    Late,
    /// It was taken back.
    #[error("job {0} takes it back already")]
    Already(JobId),
    /// It did nothing.
    #[error("this job did nothing that could be taken back")]
    Nothing,
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Queue {
    /// Whether a job can be taken back now; else why not.
    ///
    /// # Errors
    /// [`NotTakenBack`]
    pub fn can_take_back(&self, job: &Job) -> Result<(), NotTakenBack> {
        if let Some(by) = job.undone {
            return Err(NotTakenBack::Already(by));
        }
        if self.take_back(job.verb) == TakeBack::Never || job.of.is_some() {
            return Err(NotTakenBack::Never);
        }
        match job.back {
            _ if job.done == 0 && job.ended.is_some() => Err(NotTakenBack::Nothing),
            Some(back) if back <= self.store.now().0 => Err(NotTakenBack::Late),
            Some(_) => Ok(()),
            // It ended before anybody noted until when.
            None if job.ended.is_some() => Err(NotTakenBack::Late),
            // It has begun and did nothing yet: it is stopped.
            None => Ok(()),
        }
    }

    /// Begins a job that takes back what another did.
    ///
    /// # Errors
    /// [`NotTakenBack`]; then nothing was changed.
    pub async fn undo_job(&self, id: JobId, actor: &Actor) -> Result<Job, NotTakenBack> {
        let mut last = StoreError::Conflict(0);
        for _ in 0..TRIES {
            let Some((mut job, version)) = self.job_and_version(id).await? else {
                return Err(NotTakenBack::Unknown);
            };
            self.can_take_back(&job)?;
            let own = self.fresh_id();
            let undo = Job {
                of: Some(job.id),
                total: job.done,
                ..Job::new(JobId(own), Verb::Undo, &job.query, actor, self.clock.wall())
            };
            job.undone = Some(undo.id);
            job.stopped = job.ended.is_none();
            job.ended = job.ended.or(Some(self.clock.wall().0));
            let mut batch = Batch::new();
            batch.need = Verb::Undo.need();
            batch.pre.push(Pre::Is(job_key(job.id), version));
            batch.pre.push(Pre::Absent(job_key(undo.id)));
            batch.ops.extend([put_job(&job), put_job(&undo)]);
            match self.store.commit(batch).await {
                Ok(_) => {
                    tracing::info!(job = %undo.id, of = %job.id, by = undo.by, "a bulk job is taken back");
                    return Ok(undo);
                }
                Err(error @ StoreError::Conflict(_)) => last = error,
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.into())
    }

    /// One page of what a job did and what is as it left it, by message.
    pub(super) async fn page_of_job(
        &self,
        of: JobId,
        after: Option<MessageId>,
    ) -> Result<Page, StoreError> {
        let span = Span::Term(BY_JOB, job_term(of));
        let after = after.map(|id| super::record::parcel_key(id, u64::MAX));
        let page = self.store.scan(span, after, false, PAGE).await?;
        let mut ids: Vec<MessageId> = page
            .records
            .iter()
            .filter_map(|record| message_of(&record.key))
            .collect();
        ids.dedup();
        let mut targets = Vec::with_capacity(ids.len());
        for id in &ids {
            // All of the message, also what the page cut off: the cursor goes behind it.
            let (message, version, mut parcels) = match self.whole(*id).await {
                Ok(Some(whole)) => whole,
                Ok(None) => continue,
                // One bad record must not keep the others from coming back.
                Err(error @ StoreError::Damaged(_)) => {
                    self.pass_over(&error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            parcels.retain(|stored| stored.parcel.job == Some(of));
            targets.push(Target {
                message,
                version,
                parcels,
            });
        }
        Ok(Page {
            targets,
            meant: Meant::Job(of),
            gone: 0,
            next: page.next.and(ids.last().map(|id| id.0)),
        })
    }

    async fn whole(
        &self,
        id: MessageId,
    ) -> Result<Option<(Message, Version, Vec<Stored>)>, StoreError> {
        let Some((message, version)) = self.message_by_id(id).await? else {
            return Ok(None);
        };
        let parcels = self.parcels_of(id).await?;
        Ok(Some((message, version, parcels)))
    }

    /// The query of a job, as far as it has one of its own.
    pub(super) fn query_of(job: &Job) -> Option<Query> {
        match job.of {
            Some(_) => Some(Query::default()),
            None => Query::parse(&job.query).ok(),
        }
    }
}
