//! Dates that turn out wrong: a wall that was ahead, and a question for the window that was not answered.
//!
//! Not here: a clock that the directory does not believe (`faults`).

use std::time::Duration;

use postwerk::journal::event::EventKind;

use super::{DAY, Scene, days};
use crate::until;

#[tokio::test]
async fn a_wall_that_was_far_ahead_does_not_put_off_a_renewal() {
    let mut scene = Scene::start("http-01", "", |_| {}).await;
    let first = scene.settled().await;
    let wall = scene.house.clock.wall();
    // Ten years ahead: the certificate has ended, the order fails, and the directory asks to wait.
    scene
        .directory
        .script(|script| script.limited = Some(86_400));
    scene.house.clock.jump(days(wall, 3_650));
    scene.house.pass(DAY);
    until("an order", || async {
        scene.directory.counts().wishes == 2
    })
    .await;
    let failed = scene.settled().await;
    assert_eq!(failed.failures, 1, "{failed:?}");
    scene.directory.script(|script| script.limited = None);
    scene.house.clock.jump(days(wall, 1));
    assert!(scene.stand().next_try.unwrap() > scene.now() + 3_000 * 86_400);
    // Looked at again within a day, and due as late as a directory may have asked for.
    scene.house.pass(DAY);
    until("the daily look", || async {
        scene.stand().next_try.unwrap() < scene.now() + 10 * 86_400
    })
    .await;
    while scene.directory.counts().certificates < 2 {
        scene.next().await;
    }
    scene.house.told_nth(EventKind::CertRenewed, 2).await;
    let second = scene.settled().await;
    assert_ne!(first.serial, second.serial);
    assert!(scene.house.clock.wall() < days(wall, 15));
    assert_eq!(second.failures, 0);
}

#[tokio::test]
async fn one_question_that_is_not_answered_does_not_end_the_asking() {
    let mut scene = Scene::start("http-01", "", |script| {
        script.window = Some((10 * DAY, 11 * DAY));
        script.lost_windows = 3;
    })
    .await;
    let stand = scene.settled().await;
    let begun = scene.now();
    assert_eq!(scene.directory.counts().windows, 1);
    // Without an answer it goes by the lifetime, and is asked again: after one hour, after two, after four.
    let mut asked = Vec::new();
    let mut next = stand.next_try.unwrap();
    for _ in 0..3 {
        asked.push(next - scene.now());
        next = scene.next().await.next_try.unwrap();
    }
    for (got, hours) in asked.iter().zip([1, 2, 4]) {
        assert!(got.abs_diff(hours * 3_600) < 60, "{asked:?}");
    }
    assert_eq!(scene.directory.counts().windows, 4);
    // Then the window decides.
    scene
        .directory
        .script(|script| script.window = Some((Duration::ZERO, Duration::ZERO)));
    scene.next().await;
    scene.house.told_nth(EventKind::CertRenewed, 2).await;
    assert!(scene.now() - begun < 2 * 86_400);
}
