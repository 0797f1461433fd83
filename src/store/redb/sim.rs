//! A disk for tests that forgets what was not synced.
//!
//! Reads see every write at once, as the page cache does. A power cut, set to come after so many operations, makes
//! everything fail; what is on the platter then is what was synced, and of the rest any part in any order: a prefix,
//! a subset, torn writes, a changed length without the writes or the writes without it. Replayable by its seed.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::redb::StorageBackend;

use super::ballast::Ballast;
use super::room::{Ground, Space};
use super::{OpenError, open, start, store};
use crate::base::clock::Clock;
use crate::base::size::ByteSize;
use crate::store::Store;

#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug)]
struct Platter {
    /// What a power cut leaves for certain.
    durable: Vec<u8>,
    /// What reads see.
    seen: Vec<u8>,
    pending: Vec<Change>,
    syncs: u64,
    /// Operations until the power is cut.
    left: Option<u64>,
    dead: bool,
    /// Operations until one fails, and how many then do; the disk works again afterwards.
    fault: Option<(u64, u64)>,
    /// A disk that lies: its sync does nothing.
    lies: bool,
    /// Octets that it takes, and those of them that a ballast keeps.
    capacity: Option<u64>,
    ballast: u64,
    /// Blocks of the file that are occupied; a length alone occupies none, as on real ones.
    blocks: BTreeSet<usize>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// A store over such a disk, for tests of what stands on stores.
pub(crate) fn opened(disk: &Disk, clock: Clock) -> Result<Store, OpenError> {
    let disk = disk.clone();
    let opener = move || open::backend(Path::new("sim"), ByteSize::mib(1), disk.clone());
    start(Box::new(opener), Ground::unknown(), clock).map(store)
}

impl Disk {
    pub(crate) fn new(image: Vec<u8>, lies: bool) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            seen: image.clone(),
            durable: image,
            pending: Vec::new(),
            syncs: 0,
            left: None,
            fault: None,
            dead: false,
            lies,
            capacity: None,
            ballast: 0,
            blocks: BTreeSet::new(),
        })))
    }

    /// A disk that takes so many octets and no more.
    pub(super) fn of(capacity: u64) -> Self {
        let disk = Self::new(Vec::new(), false);
        disk.platter().capacity = Some(capacity);
        disk
    }

    /// What `statvfs` would say of it.
    pub(super) fn space(&self) -> Option<Space> {
        let platter = self.platter();
        let (total, file) = (platter.capacity?, platter.occupied());
        Some(Space {
            available: total.saturating_sub(file + platter.ballast),
            total,
            file,
        })
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cut_after(&self, operations: u64) {
        self.platter().left = Some(operations);
    }

    pub(super) fn fail_after(&self, operations: u64, number: u64) {
        self.platter().fault = Some((operations, number));
    }

    pub(super) fn syncs(&self) -> u64 {
        self.platter().syncs
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.platter().dead
    }

    /// Cuts the power now, unless it is cut, and answers what the platter holds.
    pub(crate) fn crash(&self, rng: &mut fastrand::Rng) -> Vec<u8> {
        let mut platter = self.platter();
        platter.dead = true;
        let mut image = std::mem::take(&mut platter.durable);
        let mut pending = std::mem::take(&mut platter.pending);
        if rng.u8(..3) == 0 {
            // In order up to some moment.
            pending.truncate(rng.usize(..=pending.len()));
            pending.iter().for_each(|change| change.apply(&mut image));
            return image;
        }
        let chance = rng.u8(1..=9);
        if rng.bool() {
            rng.shuffle(&mut pending);
        }
        for change in pending {
            if rng.u8(..10) >= chance {
                continue;
            }
            match change {
                Change::Write(at, bytes) if rng.u8(..4) == 0 => {
                    let from = rng.usize(..=bytes.len());
                    let to = rng.usize(from..=bytes.len());
                    Change::Write(at + from, bytes[from..to].to_vec()).apply(&mut image);
                }
                change @ (Change::Write(..) | Change::Length(_)) => change.apply(&mut image),
            }
        }
        image
    }
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                if image.len() < at + bytes.len() {
                    image.resize(at + bytes.len(), 0);
                }
                image[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Length(length) => image.resize(*length, 0),
        }
    }
}

const BLOCK: usize = 4_096;

impl Platter {
    fn occupied(&self) -> u64 {
        (self.blocks.len() * BLOCK) as u64
    }

    fn occupy(&mut self, at: usize, octets: usize) -> io::Result<()> {
        let Some(capacity) = self.capacity else {
            return Ok(());
        };
        for block in at / BLOCK..(at + octets).div_ceil(BLOCK) {
            let full = self.occupied() + self.ballast + BLOCK as u64 > capacity;
            if full && !self.blocks.contains(&block) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.blocks.insert(block);
        }
        Ok(())
    }

    fn live(&self) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::other("the power is cut"));
        }
        Ok(())
    }

    /// One more operation that changes something; the one at which the power is cut fails, though it is pending.
    fn step(&mut self) -> io::Result<()> {
        self.live()?;
        match &mut self.fault {
            Some((0, 0)) => self.fault = None,
            Some((0, number)) => {
                *number -= 1;
                return Err(io::Error::other("an error of the disk"));
            }
            Some((operations, _)) => *operations -= 1,
            None => {}
        }
        if let Some(left) = &mut self.left {
            if *left == 0 {
                self.dead = true;
                return self.live();
            }
            *left -= 1;
        }
        Ok(())
    }
}

impl Ballast for Disk {
    fn stands(&self, size: u64) -> bool {
        self.platter().ballast >= size
    }

    fn make(&self, size: u64) -> io::Result<()> {
        if self.space().is_some_and(|space| space.available < size) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.platter().ballast = size;
        Ok(())
    }

    fn give_up(&self) -> io::Result<()> {
        self.platter().ballast = 0;
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        let platter = self.platter();
        platter.live()?;
        Ok(platter.seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter();
        platter.live()?;
        let at = usize::try_from(offset).unwrap();
        let Some(bytes) = platter.seen.get(at..at + out.len()) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.platter();
        let behind = usize::try_from(len).unwrap().div_ceil(BLOCK);
        platter.blocks.retain(|block| *block < behind);
        let change = Change::Length(usize::try_from(len).unwrap());
        platter.live()?;
        change.apply(&mut platter.seen);
        platter.pending.push(change);
        platter.step()
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.step()?;
        platter.syncs += 1;
        if !platter.lies {
            let pending = std::mem::take(&mut platter.pending);
            pending
                .iter()
                .for_each(|change| change.apply(&mut platter.durable));
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.platter();
        let at = usize::try_from(offset).unwrap();
        let change = Change::Write(at, data.to_vec());
        platter.live()?;
        platter.occupy(at, data.len())?;
        change.apply(&mut platter.seen);
        platter.pending.push(change);
        platter.step()
    }
}
