//! The loop of everybody who claims due work that is not delivery: wait, claim, do, again.
//!
//! A piece of work that fails is given back and comes again; the loop waits a little first, so that a store that
//! cannot be used is not asked a thousand times a second.

use std::future::Future;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::store::{CLAIM_MAX, Claimed, Store, StoreError, Work};

/// Groups asked for at once: all there are of work that is not delivery.
const GROUPS: usize = 16;
/// Waited when nothing is known to become due; a hint wakes the loop earlier.
const IDLE: Duration = Duration::from_secs(60);
/// Waited after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Claims work of one kind and hands it to `act`, a group's worth at a time, until the server stops.
pub async fn run<F, R>(store: Store, clock: Clock, shutdown: Shutdown, work: Work, mut act: F)
where
    F: FnMut(Vec<Claimed>) -> R,
    R: Future<Output = Result<(), StoreError>>,
{
    let mut hint = store.hint(work);
    while !shutdown.begun() {
        hint.mark_unchanged();
        // Time that passes during the round is no time waited.
        let began = clock.mono();
        let wait = match round(&store, work, &mut act).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(?work, %error, "work could not be done; it comes again");
                PAUSE
            }
        };
        if wait.is_zero() {
            continue;
        }
        tokio::select! {
            () = shutdown.wait() => {}
            () = clock.sleep_until(began + wait) => {}
            changed = hint.changed() => if changed.is_err() { return },
        }
    }
}

/// One look at all groups; how long to wait before the next.
async fn round<F, R>(store: &Store, work: Work, act: &mut F) -> Result<Duration, StoreError>
where
    F: FnMut(Vec<Claimed>) -> R,
    R: Future<Output = Result<(), StoreError>>,
{
    let (mut done, mut last) = (false, Ok(()));
    for head in store.ready(work, GROUPS).await? {
        let now = store.now();
        if head.at > now {
            // A group that fails keeps no other waiting.
            last?;
            return Ok(if done {
                Duration::ZERO
            } else {
                Duration::from_micros(head.at.0 - now.0).min(IDLE)
            });
        }
        let claimed = store.claim(work, head.group, CLAIM_MAX).await?;
        if !claimed.is_empty() {
            done = true;
            last = act(claimed).await.and(last);
        }
    }
    last?;
    Ok(if done { Duration::ZERO } else { IDLE })
}
