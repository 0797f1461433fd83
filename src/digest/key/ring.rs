//! The ring of link keys: read from the store, changed there in one batch, then put in force in memory.
//!
//! Every change has preconditions, so that of two rotations at once both happen one after the other, and a crash
//! leaves either the old ring or the new one. A key that cannot be read costs its links and never the start.
//! Not here: what the keys sign (`key`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Keys, LinkKey, Signer, Stored, fresh_secret, hour_of, link_key};
use crate::base::clock::Wall;
use crate::base::limit::{LINK_KEYS_MAX, LINK_REST_HOURS, LINK_ROTATE_TRIES};
use crate::digest::record::Digest;
use crate::queue::record::{decode, encode};
use crate::store::{Batch, Key, Op, Pre, Span, Store, StoreError, Version};

/// What is in memory.
pub(super) struct Ring {
    keys: Vec<Option<Arc<LinkKey>>>,
    signer: Signer,
}

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Id of the key that signs from now on.
    pub key: u8,
    /// Old keys whose links are still believed.
    pub believed: usize,
    /// Old keys whose links were ended by this.
    pub revoked: usize,
    /// Hour since 1970 at which the last link of those that are believed ends.
    pub until: Option<u32>,
}

/// Why the keys are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Every id belongs to a key whose links may still be asked for.
    #[error(
        "all {LINK_KEYS_MAX} link keys are in use; an id is free again 30 days after the last link of its key has ended: rotate then"
    )]
    Full,
    /// The store was changed again and again.
    #[error("somebody else changes the link keys at the same time; try again")]
    Raced,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the store says.
struct Found {
    keys: Vec<(u8, Version, Stored)>,
    /// Ids of records that cannot be read: they are not used again.
    damaged: Vec<u8>,
}

impl Keys {
    /// A new key signs from now on. `now`: the links of all old keys end at once; otherwise each lives as long as it
    /// was to live.
    ///
    /// # Errors
    /// [`RotateError`] says why; then a failing store aside nothing has changed.
    pub async fn rotate(&self, now: bool) -> Result<Rotated, RotateError> {
        let _turn = self.0.turn.lock().await;
        for _ in 0..LINK_ROTATE_TRIES {
            let found = settled(&self.0.store, self.0.clock.wall()).await?;
            let (batch, rotated) = self.plan(&found, now).await?;
            let done = self.0.store.commit(batch).await;
            if matches!(done, Err(StoreError::Conflict(_))) {
                continue;
            }
            // After a failure in doubt too: what the store says then is what counts after the next start.
            let after = settled(&self.0.store, self.0.clock.wall()).await;
            done?;
            if let Some(ring) = Ring::of(&after?, Some(&self.0.ring.load())) {
                self.0.ring.store(Arc::new(ring));
            }
            return Ok(rotated);
        }
        Err(RotateError::Raced)
    }

    async fn plan(&self, found: &Found, now: bool) -> Result<(Batch, Rotated), RotateError> {
        let wall = self.0.clock.wall();
        let last = last_end(&self.0.store).await?.max(hour_of(wall));
        let ring = self.0.ring.load_full();
        let key = found.free_id().ok_or(RotateError::Full)?;
        let mut rotated = Rotated {
            key,
            believed: 0,
            revoked: 0,
            until: None,
        };
        let mut batch = Batch::new();
        for (id, version, stored) in &found.keys {
            let mut after = stored.clone();
            let signed = ring
                .get(*id)
                .map_or(0, |key| key.last.load(Ordering::Relaxed));
            after.until = Some(stored.until.unwrap_or(last).max(signed));
            if now && stored.revoked.is_none() {
                after.revoked = Some(wall.0);
                rotated.revoked += 1;
            }
            if after.revoked.is_none() {
                rotated.believed += 1;
                rotated.until = rotated.until.max(after.until);
            }
            // Unchanged ones too: a rotation at the same time must not be half seen.
            batch.pre.push(Pre::Is(link_key(*id), *version));
            if after != *stored {
                batch.ops.push(put(*id, &after));
            }
        }
        batch.join(made(key, wall)?);
        Ok((batch, rotated))
    }
}

impl Ring {
    /// Reads what is stored, tidies it up, and makes the first key.
    pub(super) async fn load(store: &Store, wall: Wall) -> Result<Self, StoreError> {
        let found = settled(store, wall).await?;
        Self::of(&found, None).ok_or(StoreError::Conflict(0))
    }

    /// For a store that cannot be written now: what is stored, and a first key that is not.
    pub(super) async fn unwritten(store: &Store, wall: Wall) -> Result<(Self, bool), StoreError> {
        let mut found = read(store).await?;
        let is_stored = found.signing().is_some();
        if !is_stored {
            let id = found.free_id().ok_or_else(full)?;
            found.keys.push((id, Version(0), new_key(wall)?));
        }
        let ring = Self::of(&found, None).ok_or(StoreError::Conflict(0))?;
        Ok((ring, is_stored))
    }

