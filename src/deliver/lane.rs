//! One lane: a task that serves a site over one connection at a time, parcel after parcel.
//!
//! It keeps its connection for a few seconds when nothing is due, and gives it up after `site_messages` mails; then it
//! also gives up its place, if another site waits for one. A connection that the peer closed while it was idle costs no
//! try: the mail goes out on a new one. A host that refuses us is followed by the site's next, once each, before the
//! site waits. When the server stops, a transaction whose final dot is not out is abandoned and its parcel given back;
//! one whose dot is out waits for the reply for at most `[queue] stop_timeout`, because the peer may have the mail, and
//! is then settled as in doubt. Without its intent on disk no dot goes out.
//! Not here: what is sent and how (`transact`), who starts lanes (`crew`), and how a site waits (`stand`).

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::connect::{Connection, NoHost};
use super::crew::{Berth, Crew};
use super::site::Failed;
use super::transact::{Done, Job, transact};
use super::trouble::{Bears, Ruling, rule_all};
use super::verdicts::Refusal;
use crate::base::clock::{Mono, micros};
use crate::base::limit::DIALOGUE_MAX;
use crate::config::NextHop;
use crate::mail::outcome::Outcome;
use crate::queue::{Attempt, Delays, Lent};
use crate::store::{StoreError, StoreTime};

/// How a lane's turn ended.
enum Turn {
    Next,
    End,
}

/// What became of looking for a connection.
enum Opened {
    Open,
    /// We stop, or the site went down meanwhile.
    Gone,
    NoHost(NoHost),
}

/// What became of one transaction.
enum Served {
    /// To be settled; the flag says whether the connection can be used again.
    Done(Attempt, bool),
    /// The peer had closed the connection while it was idle.
    Stale,
    Refused(Box<Refused>),
    /// The intent could not be written: nothing was handed over.
    Unwritten(StoreError),
    /// We stop, and the dot is not out.
    Stopped,
}

/// The site, or its host, did not take us.
struct Refused {
    attempt: Attempt,
    refusal: Refusal,
    /// When the transaction began.
    since: Mono,
    /// It was the connection's first.
    fresh: bool,
}

/// Serves the site until nothing is left to do.
pub async fn run(mut berth: Berth) {
    let shutdown = berth.crew.shutdown.clone();
    let guard = shutdown.guard();
    let mut open: Option<Connection> = None;
    let mut stop = pin!(shutdown.wait());
    let mut stopped = false;
    loop {
        // A transaction that was finished after the signal has used `stop` up.
        if shutdown.begun() {
            stopped = true;
            break;
        }
        let wait = if open.is_some() {
            REUSE
        } else {
            Duration::ZERO
        };
        let taken = tokio::select! {
            biased;
            () = &mut stop => {
                stopped = true;
                break;
            }
            taken = berth.take(wait) => taken,
        };
        let Some(lent) = taken else { break };
        if !berth.site.is_under(&berth.crew.reach.conf.load()) {
            // The way of a parcel that was claimed before a reload may be another now: the dispatcher looks again.
            drop(lent);
            break;
        }
        let turn = Box::pin(deliver(&mut berth, &mut open, lent, stop.as_mut())).await;
        let most = berth.crew.reach.conf.load().deliver.site_messages;
        if let Some(open) = open.take_if(|open| open.messages >= most) {
            berth.disconnected();
            quit(&berth.crew, open);
        }
        match turn {
            Turn::Next if berth.gives_way(most) => break,
            Turn::Next => {}
            Turn::End => break,
        }
    }
    if let Some(open) = open.filter(|_| !stopped) {
        berth.disconnected();
        quit(&berth.crew, open);
    }
    drop((berth, guard));
}

/// One parcel: over the open connection or a new one, and at further hosts where one refuses us.
async fn deliver<S: Future<Output = ()>>(
    berth: &mut Berth,
    open: &mut Option<Connection>,
    lent: Lent,
    mut stop: Pin<&mut S>,
) -> Turn {
    let mut refused_by: Vec<NextHop> = Vec::new();
    let mut last: Option<Box<Refused>> = None;
    loop {
        if open.is_none() {
            match connect(berth, open, &refused_by, stop.as_mut()).await {
                Opened::Open => {}
                Opened::Gone => return Turn::End,
                Opened::NoHost(none) => {
                    return match last {
                        Some(refused) => give_up(berth, lent, *refused).await,
                        None => no_host(berth, lent, none).await,
                    };
                }
            }
        }
        let Some(connection) = open.as_mut() else {
            return Turn::End;
        };
        let hop = connection.hop.clone();
        match serve(berth, connection, &lent, stop.as_mut()).await {
            Served::Done(attempt, usable) => {
                if !usable {
                    // It closed in the middle; the next connection begins with another host, if there is one.
                    berth.site.avoid(&hop);
                    close(berth, open);
                }
                berth.count();
                berth.crew.reporter.settle(lent, attempt).await;
                return Turn::Next;
            }
            Served::Stale => close(berth, open),
            Served::Unwritten(error) => {
                // What waits here would fare alike: it is given back, and the dispatcher pauses.
                berth.crew.reporter.trouble(&error);
                close(berth, open);
                berth.site.clear();
                return Turn::End;
            }
            Served::Stopped => {
                close(berth, open);
                lent.give_back().await;
                return Turn::End;
            }
            Served::Refused(refused) => {
                berth.count();
                if refused.refusal.ruling.bears == Bears::Site {
                    // It may want TLS before MAIL (530), and have got none because STARTTLS broke once.
                    berth.crew.reach.clear.forget(&hop.host);
                }
                berth.site.avoid(&hop);
                close(berth, open);
                refused_by.push(hop);
                let left = |hop: &NextHop| !refused_by.contains(hop);
                let further = refused.refusal.whole
                    && refused.refusal.ruling.next_host
                    && berth.site.hops().iter().any(left);
                if !further {
                    return give_up(berth, lent, *refused).await;
                }
                last = Some(refused);
            }
        }
    }
}

