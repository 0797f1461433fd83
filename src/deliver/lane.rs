//! One lane: a task that serves a site over one connection at a time, parcel after parcel.
//!
//! It keeps its connection for a few seconds when nothing is due, and gives it up after `site_messages` mails. A
//! connection that the peer closed while it was idle costs no try: the mail goes out on a new one.
//! When the server stops, a transaction whose final dot is not out is abandoned and its parcel given back; one whose
//! dot is out waits for the reply for at most `[queue] stop_timeout`, because the peer may have the mail, and is then
//! settled as in doubt. Without its intent on disk no dot goes out.
//! Not here: what is sent and how (`transact`), and who starts lanes (`dispatch`).

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use super::connect::{Connection, NoHost, Reach};
use super::report::Reporter;
use super::site::{Failed, Low, Site, Taken};
use super::transact::{Done, Job, transact};
use super::trouble::rule_all;
use crate::base::limit::DIALOGUE_MAX;
use crate::base::shutdown::Shutdown;
use crate::mail::outcome::Outcome;
use crate::queue::{Attempt, Delays, Lent, Queue};

/// What all lanes share.
pub struct Crew {
    /// Connections in all.
    pub places: Arc<Semaphore>,
    /// Sites that have mail and no lane, because there was no place.
    pub starved: Mutex<VecDeque<Arc<Site>>>,
    /// How connections are made.
    pub reach: Reach,
    /// Where bodies are.
    pub queue: Queue,
    /// How tries end.
    pub reporter: Reporter,
    /// When to stop.
    pub shutdown: Shutdown,
    /// Tells the dispatcher that a site can take more.
    pub low: Low,
    /// Told when an idle connection must go.
    pub evict: Notify,
}

/// How a lane's turn ended.
enum Turn {
    Next,
    End,
}

/// A lane's connection, counted at its site for as long as it stands.
struct Open<'a> {
    connection: Connection,
    _count: Count<'a>,
}

struct Count<'a>(&'a Site);

/// A lane that `Site::more` counted in; counted out also by a panic, unless `Site::take` did it.
struct Counted<'a>(Option<&'a Site>);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(site) = self.0 {
            site.leave();
        }
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.disconnected();
    }
}

