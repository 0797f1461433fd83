//! A model of dispatcher and lanes: seeds choose what happens next, a number is the clock, and nobody looks at anything
//! without having been woken. Whatever happens, no parcel may be left without a waker.
//! Not here: connections and real time (`tests/it`).

use super::*;
use crate::deliver::places::Places;
use crate::deliver::throttle::What;

const SITES: usize = 4;
const MOST: usize = 3;
const FIRST: Duration = Duration::from_secs(1);
const SLOW: Slow = Slow {
    what: What::Rate,
    span: None,
};
const CROWD: Slow = Slow {
    what: What::Connections,
    span: None,
};

struct Chance(u64);

impl Chance {
    fn of(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
}

struct Runner {
    site: usize,
    lane: Lane,
    does: Does,
    asked: bool,
    open: bool,
}

enum Does {
    Looks,
    Idles(Mono),
    Has(u32),
}

struct World {
    now: Mono,
    stands: Vec<Stand<u32>>,
    places: Places<usize>,
    /// Due in the store, and the end of its snooze.
    due: Vec<(VecDeque<u32>, Mono)>,
    runners: Vec<Runner>,
    attention: VecDeque<usize>,
    woken: bool,
    next_look: Option<Mono>,
    delivered: usize,
    accepted: u32,
    chance: Chance,
}

impl World {
    fn new(seed: u64, places: usize) -> Self {
        Self {
            now: Mono(0),
            stands: (0..SITES).map(|_| Stand::default()).collect(),
            places: Places::new(places),
            due: (0..SITES).map(|_| (VecDeque::new(), Mono(0))).collect(),
            runners: Vec::new(),
            attention: VecDeque::new(),
            woken: false,
            next_look: None,
            delivered: 0,
            accepted: 0,
            chance: Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
        }
    }

    fn accept(&mut self) {
        let site = self.chance.of(SITES);
        self.due[site].0.push_back(self.accepted);
        self.accepted += 1;
        self.woken = true;
    }

    /// The store has it again, and its hint wakes the dispatcher.
    fn give_back(&mut self, site: usize, parcels: impl IntoIterator<Item = u32>) {
        for parcel in parcels {
            self.due[site].0.push_front(parcel);
            self.woken = true;
        }
    }

    fn look_at(&mut self, at: Mono) {
        self.next_look = Some(self.next_look.map_or(at, |old| old.min(at)));
    }

    fn staff(&mut self, site: usize) {
        while let Some(lane) = self.stands[site].start(MOST, self.now) {
            if !self.places.ask(&site) {
                self.stands[site].leave(lane);
                return;
            }
            self.run(site, lane);
        }
        self.places.withdraw(&site);
    }

    fn run(&mut self, site: usize, lane: Lane) {
        self.runners.push(Runner {
            site,
            lane,
            does: Does::Looks,
            asked: false,
            open: false,
        });
    }

    fn dispatch(&mut self) {
        (self.woken, self.next_look) = (false, None);
        for site in std::mem::take(&mut self.attention) {
            if self.stands[site].came_back() {
                self.due[site].1 = Mono(0);
            }
            self.staff(site);
        }
        while let Some(site) = self.places.hand_on() {
            match self.stands[site].start(MOST, self.now) {
                Some(lane) => {
                    self.run(site, lane);
                    self.staff(site);
                }
                None => self.places.release(&site, false),
            }
        }
        for site in 0..SITES {
            while !self.due[site].0.is_empty() {
                if self.due[site].1 > self.now {
                    self.look_at(self.due[site].1);
                    break;
                }
                match self.stands[site].room(MOST, self.now) {
                    Room::Down(span) => self.due[site].1 = self.now + span,
                    Room::Full => break,
                    Room::Parcels(room) => {
                        let room = room.min(self.due[site].0.len());
                        let lent = self.due[site].0.drain(..room).collect();
                        let back = self.stands[site].push(lent, self.now);
                        self.give_back(site, back);
                        self.staff(site);
                    }
                }
            }
        }
    }

    fn end(&mut self, runner: Runner) {
        self.stands[runner.site].leave(runner.lane);
        self.places.release(&runner.site, runner.asked);
        self.attention.push_back(runner.site);
        self.woken = true;
    }

    fn failed(&mut self, site: usize, (_, back): (Failed, VecDeque<u32>)) {
        self.give_back(site, back);
    }

