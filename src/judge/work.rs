//! Requeued mail: claims Judge work and asks `policy` again with what the store knows.
//!
//! A requeue runs every check of the reception that does not need the client's connection, over header and body as they
//! are stored and by the configuration in force. What is held again is a new hold. A rate limit is not asked: the mail
//! was counted when it came. What was found before stays until its check looked again (`keep`). A check that fails by a fault of ours ends in `bad`, where a person sees it; tried again it
//! would fail again.

use bytes::BytesMut;

use super::body::StoredText;
use super::content::{self, Content, HeaderFacts, Judged};
use super::keep::Keep;
use super::rewrite;
use crate::accounts;
use crate::base::limit::{HEADER_MAX, LOG_FIELD_MAX};
use crate::base::shutdown::Shutdown;
use crate::base::text::clean;
use crate::config::{Config, Role};
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::mailbox::Mailbox;
use crate::mail::structure::{Scan, Structure};
use crate::queue::record::{LOCAL, Worked};
use crate::queue::worker::{Failures, Share};
use crate::queue::{Message, Origin, Queue};
use crate::scan::Scanners;
use crate::store::{Claimed, StoreError, StoreTime, Work};

/// Judges until the server stops.
pub async fn run(queue: Queue, scanners: Scanners, shutdown: Shutdown) {
    let worker = queue.worker(&shutdown, Work::Judge);
    let each = worker.run(Share::Group, move |pieces| {
        let (queue, scanners) = (queue.clone(), scanners.clone());
        async move {
            // One that cannot be judged stops no other.
            let mut failures = Failures::new();
            for piece in pieces.iter() {
                if scanners.is_stopping() {
                    // The claims end with the process, and the next start judges what is left.
                    break;
                }
                let done = judge(&queue, &scanners, piece).await;
                failures.extend(done.err().map(|error| (piece.record.key.clone(), error)));
            }
            failures
        }
    });
    each.await;
}

async fn judge(queue: &Queue, scanners: &Scanners, claimed: &Claimed) -> Result<(), StoreError> {
    let work = queue.to_judge(claimed).await?;
    // Those too whose time to undo ends while the mail is read.
    let recipients = work.recipients(StoreTime(u64::MAX));
    let account_held = account_held(queue, &work.message).await?;
    // A task of its own, so that a panic in a check is an answer and not the end of the worker.
    let checks = check(
        queue.clone(),
        scanners.clone(),
        work.message.clone(),
        work.worked().to_vec(),
        account_held,
        recipients.clone(),
    );
    let mut judged = match tokio::spawn(checks).await {
        Ok(Ok(judged)) => judged,
        Ok(Err(fault @ StoreError::Damaged(_))) => internal(&recipients, &fault.to_string()),
        Ok(Err(error)) => return Err(error),
        Err(error) if error.is_panic() => {
            internal(&recipients, "a check panicked; the log says where")
        }
        // The server stops.
        Err(_) => return Ok(()),
    };
    if scanners.is_stopping() {
        // A look may have been broken off. The claim ends with the process, and the next start judges.
        return Ok(());
    }
    let before = work.before().cloned();
    let conf = queue.conf().load_full();
    let keep = Keep {
        conf: &conf,
        role: role_of(&conf, &work.message.origin),
        account_held,
        found: &work.found(),
        checked: before.as_ref().map_or(&[], |hold| hold.checked.as_slice()),
    };
    keep.of(&mut judged, &recipients);
    let top = rewrite::requeued(&judged.edits, work.worked());
    let said = judged.said;
    let held = judged.held.into_iter();
    let held = held.map(|(index, hold)| (index, hold.after(before.as_ref())));
    queue.judged(work, held.collect(), top, &said).await
}

async fn check(
    queue: Queue,
    scanners: Scanners,
    message: Message,
    worked: Vec<Worked>,
    account_held: bool,
    recipients: Vec<(u32, Mailbox)>,
) -> Result<Judged, StoreError> {
    // A digest tells of what is held; held itself it would tell nobody.
    if message.digest.is_some() {
        return Ok(Judged::default());
    }
    let (start, structure) = look(&queue, &message).await?;
    let conf = queue.conf().load();
    let content = Content {
        id: message.id,
        from: &message.from,
        origin: &message.origin,
        role: role_of(&conf, &message.origin),
        header: &HeaderFacts::read(&conf, &start),
        structure: &structure,
        size: message.size,
        text: &StoredText::new(queue.open_body(&message)),
        worked: Some(&worked),
        now: queue.clock().wall(),
    };
    let recipients = borrowed(&recipients);
    let judged =
        content::without_session(&conf, &scanners, &content, account_held, &recipients).await;
    Ok(judged)
}

/// Whether everything of the account is held that sent it. What cannot be read may say so.
async fn account_held(queue: &Queue, message: &Message) -> Result<bool, StoreError> {
    let Some(name) = &message.origin.account else {
        return Ok(false);
    };
    let conf = queue.conf().load_full();
    match accounts::is_held(&conf, queue.store(), name).await {
        Err(error @ StoreError::Damaged(_)) => {
            tracing::error!(%error, "an account cannot be read; its requeued mail is held");
            Ok(true)
        }
        held => held,
    }
}

/// What the listener was for that took a mail, whatever has become of it; records of older stores do not say.
fn role_of(conf: &Config, origin: &Origin) -> Role {
    let mut all = conf.listeners.iter();
    let mut found = || all.find(|one| one.bind.to_string() == origin.listener);
    match origin.mx {
        Some(true) => Role::Mx,
        Some(false) => Role::Submission,
        None if origin.listener == LOCAL => Role::Submission,
        None => found().map_or(Role::Mx, |found| found.role),
    }
}

fn borrowed(recipients: &[(u32, Mailbox)]) -> Vec<(u32, &Mailbox)> {
    let each = recipients.iter();
    each.map(|(index, mailbox)| (*index, mailbox)).collect()
}

fn internal(recipients: &[(u32, Mailbox)], why: &str) -> Judged {
    tracing::error!(
        why,
        "a requeued mail could not be judged; it is held in `bad`"
    );
    let cause = clean(why, LOG_FIELD_MAX);
    let hold = Hold::new(HoldQueue::Bad, HoldReason::Internal, cause);
    Judged {
        held: content::all(&borrowed(recipients), &hold),
        ..Judged::default()
    }
}

/// The header section with what follows it in its chunks, and the structure of the whole.
async fn look(queue: &Queue, message: &Message) -> Result<(BytesMut, Structure), StoreError> {
    let mut body = queue.open_body(message);
    let mut start = BytesMut::new();
    let mut scan = Scan::default();
    while let Some(chunk) = body.next().await? {
        scan.feed(&chunk);
        if start.len() < HEADER_MAX {
            start.extend_from_slice(&chunk);
        }
    }
    Ok((start, scan.finish()))
}
