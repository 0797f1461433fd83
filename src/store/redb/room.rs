//! How much the disk still takes: measured once a second, reckoned with each commit, answered from memory.
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

/// Looks once a second, and reckons between.
pub(super) struct Gauge {
    shared: Arc<Shared>,
    last: Option<Look>,
    /// A commit found no space: what is free inside the file does not count before.
    crowded: Option<Mono>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Mono,
    space: Space,
    /// What the file held then.
    used: u64,
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
const RESERVE_MAX: u64 = 512 << 20;
/// After a commit without space nothing new is tried for so long, unless some is freed.
const CROWDED_FOR: Duration = Duration::from_secs(30);

impl Gauge {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            last: None,
            crowded: None,
        }
    }

    pub(super) fn look(&mut self) {
        let now = self.shared.clock.mono();
        let used = self.shared.used.load(Ordering::Relaxed);
        if self.last.is_none_or(|last| now - last.at >= LOOK_EVERY) {
            // A file system that cannot be asked is not full: the next commit will tell.
            let Some(space) = (self.shared.probe)() else {
                return;
            };
            self.last = Some(Look {
                at: now,
                space,
                used,
            });
        }
        self.judge(now, used);
    }

    /// A commit found no space.
    pub(super) fn full(&mut self) {
        let now = self.shared.clock.mono();
        self.crowded = Some(now + CROWDED_FOR);
        self.last = None;
        self.look();
    }

    fn judge(&mut self, now: Mono, used: u64) {
        let Some(Look {
            space, used: then, ..
        }) = self.last
        else {
            return;
        };
        let reserve = reserve_of(space, self.shared.reserve);
        // Somebody made room.
        if space.available >= reserve || self.crowded.is_some_and(|until| until <= now) {
            self.crowded = None;
        }
        let mut room = judge(space, then, used.saturating_sub(then), reserve);
        if self.crowded.is_some() && room == Room::Plenty {
            room = Room::Low;
        }
        let before = self.shared.room.swap(room as u8, Ordering::Relaxed);
        if before != room as u8 {
            let available = ByteSize(space.available);
            let reserve = ByteSize(reserve);
            match room {
                Room::Plenty => {
                    tracing::warn!(%available, "the disk has room again; mail is accepted")
                }
                Room::Low => {
                    tracing::warn!(%available, %reserve, "the disk is nearly full: new mail gets 452 4.3.1 until some space is freed; delivery goes on")
                }
                Room::None => {
                    tracing::error!(%available, %reserve, "the disk is full: nothing is accepted or delivered until some space is freed")
                }
            }
        }
    }
}

fn reserve_of(space: Space, configured: Option<ByteSize>) -> u64 {
    configured.map_or(RESERVE_MAX.min(space.total / 10), |size| size.0)
}

/// `used`: what the file held at the look; `grown`: by how much it holds more since then.
fn judge(space: Space, used: u64, grown: u64, reserve: u64) -> Room {
    let room = space
        .available
        .saturating_add(space.file.saturating_sub(used))
        .saturating_sub(grown);
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
        for (name, space, used, room) in [
            ("enough outside", space(80, 500), 500, Room::Plenty),
            ("enough inside", space(0, 500), 420, Room::Plenty),
            ("low", space(79, 500), 600, Room::Low),
            ("an eighth", space(10, 0), 0, Room::Low),
            ("none", space(9, 0), 0, Room::None),
        ] {
            assert_eq!(judge(space, used, 0, 80), room, "case: {name}");
        }
        assert_eq!(reserve_of(space(0, 0), None), 100);
        assert_eq!(reserve_of(space(0, 0), Some(ByteSize(80))), 80);
        for (grown, room) in [(20, Room::Plenty), (21, Room::Low), (91, Room::None)] {
            assert_eq!(judge(space(100, 0), 0, grown, 80), room, "case: {grown}");
        }
    }

    #[test]
    fn a_real_file_system_answers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(probe(file.path()).unwrap().total > 0);
    }
}
