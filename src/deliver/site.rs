//! One site: its plan, how it stands, which of its hosts failed lately, and why it is waited for.
//!
//! The machine is `stand`; this is its lock, its clock and its wakers. What comes back from the machine is dropped
//! outside the lock, and so given back to the store. Not here: which parcel comes next (`schedule`), who may have a
//! connection (`places`), and talking to it (`lane`).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::plan::{Plan, SiteKey};
use super::stand::{Stand, Taken};
use super::throttle::Slow;
use crate::base::clock::{Clock, Mono};
use crate::base::limit::RCPT_LIMIT_MEMORY;
use crate::config::{Config, NextHop};
use crate::mail::outcome::Fault;
use crate::queue::waits::Reason;
use crate::queue::{Lent, MessageId};

pub use super::stand::{Failed, Lane, Room};

/// Shared by the scheduler and the site's lanes.
#[derive(Debug)]
pub struct Site {
    /// Its name.
    pub key: SiteKey,
    /// Unlike any other's of this process, for what waits for it.
    pub number: u64,
    clock: Clock,
    inner: Mutex<Inner>,
    work: Notify,
}

#[derive(Debug)]
struct Inner {
    plan: Arc<Plan>,
    stand: Stand<Lent>,
    /// Hosts that failed lately, and until when they are tried last.
    avoided: Vec<(NextHop, Mono)>,
    /// Why it is waited for.
    why: Option<Arc<Reason>>,
    /// Recipients that it takes at once, and until when we believe that.
    recipients: Option<(usize, Mono)>,
    /// The mail that was told last to come later, behind MAIL.
    suspect: Option<MessageId>,
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

impl Site {
    /// Not yet reached.
    pub fn new(plan: Arc<Plan>, number: u64, clock: Clock) -> Self {
        Self {
            key: plan.key.clone(),
            number,
            clock,
            inner: Mutex::new(Inner {
                plan,
                stand: Stand::default(),
                avoided: Vec::new(),
                why: None,
                recipients: None,
                suspect: None,
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
        let now = self.now();
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
        let until = self.now() + AVOID_FOR;
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
        self.lock().stand.room(most, self.now())
    }

    /// Adds parcels; then lanes are staffed.
    pub fn push(&self, parcels: Vec<Lent>) {
        let mut inner = self.lock();
        let waking = parcels.len().min(inner.stand.idle());
        let rejected = inner.stand.push(parcels, self.now());
        drop(inner);
        drop(rejected);
        for _ in 0..waking {
            self.work.notify_one();
        }
    }

    /// Counts a lane in if the backlog asks for one, with at most `most` in all.
    pub fn start(&self, most: usize) -> Option<Lane> {
        self.lock().stand.start(most, self.now())
    }

    /// A lane asks for a parcel; `low`: told when the backlog runs low.
    pub fn take(&self, lane: &mut Lane, most: usize, low: &Low) -> Taken<Lent> {
        let mut inner = self.lock();
        let taken = inner.stand.take(lane, most, self.now());
        let (backlog, lanes) = inner.stand.counts();
        drop(inner);
        if backlog <= lanes {
            low.ask();
        }
        taken
    }

    /// Ends when something came for a lane that waits. To be enabled before `take`, or it may miss it.
    pub fn work(&self) -> tokio::sync::futures::Notified<'_> {
        self.work.notified()
    }

    /// A lane waits no more.
    pub fn stirred(&self, lane: &mut Lane) {
        self.lock().stand.stirred(lane);
    }

    /// A lane is gone.
    pub fn leave(&self, lane: Lane) {
        self.lock().stand.leave(lane);
    }

    /// A lane's connection stands; not wanted any more if the site went down meanwhile.
    pub fn reached(&self, lane: &mut Lane) -> bool {
        self.lock().stand.reached(lane, self.now())
    }

    /// A lane's connection is gone.
    pub fn disconnected(&self, lane: &mut Lane) {
        self.lock().stand.disconnected(lane);
    }

    /// The site took a mail, or refused one for the mail's own sake; whether it is back after a wait.
    pub fn served(&self, taken: bool, most: usize) -> bool {
        let now = self.now();
        let mut inner = self.lock();
        inner.suspect = None;
        inner.stand.served(taken, most, now)
    }

    /// No host could be used; `since`: when that began.
    pub fn unreachable(
        &self,
        slow: Option<Slow>,
        since: Mono,
        first: Duration,
        (fault, at): (&Fault, &str),
    ) -> Failed {
        self.fails((fault, at), |stand, now| {
            stand.unreachable(slow, now, since, first)
        })
    }

    /// A connection broke with its first mail.
    pub fn broke(&self, first: Duration, (fault, at): (&Fault, &str)) -> Failed {
        self.fails((fault, at), |stand, now| stand.broke(now, first))
    }

    /// Whatever is sent there would fail alike.
    pub fn fail(&self, first: Duration, (fault, at): (&Fault, &str)) -> Failed {
        self.fails((fault, at), |stand, now| stand.fail(now, first))
    }

    /// A reply asked for less; `since`: when its transaction began.
    pub fn slow(
        &self,
        slow: Slow,
        since: Mono,
        first: Duration,
        (fault, at): (&Fault, &str),
    ) -> Failed {
        self.fails((fault, at), |stand, now| {
            stand.slow(slow, now, since, first)
        })
    }

    fn fails(
        &self,
        (fault, at): (&Fault, &str),
        event: impl FnOnce(&mut Stand<Lent>, Mono) -> (Failed, VecDeque<Lent>),
    ) -> Failed {
        let mut inner = self.lock();
        let (failed, back) = event(&mut inner.stand, self.now());
        match failed {
            Failed::Down(_) => {
                let reason = Reason {
                    fault: fault.clone(),
                    site: at.to_owned(),
                    at: self.clock.wall().0,
                };
                inner.why = Some(Arc::new(reason));
            }
            Failed::Fewer | Failed::Known => {}
        }
        drop(inner);
        // Dropping a lent parcel gives it back as it was: no try is counted.
        drop(back);
        failed
    }

    /// Whether this mail was the last that was told to come later, behind MAIL; from now on it is.
    pub fn again(&self, message: MessageId) -> bool {
        self.lock().suspect.replace(message) == Some(message)
    }

    /// A person wants it tried now.
    pub fn wake(&self) {
        self.lock().stand.wake(self.now());
    }

    /// Puts a parcel back to the front.
    pub fn put_back(&self, parcel: Lent) {
        let rejected = self.lock().stand.put_back(parcel, self.now());
        drop(rejected);
        self.work.notify_one();
    }

    /// Gives back what waits here.
    pub fn clear(&self) {
        let back = self.lock().stand.clear();
        drop(back);
    }

    /// Why it is waited for.
    pub fn why(&self) -> Option<Arc<Reason>> {
        self.lock().why.clone()
    }

    /// Whether the site came back from a wait since the last call.
    pub fn came_back(&self) -> bool {
        let mut inner = self.lock();
        let back = inner.stand.came_back();
        if back {
            inner.why = None;
        }
        back
    }

    /// Whether it has no lane.
    pub fn is_deserted(&self) -> bool {
        self.lock().stand.counts().1 == 0
    }

    /// Recipients that it takes at once.
    pub fn recipients_max(&self) -> usize {
        let now = self.now();
        let known = self.lock().recipients.filter(|(_, until)| *until > now);
        known.map_or(usize::MAX, |(most, _)| most.max(1))
    }

    /// It took so many recipients and said that these were enough.
    pub fn took_only(&self, recipients: usize) {
        let until = self.now() + RCPT_LIMIT_MEMORY;
        self.lock().recipients = Some((recipients, until));
    }

    /// Whether nothing would be lost by forgetting it.
    pub fn forgettable(&self) -> bool {
        self.lock().stand.forgettable(self.now())
    }

    fn now(&self) -> Mono {
        self.clock.mono()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a host that failed is tried after the others.
const AVOID_FOR: Duration = Duration::from_secs(10 * 60);
