//! Logging in: one-time links, sessions, and who may not.
//!
//! Links come from the control socket, as `postwerk admin login-link` gets them.
//! Not here: what administrators see then (`pages`).

use std::time::Duration;

use hyper::StatusCode;
use postwerk::admin::links::Rotation;
use postwerk::admin::logins::{LoggedOut, LoginLink, OpenSessions};
use postwerk::base::limit::LOGIN_IDLE;
use postwerk::cli::control::Place;

use super::Browser;
use super::browser::house;
use crate::house::House;

/// A fresh link's path.
pub async fn link(house: &House) -> String {
    let url = url(house).await.expect("a link");
    let (_, token) = url.split_once("/login/").expect("a login link");
    format!("/login/{token}")
}

async fn url(house: &House) -> Result<String, String> {
    let place = Place {
        config: "unused".into(),
        data: Some(house.dir.path().join("data")),
    };
    let client = place.client().unwrap();
    let answer = client.post("/api/v1/admin/login-link", &()).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let link: LoginLink = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(link.minutes, 15);
    Ok(link.url)
}

/// Somebody who is logged in.
pub async fn administrator(house: &House, tls: bool) -> Browser {
    let mut browser = Browser::of(house, tls);
    let answer = browser.post(&link(house).await, "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    browser
}

#[tokio::test]
async fn a_login_link_logs_in_once() {
    let house = house(true, "", |_| ()).await;
    let path = link(&house).await;
    let mut browser = Browser::of(&house, true);
    for _ in 0..3 {
        let page = browser.get(&path).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text.contains("<form method=\"post\""), "{}", page.text);
        assert_eq!(page.header("set-cookie"), "");
        assert_eq!(
            browser.send("HEAD", &path, None).await.status,
            StatusCode::OK
        );
    }
    let closed = browser.get("/holds?q=%22a%3E").await;
    assert_eq!(closed.status, StatusCode::UNAUTHORIZED);
    // What a webmail opened came without the session; from here it goes along.
    let again = "href=\"/holds?q=%22a%3E\"";
    assert!(closed.text.contains(again), "{}", closed.text);
    let entered = browser.post(&path, "").await;
    assert_eq!(
        (entered.status, entered.header("location")),
        (StatusCode::SEE_OTHER, "/holds")
    );
    let cookie = entered.header("set-cookie");
    assert!(cookie.starts_with("__Host-postwerk="), "{cookie}");
    for needed in [
        "; Path=/;",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Strict",
        "; Max-Age=43200",
    ] {
        assert!(cookie.contains(needed), "{cookie}");
    }
    assert_eq!(browser.get("/holds").await.status, StatusCode::OK);
    let mut second = Browser::of(&house, true);
    for answer in [second.get(&path).await, second.post(&path, "").await] {
        assert_eq!(answer.status, StatusCode::GONE);
        assert!(
            answer.text.contains("postwerk admin login-link"),
            "{}",
            answer.text
        );
        assert_eq!(answer.header("set-cookie"), "");
    }
    let text = std::fs::read(house.dir.path().join("data/store.redb")).unwrap();
    let secret = path.trim_start_matches("/login/").as_bytes();
    assert!(
        !text.windows(secret.len()).any(|part| part == secret),
        "the secret is stored"
    );
}

