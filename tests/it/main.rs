//! The house as a whole: the real server in process, with a moved clock, a DNS stub and scripted remotes.
//!
//! One binary; each module is a topic, and its tests read as the specification. Nothing sleeps, no port is fixed,
//! nothing leaves the loopback. Not here: peers that we did not write (`tests/run.sh`).
