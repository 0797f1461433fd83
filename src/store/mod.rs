//! The store boundary: an ordered, transactional key-value store with due records.
//!
//! Everything durable goes through one `commit(batch)`: all or nothing, and `Ok` means that it is on disk. What must
//! happen later is a record with a `Due`; whoever claims it does it and finishes by a batch with `Pre::Mine`.
//! Engines decode frames and due slots, never payloads. Not here: what the records mean (their owner modules).
//!
//! It exposes no tables, no closures inside a transaction, no transaction over an await, no offsets and no totals.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::base::clock::micros;

pub mod check;
#[cfg(test)]
mod conformance;
pub mod redb;
#[cfg(test)]
mod sabotage;

pub use crate::base::band::Band;
pub use redb::memory;

/// A record's key, ordered bytewise. The first octet says whose it is (see definitions: `m p b h …`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Box<[u8]>);

/// A record's version; only equality means something. All records of one batch get the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub u64);

/// Store time: microseconds since 1970 that never go back, not even over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreTime(pub u64);

/// A change: what must hold, and what is then done. All or nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// All must hold.
    pub pre: Vec<Pre>,
    /// Done in order.
    pub ops: Vec<Op>,
    /// Which inbox of the writer.
    pub side: Side,
    /// What it asks of a disk without room.
    pub need: Need,
}

/// What a batch asks of a disk at `Room::None`: said by whoever commits it, never guessed from its operations. Who asks
/// for more comes first in the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// It adds: refused.
    #[default]
    Grow,
    /// It ends what is under way (a settle, a lifetime, a person's delete) and adds a little: done as long as the file
    /// system takes it.
    End,
    /// It deletes and counts, and writes at most a small record that makes the rest due again: done at every level, or a
    /// full store could never empty itself.
    Free,
}

/// Who waits for the commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Sessions and settles.
    #[default]
    Front,
    /// Bulk, import, sweep: at most a quarter of a commit's operations.
    Back,
}

/// One change of one record or range.
#[derive(Clone, Debug)]
pub enum Op {
    /// Writes a record with its due slot and index terms; both replace what it had. Its count stays.
    Put {
        /// Whose.
        key: Key,
        /// Encoded by its owner.
        value: Bytes,
        /// When it is due, if ever.
        due: Option<Due>,
        /// At most 12.
        terms: Vec<(IndexId, Term)>,
    },
    /// Removes a record, its due slot and its terms. Absent: nothing.
    Delete(Key),
    /// Removes at most `limit` records with `from <= key < to`; one operation of the budget. What is left stays.
    DeleteRange {
        /// First.
        from: Key,
        /// Behind the last.
        to: Key,
        /// At most this many.
        limit: usize,
    },
    /// Adds to a counter. Counters are read by `get` under `Counter::key`, as 8 octets big-endian (two's complement;
    /// absent at zero), and are never a precondition.
    Add(Counter, i64),
    /// Gives a record another due slot, or none; what it says, its terms and its count stay. Absent: nothing.
    Due {
        /// Whose.
        key: Key,
        /// When it is due from now on, if ever.
        due: Option<Due>,
    },
    /// Changes the frame's count of a record. Its version stays, so that nobody who counts overtakes another; but at
    /// zero its due slot becomes `at_zero` and its version changes, so that nobody who read it before takes that away.
    Count {
        /// Whose; when it does not exist the batch conflicts at `pre.len()` + this operation's place.
        key: Key,
        /// Added to the count.
        by: i32,
        /// The due slot at zero.
        at_zero: Due,
    },
}

/// What must hold for a batch to be done.
#[derive(Clone, Debug)]
pub enum Pre {
    /// No such record.
    Absent(Key),
    /// The record is unchanged since it was read.
    Is(Key, Version),
    /// The claim is still ours; the commit ends it.
    Mine(ClaimId),
    /// Nobody has claimed the record, and nobody does before this batch is committed.
    Free(Key),
}

/// When a record is due, for which work, and together with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Kind of work.
    pub work: Work,
    /// Claimed and paced together.
    pub group: Group,
    /// Urgency inside the group.
    pub band: Band,
    /// After the store's now; never a node's clock.
    pub after: Duration,
}

/// Kinds of work and their owners; see definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Work {
    /// `deliver`
    Deliver = 1,
    /// `judge`
    Judge = 2,
    /// `queue`: a message's lifetime is over.
    Expire = 3,
    /// `queue`: nothing of a message is left to do.
    Retire = 4,
    /// `queue`: a hold's or trash's time is over.
    HoldEnd = 5,
    /// `queue`: a staged body nobody accepted; history too old.
    Sweep = 6,
    /// `bounce`: a DSN to compose.
    Dsn = 7,
    /// `bounce`: a notice to a sender.
    Notice = 8,
    /// `digest`
    Digest = 9,
    /// `certs`
    Cert = 10,
    /// `queue`: one verb on all that a query means.
    Bulk = 11,
    /// `judge`: held because a scanner failed; it is requeued when the scanner answers.
    Recheck = 12,
}

