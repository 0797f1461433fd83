//! Makes one digest: chooses, words, signs, and hands the mail over in the batch that takes its number.
//!
//! Mail, record, number and whatever the caller adds (the next date of the stream) land together or not at all.
//! A digest that somebody asks for tells what is held now and leaves the stream as it is.
//! Not here: when one is due (`work`), and what a failed delivery means (`failure`).

use std::collections::BTreeSet;
use std::time::Duration;

use super::choice::{self, Choice, Dates};
use super::compose::{Links, Sheet, View};
use super::key::Signer;
use super::mail::Letter;
use super::record::{Digest, Scope, digest_key, fresh_key, number_key, stream_key};
use super::stream::{self, Audience, Listing, Stream};
use super::token::{Action, hour_of};
use super::{Digests, Rendered};
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::config::{Config, PublicUrl};
use crate::mail::envelope::{Envelope, MailFrom, RcptTo};
use crate::mail::mailbox::Mailbox;
use crate::mail::path::ReversePath;
use crate::queue::record::{HoldId, decode};
use crate::queue::{AcceptError, Finishing, NewMail, Origin, Source};
use crate::store::{Band, Batch, Key, Op, Pre, StoreError, Version};

/// A recipient gets no more fresh digests by pages than one in so long: a link that leaked must not fill a mailbox.
const FRESH_EVERY: Duration = Duration::from_secs(3_600);
/// How often a number that somebody else took is drawn again.
pub(super) const TRIES: usize = 5;

/// What became of a digest that somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// It is on its way, with this number.
    Sent(u32),
    /// Nothing of theirs is held, or they get no digests.
    Nothing,
    /// They asked within the hour.
    TooSoon,
}

/// Why a digest could not be handed over; nothing of it is kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// The store failed, or somebody was faster.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue takes nothing now.
    #[error(transparent)]
    Refused(#[from] AcceptError),
    /// The host's name leaves no room for an address.
    #[error("the reverse-path `{0}` is no address; choose a shorter [server] hostname")]
    Address(String),
}

/// One digest to be made.
pub(super) struct Making<'a> {
    pub(super) conf: &'a Config,
    pub(super) to: &'a Mailbox,
    pub(super) scopes: &'a BTreeSet<Scope>,
    pub(super) lang: Lang,
    pub(super) since: Option<Wall>,
    pub(super) now: Wall,
    pub(super) choice: &'a Choice,
}

impl Making<'_> {
    fn words(&self, links: Option<Links<'_>>) -> Rendered {
        let scopes: Vec<Scope> = self.scopes.iter().cloned().collect();
        Rendered::of(&View::of(&Sheet {
            hostname: &self.conf.server.hostname,
            to: self.to,
            scopes: &scopes,
            lang: self.lang,
            zone: &self.conf.digest.zone,
            since: self.since,
            now: self.now,
            entries: &self.choice.entries,
            tally: &self.choice.tally,
            holds: &self.conf.hold,
            links,
        }))
    }

    fn signed(&self, signer: &Signer, number: u32) -> Rendered {
        let end = self.end();
        let token = |action: Action, hold: HoldId| signer.token(action, hold, number, end);
        let code = |hold: HoldId| signer.code(number, hold);
        self.words(self.url().map(|url| Links {
            url,
            end,
            newest_only: self.conf.links.newest_only,
            token: &token,
            code: &code,
        }))
    }

    /// With links that lead nowhere.
    fn sample(&self) -> Rendered {
        let token =
            |action: Action, _: HoldId| format!("{:-<44}", format!("{action:?}").to_lowercase());
        let code = |_: HoldId| "0000".to_owned();
        self.words(self.url().map(|url| Links {
            url,
            end: self.end(),
            newest_only: self.conf.links.newest_only,
            token: &token,
            code: &code,
        }))
    }

    fn url(&self) -> Option<&PublicUrl> {
        let url = self.conf.admin.public_url.as_ref();
        url.filter(|_| self.conf.links_allowed())
    }

    /// The hour at which links end: whole hours, and at least the rest of this one and the next.
    pub(super) fn end(&self) -> u32 {
        let end = hour_of(self.now + self.conf.links.lifetime);
        end.max(hour_of(self.now).saturating_add(1))
    }
}

impl Digests {
    /// Makes a digest. What `more` answers for its number is done in the same batch.
    pub(super) async fn make(
        &self,
        making: &Making<'_>,
        more: impl Fn(u32) -> Batch,
    ) -> Result<u32, SendError> {
        let _turn = self.0.turn.lock().await;
        let mut tries = 0;
        loop {
            tries += 1;
            let (number, taking) = self.next_number().await?;
            let mut batch = more(number);
            let ours = batch.pre.len();
            batch.join(taking);
            match self.hand_over(making, number, batch).await {
                // What the caller demands stands first; behind it only the number can be somebody else's.
                Err(SendError::Refused(AcceptError::Store(StoreError::Conflict(at))))
                    if at >= ours && tries < TRIES => {}
                Err(SendError::Refused(AcceptError::Store(error))) => return Err(error.into()),
                done => return done.map(|()| number),
            }
        }
    }

