//! The walk through the facts that forgets those older than `[queue] history`, and the one that mends old stores.
//!
//! Facts age by their own time, which stands in their ids; those of a message that still lives stay with it. A walk is
//! a due record with a cursor, `w/<name>`: a page at a time it removes runs of facts and notes how far it is in the same
//! batch, so that a kill repeats nothing, what is left is due again at once, and what came meanwhile is the next walk's.
//! Not here: writing facts (`ledger`).

use std::collections::HashSet;
use std::time::Duration;

use minicbor::{Decode, Encode};

use super::joint::Part;
use super::record::{MessageId, decode, encode, message_key, message_of, number_of};
use super::{Queue, ledger};
use crate::base::clock::micros;
use crate::base::limit::{
    HISTORY_EVERY_MAX, HISTORY_EVERY_MIN, HISTORY_PAGE, HISTORY_PAGES, SCAN_MAX,
};
use crate::store::{
    Band, Batch, Claimed, Due, Group, Key, Need, Op, Pre, Record, Side, Span, StoreError, Work,
};

/// `w/<name>`: how far a walk is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Walk {
    /// The last key that it has looked at; none: it begins.
    #[n(0)]
    after: Option<Vec<u8>>,
}

/// What a walk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// Forgets old facts; for ever.
    History,
    /// Messages of older stores whose slot was lost are due again; once.
    Mend,
}

/// Facts that go together: first and last key, and how many.
struct Run(Key, Key, usize);

impl Goal {
    const ALL: [Self; 2] = [Self::History, Self::Mend];

    fn key(self) -> Key {
        Key::of(
            b'w',
            &[match self {
                Self::History => b"history",
                Self::Mend => b"mend",
            }],
        )
    }

    fn put(self, after: Option<Key>, due: Option<Duration>) -> Op {
        let key = self.key();
        let walk = Walk {
            after: after.map(|key| key.0.to_vec()),
        };
        Op::Put {
            due: due.map(|after| due_of(&key, after)),
            value: encode(&walk),
            key,
            terms: Vec::new(),
        }
    }
}

impl Queue {
    /// A start: walks that never began are due, and one that waits for longer than the configuration says.
    pub(super) async fn begin_walks(&self) -> Result<(), StoreError> {
        let found = self.store.get(Goal::ALL.map(Goal::key).to_vec()).await?;
        // A full store must be able to forget.
        let mut batch = Batch::freeing();
        for (goal, found) in Goal::ALL.into_iter().zip(found) {
            let key = goal.key();
            match found {
                None => {
                    batch.pre.push(Pre::Absent(key));
                    batch.ops.push(goal.put(None, Some(Duration::ZERO)));
                }
                Some(record) if goal == Goal::History && self.is_late(&record) => {
                    let due = Some(due_of(&key, Duration::ZERO));
                    batch.pre.push(Pre::Is(key.clone(), record.version));
                    batch.ops.push(Op::Due { key, due });
                }
                Some(_) => {}
            }
        }
        if batch.ops.is_empty() {
            return Ok(());
        }
        self.store.commit(batch).await.map(drop)
    }

    fn is_late(&self, record: &Record) -> bool {
        let last = self.store.now() + self.history_every();
        record.due.is_none_or(|(_, at)| at > last)
    }

    fn history_every(&self) -> Duration {
        let tenth = self.conf.load().queue.history / 10;
        tenth.clamp(HISTORY_EVERY_MIN, HISTORY_EVERY_MAX)
    }

    /// The next step of the walk that is lent.
    pub(super) async fn walk(&self, piece: &Claimed) -> Result<(), StoreError> {
        let key = &piece.record.key;
        // A cursor that cannot be read only means that the walk begins anew.
        let walk: Walk = decode(key, &piece.record.value).unwrap_or_default();
        let after = walk.after.map(|key| Key(key.into()));
        match Goal::ALL.into_iter().find(|goal| goal.key() == *key) {
            Some(Goal::History) => self.forget_some(piece, after).await,
            Some(Goal::Mend) => self.mend_some(piece, after).await,
            None => Err(StoreError::Damaged(
                format!("{key:?}: no walk of ours").into(),
            )),
        }
    }

