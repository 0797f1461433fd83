//! A mail that wants to break out, all the way: digest in text and HTML, link page, holds pages.
//!
//! Whatever strangers and rules write is shown as text, on its line, and nothing of it hides or turns the rest round.
//! Not here: what each page does else (`links`, `web`), and Python's opinion of a digest (`tests/peers/digest_mail.py`).

use mail_parser::MessageParser;
use postwerk::journal::event::EventKind;

use crate::client::letter;
use crate::house::House;
use crate::remote::{Mail, Remote};
use crate::web::Browser;
use crate::web::login::administrator;

const SCRIPT: &str = "<script>alert(1)</script>";

/// A rule whose reason is no less hostile than the mail.
fn sections() -> String {
    format!(
        "[admin]\nbind = \"127.0.0.1:0\"\npublic_url = \"http://127.0.0.1:8443/\"\n\
         [digest]\nto = [\"boss@admin.example\"]\nowners = false\non_first = true\nlang = \"de\"\n\
         [[hold_rule]]\nmatch = {{ recipient = \"held@example.org\" }}\n\
         reason = \"{SCRIPT} & <b onclick=x>rule</b> \\u202Eelur\\u200B\"\n"
    )
}

/// Each of its strings tries something.
fn hostile() -> String {
    let long = "S".repeat(300);
    format!(
        "From: =?utf-8?q?=E2=80=AEknaB=00=1B[31m=0D=0ABcc:_victim@evil.example?= <boss@evil.example>\r\n\
         To: <held@example.org>\r\nDate: Sat, 21 Nov 2026 20:00:00 +0000\r\nMessage-ID: <x\u{1b}[2J@evil.example>\r\n\
         Subject: =?utf-8?q?=3Cscript=3Ealert(1)=3C/script=3E=0D=0ABcc:_victim@evil.example=0D=0A=0D=0A=E2=81=A6?=\r\n {long}\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/html\r\n\r\n<p>Hi</p><img src=http://tracker.example/a.gif>{SCRIPT}\r\n\
         --b\r\nContent-Type: application/pdf; name=\"<img src=x onerror=alert(2)>.pdf\"\r\n\
         Content-Disposition: attachment; filename*=utf-8''rechnung%E2%80%AEfdp%00%0D%0ABcc%3A%20x.exe\r\n\r\nMZ\r\n\
         --b\r\nContent-Type: application/zip; name=\"<img src=x onerror=alert(2)>.zip\"\r\n\r\nPK\r\n--b--\r\n"
    )
}

/// Nothing that a reader does not see, and nothing that a browser would run or fetch.
fn harmless(name: &str, text: &str) {
    for c in text.chars() {
        let hidden = (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            || matches!(c, '\u{200B}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        assert!(!hidden, "{c:?} in {name}: {text}");
    }
    let injected = |line: &str| line.trim_start().starts_with("Bcc:");
    assert!(!text.lines().any(injected), "{name}: {text}");
    assert!(!text.contains(&"S".repeat(200)), "{name}: {text}");
}

fn escaped(name: &str, text: &str) {
    harmless(name, text);
    for banned in ["<script", "<img", "<b onclick", "src=http", "javascript:"] {
        assert!(!text.contains(banned), "{banned} in {name}: {text}");
    }
    let seen = ["&lt;script&gt;alert(1)", "&#60;script&#62;alert(1)"];
    assert!(
        seen.iter().any(|seen| text.contains(seen)),
        "{name}: {text}"
    );
    assert!(text.contains("boss[at]evil[.]example"), "{name}: {text}");
}

/// Header and both parts of a digest; the path of its first link.
fn judged(digest: &Mail) -> String {
    let (header, _) = digest.text.split_once("\r\n\r\n").expect("a header");
    harmless("header", header);
    for field in ["Subject:", "From:", "To:"] {
        let lines = header.lines().filter(|line| line.starts_with(field));
        assert_eq!(lines.count(), 1, "{header}");
    }
    assert!(!header.contains("victim"), "{header}");
    assert!(digest.text.lines().all(|line| line.len() <= 998));
    let mail = MessageParser::default()
        .parse(digest.text.as_bytes())
        .expect("a mail");
    let text = mail.body_text(0).expect("text");
    harmless("text", &text);
    for needed in [SCRIPT, "boss[at]evil[.]example", "rechnung", ".exe"] {
        assert!(text.contains(needed), "{needed} in {text}");
    }
    escaped("HTML", &mail.body_html(0).expect("HTML"));
    let (_, behind) = text.split_once("/d/").expect("a link");
    format!("/d/{}", behind.chars().take(44).collect::<String>())
}

#[tokio::test]
async fn a_hostile_mail_and_a_hostile_reason_are_text_wherever_they_are_shown() {
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, &sections()).await;
    house
        .send("x@evil.example", &["held@example.org"], &hostile())
        .await;
    house.told(EventKind::Held).await;
    let path = judged(&remote.mails(1).await[0]);
    for lang in ["de", "en"] {
        let mut browser = Browser::of(&house, false);
        browser
            .fields
            .push(("accept-language".to_owned(), lang.to_owned()));
        let page = browser.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        escaped("the link's page", &page.text);
        assert!(page.text.contains("onclick"), "the reason is shown whole");
    }
    let mut browser = administrator(&house, false).await;
    let list = browser.get("/holds").await;
    escaped("the list", &list.text);
    let (_, behind) = list.text.split_once("name=\"id\" value=\"").expect("a box");
    let id: String = behind.chars().take(16).collect();
    let one = browser.get(&format!("/holds/{id}")).await;
    assert_eq!(one.status, 200, "{}", one.text);
    escaped("the hold's page", &one.text);
    for (what, query) in [
        ("what is wrong with a search", "%3Cscript%3E%E2%80%AE%3Ax"),
        (
            "what is wrong with a value",
            "from%3A%3Cscript%3E%E2%80%AE%2C",
        ),
    ] {
        let searched = browser.get(&format!("/holds?q={query}")).await;
        let (_, note) = searched.text.split_once("role=\"alert\"").expect("a note");
        harmless(what, note);
        assert!(!searched.text.contains("<script"), "{}", searched.text);
    }
    let searched = browser.get("/holds?q=%3Cscript%3E%E2%80%AE").await;
    let said = searched.text.split_once("<p class=\"soft\">");
    let (_, said) = said.expect("what was understood");
    harmless("what was understood", said);
    assert!(!searched.text.contains("<script"), "{}", searched.text);
}

#[tokio::test]
async fn a_hostile_mail_is_released_as_it_came() {
    let remote = Remote::friendly().await;
    let mut house = House::before(&remote, &sections()).await;
    let id = house
        .send("x@evil.example", &["held@example.org"], &hostile())
        .await;
    house.told(EventKind::Held).await;
    remote.mails(1).await;
    let verb = postwerk::queue::verbs::Verb::Release { undo: false };
    house.act(verb, &id).await;
    let mails = remote.mails(2).await;
    assert!(mails[1].text.ends_with(&hostile()), "{}", mails[1].text);
    // And whoever comes behind it is served.
    house
        .send("a@sender.example", &["b@example.org"], &letter("next"))
        .await;
    assert_eq!(remote.mails(3).await.len(), 3);
}
