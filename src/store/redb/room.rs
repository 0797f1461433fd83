//! How much the disk still takes: measured once a second, reckoned with each commit, answered from memory.
//!
//! Room is what the file system gives to this user plus what is free inside our file, because redb seldom gives pages
//! back. What the file holds is an estimate kept from what commits put and remove: redb's own sum walks every tree.
//! The ballast counts as no room. Not here: refusing mail (`queue`), and how the ballast is kept (`ballast`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use super::ballast::{Ballast, size_of};
use crate::base::clock::Mono;
use crate::base::limit::BALLAST_AGAIN;
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

/// What the store stands on.
pub(super) struct Ground {
    pub(super) probe: Probe,
    /// None is the default of `Room`.
    pub(super) reserve: Option<ByteSize>,
    /// None: there is no disk that could be full.
    pub(super) ballast: Option<Box<dyn Ballast>>,
}

/// Looks once a second, and reckons between.
pub(super) struct Gauge {
    shared: Arc<Shared>,
    last: Option<Look>,
    crowded: Option<Crowd>,
    /// When a ballast that could not be made is tried again.
    ballast_again: Option<Mono>,
}

/// A commit found no space. What is free inside the file, or by the file system's word, does not count for a while:
/// there are quotas, and free pages that do not fit.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    until: Mono,
    /// Room is no better than this meanwhile.
    room: Room,
    /// What the file system gave then; more means that somebody made room.
    available: u64,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Mono,
    space: Space,
    /// What the file held then.
    used: u64,
    reserve: u64,
    /// Octets of the ballast that are not kept at the moment.
    owed: u64,
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
const RESERVE_MAX: u64 = 512 << 20;
/// After a commit without space nothing new is tried for so long, unless some is freed.
const CROWDED_FOR: Duration = Duration::from_secs(30);

impl Ground {
    /// Nothing is known of its disk.
    pub(super) fn unknown() -> Self {
        Self {
            probe: Box::new(|| None),
            reserve: None,
            ballast: None,
        }
    }

    fn look(&self, at: Mono, used: u64) -> Option<Look> {
        let space = (self.probe)()?;
        let reserve = reserve_of(space, self.reserve);
        let size = size_of(reserve);
        let owed = self
            .ballast
            .as_ref()
            .filter(|ballast| !ballast.stands(size));
        Some(Look {
            at,
            space,
            used,
            reserve,
            owed: owed.map_or(0, |_| size),
        })
    }
}

