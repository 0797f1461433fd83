//! What was held because a scanner failed is requeued when that scanner answers again.
//!
//! The cards of such holds are due as Recheck work, in one group a scanner. Before each handful the scanner is asked
//! whether it answers; if not, its group snoozes, and nothing is written. The pace is `[checks] when_back_rate`. A mail
//! that fails `WHEN_BACK_TRIES` times has the fault in itself and waits for a person.
//! Not here: what the requeue finds (`work`).

use std::time::Duration;

use crate::base::clock::micros;
use crate::base::limit::RECHECK_PAUSE;
use crate::base::shutdown::Shutdown;

use crate::queue::hold::{Card, hold_of_key};
use crate::queue::record::HoldId;
use crate::queue::verbs::{Actor, Undecided, Verb};
use crate::queue::{Queue, worker};
use crate::scan::Scanners;
use crate::store::{Claimed, Group, StoreError, StoreTime, Work};

/// Requeues until the server stops.
pub async fn run(queue: Queue, scanners: Scanners, shutdown: Shutdown) {
    let (store, clock) = (queue.store().clone(), queue.clock().clone());
    worker::run(store, clock, shutdown, Work::Recheck, move |claimed| {
        let (queue, scanners) = (queue.clone(), scanners.clone());
        async move { again(&queue, &scanners, claimed).await }
    })
    .await;
}

/// One handful of one scanner. The claims end when they are dropped: what was requeued is not due any more.
async fn again(
    queue: &Queue,
    scanners: &Scanners,
    claimed: Vec<Claimed>,
) -> Result<(), StoreError> {
    let ids: Vec<HoldId> = claimed
        .iter()
        .filter_map(|one| hold_of_key(&one.record.key))
        .collect();
    let cards = cards(queue, &ids).await?;
    let name = cards.iter().find_map(|card| card.hold.failed_scanner());
    let Some(name) = name.map(str::to_owned) else {
        return Ok(());
    };
    let conf = queue.conf().load_full();
    let scanner = conf.scanners.iter().find(|one| one.name == name);
    let pause = match (scanner, conf.checks.when_back) {
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
                requeue(queue, &cards).await?;
                pace(cards.len(), count, span)
            }
        },
    };
    let until = queue.store().now().0.saturating_add(micros(pause));
    let group = Group(name.as_bytes().into());
    queue.store().snooze(Work::Recheck, group, StoreTime(until));
    drop(claimed);
    Ok(())
}

async fn cards(queue: &Queue, ids: &[HoldId]) -> Result<Vec<Card>, StoreError> {
    let mut cards = Vec::with_capacity(ids.len());
    for id in ids {
        cards.extend(queue.card(*id).await?);
    }
    Ok(cards)
}

async fn requeue(queue: &Queue, cards: &[Card]) -> Result<(), StoreError> {
    for card in cards {
        let verb = Verb::Requeue { undo: false };
        match queue.decide(card.id, verb, &Actor::of("postwerk")).await {
            Ok(_) => {}
            Err(Undecided::Store(error)) => return Err(error),
            // A person was faster, or is at it.
            Err(why) => tracing::debug!(%why, hold = %card.id, "not requeued"),
        }
    }
    Ok(())
}

/// How long the next handful waits.
fn pace(done: usize, count: u32, span: Duration) -> Duration {
    let done = u32::try_from(done).unwrap_or(u32::MAX);
    span.saturating_mul(done) / count.max(1)
}

/// How often a group is looked at that nobody requeues.
const UNASKED: Duration = Duration::from_secs(3_600);
