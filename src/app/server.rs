//! One running server. Two of them in one process do not know each other.
//!
//! Start order: store, certificates, workers, listeners last; stop order: the other way round, bounded by `[queue] stop_timeout`.
//! Not here: files, signals and logs (`cli`), and the demo (`demo`).

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use tokio::task::JoinSet;

use crate::accounts::Accounts;
use crate::admin::web::{Endpoint, Site};
use crate::base::clock::Clock;
use crate::base::shutdown::{Finish, Shutdown};
use crate::certs::{CertError, Certs};
use crate::config::{Config, Role, Shared};
use crate::digest::{Digests, Keys};
use crate::journal::event::{Events, Subscription};
use crate::mail::envelope::{Envelope, MailFrom, RcptTo};
use crate::mail::mailbox::{BadMailbox, Mailbox};
use crate::mail::path::ReversePath;
use crate::net::listen::ListenError;
use crate::queue::record::LOCAL;
use crate::queue::{AcceptError, NewMail, Origin, Queue};
use crate::receive::Listeners;
use crate::scan::Scanners;
use crate::store::redb::OpenError;
use crate::store::{Band, Store, StoreError};
use crate::{admin, bounce, certs, deliver, judge, receive, scan, store};

/// Waited for tasks beyond `[queue] stop_timeout` before they are ended.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// A running server. Dropping it ends it without waiting; prefer [`Server::shutdown`].
#[derive(Debug)]
pub struct Server {
    conf: Shared,
    store: Store,
    queue: Queue,
    keys: Keys,
    digests: Digests,
    certs: Certs,
    scanners: Scanners,
    clock: Clock,
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
    redirect_address: Option<SocketAddr>,
    shutdown: Shutdown,
    finish: Finish,
    tasks: JoinSet<()>,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory.
    #[error("cannot use `data_dir` {dir}: {source}; create it and make it writable for this user")]
    DataDir {
        /// Which.
        dir: String,
        /// Why.
        source: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A record that is needed to start.
    #[error(transparent)]
    Record(#[from] StoreError),
    /// An account that stands in file and store.
    #[error(
        "account `{0}` stands in the configuration and in the store; remove one with `postwerk account remove {0}` or from the file"
    )]
    AccountTwice(String),
    /// A certificate.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] admin::ControlError),
    /// A listener.
    #[error(transparent)]
    Listener(#[from] ListenError),
}

/// A message that a program hands over without a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// The reverse-path; empty for `<>`.
    pub from: String,
    /// Forward-paths; at least one.
    pub to: Vec<String>,
    /// Header section, an empty line and body. Line ends become CRLF.
    pub content: Vec<u8>,
}

/// Why a submission was not taken; nothing of it is kept.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// A path that cannot be parsed.
    #[error("`{address}` is no address: {source}")]
    Address {
        /// Which.
        address: String,
        /// Why.
        source: BadMailbox,
    },
    /// No recipient.
    #[error("a message needs at least one recipient")]
    NoRecipient,
    /// Larger than `[queue] max_message_size`, or a header section above 256 KiB.
    #[error(
        "the message is larger than [queue] max_message_size, or its header section than 256 KiB"
    )]
    TooLarge,
    /// The queue refused.
    #[error(transparent)]
    Queue(#[from] AcceptError),
}

