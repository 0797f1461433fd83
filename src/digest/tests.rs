//! Digests over a real queue in memory: when one goes out, what it lists, and what a crash leaves.
//!
//! Time passes by the clock of the stage; nothing here sleeps. Not here: how a digest looks (`golden`).

use std::sync::Arc;
use std::time::Duration;

use mail_parser::MessageParser;

use super::record::stream_key;
use super::stream::Stream;
use super::{Digests, Fresh, Keys};
use crate::base::band::Band;
use crate::bounce::fixture::{Stage, fault};
use crate::config::{AtExpiry, Config, ReleaseRule, Timing};
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::mailbox::Mailbox;
use crate::mail::outcome::Outcome;
use crate::queue::record::{HoldId, decode};
use crate::queue::verbs::{Actor, Verb};
use crate::store::{CLAIM_MAX, Claimed, StoreError, Work};

mod buried;
mod crash;
mod rest;

const DAY: u64 = 86_400;
const ADMIN: &str = "postmaster@verein.example";

pub(super) struct Desk {
    pub(super) stage: Stage,
    pub(super) digests: Digests,
}

pub(super) fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

pub(super) fn held() -> Hold {
    Hold::new(HoldQueue::Quarantine, HoldReason::Rule, "").with("reason", "to be looked at")
}

impl Desk {
    pub(super) async fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::over(Stage::new(), change).await
    }

    async fn over(stage: Stage, change: impl FnOnce(&mut Config)) -> Self {
        let mut conf = Config::clone(&stage.queue.conf().load());
        conf.digest.to = vec![mailbox(ADMIN)];
        conf.digest.owners = false;
        conf.admin.bind = Some("127.0.0.1:8443".parse().unwrap());
        conf.admin.public_url = Some(crate::config::PublicUrl {
            https: true,
            host: mailbox("a@mail.example.org").host().clone(),
            port: 444,
        });
        change(&mut conf);
        stage.queue.conf().store(Arc::new(conf));
        let keys = Keys::load(stage.queue.store().clone(), stage.clock.clone());
        let digests = Digests::new(stage.queue.clone(), keys.await.unwrap());
        digests.keep_streams(true).await.unwrap();
        Self { stage, digests }
    }

    pub(super) async fn hold(&self, to: &str) {
        self.stage.pass(1);
        self.stage
            .accept("a@sender.example", &[to], Some(held()))
            .await;
        // An id can be seen a little after it was made.
        self.stage.pass(120);
    }

    async fn claims(&self) -> Vec<Claimed> {
        let store = self.stage.queue.store();
        let mut all = Vec::new();
        for head in store.ready(Work::Digest, 16).await.unwrap() {
            if head.at <= store.now() {
                all.extend(
                    store
                        .claim(Work::Digest, head.group, CLAIM_MAX)
                        .await
                        .unwrap(),
                );
            }
        }
        all
    }

    /// Does the work that is due.
    pub(super) async fn work(&self) {
        let claims = self.claims().await;
        let failures = self.digests.all(&claims).await;
        assert!(failures.is_empty(), "{failures:?}");
    }

    /// The digests that are due for delivery now, as subject and text; they are delivered by that.
    pub(super) async fn mails(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for lent in self.stage.lend_all().await {
            let mut body = self.stage.queue.open_body(&lent.message);
            let mut octets = Vec::new();
            while let Some(chunk) = body.next().await.unwrap() {
                octets.extend_from_slice(&chunk);
            }
            assert!(lent.message.digest.is_some());
            assert_eq!(lent.band(), Band::Urgent);
            let mail = MessageParser::default().parse(&octets).unwrap();
            let text = mail.body_text(0).unwrap().replace("\r\n", "\n");
            found.push((mail.subject().unwrap().to_owned(), text));
        }
        self.stage
            .settle_all(&Outcome::Relayed("250 2.0.0 ok".parse().unwrap()))
            .await;
        found
    }

    async fn stream(&self) -> Stream {
        let key = stream_key(&mailbox(ADMIN));
        let found = self
            .stage
            .queue
            .store()
            .get(vec![key.clone()])
            .await
            .unwrap();
        decode(&key, &found[0].as_ref().unwrap().value).unwrap()
    }

    async fn day(&self) -> Vec<(String, String)> {
        self.stage.pass(DAY);
        self.work().await;
        self.mails().await
    }
}

