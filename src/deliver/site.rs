//! One site: its plan, its backlog of lent parcels, its connections and its health.
//!
//! A site that cannot be reached backs off as a whole: one parcel tells that it is down, the others are given back
//! and wait without using up their tries. When the wait is over one connection probes; only its success lets the
//! others follow. A site that takes some connections and refuses more is not down: it is asked for fewer.
//! Not here: which parcel comes next (`schedule`), and talking to it (`lane`).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::plan::{Plan, SiteKey};
use crate::base::clock::{Clock, Mono};
use crate::config::{Config, NextHop};
use crate::queue::Lent;

/// Shared by the scheduler and the site's lanes.
#[derive(Debug)]
pub struct Site {
    /// Its name.
    pub key: SiteKey,
    clock: Clock,
    inner: Mutex<Inner>,
    work: Notify,
}

#[derive(Debug)]
struct Inner {
    plan: Arc<Plan>,
    backlog: VecDeque<Lent>,
    /// Lanes that live, that have a connection, and that wait for a parcel.
    lanes: usize,
    connected: usize,
    idle: usize,
    health: Health,
    /// Fewer connections than configured, for a while: it refused more.
    cap: Option<(usize, Mono)>,
    /// Hosts that failed lately, and until when they are tried last.
    avoided: Vec<(NextHop, Mono)>,
}

/// Whether a site can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// Never reached yet, or after a wait: one lane tries.
    Probing { failures: u32 },
    /// Reached.
    Up,
    /// Not before.
    Down { until: Mono, failures: u32 },
}

/// How lanes wake the dispatcher; it sleeps on when it has nothing for them.
#[derive(Debug, Default)]
pub struct Low {
    notify: Notify,
    wanted: AtomicBool,
}

impl Low {
    /// Wakes it.
    pub fn tell(&self) {
        self.notify.notify_one();
    }

    /// Wakes it if it waits for room.
    pub fn ask(&self) {
        if self.wanted.load(Ordering::Acquire) {
            self.notify.notify_one();
        }
    }

    /// Whether it waits for room.
    pub fn wanted(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Release);
    }

    /// Waits until it is told.
    pub async fn told(&self) {
        self.notify.notified().await;
    }
}

/// What the site takes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// So many parcels.
    Parcels(usize),
    /// None for now; it will say when.
    Full,
    /// None before the span has passed.
    Down(Duration),
}

/// What a connection that failed means for the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It is down: the parcel's try counts, all others are given back.
    Down,
    /// Other connections work: the parcel waits for one of them.
    Crowded,
}

/// What became of waiting for a parcel.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is moved once, from the backlog to the lane"
)]
pub enum Taken {
    /// One.
    Parcel(Lent),
    /// None came; the lane is counted out.
    Left,
}

impl Site {
    /// Not yet reached.
    pub fn new(plan: Arc<Plan>, clock: Clock) -> Self {
        Self {
            key: plan.key.clone(),
            clock,
            inner: Mutex::new(Inner {
                plan,
                backlog: VecDeque::new(),
                lanes: 0,
                connected: 0,
                idle: 0,
                health: Health::Probing { failures: 0 },
                cap: None,
                avoided: Vec::new(),
            }),
            work: Notify::new(),
        }
    }

