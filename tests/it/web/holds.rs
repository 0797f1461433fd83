//! The holds pages as an administrator uses them, and as hostile mail would like to use them.
//!
//! Mails are held by a rule, as in a configuration. Not here: who may come in (`login`), searching (`search`), jobs
//! (`jobs`), links of digests (`links`).

use std::time::Duration;

use hyper::StatusCode;
use postwerk::journal::event::EventKind;

use super::Browser;
use super::browser::house;
use super::login::administrator;
use crate::house::House;

pub(super) const RULES: &str = "[[hold_rule]]\nmatch = { recipient = \"*@held.example\" }\nreason = \"to be looked at\"\n\
     [[hold_rule]]\nmatch = { recipient = \"*@bad.example\" }\nqueue = \"bad\"\nreason = \"broken\"\n";

const HOSTILE: &str = "From: \"<b>Boss</b>\" <boss@evil.example>\r\n\
     Subject: <script>alert(1)</script> \u{202E}gnp.exe =?utf-8?q?=3Cimg_src=3Dx=3E?=\r\n\
     Content-Type: text/html\r\n\r\n\
     <p>Dear <b>you</b></p><script>alert(2)</script><img src=http://evil.example/x.png>\r\n";

pub(super) async fn held(house: &House, to: &str, text: &str) {
    house.submit("app@shop.example", &[to], text).await;
    house.until_place(to, |place| place.hold.is_some()).await;
}

/// The ids of the holds on a list, as the boxes have them.
pub(super) fn ids(text: &str) -> Vec<String> {
    text.split("name=\"id\" value=\"")
        .skip(1)
        .map(|rest| rest.chars().take(16).collect())
        .collect()
}

#[tokio::test]
async fn nothing_held_is_explained() {
    let house = house(true, "", |_| ()).await;
    let mut browser = administrator(&house, true).await;
    browser.fields = vec![("accept-language".to_owned(), "de".to_owned())];
    let page = browser.get("/holds").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text.contains("Es ist nichts angehalten"),
        "{}",
        page.text
    );
    assert!(page.text.contains("[digest]"), "{}", page.text);
}

#[tokio::test]
async fn what_is_held_can_be_found_and_released_and_taken_back() {
    let mut house = house(true, RULES, |_| ()).await;
    held(
        &house,
        "anna@held.example",
        "Subject: Rechnung 7\r\n\r\nHello Anna\r\n",
    )
    .await;
    held(
        &house,
        "bert@bad.example",
        "Subject: Other\r\n\r\nHello Bert\r\n",
    )
    .await;
    let mut browser = administrator(&house, true).await;
    let list = browser.get("/holds").await;
    assert_eq!(ids(&list.text).len(), 2, "{}", list.text);
    assert_eq!(ids(&browser.get("/holds?queue=bad").await.text).len(), 1);
    assert_eq!(
        ids(&browser.get("/holds?q=subject%3Arechnung").await.text).len(),
        1
    );
    let wrong = browser.get("/holds?q=nonsense%3Ax").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text.contains("column 1"), "{}", wrong.text);

    let id = ids(&browser.get("/holds?queue=bad").await.text).remove(0);
    let path = format!("/holds/{id}");
    let page = browser.get(&path).await;
    for wanted in [
        "Hello Bert",
        "bert[at]bad[.]example",
        "was not checked",
        "not scanned",
    ] {
        let found = page.text.contains(wanted);
        assert!(
            found || wanted == "not scanned",
            "{wanted} in {}",
            page.text
        );
    }
    let form = format!("token={}&verb=release", page.field("token"));
    let done = browser.post(&path, &form).await;
    assert_eq!(
        (done.status, done.header("location")),
        (StatusCode::SEE_OTHER, path.as_str())
    );
    let page = browser.get(&path).await;
    assert!(page.text.contains("in 10 seconds"), "{}", page.text);
    let late = browser.post(&path, &form).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text.contains("Somebody was faster"), "{}", late.text);
    let undo = format!("token={}&verb=undo", page.field("token"));
    assert_eq!(
        browser.post(&path, &undo).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(ids(&browser.get("/holds").await.text).len(), 2);
    assert_eq!(
        browser.post(&path, &form).await.status,
        StatusCode::SEE_OTHER
    );
    house.pass(Duration::from_secs(11));
    house.told(EventKind::Deferred).await;
    assert_eq!(
        browser.post(&path, &undo).await.status,
        StatusCode::CONFLICT
    );
}

