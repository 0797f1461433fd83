//! The house as a whole: the real server in process, with a moved clock, a DNS stub and scripted remotes.
//!
//! One binary; each module is a topic, and its tests read as the specification. Nothing sleeps, no port is fixed,
//! nothing leaves the loopback. Not here: peers that we did not write (`tests/run.sh`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "a test may fail loudly, and nothing uses it from outside"
)]

use std::time::Duration;

use postwerk::base::clock::Clock;

/// The most real time that a test waits for one thing; it is reached only when the test fails.
const DEADLINE: Duration = Duration::from_secs(30);

mod checks;
mod client;
mod dns;
mod house;
mod remote;

mod accept_is_durable;
mod attachments;
mod bands;
mod certcheck;
mod certpage;
mod certs;
mod conf_bad;
mod deliver;
mod dialog;
mod digests;
mod disk_full;
mod doubts;
mod dsn;
mod embedding;
mod fair;
mod fuzz;
mod harness;
mod holds;
mod hops;
mod hostile;
mod limits;
mod links;
mod loops;
mod milter;
mod mime;
mod mx;
mod open_relay;
mod pace;
mod pause;
mod places;
mod relay;
mod reload;
mod retry;
mod rules;
mod sasl;
mod scan;
mod sites;
mod spam;
mod stop;
mod tls;
mod unfinished;
mod waits;
mod wall;
mod web;
mod when_back;

/// Waits for something that nobody tells about.
async fn until<F: Future<Output = bool>>(what: &str, ready: impl Fn() -> F) {
    let clock = Clock::system();
    let end = clock.mono() + DEADLINE;
    while !ready().await {
        assert!(clock.mono() < end, "waited for {what}");
        clock.sleep(Duration::from_millis(5)).await;
    }
}
