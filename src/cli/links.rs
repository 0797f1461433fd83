//! `postwerk links rotate [--now]`: a new key for the links of digests.
//!
//! Asks the running server by its control socket and says what becomes of the links that are out.
//! Not here: how links are made and believed (`digest::key`).

use std::process::ExitCode;

use super::control::Place;
use crate::admin::links::{Rotate, Rotation};

/// What follows `postwerk links`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Sign new links by a new key; links that are out keep working until they end
    Rotate {
        /// End all links that are out: their pages say expired and offer a fresh digest; and log everybody out
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
    args.place.tell(|client| async move {
        let body = client
            .post("/api/v1/links/rotate", &Rotate { now })
            .await?
            .body;
        let rotation: Rotation = client.read(&body)?;
        Ok(if json {
            format!("{}\n", body.trim_end())
        } else {
            told(&rotation)
        })
    })
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
    let out = match rotation.logged_out {
        0 => "",
        1 => "1 session or login link was ended too.\n",
        _ => "All sessions and login links were ended too.\n",
    };
    format!(
        "New links are signed by key {}.\n{links}{out}",
        rotation.key
    )
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
            logged_out: 0,
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
