//! Claims Digest work: streams whose date has come, digests that nobody needs any more, deliveries that failed.
//!
//! Beside it the streams are kept in step with the configuration, and a first held message moves a date to now. Both
//! are asked again at each start, so a crash loses neither. Not here: how a digest is made (`send`).

use std::collections::BTreeSet;
use std::time::Duration;

use super::Digests;
use super::choice::{self, Dates};
use super::record::{Scope, stream_key};
use super::send::{Making, SendError};
use super::stream::{Audience, Listing, Stream, address_of};
use crate::base::clock::{Wall, micros};
use crate::base::repeats::Repeats;
use crate::base::shutdown::Shutdown;
use crate::config::Config;
use crate::mail::mailbox::Mailbox;
use crate::queue::hold::{Card, Shelf};
use crate::queue::record::{HoldId, decode};
use crate::queue::rests;
use crate::queue::worker::{Failures, Share, of_itself};
use crate::store::{Batch, Claimed, Key, Op, Pre, Span, StoreError, Work};

/// Owners of stored accounts change without a word; nobody waits longer to be told for the first time.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// A date has come when the wall is so near: store time and wall are read at two moments.
const NEAR: Duration = Duration::from_secs(1);
/// Holds looked at when something was held; when more are new, everybody is looked at.
const HELD_PAGE: usize = 64;
/// Streams read with one scan.
const PAGE: usize = 500;

impl Digests {
    /// Sends digests until the server stops.
    pub async fn run(self, shutdown: Shutdown) {
        let digests = self.clone();
        let worker = self.0.queue.worker(&shutdown, Work::Digest);
        let sending = worker.run(Share::Group, move |pieces| {
            let digests = digests.clone();
            async move { digests.all(&pieces).await }
        });
        tokio::join!(sending, self.watch(shutdown));
    }

