//! How a site stands: its backlog, its lanes, its health and its pace, as one pure machine of events.
//!
//! After every event `wanted` says how many lanes should start, so that nothing due is left without somebody who will
//! look at it: a lane, or the end of a wait. A site that cannot be reached, or asks for less, waits as a whole; what
//! waited here is given back without a counted try. When the wait is over one mail probes, and only a mail that gets
//! through (or is refused for its own sake) lets the others follow. Generic over the parcel, for a model test.
//! Not here: places (`places`), hosts (`site`), and what a reply asks for (`throttle`).

use std::collections::VecDeque;
use std::time::Duration;

use super::pace::{Answer, Pace};
use super::throttle::Slow;
use crate::base::clock::Mono;
use crate::base::limit::{SITE_MEMORY, WAKE_REST};

/// The machine.
#[derive(Debug)]
pub struct Stand<P> {
    backlog: VecDeque<P>,
    /// Lanes that live, that have a connection, and that wait for a parcel.
    lanes: usize,
    connected: usize,
    idle: usize,
    health: Health,
    /// Failures in a row; above zero one mail tells whether the site is back.
    failures: u32,
    /// After a pause, too.
    trial: bool,
    /// It came back from a wait, and nobody was told yet.
    back: bool,
    pace: Pace,
    /// When it failed last.
    failed: Mono,
}

/// Whether a site can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// Not known, or after a wait: one lane tries.
    Probing,
    /// A connection stood.
    Up,
    /// Not before.
    Down { until: Mono },
}

/// What one lane has; its own to keep, so that it is counted out exactly as it was counted in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lane {
    connected: bool,
    idle: bool,
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

/// What a lane does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<P> {
    /// Serves this.
    Parcel(P),
    /// Waits for one.
    Wait,
    /// Goes: the site wants fewer lanes, or none.
    Go,
}

/// What a failure, or a reply that asks for less, means for the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Nothing before this; what waited here is given back.
    Down(Mono),
    /// Fewer connections.
    Fewer,
    /// It is known already.
    Known,
}

/// Parcels that wait for each lane, so that none idles while the scheduler claims the next ones.
const BACKLOG_PER_LANE: usize = 3;
/// A site that is down is asked at least so often: a restart of a mail server takes minutes.
const DOWN_MAX: Duration = Duration::from_secs(15 * 60);

impl<P> Stand<P> {
    /// How many parcels it takes now, with at most `most` connections.
    pub fn room(&mut self, most: usize, now: Mono) -> Room {
        if let Some(until) = self.down(now) {
            return Room::Down(until - now);
        }
        let (high, here) = if self.trial {
            // A single parcel tells whether the site is back: it waits, or a lane has it.
            (1, self.backlog.len() + self.lanes - self.idle)
        } else {
            (self.pace.most(most) * BACKLOG_PER_LANE, self.backlog.len())
        };
        match high.saturating_sub(here) {
            0 => Room::Full,
            room => Room::Parcels(room),
        }
    }

    /// Adds parcels; those that come back found it down.
    pub fn push(&mut self, parcels: Vec<P>, now: Mono) -> Vec<P> {
        if self.down(now).is_some() {
            return parcels;
        }
        self.backlog.extend(parcels);
        Vec::new()
    }

    /// Counts a lane in if the backlog asks for one, with at most `most` in all.
    pub fn start(&mut self, most: usize, now: Mono) -> Option<Lane> {
        let wanted = self.wanted(most, now) > 0;
        self.lanes += usize::from(wanted);
        wanted.then(Lane::default)
    }

    /// Lanes that the backlog asks for.
    pub fn wanted(&mut self, most: usize, now: Mono) -> usize {
        let most = self.lanes_max(most, now);
        let waiting = self.backlog.len().saturating_sub(self.idle);
        waiting.min(most.saturating_sub(self.lanes))
    }

    /// A lane asks for a parcel.
    pub fn take(&mut self, lane: &mut Lane, most: usize, now: Mono) -> Taken<P> {
        self.set_idle(lane, false);
        if self.lanes > self.lanes_max(most, now) {
            return Taken::Go;
        }
        match self.backlog.pop_front() {
            Some(parcel) => Taken::Parcel(parcel),
            None => {
                self.set_idle(lane, true);
                Taken::Wait
            }
        }
    }

    /// A lane waits no more.
    pub fn stirred(&mut self, lane: &mut Lane) {
        self.set_idle(lane, false);
    }

    /// A lane is gone; its connection, if it had one, too.
    pub fn leave(&mut self, mut lane: Lane) {
        self.set_idle(&mut lane, false);
        self.disconnected(&mut lane);
        debug_assert!(self.lanes > 0, "a lane is counted out once");
        self.lanes = self.lanes.saturating_sub(1);
    }

    /// A lane's connection stands. Not wanted any more if the site went down meanwhile.
    pub fn reached(&mut self, lane: &mut Lane, now: Mono) -> bool {
        if self.down(now).is_some() {
            return false;
        }
        debug_assert!(!lane.connected, "a lane has one connection");
        lane.connected = true;
        self.connected += 1;
        self.health = Health::Up;
        true
    }

    /// A lane's connection is gone.
    pub fn disconnected(&mut self, lane: &mut Lane) {
        self.connected -= usize::from(std::mem::take(&mut lane.connected));
    }

    /// The site took a mail, or refused one for the mail's own sake: it works. Whether it is back after a wait.
    pub fn served(&mut self, taken: bool, most: usize, now: Mono) -> bool {
        // A connection that stood before the wait says nothing about its end.
        if self.down(now).is_some() {
            return false;
        }
        self.failures = 0;
        self.back |= std::mem::take(&mut self.trial);
        if taken {
            self.pace.good(most, now);
        }
        self.back
    }