    /// Its hosts.
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.lock().plan)
    }

    /// Its hosts, those that failed lately last: a dead first host must not cost each connection its timeout.
    pub fn hops(&self) -> Vec<NextHop> {
        let now = self.clock.mono();
        let mut inner = self.lock();
        inner.avoided.retain(|(_, until)| *until > now);
        let (late, mut hops): (Vec<_>, Vec<_>) = inner
            .plan
            .hops
            .iter()
            .cloned()
            .partition(|hop| inner.avoided.iter().any(|(avoided, _)| avoided == hop));
        hops.extend(late);
        hops
    }

    /// This host failed; others come first for a while.
    pub fn avoid(&self, hop: &NextHop) {
        let until = self.clock.mono() + AVOID_FOR;
        let mut inner = self.lock();
        // Only hosts of the plan are asked, so that the list stays as short as the plan.
        inner.avoided.retain(|(avoided, _)| avoided != hop);
        inner.avoided.push((hop.clone(), until));
    }

    /// Whether it is known to be right under `conf`; else the dispatcher must look at its mail again.
    pub fn is_under(&self, conf: &Arc<Config>) -> bool {
        self.lock().plan.is_under(conf)
    }

    /// The same site under what is in force now, or with equal hosts in another order.
    pub fn replan(&self, plan: &Arc<Plan>) {
        self.lock().plan = Arc::clone(plan);
    }

    /// How many parcels it takes now, with at most `most` connections.
    pub fn room(&self, most: usize) -> Room {
        let now = self.clock.mono();
        let mut inner = self.lock();
        match inner.health {
            Health::Down { until, .. } if until > now => return Room::Down(until - now),
            Health::Down { failures, .. } => inner.health = Health::Probing { failures },
            Health::Probing { .. } | Health::Up => {}
        }
        let high = match inner.health {
            // A single parcel tells whether the site is back.
            Health::Probing { failures } if failures > 0 => 1,
            Health::Probing { .. } | Health::Up | Health::Down { .. } => {
                inner.most(most, now) * BACKLOG_PER_LANE
            }
        };
        match high.saturating_sub(inner.backlog.len() + inner.probes()) {
            0 => Room::Full,
            room => Room::Parcels(room),
        }
    }

    /// Adds parcels; then lanes are staffed.
    pub fn push(&self, parcels: Vec<Lent>) {
        let mut inner = self.lock();
        match inner.health {
            // It went down while they were claimed; dropped, they are given back.
            Health::Down { .. } => return,
            Health::Probing { .. } | Health::Up => {}
        }
        let waking = parcels.len().min(inner.idle);
        inner.backlog.extend(parcels);
        drop(inner);
        for _ in 0..waking {
            self.work.notify_one();
        }
    }

    /// Counts lanes in for the backlog, at most `most` in all; so many must be started.
    pub fn more(&self, most: usize) -> usize {
        let now = self.clock.mono();
        self.lock().start(most, now)
    }

    /// Waits for a parcel for `wait`. `low`: told when the backlog runs low. `evict`: an idle connection must go.
    pub async fn take(&self, wait: Duration, low: &Low, evict: &Notify) -> Taken {
        let mut end = self.clock.mono() + wait;
        loop {
            {
                let mut inner = self.lock();
                if let Some(parcel) = inner.backlog.pop_front() {
                    if inner.backlog.len() <= inner.lanes {
                        low.ask();
                    }
                    return Taken::Parcel(parcel);
                }
                if self.clock.mono() >= end {
                    inner.lanes -= 1;
                    return Taken::Left;
                }
                inner.idle += 1;
            }
            let waited = Waited(self);
            tokio::select! {
                () = self.work.notified() => {}
                () = self.clock.sleep_until(end) => {}
                () = evict.notified() => end = self.clock.mono(),
            }
            drop(waited);
        }
    }

    /// A lane ends otherwise than by `take`.
    pub fn leave(&self) {
        self.lock().lanes -= 1;
    }

    /// A connection stands: the site is up.
    pub fn reached(&self) {
        let mut inner = self.lock();
        inner.connected += 1;
        inner.health = Health::Up;
    }

    /// A connection is gone.
    pub fn disconnected(&self) {
        self.lock().connected -= 1;
    }

    /// No host could be used.
    pub fn failed(&self, first_wait: Duration) -> Failed {
        let now = self.clock.mono();
        let mut inner = self.lock();
        if inner.connected > 0 {
            inner.cap = Some((inner.connected, now + CAP_FOR));
            return Failed::Crowded;
        }
        let failures = match inner.health {
            Health::Up => 0,
            Health::Probing { failures } => failures,
            // Another lane has just said so.
            Health::Down { .. } => return Failed::Down,
        };
        let wait = back_off(first_wait, failures);
        inner.health = Health::Down {
            until: now + wait,
            failures: failures + 1,
        };
        // Dropping a lent parcel gives it back as it was: no try is counted.
        inner.backlog.clear();
        Failed::Down
    }

    /// Puts a parcel back to the front.
    pub fn put_back(&self, parcel: Lent) {
        let mut inner = self.lock();
        inner.backlog.push_front(parcel);
        drop(inner);
        self.work.notify_one();
    }

    /// Gives back what waits here.
    pub fn clear(&self) {
        self.lock().backlog.clear();
    }

    /// Whether nothing would be lost by forgetting it.
    pub fn forgettable(&self) -> bool {
        let inner = self.lock();
        let calm = match inner.health {
            Health::Probing { failures } => failures == 0,
            Health::Up => true,
            Health::Down { .. } => false,
        };
        calm && inner.lanes == 0 && inner.backlog.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn most(&self, most: usize, now: Mono) -> usize {
        match self.cap {
            Some((cap, until)) if until > now => cap.min(most).max(1),
            Some(_) | None => most.max(1),
        }
    }

    /// Lanes that try a site not known to be up.
    fn probes(&self) -> usize {
        match self.health {
            Health::Probing { failures } if failures > 0 => self.lanes,
            Health::Probing { .. } | Health::Up | Health::Down { .. } => 0,
        }
    }

    fn start(&mut self, most: usize, now: Mono) -> usize {
        let most = match self.health {
            Health::Up => self.most(most, now),
            // Until one connection stands, one lane is enough: a dead host costs one try.
            Health::Probing { .. } => 1,
            Health::Down { .. } => 0,
        };
        let wanted = self.backlog.len().saturating_sub(self.idle);
        let start = wanted.min(most.saturating_sub(self.lanes));
        self.lanes += start;
        start
    }
}

/// Counts an idle lane out again, also when its wait is cut short.
struct Waited<'a>(&'a Site);

impl Drop for Waited<'_> {
    fn drop(&mut self) {
        self.0.lock().idle -= 1;
    }
}

/// The wait after so many failures before: doubled each time, at most `DOWN_MAX`.
fn back_off(first: Duration, failures: u32) -> Duration {
    first
        .saturating_mul(1 << failures.min(10))
        .min(DOWN_MAX.max(first))
}

/// Parcels that wait for each lane, so that none idles while the scheduler claims the next ones.
const BACKLOG_PER_LANE: usize = 3;
/// How long a site that refused a connection is asked for fewer.
const CAP_FOR: Duration = Duration::from_secs(60);
/// How long a host that failed is tried after the others.
const AVOID_FOR: Duration = Duration::from_secs(10 * 60);
/// A site that is down is asked at least so often: a restart of a mail server takes minutes.
const DOWN_MAX: Duration = Duration::from_secs(15 * 60);
