//! Trying again: when, how often, and that no reply of a remote, however broken, loses a mail.
//!
//! RFC 5321 section 4.5.4.1; RFC 1047 for the reply that never came.

use std::time::Duration;

use postwerk::journal::event::EventKind;
use postwerk::mail::state::State;

use crate::client::letter;
use crate::house::{House, Place, nobody};
use crate::remote::{Answer, Remote};

const MINUTE: Duration = Duration::from_secs(60);
const QUICK: &str = "[queue]\nretry = [\"5m\", \"15m\"]\n";

#[tokio::test]
async fn a_deferred_recipient_is_tried_again_when_its_time_has_come() {
    let remote = Remote::scripted(|asked| match (asked.verb, asked.nth) {
        ("RCPT", 1 | 2) => Answer::Say("451 4.7.1 come back"),
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, QUICK).await;
    house
        .send("a@sender.example", &["b@example.org"], &letter("again"))
        .await;
    let event = house.told(EventKind::Deferred).await;
    assert!(event.text.contains("come back"), "{event:?}");
    house.pass_until(EventKind::Deferred, 2 * MINUTE, 5).await;
    house.pass_until(EventKind::Delivered, 5 * MINUTE, 8).await;
    assert_eq!(remote.so_far().len(), 1);
}

#[tokio::test]
async fn it_is_not_tried_before_its_time() {
    let remote = Remote::scripted(|asked| match asked.verb {
        "MAIL" => Answer::Say("450 4.3.2 not now"),
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, QUICK).await;
    house
        .send("a@sender.example", &["b@example.org"], &letter("early"))
        .await;
    house.told(EventKind::Deferred).await;
    house.pass(MINUTE);
    // Another mail passes through, so the house has had its chance to be hasty.
    house
        .until_place("b@example.org", |place| place.state == State::Due)
        .await;
    assert_eq!(remote.asked("MAIL"), 1);
}

#[tokio::test]
async fn a_hop_that_is_away_is_tried_until_the_lifetime_is_over() {
    let more = "[queue]\nretry = [\"10m\"]\nlifetime = \"1h\"\n";
    let mut house = House::start(nobody().await, more).await;
    house
        .send("a@sender.example", &["b@example.org"], &letter("expires"))
        .await;
    house.told(EventKind::Deferred).await;
    let event = house.pass_until(EventKind::Bounced, 5 * MINUTE, 20).await;
    assert_eq!(event.recipient, "b@example.org");
    house
        .until_place("b@example.org", |place| place.state == State::Expired)
        .await;
}

#[tokio::test]
async fn no_byte_at_which_the_line_breaks_loses_the_mail() {
    const REPLY: &str = "250 2.0.0 kept";
    for (name, verb) in [
        ("in the banner", "CONNECT"),
        ("behind EHLO", "EHLO"),
        ("behind MAIL", "MAIL"),
        ("behind RCPT", "RCPT"),
        ("behind the dot", "DOT"),
    ] {
        // Nothing, inside the code, behind it, inside the text, between CR and LF. Behind the dot a whole code is a yes,
        // see `hops`.
        let cuts = [0, 2, 3, 4, 9, REPLY.len(), REPLY.len() + 1];
        for cut in cuts.into_iter().filter(|cut| verb != "DOT" || *cut < 3) {
            let remote = Remote::scripted(move |asked| {
                if asked.verb == verb && asked.nth == 1 {
                    Answer::Break(REPLY, cut)
                } else {
                    Answer::Usual
                }
            })
            .await;
            let mut house = House::before(&remote, QUICK).await;
            house
                .send("a@sender.example", &["b@example.org"], &letter("cut"))
                .await;
            // Behind the dot nobody knows whether it was taken: `doubts`.
            if verb != "DOT" {
                house.told(EventKind::Deferred).await;
            }
            house.pass_until(EventKind::Delivered, 3 * MINUTE, 6).await;
            assert!(!remote.so_far().is_empty(), "case: {name}, octet {cut}");
            house.server.shutdown().await;
        }
    }
}

#[tokio::test]
async fn a_line_that_breaks_inside_the_mail_means_try_again() {
    for cut in [0, 1, 40, 200] {
        let remote = Remote::scripted(move |asked| {
            if asked.verb == "DATA" && asked.nth == 1 {
                Answer::BreakInMail(cut)
            } else {
                Answer::Usual
            }
        })
        .await;
        let mut house = House::before(&remote, QUICK).await;
        house
            .send(
                "a@sender.example",
                &["b@example.org"],
                &letter("cut inside"),
            )
            .await;
        // We had sent it whole before the line broke.
        house.told(EventKind::MaybeDelivered).await;
        house.pass_until(EventKind::Delivered, 3 * MINUTE, 6).await;
        assert_eq!(remote.so_far().len(), 1, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_silent_remote_does_not_hold_us_for_ever() {
    let remote = Remote::scripted(|asked| match (asked.verb, asked.nth) {
        ("EHLO", 1) => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let mut house = House::before(&remote, QUICK).await;
    house
        .send("a@sender.example", &["b@example.org"], &letter("silent"))
        .await;
    house.pass_until(EventKind::Deferred, 2 * MINUTE, 10).await;
    house.pass_until(EventKind::Delivered, 3 * MINUTE, 6).await;
}

#[tokio::test]
async fn a_reply_that_makes_no_sense_defers_and_loses_nothing() {
    for (name, verb, reply) in [
        ("no code", "RCPT", "hello there"),
        ("a code that is none", "RCPT", "999 what"),
        ("an intermediate one", "RCPT", "354 go on"),
    ] {
        let remote = Remote::scripted(move |asked| {
            if asked.verb == verb && asked.nth == 1 {
                Answer::Say(reply)
            } else {
                Answer::Usual
            }
        })
        .await;
        let mut house = House::before(&remote, QUICK).await;
        house
            .send("a@sender.example", &["b@example.org"], &letter("nonsense"))
            .await;
        let event = house.told(EventKind::Deferred).await;
        assert_eq!(event.recipient, "b@example.org", "case: {name}");
        house.pass_until(EventKind::Delivered, 3 * MINUTE, 8).await;
    }
}

/// Whatever hops do with it, and whatever becomes of the others of its message.
#[tokio::test]
async fn behind_stalls_pauses_and_holds_nothing_is_due_beyond_its_lifetime() {
    let remote = Remote::scripted(|asked| match (asked.verb, asked.nth % 4) {
        ("MAIL", 1) => Answer::Say("421 4.7.28 unusual rate"),
        ("RCPT", 2) => Answer::Silence,
        ("RCPT", 3) => Answer::Say("450 4.2.1 busy"),
        ("DATA", 0) => Answer::Silence,
        ("DOT", _) => Answer::Say("451 4.3.0 later"),
        _ => Answer::Usual,
    })
    .await;
    let more = "[queue]\nretry = [\"10m\"]\nlifetime = \"2h\"\n\
        [[hold_rule]]\nmatch = { recipient = \"*@held.example\" }\nreason = \"to be looked at\"\n";
    let house = House::before(&remote, more).await;
    for n in 0..40 {
        let (due, held) = (format!("b{n}@example.org"), format!("b{n}@held.example"));
        let text = letter(&n.to_string());
        house
            .submit("a@sender.example", &[&due, &held], &text)
            .await;
    }
    crate::until("each of its answers", || async {
        house.pass(MINUTE);
        remote.asked("MAIL") >= 4
    })
    .await;
    crate::until("the end of all that was due", || async {
        // Who is silent now has a minute more at each look.
        house.pass(MINUTE);
        counts(&house).await == (0, 40)
    })
    .await;
}

/// How many are due, and how many are held by the rule; the reports of those that ended end too.
async fn counts(house: &House) -> (usize, usize) {
    let places = house.places().await;
    let is_held = |one: &&Place| one.state == State::Held && one.address.ends_with("@held.example");
    let due = places.iter().filter(|one| one.state == State::Due).count();
    (due, places.iter().filter(is_held).count())
}
