//! Requeued mail: claims Judge work and asks `policy` again with what the store knows.
//!
//! A requeue runs every check of the reception that does not need the client's connection: loops, broken MIME, an
//! account that holds everything. What is held again is a new hold. A rate limit is not asked: the mail was counted
//! when it came.

use bytes::BytesMut;

use crate::base::limit::HEADER_MAX;
use crate::base::shutdown::Shutdown;
use crate::config::{Role, SaslRule};
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::structure::{Scan, Structure};
use crate::mail::trace::count_received;
use crate::policy::{self, Client, Permit, TextFacts, Verdict};
use crate::queue::{Message, Queue, worker};
use crate::store::{Claimed, StoreError, Work};

/// Judges until the server stops.
pub async fn run(queue: Queue, shutdown: Shutdown) {
    let (store, clock) = (queue.store().clone(), queue.clock().clone());
    worker::run(store, clock, shutdown, Work::Judge, move |claimed| {
        let queue = queue.clone();
        async move {
            for one in claimed {
                judge(&queue, one).await?;
            }
            Ok(())
        }
    })
    .await;
}

async fn judge(queue: &Queue, claimed: Claimed) -> Result<(), StoreError> {
    let Some(work) = queue.to_judge(claimed).await? else {
        return Ok(());
    };
    let (start, structure) = look(queue, &work.message).await?;
    let verdict = verdict(queue, &work.message, &start, &structure);
    let held = verdict.map_or_else(Vec::new, |hold| {
        let all = work.recipients(queue.store().now());
        let each = all.into_iter().map(|(index, _)| (index, hold.clone()));
        each.collect()
    });
    match queue.judged(work, held).await {
        // A person was faster.
        Err(StoreError::Conflict(_)) => Ok(()),
        done => done,
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

fn verdict(queue: &Queue, message: &Message, start: &[u8], structure: &Structure) -> Option<Hold> {
    let conf = queue.conf().load();
    let end = start
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(start.len(), |at| at + 2);
    let header = start.get(..end).unwrap_or(start);
    let (received, received_own) = count_received(header, conf.server.hostname.as_str());
    let account = message.origin.account.as_deref();
    let of_file =
        account.and_then(|name| conf.accounts.iter().find(|account| account.name == name));
    let facts = TextFacts {
        client: Client {
            role: Role::Submission,
            sasl: SaslRule::Optional,
            trusted: true,
            account: of_file.map(|account| Permit {
                name: &account.name,
                senders: &[],
                hold: account.hold,
            }),
        },
        received,
        received_own,
        hops_max: conf.queue.hops_max,
        from: None,
        too_fast: None,
        broken_mime: structure.broken.filter(|_| conf.checks.hold_broken_mime),
    };
    match policy::text(&facts) {
        Verdict::Accept => None,
        Verdict::Hold(hold) => Some(hold),
        // It was accepted once: what is refused at the door today is kept for a person.
        Verdict::Defer(reply) | Verdict::Reject(reply) => Some(Hold::new(
            HoldQueue::Defect,
            HoldReason::Loop,
            reply.to_string(),
        )),
    }
}
