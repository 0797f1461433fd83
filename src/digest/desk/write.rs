//! What links write into their digest: the first visit of the hidden one, and wrong codes.
//!
//! Each change holds only if the record is as it was read; its due slot stays as its owner set it.
//! Not here: everything that only reads (`stand`), and the rest of the record (`record`).

use super::{Desk, DeskError, Opened, Stand, closes};
use crate::base::limit::{LINK_CODES_MAX, LINK_WRITE_TRIES};
use crate::digest::record::{Digest, WrongCodes};
use crate::digest::token::Token;
use crate::queue::record::{HoldId, decode, encode};
use crate::store::{Band, Batch, Due, Group, Op, Pre, Record, Store, StoreError};

impl Desk {
    /// Notes when the canary was opened first.
    pub(super) async fn mark_canary(&self, number: u32) -> Result<(), DeskError> {
        for _ in 0..LINK_WRITE_TRIES {
            let record = self.digest_record(number).await?;
            let mut digest: Digest = decode(&record.key, &record.value)?;
            if digest.canary.is_some() {
                return Ok(());
            }
            digest.canary = Some(self.queue.clock().wall().0);
            match change(self.queue.store(), &record, &digest).await {
                Ok(()) => {
                    tracing::info!(
                        digest = number,
                        "the hidden link of a digest was opened; its links need their codes now"
                    );
                    return Ok(());
                }
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(DeskError::Busy)
    }

    /// Whether the code is right. A wrong one is counted; the fifth closes the link, which `opened` says then.
    pub(super) async fn passes(
        &self,
        token: &Token,
        code: Option<&str>,
        opened: &mut Opened,
    ) -> Result<bool, DeskError> {
        let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
            return Err(DeskError::NeedsCode);
        };
        // Judged one after the other: a hundred guesses at once are five guesses.
        let _turn = self.turn.lock().await;
        for _ in 0..LINK_WRITE_TRIES {
            let record = self.digest_record(token.digest).await?;
            let mut digest: Digest = decode(&record.key, &record.value)?;
            if closes(wrong_codes(&mut digest, token.hold, 0)) {
                opened.stand = Stand::Closed;
                return Ok(false);
            }
            if self.keys.code_fits(token, code) {
                return Ok(true);
            }
            let count = wrong_codes(&mut digest, token.hold, 1);
            match change(self.queue.store(), &record, &digest).await {
                Ok(()) => {
                    tracing::warn!(hold = %token.hold, digest = token.digest, count, "a wrong code for a link");
                    opened.digest = digest;
                    if closes(count) {
                        opened.stand = Stand::Closed;
                        return Ok(false);
                    }
                    let left = LINK_CODES_MAX.saturating_sub(count);
                    return Err(DeskError::WrongCode { left });
                }
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(DeskError::Busy)
    }
}

/// How often a wrong code was given for a row, after `more` more.
fn wrong_codes(digest: &mut Digest, hold: HoldId, more: u8) -> u8 {
    if let Some(row) = digest.wrong.iter_mut().find(|row| row.hold == hold) {
        row.count = row.count.saturating_add(more);
        return row.count;
    }
    if more > 0 {
        digest.wrong.push(WrongCodes { hold, count: more });
    }
    more
}

async fn change(store: &Store, record: &Record, digest: &Digest) -> Result<(), StoreError> {
    let due = record.due.map(|(work, at)| Due {
        work,
        group: Group::of_key(&record.key),
        band: Band::Bulk,
        after: std::time::Duration::from_micros(at.0.saturating_sub(store.now().0)),
    });
    let batch = Batch {
        pre: vec![Pre::Is(record.key.clone(), record.version)],
        ops: vec![Op::Put {
            key: record.key.clone(),
            value: encode(digest),
            due,
            terms: Vec::new(),
        }],
        ..Batch::new()
    };
    store.commit(batch).await.map(drop)
}