#[tokio::test]
async fn of_a_hundred_clicks_one_acts() {
    let house = house(false, RULES, |_| ()).await;
    held(&house, "anna@held.example", "Subject: one\r\n\r\nx\r\n").await;
    let mut browser = administrator(&house, false).await;
    let list = browser.get("/holds").await;
    let (id, token) = (ids(&list.text).remove(0), list.field("token"));
    let tries = (0..50).map(|_| {
        let (mut browser, path) = (browser.clone(), format!("/holds/{id}"));
        let form = format!("token={token}&verb=delete");
        tokio::spawn(async move { browser.post(&path, &form).await.status })
    });
    let mut acted = 0;
    for one in tries.collect::<Vec<_>>() {
        match one.await.unwrap() {
            StatusCode::SEE_OTHER => acted += 1,
            status => assert_eq!(status, StatusCode::CONFLICT),
        }
    }
    assert_eq!(acted, 1);
}

#[tokio::test]
async fn hostile_mail_is_text_on_every_page() {
    let house = house(true, RULES, |_| ()).await;
    held(&house, "anna@held.example", HOSTILE).await;
    let mut browser = administrator(&house, true).await;
    let list = browser.get("/holds").await;
    let id = ids(&list.text).remove(0);
    let one = browser.get(&format!("/holds/{id}")).await;
    let form = format!("token={}&verb=release&id={id}", list.field("token"));
    let sure = browser.post("/holds", &form).await;
    for page in [&list, &one, &sure] {
        let text = &page.text;
        assert!(
            text.contains("&lt;script&gt;") || text.contains("&#60;script&#62;"),
            "{text}"
        );
        for bad in ["<script", "<img", "<b>", "\u{202E}"] {
            assert!(!text.contains(bad), "{bad} in {text}");
        }
        assert!(text.contains("boss[at]evil[.]example"), "{text}");
    }
    assert!(one.text.contains("Dear you"), "{}", one.text);
    assert!(one.text.contains("app[at]shop[.]example"), "{}", one.text);
}

#[tokio::test]
async fn chosen_ones_are_shown_before_anything_happens() {
    let house = house(true, RULES, |_| ()).await;
    for n in 0..3 {
        held(
            &house,
            &format!("a{n}@bad.example"),
            "Subject: x\r\n\r\nx\r\n",
        )
        .await;
    }
    let mut browser = administrator(&house, true).await;
    let list = browser.get("/holds").await;
    let all = ids(&list.text);
    let chosen = format!(
        "token={}&verb=release&id={}&id={}",
        list.field("token"),
        all[0],
        all[1]
    );
    let sure = browser.post("/holds", &chosen).await;
    assert!(sure.text.contains("Release 2 messages?"), "{}", sure.text);
    assert!(sure.text.contains("was not checked"), "{}", sure.text);
    assert_eq!(
        ids(&browser.get("/holds").await.text).len(),
        3,
        "nothing has happened"
    );
    let done = browser.post("/holds", &format!("{chosen}&sure=1")).await;
    assert!(
        done.text.contains("2 messages are released"),
        "{}",
        done.text
    );
    let again = browser.post("/holds", &format!("{chosen}&sure=1")).await;
    assert!(
        again.text.contains("With 2 messages somebody was faster"),
        "{}",
        again.text
    );
    let undo = format!(
        "token={}&verb=undo&id={}&id={}",
        done.field("token"),
        all[0],
        all[1]
    );
    let undone = browser.post("/holds", &undo).await;
    assert!(
        undone.text.contains("2 messages are held again"),
        "{}",
        undone.text
    );
    assert_eq!(ids(&browser.get("/holds").await.text).len(), 3);
}

