//! Who is next: deficit round robin over sites, and over the accounts of each (architecture: Scheduling).
//!
//! Pure. Each turn adds a quantum of credit, and what is claimed is charged; who has more to send waits longer, and
//! nobody waits for ever. Groups stay here while they have due parcels; how many is bounded, the store keeps the rest.
//! Not here: the order inside a group (the store), and whether a site can be reached (`site`).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use super::plan::SiteKey;
use crate::base::limit::{GROUPS_OF_SITE_MAX, GROUPS_WAITING_MAX};
use crate::store::Group;

/// Groups with due parcels, by site and account.
#[derive(Debug, Default)]
pub struct Table {
    order: Rounds<SiteKey>,
    sites: HashMap<SiteKey, Accounts>,
    /// Every group that waits here, and for which site.
    known: HashMap<Group, SiteKey>,
}

#[derive(Debug, Default)]
struct Accounts {
    order: Rounds<String>,
    groups: HashMap<String, VecDeque<Group>>,
    count: usize,
}

/// A group to claim from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whose.
    pub site: SiteKey,
    /// Of which account.
    pub account: String,
    /// From where.
    pub group: Group,
    /// At most so many parcels.
    pub room: usize,
}

/// What `offer` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It waits for its turn.
    Added,
    /// It waits already.
    Known,
    /// No place; the store keeps it.
    Full,
}

/// Round robin with credit.
#[derive(Debug)]
struct Rounds<K> {
    queue: VecDeque<(K, usize)>,
}

/// Parcels that a turn is worth: what one claim lends.
const QUANTUM: usize = crate::store::CLAIM_MAX;

impl Table {
    /// A group has due parcels. One that waits for another site, because DNS or the configuration said so, moves.
    pub fn offer(&mut self, site: &SiteKey, account: &str, group: &Group) -> Offer {
        match self.known.get(group) {
            Some(before) if before == site => return Offer::Known,
            Some(_) => self.withdraw(account, group),
            None => {}
        }
        if self.known.len() >= GROUPS_WAITING_MAX {
            return Offer::Full;
        }
        let accounts = self.sites.entry(site.clone()).or_default();
        if accounts.count >= GROUPS_OF_SITE_MAX {
            return Offer::Full;
        }
        if accounts.count == 0 {
            self.order.join(site.clone());
        }
        accounts.add(account, group.clone());
        self.known.insert(group.clone(), site.clone());
        Offer::Added
    }

    /// The next group whose site has room; `room` says how much.
    pub fn turn(&mut self, mut room: impl FnMut(&SiteKey) -> usize) -> Option<Turn> {
        for _ in 0..self.order.len() {
            let (site, credit) = self.order.front()?;
            let most = room(&site).min(credit);
            if most == 0 {
                self.order.skip();
                continue;
            }
            let Some((account, group)) = self.sites.get_mut(&site).and_then(Accounts::front) else {
                self.order.leave(&site);
                self.sites.remove(&site);
                continue;
            };
            return Some(Turn {
                site,
                account,
                group,
                room: most.min(QUANTUM),
            });
        }
        None
    }

    /// A turn is over: so many parcels were claimed, and the group may have more.
    pub fn claimed(&mut self, turn: &Turn, parcels: usize, more: bool) {
        self.order.charge(&turn.site, parcels);
        let Some(accounts) = self.sites.get_mut(&turn.site) else {
            return;
        };
        accounts.order.charge(&turn.account, parcels);
        accounts.done(&turn.account, &turn.group, more);
        if !more {
            self.known.remove(&turn.group);
        }
        if accounts.count == 0 {
            self.order.leave(&turn.site);
            self.sites.remove(&turn.site);
        }
    }

    /// Forgets all groups; they are given to `each`.
    pub fn clear(&mut self, each: impl FnMut(&Group)) {
        self.known.keys().for_each(each);
        *self = Self::default();
    }

