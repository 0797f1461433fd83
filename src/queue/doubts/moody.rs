//! A store whose commits fail as a bad disk lets them fail, in an order that the test sets.
//!
//! Below it is a sound engine, so that what a commit in doubt did or did not do is really so.
//! Not here: any expectation.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::watch;

use crate::store::{
    Batch, Call, Claimed, Engine, Group, Head, Key, Page, Record, Room, Span, Store, StoreError,
    StoreTime, Version, Work,
};

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// Refused: the store is being opened again.
    Away,
    /// In doubt, and on disk.
    Done,
    /// In doubt, and not on disk.
    Lost,
    /// Refused for good.
    TooLarge,
}

/// The moods of the next commits; a commit without one is done as it should be. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Moods(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: VecDeque<Mood>,
    /// Records whose frame cannot be read.
    damaged: Vec<Key>,
    under_way: usize,
}

struct Moody {
    inner: Store,
    moods: Moods,
}

/// `inner` with moods.
pub(super) fn moody(inner: Store) -> (Store, Moods) {
    let moods = Moods::default();
    let engine = Moody {
        inner,
        moods: moods.clone(),
    };
    (Store::new(Arc::new(engine)), moods)
}

impl Moods {
    /// So the next commits go, and later ones as they should.
    pub(super) fn set(&self, moods: impl IntoIterator<Item = Mood>) {
        self.0.lock().unwrap().next = moods.into_iter().collect();
    }

    /// This record cannot be read from now on.
    pub(super) fn damage(&self, key: Key) {
        self.0.lock().unwrap().damaged.push(key);
    }

    /// How many moods are left.
    pub(super) fn left(&self) -> usize {
        self.0.lock().unwrap().next.len()
    }

    /// Whether nobody waits for a commit.
    pub(super) fn is_quiet(&self) -> bool {
        self.0.lock().unwrap().under_way == 0
    }
}

impl Engine for Moody {
    fn commit(&self, batch: Batch) -> Call<'_, Version> {
        Box::pin(async move {
            let mood = {
                let mut state = self.moods.0.lock().unwrap();
                state.under_way += 1;
                state.next.pop_front()
            };
            let answer = match mood {
                None => self.inner.commit(batch).await,
                Some(Mood::Away) => Err(StoreError::Unavailable("it is opened again".into())),
                Some(Mood::TooLarge) => Err(StoreError::TooLarge),
                Some(Mood::Lost) => Err(StoreError::InDoubt("EIO".into())),
                Some(Mood::Done) => {
                    // As after a real one: the claim is not known to be over, because nobody was told.
                    let mut batch = batch;
                    batch
                        .pre
                        .retain(|pre| !matches!(pre, crate::store::Pre::Mine(_)));
                    let done = self.inner.commit(batch).await;
                    done.and(Err(StoreError::InDoubt("EIO".into())))
                }
            };
            self.moods.0.lock().unwrap().under_way -= 1;
            answer
        })
    }

    fn stage(&self, key: Key, chunk: Bytes) -> Call<'_, ()> {
        self.inner.stage(key, chunk)
    }

    fn get(&self, keys: Vec<Key>) -> Call<'_, Vec<Option<Record>>> {
        let damaged = &self.moods.0.lock().unwrap().damaged;
        match keys.iter().find(|key| damaged.contains(key)) {
            Some(key) => {
                let what = format!("{key:?}: it ends in its frame");
                Box::pin(std::future::ready(Err(StoreError::Damaged(what.into()))))
            }
            None => self.inner.get(keys),
        }
    }

    fn scan(&self, span: Span, after: Option<Key>, reverse: bool, limit: usize) -> Call<'_, Page> {
        self.inner.scan(span, after, reverse, limit)
    }

    fn ready_by(&self, work: Work, limit: usize, until: StoreTime) -> Call<'_, Vec<Head>> {
        self.inner.ready_by(work, limit, until)
    }

    fn claim_by(
        &self,
        work: Work,
        group: Group,
        room: usize,
        until: StoreTime,
    ) -> Call<'_, Vec<Claimed>> {
        self.inner.claim_by(work, group, room, until)
    }

    fn snooze(&self, work: Work, group: Group, until: StoreTime) {
        self.inner.snooze(work, group, until);
    }

    fn hint(&self, work: Work) -> watch::Receiver<u64> {
        self.inner.hint(work)
    }

    fn now(&self) -> StoreTime {
        self.inner.now()
    }

    fn room(&self) -> Room {
        self.inner.room()
    }

    fn spare(&self) -> u64 {
        self.inner.spare()
    }

    fn written(&self) -> u64 {
        self.inner.written()
    }

    fn check(&self) -> Call<'_, Vec<String>> {
        self.inner.check()
    }

    fn backup(&self, to: PathBuf) -> Call<'_, ()> {
        self.inner.backup(to)
    }

    fn close(&self) -> Call<'_, ()> {
        self.inner.close()
    }
}
