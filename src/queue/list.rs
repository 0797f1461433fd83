//! What a person sees of the queue: a page of messages, and all there is about one.
//!
//! A page has a bound in what it shows and in what it looks at, and never locks out a delivery.
//! Not here: the query (`query`) and how it is printed (`cli::queue`).

use super::Queue;
use super::ledger::Stored;
use super::record::{
    Message, MessageId, Parcel, decode, facts_prefix, message_key, message_of, number_of,
};
use crate::base::limit::SCAN_MAX;
use crate::journal::fact::Entry;
use crate::store::{Key, Record, Span, StoreError};

/// Records read with one scan.
const PAGE: usize = 500;

/// A message and its parcels, ended recipients included.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Envelope and origin.
    pub message: Message,
    /// Its recipients.
    pub parcels: Vec<Stored>,
}

/// Everything known about one message; a retired one has facts only.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Unless retired.
    pub message: Option<Message>,
    /// Unless retired.
    pub parcels: Vec<Stored>,
    /// In the order in which they happened.
    pub facts: Vec<Entry>,
}

impl Queue {
    /// Messages after `after`, oldest first, that `wanted` says yes to: at most `limit`, and after looking at
    /// `SCAN_MAX` parcels a shorter page. With it, where the next page starts.
    pub async fn list(
        &self,
        wanted: impl Fn(&Message, &[Stored]) -> bool,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<(Vec<Listed>, Option<MessageId>), StoreError> {
        let (mut found, mut looked) = (Vec::new(), 0);
        let mut after = after.map(|id| Key::of(b'm', &[&id.0.to_be_bytes()]));
        loop {
            let page = self
                .store
                .scan(Span::Prefix(Key::of(b'm', &[])), after, false, PAGE)
                .await?;
            for record in &page.records {
                let Some((message, parcels)) = self.readable(record).await? else {
                    continue;
                };
                let id = message.id;
                looked += parcels.len().max(1);
                if wanted(&message, &parcels) {
                    found.push(Listed { message, parcels });
                }
                if found.len() >= limit || looked >= SCAN_MAX {
                    return Ok((found, Some(id)));
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok((found, None));
            }
        }
    }

    /// A message and its parcels, unless they are damaged: the others are listed all the same.
    async fn readable(
        &self,
        record: &Record,
    ) -> Result<Option<(Message, Vec<Stored>)>, StoreError> {
        let read = async {
            let message = Message::read(&record.key, &record.value)?;
            let parcels = self.parcels_of(message.id).await?;
            Ok((message, parcels))
        };
        match read.await {
            Ok(both) => Ok(Some(both)),
            Err(error @ StoreError::Damaged(_)) => {
                tracing::error!(%error, "a message cannot be listed");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All there is about one message; none if it never was, or its history is over.
    pub async fn show(&self, id: MessageId) -> Result<Option<Shown>, StoreError> {
        let mut facts = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .store
                .scan(Span::Prefix(facts_prefix(id)), after, false, PAGE)
                .await?;
            for record in &page.records {
                facts.push(decode::<Entry>(&record.key, &record.value)?);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let message = self.message_by_id(id).await?.map(|(message, _)| message);
        if message.is_none() && facts.is_empty() {
            return Ok(None);
        }
        let parcels = if message.is_some() {
            self.parcels_of(id).await?
        } else {
            Vec::new()
        };
        Ok(Some(Shown {
            message,
            parcels,
            facts,
        }))
    }

    /// The message and the parcel of a claimed `p` record.
    pub async fn parcel_at(
        &self,
        key: &Key,
        value: &[u8],
    ) -> Result<Option<(Message, u64, Parcel)>, StoreError> {
        let (Some(id), Some(number)) = (message_of(key), number_of(key)) else {
            return Ok(None);
        };
        let record = self
            .store
            .get(vec![message_key(id)])
            .await?
            .into_iter()
            .flatten()
            .next();
        let Some(record) = record else {
            return Ok(None);
        };
        let message = Message::read(&record.key, &record.value)?;
        Ok(Some((message, number, decode(key, value)?)))
    }
}