#[tokio::test]
async fn what_is_held_is_told_by_the_next_date_and_once() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("kasse@verein.example").await;
    desk.work().await;
    assert!(desk.mails().await.is_empty(), "the date has not come");
    let mails = desk.day().await;
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0]
            .0
            .starts_with("[mail.example.org] 1 message held (1 Quarantine)"),
        "{mails:?}"
    );
    assert!(
        mails[0].1.contains("kasse[at]verein[.]example"),
        "{mails:?}"
    );
    assert!(
        mails[0].1.contains("\nhttps://mail.example.org:444/d/"),
        "{mails:?}"
    );
    assert!(desk.day().await.is_empty(), "nothing new");
    desk.hold("b@verein.example").await;
    let mails = desk.day().await;
    assert!(mails[0].1.contains("b[at]verein[.]example"), "{mails:?}");
    assert!(
        !mails[0].1.contains("kasse[at]verein[.]example"),
        "{mails:?}"
    );
    assert!(
        mails[0].1.contains("1 older one is still held."),
        "{mails:?}"
    );
    assert_eq!(desk.stream().await.number, 2);
}

#[tokio::test]
async fn nothing_held_is_no_mail_and_the_date_moves_on() {
    let desk = Desk::new(|_| {}).await;
    let before = desk.stream().await.next;
    assert!(desk.day().await.is_empty());
    assert_eq!(desk.stream().await.next, before + DAY * 1_000_000);
    assert_eq!(desk.stream().await.number, 0);
}

#[tokio::test]
async fn what_is_still_held_is_listed_again_before_its_links_end() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("kasse@verein.example").await;
    let mut listed = Vec::new();
    for day in 1..=15 {
        if !desk.day().await.is_empty() {
            listed.push(day);
        }
    }
    // Links live for a week and end with an hour: on the seventh day they would be dead by the next.
    assert_eq!(listed, [1, 7, 13]);
}

#[tokio::test]
async fn what_ends_soon_is_listed_once_more_with_a_warning() {
    let desk = Desk::new(|conf| {
        conf.links.lifetime = Duration::from_secs(100 * DAY);
        conf.hold.quarantine.expiry = Duration::from_secs(10 * DAY);
    })
    .await;
    desk.hold("kasse@verein.example").await;
    let mut listed = Vec::new();
    for day in 1..=10 {
        for (_, text) in desk.day().await {
            listed.push((day, text.contains("Attention: will be deleted on")));
        }
    }
    assert_eq!(listed, [(1, false), (8, true)]);
}

#[tokio::test]
async fn what_nobody_may_have_checked_again_does_not_end_soon() {
    for (rule, wanted) in [(ReleaseRule::Login, true), (ReleaseRule::Never, false)] {
        let desk = Desk::new(|conf| {
            conf.links.lifetime = Duration::from_secs(100 * DAY);
            conf.hold.quarantine.expiry = Duration::from_secs(10 * DAY);
            conf.hold.quarantine.at_expiry = AtExpiry::Requeue;
            conf.hold.release = vec![(HoldReason::Operator, rule)];
        })
        .await;
        let hold = Hold::new(HoldQueue::Quarantine, HoldReason::Operator, "");
        let to = ["kasse@verein.example"];
        desk.stage.accept("a@sender.example", &to, Some(hold)).await;
        desk.stage.pass(120);
        let mut warned = false;
        for _ in 1..=8 {
            let day = desk.day().await;
            warned |= day
                .iter()
                .any(|(_, text)| text.contains("checked again on"));
        }
        assert_eq!(warned, wanted, "case: {rule:?}");
    }
}

#[tokio::test]
async fn a_first_hold_moves_the_date_to_now_and_a_second_one_does_not() {
    let desk = Desk::new(|conf| conf.digest.on_first = true).await;
    desk.hold("kasse@verein.example").await;
    desk.digests.keep_streams(false).await.unwrap();
    desk.work().await;
    assert_eq!(desk.mails().await.len(), 1);
    desk.hold("b@verein.example").await;
    desk.digests.keep_streams(false).await.unwrap();
    desk.work().await;
    assert!(
        desk.mails().await.is_empty(),
        "one that was told of is still held"
    );
    assert_eq!(desk.day().await.len(), 1);
}

#[tokio::test]
async fn a_start_tells_of_everything_that_is_held_if_it_should() {
    let desk = Desk::new(|conf| conf.digest.on_start = true).await;
    desk.work().await;
    assert!(desk.mails().await.is_empty(), "nothing is held");
    desk.hold("kasse@verein.example").await;
    assert_eq!(desk.day().await.len(), 1);
    desk.digests.keep_streams(true).await.unwrap();
    desk.work().await;
    assert_eq!(desk.mails().await.len(), 1, "told again at a start");
}

