//! Pace by replies: what speaks of us slows the site and costs no try; what speaks of a recipient slows nobody.
//!
//! RFC 5321 sections 3.8, 4.2.1 and 4.5.3.1.10; RFC 9422. The texts are those of `deliver::throttle`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use postwerk::journal::event::EventKind;

use crate::client::letter;
use crate::house::House;
use crate::remote::{Answer, Remote};

const HALF: Duration = Duration::from_secs(30);
const FEW: &str = "[queue]\nretry = [\"5m\", \"15m\"]\n[deliver]\nconnections_per_site = 2\n";

/// A remote that says `angry` to `verb` until the flag falls.
async fn moody(verb: &'static str, angry: &'static str) -> (Remote, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(true));
    let is_angry = Arc::clone(&flag);
    let remote = Remote::scripted(move |asked| {
        if asked.verb == verb && is_angry.load(Ordering::Acquire) {
            Answer::Say(angry)
        } else {
            Answer::Usual
        }
    })
    .await;
    (remote, flag)
}

async fn tries(house: &House) -> u32 {
    let listed = house.server.queue().list(|_, _| true, None, 1_000).await;
    let (listed, _) = listed.expect("listed");
    let parcels = listed.iter().flat_map(|one| &one.parcels);
    parcels.map(|stored| stored.parcel.attempts).sum()
}

async fn send(house: &House, mails: usize) {
    for n in 0..mails {
        let to = format!("b{n}@example.org");
        let text = letter(&n.to_string());
        house.submit("a@sender.example", &[&to], &text).await;
    }
}

async fn waited_for(house: &House) -> String {
    let queue = house.server.queue();
    crate::until("a site that is waited for", || async {
        !queue.waited_for(9).is_empty()
    })
    .await;
    queue.waited_for(9)[0].0.why.fault.reply.to_string()
}

#[tokio::test]
async fn a_site_that_asks_for_less_gets_a_pause_and_no_try_is_counted() {
    for (verb, angry) in [
        ("MAIL", "421 4.7.28 an unusual rate of mail from you"),
        ("MAIL", "450 4.7.1 rate limit exceeded"),
        ("CONNECT", "421 4.7.0 too busy"),
        ("RCPT", "421 4.3.2 closing"),
        ("DOT", "421 4.7.28 an unusual rate of mail from you"),
    ] {
        let (remote, flag) = moody(verb, angry).await;
        let mut house = House::before(&remote, FEW).await;
        send(&house, 30).await;
        house.told(EventKind::Deferred).await;
        assert_eq!(waited_for(&house).await, angry, "case: {verb}");
        assert_eq!(tries(&house).await, 0, "case: {verb} {angry}");
        let asked = remote.asked(verb);
        assert!(asked <= 4, "case: {verb} {angry}: asked {asked} times");
        flag.store(false, Ordering::Release);
        house.pass(HALF);
        remote.mails(30).await;
        house.server.shutdown().await;
    }
}

#[tokio::test]
async fn a_pause_is_as_long_as_the_reply_says() {
    let (remote, flag) = moody("MAIL", "451 4.7.1 slow down, try again in 240 seconds").await;
    let mut house = House::before(&remote, FEW).await;
    send(&house, 3).await;
    house.told(EventKind::Deferred).await;
    waited_for(&house).await;
    let asked = remote.asked("MAIL");
    flag.store(false, Ordering::Release);
    house.pass(4 * HALF);
    let queue = house.server.queue();
    assert_eq!(queue.waited_for(9).len(), 1, "the site is still waited for");
    assert_eq!(remote.asked("MAIL"), asked);
    house.pass(4 * HALF);
    remote.mails(3).await;
}

