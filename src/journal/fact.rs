//! Facts: what happened, written in the batch that made it happen, under `h/<message>/<id>`.
//!
//! If it is in the facts it happened; if it happened it is in the facts. The timeline of a message reads them by
//! prefix; they stay for `[queue] history`, also when the message itself is gone. A fact is never changed.

use minicbor::{Decode, Encode};

use crate::mail::hold::Hold;
use crate::mail::reply::Reply;

/// One thing that happened, to one message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Fact {
    /// Taken in; holds the envelope.
    #[n(0)]
    Accepted(#[n(0)] Accepted),
    /// One try at one site.
    #[n(1)]
    Tried(#[n(0)] Tried),
    /// Kept for a person.
    #[n(2)]
    Held(#[n(0)] Held),
    /// Somebody acted.
    #[n(3)]
    Acted(#[n(0)] Acted),
    /// Lifetime over.
    #[n(4)]
    Expired(#[n(0)] Expired),
    /// A DSN was made of it.
    #[n(5)]
    Notified(#[n(0)] Notified),
    /// The server ended while the answer to a final dot was awaited, or before it could be written down.
    #[n(6)]
    InDoubt(#[n(0)] InDoubt),
}

/// A fact and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Wall time in microseconds.
    #[n(0)]
    pub at: u64,
    /// What.
    #[n(1)]
    pub fact: Fact,
}

/// See `Fact::Accepted`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Accepted {
    /// Reverse-path, empty for null.
    #[n(0)]
    pub from: String,
    /// Forward-paths.
    #[n(1)]
    pub recipients: Vec<String>,
    /// `name[192.0.2.1]:4711`, or `local`.
    #[n(2)]
    pub peer: String,
    /// What it called itself.
    #[n(3)]
    pub helo: String,
    /// ESMTPSA and the like.
    #[n(4)]
    pub with: String,
    /// TLS version and cipher.
    #[n(5)]
    pub tls: Option<String>,
    /// Who logged in.
    #[n(6)]
    pub account: Option<String>,
    /// Its tenant.
    #[n(7)]
    pub tenant: String,
    /// Octets.
    #[n(8)]
    pub size: u64,
    /// The Message-ID field.
    #[n(9)]
    pub header_id: Option<String>,
    /// What scanners said of it, a line each.
    #[cbor(n(10), default)]
    pub said: Vec<String>,
}

/// See `Fact::Tried`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Tried {
    /// `mx.example[192.0.2.1]:25`, or `none`.
    #[n(0)]
    pub site: String,
    /// TLS version, cipher and whether it was verified.
    #[n(1)]
    pub tls: Option<String>,
    /// What it meant for each recipient.
    #[n(2)]
    pub results: Vec<TriedRecipient>,
    /// Number of this try, from 1.
    #[n(3)]
    pub attempt: u32,
    /// Wall time of the next try in microseconds, if there is one.
    #[n(4)]
    pub next_try: Option<u64>,
    /// The dialogue, if somebody was not relayed.
    #[n(5)]
    pub dialogue: Option<String>,
}

/// One recipient of a try.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TriedRecipient {
    /// Forward-path.
    #[n(0)]
    pub address: String,
    /// relayed, deferred, failed, held, expired, maybe_delivered.
    #[n(1)]
    pub action: String,
    /// The remote's reply, or ours.
    #[n(2)]
    pub reply: Option<Reply>,
    /// The command it answered.
    #[n(3)]
    pub step: String,
    /// A try before this one was never answered, so it may have arrived then, too.
    #[cbor(n(4), default)]
    pub maybe_before: bool,
}

/// See `Fact::Held`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Held {
    /// Forward-paths.
    #[n(0)]
    pub recipients: Vec<String>,
    /// Where and why.
    #[n(1)]
    pub hold: Hold,
    /// Who: an account, an administrator, or `postwerk`.
    #[n(2)]
    pub by: String,
}

/// See `Fact::Acted`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Acted {
    /// retry, requeue, release, delete, bounce, undo, judge, expire, report ham, report spam.
    #[n(0)]
    pub verb: String,
    /// Forward-paths.
    #[n(1)]
    pub recipients: Vec<String>,
    /// Who.
    #[n(2)]
    pub by: String,
    /// What was not checked because of it, or what followed.
    #[n(3)]
    pub note: String,
    /// From where: an address, as far as it is known.
    #[n(4)]
    pub place: Option<String>,
    /// By a link of this digest.
    #[n(5)]
    pub digest: Option<u32>,
}

/// See `Fact::Expired`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Expired {
    /// Forward-paths.
    #[n(0)]
    pub recipients: Vec<String>,
}

/// See `Fact::Notified`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Notified {
    /// The DSN's queue id.
    #[n(0)]
    pub dsn: String,
    /// To whom.
    #[n(1)]
    pub to: String,
    /// About whom.
    #[n(2)]
    pub recipients: Vec<String>,
}

/// See `Fact::InDoubt`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct InDoubt {
    /// Forward-paths.
    #[n(0)]
    pub recipients: Vec<String>,
    /// `mx.example[192.0.2.1]:25`
    #[n(1)]
    pub site: String,
    /// Wall time of the try in microseconds.
    #[n(2)]
    pub tried: u64,
    /// Wall time of the next one; none: held.
    #[n(3)]
    pub next_try: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_of_this_release_stays_readable() {
        let entry = Entry {
            at: 7,
            fact: Fact::Acted(Acted {
                verb: "retry".into(),
                recipients: vec!["a@b.example".into()],
                by: "cli".into(),
                note: String::new(),
                place: None,
                digest: None,
            }),
        };
        let golden = b"\x82\x07\x82\x03\x81\x84\x65retry\x81\x6ba@b.example\x63cli\x60";
        assert_eq!(minicbor::to_vec(&entry).unwrap(), golden);
        assert_eq!(minicbor::decode::<Entry>(golden).unwrap(), entry);
    }
}
