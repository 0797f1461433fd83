//! Mail that goes in circles is kept for a person and told to nobody; only an absurd one is refused.
//!
//! RFC 5321 section 6.3. A DSN for a loop would double it.

use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::mail::state::State;

use crate::client::letter;
use crate::house::{Door, HOSTNAME, House};
use crate::remote::Remote;

fn hops(count: usize, by: &str) -> String {
    let field =
        format!("Received: from x by {by} with ESMTP id 1; Sat, 21 Nov 2026 20:00:00 +0000\r\n");
    field.repeat(count) + &letter("loop")
}

#[tokio::test]
async fn a_mail_in_a_loop_is_held_in_defect() {
    for (name, text, held) in [
        ("50 hops", hops(50, "relay.example"), false),
        ("51 hops", hops(51, "relay.example"), true),
        ("4 times through us", hops(4, HOSTNAME), false),
        ("5 times through us", hops(5, HOSTNAME), true),
    ] {
        let remote = Remote::friendly().await;
        let house = House::before(&remote, "").await;
        house
            .send("a@sender.example", &["b@example.org"], &text)
            .await;
        if held {
            let place = house
                .until_place("b@example.org", |p| p.state == State::Held)
                .await;
            assert_eq!(
                place.hold,
                Some((HoldQueue::Defect, HoldReason::Loop)),
                "case: {name}"
            );
            assert_eq!(remote.so_far().len(), 0, "case: {name}");
        } else {
            remote.mails(1).await;
        }
    }
}

#[tokio::test]
async fn a_mail_with_more_than_200_hops_is_refused() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, "").await;
    let mut client = house.client(Door::Open).await;
    let text = hops(201, "relay.example");
    let reply = client
        .mail("a@sender.example", &["b@example.org"], &text)
        .await;
    assert_eq!(reply.code, 554, "{reply:?}");
    assert!(reply.text().starts_with("5.4.6"), "{reply:?}");
    assert_eq!(house.places().await, []);
}