    fn withdraw(&mut self, account: &str, group: &Group) {
        let Some(site) = self.known.remove(group) else {
            return;
        };
        let Some(accounts) = self.sites.get_mut(&site) else {
            return;
        };
        accounts.done(account, group, false);
        if accounts.count == 0 {
            self.order.leave(&site);
            self.sites.remove(&site);
        }
    }

    /// Forgets the groups of a site; they are given to `each`.
    pub fn drop_site(&mut self, site: &SiteKey, mut each: impl FnMut(&Group)) {
        self.order.leave(site);
        for group in self.sites.remove(site).into_iter().flat_map(Accounts::all) {
            self.known.remove(&group);
            each(&group);
        }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether groups of the site wait here.
    pub fn has_site(&self, site: &SiteKey) -> bool {
        self.sites.contains_key(site)
    }
}

impl Accounts {
    fn add(&mut self, account: &str, group: Group) {
        let groups = self.groups.entry(account.to_owned()).or_default();
        if groups.is_empty() {
            self.order.join(account.to_owned());
        }
        groups.push_back(group);
        self.count += 1;
    }

    fn front(&mut self) -> Option<(String, Group)> {
        let (account, _) = self.order.front()?;
        let group = self.groups.get(&account)?.front()?.clone();
        Some((account, group))
    }

    /// The group goes to the end of its account's line, or out.
    fn done(&mut self, account: &str, group: &Group, more: bool) {
        let Some(groups) = self.groups.get_mut(account) else {
            return;
        };
        let before = groups.len();
        groups.retain(|waiting| waiting != group);
        self.count -= before - groups.len();
        if more {
            groups.push_back(group.clone());
            self.count += 1;
        }
        if groups.is_empty() {
            self.groups.remove(account);
            self.order.leave(account);
        }
    }

    fn all(self) -> impl Iterator<Item = Group> {
        self.groups.into_values().flatten()
    }
}

impl<K: Clone + Eq + Hash> Rounds<K> {
    fn len(&self) -> usize {
        self.queue.len()
    }

    fn join(&mut self, key: K) {
        self.queue.push_back((key, QUANTUM));
    }

    fn leave<Q: ?Sized + Eq>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
    {
        self.queue.retain(|(waiting, _)| waiting.borrow() != key);
    }

    /// Whose turn it is, with what is left of it.
    fn front(&self) -> Option<(K, usize)> {
        self.queue.front().cloned()
    }

    /// The next one, without loss of credit.
    fn skip(&mut self) {
        if let Some(first) = self.queue.pop_front() {
            self.queue.push_back(first);
        }
    }

