//! The one task that claims due parcels and hands them to sites; lanes do the rest.
//!
//! It asks the queue for groups that are due, finds the site of each, and claims as much as the site can take, in the
//! order of `schedule`. A group whose site cannot take it now is snoozed in the store, so that it does not stand in
//! the way of others; a snooze uses up no try. DNS is asked beside it, at most `LEARNING_MAX` domains at once.
//! Not here: connections and their number (`lane`), health of a site (`site`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::connect::Reach;
use super::lane::{self, Crew};
use super::plan::{Plan, SiteKey};
use super::report::Reporter;
use super::schedule::{Offer, Table};
use super::site::{Low, Room, Site};
use super::trouble::{Trouble, rule};
use super::ways::{Found, Ways};
use crate::base::clock::{Mono, micros};
use crate::base::limit::{GROUPS_OF_SITE_MAX, HEADS_ASKED, LEARNING_MAX, SITES_MAX};
use crate::base::shutdown::Shutdown;
use crate::mail::domain::Domain;
use crate::net::dns::{DnsFault, MailHosts};
use crate::queue::group::{account_of, host_of};
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
    learned: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
    /// When the store must be asked again.
    next_look: Mono,
    /// Connections in all, as they were at start.
    places: u32,
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
        let places_all = u32::try_from(places).unwrap_or(u32::MAX);
        let next_look = reach.clock.mono();
        let ways = Ways::new(reach.conf.load_full(), reach.strangers.port);
        let crew = Crew {
            places: Arc::new(Semaphore::new(places)),
            starved: Mutex::new(VecDeque::new()),
            reporter: Reporter::new(queue.clone(), shutdown.clone()),
            low: Low::default(),
            evict: Notify::new(),
            reach,
            queue,
            shutdown,
        };
        Self {
            hint: deliveries.hint(),
            deliveries,
            crew: Arc::new(crew),
            table: Table::default(),
            sites: HashMap::new(),
            ways,
            learning: HashMap::new(),
            learned: mpsc::channel(LEARNING_MAX),
            next_look,
            places: places_all,
        }
    }

    /// Until the server stops and the last lane has ended.
    pub async fn run(mut self) {
        let crew = Arc::clone(&self.crew);
        while !crew.shutdown.begun() {
            let served = match self.round().await {
                Ok(served) => served,
                Err(error) => {
                    tracing::warn!(%error, "the store cannot lend mail now; delivery waits");
                    self.pause().await;
                    false
                }
            };
            if crew.reporter.was_troubled() {
                self.pause().await;
            }
            if !served {
                self.wait().await;
            }
        }
        for site in self.sites.values() {
            site.clear();
        }
        crew.finished(self.places).await;
    }

    /// Looks and serves once; whether something was claimed.
    async fn round(&mut self) -> Result<bool, StoreError> {
        if self.crew.queue.conf().load().queue.paused {
            for site in self.sites.values() {
                site.clear();
            }
            self.next_look = self.now() + PAUSED_LOOK;
            return Ok(false);
        }
        self.follow();
        for site in self.crew.take_starved() {
            self.crew.staff(&site);
        }
        while let Ok(answer) = self.learned.1.try_recv() {
            self.answered(answer);
        }
        let changed = self.hint.has_changed().unwrap_or(false);
        if changed || self.next_look <= self.now() {
            self.look().await?;
        }
        self.serve().await
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
        }
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
            Destination::Site(site) => {
                let most = self.most();
                match site.room(most) {
                    Room::Down(span) => self.snooze(group, span),
                    room @ (Room::Full | Room::Parcels(_)) => {
                        let offer = self.table.offer(&site.key, account_of(group), group);
                        if offer == Offer::Full || room == Room::Full {
                            self.snooze(group, BUSY);
                        }
                    }
                }
            }
            Destination::Nowhere(trouble) => self.nowhere(group, &trouble).await?,
            Destination::Asked => self.snooze(group, ASKING),
            Destination::NotNow => self.snooze(group, BUSY),
        }
        Ok(())
    }

    /// Claims for whoever is next, while there is room.
    async fn serve(&mut self) -> Result<bool, StoreError> {
        let mut served = false;
        let most = self.most();
        let mut down = Vec::new();
        for _ in 0..TURNS {
            let sites = &self.sites;
            let turn = self
                .table
                .turn(|key| match sites.get(key).map(|site| site.room(most)) {
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
                self.table.drop_site(&turn.site, |_| {});
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
        let now = self.deliveries.now();
        for (key, span) in down {
            // Groups of a site that went down wait in the store.
            let until = StoreTime(now.0.saturating_add(micros(span)));
            self.next_look = self.next_look.min(self.now() + span);
            let deliveries = &self.deliveries;
            self.table
                .drop_site(&key, |group| deliveries.snooze(group, until));
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
        tokio::spawn(async move {
            let said = crew.reach.resolver.mail_hosts(&domain).await;
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
        }
        self.next_look = self.now();
    }

    fn site(&mut self, plan: &Arc<Plan>) -> Arc<Site> {
        if let Some(site) = self.sites.get(&plan.key) {
            site.replan(plan);
            return Arc::clone(site);
        }
        let site = Arc::new(Site::new(Arc::clone(plan), self.crew.reach.clock.clone()));
        self.sites.insert(plan.key.clone(), Arc::clone(&site));
        site
    }

    /// There is no host: the group's mail is settled without a connection.
    async fn nowhere(&mut self, group: &Group, trouble: &Trouble) -> Result<(), StoreError> {
        let ruling = rule(trouble);
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
            };
            self.crew.reporter.settle(lent, attempt).await;
        }
        if !ruling.ends {
            // Mail that comes meanwhile waits for the next question, and that uses up no try.
            self.snooze(group, NOT_NOW);
        } else if more {
            self.next_look = self.now();
        }
        Ok(())
    }

    fn snooze(&mut self, group: &Group, span: Duration) {
        self.next_look = self.next_look.min(self.now() + span);
        let until = self.deliveries.now().0.saturating_add(micros(span));
        self.deliveries.snooze(group, StoreTime(until));
    }

    /// Waits for new mail, a site with room, an answer of DNS, or the time of the next look.
    async fn wait(&mut self) {
        let crew = Arc::clone(&self.crew);
        tokio::select! {
            () = crew.shutdown.wait() => {}
            () = crew.low.told() => {}
            changed = self.hint.changed() => {
                // `changed` marks it as seen; the next round must see it too.
                self.next_look = self.now();
                if changed.is_err() {
                    crew.reach.clock.sleep(PAUSE).await;
                }
            }
            () = crew.reach.clock.sleep_until(self.next_look) => {}
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

    fn most(&self) -> usize {
        self.crew.reach.conf.load().deliver.connections_per_site
    }

    fn now(&self) -> Mono {
        self.crew.reach.clock.mono()
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
/// The name servers could not answer.
const NOT_NOW: Duration = Duration::from_secs(60);
/// After the store failed.
const PAUSE: Duration = Duration::from_secs(5);
