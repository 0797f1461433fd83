//! The demo: the real server with a configuration of its own, and a sink that plays the outside world.
//!
//! No root, no DNS, no network, no file: it listens on loopback, keeps its store in a temporary directory, has mails
//! looked at by scanners of its own (`peers`), and sends everything to the sink. Nothing here changes how the product works; only the configuration is the demo's.

pub mod conf;
pub mod inbox;
pub mod pages;
pub mod peers;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::admin::web::login_link;
use crate::base::clock::{Clock, Mono};
use crate::base::lang::Lang;
use crate::journal::event::{Event, EventKind, Subscription};
use crate::store::StoreError;
use inbox::Inbox;

use super::server::{Server, StartError};
use super::sink::{Arrived, Sink};
use super::stop::StopSignal;

/// Where mail is sent to when nobody says; `test-mail` sends there.
pub const SMTP_PORT: u16 = 1025;
/// Where the inbox is when nobody says.
pub const WEB_PORT: u16 = 8025;

/// What the demo's flags say.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store stays here; none: a temporary one.
    pub data: Option<PathBuf>,
    /// 0: any free one.
    pub smtp_port: u16,
    /// Inbox, links and pages; 0: any free one.
    pub web_port: u16,
    /// Of digests, and of pages for browsers that ask for neither.
    pub lang: Lang,
    /// How this program was called, for the commands that are printed.
    pub program: String,
    /// End when the sink has accepted so many recipients.
    pub exit_after: Option<u64>,
    /// And fail after this span.
    pub timeout: Duration,
}

/// How a demo ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Ctrl-C, or all that `exit_after` asked for.
    Well,
    /// So many recipients had not arrived in time.
    Missing(u64),
}

