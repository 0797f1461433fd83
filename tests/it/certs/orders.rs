//! Orders that succeed: each challenge is answered really, and what comes is shown on mail and HTTPS at once.
//!
//! And how often: a month costs as many orders as it needs.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use postwerk::certs::CertSource;
use postwerk::journal::event::EventKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::directory::Validation;
use super::{DAY, NAME, Scene, hello};
use crate::client::letter;
use crate::house::Door;
use crate::until;

#[tokio::test]
async fn a_first_order_is_validated_over_the_network_and_shown_everywhere() {
    for challenge in ["http-01", "tls-alpn-01"] {
        let mut scene = Scene::start(challenge, "", |script| {
            script.validation = Validation::Real;
        })
        .await;
        let event = scene.house.told(EventKind::CertRenewed).await;
        assert_eq!(
            (event.recipient.as_str(), event.queue_id.as_str()),
            (NAME, "")
        );
        let stand = scene.settled().await;
        assert!(
            !stand.stand_in && stand.source == CertSource::Acme,
            "{challenge}: {stand:?}"
        );
        assert_eq!(stand.issuer, "CN=Scripted Root");
        assert_eq!((stand.failures, &stand.last_error), (0, &None));
        // A third of 90 days is left, and a little more.
        let left = stand.until.unwrap() - stand.next_try.unwrap();
        assert!((30 * 86_400..=32 * 86_400).contains(&left), "{left}");
        assert_eq!(stand.next_spki_sha256.as_ref(), Some(&stand.spki_sha256));
        let mail = scene.shown().await;
        let web = hello(scene.house.server.admin_address().unwrap(), NAME).await;
        assert_eq!(
            web.get_ref().1.peer_certificates().unwrap()[0].as_ref(),
            mail
        );
        for (file, mode) in [("", 0o700), ("mail.postwerk.example.pem", 0o600)] {
            let facts = std::fs::metadata(scene.path(file)).unwrap();
            assert_eq!(facts.permissions().mode() & 0o777, mode, "{file}");
        }
        let accounts = std::fs::read_dir(scene.path("")).unwrap();
        let account = accounts.map(|entry| entry.unwrap());
        let account =
            account.filter(|one| one.file_name().to_string_lossy().starts_with("account-"));
        for one in account {
            assert_eq!(one.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(scene.directory.counts().orders, 1, "{challenge}");
    }
}

#[tokio::test]
async fn a_token_that_nobody_placed_is_redirected_like_any_path() {
    let scene = Scene::start("http-01", "", |_| {}).await;
    scene.settled().await;
    let mut stream = tokio::net::TcpStream::connect(scene.house.server.redirect_address().unwrap())
        .await
        .unwrap();
    let ask = "GET /.well-known/acme-challenge/token-1-0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).await.unwrap();
    assert!(got.starts_with("HTTP/1.1 308"), "{got}");
}

#[tokio::test]
async fn a_hook_writes_and_removes_the_record_of_a_wildcard() {
    let dir = tempfile::tempdir().unwrap();
    let (hook, log) = (dir.path().join("hook"), dir.path().join("log"));
    let text = format!(
        "#!/bin/sh\nprintf '%s|' \"$@\" >>{0}\necho >>{0}\n",
        log.display()
    );
    std::fs::write(&hook, text).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let more = format!(
        "hook = \"{}\"\n[[certificate]]\nnames = [\"*.example.org\", \"example.org\"]\n",
        hook.display()
    );
    let scene = Scene::start("dns-01", &more, |_| {}).await;
    let stand = scene.settled().await;
    assert!(!stand.stand_in, "{stand:?}");
    until("the removal", || async {
        std::fs::read_to_string(&log).is_ok_and(|text| text.lines().count() == 4)
    })
    .await;
    let text = std::fs::read_to_string(&log).unwrap();
    let verbs: Vec<&str> = text
        .lines()
        .map(|line| line.split('|').next().unwrap())
        .collect();
    assert_eq!(verbs, ["add", "add", "remove", "remove"]);
    for line in text.lines() {
        let parts: Vec<&str> = line.trim_end_matches('|').split('|').collect();
        assert_eq!(parts.len(), 3, "{line}");
        assert!(
            parts[1].starts_with("_acme-challenge.") && parts[2].len() == 43,
            "{line}"
        );
    }
    assert!(scene.path("_.example.org.pem").exists());
}

#[tokio::test]
async fn a_hook_finds_what_is_written_for_it_and_nothing_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let (hook, log, token) = (
        dir.path().join("hook"),
        dir.path().join("log"),
        dir.path().join("token"),
    );
    std::fs::write(&token, "geheim-4711\n").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "#!/bin/sh\nenv >{}\necho \"refused $ZONE_TOKEN\" >&2\nexit 1\n",
        log.display()
    );
    std::fs::write(&hook, text).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let more = format!(
        "hook = \"{}\"\nhook_env = {{ ZONE = \"example.org\", ZONE_TOKEN = \"file:{}\" }}\n",
        hook.display(),
        token.display()
    );
    let scene = Scene::start("dns-01", &more, |_| {}).await;
    let stand = scene.settled().await;
    let found = std::fs::read_to_string(&log).unwrap();
    for line in ["ZONE=example.org", "ZONE_TOKEN=geheim-4711"] {
        assert!(found.lines().any(|one| one == line), "{line} in {found}");
    }
    // What a shell adds by itself is all that may stand beside it.
    let shell = ["PWD", "OLDPWD", "SHLVL", "_"];
    let passed = [
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "ZONE",
        "ZONE_TOKEN",
    ];
    for line in found.lines() {
        let (name, _) = line.split_once('=').unwrap();
        assert!(shell.contains(&name) || passed.contains(&name), "{line}");
    }
    let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let more = ours.filter(|name| !passed.contains(&name.as_str()));
    assert!(more.count() > 0, "there was more");
    let why = stand.last_error.unwrap();
    assert!(why.contains("refused ***"), "{why}");
}

