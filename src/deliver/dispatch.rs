//! The one task that claims due parcels and hands them to sites; lanes do the rest.
//!
//! It asks the queue for groups that are due, finds the site of each, and claims as much as the site can take, in the
//! order of `schedule`. A group whose site cannot take it now is snoozed in the store, with the reason, so that it does
//! not stand in the way of others; a snooze uses up no try. DNS is asked beside it, at most `LEARNING_MAX` domains at
//! once. Whatever happens to a site, by a lane that ends or a person who wants its mail, is looked at here.
//! Not here: connections and their number (`crew`, `places`), health of a site (`stand`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::connect::Reach;
use super::crew::Crew;
use super::lane;
use super::plan::{Plan, SiteKey};
use super::schedule::{Offer, Table};
use super::site::{Room, Site};
use super::trouble::{Trouble, rule};
use super::ways::{Found, Ways};
use crate::base::clock::{Mono, micros};
use crate::base::limit::{GROUPS_OF_SITE_MAX, HEADS_ASKED, LEARNING_MAX, SITES_MAX};
use crate::base::repeats::Repeats;
use crate::base::shutdown::Shutdown;
use crate::mail::domain::Domain;
use crate::net::dns::{DnsFault, MailHosts};
use crate::queue::group::{account_of, host_of};
use crate::queue::waits::{NOBODY, Reason};
use crate::queue::{Attempt, Delays, Deliveries, Queue};
use crate::store::{CLAIM_MAX, Group, StoreError, StoreTime};

/// Owns the sites, the schedule and the ways to them.
pub struct Dispatcher {
    crew: Arc<Crew>,
    deliveries: Deliveries,
    hint: watch::Receiver<u64>,
    table: Table,
    sites: HashMap<SiteKey, Arc<Site>>,
    ways: Ways,
    /// Domains that DNS is asked about, and the groups that wait for it.
    learning: HashMap<Domain, Vec<Group>>,
    /// Those of them that a person wants tried.
    wanted: HashSet<Group>,
    learned: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
    /// When the store must be asked again.
    next_look: Mono,
    /// The number of the next site.
    number: u64,
    /// When sites that wait for a network look again.
    next_unblock: Mono,
    /// When `attend` has something to do that nobody tells.
    next_attend: Mono,
    repeats: Repeats,
}

/// What DNS said of a domain.
struct Answer {
    domain: Domain,
    said: Result<MailHosts, DnsFault>,
}

/// Where a group goes.
enum Destination {
    Site(Arc<Site>),
    Nowhere(Trouble),
    Asked,
    NotNow,
}

impl Dispatcher {
    /// Nothing is claimed yet.
    pub fn new(reach: Reach, queue: Queue, shutdown: Shutdown) -> Self {
        let deliveries = queue.deliveries();
        let places = reach.conf.load().deliver.connections.clamp(1, PLACES_MAX);
        let next_look = reach.clock.mono();
        let repeats = Repeats::new(reach.clock.clone());
        let ways = Ways::new(reach.conf.load_full(), reach.strangers.port);
        let crew = Crew::new(reach, queue, shutdown, places);
        Self {
            hint: deliveries.hint(),
            deliveries,
            crew: Arc::new(crew),
            table: Table::default(),
            sites: HashMap::new(),
            ways,
            learning: HashMap::new(),
            wanted: HashSet::new(),
            learned: mpsc::channel(LEARNING_MAX),
            next_look,
            number: 0,
            next_unblock: next_look,
            next_attend: next_look,
            repeats,
        }
    }

    /// Until the server stops and the last lane has ended.
    pub async fn run(mut self) {
        let crew = Arc::clone(&self.crew);
        while !crew.shutdown.begun() {
            if crew.reporter.was_troubled() {
                // Before anything is claimed again.
                self.pause().await;
            }
            let served = match self.round().await {
                Ok(served) => served,
                Err(error) => {
                    if let Some(repeated) = self.repeats.say(&error.to_string()) {
                        tracing::warn!(%error, "the store cannot lend mail now; delivery waits{repeated}");
                    }
                    self.pause().await;
                    // What was due then is due still, and the hint has been used up.
                    self.next_look = self.now();
                    false
                }
            };
            if !served {
                self.wait().await;
            }
        }
        for site in self.sites.values() {
            site.clear();
        }
        crew.finished().await;
    }

