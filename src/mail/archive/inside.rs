//! What a member is taken for: each kind takes its octets as they come by, or keeps them to its end.
//!
//! Not here: which kinds a member is taken for (`member`).

use super::gzip::Gzip;
use super::look::Look;
use super::mail::Mail;
use super::tar::Tar;
use super::uu::Text;
use super::{tnef, zip};
use crate::base::limit::ARCHIVE_HELD_MAX;

/// What is done with the octets of one member, taken for one kind.
#[derive(Debug)]
pub(super) enum Inside {
    Text(Box<Text>),
    Gzip(Box<Gzip>),
    Tar(Box<Tar>),
    Mail(Box<Mail>),
    /// Kept to its end: its table of contents stands there.
    Zip(Kept),
    Tnef(Kept),
}

/// The octets of what is read from its end.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<u8>);

impl Inside {
    /// Archives count as levels.
    pub(super) fn is_deep(&self) -> bool {
        match self {
            Self::Gzip(_) | Self::Tar(_) | Self::Mail(_) | Self::Zip(_) | Self::Tnef(_) => true,
            Self::Text(_) => false,
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        match self {
            Self::Zip(_) | Self::Tnef(_) => true,
            Self::Gzip(_) | Self::Tar(_) | Self::Mail(_) | Self::Text(_) => false,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], look: &mut Look) {
        match self {
            Self::Text(text) => text.feed(bytes, look),
            Self::Gzip(gzip) => gzip.feed(bytes, look),
            Self::Tar(tar) => tar.feed(bytes, look),
            Self::Mail(mail) => mail.feed(bytes, look),
            Self::Zip(kept) | Self::Tnef(kept) => kept.feed(bytes, look),
        }
    }

    /// Its end; what is there as a whole was not kept.
    pub(super) fn finish(self, whole: Option<&[u8]>, look: &mut Look) {
        match self {
            Self::Text(mut text) => text.finish(look),
            Self::Gzip(mut gzip) => gzip.finish(look),
            Self::Tar(mut tar) => tar.finish(look),
            Self::Mail(mut mail) => mail.finish(look),
            Self::Zip(kept) => kept.finish(whole, look, zip::look_into),
            Self::Tnef(kept) => kept.finish(whole, look, tnef::look_into),
        }
    }
}

impl Kept {
    fn feed(&mut self, bytes: &[u8], look: &mut Look) {
        look.hold(bytes.len());
        if look.is_over() {
            return;
        }
        let own = &mut self.0;
        if own.capacity() - own.len() < bytes.len() {
            let wanted = own.len() + bytes.len();
            // Only the pages that octets come to are memory, nothing is copied again, and all of it goes back at the end.
            let whole = ARCHIVE_HELD_MAX.max(wanted) - own.len();
            if wanted <= GROWN_MAX || own.try_reserve_exact(whole).is_err() {
                // In steps: doubled, it could take twice as much.
                own.reserve_exact(bytes.len().max(own.len() / 8));
            }
        }
        own.extend_from_slice(bytes);
    }

    fn finish(self, whole: Option<&[u8]>, look: &mut Look, into: fn(&[u8], &mut Look)) {
        into(whole.unwrap_or(&self.0), look);
        look.release(self.0.len());
    }
}

/// Octets that are kept in a block that grows. What is larger gets one block of the largest size at once: blocks that grow
/// and go on many threads leave holes, and an allocator keeps such holes for itself, ten times what is looked into.
const GROWN_MAX: usize = 1 << 20;
/// Blocks above it (glibc's `DEFAULT_MMAP_THRESHOLD_MAX`) come from the system each time, and go back to it.
const _: () = assert!(ARCHIVE_HELD_MAX > 32 << 20);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::mail::archive::{Bounds, Rules};

    #[test]
    fn what_is_kept_grows_in_small_steps_or_has_one_block_for_all_of_it() {
        let mut look = Look::new(
            Arc::new(Rules::default()),
            Bounds::default(),
            Arc::default(),
        );
        let (mut kept, piece) = (Kept::default(), vec![b'x'; 60_000]);
        let mut blocks = BTreeSet::new();
        for _ in 0..200 {
            kept.feed(&piece, &mut look);
            blocks.insert(kept.0.capacity());
        }
        let most = blocks.pop_last();
        assert_eq!(kept.0.len(), 200 * piece.len());
        assert_eq!(most, Some(ARCHIVE_HELD_MAX));
        let small = GROWN_MAX + GROWN_MAX / 8;
        assert!(blocks.iter().all(|block| *block <= small), "{blocks:?}");
        assert!(blocks.len() < 20, "{blocks:?}");
        assert!(!look.is_over());
    }
}
