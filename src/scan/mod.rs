//! Floor 5: asks clamd, rspamd and milters about a mail whose text is there.
//!
//! They are asked one after another, as `[[scanner]]` has them, each with one stream over the stored body: no copy of a
//! mail is made. Whatever a scanner does (silence, garbage, an endless answer) ends as a `Trouble` in words within its
//! `timeout`; one that fails again and again is left alone for a while (`breaker`).
//! Not here: what an opinion means for the mail (`policy`), and where the body lies (`judge` brings it).

mod attachments;
pub mod breaker;
pub mod clamd;
pub mod edited;
pub mod milter;
pub mod rspamd;
mod section;
pub mod signature;
pub mod socket;
pub mod tally;
mod turns;
pub mod watch;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::base::clock::Clock;
use crate::base::limit::{NEW_BODIES_MAX, SCAN_PING_TIMEOUT};
use crate::base::size::{ByteSize, show_span};
use crate::config::{Config, OnFailure, Role, ScanException, ScannerConf, ScannerKind, Shared};
use crate::mail::edit::{Edits, Field};
use crate::mail::envelope::MailFrom;
use crate::mail::mailbox::Mailbox;
use crate::mail::path::ReversePath;
use crate::mail::reply::Reply;
use breaker::Breaker;
use edited::Edited;
use rspamd::learn::{Class, Learned};
use signature::Flag;
use tally::Tally;

pub use attachments::Looked;
use attachments::Looks;

/// What is asked about.
pub struct ScanMail<'a> {
    /// The queue id.
    pub id: &'a str,
    /// The reverse-path.
    pub from: &'a ReversePath,
    /// What else MAIL said, where it is known.
    pub declared: Option<&'a MailFrom>,
    /// Who shall get it.
    pub recipients: &'a [&'a Mailbox],
    /// The client; none for mail of this program.
    pub peer: Option<SocketAddr>,
    /// What it called itself.
    pub helo: &'a str,
    /// TLS version and cipher.
    pub tls: Option<&'a str>,
    /// Who logged in.
    pub account: Option<&'a str>,
    /// How: PLAIN, LOGIN.
    pub sasl: Option<&'a str>,
    /// What its listener is for.
    pub role: Role,
    /// Its listener's address as configured, or `local`.
    pub listener: &'a str,
    /// Where its client met us.
    pub local: Option<SocketAddr>,
    /// Whether somebody waits who can be refused or put off.
    pub answered: bool,
    /// Octets of the body.
    pub size: u64,
    /// Its text.
    pub body: &'a dyn Body,
}

/// A text that can be read several times.
pub trait Body: Send + Sync {
    /// From its first octet.
    fn open(&self) -> Box<dyn Octets>;
}

/// The octets of a text as they come.
pub trait Octets: Send {
    /// The next; none at the end.
    fn next(&mut self) -> Next<'_>;
}

/// What `Octets::next` waits for.
pub type Next<'a> = Pin<Box<dyn Future<Output = io::Result<Option<Bytes>>> + Send + 'a>>;

/// What one scanner said, or why it did not.
#[derive(Debug)]
pub struct Finding {
    /// Its configuration.
    pub conf: ScannerConf,
    /// The answer.
    pub said: Result<Opinion, Trouble>,
    /// How long it took.
    pub took: Duration,
}

/// What a scanner thinks of a mail.
#[derive(Clone, Debug, PartialEq)]
pub enum Opinion {
    /// clamd: nothing found.
    Clean,
    /// clamd: the signature's name.
    Infected(String),
    /// clamd: something that is no malware, and the signature's name.
    Flagged(Flag, String),
    /// rspamd.
    Scored(Box<Score>),
    /// A milter.
    Filtered(Box<Filtered>),
    /// An exception: not asked, and why.
    Excepted(String),
}

/// What rspamd thinks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// What it would do.
    pub action: Action,
    /// Points.
    pub score: f64,
    /// Points that make spam.
    pub required: f64,
    /// What was found, the weightiest first.
    pub symbols: Vec<Symbol>,
    /// The subject that it would write.
    pub subject: Option<String>,
    /// What it would say to the client.
    pub message: Option<String>,
    /// Its own settings let the mail pass unseen.
    pub skipped: bool,
    /// Fields that it wants on top.
    pub add: Vec<Field>,
}

/// One thing that rspamd found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Symbol {
    /// `BAYES_SPAM`
    pub name: String,
    /// Points.
    pub score: f64,
    /// What it means, in rspamd's words.
    pub text: String,
    /// Details: domains, addresses.
    pub options: Vec<String>,
}

