//! What all lanes share: the places, the way to reach hosts, and how a lane starts and is counted out.
//!
//! A lane is counted by its `Berth`, whose drop (also by a panic) counts it out, gives its place back and makes the
//! dispatcher look at the site again; nothing else ends a lane. Hosts that DNS chose count in their network by a `Pass`
//! that the connection keeps. Not here: what a lane does (`lane`), and who is next (`dispatch`).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::connect::Reach;
use super::lane;
use super::places::{Net, Places};
use super::plan::SiteKey;
use super::report::Reporter;
use super::site::{Lane, Low, Site};
use super::stand::Taken;
use crate::base::shutdown::Shutdown;
use crate::queue::{Lent, Queue};

/// What all lanes share.
pub struct Crew {
    places: Mutex<Places<SiteKey>>,
    /// Lanes that live, for the end.
    alive: watch::Sender<usize>,
    /// Wakes idle lanes, so that they ask whether they shall go.
    stir: Notify,
    /// Sites that the dispatcher must look at.
    attention: Mutex<VecDeque<SiteKey>>,
    /// How connections are made.
    pub reach: Reach,
    /// Where bodies are.
    pub queue: Queue,
    /// How tries end.
    pub reporter: Reporter,
    /// When to stop.
    pub shutdown: Shutdown,
    /// Tells the dispatcher that there is something to do.
    pub low: Low,
}

/// One lane, counted in at its site and with a place.
pub struct Berth {
    /// What it works with.
    pub crew: Arc<Crew>,
    /// Whom it serves.
    pub site: Arc<Site>,
    lane: Lane,
    /// It goes because somebody waits.
    asked: bool,
    /// Mails that it has sent.
    served: usize,
}

/// A connection in a network that has its share bounded; empty for hosts that the administrator chose.
pub struct Pass(Option<(Arc<Crew>, Net)>);

impl Crew {
    /// With so many places.
    pub fn new(reach: Reach, queue: Queue, shutdown: Shutdown, places: usize) -> Self {
        Self {
            places: Mutex::new(Places::new(places)),
            alive: watch::Sender::new(0),
            stir: Notify::new(),
            attention: Mutex::default(),
            reporter: Reporter::new(queue.clone(), shutdown.clone()),
            low: Low::default(),
            reach,
            queue,
            shutdown,
        }
    }

    /// Starts the lanes that the site's backlog asks for, as far as there are places.
    pub fn staff(self: &Arc<Self>, site: &Arc<Site>) {
        let most = self.most();
        if self.is_blocked(site) {
            return;
        }
        while let Some(lane) = site.start(most) {
            if !self.places().ask(&site.key) {
                site.leave(lane);
                self.announce();
                // Idle lanes of others may go for it.
                self.stir.notify_waiters();
                return;
            }
            self.spawn(site, lane);
        }
        self.places().withdraw(&site.key);
        self.announce();
    }

    /// Hands free places to whoever waits for one.
    pub fn hand_out(self: &Arc<Self>, sites: &HashMap<SiteKey, Arc<Site>>) {
        let most = self.most();
        loop {
            let Some(key) = self.places().hand_on() else {
                break;
            };
            let site = sites.get(&key).filter(|site| !self.is_blocked(site));
            match site.and_then(|site| Some((site, site.start(most)?))) {
                Some((site, lane)) => {
                    self.spawn(site, lane);
                    self.staff(site);
                }
                None => self.places().release(&key, false),
            }
        }
        self.announce();
    }

    fn spawn(self: &Arc<Self>, site: &Arc<Site>, lane: Lane) {
        let berth = Berth {
            crew: Arc::clone(self),
            site: Arc::clone(site),
            lane,
            asked: false,
            served: 0,
        };
        self.alive.send_modify(|alive| *alive += 1);
        tokio::spawn(lane::run(berth));
    }

    /// The dispatcher looks at the site soon.
    pub fn attend(&self, key: &SiteKey) {
        let mut attention = lock(&self.attention);
        if !attention.contains(key) {
            attention.push_back(key.clone());
        }
        drop(attention);
        self.low.tell();
    }

