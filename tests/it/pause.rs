//! Pause: mail is accepted and kept, nothing is delivered, and the end of the pause needs no restart.
//!
//! Not here: the pause of one site (`deliver`).

use crate::client::letter;
use crate::house::{House, config};
use crate::remote::Remote;

#[tokio::test]
async fn a_paused_queue_delivers_nothing_until_it_is_told_to() {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, "[queue]\npaused = true\n").await;
    for n in 0..5 {
        house
            .send(
                "a@sender.example",
                &["b@example.org"],
                &letter(&format!("paused{n}")),
            )
            .await;
    }
    house.pass(std::time::Duration::from_secs(3600));
    assert_eq!(house.places().await.len(), 5);
    assert_eq!(remote.asked("CONNECT"), 0);
    let open = config(house.dir.path(), remote.address, "");
    house.server.reload(open).await.expect("reloaded");
    house.pass(std::time::Duration::from_secs(60));
    remote.mails(5).await;
}
