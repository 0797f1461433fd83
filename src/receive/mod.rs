//! Floor 8: from a listening socket to a mail in the queue.
//!
//! One task per listener takes connections, one task per connection drives `smtp::server` with what the socket brings,
//! asks `judge`, and hands complete mails to the queue. 250 goes out after `queue.accept` said that the mail is on
//! disk, and never before. At a stop listeners close first; idle sessions get 421, a text that is coming in may end.
//! Not here: the order of a dialog (`smtp::server`), and who may send what (`policy`).

mod budget;
mod driver;
mod header;
#[cfg(test)]
mod tests;
mod text;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::accounts::Accounts;
use crate::base::clock::Clock;
use crate::base::limit::LOGIN_SPAN;
use crate::base::repeats::Repeats;
use crate::base::shutdown::Shutdown;
use crate::certs::Certs;
use crate::config::{Config, ListenerConf, ListenerTls, SaslRule, Shared};
use crate::net::limiter::Limiter;
use crate::net::listen::{self, ListenError};
use crate::net::permits::{Busy, Permit, Permits, Standing, Terms};
use crate::policy;
use crate::queue::Queue;
use crate::scan::Scanners;

pub use header::completed;

use budget::Budget;

/// What receiving needs.
#[derive(Clone, Debug)]
pub struct Context {
    /// The configuration in force.
    pub conf: Shared,
    /// Where mails go.
    pub queue: Queue,
    /// Who may log in.
    pub accounts: Accounts,
    /// Who is asked about mails.
    pub scanners: Scanners,
    /// What handshakes show.
    pub certs: Certs,
    /// Time.
    pub clock: Clock,
    /// The signal to stop.
    pub shutdown: Shutdown,
    /// Places of all listeners together.
    pub permits: Permits,
}

/// Open listening sockets.
#[derive(Debug)]
pub struct Listeners(Vec<(Arc<ListenerConf>, TcpListener)>);

/// What all sessions share.
#[derive(Debug)]
struct Hall {
    conf: Shared,
    queue: Queue,
    accounts: Accounts,
    scanners: Scanners,
    certs: Certs,
    clock: Clock,
    shutdown: Shutdown,
    permits: Permits,
    budget: Budget,
    /// Mails by account.
    rates: Limiter,
    /// Connections that the limit of open files allows.
    files: usize,
}

impl Listeners {
    /// Opens every socket of the configuration, or none.
    ///
    /// # Errors
    /// The first one that cannot be opened.
    pub fn bind(conf: &Config) -> Result<Self, ListenError> {
        let open = |listener: &ListenerConf| {
            Ok((Arc::new(listener.clone()), listen::bind(listener.bind)?))
        };
        conf.listeners
            .iter()
            .map(open)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Where they listen, in the order of the configuration; port 0 has become a real one.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0
            .iter()
            .map(|(conf, socket)| socket.local_addr().unwrap_or(conf.bind))
            .collect()
    }
}

/// Serves until the signal to stop. Sessions may outlive it; each holds a guard of `shutdown`.
pub async fn run(listeners: Listeners, context: Context) {
    let hall = Arc::new(Hall {
        conf: context.conf,
        queue: context.queue,
        accounts: context.accounts,
        certs: context.certs,
        clock: context.clock,
        shutdown: context.shutdown,
        scanners: context.scanners,
        permits: context.permits,
        budget: Budget::new(),
        rates: Limiter::new(1, LOGIN_SPAN),
        // The store and deliveries need theirs.
        files: (listen::files() / 2).max(1),
    });
    let mut tasks = JoinSet::new();
    let mut binds = Vec::new();
    for (conf, socket) in listeners.0 {
        // Port 0 may stand several times; then the n-th one is meant, also after a reload.
        let nth = binds.iter().filter(|bind| **bind == conf.bind).count();
        binds.push(conf.bind);
        tasks.spawn(serve(Arc::clone(&hall), conf, nth, socket));
    }
    while tasks.join_next().await.is_some() {}
    // A server without listeners takes mail by its API alone, and runs until it is stopped like any other.
    hall.shutdown.wait().await;
}

async fn serve(hall: Arc<Hall>, own: Arc<ListenerConf>, nth: usize, socket: TcpListener) {
    let stop = hall.shutdown.wait();
    tokio::pin!(stop);
    let repeats = Repeats::new(hall.clock.clone());
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut stop => return,
            next = listen::next(&socket, &hall.clock, &repeats) => next,
        };
        let conf = hall.conf.load_full();
        // A reload may have changed what this listener trusts and offers; where it listens stays.
        let listener = conf
            .listeners
            .iter()
            .filter(|listener| listener.bind == own.bind)
            .nth(nth)
            .map_or_else(|| Arc::clone(&own), |listener| Arc::new(listener.clone()));
        let standing = standing(&listener, peer);
        match hall
            .permits
            .take(peer.ip(), standing, terms(&conf, hall.files))
        {
            Ok(permit) => {
                let session = session(Arc::clone(&hall), conf, listener, stream, peer, permit);
                tokio::spawn(session);
            }
            Err(busy) => turn_away(&conf, &listener, &stream, busy),
        }
    }
}

fn terms(conf: &Config, files: usize) -> Terms {
    let limits = &conf.limits;
    Terms {
        all: limits.connections.min(files),
        of_network: limits
            .connections_per_network
            .max(limits.connections_per_address),
        of_address: limits.connections_per_address,
    }
}

fn standing(listener: &ListenerConf, peer: SocketAddr) -> Standing {
    if policy::trusts(&listener.trust, peer.ip()) {
        return Standing::Favoured;
    }
    match listener.auth {
        SaslRule::Required => Standing::Caller,
        SaslRule::Optional | SaslRule::Off => Standing::Stranger,
    }
}

async fn session(
    hall: Arc<Hall>,
    conf: Arc<Config>,
    listener: Arc<ListenerConf>,
    stream: TcpStream,
    peer: SocketAddr,
    permit: Permit,
) {
    let guard = hall.shutdown.guard();
    driver::Driver::new(hall, conf, listener, stream, (peer, permit))
        .run()
        .await;
    drop(guard);
}

/// The reply fits the empty send buffer of a new connection, so it needs no waiting and no task.
fn turn_away(conf: &Config, listener: &ListenerConf, stream: &TcpStream, busy: Busy) {
    if listener.tls == ListenerTls::Implicit {
        return;
    }
    let why = match busy {
        Busy::All => "Too many connections; try again later",
        Busy::Network => "Too many connections from your network; try again later",
        Busy::Address => "Too many connections from your address; try again later",
    };
    let line = format!("421 4.7.0 {} {why}\r\n", conf.server.hostname);
    // A client that is gone already needs no reply.
    drop(stream.try_write(line.as_bytes()));
}
