//! What was held because a scanner failed is requeued when that scanner answers again; what found no place for the look
//! into its attachments, a few at a time.
//!
//! The cards of such holds are due as Recheck work, in one group a scanner. Before each handful the scanner is asked
//! whether it answers; if not, its group snoozes, and nothing is written. The pace is `[checks] when_back_rate`. A mail
//! that fails `WHEN_BACK_TRIES` times has the fault in itself and waits for a person.
//! Not here: what the requeue finds (`work`).

use std::time::Duration;

use crate::base::clock::micros;
use crate::base::limit::{LOOK_AGAIN_COUNT, LOOK_AGAIN_SPAN, RECHECK_PAUSE};
use crate::base::shutdown::Shutdown;
use crate::mail::found::ATTACHMENTS;
use crate::queue::Queue;
use crate::queue::hold::{Card, card_key, hold_of_key};
use crate::queue::verbs::{Actor, Undecided, Verb};
use crate::queue::worker::{Failures, Share};
use crate::scan::Scanners;
use crate::store::{Claimed, Group, StoreError, StoreTime, Work};

/// Requeues until the server stops.
pub async fn run(queue: Queue, scanners: Scanners, shutdown: Shutdown) {
    let worker = queue.worker(&shutdown, Work::Recheck);
    let each = worker.run(Share::Group, move |pieces| {
        let (queue, scanners) = (queue.clone(), scanners.clone());
        async move { again(&queue, &scanners, &pieces).await }
    });
    each.await;
}

/// One handful of one scanner. The claims end when they are dropped: what was requeued is not due any more.
async fn again(queue: &Queue, scanners: &Scanners, claimed: &[Claimed]) -> Failures {
    let mut failures = Failures::new();
    let mut cards = Vec::with_capacity(claimed.len());
    for piece in claimed {
        match card(queue, piece).await {
            Ok(card) => cards.extend(card),
            Err(error) => failures.push((piece.record.key.clone(), error)),
        }
    }
    let name = cards.iter().find_map(|card| card.hold.failed_scanner());
    let Some(name) = name.map(str::to_owned) else {
        return failures;
    };
    let conf = queue.conf().load_full();
    let scanner = conf.scanners.iter().find(|one| one.name == name);
    let pause = match (scanner, conf.checks.when_back) {
        // The look is our own, and needs no answer: only fewer at once.
        _ if name == ATTACHMENTS => {
            failures.extend(requeue(queue, &cards).await);
            pace(cards.len(), LOOK_AGAIN_COUNT, LOOK_AGAIN_SPAN)
        }
        // Who takes a scanner away decides about its mails by hand.
        (None, _) | (_, None) => UNASKED,
        (Some(scanner), Some((count, span))) => match scanners.ping(scanner).await {
            Err(_) => RECHECK_PAUSE,
            Ok(_) => {
                tracing::info!(
                    scanner = name,
                    count = cards.len(),
                    "the scanner answers; requeueing what it could not look at"
                );
                failures.extend(requeue(queue, &cards).await);
                pace(cards.len(), count, span)
            }
        },
    };
    let until = queue.store().now().0.saturating_add(micros(pause));
    let group = Group(name.as_bytes().into());
    queue.store().snooze(Work::Recheck, group, StoreTime(until));
    failures
}

async fn card(queue: &Queue, piece: &Claimed) -> Result<Option<Card>, StoreError> {
    let key = &piece.record.key;
    let id = hold_of_key(key).ok_or_else(|| StoreError::Damaged(format!("{key:?}").into()))?;
    queue.card(id).await
}

/// One that cannot be requeued stops no other.
async fn requeue(queue: &Queue, cards: &[Card]) -> Failures {
    let mut failures = Failures::new();
    for card in cards {
        let verb = Verb::Requeue { undo: false };
        match queue.decide(card.id, verb, &Actor::of("postwerk")).await {
            Ok(_) => {}
            Err(Undecided::Store(error)) => failures.push((card_key(card.id), error)),
            // A person was faster, or is at it.
            Err(why) => tracing::debug!(%why, hold = %card.id, "not requeued"),
        }
    }
    failures
}

/// How long the next handful waits.
fn pace(done: usize, count: u32, span: Duration) -> Duration {
    let done = u32::try_from(done).unwrap_or(u32::MAX);
    span.saturating_mul(done) / count.max(1)
}

/// How often a group is looked at that nobody requeues.
const UNASKED: Duration = Duration::from_secs(3_600);
