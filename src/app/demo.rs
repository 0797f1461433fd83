//! The demo: the real server with a configuration of its own, and a sink that plays the outside world.
//!
//! No root, no DNS, no network, no file: it listens on loopback, keeps its store in a temporary directory, and sends
//! everything to the sink. Nothing here changes how the product works; only the configuration is the demo's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::clock::{Clock, Mono};
use crate::config::{
    BareNewline, Config, DomainPattern, ListenerConf, ListenerTls, Network, NextHop, RelayTls,
    Role, RouteConf, SaslRule,
};
use crate::mail::domain::{BadDomain, Domain};
use crate::mail::mailbox::Host;

use super::server::{Server, StartError};
use super::sink::{Arrived, Sink};
use super::stop::StopSignal;

/// What the demo's flags say.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store stays here; none: a temporary one.
    pub data: Option<PathBuf>,
    /// 0: any free one.
    pub smtp_port: u16,
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
    #[error("port {0} is in use; choose another with `--smtp-port N` (0 takes any free one)")]
    PortTaken(u16),
    /// The server.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Temporary directory or sink.
    #[error("the demo cannot set up its files or its sink: {0}")]
    Io(#[from] std::io::Error),
    /// Never: the demo's own name.
    #[error(transparent)]
    Name(#[from] BadDomain),
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
    if options.smtp_port != 0
        && std::net::TcpListener::bind(("127.0.0.1", options.smtp_port)).is_err()
    {
        return Err(DemoError::PortTaken(options.smtp_port));
    }
    let place = place(options.data.as_deref(), &clock)?;
    let mut sink = Sink::start(clock.clone()).await?;
    let config = configuration(&place.dir, options.smtp_port, sink.address)?;
    let server = Server::start(config, clock.clone()).await?;
    let address = server.addresses().first().copied().unwrap_or(sink.address);
    say(&block(address, &place));
    let until = clock.mono() + options.timeout;
    let ended = watch(&mut sink, &mut stop, &options, until, &clock, &mut say).await;
    server.shutdown().await;
    Ok(ended)
}

async fn watch(
    sink: &mut Sink,
    stop: &mut StopSignal,
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
            () = stop.wait() => return Ended::Well,
            () = clock.sleep_until(until), if left.is_some() => return Ended::Missing(left.unwrap_or(0)),
        }
    }
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

fn configuration(dir: &Path, port: u16, sink: SocketAddr) -> Result<Config, BadDomain> {
    let mut config = Config::fallback(Domain::parse("mail.demo.test")?, dir.to_owned());
    let loopback = Network {
        address: [127, 0, 0, 0].into(),
        prefix: 8,
    };
    config.listeners.push(ListenerConf {
        bind: SocketAddr::from(([127, 0, 0, 1], port)),
        role: Role::Submission,
        tls: ListenerTls::Starttls,
        auth: SaslRule::Optional,
        auth_clear: false,
        trust: vec![loopback],
        bare_newline: BareNewline::Reject,
    });
    config.routes.push(RouteConf {
        domain: DomainPattern::Any,
        relay: vec![NextHop {
            host: Host::Literal(sink.ip()),
            port: sink.port(),
        }],
        tls: RelayTls::Off,
        ca: None,
        sasl: None,
    });
    // Whoever presses Ctrl-C does not wait for a `timeout@`.
    config.queue.stop_timeout = Duration::from_secs(2);
    config.queue.retry = [2, 5, 10].map(Duration::from_secs).to_vec();
    Ok(config)
}

fn block(address: SocketAddr, place: &Place) -> String {
    let dir = place.dir.display();
    let end = if place.temporary {
        "Ctrl-C stops; its data are removed"
    } else {
        "Ctrl-C stops; its data stay"
    };
    format!(
        "postwerk demo\n\
         \n  send to    {address} (SMTP, no password; nothing leaves this machine)\
         \n  try        postwerk test-mail --server {address} success@demo.test\
         \n             postwerk test-mail --server {address} bounce@demo.test      (also defer@ timeout@ 451@ 550@)\
         \n  look       postwerk queue list --data {dir}\
         \n  stop       {end}\n"
    )
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
