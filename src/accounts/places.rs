//! From where an account logged in lately: `f/<account>`, so that others at the same address cannot lock it out.
//!
//! Stored, because it is for thirty days and a restart must not lock out a webmail host's users while somebody guesses
//! there. One small record an account, written when a place is new or was last noted a day ago; the oldest place makes
//! room for a new one. A record that nobody used for thirty days is swept when another one begins, and goes with its
//! account. Nothing depends on it but room in a bucket, so what cannot be read or written is as if it were not there.

use std::net::IpAddr;
use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::base::clock::micros;
use crate::base::limit::{ACCOUNTS_MAX, LOGIN_PLACES_MAX};
use crate::net::limiter::peer_key;
use crate::store::{Batch, Key, Op, Pre, Record, Span, Store, StoreError, StoreTime, Version};

/// As it lies on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Stored {
    /// Latest last.
    #[n(0)]
    places: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Place {
    /// Address or /64 network, as text.
    #[n(0)]
    peer: String,
    /// Store time in microseconds of the day's first login.
    #[n(1)]
    at: u64,
}

/// What is known of one account.
#[derive(Debug)]
pub(super) struct Places {
    key: Key,
    version: Option<Version>,
    stored: Stored,
}

/// Where it lies.
pub(super) fn key(name: &str) -> Key {
    Key::of(LETTER, &[name.as_bytes()])
}

impl Places {
    /// Of an account's record, if it has one.
    pub(super) fn of(name: &str, record: Option<&Record>) -> Self {
        let stored = record.and_then(|record| minicbor::decode(&record.value).ok());
        Self {
            key: key(name),
            version: record.map(|record| record.version),
            stored: stored.unwrap_or_default(),
        }
    }

    /// Whether it logged in from there within thirty days.
    pub(super) fn knows(&self, ip: IpAddr, now: StoreTime) -> bool {
        let peer = peer_key(ip).to_string();
        let mut places = self.stored.places.iter();
        places.any(|place| place.peer == peer && is_young(place.at, MEMORY, now))
    }

    /// It has logged in from there.
    pub(super) async fn note(mut self, store: &Store, name: &str, ip: IpAddr) {
        let peer = peer_key(ip).to_string();
        for _ in 0..WRITE_TRIES {
            let now = store.now();
            let mut known = self.stored.places.iter();
            if known.any(|place| place.peer == peer && is_young(place.at, NOTED, now)) {
                return;
            }
            match self.write(store, &peer, now).await {
                Ok(()) => return,
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return tracing::debug!(%error, "the place of a login is not noted"),
            }
            let Ok(found) = store.get(vec![self.key.clone()]).await else {
                return;
            };
            self = Self::of(name, found.into_iter().next().flatten().as_ref());
        }
    }

    async fn write(&self, store: &Store, peer: &str, now: StoreTime) -> Result<(), StoreError> {
        let mut places = self.stored.places.clone();
        places.retain(|place| place.peer != peer && is_young(place.at, MEMORY, now));
        let above = (places.len() + 1).saturating_sub(LOGIN_PLACES_MAX);
        places.drain(..above);
        places.push(Place {
            peer: peer.to_owned(),
            at: now.0,
        });
        let mut value = Vec::new();
        // Writing to memory cannot fail.
        drop(minicbor::encode(Stored { places }, &mut value));
        let unchanged = match self.version {
            Some(version) => Pre::Is(self.key.clone(), version),
            None => Pre::Absent(self.key.clone()),
        };
        let put = Op::Put {
            key: self.key.clone(),
            value: value.into(),
            due: None,
            terms: Vec::new(),
        };
        let batch = Batch {
            pre: vec![unchanged],
            ops: vec![put],
            ..Batch::new()
        };
        store.commit(batch).await?;
        if self.version.is_none() {
            sweep(store, now).await?;
        }
        Ok(())
    }
}

