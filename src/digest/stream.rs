//! The stream of a recipient, `g/1/<address>`: when their next digest is due, and what they were told.
//!
//! One due record each: whoever claims it sends the digest, and the batch that accepts its mail also sets the next
//! date, so that a crash neither repeats nor skips one. Who has a stream follows from the configuration and the stored
//! accounts; one that nobody is told by any more ends when it is claimed.
//! Not here: what a digest lists (`choice`), and how it is made (`press`).

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::calendar;
use super::record::{Scope, stream_key};
use crate::accounts::Listed;
use crate::base::clock::Wall;
use crate::base::limit::{DIGEST_LISTINGS_MAX, DIGEST_STREAMS_MAX};
use crate::config::Config;
use crate::mail::hold::HoldQueue;
use crate::mail::mailbox::Mailbox;
use crate::queue::record::{HoldId, encode};
use crate::store::{Band, Due, Group, Key, Op, Work};

/// `g/1/<address>`
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Stream {
    /// Wall time in microseconds at which the next digest is due.
    #[n(0)]
    pub next: u64,
    /// Wall time in microseconds at which it was last looked whether there is something to tell.
    #[n(1)]
    pub looked: u64,
    /// The number of the last digest; 0: there was none.
    #[n(2)]
    pub number: u32,
    /// Wall time in microseconds of the last digest.
    #[n(3)]
    pub sent: u64,
    /// Holds up to this one were listed, or were held when nobody was told.
    #[n(4)]
    pub last: HoldId,
    /// Holds behind `last` that were told too: newer ones had a row while older ones wait for theirs, and an id is made
    /// a moment before its hold can be seen, so an older one may show up behind a newer one.
    #[cbor(n(5), default)]
    pub recent: Vec<HoldId>,
    /// Digests whose rows have links that count, oldest first.
    #[cbor(n(6), default)]
    pub listings: Vec<Listing>,
    /// Store time: of what expires up to then it was warned.
    #[n(7)]
    pub warned: u64,
    /// The next digest lists everything, whether it is new or not.
    #[cbor(n(8), default)]
    pub all: bool,
}

/// One digest, and until when its rows count as told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Listing {
    /// Its number.
    #[n(0)]
    pub number: u32,
    /// The hour since 1970 at which its links end, or would if it had any.
    #[n(1)]
    pub end: u32,
}

/// What each recipient of digests sees.
pub type Audience = BTreeMap<Mailbox, BTreeSet<Scope>>;

/// Everybody who gets digests: the administrators of each queue, and the owners of domains and accounts.
pub fn audience(conf: &Config, accounts: &[Listed]) -> Audience {
    let mut all = Audience::new();
    let mut add = |to: &Mailbox, scope| {
        if all.len() < DIGEST_STREAMS_MAX || all.contains_key(to) {
            all.entry(to.clone()).or_default().insert(scope);
        }
    };
    for queue in HoldQueue::ALL {
        for to in conf.administrators(queue) {
            add(to, Scope::Queue(queue));
        }
    }
    if !conf.digest.owners {
        return all;
    }
    for domain in &conf.domains {
        if let Some(owner) = &domain.owner {
            add(owner, Scope::Domain(domain.name.to_string().to_lowercase()));
        }
    }
    for account in accounts {
        if let Some(owner) = &account.account.owner {
            add(owner, Scope::Account(account.account.name.clone()));
        }
    }
    all
}

/// Whose stream a key names.
pub fn address_of(key: &Key) -> Option<Mailbox> {
    let text = key.0.strip_prefix(b"g\x01")?;
    Mailbox::parse(std::str::from_utf8(text).ok()?).ok()
}

impl Stream {
    /// The next date by the calendar, as it is today.
    pub fn after(conf: &Config, now: Wall) -> Wall {
        calendar::next(&conf.digest.timing, &conf.digest.zone, now)
    }

    /// One that was never looked at: whatever is held is new to them.
    pub fn fresh(conf: &Config, now: Wall) -> Self {
        Self {
            next: Self::after(conf, now).0,
            looked: now.0,
            ..Self::default()
        }
    }

    /// The same with a date that fits the configuration in force: never later than it asks for. A date that was missed
    /// while the server was down has come.
    #[must_use]
    pub fn on_time(mut self, conf: &Config, now: Wall) -> Self {
        let since_last = Self::after(conf, Wall(self.looked.min(now.0)));
        self.next = self.next.min(since_last.0).min(Self::after(conf, now).0);
        self
    }

    /// Whether they were told of it, or it is older than their stream.
    pub fn knows(&self, id: HoldId) -> bool {
        id <= self.last || self.recent.contains(&id)
    }

    /// Remembers one more digest; the oldest is forgotten when there are too many.
    pub fn list(&mut self, listing: Listing) {
        while self.listings.len() >= DIGEST_LISTINGS_MAX {
            self.listings.remove(0);
        }
        self.listings.push(listing);
    }

    /// Writes it, due at its next date.
    pub fn put(&self, to: &Mailbox, now: Wall) -> Op {
        let key = stream_key(to);
        let due = Due {
            work: Work::Digest,
            group: Group::of_key(&key),
            band: Band::Normal,
            // A span, not a date: the clock may be set while it waits. What the wall says is asked again then.
            after: Wall(self.next) - now,
        };
        Op::Put {
            key,
            value: encode(self),
            due: Some(due),
            terms: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::domain::Domain;

    fn mailbox(text: &str) -> Mailbox {
        Mailbox::parse(text).unwrap()
    }

    #[test]
    fn everybody_sees_the_union_of_what_is_theirs() {
        let hostname = Domain::parse("mail.example.org").unwrap();
        let mut conf = Config::fallback(hostname, "/nonexistent".into());
        conf.digest.to = vec![mailbox("a@x.example")];
        conf.hold.bad.to = vec![mailbox("b@x.example"), mailbox("c@x.example")];
        let all = audience(&conf, &[]);
        assert_eq!(
            all[&mailbox("a@x.example")],
            [HoldQueue::Quarantine, HoldQueue::Defect]
                .map(Scope::Queue)
                .into()
        );
        assert_eq!(
            all[&mailbox("b@x.example")],
            [Scope::Queue(HoldQueue::Bad)].into()
        );
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn a_key_gives_its_address_back() {
        for text in ["a@x.example", "\"a b\"@x.example", "jörg@x.example"] {
            assert_eq!(address_of(&stream_key(&mailbox(text))), Some(mailbox(text)));
        }
        assert_eq!(address_of(&super::super::record::digest_key(7)), None);
    }

    #[test]
    fn a_missed_date_has_come_and_a_shorter_span_counts_at_once() {
        let hostname = Domain::parse("mail.example.org").unwrap();
        let mut conf = Config::fallback(hostname, "/nonexistent".into());
        let day = 86_400_000_000;
        let stream = Stream::fresh(&conf, Wall(10 * day));
        assert_eq!(stream.next, 11 * day);
        let late = stream.clone().on_time(&conf, Wall(15 * day));
        assert!(late.next <= 15 * day);
        // The clock was set back by years.
        let early = stream.clone().on_time(&conf, Wall(2 * day));
        assert_eq!(early.next, 3 * day);
        conf.digest.timing = crate::config::Timing::Every(std::time::Duration::from_secs(60));
        let soon = stream.on_time(&conf, Wall(10 * day));
        assert_eq!(soon.next, 10 * day + 60_000_000);
    }
}
