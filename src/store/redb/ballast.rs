//! A file beside the store that keeps room for the commits that empty a full one.
//!
//! redb writes a changed page before it frees the old one, so a store that has filled its own partition could not even
//! delete. The ballast is given up when a commit finds no space, and made again when there is plenty. It counts as no
//! room, standing or not, so that it neither lowers nor raises what is accepted.
//! Not here: when (`room`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use crate::base::limit::{BALLAST_MAX, BALLAST_MIN};

/// Room that is kept, and can be given up.
pub(super) trait Ballast: Send + Sync {
    /// Whether `size` octets of the disk are kept.
    fn stands(&self, size: u64) -> bool;
    /// Keeps them: really, not as a promise of the file system.
    fn make(&self, size: u64) -> io::Result<()>;
    /// Gives them back.
    fn give_up(&self) -> io::Result<()>;
}

/// As a file.
#[derive(Debug)]
pub(super) struct Kept(PathBuf);

/// Octets of the ballast for this reserve: an eighth of it, as much as lies between no room at all and `Room::None`.
pub(super) fn size_of(reserve: u64) -> u64 {
    (reserve / 8).clamp(BALLAST_MIN, BALLAST_MAX)
}

impl Kept {
    /// Beside the file of a store.
    pub(super) fn beside(store: &Path) -> Self {
        Self(store.with_extension("ballast"))
    }
}

impl Ballast for Kept {
    fn stands(&self, size: u64) -> bool {
        fs::metadata(&self.0).is_ok_and(|file| file.blocks().saturating_mul(512) >= size)
    }

    fn make(&self, size: u64) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.0)?;
        let filled = match fallocate(&file, FallocateFlags::empty(), 0, size) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => fill(file, size),
            Err(error) => Err(error.into()),
        };
        if filled.is_err() {
            drop(self.give_up());
        }
        filled
    }

    fn give_up(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// For file systems that cannot set blocks aside. Octets without order, because zeros are compressed to nothing.
fn fill(mut file: File, size: u64) -> io::Result<()> {
    let mut left = size;
    let mut part = [0; 64 << 10];
    while left > 0 {
        fastrand::fill(&mut part);
        let take = usize::try_from(left).map_or(part.len(), |left| left.min(part.len()));
        file.write_all(part.get(..take).unwrap_or_default())?;
        left -= take as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ballast_occupies_what_it_says_until_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::beside(&folder.path().join("store.redb"));
        assert!(!kept.stands(1 << 20));
        kept.give_up().unwrap();
        kept.make(1 << 20).unwrap();
        assert!(kept.stands(1 << 20) && !kept.stands(2 << 20));
        kept.give_up().unwrap();
        assert!(!kept.stands(1));
    }

    #[test]
    fn without_help_of_the_file_system_it_is_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fill(file.reopen().unwrap(), (1 << 20) + 5).unwrap();
        let made = file.as_file().metadata().unwrap();
        assert_eq!(made.len(), (1 << 20) + 5);
        assert!(made.blocks() * 512 >= 1 << 20);
    }

    #[test]
    fn its_size_follows_the_reserve_within_bounds() {
        for (reserve, size) in [
            (0, BALLAST_MIN),
            (64 << 20, 8 << 20),
            (1 << 60, BALLAST_MAX),
        ] {
            assert_eq!(size_of(reserve), size, "reserve: {reserve}");
        }
    }
}
