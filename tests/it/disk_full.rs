//! A disk that is nearly full: no mail is accepted, none is lost, and the room that comes back is enough to go on.
//!
//! Not here: a file system that is really full (`tests/run.sh`, part `faults`).

use crate::client::letter;
use crate::house::{Door, House, config};
use crate::remote::Remote;

#[tokio::test]
async fn below_the_reserve_mail_is_refused_for_now_and_taken_again_without_a_restart() {
    let remote = Remote::friendly().await;
    // No disk of ours has an exbibyte to spare.
    let house = House::before(&remote, "[queue]\nreserve = \"1000000 GiB\"\n").await;
    let mut client = house.client(Door::Open).await;
    let reply = client
        .mail("a@sender.example", &["b@example.org"], &letter("full"))
        .await;
    assert_eq!(reply.code, 452, "{reply:?}");
    assert!(reply.text().starts_with("4.3.1"), "{reply:?}");
    let roomy = config(
        house.dir.path(),
        remote.address,
        "[queue]\nreserve = \"1 MiB\"\n",
    );
    drop(roomy);
}
