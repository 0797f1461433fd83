//! The page of checks, `/readyz`, `/metrics` and `status` as they tell of scanners, and the circle of an infected mail.
//!
//! The scanners are the demo's, on real sockets, or nobody. Not here: what scanners may do wrong (`scan`).

use hyper::StatusCode;
use postwerk::admin::status::Status;
use postwerk::app::demo::peers;
use postwerk::cli::control::Place;
use postwerk::config::PublicUrl;
use postwerk::digest::token::Action;
use postwerk::journal::event::EventKind;
use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::mail::mailbox::Host;

use crate::house::{House, nobody};
use crate::links::{UNDO, digest, link, open, press};
use crate::remote::Remote;
use crate::web::Browser;
use crate::web::browser::house;
use crate::web::login::administrator;

const VIRUS: &str = "From: a@b.example\r\nTo: virus@demo.test\r\nSubject: Rechnung\r\n\r\nx\r\n";
const GOOD: &str = "From: a@b.example\r\nTo: anna@demo.test\r\nSubject: Hallo\r\n\r\nx\r\n";

fn scanner(name: &str, at: std::net::SocketAddr, more: &str) -> String {
    format!("[[scanner]]\nname = \"{name}\"\nkind = \"clamd\"\naddress = \"{at}\"\n{more}\n")
}

async fn status(house: &House) -> Status {
    let place = Place {
        config: "unused".into(),
        data: Some(house.dir.path().join("data")),
    };
    let answer = place.client().unwrap().get("/api/v1/status").await.unwrap();
    serde_json::from_str(&answer.body).unwrap()
}

/// The line of a scanner in `/readyz`.
async fn ready(browser: &mut Browser, name: &str) -> (StatusCode, serde_json::Value) {
    let answer = browser.get("/readyz").await;
    let lines = answer.text.lines();
    let mut lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let component = format!("scanner {name}");
    let line = lines.find(|line| line["component"] == component.as_str());
    (answer.status, line.expect("a line of the scanner"))
}

#[tokio::test]
async fn without_scanners_the_page_says_what_that_means() {
    let house = house(true, "", |_| ()).await;
    let mut browser = administrator(&house, true).await;
    browser.fields = vec![("accept-language".to_owned(), "de".to_owned())];
    let page = browser.get("/checks").await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "Prüfungen",
        "Es ist kein Scanner eingerichtet",
        "Keine Nachricht wird auf Viren oder Spam geprüft",
        "600 Nachrichten in 1m",
        "Es gibt keine",
        "Gesperrte Anhänge",
        "*.exe",
    ] {
        assert!(page.text.contains(text), "{text} in {}", page.text);
    }
    let holds = browser.get("/holds").await;
    assert!(holds.text.contains("href=\"/checks\""), "{}", holds.text);
}

