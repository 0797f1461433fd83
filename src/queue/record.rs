//! What the queue stores: messages, parcels and the work that follows a failure.
//!
//! Keys: `m/<msg>`, `p/<msg>/<parcel>`, `b/<msg>/<n>`, `h/<msg>/<fact>`, `n/<msg>/<n>`, `s/<msg>`, `a/<msg>/<parcel>`;
//! elsewhere `x/<job>` (`bulk`), `w/<walk>` (`history`), `e/<msg><key>` (`damaged`). Ids are big-endian, so
//! that keys sort by time. Records are minicbor with numbered fields: a field is added, never renumbered.

use std::net::SocketAddr;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::returned::Returned;
use crate::id;
use crate::mail::attachment::Attachment;
use crate::mail::envelope::{MailFrom, Notify};
use crate::mail::found::Found;
use crate::mail::hold::{Hold, HoldReason};
use crate::mail::mailbox::Mailbox;
use crate::mail::outcome::Fault;
use crate::mail::reply::Reply;
use crate::mail::state::State;
use crate::store::{IndexId, Key, StoreError, Term};

id! {
    /// One accepted message; a recipient is a `MessageId` and its index.
    pub struct MessageId;
}

id! {
    /// One bulk job.
    pub struct JobId;
}

id! {
    /// One hold of one recipient; new each time something is held.
    pub struct HoldId;
}

/// One recipient of one message: the unit of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecipientId {
    /// Whose.
    pub message: MessageId,
    /// From 0, in the order of RCPT.
    pub index: u32,
}

/// `Origin.listener` of mail of this program.
pub const LOCAL: &str = "local";

/// Where a message came from: what Received is written from, and what a requeue is judged by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Origin {
    /// The listener's bind address as configured, or `local`.
    #[n(0)]
    pub listener: String,
    /// The client.
    #[cbor(n(1), with = "peer")]
    pub peer: Option<SocketAddr>,
    /// What it called itself.
    #[n(2)]
    pub helo: String,
    /// ESMTPSA and the like (RFC 3848).
    #[n(3)]
    pub with: String,
    /// TLS version and cipher.
    #[n(4)]
    pub tls: Option<String>,
    /// Who logged in.
    #[n(5)]
    pub account: Option<String>,
    /// Its tenant.
    #[n(6)]
    pub tenant: String,
    /// How it logged in: PLAIN or LOGIN.
    #[n(7)]
    pub sasl: Option<String>,
    /// Whether its listener took mail of anybody (`role = "mx"`); what a requeue looks at follows from it.
    #[n(8)]
    pub mx: Option<bool>,
    /// Our address and port that it came to.
    #[cbor(n(9), with = "peer", default)]
    pub local: Option<SocketAddr>,
    /// Whether its client's address was in `trust` of the listener.
    #[n(10)]
    pub trusted: Option<bool>,
    /// The domain of its reverse-path, if the account that logged in is bound to it by `senders`.
    #[n(11)]
    pub proven: Option<String>,
}

impl Origin {
    /// Whether it is mail of our own programs and people: with a login, of a trusted network, or of this program. What
    /// an older record does not say is a stranger's.
    pub fn is_own(&self) -> bool {
        self.account.is_some() || self.listener == LOCAL || self.trusted == Some(true)
    }
}

