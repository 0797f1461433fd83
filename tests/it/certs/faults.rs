//! Everything that can go wrong with an order: the old certificate stays, one event tells it, and no storm follows.
//!
//! Time is let pass up to the next due record, never watched.
//! Not here: orders that succeed (`orders`).

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use postwerk::journal::event::{Event, EventKind};

use super::directory::{Issue, Validation};
use super::{DAY, Scene, days};
use crate::until;

/// A server with a first certificate, and the trouble of the next order.
async fn trouble(change: impl FnOnce(&mut super::directory::Script)) -> (Scene, Event) {
    let mut scene = Scene::start("http-01", "", |_| {}).await;
    let first = scene.settled().await;
    let shown = scene.shown().await;
    scene.directory.script(change);
    let stand = scene.next().await;
    assert_eq!(stand.serial, first.serial);
    assert_eq!(scene.shown().await, shown, "the old one stays");
    let event = scene.house.told(EventKind::CertFailed).await;
    assert!(
        event.text.contains("the old one stays, valid until"),
        "{event:?}"
    );
    assert_eq!(stand.failures, 1);
    (scene, event)
}

/// The next try succeeds, and nothing was told twice.
async fn recovers(mut scene: Scene, change: impl FnOnce(&mut super::directory::Script)) {
    scene.directory.script(change);
    let stand = scene.next().await;
    assert_eq!((stand.failures, &stand.last_error), (0, &None));
    scene.house.told(EventKind::CertRenewed).await;
}

#[tokio::test]
async fn rejected_nonces_are_asked_for_again() {
    let scene = Scene::start("http-01", "", |script| script.bad_nonces = 7).await;
    let stand = scene.settled().await;
    assert!(!stand.stand_in && stand.failures == 0, "{stand:?}");
    assert_eq!(scene.directory.counts().orders, 1);
}

#[tokio::test]
async fn a_directory_that_rejects_every_nonce_is_a_failure_and_no_loop() {
    let (scene, event) = trouble(|script| script.bad_nonces = 1_000).await;
    assert!(event.text.contains("badNonce"), "{event:?}");
    recovers(scene, |script| script.bad_nonces = 0).await;
}

#[tokio::test]
async fn a_slow_validation_is_waited_for() {
    let scene = Scene::start("http-01", "", |script| {
        script.validation = Validation::Slow(5);
    })
    .await;
    until("the validation", || async {
        scene.house.pass(Duration::from_secs(2));
        !scene.stand().stand_in
    })
    .await;
    assert_eq!(scene.directory.counts().orders, 1);
}

#[tokio::test]
async fn a_validation_that_never_ends_ends() {
    let scene = Scene::start("http-01", "", |script| {
        script.validation = Validation::Slow(1_000_000);
    })
    .await;
    until("the end of patience", || async {
        scene.house.pass(Duration::from_secs(20));
        let why = scene.stand().last_error.unwrap_or_default();
        why.contains("was not done within 15 minutes")
    })
    .await;
    assert!(scene.stand().stand_in);
}

#[tokio::test]
async fn a_name_that_stopped_resolving_is_told_in_the_directorys_words() {
    let (scene, event) = trouble(|script| {
        script.validation =
            Validation::Failing("NXDOMAIN looking up A for mail.postwerk.example".to_owned());
    })
    .await;
    assert!(
        event
            .text
            .contains("http-01 failed: mail.postwerk.example: NXDOMAIN"),
        "{event:?}"
    );
    recovers(scene, |script| script.validation = Validation::Trusting).await;
}

