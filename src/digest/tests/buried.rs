//! Nothing is buried: what found no row among the fifty stays new until it has had one, whatever comes behind it.
//!
//! Floods of every kind over a real queue in memory: newer mail, what is listed again, what ends soon.
//! Not here: the rows that somebody asks for (`rest`).

use std::collections::BTreeMap;

use super::*;
use crate::base::limit::{DIGEST_COUNT_MAX, DIGEST_TOLD_MAX};
use crate::digest::choice::{self, Choice, Dates};
use crate::digest::record::Scope;
use crate::queue::hold::Shelf;

impl Desk {
    /// `count` mails to `<name><n>@verein.example`, held at once.
    pub(super) async fn flood(&self, name: &str, count: usize) {
        let to: Vec<String> = (0..count)
            .map(|n| format!("{name}{n}@verein.example"))
            .collect();
        for some in to.chunks(100) {
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            self.stage
                .accept("a@sender.example", &some, Some(held()))
                .await;
        }
        self.stage.pass(120);
    }

    /// Days until a digest lists `to`, with a flood before each.
    async fn days_until(&self, to: &str, flood: usize, most: u32) -> Option<u32> {
        for day in 1..=most {
            self.flood(&format!("f{day}-"), flood).await;
            for (_, text) in self.day().await {
                assert!(rows(&text) <= 50, "{text}");
                if text.contains(to) {
                    return Some(day);
                }
            }
        }
        None
    }
}

pub(super) fn rows(text: &str) -> usize {
    text.matches("\n   Code:").count()
}

#[tokio::test]
async fn one_wanted_mail_below_sixty_newer_ones_is_listed_at_once() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("wanted@verein.example").await;
    assert_eq!(
        desk.days_until("wanted[at]verein[.]example", 60, 3).await,
        Some(1)
    );
}

#[tokio::test]
async fn one_in_the_middle_of_a_flood_that_goes_on_has_its_turn() {
    let desk = Desk::new(|_| {}).await;
    desk.flood("before", 30).await;
    desk.hold("wanted@verein.example").await;
    desk.flood("after", 30).await;
    let days = desk.days_until("wanted[at]verein[.]example", 60, 5).await;
    assert_eq!(days, Some(2));
}

#[tokio::test]
async fn what_is_left_over_comes_with_the_next_digest_though_nothing_new_was_held() {
    let desk = Desk::new(|conf| conf.links.lifetime = Duration::from_secs(100 * DAY)).await;
    desk.flood("n", 60).await;
    let mails = desk.day().await;
    let (subject, text) = &mails[0];
    let (start, rest) = ("60 messages held (60 Quarantine)", "10 more messages");
    assert!(subject.contains(start), "{subject}");
    assert!(text.contains(rest), "{text}");
    assert!(text.contains("is listed by the next ones"), "{text}");
    assert_eq!(rows(text), 50);
    // Half of the rows are the oldest, half the newest.
    assert!(text.contains("n0[at]") && text.contains("n24[at]") && text.contains("n59[at]"));
    assert!(!text.contains("n25[at]") && !text.contains("n34[at]") && text.contains("n35[at]"));
    let mails = desk.day().await;
    assert_eq!(rows(&mails[0].1), 10);
    assert!(mails[0].1.contains("n25[at]") && mails[0].1.contains("n34[at]"));
    assert!(mails[0].1.contains("50 older ones are still held."));
    assert!(desk.day().await.is_empty(), "all were listed");
}

#[tokio::test]
async fn everything_is_listed_once_and_nothing_twice_while_a_flood_lasts() {
    let desk = Desk::new(|conf| conf.links.lifetime = Duration::from_secs(100 * DAY)).await;
    let mut listed: BTreeMap<String, u32> = BTreeMap::new();
    for day in 0..12 {
        if day < 5 {
            desk.flood(&format!("d{day}n"), 70).await;
        }
        for (_, text) in desk.day().await {
            for line in text.lines().filter_map(|line| line.strip_prefix("   To:")) {
                *listed.entry(line.trim().to_owned()).or_default() += 1;
            }
        }
    }
    assert_eq!(listed.len(), 350);
    assert!(listed.values().all(|count| *count == 1), "{listed:?}");
    let stream = desk.stream().await;
    assert!(stream.recent.is_empty(), "all of it is behind the last one");
}

