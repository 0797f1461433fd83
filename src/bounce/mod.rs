//! Floor 9: tells the reverse-path what could not be delivered (RFC 3464), once for all failures of a minute.
//!
//! `run` claims Dsn work. The DSN is accepted in the same batch that ends the work, so a crash makes neither two nor
//! none. Nothing is ever told to a null reverse-path (RFC 5321 section 4.5.5); a DSN that cannot be delivered itself
//! ends in the `defect` hold, which `queue::settle` does. Not here: reading the DSNs of others (`classify`).

#[cfg(test)]
pub(crate) mod fixture;
mod returned;
mod status;
mod text;

pub mod report;

use crate::base::clock::Clock;
use crate::base::limit::DSN_RECIPIENTS_MAX;
use crate::base::shutdown::Shutdown;
use crate::config::Shared;
use crate::journal::fact::{Fact, Notified};
use crate::journal::line;
use crate::mail::envelope::{BodyKind, Envelope, MailFrom, RcptTo};
use crate::mail::mailbox::Mailbox;
use crate::mail::path::ReversePath;
use crate::queue::record::{decode, dsn_prefix, message_of};
use crate::queue::worker::{Failures, Share};
use crate::queue::{
    AcceptError, DsnWork, FailedRecipient, Finishing, Message, MessageId, NewMail, Origin, Queue,
    Source, ledger,
};
use crate::store::{Band, Batch, Claimed, Key, Op, Pre, Span, StoreError, Work};

use report::Report;

/// What bounce works with.
#[derive(Clone, Debug)]
pub struct Context {
    /// For our name.
    pub conf: Shared,
    /// Where work comes from and DSNs go.
    pub queue: Queue,
    /// For dates.
    pub clock: Clock,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// The Dsn work of one message.
struct Bundle<'a> {
    id: MessageId,
    claims: Vec<&'a Claimed>,
    told: Vec<FailedRecipient>,
}

/// Composes DSNs until the server stops.
pub async fn run(context: Context) {
    let worker = context.queue.worker(&context.shutdown, Work::Dsn);
    let each = worker.run(Share::Group, move |pieces| {
        let context = context.clone();
        async move { context.tell_all(&pieces).await }
    });
    each.await;
}

impl Context {
    /// One DSN for each message: one that cannot be made stops no other.
    async fn tell_all(&self, claimed: &[Claimed]) -> Failures {
        let (bundles, mut failures) = bundles(claimed);
        for bundle in bundles {
            let keys = bundle.claims.iter().map(|claim| claim.record.key.clone());
            let keys: Vec<Key> = keys.collect();
            let error = match self.tell(bundle).await {
                Ok(()) => continue,
                Err(AcceptError::Full(full)) => StoreError::Unavailable(full.to_string().into()),
                Err(AcceptError::Store(error)) => error,
            };
            failures.extend(keys.into_iter().map(|key| (key, error.clone())));
        }
        failures
    }

    async fn tell(&self, mut bundle: Bundle<'_>) -> Result<(), AcceptError> {
        // As long as nobody is told; the batch that accepts a DSN adds, and says so itself.
        let mut finishing = Batch::freeing();
        for claim in &bundle.claims {
            finishing.pre.push(Pre::Mine(claim.guard.id()));
            finishing.ops.push(Op::Delete(claim.record.key.clone()));
        }
        self.gather(&mut bundle, &mut finishing).await?;
        let works = finishing.ops.len();
        bundle.told.sort_by_key(|one| one.index);
        bundle.told.dedup_by_key(|one| one.index);
        bundle.told.truncate(DSN_RECIPIENTS_MAX);
        let Some((message, _)) = self.queue.message_by_id(bundle.id).await? else {
            return Ok(self.queue.store().commit(finishing).await.map(drop)?);
        };
        ledger::count(&mut finishing, bundle.id, works, 0);
        let to = match &message.from.path {
            ReversePath::Mailbox(mailbox) if !bundle.told.is_empty() => mailbox.clone(),
            ReversePath::Mailbox(_) | ReversePath::Null => {
                return Ok(self.queue.store().commit(finishing).await.map(drop)?);
            }
        };
        let dsn = self.accept(&message, &bundle.told, &to, finishing).await?;
        line::notification(message.id, dsn);
        Ok(())
    }

