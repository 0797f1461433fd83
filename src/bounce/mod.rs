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
use crate::queue::record::{decode, message_of};
use crate::queue::{
    AcceptError, DsnWork, FailedRecipient, Finishing, Message, MessageId, NewMail, Origin, Queue,
    Source, ledger, worker,
};
use crate::store::{Band, Batch, Claimed, Op, Pre, StoreError, Work};

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
struct Bundle {
    id: MessageId,
    claims: Vec<Claimed>,
    told: Vec<FailedRecipient>,
}

/// Composes DSNs until the server stops.
pub async fn run(context: Context) {
    let store = context.queue.store().clone();
    let (clock, shutdown) = (context.clock.clone(), context.shutdown.clone());
    worker::run(store, clock, shutdown, Work::Dsn, move |claimed| {
        let context = context.clone();
        async move { context.tell_all(claimed).await }
    })
    .await;
}

impl Context {
    /// One DSN for each message; the first error, after all were tried, so that one bad record stops no other.
    async fn tell_all(&self, claimed: Vec<Claimed>) -> Result<(), StoreError> {
        let mut first = Ok(());
        for bundle in bundles(claimed)? {
            let id = bundle.id;
            match self.tell(bundle).await {
                // Somebody deleted the message meanwhile, or took the claim; the work comes again if it still is.
                Ok(()) | Err(AcceptError::Store(StoreError::Conflict(_))) => {}
                Err(AcceptError::Full(full)) => {
                    first = first.and(Err(StoreError::Unavailable(full.to_string().into())));
                }
                Err(AcceptError::Store(error)) => {
                    tracing::warn!(%id, %error, "the report of a failed delivery could not be made");
                    first = first.and(Err(error));
                }
            }
        }
        first
    }

    async fn tell(&self, bundle: Bundle) -> Result<(), AcceptError> {
        let mut finishing = Batch::new();
        for claim in &bundle.claims {
            finishing.pre.push(Pre::Mine(claim.guard.id()));
            finishing.ops.push(Op::Delete(claim.record.key.clone()));
        }
        let Some((message, _)) = self.queue.message_by_id(bundle.id).await? else {
            return Ok(self.queue.store().commit(finishing).await.map(drop)?);
        };
        ledger::count(&mut finishing, bundle.id, bundle.claims.len(), 0);
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
        // No check, no scanner: the words are ours, and what is returned was looked at when it came, or a person let it go
        // unseen. It goes back to its own sender; held, nobody would learn that the mail failed.
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

/// Work of one message together, recipients in the order of RCPT and each once.
fn bundles(claimed: Vec<Claimed>) -> Result<Vec<Bundle>, StoreError> {
    let mut all: Vec<Bundle> = Vec::new();
    for claim in claimed {
        let key = &claim.record.key;
        let Some(id) = message_of(key) else {
            return Err(StoreError::Damaged(format!("{key:?}").into()));
        };
        let work: DsnWork = decode(key, &claim.record.value)?;
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
    for bundle in &mut all {
        bundle.told.sort_by_key(|one| one.index);
        bundle.told.dedup_by_key(|one| one.index);
        bundle.told.truncate(DSN_RECIPIENTS_MAX);
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
