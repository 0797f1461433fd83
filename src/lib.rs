//! Postwerk: an SMTP edge server with built-in queues.

#[doc(hidden)]
pub mod accounts;
#[doc(hidden)]
pub mod admin;
#[doc(hidden)]
pub mod app;
#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod bounce;
#[doc(hidden)]
pub mod certs;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod deliver;
#[doc(hidden)]
pub mod journal;
#[doc(hidden)]
pub mod judge;
#[doc(hidden)]
pub mod mail;
#[doc(hidden)]
pub mod manual;
#[doc(hidden)]
pub mod net;
#[doc(hidden)]
pub mod policy;
#[doc(hidden)]
pub mod queue;
#[doc(hidden)]
pub mod receive;
#[doc(hidden)]
pub mod smtp;
#[doc(hidden)]
pub mod store;
