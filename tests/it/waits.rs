//! A site that is waited for: one truth of when and why, ended by a person or by the site, and told at the end.
//!
//! Not here: how long a site waits (`deliver::stand`), and texts at a terminal (`cli::queue::print`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postwerk::admin::view::{Row, RowRecipient};
use postwerk::base::clock::{Clock, Wall};
use postwerk::config::RelayTls;
use postwerk::deliver::Strangers;
use postwerk::journal::event::EventKind;
use postwerk::mail::state::State;
use postwerk::queue::MessageId;
use postwerk::queue::verbs::{Actor, Verb};

use crate::client::letter;
use crate::deliver::{LETTER, Rig, conf, route};
use crate::dns::{Stub, Zone};
use crate::house::House;
use crate::remote::{Answer, Remote};

const SECOND: Duration = Duration::from_secs(1);
const MORE: &str = "[queue]\nretry = [\"5m\", \"1h\"]\n";

/// A remote that nobody can use while the flag stands.
async fn away() -> (Remote, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&flag);
    let remote = Remote::scripted(move |asked| {
        if asked.verb == "CONNECT" && is_away.load(Ordering::Acquire) {
            Answer::Say("554 5.3.2 no service here")
        } else {
            Answer::Usual
        }
    })
    .await;
    (remote, flag)
}

async fn row(house: &House, address: &str) -> RowRecipient {
    let queue = house.server.queue();
    let listed = queue.list(|_, _| true, None, 1_000).await;
    let (listed, _) = listed.expect("listed");
    let rows = listed
        .iter()
        .filter_map(|one| Row::of(queue, one, |_| true));
    let mut all = rows.flat_map(|row| row.recipients);
    all.find(|one| one.address == address).expect("listed")
}

/// Waits until the list says that this one is held back.
async fn held_back(house: &House, address: &str) -> RowRecipient {
    crate::until("a mail that is held back", || async {
        row(house, address).await.waits_for.is_some()
    })
    .await;
    row(house, address).await
}

#[tokio::test]
async fn the_list_says_until_when_and_why_also_of_mail_that_was_never_tried() {
    let (remote, _flag) = away().await;
    let mut house = House::before(&remote, MORE).await;
    house
        .send("a@sender.example", &["b@example.org"], &letter("probe"))
        .await;
    house.told(EventKind::Deferred).await;
    house
        .send("a@sender.example", &["c@example.org"], &letter("behind"))
        .await;
    for (address, tries) in [("c@example.org", 0), ("b@example.org", 1)] {
        let one = if tries == 0 {
            held_back(&house, address).await
        } else {
            row(&house, address).await
        };
        assert_eq!(one.attempts, tries, "{one:?}");
        let at = one.next_try.clone().expect("a time");
        // 20:00:00, and half a minute.
        assert!(at.starts_with("2026-11-21T20:00:30"), "{address}: {at}");
        if tries == 0 {
            let site = one.waits_for.clone().expect("a site");
            assert!(site.contains(&remote.address.port().to_string()), "{site}");
            let why = one.wait_reason.clone().expect("a reason");
            assert!(why.contains("no service here"), "{why}");
        }
    }
}

#[tokio::test]
async fn a_persons_retry_asks_the_site_at_once_and_the_others_follow() {
    let (remote, flag) = away().await;
    let mut house = House::before(&remote, MORE).await;
    let id = house
        .send("a@sender.example", &["b@example.org"], &letter("wanted"))
        .await;
    house.told(EventKind::Deferred).await;
    for _ in 0..4 {
        // Longer and longer.
        house.pass_until(EventKind::Deferred, 60 * SECOND, 9).await;
    }
    house
        .send("a@sender.example", &["c@example.org"], &letter("behind"))
        .await;
    held_back(&house, "c@example.org").await;
    flag.store(false, Ordering::Release);
    house.pass(2 * SECOND);
    assert_eq!(remote.so_far().len(), 0);
    house.act(Verb::Retry, &id).await;
    let mails = remote.mails(2).await;
    assert_eq!(mails.len(), 2, "and no time has passed");
    house
        .until_place("c@example.org", |place| place.state == State::Relayed)
        .await;
    assert!(house.server.queue().waited_for(9).is_empty());
}