    /// Looks and serves once; whether something was claimed.
    async fn round(&mut self) -> Result<bool, StoreError> {
        if self.crew.queue.conf().load().queue.paused {
            for site in self.sites.values() {
                site.clear();
            }
            self.next_look = self.now() + PAUSED_LOOK;
            // Nobody attends to anything meanwhile: what is past must not end the wait.
            self.next_attend = self.next_look;
            return Ok(false);
        }
        self.follow();
        self.attend();
        while let Ok(answer) = self.learned.1.try_recv() {
            self.answered(answer);
        }
        let changed = self.hint.has_changed().unwrap_or(false);
        if changed || self.next_look <= self.now() {
            self.look().await?;
        }
        self.serve().await
    }

    /// Looks at the sites to which something happened, and at what people want.
    fn attend(&mut self) {
        let now = self.now();
        self.next_attend = now + IDLE;
        if self.next_unblock <= now {
            self.next_unblock = now + UNBLOCK;
            self.crew.unblock_all();
        }
        for key in self.crew.attention() {
            let Some(site) = self.sites.get(&key) else {
                continue;
            };
            if site.came_back() {
                self.deliveries.let_go(site.number);
                self.next_look = now;
            }
            if self.crew.is_blocked(site) && site.is_deserted() {
                // Nobody serves it until its network has a place.
                site.clear();
                self.next_attend = self.next_attend.min(self.next_unblock);
                continue;
            }
            self.crew.staff(site);
        }
        self.crew.hand_out(&self.sites);
        let (woken, later) = self.deliveries.woken();
        for group in woken {
            if let Some(host) = host_of(&group) {
                self.ways.ask_again(&host);
                self.want(group);
            }
        }
        if let Some(later) = later {
            let span = later.0.saturating_sub(self.deliveries.now().0);
            self.next_attend = self.next_attend.min(now + Duration::from_micros(span));
        }
    }

    /// A person wants a group tried: its site is asked at once, also if DNS must say first which that is.
    fn want(&mut self, group: Group) {
        let now = self.now();
        match self.destination(&group) {
            Destination::Site(site) => {
                site.wake();
                if let Room::Down(span) = site.room(self.crew.most()) {
                    self.hold_for(&group, span, &site);
                    return;
                }
            }
            Destination::Asked => {
                self.wanted.insert(group);
                return;
            }
            Destination::NotNow => {
                let soon = self.deliveries.now().0.saturating_add(micros(BUSY));
                self.deliveries.wake_later(group, StoreTime(soon));
                return;
            }
            Destination::Nowhere(_) => {}
        }
        self.deliveries.snooze(&group, StoreTime(0));
        self.next_look = now;
    }

    /// After a reload nothing goes out by what was in force before: what waits here is given back and looked at anew.
    /// Lanes do the same with what they take; idle connections of sites that nobody needs any more end by themselves.
    fn follow(&mut self) {
        let conf = self.crew.reach.conf.load_full();
        if !self.ways.follow(&conf) {
            return;
        }
        for site in self.sites.values() {
            site.clear();
            // A wait may be for a way that nobody goes any more.
            self.deliveries.let_go(site.number);
        }
        self.deliveries.let_go(NOBODY);
        let deliveries = &self.deliveries;
        self.table
            .clear(|group| deliveries.snooze(group, StoreTime(0)));
        self.next_look = self.now();
    }

    /// Asks the store which groups are due.
    async fn look(&mut self) -> Result<(), StoreError> {
        self.hint.mark_unchanged();
        let heads = self.deliveries.ready(HEADS_ASKED).await?;
        let full = heads.len() >= HEADS_ASKED;
        self.next_look = self.now() + IDLE;
        for head in heads {
            let now = self.deliveries.now();
            if head.at > now {
                let wait = Duration::from_micros(head.at.0 - now.0);
                self.next_look = self.next_look.min(self.now() + wait);
                break;
            }
            self.due(&head.group).await?;
        }
        if full {
            self.next_look = self.next_look.min(self.now() + MORE_LOOK);
        }
        self.forget();
        Ok(())
    }

    /// A group has due parcels: it waits here, in the store, or for DNS.
    async fn due(&mut self, group: &Group) -> Result<(), StoreError> {
        match self.destination(group) {
            Destination::Site(site) => match self.room(&site) {
                Room::Down(span) => self.hold_for(group, span, &site),
                room @ (Room::Full | Room::Parcels(_)) => {
                    let offer = self.table.offer(&site.key, account_of(group), group);
                    if offer == Offer::Full || room == Room::Full {
                        self.snooze(group, BUSY);
                    }
                }
            },
            Destination::Nowhere(trouble) => self.nowhere(group, &trouble).await?,
            Destination::Asked => self.snooze(group, ASKING),
            Destination::NotNow => self.snooze(group, BUSY),
        }
        Ok(())
    }