impl Server {
    /// Starts everything; the listeners last. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong and what to change; then nothing is left running.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        Self::start_with(config, clock, Router::new()).await
    }

    /// The same with more pages at the endpoint.
    pub(crate) async fn start_with(
        config: Config,
        clock: Clock,
        more: Router,
    ) -> Result<Self, StartError> {
        let data_dir = config.server.data_dir.clone();
        let dir_error = |source| StartError::DataDir {
            dir: data_dir.display().to_string(),
            source,
        };
        private_dir(&data_dir).map_err(dir_error)?;
        let (cache, reserve) = (config.queue.cache, config.queue.reserve);
        let store = store::redb::open(&config.server.store_file(), cache, reserve, clock.clone())?;
        let certs = Certs::load(&config)?;
        let conf: Shared = Arc::new(ArcSwap::from_pointee(config));
        let accounts = Accounts::new(Arc::clone(&conf), store.clone());
        if let Some(name) = accounts.conflicts().await?.into_iter().next() {
            return Err(StartError::AccountTwice(name));
        }
        let queue = Queue::new(
            Arc::clone(&conf),
            store.clone(),
            clock.clone(),
            Events::new(),
        );
        mark_doubts(&queue).await;
        let scanners = Scanners::new(Arc::clone(&conf), clock.clone());
        let keys = Keys::load(store.clone(), clock.clone()).await?;
        let digests = Digests::new(queue.clone(), keys.clone());
        let listeners = Listeners::bind(&conf.load())?;
        let endpoint = Endpoint::bind(&conf.load())?;
        let (shutdown, finish) = Shutdown::new();
        let mut server = Self {
            addresses: listeners.addresses(),
            admin_address: endpoint.as_ref().and_then(Endpoint::address),
            redirect_address: endpoint.as_ref().and_then(Endpoint::redirect_address),
            conf,
            store,
            queue,
            keys,
            digests,
            certs,
            scanners,
            clock,
            shutdown,
            finish,
            tasks: JoinSet::new(),
        };
        let site = server.site(accounts.clone());
        server.begin(accounts, listeners, &site).await?;
        // The control socket tells the counts too.
        let meter = site.meter.clone();
        server
            .tasks
            .spawn(meter.run(site.queue.events().clone(), server.shutdown.clone()));
        if let Some(endpoint) = endpoint {
            let reach = site.reach.clone();
            let (own, clock) = (Arc::clone(&site.conf), site.clock.clone());
            server
                .tasks
                .spawn(reach.run(own, clock, server.shutdown.clone()));
            let (visits, clock) = (Arc::clone(&site.visits), site.clock.clone());
            let stop = server.shutdown.clone();
            server
                .tasks
                .spawn(async move { visits.run(clock, stop).await });
            server.tasks.spawn(endpoint.run(site, more));
        }
        Ok(server)
    }

    fn site(&self, accounts: Accounts) -> Site {
        Site::new(
            self.queue.clone(),
            self.keys.clone(),
            self.digests.clone(),
            accounts,
            self.certs.clone(),
            self.scanners.clone(),
            self.shutdown.clone(),
        )
    }

    async fn begin(
        &mut self,
        accounts: Accounts,
        listeners: Listeners,
        site: &Site,
    ) -> Result<(), StartError> {
        let (conf, queue, clock, shutdown) = (&self.conf, &self.queue, &self.clock, &self.shutdown);
        self.certs.begin(certs::Tools {
            conf: Arc::clone(conf),
            store: queue.store().clone(),
            clock: clock.clone(),
            events: queue.events().clone(),
        });
        self.tasks.spawn(self.certs.clone().run(shutdown.clone()));
        let upkeep = {
            let (queue, shutdown) = (queue.clone(), shutdown.clone());
            async move { queue.upkeep(&shutdown).await }
        };
        self.tasks.spawn(upkeep);
        self.tasks.spawn(judge::work::run(
            queue.clone(),
            self.scanners.clone(),
            shutdown.clone(),
        ));
        let again = judge::again::run(queue.clone(), self.scanners.clone(), shutdown.clone());
        self.tasks.spawn(again);
        self.tasks.spawn(scan::watch::run(
            self.scanners.clone(),
            clock.clone(),
            shutdown.clone(),
        ));
        self.tasks.spawn(bounce::run(bounce::Context {
            conf: Arc::clone(conf),
            queue: queue.clone(),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        }));
        self.tasks.spawn(deliver::run(deliver::Context {
            conf: Arc::clone(conf),
            queue: queue.clone(),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
            own_addresses: listeners.addresses(),
        }));
        self.tasks.spawn(self.digests.clone().run(shutdown.clone()));
        let control = admin::control::bind(&conf.load().server.data_dir)?;
        self.tasks.spawn(control.run(admin::Context {
            conf: Arc::clone(conf),
            queue: queue.clone(),
            accounts: accounts.clone(),
            keys: self.keys.clone(),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
            endpoint: self.admin_address,
            digests: Some(self.digests.clone()),
            site: Some(site.clone()),
        }));
        self.tasks.spawn(receive::run(
            listeners,
            receive::Context {
                conf: Arc::clone(conf),
                queue: queue.clone(),
                accounts,
                scanners: self.scanners.clone(),
                certs: self.certs.clone(),
                clock: clock.clone(),
                shutdown: shutdown.clone(),
                permits: site.places.smtp.clone(),
            },
        ));
        Ok(())
    }

    /// Where the listeners are bound, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the pages are, if `[admin] bind` is set.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Where plain HTTP is redirected, if `[admin] http_bind` is set.
    pub fn redirect_address(&self) -> Option<SocketAddr> {
        self.redirect_address
    }

    /// Who is told of held mail, for the tests of the product itself.
    #[doc(hidden)]
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// What handshakes show, for the tests of the product itself.
    #[doc(hidden)]
    pub fn certs(&self) -> &Certs {
        &self.certs
    }

    /// Who looks at mails.
    pub fn scanners(&self) -> &Scanners {
        &self.scanners
    }

    /// Signs and reads the links of digests.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What happens from now on.
    pub fn events(&self) -> Subscription {
        self.queue.events().subscribe()
    }

    /// The queue, for the tests of the product itself.
    #[doc(hidden)]
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Takes a message without a socket; the queue id, once it is safe on disk.
    ///
    /// The program is trusted as a listener trusts an account without `senders`. Missing Date and Message-ID are
    /// added, Bcc is taken away.
    ///
    /// # Errors
    /// See [`SubmitError`]; then nothing of the message is kept.
    pub async fn submit(&self, mail: Submission) -> Result<String, SubmitError> {
        let envelope = envelope(&mail)?;
        let content = crlf(&mail.content);
        let conf = self.conf.load_full();
        if content.len() as u64 > conf.queue.max_message_size.0 {
            return Err(SubmitError::TooLarge);
        }
        let mut body = self.queue.begin_body();
        let (id, hostname) = (body.id().to_string(), conf.server.hostname.as_str());
        let content = receive::completed(&content, &id, hostname, self.clock.wall())
            .ok_or(SubmitError::TooLarge)?;
        body.write(&content).await?;
        let origin = Origin {
            listener: LOCAL.to_owned(),
            helo: conf.server.hostname.to_string(),
            with: "local".to_owned(),
            tenant: conf
                .tenants
                .first()
                .map(|tenant| tenant.id.clone())
                .unwrap_or_default(),
            ..Origin::default()
        };
        let body = body.finish();
        let header = judge::HeaderFacts::read(&conf, &content);
        let band = header.band(Band::Normal);
        let judged = judge::content::without_session(
            &conf,
            &self.scanners,
            &judge::Content {
                id: body.id,
                from: &envelope.from,
                origin: &origin,
                role: Role::Submission,
                header: &header,
                structure: &body.structure,
                size: body.size,
                text: &judge::StoredText::new(self.queue.read_back(&body)),
                worked: None,
                now: self.clock.wall(),
            },
            // It has none.
            false,
            &envelope.numbered(),
        )
        .await;
        let done = Box::pin(judge::rewrite::finish(&self.queue, body, envelope, judged)).await?;
        let mail = NewMail {
            top: done.top,
            worked: done.worked,
            held: done.held,
            said: done.said,
            body: done.body,
            envelope: done.envelope,
            origin,
            digest: None,
            band,
        };
        Ok(self.queue.accept(mail, None).await?.to_string())
    }

    /// Puts a new, already checked configuration in force. Listeners and the data directory stay as they are.
    ///
    /// # Errors
    /// A certificate that cannot be used, or an account that is stored too, leaves everything as it was.
    pub async fn reload(&self, config: Config) -> Result<(), StartError> {
        let accounts = Accounts::new(Arc::clone(&self.conf), self.store.clone());
        if let Some(name) = accounts.conflicts_with(&config).await?.into_iter().next() {
            return Err(StartError::AccountTwice(name));
        }
        self.certs.reload(&config)?;
        let old = self.conf.load();
        if old.server.data_dir != config.server.data_dir {
            tracing::warn!("`data_dir` changed; that takes a restart");
        }
        if old
            .listeners
            .iter()
            .map(|listener| listener.bind)
            .ne(config.listeners.iter().map(|listener| listener.bind))
        {
            tracing::warn!("the addresses of [[listener]] changed; that takes a restart");
        }
        let doors = |conf: &Config| (conf.admin.bind, conf.admin.http_bind, conf.admin.is_plain());
        if doors(&old) != doors(&config) {
            tracing::warn!("the addresses of [admin] changed; that takes a restart");
        }
        self.conf.store(Arc::new(config));
        self.certs.reloaded();
        // New recipients are told from now on; whoever is told no more ends here.
        if let Err(error) = self.digests.keep_streams(false).await {
            tracing::warn!(%error, "who gets digests is looked up again within a minute");
        }
        Ok(())
    }

    /// Ends only if a part of the server ends by itself, which is a fault of ours: then the process should be restarted,
    /// because nothing that was accepted is lost and everything else starts again.
    pub async fn broken(&mut self) {
        match self.tasks.join_next().await {
            Some(Err(error)) => tracing::error!(%error, "a part of the server broke"),
            Some(Ok(())) | None => tracing::error!("a part of the server ended by itself"),
        }
    }

    /// Stops: listeners first, then sessions, claims and the writer. Bounded by `[queue] stop_timeout`.
    pub async fn shutdown(self) {
        let Self {
            conf,
            store,
            scanners,
            clock,
            shutdown,
            finish,
            mut tasks,
            ..
        } = self;
        let bound = conf.load().queue.stop_timeout + STOP_GRACE;
        shutdown.begin();
        scanners.stop();
        drop(shutdown);
        let all = async {
            while tasks.join_next().await.is_some() {}
            finish.finished().await;
        };
        // The machine's clock, not a moved one: a real wait needs a bound that comes.
        if Clock::system().timeout(bound, all).await.is_err() {
            tracing::warn!(
                "not everything ended in time; what is claimed becomes due again at the next start"
            );
        }
        tasks.shutdown().await;
        if let Err(error) = store.close().await {
            tracing::error!(%error, "the store did not close well; what was committed is safe");
        }
        drop(clock);
    }
}