    /// One step of one lane; `kind`: every host behaves.
    fn step(&mut self, at: usize, kind: bool) {
        let mut runner = self.runners.swap_remove(at);
        if !kind && self.chance.of(50) == 0 {
            // A panic.
            if let Does::Has(parcel) = runner.does {
                self.give_back(runner.site, [parcel]);
            }
            return self.end(runner);
        }
        match runner.does {
            Does::Looks | Does::Idles(_) => self.look(runner),
            Does::Has(parcel) if !runner.open => {
                let trouble = if kind { 9 } else { self.chance.of(10) };
                let (now, site) = (self.now, runner.site);
                let stand = &mut self.stands[site];
                let slow = [Some(SLOW), Some(CROWD), None].get(trouble);
                let Some(slow) = slow else {
                    if stand.reached(&mut runner.lane, now) {
                        runner.open = true;
                        runner.does = Does::Has(parcel);
                        self.staff(site);
                        self.runners.push(runner);
                    } else {
                        self.give_back(site, [parcel]);
                        self.end(runner);
                    }
                    return;
                };
                let (failed, back) = stand.unreachable(*slow, now, now, FIRST);
                let rejected = match failed {
                    Failed::Fewer => stand.put_back(parcel, now),
                    Failed::Down(_) | Failed::Known => Some(parcel),
                };
                self.failed(site, (failed, back));
                self.give_back(site, rejected);
                self.end(runner);
            }
            Does::Has(parcel) => self.transact(runner, parcel, kind),
        }
    }

    fn look(&mut self, mut runner: Runner) {
        let stand = &mut self.stands[runner.site];
        let wait = if runner.open { 5_000_000 } else { 0 };
        let end = match runner.does {
            Does::Idles(end) => end,
            Does::Looks | Does::Has(_) => Mono(self.now.0 + wait),
        };
        match stand.take(&mut runner.lane, MOST, self.now) {
            Taken::Parcel(parcel) => {
                runner.does = Does::Has(parcel);
                // It runs low.
                self.woken = true;
            }
            Taken::Go => return self.end(runner),
            Taken::Wait if self.now >= end => return self.end(runner),
            Taken::Wait if self.places.may_leave(&runner.site) => {
                runner.asked = true;
                return self.end(runner);
            }
            Taken::Wait => runner.does = Does::Idles(end),
        }
        self.runners.push(runner);
    }

    fn transact(&mut self, mut runner: Runner, parcel: u32, kind: bool) {
        let (now, site) = (self.now, runner.site);
        let stand = &mut self.stands[site];
        runner.does = Does::Looks;
        let event = if kind { 9 } else { self.chance.of(10) };
        let since = Mono(now.0.saturating_sub(1));
        let lost = |stand: &mut Stand<u32>, runner: &mut Runner| {
            stand.disconnected(&mut runner.lane);
            runner.open = false;
        };
        match event {
            0..=2 => {
                lost(stand, &mut runner);
                let failed = match event {
                    0 => stand.slow(SLOW, now, since, FIRST),
                    1 => stand.slow(CROWD, now, now, FIRST),
                    _ => stand.fail(now, FIRST),
                };
                self.failed(site, failed);
                self.give_back(site, [parcel]);
                return self.end(runner);
            }
            3 => {
                lost(stand, &mut runner);
                let failed = stand.broke(now, FIRST);
                self.failed(site, failed);
                self.give_back(site, [parcel]);
                return self.end(runner);
            }
            4 => {
                // It was stale.
                lost(stand, &mut runner);
                runner.does = Does::Has(parcel);
            }
            _ => {
                self.delivered += 1;
                if stand.served(true, MOST, now) {
                    self.attention.push_back(site);
                    self.woken = true;
                }
                if self.chance.of(3) == 0 && self.places.may_leave(&site) {
                    runner.asked = true;
                    return self.end(runner);
                }
            }
        }
        self.runners.push(runner);
    }

    fn check(&self, case: &str) {
        for (site, stand) in self.stands.iter().enumerate() {
            let lanes = self.runners.iter().filter(|one| one.site == site);
            let connected = lanes.clone().filter(|one| one.open).count();
            let idle = lanes.clone().filter(|one| one.lane.idle).count();
            let counted = (stand.lanes, stand.connected, stand.idle);
            assert_eq!(counted, (lanes.count(), connected, idle), "{case}: {site}");
        }
        assert_eq!(self.places.taken(), self.runners.len(), "{case}");
    }

    /// Goes on by wakers alone until nothing is left to wake.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let busy = self.runners.iter().position(|one| match one.does {
                Does::Looks | Does::Has(_) => true,
                Does::Idles(end) => end <= self.now || !self.stands[one.site].backlog.is_empty(),
            });
            if let Some(at) = busy {
                self.step(at, true);
            } else if self.woken || self.next_look.is_some_and(|at| at <= self.now) {
                self.dispatch();
            } else {
                let ends = self.runners.iter().filter_map(|one| match one.does {
                    Does::Idles(end) => Some(end),
                    Does::Looks | Does::Has(_) => None,
                });
                let Some(next) = ends.chain(self.next_look).min() else {
                    return;
                };
                self.now = next;
            }
        }
        panic!("it does not come to rest");
    }
}

