//! What delivery waits for: which groups cannot go now, until when and why; which people want at once; what is lent.
//!
//! In memory and bounded: a restart forgets it, as it forgets snoozes, and what it says is found out again by the first
//! try. It makes one truth of the wait of a site and the next try of a mail, for every text and for the end of a
//! lifetime. Not here: how long a site waits (`deliver::stand`), and the next try of a mail by itself (`retry`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Queue;
use super::record::{MessageId, Parcel};
use crate::base::clock::micros;
use crate::base::limit::{WAIT_MEMORY, WAITS_MAX, WOKEN_MAX};
use crate::mail::mailbox::Host;
use crate::mail::outcome::Fault;
use crate::mail::state::State;
use crate::store::{Group, StoreTime, Work};

/// No site is waited for, but DNS; sites are numbered from 1.
pub const NOBODY: u64 = 0;

/// Why a site is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What it answered, or what failed.
    pub fault: Fault,
    /// `mx.example[192.0.2.1]:25`, or `none`.
    pub site: String,
    /// Wall time of that in microseconds.
    pub at: u64,
}

/// A group that cannot go before a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Not before.
    pub until: StoreTime,
    /// Why.
    pub why: Arc<Reason>,
    /// Which site of delivery is waited for.
    by: u64,
}

/// When a recipient is tried next, and what holds it back until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextTry {
    /// A task has it.
    Now,
    /// Never, as long as `[queue] paused` stands.
    Paused,
    /// Then.
    At(StoreTime),
    /// Not before, whatever its own time is.
    Waits(Wait),
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Waits {
    inner: Mutex<Inner>,
    /// Told when somebody was woken.
    nudge: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waits: HashMap<Group, Wait>,
    /// Groups that a person wants tried, and from when.
    woken: BTreeMap<(StoreTime, Group), ()>,
    /// By parcel, how many say so: one that ended is lent again before its old note is gone.
    lent: HashMap<(MessageId, u64), u32>,
}

/// Notes that a parcel is lent, as long as it lives.
#[derive(Debug)]
pub(super) struct Underway {
    waits: Arc<Waits>,
    parcel: (MessageId, u64),
}

impl Waits {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lend(self: &Arc<Self>, message: MessageId, number: u64) -> Underway {
        let parcel = (message, number);
        *self.lock().lent.entry(parcel).or_insert(0) += 1;
        Underway {
            waits: Arc::clone(self),
            parcel,
        }
    }

    fn hold(&self, group: &Group, wait: Wait, now: StoreTime) {
        let mut inner = self.lock();
        if inner.waits.len() >= WAITS_MAX && !inner.waits.contains_key(group) {
            inner.waits.retain(|_, wait| wait.is_remembered(now));
            if inner.waits.len() >= WAITS_MAX {
                // The group waits all the same; only why cannot be said.
                return;
            }
        }
        inner.waits.insert(group.clone(), wait);
    }

    /// Groups that wait for a site wait no more.
    fn end_of(&self, by: u64) -> Vec<Group> {
        let mut inner = self.lock();
        let ended: Vec<Group> = inner
            .waits
            .iter()
            .filter(|(_, wait)| wait.by == by)
            .map(|(group, _)| group.clone())
            .collect();
        for group in &ended {
            inner.waits.remove(group);
        }
        ended
    }

    fn wake(&self, group: Group, at: StoreTime, now: StoreTime) {
        let mut inner = self.lock();
        if at <= now {
            inner.shorten(&group, now);
        }
        if inner.woken.len() < WOKEN_MAX {
            inner.woken.insert((at, group), ());
        }
        drop(inner);
        self.nudge.notify_one();
    }

    fn woken(&self, now: StoreTime) -> (Vec<Group>, Option<StoreTime>) {
        let mut inner = self.lock();
        let mut due = Vec::new();
        while let Some(first) = inner.woken.first_entry() {
            if first.key().0 > now {
                return (due, Some(first.key().0));
            }
            let ((_, group), ()) = first.remove_entry();
            inner.shorten(&group, now);
            due.push(group);
        }
        (due, None)
    }
}

impl Inner {
    /// The wait is over, its reason is not.
    fn shorten(&mut self, group: &Group, now: StoreTime) {
        if let Some(wait) = self.waits.get_mut(group) {
            wait.until = wait.until.min(now);
        }
    }
}

impl Wait {
    fn is_remembered(&self, now: StoreTime) -> bool {
        self.until.0.saturating_add(micros(WAIT_MEMORY)) > now.0
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut inner = self.waits.lock();
        if let Some(notes) = inner.lent.get_mut(&self.parcel) {
            *notes -= 1;
            if *notes == 0 {
                inner.lent.remove(&self.parcel);
            }
        }
    }
}

impl super::Deliveries {
    /// Nothing of the group is lent before `until`, because of the site `by`.
    pub fn hold(&self, group: &Group, until: StoreTime, why: Arc<Reason>, by: u64) {
        let wait = Wait { until, why, by };
        self.queue.waits.hold(group, wait, self.now());
        self.snooze(group, until);
    }

    /// The site can be used again: what waited for it is due at once, if it is due.
    pub fn let_go(&self, by: u64) {
        for group in self.queue.waits.end_of(by) {
            self.snooze(&group, StoreTime(0));
        }
    }

    /// A group that a person wants tried cannot be looked at before `at`.
    pub fn wake_later(&self, group: Group, at: StoreTime) {
        self.queue.waits.wake(group, at, self.now());
    }

    /// Ends when a person wanted something tried since the last call.
    pub async fn nudged(&self) {
        self.queue.waits.nudge.notified().await;
    }