#[tokio::test]
async fn of_two_who_open_a_link_at_once_one_gets_in() {
    let house = house(false, "", |_| ()).await;
    let path = link(&house).await;
    let tries = (0..8).map(|_| {
        let (mut browser, path) = (Browser::of(&house, false), path.clone());
        tokio::spawn(async move { browser.post(&path, "").await.status })
    });
    let mut statuses = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        statuses.push(one.await.unwrap());
    }
    let inside = statuses
        .iter()
        .filter(|status| **status == StatusCode::SEE_OTHER);
    assert_eq!(inside.count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn a_late_link_and_a_late_session_are_over() {
    let house = house(false, "", |_| ()).await;
    let path = link(&house).await;
    let mut browser = administrator(&house, false).await;
    assert!(
        browser.cookies[0].starts_with("postwerk="),
        "{:?}",
        browser.cookies
    );
    house.pass(Duration::from_secs(15 * 60));
    assert_eq!(browser.post(&path, "").await.status, StatusCode::GONE);
    for hour in 0..11 {
        let status = browser.get("/holds").await.status;
        assert_eq!(status, StatusCode::OK, "hour {hour}");
        house.pass(Duration::from_secs(3_600));
    }
    house.pass(Duration::from_secs(44 * 60));
    assert_eq!(browser.get("/holds").await.status, StatusCode::OK);
    house.pass(Duration::from_secs(60));
    let answer = browser.get("/holds").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(
        answer.text.contains("postwerk admin login-link"),
        "{}",
        answer.text
    );
}

/// What the control socket answers.
async fn asked<T: serde::de::DeserializeOwned>(house: &House, path: &str, body: &str) -> T {
    let place = Place {
        config: "unused".into(),
        data: Some(house.dir.path().join("data")),
    };
    let client = place.client().unwrap();
    let answer = if body.is_empty() {
        client.get(path).await
    } else {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        client.post(path, &body).await
    };
    serde_json::from_str(&answer.unwrap().body).unwrap()
}

async fn open_sessions(house: &House) -> OpenSessions {
    asked(house, "/api/v1/admin/sessions", "").await
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_before_its_time() {
    let house = house(false, "", |_| ()).await;
    let mut browser = administrator(&house, false).await;
    let idle = LOGIN_IDLE.as_secs();
    house.pass(Duration::from_secs(idle - 1));
    assert_eq!(browser.get("/holds").await.status, StatusCode::OK);
    house.pass(Duration::from_secs(idle - 1));
    assert_eq!(browser.get("/holds").await.status, StatusCode::OK);
    house.pass(Duration::from_secs(idle));
    assert!(open_sessions(&house).await.sessions.is_empty());
    let late = browser.get("/holds").await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sessions_are_listed_and_one_or_all_end() {
    let house = house(false, "", |_| ()).await;
    let mut first = administrator(&house, false).await;
    house.pass(Duration::from_secs(600));
    let (mut second, unopened) = (administrator(&house, false).await, link(&house).await);
    first.get("/holds").await;
    let open = open_sessions(&house).await;
    assert_eq!((open.sessions.len(), open.login_links), (2, 1), "{open:?}");
    let oldest = &open.sessions[0];
    assert_eq!(oldest.place.as_deref(), Some("127.0.0.1"));
    assert!(oldest.by.starts_with("cli:"), "{oldest:?}");
    assert!(
        oldest.since < oldest.seen && oldest.seen < oldest.until,
        "{oldest:?}"
    );
    let secret = first.cookies[0].split_once('=').unwrap().1;
    assert!(!format!("{open:?}").contains(secret));
    let one = format!("{{\"id\":\"{}\"}}", oldest.id);
    let ended: LoggedOut = asked(&house, "/api/v1/admin/logout", &one).await;
    assert_eq!((ended.sessions, ended.login_links), (1, 0));
    assert_eq!(first.get("/holds").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(second.get("/holds").await.status, StatusCode::OK);
    let ended: LoggedOut = asked(&house, "/api/v1/admin/logout", "{\"all\":true}").await;
    assert_eq!((ended.sessions, ended.login_links), (1, 1));
    assert_eq!(second.get("/holds").await.status, StatusCode::UNAUTHORIZED);
    let over = Browser::of(&house, false).post(&unopened, "").await;
    assert_eq!(over.status, StatusCode::GONE);
    let left = open_sessions(&house).await;
    assert_eq!((left.sessions.len(), left.login_links), (0, 0));
}

#[tokio::test]
async fn a_new_key_for_links_logs_out_only_when_all_that_is_out_shall_end() {
    let house = house(false, "", |_| ()).await;
    let mut browser = administrator(&house, false).await;
    let unopened = link(&house).await;
    let path = "/api/v1/links/rotate";
    let kept: Rotation = asked(&house, path, "{}").await;
    assert_eq!(kept.logged_out, 0);
    assert_eq!(browser.get("/holds").await.status, StatusCode::OK);
    let ended: Rotation = asked(&house, path, "{\"now\":true}").await;
    assert_eq!(ended.logged_out, 2);
    assert_eq!(browser.get("/holds").await.status, StatusCode::UNAUTHORIZED);
    let over = Browser::of(&house, false).post(&unopened, "").await;
    assert_eq!(over.status, StatusCode::GONE);
}

#[tokio::test]
async fn forms_of_others_are_refused() {
    let house = house(true, "", |_| ()).await;
    let mut browser = administrator(&house, true).await;
    let token = browser.get("/holds").await.field("token");
    let good = format!("token={token}");
    for (name, fields, form) in [
        (
            "another origin",
            vec![("origin", "https://evil.example")],
            good.as_str(),
        ),
        (
            "a frame's origin with the word of the browser",
            vec![("origin", "null"), ("sec-fetch-site", "cross-site")],
            &good,
        ),
        ("a sibling", vec![("sec-fetch-site", "same-site")], &good),
        ("no token", vec![], ""),
        ("another token", vec![], "token=AAAA"),
    ] {
        browser.fields = fields
            .into_iter()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        let answer = browser.post("/logout", form).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "case: {name}");
    }
    browser.fields = vec![
        ("origin".to_owned(), "null".to_owned()),
        ("sec-fetch-site".to_owned(), "same-origin".to_owned()),
    ];
    let cookies = browser.cookies.clone();
    assert_eq!(
        browser.post("/logout", &good).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    browser.cookies = cookies;
    assert_eq!(
        browser.get("/holds").await.status,
        StatusCode::UNAUTHORIZED,
        "it has ended"
    );
}

#[tokio::test]
async fn guessing_is_throttled_by_address_and_no_header_helps() {
    let house = house(false, "", |_| ()).await;
    let mut browser = Browser::of(&house, false);
    let path = format!("/login/{}", "A".repeat(43));
    for n in 0..10 {
        browser.fields = vec![("x-forwarded-for".to_owned(), format!("192.0.2.{n}"))];
        assert_eq!(browser.get(&path).await.status, StatusCode::GONE);
    }
    for method in ["GET", "POST"] {
        let form = (method == "POST").then_some("");
        let answer = browser.send(method, &path, form).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{method}");
        assert_eq!(answer.header("retry-after"), "61", "{method}");
    }
    house.pass(Duration::from_secs(61));
    assert_eq!(browser.get(&path).await.status, StatusCode::GONE);
}

#[tokio::test]
async fn what_is_valid_counts_whoever_guesses_at_the_same_address() {
    let more = "[admin]\nmetrics_token = \"0123456789abcdef\"\n";
    let house = house(false, more, |_| ()).await;
    let mut inside = administrator(&house, false).await;
    let good = link(&house).await;
    let mut browser = Browser::of(&house, false);
    for n in 0..100 {
        browser.get(&format!("/login/{n}")).await;
        browser.get(&format!("/d/{n}")).await;
    }
    assert_eq!(browser.get("/login/x").await.status, 429);
    assert_eq!(browser.get("/d/x").await.status, 429);
    assert_eq!(inside.get("/holds").await.status, StatusCode::OK, "session");
    assert_eq!(browser.get(&good).await.status, StatusCode::OK, "link");
    let entered = browser.post(&good, "").await;
    assert_eq!(entered.status, StatusCode::SEE_OTHER, "its button");
    browser.fields = vec![(
        "authorization".to_owned(),
        "Bearer 0123456789abcdef".to_owned(),
    )];
    assert_eq!(
        browser.get("/metrics").await.status,
        StatusCode::OK,
        "token"
    );
    // And used up it is wrong like any other.
    assert_eq!(browser.get(&good).await.status, 429);
}

#[tokio::test]
async fn plain_http_elsewhere_than_on_loopback_gets_no_login() {
    let house = house(true, "", |conf| {
        let url = conf.admin.public_url.as_mut().unwrap();
        url.https = false;
        url.host = postwerk::mail::mailbox::Host::Literal([192, 0, 2, 1].into());
    })
    .await;
    let refused = url(&house).await.unwrap_err();
    assert!(refused.contains("https://"), "{refused}");
    let mut browser = Browser::of(&house, true);
    assert_eq!(
        browser.get("/livez").await.status,
        StatusCode::OK,
        "TLS all the same"
    );
}