#[tokio::test]
async fn a_flood_above_what_is_counted_still_lists_the_oldest() {
    let desk = Desk::new(|_| {}).await;
    desk.hold("wanted@verein.example").await;
    desk.flood("n", DIGEST_COUNT_MAX + 30).await;
    let mails = desk.day().await;
    assert_eq!(rows(&mails[0].1), 50);
    assert!(mails[0].1.contains("wanted[at]"), "{}", mails[0].1);
    assert!(
        mails[0].1.contains("981 more messages are not listed"),
        "{}",
        mails[0].1
    );
    let stream = desk.stream().await;
    assert_eq!(stream.recent.len(), 25, "only the newest are apart");
}

#[tokio::test]
async fn what_would_lose_its_links_is_not_crowded_out_by_new_mail() {
    let desk = Desk::new(|_| {}).await;
    desk.flood("old", 40).await;
    assert_eq!(rows(&desk.day().await[0].1), 40);
    let mut again = std::collections::BTreeSet::new();
    for day in 2..=16 {
        desk.flood(&format!("f{day}-"), 60).await;
        for (_, text) in desk.day().await {
            let old = |n: &usize| text.contains(&format!(" old{n}[at]"));
            again.extend((0..40).filter(old));
        }
    }
    assert_eq!(again.len(), 40, "{again:?}");
}

#[tokio::test]
async fn what_ends_soon_is_warned_of_whatever_else_there_is() {
    let desk = Desk::new(|conf| {
        conf.links.lifetime = Duration::from_secs(100 * DAY);
        conf.hold.quarantine.expiry = Duration::from_secs(10 * DAY);
    })
    .await;
    desk.hold("wanted@verein.example").await;
    let mut warned = Vec::new();
    for day in 1..=9 {
        desk.flood(&format!("f{day}-"), 60).await;
        for (_, text) in desk.day().await {
            let row = text.split("\n\n").find(|row| row.contains(" wanted[at]"));
            if row.is_some_and(|row| row.contains("Attention")) {
                warned.push(day);
            }
        }
    }
    assert_eq!(warned, [8]);
}

#[tokio::test]
async fn more_that_ends_soon_than_has_rows_is_warned_of_by_the_next_digests() {
    let desk = Desk::new(|conf| {
        conf.links.lifetime = Duration::from_secs(100 * DAY);
        conf.digest.timing = Timing::Every(Duration::from_secs(3_600));
        conf.hold.quarantine.expiry = Duration::from_secs(36_000);
    })
    .await;
    for n in 0..120 {
        desk.hold(&format!("n{n}@verein.example")).await;
    }
    let mut warned = std::collections::BTreeSet::new();
    for _ in 0..16 {
        desk.stage.pass(3_600);
        desk.work().await;
        for (_, text) in desk.mails().await {
            let rows = text.split("\n\n").filter(|row| row.contains("Attention"));
            warned.extend(rows.filter_map(|row| {
                let line = row.lines().find(|line| line.starts_with("   To:"))?;
                Some(line.to_owned())
            }));
        }
    }
    assert_eq!(warned.len(), 120);
}

#[tokio::test]
async fn an_owner_is_warned_of_a_short_span_behind_a_long_one() {
    let desk = Desk::new(|conf| {
        conf.digest.to.clear();
        conf.digest.owners = true;
        conf.links.lifetime = Duration::from_secs(100 * DAY);
        conf.hold.bad.expiry = Duration::from_secs(4 * DAY);
    })
    .await;
    let owner: std::collections::BTreeSet<_> = [Scope::Domain("verein.example".into())].into();
    desk.flood("long", 70).await;
    let bad = Hold::new(HoldQueue::Bad, HoldReason::Scanner, "");
    desk.stage
        .accept("a@sender.example", &["short@verein.example"], Some(bad))
        .await;
    desk.stage.pass(3 * DAY);
    let conf = desk.stage.queue.conf().load_full();
    let dates = Dates::of(&conf, desk.stage.clock.wall());
    let stream = Stream {
        last: newest(&desk).await,
        ..Stream::default()
    };
    let choice = choice::choose(&desk.stage.queue, &owner, &stream, dates, false);
    let entries = choice.await.unwrap().entries;
    assert_eq!(entries.len(), 1);
    assert!(entries[0].ending && entries[0].card.to.to_string().starts_with("short@"));
}

