//! What unfinished bodies keep on the disk: counted in all and by peer, and deleted when nobody will accept them.
//!
//! A body's writer and the complete body share a `Staging`; the last of them that ends without an accept deletes its
//! chunks, in the background. Who wins, accept or delete, is decided by the sweep record alone, so a commit in doubt
//! loses nothing. What a kill leaves is deleted at the next start. Not here: writing chunks (`body`).

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::record::{MessageId, chunk_key, chunks_end, message_of, sweep_key};
use super::{Full, Queue};
use crate::base::limit::{STAGED_MESSAGES_MIN, STAGED_MESSAGES_OF_PEER, STAGED_SHARE_OF_PEER};
use crate::base::shutdown::Shutdown;
use crate::store::{Batch, Key, Op, Pre, Record, Span, StoreError};

/// Who hands in a body: it decides until when it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The server itself (DSNs, digests): taken until the disk is full, or a queue could not drain below the reserve.
    Own,
    /// A program, or a client that `trust` names: what it has not finished counts in all.
    Trusted,
    /// An account or an address: it counts by this name as well.
    Peer(Box<str>),
}

/// Octets of unfinished bodies on the disk.
#[derive(Debug, Default)]
pub(super) struct Staged(Mutex<Sums>);

#[derive(Debug, Default)]
struct Sums {
    all: u64,
    peers: HashMap<Box<str>, u64>,
}

/// The chunks of one unfinished body.
pub(super) struct Staging {
    queue: Queue,
    id: MessageId,
    source: Source,
    octets: AtomicU64,
    /// Its sweep record is written, or may be.
    announced: AtomicBool,
    accepted: AtomicBool,
}

/// Sweep records looked at in one read.
const LEFT_PAGE: usize = 100;

impl Staged {
    fn take(&self, source: &Source, octets: u64, spare: u64, message_max: u64) -> Result<(), Full> {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match source {
            // What a full disk waits for.
            Source::Own => {}
            Source::Trusted => sums.fits(octets, spare)?,
            Source::Peer(name) => {
                sums.fits(octets, spare)?;
                let of_peer = sums.peers.get(name).copied().unwrap_or(0);
                if of_peer.saturating_add(octets) > peer_max(spare, message_max) {
                    return Err(Full::Unfinished);
                }
            }
        }
        sums.all = sums.all.saturating_add(octets);
        if let Source::Peer(name) = source {
            let of_peer = sums.peers.entry(name.clone()).or_insert(0);
            *of_peer = of_peer.saturating_add(octets);
        }
        Ok(())
    }

    fn give_back(&self, source: &Source, octets: u64) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.all = sums.all.saturating_sub(octets);
        let Source::Peer(name) = source else {
            return;
        };
        if let Some(of_peer) = sums.peers.get_mut(name) {
            *of_peer = of_peer.saturating_sub(octets);
            if *of_peer == 0 {
                sums.peers.remove(name);
            }
        }
    }

    #[cfg(test)]
    fn all(&self) -> (u64, usize) {
        let sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (sums.all, sums.peers.len())
    }
}

impl Sums {
    /// What is unfinished may take half of the room above the reserve: as much as is left beside it. So unfinished mail
    /// alone never brings the disk down to the reserve, below which nobody's mail is taken.
    fn fits(&self, octets: u64, spare: u64) -> Result<(), Full> {
        if self.all.saturating_add(octets) > spare {
            return Err(Full::Unfinished);
        }
        Ok(())
    }
}

/// What one peer may have unfinished: many large mails, but not most of the room, and always a mail and its rewriting.
fn peer_max(spare: u64, message_max: u64) -> u64 {
    let share = (spare / STAGED_SHARE_OF_PEER).max(message_max.saturating_mul(STAGED_MESSAGES_MIN));
    share.min(message_max.saturating_mul(STAGED_MESSAGES_OF_PEER))
}