#[tokio::test]
async fn a_hook_that_fails_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let hook = dir.path().join("hook");
    std::fs::write(&hook, "#!/bin/sh\necho \"zone is read-only\" >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let more = format!("hook = \"{}\"\n", hook.display());
    let scene = Scene::start("dns-01", &more, |_| {}).await;
    let stand = scene.settled().await;
    let why = stand.last_error.unwrap();
    assert!(why.contains("returned 3: zone is read-only"), "{why}");
}

#[tokio::test]
async fn a_renewal_keeps_the_key_and_drops_nothing() {
    let mut scene = Scene::start("http-01", "", |_| {}).await;
    let first = scene.settled().await;
    let mut mail = scene.house.client(Door::Open).await.starttls().await;
    assert_eq!(mail.cmd("MAIL FROM:<a@sender.example>").await.code, 250);
    assert_eq!(mail.cmd("RCPT TO:<b@example.org>").await.code, 250);
    let old = scene.shown().await;
    let second = scene.next().await;
    scene.house.told_nth(EventKind::CertRenewed, 2).await;
    assert_ne!(first.serial, second.serial);
    assert_eq!(first.spki_sha256, second.spki_sha256);
    assert_ne!(old, scene.shown().await);
    // The session with the old certificate goes on, if the time that passed did not end it.
    let reply = mail.cmd("RSET").await;
    assert!(matches!(reply.code, 250 | 421), "{reply:?}");
    assert_eq!(scene.directory.counts().orders, 2);
    let sent = scene.house.client(Door::Open).await;
    let mut sent = sent.starttls().await;
    let reply = sent
        .mail("a@sender.example", &["b@example.org"], &letter("after"))
        .await;
    assert_eq!(reply.code, 250, "{reply:?}");
}

