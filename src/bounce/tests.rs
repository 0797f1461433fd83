//! Who is told what, over a real queue: one DSN for the failures of a minute, and none that must not be.
//!
//! Time is moved, never waited for; a DSN is read back from the queue as any mail is.
//! Not here: what stands in a DSN (`report`).

use std::sync::Arc;

use mail_parser::MessageParser;

use super::fixture::{CONTENT, Stage, fault, rcpt};
use super::*;
use crate::journal::fact::Fact;
use crate::mail::envelope::Notify;
use crate::mail::outcome::Outcome;
use crate::mail::state::State;
use crate::store::{Key, Span};

mod back;

fn failed() -> Outcome {
    Outcome::Failed(fault("550 5.1.1 No such user"))
}

/// Does the Dsn work that is due now.
async fn notify(stage: &Stage) {
    let (shutdown, _finish) = Shutdown::new();
    let context = Context {
        conf: Arc::clone(stage.queue.conf()),
        queue: stage.queue.clone(),
        clock: stage.clock.clone(),
        shutdown,
    };
    let store = stage.queue.store();
    for head in store.ready(Work::Dsn, 16).await.unwrap() {
        if head.at <= store.now() {
            let claimed = store.claim(Work::Dsn, head.group, 20).await.unwrap();
            let failures = context.tell_all(&claimed).await;
            assert!(failures.is_empty(), "{failures:?}");
        }
    }
}

async fn messages(stage: &Stage) -> Vec<Message> {
    let (all, _) = stage.queue.list(|_, _| true, None, 100).await.unwrap();
    all.into_iter().map(|listed| listed.message).collect()
}

async fn body_of(stage: &Stage, message: &Message) -> Vec<u8> {
    let mut reader = stage.queue.open_body(message);
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().await.unwrap() {
        all.extend_from_slice(&chunk);
    }
    all
}

#[tokio::test]
async fn failures_of_one_minute_share_one_dsn() {
    let stage = Stage::new();
    let to = ["a@one.example", "b@two.example"];
    let id = stage.accept("verein@home.example", &to, None).await;
    assert_eq!(stage.settle_all(&failed()).await, 2, "two sites, two tries");
    notify(&stage).await;
    assert_eq!(
        messages(&stage).await.len(),
        1,
        "nothing is told before the minute is over"
    );
    stage.pass(61);
    notify(&stage).await;
    let all = messages(&stage).await;
    let dsn = all.iter().find(|message| message.id != id).unwrap();
    assert!(dsn.from.path.is_null());
    let octets = body_of(&stage, dsn).await;
    let mail = MessageParser::new().parse(&octets).unwrap();
    assert_eq!(
        mail.to().unwrap().first().unwrap().address(),
        Some("verein@home.example")
    );
    let text = String::from_utf8(octets).unwrap();
    for wanted in [
        "Final-Recipient: rfc822; a@one.example\r\n",
        "Final-Recipient: rfc822; b@two.example\r\n",
    ] {
        assert!(text.contains(wanted), "got {text}");
    }
    assert!(
        text.contains(std::str::from_utf8(CONTENT).unwrap()),
        "the message comes back"
    );
    stage.pass(61);
    notify(&stage).await;
    assert_eq!(messages(&stage).await.len(), 2, "nobody is told twice");
}

#[tokio::test]
async fn the_timeline_and_the_count_know_of_the_dsn() {
    let stage = Stage::new();
    let id = stage
        .accept("verein@home.example", &["a@one.example"], None)
        .await;
    stage.settle_all(&failed()).await;
    stage.pass(61);
    notify(&stage).await;
    let shown = stage.queue.show(id).await.unwrap().unwrap();
    let Some(Fact::Notified(notified)) = shown.facts.last().map(|entry| &entry.fact) else {
        panic!("got {:?}", shown.facts);
    };
    assert_eq!(notified.to, "verein@home.example");
    let works = stage
        .queue
        .store()
        .scan(Span::Prefix(Key::of(b'n', &[])), None, false, 10);
    assert!(works.await.unwrap().records.is_empty());
    let key = crate::queue::record::message_key(id);
    let record = stage
        .queue
        .store()
        .get(vec![key])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(record.count, 0, "nothing of the message is left to do");
    assert_eq!(record.due.map(|(work, _)| work), Some(Work::Retire));
}