impl Staging {
    pub(super) fn new(queue: Queue, id: MessageId, source: Source) -> Arc<Self> {
        Arc::new(Self {
            queue,
            id,
            source,
            octets: AtomicU64::new(0),
            announced: AtomicBool::new(false),
            accepted: AtomicBool::new(false),
        })
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// From now on there may be something to delete.
    pub(super) fn announce(&self) {
        self.announced.store(true, Ordering::Relaxed);
    }

    /// Asks for room for a chunk.
    pub(super) fn take(&self, octets: usize) -> Result<(), Full> {
        let octets = octets as u64;
        let message_max = self.queue.conf.load().queue.max_message_size.0;
        let spare = self.queue.store.spare();
        self.queue
            .staged
            .take(&self.source, octets, spare, message_max)?;
        self.octets.fetch_add(octets, Ordering::Relaxed);
        Ok(())
    }

    /// The message is accepted: its chunks are its own.
    pub(super) fn accepted(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let count = Count {
            queue: self.queue.clone(),
            source: self.source.clone(),
            octets: *self.octets.get_mut(),
        };
        if *self.accepted.get_mut() || !*self.announced.get_mut() {
            return;
        }
        // Without a runtime the server has ended: the next start deletes it, as it does after a kill.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let id = self.id;
            runtime.spawn(async move {
                // Its octets count until they are deleted: who breaks off faster than that gets no more.
                if let Err(error) = count.queue.discard(id).await {
                    tracing::debug!(%id, %error, "an unfinished body is left to the sweep");
                }
                drop(count);
            });
        }
    }
}

impl fmt::Debug for Staging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Staging({})", self.id)
    }
}

/// Gives its octets back when dropped.
struct Count {
    queue: Queue,
    source: Source,
    octets: u64,
}

impl Drop for Count {
    fn drop(&mut self) {
        self.queue.staged.give_back(&self.source, self.octets);
    }
}

impl Queue {
    /// Deletes what was staged of a body that nobody will accept. Chunks that are still on their way stand before this
    /// in the writer's inbox; an accept that stands there too takes the sweep record, and nothing is deleted.
    async fn discard(&self, id: MessageId) -> Result<(), StoreError> {
        let found = self.store.get(vec![sweep_key(id)]).await?;
        match found.into_iter().flatten().next() {
            Some(record) => self.delete_staged(id, &record).await.map(drop),
            None => Ok(()),
        }
    }

    /// Deletes the bodies that sessions of an earlier start did not finish: none of these sessions lives.
    pub(super) async fn sweep_left(&self, shutdown: &Shutdown) {
        match self.delete_left(shutdown).await {
            Ok(0) => {}
            Ok(bodies) => tracing::info!(
                bodies,
                "deleted what sessions before this start did not finish"
            ),
            Err(error) => {
                tracing::warn!(%error, "unfinished bodies of the last run are left to the sweep");
            }
        }
    }

    async fn delete_left(&self, shutdown: &Shutdown) -> Result<u64, StoreError> {
        let span = Span::Prefix(Key::of(b's', &[]));
        let (mut after, mut bodies) = (None, 0);
        while !shutdown.begun() {
            let page = self
                .store
                .scan(span.clone(), after, false, LEFT_PAGE)
                .await?;
            for record in &page.records {
                // Ids grow with time: from here on they are of this run.
                let Some(id) = message_of(&record.key).filter(|id| *id < self.began) else {
                    return Ok(bodies);
                };
                bodies += u64::from(self.delete_staged(id, record).await?);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(bodies)
    }

    /// False: an accept or a sweep was faster.
    async fn delete_staged(&self, id: MessageId, sweep: &Record) -> Result<bool, StoreError> {
        let mut batch = Batch::freeing();
        batch.pre.push(Pre::Is(sweep.key.clone(), sweep.version));
        batch.ops.push(Op::DeleteRange {
            from: chunk_key(id, 0),
            to: chunks_end(id),
            limit: usize::MAX,
        });
        batch.ops.push(Op::Delete(sweep.key.clone()));
        match self.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
