//! Bulk jobs as a specification: what is meant, who must say how many, what a job leaves alone, and taking it back.
//!
//! What is asserted is what the store says afterwards; a stop of the server is an upkeep that ends early.
//! Not here: single holds (`holding`), the query language (`query`).

mod back;

use std::time::Duration;

use super::bulk::{BulkError, Job, JobId, Order};
use super::holding::{admin, rule, spam};
use super::query::Query;
use super::record::message_of;
use super::stride::Course;
use super::survey::{Sampled, Survey, TakeBack};
use super::tests::Stage;
use super::undoing::NotTakenBack;
use super::verbs::{Actor, Verb};
use crate::base::limit::SCAN_MAX;
use crate::config::{Config, ReleaseRule};
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::state::State;
use crate::store::Work;

const DAY: Duration = Duration::from_secs(86_400);
const WAITS: Verb = Verb::Release { undo: true };
const TRASH: Verb = Verb::Delete { now: false };

#[tokio::test]
async fn a_job_acts_on_all_that_is_meant_and_on_nothing_else() {
    let stage = Stage::new().await;
    for n in 0..1_350 {
        let to = format!("r{n}@b.example");
        let hold = if n % 3 == 0 { spam() } else { rule() };
        stage.accept_held("a@a.example", &[&to], Some(hold)).await;
    }
    let query = "reason:rule";
    let survey = stage
        .queue
        .survey(&Query::parse(query).unwrap(), None)
        .await;
    let survey = survey.unwrap();
    assert_eq!((survey.count, survey.sample.len()), (900, 5));
    let verb = Verb::Release { undo: false };
    let job = stage.begin(verb, query, Some(900)).await.unwrap();
    assert_eq!(job.total, 900);
    let (id, mut stops) = (job.id, 0);
    let job = loop {
        // Each upkeep ends when the claim hides the job: as a stop of the server would end it between two pages.
        stage.upkeep().await;
        stops += 1;
        let job = stage.queue.job(id).await.unwrap().unwrap();
        if job.ended.is_some() {
            break job;
        }
        assert_eq!(
            stage.count().await + job.done,
            1_350,
            "the cursor and the acts agree"
        );
    };
    assert!(stops > 1, "it was stopped on its way");
    assert_eq!((job.done, job.refused), (900, 0));
    assert_eq!(stage.count().await, 450);
    assert!(matches!(
        stage.begin(verb, query, None).await,
        Err(BulkError::Nothing)
    ));
    let due = stage.due().await;
    assert!(!due.is_empty());
}

#[tokio::test]
async fn a_job_over_messages_leaves_alone_what_is_in_delivery() {
    let stage = Stage::new().await;
    for n in 0..5 {
        stage
            .accept("a@a.example", &[&format!("r@b{n}.example")])
            .await;
    }
    let lent = stage.due().await;
    assert_eq!(lent.len(), 5);
    let kept = lent.into_iter().take(2).collect::<Vec<_>>();
    let verb = Verb::Delete { now: true };
    let job = stage.begin(verb, "from:@a.example", None).await;
    let id = job.unwrap().id;
    let job = loop {
        stage.upkeep().await;
        let job = stage.queue.job(id).await.unwrap().unwrap();
        if job.ended.is_some() {
            break job;
        }
    };
    assert_eq!((job.done, job.refused), (3, 2));
    drop(kept);
}