/// Before anybody can act on mail that may have been delivered.
async fn mark_doubts(queue: &Queue) {
    if let Err(error) = queue.recover().await {
        // A full disk is no reason not to start; delivery begins only when it is done.
        tracing::warn!(%error, "what was under way when the server ended cannot be marked yet");
    }
}

fn envelope(mail: &Submission) -> Result<Envelope, SubmitError> {
    let bad = |address: &str| {
        let address = address.to_owned();
        move |source| SubmitError::Address { address, source }
    };
    let from = MailFrom::new(ReversePath::parse(&mail.from).map_err(bad(&mail.from))?);
    let parse = |to: &String| Mailbox::parse(to).map(RcptTo::new).map_err(bad(to));
    let recipients = mail.to.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    if recipients.is_empty() {
        Err(SubmitError::NoRecipient)
    } else {
        Ok(Envelope { from, recipients })
    }
}

/// Mail is private: nobody else looks into the data directory. One that exists keeps the mode somebody gave it.
fn private_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

/// Every line end as CRLF: a program that writes `\n` means a line end.
fn crlf(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 40);
    let mut last = 0u8;
    for &byte in content {
        match (last, byte) {
            (b'\r', b'\n') => {}
            (_, b'\r' | b'\n') => out.extend_from_slice(b"\r\n"),
            _ => out.push(byte),
        }
        last = byte;
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_of_programs_become_crlf() {
        for (given, wanted) in [
            (&b"a\nb\n"[..], &b"a\r\nb\r\n"[..]),
            (b"a\r\nb", b"a\r\nb\r\n"),
            (b"a\rb\r\r\nc", b"a\r\nb\r\n\r\nc\r\n"),
        ] {
            assert_eq!(crlf(given), wanted, "case: {given:?}");
        }
    }
}
