//! The client's side of SMTP (RFC 5321) as pure parts: octets in, octets and answers out.
//!
//! `reply` reads answers, `offers` knows what the peer's EHLO allows, `command` writes MAIL and RCPT, `dots` makes a
//! body safe for DATA, `login` answers AUTH, and `transaction` is the machine that keeps one answer for each recipient.
//! Not here: sockets, time and TLS (`deliver`), and what an answer means for the queue (`deliver::trouble`).

pub mod command;
pub mod dots;
pub mod login;
pub mod offers;
pub mod reply;
pub mod transaction;