/// What is claimed together: for delivery (recipient domain, account), else one of 16 by a hash of the key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub Box<[u8]>);

/// An index of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexId(pub u8);

/// An indexed term, at most `TERM_MAX` octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub Box<[u8]>);

/// A counter's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter(pub Box<[u8]>);

/// A record as it was read.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its key.
    pub key: Key,
    /// For `Pre::Is`.
    pub version: Version,
    /// Its owner's encoding.
    pub value: Bytes,
    /// When it is due, and for what.
    pub due: Option<(Work, StoreTime)>,
    /// The frame's count.
    pub count: u32,
}

/// What a scan looks at.
#[derive(Clone, Debug)]
pub enum Span {
    /// Keys that start so.
    Prefix(Key),
    /// Keys of records that carry a term.
    Term(IndexId, Term),
}

/// One page of a scan, and where the next one starts.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the scan's order.
    pub records: Vec<Record>,
    /// Give it as `after` for the next page; none: that was the last.
    pub next: Option<Key>,
}

/// A group with due work, or that will have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which.
    pub group: Group,
    /// When its first record is due, or its snooze ends; may be early, never late.
    pub at: StoreTime,
}

/// Names a claim in a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimId {
    /// The record.
    pub key: Key,
    /// One claim of it.
    pub token: u64,
}

/// A due record lent to the holder; dropped, it is given back.
#[derive(Debug)]
pub struct Claimed {
    /// As it was when it was lent.
    pub record: Record,
    /// Its band.
    pub band: Band,
    /// How often work on it has panicked since the start. At three its owner sets it aside instead of trying again.
    pub panics: u8,
    /// Gives it back when dropped without a settle.
    pub guard: ClaimGuard,
}

/// Gives its claim back when dropped. A commit with `Pre::Mine` ends the claim; then dropping does nothing.
pub struct ClaimGuard {
    id: ClaimId,
    /// Microseconds that the record rests for after it was given back.
    rest: AtomicU64,
    give_back: Option<GiveBack>,
}

type GiveBack = Box<dyn FnOnce(&ClaimId, Returned) + Send + Sync>;

/// How a claim came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// On purpose: due as before.
    Unclaimed,
    /// By a panic: due again in a minute.
    Panicked,
    /// Work on it failed: due again after this span, unless it is written anew before.
    Resting(Duration),
}

/// Why a change or a read did not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The n-th precondition does not hold; nothing changed.
    #[error("somebody else changed the record first (precondition {0})")]
    Conflict(usize),
    /// The store cannot work now: it is being reopened, or the disk is full.
    #[error("the store cannot be used now: {0}")]
    Unavailable(Arc<str>),
    /// Whether the batch was committed is unknown: re-read, never retry blindly.
    #[error("the disk failed during a commit: {0}")]
    InDoubt(Arc<str>),
    /// The batch is larger than one commit may be.
    #[error("the change is too large for one commit")]
    TooLarge,
    /// A record that cannot be decoded.
    #[error(
        "a stored record is damaged: {0}; stop the server and restore a backup, or move the record aside"
    )]
    Damaged(Arc<str>),
}

/// How much the disk still takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Everything may be written.
    Plenty,
    /// Below the reserve: no new mail, settles go on.
    Low,
    /// Below an eighth of it: only batches that end something or free room, see `Need`.
    None,
}

/// A future of a store call.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What an engine must do. Users hold a `Store`.
pub trait Engine: Send + Sync + 'static {
    /// All or nothing; `Ok` = durable. Concurrent calls share a commit.
    fn commit(&self, batch: Batch) -> Call<'_, Version>;
    /// Writes a body's chunk (a `b` record) ahead of the commit that names it; durable with that commit at the latest.
    fn stage(&self, key: Key, chunk: Bytes) -> Call<'_, ()>;
    /// Records by key, in the order asked.
    fn get(&self, keys: Vec<Key>) -> Call<'_, Vec<Option<Record>>>;
    /// One page of a range, bytewise ordered by key.
    fn scan(&self, span: Span, after: Option<Key>, reverse: bool, limit: usize) -> Call<'_, Page>;
    /// Groups with due work now, earliest first, and then at most one that is not yet due: when to look again.
    fn ready(&self, work: Work, limit: usize) -> Call<'_, Vec<Head>> {
        self.ready_by(work, limit, self.now())
    }
    /// Lends at most `room` (20) due records of a group.
    fn claim(&self, work: Work, group: Group, room: usize) -> Call<'_, Vec<Claimed>> {
        self.claim_by(work, group, room, self.now())
    }
    /// Like `ready`, with what is due by `until`: work that may as well be done early goes together with what must be.
    fn ready_by(&self, work: Work, limit: usize, until: StoreTime) -> Call<'_, Vec<Head>>;
    /// Like `claim`, with what is due by `until`.
    fn claim_by(
        &self,
        work: Work,
        group: Group,
        room: usize,
        until: StoreTime,
    ) -> Call<'_, Vec<Claimed>>;
    /// Nothing of the group is due before `until`; a hint that a restart forgets. In the past: ends the snooze.
    fn snooze(&self, work: Work, group: Group, until: StoreTime);
    /// Changes whenever work of this kind may have become due earlier than before: a lossy hint.
    fn hint(&self, work: Work) -> watch::Receiver<u64>;
    /// The store's now.
    fn now(&self) -> StoreTime;
    /// What the disk still takes.
    fn room(&self) -> Room;
    /// Octets that may be added before room is low; more than there are where nobody knows.
    fn spare(&self) -> u64;
    /// Insertions and removals in its trees so far, without the one that every commit adds for the store's time.
    fn written(&self) -> u64;
    /// What the indexes and the records say differently, in words. Reads everything; see `store::check` for counters.
    fn check(&self) -> Call<'_, Vec<String>>;
    /// Copies a snapshot into a new file while mail flows.
    fn backup(&self, to: PathBuf) -> Call<'_, ()>;
    /// Commits what waits, refuses what comes later, and closes the files. Twice is as once.
    fn close(&self) -> Call<'_, ()>;
}