#[tokio::test]
async fn a_revoked_account_is_replaced_in_the_same_try() {
    let mut scene = Scene::start("http-01", "", |_| {}).await;
    scene.settled().await;
    scene.directory.script(|script| script.revoked = true);
    let stand = scene.next().await;
    assert_eq!(stand.failures, 0, "{stand:?}");
    let event = scene.house.told_nth(EventKind::CertRenewed, 2).await;
    assert!(event.text.contains("a new one was made"), "{event:?}");
    assert_eq!(scene.directory.counts().accounts, 2);
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_as_long_as_it_says() {
    let (scene, event) = trouble(|script| script.limited = Some(3 * 86_400)).await;
    assert!(event.text.contains("too many certificates"), "{event:?}");
    let stand = scene.stand();
    assert!(
        stand.next_try.unwrap() >= scene.now() + 3 * 86_400 - 5,
        "{stand:?}"
    );
    let certs = scene.house.server.certs().clone();
    let told = certs.renew(None).await.unwrap();
    assert!(told[0].contains("the directory asked to wait"), "{told:?}");
    assert_eq!(scene.stand().next_try, stand.next_try);
    recovers(scene, |script| script.limited = None).await;
}

#[tokio::test]
async fn a_wrong_clock_orders_nothing_and_says_so() {
    let (scene, event) = trouble(|script| script.behind = 3 * 86_400).await;
    assert!(
        event.text.contains("the clock of this machine says"),
        "{event:?}"
    );
    assert_eq!(scene.directory.counts().orders, 1);
    recovers(scene, |script| script.behind = 0).await;
}

#[tokio::test]
async fn a_directory_that_is_down_for_a_week_is_one_event_and_few_tries() {
    let (scene, event) = trouble(|script| script.down = true).await;
    assert!(
        event.text.contains("the directory cannot be asked"),
        "{event:?}"
    );
    let (mut tries, end) = (1, scene.now() + 7 * 86_400);
    let mut events = scene.house.server.events();
    while scene.now() < end {
        let stand = scene.next().await;
        assert!(stand.last_error.is_some());
        tries += 1;
    }
    assert!(tries <= 25, "{tries}");
    assert_eq!(scene.directory.counts().orders, 1);
    scene.directory.script(|script| script.down = false);
    scene.next().await;
    scene.house.server.shutdown().await;
    while let Some(event) = events.next().await {
        assert!(event.kind != EventKind::CertFailed, "told twice: {event:?}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_never_shown() {
    for (name, issue, wanted) in [
        (
            "of another key",
            Issue::ForAnotherKey,
            "belongs to another key",
        ),
        (
            "for another name",
            Issue::ForAnotherName,
            "is not for mail.postwerk.example",
        ),
        ("ended already", Issue::Expired, "ended on"),
        ("no certificate", Issue::Garbage, "can be read"),
    ] {
        let (scene, event) = trouble(|script| script.issue = issue).await;
        assert!(event.text.contains(wanted), "case: {name}: {event:?}");
        recovers(scene, |script| script.issue = Issue::Right).await;
    }
}

#[tokio::test]
async fn a_disk_that_takes_nothing_leaves_the_old_files_whole_and_costs_no_order_more() {
    let mut scene = Scene::start("http-01", "", |_| {}).await;
    let first = scene.settled().await;
    let (file, folder) = (scene.path("mail.postwerk.example.pem"), scene.path(""));
    let before = std::fs::read(&file).unwrap();
    // A folder in the way of the new file: as good as a full disk, for root too.
    let blocked = scene.path("mail.postwerk.example.pem.new");
    std::fs::create_dir(&blocked).unwrap();
    let stand = scene.next().await;
    let event = scene.house.told(EventKind::CertFailed).await;
    assert!(event.text.contains("cannot be written"), "{event:?}");
    assert_eq!(
        (stand.serial, std::fs::read(&file).unwrap()),
        (first.serial, before)
    );
    let mode = std::fs::metadata(folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(scene.directory.counts().orders, 2);
    std::fs::remove_dir(&blocked).unwrap();
    let stand = scene.next().await;
    assert_eq!(stand.failures, 0, "{stand:?}");
    // The order that was paid for is fetched, not placed again.
    assert_eq!(scene.directory.counts().orders, 2);
}

#[tokio::test]
async fn a_month_of_failures_is_no_storm_and_warns_before_the_end() {
    let (scene, _) = trouble(|script| {
        script.validation = Validation::Failing("no".to_owned());
    })
    .await;
    let mut events = scene.house.server.events();
    let end = scene.now() + 29 * 86_400;
    while scene.now() < end {
        scene.next().await;
    }
    assert!(
        scene.directory.counts().orders <= 75,
        "{:?}",
        scene.directory.counts()
    );
    scene.house.server.shutdown().await;
    let mut warned = 0;
    while let Some(event) = events.next().await {
        assert!(event.kind != EventKind::CertFailed, "told twice: {event:?}");
        warned += u32::from(event.kind == EventKind::CertExpiring);
    }
    // Once a day in the last 14 days; a try comes every 12 hours or so, and each look is one.
    assert!((10..=15).contains(&warned), "{warned}");
}

#[tokio::test]
async fn a_stop_in_the_middle_of_an_order_goes_on_with_it() {
    let scene = Scene::start("http-01", "", |script| {
        script.validation = Validation::Slow(1_000_000);
    })
    .await;
    until("the validation", || async { scene.directory.validates() }).await;
    let Scene { house, directory } = scene;
    let sections = directory.sections(house.dir.path(), "http-01", "");
    let house = house.restart(crate::house::nobody().await, &sections).await;
    let scene = Scene { house, directory };
    until("the record", || async { scene.stand().next_try.is_some() }).await;
    let stand = scene.stand();
    assert!(
        stand.next_try.unwrap() > scene.now() + 60,
        "not at once: {stand:?}"
    );
    scene
        .directory
        .script(|script| script.validation = Validation::Slow(0));
    scene.next().await;
    assert!(!scene.stand().stand_in);
    assert_eq!(scene.directory.counts().orders, 1);
}

#[tokio::test]
async fn a_wall_that_jumps_ahead_orders_once() {
    let scene = Scene::start("http-01", "", |_| {}).await;
    scene.settled().await;
    let wall = scene.house.clock.wall();
    scene.house.clock.jump(days(wall, 70));
    scene.house.pass(DAY);
    until("the renewal", || async {
        scene.directory.counts().orders == 2
    })
    .await;
    scene.settled().await;
    assert_eq!(scene.directory.counts().orders, 2);
}