#[tokio::test]
async fn a_person_renews_at_once_and_a_hundred_presses_are_two_orders() {
    let mut scene = Scene::start("http-01", "", |_| {}).await;
    let first = scene.settled().await;
    let open = scene.house.client(Door::Open).await.starttls().await;
    scene.house.pass(Duration::from_secs(3_600));
    let certs = scene.house.server.certs().clone();
    for _ in 0..100 {
        certs.renew(None).await.unwrap();
    }
    scene.house.told_nth(EventKind::CertRenewed, 2).await;
    let second = scene.settled().await;
    assert_ne!(first.serial, second.serial);
    let told = certs.renew(Some(NAME)).await.unwrap();
    assert!(told[0].contains("not earlier"), "{told:?}");
    assert!(certs.renew(Some("nobody.example")).await.is_err());
    assert!(scene.directory.counts().orders <= 3);
    drop(open);
    // A day of pressing: no more orders than a day allows.
    for _ in 0..200 {
        certs.renew(None).await.unwrap();
        scene.house.pass(Duration::from_secs(300));
        scene.settled().await;
    }
    assert!(
        scene.directory.counts().orders <= 9,
        "{:?}",
        scene.directory.counts()
    );
}

#[tokio::test]
async fn a_new_key_is_made_ahead_when_keys_change() {
    let scene = Scene::start("http-01", "new_key = true\n", |_| {}).await;
    let first = scene.settled().await;
    assert_ne!(first.next_spki_sha256.as_ref(), Some(&first.spki_sha256));
    let second = scene.next().await;
    assert_eq!(first.next_spki_sha256, Some(second.spki_sha256));
}

#[tokio::test]
async fn the_window_of_the_directory_decides_and_may_move() {
    let mut scene = Scene::start("http-01", "", |script| {
        script.window = Some((10 * DAY, 11 * DAY));
    })
    .await;
    scene.settled().await;
    let start = scene.now();
    // Asked again after six hours: nothing moved, nothing is ordered.
    scene.next().await;
    assert_eq!(scene.directory.counts().orders, 1);
    // Then it is about to be revoked: the order follows the look at once.
    scene
        .directory
        .script(|script| script.window = Some((Duration::ZERO, Duration::ZERO)));
    scene.next().await;
    scene.house.told_nth(EventKind::CertRenewed, 2).await;
    assert_eq!(scene.directory.counts().orders, 2);
    assert!(scene.now() - start < 2 * 86_400);
}

#[tokio::test]
async fn a_month_of_short_lives_costs_eight_orders_and_warns_of_nothing() {
    let scene = Scene::start("http-01", "", |script| script.life = 6 * DAY).await;
    let mut events = scene.house.server.events();
    let mut stand = scene.settled().await;
    let end = scene.now() + 31 * 86_400;
    while stand.next_try.unwrap() < end {
        stand = scene.next().await;
        assert!(stand.until.unwrap() > scene.now(), "{stand:?}");
    }
    let orders = scene.directory.counts().orders;
    assert!((8..=9).contains(&orders), "{orders}");
    scene.house.server.shutdown().await;
    while let Some(event) = events.next().await {
        assert!(
            !matches!(event.kind, EventKind::CertExpiring | EventKind::CertFailed),
            "{event:?}"
        );
    }
}

#[tokio::test]
async fn restarts_and_reloads_order_nothing_anew() {
    let scene = Scene::start("http-01", "", |_| {}).await;
    let first = scene.settled().await;
    let Scene {
        mut house,
        directory,
    } = scene;
    let sections = directory.sections(house.dir.path(), "http-01", "");
    for _ in 0..5 {
        let nobody = crate::house::nobody().await;
        house = house.restart(nobody, &sections).await;
        let conf = crate::house::config(house.dir.path(), nobody, &sections);
        house.server.reload(conf).await.unwrap();
        until("the record", || async {
            house.server.certs().stands()[0].next_try.is_some()
        })
        .await;
    }
    let stand = house.server.certs().stands().remove(0);
    assert_eq!(stand.serial, first.serial);
    assert_eq!(stand.next_try, first.next_try);
    assert_eq!(directory.counts().orders, 1);
    // Another name is another order.
    let more = format!("[[certificate]]\nnames = [\"{NAME}\", \"smtp.example.org\"]\n");
    let sections = directory.sections(house.dir.path(), "http-01", &more);
    let conf = crate::house::config(house.dir.path(), crate::house::nobody().await, &sections);
    house.server.reload(conf).await.unwrap();
    assert!(
        !house.server.certs().stands()[0].stand_in,
        "the old one stays meanwhile"
    );
    house
        .pass_until(EventKind::CertRenewed, Duration::from_secs(61), 5)
        .await;
    assert_eq!(directory.counts().orders, 2);
}
