//! `postwerk cert list|renew|check`: how the certificates stand, a new order, and what is wrong with them.
//!
//! `list` and `renew` ask the running server by its control socket; exit statuses are those of every such command.
//! `check` needs none: 0: nothing to do, 1: something is to be done, 2: the configuration cannot be used.
//! Not here: what is said of a certificate (`admin::certs`).

use std::io::{self, Write};
use std::process::ExitCode;

use super::control::Place;
use crate::admin::certs::api::{Renew, Renewal};
use crate::admin::certs::check::{self, Beside, Finding, Level, Section};
use crate::admin::certs::{CertView, reach};
use crate::base::clock::Clock;
use crate::base::lang::Lang;
use crate::base::text::clean;
use crate::config::{self, Config};

/// What follows `postwerk cert`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Names, chain, days left, next renewal, last error, and the DANE records to publish
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Find what is wrong: files, names, dates, chains, and whether ACME can reach and validate them.
    ///
    /// Works without a running server and asks it if there is one. Exit 0: nothing to do; 1: something is to be done;
    /// 2: the configuration cannot be used (`postwerk check` says why).
    Check {
        /// Try no port and ask no name server
        #[arg(long)]
        offline: bool,
        /// Print one JSON object a line: certificate, level (good, note, bad), code, text
        #[arg(long)]
        json: bool,
    },
    /// Order a new certificate now instead of at two thirds of its life
    Renew {
        /// A name of the certificate; all that are ordered by ACME when none is given
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Characters of a text from outside that are printed.
const TEXT_MAX: usize = 1_000;

/// Does it; the exit code says how it went.
pub fn run(args: Args) -> ExitCode {
    match args.action {
        Action::List { json } => args.place.tell(|client| async move {
            let body = client.get("/api/v1/certs").await?.body;
            let all: Vec<CertView> = client.read(&body)?;
            Ok(if json {
                format!("{}\n", body.trim_end())
            } else {
                let all: Vec<String> = all.iter().map(printed).collect();
                all.join("\n")
            })
        }),
        Action::Check { offline, json } => check_all(&args.place, offline, json),
        Action::Renew { name, json } => args.place.tell(|client| async move {
            let answer = client.post("/api/v1/certs/renew", &Renew { name }).await?;
            let renewal: Renewal = client.read(&answer.body)?;
            Ok(if json {
                format!("{}\n", answer.body.trim_end())
            } else {
                told(&renewal)
            })
        }),
    }
}

fn check_all(place: &Place, offline: bool, json: bool) -> ExitCode {
    let conf = match config::load(&place.config) {
        Ok((conf, _)) => conf,
        Err(problems) => {
            // Nobody to tell that standard error is closed.
            drop(writeln!(io::stderr(), "{problems}"));
            return ExitCode::from(2);
        }
    };
    let sections = super::block_on(looked(place, &conf, offline));
    match sections {
        Ok(sections) => {
            let text = if json {
                lines(&sections)
            } else {
                checked(&sections)
            };
            // A closed pipe is the reader's choice; the exit status still tells.
            drop(io::stdout().write_all(text.as_bytes()));
            ExitCode::from(u8::from(check::is_bad(&sections)))
        }
        Err(error) => {
            drop(writeln!(io::stderr(), "postwerk: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn looked(place: &Place, conf: &Config, offline: bool) -> Vec<Section> {
    let clock = Clock::system();
    let running = running(place).await;
    let beside = Beside {
        running: running.as_deref(),
        now: clock.wall(),
    };
    let mut sections = check::check(conf, &beside);
    let mut found = Vec::new();
    if running.is_none() {
        found.push(Finding::new(Level::Note, "certs-check-no-server"));
    }
    if !offline {
        found.extend(reach::reach(conf, &clock, reach::PORTS).await);
    }
    check::add_reached(&mut sections, found);
    sections
}

/// What a server that runs says; none: none answers us.
async fn running(place: &Place) -> Option<Vec<CertView>> {
    let client = place.client().ok()?;
    let body = client.get("/api/v1/certs").await.ok()?.body;
    client.read(&body).ok()
}

/// A paragraph for each certificate; what is to be done stands with a `!` before it.
fn checked(sections: &[Section]) -> String {
    let mut out = String::new();
    for section in sections {
        let title = section.name.as_deref().unwrap_or("this server");
        out.push_str(&format!("{}\n", clean(title, TEXT_MAX)));
        for finding in &section.findings {
            let mark = match finding.level {
                Level::Good => "  ok  ",
                Level::Note => "  note",
                Level::Bad => "! bad ",
            };
            out.push_str(&format!("{mark}  {}\n", finding.text(Lang::En)));
        }
    }
    out
}

fn lines(sections: &[Section]) -> String {
    let mut out = String::new();
    for section in sections {
        for finding in &section.findings {
            let line = serde_json::json!({
                "certificate": section.name,
                "level": finding.level.word(),
                "code": finding.key.trim_start_matches("certs-"),
                "text": finding.text(Lang::En),
            });
            out.push_str(&format!("{line}\n"));
        }
    }
    out
}

fn told(renewal: &Renewal) -> String {
    if renewal.done.is_empty() {
        return "no certificate is ordered by ACME; write [tls] mode = \"acme\" if they should be\n"
            .to_owned();
    }
    let lines = renewal.done.iter();
    lines
        .map(|line| format!("{}\n", clean(line, TEXT_MAX)))
        .collect()
}

/// A paragraph; what needs attention stands with a `!` before it.
fn printed(view: &CertView) -> String {
    let mark = |bad: bool| if bad { '!' } else { ' ' };
    let mut out = format!("{}\n", clean(view.title(), TEXT_MAX));
    let mut line = |bad: bool, topic: &str, text: &str| {
        let text = clean(text, TEXT_MAX);
        out.push_str(&format!("{} {topic:<8} {text}\n", mark(bad)));
    };
    line(false, "names", &view.names.join(", "));
    let source = if view.stand_in {
        "acme; a self-signed one stands in until the first order is done"
    } else {
        &view.source
    };
    line(view.stand_in, "source", source);
    if let Some(why) = &view.unsaved {
        line(
            true,
            "on disk",
            &format!("of no use, what is in force is in memory only: {why}"),
        );
    }
    line(false, "signed", &format!("by {}", view.issuer));
    for one in &view.chain {
        line(false, "chain", one);
    }
    line(false, "serial", &view.serial);
    line(false, "key", &view.key_kind);
    let span = |at: &Option<String>| at.clone().unwrap_or_else(|| "?".to_owned());
    let valid = format!(
        "{} to {}, {}",
        span(&view.from),
        span(&view.until),
        view.left
    );
    line(view.ends_soon, "valid", &valid);
    line(view.failures > 0, "renewal", &view.renewal);
    if view.failures > 0 {
        let why = view.last_error.as_deref().unwrap_or("nobody knows why");
        let orders = if view.failures == 1 {
            "order"
        } else {
            "orders in a row"
        };
        line(
            true,
            "failed",
            &format!("{} {orders}: {why}", view.failures),
        );
    }
    for tlsa in &view.tlsa {
        line(false, "tlsa", &tlsa.record);
        if let Some(next) = &tlsa.next {
            line(false, "tlsa", next);
        }
    }
    if !view.tlsa.is_empty() {
        line(false, "", &view.tlsa_change);
    }
    out
}
