//! Places for connections: so many in all, of one network and of one address; and who makes room when they are used up.
//!
//! Nobody can take what others need by being there first. When all places are taken the newcomer gets that of a
//! connection that does nothing: of the network that has most of them, of its address that has most, and of these the
//! one that was idle for longest; who does not finish its first words goes before all others. No network takes from one
//! that has less, nothing that is under way is ended, and no stranger takes the place of who is trusted or logged in; a
//! part of the places is theirs alone. Who must go hears it at its next wait (`Permit::leaving`) and is counted apart
//! until it has closed.
//! Not here: what is spoken on a connection (`receive`, `admin::web`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::limiter::{network_key, peer_key};
use crate::base::clock::{Clock, Mono};
use crate::base::limit::{PLACES_KEPT_FROM, PLACES_KEPT_PART, PLACES_LEAVING_PART, WORDLESS_MAX};
use crate::base::repeats::Repeats;

/// The places of one kind of door; clones share them.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    door: &'static str,
    clock: Clock,
    repeats: Repeats,
    open: Mutex<Open>,
}

/// A place; clones share it, and the last one gives it back.
#[derive(Clone, Debug)]
pub struct Permit(Arc<Held>);

#[derive(Debug)]
struct Held {
    permits: Permits,
    id: u64,
    leave: watch::Receiver<bool>,
}

/// Something under way on a connection, which is not ended meanwhile.
#[derive(Debug)]
pub struct Work(Permit);

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Places in all.
    pub all: usize,
    /// Of strangers of one network.
    pub of_network: usize,
    /// Of one address.
    pub of_address: usize,
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Anybody's.
    Stranger,
    /// Somebody's who can do nothing here without a login: it may take a kept place to log in, and lose it until then.
    Caller,
    /// Of a trusted network, or logged in.
    Favoured,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Too many in all.
    All,
    /// Too many of this network.
    Network,
    /// Too many of this address.
    Address,
}

/// How many are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stand {
    /// Whose places: `smtp`, `https`, `http`.
    pub door: &'static str,
    /// Connections that are open.
    pub open: usize,
    /// Of them trusted or logged in.
    pub favoured: usize,
    /// Places, as of the last connection; zero: there was none yet.
    pub max: usize,
    /// Idle ones that made room for a newcomer since the start.
    pub made_room: u64,
    /// Newcomers that were turned away since the start.
    pub turned_away: u64,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    terms: Terms,
    seats: HashMap<u64, Seat>,
    of_address: HashMap<IpAddr, usize>,
    /// Who is favoured or must go does not count here.
    of_network: HashMap<IpAddr, usize>,
    /// Strangers that need not go.
    strangers: usize,
    /// Told to go, and still there.
    leaving: usize,
    made_room: u64,
    turned_away: u64,
}

#[derive(Debug)]
struct Seat {
    address: IpAddr,
    network: IpAddr,
    standing: Standing,
    /// Its first words were understood.
    greeted: bool,
    works: usize,
    /// Since when nothing came of it.
    since: Mono,
    leave: watch::Sender<bool>,
}