    /// Takes credit; who has none left goes to the end and gets a new quantum there. An empty claim ends a turn too.
    fn charge<Q: ?Sized + Eq>(&mut self, key: &Q, by: usize)
    where
        K: std::borrow::Borrow<Q>,
    {
        let Some(at) = self.queue.iter().position(|(k, _)| k.borrow() == key) else {
            return;
        };
        let Some((key, credit)) = self.queue.remove(at) else {
            return;
        };
        match credit.checked_sub(by).filter(|left| *left > 0 && by > 0) {
            Some(left) => self.queue.insert(at, (key, left)),
            None => self.queue.push_back((key, QUANTUM)),
        }
    }
}

impl<K> Default for Rounds<K> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str) -> SiteKey {
        SiteKey::named(name)
    }

    fn group(name: &str) -> Group {
        Group(name.as_bytes().into())
    }

    /// Serves `turns` turns of ten parcels each and counts them by group.
    fn serve(table: &mut Table, turns: usize) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for _ in 0..turns {
            let Some(turn) = table.turn(|_| 10) else {
                break;
            };
            let name = String::from_utf8(turn.group.0.to_vec()).unwrap();
            *counts.entry(name).or_default() += turn.room;
            table.claimed(&turn, turn.room, true);
        }
        counts
    }

    #[test]
    fn sites_share_alike_however_many_groups_they_have() {
        let mut table = Table::default();
        for n in 0..50 {
            table.offer(&site("large"), "app", &group(&format!("l{n}")));
        }
        table.offer(&site("small"), "app", &group("small"));
        let counts = serve(&mut table, 200);
        let small = counts["small"];
        assert_eq!(small, 1000, "got {counts:?}");
        assert!(
            counts.len() > 40,
            "every group of the large site gets its turn: {counts:?}"
        );
    }

    #[test]
    fn accounts_of_a_site_share_alike() {
        let mut table = Table::default();
        for n in 0..9 {
            table.offer(&site("a"), "campaign", &group(&format!("c{n}")));
        }
        table.offer(&site("a"), "shop", &group("shop"));
        let counts = serve(&mut table, 40);
        assert_eq!(counts["shop"], 200, "got {counts:?}");
    }

    #[test]
    fn a_site_without_room_is_passed_over_and_loses_nothing() {
        let mut table = Table::default();
        table.offer(&site("slow"), "", &group("slow"));
        table.offer(&site("fast"), "", &group("fast"));
        for _ in 0..5 {
            let turn = table.turn(|key| usize::from(*key == site("fast"))).unwrap();
            assert_eq!(turn.group, group("fast"));
            table.claimed(&turn, 1, true);
        }
        assert_eq!(table.turn(|_| 5).unwrap().room, 5);
        assert!(table.turn(|_| 0).is_none());
    }

    #[test]
    fn a_drained_group_is_forgotten_and_may_come_again() {
        let mut table = Table::default();
        assert_eq!(table.offer(&site("a"), "", &group("g")), Offer::Added);
        assert_eq!(table.offer(&site("a"), "", &group("g")), Offer::Known);
        let turn = table.turn(|_| 20).unwrap();
        table.claimed(&turn, 3, false);
        assert!(table.is_empty() && table.turn(|_| 20).is_none());
        assert_eq!(table.offer(&site("a"), "", &group("g")), Offer::Added);
        let mut gone = 0;
        table.drop_site(&site("a"), |_| gone += 1);
        assert!(gone == 1 && table.is_empty());
    }

    #[test]
    fn a_group_whose_site_is_another_now_waits_there_and_only_there() {
        let mut table = Table::default();
        table.offer(&site("old"), "app", &group("moved"));
        table.offer(&site("old"), "app", &group("stays"));
        assert_eq!(
            table.offer(&site("new"), "app", &group("moved")),
            Offer::Added
        );
        let mut seen = Vec::new();
        while let Some(turn) = table.turn(|_| 1) {
            table.claimed(&turn, 0, false);
            seen.push((turn.site.to_string(), turn.group));
        }
        seen.sort();
        let at = |site: &str, name| (format!("{site}:25"), group(name));
        assert_eq!(seen, [at("new", "moved"), at("old", "stays")]);
        assert!(table.is_empty() && !table.has_site(&site("old")));
    }

    #[test]
    fn all_groups_can_be_looked_at_anew() {
        let mut table = Table::default();
        table.offer(&site("a"), "", &group("one"));
        table.offer(&site("b"), "", &group("two"));
        let mut gone = Vec::new();
        table.clear(|group| gone.push(group.clone()));
        gone.sort();
        assert_eq!(gone, [group("one"), group("two")]);
        assert!(table.is_empty() && table.turn(|_| 1).is_none());
        assert_eq!(table.offer(&site("a"), "", &group("one")), Offer::Added);
    }

    #[test]
    fn one_site_cannot_fill_the_table() {
        let mut table = Table::default();
        let offers = (0..=GROUPS_OF_SITE_MAX)
            .map(|n| table.offer(&site("a"), "", &group(&n.to_string())))
            .collect::<Vec<_>>();
        assert_eq!(offers.last(), Some(&Offer::Full));
        assert_eq!(table.offer(&site("b"), "", &group("b")), Offer::Added);
    }
}
