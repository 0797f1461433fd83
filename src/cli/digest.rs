//! `postwerk digest …`: what a digest would say now, and one at once.
//!
//! The running server makes it, asked by its control socket. The links of a preview lead nowhere.
//! Not here: when digests go out by themselves (`digest`).

use std::process::ExitCode;

use super::control::{Client, ClientError, Place, encoded};
use crate::admin::digests::{Order, Sent, Shown};

/// What follows `postwerk digest`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print what a digest would say now
    Preview {
        /// Whose; needed when several get digests
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
        /// In this language: de or en
        #[arg(long, value_name = "LANG")]
        lang: Option<String>,
        /// The HTML part instead of the text
        #[arg(long, conflicts_with = "raw")]
        html: bool,
        /// Subject and both parts, as JSON
        #[arg(long)]
        raw: bool,
    },
    /// Send one now, of all that is held
    Send {
        /// Whose; all that have something to be told of when nobody is named
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
    },
}

/// Does it; the exit code says how it went.
pub fn run(args: Args) -> ExitCode {
    let action = args.action;
    args.place.tell(|client| async move {
        match action {
            Action::Preview {
                to,
                lang,
                html,
                raw,
            } => preview(&client, to, lang, html, raw).await,
            Action::Send { to } => send(&client, Order { to }).await,
        }
    })
}

async fn preview(
    client: &Client,
    to: Option<String>,
    lang: Option<String>,
    html: bool,
    raw: bool,
) -> Result<String, ClientError> {
    let asked: Vec<String> = [("to", to), ("lang", lang)]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", encoded(&value?))))
        .collect();
    let path = format!("/api/v1/digests/preview?{}", asked.join("&"));
    let body = client.get(&path).await?.body;
    if raw {
        return Ok(format!("{}\n", body.trim_end()));
    }
    let shown: Shown = client.read(&body)?;
    Ok(if html {
        shown.html
    } else {
        format!(
            "To: {}\nSubject: {}\n\n{}",
            shown.to, shown.subject, shown.text
        )
    })
}

async fn send(client: &Client, order: Order) -> Result<String, ClientError> {
    let body = client.post("/api/v1/digests", &order).await?.body;
    let all: Vec<Sent> = client.read(&body)?;
    let mut text = String::new();
    for sent in &all {
        text.push_str(&match sent.number {
            Some(number) => format!("{}: digest {number} is on its way\n", sent.to),
            None => format!("{}: nothing is held\n", sent.to),
        });
    }
    if all.is_empty() {
        text.push_str("nobody gets digests; write [digest] to in the configuration\n");
    }
    Ok(text)
}
