//! A stored account: `u/<name>`, minicbor with numbered fields, so that old and new programs read each other's.
//!
//! The password is always a hash here; plain ones are only for files, whose owner decides.

use std::time::Duration;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::Account;
use crate::base::band::Band;
use crate::config::{AddressPattern, Rate, RateAction};
use crate::mail::mailbox::Mailbox;
use crate::store::{Key, StoreError};

/// As it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Stored {
    /// PHC string.
    #[n(0)]
    pub(super) password: String,
    #[n(1)]
    pub(super) tenant: String,
    /// Patterns.
    #[n(2)]
    pub(super) senders: Vec<String>,
    #[n(3)]
    pub(super) owner: Option<String>,
    #[n(4)]
    pub(super) hold: bool,
    /// Count, span in microseconds, action.
    #[n(5)]
    pub(super) rate: Option<(u32, u64, u8)>,
    /// Store time in microseconds.
    #[n(6)]
    pub(super) changed: u64,
    /// None: normal, as all were before there were bands.
    #[n(7)]
    pub(super) band: Option<u8>,
}

/// Where an account lies.
pub(super) fn key(name: &str) -> Key {
    Key::of(LETTER, &[name.as_bytes()])
}

/// Every account.
pub(super) fn prefix() -> Key {
    Key::of(LETTER, &[])
}

/// Whose key it is.
pub(super) fn name_of(key: &Key) -> Option<String> {
    let (letter, name) = key.0.split_first()?;
    (*letter == LETTER).then(|| String::from_utf8(name.to_vec()).ok())?
}

impl Stored {
    pub(super) fn encode(&self) -> Bytes {
        let mut octets = Vec::new();
        // Writing to memory cannot fail.
        drop(minicbor::encode(self, &mut octets));
        octets.into()
    }

    pub(super) fn decode(name: &str, octets: &[u8]) -> Result<Self, StoreError> {
        minicbor::decode(octets).map_err(|why| damaged(name, &why.to_string()))
    }

    /// With its patterns read.
    pub(super) fn account(&self, name: &str) -> Result<Account, StoreError> {
        let senders = self.senders.iter().map(|text| AddressPattern::parse(text));
        let senders: Result<Vec<_>, String> = senders.collect();
        let owner = self.owner.as_deref().map(Mailbox::parse).transpose();
        let action = |n: u8| match n {
            0 => RateAction::Defer,
            1 => RateAction::Reject,
            _ => RateAction::Hold,
        };
        Ok(Account {
            name: name.to_owned(),
            tenant: self.tenant.clone(),
            senders: senders.map_err(|why| damaged(name, &why))?,
            owner: owner.map_err(|why| damaged(name, &why.to_string()))?,
            hold: self.hold,
            rate: self.rate.map(|(count, span, n)| Rate {
                count,
                span: Duration::from_micros(span),
                action: action(n),
            }),
            band: self.band.map_or(Band::default(), Band::of),
        })
    }
}

fn damaged(name: &str, why: &str) -> StoreError {
    StoreError::Damaged(format!("account {name}: {why}").into())
}

const LETTER: u8 = b'u';

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Stored {
        Stored {
            password: "$argon2id$x".into(),
            tenant: "standard".into(),
            senders: vec!["*@example.org".into()],
            owner: Some("chef@example.org".into()),
            hold: true,
            rate: Some((100, 3_600_000_000, 2)),
            changed: 7,
            band: None,
        }
    }

    #[test]
    fn a_record_of_the_first_release_is_read_today() {
        let golden = "a7006b246172676f6e326964247801687374616e6461726402816d2a406578616d706c652e6f7267037063686566406578616d706c652e6f726704f5058318641ad693a400020607";
        let hex: String = sample()
            .encode()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hex, golden);
        let digits: Vec<u8> = golden.bytes().collect();
        let octet = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        let old: Vec<u8> = digits.chunks(2).map(octet).collect();
        assert_eq!(Stored::decode("app", &old).unwrap(), sample());
    }

    #[test]
    fn an_account_without_a_band_is_normal() {
        for (band, read) in [
            (None, Band::Normal),
            (Some(0), Band::Urgent),
            (Some(2), Band::Bulk),
        ] {
            let stored = Stored { band, ..sample() };
            let stored = Stored::decode("app", &stored.encode()).unwrap();
            assert_eq!(stored.account("app").unwrap().band, read, "{band:?}");
        }
    }

    #[test]
    fn a_key_gives_its_name_back() {
        assert_eq!(name_of(&key("app1")).as_deref(), Some("app1"));
        assert_eq!(name_of(&Key::of(b'm', &[b"app1"])), None);
    }

    #[test]
    fn a_torn_record_is_damage_and_no_account() {
        let whole = sample().encode();
        assert!(matches!(
            Stored::decode("app", &whole[..whole.len() - 3]),
            Err(StoreError::Damaged(_))
        ));
    }
}
