//! The loop of everybody who claims due work that is not delivery: wait, claim, do, again.
//!
//! A piece that fails rests, for a second at first and a minute at most, and others of its group go on. A group of
//! which nothing could be done rests in the same way, and so does the loop when the store lends nothing; no hint ends
//! a rest, because the first hint is that of the loop's own returned claims. A record that is damaged is set aside.
//! Not here: what the work is, and how a damaged record is kept (`damaged`).

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::damaged::{self, Damage};
use super::rests::Rests;
use crate::base::clock::{Clock, Mono};
use crate::base::limit::{REST_FIRST, REST_GROUP_MAX, REST_MAX, RESTS_MAX};
use crate::base::repeats::Repeats;
use crate::base::shutdown::Shutdown;
use crate::store::{
    CLAIM_MAX, Claimed, Group, Head, Key, Store, StoreError, StoreTime, Version, Work,
};

/// Groups asked for at once: all there are of work that is not delivery, unless scanners have more.
const GROUPS: usize = 16;
/// Waited when nothing is known to become due; a hint wakes the loop earlier.
const IDLE: Duration = Duration::from_secs(60);

/// The pieces of a call. Whoever calls keeps them, so that what failed can rest.
pub type Pieces = Arc<Vec<Claimed>>;
/// Pieces that were not done, and why. A conflict: somebody else was faster, and the piece is looked at again.
pub type Failures = Vec<(Key, StoreError)>;

/// An error of a piece that works with records which all others need too: only if it is about the piece itself it is
/// set aside; else it comes again when the other record is repaired.
pub fn of_itself(key: &Key, error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged(what) if !what.starts_with(&format!("{key:?}")) => {
            StoreError::Unavailable(format!("another record is damaged: {what}").into())
        }
        error @ (StoreError::Damaged(_)
        | StoreError::Conflict(_)
        | StoreError::Unavailable(_)
        | StoreError::InDoubt(_)
        | StoreError::TooLarge) => error,
    }
}

/// Which pieces share a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Those of one group.
    Group,
    /// All that are due, of every group: for work that is written with few commits.
    All,
}

/// The loop of one kind of work.
#[derive(Debug)]
pub struct Worker {
    store: Store,
    clock: Clock,
    shutdown: Shutdown,
    work: Work,
    groups: Rests<Group>,
    pieces: Rests<Key>,
    repeats: Repeats,
    /// What was lent in the last second: what comes back as it was was not done.
    last: HashMap<Key, (Version, Mono)>,
    /// What is due so soon goes together with what is due.
    ahead: Duration,
    /// While that goes on: what is due by then is taken.
    wave: Option<StoreTime>,
}

/// Pieces of a group, as they were lent.
struct Lent {
    group: Group,
    claimed: Vec<Claimed>,
}

impl Worker {
    /// A loop that has not begun.
    pub fn new(store: Store, clock: Clock, shutdown: Shutdown, work: Work) -> Self {
        Self {
            repeats: Repeats::new(clock.clone()),
            store,
            clock,
            shutdown,
            work,
            groups: Rests::new(REST_GROUP_MAX),
            pieces: Rests::new(REST_MAX),
            last: HashMap::new(),
            ahead: Duration::ZERO,
            wave: None,
        }
    }

    /// For work that may as well be done early: once some is due, all that is due within `ahead` goes with it. So it
    /// comes in waves that share commits, and what piles up while others are busy is soon gone.
    pub fn ahead(self, ahead: Duration) -> Self {
        Self { ahead, ..self }
    }

    /// Hands pieces to `act` until the server stops.
    pub async fn run<F, R>(mut self, share: Share, mut act: F)
    where
        F: FnMut(Pieces) -> R,
        R: Future<Output = Failures>,
    {
        let mut hint = self.store.hint(self.work);
        let mut failures = 0;
        while !self.shutdown.begun() {
            hint.mark_unchanged();
            // Time that passes during the round is no time waited.
            let began = self.clock.mono();
            let wait = match self.round(share, &mut act).await {
                Ok(wait) => {
                    failures = 0;
                    wait
                }
                Err(error) => {
                    failures += 1;
                    self.say(&error, "no work can be lent");
                    let rest = self.clock.mono() + super::rests::span(failures);
                    tokio::select! {
                        () = self.shutdown.wait() => {}
                        () = self.clock.sleep_until(rest) => {}
                    }
                    continue;
                }
            };
            if wait.is_zero() {
                continue;
            }
            tokio::select! {
                () = self.shutdown.wait() => {}
                () = self.clock.sleep_until(began + wait) => {}
                changed = hint.changed() => if changed.is_err() { return },
            }
        }
    }

