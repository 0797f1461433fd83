//! Bodies: written in chunks while they arrive, read in chunks while they leave; never whole in memory.
//!
//! One chunk goes into the accept batch. What is longer is staged ahead; the first staged chunk comes with a sweep
//! record due in an hour, which accept deletes: exactly one of accept and sweep wins.
//! Not here: what becomes of a body that nobody accepts (`staged`).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::record::{MessageId, chunk_key, sweep_key};
use super::staged::{Source, Staging};
use super::{AcceptError, Queue};
use crate::base::clock::Mono;
use crate::base::limit::CHUNK;
use crate::base::text::clean;
use crate::mail::encoded_word::unlabelled;
use crate::mail::structure::{Scan, Structure};
use crate::store::{Band, Batch, Due, Group, Op, Store, StoreError, Version, Work};

/// A staged body that nobody accepted for so long is swept.
pub const SWEEP_AFTER: Duration = Duration::from_secs(3_600);
/// A session that is still writing says so this often.
const SWEEP_RENEW: Duration = Duration::from_secs(1_200);
/// Characters of Subject and Message-ID that are kept beside the message.
const FIELD_MAX: usize = 250;

/// Writes a body as it arrives.
#[derive(Debug)]
pub struct BodyWriter {
    queue: Queue,
    id: MessageId,
    chunk: BytesMut,
    /// The numbers of its first chunk and of the next one.
    first: u32,
    chunks: u32,
    size: u64,
    eight_bit: bool,
    fields: Fields,
    scan: Box<Scan>,
    swept: Option<(Version, Mono)>,
    staging: Arc<Staging>,
}

/// A body that is complete; accept makes it durable.
#[derive(Debug)]
pub struct StoredBody {
    /// The message's id.
    pub id: MessageId,
    /// Octets.
    pub size: u64,
    /// Whether an octet is above 127.
    pub eight_bit: bool,
    /// Its attachments, and whether it can be read.
    pub structure: Structure,
    pub(super) first: u32,
    pub(super) chunks: u32,
    pub(super) last: Bytes,
    pub(super) swept: Option<Version>,
    pub(super) fields: Fields,
    pub(super) staging: Arc<Staging>,
}

/// Header fields kept beside the message.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) header_id: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) author: Option<String>,
}

/// Reads a body. A clone reads on from where the first one is.
#[derive(Clone, Debug)]
pub struct BodyReader {
    store: Store,
    id: MessageId,
    next: u32,
    chunks: u32,
    /// The last chunk of a body that is not accepted yet: it is not in the store.
    last: Option<Bytes>,
}

impl BodyWriter {
    pub(super) fn new(queue: Queue, id: MessageId, source: Source) -> Self {
        let staging = Staging::new(queue.clone(), id, source);
        Self::over(queue, id, staging)
    }

    fn over(queue: Queue, id: MessageId, staging: Arc<Staging>) -> Self {
        Self {
            queue,
            id,
            chunk: BytesMut::new(),
            first: 0,
            chunks: 0,
            size: 0,
            eight_bit: false,
            fields: Fields::default(),
            scan: Box::default(),
            swept: None,
            staging,
        }
    }

    /// Another text of the same message: its chunks lie behind those of the first, which it takes the place of.
    pub(super) fn behind(queue: Queue, body: &StoredBody) -> Self {
        let now = queue.clock.mono();
        // The last chunk of the first text was never stored.
        let first = body.chunks - 1;
        Self {
            first,
            chunks: first,
            swept: body.swept.map(|version| (version, now)),
            ..Self::over(queue, body.id, Arc::clone(&body.staging))
        }
    }