/// Opens a connection to one of the hosts that have not refused this parcel.
async fn connect<S: Future<Output = ()>>(
    berth: &mut Berth,
    open: &mut Option<Connection>,
    refused_by: &[NextHop],
    stop: Pin<&mut S>,
) -> Opened {
    let site = Arc::clone(&berth.site);
    let plan = site.plan();
    let mut hops = site.hops();
    hops.retain(|hop| !refused_by.contains(hop));
    let (reach, foreign) = (berth.crew.reach.clone(), plan.foreign);
    let missed = |hop: &NextHop| site.avoid(hop);
    let pass = |address| berth.pass(foreign, address);
    let opened = tokio::select! {
        biased;
        () = stop => return Opened::Gone,
        opened = reach.open(&plan, &hops, missed, pass) => opened,
    };
    match opened {
        Ok(connection) => {
            if !berth.reached() {
                quit(&berth.crew, connection);
                return Opened::Gone;
            }
            berth.crew.staff(&site);
            *open = Some(connection);
            Opened::Open
        }
        Err(none) => Opened::NoHost(none),
    }
}

/// No connection, no transaction: the site is down, asks for less, or has no host for ever.
async fn no_host(berth: &mut Berth, lent: Lent, none: NoHost) -> Turn {
    let crew = Arc::clone(&berth.crew);
    if none.busy {
        // Its network has its share; the site was noted to wait for it.
        berth.site.put_back(lent);
        return Turn::End;
    }
    let ruling = rule_all(&none.troubles);
    let outcome = ruling.outcome();
    let mut again = None;
    if !ruling.ends {
        let slow = match ruling.bears {
            Bears::Slow(slow) => Some(slow),
            Bears::Mail | Bears::Host | Bears::Site => None,
        };
        let told = (&ruling.fault, none.site.as_str());
        let since = none.since;
        match berth.site.unreachable(slow, since, first_wait(&crew), told) {
            Failed::Fewer => {
                berth.site.put_back(lent);
                return Turn::End;
            }
            // Another lane has just found out: nothing is told by this parcel, which is given back.
            Failed::Known => return Turn::End,
            Failed::Down(until) => {
                waits(&crew, until, &ruling, &none.site);
                again = slow.is_none().then(|| store_time(&crew, until));
            }
        }
    }
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
        again,
    };
    crew.reporter.settle(lent, attempt).await;
    if ruling.ends { Turn::Next } else { Turn::End }
}

/// Every host that was asked refused us: the site waits, with the reason.
async fn give_up(berth: &mut Berth, lent: Lent, refused: Refused) -> Turn {
    let Refused {
        mut attempt,
        refusal: Refusal { ruling, late, .. },
        since,
        fresh,
    } = refused;
    let crew = Arc::clone(&berth.crew);
    let (site, first) = (&berth.site, first_wait(&crew));
    let told = (&ruling.fault, attempt.site.as_str());
    // What one and the same mail is told twice in a row, of its recipients or its content, is about that mail.
    let of_mail = late && site.again(lent.message.id);
    let failed = match ruling.bears {
        Bears::Slow(_) if of_mail => Failed::Known,
        Bears::Slow(slow) => site.slow(slow, since, first, told),
        Bears::Site => site.fail(first, told),
        Bears::Host if fresh => site.broke(first, told),
        Bears::Host | Bears::Mail => Failed::Known,
    };
    if of_mail {
        for (_, outcome) in &mut attempt.outcomes {
            if let Outcome::Postponed(fault) = outcome {
                *outcome = Outcome::Deferred(fault.clone());
            }
        }
    }
    match failed {
        Failed::Down(until) => {
            waits(&crew, until, &ruling, &attempt.site);
            if ruling.bears == Bears::Site {
                attempt.again = Some(store_time(&crew, until));
            }
        }
        Failed::Fewer => {
            tracing::warn!(site = %attempt.site, reply = %ruling.fault.reply, "a site asks for fewer connections; it gets fewer");
        }
        Failed::Known => {}
    }
    crew.reporter.settle(lent, attempt).await;
    Turn::End
}

