//! The command line.

pub mod account;
pub mod check;
pub mod control;
pub mod queue;
pub mod test_mail;