/// `m/<msg>`: envelope, origin and body; its count is its recipients not ended and its unfinished DSNs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Message {
    /// From the key.
    #[cbor(skip)]
    pub id: MessageId,
    /// What MAIL said.
    #[n(0)]
    pub from: MailFrom,
    /// Where it came from.
    #[n(1)]
    pub origin: Origin,
    /// Octets as stored.
    #[n(2)]
    pub size: u64,
    /// Store time in microseconds.
    #[n(3)]
    pub arrived: u64,
    /// Wall time in microseconds, for dates.
    #[n(4)]
    pub wall: u64,
    /// Whether the content has octets above 127.
    #[n(5)]
    pub eight_bit: bool,
    /// Chunks of the body.
    #[n(6)]
    pub chunks: u32,
    /// The Message-ID field.
    #[n(7)]
    pub header_id: Option<String>,
    /// The Subject field as it came, cleaned and bounded.
    #[n(8)]
    pub subject: Option<String>,
    /// Recipients of the whole message; 1 lets Received say for whom.
    #[n(9)]
    pub recipients: u32,
    /// The From field as it came, cleaned and bounded.
    #[n(10)]
    pub author: Option<String>,
    /// At most `ATTACHMENTS_MAX`; see `Structure` for what was left out.
    #[cbor(n(11), default)]
    pub attachments: Vec<Attachment>,
    /// The number of the digest that it is. A digest is never held, and its failure is told to `digest`.
    #[n(12)]
    pub digest: Option<u32>,
    /// Fields that checks put on top of the text; they go out with it.
    #[cbor(n(13), default)]
    pub top: String,
    /// Filters that did their work on it when it came.
    #[cbor(n(14), default)]
    pub worked: Vec<Worked>,
    /// The number of its first chunk; `chunks` is the number behind its last one.
    #[cbor(n(15), default)]
    pub first: u32,
}

/// A filter that did its work on a mail; asked again, only its verdict counts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Worked {
    /// The filter.
    #[n(0)]
    pub name: String,
    /// Its fields beside the text.
    #[n(1)]
    pub top: String,
}

/// `p/<msg>/<parcel>`: up to 100 recipients of one message in one group, each with its own state.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Parcel {
    /// Recipients, ended ones too.
    #[n(0)]
    pub slots: Vec<Slot>,
    /// Whose group: the account, or empty.
    #[n(1)]
    pub account: String,
    /// Urgency: 0 urgent, 1 normal, 2 bulk.
    #[n(2)]
    pub band: u8,
    /// Tries so far.
    #[n(3)]
    pub attempts: u32,
    /// Drawn once, so that recipients that shared a transaction keep sharing it.
    #[n(4)]
    pub jitter: u16,
    /// Store time at which the lifetime of what waits here is over.
    #[n(5)]
    pub expires: u64,
    /// Store time of the next try.
    #[n(6)]
    pub next_try: u64,
    /// Why it is kept, while a slot is held, leaving or trashed from a hold.
    #[n(7)]
    pub hold: Option<Kept>,
    /// The last `DIALOGUES_MAX` dialogues that did not relay.
    #[n(8)]
    pub dialogues: Vec<String>,
    /// Released by a person: it goes out although it was not checked.
    #[n(9)]
    pub unchecked: bool,
    /// Where it was tried last.
    #[n(10)]
    pub last_site: Option<String>,
    /// What a requeue put on top, instead of the message's `top`.
    #[n(11)]
    pub top: Option<String>,
    /// Filters that did their work since, too, instead of the message's `worked`.
    #[n(12)]
    pub worked: Option<Vec<Worked>>,
    /// Wall time of its last try in microseconds; 0: it had none, or an older version did not say.
    #[cbor(n(13), default)]
    pub tried: u64,
    /// What checks had found when a person let it out of its hold. Held again it is held for that too.
    #[cbor(n(14), default)]
    pub found: Vec<Found>,
    /// The bulk job whose act was the last on it.
    #[n(15)]
    pub job: Option<JobId>,
    /// What may go back of it, since a person let it out of a hold; none: as usual.
    #[n(16)]
    pub back: Option<Returned>,
}

impl Parcel {
    /// Everything that checks found and did not take back.
    pub fn all_found(&self) -> Vec<Found> {
        let mut all = self.found.clone();
        for more in self.hold.iter().flat_map(|kept| kept.hold.found()) {
            if !all.iter().any(|one| one.is_of(&more)) {
                all.push(more);
            }
        }
        all
    }

    /// Every reason for which it is kept or was let go.
    pub fn reasons(&self) -> Vec<HoldReason> {
        let kept = self.hold.iter().map(|kept| kept.hold.reason);
        let found = self.all_found();
        kept.chain(found.iter().map(|found| found.reason)).collect()
    }