impl Permits {
    /// All free.
    pub fn new(door: &'static str, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            door,
            repeats: Repeats::new(clock.clone()),
            clock,
            open: Mutex::default(),
        }))
    }

    /// A place for one connection of `ip`.
    pub fn take(&self, ip: IpAddr, standing: Standing, terms: Terms) -> Result<Permit, Busy> {
        let now = self.0.clock.mono();
        let (leave, left) = watch::channel(false);
        let seat = Seat {
            address: peer_key(ip),
            network: network_key(ip),
            standing,
            greeted: false,
            works: 0,
            since: now,
            leave,
        };
        let mut open = self.open();
        open.terms = terms;
        match open.room_for(&seat, now) {
            Ok(None) => {}
            Ok(Some(victim)) => {
                let network = open.send_away(victim);
                self.tell_of_room(&open, network);
            }
            Err(busy) => {
                open.turned_away += 1;
                self.tell_of_refusal(&open, busy, seat.network);
                return Err(busy);
            }
        }
        let id = open.enter(seat);
        drop(open);
        Ok(Permit(Arc::new(Held {
            permits: self.clone(),
            id,
            leave: left,
        })))
    }

    /// How many are taken.
    pub fn stand(&self) -> Stand {
        let open = self.open();
        let seats = open.seats.values();
        Stand {
            door: self.0.door,
            open: open.seats.len(),
            favoured: seats.filter(|seat| seat.is_favoured()).count(),
            max: open.terms.all,
            made_room: open.made_room,
            turned_away: open.turned_away,
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_of_room(&self, open: &Open, network: IpAddr) {
        if let Some(repeated) = self.0.repeats.say("room") {
            let (door, max, taken) = (self.0.door, open.terms.all, open.seats.len());
            tracing::warn!(
                door, taken, max, %network,
                "connections are used up: an idle one of this network, which has most, makes room for a new one{repeated}"
            );
        }
    }

    fn tell_of_refusal(&self, open: &Open, busy: Busy, network: IpAddr) {
        if let Some(repeated) = self.0.repeats.say(busy.word()) {
            let (door, max, taken) = (self.0.door, open.terms.all, open.seats.len());
            tracing::warn!(
                door, taken, max, %network, why = busy.word(),
                "a connection is turned away, and none makes room for it{repeated}"
            );
        }
    }
}

impl Busy {
    /// As the log spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all places are taken",
            Self::Network => "too many of its network",
            Self::Address => "too many of its address",
        }
    }
}

impl Permit {
    /// Its first words were understood: it speaks our protocol.
    pub fn greeted(&self) {
        self.change(|seat| seat.greeted = true);
    }

    /// Something came of it: it is no longer idle since long ago.
    pub fn served(&self) {
        let now = self.0.permits.0.clock.mono();
        self.change(|seat| seat.since = now);
    }

    /// Somebody has logged in on it; if it had to go, it may stay.
    pub fn favour(&self) {
        let mut open = self.0.permits.open();
        let Some(seat) = open.leave_counts(self.0.id) else {
            return;
        };
        seat.standing = Standing::Favoured;
        seat.leave.send_replace(false);
        open.enter_counts(self.0.id);
    }

    /// Something begins that is not ended for a newcomer.
    pub fn begin(&self) -> Work {
        self.change(|seat| {
            seat.greeted = true;
            seat.works += 1;
        });
        Work(self.clone())
    }

    /// Whether it must make room.
    pub fn is_leaving(&self) -> bool {
        *self.0.leave.borrow()
    }

    /// Ends when it must make room.
    pub async fn leaving(&self) {
        // The sender lives as long as this permit.
        drop(self.0.leave.clone().wait_for(|leave| *leave).await);
    }

    fn change(&self, change: impl FnOnce(&mut Seat)) {
        if let Some(seat) = self.0.permits.open().seats.get_mut(&self.0.id) {
            change(seat);
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0
            .change(|seat| seat.works = seat.works.saturating_sub(1));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut open = self.permits.open();
        open.leave_counts(self.id);
        let seat = open.seats.remove(&self.id);
        if let Some(seat) = seat {
            less(&mut open.of_address, seat.address);
        }
    }
}

impl Seat {
    fn is_favoured(&self) -> bool {
        self.standing == Standing::Favoured
    }

    fn is_leaving(&self) -> bool {
        *self.leave.borrow()
    }

