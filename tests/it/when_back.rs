//! What a scanner's failure held goes on by itself when the scanner answers again, slowly, and not for ever.
//!
//! Not here: what counts as a failure (`scan`), and what a scanner finds.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postwerk::journal::event::EventKind;
use postwerk::mail::envelope::{Envelope, MailFrom, RcptTo};
use postwerk::mail::found::ATTACHMENTS;
use postwerk::mail::hold::{Hold, HoldQueue, HoldReason, SCANNER};
use postwerk::mail::path::ReversePath;
use postwerk::mail::state::State;
use postwerk::queue::verbs::Verb;
use postwerk::queue::{NewMail, Origin};
use postwerk::store::Band;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::client::letter;
use crate::house::House;
use crate::remote::Remote;

const CLAM: &str = "[[scanner]]\nname = \"clam\"\nkind = \"clamd\"\naddress = \"unix:{dir}/clamd.ctl\"\n[checks]\nwhen_back_rate = \"2/s\"\n";
const BAD: Option<(HoldQueue, HoldReason)> = Some((HoldQueue::Bad, HoldReason::Scanner));

/// A clamd that answers PING, and about mails what `says` says; none: it closes in the middle.
fn clamd(dir: &Path, says: Option<&'static [u8]>) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(dir.join("clamd.ctl")).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut wire, _)) = listener.accept().await {
            // Broken off is as good: the server is what is looked at.
            drop(answer(&mut wire, says, &count).await);
        }
    });
    asked
}

async fn answer(
    wire: &mut UnixStream,
    says: Option<&[u8]>,
    asked: &AtomicUsize,
) -> std::io::Result<()> {
    let mut first = [0; 6];
    wire.read_exact(&mut first).await?;
    if &first == b"zPING\0" {
        return wire.write_all(b"PONG\0").await;
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let Some(says) = says else { return Ok(()) };
    wire.read_exact(&mut [0; 4]).await?;
    loop {
        let length = usize::try_from(wire.read_u32().await?).unwrap();
        if length == 0 {
            return wire.write_all(says).await;
        }
        wire.read_exact(&mut vec![0; length]).await?;
    }
}

#[tokio::test]
async fn a_scanner_that_is_down_fills_bad_and_its_return_empties_it() {
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, CLAM).await;
    for n in 0..5 {
        let text = letter(&format!("number {n}"));
        house
            .send("a@sender.example", &["b@example.org"], &text)
            .await;
    }
    let places = house.places().await;
    assert!(places.iter().all(|place| place.hold == BAD), "{places:?}");
    // As long as it is silent nothing moves, whatever time passes.
    for _ in 0..20 {
        house.pass(Duration::from_secs(60));
    }
    assert_eq!(house.places().await.len(), 5);
    let asked = clamd(house.dir.path(), Some(b"stream: OK\0"));
    for _ in 0..5 {
        house
            .pass_until(EventKind::Delivered, Duration::from_secs(5), 200)
            .await;
    }
    let mails = remote.mails(5).await;
    for n in 0..5 {
        let tag = format!("number {n}");
        let of = mails.iter().filter(|mail| mail.text.contains(&tag));
        assert_eq!(of.count(), 1, "{tag}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn it_goes_on_after_a_restart() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, CLAM).await;
    house
        .send("a@sender.example", &["b@example.org"], &letter("patient"))
        .await;
    let mut house = house.restart(remote.address, CLAM).await;
    clamd(house.dir.path(), Some(b"stream: OK\0"));
    house
        .pass_until(EventKind::Delivered, Duration::from_secs(5), 200)
        .await;
    assert!(remote.mails(1).await[0].text.contains("patient"));
}

#[tokio::test]
async fn a_mail_on_which_a_scanner_fails_each_time_waits_for_a_person_at_last() {
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, CLAM).await;
    let asked = clamd(house.dir.path(), None);
    house
        .send("a@sender.example", &["b@example.org"], &letter("poison"))
        .await;
    house.told(EventKind::Held).await;
    for _ in 0..5 {
        house
            .pass_until(EventKind::Requeued, Duration::from_secs(20), 200)
            .await;
        house.told(EventKind::Held).await;
    }
    for _ in 0..50 {
        house.pass(Duration::from_secs(600));
    }
    let place = house
        .until_place("b@example.org", |place| place.state == State::Held)
        .await;
    assert_eq!(place.hold, BAD);
    assert_eq!(asked.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn what_a_scanner_found_is_not_let_go_because_nobody_looks_again() {
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, CLAM).await;
    clamd(house.dir.path(), Some(b"stream: Test.Virus FOUND\0"));
    let id = house
        .send("a@sender.example", &["b@example.org"], &letter("infected"))
        .await;
    let virus = Some((HoldQueue::Quarantine, HoldReason::Virus));
    let event = house.told(EventKind::Held).await;
    assert_eq!(event.text, "virus: Test.Virus");
    let careless = CLAM.replace("clamd.ctl\"", "gone.ctl\"\non_failure = \"accept\"");
    for more in ["", &careless] {
        house = house.restart(remote.address, more).await;
        house.act(Verb::Requeue { undo: false }, &id).await;
        house.told(EventKind::Held).await;
        house
            .until_place("b@example.org", |place| place.hold == virus)
            .await;
    }
    house.act(Verb::Release { undo: false }, &id).await;
    house.told(EventKind::Delivered).await;
}

#[tokio::test]
async fn on_demand_it_waits_for_a_person() {
    let remote = Remote::friendly().await;
    let keep = CLAM.replace("when_back_rate = \"2/s\"", "when_back = \"keep\"");
    let mut house = House::before(&remote, &keep).await;
    house
        .send("a@sender.example", &["b@example.org"], &letter("kept"))
        .await;
    house.told(EventKind::Held).await;
    let asked = clamd(house.dir.path(), Some(b"stream: OK\0"));
    for _ in 0..50 {
        house.pass(Duration::from_secs(600));
    }
    house
        .until_place("b@example.org", |place| place.hold == BAD)
        .await;
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_found_no_place_for_its_look_goes_on_by_itself_three_times_and_needs_no_scanner() {
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, "[checks]\nwhen_back = \"keep\"\n").await;
    let crowded = |tries: u32| {
        let hold = Hold::new(HoldQueue::Bad, HoldReason::Scanner, "no place");
        hold.with(SCANNER, ATTACHMENTS).with("tries", tries)
    };
    for (tries, words) in [(3, "for a person"), (2, "by itself")] {
        let envelope = Envelope {
            from: MailFrom::new(ReversePath::parse("a@sender.example").unwrap()),
            recipients: vec![RcptTo::new("b@example.org".parse().unwrap())],
        };
        let mails = house.server.queue();
        let mut body = mails.begin_body();
        body.write(letter(words).as_bytes()).await.unwrap();
        let mail = NewMail {
            top: String::new(),
            worked: Vec::new(),
            said: Vec::new(),
            held: NewMail::held_all(&envelope, Some(crowded(tries))),
            body: body.finish(),
            envelope,
            origin: Origin::default(),
            band: Band::Normal,
            digest: None,
        };
        mails.accept(mail, None).await.unwrap();
    }
    house
        .pass_until(EventKind::Delivered, Duration::from_secs(20), 200)
        .await;
    for _ in 0..100 {
        house.pass(Duration::from_secs(60));
    }
    let mails = remote.mails(1).await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].text.contains("by itself"));
    let places = house.places().await;
    assert_eq!(places.iter().filter(|place| place.hold == BAD).count(), 1);
}