    /// Claims for whoever is next, while there is room.
    async fn serve(&mut self) -> Result<bool, StoreError> {
        let (mut served, mut turns) = (false, 0);
        let mut down = Vec::new();
        // From here on a lane that runs low is heard: between the look at its site and the wait nothing may be missed.
        self.crew.low.wanted(!self.table.is_empty());
        loop {
            if turns == TURNS {
                // The look at the store has its turn; then it goes on here.
                served = true;
                break;
            }
            turns += 1;
            let (sites, crew) = (&self.sites, &self.crew);
            let turn = self
                .table
                .turn(|key| match sites.get(key).map(|site| room(crew, site)) {
                    Some(Room::Parcels(room)) => room,
                    Some(Room::Full) => 0,
                    Some(Room::Down(span)) => {
                        down.push((key.clone(), span));
                        0
                    }
                    // A site that was forgotten; its groups are dropped below.
                    None => 1,
                });
            let Some(turn) = turn else { break };
            let Some(site) = self.sites.get(&turn.site).map(Arc::clone) else {
                // Its groups are due still, and shown again.
                self.table.drop_site(&turn.site, |_| {});
                self.next_look = self.now();
                continue;
            };
            // A snooze of ours may still stand.
            self.deliveries.snooze(&turn.group, StoreTime(0));
            let lent = self.deliveries.claim(&turn.group, turn.room).await?;
            self.table
                .claimed(&turn, lent.len(), lent.len() >= turn.room);
            if !lent.is_empty() && lent.len() < turn.room {
                // Somebody else may have changed what was chosen, so that less came than is due; heads cost no read.
                self.next_look = self.now();
            }
            if !lent.is_empty() {
                served = true;
                site.push(lent);
                self.crew.staff(&site);
            }
        }
        for (key, span) in down {
            // Groups of a site that went down wait in the store.
            let mut groups = Vec::new();
            self.table
                .drop_site(&key, |group| groups.push(group.clone()));
            let site = self.sites.get(&key).map(Arc::clone);
            for group in groups {
                match &site {
                    Some(site) => self.hold_for(&group, span, site),
                    None => self.snooze(&group, span),
                }
            }
        }
        self.crew.low.wanted(!self.table.is_empty());
        Ok(served)
    }

    fn destination(&mut self, group: &Group) -> Destination {
        let Some(host) = host_of(group) else {
            tracing::error!(?group, "a group names no host; its mail stays");
            return Destination::NotNow;
        };
        match self.ways.find(&host, self.now()) {
            Found::Plan(plan) => Destination::Site(self.site(&plan)),
            Found::Nowhere(trouble) => Destination::Nowhere(trouble),
            Found::Ask(domain) => self.ask(domain, group),
        }
    }

    fn ask(&mut self, domain: Domain, group: &Group) -> Destination {
        if let Some(waiting) = self.learning.get_mut(&domain) {
            if waiting.len() >= GROUPS_OF_SITE_MAX {
                return Destination::NotNow;
            }
            waiting.push(group.clone());
            return Destination::Asked;
        }
        if self.learning.len() >= LEARNING_MAX {
            return Destination::NotNow;
        }
        self.learning.insert(domain.clone(), vec![group.clone()]);
        self.learn(domain);
        Destination::Asked
    }

    fn learn(&self, domain: Domain) {
        let (crew, answers) = (Arc::clone(&self.crew), self.learned.0.clone());
        let (resolver, name) = (crew.reach.resolver.clone(), domain.clone());
        // A task of its own: whatever a name server says, an answer comes, or the domain would never be asked for again.
        let asked = tokio::spawn(async move { resolver.mail_hosts(&name).await });
        tokio::spawn(async move {
            let said = asked.await.unwrap_or_else(|_| {
                Err(DnsFault::NotNow {
                    name: domain.clone(),
                    why: "asking for its mail hosts failed".to_owned(),
                })
            });
            // The channel has a place for each question; it is closed only when the server stops.
            drop(answers.send(Answer { domain, said }).await);
            crew.low.tell();
        });
    }

    fn answered(&mut self, answer: Answer) {
        let waited = self.learning.remove(&answer.domain);
        let now = self.now();
        self.ways.hear(answer.domain, answer.said, now);
        // The groups that waited for it are shown again at once.
        for group in waited.into_iter().flatten() {
            self.deliveries.snooze(&group, StoreTime(0));
            if self.wanted.remove(&group) {
                self.want(group);
            }
        }
        self.next_look = self.now();
    }

    fn site(&mut self, plan: &Arc<Plan>) -> Arc<Site> {
        if let Some(site) = self.sites.get(&plan.key) {
            site.replan(plan);
            return Arc::clone(site);
        }
        self.number += 1;
        let clock = self.crew.reach.clock.clone();
        let site = Arc::new(Site::new(Arc::clone(plan), self.number, clock));
        self.sites.insert(plan.key.clone(), Arc::clone(&site));
        site
    }

