//! What of a mail goes back to its reverse-path when it is given up: all as usual, its header, or nothing.
//!
//! One function decides it for everybody who ends a mail: links, pages, command line, API, bulk jobs, ends of holds, and
//! a next hop's refusal of what a person let go. A reverse-path of a stranger proves nothing, so what a check found fault
//! with would be mailed to whomever he wrote there. Not here: how much of a mail fits into a DSN (`bounce`).

use minicbor::{Decode, Encode};

use super::record::{Message, Origin, Parcel, Slot};
use crate::mail::hold::Hold;

/// What goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Returned {
    /// A DSN, with as much of the mail as its author asked for.
    #[n(0)]
    AsUsual,
    /// A DSN with the header only, whatever its author asked for.
    #[n(1)]
    Header,
    /// Nothing: it came from a stranger, and a check found fault with it.
    #[n(2)]
    Nothing,
    /// Nothing: its author asked not to be told (NOTIFY, RFC 3461 section 4.1).
    #[n(3)]
    Unasked,
    /// Nothing: it has no reverse-path (RFC 5321 section 4.5.5).
    #[n(4)]
    NoPath,
}

/// What may go back of a mail of this origin that is, or was, held so. All that was found in it counts.
pub fn may_return(origin: &Origin, hold: &Hold) -> Returned {
    match (origin.is_own(), hold.is_dangerous()) {
        (true, false) => Returned::AsUsual,
        (true, true) => Returned::Header,
        // Rules and people hold for reasons that no program weighs: the author hears of it, and has the content.
        (false, false) => Returned::Header,
        (false, true) => Returned::Nothing,
    }
}

impl Returned {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AsUsual,
        Self::Header,
        Self::Nothing,
        Self::Unasked,
        Self::NoPath,
    ];

    /// When this parcel is given up by a decision; a NOTIFY is each recipient's own.
    pub(super) fn of_parcel(message: &Message, parcel: &Parcel) -> Self {
        if message.from.path.is_null() {
            return Self::NoPath;
        }
        let hold = parcel.hold.as_ref();
        let held = hold.map(|kept| may_return(&message.origin, &kept.hold));
        let is_found = parcel.found.iter().any(|one| one.reason.is_dangerous());
        let found = is_found.then(|| match message.origin.is_own() {
            true => Self::Header,
            false => Self::Nothing,
        });
        held.into_iter()
            .chain(found)
            .chain(parcel.back)
            .max()
            .unwrap_or(Self::AsUsual)
    }

    /// When this recipient is given up by a decision.
    pub(super) fn of(message: &Message, parcel: &Parcel, slot: &Slot) -> Self {
        let all = Self::of_parcel(message, parcel);
        if all.tells() && !slot.notify.failure() {
            Self::Unasked
        } else {
            all
        }
    }

    /// Whether the sender is told.
    pub fn tells(self) -> bool {
        match self {
            Self::AsUsual | Self::Header => true,
            Self::Nothing | Self::Unasked | Self::NoPath => false,
        }
    }

    /// Whether the content must not go along, should a DSN be written all the same: a next hop's refusal is no decision.
    pub(super) fn keeps_content(self) -> bool {
        self != Self::AsUsual
    }

    /// As facts and answers say it, in English; empty: as usual.
    pub fn note(self) -> &'static str {
        match self {
            Self::AsUsual => "",
            Self::Header => "only the header goes back to the sender, not the content",
            Self::Nothing => {
                "the sender is not told: the mail came from a stranger, and a check found fault with it"
            }
            Self::Unasked => "the sender is not told: the mail asks for no report",
            Self::NoPath => "the sender is not told: the mail has no reverse-path",
        }
    }

    /// Which one a note was written by.
    pub fn of_note(note: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter().filter(|one| *one != Self::AsUsual);
        all.find(|one| note.ends_with(one.note()))
    }

    /// The end of the keys of its words; empty: it has none of its own.
    pub fn word(self) -> &'static str {
        match self {
            Self::AsUsual | Self::Header => "",
            Self::Nothing => "-stranger",
            Self::Unasked => "-unasked",
            Self::NoPath => "-nopath",
        }
    }
}