#[tokio::test]
async fn reminders_of_more_than_fifty_begin_with_what_no_digest_listed() {
    let desk = Desk::new(|conf| conf.digest.remind = true).await;
    desk.flood("n", 120).await;
    let mut listed = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let mails = desk.day().await;
        assert_eq!(rows(&mails[0].1), 50);
        let is_in = |n: &usize| mails[0].1.contains(&format!(" n{n}[at]"));
        listed.extend((0..120).filter(is_in));
    }
    assert_eq!(listed.len(), 120);
}

#[tokio::test]
async fn a_clock_that_is_set_back_or_far_ahead_buries_nothing() {
    for jump in [400 * DAY * 1_000_000, 3 * DAY * 1_000_000] {
        for back in [true, false] {
            let desk = Desk::new(|_| {}).await;
            desk.flood("a", 60).await;
            assert_eq!(rows(&desk.day().await[0].1), 50);
            let now = desk.stage.clock.wall().0;
            let wall = if back { now - jump } else { now + jump };
            desk.stage.clock.jump(crate::base::clock::Wall(wall));
            desk.flood("b", 60).await;
            let mut listed = std::collections::BTreeSet::new();
            for _ in 0..6 {
                for (_, text) in desk.day().await {
                    listed.extend((25..35).filter(|n| text.contains(&format!(" a{n}[at]"))));
                }
            }
            assert_eq!(listed.len(), 10, "{jump} back: {back}");
        }
    }
}

#[test]
fn a_stream_forgets_the_oldest_that_it_told_and_so_lists_it_twice_rather_than_never() {
    let mut stream = Stream::default();
    let told = |ids: std::ops::Range<u64>| Choice {
        told: ids.map(HoldId).collect(),
        told_up_to: HoldId(5),
        ..Choice::default()
    };
    let most = u64::try_from(DIGEST_TOLD_MAX).unwrap();
    choice::remember(&mut stream, &told(1_000..1_000 + most + 10), u64::MAX >> 8);
    assert_eq!(
        (stream.last, stream.recent.len()),
        (HoldId(5), DIGEST_TOLD_MAX)
    );
    assert!(!stream.knows(HoldId(6)) && !stream.knows(HoldId(1_009)));
    assert!(stream.knows(HoldId(1_010)) && stream.knows(HoldId(999 + most + 10)));
}

#[tokio::test]
async fn fifty_of_a_hundred_thousand_need_a_page_or_two_from_either_end() {
    let desk = Desk::new(|_| {}).await;
    desk.flood("n", 3 * DIGEST_COUNT_MAX).await;
    let conf = desk.stage.queue.conf().load_full();
    let dates = Dates::of(&conf, desk.stage.clock.wall());
    let scopes = HoldQueue::ALL.map(Scope::Queue).into();
    let stream = Stream::default();
    let chosen = choice::choose(&desk.stage.queue, &scopes, &stream, dates, false);
    let chosen = chosen.await.unwrap();
    let ids: Vec<HoldId> = chosen.entries.iter().map(|entry| entry.card.id).collect();
    let cards = desk.stage.queue.cards(&Shelf::All, None, false, 26);
    let oldest = cards.await.unwrap().cards;
    assert_eq!(ids.len(), 50);
    assert_eq!(ids.last(), oldest.first().map(|card| &card.id));
    assert_eq!(chosen.told_up_to.0 + 1, oldest[25].id.0);
}

#[tokio::test]
async fn a_first_hold_is_none_while_one_in_the_middle_that_was_told_of_is_held() {
    let desk = Desk::new(|conf| conf.digest.on_first = true).await;
    desk.flood("before", 200).await;
    assert_eq!(desk.day().await.len(), 1);
    let stream = desk.stream().await;
    let queue = &desk.stage.queue;
    let page = queue.cards(&Shelf::All, None, false, 200).await.unwrap();
    // Somebody deletes what was told of from the oldest on, and newer mail comes.
    for card in page.cards.iter().take_while(|card| stream.knows(card.id)) {
        let verb = Verb::Delete { now: true };
        queue.decide(card.id, verb, &Actor::of("x")).await.unwrap();
    }
    desk.flood("after", 100).await;
    let scopes = [Scope::Queue(HoldQueue::Quarantine)].into();
    assert!(page.cards.iter().rev().any(|card| stream.knows(card.id)));
    assert!(!choice::is_first(queue, &scopes, &stream).await.unwrap());
}
