//! A disk that is nearly full: a server starts all the same, no mail is accepted, and the client is told to come again.
//!
//! Not here: a file system that is really full, and the room that comes back (`tests/run.sh`, part `faults`).

use crate::client::letter;
use crate::house::{Door, House};
use crate::remote::Remote;

#[tokio::test]
async fn below_the_reserve_a_server_starts_and_refuses_mail_for_now() {
    let remote = Remote::friendly().await;
    // No disk of ours has an exbibyte to spare.
    let house = House::before(&remote, "[queue]\nreserve = \"1000000 GiB\"\n").await;
    let mut client = house.client(Door::Open).await;
    let reply = client
        .mail("a@sender.example", &["b@example.org"], &letter("full"))
        .await;
    assert_eq!(reply.code, 452, "{reply:?}");
    assert!(reply.text().starts_with("4.3.1"), "{reply:?}");
}