#[tokio::test]
async fn reminders_go_on_until_nothing_is_held() {
    let desk = Desk::new(|conf| {
        conf.digest.remind = true;
        conf.digest.timing = Timing::Every(Duration::from_secs(600));
    })
    .await;
    desk.hold("kasse@verein.example").await;
    for _ in 0..3 {
        desk.stage.pass(600);
        desk.work().await;
        assert_eq!(desk.mails().await.len(), 1);
    }
    let cards = desk
        .stage
        .queue
        .cards(&crate::queue::hold::Shelf::All, None, true, 5);
    let id = cards.await.unwrap().cards[0].id;
    let delete = Verb::Delete { now: true };
    desk.stage
        .queue
        .decide(id, delete, &Actor::of("test"))
        .await
        .unwrap();
    desk.stage.pass(600);
    desk.work().await;
    assert!(desk.mails().await.is_empty());
}

#[tokio::test]
async fn years_that_pass_at_once_give_one_digest() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("kasse@verein.example").await;
    desk.stage.pass(5 * 365 * DAY);
    desk.work().await;
    // The hold has long ended by its own date, which the queue sees to; here it is still there.
    assert_eq!(desk.mails().await.len(), 1);
    desk.work().await;
    assert!(desk.mails().await.is_empty());
}

#[tokio::test]
async fn a_clock_that_is_set_back_neither_repeats_nor_stops_digests() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("kasse@verein.example").await;
    assert_eq!(desk.day().await.len(), 1);
    desk.hold("b@verein.example").await;
    let back = desk.stage.clock.wall().0 - 400 * DAY * 1_000_000;
    desk.stage.clock.jump(crate::base::clock::Wall(back));
    desk.work().await;
    assert!(desk.mails().await.is_empty());
    let mut sent = 0;
    for _ in 0..4 {
        sent += desk.day().await.len();
    }
    assert_eq!(sent, 1);
}

#[tokio::test]
async fn a_digest_that_fails_is_marked_and_nothing_loops() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("kasse@verein.example").await;
    desk.stage.pass(DAY);
    desk.work().await;
    desk.stage
        .settle_all(&Outcome::Failed(fault("550 5.1.1 no such user")))
        .await;
    desk.stage.pass(120);
    desk.work().await;
    let troubles = desk.digests.troubles().await.unwrap();
    assert_eq!(troubles.len(), 1);
    assert_eq!(
        (troubles[0].number, troubles[0].to.to_string().as_str()),
        (1, ADMIN)
    );
    assert!(troubles[0].why.contains("no such user"), "{troubles:?}");
    assert!(
        desk.stage.lend_all().await.is_empty(),
        "nothing is sent about it"
    );
    let only = desk
        .stage
        .queue
        .cards(&crate::queue::hold::Shelf::All, None, true, 5)
        .await;
    assert_eq!(only.unwrap().cards.len(), 1, "the digest is not held");
    // The next one goes out as usual, and once it has arrived all is well.
    desk.hold("b@verein.example").await;
    assert_eq!(desk.day().await.len(), 1);
    desk.stage.pass(120);
    retire(&desk).await;
    assert!(desk.digests.troubles().await.unwrap().is_empty());
}

/// What upkeep does with messages that are over.
async fn retire(desk: &Desk) {
    let (shutdown, _finish) = crate::base::shutdown::Shutdown::new();
    let upkeep = desk.stage.queue.clone();
    let stop = shutdown.clone();
    let task = tokio::spawn(async move { upkeep.upkeep(&stop).await });
    for _ in 0..1_000 {
        if desk.digests.troubles().await.unwrap().is_empty() {
            break;
        }
    }
    task.abort();
}

#[tokio::test]
async fn a_fresh_digest_is_sent_once_an_hour_and_to_nobody_else() {
    let desk = Desk::new(|_| {}).await;
    let to = mailbox(ADMIN);
    assert_eq!(desk.digests.send_fresh(&to).await.unwrap(), Fresh::Nothing);
    desk.hold("kasse@verein.example").await;
    assert_eq!(desk.digests.send_fresh(&to).await.unwrap(), Fresh::Sent(1));
    assert_eq!(desk.digests.send_fresh(&to).await.unwrap(), Fresh::TooSoon);
    assert_eq!(desk.digests.send_now(&to).await.unwrap(), Fresh::Sent(2));
    desk.stage.pass(3_600);
    assert_eq!(desk.digests.send_fresh(&to).await.unwrap(), Fresh::Sent(3));
    let stranger = mailbox("stranger@x.example");
    assert_eq!(
        desk.digests.send_fresh(&stranger).await.unwrap(),
        Fresh::Nothing
    );
    assert!(desk.digests.preview(&to, None).await.unwrap().is_some());
    assert!(
        desk.digests
            .preview(&stranger, None)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(desk.stream().await.number, 0, "the stream goes its own way");
}

#[tokio::test]
async fn who_is_configured_no_more_gets_nothing() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("kasse@verein.example").await;
    let mut conf = Config::clone(&desk.stage.queue.conf().load());
    conf.digest.to.clear();
    desk.stage.queue.conf().store(Arc::new(conf));
    assert!(desk.day().await.is_empty());
    let store = desk.stage.queue.store();
    let left = store.get(vec![stream_key(&mailbox(ADMIN))]).await.unwrap();
    assert!(left[0].is_none());
}

