//! The one thread that writes.
//!
//! It commits what waits, once, with both fsyncs of a two-phase commit, and answers afterwards: `Ok` means durable.
//! Order after a commit: claims end, heads are lowered, callers are answered; so whoever sees the answer sees the
//! rest. After an error of the storage it answers, drops the database and opens it again, and never goes on in doubt.
//! Not here: what a batch does (`plan`, `apply`).

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ::redb::{CommitError, Database, Durability, StorageError, TableError, TransactionError};

use super::apply::{Done, Tables, Tally};
use super::inbox::{Company, Letter, Turn};
use super::plan::{Moment, Plan, Refusal};
use super::{Shared, open, room};
use crate::base::limit::BALLAST_BATCHES;
use crate::store::{Batch, ClaimId, Counter, Need, Pre, StoreError, StoreTime, Version, Work};

const IDLE: Duration = Duration::from_secs(1);

/// How a whole commit failed.
struct Failure {
    /// It may be on disk; else nothing was written.
    in_doubt: bool,
    /// There was no space.
    full: bool,
    text: String,
}

type Answers = Vec<(
    tokio::sync::oneshot::Sender<Result<Version, StoreError>>,
    Result<Version, StoreError>,
)>;

/// What a commit knows of its batches.
struct Course {
    answers: Vec<Result<Version, StoreError>>,
    done: Vec<Done>,
    sums: BTreeMap<Counter, i64>,
    last: Version,
}

pub(super) fn run(shared: &Arc<Shared>) {
    // Each part that can panic is caught where that is known; this is for what is not known: nobody may wait for ever.
    if catch_unwind(AssertUnwindSafe(|| turns(shared))).is_err() {
        tracing::error!("the writer of the store panicked; nothing is stored until a restart");
    }
    shared.stop();
}

fn turns(shared: &Arc<Shared>) {
    let mut gauge = room::Gauge::new(Arc::clone(shared));
    let mut company = Company::default();
    let mut sought = shared.clock.mono();
    loop {
        gauge.look();
        gauge.restock();
        match shared.inbox.next(IDLE, &mut company) {
            Turn::Commit(letters) => {
                if shared.db().is_none() {
                    reopen(shared);
                }
                let (number, start) = (letters.len(), shared.clock.mono());
                serve(shared, &mut gauge, letters);
                company.after(number, shared.clock.mono() - start);
            }
            Turn::Idle => {
                if shared.db().is_none() {
                    reopen(shared);
                }
            }
            Turn::End => return,
        }
        if shared.clock.mono() - sought >= IDLE {
            sought = shared.clock.mono();
            shared.seek_failed();
        }
    }
}

/// Does what the disk still takes, a little at a time when that is not much.
fn serve(shared: &Arc<Shared>, gauge: &mut room::Gauge, mut letters: Vec<Letter>) {
    while !letters.is_empty() {
        let mut rest = Vec::new();
        if gauge.tight() {
            letters = refuse_more(letters);
            rest = letters.split_off(letters.len().min(BALLAST_BATCHES));
            gauge.relieve();
        }
        if !letters.is_empty() {
            commit_all(shared, gauge, letters);
        }
        letters = rest;
    }
}

/// Commits and answers; on a failure of the storage also opens the database again.
fn commit_all(shared: &Arc<Shared>, gauge: &mut room::Gauge, letters: Vec<Letter>) {
    let (batches, waiters): (Vec<Batch>, Vec<_>) = letters
        .into_iter()
        .map(|letter| (letter.batch, letter.answer))
        .unzip();
    let claims: Vec<ClaimId> = batches.iter().flat_map(mine).collect();
    let result = catch_unwind(AssertUnwindSafe(|| commit(shared, batches)))
        .unwrap_or_else(|_| Err(Failure::panicked()));
    if shared.claims.unlock() {
        shared.wake_all();
    }
    let error = match result {
        Ok(course) => {
            let answers: Answers = waiters.into_iter().zip(course.answers).collect();
            for (waiter, answer) in answers {
                drop(waiter.send(answer));
            }
            return;
        }
        Err(failure) => {
            // Before the answers go out, so that who gets one can say why.
            if failure.full {
                gauge.full();
            }
            StoreError::from(failure)
        }
    };
    let said = shared.repeats.say(&format!("commit: {error}"));
    if let Some(repeated) = said {
        tracing::error!(%error, "a commit failed; opening the store again{repeated}");
    }
    give_up(shared, &claims);
    shared.drop_db();
    for waiter in waiters {
        drop(waiter.send(Err(error.clone())));
    }
    reopen(shared);
}

/// On a full disk only what ends something or frees room is done; the rest is answered here.
fn refuse_more(letters: Vec<Letter>) -> Vec<Letter> {
    let full: Arc<str> = "the disk is full; free some space".into();
    let (grow, rest): (Vec<_>, Vec<_>) = letters
        .into_iter()
        .partition(|letter| letter.batch.need == Need::Grow);
    for letter in grow {
        let refused = Err(StoreError::Unavailable(Arc::clone(&full)));
        drop(letter.answer.send(refused));
    }
    rest
}

fn mine(batch: &Batch) -> impl Iterator<Item = ClaimId> + use<> {
    let ids: Vec<ClaimId> = batch
        .pre
        .iter()
        .filter_map(|pre| match pre {
            Pre::Mine(id) => Some(id.clone()),
            Pre::Absent(_) | Pre::Is(..) | Pre::Free(_) => None,
        })
        .collect();
    ids.into_iter()
}

