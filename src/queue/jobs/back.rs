//! Taking a bulk job back: what it can still reach, and what somebody decided since.
//!
//! Not here: what a job acts on (`jobs`).

use super::*;

#[tokio::test]
async fn only_what_waits_or_lies_in_the_trash_can_be_taken_back() {
    let stage = Stage::new().await;
    let wait = Duration::from_secs(10);
    for (verb, wanted) in [
        (TRASH, TakeBack::Trash(7 * DAY)),
        (WAITS, TakeBack::Wait(wait)),
        (Verb::Requeue { undo: true }, TakeBack::Wait(wait)),
        (Verb::Release { undo: false }, TakeBack::Never),
        (Verb::Requeue { undo: false }, TakeBack::Never),
        (Verb::Delete { now: true }, TakeBack::Never),
        (Verb::Bounce, TakeBack::Never),
        (Verb::Hold, TakeBack::Never),
        (Verb::Retry, TakeBack::Never),
        (Verb::Undo, TakeBack::Never),
    ] {
        assert_eq!(stage.queue.take_back(verb), wanted, "case: {verb:?}");
    }
    for verb in [
        Verb::Bounce,
        Verb::Delete { now: true },
        Verb::Release { undo: false },
    ] {
        stage
            .accept_held("a@a.example", &["b@b.example"], Some(rule()))
            .await;
        let job = stage.job(verb, "status:held").await;
        let taken = stage.queue.undo_job(job.id, &admin()).await;
        assert!(matches!(taken, Err(NotTakenBack::Never)), "case: {verb:?}");
    }
    let taken = stage.queue.undo_job(JobId(1), &admin()).await;
    assert!(matches!(taken, Err(NotTakenBack::Unknown)), "{taken:?}");
}

