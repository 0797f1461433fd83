//! The endpoint as a browser meets it: TLS, redirects, headers, bounds, and what comes too slowly or in pieces.
//!
//! The server is the real one; requests are written by hand where a client would not send them.
//! Not here: what the pages show (`login`, `pages`).

pub mod browser;
mod health;
mod holds;
mod jobs;
pub mod login;
mod raw;
mod search;

pub use browser::Browser;
