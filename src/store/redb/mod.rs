//! The embedded engine: redb behind the store's boundary.
//!
//! One writer thread owns the write transactions, four threads read, and claims, heads and snoozes live in memory.
//! The database sits in a lock that every read and commit shares; only opening it again takes it alone.
//! Not here: each part's own work, see the modules; what records mean.

mod apply;
mod backup;
mod ballast;
mod check;
mod claims;
#[cfg(test)]
mod crash;
mod frame;
#[cfg(test)]
mod full;
mod heads;
mod inbox;
mod index;
mod lend;
mod open;
mod plan;
mod pool;
mod reader;
mod room;
#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;
mod time;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread;

use ::redb::backends::InMemoryBackend;
use ::redb::{Database, ReadTransaction, ReadableDatabase, StorageBackend};
use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use self::apply::Tally;
use self::claims::Claims;
use self::heads::{Heads, SeekId};
use self::inbox::Inbox;
use self::open::Last;
use self::pool::Pool;
use self::time::StoreClock;
use super::{
    Batch, Call, Claimed, Due, Engine, Group, Head, Key, Op, Page, Record, Room, Span, Store,
    StoreError, StoreTime, Version, Work,
};
use crate::base::clock::Clock;
use crate::base::limit::READERS;
use crate::base::repeats::Repeats;
use crate::base::size::ByteSize;

pub use self::open::{OpenError, SCHEMA};

type Opener = Box<dyn Fn() -> Result<(Database, Last), OpenError> + Send + Sync>;

/// What the threads share.
struct Shared {
    db: RwLock<Option<Database>>,
    opener: Opener,
    inbox: Inbox,
    pool: Pool,
    heads: Heads,
    claims: Claims,
    clock: Clock,
    time: StoreClock,
    ground: room::Ground,
    room: AtomicU8,
    /// Octets that may be added before room is low.
    spare: AtomicU64,
    version: AtomicU64,
    used: AtomicU64,
    written: AtomicU64,
    /// Entries and records that claims and seeks looked at.
    steps: AtomicU64,
    closed: watch::Sender<bool>,
    repeats: Repeats,
}

struct RedbEngine(Arc<Shared>);

/// Opens the store in a file, or makes it. `reserve`: none is the default of `Room`.
pub fn open(
    path: &Path,
    cache: ByteSize,
    reserve: Option<ByteSize>,
    clock: Clock,
) -> Result<Store, OpenError> {
    let file = path.to_owned();
    let probed = path.to_owned();
    let ground = room::Ground {
        probe: Box::new(move || room::probe(&probed)),
        reserve,
        ballast: Some(Box::new(ballast::Kept::beside(path))),
    };
    start(Box::new(move || open::file(&file, cache)), ground, clock).map(store)
}

/// The same engine without a disk; what it holds ends with it.
pub fn memory(clock: Clock) -> Store {
    let backend = Shelf(Arc::new(InMemoryBackend::new()));
    let opener = move || open::backend(Path::new("memory"), ByteSize::mib(8), backend.clone());
    let shared = start(Box::new(opener), room::Ground::unknown(), clock);
    #[expect(
        clippy::expect_used,
        reason = "memory has no lock, no damage and no disk"
    )]
    let shared = shared.expect("a new store in memory opens");
    store(shared)
}

/// In memory, and as full as a disk can be.
#[cfg(test)]
pub(super) fn full_memory(clock: Clock) -> Store {
    narrow_memory(clock, Arc::default())
}

/// In memory, on a disk whose free octets the test says, with a reserve of 100 MiB.
#[cfg(test)]
pub(crate) fn narrow_memory(clock: Clock, available: Arc<AtomicU64>) -> Store {
    let backend = Shelf(Arc::new(InMemoryBackend::new()));
    let opener = move || open::backend(Path::new("memory"), ByteSize::mib(8), backend.clone());
    let probe = move || {
        Some(room::Space {
            available: available.load(Ordering::Relaxed),
            total: 1 << 30,
            file: 0,
        })
    };
    let ground = room::Ground {
        probe: Box::new(probe),
        reserve: Some(ByteSize::mib(100)),
        ballast: None,
    };
    store(start(Box::new(opener), ground, clock).unwrap())
}

fn store(shared: Arc<Shared>) -> Store {
    Store::new(Arc::new(RedbEngine(shared)))
}

