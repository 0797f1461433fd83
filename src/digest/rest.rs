//! The rows that a digest had no room for, mailed to its own address when somebody asks: the next fifty, newest first.
//!
//! Who has a link of a digest learns nothing by it: what is mailed goes where the digest went, and never more often than
//! once a minute. `g/4/<address>` keeps when it was asked last and how far the rows of one digest have come, in the batch
//! that accepts the mail. Like every digest that is asked for it leaves the stream as it is: such a mail may get lost.
//! Not here: who may ask (`desk`), and its page (`admin::link`).

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::Digests;
use super::choice::{self, Choice, Dates};
use super::compose::Tally;
use super::merged::Merged;
use super::record::{Digest, Scope, digest_key, rest_key};
use super::send::{SendError, TRIES};
use crate::base::clock::{Wall, micros};
use crate::base::limit::{
    DIGEST_COUNT_MAX, DIGEST_REST_AGAIN, DIGEST_REST_EVERY, DIGEST_REST_MAX, DIGEST_ROWS_MAX,
};
use crate::mail::hold::HoldQueue;
use crate::queue::record::{HoldId, decode, encode};
use crate::store::{Batch, Op, Pre, StoreError, Version};

/// What became of the next rows that somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They are on their way, by a digest with this number.
    Sent(u32),
    /// Nothing more of theirs is held than was listed, or they get no digests.
    All,
    /// They asked a moment ago, and may ask again then.
    TooSoon(Wall),
}

/// `g/4/<address>`
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Asked {
    /// Wall time in microseconds.
    #[n(0)]
    at: u64,
    /// The digest whose rest it is.
    #[n(1)]
    root: u32,
    /// What was mailed of it.
    #[n(2)]
    sent: Vec<u32>,
    /// The last row; the next ones are older.
    #[n(3)]
    after: HoldId,
}

impl Digests {
    /// Mails what a digest, or the last such mail of it, left out.
    ///
    /// # Errors
    /// The store failed, or the queue takes nothing now.
    pub async fn send_rest(&self, number: u32, digest: &Digest) -> Result<Rest, SendError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.next_rest(number, digest).await {
                // Of many clicks at once the next look finds the one that was first.
                Err(SendError::Store(StoreError::Conflict(_))) if tries < TRIES => {}
                done => return done,
            }
        }
    }

    async fn next_rest(&self, number: u32, digest: &Digest) -> Result<Rest, SendError> {
        let (queue, to) = (&self.0.queue, &digest.to);
        let now = queue.clock().wall();
        let key = rest_key(to);
        let found = self.one(key.clone()).await?;
        let last = found.as_ref().and_then(|(value, _)| {
            let last = decode::<Asked>(&key, value);
            last.inspect_err(
                |error| tracing::error!(%to, %error, "how far a digest was mailed cannot be read"),
            )
            .ok()
        });
        // A clock that was set back must not lock anybody out for years.
        let age = last.as_ref().and_then(|last| now.0.checked_sub(last.at));
        if let (Some(last), Some(age)) = (&last, age)
            && age < micros(DIGEST_REST_EVERY)
        {
            return Ok(Rest::TooSoon(Wall(last.at) + DIGEST_REST_EVERY));
        }
        let audience = self.audience().await?;
        let Some(scopes) = audience.get(to) else {
            return Ok(Rest::All);
        };
        let again = age.is_none_or(|age| age >= micros(DIGEST_REST_AGAIN));
        let goes_on = last.filter(|last| last.root == number || last.sent.contains(&number));
        let begins = Asked {
            root: number,
            after: self.begin_of(digest, now),
            ..Asked::default()
        };
        let mut asked = goes_on.unwrap_or_else(|| begins.clone());
        let mut choice = self.rest_of(scopes, &mut asked).await?;
        if !choice.tells && again && asked.root == number {
            asked = begins;
            choice = self.rest_of(scopes, &mut asked).await?;
        }
        if !choice.tells {
            return Ok(Rest::All);
        }
        asked.at = now.0;
        let conf = queue.conf().load_full();
        let making = self.making(&conf, to, scopes, &choice, None);
        let more = |number| asked.put(to, number, found.as_ref().map(|(_, version)| *version));
        self.make(&making, more).await.map(Rest::Sent)
    }

    /// Whatever came behind a digest is for the next one.
    fn begin_of(&self, digest: &Digest, now: Wall) -> HoldId {
        let Some(age) = now.0.checked_sub(digest.at) else {
            return HoldId(u64::MAX);
        };
        let made = self.0.queue.store().now().0.saturating_sub(age);
        let newest = digest.listed.iter().max().copied().unwrap_or_default();
        // The wall may have been set since: what it lists itself was held by then.
        HoldId(made.saturating_add(1) << 8).max(HoldId(newest.0.saturating_add(1)))
    }

    /// The next rows behind `asked.after`, which moves on.
    async fn rest_of(
        &self,
        scopes: &BTreeSet<Scope>,
        asked: &mut Asked,
    ) -> Result<Choice, SendError> {
        let queue = &self.0.queue;
        let dates = Dates::of(&queue.conf().load(), queue.clock().wall());
        let listed = self.listed_by(asked.root).await?;
        let mut merged = Merged::behind(queue, scopes, Some(asked.after), true);
        let (mut choice, mut left) = (Choice::default(), 0);
        let mut by_queue: BTreeMap<HoldQueue, u64> = BTreeMap::new();
        while let Some(card) = merged.next().await? {
            if listed.contains(&card.id) {
                continue;
            }
            if left >= DIGEST_COUNT_MAX {
                choice.tally.capped = true;
                break;
            }
            *by_queue.entry(card.hold.queue).or_default() += 1;
            if choice.entries.len() < DIGEST_ROWS_MAX {
                asked.after = card.id;
                choice.entries.push(choice::entry(queue, card, dates));
            } else {
                left += 1;
            }
        }
        choice.tells = !choice.entries.is_empty();
        choice.tally = Tally {
            told: by_queue.into_iter().collect(),
            left_out: u64::try_from(left).unwrap_or(u64::MAX),
            ..choice.tally
        };
        Ok(choice)
    }

    async fn listed_by(&self, number: u32) -> Result<BTreeSet<HoldId>, StoreError> {
        let key = digest_key(number);
        let Some((value, _)) = self.one(key.clone()).await? else {
            return Ok(BTreeSet::new());
        };
        Ok(decode::<Digest>(&key, &value)?.listed.into_iter().collect())
    }
}

impl Asked {
    /// What takes this minute's one mail, and goes on from there.
    fn put(
        &self,
        to: &crate::mail::mailbox::Mailbox,
        number: u32,
        found: Option<Version>,
    ) -> Batch {
        let key = rest_key(to);
        let mut asked = self.clone();
        asked.sent.push(number);
        let surplus = asked.sent.len().saturating_sub(DIGEST_REST_MAX);
        asked.sent.drain(..surplus);
        let mut batch = Batch::new();
        batch.pre.push(match found {
            Some(version) => Pre::Is(key.clone(), version),
            None => Pre::Absent(key.clone()),
        });
        batch.ops.push(Op::Put {
            key,
            value: encode(&asked),
            due: None,
            terms: Vec::new(),
        });
        batch
    }
}