/// Why a demo could not run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Another program has the port.
    #[error("port {port} is in use; choose another with `{flag} N` (0 takes any free one)")]
    PortTaken {
        /// Which.
        port: u16,
        /// What changes it.
        flag: &'static str,
    },
    /// The server.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The link for the administrator.
    #[error("the demo cannot make a login link: {0}")]
    Login(#[from] StoreError),
    /// Temporary directory or sink.
    #[error("the demo cannot set up its files or its sink: {0}")]
    Io(#[from] std::io::Error),
    /// Never: the demo's own names.
    #[error(transparent)]
    Name(#[from] conf::BadName),
}

/// A directory that is removed when the demo ends.
struct Place {
    dir: PathBuf,
    temporary: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.temporary {
            // Left behind it would only be a nuisance in the temporary directory.
            drop(std::fs::remove_dir_all(&self.dir));
        }
    }
}

/// Runs until Ctrl-C, or as the options say; `say` prints a line for a person.
pub async fn run(
    options: Options,
    clock: Clock,
    mut say: impl FnMut(&str),
) -> Result<Ended, DemoError> {
    let mut stop = StopSignal::listen()?;
    let smtp = free(options.smtp_port, "--smtp-port")?;
    let web = free(options.web_port, "--web-port")?;
    let place = place(options.data.as_deref(), &clock)?;
    let inbox = Inbox::default();
    let mut sink = Sink::start(clock.clone(), inbox.clone()).await?;
    let config = conf::configuration(&conf::Wanted {
        dir: &place.dir,
        smtp,
        web,
        sink: sink.address,
        clamd: peers::clamd().await?,
        rspamd: peers::rspamd().await?,
        lang: options.lang,
    })?;
    let pages = pages::router(inbox, options.lang);
    let server = Server::start_with(config, clock.clone(), pages).await?;
    let mut events = server.events();
    sink.send_back_to(smtp);
    let login = login_link(server.queue().store(), "demo").await?;
    say(&block(&options.program, smtp, web, &login, &place));
    let until = clock.mono() + options.timeout;
    let ended = {
        let sources = (&mut sink, &mut events, &mut stop);
        watch(sources, &options, until, &clock, &mut say).await
    };
    server.shutdown().await;
    Ok(ended)
}

async fn watch(
    (sink, events, stop): (&mut Sink, &mut Subscription, &mut StopSignal),
    options: &Options,
    until: Mono,
    clock: &Clock,
    say: &mut impl FnMut(&str),
) -> Ended {
    let mut left = options.exit_after;
    loop {
        if left == Some(0) {
            return Ended::Well;
        }
        tokio::select! {
            arrived = sink.arrived.recv() => {
                let Some(arrived) = arrived else { return Ended::Well };
                say(&line(&arrived));
                // A DSN has a null reverse-path, and is not what was asked for.
                if let (Some(n), false) = (left.as_mut(), arrived.from.is_empty()) {
                    *n = n.saturating_sub(arrived.to.len() as u64);
                }
            }
            Some(event) = events.next() => {
                if let Some(line) = told(&event) {
                    say(&line);
                }
            }
            () = stop.wait() => return Ended::Well,
            () = clock.sleep_until(until), if left.is_some() => return Ended::Missing(left.unwrap_or(0)),
        }
    }
}

/// An address that nobody listens on. The links of digests name it, so it is chosen before the server starts.
fn free(port: u16, flag: &'static str) -> Result<SocketAddr, DemoError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .and_then(|listener| listener.local_addr())
        .map_err(|_| DemoError::PortTaken { port, flag })
}

fn place(data: Option<&Path>, clock: &Clock) -> std::io::Result<Place> {
    if let Some(dir) = data {
        std::fs::create_dir_all(dir)?;
        return Ok(Place {
            dir: dir.to_owned(),
            temporary: false,
        });
    }
    let name = format!("postwerk-demo-{}-{:x}", std::process::id(), clock.wall().0);
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir(&dir)?;
    Ok(Place {
        dir,
        temporary: true,
    })
}

fn block(program: &str, smtp: SocketAddr, web: SocketAddr, login: &str, place: &Place) -> String {
    let dir = place.dir.display();
    let end = if place.temporary {
        "Ctrl-C stops; its data are removed"
    } else {
        "Ctrl-C stops; its data stay"
    };
    // What a newcomer copies works as it stands; a usual port needs no flag.
    let server = if smtp.port() == SMTP_PORT {
        String::new()
    } else {
        format!(" --server {smtp}")
    };
    format!(
        "postwerk demo\n\
         \n  inbox      http://{web}/inbox (all that is delivered; nothing leaves this machine)\
         \n  admin      http://{web}/login/{login} (once, within 15 minutes)\
         \n  send to    {smtp} (SMTP, no password)\
         \n  try        {program} test-mail{server} held@demo.test\
         \n             It is held; a digest follows into the inbox, and its link releases it.\
         \n             Scanners find virus@ and spam@demo.test: their links ask for the login above.\
         \n             Also success@ broken@ loop@ bounce@ defer@ timeout@ 451@ 550@demo.test\
         \n  look       {program} queue list --data {dir}\
         \n  stop       {end}\n"
    )
}

/// What a visitor wants to see happen; `arrived` tells the rest.
fn told(event: &Event) -> Option<String> {
    match event.kind {
        EventKind::Held
        | EventKind::Released
        | EventKind::Requeued
        | EventKind::Deleted
        | EventKind::Deferred
        | EventKind::MaybeDelivered
        | EventKind::Bounced => Some(format!(
            "{}: {} ({})",
            event.kind.name(),
            event.recipient,
            event.text
        )),
        EventKind::Accepted
        | EventKind::Delivered
        | EventKind::CertRenewed
        | EventKind::CertFailed
        | EventKind::CertExpiring => None,
    }
}

fn line(arrived: &Arrived) -> String {
    let from = if arrived.from.is_empty() {
        "<> (a DSN)"
    } else {
        arrived.from.as_str()
    };
    format!(
        "arrived: to {} from {from}: {}",
        arrived.to.join(", "),
        arrived.subject
    )
}