    /// Passes over what is young or lives, up to the first page with facts that go.
    async fn forget_some(&self, piece: &Claimed, after: Option<Key>) -> Result<(), StoreError> {
        let keep = micros(self.conf.load().queue.history);
        let cut = self.store.now().0.saturating_sub(keep);
        let mut batch = Batch {
            pre: vec![Pre::Mine(piece.guard.id())],
            side: Side::Back,
            need: Need::Free,
            ..Batch::default()
        };
        let mut after = after;
        for _ in 0..HISTORY_PAGES {
            let span = Span::Prefix(Key::of(b'h', &[]));
            let page = self.store.scan(span, after, false, HISTORY_PAGE).await?;
            let runs = self.old_runs(&page.records, cut).await?;
            // A fact is never older than its message, and messages are in the order of their time.
            let last = page
                .records
                .last()
                .and_then(|record| message_of(&record.key));
            after = page
                .next
                .filter(|_| last.is_some_and(|id| time_of(id.0) < cut));
            batch.ops.extend(runs.into_iter().map(Run::removed));
            if !batch.ops.is_empty() || after.is_none() {
                break;
            }
        }
        let wait = if after.is_some() {
            Duration::ZERO
        } else {
            self.history_every()
        };
        batch.ops.push(Goal::History.put(after, Some(wait)));
        self.store.commit(batch).await.map(drop)
    }

    /// Runs of facts that are older than `cut` and whose message is gone.
    async fn old_runs(&self, facts: &[Record], cut: u64) -> Result<Vec<Run>, StoreError> {
        let is_old = |key: &Key| number_of(key).is_some_and(|fact| time_of(fact) < cut);
        let old = || facts.iter().map(|fact| &fact.key).filter(|key| is_old(key));
        let mut ids: Vec<MessageId> = old().filter_map(message_of).collect();
        ids.dedup();
        let living = self.living(&ids).await?;
        let mut runs: Vec<Run> = Vec::new();
        let mut open = false;
        for fact in facts {
            let id = message_of(&fact.key);
            let goes = is_old(&fact.key) && id.is_some_and(|id| !living.contains(&id));
            match runs.last_mut().filter(|_| open && goes) {
                Some(run) => {
                    run.1 = fact.key.clone();
                    run.2 += 1;
                }
                None if goes => runs.push(Run(fact.key.clone(), fact.key.clone(), 1)),
                None => {}
            }
            open = goes;
        }
        Ok(runs)
    }

    /// Which of these messages are not retired; one that cannot be read is not.
    async fn living(&self, ids: &[MessageId]) -> Result<HashSet<MessageId>, StoreError> {
        let keys = ids.iter().map(|id| message_key(*id)).collect();
        let found = self.get_each(keys).await?;
        let gone = |found: &Result<_, _>| matches!(found, Ok(None));
        let there = ids.iter().zip(found).filter(|(_, found)| !gone(found));
        Ok(there.map(|(id, _)| *id).collect())
    }

    /// Until 0.1 the end of a lifetime could take a message's Retire slot away, and one that passed its checks late had
    /// no Expire slot: the first are finished and stay, the others wait for ever.
    async fn mend_some(&self, piece: &Claimed, after: Option<Key>) -> Result<(), StoreError> {
        let span = Span::Prefix(Key::of(b'm', &[]));
        let page = self.store.scan(span, after, false, SCAN_MAX).await?;
        let lost = page.records.iter().filter_map(|record| {
            let due = match (record.count, record.due) {
                (0, Some((Work::Retire, _))) => None,
                (0, _) => Some(ledger::retire(&record.key)),
                (_, None) => Some(self.expire_due(&record.key, Duration::ZERO)),
                (_, Some(_)) => None,
            };
            let (key, unchanged) = (record.key.clone(), record.version);
            due.map(|due| {
                Part::of(Batch {
                    pre: vec![Pre::Is(key.clone(), unchanged)],
                    ops: vec![Op::Due {
                        key,
                        due: Some(due),
                    }],
                    side: Side::Back,
                    need: Need::End,
                })
            })
        });
        let lost: Vec<Part> = lost.collect();
        for end in self.commit_jointly(&lost).await {
            match end {
                // Whoever changed it meanwhile gave it its slot.
                Ok(()) | Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if !lost.is_empty() {
            tracing::info!(
                messages = lost.len(),
                "messages of an older version are looked at again"
            );
        }
        let more = page.next.as_ref().map(|_| Duration::ZERO);
        let mut batch = Batch::ending();
        batch.pre.push(Pre::Mine(piece.guard.id()));
        batch.ops.push(Goal::Mend.put(page.next, more));
        self.store.commit(batch).await.map(drop)
    }
}

impl Run {
    fn removed(self) -> Op {
        let Self(from, last, limit) = self;
        Op::DeleteRange {
            from,
            // The first key behind the last.
            to: Key([&last.0, &b"\0"[..]].concat().into()),
            limit,
        }
    }
}

/// The time in an id, in microseconds of store time.
fn time_of(id: u64) -> u64 {
    id >> 8
}

fn due_of(key: &Key, after: Duration) -> Due {
    Due {
        work: Work::Sweep,
        group: Group::of_key(key),
        band: Band::Bulk,
        after,
    }
}