#[tokio::test]
async fn released_mail_asks_the_site_too_at_once_or_when_its_undo_is_over() {
    for undo in [false, true] {
        let (remote, flag) = away().await;
        let mut house = House::before(&remote, MORE).await;
        house
            .send("a@sender.example", &["b@example.org"], &letter("probe"))
            .await;
        house.told(EventKind::Deferred).await;
        let id = house
            .send("a@sender.example", &["c@example.org"], &letter("held"))
            .await;
        held_back(&house, "c@example.org").await;
        house.act(Verb::Hold, &id).await;
        flag.store(false, Ordering::Release);
        house.pass(2 * SECOND);
        house.act(Verb::Release { undo }, &id).await;
        if undo {
            // Longer than an undo, shorter than the half minute of the site.
            house.pass(15 * SECOND);
        }
        remote.mails(1).await;
        house
            .until_place("c@example.org", |place| place.state == State::Relayed)
            .await;
    }
}

#[tokio::test]
async fn a_site_that_comes_back_takes_the_oldest_too() {
    let (remote, flag) = away().await;
    let mut house = House::before(&remote, MORE).await;
    for n in 0..3 {
        let to = format!("b{n}@example.org");
        let text = letter(&n.to_string());
        house.send("a@sender.example", &[&to], &text).await;
    }
    // Three probes, each with another mail.
    house.told(EventKind::Deferred).await;
    for _ in 0..2 {
        house.pass_until(EventKind::Deferred, 30 * SECOND, 9).await;
    }
    flag.store(false, Ordering::Release);
    house.pass(240 * SECOND);
    // Not the five minutes or the hour of their own retry.
    remote.mails(3).await;
}

#[tokio::test]
async fn at_the_end_of_a_lifetime_the_reason_is_what_the_server_knew() {
    let (remote, _flag) = away().await;
    let more = "[queue]\nretry = [\"10m\"]\nlifetime = \"1h\"\n";
    let mut house = House::before(&remote, more).await;
    for n in 0..20 {
        let to = format!("b{n}@example.org");
        let text = letter(&n.to_string());
        house.submit("a@sender.example", &[&to], &text).await;
    }
    house.told(EventKind::Deferred).await;
    let mut never_tried = 0;
    for _ in 0..7 {
        house.pass(600 * SECOND);
        let queue = house.server.queue();
        let over = |place: &crate::house::Place| place.state == State::Expired;
        crate::until("a look at the site, or the end", || async {
            !queue.waited_for(9).is_empty() || house.places().await.iter().all(over)
        })
        .await;
    }
    for n in 0..20 {
        let address = format!("b{n}@example.org");
        house
            .until_place(&address, |place| place.state == State::Expired)
            .await;
    }
    let listed = house.server.queue().list(|_, _| true, None, 1_000).await;
    for stored in listed
        .expect("listed")
        .0
        .iter()
        .flat_map(|one| &one.parcels)
    {
        let slot = &stored.parcel.slots[0];
        let fault = slot.fault.as_ref().expect("a reason").reply.to_string();
        assert!(fault.contains("no service here"), "got {fault}");
        if stored.parcel.attempts == 0 {
            never_tried += 1;
            assert_eq!(stored.parcel.tried, 0, "no attempt has no date");
        }
    }
    assert!(never_tried > 0, "some waited all the time");
}

async fn act(rig: &Rig, verb: Verb, id: MessageId) {
    let target = id.to_string().parse().expect("an id");
    let acted = rig.queue.act(verb, &target, &Actor::of("test")).await;
    acted.expect("acted");
}

