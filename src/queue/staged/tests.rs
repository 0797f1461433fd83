//! Unfinished bodies as a specification: who may have how much, and that nothing of them stays.
//!
//! What is asserted is what the store says afterwards. Not here: sessions (`tests/it/unfinished`).

use super::*;
use crate::queue::body::{BodyWriter, SWEEP_AFTER};
use crate::queue::tests::{Stage, mail_of};
use crate::queue::{AcceptError, Finishing};

const MIB: u64 = 1 << 20;

fn peer(name: &str) -> Source {
    Source::Peer(name.into())
}

/// A body with two staged chunks and a third in memory.
async fn unfinished(queue: &Queue, source: Source) -> BodyWriter {
    let mut body = queue.begin_body_of(source);
    body.write(b"Subject: long\r\n\r\n").await.unwrap();
    body.write(&[b'x'; 150_000]).await.unwrap();
    body
}

/// Records that a body has in the store: its first two chunks and its sweep record.
async fn records(queue: &Queue, id: MessageId) -> usize {
    let keys = vec![chunk_key(id, 0), chunk_key(id, 1), sweep_key(id)];
    let found = queue.store.get(keys).await.unwrap();
    found.into_iter().flatten().count()
}

/// Lets what runs in the background come to its end, which must be without records.
async fn gone(queue: &Queue, id: MessageId) -> bool {
    for _ in 0..1_000 {
        if records(queue, id).await == 0 && queue.staged.all() == (0, 0) {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_body_that_is_broken_off_goes_at_once() {
    let queue = Stage::new().await.queue;
    let body = unfinished(&queue, peer("192.0.2.1")).await;
    let id = body.id();
    assert_eq!(records(&queue, id).await, 3);
    drop(body);
    assert!(gone(&queue, id).await);
    assert_eq!(queue.store.check().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_body_that_is_refused_goes_at_once() {
    let queue = Stage::new().await.queue;
    let body = unfinished(&queue, Source::Trusted).await.finish();
    let id = body.id;
    // A DSN whose work somebody else did meanwhile.
    let mut finishing = Finishing::default();
    finishing.batch.pre.push(Pre::Absent(sweep_key(id)));
    let refused = queue.accept(mail_of(body), Some(finishing)).await;
    assert!(matches!(
        refused,
        Err(AcceptError::Store(StoreError::Conflict(_)))
    ));
    assert!(gone(&queue, id).await);
}

#[tokio::test]
async fn the_body_of_an_accepted_mail_stays() {
    let stage = Stage::new().await;
    let body = unfinished(&stage.queue, peer("192.0.2.1")).await.finish();
    let id = body.id;
    stage.queue.accept(mail_of(body), None).await.unwrap();
    assert_eq!(stage.queue.staged.all(), (0, 0), "it counts no longer");
    stage.upkeep().await;
    assert_eq!(
        records(&stage.queue, id).await,
        2,
        "all but its sweep record"
    );
}

#[tokio::test]
async fn an_accept_in_doubt_that_is_on_disk_keeps_its_body() {
    let queue = Stage::new().await.queue;
    let body = unfinished(&queue, Source::Trusted).await;
    let id = body.id();
    // What the accept did, unknown to the body: its sweep record is gone.
    let mut accepted = Batch::new();
    accepted.ops.push(Op::Delete(sweep_key(id)));
    queue.store.commit(accepted).await.unwrap();
    drop(body);
    while queue.staged.all() != (0, 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(records(&queue, id).await, 2);
}

#[tokio::test]
async fn a_text_that_filters_wrote_anew_does_not_go_with_the_first_one() {
    let queue = Stage::new().await.queue;
    let first = unfinished(&queue, Source::Trusted).await.finish();
    let id = first.id;
    let mut second = queue.begin_again(&first);
    second.write(b"Subject: new\r\n\r\n").await.unwrap();
    second.write(&[b'y'; 150_000]).await.unwrap();
    drop(first);
    let message = queue.accept(mail_of(second.finish()), None).await.unwrap();
    let (message, _) = queue.message_by_id(message).await.unwrap().unwrap();
    let (mut reader, mut octets) = (queue.open_body(&message), 0);
    while let Some(chunk) = reader.next().await.unwrap() {
        octets += chunk.len();
    }
    assert_eq!(octets, 150_016);
    assert_eq!(records(&queue, id).await, 0, "the first text is gone");
}

#[tokio::test]
async fn a_rewriting_that_is_broken_off_takes_both_texts_along() {
    let queue = Stage::new().await.queue;
    let first = unfinished(&queue, Source::Trusted).await.finish();
    let id = first.id;
    let mut second = queue.begin_again(&first);
    second.write(&[b'y'; 150_000]).await.unwrap();
    drop(first);
    assert_eq!(records(&queue, id).await, 3, "it is still read");
    drop(second);
    assert!(gone(&queue, id).await);
}

#[tokio::test]
async fn what_a_kill_left_goes_at_the_start_and_what_is_coming_in_stays() {
    let before = Stage::new().await;
    let left = unfinished(&before.queue, Source::Trusted).await;
    let old = left.id();
    // A kill runs nobody's end.
    std::mem::forget(left);
    before.clock.advance(std::time::Duration::from_secs(1));
    let stage = Stage::over(before.queue.store().clone(), before.clock.clone());
    let body = unfinished(&stage.queue, Source::Trusted).await;
    stage.upkeep().await;
    assert_eq!(records(&stage.queue, old).await, 0);
    assert_eq!(records(&stage.queue, body.id()).await, 3);
    stage
        .queue
        .accept(mail_of(body.finish()), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_nobody_finishes_within_an_hour_is_swept() {
    let stage = Stage::new().await;
    let body = unfinished(&stage.queue, Source::Trusted).await;
    stage.clock.advance(2 * SWEEP_AFTER);
    stage.upkeep().await;
    assert_eq!(records(&stage.queue, body.id()).await, 0);
}

#[tokio::test]
async fn a_peer_above_its_bound_is_put_off_and_others_are_not() {
    let queue = Stage::new().await.queue;
    let mut conf = crate::config::Config::clone(&queue.conf.load());
    conf.queue.max_message_size = crate::base::size::ByteSize(100_000);
    queue.conf.store(Arc::new(conf));
    let mut bodies = Vec::new();
    let refused = loop {
        let mut body = queue.begin_body_of(peer("192.0.2.1"));
        match body.write(&[b'x'; 66_000]).await {
            Ok(()) => bodies.push(body),
            Err(error) => break error,
        }
        assert!(bodies.len() < 100, "there is no bound");
    };
    assert!(matches!(refused, AcceptError::Full(Full::Unfinished)));
    let octets = bodies.len() as u64 * crate::base::limit::CHUNK as u64;
    assert!(octets <= STAGED_MESSAGES_OF_PEER * 100_000);
    let mut other = queue.begin_body_of(peer("192.0.2.2"));
    other.write(&[b'x'; 66_000]).await.unwrap();
    // Once one is broken off, and deleted, the next one has room.
    let id = bodies.pop().unwrap().id();
    while records(&queue, id).await > 0 {
        tokio::task::yield_now().await;
    }
    let mut next = queue.begin_body_of(peer("192.0.2.1"));
    let mut tries = 0;
    while next.write(&[b'x'; 66_000]).await.is_err() {
        tries += 1;
        assert!(tries < 1_000, "what is deleted still counts");
        tokio::task::yield_now().await;
        next = queue.begin_body_of(peer("192.0.2.1"));
    }
}

#[test]
fn unfinished_mail_takes_no_more_than_half_of_the_room_above_the_reserve() {
    let staged = Staged::default();
    // 100 MiB above the reserve: as they are taken, they are missing there.
    let mut taken = 0;
    let spare = |taken: u64| (100 - taken) * MIB;
    while staged
        .take(&Source::Trusted, MIB, spare(taken), MIB)
        .is_ok()
    {
        taken += 1;
    }
    assert_eq!(taken, 50);
    assert_eq!(staged.take(&Source::Own, MIB, 0, MIB), Ok(()));
}

#[test]
fn a_peer_at_its_bound_leaves_room_for_the_others() {
    for (name, spare, bound) in [
        ("many large mails", u64::MAX, STAGED_MESSAGES_OF_PEER * 10),
        (
            "a share of a small disk",
            160 * MIB,
            160 / STAGED_SHARE_OF_PEER,
        ),
        (
            "a mail and its rewriting",
            40 * MIB,
            STAGED_MESSAGES_MIN * 10,
        ),
    ] {
        let staged = Staged::default();
        let take = |of: &Source| staged.take(of, MIB, spare, 10 * MIB);
        let taken = (0..1_000).take_while(|_| take(&peer("a")).is_ok()).count();
        assert_eq!(taken as u64, bound, "case: {name}");
        assert_eq!(take(&peer("a")), Err(Full::Unfinished), "case: {name}");
        assert_eq!(take(&peer("b")), Ok(()), "case: {name}");
        staged.give_back(&peer("a"), MIB);
        assert_eq!(take(&peer("a")), Ok(()), "case: {name}");
    }
}
