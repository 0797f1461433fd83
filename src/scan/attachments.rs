//! Looks into the attachments of a mail: the scanner that is built in.
//!
//! Reads the stored text as any scanner does. Unpacking is work for a core and not for the threads that serve
//! connections, so it is done on blocking ones, for `LOOKS_MAX` mails at once: that bounds its memory.
//! Not here: what is looked for (`mail::archive`), and what a finding means (`policy`).

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{ScanMail, Scanners, Trouble, exception};
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
    /// attachment, so that all there can be is uuencoded text.
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
            let inspector = Inspector::new(Arc::clone(&conf.attachments.rules));
            return Some(match look_here(inspector, mail).await {
                Ok(findings) => Looked::Found(findings),
                Err(trouble) => Looked::Failed(trouble),
            });
        }
        // Never closed.
        let _turn = self.0.looks.acquire().await.ok()?;
        let inspector = Inspector::new(Arc::clone(&conf.attachments.rules));
        Some(match look(inspector, mail).await {
            Ok(findings) => Looked::Found(findings),
            Err(trouble) => Looked::Failed(trouble),
        })
    }
}

/// In the caller's thread: at most `BARE_MAX` octets.
async fn look_here(mut inspector: Inspector, mail: &ScanMail<'_>) -> Result<Findings, Trouble> {
    let mut octets = mail.body.open();
    let unread = |error: std::io::Error| Trouble::Unread(error.to_string());
    while let Some(chunk) = octets.next().await.map_err(unread)? {
        inspector.feed(&chunk);
    }
    Ok(inspector.finish())
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

/// Octets of a mail without attachments that are looked at at once: a few milliseconds at most, whatever they are.
const BARE_MAX: u64 = 32 << 10;
