//! Who gets a place, and who makes room, as tables of who is there and who comes.
//!
//! A permit is a connection here; nothing is spoken.

use std::time::Duration;

use super::*;
use crate::base::clock::Wall;

const TERMS: Terms = Terms {
    all: 10,
    of_network: 6,
    of_address: 4,
};
const STRANGER: Standing = Standing::Stranger;

struct Hall {
    clock: Clock,
    permits: Permits,
}

impl Hall {
    fn new() -> Self {
        let clock = Clock::moved(Wall(0));
        let permits = Permits::new("smtp", clock.clone());
        Self { clock, permits }
    }

    fn take(&self, ip: &str, standing: Standing) -> Result<Permit, Busy> {
        self.clock.advance(Duration::from_millis(1));
        self.permits.take(ip.parse().unwrap(), standing, TERMS)
    }

    /// Connections that have said EHLO.
    fn idle(&self, ip: &str, number: usize) -> Vec<Permit> {
        let one = |_| {
            let permit = self.take(ip, STRANGER).unwrap();
            permit.greeted();
            permit
        };
        (0..number).map(one).collect()
    }
}

/// Which of them were told to go.
fn gone(permits: &[Permit]) -> Vec<usize> {
    let all = permits.iter().enumerate();
    all.filter(|(_, one)| one.is_leaving())
        .map(|(n, _)| n)
        .collect()
}

#[test]
fn one_address_has_only_so_many_and_gives_back_what_it_had() {
    let hall = Hall::new();
    let held = hall.idle("192.0.2.1", 4);
    assert_eq!(hall.take("192.0.2.1", STRANGER).unwrap_err(), Busy::Address);
    assert!(hall.take("192.0.2.2", STRANGER).is_ok());
    drop(held);
    let open = hall.permits.open();
    assert!(open.seats.is_empty() && open.of_address.is_empty() && open.of_network.is_empty());
    assert_eq!((open.strangers, open.leaving), (0, 0));
    drop(open);
    assert_eq!(hall.permits.stand().turned_away, 1);
}

#[test]
fn a_newcomer_takes_the_place_of_the_longest_idle_one_of_who_has_most() {
    let hall = Hall::new();
    let small = hall.idle("203.0.113.1", 1);
    let big = [hall.idle("192.0.2.1", 2), hall.idle("192.0.2.2", 4)].concat();
    let mut middle = hall.idle("198.51.100.1", 2);
    // Nine strangers are all; the tenth place is kept.
    let first = hall.take("100.64.0.1", STRANGER).unwrap();
    assert_eq!(
        (gone(&big), gone(&middle), gone(&small)),
        (vec![2], vec![], vec![])
    );
    // Of the three that 192.0.2.2 has left the first is the longest idle, unless something came of it.
    big[3].served();
    let second = hall.take("100.64.1.1", STRANGER).unwrap();
    assert_eq!(gone(&big), [2, 4]);
    // What has gone leaves its place to whoever comes next.
    middle.truncate(0);
    let third = hall.take("100.64.2.1", STRANGER).unwrap();
    assert_eq!(gone(&big), [2, 4]);
    let stand = hall.permits.stand();
    assert_eq!((stand.made_room, stand.turned_away), (2, 0));
    drop((first, second, third));
}

#[test]
fn what_is_under_way_is_never_ended_and_a_full_house_says_so() {
    let hall = Hall::new();
    let busy = [hall.idle("192.0.2.1", 4), hall.idle("198.51.100.1", 4)].concat();
    let works: Vec<Work> = busy.iter().map(Permit::begin).collect();
    let last = hall.idle("203.0.113.1", 1);
    let newcomer = hall.take("100.64.0.1", STRANGER).unwrap();
    assert_eq!((gone(&busy), gone(&last)), (vec![], vec![0]));
    let work = newcomer.begin();
    assert_eq!(hall.take("100.64.1.1", STRANGER).unwrap_err(), Busy::All);
    // Trusted ones have a place left, and then take nobody's who is busy.
    let trusted = hall.take("10.0.0.1", Standing::Favoured).unwrap();
    let trusted_work = trusted.begin();
    assert_eq!(
        hall.take("10.0.0.1", Standing::Favoured).unwrap_err(),
        Busy::All
    );
    drop(works);
    assert!(hall.take("10.0.0.1", Standing::Favoured).is_ok());
    assert_eq!(gone(&busy).len(), 1);
    drop((work, trusted_work));
}

#[test]
fn no_stranger_takes_the_place_of_who_is_trusted_or_logged_in() {
    let hall = Hall::new();
    let trusted: Vec<Permit> = (0..4)
        .map(|_| hall.take("10.0.0.1", Standing::Favoured).unwrap())
        .collect();
    let logged_in = hall.idle("192.0.2.1", 4);
    logged_in.iter().for_each(Permit::favour);
    let strangers = hall.idle("198.51.100.1", 2);
    let newcomer = hall.take("203.0.113.1", STRANGER).unwrap();
    newcomer.greeted();
    assert_eq!(gone(&strangers), [0]);
    let works = (strangers[1].begin(), newcomer.begin());
    assert_eq!(hall.take("203.0.113.2", STRANGER).unwrap_err(), Busy::All);
    assert_eq!((gone(&trusted), gone(&logged_in)), (vec![], vec![]));
    // Among themselves the longest idle one goes.
    assert!(hall.take("10.0.0.2", Standing::Favoured).is_ok());
    assert_eq!(gone(&trusted).len() + gone(&logged_in).len(), 1);
    drop(works);
}