    /// None: there is none that signs.
    fn of(found: &Found, before: Option<&Self>) -> Option<Self> {
        let mut keys = vec![None; LINK_KEYS_MAX];
        for (id, _, stored) in &found.keys {
            let known = before.and_then(|ring| ring.get(*id));
            let known = known.filter(|key| key.stored.secret == stored.secret);
            // What it has signed since the start must not be forgotten: digests may be under way.
            let last = known.map_or_else(Arc::default, |key| Arc::clone(&key.last));
            if let Some(place) = keys.get_mut(usize::from(*id)) {
                *place = Some(Arc::new(LinkKey::new(stored.clone(), last)));
            }
        }
        let id = found.signing()?;
        let key = keys.get(usize::from(id))?.as_ref().map(Arc::clone)?;
        let signer = Signer { id, key };
        Some(Self { keys, signer })
    }

    pub(super) fn get(&self, id: u8) -> Option<&LinkKey> {
        self.keys.get(usize::from(id))?.as_deref()
    }

    pub(super) fn signer(&self) -> Signer {
        self.signer.clone()
    }
}

impl Found {
    /// The newest that was neither superseded nor revoked; there is never more than one.
    fn signing(&self) -> Option<u8> {
        let open = |stored: &&(u8, Version, Stored)| {
            let (_, _, stored) = stored;
            stored.until.is_none() && stored.revoked.is_none()
        };
        let newest = self
            .keys
            .iter()
            .filter(open)
            .max_by_key(|(_, _, stored)| stored.made);
        newest.map(|(id, ..)| *id)
    }

    /// The next after the newest, round and round, so that an id rests as long as it can.
    fn free_id(&self) -> Option<u8> {
        let newest = self.keys.iter().max_by_key(|(_, _, stored)| stored.made);
        let start = newest.map_or(0, |(id, ..)| usize::from(*id) + 1);
        let taken =
            |id: &u8| self.damaged.contains(id) || self.keys.iter().any(|(known, ..)| known == id);
        (start..start + LINK_KEYS_MAX)
            .filter_map(|id| u8::try_from(id % LINK_KEYS_MAX).ok())
            .find(|id| !taken(id))
    }
}

/// What is stored, once keys that have long ended are gone and one signs.
async fn settled(store: &Store, wall: Wall) -> Result<Found, StoreError> {
    let mut conflict = StoreError::Conflict(0);
    for _ in 0..LINK_ROTATE_TRIES {
        let found = read(store).await?;
        let mut batch = Batch::new();
        for (id, version, stored) in &found.keys {
            let long_over = |until: u32| hour_of(wall) >= until.saturating_add(LINK_REST_HOURS);
            if stored.until.is_some_and(long_over) {
                batch.pre.push(Pre::Is(link_key(*id), *version));
                batch.ops.push(Op::Delete(link_key(*id)));
            }
        }
        if found.signing().is_none() {
            batch.join(made(found.free_id().ok_or_else(full)?, wall)?);
        }
        if batch.ops.is_empty() {
            return Ok(found);
        }
        match store.commit(batch).await {
            Ok(_) => {}
            Err(error @ StoreError::Conflict(_)) => conflict = error,
            Err(error) => return Err(error),
        }
    }
    Err(conflict)
}

async fn read(store: &Store) -> Result<Found, StoreError> {
    let prefix = Key::of(b'k', &[b"l"]);
    let page = store
        .scan(Span::Prefix(prefix), None, false, LINK_KEYS_MAX)
        .await?;
    let mut found = Found {
        keys: Vec::new(),
        damaged: Vec::new(),
    };
    for record in page.records {
        let Some(id) = record.key.0.last().copied() else {
            continue;
        };
        match decode(&record.key, &record.value) {
            Ok(stored) => found.keys.push((id, record.version, stored)),
            Err(error) => {
                tracing::error!(%error, "a link key cannot be read; its links answer as unknown");
                found.damaged.push(id);
            }
        }
    }
    Ok(found)
}

/// The hour at which the last link of any digest ends.
async fn last_end(store: &Store) -> Result<u32, StoreError> {
    let (mut last, mut after) = (0, None);
    loop {
        let span = Span::Prefix(Key::of(b'g', &[&[0]]));
        let page = store.scan(span, after, false, PAGE).await?;
        for record in &page.records {
            // `g/0/<number>`; what else stands beside it is its owner's.
            if let Ok(digest) = decode::<Digest>(&record.key, &record.value) {
                last = last.max(digest.end);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(last);
        }
    }
}

fn full() -> StoreError {
    StoreError::Unavailable("all ids of link keys are in use".into())
}

fn new_key(wall: Wall) -> Result<Stored, StoreError> {
    Ok(Stored {
        secret: fresh_secret()?,
        made: wall.0,
        until: None,
        revoked: None,
    })
}

fn made(id: u8, wall: Wall) -> Result<Batch, StoreError> {
    Ok(Batch {
        pre: vec![Pre::Absent(link_key(id))],
        ops: vec![put(id, &new_key(wall)?)],
        ..Batch::new()
    })
}

fn put(id: u8, stored: &Stored) -> Op {
    Op::Put {
        key: link_key(id),
        value: encode(stored),
        due: None,
        terms: Vec::new(),
    }
}

/// Digests read at once at a rotation.
const PAGE: usize = 500;