#[tokio::test]
async fn a_delete_of_many_is_taken_back_but_for_what_somebody_decided_since() {
    let stage = Stage::new().await;
    let to: Vec<String> = (0..30).map(|n| format!("r{n}@b.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    for _ in 0..20 {
        stage.accept_held("a@a.example", &to, Some(rule())).await;
    }
    let due = stage.accept("a@a.example", &["d@b.example"]).await;
    let mine = stage.open().await.remove(0);
    stage.queue.decide(mine.id, TRASH, &admin()).await.unwrap();
    let job = stage.job(TRASH, "from:@a.example -status:trashed").await;
    assert_eq!((job.done, stage.count().await), (600, 0));
    // One brought back and deleted again, one deleted for good.
    let page = stage
        .queue
        .cards(&super::super::shelf::Shelf::Trash, None, false, 1_000)
        .await;
    let trashed = page.unwrap().cards;
    assert_eq!(trashed.len(), 600);
    let others: Vec<_> = trashed.iter().filter(|card| card.id != mine.id).collect();
    stage
        .queue
        .decide(others[0].id, Verb::Undo, &admin())
        .await
        .unwrap();
    stage
        .queue
        .decide(others[0].id, TRASH, &admin())
        .await
        .unwrap();
    stage
        .queue
        .decide(others[1].id, Verb::Undo, &admin())
        .await
        .unwrap();
    let verb = Verb::Delete { now: true };
    stage
        .queue
        .decide(others[1].id, verb, &admin())
        .await
        .unwrap();
    let undo = stage
        .queue
        .undo_job(job.id, &Actor::of("anna"))
        .await
        .unwrap();
    let again = stage.queue.undo_job(job.id, &admin()).await;
    assert!(matches!(again, Err(NotTakenBack::Already(by)) if by == undo.id));
    let (undo, mut stops) = (undo.id, 0);
    let undo = loop {
        stage.upkeep().await;
        stops += 1;
        let undo = stage.queue.job(undo).await.unwrap().unwrap();
        if undo.ended.is_some() {
            break undo;
        }
        assert_eq!(
            stage.count().await,
            undo.done,
            "the cursor and the acts agree"
        );
    };
    assert!(stops > 1, "it was stopped on its way");
    assert_eq!((undo.total, undo.done, undo.refused), (600, 598, 2));
    assert_eq!((undo.of, undo.by.as_str()), (Some(job.id), "anna"));
    assert_eq!(stage.count().await, 597);
    assert_eq!(stage.states(due).await[0].1, State::Due);
    let taken = stage.queue.undo_job(undo.id, &admin()).await;
    assert!(matches!(taken, Err(NotTakenBack::Never)), "{taken:?}");
}

#[tokio::test]
async fn a_second_job_does_not_own_what_the_first_one_deleted() {
    let stage = Stage::new().await;
    for hold in [rule(), spam()] {
        stage
            .accept_held("a@a.example", &["b@b.example"], Some(hold))
            .await;
    }
    let first = stage.job(TRASH, "reason:rule").await;
    assert_eq!(stage.survey("from:@a.example", TRASH).await.count, 1);
    let second = stage.job(TRASH, "from:@a.example").await;
    assert_eq!((second.total, second.done, second.refused), (1, 1, 0));
    for (job, left) in [(second, 1), (first, 2)] {
        let undo = stage.queue.undo_job(job.id, &admin()).await.unwrap();
        let undo = stage.end_of(undo.id).await;
        assert_eq!((undo.done, undo.refused, stage.count().await), (1, 0, left));
    }
}

#[tokio::test]
async fn a_release_of_many_is_taken_back_while_it_waits_and_not_later() {
    let stage = Stage::new().await;
    for n in 0..5 {
        let to = format!("r@b{n}.example");
        stage.accept_held("a@a.example", &[&to], Some(rule())).await;
    }
    let first = stage.job(WAITS, "to:@b0.example,@b1.example").await;
    let undo = stage.queue.undo_job(first.id, &admin()).await.unwrap();
    let undo = stage.end_of(undo.id).await;
    assert_eq!((undo.done, undo.refused, stage.count().await), (2, 0, 5));
    let second = stage.job(WAITS, "status:held").await;
    stage.clock.advance(Duration::from_secs(11));
    let late = stage.queue.undo_job(second.id, &admin()).await;
    assert!(matches!(late, Err(NotTakenBack::Late)), "{late:?}");
    assert_eq!(stage.due().await.len(), 5);
    let jobs = stage.queue.jobs().await.unwrap();
    let listed: Vec<_> = jobs.iter().map(|job| job.id).collect();
    assert_eq!(listed, [second.id, undo.id, first.id]);
}

#[tokio::test]
async fn a_job_that_is_taken_back_while_it_runs_stops_there() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        let to: Vec<String> = (0..400).map(|n| format!("r{n}@b.example")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        stage.accept_held("a@a.example", &to, Some(rule())).await;
    }
    let begun = stage
        .begin(TRASH, "reason:rule", Some(1_200))
        .await
        .unwrap();
    let store = stage.queue.store();
    let head = store.ready(Work::Bulk, 1).await.unwrap().remove(0);
    let claimed = store.claim(Work::Bulk, head.group, 1).await.unwrap();
    let claimed = claimed.into_iter().next().unwrap();
    let mut course = Course {
        job: begun.clone(),
        version: claimed.record.version,
        claim: claimed.guard.id(),
    };
    let query = Query::parse("reason:rule").unwrap();
    let page = stage.queue.page(&course.job, &query).await.unwrap();
    stage
        .queue
        .act_on_page(&mut course, &query, page)
        .await
        .unwrap();
    assert_eq!(stage.count().await, 700);
    let undo = stage.queue.undo_job(begun.id, &admin()).await.unwrap();
    let page = stage.queue.page(&course.job, &query).await.unwrap();
    let stopped = stage.queue.act_on_page(&mut course, &query, page).await;
    assert!(stopped.is_err(), "the second page is not done");
    drop(claimed);
    let undo = stage.end_of(undo.id).await;
    assert_eq!((undo.done, stage.count().await), (500, 1_200));
    let job = stage.end_of(begun.id).await;
    assert!(job.stopped && job.undone == Some(undo.id), "{job:?}");
    stage.upkeep().await;
    assert_eq!(stage.count().await, 1_200, "it never goes on");
}

