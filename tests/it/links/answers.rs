//! What a link answers: open, done, handled, replaced, expired, and what is not allowed.
//!
//! Not here: requests that no page sends (`bad`), and what is decided (`digest::desk`).

use std::time::Duration;

use postwerk::base::lang::Lang;
use postwerk::config::{DomainConf, RelayTls, ReleaseRule};
use postwerk::digest::record::{Digest, Scope};
use postwerk::digest::token::{Action, hour_of};
use postwerk::mail::domain::Domain;
use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::queue::MessageId;
use postwerk::queue::verbs::{Actor, Verb};

use super::*;
use crate::web::login::administrator;

#[tokio::test]
async fn who_is_logged_in_finds_the_way_from_a_mail_to_the_button() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |conf| {
        conf.hold.release = vec![(HoldReason::Operator, ReleaseRule::Login)];
    })
    .await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let mut stranger = visitor(&house);
    let page = stranger.get(&path).await.text;
    // A webmail's click brings no cookie of SameSite=Strict; a click on this page does.
    let again = format!("href=\"{path}\"");
    assert!(page.contains(&again), "{page}");
    for verb in ["release", "requeue"] {
        assert!(!page.contains(&format!("value=\"{verb}\"")), "{page}");
        // What a person ordered no check finds again: a requeue is no way around the login.
        let answer = press(&mut stranger, &path, verb).await;
        assert_eq!(answer.status, 403, "{verb}");
    }
    assert!(card(&house, hold).await.end.is_none());
    let mut known = administrator(&house, false).await;
    let page = known.get(&path).await.text;
    assert!(page.contains("value=\"release\""), "{page}");
    assert!(!page.contains(&again), "{page}");
}

#[tokio::test]
async fn what_nobody_may_release_goes_out_by_no_other_button() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |conf| {
        conf.hold.release = vec![(HoldReason::Operator, ReleaseRule::Never)];
    })
    .await;
    let hold = hold(&house, "x").await;
    let mut known = administrator(&house, false).await;
    let path = format!("/holds/{hold}");
    let page = known.get(&path).await.text;
    let (_, rest) = page.split_once("name=\"token\" value=\"").expect("a token");
    let (token, _) = rest.split_once('"').expect("its end");
    for verb in ["release", "requeue"] {
        let one = format!("token={token}&verb={verb}");
        assert_eq!(known.post(&path, &one).await.status, 403, "{verb}");
        let many = format!("{one}&sure=1&id={hold}");
        assert_eq!(known.post("/holds", &many).await.status, 200);
        let all = format!("{one}&query=status:held");
        let nothing = known.post("/jobs", &all).await;
        assert_eq!(nothing.status, 200, "{verb}: no job begins");
    }
    assert!(card(&house, hold).await.end.is_none());
}

#[tokio::test]
async fn looking_changes_nothing_and_the_button_releases() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "Rechnung 2026-1187").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let mut browser = visitor(&house);
    house.started().await;
    let written = house.server.queue().store().written();
    for method in ["GET", "HEAD", "GET"] {
        let answer = browser.send(method, &path, None).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-language"), "de");
        assert_eq!(answer.text.is_empty(), method == "HEAD");
    }
    assert_eq!(house.server.queue().store().written(), written);
    let page = browser.get(&path).await.text;
    for needed in [
        "Rechnung 2026-1187",
        "a[at]sender[.]example",
        "b[at]example[.]org",
        "Freigeben",
        "Löschen",
    ] {
        assert!(page.contains(needed), "{needed} in {page}");
    }
    for banned in ["<script", "<img", "onload", "http://", "<nav"] {
        assert!(!page.contains(banned), "{banned} in {page}");
    }
    let done = press(&mut browser, &path, "release").await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(
        done.text.contains("Wird in 10 Sekunden zugestellt."),
        "{}",
        done.text
    );
    assert!(done.text.contains("Rückgängig"));
    assert_eq!(remote.so_far().len(), 0);
    assert_eq!(delivered(&house, &remote, 1).await, 1);
    let late = browser.get(&path).await;
    assert_eq!(late.status, 409);
    assert!(
        late.text
            .contains("Link der Zusammenfassung an anna[at]example[.]org"),
        "{}",
        late.text
    );
}