    /// It is out of its hold; what was found is not forgotten.
    pub fn leave_hold(&mut self) {
        self.found = self.all_found();
        self.hold = None;
    }
}

/// A hold, its id and since when.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Kept {
    /// New each time.
    #[n(0)]
    pub id: HoldId,
    /// Where and why.
    #[n(1)]
    pub hold: Hold,
    /// Wall time in microseconds.
    #[n(2)]
    pub since: u64,
    /// Store time at which it expires; 0: as the configuration says, counted from the next look.
    #[cbor(n(3), default)]
    pub until: u64,
}

/// One recipient in its parcel.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Slot {
    /// Its index in the message.
    #[n(0)]
    pub index: u32,
    /// Its forward-path.
    #[n(1)]
    pub mailbox: Mailbox,
    /// NOTIFY.
    #[n(2)]
    pub notify: Notify,
    /// ORCPT.
    #[n(3)]
    pub orcpt: Option<String>,
    /// Where it stands.
    #[n(4)]
    pub state: State,
    /// Why it is not there yet, or never will be.
    #[n(5)]
    pub fault: Option<Fault>,
    /// A try whose final dot was never answered; whatever comes later, the mail may have arrived then.
    #[n(6)]
    pub unanswered: Option<Unanswered>,
}

/// The last try whose final dot was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Unanswered {
    /// Wall time in microseconds.
    #[n(0)]
    pub at: u64,
    /// `mx.example[192.0.2.1]:25`
    #[n(1)]
    pub site: String,
}

/// `n/<msg>/<n>`: failures that the reverse-path must be told of; those of one minute share a DSN.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DsnWork {
    /// Who and why.
    #[n(0)]
    pub failed: Vec<FailedRecipient>,
}

/// One recipient that a DSN tells of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FailedRecipient {
    /// Its index.
    #[n(0)]
    pub index: u32,
    /// Its forward-path.
    #[n(1)]
    pub mailbox: Mailbox,
    /// ORCPT.
    #[n(2)]
    pub orcpt: Option<String>,
    /// NOTIFY.
    #[n(3)]
    pub notify: Notify,
    /// Why, if anything was tried.
    #[n(4)]
    pub fault: Option<Fault>,
    /// Where: `mx.example[192.0.2.1]:25`.
    #[n(5)]
    pub site: String,
    /// Lifetime over, rather than refused.
    #[n(6)]
    pub expired: bool,
    /// Wall time of the last try in microseconds; 0: it was never tried (RFC 3464 section 2.3.7).
    #[n(7)]
    pub at: u64,
    /// It did not fail: a hop that knows no DSN took it with this reply, and NOTIFY=SUCCESS asked to be told
    /// (RFC 3461 section 5.2.2).
    #[n(8)]
    pub relayed: Option<Reply>,
    /// It may have been delivered all the same.
    #[n(9)]
    pub unanswered: Option<Unanswered>,
    /// The content must not come back with it.
    #[cbor(n(10), default)]
    pub bare: bool,
}

/// The index of parcels by domain.
pub const BY_DOMAIN: IndexId = IndexId(1);
/// The index of parcels by hold queue.
pub const BY_HOLD: IndexId = IndexId(2);
/// The index of parcels that a bulk job put where they can be taken back from.
pub const BY_JOB: IndexId = IndexId(4);

/// The term of a job in `BY_JOB`.
pub(super) fn job_term(job: JobId) -> Term {
    Term(job.0.to_be_bytes()[..].into())
}

/// `m/<msg>`
pub fn message_key(id: MessageId) -> Key {
    Key::of(b'm', &[&id.0.to_be_bytes()])
}

/// `p/<msg>/<parcel>`
pub fn parcel_key(id: MessageId, number: u64) -> Key {
    Key::of(b'p', &[&id.0.to_be_bytes(), &number.to_be_bytes()])
}

