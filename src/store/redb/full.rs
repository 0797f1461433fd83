//! Full disks as a specification: levels of room, and a store that has filled its own disk.
//!
//! The disk is `sim`'s, which takes so many octets and no more, or one of which the test says what is free.
//! Not here: what mail is taken at which level (`queue::pressure`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ballast::Ballast;
use super::room::Ground;
use super::sim::Disk;
use super::{open, room, start, store};
use crate::base::clock::{Clock, Wall};
use crate::base::size::ByteSize;
use crate::store::conformance::{batch, key, put};
use crate::store::{Batch, Op, Room, Store, StoreError, Work};

const START: Wall = Wall(1_700_000_000_000_000);
const CACHE: ByteSize = ByteSize::mib(4);

#[tokio::test]
async fn a_full_disk_stops_writing_and_free_space_starts_it_again() {
    let clock = Clock::moved(START);
    let available = Arc::new(std::sync::atomic::AtomicU64::new(1_000));
    let probed = Arc::clone(&available);
    let probe = move || {
        Some(room::Space {
            available: probed.load(Ordering::Relaxed),
            total: 10_000,
            file: 0,
        })
    };
    let disk = Disk::new(Vec::new(), false);
    let opener = move || open::backend(Path::new("sim"), CACHE, disk.clone());
    let store = store(
        start(
            Box::new(opener),
            Ground {
                probe: Box::new(probe),
                reserve: Some(ByteSize(800)),
                ballast: None,
            },
            clock.clone(),
        )
        .unwrap(),
    );
    let commit = || store.commit(batch(vec![], vec![put("m1", "")]));
    for (space, wanted) in [
        (1_000, Room::Plenty),
        (799, Room::Low),
        (99, Room::None),
        (900, Room::Plenty),
    ] {
        available.store(space, Ordering::Relaxed);
        clock.advance(Duration::from_secs(1));
        // The writer looks before each commit it makes.
        drop(commit().await);
        drop(commit().await);
        assert_eq!(store.room(), wanted);
        let answer = commit().await;
        assert_eq!(answer.is_ok(), wanted != Room::None, "{space}: {answer:?}");
    }
}

/// A store on a disk of 24 MiB, filled with 60 KiB records until a commit finds no space.
async fn filled() -> (Store, Clock, Disk, u32) {
    let clock = Clock::moved(START);
    let disk = Disk::of(24 << 20);
    let (opened, asked) = (disk.clone(), disk.clone());
    let opener = move || open::backend(Path::new("sim"), ByteSize::mib(1), opened.clone());
    let ground = Ground {
        probe: Box::new(move || asked.space()),
        reserve: Some(ByteSize::mib(4)),
        ballast: Some(Box::new(disk.clone())),
    };
    let store = store(start(Box::new(opener), ground, clock.clone()).unwrap());
    let chunk = "x".repeat(60_000);
    for n in 0.. {
        let put = Batch {
            ops: vec![put(&format!("m{n:04}"), &chunk)],
            ..Batch::ending()
        };
        if store.commit(put).await.is_err() {
            return (store, clock, disk, n);
        }
        assert!(n < 1_000, "the disk is never full");
    }
    unreachable!()
}

#[tokio::test]
async fn a_store_that_filled_its_own_disk_empties_itself() {
    let (store, clock, disk, number) = filled().await;
    assert!(!disk.stands(1), "the ballast is given up");
    assert_ne!(store.room(), Room::Plenty);
    let deny = store.commit(batch(vec![], vec![put("m", "more")])).await;
    assert!(matches!(deny, Err(StoreError::Unavailable(_))), "{deny:?}");
    let mut hint = store.hint(Work::Deliver);
    hint.mark_unchanged();
    for n in 0..number {
        let gone = Batch {
            ops: vec![Op::Delete(key(&format!("m{n:04}")))],
            ..Batch::freeing()
        };
        store.commit(gone).await.unwrap();
    }
    for _ in 0..2 {
        clock.advance(Duration::from_secs(31));
        drop(store.commit(Batch::freeing()).await);
    }
    assert_eq!(store.room(), Room::Plenty);
    assert!(
        hint.has_changed().unwrap(),
        "who waited for room looks again"
    );
    store
        .commit(batch(vec![], vec![put("m", "more")]))
        .await
        .unwrap();
    assert!(disk.stands(1 << 20), "there is a ballast again");
    assert_eq!(store.check().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn the_ballast_changes_nothing_of_what_is_accepted() {
    let space = |available| room::Space {
        available,
        total: 1 << 30,
        file: 0,
    };
    // 8 MiB of reserve have a ballast of one.
    for (standing, available, wanted) in [
        (false, 9 << 20, Room::Plenty),
        (false, (9 << 20) - 1, Room::Low),
        (true, 8 << 20, Room::Plenty),
        (true, (8 << 20) - 1, Room::Low),
    ] {
        let ballast = Disk::new(Vec::new(), false);
        if standing {
            ballast.make(1 << 20).unwrap();
        }
        let ground = Ground {
            probe: Box::new(move || Some(space(available))),
            reserve: Some(ByteSize::mib(8)),
            ballast: Some(Box::new(ballast)),
        };
        let disk = Disk::new(Vec::new(), false);
        let opener = move || open::backend(Path::new("sim"), CACHE, disk.clone());
        let shared = start(Box::new(opener), ground, Clock::moved(START)).unwrap();
        assert_eq!(shared.room(), wanted, "case: {standing} {available}");
        shared.inbox.close();
    }
}