#[tokio::test]
async fn a_page_speaks_the_browsers_language_else_the_digests() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |conf| conf.digest.lang = Lang::En).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Delete, hold, 1);
    for (wish, title) in [
        ("en-GB,de;q=0.1", "Delete this message?"),
        ("de", "Nachricht löschen?"),
        ("fr", "Nachricht löschen?"),
    ] {
        let mut browser = Browser::of(&house, false);
        let field = ("accept-language".to_owned(), wish.to_owned());
        browser.fields.push(field);
        let page = browser.get(&path).await;
        assert!(
            page.text.contains(&format!("<h1>{title}</h1>")),
            "case: {wish}"
        );
    }
}

#[tokio::test]
async fn undo_takes_it_back_in_time_and_not_later() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let mut browser = visitor(&house);
    press(&mut browser, &path, "release").await;
    let back = press(&mut browser, &path, "undo").await;
    assert_eq!(back.status, 200, "{}", back.text);
    assert!(back.text.contains("wieder angehalten"), "{}", back.text);
    house.pass(2 * UNDO);
    assert_eq!(open(&house).await.len(), 1);
    let done = press(&mut browser, &path, "release").await;
    assert_eq!(done.status, 200);
    let nonce = done.field("nonce");
    assert_eq!(delivered(&house, &remote, 1).await, 1);
    let late = browser
        .post(&path, &format!("nonce={nonce}&confirm=undo"))
        .await;
    assert_eq!(late.status, 409, "{}", late.text);
    assert_eq!(remote.so_far().len(), 1);
}

#[tokio::test]
async fn without_a_wait_a_release_leaves_at_once() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |conf| conf.hold.undo = Duration::ZERO).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let mut browser = visitor(&house);
    let path = link(&house, Action::Release, hold, 1);
    let done = press(&mut browser, &path, "release").await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(!done.text.contains("Rückgängig"), "{}", done.text);
    assert_eq!(remote.mails(1).await.len(), 1);
}

#[tokio::test]
async fn five_digests_list_one_message_and_the_oldest_link_releases_it() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "x").await;
    let mut paths = Vec::new();
    for number in 1..=5 {
        digest(&house, number, &format!("p{number}@example.org"), &[hold]).await;
        paths.push(link(&house, Action::Release, hold, number));
        house.pass(Duration::from_secs(3_600));
    }
    let mut browser = visitor(&house);
    assert_eq!(press(&mut browser, &paths[0], "release").await.status, 200);
    assert_eq!(delivered(&house, &remote, 1).await, 1);
    for path in &paths {
        let late = browser.get(path).await;
        assert_eq!(late.status, 409);
        // Who else gets digests is nobody's business but their own.
        let own = path == &paths[0];
        assert_eq!(late.text.contains("p1[at]example"), own, "{}", late.text);
        let other = "Link der Zusammenfassung eines anderen Empfängers";
        assert_eq!(late.text.contains(other), !own, "{}", late.text);
        assert!(late.text.contains("22.11.2026 01:00"), "{}", late.text);
    }
}

#[tokio::test]
async fn only_the_newest_link_counts_when_that_is_configured() {
    for newest_only in [false, true] {
        let remote = Remote::friendly().await;
        let house = house(&remote, false, |conf| conf.links.newest_only = newest_only).await;
        let hold = hold(&house, "x").await;
        digest(&house, 1, "anna@example.org", &[hold]).await;
        digest(&house, 2, "bert@example.org", &[hold]).await;
        digest(&house, 3, "anna@example.org", &[hold]).await;
        let mut browser = visitor(&house);
        let old = browser.get(&link(&house, Action::Release, hold, 1)).await;
        assert_eq!(old.status, if newest_only { 410 } else { 200 });
        if newest_only {
            assert!(old.text.contains("neuere Zusammenfassung"), "{}", old.text);
            assert!(old.text.contains("value=\"fresh\""), "{}", old.text);
            let forced = format!("nonce={}&confirm=release", old.field("nonce"));
            let path = link(&house, Action::Release, hold, 1);
            assert_eq!(browser.post(&path, &forced).await.status, 410);
        }
        for number in [2, 3] {
            let path = link(&house, Action::Release, hold, number);
            assert_eq!(browser.get(&path).await.status, 200, "digest {number}");
        }
    }
}