#[tokio::test]
async fn a_relay_is_told_to_who_asked_for_success_and_to_nobody_else() {
    let stage = Stage::new();
    let success = Notify::On {
        success: true,
        failure: true,
        delay: false,
    };
    let mut asked = rcpt("a@one.example");
    asked.notify = success;
    let all = vec![asked, rcpt("b@one.example")];
    let id = stage.accept_all("verein@home.example", all, None).await;
    stage
        .settle_all(&Outcome::Relayed("250 2.0.0 Ok".parse().unwrap()))
        .await;
    stage.pass(59);
    assert_eq!(messages(&stage).await.len(), 1);
    stage.pass(2);
    notify(&stage).await;
    let all = messages(&stage).await;
    let dsn = all.iter().find(|message| message.id != id).unwrap();
    let text = String::from_utf8(body_of(&stage, dsn).await).unwrap();
    assert!(text.contains("Final-Recipient: rfc822; a@one.example\r\nAction: relayed\r\n"));
    assert!(!text.contains("b@one.example"), "got {text}");
}

#[tokio::test]
async fn a_message_that_lost_a_part_of_its_body_is_told_of_all_the_same() {
    let stage = Stage::new();
    let id = stage
        .accept("verein@home.example", &["a@one.example"], None)
        .await;
    stage.settle_all(&failed()).await;
    let mut damage = Batch::new();
    damage
        .ops
        .push(Op::Delete(crate::queue::record::chunk_key(id, 0)));
    stage.queue.store().commit(damage).await.unwrap();
    stage.pass(61);
    notify(&stage).await;
    let all = messages(&stage).await;
    let dsn = all.iter().find(|message| message.id != id).unwrap();
    let text = String::from_utf8(body_of(&stage, dsn).await).unwrap();
    assert!(text.contains("Final-Recipient: rfc822; a@one.example\r\nAction: failed\r\n"));
    assert!(text.contains("it can no longer be read"), "got {text}");
}

#[tokio::test]
async fn a_report_goes_to_the_author_in_a_labels() {
    let stage = Stage::new();
    let id = stage
        .accept("verein@bücher.example", &["a@one.example"], None)
        .await;
    stage.settle_all(&failed()).await;
    stage.pass(61);
    notify(&stage).await;
    let all = messages(&stage).await;
    let dsn = all.iter().find(|message| message.id != id).unwrap();
    assert!(!dsn.from.smtputf8 && !dsn.eight_bit);
    let parcels = stage.queue.parcels_of(dsn.id).await.unwrap();
    let to = &parcels[0].parcel.slots[0].mailbox;
    assert_eq!(to.as_written(), "verein@xn--bcher-kva.example");
}

#[tokio::test]
async fn who_asked_for_silence_gets_none() {
    let stage = Stage::new();
    let mut never = rcpt("a@one.example");
    never.notify = Notify::Never;
    let success = Notify::On {
        success: true,
        failure: false,
        delay: false,
    };
    let mut only_success = rcpt("b@one.example");
    only_success.notify = success;
    stage
        .accept_all("verein@home.example", vec![never, only_success], None)
        .await;
    stage.settle_all(&failed()).await;
    stage.pass(61);
    notify(&stage).await;
    assert_eq!(messages(&stage).await.len(), 1);
}

#[tokio::test]
async fn a_null_reverse_path_never_gets_a_dsn() {
    let stage = Stage::new();
    let id = stage.accept("", &["a@one.example"], None).await;
    stage.settle_all(&failed()).await;
    stage.pass(61);
    notify(&stage).await;
    assert_eq!(messages(&stage).await.len(), 1);
    let parcels = stage.queue.parcels_of(id).await.unwrap();
    let states: Vec<&State> = parcels
        .iter()
        .flat_map(|p| &p.parcel.slots)
        .map(|s| &s.state)
        .collect();
    assert_eq!(states, [&State::Held], "a person decides");
}