/// The answer of DNS is believed for less time than a site may wait.
#[tokio::test]
async fn a_persons_retry_asks_the_site_also_when_dns_must_be_asked_first() {
    let (remote, flag) = away().await;
    let zone = Zone::default()
        .mx("far.example", 10, "mx.far.example")
        .a("mx.far.example", [127, 0, 0, 1]);
    let stub = Stub::start(zone).await;
    let mut conf = conf();
    conf.dns.servers = vec![stub.address()];
    conf.queue.retry = vec![1_800 * SECOND];
    let strangers = Strangers {
        port: remote.address.port(),
        loopback: true,
    };
    let clock = Clock::moved(Wall(1_795_000_000_000_000));
    let mut rig = Rig::clocked(conf, strangers, &clock);
    rig.accept("a@b.example", &["c@far.example"], LETTER).await;
    // 30, 60, 120, 240, 480 and 900 seconds.
    for span in [30, 60, 120, 240, 480, 900] {
        rig.event(EventKind::Deferred).await;
        clock.advance(span * SECOND);
    }
    rig.event(EventKind::Deferred).await;
    let id = rig.accept("a@b.example", &["d@far.example"], LETTER).await;
    crate::until("the wait", || async { !rig.queue.waited_for(9).is_empty() }).await;
    flag.store(false, Ordering::Release);
    // What DNS said has expired, the wait of a quarter of an hour has not.
    clock.advance(700 * SECOND);
    act(&rig, Verb::Retry, id).await;
    let mails = remote.mails(1).await;
    assert_eq!(mails[0].to, ["<d@far.example>"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_site_that_closes_behind_each_mail_is_back_all_the_same() {
    let flag = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&flag);
    let remote = Remote::scripted(move |asked| match asked.verb {
        "CONNECT" if is_away.load(Ordering::Acquire) => Answer::Say("554 5.3.2 no service here"),
        "DOT" => Answer::Break("250 2.0.0 kept\r\n421 4.3.2 bye", usize::MAX),
        _ => Answer::Usual,
    })
    .await;
    let mut conf = conf();
    conf.queue.retry = vec![1_800 * SECOND];
    conf.routes.push(route(&remote, RelayTls::Off));
    let clock = Clock::moved(Wall(1_795_000_000_000_000));
    let mut rig = Rig::clocked(conf, Strangers::default(), &clock);
    let id = rig.accept("a@b.example", &["c@one.example"], LETTER).await;
    rig.event(EventKind::Deferred).await;
    rig.accept("a@b.example", &["c@two.example"], LETTER).await;
    crate::until("the wait", || async { !rig.queue.waited_for(9).is_empty() }).await;
    flag.store(false, Ordering::Release);
    clock.advance(2 * SECOND);
    act(&rig, Verb::Retry, id).await;
    remote.mails(2).await;
    rig.stop().await;
}

#[tokio::test]
async fn what_waits_for_dns_goes_the_new_way_after_a_reload() {
    let remote = Remote::friendly().await;
    let stub = Stub::start(Zone::default().fails("broken.example")).await;
    let mut conf = conf();
    conf.dns.servers = vec![stub.address()];
    conf.queue.retry = vec![1_800 * SECOND];
    let clock = Clock::moved(Wall(1_795_000_000_000_000));
    let mut rig = Rig::clocked(conf.clone(), Strangers::default(), &clock);
    rig.accept("a@b.example", &["c@broken.example"], LETTER)
        .await;
    rig.event(EventKind::Deferred).await;
    crate::until("the wait", || async { !rig.queue.waited_for(9).is_empty() }).await;
    rig.accept("a@b.example", &["never-tried@broken.example"], LETTER)
        .await;
    conf.routes.push(route(&remote, RelayTls::Off));
    rig.conf.store(Arc::new(conf));
    // It shows that there is something new.
    rig.accept("a@b.example", &["d@other.example"], LETTER)
        .await;
    remote.mails(2).await;
    rig.stop().await;
}
