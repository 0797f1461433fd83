//! The buttons by which a person tells rspamd what a held mail is.
//!
//! Not here: the command line (`tests/peers`), and how rspamd's controller answers in detail (`scan::rspamd::learn`).

use std::collections::HashSet;
use std::sync::Mutex;

use hyper::StatusCode;

use super::{opinion, spam};
use crate::client::letter;
use crate::house::{Door, House};
use crate::links::open;
use crate::scan::peer::{Answer, Peer, Request};
use crate::web::Browser;
use crate::web::browser::{Answer as Page, house};
use crate::web::login::administrator;

const HAM: &str = "value=\"ham\"";
const SPAM: &str = "value=\"spam\"";

/// An answer with another status than 200.
fn status(line: &str, text: &str) -> Answer {
    let length = text.len();
    Answer::Octets(format!("HTTP/1.1 {line}\r\nContent-Length: {length}\r\n\r\n{text}").into())
}

/// A controller that learns each mail once for each class.
fn controller(known: &Mutex<HashSet<String>>, request: &Request) -> Answer {
    if request.line == "POST /checkv2" {
        return Answer::Say(opinion("reject", 16.0, ""));
    }
    if request.field("password") != Some("one-to-learn") {
        return status("403 Forbidden", "{\"error\":\"Unauthorized\"}");
    }
    assert!(String::from_utf8_lossy(&request.body).ends_with("Hello offer\r\n"));
    if known
        .lock()
        .expect("unpoisoned")
        .insert(request.line.clone())
    {
        Answer::Say("{\"success\":true}".to_owned())
    } else {
        let text =
            "{\"error\":\"<offer@sender.example> has been already learned as spam, ignore it\"}";
        status("208 Already Reported", text)
    }
}

/// A mail held by an rspamd that learns with this password; none: it does not learn.
async fn held(password: Option<&str>) -> (House, Peer, Browser, String) {
    let known = Mutex::default();
    let peer = Peer::http(move |_, request| controller(&known, request)).await;
    let learn = password.map(|password| {
        let address = &peer.address;
        format!("learn = \"http://{address}\"\npassword = \"{password}\"")
    });
    let more = spam(&peer.address, &learn.unwrap_or_default());
    let house = house(true, &more, |_| ()).await;
    let mut client = house.client(Door::Mx).await;
    let text = letter("offer");
    let reply = client
        .mail("a@sender.example", &["b@example.org"], &text)
        .await;
    assert_eq!(reply.code, 250, "{reply:?}");
    let card = open(&house).await.remove(0);
    let mut browser = administrator(&house, true).await;
    browser.fields = vec![("accept-language".to_owned(), "en".to_owned())];
    (house, peer, browser, format!("/holds/{}", card.id))
}

async fn report(browser: &mut Browser, path: &str, class: &str) -> Page {
    let token = browser.get(path).await.field("token");
    let form = format!("token={token}&verb={class}");
    browser.post(path, &form).await
}

#[tokio::test]
async fn both_verdicts_are_learned_once_and_counted_and_the_mail_stays() {
    let (house, peer, mut browser, path) = held(Some("one-to-learn")).await;
    let page = browser.get(&path).await.text;
    assert!(page.contains(HAM) && page.contains(SPAM), "{page}");
    for text in [
        "Check: spam: 16.0 of 15.0 points, reject -&#62; hold",
        "Spam score 16.0",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    for (class, words, asked) in [
        ("spam", "has learned from it", 2),
        ("spam", "had learned this message before", 3),
        ("ham", "has learned from it", 4),
        ("ham", "had learned this message before", 5),
    ] {
        let page = report(&mut browser, &path, class).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(page.text.contains(words), "case: {class}: {}", page.text);
        assert_eq!(peer.asked(), asked, "case: {class}, {words}");
    }
    let page = browser.get(&path).await.text;
    for text in [
        "Reported as spam",
        "Reported as no spam",
        "spam: learned",
        "it was learned before",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let metrics = house.metrics().await;
    for class in ["ham", "spam"] {
        let line = format!("postwerk_scan_learned_total{{scanner=\"spam\",class=\"{class}\"}} 1");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    assert_eq!(open(&house).await.len(), 1);
}

#[tokio::test]
async fn no_other_page_presses_these_buttons() {
    let (house, peer, mut browser, path) = held(Some("one-to-learn")).await;
    let token = browser.get(&path).await.field("token");
    for form in ["verb=spam", "token=x&verb=spam"] {
        let refused = browser.post(&path, form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{form}");
    }
    let form = format!("token={token}&verb=spam");
    browser.fields = vec![("origin".to_owned(), "https://evil.example".to_owned())];
    let refused = browser.post(&path, &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let refused = Browser::of(&house, true).post(&path, &form).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(peer.asked(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_told_and_nothing_is_counted() {
    let (house, _peer, mut browser, path) = held(Some("wrong")).await;
    let page = report(&mut browser, &path, "ham").await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(page.text.contains("has learned nothing"), "{}", page.text);
    assert!(!page.text.contains("Reported as"), "{}", page.text);
    let metrics = house.metrics().await;
    assert!(!metrics.contains("scan_learned_total{"), "{metrics}");
}

#[tokio::test]
async fn who_does_not_learn_is_not_offered_anything() {
    let (_house, peer, mut browser, path) = held(None).await;
    let page = browser.get(&path).await.text;
    assert!(!page.contains(HAM) && !page.contains(SPAM), "{page}");
    let page = report(&mut browser, &path, "spam").await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(
        page.text.contains("No spam filter learns here"),
        "{}",
        page.text
    );
    assert_eq!(peer.asked(), 1);
}