    async fn hand_over(
        &self,
        making: &Making<'_>,
        number: u32,
        mut batch: Batch,
    ) -> Result<(), SendError> {
        let (queue, conf) = (&self.0.queue, making.conf);
        self.0.keys.ready().await.map_err(AcceptError::from)?;
        let rendered = making.signed(&self.0.keys.signer(), number);
        let mut body = queue.begin_body_of(Source::Own);
        let id = body.id();
        let letter = Letter {
            id: &id.to_string(),
            hostname: &conf.server.hostname,
            from: &conf.digest_from(),
            to: making.to,
            lang: making.lang,
            now: making.now,
            boundary: &format!("{id}.{:016x}", fastrand::u64(..)),
            rendered: &rendered,
        };
        body.write(&letter.octets()).await?;
        let linked = making.url().is_some();
        let record = Digest {
            to: making.to.clone(),
            scopes: making.scopes.iter().cloned().collect(),
            lang: making.lang,
            at: making.now.0,
            end: if linked { making.end() } else { 0 },
            listed: making
                .choice
                .entries
                .iter()
                .map(|entry| entry.card.id)
                .collect(),
            message: id,
            canary: None,
            wrong: Vec::new(),
            failed: None,
            fresh: None,
        };
        batch.pre.push(Pre::Absent(digest_key(number)));
        batch.ops.push(record.put(number, making.now));
        // No check, no scanner: one that finds fault with the names that it lists would keep from people what is held.
        let mail = NewMail {
            top: String::new(),
            worked: Vec::new(),
            said: Vec::new(),
            body: body.finish(),
            envelope: envelope(conf, making.to, number)?,
            origin: Origin {
                listener: "local".to_owned(),
                helo: conf.server.hostname.to_string(),
                with: "local".to_owned(),
                tenant: conf
                    .tenants
                    .first()
                    .map(|tenant| tenant.id.clone())
                    .unwrap_or_default(),
                ..Origin::default()
            },
            held: Vec::new(),
            // Whoever waits for a mail that is held waits for this.
            band: Band::Urgent,
            digest: Some(number),
        };
        queue.accept(mail, Some(Finishing { batch })).await?;
        tracing::info!(number, to = %making.to, %id, rows = making.choice.entries.len(), "a digest goes out");
        Ok(())
    }

    /// The next number, and what takes it.
    async fn next_number(&self) -> Result<(u32, Batch), StoreError> {
        let key = number_key();
        let (last, pre) = match self.one(key.clone()).await? {
            Some((value, version)) => {
                let last = <[u8; 4]>::try_from(value.as_ref()).map(u32::from_be_bytes);
                let damaged = |_| StoreError::Damaged(format!("{key:?}").into());
                (last.map_err(damaged)?, Pre::Is(key.clone(), version))
            }
            None => (0, Pre::Absent(key.clone())),
        };
        let number = last.checked_add(1).ok_or(StoreError::TooLarge)?;
        let mut batch = Batch::new();
        batch.pre.push(pre);
        batch.ops.push(Op::Put {
            key,
            value: number.to_be_bytes().to_vec().into(),
            due: None,
            terms: Vec::new(),
        });
        Ok((number, batch))
    }

    pub(super) async fn one(
        &self,
        key: Key,
    ) -> Result<Option<(bytes::Bytes, Version)>, StoreError> {
        let found = self.0.queue.store().get(vec![key]).await?;
        let record = found.into_iter().flatten().next();
        Ok(record.map(|record| (record.value, record.version)))
    }

    /// Everybody who gets digests, by the configuration in force.
    pub async fn audience(&self) -> Result<Audience, StoreError> {
        let conf = self.0.queue.conf().load_full();
        Ok(stream::audience(&conf, &self.0.accounts.list().await?))
    }

