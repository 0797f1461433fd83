//! Hosts whose STARTTLS breaks: opportunistic mail goes to them in the clear for a while, so that not every mail pays
//! the silence or the second connection again (RFC 7435 section 3).
//!
//! What is remembered is one address of one host, never more than `STARTTLS_BROKEN_FOR`, and only after it took us in
//! the clear: a host that is down in all ways has no trouble with TLS. One that then asks for TLS is forgotten. Routes
//! that require TLS, or that have a password to give, never ask here.
//! Not here: what counts as broken (`connect`).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::clock::{Clock, Mono};
use crate::base::limit::{STARTTLS_BROKEN_FOR, STARTTLS_BROKEN_MAX};
use crate::mail::mailbox::Host;

/// Clones share it; it is lost at a restart.
#[derive(Clone, Debug)]
pub struct ClearHosts {
    clock: Clock,
    until: Arc<Mutex<HashMap<(Host, SocketAddr), Mono>>>,
}

impl ClearHosts {
    /// None yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            until: Arc::default(),
        }
    }

    /// Its STARTTLS broke, and in the clear it took us.
    pub fn remember(&self, host: &Host, at: SocketAddr) {
        let now = self.clock.mono();
        let mut until = self.lock();
        if until.len() >= STARTTLS_BROKEN_MAX {
            until.retain(|_, end| *end > now);
        }
        if until.len() >= STARTTLS_BROKEN_MAX
            && let Some(first) = until.iter().min_by_key(|(_, end)| **end)
        {
            let first = first.0.clone();
            until.remove(&first);
        }
        until.insert((host.clone(), at), now + STARTTLS_BROKEN_FOR);
    }

    /// In the clear it does not take mail after all: at its addresses STARTTLS is tried again.
    pub fn forget(&self, host: &Host) {
        self.lock().retain(|(known, _), _| known != host);
    }

    /// Whether STARTTLS is not worth trying.
    pub fn has(&self, host: &Host, at: SocketAddr) -> bool {
        let now = self.clock.mono();
        let key = (host.clone(), at);
        self.lock().get(&key).is_some_and(|end| *end > now)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Host, SocketAddr), Mono>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::Wall;

    fn host(n: u32) -> (Host, SocketAddr) {
        let ip = std::net::Ipv4Addr::from(n).into();
        (Host::Literal(ip), SocketAddr::new(ip, 25))
    }

    #[test]
    fn a_host_is_remembered_for_its_time_and_no_other_address_of_it() {
        let clock = Clock::moved(Wall(0));
        let clear = ClearHosts::new(clock.clone());
        let (name, at) = host(1);
        clear.remember(&name, at);
        clock.advance(STARTTLS_BROKEN_FOR - Duration::from_secs(1));
        assert!(clear.has(&name, at));
        assert!(!clear.has(&name, host(2).1) && !clear.has(&host(2).0, at));
        clock.advance(Duration::from_secs(1));
        assert!(!clear.has(&name, at));
    }

    #[test]
    fn a_host_that_is_forgotten_is_so_at_all_its_addresses() {
        let clear = ClearHosts::new(Clock::moved(Wall(0)));
        let ((name, at), (other, _)) = (host(1), host(2));
        for (name, at) in [(&name, at), (&name, host(3).1), (&other, at)] {
            clear.remember(name, at);
        }
        clear.forget(&name);
        assert!(!clear.has(&name, at) && !clear.has(&name, host(3).1));
        assert!(clear.has(&other, at));
    }

    #[test]
    fn at_the_bound_the_one_whose_time_ends_first_is_forgotten() {
        let clock = Clock::moved(Wall(0));
        let clear = ClearHosts::new(clock.clone());
        let most = u32::try_from(STARTTLS_BROKEN_MAX).unwrap();
        for n in 0..=most {
            let (name, at) = host(n);
            clear.remember(&name, at);
            clock.advance(Duration::from_micros(1));
        }
        assert_eq!(clear.lock().len(), STARTTLS_BROKEN_MAX);
        for (n, known) in [(0, false), (1, true), (most, true)] {
            let (name, at) = host(n);
            assert_eq!(clear.has(&name, at), known, "case: {n}");
        }
    }
}
