//! Deflated octets (RFC 1951) into a member, a small buffer at a time.
//!
//! Each step is charged, read and written alike: a stream of empty blocks costs time and gives nothing.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::look::{Look, Room};
use super::member::Member;

/// One deflated stream.
pub(super) struct Inflate {
    state: Decompress,
    out: Box<[u8]>,
    wrote: u64,
}

/// How a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// With more input.
    More,
    /// It has ended.
    End,
    /// It is none.
    Broken,
}

impl Default for Inflate {
    fn default() -> Self {
        Self {
            state: Decompress::new(false),
            out: vec![0; OUT].into_boxed_slice(),
            wrote: 0,
        }
    }
}

impl Inflate {
    /// For a new stream of the same archive.
    pub(super) fn reset(&mut self) {
        self.state.reset(false);
    }

    /// Takes octets of the stream; says how many of them belong to it.
    pub(super) fn feed(
        &mut self,
        input: &[u8],
        room: Room,
        member: &mut Member,
        look: &mut Look,
    ) -> (usize, Step) {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let before = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(rest, &mut self.out, FlushDecompress::None);
            let read = count(self.state.total_in() - before.0);
            let wrote = count(self.state.total_out() - before.1);
            used += read;
            self.wrote += wrote as u64;
            look.work(read, wrote, self.wrote, room);
            if look.is_over() {
                return (used, Step::More);
            }
            member.feed(self.out.get(..wrote).unwrap_or_default(), look);
            match status {
                Ok(Status::StreamEnd) => return (used, Step::End),
                Ok(Status::Ok | Status::BufError) => {}
                Err(_) => return (used, Step::Broken),
            }
            let full = wrote == self.out.len();
            if look.is_over() || !full && (used >= input.len() || read + wrote == 0) {
                return (used, Step::More);
            }
        }
    }
}

impl fmt::Debug for Inflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflate")
            .field("wrote", &self.wrote)
            .finish_non_exhaustive()
    }
}

fn count(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}

/// Octets that come out at once.
const OUT: usize = 32 << 10;
