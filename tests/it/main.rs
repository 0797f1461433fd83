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

/// The most real time that a test waits for one thing; it is reached only when the test fails.
const DEADLINE: Duration = Duration::from_secs(30);

mod client;
mod conf_bad;
mod deliver;
mod dialog;
mod dns;
mod fuzz;
mod harness;
mod remote;
