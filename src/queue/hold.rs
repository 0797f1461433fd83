//! The card of a hold, `l/<hold id>`: what a list shows, what a digest tells, and how it ended.
//!
//! Cards sort by the time of the hold, and an open one carries the terms that lists and digests search by. They are
//! written in the same batch as the parcel whose state they follow; the parcel is what counts. A card outlives its
//! message until its last link has ended and 30 days more, so that "already handled" can say by whom.

use minicbor::{Decode, Encode};

use super::Queue;
use super::record::{HoldId, Kept, MessageId};
use crate::base::clock::micros;
use crate::mail::attachment::Attachment;
use crate::mail::hold::Hold;
use crate::mail::mailbox::Mailbox;
use crate::store::{Key, StoreError};

/// `l/<hold id>`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Card {
    /// From the key.
    #[cbor(skip)]
    pub id: HoldId,
    /// Whose recipient.
    #[n(0)]
    pub message: MessageId,
    /// Its parcel while it is held.
    #[n(1)]
    pub parcel: u64,
    /// Its index in the message.
    #[n(2)]
    pub index: u32,
    /// Its forward-path.
    #[n(3)]
    pub to: Mailbox,
    /// The reverse-path, empty for null.
    #[n(4)]
    pub from: String,
    /// The From field as it came, cleaned and bounded.
    #[n(5)]
    pub author: Option<String>,
    /// The Subject field as it came, cleaned and bounded.
    #[n(6)]
    pub subject: Option<String>,
    /// Octets of the message.
    #[n(7)]
    pub size: u64,
    /// See `Message::attachments`.
    #[n(8)]
    pub attachments: Vec<Attachment>,
    /// Who logged in to send it.
    #[n(9)]
    pub account: Option<String>,
    /// Where and why.
    #[n(10)]
    pub hold: Hold,
    /// Wall time of the hold in microseconds.
    #[n(11)]
    pub since: u64,
    /// Store time of its expiry in microseconds.
    #[n(12)]
    pub until: u64,
    /// Wall time of the arrival in microseconds.
    #[n(13)]
    pub arrived: u64,
    /// How it ended; none: it is still held.
    #[n(14)]
    pub end: Option<Decision>,
}

/// How a hold ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Decision {
    /// release, requeue, delete, bounce, or expire.
    #[n(0)]
    pub verb: String,
    /// Who: `cli:root`, `admin`, `link:anna@example.org`, `postwerk`.
    #[n(1)]
    pub by: String,
    /// Wall time in microseconds.
    #[n(2)]
    pub at: u64,
    /// From where: an address, as far as it is known.
    #[n(3)]
    pub place: Option<String>,
    /// By the link of which digest.
    #[n(4)]
    pub digest: Option<u32>,
    /// Store time until which it can be taken back, if it can.
    #[n(5)]
    pub until: Option<u64>,
    /// The hold that a requeue came to, if it was held again.
    #[n(6)]
    pub again: Option<HoldId>,
}

/// `l/<hold id>`
pub fn card_key(id: HoldId) -> Key {
    Key::of(b'l', &[&id.0.to_be_bytes()])
}

impl Queue {
    /// The card of a hold; none: there never was one, or it is forgotten.
    pub async fn card(&self, id: HoldId) -> Result<Option<Card>, StoreError> {
        let found = self.store.get(vec![card_key(id)]).await?;
        let Some(record) = found.into_iter().flatten().next() else {
            return Ok(None);
        };
        let mut card: Card = super::record::decode(&record.key, &record.value)?;
        card.id = id;
        Ok(Some(card))
    }

    /// A new hold that begins now.
    pub(super) fn kept(&self, hold: Hold) -> Kept {
        let expiry = self.conf.load().hold.of(hold.queue).expiry;
        Kept {
            id: HoldId(self.fresh_id()),
            since: self.clock.wall().0,
            until: self.store.now().0.saturating_add(micros(expiry)),
            hold,
        }
    }
}
