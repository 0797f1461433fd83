//! Mail that is coming in and not finished: what one peer may have of it, and that it goes when it is broken off.
//!
//! BDAT answers each chunk, so the test knows what is staged. Not here: the bounds by number (`queue::staged`).

use crate::client::{Client, Reply};
use crate::house::{Door, House, nobody};

/// Twenty mails of this size are 2,000 KiB.
const SMALL: &str = "[queue]\npaused = true\nmax_message_size = \"100 KiB\"\n";

/// A transaction up to the reply to its first chunk, of which 64 KiB are staged.
async fn chunk(house: &House, from: &str, last: &str) -> (Client, Reply) {
    let (mut client, banner) = Client::connect_from(from, house.door(Door::Mx)).await;
    assert_eq!(banner.code, 220, "{banner:?}");
    for line in [
        "EHLO client.example",
        "MAIL FROM:<a@sender.example>",
        "RCPT TO:<b@example.org>",
    ] {
        let reply = client.cmd(line).await;
        assert_eq!(reply.code, 250, "{line}: {reply:?}");
    }
    let text = format!("Subject: x\r\n\r\n{}", "0123456789012345\r\n".repeat(5_000));
    let size = text.len();
    client.send(format!("BDAT {size}{last}\r\n{text}")).await;
    let reply = client.reply().await;
    (client, reply)
}

#[tokio::test]
async fn a_peer_with_too_much_of_it_is_put_off_and_others_are_served() {
    let house = House::start(nobody().await, SMALL).await;
    let mut begun = Vec::new();
    let refused = loop {
        let (client, reply) = chunk(&house, "127.0.0.1", "").await;
        begun.push(client);
        if reply.code != 250 {
            break reply;
        }
        assert!(begun.len() < 100, "one peer takes all it likes");
    };
    assert_eq!(refused.code, 452, "{refused:?}");
    assert!(
        refused.text().starts_with("4.3.1 Too much mail"),
        "{refused:?}"
    );
    assert!(begun.len() > 20, "only {} mails at once", begun.len());
    let (_, other) = chunk(&house, "127.0.0.2", " LAST").await;
    assert_eq!(other.code, 250, "{other:?}");

    // What is broken off goes at once, and leaves room for the next ones.
    drop(begun);
    crate::until("room for the peer", || async {
        chunk(&house, "127.0.0.1", " LAST").await.1.code == 250
    })
    .await;
}
