//! Reload: a new configuration counts from the next decision on, and nothing is dropped for it.
//!
//! What a broken file does is the signal's part (`tests/run.sh`): it never becomes a `Config`.

use crate::client::letter;
use crate::house::{Door, House, config};
use crate::remote::Remote;

#[tokio::test]
async fn a_new_route_counts_for_the_next_mail_and_open_sessions_go_on() {
    let (first, second) = (Remote::friendly().await, Remote::friendly().await);
    let house = House::before(&first, "").await;
    let mut client = house.client(Door::Open).await;
    assert_eq!(
        client
            .mail("a@sender.example", &["b@example.org"], &letter("one"))
            .await
            .code,
        250
    );
    first.mails(1).await;
    let new = config(house.dir.path(), second.address, "");
    house.server.reload(new).await.expect("reloaded");
    assert_eq!(
        client
            .mail("a@sender.example", &["b@example.org"], &letter("two"))
            .await
            .code,
        250
    );
    assert!(second.mails(1).await[0].text.contains("two"));
    assert_eq!(first.so_far().len(), 1);
}
