//! When each group is due next: the soonest 50,000 of each kind of work, in memory.
//!
//! A head may be early, never late. Commits lower heads; only a claim, which has just looked, raises one, and only if
//! no commit touched the group since it opened its snapshot. A snooze outranks what commits say and is forgotten by a
//! restart. Groups that did not fit are behind `horizon` and are sought again when half of the room is free (`seek`).
//! Not here: reading the due index.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::frame::Slot;
use crate::base::limit::HEADS_MAX;
use crate::store::{Group, Head, StoreTime, Work};

#[derive(Debug)]
pub(super) struct Heads {
    works: [Mutex<Line>; Work::ALL.len()],
    hints: [watch::Sender<u64>; Work::ALL.len()],
    max: usize,
}

/// One kind of work.
#[derive(Debug, Default)]
struct Line {
    groups: HashMap<Group, Place>,
    order: BTreeSet<(StoreTime, Group)>,
    snoozes: HashMap<Group, StoreTime>,
    /// Counts what commits and returned claims say.
    touches: u64,
    /// Where groups that are not here may start.
    horizon: Option<(StoreTime, Group)>,
    /// While groups are sought: the same for what was put out since then.
    seeking: Option<Option<(StoreTime, Group)>>,
    /// The seek under way, or the last one. An older one has read what no longer counts.
    seek: SeekId,
    /// A seek could not read: it is begun again, or what it did not find would be due and seen by nobody.
    failed: bool,
}

/// One seek of the groups of a kind of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SeekId(u64);

#[derive(Debug)]
struct Place {
    at: StoreTime,
    /// Where it stands in the order: `at`, or the end of its snooze.
    shown: StoreTime,
    touched: u64,
    turn: u8,
}

/// What a claim must know before it opens its snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) touches: u64,
    pub(super) turn: u8,
    pub(super) snoozed: bool,
}

impl Heads {
    pub(super) fn new(max: usize) -> Self {
        Self {
            works: Default::default(),
            hints: std::array::from_fn(|_| watch::Sender::new(0)),
            max,
        }
    }

    pub(super) fn standard() -> Self {
        Self::new(HEADS_MAX)
    }

    fn line(&self, work: Work) -> MutexGuard<'_, Line> {
        #[expect(clippy::indexing_slicing, reason = "works are numbered 1..=len")]
        let line = &self.works[work as usize - 1];
        line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hint(&self, work: Work) -> &watch::Sender<u64> {
        #[expect(clippy::indexing_slicing, reason = "works are numbered 1..=len")]
        let hint = &self.hints[work as usize - 1];
        hint
    }

    pub(super) fn subscribe(&self, work: Work) -> watch::Receiver<u64> {
        self.hint(work).subscribe()
    }