#[tokio::test]
async fn what_ended_stands_in_the_trash_or_with_the_rest() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        stage
            .accept_held("a@a.example", &["b@b.example"], Some(rule()))
            .await;
    }
    let cards = stage.open().await;
    let on = async |shelf| {
        stage
            .queue
            .cards(&shelf, None, true, 10)
            .await
            .unwrap()
            .cards
            .len()
    };
    use super::super::shelf::Shelf;
    stage
        .queue
        .decide(cards[0].id, TRASH, &admin())
        .await
        .unwrap();
    stage
        .queue
        .decide(cards[1].id, Verb::Release { undo: false }, &admin())
        .await
        .unwrap();
    assert_eq!(
        (
            on(Shelf::All).await,
            on(Shelf::Trash).await,
            on(Shelf::Done).await
        ),
        (1, 1, 1)
    );
    stage
        .queue
        .decide(cards[0].id, Verb::Undo, &admin())
        .await
        .unwrap();
    assert_eq!((on(Shelf::All).await, on(Shelf::Trash).await), (2, 0));
    stage
        .queue
        .decide(cards[0].id, TRASH, &admin())
        .await
        .unwrap();
    stage.clock.advance(7 * DAY + DAY);
    stage.upkeep().await;
    assert_eq!((on(Shelf::Trash).await, on(Shelf::Done).await), (0, 2));
    let card = stage.queue.card(cards[0].id).await.unwrap().unwrap();
    assert_eq!(card.end.unwrap().by, "admin");
}

#[tokio::test]
async fn what_comes_back_from_the_trash_is_held_for_days_though_its_end_passed_there() {
    let stage = Stage::new().await;
    stage
        .accept_held("a@a.example", &["b@b.example"], Some(rule()))
        .await;
    let card = stage.open().await.remove(0);
    let left = Duration::from_micros(card.until - stage.queue.store().now().0);
    stage.clock.advance(left - DAY);
    stage.queue.decide(card.id, TRASH, &admin()).await.unwrap();
    stage.clock.advance(2 * DAY);
    stage.upkeep().await;
    let back = stage.queue.decide(card.id, Verb::Undo, &admin()).await;
    let (until, now) = (back.unwrap().until, stage.queue.store().now().0);
    assert!(until > card.until && until >= now + 7 * 86_400_000_000);
    stage.clock.advance(6 * DAY);
    stage.upkeep().await;
    assert_eq!(stage.open().await.len(), 1);
}

#[tokio::test]
async fn a_damaged_record_does_not_keep_the_others_from_coming_back() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let id = stage.accept_held("a@a.example", &["b@b.example"], Some(rule()));
        ids.push(id.await);
    }
    let job = stage.job(TRASH, "reason:rule").await;
    assert_eq!(job.done, 3);
    let mut batch = crate::store::Batch::new();
    batch.ops.push(crate::store::Op::Put {
        key: super::super::record::message_key(ids[1]),
        value: vec![0xff, 0xff].into(),
        due: None,
        terms: Vec::new(),
    });
    stage.queue.store().commit(batch).await.unwrap();
    let undo = stage.queue.undo_job(job.id, &admin()).await.unwrap();
    assert_eq!(stage.end_of(undo.id).await.done, 2);
}

#[tokio::test]
async fn a_job_that_ended_before_its_time_was_noted_is_not_taken_back() {
    let stage = Stage::new().await;
    stage
        .accept_held("a@a.example", &["b@b.example"], Some(rule()))
        .await;
    let mut job = stage.job(TRASH, "reason:rule").await;
    assert!(stage.queue.can_take_back(&job).is_ok());
    job.back = None;
    let late = stage.queue.can_take_back(&job);
    assert!(matches!(late, Err(NotTakenBack::Late)), "{late:?}");
}
