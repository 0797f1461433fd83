//! Eight claimers over few groups, with settles, drops and deferrals in between.
//!
//! No record is lent to two at once, each is ended once, and whoever finds nothing and waits for the hint is woken:
//! the test ends only when everything is done, and fails after half a minute. The order is the machine's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::base::clock::Clock;
use crate::store::conformance::{batch, due, put_due};
use crate::store::{Claimed, Group, Key, Op, Pre, Store, StoreError, Work};

const RECORDS: usize = 600;
const GROUPS: usize = 7;
const CLAIMERS: u64 = 8;

/// Who has what, and what has ended.
#[derive(Default)]
struct Ledger {
    lent: HashMap<Key, u64>,
    ended: HashMap<Key, u32>,
}

type Shared = Arc<Mutex<Ledger>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lent_twice_or_forgotten() {
    let clock = Clock::system();
    let store = crate::store::memory(clock.clone());
    let ledger = Shared::default();
    let claimers: Vec<_> = (0..CLAIMERS)
        .map(|who| {
            tokio::spawn(claimer(
                store.clone(),
                clock.clone(),
                Arc::clone(&ledger),
                who,
            ))
        })
        .collect();
    for n in 0..RECORDS {
        let group = format!("g{}", n % GROUPS);
        let put = put_due(&format!("p{n:04}"), due(&group, 0));
        store.commit(batch(vec![], vec![put])).await.unwrap();
    }
    let all = async {
        for claimer in claimers {
            claimer.await.unwrap();
        }
    };
    let ended = clock.timeout(Duration::from_secs(30), all).await;
    let ledger = ledger.lock().unwrap();
    assert!(ended.is_ok(), "{} of {RECORDS} ended", ledger.ended.len());
    assert!(ledger.ended.values().all(|times| *times == 1));
}

async fn claimer(store: Store, clock: Clock, ledger: Shared, who: u64) {
    let mut rng = fastrand::Rng::with_seed(who);
    let mut hint = store.hint(Work::Deliver);
    while ledger.lock().unwrap().ended.len() < RECORDS {
        hint.borrow_and_update();
        let heads = store.ready(Work::Deliver, 20).await.unwrap();
        let now = store.now();
        let due: Vec<Group> = heads
            .into_iter()
            .filter(|head| head.at <= now)
            .map(|head| head.group)
            .collect();
        let Some(group) = rng.choice(due) else {
            // The bound is for the end: the last record's settle wakes nobody.
            let woken = clock.timeout(Duration::from_secs(1), hint.changed()).await;
            if woken.is_err() {
                not_overslept(&store, &clock, &hint).await;
            }
            continue;
        };
        let room = rng.usize(1..8);
        for claimed in store.claim(Work::Deliver, group, room).await.unwrap() {
            work(&store, &ledger, &mut rng, who, claimed).await;
        }
    }
}

/// Who waited without a hint missed nothing.
async fn not_overslept(store: &Store, clock: &Clock, hint: &watch::Receiver<u64>) {
    let mut due = 0;
    for _ in 0..2 {
        let heads = store.ready(Work::Deliver, 20).await.unwrap();
        due = heads.iter().filter(|head| head.at <= store.now()).count();
        // The hint follows the heads by a moment.
        clock.sleep(Duration::from_millis(50)).await;
    }
    assert!(
        due == 0 || hint.has_changed().unwrap(),
        "{due} groups due, and no hint"
    );
}

async fn work(store: &Store, ledger: &Shared, rng: &mut fastrand::Rng, who: u64, claimed: Claimed) {
    let key = claimed.record.key.clone();
    let other = ledger.lock().unwrap().lent.insert(key.clone(), who);
    assert_eq!(other, None, "{key:?} is lent twice");
    let back = |ledger: &Shared| assert_eq!(ledger.lock().unwrap().lent.remove(&key), Some(who));
    let pre = vec![
        Pre::Mine(claimed.guard.id()),
        Pre::Is(key.clone(), claimed.record.version),
    ];
    match rng.u8(..10) {
        0..=4 => {
            // Taken out before the commit, because the next one may have it before this one goes on.
            back(ledger);
            let done = store
                .commit(batch(pre, vec![Op::Delete(key.clone())]))
                .await;
            done.unwrap();
            *ledger.lock().unwrap().ended.entry(key).or_insert(0) += 1;
        }
        5 | 6 => {
            let text = String::from_utf8(key.0.to_vec()).unwrap();
            let again = put_due(&text, due(&format!("g{}", rng.usize(..GROUPS)), 0));
            back(ledger);
            store.commit(batch(pre, vec![again])).await.unwrap();
        }
        7 => {
            // Dropped while its commit is under way: the commit still happens.
            back(ledger);
            let commit = store.commit(batch(pre, vec![]));
            drop(claimed);
            let answer = commit.await;
            // The guard may have been faster than the writer.
            assert!(
                matches!(answer, Ok(_) | Err(StoreError::Conflict(0))),
                "{answer:?}"
            );
        }
        _ => {
            back(ledger);
            drop(claimed);
        }
    }
}