    /// Sites to look at.
    pub fn attention(&self) -> VecDeque<SiteKey> {
        std::mem::take(&mut *lock(&self.attention))
    }

    /// Whether the site waits for a network that has its share.
    pub fn is_blocked(&self, site: &Site) -> bool {
        self.places().is_blocked(&site.key)
    }

    /// Sites that wait for a network look again: the one that was woken may have needed it no more.
    pub fn unblock_all(&self) {
        let keys = self.places().unblock_all();
        for key in keys {
            self.attend(&key);
        }
    }

    /// Connections to one site, as configured.
    pub fn most(&self) -> usize {
        self.reach.conf.load().deliver.connections_per_site
    }

    /// Waits until no lane and no settle is under way.
    pub async fn finished(&self) {
        // `self` holds the sender, so the wait ends only by the last lane.
        drop(self.alive.subscribe().wait_for(|alive| *alive == 0).await);
        self.reporter.finished().await;
    }

    /// While somebody waits for a place, transactions under way hurry.
    fn announce(&self) {
        let wanted = self.places().wanted();
        self.reach.hurry.set(wanted);
    }

    fn places(&self) -> MutexGuard<'_, Places<SiteKey>> {
        lock(&self.places)
    }
}

impl Berth {
    /// Waits for a parcel for `wait`; none: the lane goes.
    pub async fn take(&mut self, wait: Duration) -> Option<Lent> {
        let (crew, site) = (Arc::clone(&self.crew), Arc::clone(&self.site));
        let clock = &crew.reach.clock;
        let end = clock.mono() + wait;
        loop {
            // Both are heard from here on, so that nothing between the looks and the wait is missed.
            let mut work = pin!(site.work());
            work.as_mut().enable();
            let mut stir = pin!(crew.stir.notified());
            stir.as_mut().enable();
            match site.take(&mut self.lane, crew.most(), &crew.low) {
                Taken::Parcel(parcel) => return Some(parcel),
                Taken::Go => return None,
                Taken::Wait => {}
            }
            if clock.mono() >= end || self.gives_way(0) {
                return None;
            }
            tokio::select! {
                () = work => {}
                () = stir => {}
                () = clock.sleep_until(end) => {}
            }
            site.stirred(&mut self.lane);
        }
    }

    /// Whether it must go because somebody waits: after so many mails.
    pub fn gives_way(&mut self, after: usize) -> bool {
        if self.served < after || self.asked {
            return self.asked;
        }
        self.asked = self.crew.places().may_leave(&self.site.key);
        self.asked
    }

    /// A mail was sent, or tried.
    pub fn count(&mut self) {
        self.served += 1;
    }

    /// Its connection stands; not wanted any more if the site went down meanwhile.
    pub fn reached(&mut self) -> bool {
        let wanted = self.site.reached(&mut self.lane);
        if wanted {
            self.crew.places().found(&self.site.key);
        }
        wanted
    }

    /// Its connection is gone.
    pub fn disconnected(&mut self) {
        self.site.disconnected(&mut self.lane);
    }

    /// Whether a connection to the address may be made; `foreign`: DNS chose it. If not, the site is noted to wait.
    pub fn pass(&self, foreign: bool, address: IpAddr) -> Option<Pass> {
        if !foreign {
            return Some(Pass(None));
        }
        let net = Net::of(address);
        let entered = self.crew.places().enter(&self.site.key, net);
        entered.then(|| Pass(Some((Arc::clone(&self.crew), net))))
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.site.leave(std::mem::take(&mut self.lane));
        self.crew.places().release(&self.site.key, self.asked);
        self.crew.attend(&self.site.key);
        self.crew.alive.send_modify(|alive| *alive -= 1);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some((crew, net)) = self.0.take() {
            let woken = crew.places().exit(net);
            if let Some(key) = woken {
                crew.attend(&key);
            }
        }
    }
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pass")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
