//! How much the disk still takes: measured once a second, answered from memory.
//!
//! Room is what the file system gives to this user plus what is free inside our file, because redb seldom gives pages
//! back. What the file holds is an estimate kept from what commits put and remove: redb's own sum walks every tree.
//! Not here: refusing mail (`queue`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use crate::base::clock::Mono;
use crate::base::size::ByteSize;
use crate::store::Room;

/// What a look at the file system says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    pub(super) available: u64,
    pub(super) total: u64,
    /// Octets that the file occupies.
    pub(super) file: u64,
}

pub(super) type Probe = Box<dyn Fn() -> Option<Space> + Send + Sync>;

/// Looks once a second.
pub(super) struct Gauge {
    shared: Arc<Shared>,
    last: Option<Mono>,
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
const RESERVE_MAX: u64 = 512 << 20;

impl Gauge {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, last: None }
    }

    pub(super) fn look(&mut self) {
        let now = self.shared.clock.mono();
        if self.last.is_some_and(|last| now - last < LOOK_EVERY) {
            return;
        }
        self.last = Some(now);
        // A file system that cannot be asked is not full: the next commit will tell.
        let Some(space) = (self.shared.probe)() else {
            return;
        };
        let used = self.shared.used.load(Ordering::Relaxed);
        let room = judge(space, used, self.shared.reserve);
        let before = self.shared.room.swap(room as u8, Ordering::Relaxed);
        if before != room as u8 {
            tracing::warn!(
                ?room,
                available = space.available,
                "the room on the disk changed"
            );
        }
    }
}

fn judge(space: Space, used: u64, reserve: Option<ByteSize>) -> Room {
    let reserve = reserve.map_or(RESERVE_MAX.min(space.total / 10), |size| size.0);
    let room = space
        .available
        .saturating_add(space.file.saturating_sub(used));
    if room < reserve / 8 {
        Room::None
    } else if room < reserve {
        Room::Low
    } else {
        Room::Plenty
    }
}

pub(super) fn room_of(number: u8) -> Room {
    [Room::Plenty, Room::Low, Room::None]
        .into_iter()
        .find(|room| *room as u8 == number)
        .unwrap_or(Room::Plenty)
}

/// Asks the file system of `path`.
pub(super) fn probe(path: &Path) -> Option<Space> {
    let system = rustix::fs::statvfs(path).ok()?;
    let file = rustix::fs::stat(path).ok()?;
    Some(Space {
        available: system.f_bavail.saturating_mul(system.f_frsize),
        total: system.f_blocks.saturating_mul(system.f_frsize),
        file: u64::try_from(file.st_blocks).ok()?.saturating_mul(512),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_counts_what_is_free_in_the_file_too() {
        let space = |available, file| Space {
            available,
            total: 1_000,
            file,
        };
        let reserve = Some(ByteSize(80));
        for (name, space, used, room) in [
            ("enough outside", space(80, 500), 500, Room::Plenty),
            ("enough inside", space(0, 500), 420, Room::Plenty),
            ("low", space(79, 500), 600, Room::Low),
            ("an eighth", space(10, 0), 0, Room::Low),
            ("none", space(9, 0), 0, Room::None),
        ] {
            assert_eq!(judge(space, used, reserve), room, "case: {name}");
        }
        assert_eq!(judge(space(100, 0), 0, None), Room::Plenty);
        assert_eq!(judge(space(99, 0), 0, None), Room::Low);
    }

    #[test]
    fn a_real_file_system_answers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(probe(file.path()).unwrap().total > 0);
    }
}
