//! Records that cannot be read, or lack a part: set aside, counted, shown, and kept for repair.
//!
//! A record that is set aside has no due slot any more, so that it stops nobody, and a note `e/<message><its key>` says
//! why. Each start tries it again once: who repaired it, or runs a newer program, needs to do no more.
//! Not here: parcels whose delivery panics (`aside`), and finding damage where nobody works (`store::check`).

use std::fmt;
use std::time::Duration;

use minicbor::{Decode, Encode};

use super::Queue;
use super::record::{MessageId, decode, encode, message_of};
use crate::base::clock::Clock;
use crate::base::limit::STATUS_COUNT_MAX;
use crate::base::text::clean;
use crate::store::{
    Band, Batch, ClaimGuard, Due, Group, Key, Op, Pre, Record, Span, Store, StoreError, Work,
};

/// Characters of a reason.
const WHY_MAX: usize = 300;
/// Notes read at once.
const PAGE: usize = 500;

/// `e/<message><key>`: a record that is set aside.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Damage {
    /// Its key.
    #[cbor(n(0), with = "minicbor::bytes")]
    key: Vec<u8>,
    /// The number of the work that it was due for.
    #[n(1)]
    work: u8,
    #[cbor(n(2), with = "minicbor::bytes")]
    group: Vec<u8>,
    #[n(3)]
    band: u8,
    /// What is wrong with it.
    #[n(4)]
    pub why: String,
    /// Wall time in microseconds.
    #[n(5)]
    pub at: u64,
}

impl Damage {
    /// Of a record that was lent for `work`.
    pub fn of(
        (record, band): (&Record, Band),
        work: Work,
        group: &Group,
        why: &str,
        clock: &Clock,
    ) -> Self {
        Self {
            key: record.key.0.to_vec(),
            work: work as u8,
            group: group.0.to_vec(),
            band: band as u8,
            why: clean(why, WHY_MAX),
            at: clock.wall().0,
        }
    }

    /// The record's key, as logs and checks write it.
    pub fn name(&self) -> String {
        format!("{:?}", self.key())
    }

    fn work(&self) -> Option<Work> {
        Work::ALL.into_iter().find(|work| *work as u8 == self.work)
    }

    fn key(&self) -> Key {
        Key(self.key.as_slice().into())
    }

    fn note(&self) -> Key {
        note_key(&self.key())
    }

    fn due(&self) -> Option<Due> {
        let bands = [Band::Urgent, Band::Normal, Band::Bulk];
        Some(Due {
            work: self.work()?,
            group: Group(self.group.as_slice().into()),
            band: bands.into_iter().find(|band| *band as u8 == self.band)?,
            after: Duration::ZERO,
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is wrong names the key already, unless a part of the record is missing.
        if self.why.starts_with(&self.name()) {
            f.write_str(&self.why)
        } else {
            write!(f, "{}: {}", self.name(), self.why)
        }
    }
}

/// Takes a lent record's due slot away and notes why.
///
/// # Errors
/// The store's; then nothing changed.
pub async fn set_aside(
    store: &Store,
    guard: &ClaimGuard,
    damage: &Damage,
) -> Result<(), StoreError> {
    let mut batch = Batch::ending();
    batch.pre.push(Pre::Mine(guard.id()));
    let key = damage.key();
    batch.ops.extend([
        Op::Due { key, due: None },
        Op::Put {
            key: damage.note(),
            value: encode(damage),
            due: None,
            terms: Vec::new(),
        },
    ]);
    store.commit(batch).await?;
    tracing::error!(
        record = damage.name(),
        why = damage.why,
        "a record is damaged; it is set aside, and all others go on"
    );
    Ok(())
}

/// Where the notes about a message start.
pub(super) fn notes_of(id: MessageId) -> Key {
    Key::of(b'e', &[&id.0.to_be_bytes()])
}

/// Behind them.
pub(super) fn notes_end(id: MessageId) -> Key {
    Key::of(b'e', &[&id.0.saturating_add(1).to_be_bytes()])
}

/// Notes stand by their message, so that its story finds them; those about other records stand first.
fn note_key(key: &Key) -> Key {
    let id = match key.0.first() {
        Some(b'a' | b'b' | b'h' | b'm' | b'n' | b'p' | b's') => message_of(key),
        Some(_) | None => None,
    };
    Key::of(b'e', &[&id.unwrap_or_default().0.to_be_bytes(), &key.0])
}

impl Queue {
    /// Records of a message that are set aside.
    ///
    /// # Errors
    /// The store's.
    pub async fn damages_of(&self, id: MessageId) -> Result<Vec<Damage>, StoreError> {
        self.damages(notes_of(id), PAGE).await
    }

    /// How many records are set aside, counted up to `STATUS_COUNT_MAX`; and the first few.
    ///
    /// # Errors
    /// The store's.
    pub async fn damages_in_all(&self) -> Result<Vec<Damage>, StoreError> {
        self.damages(Key::of(b'e', &[]), STATUS_COUNT_MAX).await
    }

    async fn damages(&self, prefix: Key, limit: usize) -> Result<Vec<Damage>, StoreError> {
        let page = self
            .store
            .scan(Span::Prefix(prefix), None, false, limit)
            .await?;
        let read = page.records.iter();
        Ok(read
            .filter_map(|record| decode(&record.key, &record.value).ok())
            .collect())
    }

    /// A start: what was set aside is due again, once; still damaged it is set aside again.
    pub(super) async fn try_damaged_again(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let span = Span::Prefix(Key::of(b'e', &[]));
            let page = self.store.scan(span, after, false, PAGE).await?;
            let mut batch = Batch::ending();
            for record in &page.records {
                batch.ops.push(Op::Delete(record.key.clone()));
                // A note that cannot be read itself says nothing that anybody could do.
                if let Ok(damage) = decode::<Damage>(&record.key, &record.value) {
                    self.put_due_again(&mut batch, &damage).await?;
                }
            }
            if !batch.ops.is_empty() {
                self.store.commit(batch).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn put_due_again(&self, batch: &mut Batch, damage: &Damage) -> Result<(), StoreError> {
        let found = match self.store.get(vec![damage.key()]).await {
            Err(StoreError::Damaged(_)) => return Ok(()),
            found => found?.into_iter().flatten().next(),
        };
        // Whatever was written since then has its own work.
        if let Some(record) = found.filter(|record| record.due.is_none()) {
            let (key, due) = (record.key, damage.due());
            batch.pre.push(Pre::Is(key.clone(), record.version));
            batch.ops.push(Op::Due { key, due });
        }
        Ok(())
    }
}
