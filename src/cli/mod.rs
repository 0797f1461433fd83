//! Floor 12: the command line. Each command is a file; this one names them and starts the runtime.
//!
//! Exit statuses are those of sysexits where one fits: 2 for usage, 69 for a refusal, 75 for "try again".
//! Not here: what a command does (its file), and the server (`app`).

pub mod account;
pub mod admin;
pub mod cert;
pub mod check;
pub mod control;
pub mod demo;
pub mod digest;
pub mod links;
pub mod queue;
pub mod serve;
pub mod status;
pub mod test_mail;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Where the configuration is looked for when nothing else is said.
pub const DEFAULT_CONFIG: &str = "/etc/postwerk/postwerk.toml";

/// An outgoing mail server with built-in queues and a reason for everything.
#[derive(Debug, Parser)]
#[command(name = "postwerk", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try it: a server on loopback with a sink that plays the outside world
    Demo(demo::Args),
    /// Run the server in the foreground
    Serve(serve::Args),
    /// Find all mistakes of a configuration
    Check(check::Args),
    /// List, show and act on what is queued
    Queue(queue::Args),
    /// Who may log in
    Account(account::Args),
    /// The keys of links in digests
    Links(links::Args),
    /// What a digest would say now, and one at once
    Digest(digest::Args),
    /// The certificates: how they stand, what is wrong, and a new order
    Cert(cert::Args),
    /// How the running server is
    Status(status::Args),
    /// Into the pages: a login link
    Admin(admin::Args),
    /// Send one mail and print the SMTP dialogue
    TestMail(test_mail::Args),
}

/// Where the configuration is: `--config`, else `POSTWERK_CONFIG`, else the default.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigArg {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", env = "POSTWERK_CONFIG", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // A closed terminal is no reason to fail differently.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => check::run(args),
        Command::Queue(args) => queue::run(args),
        Command::Account(args) => account::run(args),
        Command::Links(args) => links::run(args),
        Command::Digest(args) => digest::run(args),
        Command::Cert(args) => cert::run(args),
        Command::Status(args) => status::run(args),
        Command::Admin(args) => admin::run(args),
        Command::TestMail(args) => test_mail::run(args),
    }
}

/// Runs a command's future on a runtime of its own.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, std::io::Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    // Whatever still runs on a blocking thread, nobody waits for its answer; dropped, the runtime would.
    runtime.shutdown_timeout(BLOCKING_GRACE);
    Ok(done)
}

/// What work on blocking threads has to end by itself: checking a password takes 50 ms.
const BLOCKING_GRACE: Duration = Duration::from_secs(1);
