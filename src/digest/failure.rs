//! Digests that could not be delivered: marked, logged, shown; never held, never sent again by themselves.
//!
//! The next digest goes out by the calendar as if nothing had happened; `troubles` names whose last one did not arrive.
//! Not here: how deliveries fail (`queue::settle`).

use super::Digests;
use super::record::{Digest, digest_key};
use super::send::SendError;
use super::stream::Stream;
use crate::base::clock::Wall;
use crate::base::text::clean;
use crate::mail::mailbox::Mailbox;
use crate::queue::record::{decode, message_of};
use crate::queue::{DsnWork, ledger};
use crate::store::{Batch, Claimed, Op, Pre, StoreError, Version};

/// Characters of the reason that is kept.
const WHY_MAX: usize = 500;

/// A recipient whose last digest did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Who was not told.
    pub to: Mailbox,
    /// Of the digest.
    pub number: u32,
    /// When it was sent.
    pub at: Wall,
    /// What the next hop said.
    pub why: String,
}

impl Digests {
    /// A delivery failed for good: the digest is marked, and the work is finished as a DSN would be.
    pub(super) async fn failed(&self, claim: &Claimed) -> Result<(), SendError> {
        let queue = &self.0.queue;
        let key = claim.record.key.clone();
        let mut batch = Batch::new();
        batch.pre.push(Pre::Mine(claim.guard.id()));
        batch.ops.push(Op::Delete(key.clone()));
        let id = message_of(&key).ok_or_else(|| StoreError::Damaged(format!("{key:?}").into()))?;
        if let Some((message, _)) = queue.message_by_id(id).await? {
            ledger::count(&mut batch, id, 1, 0);
            let work: DsnWork = decode(&key, &claim.record.value)?;
            let failed = work.failed.iter().find(|one| one.relayed.is_none());
            if let (Some(number), Some(failed)) = (message.digest, failed) {
                let reply = failed.fault.as_ref().map(|fault| fault.reply.to_string());
                let why = clean(&reply.unwrap_or_default(), WHY_MAX);
                tracing::warn!(number, to = %failed.mailbox, %why, "a digest could not be delivered");
                let digest = match self.digest(number).await {
                    // The delivery has ended all the same; the damaged record is no reason to come again.
                    Err(error @ StoreError::Damaged(_)) => {
                        tracing::error!(number, %error, "the record of a digest cannot be read");
                        None
                    }
                    read => read?,
                };
                if let Some((mut digest, version)) = digest {
                    digest.failed = Some(why);
                    batch.pre.push(Pre::Is(digest_key(number), version));
                    batch.ops.push(digest.put(number, queue.clock().wall()));
                }
            }
        }
        queue.store().commit(batch).await?;
        Ok(())
    }

    /// A digest that was sent; none: there never was one, or nobody has a link of it any more.
    pub(super) async fn digest(
        &self,
        number: u32,
    ) -> Result<Option<(Digest, Version)>, StoreError> {
        let key = digest_key(number);
        let Some((value, version)) = self.one(key.clone()).await? else {
            return Ok(None);
        };
        Ok(Some((decode(&key, &value)?, version)))
    }

    /// Recipients whose last digest did not arrive. One that is still under way changes nothing yet.
    ///
    /// # Errors
    /// The store failed.
    pub async fn troubles(&self) -> Result<Vec<Trouble>, StoreError> {
        let mut all = Vec::new();
        for (key, value) in self.streams().await? {
            let Ok(stream) = decode::<Stream>(&key, &value) else {
                continue;
            };
            all.extend(self.trouble(&stream).await?);
        }
        Ok(all)
    }

    async fn trouble(&self, stream: &Stream) -> Result<Option<Trouble>, StoreError> {
        // The listings end with the last one.
        for number in stream.listings.iter().rev().map(|listing| listing.number) {
            let digest = match self.digest(number).await {
                Err(StoreError::Damaged(_)) => None,
                read => read?,
            };
            let Some((digest, _)) = digest else {
                continue;
            };
            if let Some(why) = digest.failed {
                return Ok(Some(Trouble {
                    to: digest.to,
                    number,
                    at: Wall(digest.at),
                    why,
                }));
            }
            let message = self.0.queue.message_by_id(digest.message).await;
            if !matches!(message, Ok(Some(_)) | Err(StoreError::Damaged(_))) {
                message?;
                return Ok(None);
            }
        }
        Ok(None)
    }
}
