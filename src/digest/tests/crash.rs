//! The power is cut while a digest is made: number, record, mail and next date are all there afterwards, or none is.
//!
//! Over the store's simulated disk, at another write each time; a failure names its seed.
//! Not here: what the store itself keeps through a cut (`store::redb::crash`).

use super::super::record::{digest_key, number_key};
use super::*;
use crate::base::clock::{Clock, Wall};
use crate::queue::Queue;
use crate::store::Store;
use crate::store::redb::sim::{Disk, opened};

const SEEDS: u64 = 60;
const DAYS: u32 = 3;

/// What is stored of digests.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    /// The last number taken, and the one of the stream.
    numbers: [u32; 2],
    records: u32,
    mails: u32,
    /// The next date has come.
    is_due: bool,
}

impl Found {
    fn after(number: u32, is_due: bool) -> Self {
        Self {
            numbers: [number; 2],
            records: number,
            mails: number,
            is_due,
        }
    }
}

struct Life {
    disk: Disk,
    store: Store,
    desk: Desk,
}

impl Life {
    async fn of(image: Vec<u8>, clock: &Clock) -> Self {
        let disk = Disk::new(image, false);
        let store = opened(&disk, clock.clone()).unwrap();
        let stage = Stage::over(store.clone(), clock.clone());
        Self {
            disk,
            store,
            desk: Desk::over(stage, |_| {}).await,
        }
    }

    /// What the platter holds.
    async fn cut(self, rng: &mut fastrand::Rng) -> Vec<u8> {
        self.store.close().await.unwrap();
        self.disk.crash(rng)
    }

    async fn found(&self) -> Found {
        let stream = self.desk.stream().await;
        let keys = (1..=DAYS).map(digest_key).collect();
        let records = self.store.get(keys).await.unwrap();
        let last = self.store.get(vec![number_key()]).await.unwrap();
        let last = last[0].as_ref().map_or(0, |record| {
            u32::from_be_bytes(record.value.as_ref().try_into().unwrap())
        });
        Found {
            numbers: [last, stream.number],
            records: u32::try_from(records.iter().flatten().count()).unwrap(),
            mails: mails(&self.desk.stage.queue).await,
            is_due: stream.next <= self.desk.stage.clock.wall().0,
        }
    }
}

async fn mails(queue: &Queue) -> u32 {
    let digests = |message: &crate::queue::record::Message, _: &[_]| message.digest.is_some();
    let (listed, _) = queue.list(digests, None, 100).await.unwrap();
    u32::try_from(listed.len()).unwrap()
}

/// Some days, each with a cut while its digest is made; how many digests were there after the cut already.
async fn days(seed: u64) -> u32 {
    let mut rng = fastrand::Rng::with_seed(seed);
    let clock = Clock::moved(Wall(1_795_287_508_204_000));
    let (mut image, mut early) = (Vec::new(), 0);
    for day in 1..=DAYS {
        let life = Life::of(image, &clock).await;
        life.desk.hold(&format!("n{day}@verein.example")).await;
        life.desk.stage.pass(DAY);
        let (before, after) = (Found::after(day - 1, true), Found::after(day, false));
        assert_eq!(life.found().await, before, "seed {seed}, day {day}");
        let claims = life.desk.claims().await;
        life.disk.cut_after(rng.u64(..40));
        let told = life.desk.digests.all(&claims).await.is_empty();
        let life = Life::of(life.cut(&mut rng).await, &clock).await;
        let found = life.found().await;
        assert!(
            found == after || (!told && found == before),
            "seed {seed}, day {day}: {found:?}, acknowledged: {told}"
        );
        early += u32::from(found == after);
        // It comes, or nothing does.
        for _ in 0..2 {
            life.desk.work().await;
            assert_eq!(life.found().await, after, "seed {seed}, day {day}");
        }
        image = life.cut(&mut rng).await;
    }
    early
}

#[tokio::test]
async fn a_power_cut_neither_repeats_nor_skips_a_digest() {
    let mut early = 0;
    for seed in 0..SEEDS {
        early += days(seed).await;
    }
    let all = u32::try_from(SEEDS).unwrap() * DAYS;
    assert!(
        (all / 10..all - all / 10).contains(&early),
        "cuts come before and after the commit: {early} of {all}"
    );
}