#[tokio::test]
async fn what_speaks_of_a_recipient_or_the_mail_slows_nobody() {
    let remote = Remote::scripted(|asked| match asked.line {
        "RCPT TO:<b0@example.org>" => Answer::Say("452 4.2.2 mailbox full"),
        "RCPT TO:<b1@example.org>" => Answer::Say("450 4.2.0 greylisted, try again later"),
        "RCPT TO:<b2@example.org>" => {
            Answer::Say("450 4.2.1 the user is receiving mail at a rate that prevents more")
        }
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, FEW).await;
    send(&house, 10).await;
    remote.mails(7).await;
    house.told_nth(EventKind::Deferred, 3).await;
    assert!(house.server.queue().waited_for(9).is_empty());
    assert_eq!(remote.so_far().len(), 7);
}

#[tokio::test]
async fn a_site_that_wants_us_to_log_in_first_burns_one_try_and_says_why() {
    let (remote, flag) = moody("MAIL", "530 5.7.0 authentication required").await;
    let mut house = House::before(&remote, FEW).await;
    send(&house, 10).await;
    house.told(EventKind::Deferred).await;
    let why = waited_for(&house).await;
    assert!(why.contains("authentication required"), "got {why}");
    let counted = tries(&house).await;
    assert!(counted <= 2, "each connection has one: {counted}");
    flag.store(false, Ordering::Release);
    house.pass(HALF);
    // The one that told goes with the others, and not by its own retry.
    remote.mails(10).await;
}

#[tokio::test]
async fn the_next_host_is_asked_at_once_and_each_once_before_the_site_waits() {
    let (first, _) = moody("MAIL", "421 4.3.2 not now").await;
    let (second, flag) = moody("MAIL", "421 4.3.2 nor here").await;
    let more = format!(
        "{FEW}[[route]]\ndomain = \"*\"\nrelay = [\"{}\", \"{}\"]\ntls = \"off\"\n",
        first.address, second.address
    );
    let mut house = House::start(first.address, &more).await;
    let to = ["b@elsewhere.example"];
    house.submit("a@sender.example", &to, &letter("one")).await;
    house.told(EventKind::Deferred).await;
    assert_eq!((first.asked("MAIL"), second.asked("MAIL")), (1, 1));
    waited_for(&house).await;
    flag.store(false, Ordering::Release);
    house.pass(HALF);
    second.mails(1).await;
    // The first is tried last now; a mail that meets only it again is not told so.
    house.submit("a@sender.example", &to, &letter("two")).await;
    second.mails(2).await;
    house.told_nth(EventKind::Delivered, 2).await;
    assert_eq!(tries(&house).await, 2, "each mail has one counted try");
}

/// Takes so many recipients in each transaction, and puts `late@` off.
async fn takes(most: usize, enough: &'static str) -> Remote {
    let taken = AtomicUsize::new(0);
    Remote::scripted(move |asked| match asked.verb {
        "MAIL" => {
            taken.store(0, Ordering::Release);
            Answer::Usual
        }
        "RCPT" if asked.line.contains("late@") => Answer::Say("450 4.2.0 greylisted"),
        "RCPT" if taken.fetch_add(1, Ordering::AcqRel) >= most => Answer::Say(enough),
        _ => Answer::Usual,
    })
    .await
}

const ONE: &str = "[queue]\nretry = [\"5m\"]\n[deliver]\nconnections_per_site = 1\n";

#[tokio::test]
async fn too_many_recipients_go_in_the_next_transaction_and_the_number_is_remembered() {
    for enough in ["452 4.5.3 too many recipients", "552 too many recipients"] {
        let remote = takes(5, enough).await;
        let house = House::before(&remote, ONE).await;
        let all: Vec<String> = (0..20).map(|n| format!("u{n}@example.org")).collect();
        let to: Vec<&str> = all.iter().map(String::as_str).collect();
        house.send("a@sender.example", &to, &letter("many")).await;
        // No time passes.
        let mails = remote.mails(4).await;
        let counts: Vec<usize> = mails.iter().map(|mail| mail.to.len()).collect();
        assert_eq!(counts, [5, 5, 5, 5], "case: {enough}");
        assert_eq!(remote.asked("RCPT"), 20 + 15, "it was told once: {enough}");
        house.send("a@sender.example", &to, &letter("again")).await;
        remote.mails(8).await;
        assert_eq!(remote.asked("RCPT"), 35 + 20, "case: {enough}");
    }
}

#[tokio::test]
async fn who_is_deferred_does_not_keep_the_others_waiting() {
    let remote = takes(2, "452 4.5.3 too many recipients").await;
    let mut house = House::before(&remote, ONE).await;
    let to = [
        "late@example.org",
        "b@example.org",
        "c@example.org",
        "d@example.org",
    ];
    house.send("a@sender.example", &to, &letter("parted")).await;
    let mails = remote.mails(2).await;
    assert_eq!(mails[1].to, ["<d@example.org>"]);
    house.told(EventKind::Deferred).await;
    let listed = house.server.queue().list(|_, _| true, None, 9).await;
    let (listed, _) = listed.expect("listed");
    let of = |address: &str| {
        let parcels = listed[0].parcels.iter().map(|stored| &stored.parcel);
        let mut parcels = parcels.filter(|parcel| {
            let mut slots = parcel.slots.iter();
            slots.any(|slot| slot.mailbox.to_string() == address)
        });
        parcels.next().expect("in a parcel").attempts
    };
    assert_eq!(of("late@example.org"), 1);
}

#[tokio::test]
async fn a_single_recipient_that_is_too_many_is_deferred() {
    let remote = takes(0, "452 4.5.3 too many recipients").await;
    let mut house = House::before(&remote, ONE).await;
    send(&house, 1).await;
    house.told(EventKind::Deferred).await;
    assert_eq!((remote.asked("RCPT"), tries(&house).await), (1, 1));
}

#[tokio::test]
async fn limits_in_ehlo_are_kept() {
    let remote = Remote::with_words(&["PIPELINING", "LIMITS RCPTMAX=3"]).await;
    let house = House::before(&remote, ONE).await;
    let all: Vec<String> = (0..7).map(|n| format!("u{n}@example.org")).collect();
    let to: Vec<&str> = all.iter().map(String::as_str).collect();
    house.send("a@sender.example", &to, &letter("limits")).await;
    let mails = remote.mails(3).await;
    let counts: Vec<usize> = mails.iter().map(|mail| mail.to.len()).collect();
    assert_eq!((counts, remote.asked("RCPT")), (vec![3, 3, 1], 7));
}