    /// A digest of what is held now, for a page's button: at most one an hour for an address.
    ///
    /// # Errors
    /// The store failed, or the queue takes nothing now.
    pub async fn send_fresh(&self, to: &Mailbox) -> Result<Fresh, SendError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let Some(batch) = self.take_fresh(to).await? else {
                return Ok(Fresh::TooSoon);
            };
            match self.send_held(to, &batch).await {
                // Of a hundred clicks at once the next look finds the one that was first; any other collision is
                // nobody's asking, and is tried again.
                Err(SendError::Store(StoreError::Conflict(_))) if tries < TRIES => {}
                done => return done,
            }
        }
    }

    /// What takes an address's one fresh digest of this hour; none: it is taken.
    async fn take_fresh(&self, to: &Mailbox) -> Result<Option<Batch>, StoreError> {
        let now = self.0.queue.clock().wall();
        let key = fresh_key(to);
        let found = self.one(key.clone()).await?;
        let asked = found.as_ref().and_then(|(value, _)| {
            let value = <[u8; 8]>::try_from(value.as_ref()).ok()?;
            Some(Wall(u64::from_be_bytes(value)))
        });
        // A clock that was set back must not lock anybody out for years.
        if asked.is_some_and(|asked| asked.0 <= now.0 && now - asked < FRESH_EVERY) {
            return Ok(None);
        }
        let mut batch = Batch::new();
        batch.pre.push(match found {
            Some((_, version)) => Pre::Is(key.clone(), version),
            None => Pre::Absent(key.clone()),
        });
        batch.ops.push(Op::Put {
            key,
            value: now.0.to_be_bytes().to_vec().into(),
            due: None,
            terms: Vec::new(),
        });
        Ok(Some(batch))
    }

    /// The same as often as an operator likes.
    ///
    /// # Errors
    /// The store failed, or the queue takes nothing now.
    pub async fn send_now(&self, to: &Mailbox) -> Result<Fresh, SendError> {
        self.send_held(to, &Batch::new()).await
    }

    async fn send_held(&self, to: &Mailbox, with: &Batch) -> Result<Fresh, SendError> {
        let audience = self.audience().await?;
        let conf = self.0.queue.conf().load_full();
        let Some(scopes) = audience.get(to) else {
            return Ok(Fresh::Nothing);
        };
        let choice = self.held(&conf, scopes).await?;
        if !choice.tells {
            return Ok(Fresh::Nothing);
        }
        let making = self.making(&conf, to, scopes, &choice, None);
        self.make(&making, |_| with.clone()).await.map(Fresh::Sent)
    }

    /// What a digest to this address would say now; none when nothing of theirs is held, or they get no digests. Its
    /// links lead nowhere.
    ///
    /// # Errors
    /// The store failed.
    pub async fn preview(
        &self,
        to: &Mailbox,
        lang: Option<Lang>,
    ) -> Result<Option<Rendered>, StoreError> {
        let audience = self.audience().await?;
        let conf = self.0.queue.conf().load_full();
        let Some(scopes) = audience.get(to) else {
            return Ok(None);
        };
        let choice = self.held(&conf, scopes).await?;
        if !choice.tells {
            return Ok(None);
        }
        Ok(Some(self.making(&conf, to, scopes, &choice, lang).sample()))
    }

    async fn held(&self, conf: &Config, scopes: &BTreeSet<Scope>) -> Result<Choice, StoreError> {
        let dates = Dates::of(conf, self.0.queue.clock().wall());
        choice::choose(&self.0.queue, scopes, &Stream::default(), dates, true).await
    }

    pub(super) fn making<'a>(
        &self,
        conf: &'a Config,
        to: &'a Mailbox,
        scopes: &'a BTreeSet<Scope>,
        choice: &'a Choice,
        lang: Option<Lang>,
    ) -> Making<'a> {
        Making {
            conf,
            to,
            scopes,
            lang: lang.unwrap_or(conf.digest.lang),
            since: None,
            now: self.0.queue.clock().wall(),
            choice,
        }
    }

    /// The stream of an address, and what must hold to change it.
    pub(super) async fn stream(
        &self,
        to: &Mailbox,
    ) -> Result<Option<(Stream, Version)>, StoreError> {
        let key = stream_key(to);
        let Some((value, version)) = self.one(key.clone()).await? else {
            return Ok(None);
        };
        Ok(Some((decode(&key, &value)?, version)))
    }
}

impl Listing {
    pub(super) fn of(making: &Making<'_>, number: u32) -> Self {
        Self {
            number,
            end: making.end(),
        }
    }
}

/// From an address that names the digest, so that whatever comes back tells which one failed; never the null path,
/// which nobody is told of.
fn envelope(conf: &Config, to: &Mailbox, number: u32) -> Result<Envelope, SendError> {
    let path = format!("postwerk+d{number}@{}", conf.server.hostname);
    let path = ReversePath::parse(&path).map_err(|_| SendError::Address(path))?;
    let mut from = MailFrom::new(path);
    from.smtputf8 = to.needs_smtputf8();
    // A domain that its owner wrote in Unicode must not ask for SMTPUTF8: the hop behind the next one may not know it.
    let to = if from.smtputf8 {
        to.clone()
    } else {
        to.in_a_labels()
    };
    Ok(Envelope {
        from,
        recipients: vec![RcptTo::new(to)],
    })
}

impl Dates {
    pub(super) fn of(conf: &Config, now: Wall) -> Self {
        let next = Stream::after(conf, now);
        Self {
            next,
            second: Stream::after(conf, next),
        }
    }
}
