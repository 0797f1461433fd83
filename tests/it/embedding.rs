//! Embedding: a program starts the server, submits without a socket, follows events and stops it; two do not meet.
//!
//! Not here: the doc test of `lib.rs`, which shows the same to a reader.

use postwerk::journal::event::EventKind;

use crate::client::letter;
use crate::house::House;
use crate::remote::Remote;

#[tokio::test]
async fn a_program_submits_and_follows_its_message_to_the_end() {
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, "").await;
    let id = house
        .submit(
            "a@sender.example",
            &["b@example.org"],
            "Subject: hi\n\nline\n",
        )
        .await;
    let accepted = house.told(EventKind::Accepted).await;
    assert_eq!(accepted.queue_id, id);
    let delivered = house.told(EventKind::Delivered).await;
    assert_eq!(
        (delivered.queue_id, delivered.recipient),
        (id, "b@example.org".to_owned())
    );
    let mail = remote.mails(1).await.remove(0);
    assert!(mail.text.contains("Subject: hi\r\nDate: "), "{}", mail.text);
    assert!(mail.text.contains("\r\nMessage-ID: <"), "{}", mail.text);
    assert!(mail.text.ends_with("\r\n\r\nline\r\n"), "{}", mail.text);
}

#[tokio::test]
async fn two_servers_in_one_process_do_not_know_each_other() {
    let (first, second) = (Remote::friendly().await, Remote::friendly().await);
    let (one, two) = (
        House::before(&first, "").await,
        House::before(&second, "").await,
    );
    one.send("a@sender.example", &["b@example.org"], &letter("first"))
        .await;
    two.send("a@sender.example", &["b@example.org"], &letter("second"))
        .await;
    assert!(first.mails(1).await[0].text.contains("first"));
    assert!(second.mails(1).await[0].text.contains("second"));
    one.server.shutdown().await;
    two.send("a@sender.example", &["b@example.org"], &letter("third"))
        .await;
    assert_eq!(second.mails(2).await.len(), 2);
    assert_eq!(first.so_far().len(), 1);
}

#[tokio::test]
async fn a_server_without_listeners_runs_until_it_is_stopped() {
    let remote = Remote::friendly().await;
    let mut house = House::changed(remote.address, "", |conf| conf.listeners.clear()).await;
    let to = ["b@example.org"];
    house
        .submit("a@sender.example", &to, "Subject: hi\n\nline\n")
        .await;
    remote.mails(1).await;
    tokio::select! {
        biased;
        () = house.server.broken() => panic!("a part ended"),
        () = async {} => {}
    }
    house.server.shutdown().await;
}
