//! Looks into the attachments of a mail: the scanner that is built in.
//!
//! Reads the stored text as any scanner does. Unpacking is work for a core and not for the threads that serve
//! connections, so it is done on blocking ones, for `LOOKS_MAX` mails at once: that bounds its memory. Small mails have a
//! place of their own besides, and no network takes the places from others (`turns`). A stop waits for no
//! look: those that run end at their next step, with no answer.
//! Not here: what is looked for (`mail::archive`), and what a finding means (`policy`).

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::spawn_blocking;

use super::turns::Turns;
use super::{ScanMail, Scanners, Trouble, exception};
use crate::base::limit::{LOOK_SMALL_MAX, LOOK_WAIT, LOOKS_MAX, LOOKS_SMALL_MAX, SNIFF_MAX};
use crate::config::{Config, Stage};
use crate::mail::archive::{Bounds, Findings, Inspector};
use crate::mail::structure::sniff::media_type;
use crate::mail::structure::{Event, Lane, Scan};

/// The places of those that are looked into, and the word that ends them.
#[derive(Debug)]
pub(super) struct Looks {
    turns: Turns,
    stopping: Arc<AtomicBool>,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            turns: Turns::new(LOOKS_MAX, LOOKS_SMALL_MAX),
            stopping: Arc::default(),
        }
    }
}

impl Looks {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

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
    /// The server stops: looks end, and none begins. Nothing that they say counts any more.
    pub fn stop(&self) {
        let looks = &self.0.looks;
        looks.stopping.store(true, Ordering::Relaxed);
        looks.turns.close();
    }

    /// Whether `stop` was said.
    pub fn is_stopping(&self) -> bool {
        self.0.looks.is_stopping()
    }

    /// How many mails are looked into at the moment.
    pub fn looking(&self) -> usize {
        self.0.looks.turns.taken()
    }

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
        let looks = &self.0.looks;
        let small = mail.size <= LOOK_SMALL_MAX;
        let turn = looks.turns.take(mail.peer.map(|peer| peer.ip()), small);
        let turn = self.0.clock.timeout(LOOK_WAIT, turn);
        let _turn = match turn.await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => return Some(Looked::Failed(Trouble::Stopping)),
            Err(_) => return Some(Looked::Failed(Trouble::Crowded(LOOK_WAIT))),
        };
        let rules = Arc::clone(&conf.attachments.rules);
        let cancel = Arc::clone(&looks.stopping);
        let inspector = Inspector::cancelled_by(rules, Bounds::default(), cancel);
        Some(match look(inspector, mail).await {
            _ if looks.is_stopping() => Looked::Failed(Trouble::Stopping),
            Ok(findings) => Looked::Found(findings),
            Err(trouble) => Looked::Failed(trouble),
        })
    }
}

/// Whether its texts, decoded, neither begin as a file does nor hold the word that begins one; at most `BARE_MAX` octets
/// are read.
async fn is_plain(mail: &ScanMail<'_>) -> Result<bool, Trouble> {
    let mut octets = mail.body.open();
    let unread = |error: std::io::Error| Trouble::Unread(error.to_string());
    let mut text = Vec::new();
    while let Some(chunk) = octets.next().await.map_err(unread)? {
        text.extend_from_slice(&chunk);
    }
    let mut scan = Scan::watched();
    scan.feed(&text);
    scan.end();
    if scan.is_split() || holds_file(&text) {
        return Ok(false);
    }
    let mut parts = BTreeMap::<Lane, Vec<u8>>::new();
    for event in scan.take() {
        match event {
            Event::Begin(lane, _) => drop(parts.insert(lane, Vec::new())),
            Event::Octets(lane, octets) => parts.entry(lane).or_default().extend(octets),
            Event::End(lane) => {
                let part = parts.remove(&lane).unwrap_or_default();
                let found = media_type(part.get(..SNIFF_MAX).unwrap_or(&part));
                if found.is_some_and(|found| found != "text/html") || holds_file(&part) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// Uuencode and yEnc begin with the one word, BinHex has the other in its first line.
fn holds_file(text: &[u8]) -> bool {
    [&b"begin"[..], b"BinHex"]
        .iter()
        .any(|word| memchr::memmem::find(text, word).is_some())
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