    /// Groups that a person wants tried now, and when there will be more.
    pub fn woken(&self) -> (Vec<Group>, Option<StoreTime>) {
        self.queue.waits.woken(self.now())
    }
}

impl Queue {
    /// When what waits in a parcel is tried next, as far as it is known now; none: nothing waits.
    pub fn next_try(&self, id: MessageId, number: u64, parcel: &Parcel) -> Option<NextTry> {
        let due = |slot: &State| matches!(slot, State::Due | State::MaybeDelivered);
        if !parcel.slots.iter().any(|slot| due(&slot.state)) {
            return None;
        }
        let own = StoreTime(parcel.next_try);
        let paused = self.conf.load().queue.paused;
        let inner = self.waits.lock();
        if inner.lent.contains_key(&(id, number)) {
            return Some(NextTry::Now);
        }
        if paused {
            return Some(NextTry::Paused);
        }
        let group = super::accept::group_of(parcel)?;
        let later = self.store.now().max(own);
        let wait = inner.waits.get(&group).filter(|wait| wait.until > later);
        Some(wait.map_or(NextTry::At(own), |wait| NextTry::Waits(wait.clone())))
    }

    /// Why mail for a host that is at its end was not tried: what the site that it waited for had said.
    pub(super) fn last_reason(&self, host: &Host, account: &str) -> Option<Arc<Reason>> {
        let group = super::group::for_delivery(host, account);
        let now = self.store.now();
        let inner = self.waits.lock();
        let wait = inner.waits.get(&group)?;
        wait.is_remembered(now).then(|| Arc::clone(&wait.why))
    }

    /// Sites that are waited for: until when, why, and by how many groups; soonest first, at most `most`.
    pub fn waited_for(&self, most: usize) -> Vec<(Wait, usize)> {
        let now = self.store.now();
        let inner = self.waits.lock();
        let mut sites: HashMap<_, (Wait, usize)> = HashMap::new();
        for wait in inner.waits.values().filter(|wait| wait.until > now) {
            // Where there is no site, what DNS said names the domain; one does not stand for another.
            let said = (wait.by == NOBODY).then(|| wait.why.fault.reply.text());
            let entry = sites.entry((wait.by, said));
            entry.or_insert_with(|| (wait.clone(), 0)).1 += 1;
        }
        let mut sites: Vec<_> = sites.into_values().collect();
        drop(inner);
        sites.sort_by_key(|(wait, _)| wait.until);
        sites.truncate(most);
        sites
    }

    /// A person wants these parcels tried, from `at` on: their wait ends, and their site is asked.
    pub(super) fn wake(&self, groups: impl IntoIterator<Item = (StoreTime, Group)>) {
        let now = self.store.now();
        for (at, group) in groups {
            self.waits.wake(group.clone(), at, now);
            if at <= now {
                // Lists show it as due from here on.
                self.store.snooze(Work::Deliver, group, StoreTime(0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::outcome::Scope;
    use crate::mail::reply::Reply;

    fn wait(until: u64, by: u64) -> Wait {
        let why = Arc::new(Reason {
            fault: Fault {
                scope: Scope::Site,
                reply: Reply::new(451, None, "connection refused"),
                synthetic: true,
                step: "connect".into(),
            },
            site: "mx.example[192.0.2.1]:25".into(),
            at: 0,
        });
        let until = StoreTime(until);
        Wait { until, why, by }
    }

    fn group(n: usize) -> Group {
        Group(n.to_string().into_bytes().into())
    }

    #[test]
    fn a_site_that_is_back_ends_the_waits_of_its_groups_and_of_no_other() {
        let waits = Waits::default();
        for n in 0..6 {
            waits.hold(&group(n), wait(9, n as u64 % 2), StoreTime(0));
        }
        assert_eq!(waits.end_of(1).len(), 3);
        assert_eq!((waits.end_of(1).len(), waits.end_of(0).len()), (0, 3));
    }

    #[test]
    fn what_people_want_comes_when_its_time_has_come_and_once() {
        let waits = Waits::default();
        for (at, n) in [(5, 1), (3, 2), (3, 2), (8, 3)] {
            waits.wake(group(n), StoreTime(at), StoreTime(0));
        }
        let (now, later) = waits.woken(StoreTime(5));
        assert_eq!((now, later), (vec![group(2), group(1)], Some(StoreTime(8))));
        assert_eq!(waits.woken(StoreTime(9)), (vec![group(3)], None));
        for n in 0..2 * WOKEN_MAX {
            waits.wake(group(n), StoreTime(1), StoreTime(1));
        }
        assert_eq!(waits.woken(StoreTime(1)).0.len(), WOKEN_MAX);
    }

    #[test]
    fn reasons_are_bounded_and_old_ones_make_room() {
        let waits = Waits::default();
        for n in 0..=WAITS_MAX {
            waits.hold(&group(n), wait(1, 0), StoreTime(0));
        }
        assert_eq!(waits.lock().waits.len(), WAITS_MAX);
        let late = StoreTime(2 * micros(WAIT_MEMORY));
        waits.hold(&group(WAITS_MAX), wait(late.0, 0), late);
        assert_eq!(waits.lock().waits.len(), 1);
    }

    #[test]
    fn a_parcel_is_under_way_as_long_as_it_is_lent() {
        let waits = Arc::new(Waits::default());
        let lent = waits.lend(MessageId(1), 2);
        let again = waits.lend(MessageId(1), 2);
        drop(lent);
        assert!(
            waits.lock().lent.contains_key(&(MessageId(1), 2)),
            "the end of the last loan may be noted behind the next one"
        );
        drop(again);
        assert!(waits.lock().lent.is_empty());
    }
}
