//! Links that are none: however one is altered, the answer is one and the same.
//!
//! Neither status nor words nor a cookie say how near a guess came.
//! Not here: the signature itself (`digest::token`).

use postwerk::digest::token::Action;

use super::*;

#[tokio::test]
async fn every_altered_link_gets_the_same_answer() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let good = link(&house, Action::Release, hold, 1);
    let other = super::house(&remote, false, |_| ()).await;
    let mut cases: Vec<String> = vec![
        "/d".to_owned(),
        "/d/".to_owned(),
        format!("{good}="),
        format!("{good}%2E"),
        format!("{good}/"),
        format!("{good}/x"),
        format!("//{}", good.trim_start_matches('/')),
        good.to_uppercase().replace("/D/", "/d/"),
        good.to_lowercase(),
        format!("/d/{}", "A".repeat(44)),
        // Another server's, and one that names a hold that this digest does not list.
        link(&other, Action::Release, hold, 1),
        link(&house, Action::Release, HoldId(hold.0 + 1), 1),
        link(&house, Action::Release, hold, 2),
    ];
    cases.retain(|case| case != &good && !case.starts_with("//"));
    let token = good.trim_start_matches("/d/");
    for length in [0, 1, 22, 43] {
        cases.push(format!("/d/{}", token.get(..length).unwrap()));
    }
    for at in 0..token.len() {
        for new in ["A", "_", "%41", "."] {
            let altered = format!(
                "{}{new}{}",
                token.get(..at).unwrap(),
                token.get(at + 1..).unwrap()
            );
            if altered != token {
                cases.push(format!("/d/{altered}"));
            }
        }
    }
    let mut browser = visitor(&house);
    let wanted = browser.get("/d/nothing").await.text;
    assert!(wanted.contains("Diesen Link kennen wir nicht"), "{wanted}");
    for (n, case) in cases.iter().enumerate() {
        if n % 20 == 19 {
            // Patience with guessers comes back with time.
            house.pass(Duration::from_secs(60));
        }
        let method = if n % 3 == 0 { "POST" } else { "GET" };
        let form = (method == "POST").then_some("nonce=a&confirm=release");
        let answer = browser.send(method, case, form).await;
        assert_eq!(answer.status, 404, "case: {case}");
        assert_eq!(answer.text, wanted, "case: {case}");
        assert_eq!(answer.header("set-cookie"), "", "case: {case}");
    }
    assert_eq!(browser.get(&good).await.status, 200);
    // What a program hangs behind a link does not spoil it.
    assert_eq!(
        browser.get(&format!("{good}?utm_source=x")).await.status,
        200
    );
}

#[tokio::test]
async fn after_a_rotation_old_links_are_expired_and_new_ones_work() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let old = link(&house, Action::Release, hold, 1);
    let mut browser = visitor(&house);
    let nonce = browser.get(&old).await.field("nonce");
    house.server.keys().rotate(false).await.expect("rotated");
    assert_eq!(browser.get(&old).await.status, 200);
    house.server.keys().rotate(true).await.expect("rotated");
    assert_eq!(browser.get(&old).await.status, 410);
    let form = format!("nonce={nonce}&confirm=release");
    assert_eq!(browser.post(&old, &form).await.status, 410);
    let new = link(&house, Action::Release, hold, 1);
    assert_eq!(press(&mut browser, &new, "release").await.status, 200);
}
