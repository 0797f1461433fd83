//! `postwerk links rotate [--now]`: a new key for the links of digests.
//!
//! Asks the running server by its control socket and says what becomes of the links that are out.
//! Not here: how links are made and believed (`digest::key`).

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::control::Client;
use crate::admin::links::{Rotate, Rotation};

/// What follows `postwerk links`.
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
    /// Sign new links by a new key; links that are out keep working until they end
    Rotate {
        /// End all links that are out: their pages say expired and offer a fresh digest
        #[arg(long)]
        now: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does it; the exit code says how it went.
pub fn run(args: Args) -> ExitCode {
    let Action::Rotate { now, json } = args.action;
    let client = match Client::of(args.data.as_deref(), &args.config) {
        Ok(client) => client,
        Err(error) => return failed(&error.to_string(), error.exit_code()),
    };
    let asked = async { client.post("/api/v1/links/rotate", &Rotate { now }).await };
    let answer = match super::block_on(asked) {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return failed(&error.to_string(), error.exit_code()),
        Err(error) => return failed(&error.to_string(), ExitCode::FAILURE),
    };
    let text = match serde_json::from_str::<Rotation>(&answer.body) {
        Ok(_) if json => format!("{}\n", answer.body.trim_end()),
        Ok(rotation) => told(&rotation),
        Err(error) => return failed(&error.to_string(), ExitCode::FAILURE),
    };
    // A closed pipe is the reader's choice.
    drop(io::stdout().write_all(text.as_bytes()));
    ExitCode::SUCCESS
}

fn told(rotation: &Rotation) -> String {
    let links = match &rotation.until {
        Some(until) => format!(
            "Links that are out keep working until they end, the last one at {until}.\n\
             To end them now: postwerk links rotate --now\n"
        ),
        None => "All links that were out have ended: their pages say \"expired\" and offer a fresh digest.\n"
            .to_owned(),
    };
    format!("New links are signed by key {}.\n{links}", rotation.key)
}

fn failed(text: &str, code: ExitCode) -> ExitCode {
    // Nobody to tell that standard error is closed.
    drop(writeln!(io::stderr(), "postwerk: {text}"));
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_what_becomes_of_old_links() {
        let mut rotation = Rotation {
            key: 3,
            believed: 2,
            revoked: 0,
            until: Some("2026-06-21T00:00:00Z".to_owned()),
        };
        assert_eq!(
            told(&rotation),
            "New links are signed by key 3.\nLinks that are out keep working until they end, the last one at \
             2026-06-21T00:00:00Z.\nTo end them now: postwerk links rotate --now\n"
        );
        rotation.until = None;
        assert_eq!(
            told(&rotation),
            "New links are signed by key 3.\nAll links that were out have ended: their pages say \"expired\" and \
             offer a fresh digest.\n"
        );
    }
}
