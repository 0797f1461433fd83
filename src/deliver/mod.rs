//! Floor 8: takes due parcels from the queue and brings them to their next hop, or says honestly why not.
//!
//! `dispatch` asks the queue which groups are due, `schedule` says who is next, `ways` with `route` and `plan` where to,
//! `site` and its `stand` whether it can be reached, `places` who may have a connection. A `lane` of the `crew` serves a
//! site over a connection of `connect` (which `greet`s, `login`s and knows whose STARTTLS breaks, `clear`), `transact`
//! sends one mail that it reads `ahead`, over a `wire`; `verdicts` and `trouble` say what the answers mean, `throttle` and `pace` how
//! fast a site wants its mail, `report` settles. Imports nothing of `receive`: they meet in the queue only.
//! Not here: retry times and lifetime (`queue`), DSNs (`bounce`).

pub mod ahead;
pub mod clear;
pub mod connect;
pub mod crew;
pub mod dispatch;
pub mod greet;
pub mod lane;
pub mod login;
pub mod pace;
pub mod places;
pub mod plan;
pub mod report;
pub mod route;
pub mod schedule;
pub mod site;
pub mod stand;
pub mod throttle;
pub mod transact;
pub mod trouble;
mod verdicts;
pub mod ways;
pub mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::repeats::Repeats;
use crate::base::shutdown::Shutdown;
use crate::config::Shared;
use crate::net::dns::Resolver;
use crate::net::tls::ClientTls;
use crate::queue::Queue;

pub use connect::Strangers;

/// A store that cannot be written to is asked again after this; delivery could do nothing without it anyway.
const RECOVER_PAUSE: Duration = Duration::from_secs(5);

/// What delivery works with.
pub struct Context {
    /// In force; read again for every mail.
    pub conf: Shared,
    /// Where mail is.
    pub queue: Queue,
    /// For every bound in time.
    pub clock: Clock,
    /// When to stop.
    pub shutdown: Shutdown,
    /// Where our own listeners are bound: mail that leads there loops.
    pub own_addresses: Vec<SocketAddr>,
}

/// Delivers until the server stops; ends when nothing is under way any more.
pub async fn run(context: Context) {
    run_among(context, Strangers::default()).await;
}

/// The same where MX hosts are not on port 25: a test's loopback.
pub async fn run_among(context: Context, strangers: Strangers) {
    // Whoever may have got mail in an earlier life of this server is marked before anybody gets more.
    let repeats = Repeats::new(context.clock.clone());
    while let Err(error) = context.queue.recover().await {
        if let Some(repeated) = repeats.say(&error.to_string()) {
            tracing::warn!(%error, "what was under way when the server ended cannot be marked; delivery waits{repeated}");
        }
        tokio::select! {
            () = context.shutdown.wait() => return,
            () = context.clock.sleep(RECOVER_PAUSE) => {}
        }
    }
    let tls = match ClientTls::new() {
        Ok(tls) => tls,
        Err(error) => {
            tracing::error!(%error, "nothing can be delivered");
            return;
        }
    };
    let reach = connect::Reach {
        resolver: Resolver::new(&context.conf.load().dns),
        tls,
        clear: clear::ClearHosts::new(context.clock.clone()),
        hurry: wire::Hurry::default(),
        conf: context.conf,
        clock: context.clock,
        own: context.own_addresses,
        strangers,
    };
    dispatch::Dispatcher::new(reach, context.queue, context.shutdown)
        .run()
        .await;
}
