//! The harness itself works: what the client sends reaches the remote, and the line breaks where the script says.
//!
//! A harness that swallows what it should break would make every scenario pass.
//! Not here: the server under test.

use crate::client::{Client, letter};
use crate::remote::{Answer, Remote};

#[tokio::test]
async fn a_mail_reaches_the_remote_as_it_was_sent() {
    let remote = Remote::friendly().await;
    let mut client = Client::hello(remote.address).await;
    let text = format!("{}.dot\r\n..\r\n", letter("one"));
    let reply = client.mail("a@b.example", &["c@d.example"], &text).await;
    assert_eq!(reply.code, 250);
    let mails = remote.mails(1).await;
    assert_eq!(mails[0].text, text);
    assert_eq!(mails[0].from, "<a@b.example>");
    assert_eq!(mails[0].to, ["<c@d.example>"]);
}

#[tokio::test]
async fn the_line_breaks_where_the_script_says() {
    for (name, verb, answer) in [
        ("in a reply", "MAIL", Answer::Break("250 2.1.0 ok", 5)),
        ("in the mail", "DATA", Answer::BreakInMail(1)),
    ] {
        let remote = Remote::scripted(move |asked| {
            if asked.verb == verb {
                answer.clone()
            } else {
                Answer::Usual
            }
        })
        .await;
        let mut client = Client::hello(remote.address).await;
        client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n\r\ny\r\n").await;
        assert!(client.closed().await, "case: {name}");
        assert_eq!(remote.so_far().len(), 0, "case: {name}");
    }
}

#[tokio::test]
async fn a_remote_can_speak_tls() {
    let (remote, _) = Remote::with_tls(|_| Answer::Usual).await;
    let mut client = Client::hello(remote.address).await.starttls().await;
    assert_eq!(
        client.mail("a@b.example", &["c@d.example"], "x").await.code,
        250
    );
    assert!(remote.mails(1).await[0].tls);
}