/// A handle on the store; clones share it.
#[derive(Clone)]
pub struct Store(Arc<dyn Engine>);

/// Most octets of a term.
pub const TERM_MAX: usize = 128;
/// Most terms of a record.
pub const TERMS_MAX: usize = 12;
/// Most records that one claim call lends.
pub const CLAIM_MAX: usize = 20;

impl Store {
    /// Wraps an engine.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(engine)
    }
}

impl std::ops::Deref for Store {
    type Target = dyn Engine;
    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Batch {
    /// An empty front batch that adds.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty front batch that ends what is under way.
    pub fn ending() -> Self {
        Self {
            need: Need::End,
            ..Self::default()
        }
    }

    /// An empty front batch that frees room.
    pub fn freeing() -> Self {
        Self {
            need: Need::Free,
            ..Self::default()
        }
    }

    /// Adds what `other` demands and does; side and need stay. Two fragments that write one key are a bug of the caller.
    pub fn join(&mut self, other: Self) {
        debug_assert!(
            other.ops.iter().all(|op| op
                .key()
                .is_none_or(|key| !self.ops.iter().any(|own| own.key() == Some(key)))),
            "two fragments of a batch change one record"
        );
        self.pre.extend(other.pre);
        self.ops.extend(other.ops);
    }
}

impl Op {
    /// The record it changes, if it is one that must not be changed twice in a batch.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Put { key, .. } | Self::Delete(key) | Self::Due { key, .. } => Some(key),
            Self::DeleteRange { .. } | Self::Add(..) | Self::Count { .. } => None,
        }
    }
}

impl ClaimGuard {
    /// For engines: `give_back` runs when the guard is dropped.
    pub fn new(
        id: ClaimId,
        give_back: impl FnOnce(&ClaimId, Returned) + Send + Sync + 'static,
    ) -> Self {
        Self {
            id,
            rest: AtomicU64::new(0),
            give_back: Some(Box::new(give_back)),
        }
    }

    /// When it is given back the record rests for so long, whatever else of its group is due.
    pub fn rest(&self, span: Duration) {
        self.rest.store(micros(span), Ordering::Relaxed);
    }

    /// For `Pre::Mine`.
    pub fn id(&self) -> ClaimId {
        self.id.clone()
    }

    /// Keeps the claim until the process ends: for a delivery whose final dot is out when we must stop.
    pub fn keep(mut self) {
        self.give_back = None;
    }
}

impl Drop for ClaimGuard {
    fn drop(&mut self) {
        if let Some(give_back) = self.give_back.take() {
            let how = match self.rest.load(Ordering::Relaxed) {
                _ if std::thread::panicking() => Returned::Panicked,
                0 => Returned::Unclaimed,
                span => Returned::Resting(Duration::from_micros(span)),
            };
            give_back(&self.id, how);
        }
    }
}

impl fmt::Debug for ClaimGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimGuard({:?})", self.id)
    }
}

impl Key {
    /// From its parts: a letter, and what follows it.
    pub fn of(letter: u8, parts: &[&[u8]]) -> Self {
        let mut bytes = vec![letter];
        for part in parts {
            bytes.extend_from_slice(part);
        }
        Self(bytes.into_boxed_slice())
    }
}

impl Counter {
    /// Where `get` finds it.
    pub fn key(&self) -> Key {
        Key::of(b'c', &[&self.0])
    }
}

impl Group {
    /// One of the 16 groups of work that is not delivery.
    pub fn of_key(key: &Key) -> Self {
        // FNV-1a: stable over releases, which a std hasher is not.
        let hash = key.0.iter().fold(0xCBF2_9CE4_8422_2325u64, |h, b| {
            (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01B3)
        });
        Self(Box::new([(hash >> 60) as u8]))
    }
}

impl Work {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Deliver,
        Self::Judge,
        Self::Expire,
        Self::Retire,
        Self::HoldEnd,
        Self::Sweep,
        Self::Dsn,
        Self::Notice,
        Self::Digest,
        Self::Cert,
        Self::Bulk,
        Self::Recheck,
    ];
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl std::ops::Add<Duration> for StoreTime {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }
}
