//! Looks into the attachments of a mail: the scanner that is built in.
//!
//! Reads the stored text as any scanner does. Unpacking is work for a core and not for the threads that serve
//! connections, so it is done on blocking ones, for `LOOKS_MAX` mails at once: that bounds its memory.
//! Not here: what is looked for (`mail::archive`), and what a finding means (`policy`).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::{ScanMail, Scanners, Trouble, exception};
use crate::base::limit::LOOKS_MAX;
use crate::config::{Config, Stage};
use crate::mail::archive::{Findings, Inspector};

/// What a look came to.
#[derive(Debug)]
pub enum Looked {
    /// By an `[[exception]]`, and why.
    Excepted(String),
    /// It was looked at.
    Found(Findings),
    /// It was not, by a fault of ours.
    Failed(Trouble),
}

impl Scanners {
    /// Looks into one mail; none if `[attachments]` is not about mail of its listener. `bare`: it is known to have no
    /// attachment, so that all there can be is a uuencoded file.
    pub async fn attachments(
        &self,
        conf: &Config,
        mail: &ScanMail<'_>,
        bare: bool,
    ) -> Option<Looked> {
        if !conf.attachments.listeners.contains(&mail.role) {
            return None;
        }
        if let Some(why) = exception(conf, Stage::Attachments.word(), mail) {
            return Some(Looked::Excepted(why));
        }
        // Another thread and a turn would cost most mails more than the look itself.
        if bare && mail.size <= BARE_MAX {
            match is_plain(mail).await {
                Ok(true) => return Some(Looked::Found(Findings::default())),
                Ok(false) => {}
                Err(trouble) => return Some(Looked::Failed(trouble)),
            }
        }
        let turn = self.0.clock.timeout(LOOK_WAIT, self.0.looks.acquire());
        let Ok(Ok(_turn)) = turn.await else {
            return Some(Looked::Failed(Trouble::Busy(LOOKS_MAX, LOOK_WAIT)));
        };
        let inspector = Inspector::new(Arc::clone(&conf.attachments.rules));
        Some(match look(inspector, mail).await {
            Ok(findings) => Looked::Found(findings),
            Err(trouble) => Looked::Failed(trouble),
        })
    }
}

/// Whether no line of it begins a uuencoded file; at most `BARE_MAX` octets are read.
async fn is_plain(mail: &ScanMail<'_>) -> Result<bool, Trouble> {
    let mut octets = mail.body.open();
    let unread = |error: std::io::Error| Trouble::Unread(error.to_string());
    let mut text = Vec::new();
    while let Some(chunk) = octets.next().await.map_err(unread)? {
        text.extend_from_slice(&chunk);
    }
    Ok(memchr::memmem::find(&text, b"begin").is_none())
}

async fn look(mut inspector: Inspector, mail: &ScanMail<'_>) -> Result<Findings, Trouble> {
    let mut octets = mail.body.open();
    let unread = |error: std::io::Error| Trouble::Unread(error.to_string());
    let mut now = octets.next().await.map_err(unread)?;
    while let Some(chunk) = now {
        now = octets.next().await.map_err(unread)?;
        let last = now.is_none();
        let fed = spawn_blocking(move || {
            inspector.feed(&chunk);
            if last || inspector.is_done() {
                ControlFlow::Break(inspector.finish())
            } else {
                ControlFlow::Continue(inspector)
            }
        });
        match fed.await {
            Ok(ControlFlow::Continue(more)) => inspector = more,
            Ok(ControlFlow::Break(findings)) => return Ok(findings),
            Err(error) => {
                tracing::error!(%error, id = mail.id, "looking into attachments failed");
                let why = "a fault of this program; the log says where";
                return Err(Trouble::Unable(why.to_owned()));
            }
        }
    }
    Ok(inspector.finish())
}

/// Octets of a mail without attachments in which only the word is looked for that begins a uuencoded file.
const BARE_MAX: u64 = 32 << 10;
/// What a mail waits for its turn: a client waits ten minutes for its reply (RFC 5321 section 4.5.3.2.6).
const LOOK_WAIT: Duration = Duration::from_secs(60);
