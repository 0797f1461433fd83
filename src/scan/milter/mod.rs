//! The MTA side of Sendmail's filter protocol, versions 2 to 6.
//!
//! The whole dialogue is played when the text is there, from what was kept of its session, on a connection of its own:
//! a filter sees connect, HELO, MAIL, each RCPT, DATA, each field, the body and the end, and answers each step. Decisions
//! and their reasons stand in `manual::filters`.
//! Not here: what an end means for the mail (`policy`), and how changes reach the text (`scan::edited`, `judge`).

mod answer;
mod change;
mod dialog;
mod macros;
mod packet;
mod terms;

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::socket::connect;
use super::{Filtered, ScanMail, Trouble};
use crate::config::ScannerConf;
use dialog::Dialog;
use packet::Line;
use terms::Terms;

/// Plays the session of a mail to it. New bodies take their memory from `room`.
pub(super) async fn scan(
    conf: &ScannerConf,
    mail: &ScanMail<'_>,
    hostname: &str,
    room: &Arc<Semaphore>,
) -> Result<Filtered, Trouble> {
    let line = Line::new(connect(&conf.address).await?);
    let mut dialog = Dialog::new(line, mail, hostname);
    dialog.play(conf.max_size.0, room).await
}

/// Whether it answers.
pub(super) async fn ping(conf: &ScannerConf) -> Result<String, Trouble> {
    let mut line = Line::new(connect(&conf.address).await?);
    let terms = Terms::agree(&mut line).await?;
    line.end().await?;
    Ok(format!("version {} of the filter protocol", terms.version))
}

#[cfg(test)]
mod mangled_tests;
