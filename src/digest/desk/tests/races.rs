//! Many at once: one acts, all others learn who, and a hundred guesses are five guesses.
//!
//! Real threads, so that the store's preconditions are what decides.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_presses_at_once_are_one_act() {
    use LinkVerb::{Bounce, Delete, Release, Requeue};
    let all = [Release, Requeue, Delete, Bounce];
    for verbs in [&all[..], &[Delete], &[Release, Delete], &[Bounce, Requeue]] {
        for undo in [Duration::ZERO, Duration::from_secs(10)] {
            one_of_a_hundred_acts(verbs, undo).await;
        }
    }
}

async fn one_of_a_hundred_acts(verbs: &[LinkVerb], undo: Duration) {
    let stage = Stage::of(|conf| conf.hold.undo = undo).await;
    let hold = stage.hold(HoldReason::Rule).await;
    let mut links = Vec::new();
    for number in 1..=5 {
        let to = format!("boss{number}@example.org");
        links.push(stage.digest(number, &to, hold).await);
    }
    let mut presses = tokio::task::JoinSet::new();
    for n in 0..100 {
        let (desk, token, verb) = (stage.desk.clone(), links[n % 5], verbs[n % verbs.len()]);
        presses.spawn(async move { desk.act(&token, verb, None, &visitor()).await });
    }
    let mut told = Vec::new();
    while let Some(one) = presses.join_next().await {
        told.push(one.unwrap().unwrap());
    }
    let end = stage.end(hold).await.unwrap();
    let count = |stand| told.iter().filter(|one| one.stand == stand).count();
    let counts = (count(Stand::Done), count(Stand::Handled));
    assert_eq!(counts, (1, 99), "{verbs:?} {undo:?}");
    for one in told {
        assert_eq!(one.card.end.as_ref(), Some(&end));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn undo_pressed_by_many_happens_once() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "boss@example.org", hold).await;
    stage.act(&token, LinkVerb::Release).await.unwrap();
    let mut presses = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let desk = stage.desk.clone();
        presses.spawn(async move { desk.act(&token, LinkVerb::Undo, None, &visitor()).await });
    }
    while let Some(one) = presses.join_next().await {
        assert_eq!(one.unwrap().unwrap().stand, Stand::Open);
    }
    assert!(stage.end(hold).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_guesses_at_once_are_five_guesses() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "boss@example.org", hold).await;
    let canary = stage.token(Action::Canary, 1, HoldId(0));
    stage.desk.canary(&canary).await.unwrap();
    let right: u32 = stage.keys.code(&token).parse().unwrap();
    let mut guesses = tokio::task::JoinSet::new();
    for n in 1..=100 {
        let desk = stage.desk.clone();
        let code = format!("{:04}", (right + n) % 10_000);
        guesses.spawn(async move {
            let code = Some(code.as_str());
            desk.act(&token, LinkVerb::Release, code, &visitor()).await
        });
    }
    let (mut wrong, mut closed) = (Vec::new(), 0);
    while let Some(one) = guesses.join_next().await {
        match one.unwrap() {
            Err(DeskError::WrongCode { left }) => wrong.push(left),
            Ok(opened) if opened.stand == Stand::Closed => closed += 1,
            other => panic!("{other:?}"),
        }
    }
    wrong.sort_unstable();
    assert_eq!((wrong, closed), (vec![1, 2, 3, 4], 96));
    let (digest, _) = stage.stored(1).await;
    assert_eq!(digest.wrong.len(), 1);
    assert_eq!(digest.wrong[0].count, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_people_with_the_right_code_close_nothing() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "boss@example.org", hold).await;
    let canary = stage.token(Action::Canary, 1, HoldId(0));
    let mut opened = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let desk = stage.desk.clone();
        opened.spawn(async move { desk.canary(&canary).await });
    }
    while let Some(one) = opened.join_next().await {
        one.unwrap().unwrap();
    }
    let code = stage.keys.code(&token);
    let mut presses = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (desk, code) = (stage.desk.clone(), code.clone());
        presses.spawn(async move {
            let code = Some(code.as_str());
            desk.act(&token, LinkVerb::Release, code, &visitor()).await
        });
    }
    let mut done = 0;
    while let Some(one) = presses.join_next().await {
        let stand = one.unwrap().unwrap().stand;
        assert!(matches!(stand, Stand::Done | Stand::Handled), "{stand:?}");
        done += usize::from(stand == Stand::Done);
    }
    assert_eq!(done, 1);
    assert!(stage.stored(1).await.0.wrong.is_empty());
}