    /// What else failed of the message until now: a claim lends a few records, and some of the same minute are not due
    /// yet. What nobody has claimed can be finished without a claim.
    async fn gather(
        &self,
        bundle: &mut Bundle<'_>,
        finishing: &mut Batch,
    ) -> Result<(), StoreError> {
        let all = Span::Prefix(dsn_prefix(bundle.id));
        let page = self
            .queue
            .store()
            .scan(all, None, false, DSN_RECIPIENTS_MAX);
        let page = match page.await {
            // What was lent is told all the same.
            Err(StoreError::Damaged(_)) => return Ok(()),
            page => page?,
        };
        for record in page.records {
            let key = record.key;
            if bundle.claims.iter().any(|claim| claim.record.key == key) {
                continue;
            }
            // One that cannot be read is set aside when it is due.
            let Ok(work) = decode::<DsnWork>(&key, &record.value) else {
                continue;
            };
            bundle.told.extend(work.failed.into_iter().filter(wants_it));
            let unclaimed = Pre::Free(key.clone());
            let unchanged = Pre::Is(key.clone(), record.version);
            finishing.pre.extend([unchanged, unclaimed]);
            finishing.ops.push(Op::Delete(key));
        }
        Ok(())
    }

    async fn accept(
        &self,
        message: &Message,
        told: &[FailedRecipient],
        to: &Mailbox,
        mut finishing: Batch,
    ) -> Result<MessageId, AcceptError> {
        let terms = report::Terms::of(message, told, to);
        let returned = returned::read(&self.queue, message, terms).await?;
        let mut writer = self.queue.begin_body_of(Source::Own);
        let conf = self.conf.load();
        let hostname = &conf.server.hostname;
        let report = Report {
            id: writer.id(),
            hostname,
            message,
            to,
            told,
            returned: &returned,
            now: self.clock.wall(),
            boundary: &format!("{}.{:016x}", writer.id(), fastrand::u64(..)),
        };
        writer.write(&report.compose()).await?;
        let body = writer.finish();
        let fact = Notified {
            dsn: body.id.to_string(),
            to: to.to_string(),
            recipients: told.iter().map(|one| one.mailbox.to_string()).collect(),
        };
        self.queue
            .put_fact(&mut finishing, message.id, Fact::Notified(fact));
        let mut from = MailFrom::new(ReversePath::Null);
        from.smtputf8 = to.needs_smtputf8();
        if body.eight_bit {
            from.body = BodyKind::EightBitMime;
        }
        // A domain that the author wrote in Unicode must not ask for SMTPUTF8: the hop behind the next may not know it.
        let to = if from.smtputf8 {
            to.clone()
        } else {
            to.in_a_labels()
        };
        // No check, no scanner: the words are ours, and what is returned was looked at when it came; of what a check found
        // fault with only the header is there. Held, nobody would learn that the mail failed.
        let mail = NewMail {
            top: String::new(),
            worked: Vec::new(),
            said: Vec::new(),
            body,
            envelope: Envelope {
                from,
                recipients: vec![RcptTo::new(to)],
            },
            origin: Origin {
                listener: "local".to_owned(),
                helo: hostname.to_string(),
                with: "local".to_owned(),
                tenant: message.origin.tenant.clone(),
                ..Origin::default()
            },
            held: Vec::new(),
            digest: None,
            band: Band::Normal,
        };
        let finishing = Finishing { batch: finishing };
        self.queue.accept(mail, Some(finishing)).await
    }
}

/// NOTIFY (RFC 3461 section 4.1).
fn wants_it(one: &FailedRecipient) -> bool {
    if one.relayed.is_some() {
        one.notify.success()
    } else {
        one.notify.failure()
    }
}

/// Work of one message together; and what cannot be read.
fn bundles(claimed: &[Claimed]) -> (Vec<Bundle<'_>>, Failures) {
    let (mut all, mut failures) = (Vec::<Bundle<'_>>::new(), Failures::new());
    for claim in claimed {
        let key = &claim.record.key;
        let read = decode::<DsnWork>(key, &claim.record.value);
        let (id, work) = match (message_of(key), read) {
            (Some(id), Ok(work)) => (id, work),
            (_, Err(error)) => {
                failures.push((key.clone(), error));
                continue;
            }
            (None, Ok(_)) => {
                let what = format!("{key:?}: no message");
                failures.push((key.clone(), StoreError::Damaged(what.into())));
                continue;
            }
        };
        let told = work.failed.into_iter().filter(wants_it);
        match all.iter_mut().find(|bundle| bundle.id == id) {
            Some(bundle) => {
                bundle.told.extend(told);
                bundle.claims.push(claim);
            }
            None => all.push(Bundle {
                id,
                told: told.collect(),
                claims: vec![claim],
            }),
        }
    }
    (all, failures)
}

#[cfg(test)]
mod tests;