    /// Keeps the streams in step, and looks for first holds.
    async fn watch(&self, shutdown: Shutdown) {
        let clock = self.0.queue.clock();
        let mut hint = self.0.queue.held_hint();
        let (mut start, mut seen, mut audience) = (true, HoldId::default(), Audience::new());
        let (repeats, mut failures) = (Repeats::new(clock.clone()), 0);
        let mut looked = clock.mono();
        while !shutdown.begun() {
            hint.mark_unchanged();
            let done = if start || clock.mono() - looked >= LOOK_EVERY {
                looked = clock.mono();
                self.keep_all(start, &mut audience).await
            } else {
                self.keep_first(&audience, &mut seen).await
            };
            if let Err(error) = done {
                if let Some(repeated) = repeats.say(&error.to_string()) {
                    tracing::warn!(%error, "the recipients of digests could not be looked up; trying again{repeated}");
                }
                failures += 1;
                // A flood of holds must not make it try more often.
                tokio::select! {
                    () = shutdown.wait() => {}
                    () = clock.sleep(rests::span(failures)) => {}
                }
                continue;
            }
            (start, failures) = (false, 0);
            tokio::select! {
                () = shutdown.wait() => {}
                () = clock.sleep(LOOK_EVERY) => {}
                changed = hint.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn keep_all(&self, start: bool, audience: &mut Audience) -> Result<(), StoreError> {
        *audience = self.audience().await?;
        self.keep_those(audience, audience.keys(), start).await?;
        self.end_others(audience).await
    }

    /// Something was held: only those who see it are looked at, so that a flood of holds costs each owner nothing.
    async fn keep_first(&self, audience: &Audience, seen: &mut HoldId) -> Result<(), StoreError> {
        if !self.0.queue.conf().load().digest.on_first {
            return Ok(());
        }
        let page = self
            .0
            .queue
            .cards(&Shelf::All, None, true, HELD_PAGE)
            .await?;
        let new: Vec<&Card> = page.cards.iter().filter(|card| card.id > *seen).collect();
        let missed = new.len() == HELD_PAGE;
        let sees = |scopes: &BTreeSet<Scope>| {
            missed
                || new
                    .iter()
                    .any(|card| scopes.iter().any(|scope| scope.holds(card)))
        };
        let all = audience.iter().filter(|(_, scopes)| sees(scopes));
        self.keep_those(audience, all.map(|(to, _)| to), false)
            .await?;
        // An id can be seen a moment after it was made: the last ones are looked at again.
        if let Some(newest) = page.cards.first() {
            *seen = HoldId(newest.id.0.saturating_sub(choice::UNSEEN << 8));
        }
        Ok(())
    }

    /// Makes streams that are missing, and moves dates that must come earlier.
    ///
    /// # Errors
    /// The store failed.
    pub async fn keep_streams(&self, start: bool) -> Result<(), StoreError> {
        self.keep_all(start, &mut Audience::new()).await
    }

    async fn keep_those<'a>(
        &self,
        audience: &Audience,
        those: impl Iterator<Item = &'a Mailbox>,
        start: bool,
    ) -> Result<(), StoreError> {
        let conf = self.0.queue.conf().load_full();
        for (to, scopes) in those.filter_map(|to| audience.get_key_value(to)) {
            match self.keep_stream(&conf, to, scopes, start).await {
                // It is being sent, or was changed: then it is looked at again soon enough.
                Ok(()) | Err(StoreError::Conflict(_)) => {}
                Err(StoreError::Damaged(what)) => {
                    tracing::error!(%to, %what, "the stream of a recipient cannot be read; it begins anew");
                    self.begin(&conf, to).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn keep_stream(
        &self,
        conf: &Config,
        to: &Mailbox,
        scopes: &BTreeSet<Scope>,
        start: bool,
    ) -> Result<(), StoreError> {
        let now = self.0.queue.clock().wall();
        let found = self.stream(to).await?;
        let is_new = found.is_none();
        let (old, pre) = match found {
            Some((stream, version)) => (stream, Pre::Is(stream_key(to), version)),
            None => (Stream::fresh(conf, now), Pre::Absent(stream_key(to))),
        };
        let mut stream = old.clone().on_time(conf, now);
        if start && conf.digest.on_start && choice::is_any(&self.0.queue, scopes).await? {
            stream.next = now.0;
            stream.all = true;
        } else if conf.digest.on_first
            && stream.next > now.0
            && choice::is_first(&self.0.queue, scopes, &stream).await?
        {
            stream.next = now.0;
        }
        // A date that is only missed is due already.
        if stream == old && !is_new {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.pre.extend([pre, Pre::Free(stream_key(to))]);
        batch.ops.push(stream.put(to, now));
        self.0.queue.store().commit(batch).await.map(drop)
    }

    /// A stream anew, whatever was there.
    async fn begin(&self, conf: &Config, to: &Mailbox) -> Result<(), StoreError> {
        let now = self.0.queue.clock().wall();
        let mut batch = Batch::new();
        batch.pre.push(Pre::Free(stream_key(to)));
        batch.ops.push(Stream::fresh(conf, now).put(to, now));
        match self.0.queue.store().commit(batch).await {
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Streams of nobody end, so that one that comes back begins with what is held then.
    async fn end_others(&self, audience: &Audience) -> Result<(), StoreError> {
        for (key, _) in self.streams().await? {
            if address_of(&key).is_none_or(|to| !audience.contains_key(&to)) {
                let mut batch = Batch::new();
                batch.pre.push(Pre::Free(key.clone()));
                batch.ops.push(Op::Delete(key));
                match self.0.queue.store().commit(batch).await {
                    Ok(_) | Err(StoreError::Conflict(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// All streams as they are stored.
    pub(super) async fn streams(&self) -> Result<Vec<(Key, bytes::Bytes)>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let span = Span::Prefix(Key::of(b'g', &[&[1]]));
            let page = self.0.queue.store().scan(span, after, false, PAGE).await?;
            all.extend(
                page.records
                    .into_iter()
                    .map(|record| (record.key, record.value)),
            );
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// One after the other: one that fails stops no other.
    pub(super) async fn all(&self, claimed: &[Claimed]) -> Failures {
        let mut failures = Failures::new();
        let audience = match self.audience().await {
            Ok(audience) => audience,
            Err(error) => {
                let keys = claimed.iter().map(|claim| claim.record.key.clone());
                return keys
                    .map(|key| (key.clone(), of_itself(&key, error.clone())))
                    .collect();
            }
        };
        for claim in claimed {
            let key = claim.record.key.clone();
            let done = match key.0.first_chunk::<2>() {
                Some(b"g\x00") => self.forget(claim).await,
                Some(b"g\x01") => self.due(claim, &audience).await,
                Some([b'n', _]) => self.failed(claim).await,
                Some(_) | None => Err(SendError::Store(StoreError::Damaged(
                    format!("{key:?}").into(),
                ))),
            };
            let error = match done {
                Ok(()) => continue,
                Err(SendError::Store(error)) => of_itself(&key, error),
                Err(error @ (SendError::Refused(_) | SendError::Address(_))) => {
                    StoreError::Unavailable(format!("a digest could not be made: {error}").into())
                }
            };
            failures.push((key, error));
        }
        failures
    }

    /// Nobody has a link of it any more.
    async fn forget(&self, claim: &Claimed) -> Result<(), SendError> {
        self.finish(claim, Op::Delete).await
    }

    async fn finish(&self, claim: &Claimed, op: impl FnOnce(Key) -> Op) -> Result<(), SendError> {
        let mut batch = Batch::new();
        batch.pre.push(Pre::Mine(claim.guard.id()));
        batch.ops.push(op(claim.record.key.clone()));
        self.0.queue.store().commit(batch).await?;
        Ok(())
    }

    /// A stream whose date has come, unless the wall says otherwise.
    async fn due(&self, claim: &Claimed, audience: &Audience) -> Result<(), SendError> {
        let conf = self.0.queue.conf().load_full();
        let key = claim.record.key.clone();
        let Some((to, scopes)) = address_of(&key).and_then(|to| audience.get_key_value(&to)) else {
            return self.forget(claim).await;
        };
        let now = self.0.queue.clock().wall();
        let mut stream: Stream = match decode(&key, &claim.record.value) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::error!(%to, %error, "the stream of a recipient cannot be read; it begins anew");
                Stream::fresh(&conf, now)
            }
        };
        // The clock was set back while it waited: then the date has not come.
        let early = stream.next.saturating_sub(now.0) > micros(NEAR);
        if early {
            stream = stream.on_time(&conf, now);
            return self.finish(claim, |_| stream.put(to, now)).await;
        }
        self.tell(&conf, to, scopes, stream, claim, now).await
    }

    async fn tell(
        &self,
        conf: &Config,
        to: &Mailbox,
        scopes: &BTreeSet<Scope>,
        mut stream: Stream,
        claim: &Claimed,
        now: Wall,
    ) -> Result<(), SendError> {
        let dates = Dates::of(conf, now);
        let all = stream.all || conf.digest.remind;
        let choice = choice::choose(&self.0.queue, scopes, &stream, dates, all).await?;
        let since = (stream.number > 0).then_some(Wall(stream.sent));
        stream.next = dates.next.0;
        stream.looked = now.0;
        stream.all = false;
        choice::remember(&mut stream, &choice, self.0.queue.store().now().0);
        if !choice.tells {
            return self.finish(claim, |_| stream.put(to, now)).await;
        }
        let span = dates.second - now;
        let until = self.0.queue.store().now().0.saturating_add(micros(span));
        stream.warned = choice::warned(&choice, until);
        stream.sent = now.0;
        let making = Making {
            conf,
            to,
            scopes,
            lang: conf.digest.lang,
            since,
            now,
            choice: &choice,
        };
        let mine = Pre::Mine(claim.guard.id());
        self.make(&making, |number| {
            let mut stream = stream.clone();
            stream.number = number;
            stream.list(Listing::of(&making, number));
            let mut batch = Batch::new();
            batch.pre.push(mine.clone());
            batch.ops.push(stream.put(to, now));
            batch
        })
        .await
        .map(drop)
    }
}