impl Gauge {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            last: None,
            crowded: None,
            ballast_again: None,
        }
    }

    pub(super) fn look(&mut self) {
        let now = self.shared.clock.mono();
        let used = self.shared.used.load(Ordering::Relaxed);
        if self.last.is_none_or(|last| now - last.at >= LOOK_EVERY) {
            // A file system that cannot be asked is not full: the next commit will tell.
            let Some(look) = self.shared.ground.look(now, used) else {
                return;
            };
            self.last = Some(look);
        }
        self.judge(now, used);
    }

    /// A commit found no space. The octets of the ballast are for what ends and frees; without them nothing can be
    /// promised, not even that a delivery is written down.
    pub(super) fn full(&mut self) {
        let until = self.shared.clock.mono() + CROWDED_FOR;
        let room = if self.give_up() {
            Room::Low
        } else {
            Room::None
        };
        let look = self.shared.ground.look(self.shared.clock.mono(), 0);
        self.crowded = Some(Crowd {
            until,
            room,
            available: look.map_or(0, |look| look.space.available),
        });
        self.last = None;
        self.look();
    }

    /// There is room only for what ends or frees, and for little of it at once.
    pub(super) fn tight(&self) -> bool {
        self.crowded.is_some() || self.shared.room() == Room::None
    }

    /// Something that ends or frees is about to be committed. When hardly any room is left the ballast goes first: that
    /// costs less than a commit that fails.
    pub(super) fn relieve(&mut self) {
        let scarce = |look: &Look| look.space.available < size_of(look.reserve);
        if self.tight() && self.last.as_ref().is_some_and(scarce) && self.give_up() {
            self.last = None;
            self.look();
        }
    }

    /// Whether there was a ballast to give up.
    fn give_up(&mut self) -> bool {
        let Some(ballast) = &self.shared.ground.ballast else {
            return false;
        };
        if self.last.is_some_and(|look| look.owed > 0) {
            return false;
        }
        match ballast.give_up() {
            Ok(()) => {
                tracing::warn!(
                    "the disk is full: the ballast beside the store is given up, so that what is done can be deleted"
                );
                true
            }
            Err(error) => {
                tracing::error!(%error, "the ballast beside the store cannot be removed");
                false
            }
        }
    }

    /// Makes the ballast when there is plenty of room for it. Not at the start, which has no time.
    pub(super) fn restock(&mut self) {
        let (now, room) = (self.shared.clock.mono(), self.shared.room());
        let Some(look) = self.last.filter(|look| look.owed > 0) else {
            return;
        };
        let waits = self.ballast_again.is_some_and(|at| at > now);
        let fits = look.space.available >= look.owed.saturating_mul(2);
        if room != Room::Plenty || waits || !fits {
            return;
        }
        let Some(ballast) = &self.shared.ground.ballast else {
            return;
        };
        let size = ByteSize(look.owed);
        match ballast.make(look.owed) {
            Ok(()) => {
                tracing::info!(%size, "a ballast is kept beside the store for a full disk");
                self.ballast_again = None;
            }
            Err(error) => {
                tracing::warn!(%error, %size, "no ballast can be kept beside the store; it is tried again every minute");
                self.ballast_again = Some(now + BALLAST_AGAIN);
            }
        }
        self.last = None;
        self.look();
    }

    fn judge(&mut self, now: Mono, used: u64) {
        let Some(Look {
            space,
            used: then,
            reserve,
            owed,
            ..
        }) = self.last
        else {
            return;
        };
        let made = |crowd: &Crowd| space.available > crowd.available.saturating_add(reserve);
        if self
            .crowded
            .is_some_and(|crowd| crowd.until <= now || made(&crowd))
        {
            self.crowded = None;
        }
        let octets = octets(space, then, used.saturating_sub(then)).saturating_sub(owed);
        let spare = octets.saturating_sub(reserve);
        self.shared.spare.store(spare, Ordering::Relaxed);
        let room = judge(octets, reserve);
        let room = match self.crowded {
            Some(crowd) if (crowd.room as u8) > (room as u8) => crowd.room,
            Some(_) | None => room,
        };
        let before = self.shared.room.swap(room as u8, Ordering::Relaxed);
        if before != room as u8 {
            let available = ByteSize(space.available);
            let reserve = ByteSize(reserve);
            self.shared.wake_all();
            match room {
                Room::Plenty => {
                    tracing::warn!(%available, "the disk has room again; mail is accepted")
                }
                Room::Low => {
                    tracing::warn!(%available, %reserve, "the disk is nearly full: new mail gets 452 4.3.1 until some space is freed; delivery goes on")
                }
                Room::None => {
                    tracing::error!(%available, %reserve, "the disk is full: nothing is accepted or delivered until some space is freed; what is done is still deleted")
                }
            }
        }
    }
}

fn reserve_of(space: Space, configured: Option<ByteSize>) -> u64 {
    configured.map_or(RESERVE_MAX.min(space.total / 10), |size| size.0)
}

/// `used`: what the file held at the look; `grown`: by how much it holds more since then.
fn octets(space: Space, used: u64, grown: u64) -> u64 {
    space
        .available
        .saturating_add(space.file.saturating_sub(used))
        .saturating_sub(grown)
}

fn judge(octets: u64, reserve: u64) -> Room {
    if octets < reserve / 8 {
        Room::None
    } else if octets < reserve {
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
            assert_eq!(judge(octets(space, used, 0), 80), room, "case: {name}");
        }
        assert_eq!(reserve_of(space(0, 0), None), 100);
        assert_eq!(reserve_of(space(0, 0), Some(ByteSize(80))), 80);
        for (grown, room) in [(20, Room::Plenty), (21, Room::Low), (91, Room::None)] {
            let octets = octets(space(100, 0), 0, grown);
            assert_eq!(judge(octets, 80), room, "case: {grown}");
        }
    }

    #[test]
    fn a_real_file_system_answers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(probe(file.path()).unwrap().total > 0);
    }
}
