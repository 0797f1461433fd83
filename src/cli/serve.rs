//! `postwerk serve`: the real thing, in the foreground.
//!
//! SIGTERM and Ctrl-C drain and stop within a bounded time; SIGHUP reads the file again, and a broken new file leaves
//! the old one in force. A configuration error ends with exit 2 before any port is opened. When a part of the server
//! breaks the process ends with 1, so that its unit starts it again.

use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigArg, block_on};
use crate::app::server::Server;
use crate::app::stop::StopSignal;
use crate::base::clock::Clock;
use crate::config::{self, Config};

/// Flags of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

/// Exit code of a configuration error: `RestartPreventExitStatus` of the unit.
const CONFIG_ERROR: u8 = 2;

/// Runs the server.
pub fn run(args: Args) -> ExitCode {
    let path = args.config.config;
    let config = match config::load(&path) {
        Ok((config, warnings)) => {
            for warning in warnings {
                eprintln!("{warning}");
            }
            config
        }
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(CONFIG_ERROR);
        }
    };
    let _log = match crate::app::log::start(&config.log) {
        Ok(guard) => guard,
        Err(error) => {
            eprintln!("postwerk: {error}");
            return ExitCode::from(CONFIG_ERROR);
        }
    };
    raise_files();
    match block_on(serve(config, &path)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("postwerk: cannot start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The usual soft limit of 1,024 open files is for programs that use select(2); connections and the store need more.
fn raise_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(FILES_MAX).min(FILES_MAX);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
    }
}

/// More open files than any configuration asks for.
const FILES_MAX: u64 = 65_536;

async fn serve(config: Config, path: &Path) -> ExitCode {
    let signals = signal(SignalKind::hangup()).and_then(|hangup| {
        let stop = StopSignal::listen()?;
        Ok((hangup, stop))
    });
    let (mut hangup, mut stop) = match signals {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "cannot listen for signals");
            return ExitCode::FAILURE;
        }
    };
    // Without a log file the log stands on standard error already.
    let log_file = config.log.file.is_some();
    let mut server = match Server::start(config, Clock::system()).await {
        Ok(server) => server,
        Err(error) => {
            tracing::error!("{error}");
            if log_file {
                eprintln!("postwerk: {error}");
            }
            return ExitCode::FAILURE;
        }
    };
    for address in server.addresses() {
        tracing::info!(%address, "listening");
    }
    let mut code = ExitCode::SUCCESS;
    loop {
        tokio::select! {
            () = stop.wait() => break,
            () = server.broken() => {
                code = ExitCode::FAILURE;
                break;
            }
            _ = hangup.recv() => reload(&server, path).await,
        }
    }
    tracing::info!("stopping");
    server.shutdown().await;
    tracing::info!("stopped");
    code
}

async fn reload(server: &Server, path: &Path) {
    match config::load(path) {
        Ok((config, warnings)) => {
            for warning in warnings {
                tracing::warn!("{}", warning.brief());
            }
            match server.reload(config).await {
                Ok(()) => tracing::info!(file = %path.display(), "configuration read again"),
                Err(error) => tracing::error!(%error, "the old configuration stays in force"),
            }
        }
        Err(problems) => {
            for problem in &problems.0 {
                tracing::error!("{}", problem.brief());
            }
            tracing::error!(
                "the old configuration stays in force: {}",
                problems.closing()
            );
        }
    }
}