#[tokio::test]
async fn the_page_is_not_for_visitors_and_its_button_not_for_other_pages() {
    let house = house(true, &scanner("clam", nobody().await, ""), |_| ()).await;
    let mut visitor = Browser::of(&house, true);
    assert_eq!(
        visitor.get("/checks").await.status,
        StatusCode::UNAUTHORIZED
    );
    let form = "token=x&scanner=clam";
    assert_eq!(
        visitor.post("/checks", form).await.status,
        StatusCode::UNAUTHORIZED
    );
    let mut browser = administrator(&house, true).await;
    let refused = browser.post("/checks", form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let token = browser.get("/checks").await.field("token");
    let other = format!("token={token}&scanner=other");
    assert_eq!(
        browser.post("/checks", &other).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn each_scanner_is_shown_asked_and_counted() {
    let (well, dead) = (peers::clamd().await.unwrap(), nobody().await);
    let more = format!(
        "[checks]\norder = [\"scanners\", \"loop\"]\nwhen_back = \"keep\"\n{}{}\
         [[exception]]\nscanners = [\"dead\"]\nreason = \"<b>our</b> own\"\nlistener = \"127.0.0.1:2525\"\nsender = \"*@own.example\"\n",
        scanner("clam", well, ""),
        scanner(
            "dead",
            dead,
            "on_failure = \"accept\"\nlisteners = [\"submission\"]"
        ),
    );
    let mut house = house(true, &more, |_| ()).await;
    let mut browser = administrator(&house, true).await;
    browser.fields = vec![("accept-language".to_owned(), "en".to_owned())];
    let page = browser.get("/checks").await;
    for text in [
        "not asked yet",
        "no mail yet",
        "the mail passes unseen",
        "mime, attachments, account, rate, rules",
        "&#60;b&#62;our&#60;/b&#62; own",
        "127.0.0.1:2525",
        "*@own.example",
        "stays held until somebody decides",
        &well.to_string(),
        &dead.to_string(),
    ] {
        assert!(page.text.contains(text), "{text} in {}", page.text);
    }
    let token = page.field("token");
    for (name, text) in [("clam", "clam answers"), ("dead", "dead does not answer")] {
        let form = format!("token={token}&scanner={name}");
        let asked = browser.post("/checks", &form).await;
        assert!(asked.text.contains(text), "{text} in {}", asked.text);
    }
    house.submit("a@b.example", &["anna@demo.test"], GOOD).await;
    house
        .submit("a@b.example", &["virus@demo.test"], VIRUS)
        .await;
    house.told(EventKind::Held).await;
    let page = browser.get("/checks").await.text;
    for text in [
        "nothing found: 1",
        "infected: 1",
        "unreachable: 1",
        "Last failure",
        "PONG",
    ] {
        assert_eq!(page.contains(text), text != "PONG", "{text} in {page}");
    }
    let metrics = house.metrics().await;
    for text in [
        "postwerk_scan_total{scanner=\"clam\",result=\"clean\"} 1",
        "postwerk_scan_total{scanner=\"clam\",result=\"infected\"} 1",
        "postwerk_scan_total{scanner=\"dead\",result=\"unreachable\"} 1",
        "postwerk_scan_seconds_count{scanner=\"clam\"} 2",
        "postwerk_scan_up{scanner=\"clam\"} 1",
        "postwerk_scan_up{scanner=\"dead\"} 0",
    ] {
        assert!(metrics.contains(text), "{text} in {metrics}");
    }
    let status = status(&house).await;
    let troubles: Vec<bool> = status
        .scanners
        .iter()
        .map(|one| one.trouble.is_some())
        .collect();
    assert_eq!(troubles, [false, true], "{status:?}");
}

#[tokio::test]
async fn only_a_scanner_that_puts_mails_off_makes_the_server_unready() {
    for (rule, wanted) in [
        ("hold", StatusCode::OK),
        ("accept", StatusCode::OK),
        ("defer", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let more = scanner("clam", nobody().await, &format!("on_failure = \"{rule}\""));
        let house = house(true, &more, |_| ()).await;
        let mut browser = administrator(&house, true).await;
        let (status, line) = ready(&mut browser, "clam").await;
        assert_eq!(
            (status, &line["detail"]),
            (StatusCode::OK, &"not asked yet".into())
        );
        let token = browser.get("/checks").await.field("token");
        let ask = format!("token={token}&scanner=clam");
        for _ in 0..postwerk::base::limit::SCAN_FAILURES {
            browser.post("/checks", &ask).await;
        }
        let (status, line) = ready(&mut browser, "clam").await;
        assert_eq!(status, wanted, "case: {rule} {line}");
        let detail = line["detail"].as_str().unwrap();
        assert!(detail.contains("cannot be reached"), "{detail}");
        // Where a scanner is, is nobody else's business.
        browser.fields = vec![("x-forwarded-for".to_owned(), "192.0.2.1".to_owned())];
        let (_, line) = ready(&mut browser, "clam").await;
        let detail = line["detail"].as_str().unwrap();
        assert!(detail.starts_with("failing; mails ") && !detail.contains("127.0.0.1"));
    }
}

#[tokio::test]
async fn a_scanner_that_put_mails_off_is_found_again_without_a_mail() {
    let free = nobody().await;
    let more = scanner("clam", free, "on_failure = \"defer\"");
    let house = house(true, &more, |_| ()).await;
    let mut browser = administrator(&house, true).await;
    let token = browser.get("/checks").await.field("token");
    for _ in 0..postwerk::base::limit::SCAN_FAILURES {
        let form = format!("token={token}&scanner=clam");
        browser.post("/checks", &form).await;
    }
    let (status, _) = ready(&mut browser, "clam").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let back = peers::clamd_at(free).await.unwrap();
    assert_eq!(back, free);
    let (house, browser) = (&house, &browser);
    crate::until("the scanner is found", || {
        let mut browser = browser.clone();
        async move {
            house.pass(postwerk::base::limit::SCAN_WATCH);
            ready(&mut browser, "clam").await.0 == StatusCode::OK
        }
    })
    .await;
}

/// A house with an endpoint, a virus scanner, and somewhere to deliver to.
async fn before(remote: &Remote) -> House {
    let clamd = peers::clamd().await.unwrap();
    let more = scanner("clam", clamd, "");
    House::changed(remote.address, &more, |conf| {
        conf.admin.bind = Some(([127, 0, 0, 1], 0).into());
        conf.admin.public_url = Some(PublicUrl {
            https: false,
            host: Host::Literal([127, 0, 0, 1].into()),
            port: 8443,
        });
    })
    .await
}

#[tokio::test]
async fn the_link_of_an_infected_mail_asks_for_a_login_and_its_requeue_is_checked_again() {
    let remote = Remote::friendly().await;
    let mut house = before(&remote).await;
    house
        .submit("a@b.example", &["virus@demo.test"], VIRUS)
        .await;
    house.told(EventKind::Held).await;
    let first = open(&house).await.remove(0);
    let hold = &first.hold;
    assert_eq!(
        (hold.queue, hold.reason),
        (HoldQueue::Quarantine, HoldReason::Virus)
    );
    assert!(first.hold.cause.contains("Demo-Virus"), "{first:?}");
    digest(&house, 1, "anna@example.org", &[first.id]).await;
    let path = link(&house, Action::Release, first.id, 1);
    let mut visitor = Browser::of(&house, false);
    let page = visitor.get(&path).await;
    assert!(
        page.text.contains("postwerk admin login-link"),
        "{}",
        page.text
    );
    assert!(page.text.contains("Demo-Virus"), "{}", page.text);
    // Requeue is offered without a login, and finds the same again.
    let path = link(&house, Action::Requeue, first.id, 1);
    let done = press(&mut visitor, &path, "requeue").await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    house.pass(UNDO);
    house.told(EventKind::Held).await;
    let again = open(&house).await;
    assert_eq!(again.len(), 1, "{again:?}");
    assert!(again[0].id != first.id && again[0].hold.reason == HoldReason::Virus);
    assert!(remote.so_far().is_empty());
    // Logged in, it goes out, and its history says what was skipped.
    let mut browser = administrator(&house, false).await;
    let page = browser.get(&format!("/holds/{}", again[0].id)).await;
    let form = format!("token={}&verb=release", page.field("token"));
    browser
        .post(&format!("/holds/{}", again[0].id), &form)
        .await;
    house.pass(UNDO);
    house.told(EventKind::Delivered).await;
    assert_eq!(remote.so_far().len(), 1);
    let id = again[0].message;
    let shown = house.server.queue().show(id).await.unwrap().unwrap();
    let story = format!("{:?}", shown.facts);
    assert!(story.contains("skipped"), "{story}");
}
