//! Messages with nothing left to do go, and so do bodies that nobody accepted, ended jobs and forgotten holds.
//!
//! The count of a message says that nothing is left, so its records are removed by ranges and none of them is read;
//! thousands a second must go, because so many come. Facts stay (`history`).
//! Not here: when that is (`ledger`), and joining the commits (`joint`).

use super::Queue;
use super::bulk::job_of_key;
use super::damaged;
use super::hold::hold_of_key;
use super::intent;
use super::joint::Part;
use super::record::{
    Message, MessageId, chunk_key, chunks_end, message_key, message_of, parcels_end,
    parcels_prefix, sweep_key,
};
use super::worker::Failures;
use crate::base::limit::EXPIRE_AGAIN;
use crate::journal::line;
use crate::store::{Batch, Claimed, Key, Need, Op, Pre, Side, StoreError};

/// Chunks that a body which nobody accepted is taken to have; nobody knows.
const SWEPT_CHUNKS: usize = 100;

impl Queue {
    /// Nothing of these messages is left to do: they go, their facts stay.
    pub(super) async fn retire_all(&self, pieces: &[Claimed]) -> Failures {
        let parts: Vec<Part> = pieces.iter().map(|piece| self.retiring(piece)).collect();
        self.end_jointly(pieces, &parts, |piece| {
            if let Some(id) = message_of(&piece.record.key) {
                line::removed(id);
            }
        })
        .await
    }

    fn retiring(&self, piece: &Claimed) -> Part {
        let (key, mut batch) = (&piece.record.key, mine(piece));
        let Some(id) = message_of(key).filter(|_| piece.record.count == 0) else {
            // Its count says that something is left: the end of a lifetime looks at each recipient.
            tracing::error!(record = ?key, "a message is to be retired that is not finished; it stays");
            let due = Some(self.expire_due(key, EXPIRE_AGAIN));
            let key = key.clone();
            batch.ops.push(Op::Due { key, due });
            return Part::of(batch);
        };
        batch.ops.extend([
            all(parcels_prefix(id), parcels_end(id)),
            all(chunk_key(id, 0), chunks_end(id)),
            all(damaged::notes_of(id), damaged::notes_end(id)),
            intent::all_of(id),
            Op::Delete(message_key(id)),
        ]);
        let mut part = Part::of(batch);
        // One that cannot be read goes as well: there is nothing left in it that anybody waits for.
        part.rows += Message::read(key, &piece.record.value).map_or(0, |message| {
            usize::try_from(message.chunks.saturating_sub(message.first)).unwrap_or(usize::MAX)
        });
        part
    }

    /// Bodies that nobody accepted within their hour, holds and jobs that nobody asks for any more.
    pub(super) async fn sweep_all(&self, pieces: &[Claimed]) -> Failures {
        let (mut failures, mut swept, mut parts) = (Failures::new(), Vec::new(), Vec::new());
        for piece in pieces {
            let key = &piece.record.key;
            let part = match key.0.first() {
                Some(b'w') => {
                    if let Err(error) = self.walk(piece).await {
                        failures.push((key.clone(), error));
                    }
                    continue;
                }
                Some(b's') => message_of(key).map(|id| sweeping(piece, id)),
                Some(_) if hold_of_key(key).is_some() || job_of_key(key).is_some() => {
                    let mut batch = mine(piece);
                    batch.ops.push(Op::Delete(key.clone()));
                    Some(Part::of(batch))
                }
                Some(_) | None => None,
            };
            match part {
                Some(part) => {
                    swept.push(piece);
                    parts.push(part);
                }
                None => {
                    let what = StoreError::Damaged(format!("{key:?}: not to be swept").into());
                    failures.push((key.clone(), what));
                }
            }
        }
        let swept = self.end_jointly(swept, &parts, |piece| {
            if let Some(id) = message_of(&piece.record.key).filter(|_| is_body(&piece.record.key)) {
                tracing::info!(%id, "swept a body that no session finished");
            }
        });
        failures.extend(swept.await);
        failures
    }

    async fn end_jointly<'a>(
        &self,
        pieces: impl IntoIterator<Item = &'a Claimed>,
        parts: &[Part],
        told: impl Fn(&Claimed),
    ) -> Failures {
        let ends = self.commit_jointly(parts).await;
        let mut failures = Failures::new();
        for (piece, end) in pieces.into_iter().zip(ends) {
            match end {
                Ok(()) => told(piece),
                Err(error) => failures.push((piece.record.key.clone(), error)),
            }
        }
        failures
    }
}

/// What ends a claim and frees room; nobody waits for it.
fn mine(piece: &Claimed) -> Batch {
    Batch {
        pre: vec![Pre::Mine(piece.guard.id())],
        side: Side::Back,
        need: Need::Free,
        ..Batch::default()
    }
}

fn sweeping(piece: &Claimed, id: MessageId) -> Part {
    let mut batch = mine(piece);
    batch.ops.extend([
        all(chunk_key(id, 0), chunks_end(id)),
        Op::Delete(sweep_key(id)),
    ]);
    let mut part = Part::of(batch);
    part.rows += SWEPT_CHUNKS;
    part
}

fn is_body(key: &Key) -> bool {
    key.0.first() == Some(&b's')
}

fn all(from: Key, to: Key) -> Op {
    Op::DeleteRange {
        from,
        to,
        limit: usize::MAX,
    }
}