fn commit(shared: &Arc<Shared>, batches: Vec<Batch>) -> Result<Course, Failure> {
    let guard = shared.db();
    let Some(db) = guard.as_ref() else {
        return Err(Failure::before("it is being opened again"));
    };
    let now = shared.time.now();
    let mut course = Course {
        answers: Vec::with_capacity(batches.len()),
        done: Vec::with_capacity(batches.len()),
        sums: BTreeMap::new(),
        last: shared.last_version(),
    };
    let tally = write(shared, db, batches, now, &mut course)?;
    drop(guard);
    shared.count(tally, course.last);
    settle(shared, &course);
    Ok(course)
}

fn write(
    shared: &Shared,
    db: &Database,
    batches: Vec<Batch>,
    now: StoreTime,
    course: &mut Course,
) -> Result<Tally, Failure> {
    let mut txn = db.begin_write()?;
    txn.set_durability(Durability::Immediate)
        .map_err(|error| Failure::before(&error.to_string()))?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    let mut tables = Tables::open(&txn)?;
    for batch in batches {
        let version = Version(course.last.0.saturating_add(1).max(now.0));
        let moment = Moment {
            now,
            claims: &shared.claims,
        };
        let plan = match Plan::make(batch, version, &moment, &tables) {
            Ok(plan) => plan,
            Err((Refusal::Batch(error), claims)) => {
                give_up(shared, &claims);
                course.answers.push(Err(error));
                continue;
            }
            Err((Refusal::Storage(error), _)) => return Err(error.into()),
        };
        for (counter, by) in &plan.adds {
            let sum = course.sums.entry(counter.clone()).or_insert(0);
            *sum = sum.saturating_add(*by);
        }
        course.done.push(tables.apply(plan)?);
        course.answers.push(Ok(version));
        course.last = version;
    }
    if course.done.is_empty() {
        drop(tables);
        txn.abort()?;
        return Ok(Tally::default());
    }
    tables.add(&course.sums)?;
    let used = shared.used(tables.tally.grown);
    tables.remember(open::LAST, &open::last_record(now, course.last, used))?;
    let tally = tables.tally;
    drop(tables);
    txn.commit()?;
    Ok(tally)
}

/// The commit is durable: memory follows.
fn settle(shared: &Shared, course: &Course) {
    let mut woken = [false; Work::ALL.len()];
    let mut lower = |slot: &super::frame::Slot| {
        if shared.heads.lower(slot)
            && let Some(flag) = woken.get_mut(slot.work as usize - 1)
        {
            *flag = true;
        }
    };
    for done in &course.done {
        for id in &done.settles {
            // A claim that ends without a change of its record leaves it due as it was.
            if let Some(slot) = shared.claims.settled(id)
                && !done.keys.contains(&id.key)
            {
                lower(&slot);
            }
        }
        for key in &done.keys {
            shared.claims.wake(key);
        }
        done.dues.iter().for_each(&mut lower);
    }
    for (work, woken) in Work::ALL.into_iter().zip(woken) {
        if woken {
            shared.heads.wake(work);
        }
    }
}

/// Batches that carried these claims were not done.
fn give_up(shared: &Shared, claims: &[ClaimId]) {
    for id in claims {
        if let Some(slot) = shared.claims.end_settle(id, shared.time.now())
            && shared.heads.lower(&slot)
        {
            shared.heads.wake(slot.work);
        }
    }
}

fn reopen(shared: &Arc<Shared>) {
    match shared.open_again() {
        Ok(()) => {
            if let Some(repeated) = shared.repeats.say("open again") {
                tracing::info!("the store is open again{repeated}");
            }
        }
        Err(error) => {
            if let Some(repeated) = shared.repeats.say(&error.to_string()) {
                tracing::error!(%error, "the store cannot be opened again; trying every second{repeated}");
            }
        }
    }
}

impl Failure {
    fn before(text: &str) -> Self {
        Self {
            in_doubt: false,
            full: false,
            text: text.to_owned(),
        }
    }

    fn panicked() -> Self {
        Self {
            in_doubt: true,
            ..Self::before("the writer panicked")
        }
    }

    fn of(error: &::redb::Error, in_doubt: bool) -> Self {
        let full = |error: &std::io::Error| {
            matches!(
                error.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            )
        };
        let full = matches!(error, ::redb::Error::Io(error) if full(error));
        Self {
            in_doubt,
            full,
            text: error.to_string(),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let text = failure.text.into();
        if failure.in_doubt {
            Self::InDoubt(text)
        } else {
            Self::Unavailable(text)
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::of(&error.into(), false)
    }
}

impl From<TransactionError> for Failure {
    fn from(error: TransactionError) -> Self {
        Self::of(&error.into(), false)
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        Self::of(&error.into(), false)
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        Self::of(&error.into(), true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn no_space_is_told_from_other_faults_of_the_disk() {
        for (kind, full) in [
            (ErrorKind::StorageFull, true),
            (ErrorKind::QuotaExceeded, true),
            (ErrorKind::PermissionDenied, false),
        ] {
            let error = CommitError::Storage(StorageError::Io(Error::from(kind)));
            let failure = Failure::from(error);
            assert!(failure.in_doubt && failure.full == full, "case: {kind:?}");
        }
    }
}
