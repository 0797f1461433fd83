//! Changes: of fields, bodies and envelopes.

use super::peer::Filter;
use crate::house::House;
use crate::remote::Remote;

const FROM: &str = "a@sender.example";

/// The mail that comes out, behind our Received field.
async fn out(filter: &Filter, text: &str) -> crate::remote::Mail {
    let remote = Remote::friendly().await;
    let house = House::before(&remote, &filter.section("f", "")).await;
    house.send(FROM, &["b@example.org"], text).await;
    let mut mail = remote.mails(1).await.remove(0);
    let mut at = 0;
    for (n, line) in mail.text.split_inclusive('\n').enumerate() {
        if n > 0 && !line.starts_with([' ', '\t']) {
            break;
        }
        at += line.len();
    }
    mail.text = mail.text.split_off(at);
    mail
}

#[tokio::test]
async fn fields_come_on_top_of_a_text_that_stays() {
    let filter = Filter::at_end(&[
        (b'h', b"X-Added\0last\0"),
        (b'i', b"\0\0\0\0X-First\0one\n\ttwo\0"),
        (b'p', b""),
        (b'i', b"\0\0\0\x01X-Top\0v\0"),
    ])
    .await;
    let text = "Subject: x\r\nDate: d\r\nMessage-ID: <m@x>\r\n\r\ny\r\n";
    let mail = out(&filter, text).await;
    let wanted = format!("X-Top: v\r\nX-First: one\r\n\ttwo\r\nX-Added: last\r\n{text}");
    assert_eq!(mail.text, wanted);
}
