//! `postwerk admin …`: into the pages.
//!
//! `login-link` asks the running server by its control socket for a one-time URL; there is no password that could be
//! guessed or forgotten. Not here: what is behind the link (`admin::web`).

use std::process::ExitCode;

use super::control::Place;
use crate::admin::logins::LoginLink;

/// What follows `postwerk admin`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
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
    args.place.tell(|client| async move {
        let body = client.post("/api/v1/admin/login-link", &()).await?.body;
        let link: LoginLink = client.read(&body)?;
        Ok(if json {
            format!("{}\n", body.trim_end())
        } else {
            format!(
                "{}\nValid for {} minutes, and once. Whoever opens it is an administrator.\n",
                link.url, link.minutes
            )
        })
    })
}
