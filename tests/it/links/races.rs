//! Many at once, robots before people, wrong codes, and a server that ends in between.
//!
//! What acts, acts once, whoever comes first and whatever ends in between.
//! Not here: what a page says (`answers`).

use std::time::Duration;

use postwerk::config::Network;
use postwerk::digest::token::Action;
use postwerk::queue::record::HoldId;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_presses_one_acts_and_ninety_nine_learn_who_did() {
    let remote = Remote::friendly().await;
    // By way of a proxy, as one address alone may not have a hundred connections.
    let house = house(&remote, false, |conf| {
        conf.admin.trust_proxy = vec![Network::parse("127.0.0.0/8").unwrap()];
    })
    .await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let browser = visitor(&house);
    let mut pressing = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (mut browser, path) = (browser.clone(), path.clone());
        pressing.spawn(async move {
            let nonce = browser.get(&path).await;
            (nonce.status.as_u16() == 200).then(|| (browser, nonce.field("nonce")))
        });
    }
    let ready: Vec<_> = pressing.join_all().await.into_iter().flatten().collect();
    assert_eq!(ready.len(), 50);
    let mut pressing = tokio::task::JoinSet::new();
    for (browser, nonce) in ready.iter().chain(&ready) {
        let (mut browser, path) = (browser.clone(), path.clone());
        let form = format!("nonce={nonce}&confirm=release");
        pressing.spawn(async move { browser.post(&path, &form).await });
    }
    let answers = pressing.join_all().await;
    let done = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(done.count(), 1);
    for late in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(late.status, 409);
        assert!(late.text.contains("anna[at]example[.]org"), "{}", late.text);
    }
    assert_eq!(delivered(&house, &remote, 1).await, 1);
    house.pass(Duration::from_secs(3_600));
    assert_eq!(remote.so_far().len(), 1);
}

#[tokio::test]
async fn once_the_hidden_link_was_opened_each_button_needs_its_code() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let (one, two) = (hold(&house, "one").await, hold(&house, "two").await);
    digest(&house, 1, "anna@example.org", &[one, two]).await;
    let canary = link(&house, Action::Canary, HoldId(0), 1);
    let path = link(&house, Action::Release, one, 1);
    let mut robot = visitor(&house);
    let nonce = robot.get(&path).await.field("nonce");
    assert_eq!(robot.get(&canary).await.status, 200);
    house.started().await;
    let written = house.server.queue().store().written();
    for method in ["GET", "HEAD", "POST"] {
        assert_eq!(robot.send(method, &canary, None).await.status, 200);
    }
    assert_eq!(house.server.queue().store().written(), written);
    let form = format!("nonce={nonce}&confirm=release");
    let stopped = robot.post(&path, &form).await;
    assert_eq!(stopped.status, 403);
    assert!(stopped.text.contains("name=\"code\""), "{}", stopped.text);
    // Not four digits: not a guess.
    for typed in ["12", "abcd", ""] {
        let answer = robot.post(&path, &format!("{form}&code={typed}")).await;
        assert_eq!(answer.status, 403);
    }
    let mut person = visitor(&house);
    for (hold, path) in [(one, path), (two, link(&house, Action::Delete, two, 1))] {
        let typed = code(&house, hold, 1);
        let answer = press_with(&mut person, &path, "delete", &typed).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(open(&house).await.len(), 0);
}

#[tokio::test]
async fn the_fifth_wrong_code_closes_that_link_and_no_other() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let (one, two) = (hold(&house, "one").await, hold(&house, "two").await);
    digest(&house, 1, "anna@example.org", &[one, two]).await;
    let mut browser = visitor(&house);
    browser
        .get(&link(&house, Action::Canary, HoldId(0), 1))
        .await;
    let path = link(&house, Action::Release, one, 1);
    let right = code(&house, one, 1);
    let wrong = if right == "0000" { "0001" } else { "0000" };
    for (status, text) in [
        (403, "noch 4 Versuche"),
        (403, "noch 3 Versuche"),
        (403, "noch 2 Versuche"),
        (403, "noch 1 Versuch."),
        (410, "gesperrt"),
    ] {
        let answer = press_with(&mut browser, &path, "release", wrong).await;
        assert_eq!(answer.status, status, "case: {text}");
        assert!(answer.text.contains(text), "{text} in {}", answer.text);
    }
    let nonce = browser.get(&path).await.field("nonce");
    let form = format!("nonce={nonce}&confirm=release&code={right}");
    assert_eq!(browser.post(&path, &form).await.status, 410);
    let other = link(&house, Action::Release, two, 1);
    let typed = code(&house, two, 1);
    let answer = press_with(&mut browser, &other, "release", &typed).await;
    assert_eq!(answer.status, 200);
    assert_eq!(open(&house).await.len(), 1);
}

#[tokio::test]
async fn a_server_that_ends_inside_the_undo_window_delivers_once() {
    for confirm in ["release", "requeue"] {
        let remote = Remote::friendly().await;
        let house = house(&remote, false, |_| ()).await;
        let hold = hold(&house, "x").await;
        digest(&house, 1, "anna@example.org", &[hold]).await;
        let path = link(&house, Action::Release, hold, 1);
        let mut browser = visitor(&house);
        assert_eq!(press(&mut browser, &path, confirm).await.status, 200);
        let house = house.restart(remote.address, "").await;
        assert_eq!(remote.so_far().len(), 0, "case: {confirm}");
        assert_eq!(delivered(&house, &remote, 1).await, 1, "case: {confirm}");
        let house = house.restart(remote.address, "").await;
        house.pass(Duration::from_secs(3_600));
        assert_eq!(open(&house).await.len(), 0, "case: {confirm}");
        assert_eq!(remote.so_far().len(), 1, "case: {confirm}");
    }
}

#[tokio::test]
async fn what_was_taken_back_stays_held_over_a_restart() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let mut browser = visitor(&house);
    press(&mut browser, &path, "release").await;
    assert_eq!(press(&mut browser, &path, "undo").await.status, 200);
    let house = house.restart(remote.address, "").await;
    house.pass(2 * UNDO);
    assert_eq!(open(&house).await.len(), 1);
    assert_eq!(remote.so_far().len(), 0);
}