    pub(super) fn wake(&self, work: Work) {
        self.hint(work).send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Something of a group is due at `slot.at`. Answers whether waiters should look.
    pub(super) fn lower(&self, slot: &Slot) -> bool {
        let mut line = self.line(slot.work);
        line.touches += 1;
        let lowered = line.place(&slot.group, slot.at);
        let touches = line.touches;
        if let Some(place) = line.groups.get_mut(&slot.group) {
            place.touched = touches;
        }
        line.shrink(self.max);
        lowered
    }

    /// What a seek found; it may be older than what commits said, so it can only lower.
    pub(super) fn found(&self, work: Work, group: &Group, at: StoreTime) -> bool {
        let mut line = self.line(work);
        let lowered = line.place(group, at);
        line.shrink(self.max);
        lowered
    }

    pub(super) fn look(&self, work: Work, group: &Group, now: StoreTime) -> Look {
        let mut line = self.line(work);
        if line.snoozes.get(group).is_some_and(|until| *until <= now) {
            line.snoozes.remove(group);
        }
        Look {
            touches: line.touches,
            turn: line.groups.get(group).map_or(0, |place| place.turn),
            snoozed: line.snoozes.contains_key(group),
        }
    }

    /// A claim looked through the group at `now`: `next` is what remains. Newer commits win. Answers whether waiters
    /// should look again: whoever claimed does not know of what will be due later, and a commit that came in between
    /// found the head early and so woke nobody.
    pub(super) fn looked(
        &self,
        work: Work,
        group: &Group,
        look: Look,
        next: Option<StoreTime>,
        now: StoreTime,
    ) -> bool {
        let later = next.is_some_and(|at| at > now);
        let mut line = self.line(work);
        let Some(place) = line.groups.get_mut(group) else {
            // Not here, because it did not fit: what remains must stay in reach.
            if let Some(at) = next {
                line.place(group, at);
                line.shrink(self.max);
            }
            return later;
        };
        place.turn = look.turn;
        if place.touched > look.touches {
            return true;
        }
        match next {
            Some(at) => {
                place.at = at;
                line.show(group);
            }
            None => line.remove(group),
        }
        later
    }

    /// Answers whether the group is due earlier than before.
    pub(super) fn snooze(
        &self,
        work: Work,
        group: &Group,
        until: StoreTime,
        now: StoreTime,
    ) -> bool {
        let mut line = self.line(work);
        if until <= now {
            line.snoozes.remove(group);
        } else {
            if line.snoozes.len() >= self.max {
                line.snoozes.retain(|_, until| *until > now);
            }
            // Full: the group is tried early, which is allowed.
            if line.snoozes.len() < self.max || line.snoozes.contains_key(group) {
                line.snoozes.insert(group.clone(), until);
            }
        }
        line.show(group)
    }

    /// Groups due at `now`, and the first that is not. The flag asks for a new seek.
    pub(super) fn ready(&self, work: Work, limit: usize, now: StoreTime) -> (Vec<Head>, bool) {
        let line = self.line(work);
        // While groups are sought, what lies behind the horizon is about to appear by itself.
        let horizon = line.horizon.as_ref().filter(|_| line.seeking.is_none());
        let before = |(at, _): &&(StoreTime, Group)| horizon.is_none_or(|(limit, _)| at <= limit);
        let near = line.order.iter().take_while(before);
        let far = line.order.iter().skip_while(before);
        let mut heads = Vec::new();
        for (at, group) in near.chain(horizon).chain(far) {
            if *at <= now && heads.len() >= limit {
                break;
            }
            heads.push(Head {
                group: group.clone(),
                at: *at,
            });
            if *at > now {
                break;
            }
        }
        let seek = horizon.is_some_and(|(at, _)| *at <= now || line.groups.len() < self.max / 2);
        (heads, seek)
    }

    /// None: one is under way, which will see the same.
    pub(super) fn begin_seek(&self, work: Work) -> Option<SeekId> {
        let mut line = self.line(work);
        match line.seeking {
            Some(_) => None,
            None => Some(line.begin_seek()),
        }
    }

    /// Begins a seek although one may be under way: that one has read from before a change that no head knows of.
    pub(super) fn restart_seek(&self, work: Work) -> SeekId {
        self.line(work).begin_seek()
    }

    pub(super) fn is_current(&self, work: Work, seek: SeekId) -> bool {
        self.line(work).seek == seek
    }

    /// The seek has found all there is; nothing happens when a newer one has begun.
    pub(super) fn end_seek(&self, work: Work, seek: SeekId) {
        let mut line = self.line(work);
        if line.seek == seek
            && let Some(horizon) = line.seeking.take()
        {
            line.horizon = horizon;
        }
    }

    /// The seek could not read on. Its groups are sought again by whoever asks `take_failed`.
    pub(super) fn fail_seek(&self, work: Work, seek: SeekId) {
        let mut line = self.line(work);
        if line.seek == seek {
            line.seeking = None;
            line.failed = true;
        }
    }

    /// Whether the last seek failed; asked once a failure.
    pub(super) fn take_failed(&self, work: Work) -> bool {
        std::mem::take(&mut self.line(work).failed)
    }
}

impl Line {
    fn begin_seek(&mut self) -> SeekId {
        self.seeking = Some(None);
        self.failed = false;
        self.seek.0 += 1;
        self.seek
    }