#[tokio::test]
async fn a_hold_that_ends_between_get_and_post_is_told_and_not_acted_on() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "x").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Delete, hold, 1);
    let mut browser = visitor(&house);
    let nonce = browser.get(&path).await.field("nonce");
    let queue = house.server.queue();
    let verb = Verb::Release { undo: false };
    let acted = queue.decide(hold, verb, &Actor::of("cli:root")).await;
    assert!(acted.is_ok());
    let late = browser
        .post(&path, &format!("nonce={nonce}&confirm=delete"))
        .await;
    assert_eq!(late.status, 409);
    assert!(
        late.text.contains("Verwaltung") && !late.text.contains("root"),
        "{}",
        late.text
    );
    assert_eq!(remote.mails(1).await.len(), 1);
}

#[tokio::test]
async fn an_expired_link_shows_no_mail_and_offers_a_fresh_digest() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "Geheimsache").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let mut browser = visitor(&house);
    let nonce = browser.get(&path).await.field("nonce");
    // A clock that jumps across the end, and one that jumps back.
    let now = house.clock.wall();
    house.clock.jump(now + 2 * WEEK);
    let gone = browser.get(&path).await;
    assert_eq!(gone.status, 410);
    assert!(!gone.text.contains("Geheimsache"), "{}", gone.text);
    assert!(
        gone.text.contains("Aktuelle Zusammenfassung senden"),
        "{}",
        gone.text
    );
    let forced = format!("nonce={}&confirm=release", gone.field("nonce"));
    assert_eq!(browser.post(&path, &forced).await.status, 410);
    assert_eq!(open(&house).await.len(), 1);
    house.clock.jump(now);
    let form = format!("nonce={nonce}&confirm=release");
    assert_eq!(browser.post(&path, &form).await.status, 200);
}

#[tokio::test]
async fn an_owner_may_delete_but_asks_an_administrator_about_the_rest() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |conf| {
        conf.digest.to = vec!["chef@example.org".parse().unwrap()];
        conf.domains = vec![DomainConf {
            name: Domain::parse("example.org").unwrap(),
            relay: Vec::new(),
            owner: Some("b@example.org".parse().unwrap()),
            tls: RelayTls::Off,
            ca: None,
        }];
    })
    .await;
    let hold = trouble::hold_for(&house, HoldQueue::Quarantine, HoldReason::Account).await;
    let owner = Digest {
        to: "b@example.org".parse().unwrap(),
        scopes: vec![Scope::Domain("elsewhere.example".to_owned())],
        lang: Lang::De,
        at: house.clock.wall().0,
        end: hour_of(house.clock.wall() + WEEK),
        listed: vec![hold],
        message: MessageId(1),
        canary: None,
        wrong: Vec::new(),
        failed: None,
        fresh: None,
    };
    write(&house, 1, &owner).await;
    let path = link(&house, Action::Release, hold, 1);
    let mut browser = visitor(&house);
    let page = browser.get(&path).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("postmaster[at]"), "{}", page.text);
    assert!(!page.text.contains("chef"), "{}", page.text);
    assert!(!page.text.contains("value=\"release\""), "{}", page.text);
    assert_eq!(open(&house).await[0].hold.queue, HoldQueue::Quarantine);
}