/// All parcels of a message.
pub fn parcels_prefix(id: MessageId) -> Key {
    Key::of(b'p', &[&id.0.to_be_bytes()])
}

/// The first key behind all parcels of a message.
pub fn parcels_end(id: MessageId) -> Key {
    Key::of(b'p', &[&id.0.saturating_add(1).to_be_bytes()])
}

/// `b/<msg>/<n>`
pub fn chunk_key(id: MessageId, n: u32) -> Key {
    Key::of(b'b', &[&id.0.to_be_bytes(), &n.to_be_bytes()])
}

/// The first key behind all chunks of a body.
pub fn chunks_end(id: MessageId) -> Key {
    Key::of(b'b', &[&id.0.saturating_add(1).to_be_bytes()])
}

/// `h/<msg>/<fact>`
pub fn fact_key(id: MessageId, fact: u64) -> Key {
    Key::of(b'h', &[&id.0.to_be_bytes(), &fact.to_be_bytes()])
}

/// All facts of a message.
pub fn facts_prefix(id: MessageId) -> Key {
    Key::of(b'h', &[&id.0.to_be_bytes()])
}

/// `n/<msg>/<n>`
pub fn dsn_key(id: MessageId, n: u64) -> Key {
    Key::of(b'n', &[&id.0.to_be_bytes(), &n.to_be_bytes()])
}

/// All DSN work of a message.
pub fn dsn_prefix(id: MessageId) -> Key {
    Key::of(b'n', &[&id.0.to_be_bytes()])
}

/// `a/<msg>/<parcel>`
pub fn intent_key(id: MessageId, number: u64) -> Key {
    Key::of(b'a', &[&id.0.to_be_bytes(), &number.to_be_bytes()])
}

/// `s/<msg>`
pub fn sweep_key(id: MessageId) -> Key {
    Key::of(b's', &[&id.0.to_be_bytes()])
}

/// The message that a key of any of these kinds belongs to.
pub fn message_of(key: &Key) -> Option<MessageId> {
    let bytes = key.0.get(1..9)?;
    Some(MessageId(u64::from_be_bytes(bytes.try_into().ok()?)))
}

/// What follows the message in a key.
pub fn number_of(key: &Key) -> Option<u64> {
    let bytes = key.0.get(9..17)?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// The term of a hold queue.
pub fn hold_term(hold: &Hold) -> Term {
    Term(hold.queue.word().as_bytes().into())
}

/// Encodes a record of ours.
pub fn encode<T: Encode<()>>(record: &T) -> Bytes {
    // Writing to a Vec cannot fail, and no record type here has a failing `Encode`.
    minicbor::to_vec(record)
        .map(Bytes::from)
        .unwrap_or_default()
}

/// Decodes a record of ours, naming its key when it is damaged.
pub fn decode<'b, T: Decode<'b, ()>>(key: &Key, value: &'b [u8]) -> Result<T, StoreError> {
    minicbor::decode(value).map_err(|error| StoreError::Damaged(format!("{key:?}: {error}").into()))
}

impl Message {
    /// Decodes `m/<msg>` and takes its id from the key.
    pub fn read(key: &Key, value: &[u8]) -> Result<Self, StoreError> {
        let mut message: Self = decode(key, value)?;
        message.id =
            message_of(key).ok_or_else(|| StoreError::Damaged(format!("{key:?}").into()))?;
        Ok(message)
    }
}

mod peer {
    //! A socket address as text, as nothing else reads it.

    use std::net::SocketAddr;

    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    pub(super) fn encode<C, W: Write>(
        peer: &Option<SocketAddr>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match peer {
            Some(peer) => e.str(&peer.to_string()).map(drop),
            None => e.str("").map(drop),
        }
    }

    pub(super) fn decode<'b, C>(
        d: &mut Decoder<'b>,
        _: &mut C,
    ) -> Result<Option<SocketAddr>, DecodeError> {
        match d.str()? {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(DecodeError::custom),
        }
    }
}
