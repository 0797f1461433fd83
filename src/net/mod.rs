//! Floor 3: the network, with no mail in it.
//!
//! Listeners and permits, the strict line reader, DNS, TLS towards others, limits per address, and plain words for what
//! goes wrong with them.

pub mod dns;
pub mod https;
pub mod limiter;
pub mod line;
pub mod listen;
pub mod permits;
pub mod plain;
pub mod tls;