#[tokio::test]
async fn work_of_a_message_that_is_gone_ends_quietly() {
    let stage = Stage::new();
    let id = stage
        .accept("verein@home.example", &["a@one.example"], None)
        .await;
    stage.settle_all(&failed()).await;
    let mut batch = Batch::new();
    batch
        .ops
        .push(Op::Delete(crate::queue::record::message_key(id)));
    stage.queue.store().commit(batch).await.unwrap();
    stage.pass(61);
    notify(&stage).await;
    let works = stage
        .queue
        .store()
        .scan(Span::Prefix(Key::of(b'n', &[])), None, false, 10);
    assert!(works.await.unwrap().records.is_empty());
}

fn context(stage: &Stage) -> Context {
    Context {
        conf: Arc::clone(stage.queue.conf()),
        queue: stage.queue.clone(),
        clock: stage.clock.clone(),
        shutdown: Shutdown::new().0,
    }
}

async fn claims(stage: &Stage) -> Vec<Claimed> {
    let store = stage.queue.store();
    let mut all = Vec::new();
    for head in store.ready(Work::Dsn, 16).await.unwrap() {
        all.extend(store.claim(Work::Dsn, head.group, 20).await.unwrap());
    }
    all
}

#[tokio::test]
async fn a_hundred_sites_that_fail_within_a_minute_make_one_dsn() {
    let stage = Stage::new();
    let to: Vec<String> = (0..100).map(|n| format!("a@site{n}.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let id = stage.accept("verein@home.example", &to, None).await;
    // They do not all fail in the same moment: the last ones half a minute after the first.
    for _ in 0..40 {
        stage.settle_one(&failed()).await;
    }
    stage.pass(30);
    while stage.settle_all(&failed()).await > 0 {}
    let report = stage.queue.show(id).await.unwrap().unwrap().report.unwrap();
    assert_eq!(report.recipients, 100);
    stage.pass(31);
    notify(&stage).await;
    stage.pass(31);
    notify(&stage).await;
    let all = messages(&stage).await;
    assert_eq!(all.len(), 2, "the mail and one DSN");
    let dsn = all.iter().find(|message| message.id != id).unwrap();
    let text = String::from_utf8(body_of(&stage, dsn).await).unwrap();
    assert_eq!(text.matches("Final-Recipient:").count(), 100);
    assert!(
        stage
            .queue
            .show(id)
            .await
            .unwrap()
            .unwrap()
            .report
            .is_none()
    );
}

#[tokio::test]
async fn a_failure_after_the_dsn_makes_another() {
    let stage = Stage::new();
    let to = ["a@one.example", "b@two.example"];
    stage.accept("verein@home.example", &to, None).await;
    stage.settle_one(&failed()).await;
    stage.pass(61);
    notify(&stage).await;
    stage.settle_one(&failed()).await;
    stage.pass(61);
    notify(&stage).await;
    assert_eq!(messages(&stage).await.len(), 3);
}

#[tokio::test]
async fn damaged_work_stops_no_other_dsn() {
    let stage = Stage::new();
    for n in 0..2 {
        let to = format!("a@site{n}.example");
        stage.accept("verein@home.example", &[&to], None).await;
    }
    stage.settle_all(&failed()).await;
    stage.pass(61);
    let mut claims = claims(&stage).await;
    assert_eq!(claims.len(), 2);
    claims[0].record.value = bytes::Bytes::from_static(b"\xff");
    let failures = context(&stage).tell_all(&claims).await;
    assert!(
        matches!(&failures[..], [(key, StoreError::Damaged(_))] if *key == claims[0].record.key)
    );
    assert_eq!(messages(&stage).await.len(), 3, "the other one is told");
}