fn start(opener: Opener, ground: room::Ground, clock: Clock) -> Result<Arc<Shared>, OpenError> {
    let (db, last) = opener()?;
    let shared = Arc::new(Shared {
        db: RwLock::new(Some(db)),
        opener,
        inbox: Inbox::new(),
        pool: Pool::default(),
        heads: Heads::standard(),
        claims: Claims::default(),
        time: StoreClock::new(clock.clone(), StoreTime(last.time)),
        repeats: Repeats::new(clock.clone()),
        clock,
        ground,
        room: AtomicU8::new(Room::Plenty as u8),
        spare: AtomicU64::new(u64::MAX),
        version: AtomicU64::new(last.version),
        used: AtomicU64::new(last.used),
        written: AtomicU64::new(0),
        steps: AtomicU64::new(0),
        closed: watch::Sender::new(false),
    });
    // Before anybody asks: a server that starts on a full disk accepts nothing, not even its first mail.
    room::Gauge::new(Arc::clone(&shared)).look();
    spawn(&shared, "store-write".to_owned(), writer::run)?;
    for n in 1..=READERS {
        spawn(&shared, format!("store-read-{n}"), pool::run)?;
    }
    // A small store is complete when this returns; of a large one the rest follows while mail flows.
    for work in Work::ALL {
        shared.seek(work);
    }
    Ok(shared)
}

fn spawn(shared: &Arc<Shared>, name: String, run: fn(&Arc<Shared>)) -> Result<(), OpenError> {
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name(name)
        .spawn(move || run(&shared))
        .map(drop)
        .map_err(|source| OpenError::Io {
            path: "a thread of the store".into(),
            source,
        })
}

impl Shared {
    fn db(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.db.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_db(&self) {
        let old = self
            .db
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // redb may panic over its own locks when a panic has poisoned them.
        if catch_unwind(AssertUnwindSafe(|| drop(old))).is_err() {
            tracing::error!("closing the store panicked; the next start repairs it");
        }
    }

    fn open_again(self: &Arc<Self>) -> Result<(), OpenError> {
        let (db, last) = (self.opener)()?;
        self.version.fetch_max(last.version, Ordering::Relaxed);
        self.used.store(last.used, Ordering::Relaxed);
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(db);
        // A commit in doubt may have made records due that no head knows of, and that a seek under way has passed.
        for work in Work::ALL {
            let seek = self.heads.restart_seek(work);
            seek_from(self, work, seek, vec![work as u8]);
        }
        // Who met an error meanwhile may wait for a hint.
        self.wake_all();
        Ok(())
    }

    /// Runs `look` in a snapshot that ends with it.
    fn read<T>(
        &self,
        look: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let guard = self.db();
        let db = guard
            .as_ref()
            .ok_or_else(|| StoreError::Unavailable("it is closed, or being opened again".into()))?;
        // redb panics on some damaged pages.
        catch_unwind(AssertUnwindSafe(|| {
            look(&db.begin_read().map_err(reader::begin_failed)?)
        }))
        .unwrap_or_else(|_| {
            Err(StoreError::Damaged(
                "its pages contradict each other".into(),
            ))
        })
    }

    /// Seeks the heads of a kind of work: the first groups now, the rest on a reader thread.
    fn seek(self: &Arc<Self>, work: Work) {
        if let Some(seek) = self.heads.begin_seek(work) {
            seek_from(self, work, seek, vec![work as u8]);
        }
    }

    /// Begins again what could not be read.
    fn seek_failed(self: &Arc<Self>) {
        for work in Work::ALL {
            if self.heads.take_failed(work) {
                self.seek(work);
            }
        }
    }

    /// Everybody who waits looks again.
    fn wake_all(&self) {
        Work::ALL.into_iter().for_each(|work| self.heads.wake(work));
    }

    fn room(&self) -> Room {
        room::room_of(self.room.load(Ordering::Relaxed))
    }

    fn last_version(&self) -> Version {
        Version(self.version.load(Ordering::Relaxed))
    }

    fn used(&self, grown: i64) -> u64 {
        self.used
            .load(Ordering::Relaxed)
            .saturating_add_signed(grown)
    }

    fn count(&self, tally: Tally, last: Version) {
        self.version.fetch_max(last.0, Ordering::Relaxed);
        self.used.store(self.used(tally.grown), Ordering::Relaxed);
        self.written.fetch_add(tally.writes, Ordering::Relaxed);
    }

    /// The writer has ended; nobody waits for it any more.
    fn stop(&self) {
        self.inbox.abandon();
        self.pool.close();
        self.drop_db();
        self.closed.send_replace(true);
    }
}

fn seek_from(shared: &Arc<Shared>, work: Work, seek: SeekId, start: Vec<u8>) {
    if !shared.heads.is_current(work, seek) {
        return;
    }
    let (groups, next) = match shared.read(|txn| lend::groups(shared, txn, work, start)) {
        Ok(found) => found,
        Err(error) => {
            if let Some(repeated) = shared.repeats.say(&format!("due index: {error}")) {
                tracing::error!(?work, %error, "the due index cannot be read; trying every second{repeated}");
            }
            return shared.heads.fail_seek(work, seek);
        }
    };
    let mut lowered = false;
    for (group, at) in groups {
        lowered |= shared.heads.found(work, &group, at);
    }
    match next {
        Some(start) => shared
            .pool
            .submit(Box::new(move |shared| seek_from(shared, work, seek, start))),
        None => shared.heads.end_seek(work, seek),
    }
    if lowered {
        shared.heads.wake(work);
    }
}

impl RedbEngine {
    /// One hop to a reader thread and back.
    async fn hop<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Arc<Shared>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        // The caller may be gone; then what was read, and claimed, is dropped here.
        self.0
            .pool
            .submit(Box::new(move |shared| drop(answer.send(job(shared)))));
        answered
            .await
            .map_err(|_| StoreError::Unavailable("it is closed, or the read panicked".into()))?
    }
}