    /// One look at all groups; how long to wait before the next.
    async fn round<F, R>(&mut self, share: Share, act: &mut F) -> Result<Duration, StoreError>
    where
        F: FnMut(Pieces) -> R,
        R: Future<Output = Failures>,
    {
        let now = self.store.now();
        let until = self.wave.map_or(now, |wave| wave.max(now));
        let heads = self
            .store
            .ready_by(self.work, GROUPS + self.groups.count(), until)
            .await?;
        let (mut wait, mut some, mut all) = (IDLE, false, Vec::new());
        for head in heads {
            let now = self.store.now();
            if head.at > until {
                wait = wait.min(Duration::from_micros(head.at.0.saturating_sub(now.0)));
                break;
            }
            if self.shutdown.begun() {
                break;
            }
            match self.lend(head, now).await {
                Ok(lent) if lent.claimed.is_empty() => {}
                Ok(lent) => {
                    some = true;
                    match share {
                        Share::Group => self.call(vec![lent], act).await,
                        Share::All => all.push(lent),
                    }
                }
                Err(left) => wait = wait.min(left),
            }
        }
        if !all.is_empty() {
            self.call(all, act).await;
        }
        if some {
            return Ok(Duration::ZERO);
        }
        // A wave is over; the next begins when something is due.
        self.wave = None;
        Ok(wait)
    }

    /// Pieces of a group, unless it rests for so long.
    async fn lend(&mut self, head: Head, now: StoreTime) -> Result<Lent, Duration> {
        let until = if self.ahead.is_zero() {
            now
        } else {
            *self.wave.get_or_insert(now + self.ahead)
        };
        let (group, now) = (head.group, self.clock.mono());
        if let Some(left) = self.groups.left(&group, now) {
            return Err(left);
        }
        let claim = self
            .store
            .claim_by(self.work, group.clone(), CLAIM_MAX, until);
        match claim.await {
            Ok(claimed) => Ok(Lent { group, claimed }),
            Err(error) => {
                self.say(&error, "work cannot be lent; it comes again");
                Err(self.groups.failed(group, now))
            }
        }
    }

    /// Does what was lent, and lets rest what was not done.
    async fn call<F, R>(&mut self, all: Vec<Lent>, act: &mut F)
    where
        F: FnMut(Pieces) -> R,
        R: Future<Output = Failures>,
    {
        let now = self.clock.mono();
        self.last.retain(|_, (_, at)| now - *at < REST_FIRST);
        if self.last.len() >= RESTS_MAX {
            self.last.clear();
        }
        let (mut groups, mut pieces) = (Vec::new(), Vec::new());
        for Lent { group, claimed } in all {
            let before = pieces.len();
            pieces.extend(claimed.into_iter().filter(|one| self.is_fresh(one, now)));
            groups.push((group, pieces.len() - before));
        }
        let pieces = Arc::new(pieces);
        let mut failures: HashMap<Key, StoreError> = HashMap::new();
        if !pieces.is_empty() {
            failures.extend(act(Arc::clone(&pieces)).await);
        }
        let mut rest = pieces.iter();
        for (group, count) in groups {
            let mut done = 0;
            for piece in rest.by_ref().take(count) {
                done += usize::from(match failures.remove(&piece.record.key) {
                    None => self.is_done(piece),
                    Some(error) => self.is_set_aside(piece, &group, error).await,
                });
            }
            if done > 0 {
                self.groups.done(&group);
            } else {
                let now = self.clock.mono();
                self.groups.failed(group, now);
            }
        }
    }

    fn is_done(&mut self, piece: &Claimed) -> bool {
        self.pieces.done(&piece.record.key);
        true
    }

    /// Whether a piece was not lent a moment ago, as it is. Else whoever had it did not do it and did not say so: it
    /// rests, or this loop would spin.
    fn is_fresh(&mut self, piece: &Claimed, now: Mono) -> bool {
        let (key, version) = (&piece.record.key, piece.record.version);
        if self.last.get(key).is_some_and(|(old, _)| *old == version) {
            piece.guard.rest(self.pieces.failed(key.clone(), now));
            return false;
        }
        self.last.insert(key.clone(), (version, now));
        true
    }

    /// A piece was not done: it is set aside, or else it rests.
    async fn is_set_aside(&mut self, piece: &Claimed, group: &Group, error: StoreError) -> bool {
        let key = &piece.record.key;
        let error = match error {
            StoreError::Damaged(what) => {
                let lent = (&piece.record, piece.band);
                let damage = Damage::of(lent, self.work, group, &what, &self.clock);
                match damaged::set_aside(&self.store, &piece.guard, &damage).await {
                    Ok(()) => return self.is_done(piece),
                    Err(error) => error,
                }
            }
            error @ (StoreError::Conflict(_)
            | StoreError::Unavailable(_)
            | StoreError::InDoubt(_)
            | StoreError::TooLarge) => error,
        };
        // Whoever was overtaken has not failed.
        if !matches!(error, StoreError::Conflict(_)) {
            self.say(&error, "work could not be done; it comes again");
        }
        let now = self.clock.mono();
        piece.guard.rest(self.pieces.failed(key.clone(), now));
        false
    }

    fn say(&self, error: &StoreError, what: &str) {
        if let Some(repeated) = self.repeats.say(&format!("{what}: {error}")) {
            tracing::warn!(work = ?self.work, %error, "{what}{repeated}");
        }
    }
}