/// Removes the records of accounts that nobody used for thirty days.
async fn sweep(store: &Store, now: StoreTime) -> Result<(), StoreError> {
    let mut after = None;
    for _ in 0..ACCOUNTS_MAX / PAGE {
        let span = Span::Prefix(Key::of(LETTER, &[]));
        let page = store.scan(span, after, false, PAGE).await?;
        for record in page.records {
            let stored: Stored = minicbor::decode(&record.value).unwrap_or_default();
            let mut places = stored.places.iter();
            if places.any(|place| is_young(place.at, MEMORY, now)) {
                continue;
            }
            let mut batch = Batch::freeing();
            batch.pre.push(Pre::Is(record.key.clone(), record.version));
            batch.ops.push(Op::Delete(record.key));
            match store.commit(batch).await {
                Ok(_) | Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(())
}

fn is_young(at: u64, span: Duration, now: StoreTime) -> bool {
    now.0.saturating_sub(at) < micros(span)
}

const LETTER: u8 = b'f';
/// So long a place is known after a login from there: who reads mail once a month is no stranger.
const MEMORY: Duration = Duration::from_secs(30 * 86_400);
/// A place is noted anew when the note is so old: one write a day, whatever logs in for each mail.
const NOTED: Duration = Duration::from_secs(86_400);
/// How often a note is tried again because another came first.
const WRITE_TRIES: usize = 5;
/// Records of one page of a sweep.
const PAGE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Clock, Wall};

    const DAY: Duration = Duration::from_secs(86_400);

    async fn read(store: &Store, name: &str) -> Places {
        let found = store.get(vec![key(name)]).await.unwrap();
        Places::of(name, found[0].as_ref())
    }

    async fn note(store: &Store, name: &str, ip: &str) {
        let places = read(store, name).await;
        places.note(store, name, ip.parse().unwrap()).await;
    }

    async fn knows(store: &Store, name: &str, ip: &str) -> bool {
        let places = read(store, name).await;
        places.knows(ip.parse().unwrap(), store.now())
    }

    #[tokio::test]
    async fn a_place_is_known_for_thirty_days_after_its_last_login() {
        let clock = Clock::moved(Wall(1_700_000_000_000_000));
        let store = crate::store::memory(clock.clone());
        note(&store, "app", "192.0.2.1").await;
        note(&store, "app", "2001:db8::1").await;
        for (name, ip, known) in [
            ("app", "192.0.2.1", true),
            ("app", "::ffff:192.0.2.1", true),
            ("app", "2001:db8::ffff", true),
            ("app", "192.0.2.2", false),
            ("app", "2001:db8:0:1::1", false),
            ("other", "192.0.2.1", false),
        ] {
            assert_eq!(knows(&store, name, ip).await, known, "case: {name} {ip}");
        }
        clock.advance(DAY * 29);
        note(&store, "app", "192.0.2.1").await;
        clock.advance(DAY * 2);
        assert!(knows(&store, "app", "192.0.2.1").await);
        assert!(!knows(&store, "app", "2001:db8::1").await);
    }

    #[tokio::test]
    async fn a_login_for_each_mail_writes_once_a_day() {
        let clock = Clock::moved(Wall(1_700_000_000_000_000));
        let store = crate::store::memory(clock.clone());
        note(&store, "app", "192.0.2.1").await;
        let version = read(&store, "app").await.version;
        note(&store, "app", "192.0.2.1").await;
        assert_eq!(read(&store, "app").await.version, version);
        clock.advance(DAY);
        note(&store, "app", "192.0.2.1").await;
        assert_ne!(read(&store, "app").await.version, version);
    }

    #[tokio::test]
    async fn places_are_bounded_and_old_records_are_swept() {
        let clock = Clock::moved(Wall(1_700_000_000_000_000));
        let store = crate::store::memory(clock.clone());
        for n in 0..=LOGIN_PLACES_MAX {
            note(&store, "app", &format!("10.0.0.{n}")).await;
        }
        assert_eq!(
            read(&store, "app").await.stored.places.len(),
            LOGIN_PLACES_MAX
        );
        assert!(!knows(&store, "app", "10.0.0.0").await);
        clock.advance(DAY * 31);
        note(&store, "other", "10.0.0.1").await;
        assert!(read(&store, "app").await.version.is_none());
        assert!(read(&store, "other").await.version.is_some());
    }

    #[tokio::test]
    async fn of_many_first_logins_at_once_all_are_noted() {
        let store = crate::store::memory(Clock::system());
        let (one, two) = (read(&store, "app").await, read(&store, "app").await);
        one.note(&store, "app", "10.0.0.1".parse().unwrap()).await;
        two.note(&store, "app", "10.0.0.2".parse().unwrap()).await;
        assert!(knows(&store, "app", "10.0.0.1").await && knows(&store, "app", "10.0.0.2").await);
    }
}
