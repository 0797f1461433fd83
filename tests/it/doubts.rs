//! The reply that never came: a mail whose dot is out may have arrived, and everybody is told so (RFC 1047).
//!
//! A kill is a second server over a copy of what the first one has on its disk at that moment.
//! Not here: what the store and the ledger do with it (`postwerk::queue`, module `doubts`).

use std::path::Path;
use std::time::Duration;

use postwerk::base::clock::Clock;
use postwerk::journal::event::EventKind;
use postwerk::journal::fact::Fact;
use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::mail::state::State;
use postwerk::queue::MessageId;
use postwerk::queue::verbs::Verb;

use crate::client::letter;
use crate::house::{House, START};
use crate::remote::{Answer, Remote};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const TO: &str = "b@example.org";
const HOLD: &str = "[queue]\nmaybe_delivered = \"hold\"\n";

/// Takes the first mail and says nothing more at `verb`, then as usual.
async fn silent_at(verb: &'static str) -> Remote {
    Remote::scripted(move |asked| match (asked.verb, asked.nth) {
        (asked, 1) if asked == verb => Answer::Silence,
        _ => Answer::Usual,
    })
    .await
}

/// A mail that waits for what the remote never says at `verb`.
async fn waiting(remote: &Remote, verb: &str, more: &str) -> (House, String) {
    let house = House::before(remote, more).await;
    let id = house
        .send("a@sender.example", &[TO], &letter("doubt"))
        .await;
    crate::until("the mail at the remote", || async {
        remote.asked(verb) == 1
    })
    .await;
    (house, id)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The server that starts after this one was killed now.
async fn killed(house: &House, remote: &Remote, more: &str) -> House {
    let dir = tempfile::tempdir().unwrap();
    copy(house.dir.path(), dir.path());
    House::in_dir(dir, remote.address, more, Clock::moved(START + MINUTE)).await
}

/// Stops while time passes.
async fn stopped(house: House, remote: &Remote, more: &str) -> House {
    let House {
        server, dir, clock, ..
    } = house;
    let stop = tokio::spawn(server.shutdown());
    crate::until("the stop", || {
        clock.advance(SECOND);
        async { stop.is_finished() }
    })
    .await;
    House::in_dir(dir, remote.address, more, clock).await
}

async fn state(house: &House) -> State {
    house.until_place(TO, |_| true).await.state
}

async fn facts(house: &House, id: &str) -> Vec<Fact> {
    let id = MessageId(u64::from_str_radix(id, 16).unwrap());
    let shown = house.server.queue().show(id).await.unwrap().unwrap();
    shown.facts.into_iter().map(|entry| entry.fact).collect()
}

#[tokio::test]
async fn a_kill_behind_the_dot_marks_the_mail_and_it_goes_out_again() {
    let remote = silent_at("DOT").await;
    let (first, id) = waiting(&remote, "DOT", "").await;
    let mut house = killed(&first, &remote, "").await;
    let event = house.told(EventKind::Delivered).await;
    assert!(event.text.contains("may have arrived twice"), "{event:?}");
    let all = facts(&house, &id).await;
    let [_, Fact::InDoubt(doubt), Fact::Tried(tried)] = all.as_slice() else {
        panic!("{all:#?}");
    };
    assert_eq!(doubt.recipients, [TO]);
    assert!(
        tried.attempt == 2 && tried.results[0].maybe_before,
        "{tried:?}"
    );
}

#[tokio::test]
async fn a_kill_behind_the_dot_holds_the_mail_if_the_configuration_says_so() {
    let remote = silent_at("DOT").await;
    let (first, id) = waiting(&remote, "DOT", HOLD).await;
    let mut house = killed(&first, &remote, HOLD).await;
    let place = house.until_place(TO, |_| true).await;
    assert_eq!(place.state, State::Held);
    assert_eq!(
        place.hold,
        Some((HoldQueue::Bad, HoldReason::MaybeDelivered))
    );
    assert_eq!(remote.asked("DOT"), 1);
    house.act(Verb::Release { undo: false }, &id).await;
    house.told(EventKind::Delivered).await;
}

#[tokio::test]
async fn a_kill_while_a_site_does_not_greet_leaves_no_doubt() {
    let remote = silent_at("EHLO").await;
    let (first, _) = waiting(&remote, "EHLO", "").await;
    let mut house = killed(&first, &remote, HOLD).await;
    assert_eq!(state(&house).await, State::Due);
    let event = house.told(EventKind::Delivered).await;
    assert!(!event.text.contains("twice"), "{event:?}");
}

#[tokio::test]
async fn a_stop_behind_the_dot_waits_and_then_marks_the_mail() {
    for (more, state, action) in [
        ("", State::MaybeDelivered, "maybe_delivered"),
        (HOLD, State::Held, "held"),
    ] {
        let remote = silent_at("DOT").await;
        let (house, id) = waiting(&remote, "DOT", more).await;
        let house = stopped(house, &remote, more).await;
        let place = house.until_place(TO, |_| true).await;
        assert_eq!(place.state, state);
        let all = facts(&house, &id).await;
        let Some(Fact::Tried(tried)) = all.get(1) else {
            panic!("{all:#?}");
        };
        assert_eq!(tried.results[0].action, action);
        let reply = tried.results[0].reply.as_ref().unwrap().to_string();
        assert!(reply.contains("the server stopped"), "{reply}");
    }
}

#[tokio::test]
async fn a_stop_before_the_dot_leaves_no_doubt() {
    for verb in ["MAIL", "RCPT", "DATA"] {
        let remote = silent_at(verb).await;
        let (house, _) = waiting(&remote, verb, HOLD).await;
        let mut house = stopped(house, &remote, HOLD).await;
        let event = house.told(EventKind::Delivered).await;
        assert!(!event.text.contains("twice"), "case: {verb}, {event:?}");
    }
}

#[tokio::test]
async fn a_line_that_breaks_at_the_last_reply_leaves_the_mail_in_doubt() {
    for answer in [
        Answer::Break("250 2.0.0 kept", 0),
        Answer::Say("hello"),
        Answer::Say("354 more"),
    ] {
        let wrong = answer.clone();
        let remote = Remote::scripted(move |asked| match (asked.verb, asked.nth) {
            ("DOT", 1) => wrong.clone(),
            _ => Answer::Usual,
        })
        .await;
        let mut house = House::before(&remote, "").await;
        house
            .send("a@sender.example", &[TO], &letter("doubt"))
            .await;
        let event = house.told(EventKind::MaybeDelivered).await;
        assert!(
            event.text.contains("may have been delivered"),
            "case: {answer:?}, {event:?}"
        );
        assert_eq!(
            state(&house).await,
            State::MaybeDelivered,
            "case: {answer:?}"
        );
        let event = house.pass_until(EventKind::Delivered, MINUTE, 10).await;
        assert!(
            event.text.contains("may have arrived twice"),
            "case: {answer:?}, {event:?}"
        );
    }
}

#[tokio::test]
async fn only_whom_the_remote_had_taken_is_in_doubt() {
    let remote = Remote::scripted(|asked| match (asked.verb, asked.nth) {
        ("RCPT", 2) => Answer::Say("450 4.2.0 later"),
        ("RCPT", 3) => Answer::Say("550 5.1.1 unknown"),
        ("DOT", 1) => Answer::Break("", 0),
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, HOLD).await;
    let to = [TO, "c@example.org", "d@example.org"];
    house.send("a@sender.example", &to, &letter("three")).await;
    house.told(EventKind::MaybeDelivered).await;
    let mut places = house.places().await;
    places.sort_by(|one, other| one.address.cmp(&other.address));
    let states: Vec<State> = places.into_iter().map(|place| place.state).collect();
    assert_eq!(states, [State::Held, State::Due, State::Failed]);
}

#[tokio::test]
async fn a_report_of_a_failure_says_in_both_languages_that_it_may_have_arrived() {
    let remote = Remote::scripted(|asked| match (asked.verb, asked.nth) {
        ("DOT", 1) => Answer::Break("", 0),
        ("RCPT", nth) if nth > 1 && asked.line.contains(TO) => Answer::Say("550 5.1.1 unknown"),
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, "").await;
    house
        .send("a@sender.example", &[TO], &letter("fails later"))
        .await;
    house.told(EventKind::MaybeDelivered).await;
    house.pass_until(EventKind::Bounced, MINUTE, 10).await;
    house.pass_until(EventKind::Delivered, MINUTE, 10).await;
    let dsn = remote.mails(1).await.remove(0).text;
    let plain = dsn.replace("=\r\n", "");
    for text in [
        "vielleicht trotzdem angekommen",
        "may have arrived all the same",
    ] {
        assert!(plain.contains(text), "no {text:?} in\n{dsn}");
    }
}