/// rspamd's actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// `no action`
    #[default]
    None,
    /// `greylist`
    Greylist,
    /// `add header`
    AddHeader,
    /// `rewrite subject`
    RewriteSubject,
    /// `soft reject`
    SoftReject,
    /// `quarantine`
    Quarantine,
    /// `reject`
    Reject,
    /// `discard`
    Discard,
}

/// What a milter wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filtered {
    /// How it ended.
    pub end: End,
    /// What it changes.
    pub edits: Edits,
    /// Recipients that it refused, by their place, and its replies.
    pub refused: Vec<(usize, Reply)>,
}

/// How a milter ended a mail.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum End {
    /// It may go on.
    #[default]
    Accept,
    /// 5yz.
    Reject(Reply),
    /// 4yz.
    Defer(Reply),
    /// It would drop it.
    Discard,
    /// Held, and why.
    Quarantine(String),
}

/// Why a scanner gave no opinion. The text is what a person reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
    /// No answer in time.
    #[error("no answer within {}", show_span(*.0))]
    Slow(Duration),
    /// The connection ended before the answer.
    #[error("the connection broke off: {0}")]
    Broken(String),
    /// An answer that is none.
    #[error("the answer makes no sense: {0}")]
    Garbage(String),
    /// It says itself that it cannot.
    #[error("it could not look at the mail: {0}")]
    Unable(String),
    /// Above a limit of its own.
    #[error("it takes no mail of this size: {0}")]
    OverLimit(String),
    /// Above `max_size`.
    #[error("the mail has {0}, and max_size of this scanner is {1}")]
    TooLarge(ByteSize, ByteSize),
    /// Something of it does not fit into what the scanner takes.
    #[error("the mail does not fit its protocol: {0}")]
    Unfit(String),
    /// All its connections were busy.
    #[error("all {0} connections to it were busy for {span}", span = show_span(*.1))]
    Busy(usize, Duration),
    /// The server stops.
    #[error("the server is stopping")]
    Stopping,
    /// No place to look into attachments became free.
    #[error("too many other mails were being looked into for {}", show_span(*.0))]
    Crowded(Duration),
    /// The breaker is open.
    #[error("it is left alone for now, because it failed before: {0}")]
    Paused(String),
    /// Our store.
    #[error("the mail could not be read back: {0}")]
    Unread(String),
}

impl Trouble {
    /// Whether the scanner is at fault, so that asking again later can help.
    pub fn is_scanners(&self) -> bool {
        match self {
            Self::Unreachable(..)
            | Self::Slow(_)
            | Self::Broken(_)
            | Self::Garbage(_)
            | Self::Unable(_)
            | Self::Busy(..)
            | Self::Stopping
            | Self::Crowded(_)
            | Self::Paused(_) => true,
            Self::OverLimit(_) | Self::TooLarge(..) | Self::Unfit(_) | Self::Unread(_) => false,
        }
    }
}

/// All scanners of a server; clones share them.
#[derive(Clone)]
pub struct Scanners(Arc<Inner>);

struct Inner {
    conf: Shared,
    clock: Clock,
    breakers: Mutex<HashMap<String, Arc<Breaker>>>,
    looks: Looks,
    tally: Tally,
    /// Octets of new bodies that filters may still write.
    room: Arc<Semaphore>,
}

/// How a scanner is, for pages, `/readyz` and `/metrics`.
#[derive(Clone, Debug)]
pub struct ScannerStand {
    /// Its configuration.
    pub conf: ScannerConf,
    /// What its breaker knows.
    pub health: breaker::Health,
}

