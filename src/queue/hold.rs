//! The card of a hold, `l/<hold id>`: what a list shows, what a digest tells, and how it ended.
//!
//! Cards sort by the time of the hold, and an open one carries the terms that lists and digests search by; one that has
//! ended stands in the trash or with the rest. They are
//! written in the same batch as the parcel whose state they follow; the parcel is what counts. A card outlives its
//! message until its last link has ended and 30 days more, so that "already handled" can say by whom.

use minicbor::{Decode, Encode};

use super::Queue;
use super::ledger;
use super::record::{HoldId, Kept, Message, MessageId, Origin, Parcel, Slot, decode, encode};
use super::returned::{Returned, may_return};
pub use super::shelf::{CardPage, Shelf};
use super::shelf::{ended_terms, terms};
use crate::base::clock::micros;
use crate::base::limit::{LINK_MEMORY, LOOK_TRIES, RECHECK_AFTER, WHEN_BACK_TRIES};
use crate::journal::event::EventKind;
use crate::journal::fact::{Fact, Held};
use crate::journal::line;
use crate::mail::attachment::Attachment;
use crate::mail::encoded_word::decoded;
use crate::mail::found::ATTACHMENTS;
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::mailbox::Mailbox;
use crate::mail::state::State;
use crate::store::{Band, Batch, Counter, Due, Group, Key, Op, StoreError, Work};

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
    /// What goes back if it is given up; see `returned`.
    #[n(15)]
    pub back: Option<Returned>,
    /// See `Origin::proven`.
    #[n(16)]
    pub proven: Option<String>,
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

/// A field's text as it is meant (RFC 2047).
pub fn plain(text: &str) -> String {
    decoded(text)
}

/// The hold whose card a key names.
pub fn hold_of_key(key: &Key) -> Option<HoldId> {
    let id = key.0.strip_prefix(b"l")?;
    Some(HoldId(u64::from_be_bytes(id.try_into().ok()?)))
}

impl Card {
    /// The subject as it is meant (RFC 2047).
    pub fn plain_subject(&self) -> String {
        plain(self.subject.as_deref().unwrap_or_default())
    }

    /// What its sender is told if it is given up. Of an older card it is what its account says.
    pub fn returned(&self) -> Returned {
        let old = || {
            let origin = Origin {
                account: self.account.clone(),
                ..Origin::default()
            };
            may_return(&origin, &self.hold)
        };
        let no_path = self.from.is_empty().then_some(Returned::NoPath);
        no_path.or(self.back).unwrap_or_else(old)
    }

    pub(super) fn of(
        message: &Message,
        number: u64,
        slot: &Slot,
        kept: &Kept,
        back: Returned,
    ) -> Self {
        Self {
            id: kept.id,
            message: message.id,
            parcel: number,
            index: slot.index,
            to: slot.mailbox.clone(),
            from: message.from.path.to_string(),
            author: message.author.clone(),
            subject: message.subject.clone(),
            size: message.size,
            attachments: message.attachments.clone(),
            account: message.origin.account.clone(),
            hold: kept.hold.clone(),
            since: kept.since,
            until: kept.until,
            arrived: message.wall,
            end: None,
            back: Some(back),
            proven: message.origin.proven.clone(),
        }
    }

    pub(super) fn read(key: &Key, value: &[u8]) -> Result<Self, StoreError> {
        let mut card: Self = decode(key, value)?;
        card.id = hold_of_key(key).ok_or_else(|| StoreError::Damaged(format!("{key:?}").into()))?;
        Ok(card)
    }
}

impl Queue {
    /// The card of a hold; none: there never was one, or it is forgotten.
    pub async fn card(&self, id: HoldId) -> Result<Option<Card>, StoreError> {
        let found = self.store.get(vec![card_key(id)]).await?;
        let record = found.into_iter().flatten().next();
        record
            .map(|record| Card::read(&record.key, &record.value))
            .transpose()
    }

