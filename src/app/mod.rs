//! Floor 12: start and stop order, reload, the demo's configuration and sink.
//!
//! Start: store, accounts, certificates, workers, control socket, listeners last. Stop: listeners first, sessions
//! finish or get 421, claims settle, the writer drains. Nothing here is durable; nothing here knows SMTP.

pub mod demo;
pub mod log;
pub mod server;
pub mod sink;
pub mod stop;