impl Scanners {
    /// Of this configuration, and of those that follow it.
    pub fn new(conf: Shared, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            conf,
            clock,
            breakers: Mutex::default(),
            looks: Looks::default(),
            tally: Tally::default(),
            room: Arc::new(Semaphore::new(NEW_BODIES_MAX)),
        }))
    }

    /// Asks them in their order about one mail. A virus, and a reply to who waits for one, is the last that is asked.
    pub async fn scan(&self, mail: &ScanMail<'_>) -> Vec<Finding> {
        let conf = self.0.conf.load_full();
        let mut asked = asked(&conf, mail).collect::<Vec<_>>().into_iter();
        let mut found = Vec::new();
        self.scan_from(&conf, &mut asked, mail, &mut found).await;
        found
    }

    /// Those that are left. What a filter changed, the next ones see.
    fn scan_from<'s>(
        &'s self,
        conf: &'s Config,
        asked: &'s mut std::vec::IntoIter<&ScannerConf>,
        mail: &'s ScanMail<'_>,
        found: &'s mut Vec<Finding>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 's>> {
        Box::pin(async move {
            while let Some(scanner) = asked.next() {
                let began = self.0.clock.mono();
                let said = match exception(conf, &scanner.name, mail) {
                    Some(reason) => Ok(Opinion::Excepted(reason)),
                    None => self.ask(conf, scanner, mail).await,
                };
                let took = self.0.clock.mono() - began;
                self.0.tally.count(&scanner.name, &said, took);
                let last = ends(scanner, mail.answered, &said);
                let edits = edits_of(&said);
                found.push(Finding {
                    conf: scanner.clone(),
                    said,
                    took,
                });
                if last {
                    return;
                }
                let Some(edits) = edits else {
                    continue;
                };
                let text = Edited::whole(mail.body, &edits);
                // Unreadable it is for the next one too, who says so.
                let size = edited::length(&text).await.unwrap_or(mail.size);
                let from = edits.from.as_ref().unwrap_or(mail.from);
                let mail = ScanMail {
                    body: &text,
                    size,
                    from,
                    ..*mail
                };
                return self.scan_from(conf, asked, &mail, found).await;
            }
        })
    }

    async fn ask(
        &self,
        all: &Config,
        conf: &ScannerConf,
        mail: &ScanMail<'_>,
    ) -> Result<Opinion, Trouble> {
        if mail.size > conf.max_size.0 {
            return Err(Trouble::TooLarge(ByteSize(mail.size), conf.max_size));
        }
        let clock = &self.0.clock;
        let hostname = all.server.hostname.as_str();
        let end = clock.mono() + conf.timeout;
        let turn = self.breaker(conf).enter(conf, clock).await?;
        let asking = async {
            match &conf.kind {
                ScannerKind::Clamd => clamd::scan(conf, mail, clock, turn.kept()).await,
                ScannerKind::Rspamd(own) => rspamd::scan(conf, own, mail, hostname).await,
                ScannerKind::Milter(_) => {
                    let filtered = milter::scan(conf, mail, hostname, &self.0.room).await?;
                    Ok(Opinion::Filtered(Box::new(filtered)))
                }
            }
        };
        // What it waited for a connection is part of its time: a client's patience does not grow with our crowd. With little
        // of it left, a late answer is no proof against the scanner.
        let left = end - clock.mono();
        let said = match clock.timeout(left, Box::pin(asking)).await {
            Ok(said) => said,
            Err(_) if left < conf.timeout / 2 => Err(Trouble::Busy(conf.connections, conf.timeout)),
            Err(_) => Err(Trouble::Slow(conf.timeout)),
        };
        turn.end(conf, clock, said.as_ref().err());
        said
    }

    /// Whether it answers; what it says of itself.
    ///
    /// # Errors
    /// Why not.
    pub async fn ping(&self, conf: &ScannerConf) -> Result<String, Trouble> {
        let (breaker, clock) = (self.breaker(conf), &self.0.clock);
        let asking = async {
            match &conf.kind {
                ScannerKind::Clamd => clamd::ping(conf).await,
                ScannerKind::Rspamd(_) => rspamd::ping(conf).await,
                ScannerKind::Milter(_) => milter::ping(conf).await,
            }
        };
        let most = conf.timeout.min(SCAN_PING_TIMEOUT);
        let said = match clock.timeout(most, Box::pin(asking)).await {
            Ok(said) => said,
            Err(_) => Err(Trouble::Slow(most)),
        };
        breaker.pinged(conf, clock, said.as_ref().err());
        said
    }

    /// What they said about mails since the start.
    pub fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// Who learns what people report: the first rspamd with a controller.
    pub fn learner(&self) -> Option<ScannerConf> {
        let conf = self.0.conf.load();
        let mut all = conf.scanners.iter();
        let learns = |one: &&ScannerConf| match &one.kind {
            ScannerKind::Rspamd(own) => own.learn.is_some(),
            ScannerKind::Clamd | ScannerKind::Milter(_) => false,
        };
        all.find(learns).cloned()
    }

    /// Reports a mail to its controller; what it learned is counted.
    ///
    /// # Errors
    /// Why it learned nothing.
    pub async fn learn(
        &self,
        conf: &ScannerConf,
        class: Class,
        body: &dyn Body,
        size: u64,
    ) -> Result<Learned, Trouble> {
        let ScannerKind::Rspamd(own) = &conf.kind else {
            return Err(Trouble::Unable("it does not learn".to_owned()));
        };
        let Some(at) = &own.learn else {
            return Err(Trouble::Unable("it does not learn".to_owned()));
        };
        let asking = Box::pin(rspamd::learn::learn(at, own, class, body, size));
        let learned = match self.0.clock.timeout(conf.timeout, asking).await {
            Ok(learned) => learned,
            Err(_) => Err(Trouble::Slow(conf.timeout)),
        };
        if learned == Ok(Learned::New) {
            self.0.tally.learned(&conf.name, class);
        }
        learned
    }

    /// How they are, in their order.
    pub fn stands(&self) -> Vec<ScannerStand> {
        let conf = self.0.conf.load_full();
        let each = conf.scanners.iter();
        each.map(|conf| ScannerStand {
            conf: conf.clone(),
            health: self.breaker(conf).health(),
        })
        .collect()
    }

    /// Closes connections to scanners that wait for mails for too long.
    fn sweep(&self) {
        let all = self.0.breakers.lock();
        let all = all.unwrap_or_else(PoisonError::into_inner);
        for breaker in all.values() {
            breaker.sweep(&self.0.clock);
        }
    }

    /// Kept by name over reloads; what belongs to an address that changed starts anew, and what is gone is forgotten.
    fn breaker(&self, conf: &ScannerConf) -> Arc<Breaker> {
        let mut all = self
            .0
            .breakers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.get(&conf.name).filter(|found| found.is_of(conf)) {
            return Arc::clone(found);
        }
        let now = self.0.conf.load();
        all.retain(|name, _| now.scanners.iter().any(|one| one.name == *name));
        let new = Arc::new(Breaker::new(conf));
        all.insert(conf.name.clone(), Arc::clone(&new));
        new
    }
}

