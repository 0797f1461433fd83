//! Power cuts at every point of a delivery: no mail whose dot is out is ever due as if nothing had been sent.
//!
//! A seed cuts the power somewhere between the claim and the end of the settle, and a third of them again in the
//! recovery. What a task knows of its own commits is compared with what the next life finds.
//! Not here: the store's own crashes (`store::redb::crash`).

use super::super::tests::{Stage, attempt, relayed};
use super::{Life, SITE, intents};
use crate::base::clock::{Clock, Wall};
use crate::base::limit::SETTLE_FOR;
use crate::mail::state::State;
use crate::queue::{MessageId, Queue};
use crate::store::redb::sim::{self, Disk};

/// How far a delivery came, as its task knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// No dot went out.
    Before,
    /// The dot went out; the settle was not acknowledged.
    Dotted,
    /// The settle is acknowledged.
    Settled,
    /// Given back, and the next claim of it was seen.
    GivenBack,
}

const SEEDS: u64 = 60;

fn stage_on(disk: &Disk) -> Option<Stage> {
    let clock = Clock::moved(Wall(1_795_000_000_000_000));
    let store = sim::opened(disk, clock.clone()).ok()?;
    Some(Stage::over(store, clock))
}

/// One delivery until the power is cut, or to its end.
async fn deliver(queue: &Queue, disk: &Disk, gives_back: bool) -> Reached {
    let deliveries = queue.deliveries();
    let Ok(heads) = deliveries.ready(10).await else {
        return Reached::Before;
    };
    let group = &heads[0].group;
    let Ok(lent) = deliveries.claim(group, 1).await else {
        return Reached::Before;
    };
    let Some(lent) = lent.into_iter().next() else {
        return Reached::Before;
    };
    let intent = queue.intend(&lent, vec![0], SITE);
    if gives_back {
        drop(intent);
        drop(lent);
        loop {
            match deliveries.claim(group, 1).await {
                Ok(lent) if !lent.is_empty() => return Reached::GivenBack,
                Ok(_) => tokio::task::yield_now().await,
                Err(_) => return Reached::Before,
            }
        }
    }
    if intent.durable().await.is_err() {
        return Reached::Before;
    }
    // Here the dot goes out. A dead disk answers no settle, so time passes until it is given up.
    let outcomes = vec![(0, relayed())];
    let settle = queue.settle(lent, attempt(outcomes));
    let passes = async {
        loop {
            if disk.is_dead() {
                queue.clock().advance(SETTLE_FOR);
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        settled = settle => match settled {
            Ok(()) => Reached::Settled,
            Err(_) => Reached::Dotted,
        },
        () = passes => Reached::Dotted,
    }
}

async fn state(life: &Stage, id: MessageId) -> State {
    life.states(id).await.remove(0).1
}

#[tokio::test]
async fn no_cut_lets_a_mail_go_out_twice_without_a_mark() {
    let fresh = Life::first();
    let id = fresh.stage.accept("a@a.example", &["b@b.example"]).await;
    let image = fresh.disk.crash(&mut fastrand::Rng::with_seed(0));
    drop(fresh);
    let mut seen = Vec::new();
    for seed in 0..SEEDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let disk = Disk::new(image.clone(), false);
        let stage = stage_on(&disk).unwrap();
        disk.cut_after(rng.u64(..70));
        let reached = deliver(&stage.queue, &disk, rng.u8(..4) == 0).await;
        let mut image = disk.crash(&mut rng);
        drop(stage);
        if rng.u8(..3) == 0 {
            let disk = Disk::new(image, false);
            disk.cut_after(rng.u64(..60));
            if let Some(stage) = stage_on(&disk) {
                drop(stage.queue.recover().await);
            }
            image = disk.crash(&mut rng);
        }
        let stage = stage_on(&Disk::new(image, false)).unwrap();
        stage.queue.recover().await.unwrap();
        let found = state(&stage, id).await;
        let fits = match reached {
            // An intent may be on disk although nobody was told.
            Reached::Before => matches!(found, State::Due | State::MaybeDelivered),
            Reached::Dotted => matches!(found, State::MaybeDelivered | State::Relayed),
            Reached::Settled => found == State::Relayed,
            Reached::GivenBack => found == State::Due,
        };
        assert!(fits, "seed {seed}: {reached:?}, then {found:?}");
        assert_eq!(intents(stage.queue.store()).await, 0, "seed {seed}");
        assert!(
            stage.queue.store().check().await.unwrap().is_empty(),
            "seed {seed}"
        );
        if !seen.contains(&(reached, found.word())) {
            seen.push((reached, found.word()));
        }
    }
    for wanted in [
        (Reached::Before, "due"),
        (Reached::Dotted, "maybe_delivered"),
        (Reached::Settled, "relayed"),
        (Reached::GivenBack, "due"),
    ] {
        assert!(
            seen.contains(&wanted),
            "the seeds never came to {wanted:?}: {seen:?}"
        );
    }
}
