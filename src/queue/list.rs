//! What a person sees of the queue: a page of messages, and all there is about one.
//!
//! A page has a bound in what it shows and in what it looks at, and never locks out a delivery.
//! Not here: the query (`query`) and how it is printed (`cli::queue`).

use super::Queue;
use super::damaged::Damage;
use super::ledger::Stored;
use super::record::{
    DsnWork, Message, MessageId, Parcel, decode, dsn_prefix, facts_prefix, message_key, message_of,
    number_of,
};
use crate::base::limit::{DSN_RECIPIENTS_MAX, SCAN_MAX};
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
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Unless retired.
    pub message: Option<Message>,
    /// Unless retired.
    pub parcels: Vec<Stored>,
    /// In the order in which they happened.
    pub facts: Vec<Entry>,
    /// The report that its sender will get.
    pub report: Option<Report>,
    /// Records of it that cannot be read.
    pub damages: Vec<Damage>,
}

/// A DSN that waits for the end of its minute, so that all failures until then stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Store time in microseconds.
    pub at: u64,
    /// Whom it tells of.
    pub recipients: usize,
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
                self.pass_over(&error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All there is about one message; none if it never was, or its history is over. What cannot be read is left out.
    pub async fn show(&self, id: MessageId) -> Result<Option<Shown>, StoreError> {
        let mut shown = Shown {
            facts: self.facts_of(id).await?,
            damages: self.damages_of(id).await?,
            ..Shown::default()
        };
        match self.message_by_id(id).await {
            Ok(found) => shown.message = found.map(|(message, _)| message),
            Err(error @ StoreError::Damaged(_)) => self.pass_over(&error),
            Err(error) => return Err(error),
        }
        let Some(message) = &shown.message else {
            let is_known = !shown.facts.is_empty() || !shown.damages.is_empty();
            return Ok(is_known.then_some(shown));
        };
        // Of a digest that fails its own recipients are told, not a sender.
        if message.digest.is_none() {
            shown.report = self.report_of(id).await?;
        }
        shown.parcels = self.parcels_of(id).await?;
        Ok(Some(shown))
    }

    async fn report_of(&self, id: MessageId) -> Result<Option<Report>, StoreError> {
        let all = Span::Prefix(dsn_prefix(id));
        let page = self
            .store
            .scan(all, None, false, DSN_RECIPIENTS_MAX)
            .await?;
        let at = page.records.iter().filter_map(|record| record.due);
        let Some(at) = at.map(|(_, at)| at.0).min() else {
            return Ok(None);
        };
        let works = page.records.iter();
        let works = works.filter_map(|record| decode::<DsnWork>(&record.key, &record.value).ok());
        let recipients = works.map(|work| work.failed.len()).sum();
        Ok(Some(Report { at, recipients }))
    }

    async fn facts_of(&self, id: MessageId) -> Result<Vec<Entry>, StoreError> {
        let mut facts = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .store
                .scan(Span::Prefix(facts_prefix(id)), after, false, PAGE)
                .await?;
            for record in &page.records {
                match decode::<Entry>(&record.key, &record.value) {
                    Ok(entry) => facts.push(entry),
                    Err(error) => self.pass_over(&error),
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(facts);
            }
        }
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