    /// The id that the message will have.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Octets so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds octets. The first call must bring the whole header section.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), AcceptError> {
        if self.size == 0 {
            self.fields = Fields::read(bytes);
        }
        self.scan.feed(bytes);
        self.size += bytes.len() as u64;
        self.eight_bit = self.eight_bit || !bytes.is_ascii();
        while self.chunk.len() + bytes.len() > CHUNK {
            let (now, rest) = bytes.split_at(CHUNK - self.chunk.len());
            self.chunk.extend_from_slice(now);
            bytes = rest;
            self.stage().await?;
        }
        self.chunk.extend_from_slice(bytes);
        Ok(())
    }

    /// Ends the body; its last chunk is stored by accept.
    pub fn finish(self) -> StoredBody {
        StoredBody {
            id: self.id,
            size: self.size,
            eight_bit: self.eight_bit,
            first: self.first,
            chunks: self.chunks + 1,
            last: self.chunk.freeze(),
            swept: self.swept.map(|(version, _)| version),
            fields: self.fields,
            structure: self.scan.finish(),
            staging: self.staging,
        }
    }

    async fn stage(&mut self) -> Result<(), AcceptError> {
        let source = self.staging.source();
        self.queue.pressure_of(source)?;
        self.staging.take(self.chunk.len())?;
        let now = self.queue.clock.mono();
        if self.swept.is_none_or(|(_, at)| now - at > SWEEP_RENEW) {
            self.staging.announce();
            let announced = self.announce().await;
            let version = announced.map_err(|error| self.queue.refused(source, error))?;
            self.swept = Some((version, now));
        }
        let chunk = self.chunk.split().freeze();
        let key = chunk_key(self.id, self.chunks);
        let staged = self.queue.store.stage(key, chunk).await;
        staged.map_err(|error| self.queue.refused(source, error))?;
        self.chunks += 1;
        Ok(())
    }

    async fn announce(&self) -> Result<Version, StoreError> {
        let key = sweep_key(self.id);
        let due = Due {
            work: Work::Sweep,
            group: Group::of_key(&key),
            band: Band::Normal,
            after: SWEEP_AFTER,
        };
        let mut batch = Batch::new();
        batch.ops.push(Op::Put {
            key,
            value: Bytes::new(),
            due: Some(due),
            terms: Vec::new(),
        });
        self.queue.store.commit(batch).await
    }
}

impl BodyReader {
    /// From the chunk `first` to the one before `end`.
    pub(super) fn new(store: Store, id: MessageId, first: u32, end: u32) -> Self {
        Self {
            store,
            id,
            next: first,
            chunks: end,
            last: None,
        }
    }

    /// What stands behind the stored chunks.
    pub(super) fn before(mut self, last: Bytes) -> Self {
        self.last = Some(last);
        self
    }

    /// The next chunk; none at the end. A chunk that is missing is a damaged store, never a shorter mail.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.next == self.chunks {
            return Ok(self.last.take());
        }
        let key = chunk_key(self.id, self.next);
        self.next += 1;
        let found = self
            .store
            .get(vec![key.clone()])
            .await?
            .into_iter()
            .flatten()
            .next();
        let record =
            found.ok_or_else(|| StoreError::Damaged(format!("{key:?} is missing").into()))?;
        Ok(Some(record.value))
    }
}

impl Fields {
    fn read(header: &[u8]) -> Self {
        let mut fields = Self::default();
        let mut lines = header.split(|b| *b == b'\n').peekable();
        while let Some(line) = lines.next() {
            if matches!(line, b"" | b"\r") {
                break;
            }
            let Some(colon) = line.iter().position(|b| *b == b':') else {
                continue;
            };
            let (name, value) = line.split_at(colon);
            let slot = match name {
                name if name.eq_ignore_ascii_case(b"message-id") => &mut fields.header_id,
                name if name.eq_ignore_ascii_case(b"subject") => &mut fields.subject,
                name if name.eq_ignore_ascii_case(b"from") => &mut fields.author,
                _ => continue,
            };
            let mut text = unlabelled(value.get(1..).unwrap_or_default());
            while let Some(fold) = lines.next_if(|next| matches!(next.first(), Some(b' ' | b'\t')))
            {
                if text.len() < 4 * FIELD_MAX {
                    text.push_str(&unlabelled(fold));
                }
            }
            slot.get_or_insert_with(|| clean(&text.replace('\r', ""), FIELD_MAX).trim().to_owned());
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_id_and_subject_are_kept_with_their_folds() {
        let fields = Fields::read(b"subject: a\r\n b\r\nMessage-ID:\r\n <x@y>\r\nSubject: second\r\n\r\nSubject: body\r\n");
        assert_eq!(fields.header_id.as_deref(), Some("<x@y>"));
        assert_eq!(fields.subject.as_deref(), Some("a b"));
    }

    #[test]
    fn a_subject_that_names_no_charset_is_kept_readable() {
        for header in [
            "Subject: Grüße\r\n aus Köln\r\n".as_bytes(),
            b"Subject: Gr\xfc\xdfe\r\n aus K\xf6ln\r\n",
        ] {
            let fields = Fields::read(header);
            assert_eq!(fields.subject.as_deref(), Some("Grüße aus Köln"));
        }
    }
}