#[tokio::test]
async fn a_claim_that_was_lost_sends_nothing() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("kasse@verein.example").await;
    desk.stage.pass(DAY);
    // Whoever claimed it died: the claim is given back, and nothing of the digest is there.
    drop(desk.claims().await);
    assert_eq!(desk.stream().await.number, 0);
    let stale = desk.claims().await;
    let ids: Vec<_> = stale.iter().map(|claim| claim.guard.id()).collect();
    assert_eq!(ids.len(), 1);
    drop(stale);
    desk.work().await;
    assert_eq!(desk.mails().await.len(), 1);
    assert_eq!(desk.stream().await.last, newest(&desk).await);
}

async fn newest(desk: &Desk) -> HoldId {
    let cards = desk
        .stage
        .queue
        .cards(&crate::queue::hold::Shelf::All, None, true, 1);
    cards.await.unwrap().cards[0].id
}

#[tokio::test]
async fn many_that_are_asked_for_at_once_have_numbers_of_their_own() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("kasse@verein.example").await;
    let all = (0..20).map(|_| {
        let digests = desk.digests.clone();
        tokio::spawn(async move { digests.send_now(&mailbox(ADMIN)).await.unwrap() })
    });
    let mut numbers = Vec::new();
    for one in all.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Fresh::Sent(number) => numbers.push(number),
            other @ (Fresh::Nothing | Fresh::TooSoon) => panic!("{other:?}"),
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<u32>>());
    let fresh = (0..20).map(|_| {
        let digests = desk.digests.clone();
        tokio::spawn(async move { digests.send_fresh(&mailbox(ADMIN)).await.unwrap() })
    });
    let mut sent = 0;
    for one in fresh.collect::<Vec<_>>() {
        sent += usize::from(matches!(one.await.unwrap(), Fresh::Sent(_)));
    }
    assert_eq!(sent, 1, "a hundred clicks are one mail");
}

#[tokio::test]
async fn a_collision_that_is_nobodys_asking_is_never_told_as_too_soon() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("kasse@verein.example").await;
    let to = mailbox(ADMIN);
    let store = desk.stage.queue.store();
    let key = super::record::digest_key(1);
    let mut taken = crate::store::Batch::new();
    taken.ops.push(crate::store::Op::Put {
        key: key.clone(),
        value: b"somebody else's".to_vec().into(),
        due: None,
        terms: Vec::new(),
    });
    store.commit(taken).await.unwrap();
    let failed = desk.digests.send_fresh(&to).await;
    assert!(failed.is_err(), "{failed:?}");
    let mut free = crate::store::Batch::new();
    free.ops.push(crate::store::Op::Delete(key));
    store.commit(free).await.unwrap();
    assert_eq!(desk.digests.send_fresh(&to).await.unwrap(), Fresh::Sent(1));
    assert_eq!(desk.digests.send_fresh(&to).await.unwrap(), Fresh::TooSoon);
}

#[tokio::test]
async fn a_digest_is_forgotten_a_month_after_its_links() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("kasse@verein.example").await;
    desk.day().await;
    let key = super::record::digest_key(1);
    let there = || async {
        let found = desk.stage.queue.store().get(vec![key.clone()]).await;
        found.unwrap()[0].is_some()
    };
    desk.stage.pass(36 * DAY);
    desk.work().await;
    assert!(there().await);
    desk.stage.pass(2 * DAY);
    desk.work().await;
    assert!(!there().await);
}

#[tokio::test]
async fn mail_number_and_date_are_one_commit() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("kasse@verein.example").await;
    desk.stage.pass(DAY);
    let claims = desk.claims().await;
    // Somebody else has taken the work by the time the mail is composed: nothing of the digest may stay.
    let store = desk.stage.queue.store();
    let mut batch = crate::store::Batch::new();
    batch
        .pre
        .push(crate::store::Pre::Mine(claims[0].guard.id()));
    batch.ops.push(
        desk.stream()
            .await
            .put(&mailbox(ADMIN), desk.stage.clock.wall()),
    );
    store.commit(batch).await.unwrap();
    let failures = desk.digests.all(&claims).await;
    assert!(matches!(failures[..], [(_, StoreError::Conflict(_))]));
    assert!(desk.mails().await.is_empty());
    let keys = vec![super::record::number_key(), super::record::digest_key(1)];
    let left = store.get(keys).await.unwrap();
    assert!(
        left.iter().all(Option::is_none),
        "a number without its mail"
    );
    desk.work().await;
    assert_eq!(desk.mails().await.len(), 1);
    assert_eq!(desk.stream().await.number, 1);
}