    /// No connection could be made by this lane, which has none. `slow`: because the site asked for less; `since`: when
    /// it began; `first`: the shortest wait.
    pub fn unreachable(
        &mut self,
        slow: Option<Slow>,
        now: Mono,
        since: Mono,
        first: Duration,
    ) -> (Failed, VecDeque<P>) {
        if self.connected > 0 && self.down(now).is_none() {
            self.pace.crowded(self.connected, now);
            return (Failed::Fewer, VecDeque::new());
        }
        match slow {
            Some(slow) => self.slow(slow, now, since, first),
            None => self.fail(now, first),
        }
    }

    /// A connection broke with its first mail. Others that stand say that it was the mail.
    pub fn broke(&mut self, now: Mono, first: Duration) -> (Failed, VecDeque<P>) {
        if self.connected > 0 {
            return (Failed::Known, VecDeque::new());
        }
        self.fail(now, first)
    }

    /// Whatever is sent there would fail alike. `first`: the shortest wait.
    pub fn fail(&mut self, now: Mono, first: Duration) -> (Failed, VecDeque<P>) {
        if self.down(now).is_some() {
            return (Failed::Known, VecDeque::new());
        }
        let until = now + back_off(first, self.failures);
        self.failures = self.failures.saturating_add(1);
        (Failed::Down(until), self.close(until, now))
    }

    /// A reply asked for less. `since`: when its transaction began.
    pub fn slow(
        &mut self,
        slow: Slow,
        now: Mono,
        since: Mono,
        first: Duration,
    ) -> (Failed, VecDeque<P>) {
        let running = self.connected.max(1);
        match self.pace.slow(slow, now, since, running, first) {
            Answer::Known => (Failed::Known, VecDeque::new()),
            Answer::Fewer => (Failed::Fewer, VecDeque::new()),
            Answer::Pause(span) => match self.down(now) {
                Some(until) if until >= now + span => (Failed::Known, VecDeque::new()),
                Some(_) | None => (Failed::Down(now + span), self.close(now + span, now)),
            },
        }
    }

    /// A person wants it tried: the wait ends, at the earliest a moment after the last failure.
    pub fn wake(&mut self, now: Mono) {
        if let Health::Down { until } = &mut self.health {
            *until = (*until).min((self.failed + WAKE_REST).max(now));
        }
    }

    /// Puts a parcel back to the front; it comes back if the site is down.
    pub fn put_back(&mut self, parcel: P, now: Mono) -> Option<P> {
        if self.down(now).is_some() {
            return Some(parcel);
        }
        self.backlog.push_front(parcel);
        None
    }

    /// What waits here, to be given back.
    pub fn clear(&mut self) -> VecDeque<P> {
        std::mem::take(&mut self.backlog)
    }

    /// Whether the site came back from a wait since the last call: what waited for it may go.
    pub fn came_back(&mut self) -> bool {
        std::mem::take(&mut self.back)
    }

    /// Parcels that wait, and lanes.
    pub fn counts(&self) -> (usize, usize) {
        (self.backlog.len(), self.lanes)
    }

    /// Lanes that wait for a parcel.
    pub fn idle(&self) -> usize {
        self.idle
    }

    /// Whether nothing would be lost by forgetting it.
    pub fn forgettable(&self, now: Mono) -> bool {
        // A dead site whose mail is gone would be remembered for ever; the next mail finds out again.
        let long_ago = self.failed + SITE_MEMORY <= now;
        let calm = match self.health {
            Health::Probing | Health::Up => (!self.trial && self.failures == 0) || long_ago,
            Health::Down { until } => until <= now && long_ago,
        };
        calm && self.lanes == 0 && self.backlog.is_empty()
    }

    /// The end of its wait, if that is to come. A wait that is over makes it probe.
    fn down(&mut self, now: Mono) -> Option<Mono> {
        match self.health {
            Health::Down { until } if until > now => Some(until),
            Health::Down { .. } => {
                self.health = Health::Probing;
                None
            }
            Health::Probing | Health::Up => None,
        }
    }

    fn close(&mut self, until: Mono, now: Mono) -> VecDeque<P> {
        self.health = Health::Down { until };
        self.failed = now;
        self.trial = true;
        self.back = false;
        self.clear()
    }

    fn lanes_max(&mut self, most: usize, now: Mono) -> usize {
        if self.down(now).is_some() {
            return 0;
        }
        match self.health {
            Health::Up if !self.trial => self.pace.most(most),
            // Until one connection stands, one lane is enough: a dead host costs one try.
            Health::Up | Health::Probing | Health::Down { .. } => 1,
        }
    }

    fn set_idle(&mut self, lane: &mut Lane, idle: bool) {
        if lane.idle != idle {
            lane.idle = idle;
            self.idle = if idle { self.idle + 1 } else { self.idle - 1 };
        }
    }
}

impl<P> Default for Stand<P> {
    /// Not yet reached.
    fn default() -> Self {
        Self {
            backlog: VecDeque::new(),
            lanes: 0,
            connected: 0,
            idle: 0,
            health: Health::Probing,
            failures: 0,
            trial: false,
            back: false,
            pace: Pace::default(),
            failed: Mono(0),
        }
    }
}

/// The wait after so many failures before: doubled each time, at most `DOWN_MAX`.
fn back_off(first: Duration, failures: u32) -> Duration {
    first
        .saturating_mul(1 << failures.min(10))
        .min(DOWN_MAX.max(first))
}

#[cfg(test)]
mod tests;
