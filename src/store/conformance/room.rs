//! Cases of a full disk: what is still done, and what is refused whole.
//!
//! The store is full from its first moment, so what these cases need they write as something that ends.
//! Not here: when a disk is full (`redb::room`).

use bytes::Bytes;

use super::{Bench, due, key, put, put_due};
use crate::store::{Batch, Need, Op, Room, StoreError};

fn batch(need: Need, ops: Vec<Op>) -> Batch {
    Batch {
        ops,
        need,
        ..Batch::new()
    }
}

pub(super) async fn what_adds_is_refused(bench: Bench) {
    assert_eq!(bench.store.room(), Room::None);
    let added = bench.store.commit(Batch {
        ops: vec![put("m1", "one")],
        ..Batch::new()
    });
    assert!(matches!(added.await, Err(StoreError::Unavailable(_))));
    let staged = bench.store.stage(key("b1"), Bytes::from_static(b"x"));
    assert!(matches!(staged.await, Err(StoreError::Unavailable(_))));
    assert_eq!(bench.value("m1").await, None);
    assert_eq!(bench.value("b1").await, None);
}

pub(super) async fn what_ends_or_frees_is_done(bench: Bench) {
    let ended = batch(Need::End, vec![put("m1", "one"), put("m2", "two")]);
    bench.store.commit(ended).await.unwrap();
    let freed = batch(Need::Free, vec![Op::Delete(key("m1"))]);
    bench.store.commit(freed).await.unwrap();
    assert_eq!(bench.value("m1").await, None);
    assert_eq!(bench.value("m2").await.as_deref(), Some("two"));
}

pub(super) async fn reading_and_lending_go_on(bench: Bench) {
    let ended = batch(Need::End, vec![put_due("m1", due("g", 0))]);
    bench.store.commit(ended).await.unwrap();
    assert_eq!(bench.claim("g", 1).await.len(), 1);
}