#[tokio::test]
async fn a_fresh_digest_is_mailed_to_the_same_address_once_an_hour() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |conf| {
        conf.digest.to = vec!["anna@example.org".parse().unwrap()];
    })
    .await;
    let hold = hold(&house, "x").await;
    digest(&house, 1_001, "anna@example.org", &[hold]).await;
    digest(&house, 1_002, "nobody@example.org", &[hold]).await;
    appoint(&house, &"nobody@example.org".parse().unwrap(), false);
    let path = link(&house, Action::Release, hold, 1_001);
    let other = link(&house, Action::Release, hold, 1_002);
    house.clock.jump(house.clock.wall() + WEEK);
    let mut browser = visitor(&house);
    let sent = press(&mut browser, &path, "fresh").await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    assert!(
        sent.text.contains("unterwegs an anna[at]example[.]org"),
        "{}",
        sent.text
    );
    let mails = remote.mails(1).await;
    assert!(
        mails[0].to[0].contains("anna@example.org"),
        "{:?}",
        mails[0].to
    );
    let soon = press(&mut browser, &path, "fresh").await;
    assert_eq!(soon.status, 429, "{}", soon.text);
    let nothing = press(&mut browser, &other, "fresh").await;
    assert!(
        nothing.text.contains("nichts zu entscheiden"),
        "{}",
        nothing.text
    );
    assert_eq!(open(&house).await.len(), 1);
}

#[tokio::test]
async fn who_is_removed_gets_the_answer_of_a_link_that_ended_at_every_door() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "Geheim 4711").await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Release, hold, 1);
    let mut browser = visitor(&house);
    let nonce = browser.get(&path).await.field("nonce");
    appoint(&house, &"anna@example.org".parse().unwrap(), false);
    for confirm in ["release", "requeue", "delete", "bounce", "undo"] {
        let form = format!("nonce={nonce}&confirm={confirm}");
        let answer = browser.post(&path, &form).await;
        assert_eq!(answer.status, 410, "{confirm}: {}", answer.text);
        assert!(
            answer.text.contains("Er gilt nicht mehr."),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("Geheim"), "{}", answer.text);
    }
    assert_eq!(browser.get(&path).await.status, 410);
    let fresh = browser
        .post(&path, &format!("nonce={nonce}&confirm=fresh"))
        .await;
    assert!(
        fresh.text.contains("nichts zu entscheiden"),
        "{}",
        fresh.text
    );
    assert!(card(&house, hold).await.end.is_none());
    assert_eq!(remote.so_far().len(), 0);
}

#[tokio::test]
async fn where_nobody_is_told_no_button_says_so_and_an_open_page_is_honest() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |conf| {
        conf.hold.quarantine.at_expiry = postwerk::config::AtExpiry::Bounce;
    })
    .await;
    // Of a stranger, by the record of a store that does not say.
    let hold = trouble::hold_for(&house, HoldQueue::Quarantine, HoldReason::Virus).await;
    digest(&house, 1, "anna@example.org", &[hold]).await;
    let path = link(&house, Action::Delete, hold, 1);
    let mut browser = visitor(&house);
    let page = browser.get(&path).await;
    assert!(!page.text.contains("value=\"bounce\""), "{}", page.text);
    assert!(!page.text.contains("Fehlermeldung"), "{}", page.text);
    let form = format!("nonce={}&confirm=bounce", page.field("nonce"));
    let done = browser.post(&path, &form).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(done.text.contains("erfährt davon nichts"), "{}", done.text);
    let late = browser.get(&path).await;
    assert!(
        late.text.contains("hat davon nichts erfahren"),
        "{}",
        late.text
    );
    for _ in 0..5 {
        house.pass(Duration::from_secs(60));
    }
    assert_eq!(remote.so_far().len(), 0);
}

#[tokio::test]
async fn a_page_promises_no_check_that_nobody_may_ask_for() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |conf| {
        conf.hold.quarantine.at_expiry = postwerk::config::AtExpiry::Requeue;
        conf.hold.release = vec![(HoldReason::Operator, ReleaseRule::Never)];
    })
    .await;
    for (number, reason, checked) in [
        (1, HoldReason::Rule, true),
        (2, HoldReason::Operator, false),
    ] {
        let hold = trouble::hold_for(&house, HoldQueue::Quarantine, reason).await;
        digest(&house, number, "anna@example.org", &[hold]).await;
        let path = link(&house, Action::Delete, hold, number);
        let page = visitor(&house).get(&path).await;
        let nothing = "Sie können auch nichts tun: Dann bleibt die Nachricht angehalten";
        assert!(page.text.contains(nothing), "{}", page.text);
        let told = page.text.contains("erneut geprüft.");
        assert_eq!(told, checked, "case: {reason:?}: {}", page.text);
    }
}