/// One transaction over the connection.
async fn serve<S: Future<Output = ()>>(
    berth: &Berth,
    connection: &mut Connection,
    lent: &Lent,
    stop: Pin<&mut S>,
) -> Served {
    let crew = &berth.crew;
    let conf = crew.reach.conf.load_full();
    let over = Notify::new();
    let job = Job {
        queue: &crew.queue,
        clock: &crew.reach.clock,
        timeouts: conf.deliver.timeouts,
        own: &conf.server.hostname,
        over: &over,
        recipients_max: berth.site.recipients_max(),
    };
    let fresh = connection.messages == 0;
    let connect = if fresh {
        connection.took
    } else {
        Duration::ZERO
    };
    let since = crew.reach.clock.mono();
    let work = transact(connection, lent, &job);
    let Some(mut done) = until_stop(work, stop, crew, lent, &over).await else {
        return Served::Stopped;
    };
    if let Some(error) = done.unwritten.take() {
        return Served::Unwritten(error);
    }
    if done.stale {
        return Served::Stale;
    }
    if let Some(most) = done.took_only {
        tracing::info!(site = %connection.site, most, "a site takes only so many recipients at once; the rest goes next");
        berth.site.took_only(most);
    }
    let (usable, refusal) = (done.usable, done.refusal.take());
    let attempt = attempt(done, connection, connect);
    match refusal {
        Some(refusal) => Served::Refused(Box::new(Refused {
            attempt,
            refusal,
            since,
            fresh,
        })),
        None => {
            let taken = attempt
                .outcomes
                .iter()
                .any(|(_, outcome)| outcome.is_relayed());
            // Who took it works, also if it closes the connection behind each mail.
            if usable || taken {
                let most = conf.deliver.connections_per_site;
                if berth.site.served(taken, most) {
                    crew.attend(&berth.site.key);
                }
            }
            Served::Done(attempt, usable)
        }
    }
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

fn attempt(done: Done, connection: &Connection, connect: Duration) -> Attempt {
    Attempt {
        outcomes: done.outcomes,
        site: connection.site.clone(),
        tls: connection.tls.clone(),
        dialogue: done.dialogue.chars().take(DIALOGUE_MAX).collect(),
        delays: Delays {
            connect,
            transmit: done.took,
        },
        dsn: connection.offers.dsn(),
        again: None,
    }
}

/// The same outcome for every recipient of a parcel.
pub(super) fn all(lent: &Lent, outcome: &Outcome) -> Vec<(u32, Outcome)> {
    let each = lent.recipients.iter();
    each.map(|rcpt| (rcpt.index, outcome.clone())).collect()
}

fn close(berth: &mut Berth, open: &mut Option<Connection>) {
    if open.take().is_some() {
        berth.disconnected();
    }
}

fn waits(crew: &Crew, until: Mono, ruling: &Ruling, site: &str) {
    let span = until - crew.reach.clock.mono();
    let reply = &ruling.fault.reply;
    let wait = crate::base::size::show_span(span);
    match ruling.bears {
        Bears::Slow(_) => {
            tracing::warn!(site, %reply, wait, "a site asks for a pause; its mail waits, and no try is counted");
        }
        Bears::Site | Bears::Host | Bears::Mail => {
            tracing::warn!(site, %reply, wait, "a site cannot be used; its mail waits");
        }
    }
}

/// The shortest wait of a site: half of the first retry, so that the site is known to be back when its mail is due.
fn first_wait(crew: &Crew) -> Duration {
    let retry = &crew.reach.conf.load().queue.retry;
    let first = retry.first().copied().unwrap_or(FIRST_WAIT) / 2;
    first.clamp(SHORTEST_WAIT, FIRST_WAIT)
}

fn store_time(crew: &Crew, until: Mono) -> StoreTime {
    let span = until - crew.reach.clock.mono();
    let now = crew.queue.store().now().0;
    StoreTime(now.saturating_add(micros(span)))
}

/// QUIT, and its reply for as long as the peer may take (RFC 5321 section 4.1.1.10), beside the lane.
fn quit(crew: &Crew, open: Connection) {
    let within = crew.reach.conf.load().deliver.timeouts.reset;
    tokio::spawn(async move {
        let mut open = open;
        if open.wire.send(b"QUIT\r\n", within).await.is_ok() {
            // Whatever it answers, the connection ends.
            drop(open.wire.reply(within).await);
        }
    });
}

/// A connection is kept so long for the next mail: long enough for a burst, too short for a peer to mind.
const REUSE: Duration = Duration::from_secs(5);
/// The first wait of a site that cannot be reached, unless mail is retried sooner.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// And at least.
const SHORTEST_WAIT: Duration = Duration::from_millis(500);
