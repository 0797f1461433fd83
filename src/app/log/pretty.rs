//! Lines for a person at a terminal: time, queue id, what happened.
//!
//! Short words and no field names; colour only where the writer says that it is a terminal. Nobody parses this shape,
//! so it may change.

use std::fmt;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::format::Writer;

use super::fields::Fields;
use crate::base::clock::Clock;
use crate::journal::line::short_delay;
use crate::mail::date;

/// The shape for people.
#[derive(Debug)]
pub(super) struct Pretty {
    clock: Clock,
}

impl Pretty {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock }
    }

    pub(super) fn write(
        &self,
        mut out: Writer<'_>,
        meta: &Metadata<'_>,
        f: &Fields,
    ) -> fmt::Result {
        let colour = out.has_ansi_escapes();
        let (on, off) = if colour {
            (shade(*meta.level(), f), "\x1b[0m")
        } else {
            ("", "")
        };
        write!(out, "{} ", date::time_of_day(self.clock.wall()))?;
        if f.has("id") {
            write!(out, "{} ", f.text("id"))?;
        }
        out.write_str(on)?;
        match sentence(f) {
            Some(text) => out.write_str(&text)?,
            None => write_other(&mut out, *meta.level(), f)?,
        }
        writeln!(out, "{off}")
    }
}

fn shade(level: Level, f: &Fields) -> &'static str {
    match (level, f.text("status")) {
        (Level::ERROR, _) | (_, "bounced" | "expired") => "\x1b[31m",
        (Level::WARN, _) | (_, "deferred") => "\x1b[33m",
        (_, "sent") => "\x1b[32m",
        _ => "",
    }
}

fn sentence(f: &Fields) -> Option<String> {
    let text = match f.text("line") {
        "connect" => format!("connected: {}", f.client()),
        "disconnect" => format!("gone: {} {}", f.client(), f.text("summary")),
        "tls_from" => format!("TLS with {}: {}", f.client(), f.text("tls")),
        "tls_to" => format!("TLS with {}: {}", f.text("relay"), f.text("tls")),
        "client" if f.has("sasl_username") => {
            format!("from {}, account {}", f.client(), f.text("sasl_username"))
        }
        "client" => format!("from {}", f.client()),
        "message_id" => format!("Message-ID {}", f.text("message_id")),
        "queued" => format!(
            "accepted from <{}>: {} octets, {} recipient(s)",
            f.text("sender"),
            f.integer("size"),
            f.integer("nrcpt")
        ),
        "expired" => "its lifetime is over".to_owned(),
        "delivery" => delivery(f),
        "notification" => format!(
            "not delivered; told its author by {}",
            f.text("notification")
        ),
        "removed" => "finished".to_owned(),
        "reject" => format!(
            "refused {} of {}: {} {}",
            f.text("stage"),
            f.client(),
            f.integer("code"),
            f.text("text")
        ),
        "sasl_failed" => format!(
            "login failed ({}) from {}: {}",
            f.text("mechanism"),
            f.client(),
            f.text("text")
        ),
        "acted" => format!("{} by {}", f.text("what"), f.text("actor")),
        _ => return None,
    };
    Some(text)
}

fn delivery(f: &Fields) -> String {
    let word = match f.text("status") {
        "sent" => "delivered to",
        "deferred" => "later for",
        "expired" => "given up for",
        _ => "failed for",
    };
    let delay = Duration::try_from_secs_f64(f.number("delay")).unwrap_or_default();
    format!(
        "{word} <{}> by {} after {} s: {}",
        f.text("recipient"),
        f.text("relay"),
        short_delay(delay),
        f.text("text")
    )
}

fn write_other(out: &mut Writer<'_>, level: Level, f: &Fields) -> fmt::Result {
    out.write_str(match level {
        Level::ERROR => "error: ",
        Level::WARN => "warning: ",
        _ => "",
    })?;
    if let Some(message) = f.get("message") {
        write!(out, "{message}")?;
    }
    for (name, value) in f.rest().filter(|(name, _)| *name != "id") {
        write!(out, " {name}={value}")?;
    }
    Ok(())
}
