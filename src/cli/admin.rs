//! `postwerk admin …`: into the pages.
//!
//! `login-link` asks the running server by its control socket for a one-time URL; there is no password that could be
//! guessed or forgotten. Not here: what is behind the link (`admin::web`).

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::control::Client;
use crate::admin::logins::LoginLink;

/// What follows `postwerk admin`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// The configuration that names the data directory
    #[arg(long, short, global = true, value_name = "FILE", env = "POSTWERK_CONFIG", default_value = super::DEFAULT_CONFIG)]
    config: PathBuf,
    /// The data directory itself; no configuration is read
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print a link that logs in once, within 15 minutes
    LoginLink {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does it; the exit code says how it went.
pub fn run(args: Args) -> ExitCode {
    let Action::LoginLink { json } = args.action;
    let client = match Client::of(args.data.as_deref(), &args.config) {
        Ok(client) => client,
        Err(error) => return failed(&error.to_string(), error.exit_code()),
    };
    let asked = super::block_on(async { client.post("/api/v1/admin/login-link", &()).await });
    let answer = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return failed(&error.to_string(), error.exit_code()),
        Err(error) => return failed(&error.to_string(), ExitCode::FAILURE),
    };
    let text = match serde_json::from_str::<LoginLink>(&answer.body) {
        Ok(_) if json => format!("{}\n", answer.body.trim_end()),
        Ok(link) => format!(
            "{}\nValid for {} minutes, and once. Whoever opens it is an administrator.\n",
            link.url, link.minutes
        ),
        Err(error) => return failed(&error.to_string(), ExitCode::FAILURE),
    };
    // A closed pipe is the reader's choice.
    drop(io::stdout().write_all(text.as_bytes()));
    ExitCode::SUCCESS
}

fn failed(text: &str, code: ExitCode) -> ExitCode {
    // Nobody to tell that standard error is closed.
    drop(writeln!(io::stderr(), "postwerk: {text}"));
    code
}
