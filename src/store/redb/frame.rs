//! A record's frame: what the engine knows of it, before its payload.
//!
//! Octet 0 is the format (1), so that an older program says "newer" instead of reading nonsense. Then version and
//! count, the due slot with its group (to find the index entry again), the terms, and the owner's payload to the end.
//! The encoder asserts what the decoder checks. Not here: the index keys made from it (`index`).

use crate::store::{Band, Group, IndexId, StoreTime, TERM_MAX, TERMS_MAX, Term, Version, Work};

/// What stands before a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) version: Version,
    pub(super) count: u32,
    pub(super) slot: Option<Slot>,
    pub(super) terms: Vec<(IndexId, Term)>,
}

/// When a record is due, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) work: Work,
    pub(super) group: Group,
    pub(super) band: Band,
    pub(super) at: StoreTime,
}

/// Why octets are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadFrame {
    #[error("its format {0} is unknown; it was written by a newer version")]
    Format(u8),
    #[error("it ends in its frame")]
    Short,
    #[error("its kind of work or band {0} is unknown")]
    Number(u8),
}

const FORMAT: u8 = 1;
const HAS_SLOT: u8 = 1;

impl Frame {
    /// The frame and `payload` in one piece.
    pub(super) fn encode(&self, payload: &[u8]) -> Vec<u8> {
        debug_assert!(self.terms.len() <= TERMS_MAX, "too many terms");
        let mut out = Vec::with_capacity(64 + payload.len());
        out.push(FORMAT);
        out.extend_from_slice(&self.version.0.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
        if let Some(slot) = &self.slot {
            out.extend_from_slice(&[HAS_SLOT, slot.work as u8, slot.band as u8]);
            out.extend_from_slice(&slot.at.0.to_be_bytes());
            out.extend_from_slice(&length(&slot.group.0).to_be_bytes());
            out.extend_from_slice(&slot.group.0);
        } else {
            out.push(0);
        }
        out.push(u8::try_from(self.terms.len()).unwrap_or(u8::MAX));
        for (index, term) in &self.terms {
            debug_assert!(term.0.len() <= TERM_MAX, "too long a term");
            out.extend_from_slice(&[index.0, u8::try_from(term.0.len()).unwrap_or(u8::MAX)]);
            out.extend_from_slice(&term.0);
        }
        out.extend_from_slice(payload);
        out
    }

    /// The frame, and where the payload starts.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, usize), BadFrame> {
        let mut rest = bytes;
        let [format] = take(&mut rest)?;
        if format != FORMAT {
            return Err(BadFrame::Format(format));
        }
        let version = Version(u64::from_be_bytes(take(&mut rest)?));
        let count = u32::from_be_bytes(take(&mut rest)?);
        let [flags] = take(&mut rest)?;
        let slot = match flags {
            0 => None,
            HAS_SLOT => {
                let [work, band] = take(&mut rest)?;
                let at = StoreTime(u64::from_be_bytes(take(&mut rest)?));
                let length = u16::from_be_bytes(take(&mut rest)?);
                Some(Slot {
                    work: work_of(work).ok_or(BadFrame::Number(work))?,
                    band: band_of(band).ok_or(BadFrame::Number(band))?,
                    at,
                    group: Group(slice(&mut rest, usize::from(length))?.into()),
                })
            }
            other => return Err(BadFrame::Number(other)),
        };
        let [number] = take(&mut rest)?;
        let mut terms = Vec::with_capacity(usize::from(number));
        for _ in 0..number {
            let [index, length] = take(&mut rest)?;
            let term = slice(&mut rest, usize::from(length))?;
            terms.push((IndexId(index), Term(term.into())));
        }
        Ok((
            Self {
                version,
                count,
                slot,
                terms,
            },
            bytes.len() - rest.len(),
        ))
    }
}

pub(super) fn work_of(number: u8) -> Option<Work> {
    Work::ALL.into_iter().find(|work| *work as u8 == number)
}

pub(super) fn band_of(number: u8) -> Option<Band> {
    [Band::Urgent, Band::Normal, Band::Bulk]
        .into_iter()
        .find(|band| *band as u8 == number)
}

/// Lengths of groups and terms; their bounds (`GROUP_MAX`, `TERM_MAX`) are checked before a batch is planned.
pub(super) fn length(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BadFrame> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(BadFrame::Short)?;
    *rest = tail;
    Ok(*head)
}

fn slice<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], BadFrame> {
    let (head, tail) = rest.split_at_checked(length).ok_or(BadFrame::Short)?;
    *rest = tail;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Frame {
        Frame {
            version: Version(7),
            count: 3,
            slot: Some(Slot {
                work: Work::Deliver,
                group: Group(b"example.org"[..].into()),
                band: Band::Normal,
                at: StoreTime(0x0102_0304_0506_0708),
            }),
            terms: vec![(IndexId(2), Term(b"queue"[..].into()))],
        }
    }

    #[test]
    fn a_frame_keeps_its_golden_octets() {
        let golden = b"\x01\0\0\0\0\0\0\0\x07\0\0\0\x03\x01\x01\x01\x01\x02\x03\x04\x05\x06\x07\x08\0\x0bexample.org\
            \x01\x02\x05queuepayload";
        assert_eq!(full().encode(b"payload"), golden);
        let (frame, at) = Frame::decode(golden).unwrap();
        assert_eq!((frame, &golden[at..]), (full(), &b"payload"[..]));
    }

    #[test]
    fn every_cut_of_a_frame_is_an_error_and_no_panic() {
        let whole = full().encode(b"");
        for end in 0..whole.len() {
            assert_eq!(Frame::decode(&whole[..end]), Err(BadFrame::Short), "{end}");
        }
    }

    #[test]
    fn a_frame_of_a_newer_format_says_so() {
        assert_eq!(Frame::decode(&[2, 0, 0]), Err(BadFrame::Format(2)));
    }
}
