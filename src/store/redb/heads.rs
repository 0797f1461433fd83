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
}

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

    /// A claim looked through the group: `next` is what remains. Newer commits win.
    pub(super) fn looked(&self, work: Work, group: &Group, look: Look, next: Option<StoreTime>) {
        let mut line = self.line(work);
        let Some(place) = line.groups.get_mut(group) else {
            // Not here, because it did not fit: what remains must stay in reach.
            if let Some(at) = next {
                line.place(group, at);
                line.shrink(self.max);
            }
            return;
        };
        place.turn = look.turn;
        if place.touched > look.touches {
            return;
        }
        match next {
            Some(at) => {
                place.at = at;
                line.show(group);
            }
            None => line.remove(group),
        }
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
        let mut heads = Vec::new();
        for (at, group) in &line.order {
            if *at > now || heads.len() < limit {
                heads.push(Head {
                    group: group.clone(),
                    at: *at,
                });
            }
            if *at > now || heads.len() >= limit {
                break;
            }
        }
        let mut seek = false;
        // While groups are sought, what lies behind the horizon is about to appear by itself.
        if let Some((at, group)) = line.horizon.as_ref().filter(|_| line.seeking.is_none()) {
            let waits = heads.last().is_none_or(|head| head.at > *at);
            if waits && heads.len() <= limit {
                if heads.last().is_some_and(|head| head.at > now) {
                    heads.pop();
                }
                heads.push(Head {
                    group: group.clone(),
                    at: *at,
                });
            }
            seek = *at <= now || line.groups.len() < self.max / 2;
        }
        (heads, seek)
    }

    pub(super) fn begin_seek(&self, work: Work) -> bool {
        let mut line = self.line(work);
        if line.seeking.is_some() {
            return false;
        }
        line.seeking = Some(None);
        true
    }

    pub(super) fn end_seek(&self, work: Work) {
        let mut line = self.line(work);
        if let Some(horizon) = line.seeking.take() {
            line.horizon = horizon;
        }
    }
}

impl Line {
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
