//! Floor 4: the wire, both sides, as pure machines that judge nothing and store nothing.

pub mod client;
pub mod command;
pub mod data;
pub mod parameter;
pub mod server;