    /// Puts a group at `at` if that is earlier. Answers whether it is shown earlier than before.
    fn place(&mut self, group: &Group, at: StoreTime) -> bool {
        match self.groups.get_mut(group) {
            Some(place) if place.at <= at => false,
            Some(place) => {
                place.at = at;
                self.show(group)
            }
            None => {
                let shown = self.shown(group, at);
                self.order.insert((shown, group.clone()));
                let place = Place {
                    at,
                    shown,
                    touched: self.touches,
                    turn: 0,
                };
                self.groups.insert(group.clone(), place);
                true
            }
        }
    }

    fn shown(&self, group: &Group, at: StoreTime) -> StoreTime {
        self.snoozes.get(group).map_or(at, |until| at.max(*until))
    }

    /// Moves a group to where it belongs. Answers whether that is earlier.
    fn show(&mut self, group: &Group) -> bool {
        let Some(at) = self.groups.get(group).map(|place| place.at) else {
            return false;
        };
        let shown = self.shown(group, at);
        let Some(place) = self.groups.get_mut(group) else {
            return false;
        };
        if place.shown == shown {
            return false;
        }
        let before = std::mem::replace(&mut place.shown, shown);
        self.order.remove(&(before, group.clone()));
        self.order.insert((shown, group.clone()));
        shown < before
    }

    fn remove(&mut self, group: &Group) {
        if let Some(place) = self.groups.remove(group) {
            self.order.remove(&(place.shown, group.clone()));
        }
    }

