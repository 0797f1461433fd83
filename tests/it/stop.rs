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