    /// It has said nothing that makes sense for so long that it will not.
    fn is_wordless(&self, now: Mono) -> bool {
        !self.greeted && now - self.since >= WORDLESS_MAX
    }
}

impl Open {
    /// Whether there is a place, if need be after this one went.
    fn room_for(&self, guest: &Seat, now: Mono) -> Result<Option<u64>, Busy> {
        if count(&self.of_address, guest.address) >= self.terms.of_address {
            return Err(Busy::Address);
        }
        let taken = self.seats.len() - self.leaving;
        let kept = kept_of(self.terms.all);
        let crowded = match guest.standing {
            Standing::Stranger => {
                taken >= self.terms.all || self.strangers >= self.terms.all - kept
            }
            Standing::Caller | Standing::Favoured => taken >= self.terms.all,
        };
        let of_network = count(&self.of_network, guest.network);
        let (busy, within) = if !guest.is_favoured() && of_network >= self.terms.of_network {
            (Busy::Network, Some(guest.network))
        } else if crowded {
            (Busy::All, None)
        } else {
            return Ok(None);
        };
        if self.leaving > self.terms.all / PLACES_LEAVING_PART {
            return Err(busy);
        }
        self.victim(guest, within, now).map(Some).ok_or(busy)
    }

    fn victim(&self, guest: &Seat, within: Option<IpAddr>, now: Mono) -> Option<u64> {
        let goes = |seat: &Seat| {
            let is_idle = seat.works == 0 && !seat.is_leaving();
            let may_be = within.is_none_or(|network| seat.network == network);
            is_idle && may_be && self.may_take(guest, seat)
        };
        let seats = self.seats.iter().filter(|(_, seat)| goes(seat));
        let worst = seats.max_by_key(|(id, seat)| {
            (
                !seat.is_favoured(),
                seat.is_wordless(now),
                count(&self.of_network, seat.network),
                count(&self.of_address, seat.address),
                !seat.greeted,
                // Of those that are alike the first one.
                (now - seat.since, std::cmp::Reverse(**id)),
            )
        });
        worst.map(|(id, _)| *id)
    }

    /// Nobody takes from who has less.
    fn may_take(&self, guest: &Seat, seat: &Seat) -> bool {
        if guest.is_favoured() {
            return true;
        }
        if seat.is_favoured() {
            return false;
        }
        if guest.network == seat.network {
            count(&self.of_address, seat.address) >= count(&self.of_address, guest.address)
        } else {
            count(&self.of_network, seat.network) >= count(&self.of_network, guest.network)
        }
    }

    fn enter(&mut self, seat: Seat) -> u64 {
        let id = self.next;
        self.next += 1;
        *self.of_address.entry(seat.address).or_default() += 1;
        self.seats.insert(id, seat);
        self.enter_counts(id);
        id
    }

    /// Its network.
    fn send_away(&mut self, id: u64) -> IpAddr {
        self.made_room += 1;
        let left = self.leave_counts(id).map(|seat| {
            seat.leave.send_replace(true);
            seat.network
        });
        self.enter_counts(id);
        left.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
    }

    fn enter_counts(&mut self, id: u64) {
        let Some(seat) = self.seats.get(&id) else {
            return;
        };
        if seat.is_leaving() {
            self.leaving += 1;
            return;
        }
        self.strangers += usize::from(seat.standing == Standing::Stranger);
        if !seat.is_favoured() {
            *self.of_network.entry(seat.network).or_default() += 1;
        }
    }

    fn leave_counts(&mut self, id: u64) -> Option<&mut Seat> {
        let seat = self.seats.get_mut(&id)?;
        if seat.is_leaving() {
            self.leaving = self.leaving.saturating_sub(1);
            return Some(seat);
        }
        let stranger = usize::from(seat.standing == Standing::Stranger);
        self.strangers = self.strangers.saturating_sub(stranger);
        if !seat.is_favoured() {
            less(&mut self.of_network, seat.network);
        }
        Some(seat)
    }
}

/// Places that strangers do not get.
fn kept_of(all: usize) -> usize {
    if all < PLACES_KEPT_FROM {
        0
    } else {
        all.div_ceil(PLACES_KEPT_PART)
    }
}

fn count(counts: &HashMap<IpAddr, usize>, key: IpAddr) -> usize {
    counts.get(&key).copied().unwrap_or_default()
}

fn less(counts: &mut HashMap<IpAddr, usize>, key: IpAddr) {
    if let Some(count) = counts.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
#[path = "permits_tests.rs"]
mod tests;
