//! Who is looked into next: places are few, and nobody's crowd of mails takes them from others.
//!
//! A place that becomes free goes to the network that has the fewest at that moment, and among equals to who has waited
//! longest. One network alone has them all. Small mails have places of their own besides the others.
//! Not here: how long a mail waits, and what is done in its turn (`attachments`).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::net::limiter::network_key;

/// Hands out places; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Turns(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Places for any mail, and for small ones.
    free: usize,
    small: usize,
    closed: bool,
    /// How many places each network has.
    running: HashMap<IpAddr, usize>,
    /// In the order in which they came; no more than there are sessions and workers.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    of: IpAddr,
    small: bool,
    tell: oneshot::Sender<Place>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// None: it was never taken.
    turns: Option<Turns>,
    of: IpAddr,
    /// It is one for small mails.
    small: bool,
}

/// No more places are handed out.
#[derive(Debug)]
pub(super) struct Closed;

impl Turns {
    pub(super) fn new(free: usize, small: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free,
            small,
            closed: false,
            running: HashMap::new(),
            waiting: Vec::new(),
        })))
    }

    /// Waits for a place; `small` may have either kind. Who stops waiting loses nothing but the turn.
    pub(super) async fn take(&self, peer: Option<IpAddr>, small: bool) -> Result<Place, Closed> {
        let (tell, told) = oneshot::channel();
        {
            let mut state = self.state();
            if state.closed {
                return Err(Closed);
            }
            let of = neighbours(peer);
            state.waiting.push(Waiting { of, small, tell });
            self.hand_out(&mut state);
        }
        told.await.map_err(|_| Closed)
    }

    /// Ends every wait.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
    }

    /// Places that are taken.
    pub(super) fn taken(&self) -> usize {
        self.state().running.values().sum()
    }

    fn hand_out(&self, state: &mut State) {
        state.waiting.retain(|one| !one.tell.is_closed());
        while let Some(next) = state.next() {
            let Waiting { of, small, tell } = state.waiting.remove(next);
            let small = small && state.small > 0;
            let place = Place {
                turns: Some(self.clone()),
                of,
                small,
            };
            match tell.send(place) {
                Ok(()) => state.take(of, small),
                // Nobody waits there any more.
                Err(mut place) => place.turns = None,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who gets the next place, if there is one for anybody.
    fn next(&self) -> Option<usize> {
        let mut all: Vec<(usize, usize)> = Vec::new();
        for (n, one) in self.waiting.iter().enumerate() {
            if self.free > 0 || one.small && self.small > 0 {
                let own = self.running.get(&one.of).copied().unwrap_or_default();
                all.push((own, n));
            }
        }
        all.into_iter().min().map(|(_, n)| n)
    }

    fn take(&mut self, of: IpAddr, small: bool) {
        *self.running.entry(of).or_default() += 1;
        if small {
            self.small -= 1;
        } else {
            self.free -= 1;
        }
    }

    fn give_back(&mut self, of: IpAddr, small: bool) {
        if let Some(own) = self.running.get_mut(&of) {
            *own -= 1;
            if *own == 0 {
                self.running.remove(&of);
            }
        }
        if small {
            self.small += 1;
        } else {
            self.free += 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            let mut state = turns.state();
            state.give_back(self.of, self.small);
            turns.hand_out(&mut state);
        }
    }
}

/// Mail of this program has no network.
fn neighbours(peer: Option<IpAddr>) -> IpAddr {
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), network_key)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::task::Poll;

    use super::*;

    fn peer(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// What a future is that need not wait.
    async fn at_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
        let poll = poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Poll::Ready(None),
        });
        poll.await
    }

    #[tokio::test]
    async fn a_place_goes_to_the_network_that_has_the_fewest() {
        let turns = Turns::new(2, 0);
        let first = turns.take(peer("192.0.2.1"), false).await.unwrap();
        let second = turns.take(peer("192.0.2.2"), false).await.unwrap();
        let mut crowd = pin!(turns.take(peer("192.0.2.3"), false));
        assert!(at_once(crowd.as_mut()).await.is_none());
        let mut other = pin!(turns.take(peer("198.51.100.1"), false));
        assert!(at_once(other.as_mut()).await.is_none());
        drop(first);
        assert!(at_once(crowd.as_mut()).await.is_none());
        let other = at_once(other.as_mut()).await.unwrap().unwrap();
        assert_eq!(turns.taken(), 2);
        // Both have one now, or none: who waited longest.
        drop(second);
        let crowd = at_once(crowd.as_mut()).await.unwrap().unwrap();
        drop((other, crowd));
        assert_eq!(turns.taken(), 0);
    }

    #[tokio::test]
    async fn small_mails_do_not_stand_behind_large_ones() {
        let turns = Turns::new(1, 1);
        let large = turns.take(peer("2001:db8::1"), false).await.unwrap();
        let small = turns.take(peer("2001:db8::2"), true).await.unwrap();
        let mut next = pin!(turns.take(None, true));
        assert!(at_once(next.as_mut()).await.is_none());
        // Either kind is good enough.
        drop(large);
        let next = at_once(next.as_mut()).await.unwrap().unwrap();
        let mut large = pin!(turns.take(None, false));
        drop(small);
        assert!(at_once(large.as_mut()).await.is_none());
        drop(next);
        assert!(at_once(large.as_mut()).await.is_some());
    }

    #[tokio::test]
    async fn who_stops_waiting_keeps_no_place() {
        let turns = Turns::new(1, 0);
        let place = turns.take(None, false).await.unwrap();
        {
            let mut gone = pin!(turns.take(None, false));
            assert!(at_once(gone.as_mut()).await.is_none());
            let mut told = Box::pin(turns.take(None, false));
            assert!(at_once(told.as_mut()).await.is_none());
        }
        let mut late = Box::pin(turns.take(None, false));
        assert!(at_once(late.as_mut()).await.is_none());
        drop(place);
        // It was told, and went away before it knew.
        drop(late);
        assert_eq!(turns.taken(), 0);
        assert!(turns.take(None, false).await.is_ok());
    }

    #[tokio::test]
    async fn a_stop_ends_every_wait_and_none_begins() {
        let turns = Turns::new(1, 1);
        let place = turns.take(None, false).await.unwrap();
        let mut waiting = pin!(turns.take(None, false));
        assert!(at_once(waiting.as_mut()).await.is_none());
        turns.close();
        assert!(waiting.await.is_err());
        drop(place);
        assert!(turns.take(None, true).await.is_err());
    }
}
