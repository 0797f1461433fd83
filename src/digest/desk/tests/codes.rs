//! The hidden link of a digest and the codes that it makes each button ask for.
//!
//! A code belongs to one row of one digest, outlives rotations, and can be guessed five times.

use super::*;

#[tokio::test]
async fn a_canary_makes_each_row_of_its_digest_ask_for_its_code() {
    let stage = Stage::new().await;
    let (one, two) = (
        stage.hold(HoldReason::Rule).await,
        stage.hold(HoldReason::Rule).await,
    );
    let scopes = vec![Scope::Queue(HoldQueue::Quarantine)];
    stage
        .digest_of(1, "boss@example.org", vec![one, two], scopes)
        .await;
    let other = stage.digest(2, "boss@example.org", two).await;
    let due = stage.stored(1).await.1;
    let canary = stage.token(Action::Canary, 1, HoldId(0));
    stage.desk.canary(&canary).await.unwrap();
    let (digest, after) = stage.stored(1).await;
    assert_eq!((digest.canary, after), (Some(stage.clock.wall().0), due));
    let before = stage.written().await;
    stage.clock.advance(HOUR);
    stage.desk.canary(&canary).await.unwrap();
    assert_eq!(stage.written().await, before);
    let token = stage.link(1, one);
    assert!(stage.desk.look(&token).await.unwrap().needs_code);
    for code in [None, Some(""), Some(" \t")] {
        let told = stage
            .desk
            .act(&token, LinkVerb::Release, code, &visitor())
            .await;
        assert!(matches!(told, Err(DeskError::NeedsCode)), "{code:?}");
    }
    // The code of another row is a wrong one.
    let told = stage
        .act_by_code(&token, &stage.keys.code(&stage.link(1, two)))
        .await;
    assert!(matches!(told, Err(DeskError::WrongCode { left: 4 })));
    let code = stage.keys.code(&token);
    let done = stage
        .act_by_code(&token, &format!(" {code}\r\n"))
        .await
        .unwrap();
    assert_eq!(done.stand, Stand::Done);
    // Taking it back is a POST of this digest too.
    assert!(matches!(
        stage.act(&token, LinkVerb::Undo).await,
        Err(DeskError::NeedsCode)
    ));
    let undone = stage
        .desk
        .act(&token, LinkVerb::Undo, Some(&code), &visitor())
        .await;
    assert_eq!(undone.unwrap().stand, Stand::Open);
    // Another digest was not opened by a robot.
    assert_eq!(
        stage.act(&other, LinkVerb::Release).await.unwrap().stand,
        Stand::Done
    );
}

#[tokio::test]
async fn five_wrong_codes_close_one_link_of_one_digest() {
    let stage = Stage::new().await;
    let (one, two) = (
        stage.hold(HoldReason::Rule).await,
        stage.hold(HoldReason::Rule).await,
    );
    let scopes = vec![Scope::Queue(HoldQueue::Quarantine)];
    for number in [1, 2] {
        stage
            .digest_of(number, "boss@example.org", vec![one, two], scopes.clone())
            .await;
        stage
            .desk
            .canary(&stage.token(Action::Canary, number, HoldId(0)))
            .await
            .unwrap();
    }
    let token = stage.link(1, one);
    let code = stage.keys.code(&token);
    let due = stage.stored(1).await.1;
    for left in [4, 3, 2, 1] {
        let told = stage.act_by_code(&token, &wrong(&code)).await;
        assert!(matches!(told, Err(DeskError::WrongCode { left: l }) if l == left));
    }
    assert_eq!(
        stage.act_by_code(&token, "x").await.unwrap().stand,
        Stand::Closed
    );
    assert_eq!(stage.stored(1).await.1, due);
    // Neither the right code, nor another button, nor a restart of the desk opens it.
    let desk = Desk::new(stage.queue.clone(), stage.keys.clone());
    for verb in LinkVerb::ALL {
        let told = desk
            .act(&token, verb, Some(&code), &visitor())
            .await
            .unwrap();
        assert_eq!(told.stand, Stand::Closed);
    }
    assert_eq!(
        stage.stand(&stage.token(Action::Delete, 1, one)).await,
        Stand::Closed
    );
    let before = stage.written().await;
    stage.act_by_code(&token, "0000").await.unwrap();
    assert_eq!(stage.written().await, before);
    // The other row, and the other digest, still work.
    let row = stage.link(1, two);
    assert_eq!(
        stage
            .act_by_code(&row, &stage.keys.code(&row))
            .await
            .unwrap()
            .stand,
        Stand::Done
    );
    let again = stage.link(2, one);
    let done = stage
        .act_by_code(&again, &stage.keys.code(&again))
        .await
        .unwrap();
    assert_eq!(done.stand, Stand::Done);
}

#[tokio::test]
async fn codes_and_counts_outlive_a_rotation() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "boss@example.org", hold).await;
    stage
        .desk
        .canary(&stage.token(Action::Canary, 1, HoldId(0)))
        .await
        .unwrap();
    let code = stage.keys.signer().code(1, hold);
    for _ in 0..4 {
        drop(stage.act_by_code(&token, &wrong(&code)).await);
        stage.keys.rotate(false).await.unwrap();
    }
    assert_eq!(
        stage.act_by_code(&token, &code).await.unwrap().stand,
        Stand::Done
    );
}

#[tokio::test]
async fn a_canary_that_has_ended_writes_nothing() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    stage.digest(1, "boss@example.org", hold).await;
    let canary = stage.token(Action::Canary, 1, HoldId(0));
    stage.clock.advance(HOUR * 168);
    stage.desk.canary(&canary).await.unwrap();
    assert_eq!(stage.stored(1).await.0.canary, None);
}
