//! Floor 12: start and stop order, reload, logs.

pub mod log;