    /// Changes after each commit that held something: a lossy hint.
    pub fn held_hint(&self) -> tokio::sync::watch::Receiver<u64> {
        self.held.subscribe()
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

    /// Puts each slot that `held` names into a parcel of its own with its card, and writes the facts; what stays keeps
    /// the parcel's number, and so does the first held one when nothing stays.
    pub(super) fn hold_each(
        &self,
        batch: &mut Batch,
        message: &Message,
        number: u64,
        mut parcel: Parcel,
        held: &[(u32, Hold)],
        by: &str,
    ) {
        let now = self.store.now();
        let hold_of = |index| {
            held.iter()
                .find(|(of, _)| *of == index)
                .map(|(_, hold)| hold)
        };
        let (out, stay): (Vec<Slot>, Vec<Slot>) = parcel
            .slots
            .drain(..)
            .partition(|slot| slot.state == State::Held && hold_of(slot.index).is_some());
        self.put_held_facts(batch, message, &out.iter().collect::<Vec<_>>(), held, by);
        let mut number = Some(number);
        if !stay.is_empty() {
            let rest = Parcel {
                slots: stay,
                ..parcel.clone()
            };
            let own = number.take().unwrap_or_default();
            ledger::put_parcel(batch, message.id, own, &rest, now);
        }
        // Held for something else it is still what it was found to be.
        let found = parcel.all_found();
        for slot in out {
            let hold = hold_of(slot.index).cloned();
            let own = Parcel {
                slots: vec![slot],
                hold: hold.map(|hold| self.kept(hold.beside(found.clone()))),
                found: Vec::new(),
                ..parcel.clone()
            };
            let at = number.take().unwrap_or_else(|| self.fresh_id());
            ledger::put_parcel(batch, message.id, at, &own, now);
            drop(self.open_card(batch, message, at, &own));
        }
    }

    pub(super) fn put_held_facts(
        &self,
        batch: &mut Batch,
        message: &Message,
        out: &[&Slot],
        held: &[(u32, Hold)],
        by: &str,
    ) {
        let mut facts: Vec<Held> = Vec::new();
        for slot in out {
            let Some((_, hold)) = held.iter().find(|(of, _)| *of == slot.index) else {
                continue;
            };
            let address = slot.mailbox.to_string();
            match facts.iter_mut().find(|fact| fact.hold == *hold) {
                Some(fact) => fact.recipients.push(address),
                None => facts.push(Held {
                    recipients: vec![address],
                    hold: hold.clone(),
                    by: by.to_owned(),
                }),
            }
        }
        for fact in facts {
            self.put_fact(batch, message.id, Fact::Held(fact));
        }
    }

    /// Tells of recipients that a commit has held: a log line, an event each, and whoever waits for holds.
    pub(super) fn tell_held<'a>(
        &self,
        message: &Message,
        held: impl Iterator<Item = (String, &'a Hold)>,
        by: &str,
    ) {
        let mut any = false;
        for (address, hold) in held {
            if !any {
                line::acted(message.id, "placed on hold", by);
                any = true;
            }
            let text = format!("{}: {}", hold.reason, hold.in_words());
            self.tell(EventKind::Held, message, address, text);
        }
        if any {
            self.held
                .send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// The recipient of `parcel` is held now: its card.
    pub(super) fn open_card(
        &self,
        batch: &mut Batch,
        message: &Message,
        number: u64,
        parcel: &Parcel,
    ) -> Option<Card> {
        let card = self.put_open(batch, message, number, parcel)?;
        let counter = counter(card.hold.queue, card.hold.reason);
        batch.ops.push(Op::Add(counter, 1));
        Some(card)
    }

    /// Writes the card of an open hold.
    pub(super) fn put_open(
        &self,
        batch: &mut Batch,
        message: &Message,
        number: u64,
        parcel: &Parcel,
    ) -> Option<Card> {
        let (kept, slot) = (parcel.hold.as_ref()?, parcel.slots.first()?);
        let back = Returned::of(message, parcel, slot);
        let card = Card::of(message, number, slot, kept, back);
        batch.ops.push(Op::Put {
            key: card_key(card.id),
            terms: terms(&card),
            value: encode(&card),
            due: self.recheck(&card),
        });
        Some(card)
    }

    /// When what a scanner's failure held is requeued by itself. All of one scanner wait together.
    fn recheck(&self, card: &Card) -> Option<Due> {
        let (scanner, tries) = (card.hold.failed_scanner()?, card.hold.tries());
        let most = if scanner == ATTACHMENTS {
            LOOK_TRIES
        } else {
            self.conf.load().checks.when_back?;
            WHEN_BACK_TRIES
        };
        let after = RECHECK_AFTER.saturating_mul(1 << tries.min(WHEN_BACK_TRIES));
        (tries < most).then(|| Due {
            work: Work::Recheck,
            group: Group(scanner.as_bytes().into()),
            band: Band::Bulk,
            after,
        })
    }

    /// A recipient is held no more, or its decision changed: its card from now on.
    pub(super) fn close_card(
        &self,
        batch: &mut Batch,
        (message, number, slot, kept, back): (&Message, u64, &Slot, &Kept, Returned),
        decision: Decision,
        was_open: bool,
    ) -> Card {
        let mut card = Card::of(message, number, slot, kept, back);
        card.end = Some(decision);
        self.put_closed(batch, &card);
        if was_open {
            let counter = counter(kept.hold.queue, kept.hold.reason);
            batch.ops.push(Op::Add(counter, -1));
        }
        card
    }

    /// Writes a card that has ended; it is forgotten when nobody can ask for it any more.
    pub(super) fn put_closed(&self, batch: &mut Batch, card: &Card) {
        let key = card_key(card.id);
        let due = Due {
            work: Work::Sweep,
            group: Group::of_key(&key),
            band: Band::Bulk,
            after: self.conf.load().links.lifetime + LINK_MEMORY,
        };
        batch.ops.push(Op::Put {
            key,
            value: encode(card),
            due: Some(due),
            terms: ended_terms(card),
        });
    }
}

/// Recipients held in `queue` for `reason`.
pub(super) fn counter(queue: HoldQueue, reason: HoldReason) -> Counter {
    Counter(format!("held/{queue}/{reason}").into_bytes().into())
}
