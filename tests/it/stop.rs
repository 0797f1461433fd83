//! Stop: bounded, and nothing is lost or sent twice by it.
//!
//! SIGTERM itself is tested from outside (`tests/run.sh`); here it is `Server::shutdown`.

use postwerk::mail::state::State;

use crate::client::letter;
use crate::house::{Door, House};
use crate::remote::{Answer, Remote};

#[tokio::test]
async fn an_idle_session_gets_421() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, "").await;
    let mut client = house.client(Door::Open).await;
    let stop = tokio::spawn(house.server.shutdown());
    let reply = client.reply().await;
    assert_eq!(reply.code, 421, "{reply:?}");
    assert!(client.closed().await);
    stop.await.expect("stopped");
}

#[tokio::test]
async fn a_stop_waits_for_no_look_into_attachments_and_the_client_keeps_its_mail() {
    let remote = Remote::friendly().await;
    let strict = "[attachments]\nlisteners = [\"mx\", \"submission\"]\n";
    let house = House::before(&remote, strict).await;
    let mut client = house.client(Door::Mx).await;
    // Ten bits of nothing again and again: unpacking it takes the longest that is allowed.
    let mut file = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    file.extend([0x02, 0x08, 0x20, 0x80, 0x00].repeat(400_000));
    let text = mail_builder::MessageBuilder::new()
        .from("a@sender.example")
        .to("b@example.org")
        .attachment("application/gzip", "a.gz", file)
        .write_to_string()
        .unwrap();
    let sent = tokio::spawn(async move {
        client
            .mail("a@sender.example", &["b@example.org"], &text)
            .await
    });
    let asked = || async { house.server.scanners().looking() == 1 };
    crate::until("a look", asked).await;
    house.server.shutdown().await;
    let reply = sent.await.unwrap();
    assert_eq!(reply.code, 451, "{reply:?}");
}

#[tokio::test]
async fn a_mail_that_waits_for_its_hop_is_given_back_and_delivered_after_the_start() {
    let remote = Remote::scripted(|asked| match (asked.verb, asked.connection) {
        ("EHLO", 1) => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let house = House::before(&remote, "[queue]\nstop_timeout = \"1s\"\n").await;
    house
        .send("a@sender.example", &["b@example.org"], &letter("stopped"))
        .await;
    let asked = || async { remote.asked("EHLO") == 1 };
    crate::until("the first EHLO", asked).await;
    let house = house.restart(remote.address, "").await;
    remote.mails(1).await;
    house
        .until_place("b@example.org", |place| place.state == State::Relayed)
        .await;
}
