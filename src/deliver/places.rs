//! Who may have a connection: so many places in all, some of them only for sites that have none, and no network with
//! more than its share.
//!
//! Pure and without an await: a place is asked for, given or waited for, and handed on when it is given back. Whoever
//! waits is known here, so that no site is forgotten, idle lanes go exactly as often as somebody needs their place, and
//! the transactions under way are told to hurry. Generic over the site's name, for a model test.
//! Not here: how many lanes a site wants (`stand`), and starting them (`dispatch`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;

use crate::base::limit::{NETWORK_SHARE, PLACES_KEPT_SHARE};

/// The places, who has them, and who waits.
#[derive(Debug)]
pub struct Places<K> {
    total: usize,
    taken: usize,
    of_site: HashMap<K, usize>,
    /// Sites that asked and got none; once each.
    waiting: VecDeque<K>,
    /// Lanes that were told to go for somebody who waits, and have not gone yet.
    leaving: usize,
    of_net: HashMap<Net, usize>,
    /// Sites whose hosts are all in a network that has its share.
    blocked: VecDeque<(K, Net)>,
    /// The same sites: thousands may wait for one network, and it is asked about every site on each look.
    blocked_sites: HashSet<K>,
}

/// A /24 of IPv4 or a /48 of IPv6: what one owner usually has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Net {
    /// The first three octets.
    V4([u8; 3]),
    /// The first six.
    V6([u8; 6]),
}

impl Net {
    /// Of an address; one of IPv4 in IPv6 clothes is that of IPv4.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, ..] = address.octets();
                Self::V6([a, b, c, d, e, f])
            }
        }
    }
}

impl<K: Clone + Eq + Hash> Places<K> {
    /// All free.
    pub fn new(total: usize) -> Self {
        Self {
            total: total.max(1),
            taken: 0,
            of_site: HashMap::new(),
            waiting: VecDeque::new(),
            leaving: 0,
            of_net: HashMap::new(),
            blocked: VecDeque::new(),
            blocked_sites: HashSet::new(),
        }
    }

    /// Takes a place for the site, or lets it wait.
    pub fn ask(&mut self, site: &K) -> bool {
        let first = self.has_none(site);
        // Who has a lane waits behind everybody, who has none behind those without.
        let behind = self
            .waiting
            .iter()
            .any(|other| other != site && (!first || self.has_none(other)));
        if !behind && self.is_free(first) {
            self.withdraw(site);
            self.take(site);
            return true;
        }
        if !self.waiting.contains(site) {
            self.waiting.push_back(site.clone());
        }
        false
    }

    /// Takes a free place for whoever waits for one: first those that have none.
    pub fn hand_on(&mut self) -> Option<K> {
        let at = self
            .waiting
            .iter()
            .position(|site| self.has_none(site))
            .filter(|_| self.is_free(true))
            .or_else(|| Some(0).filter(|_| self.is_free(false) && !self.waiting.is_empty()))?;
        let site = self.waiting.remove(at)?;
        self.take(&site);
        Some(site)
    }

    /// Gives a place back; `asked`: because `may_leave` said so.
    pub fn release(&mut self, site: &K, asked: bool) {
        debug_assert!(self.taken > 0, "a place is given back once");
        self.taken = self.taken.saturating_sub(1);
        if let Some(count) = self.of_site.get_mut(site) {
            *count -= 1;
            if *count == 0 {
                self.of_site.remove(site);
            }
        }
        if asked {
            self.leaving = self.leaving.saturating_sub(1);
        }
    }

    /// The site needs none any more.
    pub fn withdraw(&mut self, site: &K) {
        self.waiting.retain(|waiting| waiting != site);
    }

    /// Whether a lane of the site shall go because another site can use its place; then it must go.
    pub fn may_leave(&mut self, site: &K) -> bool {
        let within = self.taken <= self.total - self.kept();
        let usable = |other: &&K| *other != site && (within || self.has_none(other));
        let wanted = self.waiting.iter().filter(usable).count() > self.leaving;
        self.leaving += usize::from(wanted);
        wanted
    }