    /// There is no host: the group's mail is settled without a connection.
    async fn nowhere(&mut self, group: &Group, trouble: &Trouble) -> Result<(), StoreError> {
        let ruling = rule(trouble);
        let why = Reason {
            fault: ruling.fault.clone(),
            site: "none".to_owned(),
            at: self.crew.reach.clock.wall().0,
        };
        let outcome = ruling.outcome();
        let lent = self.deliveries.claim(group, CLAIM_MAX).await?;
        let more = lent.len() >= CLAIM_MAX;
        for lent in lent {
            let attempt = Attempt {
                outcomes: lane::all(&lent, &outcome),
                site: "none".to_owned(),
                tls: None,
                dialogue: String::new(),
                delays: Delays::default(),
                dsn: false,
                again: None,
            };
            self.crew.reporter.settle(lent, attempt).await;
        }
        if !ruling.ends {
            // Mail that comes meanwhile waits for the next question, and that uses up no try.
            self.hold(group, NOT_NOW, Arc::new(why), NOBODY);
        } else if more {
            self.next_look = self.now();
        }
        Ok(())
    }

    /// A group of a site that is waited for.
    fn hold_for(&mut self, group: &Group, span: Duration, site: &Site) {
        match site.why() {
            Some(why) => self.hold(group, span, why, site.number),
            None => self.snooze(group, span),
        }
    }

    /// A group waits so long, for this reason.
    fn hold(&mut self, group: &Group, span: Duration, why: Arc<Reason>, by: u64) {
        self.next_look = self.next_look.min(self.now() + span);
        let until = self.deliveries.now().0.saturating_add(micros(span));
        self.deliveries.hold(group, StoreTime(until), why, by);
    }

    fn room(&self, site: &Site) -> Room {
        room(&self.crew, site)
    }

    fn snooze(&mut self, group: &Group, span: Duration) {
        self.next_look = self.next_look.min(self.now() + span);
        let until = self.deliveries.now().0.saturating_add(micros(span));
        self.deliveries.snooze(group, StoreTime(until));
    }

    /// Waits for new mail, a site with room, an answer of DNS, or the time of the next look.
    async fn wait(&mut self) {
        let crew = Arc::clone(&self.crew);
        let next = self.next_look.min(self.next_attend);
        tokio::select! {
            () = crew.shutdown.wait() => {}
            () = crew.low.told() => {}
            () = self.deliveries.nudged() => {}
            changed = self.hint.changed() => {
                // `changed` marks it as seen; the next round must see it too.
                self.next_look = self.now();
                if changed.is_err() {
                    self.pause().await;
                }
            }
            () = crew.reach.clock.sleep_until(next) => {}
        }
    }

    async fn pause(&self) {
        tokio::select! {
            () = self.crew.shutdown.wait() => {}
            () = self.crew.reach.clock.sleep(PAUSE) => {}
        }
    }

    /// Keeps what is remembered within its bounds.
    fn forget(&mut self) {
        if self.sites.len() > SITES_MAX {
            let table = &self.table;
            self.sites
                .retain(|key, site| !site.forgettable() || table.has_site(key));
        }
        let now = self.now();
        self.ways.forget(now);
    }

    fn now(&self) -> Mono {
        self.crew.reach.clock.mono()
    }
}

/// What the site takes now; nothing while it waits for a network and nobody serves it.
fn room(crew: &Crew, site: &Site) -> Room {
    match site.room(crew.most()) {
        Room::Parcels(_) if crew.is_blocked(site) && site.is_deserted() => Room::Full,
        room @ (Room::Parcels(_) | Room::Full | Room::Down(_)) => room,
    }
}

/// More connections than file descriptors help nobody.
const PLACES_MAX: usize = 10_000;
/// Claims between two looks at the store.
const TURNS: usize = 100;
/// Without a hint the store is asked this often.
const IDLE: Duration = Duration::from_secs(60);
/// More groups are due than were asked for.
const MORE_LOOK: Duration = Duration::from_millis(100);
/// How often a pause is looked at; a reload wakes nobody.
const PAUSED_LOOK: Duration = Duration::from_secs(1);
/// A group whose site has no room is shown again after this.
const BUSY: Duration = Duration::from_secs(2);
/// DNS is being asked; its answer ends the snooze.
const ASKING: Duration = Duration::from_secs(30);
/// Sites that wait for a network look again by themselves.
const UNBLOCK: Duration = Duration::from_secs(30);
/// The name servers could not answer.
const NOT_NOW: Duration = Duration::from_secs(60);
/// After the store failed.
const PAUSE: Duration = Duration::from_secs(5);