#[test]
fn whatever_happens_no_due_parcel_is_left_without_a_waker() {
    for seed in 0..300 {
        let case = format!("seed {seed}");
        let mut world = World::new(seed, 1 + usize::try_from(seed % 7).unwrap());
        for _ in 0..600 {
            match world.chance.of(10) {
                0 => world.accept(),
                1 if world.woken => world.dispatch(),
                2 => world.now = Mono(world.now.0 + world.chance.of(2_000_000) as u64),
                3 => {
                    let site = world.chance.of(SITES);
                    world.stands[site].wake(world.now);
                    world.due[site].1 = Mono(0);
                    world.woken = true;
                }
                _ if !world.runners.is_empty() => {
                    let at = world.chance.of(world.runners.len());
                    world.step(at, false);
                }
                _ => world.dispatch(),
            }
            world.check(&case);
        }
        world.settle();
        world.check(&case);
        let left: usize = world.due.iter().map(|(due, _)| due.len()).sum();
        let here: usize = world.stands.iter().map(|stand| stand.backlog.len()).sum();
        assert_eq!((left, here), (0, 0), "{case}: parcels are stuck");
        assert!(
            world.delivered >= world.accepted as usize,
            "{case}: {} of {}",
            world.delivered,
            world.accepted
        );
        assert!(world.runners.is_empty(), "{case}: a lane never ends");
    }
}

fn up(stand: &mut Stand<u32>, lanes: usize) -> Vec<Lane> {
    stand.push((0..20).collect(), Mono(0));
    let mut all = Vec::new();
    while all.len() < lanes {
        let mut lane = stand.start(lanes, Mono(0)).unwrap();
        let taken = stand.take(&mut lane, lanes, Mono(0));
        assert!(matches!(taken, Taken::Parcel(_)));
        assert!(stand.reached(&mut lane, Mono(0)));
        all.push(lane);
    }
    all
}

#[test]
fn a_lane_that_leaves_takes_its_connection_along() {
    let mut stand = Stand::default();
    let mut lanes = up(&mut stand, 2);
    stand.clear();
    let mut second = lanes.pop().unwrap();
    stand.disconnected(&mut second);
    stand.leave(lanes.pop().unwrap());
    // The first one is gone: nobody is left who could serve what is put back.
    let (failed, _) = stand.unreachable(None, Mono(1), Mono(1), FIRST);
    assert!(matches!(failed, Failed::Down(_)), "got {failed:?}");
    assert_eq!(
        stand.put_back(7, Mono(1)),
        Some(7),
        "and nothing is kept here"
    );
}

#[test]
fn a_site_that_cannot_be_reached_waits_longer_each_time_until_a_mail_gets_through() {
    let mut stand: Stand<u32> = Stand::default();
    let (mut now, mut waits) = (Mono(0), Vec::new());
    for _ in 0..12 {
        assert!(stand.push(vec![1], now).is_empty());
        let lane = stand.start(5, now).unwrap();
        assert!(stand.start(5, now).is_none(), "one lane probes");
        let (failed, back) = stand.fail(now, FIRST);
        stand.leave(lane);
        let Failed::Down(until) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(back.len(), 1);
        waits.push((until - now).as_secs());
        now = until;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    // A connection alone does not end it, a mail does.
    stand.push(vec![1], now);
    let mut lane = stand.start(5, now).unwrap();
    stand.take(&mut lane, 5, now);
    assert!(stand.reached(&mut lane, now));
    assert_eq!(stand.room(5, now), Room::Full, "one mail tells");
    assert!(stand.served(true, 5, now) && stand.came_back() && !stand.came_back());
    assert_eq!(stand.room(5, now), Room::Parcels(15));
    stand.disconnected(&mut lane);
    let (failed, _) = stand.fail(now, FIRST);
    assert_eq!(failed, Failed::Down(now + FIRST), "counted anew");
}

#[test]
fn a_person_ends_the_wait_but_not_more_than_once_a_second() {
    let mut stand: Stand<u32> = Stand::default();
    let minute = Duration::from_secs(60);
    stand.fail(Mono(0), minute);
    stand.wake(Mono(500_000));
    assert_eq!(
        stand.room(5, Mono(500_000)),
        Room::Down(Duration::from_millis(500))
    );
    stand.wake(Mono(9_000_000));
    assert_eq!(stand.room(5, Mono(9_000_000)), Room::Parcels(1));
}

#[test]
fn lanes_above_the_limit_go_and_a_pause_ends_them_all() {
    let mut stand = Stand::default();
    let mut lanes = up(&mut stand, 4);
    let (failed, _) = stand.slow(CROWD, Mono(5), Mono(1), FIRST);
    assert_eq!(failed, Failed::Fewer);
    let now = Mono(6);
    let mut last = lanes.pop().unwrap();
    assert_eq!(stand.take(&mut last, 4, now), Taken::Go);
    stand.leave(last);
    let (failed, back) = stand.slow(SLOW, Mono(9), now, FIRST);
    assert!(matches!(failed, Failed::Down(_)) && back.len() == 16);
    for mut lane in lanes {
        assert_eq!(stand.take(&mut lane, 4, Mono(10)), Taken::Go);
        stand.leave(lane);
    }
    assert!(
        !stand.forgettable(now),
        "that it is paused is not forgotten"
    );
    let later = now + SITE_MEMORY + SITE_MEMORY;
    assert!(stand.forgettable(later), "but not for ever");
}
