//! Many small changes in one commit, each as if it were alone.
//!
//! Upkeep changes thousands of messages, and a commit costs two syncs whatever it holds. Parts share a commit as far as
//! it is no burden to sessions; one that somebody overtook is left out and the others go on. Two parts that change one
//! record never share a commit, nor do two that ask for different room. Not here: what a part changes (`lifetimes`, `expiry`, `retire`).

use std::collections::HashSet;

use super::Queue;
use crate::base::limit::JOINT_ROWS_MAX;
use crate::store::{Batch, Key, StoreError};

/// A change of its own.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) batch: Batch,
    /// Rows that it touches: its operations, and what its ranges remove.
    pub(super) rows: usize,
}

/// How a part ended; a conflict counts in the part's own batch.
pub(super) type End = Result<(), StoreError>;

impl Part {
    pub(super) fn of(batch: Batch) -> Self {
        let rows = batch.pre.len() + batch.ops.len();
        Self { batch, rows }
    }
}

impl Queue {
    /// Commits every part, together as far as they fit; how each ended, in their order.
    pub(super) async fn commit_jointly(&self, parts: &[Part]) -> Vec<End> {
        let mut ends: Vec<Option<End>> = parts.iter().map(|_| None).collect();
        let mut most = JOINT_ROWS_MAX;
        loop {
            let turn = turn(parts, &ends, most);
            if turn.is_empty() {
                return ends.into_iter().map(|end| end.unwrap_or(Ok(()))).collect();
            }
            match self.store.commit(joined(parts, &turn)).await {
                Ok(_) => set(&mut ends, &turn, &Ok(())),
                Err(StoreError::Conflict(at)) => match whose(parts, &turn, at) {
                    Some((place, at)) => set(&mut ends, &[place], &Err(StoreError::Conflict(at))),
                    None => set(&mut ends, &turn, &Err(StoreError::Conflict(at))),
                },
                Err(StoreError::TooLarge) if turn.len() > 1 => most /= 2,
                Err(StoreError::TooLarge) => set(&mut ends, &turn, &Err(StoreError::TooLarge)),
                // A record of one part that cannot be read: alone each tells whose it is.
                Err(StoreError::Damaged(_)) if turn.len() > 1 => most = 1,
                Err(error @ StoreError::Damaged(_)) => set(&mut ends, &turn, &Err(error)),
                // The store as a whole: nobody else is tried now.
                Err(error @ (StoreError::Unavailable(_) | StoreError::InDoubt(_))) => {
                    let open: Vec<usize> = (0..parts.len()).collect();
                    set(&mut ends, &open, &Err(error));
                }
            }
        }
    }
}

/// The parts without an end that share the next commit: one at least, if there are any.
fn turn(parts: &[Part], ends: &[Option<End>], most: usize) -> Vec<usize> {
    let (mut turn, mut rows) = (Vec::new(), 0);
    let mut keys: HashSet<&Key> = HashSet::new();
    let open = || {
        let all = parts.iter().zip(ends).enumerate();
        all.filter(|(_, (_, end))| end.is_none())
    };
    // What a full disk does comes first and by itself, or one part that it refuses would keep all others from it.
    let need = open().map(|(_, (part, _))| part.batch.need).max();
    for (place, (part, _)) in open().filter(|(_, (part, _))| Some(part.batch.need) == need) {
        if !turn.is_empty() && rows + part.rows > most {
            break;
        }
        let own = || part.batch.ops.iter().filter_map(|op| op.key());
        if own().any(|key| keys.contains(key)) {
            continue;
        }
        keys.extend(own());
        rows += part.rows;
        turn.push(place);
    }
    turn
}

/// They ask for the same room.
fn joined(parts: &[Part], turn: &[usize]) -> Batch {
    let mut all = Batch::new();
    for part in turn.iter().filter_map(|place| parts.get(*place)) {
        all.side = part.batch.side;
        all.need = part.batch.need;
        all.pre.extend(part.batch.pre.iter().cloned());
        all.ops.extend(part.batch.ops.iter().cloned());
    }
    all
}

/// The part that the precondition or operation `at` of the joined batch belongs to, and its place there.
fn whose(parts: &[Part], turn: &[usize], at: usize) -> Option<(usize, usize)> {
    let batches = || {
        turn.iter()
            .filter_map(|place| Some((*place, &parts.get(*place)?.batch)))
    };
    let mut left = at;
    for (place, batch) in batches() {
        if left < batch.pre.len() {
            return Some((place, left));
        }
        left -= batch.pre.len();
    }
    for (place, batch) in batches() {
        if left < batch.ops.len() {
            return Some((place, batch.pre.len() + left));
        }
        left -= batch.ops.len();
    }
    None
}

fn set(ends: &mut [Option<End>], places: &[usize], end: &End) {
    for place in places {
        if let Some(slot) = ends.get_mut(*place).filter(|slot| slot.is_none()) {
            *slot = Some(end.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::tests::Stage;
    use crate::store::{Op, Pre, Version};

    fn key(text: &str) -> Key {
        Key(text.as_bytes().into())
    }

    fn part(pre: Vec<Pre>, name: &str) -> Part {
        let mut batch = Batch::new();
        batch.pre = pre;
        batch.ops = vec![Op::Put {
            key: key(name),
            value: bytes::Bytes::new(),
            due: None,
            terms: Vec::new(),
        }];
        Part::of(batch)
    }

    #[tokio::test]
    async fn a_part_that_was_overtaken_stops_no_other() {
        let stage = Stage::new().await;
        let late = || vec![Pre::Absent(key("x9")), Pre::Is(key("x1"), Version(1))];
        let parts = [
            part(vec![], "x1"),
            part(late(), "x2"),
            part(vec![], "x3"),
            part(vec![], "x1"),
        ];
        let ends = stage.queue.commit_jointly(&parts).await;
        let wrong: Vec<usize> = (0..4).filter(|n| ends[*n].is_err()).collect();
        assert_eq!(wrong, [1]);
        assert!(
            matches!(ends[1], Err(StoreError::Conflict(1))),
            "its own second precondition"
        );
        let found = stage
            .queue
            .store()
            .get(["x1", "x2", "x3"].map(key).to_vec());
        let there: Vec<bool> = found.await.unwrap().iter().map(Option::is_some).collect();
        assert_eq!(there, [true, false, true]);
    }

    #[tokio::test]
    async fn what_does_not_fit_one_commit_takes_more() {
        let stage = Stage::new().await;
        let before = stage.queue.store().written();
        let large = |name: &str| Part {
            rows: JOINT_ROWS_MAX,
            ..part(vec![], name)
        };
        let ends = stage
            .queue
            .commit_jointly(&[large("x1"), large("x2"), part(vec![], "x3")])
            .await;
        assert!(ends.iter().all(Result::is_ok));
        assert_eq!(stage.queue.store().written() - before, 3);
    }
}
