//! `postwerk demo`: the flags, and what is printed.
//!
//! The exit status says how it ended: 0 when all arrived or on Ctrl-C, 1 when something had not in time.
//! Not here: the demo itself (`app::demo`).

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::block_on;
use crate::app::demo::{self, Ended, Options};
use crate::base::clock::Clock;
use crate::base::lang::Lang;
use crate::base::size::parse_span;
use crate::config::{LogConf, LogFormat};

/// Flags of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep the store here; default: a temporary one, removed at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Listen on this port; 0 takes any free one
    #[arg(long, value_name = "N", default_value_t = demo::SMTP_PORT)]
    smtp_port: u16,
    /// Inbox, links and pages at this port; 0 takes any free one
    #[arg(long, value_name = "N", default_value_t = demo::WEB_PORT)]
    web_port: u16,
    /// End when the sink has accepted N recipients
    #[arg(long, value_name = "N")]
    exit_after: Option<u64>,
    /// With --exit-after: fail after this span
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = parse_span)]
    timeout: std::time::Duration,
}

/// Runs the demo.
pub fn run(args: Args) -> ExitCode {
    let conf = LogConf {
        format: Some(LogFormat::Pretty),
        level: "warn".to_owned(),
        file: None,
        keep: 0,
        syslog_name: "postwerk".to_owned(),
    };
    let _log = crate::app::log::start(&conf);
    let options = Options {
        data: args.data,
        smtp_port: args.smtp_port,
        web_port: args.web_port,
        lang: lang(),
        program: std::env::args()
            .next()
            .unwrap_or_else(|| "postwerk".to_owned()),
        exit_after: args.exit_after,
        timeout: args.timeout,
    };
    let ended = block_on(demo::run(options, Clock::system(), say));
    match ended {
        Ok(Ok(Ended::Well)) => ExitCode::SUCCESS,
        Ok(Ok(Ended::Missing(n))) => {
            eprintln!("postwerk: {n} recipients had not arrived when the time was over");
            ExitCode::FAILURE
        }
        Ok(Err(error)) => {
            eprintln!("postwerk: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("postwerk: cannot start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Of the person at the terminal: the first of these that is set counts (POSIX, section 8.2).
fn lang() -> Lang {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    match locale {
        Some(locale) if locale == "de" || locale.starts_with("de_") => Lang::De,
        Some(_) | None => Lang::En,
    }
}

fn say(line: &str) {
    // Nobody reads any more: the demo goes on, as its sink does.
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}
