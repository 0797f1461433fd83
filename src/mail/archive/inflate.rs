//! Deflated octets (RFC 1951) into a member, one window at a time.
//!
//! Octets are charged as they are read and written, and each block for its tables: a stream of empty blocks costs time
//! and gives nothing.

use std::fmt;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::look::{Look, Room};
use super::member::Member;
use super::work::{BLOCK, OCTET, STREAM};

/// One deflated stream.
pub(super) struct Inflate {
    state: Box<DecompressorOxide>,
    /// What came out last: what comes next may repeat it.
    window: Box<[u8]>,
    /// Where the next octet goes.
    at: usize,
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
            state: Box::default(),
            window: vec![0; WINDOW].into_boxed_slice(),
            at: 0,
            wrote: 0,
        }
    }
}

impl Inflate {
    /// For a new stream of the same archive.
    pub(super) fn reset(&mut self, look: &mut Look) {
        look.charge(STREAM);
        self.state.init();
        self.at = 0;
    }

    /// Takes octets of the stream; says how many of them belong to it.
    pub(super) fn feed(
        &mut self,
        input: &[u8],
        room: Room,
        member: &mut Member,
        look: &mut Look,
    ) -> (usize, Step) {
        let (mut used, mut given) = (0, self.at);
        while !look.is_over() {
            let rest = input.get(used..).unwrap_or_default();
            // In small steps, so that little is done before it is charged.
            let rest = rest.get(..STEP).unwrap_or(rest);
            let (status, read, wrote) =
                decompress(&mut self.state, rest, &mut self.window, self.at, FLAGS);
            // One at least, so that it ends whatever the decoder says.
            look.charge(OCTET);
            used += read;
            self.at += wrote;
            self.wrote += wrote as u64;
            look.unpacked(read, wrote, self.wrote, room);
            let block = status == TINFLStatus::BlockBoundary;
            if block {
                look.charge(BLOCK);
            }
            let starved = status == TINFLStatus::NeedsMoreInput;
            let full = status == TINFLStatus::HasMoreOutput;
            let more = block || full || starved && used < input.len();
            if more && self.at < WINDOW {
                continue;
            }
            let new = self.window.get(given..self.at).unwrap_or_default();
            if !look.is_over() {
                member.feed(new, look);
            }
            if self.at == WINDOW {
                self.at = 0;
            }
            given = self.at;
            if status == TINFLStatus::Done {
                return (used, Step::End);
            }
            if !(block || full || starved) {
                return (used, Step::Broken);
            }
            if !more {
                break;
            }
        }
        (used, Step::More)
    }
}

impl fmt::Debug for Inflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflate")
            .field("wrote", &self.wrote)
            .finish_non_exhaustive()
    }
}

/// Octets that come out at once, and that a stream may refer back to.
const WINDOW: usize = 32 << 10;
/// Octets that are read at once.
const STEP: usize = 4 << 10;
const FLAGS: u32 = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT
    | inflate_flags::TINFL_FLAG_IGNORE_ADLER32
    | inflate_flags::TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