#[test]
fn who_has_many_takes_nothing_from_who_has_few() {
    let hall = Hall::new();
    let big = [hall.idle("192.0.2.1", 4), hall.idle("192.0.2.2", 1)].concat();
    let works: Vec<Work> = big.iter().map(Permit::begin).collect();
    let small = [
        hall.idle("198.51.100.1", 2),
        hall.idle("203.0.113.1", 1),
        hall.idle("100.64.0.1", 1),
    ]
    .concat();
    assert_eq!(hall.take("192.0.2.3", STRANGER).unwrap_err(), Busy::All);
    assert_eq!(gone(&small), [0; 0]);
    drop(works);
    assert!(hall.take("192.0.2.3", STRANGER).is_ok());
    assert_eq!((gone(&small), gone(&big)), (vec![], vec![0]));
}

#[test]
fn a_full_network_makes_room_within_itself() {
    let hall = Hall::new();
    let of_network = [hall.idle("192.0.2.1", 4), hall.idle("192.0.2.2", 2)].concat();
    let newcomer = hall.take("192.0.2.3", STRANGER).unwrap();
    assert_eq!(gone(&of_network), [0]);
    let works: Vec<Work> = of_network.iter().map(Permit::begin).collect();
    let own = newcomer.begin();
    assert_eq!(hall.take("192.0.2.4", STRANGER).unwrap_err(), Busy::Network);
    assert!(hall.take("192.0.2.4", Standing::Favoured).is_ok());
    assert!(hall.take("198.51.100.1", STRANGER).is_ok());
    drop((works, own));
}

#[test]
fn who_says_nothing_that_makes_sense_goes_first() {
    let hall = Hall::new();
    let silent = hall.take("203.0.113.1", STRANGER).unwrap();
    let big = [hall.idle("192.0.2.1", 4), hall.idle("192.0.2.2", 2)].concat();
    let middle = hall.idle("198.51.100.1", 2);
    // A handshake has its time.
    let first = hall.take("100.64.0.1", STRANGER).unwrap();
    first.greeted();
    assert!(!silent.is_leaving() && gone(&big).len() == 1);
    hall.clock.advance(WORDLESS_MAX);
    drop(hall.take("100.64.1.1", STRANGER).unwrap());
    assert!(silent.is_leaving() && gone(&big).len() == 1);
    assert_eq!(gone(&middle), [0; 0]);
}

#[test]
fn who_logs_in_just_then_may_stay() {
    let hall = Hall::new();
    let all = hall.idle("192.0.2.1", 4);
    let others = [hall.idle("198.51.100.1", 3), hall.idle("203.0.113.1", 2)].concat();
    let newcomer = hall.take("100.64.0.1", STRANGER).unwrap();
    assert_eq!(gone(&all), [0]);
    all[0].favour();
    assert_eq!((gone(&all), gone(&others)), (vec![], vec![]));
    let open = hall.permits.open();
    assert_eq!((open.leaving, open.strangers), (0, 9));
    drop(open);
    drop(newcomer);
}

#[test]
fn who_must_log_in_first_finds_a_place_and_keeps_none() {
    let hall = Hall::new();
    let strangers = [hall.idle("192.0.2.1", 4), hall.idle("198.51.100.1", 4)].concat();
    let works: Vec<Work> = strangers.iter().map(Permit::begin).collect();
    let callers: Vec<Permit> = ["203.0.113.1", "203.0.113.2"]
        .iter()
        .map(|ip| hall.take(ip, Standing::Caller).unwrap())
        .collect();
    let newcomer = hall.take("100.64.0.1", Standing::Caller).unwrap();
    assert_eq!(gone(&callers), [0]);
    drop((works, newcomer));
}

#[test]
fn who_is_slow_to_go_lets_no_crowd_in() {
    let hall = Hall::new();
    let held = [hall.idle("192.0.2.1", 4), hall.idle("198.51.100.1", 4)].concat();
    let mut newcomers = Vec::new();
    let refused = loop {
        let ip = format!("100.64.{}.1", newcomers.len());
        match hall.take(&ip, STRANGER) {
            Ok(permit) => newcomers.push(permit),
            Err(busy) => break busy,
        }
        assert!(newcomers.len() < 10);
    };
    assert_eq!((refused, gone(&held).len()), (Busy::All, 3));
    assert_eq!(hall.permits.stand().open, 9 + 3);
}

#[tokio::test]
async fn who_must_go_is_woken() {
    let hall = Hall::new();
    let all = [hall.idle("192.0.2.1", 4), hall.idle("198.51.100.1", 4)].concat();
    let last = hall.idle("203.0.113.1", 1);
    let waiting = tokio::spawn({
        let first = all[0].clone();
        async move { first.leaving().await }
    });
    let newcomer = hall.take("100.64.0.1", STRANGER).unwrap();
    waiting.await.unwrap();
    drop((newcomer, last));
}