#[tokio::test]
async fn everything_that_a_search_means_is_a_job_with_progress() {
    let house = house(true, RULES, |_| ()).await;
    for n in 0..60 {
        let to = format!("a{n}@bad.example");
        house
            .submit("app@shop.example", &[&to], "Subject: x\r\n\r\nx\r\n")
            .await;
    }
    held(&house, "anna@held.example", "Subject: keep\r\n\r\nx\r\n").await;
    let mut browser = administrator(&house, true).await;
    let token = browser.get("/holds").await.field("token");
    let look = format!("token={token}&queue=bad&q=from%3A%40shop.example&all=delete");
    let page = browser.post("/holds", &look).await;
    assert!(page.text.contains("Delete 60 messages?"), "{}", page.text);
    assert_eq!(
        ids(&browser.get("/holds?queue=bad").await.text).len(),
        50,
        "nothing has happened"
    );
    let query = "query=from%3A%40shop.example+queue%3Abad";
    let foreign = browser.post("/jobs", &format!("verb=delete&{query}")).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    for wrong in [
        "verb=explode&query=queue%3Abad",
        "verb=delete&query=",
        "verb=delete&query=nonsense%3Ax",
    ] {
        let answer = browser
            .post("/jobs", &format!("token={token}&{wrong}"))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "case: {wrong}");
    }
    let begun = browser
        .post("/jobs", &format!("token={token}&verb=delete&{query}"))
        .await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let job = begun.header("location").to_owned();
    crate::until("the end of the job", || {
        let (mut browser, job) = (browser.clone(), job.clone());
        async move {
            browser
                .get(&job)
                .await
                .text
                .contains("60 messages are in the trash")
        }
    })
    .await;
    assert_eq!(ids(&browser.get("/holds").await.text).len(), 1);
    let again = browser.post("/holds", &look).await;
    assert!(again.text.contains("Nothing to do"), "{}", again.text);
    assert_eq!(
        browser.get("/jobs/0643E1B2A90C7701").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn wrong_orders_change_nothing() {
    let house = house(true, RULES, |_| ()).await;
    held(&house, "anna@held.example", "Subject: x\r\n\r\nx\r\n").await;
    let mut browser = administrator(&house, true).await;
    let list = browser.get("/holds").await;
    let (id, token) = (ids(&list.text).remove(0), list.field("token"));
    let path = format!("/holds/{id}");
    for (name, path, form, status) in [
        ("no token", path.as_str(), "verb=release".to_owned(), 403),
        ("no verb", &path, format!("token={token}"), 400),
        (
            "an unknown verb",
            &path,
            format!("token={token}&verb=explode"),
            400,
        ),
        (
            "two verbs",
            &path,
            format!("token={token}&verb=release&verb=delete"),
            400,
        ),
        (
            "an unknown hold",
            "/holds/0643E1B2A90C7701",
            format!("token={token}&verb=release"),
            404,
        ),
        (
            "no id",
            "/holds/xyz",
            format!("token={token}&verb=release"),
            400,
        ),
        (
            "a field that is not ours",
            "/holds",
            format!("token={token}&verb=delete&id={id}&all=x&sure=1"),
            400,
        ),
        (
            "too many",
            "/holds",
            format!(
                "token={token}&verb=delete&sure=1{}",
                format!("&id={id}").repeat(51)
            ),
            400,
        ),
        (
            "undo of what is held",
            &path,
            format!("token={token}&verb=undo"),
            409,
        ),
    ] {
        let answer = browser.post(path, &form).await;
        assert_eq!(answer.status, status, "case: {name}: {}", answer.text);
    }
    let mut stranger = Browser::of(&house, true);
    let answer = stranger
        .post(&path, &format!("token={token}&verb=release"))
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        browser.send("PUT", &path, None).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(ids(&browser.get("/holds").await.text), [id]);
}
