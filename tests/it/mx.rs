//! Where mail goes when no route says so: DNS decides, and its answers are told apart (RFC 5321 section 5.1, RFC 7505).
//!
//! The order of hosts and the port are the delivery's own tests; nothing here could listen on port 25.

use hickory_server::proto::rr::RecordType;
use postwerk::base::clock::Clock;
use postwerk::journal::event::EventKind;

use crate::client::letter;
use crate::dns::{Stub, Zone};
use crate::house::{House, nobody};

async fn house(zone: Zone) -> (House, Stub) {
    let stub = Stub::start(zone).await;
    let more = format!("[dns]\nservers = [\"{}\"]\n", stub.address());
    let dir = tempfile::tempdir().unwrap();
    let house = House::in_dir(dir, nobody().await, &more, Clock::system()).await;
    (house, stub)
}

#[tokio::test]
async fn dns_says_never_or_not_now() {
    for (name, zone, domain, kind, word) in [
        (
            "no such domain",
            Zone::default(),
            "nowhere.example",
            EventKind::Bounced,
            "does not exist",
        ),
        (
            "null MX",
            Zone::default().mx("null.example", 0, "."),
            "null.example",
            EventKind::Bounced,
            "null MX",
        ),
        (
            "the name server fails",
            Zone::default().fails("broken.example"),
            "broken.example",
            EventKind::Deferred,
            "cannot answer",
        ),
        (
            "a host with addresses of one kind only, which cannot be asked for now",
            Zone::default()
                .mx("six.example", 10, "mx.six.example")
                .mx("mx.six.example", 10, "mx.six.example")
                .fails_for("mx.six.example", RecordType::AAAA),
            "six.example",
            EventKind::Deferred,
            "cannot answer",
        ),
        (
            "a zone that names our own machine",
            Zone::default()
                .mx("away.example", 10, "mx.away.example")
                .a("mx.away.example", [127, 0, 0, 113]),
            "away.example",
            EventKind::Bounced,
            "no mail host's",
        ),
    ] {
        let (mut house, _stub) = house(zone).await;
        house
            .send(
                "a@sender.example",
                &[&format!("b@{domain}")],
                &letter("dns"),
            )
            .await;
        let event = house.told(kind).await;
        assert!(event.text.contains(word), "case {name}: {event:?}");
    }
}

#[tokio::test]
async fn what_dns_says_of_one_domain_is_not_said_of_another() {
    let zone = Zone::default().fails("one.example").fails("two.example");
    let (mut house, _stub) = house(zone).await;
    for domain in ["one", "two"] {
        let to = format!("b@{domain}.example");
        house.send("a@sender.example", &[&to], &letter("dns")).await;
        house.told(EventKind::Deferred).await;
    }
    let queue = house.server.queue();
    crate::until("both to be waited for", || async {
        queue.waited_for(9).len() == 2
    })
    .await;
    let waits = queue.waited_for(9).into_iter();
    let mut said: Vec<_> = waits
        .map(|(wait, groups)| (wait.why.fault.reply.text().to_owned(), groups))
        .collect();
    said.sort();
    assert!(
        said[0].0.contains("one.example") && said[0].1 == 1,
        "{said:?}"
    );
    assert!(
        said[1].0.contains("two.example") && said[1].1 == 1,
        "{said:?}"
    );
}