    /// Whether somebody waits for a place.
    pub fn wanted(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Places that are taken.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Counts a connection to a host that DNS chose. If its network has its share, the site is noted to wait for it.
    pub fn enter(&mut self, site: &K, net: Net) -> bool {
        let share = (self.total / NETWORK_SHARE).max(1);
        let count = self.of_net.entry(net).or_default();
        if *count >= share {
            if self.blocked_sites.insert(site.clone()) {
                self.blocked.push_back((site.clone(), net));
            }
            return false;
        }
        *count += 1;
        true
    }

    /// The site has a connection, so it waits for no network. One that could only try another host waits on: that host
    /// would be asked again as fast as it refuses.
    pub fn found(&mut self, site: &K) {
        if self.blocked_sites.remove(site) {
            self.blocked.retain(|(waiting, _)| waiting != site);
        }
    }

    /// Such a connection is over; the site that waited longest for its network may try.
    pub fn exit(&mut self, net: Net) -> Option<K> {
        if let Some(count) = self.of_net.get_mut(&net) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_net.remove(&net);
            }
        }
        let at = self.blocked.iter().position(|(_, of)| *of == net)?;
        let (site, _) = self.blocked.remove(at)?;
        self.blocked_sites.remove(&site);
        Some(site)
    }

    /// Whether the site waits for a network.
    pub fn is_blocked(&self, site: &K) -> bool {
        self.blocked_sites.contains(site)
    }

    /// Whoever waits for a network may try again: the one that was woken may have needed it no more.
    pub fn unblock_all(&mut self) -> Vec<K> {
        self.blocked_sites.clear();
        self.blocked.drain(..).map(|(site, _)| site).collect()
    }

    fn take(&mut self, site: &K) {
        self.taken += 1;
        *self.of_site.entry(site.clone()).or_default() += 1;
    }

    fn has_none(&self, site: &K) -> bool {
        !self.of_site.contains_key(site)
    }

    fn is_free(&self, first: bool) -> bool {
        let kept = if first { 0 } else { self.kept() };
        self.taken < self.total - kept
    }

    /// Only for sites that have none.
    fn kept(&self) -> usize {
        if self.total > 1 {
            (self.total / PLACES_KEPT_SHARE).max(1)
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full house of 20 with one greedy site.
    fn greedy() -> Places<&'static str> {
        let mut places = Places::new(20);
        while places.ask(&"greedy") {}
        places
    }

    #[test]
    fn a_tenth_is_only_for_sites_that_have_no_lane() {
        let mut places = greedy();
        assert_eq!(places.taken(), 18);
        assert!(places.ask(&"a") && places.ask(&"b"), "the tenth is theirs");
        assert!(!places.ask(&"c"), "now all are taken");
        places.release(&"a", false);
        assert_eq!(
            places.hand_on(),
            Some("c"),
            "who has none comes before who waited longer with some"
        );
        places.release(&"greedy", false);
        assert_eq!(
            places.hand_on(),
            None,
            "what is kept is not for the greedy one: {places:?}"
        );
    }

    #[test]
    fn a_single_place_is_not_kept_from_anybody() {
        let mut places = Places::new(1);
        assert!(places.ask(&"a") && !places.ask(&"b"));
        assert!(places.may_leave(&"a"));
        places.release(&"a", true);
        assert_eq!(places.hand_on(), Some("b"));
    }

    #[test]
    fn as_many_lanes_go_as_sites_wait() {
        let mut places = greedy();
        for site in ["a", "b", "c", "d"] {
            places.ask(&site);
        }
        let gone = (0..10).filter(|_| places.may_leave(&"greedy")).count();
        assert_eq!(gone, 2, "c and d wait: {places:?}");
        places.release(&"greedy", true);
        assert_eq!(places.hand_on(), Some("c"));
        assert!(
            !places.may_leave(&"greedy"),
            "one has been told already, and one waits"
        );
        places.withdraw(&"d");
        places.release(&"greedy", true);
        assert!(!places.may_leave(&"greedy") && places.hand_on().is_none());
    }

    #[test]
    fn nobody_leaves_for_a_site_that_could_not_use_the_place() {
        let mut places = Places::new(4);
        assert!(places.ask(&"a") && places.ask(&"a") && places.ask(&"b") && places.ask(&"c"));
        assert!(!places.ask(&"b"));
        assert!(
            !places.may_leave(&"a"),
            "the fourth place is kept, and b has one: {places:?}"
        );
        assert!(!places.ask(&"d"));
        assert!(places.may_leave(&"a"));
    }

    #[test]
    fn sites_that_wait_take_turns() {
        let mut places = Places::new(4);
        assert!(places.ask(&"a") && places.ask(&"a") && places.ask(&"b"));
        assert!(!places.ask(&"a") && !places.ask(&"b"));
        let mut served = Vec::new();
        for leaver in ["a", "a", "b"] {
            places.release(&leaver, false);
            served.extend(places.hand_on());
            places.ask(&leaver);
        }
        assert_eq!(served, ["a", "b", "a"], "{places:?}");
    }

    #[test]
    fn no_network_has_more_than_a_quarter() {
        let net = |text: &str| Net::of(text.parse().unwrap());
        assert_eq!(net("192.0.2.1"), net("192.0.2.254"));
        assert_eq!(net("192.0.2.1"), net("::ffff:192.0.2.9"));
        assert_ne!(net("192.0.2.1"), net("192.0.3.1"));
        assert_eq!(net("2001:db8:1:2::1"), net("2001:db8:1:3::1"));
        assert_ne!(net("2001:db8:1::1"), net("2001:db8:2::1"));
        let mut places = Places::new(8);
        assert!(places.enter(&"a", net("192.0.2.1")) && places.enter(&"b", net("192.0.2.2")));
        for site in ["c", "d", "c", "f"] {
            assert!(!places.enter(&site, net("192.0.2.3")));
        }
        assert!(places.is_blocked(&"c") && places.is_blocked(&"d"));
        assert!(places.enter(&"c", net("192.0.3.1")), "others are free");
        assert!(places.is_blocked(&"c"), "to try is not to succeed");
        places.found(&"c");
        assert!(!places.is_blocked(&"c"), "it found one");
        assert_eq!(places.exit(net("192.0.2.1")), Some("d"), "in turn");
        assert_eq!(places.unblock_all(), ["f"]);
        assert_eq!(places.exit(net("192.0.2.1")), None);
        assert!(places.enter(&"e", net("192.0.2.9")));
    }

    #[test]
    fn a_small_house_lets_every_network_have_one() {
        let mut places = Places::new(2);
        assert!(places.enter(&"a", Net::V4([1, 2, 3])));
        assert!(!places.enter(&"b", Net::V4([1, 2, 3])));
        assert!(places.enter(&"b", Net::V4([1, 2, 4])));
    }
}