impl fmt::Debug for Scanners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scanners")
    }
}

/// Who looks at it.
fn asked<'c>(conf: &'c Config, mail: &ScanMail<'_>) -> impl Iterator<Item = &'c ScannerConf> {
    let role = mail.role;
    let all = conf.scanners.iter();
    all.filter(move |scanner| scanner.listeners.contains(&role))
}

/// Why this scanner is not asked, if an `[[exception]]` fits.
pub fn exception(conf: &Config, scanner: &str, mail: &ScanMail<'_>) -> Option<String> {
    let fits = conf
        .exceptions
        .iter()
        .find(|one| one.scanners.iter().any(|name| name == scanner) && one.fits(mail))?;
    Some(fits.reason.clone())
}

impl ScanException {
    /// All that is written must fit.
    pub fn fits(&self, mail: &ScanMail<'_>) -> bool {
        let account = |name: &String| mail.account == Some(name.as_str());
        let peer = mail.peer.map(|peer| peer.ip().to_canonical());
        let network = |ip| self.networks.iter().any(|network| network.contains(ip));
        let sender = |mailbox| {
            self.sender
                .as_ref()
                .is_none_or(|pattern| pattern.matches(mailbox))
        };
        self.account.as_ref().is_none_or(account)
            && (self.networks.is_empty() || peer.is_some_and(network))
            && self
                .listener
                .is_none_or(|listener| listener.to_string() == mail.listener)
            && mail.from.mailbox().map_or(self.sender.is_none(), sender)
    }
}

/// What changes the text for those that are asked next.
fn edits_of(said: &Result<Opinion, Trouble>) -> Option<Edits> {
    match said {
        Ok(Opinion::Filtered(filtered)) => {
            let edits = &filtered.edits;
            let some = edits.rewrites() || !edits.top.is_empty() || edits.from.is_some();
            // What it refuses keeps the text that it has.
            let works = !matches!(filtered.end, End::Reject(_) | End::Defer(_));
            (some && works).then(|| edits.clone())
        }
        Ok(
            Opinion::Clean
            | Opinion::Infected(_)
            | Opinion::Flagged(..)
            | Opinion::Scored(_)
            | Opinion::Excepted(_),
        )
        | Err(_) => None,
    }
}

/// Whether nobody else needs to be asked: nothing is graver, or the mail is not taken. What is only held may hide a virus.
fn ends(conf: &ScannerConf, answered: bool, said: &Result<Opinion, Trouble>) -> bool {
    match said {
        Ok(Opinion::Infected(_)) => true,
        Ok(Opinion::Filtered(filtered)) => match filtered.end {
            End::Reject(_) => answered && !conf.kind.holds_refused(),
            End::Defer(_) => answered,
            End::Accept | End::Discard | End::Quarantine(_) => false,
        },
        // The others still look: a person who decides sees all of it.
        Ok(Opinion::Clean | Opinion::Flagged(..) | Opinion::Scored(_) | Opinion::Excepted(_)) => {
            false
        }
        Err(_) => answered && conf.on_failure == OnFailure::Defer,
    }
}