#[tokio::test]
async fn a_survey_looks_beyond_what_does_not_match() {
    let stage = Stage::new().await;
    // One old hold of a kind that stands behind more of another than one page looks at.
    stage
        .accept_held("a@a.example", &["first@b.example"], Some(rule()))
        .await;
    let many: Vec<String> = (0..1_000).map(|n| format!("r{n}@b.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for _ in 0..=SCAN_MAX / many.len() {
        stage.accept_held("a@a.example", &many, Some(rule())).await;
    }
    let query = Query::parse("status:held to:first").unwrap();
    let survey = stage.queue.survey(&query, None).await.unwrap();
    assert_eq!((survey.count, survey.sample.len()), (1, 1));
}

impl Stage {
    async fn begin(&self, verb: Verb, query: &str, number: Option<u64>) -> Result<Job, BulkError> {
        let order = Order {
            verb,
            query,
            number,
        };
        self.queue.begin_job(order, &admin()).await
    }

    async fn survey(&self, query: &str, verb: Verb) -> Survey {
        let query = Query::parse(query).unwrap();
        self.queue.survey(&query, Some(verb)).await.unwrap()
    }

    pub(super) async fn job(&self, verb: Verb, query: &str) -> Job {
        let count = self.survey(query, verb).await.count;
        let job = self.begin(verb, query, Some(count)).await.unwrap();
        self.end_of(job.id).await
    }

    async fn end_of(&self, id: JobId) -> Job {
        loop {
            self.upkeep().await;
            let job = self.queue.job(id).await.unwrap().unwrap();
            if job.ended.is_some() {
                return job;
            }
        }
    }
}

#[tokio::test]
async fn a_job_larger_than_a_commit_goes_in_several() {
    let stage = Stage::new().await;
    let to: Vec<String> = (0..1_000).map(|n| format!("r@b{n}.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    for _ in 0..8 {
        stage.accept("a@a.example", &to).await;
    }
    let job = stage.job(Verb::Hold, "status:due").await;
    assert_eq!((job.done, job.refused), (8_000, 0));
    assert_eq!(stage.count().await, 8_000);
}

#[tokio::test]
async fn a_job_counts_what_its_verb_does_not_fit() {
    let stage = Stage::new().await;
    stage.accept("a@a.example", &["b@b.example"]).await;
    stage
        .accept_held("a@a.example", &["c@c.example"], Some(rule()))
        .await;
    let job = stage
        .job(Verb::Release { undo: false }, "from:@a.example")
        .await;
    assert_eq!((job.total, job.done, job.refused), (2, 1, 1));
}

#[tokio::test]
async fn two_jobs_and_people_act_on_each_hold_once_and_the_jobs_tell_what_they_left_out() {
    let stage = Stage::new().await;
    let to: Vec<String> = (0..40).map(|n| format!("r{n}@b.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    for _ in 0..20 {
        stage.accept_held("a@a.example", &to, Some(rule())).await;
    }
    let release = Verb::Release { undo: false };
    let one = stage
        .begin(release, "reason:rule", Some(800))
        .await
        .unwrap();
    let two = stage
        .begin(release, "reason:rule", Some(800))
        .await
        .unwrap();
    let cards = stage.open().await;
    let people = async {
        let mut won = 0;
        for card in cards.iter().rev().step_by(3) {
            let verb = Verb::Delete { now: true };
            let decided = stage.queue.decide(card.id, verb, &Actor::of("anna")).await;
            won += u64::from(decided.is_ok());
        }
        won
    };
    let jobs = async { (stage.end_of(one.id).await, stage.end_of(two.id).await) };
    let (deleted, (one, two)) = tokio::join!(people, jobs);
    assert_eq!(one.done + two.done + deleted, 800);
    for job in [one, two] {
        assert_eq!(job.done + job.refused, job.total);
    }
    assert_eq!(stage.count().await, 0);
    assert!(stage.open().await.is_empty());
}

#[tokio::test]
async fn a_page_that_people_overtake_acts_on_all_others_and_counts_these() {
    let stage = Stage::new().await;
    for _ in 0..5 {
        let to = ["a@b.example", "b@b.example", "c@b.example"];
        stage.accept_held("a@a.example", &to, Some(rule())).await;
    }
    let release = Verb::Release { undo: false };
    let begun = stage.begin(release, "reason:rule", None).await.unwrap();
    // One of the first ends by time while the job comes by, one is deleted, and one released by a person.
    stage.clock.advance(60 * DAY);
    let store = stage.queue.store();
    let claim = async |work| {
        let head = store.ready(work, 1).await.unwrap().remove(0);
        let claimed = store.claim(work, head.group, 1).await.unwrap();
        claimed.into_iter().next().unwrap()
    };
    let lent = claim(Work::HoldEnd).await;
    let lent_message = message_of(&lent.record.key).unwrap();
    let claimed = claim(Work::Bulk).await;
    let mut course = Course {
        job: begun.clone(),
        version: claimed.record.version,
        claim: claimed.guard.id(),
    };
    let query = Query::parse("reason:rule").unwrap();
    let page = stage.queue.page(&course.job, &query).await.unwrap();
    let cards = stage.open().await;
    let mut others = cards.iter().filter(|card| card.message != lent_message);
    for verb in [Verb::Delete { now: true }, release] {
        let card = others.next().unwrap();
        stage.queue.decide(card.id, verb, &admin()).await.unwrap();
    }
    stage
        .queue
        .act_on_page(&mut course, &query, page)
        .await
        .unwrap();
    let job = stage.queue.job(begun.id).await.unwrap().unwrap();
    assert_eq!((job.total, job.done, job.refused), (15, 12, 3));
    assert!(job.ended.is_some());
    drop(lent);
    let open = stage.open().await;
    assert_eq!((open.len(), stage.count().await), (1, 1));
    assert_eq!(open[0].message, lent_message);
}

fn virus() -> Hold {
    Hold::new(HoldQueue::Quarantine, HoldReason::Virus, "Eicar")
}

fn never(reason: HoldReason) -> impl FnOnce(&mut Config) {
    move |conf| conf.hold.release.insert(0, (reason, ReleaseRule::Never))
}

#[tokio::test]
async fn a_job_on_many_begins_only_with_their_number_as_it_is_now() {
    let stage = Stage::new().await;
    let to: Vec<String> = (0..501).map(|n| format!("r{n}@b.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    stage
        .accept_held("a@a.example", &to[..500], Some(rule()))
        .await;
    stage
        .accept_held("a@a.example", &to[500..], Some(spam()))
        .await;
    for (query, number, wanted) in [
        ("status:held", None, Some(501)),
        ("status:held", Some(500), Some(501)),
        ("status:held", Some(502), Some(501)),
        ("from:@a.example", None, Some(501)),
        ("reason:rule", Some(499), Some(500)),
        ("reason:rule", Some(0), Some(500)),
        ("reason:spam", Some(2), Some(1)),
        ("reason:spam", Some(1), None),
        ("reason:rule", None, None),
    ] {
        match (stage.begin(TRASH, query, number).await, wanted) {
            (Err(BulkError::Number { count, given, .. }), Some(wanted)) => {
                assert_eq!((count, given), (wanted, number), "case: {query}");
            }
            (Ok(_), None) => {}
            (result, wanted) => panic!("case: {query} {number:?}: {result:?}, wanted {wanted:?}"),
        }
    }
    for empty in ["", "  "] {
        let begun = stage.begin(TRASH, empty, None).await;
        assert!(matches!(begun, Err(BulkError::Empty)), "{begun:?}");
    }
}

#[tokio::test]
async fn a_survey_counts_what_is_dangerous_and_shows_some_of_everything() {
    let stage = Stage::new().await;
    for hold in [virus(), virus(), spam(), rule()] {
        stage
            .accept_held("a@a.example", &["b@b.example"], Some(hold))
            .await;
    }
    stage.accept("a@a.example", &["c@b.example"]).await;
    stage.reconfigure(never(HoldReason::Spam));
    for (query, verb, wanted) in [
        ("status:held", WAITS, (4, 2, 1, 1, 2)),
        ("from:@a.example", WAITS, (5, 2, 1, 1, 2)),
        ("status:held", Verb::Requeue { undo: true }, (4, 2, 1, 0, 0)),
        ("status:held", TRASH, (4, 2, 1, 0, 0)),
        ("status:due", TRASH, (1, 0, 0, 0, 0)),
    ] {
        let survey = stage.survey(query, verb).await;
        let Survey {
            count,
            high,
            raised,
            stays,
            login,
            ..
        } = survey;
        assert_eq!((count, high, raised, stays, login), wanted, "case: {query}");
        assert_eq!(
            survey.sample.len(),
            5.min(usize::try_from(wanted.0).unwrap()),
            "case: {query}"
        );
        let held = survey
            .sample
            .iter()
            .filter(|one| matches!(one, Sampled::Held(_)));
        assert_eq!(
            held.count() as u64,
            wanted.0.min(4) * u64::from(query != "status:due")
        );
    }
}

#[tokio::test]
async fn a_query_for_a_reason_means_all_that_was_found() {
    let stage = Stage::new().await;
    let both = rule().beside(virus().found());
    for hold in [both, rule()] {
        stage
            .accept_held("a@a.example", &["b@b.example"], Some(hold))
            .await;
    }
    for (query, count, high) in [
        ("reason:virus", 1, 1),
        ("reason:rule", 2, 1),
        ("reason:rule -reason:virus", 1, 0),
        ("from:@a.example -reason:virus", 1, 0),
        ("reason:spam", 0, 0),
    ] {
        let survey = stage.survey(query, TRASH).await;
        assert_eq!((survey.count, survey.high), (count, high), "case: {query}");
    }
}

#[tokio::test]
async fn a_release_of_many_leaves_alone_what_nobody_may_release() {
    for query in ["status:held", "from:@a.example"] {
        let stage = Stage::new().await;
        for hold in [virus(), rule(), spam()] {
            stage
                .accept_held("a@a.example", &["b@b.example"], Some(hold))
                .await;
        }
        stage.reconfigure(never(HoldReason::Virus));
        let job = stage.job(Verb::Release { undo: false }, query).await;
        let counts = (job.total, job.done, job.stays, job.refused);
        assert_eq!(counts, (3, 2, 1, 0), "case: {query}");
        let open = stage.open().await;
        assert_eq!(open.len(), 1, "case: {query}");
        assert_eq!(open[0].hold.reason, HoldReason::Virus, "case: {query}");
    }
}
