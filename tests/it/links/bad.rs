//! Requests that no page of ours makes, and mails that want to break out of the page.
//!
//! Every refusal changes nothing and shows the way on.
//! Not here: links that are none (`tokens`).

use postwerk::base::limit::{LINK_FORM_MAX, LINK_WRONG_OF_ADDRESS};
use postwerk::digest::token::Action;
use postwerk::mail::state::State;

use super::*;

#[tokio::test]
async fn what_no_page_sends_is_refused_with_the_page_and_a_way_on() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let other = link(&house, Action::Delete, hold, 1);
    let mut browser = visitor(&house);
    let nonce = browser.get(&path).await.field("nonce");
    let foreign = browser.get(&other).await.field("nonce");
    let long = "x".repeat(LINK_FORM_MAX);
    for (name, form, status) in [
        ("no nonce", "confirm=release".to_owned(), 403),
        (
            "a wrong nonce",
            format!("nonce={nonce}x&confirm=release"),
            403,
        ),
        (
            "another link's nonce",
            format!("nonce={foreign}&confirm=release"),
            403,
        ),
        (
            "two actions",
            format!("nonce={nonce}&confirm=release&confirm=delete"),
            400,
        ),
        (
            "an unknown action",
            format!("nonce={nonce}&confirm=explode"),
            400,
        ),
        (
            "a foreign field",
            format!("nonce={nonce}&confirm=release&x=1"),
            400,
        ),
        ("nothing", String::new(), 400),
        (
            "too much",
            format!("nonce={nonce}&confirm=release&code={long}"),
            400,
        ),
    ] {
        let answer = browser.post(&path, &form).await;
        assert_eq!(answer.status, status, "case: {name}");
        assert!(answer.text.contains("role=\"alert\""), "case: {name}");
        assert!(answer.text.contains("value=\"release\""), "case: {name}");
        assert_eq!(open(&house).await.len(), 1, "case: {name}");
    }
    let mut stranger = visitor(&house);
    let form = format!("nonce={nonce}&confirm=release");
    let answer = stranger.post(&path, &form).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text.contains("Cookie"), "{}", answer.text);
    // The page that says so is good for the next try.
    let again = format!("nonce={}&confirm=release", answer.field("nonce"));
    assert_eq!(stranger.post(&path, &again).await.status, 200);
}

#[tokio::test]
async fn another_website_cannot_press_the_button() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    for (name, value, status) in [
        ("origin", "https://evil.example", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("origin", "null", 200),
    ] {
        let mut browser = visitor(&house);
        let nonce = browser.get(&path).await.field("nonce");
        browser.fields.push((name.to_owned(), value.to_owned()));
        let form = format!("nonce={nonce}&confirm=release");
        let answer = browser.post(&path, &form).await;
        assert_eq!(answer.status, status, "case: {name}: {value}");
    }
}

#[tokio::test]
async fn other_methods_and_other_kinds_of_forms_do_nothing() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let mut browser = visitor(&house);
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "RELEASE"] {
        let answer = browser.send(method, &path, None).await;
        assert_eq!(answer.status, 405, "case: {method}");
        assert_eq!(answer.header("allow"), "GET, HEAD, POST");
    }
    let nonce = browser.get(&path).await.field("nonce");
    let form = format!("nonce={nonce}&confirm=release");
    browser
        .fields
        .push(("content-type".to_owned(), "text/plain".to_owned()));
    let answer = browser.send("POST", &path, None).await;
    assert_eq!(answer.status, 400);
    // Two content types, of which one would be right.
    assert_ne!(browser.post(&path, &form).await.status, 200);
    assert_eq!(open(&house).await.len(), 1);
}

#[tokio::test]
async fn with_tls_the_cookie_is_secure_and_only_for_links() {
    let remote = Remote::friendly().await;
    let house = house(&remote, true, |_| ()).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Requeue, hold, 1);
    for h2 in [false, true] {
        let mut browser = Browser {
            h2,
            ..Browser::of(&house, true)
        };
        let page = browser.get(&path).await;
        let cookie = page.header("set-cookie");
        assert!(cookie.starts_with("__Secure-postwerk-link="), "{cookie}");
        for needed in [
            "; Path=/d/",
            "; SameSite=Strict",
            "; HttpOnly",
            "; Secure",
            "; Max-Age=900",
        ] {
            assert!(cookie.contains(needed), "{cookie}");
        }
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(browser.send("HEAD", &path, None).await.text, "");
    }
}

#[tokio::test]
async fn guessing_is_throttled_by_address_and_right_links_still_work() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let mut browser = visitor(&house);
    for n in 0..LINK_WRONG_OF_ADDRESS {
        assert_eq!(browser.get(&format!("/d/{n}")).await.status, 404);
    }
    let answer = browser.get("/d/x").await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), "60");
    assert_eq!(browser.get(&path).await.status, 200);
    house.pass(Duration::from_secs(60));
    assert_eq!(browser.get("/d/x").await.status, 404);
}

#[tokio::test]
async fn a_hostile_mail_stays_text() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let evil = "<script>alert(1)</script>";
    let long = "S".repeat(300);
    let text = format!(
        "From: \"{evil}\u{202E}\" <\"><img src=x>\"@evil.example>\r\n\
         Subject: {evil} \u{202E}gpj.exe\u{7} =?utf-8?Q?=0D=0ASet-Cookie:_x=3D1?= {long}\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/html\r\n\r\n<p>Hi</p><img src=http://tracker.example/a.gif>{evil}&lt;b onclick=x&gt;\r\n\
         --b\r\nContent-Type: application/x-\u{202E}; name=\"{evil}.pdf\"\r\nContent-Disposition: attachment; filename=\"a\u{202E}fdp.exe\"\r\n\r\nMZ\r\n--b--\r\n"
    );
    let hold = hold_text(&house, &text).await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let mut browser = visitor(&house);
    let open = browser.get(&path).await;
    let done = press(&mut browser, &path, "release").await;
    assert_eq!((open.status.as_u16(), done.status.as_u16()), (200, 200));
    for page in [&open, &done] {
        assert!(
            page.text.contains("&#60;script&#62;alert(1)"),
            "{}",
            page.text
        );
        for banned in [
            "<script",
            "<img",
            "\u{202E}",
            "\u{7}",
            "tracker",
            "<b onclick",
        ] {
            assert!(!page.text.contains(banned), "{banned:?} in {}", page.text);
        }
        assert!(!page.text.contains(&"S".repeat(121)));
        assert!(page.header("set-cookie").starts_with("postwerk-link="));
    }
    let place = house.places().await.remove(0);
    assert!(matches!(place.state, State::Releasing { .. }), "{place:?}");
}