impl Crew {
    /// Starts the lanes that the site's backlog asks for.
    pub fn staff(self: &Arc<Self>, site: &Arc<Site>) {
        let most = self.reach.conf.load().deliver.connections_per_site;
        for _ in 0..site.more(most) {
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                site.leave();
                self.starve(site);
                self.evict.notify_one();
                continue;
            };
            let (crew, site) = (Arc::clone(self), Arc::clone(site));
            tokio::spawn(async move {
                let mut lane = Counted(Some(&site));
                run(&crew, &site, &mut lane).await;
                drop((lane, place));
                crew.low.tell();
            });
        }
    }

    fn starve(&self, site: &Arc<Site>) {
        let mut starved = self.starved.lock().unwrap_or_else(PoisonError::into_inner);
        if !starved.iter().any(|waiting| waiting.key == site.key) {
            starved.push_back(Arc::clone(site));
        }
    }

    /// Waits until no lane and no settle is under way; `all` is the number of places.
    pub async fn finished(&self, all: u32) {
        drop(self.places.acquire_many(all).await);
        self.reporter.finished().await;
    }

    /// Sites that may ask again for lanes.
    pub fn take_starved(&self) -> VecDeque<Arc<Site>> {
        std::mem::take(&mut *self.starved.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Serves the site until nothing is left to do. The lane was counted in by `Site::more`.
async fn run(crew: &Arc<Crew>, site: &Arc<Site>, lane: &mut Counted<'_>) {
    let guard = crew.shutdown.guard();
    let mut open: Option<Open<'_>> = None;
    let mut stop = pin!(crew.shutdown.wait());
    loop {
        // A transaction that was finished after the signal has used `stop` up.
        if crew.shutdown.begun() {
            break;
        }
        let wait = if open.is_some() {
            REUSE
        } else {
            Duration::ZERO
        };
        let taken = tokio::select! {
            biased;
            () = &mut stop => break,
            taken = site.take(wait, &crew.low, &crew.evict) => taken,
        };
        let Taken::Parcel(lent) = taken else {
            lane.0 = None;
            if let Some(open) = open {
                quit(crew, open);
            }
            return;
        };
        if !site.is_under(&crew.reach.conf.load()) {
            // The way of a parcel that was claimed before a reload may be another now: the dispatcher looks again.
            drop(lent);
            if let Some(open) = open.take() {
                quit(crew, open);
            }
            break;
        }
        if open.is_none() {
            open = match connect(crew, site, lent, stop.as_mut()).await {
                Ok((fresh, lent)) => {
                    open = Some(fresh);
                    match serve(crew, site, &mut open, lent, stop.as_mut()).await {
                        Turn::Next => open,
                        Turn::End => break,
                    }
                }
                Err(Turn::Next) => None,
                Err(Turn::End) => break,
            };
            continue;
        }
        match serve(crew, site, &mut open, lent, stop.as_mut()).await {
            Turn::Next => {}
            Turn::End => break,
        }
    }
    drop((open, guard));
}

/// Opens a connection for `lent`; without one the parcel is settled, put back or given back here.
async fn connect<'a, S: Future<Output = ()>>(
    crew: &Arc<Crew>,
    site: &'a Arc<Site>,
    lent: Lent,
    stop: Pin<&mut S>,
) -> Result<(Open<'a>, Lent), Turn> {
    let (plan, hops) = (site.plan(), site.hops());
    let opened = tokio::select! {
        biased;
        () = stop => return Err(Turn::End),
        opened = crew.reach.open(&plan, &hops, |hop| site.avoid(hop)) => opened,
    };
    match opened {
        Ok(connection) => {
            site.reached();
            crew.staff(site);
            let count = Count(site);
            Ok((
                Open {
                    connection,
                    _count: count,
                },
                lent,
            ))
        }
        Err(none) => Err(no_host(crew, site, lent, none).await),
    }
}

async fn no_host(crew: &Crew, site: &Site, lent: Lent, none: NoHost) -> Turn {
    let ruling = rule_all(&none.troubles);
    if !ruling.ends {
        let retry = &crew.reach.conf.load().queue.retry;
        let first = retry.first().copied().unwrap_or(FIRST_WAIT) / 2;
        match site.failed(first.clamp(SHORTEST_WAIT, FIRST_WAIT)) {
            Failed::Crowded => {
                site.put_back(lent);
                return Turn::End;
            }
            Failed::Down => {
                tracing::warn!(site = %none.site, reply = %ruling.fault.reply, "a site cannot be reached; its mail waits");
            }
        }
    }
    let outcome = ruling.outcome();
    let attempt = Attempt {
        outcomes: all(&lent, &outcome),
        site: none.site,
        tls: none.tls,
        dialogue: none.dialogue,
        delays: Delays {
            connect: none.took,
            transmit: Duration::ZERO,
        },
        dsn: false,
    };
    crew.reporter.settle(lent, attempt).await;
    if ruling.ends { Turn::Next } else { Turn::End }
}

/// One transaction; afterwards the connection is kept, or `open` is empty.
async fn serve<S: Future<Output = ()>>(
    crew: &Crew,
    site: &Site,
    open: &mut Option<Open<'_>>,
    lent: Lent,
    stop: Pin<&mut S>,
) -> Turn {
    let Some(held) = open.as_mut() else {
        return Turn::Next;
    };
    let conf = crew.reach.conf.load_full();
    let over = Notify::new();
    let job = Job {
        queue: &crew.queue,
        clock: &crew.reach.clock,
        timeouts: conf.deliver.timeouts,
        own: &conf.server.hostname,
        over: &over,
    };
    let connect = if held.connection.messages == 0 {
        held.connection.took
    } else {
        Duration::ZERO
    };
    let Some(done) = until_stop(
        transact(&mut held.connection, &lent, &job),
        stop,
        crew,
        &lent,
        &over,
    )
    .await
    else {
        lent.give_back().await;
        return Turn::End;
    };
    if let Some(error) = done.unwritten {
        // Nothing was handed over. What waits here would fare alike: it is given back, and the dispatcher pauses.
        *open = None;
        site.clear();
        crew.reporter.trouble(&error);
        return Turn::Next;
    }
    if done.stale {
        *open = None;
        site.put_back(lent);
        return Turn::Next;
    }
    let (usable, attempt) = attempt(done, &held.connection, connect);
    if !usable {
        // It closed in the middle; the next connection begins with another host, if there is one.
        site.avoid(&held.connection.hop);
        *open = None;
    } else if held.connection.messages >= conf.deliver.site_messages
        && let Some(open) = open.take()
    {
        quit(crew, open);
    }
    crew.reporter.settle(lent, attempt).await;
    Turn::Next
}

/// Runs a transaction; when the server stops: to its end if the dot is out, within bounds, else not at all.
async fn until_stop<S: Future<Output = ()>>(
    work: impl Future<Output = Done>,
    stop: Pin<&mut S>,
    crew: &Crew,
    lent: &Lent,
    over: &Notify,
) -> Option<Done> {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return Some(done),
        () = stop => {}
    }
    if !lent.is_dotted() {
        return None;
    }
    let most = crew.reach.conf.load().queue.stop_timeout;
    if let Ok(done) = crew.reach.clock.timeout(most, work.as_mut()).await {
        return Some(done);
    }
    over.notify_one();
    Some(work.await)
}

fn attempt(done: Done, connection: &Connection, connect: Duration) -> (bool, Attempt) {
    let attempt = Attempt {
        outcomes: done.outcomes,
        site: connection.site.clone(),
        tls: connection.tls.clone(),
        dialogue: done.dialogue.chars().take(DIALOGUE_MAX).collect(),
        delays: Delays {
            connect,
            transmit: done.took,
        },
        dsn: connection.offers.dsn(),
    };
    (done.usable, attempt)
}

/// The same outcome for every recipient of a parcel.
pub(super) fn all(lent: &Lent, outcome: &Outcome) -> Vec<(u32, Outcome)> {
    let each = lent.recipients.iter();
    each.map(|rcpt| (rcpt.index, outcome.clone())).collect()
}

/// QUIT, and its reply for as long as the peer may take (RFC 5321 section 4.1.1.10), beside the lane.
fn quit(crew: &Crew, open: Open<'_>) {
    let within = crew.reach.conf.load().deliver.timeouts.reset;
    let mut wire = open.connection.wire;
    tokio::spawn(async move {
        if wire.send(b"QUIT\r\n", within).await.is_ok() {
            // Whatever it answers, the connection ends.
            drop(wire.reply(within).await);
        }
    });
}

/// A connection is kept so long for the next mail: long enough for a burst, too short for a peer to mind.
const REUSE: Duration = Duration::from_secs(5);
/// The first wait of a site that cannot be reached, unless mail is retried sooner.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// And at least.
const SHORTEST_WAIT: Duration = Duration::from_millis(500);