    /// Puts out the latest groups above the bound.
    fn shrink(&mut self, max: usize) {
        while self.groups.len() > max {
            let Some(last) = self.order.pop_last() else {
                return;
            };
            self.groups.remove(&last.1);
            let later = |horizon: &Option<(StoreTime, Group)>| {
                horizon.as_ref().is_none_or(|(at, _)| last.0 < *at)
            };
            if let Some(out) = &mut self.seeking
                && later(out)
            {
                *out = Some(last.clone());
            }
            if later(&self.horizon) {
                self.horizon = Some(last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::Band;

    const WORK: Work = Work::Deliver;

    fn group(n: u8) -> Group {
        Group([n][..].into())
    }

    fn slot(n: u8, at: u64) -> Slot {
        Slot {
            work: WORK,
            group: group(n),
            band: Band::Normal,
            at: StoreTime(at),
        }
    }

    /// What the due index would say: each group's first due time.
    type Truth = BTreeMap<u8, u64>;

    fn seek(heads: &Heads, truth: &Truth) {
        if let Some(id) = heads.begin_seek(WORK) {
            for (n, at) in truth {
                heads.found(WORK, &group(*n), StoreTime(*at));
            }
            heads.end_seek(WORK, id);
        }
    }

    #[test]
    fn with_room_for_few_groups_none_is_ever_late() {
        for seed in 0..300 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let heads = Heads::new(rng.usize(1..6));
            let mut truth = Truth::new();
            let mut now = 0;
            for _ in 0..200 {
                let n = rng.u8(..12);
                match rng.u8(..4) {
                    0 | 1 => {
                        // A commit makes something due.
                        let at = now + rng.u64(..20);
                        truth
                            .entry(n)
                            .and_modify(|old| *old = at.min(*old))
                            .or_insert(at);
                        heads.lower(&slot(n, at));
                    }
                    2 => {
                        // Whoever asks claims the first group, which settles it or finds it was early.
                        let (ready, again) = heads.ready(WORK, 3, StoreTime(now));
                        if let Some(head) = ready.first().filter(|head| head.at.0 <= now) {
                            let look = heads.look(WORK, &head.group, StoreTime(now));
                            let n = head.group.0[0];
                            if truth.get(&n).is_some_and(|at| *at <= now) {
                                truth.remove(&n);
                            }
                            let next = truth.get(&n).map(|at| StoreTime(*at));
                            heads.looked(WORK, &head.group, look, next, StoreTime(now));
                        }
                        if again {
                            seek(&heads, &truth);
                        }
                    }
                    _ => now += rng.u64(..5),
                }
                let first = truth.values().min().copied();
                let shown = heads
                    .ready(WORK, 1, StoreTime(now))
                    .0
                    .first()
                    .map(|head| head.at.0);
                assert!(
                    first.is_none_or(|first| shown.is_some_and(|shown| shown <= first)),
                    "seed {seed}: first due at {first:?}, shown {shown:?}"
                );
            }
        }
    }

    #[test]
    fn a_claim_does_not_raise_a_head_that_a_commit_lowered_meanwhile() {
        let heads = Heads::new(10);
        heads.lower(&slot(1, 5));
        let look = heads.look(WORK, &group(1), StoreTime(5));
        heads.lower(&slot(1, 5));
        let again = heads.looked(WORK, &group(1), look, None, StoreTime(5));
        assert_eq!(heads.ready(WORK, 1, StoreTime(5)).0.len(), 1);
        assert!(again, "the commit found the head early and woke nobody");
    }

    #[test]
    fn a_claim_that_leaves_something_for_later_asks_for_a_look() {
        let heads = Heads::new(10);
        for (next, wanted) in [(None, false), (Some(9), true), (Some(5), false)] {
            heads.lower(&slot(1, 5));
            let look = heads.look(WORK, &group(1), StoreTime(5));
            let next = next.map(StoreTime);
            let again = heads.looked(WORK, &group(1), look, next, StoreTime(5));
            assert_eq!(again, wanted, "case: {next:?}");
        }
    }

    #[test]
    fn a_seek_that_was_overtaken_ends_nothing() {
        let heads = Heads::new(2);
        let old = heads.begin_seek(WORK).unwrap();
        assert_eq!(heads.begin_seek(WORK), None, "it will see the same");
        let new = heads.restart_seek(WORK);
        assert!(!heads.is_current(WORK, old) && heads.is_current(WORK, new));
        for n in 0..3 {
            heads.found(WORK, &group(n), StoreTime(u64::from(n)));
        }
        heads.end_seek(WORK, old);
        assert_eq!(heads.begin_seek(WORK), None, "the new one goes on");
        heads.end_seek(WORK, new);
        let (ready, _) = heads.ready(WORK, 9, StoreTime(9));
        assert_eq!(ready.len(), 3, "what was put out stays in reach");
    }

    #[test]
    fn a_seek_that_cannot_read_is_begun_again() {
        let heads = Heads::new(2);
        let seek = heads.begin_seek(WORK).unwrap();
        heads.fail_seek(WORK, seek);
        assert!(heads.take_failed(WORK) && !heads.take_failed(WORK));
        assert!(heads.begin_seek(WORK).is_some());
    }

    #[test]
    fn groups_that_did_not_fit_come_when_half_of_the_room_is_free() {
        let heads = Heads::new(4);
        let truth: Truth = (0..8).map(|n| (n, u64::from(n))).collect();
        seek(&heads, &truth);
        let mut left = truth.clone();
        let mut order = Vec::new();
        for _ in 0..8 {
            let (ready, again) = heads.ready(WORK, 1, StoreTime(100));
            let head = ready.first().unwrap();
            order.push(head.group.0[0]);
            left.remove(&head.group.0[0]);
            let look = heads.look(WORK, &head.group, StoreTime(100));
            heads.looked(WORK, &head.group, look, None, StoreTime(100));
            if again {
                seek(&heads, &left);
            }
        }
        assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
