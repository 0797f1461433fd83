//! Health, metrics and status: who may see them, and what they say.
//!
//! Not here: how `postwerk status` prints.

use std::process::Command;
use std::time::Duration;

use hyper::StatusCode;
use postwerk::admin::status::Status;
use postwerk::base::secret::Secret;
use postwerk::cli::control::Place;
use postwerk::journal::event::EventKind;

use super::Browser;
use super::browser::house;
use crate::house::{House, nobody};
use crate::remote::{self, Remote};

const RULE: &str =
    "[[hold_rule]]\nmatch = { recipient = \"*@held.example\" }\nreason = \"to be looked at\"\n";

async fn status(house: &House) -> Status {
    let place = Place {
        config: "unused".into(),
        data: Some(house.dir.path().join("data")),
    };
    let client = place.client().unwrap();
    let answer = client.get("/api/v1/status").await.unwrap();
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_healthy_server_says_so_component_by_component() {
    let house = house(true, "", |_| ()).await;
    let mut browser = Browser::of(&house, true);
    assert_eq!(browser.get("/livez").await.text, "ok\n");
    let ready = browser.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::OK, "{}", ready.text);
    let lines: Vec<serde_json::Value> = ready
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line["ready"] == true), "{lines:?}");
}

#[tokio::test]
async fn metrics_count_what_happened_and_are_not_for_everybody() {
    let mut house = house(true, RULE, |conf| {
        conf.admin.metrics_token = Some(Secret::new("geheim"));
    })
    .await;
    house
        .submit(
            "a@b.example",
            &["anna@held.example"],
            "Subject: x\r\n\r\nx\r\n",
        )
        .await;
    house.told(EventKind::Held).await;
    let mut browser = Browser::of(&house, true);
    let held = "postwerk_hold_messages{queue=\"quarantine\",reason=\"rule\"} 1";
    crate::until("the counts", || {
        let house = &house;
        async move {
            let text = house.metrics().await;
            text.contains(held) && text.contains("postwerk_messages_received_total 1")
        }
    })
    .await;
    let metrics = house.metrics().await;
    for name in [
        "postwerk_deliveries_total{status=\"delivered\"} 0",
        "postwerk_digest_sent_total",
        "postwerk_auth_failures_total 0",
        "postwerk_disk_free_bytes",
        "postwerk_store_bytes",
        "postwerk_admin_requests_total{status=\"2xx\"}",
        "# EOF",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    assert!(!metrics.contains("held.example"), "{metrics}");
    let proxied = ("x-forwarded-for".to_owned(), "127.0.0.1".to_owned());
    for (token, wanted) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("Bearer falsch"), StatusCode::UNAUTHORIZED),
        (Some("Bearer "), StatusCode::UNAUTHORIZED),
        (Some("Basic geheim"), StatusCode::UNAUTHORIZED),
        (Some("Bearer geheim"), StatusCode::OK),
    ] {
        // From this machine and by way of a proxy alike.
        for fields in [vec![], vec![proxied.clone()]] {
            browser.fields = fields;
            browser
                .fields
                .extend(token.map(|token| ("authorization".to_owned(), token.to_owned())));
            let answer = browser.get("/metrics").await;
            assert_eq!(answer.status, wanted, "case: {token:?}");
            let told = answer.text.contains("postwerk_");
            assert_eq!(told, wanted == StatusCode::OK, "case: {token:?}");
        }
    }
}

#[tokio::test]
async fn without_a_token_metrics_are_told_at_the_socket_only() {
    let house = house(true, "", |_| ()).await;
    let mut browser = Browser::of(&house, true);
    for token in ["Bearer ", "Bearer x"] {
        browser.fields = vec![("authorization".to_owned(), token.to_owned())];
        let answer = browser.get("/metrics").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(
            answer.text.contains("[admin] metrics_token"),
            "{}",
            answer.text
        );
    }
    assert!(house.metrics().await.contains("# EOF"));
}

#[tokio::test]
async fn status_tells_what_is_held_and_what_is_wrong() {
    let mut house = house(true, RULE, |_| ()).await;
    house
        .submit(
            "a@b.example",
            &["anna@held.example"],
            "Subject: x\r\n\r\nx\r\n",
        )
        .await;
    house.told(EventKind::Held).await;
    // Nobody listens at the URL of these houses.
    crate::until("a look at the public URL", || async {
        status(&house)
            .await
            .public_url
            .is_some_and(|url| url.trouble.is_some())
    })
    .await;
    let status = status(&house).await;
    assert_eq!(status.queued, 1);
    let held = &status.holds[0];
    assert_eq!(
        (held.queue.as_str(), held.reason.as_str(), held.count),
        ("quarantine", "rule", 1)
    );
    assert!(
        status.certificate_days.is_some_and(|days| days > 0),
        "{status:?}"
    );
}

/// What `postwerk status --json` prints about this house.
async fn told_by_the_command(house: &House) -> Status {
    let data = house.dir.path().join("data");
    let run = move || {
        Command::new(env!("CARGO_BIN_EXE_postwerk"))
            .args(["status", "--json", "--data"])
            .arg(data)
            .output()
    };
    let done = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    serde_json::from_slice(&done.stdout).unwrap()
}

#[tokio::test]
async fn the_command_tells_of_a_digest_that_nobody_got_and_of_links_that_lead_nowhere() {
    let remote = Remote::scripted(|asked| {
        if asked.verb == "RCPT" && asked.line.contains("boss@") {
            remote::Answer::Say("550 5.1.1 nobody here")
        } else {
            remote::Answer::Usual
        }
    })
    .await;
    let dead = nobody().await;
    let more = format!(
        "[admin]\nbind = \"127.0.0.1:0\"\npublic_url = \"http://{dead}/\"\n\
         [digest]\nto = [\"boss@admin.example\"]\nowners = false\non_first = true\n{RULE}"
    );
    let mut house = House::before(&remote, &more).await;
    let text = "Subject: x\r\n\r\nx\r\n";
    house
        .submit("a@b.example", &["anna@held.example"], text)
        .await;
    house.told(EventKind::Bounced).await;
    house.pass(Duration::from_secs(120));
    let house = &house;
    crate::until("both in the answer", || async {
        let status = told_by_the_command(house).await;
        !status.digest_troubles.is_empty()
            && status.public_url.is_some_and(|url| url.trouble.is_some())
    })
    .await;
    let status = told_by_the_command(house).await;
    let trouble = &status.digest_troubles[0];
    assert_eq!(
        (trouble.to.as_str(), trouble.number),
        ("boss@admin.example", 1)
    );
    assert!(trouble.why.contains("nobody here"), "{trouble:?}");
    assert!(trouble.at.starts_with("2026-11-21T"), "{trouble:?}");
    let url = status.public_url.expect("a URL");
    assert!(url.url.contains(&dead.to_string()), "{url:?}");
    assert!(url.checked.is_some(), "{url:?}");
}
