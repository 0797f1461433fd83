//! What every engine must do, as cases that any engine can be run against.
//!
//! `failures` runs them all and names those that fail, so that a broken engine can be shown to fail (`sabotage`).
//! A case gets a store of its own and a clock that it moves itself. Not here: crashes (`redb::crash`), speed.

mod lending;
mod records;
mod room;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use super::{
    Band, Batch, Claimed, Due, Group, Key, Need, Op, Pre, Side, Span, Store, Version, Work,
};
use crate::base::clock::{Clock, Wall};

type Case = fn(Bench) -> Pin<Box<dyn Future<Output = ()>>>;

/// A store to try, and its clock.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) clock: Clock,
}

macro_rules! cases {
    ($($part:ident::$name:ident),* $(,)?) => {
        [$((stringify!($name), (|bench| Box::pin($part::$name(bench))) as Case)),*]
    };
}

/// The names of the cases that fail.
pub(super) async fn failures(make: impl Fn(Clock) -> Store) -> Vec<&'static str> {
    let cases = cases![
        records::what_is_put_is_read_and_what_is_deleted_is_gone,
        records::a_failed_precondition_names_itself_and_changes_nothing,
        records::records_of_one_batch_share_a_version,
        records::of_many_that_change_one_version_one_wins,
        lending::a_record_is_lent_when_it_is_due_and_not_before,
        lending::a_claim_is_lent_once_and_ends_with_its_commit,
        lending::a_dropped_claim_is_given_back,
        lending::a_record_whose_work_panics_rests_for_a_minute,
        lending::a_record_whose_work_fails_rests_and_others_go_on,
        lending::a_claim_whose_caller_is_gone_is_given_back,
        lending::free_keeps_a_claimed_record_from_being_changed,
        lending::bands_are_lent_eight_to_three_to_one,
        records::a_put_replaces_due_and_terms,
        records::adds_of_many_batches_all_count,
        records::a_count_at_zero_moves_the_due_slot,
        records::who_read_before_a_count_at_zero_writes_over_nothing,
        records::what_a_count_moved_while_it_was_lent_is_due_when_the_claim_ends,
        records::another_due_slot_changes_nothing_else,
        records::a_range_is_deleted_with_its_dues_and_terms,
        records::pages_follow_each_other_in_both_directions,
        lending::what_is_due_soon_can_go_with_what_is_due,
        lending::groups_are_ready_earliest_first,
        lending::a_snooze_outranks_new_work_until_it_ends,
        records::what_is_too_large_is_refused_whole,
        records::staged_chunks_are_read_back,
        records::back_batches_are_committed_too,
        records::a_closed_store_refuses,
    ];
    run(&cases, make).await
}

/// The names of the cases that fail; `make` makes stores whose disk is full from the first moment.
pub(super) async fn failures_when_full(make: impl Fn(Clock) -> Store) -> Vec<&'static str> {
    let cases = cases![
        room::what_adds_is_refused,
        room::what_ends_or_frees_is_done,
        room::reading_and_lending_go_on,
    ];
    run(&cases, make).await
}

async fn run(cases: &[(&'static str, Case)], make: impl Fn(Clock) -> Store) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for (name, case) in cases {
        let case = *case;
        let clock = Clock::moved(Wall(1_700_000_000_000_000));
        let store = make(clock.clone());
        let set = tokio::task::LocalSet::new();
        let run = set
            .run_until(async move { tokio::task::spawn_local(case(Bench { store, clock })).await });
        if run.await.is_err() {
            failed.push(*name);
        }
    }
    failed
}

pub(super) fn key(text: &str) -> Key {
    Key(text.as_bytes().into())
}

pub(super) fn put(text: &str, value: &str) -> Op {
    Op::Put {
        key: key(text),
        value: Bytes::copy_from_slice(value.as_bytes()),
        due: None,
        terms: Vec::new(),
    }
}

pub(super) fn put_due(text: &str, due: Due) -> Op {
    Op::Put {
        key: key(text),
        value: Bytes::new(),
        due: Some(due),
        terms: Vec::new(),
    }
}

pub(super) fn due(group: &str, secs: u64) -> Due {
    Due {
        work: Work::Deliver,
        group: Group(group.as_bytes().into()),
        band: Band::Normal,
        after: Duration::from_secs(secs),
    }
}

pub(super) fn batch(pre: Vec<Pre>, ops: Vec<Op>) -> Batch {
    Batch {
        pre,
        ops,
        side: Side::Front,
        need: Need::Grow,
    }
}

impl Bench {
    async fn done(&self, ops: Vec<Op>) -> Version {
        self.store.commit(batch(Vec::new(), ops)).await.unwrap()
    }

    async fn value(&self, text: &str) -> Option<String> {
        let found = self.store.get(vec![key(text)]).await.unwrap();
        let record = found.into_iter().next().unwrap()?;
        Some(String::from_utf8(record.value.to_vec()).unwrap())
    }

    async fn claim(&self, group: &str, room: usize) -> Vec<Claimed> {
        let group = Group(group.as_bytes().into());
        self.store.claim(Work::Deliver, group, room).await.unwrap()
    }

    async fn ready(&self, limit: usize) -> Vec<(String, i64)> {
        let heads = self.store.ready(Work::Deliver, limit).await.unwrap();
        let now = i64::try_from(self.store.now().0).unwrap();
        heads
            .into_iter()
            .map(|head| {
                let group = String::from_utf8(head.group.0.to_vec()).unwrap();
                (group, (i64::try_from(head.at.0).unwrap() - now) / 1_000_000)
            })
            .collect()
    }

    async fn scanned(&self, span: Span, reverse: bool, limit: usize) -> Vec<String> {
        let mut keys = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .store
                .scan(span.clone(), after, reverse, limit)
                .await
                .unwrap();
            assert!(page.records.len() <= limit);
            keys.extend(
                page.records
                    .iter()
                    .map(|r| r.key.0.escape_ascii().to_string()),
            );
            after = page.next;
            if after.is_none() {
                return keys;
            }
        }
    }
}
