//! Everything that a search means, at once: what is said before, the number above 500, the jobs, and taking one back.
//!
//! By the pages and by the control socket, because there must be no way around on either.
//! Not here: what a job does to each recipient (`queue::jobs`), searching (`search`).

use hyper::StatusCode;
use postwerk::admin::api::Order;
use postwerk::admin::jobs::{BulkOrder, Meant, Progress};
use postwerk::cli::control::{Client, ClientError, Place};
use postwerk::queue::verbs::Verb;

use super::Browser;
use super::browser::house;
use super::holds::{RULES, held, ids};
use super::login::administrator;
use crate::house::{Door, House};

const NEVER: &str = "[hold.release]\nrule = \"never\"\n[queue]\npaused = true\n";
const MANY: usize = 501;

async fn many(house: &House) {
    let to: Vec<String> = (0..MANY).map(|n| format!("a{n}@bad.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let text = "Subject: Dear customer, pay\r\n\r\nx\r\n";
    house.submit("app@shop.example", &to, text).await;
    let last = to.last().unwrap();
    house.until_place(last, |place| place.hold.is_some()).await;
}

fn client(house: &House) -> Client {
    let place = Place {
        config: "unused".into(),
        data: Some(house.dir.path().join("data")),
    };
    place.client().expect("a client")
}

async fn until_done(browser: &Browser, path: &str, wanted: &str) {
    crate::until(wanted, || {
        let (mut browser, path) = (browser.clone(), path.to_owned());
        async move { browser.get(&path).await.text.contains(wanted) }
    })
    .await;
}

#[tokio::test]
async fn more_than_500_are_acted_on_only_with_their_number_typed_and_taken_back_as_a_whole() {
    let house = house(true, RULES, |_| ()).await;
    many(&house).await;
    let mut browser = administrator(&house, true).await;
    let token = browser.get("/holds").await.field("token");
    let search = "q=subject%3A%22Dear+customer%2C%22";
    let form = format!("token={token}&queue=bad&{search}&all=delete");
    let look = browser.post("/holds", &form).await;
    for wanted in [
        "Delete 501 messages?",
        "subject contains &#39;Dear customer,&#39; and queue is Trouble (bad)",
        "For 7 days this can be taken back as a whole.",
        "name=\"number\"",
    ] {
        assert!(look.text.contains(wanted), "{wanted}: {}", look.text);
    }
    let query = "query=subject%3A%22Dear+customer%2C%22+queue%3Abad";
    for typed in ["", "500", "502", "all", "-501"] {
        let form = format!("token={token}&verb=delete&{query}&number={typed}");
        let again = browser.post("/jobs", &form).await;
        assert_eq!(again.status, StatusCode::CONFLICT, "case: {typed}");
        assert!(
            again.text.contains("501 messages are meant now"),
            "{}",
            again.text
        );
        let kept = format!("name=\"number\" value=\"{typed}\"");
        assert!(again.text.contains(&kept), "{}", again.text);
    }
    let form = format!("token={token}&verb=delete&{query}&number=501");
    let begun = browser.post("/jobs", &form).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let job = begun.header("location").to_owned();
    until_done(&browser, &job, "501 messages are in the trash").await;
    let jobs = browser.get("/jobs").await;
    for wanted in ["501 of 501", "subject contains", "Possible until"] {
        assert!(jobs.text.contains(wanted), "{wanted}: {}", jobs.text);
    }
    let foreign = browser.post(&job, "").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let undo = browser.post(&job, &format!("token={token}")).await;
    assert_eq!(undo.status, StatusCode::SEE_OTHER, "{}", undo.text);
    until_done(
        &browser,
        undo.header("location"),
        "501 messages are held again",
    )
    .await;
    let twice = browser.post(&job, &format!("token={token}")).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert!(
        twice.text.contains("This job was taken back."),
        "{}",
        twice.text
    );
    assert_eq!(ids(&browser.get("/holds").await.text).len(), 50);
}

fn order(query: &str, number: Option<u64>) -> BulkOrder {
    BulkOrder {
        verb: "delete".to_owned(),
        query: query.to_owned(),
        number,
        ..BulkOrder::default()
    }
}

#[tokio::test]
async fn the_control_socket_has_no_way_around_the_number() {
    let house = house(true, RULES, |_| ()).await;
    many(&house).await;
    held(&house, "b@held.example", "Subject: Minutes\r\n\r\nx\r\n").await;
    let client = client(&house);
    let path = "/api/v1/survey?q=from%3A%40shop.example&verb=bounce";
    let meant: Meant = client.read(&client.get(path).await.unwrap().body).unwrap();
    assert_eq!(meant.understood, "from ends in '@shop.example'");
    assert_eq!((meant.count, meant.number_needed), (502, true));
    assert_eq!(
        meant.take_back.as_deref(),
        Some("This cannot be taken back.")
    );
    assert_eq!(meant.sample.len(), 5);
    for (query, number, wanted) in [
        ("status:held", None, 502),
        ("status:held", Some(501), 502),
        ("from:@shop.example", Some(503), 502),
        ("queue:quarantine", Some(2), 1),
    ] {
        match client.post("/api/v1/jobs", &order(query, number)).await {
            Err(ClientError::Refused(problem)) => {
                let seen = (problem.status, problem.count);
                assert_eq!(seen, (409, Some(wanted)), "case: {query}");
            }
            other => panic!("case: {query}: {other:?}"),
        }
    }
    for query in ["", " ", "to:*", "from:a,"] {
        let refused = client.post("/api/v1/jobs", &order(query, Some(502))).await;
        assert!(
            matches!(refused, Err(ClientError::Refused(_))),
            "case: {query:?}"
        );
    }
    let ids = Order {
        ids: vec!["0643E1B2A90C7701".to_owned(); MANY],
        ..Order::default()
    };
    match client.post("/api/v1/queue/delete", &ids).await {
        Err(ClientError::Refused(problem)) => assert_eq!(problem.count, Some(501)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_job_of_the_control_socket_is_listed_and_taken_back() {
    let house = house(true, RULES, |_| ()).await;
    many(&house).await;
    let client = client(&house);
    let begun = client
        .post("/api/v1/jobs", &order("status:held", Some(501)))
        .await;
    let job: Progress = client.read(&begun.unwrap().body).unwrap();
    let ended = async |id: &str| {
        let path = format!("/api/v1/jobs/{id}");
        loop {
            let job: Progress = client.read(&client.get(&path).await.unwrap().body).unwrap();
            if job.ended {
                return job;
            }
            tokio::task::yield_now().await;
        }
    };
    let job = ended(&job.id).await;
    assert_eq!((job.done, job.state.as_str()), (501, "done"));
    assert!(job.undo_until.is_some());
    let path = format!("/api/v1/jobs/{}/undo", job.id);
    let undo = client.post(&path, &()).await.unwrap();
    let undo: Progress = client.read(&undo.body).unwrap();
    assert_eq!(ended(&undo.id).await.done, 501);
    let all = client.get("/api/v1/jobs").await.unwrap().body;
    let all: Vec<Progress> = all.lines().map(|line| client.read(line).unwrap()).collect();
    let seen: Vec<_> = all
        .iter()
        .map(|one| (one.id.as_str(), one.state.as_str()))
        .collect();
    assert_eq!(
        seen,
        [(undo.id.as_str(), "done"), (job.id.as_str(), "undone")]
    );
}

#[tokio::test]
async fn what_nobody_may_release_is_counted_before_and_stays() {
    let house = house(true, &format!("{RULES}{NEVER}"), |_| ()).await;
    held(&house, "a@bad.example", "Subject: x\r\n\r\nx\r\n").await;
    let text = "Subject: y\r\n\r\nx\r\n";
    let other = house.submit("app@shop.example", &["b@ok.example"], text);
    assert_eq!(house.act(Verb::Hold, &other.await).await, 1);
    let mut browser = administrator(&house, true).await;
    let token = browser.get("/holds").await.field("token");
    // A requeue finds by itself what a rule held.
    for (verb, stay) in [("release", true), ("requeue", false)] {
        let form = format!("token={token}&all={verb}");
        let look = browser.post("/holds", &form).await;
        let said = look.text.contains("1 of these nobody may release");
        assert_eq!(said, stay, "case: {verb}: {}", look.text);
        let wait = "For 10 seconds this can be taken back as a whole";
        assert!(look.text.contains(wait), "case: {verb}: {}", look.text);
    }
    let form = format!("token={token}&verb=release&query=status%3Aheld");
    let begun = browser.post("/jobs", &form).await;
    let job = begun.header("location");
    until_done(&browser, job, "1 message nobody may release").await;
    assert_eq!(ids(&browser.get("/holds").await.text).len(), 1);
    // What is left nobody may release.
    for (path, form) in [
        ("/holds", format!("token={token}&all=release")),
        ("/jobs", form),
    ] {
        let nothing = browser.post(path, &form).await;
        let wanted = "Nobody may let go of what this search finds";
        assert!(nothing.text.contains(wanted), "{path}: {}", nothing.text);
    }
}

#[tokio::test]
async fn a_dangerous_row_is_marked_in_words_wherever_it_is_listed() {
    let house = house(true, "", |_| ()).await;
    let text = "Subject: x\r\nContent-Type: application/octet-stream; name=a.exe\r\n\r\nMZ\r\n";
    let mut client = house.client(Door::Mx).await;
    let to = "b@example.org";
    let reply = client.mail("a@sender.example", &[to], text).await;
    assert_eq!(reply.code, 250, "{reply:?}");
    house.until_place(to, |place| place.hold.is_some()).await;
    let mut browser = administrator(&house, true).await;
    let list = browser.get("/holds").await;
    let (id, token) = (ids(&list.text).remove(0), list.field("token"));
    let all = format!("token={token}&all=release");
    let chosen = format!("token={token}&verb=release&id={id}");
    let (all, chosen) = (
        browser.post("/holds", &all).await,
        browser.post("/holds", &chosen).await,
    );
    for page in [&list, &all, &chosen] {
        assert!(page.text.contains(">Doubtful</span>"), "{}", page.text);
    }
    for page in [&all, &chosen] {
        let wanted = "1 of these was not checked, or found doubtful.";
        assert!(page.text.contains(wanted), "{}", page.text);
    }
}