impl Engine for RedbEngine {
    fn commit(&self, batch: Batch) -> Call<'_, Version> {
        Box::pin(self.0.inbox.send(batch))
    }

    fn stage(&self, key: Key, chunk: Bytes) -> Call<'_, ()> {
        let put = Op::Put {
            key,
            value: chunk,
            due: None::<Due>,
            terms: Vec::new(),
        };
        let batch = Batch {
            ops: vec![put],
            ..Batch::default()
        };
        Box::pin(async move { self.0.inbox.send(batch).await.map(drop) })
    }

    fn get(&self, keys: Vec<Key>) -> Call<'_, Vec<Option<Record>>> {
        Box::pin(self.hop(move |shared| shared.read(|txn| reader::get(txn, &keys))))
    }

    fn scan(&self, span: Span, after: Option<Key>, reverse: bool, limit: usize) -> Call<'_, Page> {
        Box::pin(self.hop(move |shared| {
            shared.read(|txn| reader::scan(txn, &span, after.as_ref(), reverse, limit))
        }))
    }

    fn ready_by(&self, work: Work, limit: usize, until: StoreTime) -> Call<'_, Vec<Head>> {
        let (heads, seek) = self.0.heads.ready(work, limit, until);
        if seek {
            self.0
                .pool
                .submit(Box::new(move |shared| shared.seek(work)));
        }
        Box::pin(std::future::ready(Ok(heads)))
    }

    fn claim_by(
        &self,
        work: Work,
        group: Group,
        room: usize,
        until: StoreTime,
    ) -> Call<'_, Vec<Claimed>> {
        Box::pin(self.hop(move |shared| lend::claim(shared, work, &group, room, until)))
    }

    fn snooze(&self, work: Work, group: Group, until: StoreTime) {
        if self.0.heads.snooze(work, &group, until, self.0.time.now()) {
            self.0.heads.wake(work);
        }
    }

    fn hint(&self, work: Work) -> watch::Receiver<u64> {
        self.0.heads.subscribe(work)
    }

    fn now(&self) -> StoreTime {
        self.0.time.now()
    }

    fn room(&self) -> Room {
        self.0.room()
    }

    fn spare(&self) -> u64 {
        self.0.spare.load(Ordering::Relaxed)
    }

    fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    fn check(&self) -> Call<'_, Vec<String>> {
        Box::pin(self.hop(|shared| shared.read(check::check)))
    }

    fn backup(&self, to: PathBuf) -> Call<'_, ()> {
        Box::pin(self.hop(move |shared| shared.read(|txn| backup::backup(txn, &to))))
    }

    fn close(&self) -> Call<'_, ()> {
        Box::pin(async move {
            self.0.inbox.close();
            // The sender lives in what we hold.
            drop(self.0.closed.subscribe().wait_for(|closed| *closed).await);
            Ok(())
        })
    }
}

impl Drop for RedbEngine {
    fn drop(&mut self) {
        self.0.inbox.close();
    }
}

/// Memory that outlives the database over it, so that it can be opened again.
#[derive(Clone, Debug)]
struct Shelf(Arc<InMemoryBackend>);

impl StorageBackend for Shelf {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}
