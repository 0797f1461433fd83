//! Lines as Postfix writes them, so that its exporters, summaries and ban rules read ours.
//!
//! `Nov 21 19:58:28 host postwerk/smtpd[PID]: QID: client=localhost[127.0.0.1]`. The order of the fields, the two digits
//! of a delay and the words of a status are a contract with those tools; a golden test holds it.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::format::Writer;

use super::fields::Fields;
use crate::base::clock::Clock;
use crate::journal::line::short_delay;
use crate::mail::date;

/// The shape of Postfix.
#[derive(Debug)]
pub(super) struct Postfix {
    clock: Clock,
    /// `host postwerk`
    host_and_name: String,
    pid: u32,
    /// The stamp of the current second: making it costs more than the rest of a line.
    stamp: Mutex<(u64, String)>,
}

impl Postfix {
    pub(super) fn new(clock: Clock, host: &str, name: &str, pid: u32) -> Self {
        Self {
            clock,
            host_and_name: format!("{host} {name}"),
            pid,
            stamp: Mutex::new((u64::MAX, String::new())),
        }
    }

    pub(super) fn write(
        &self,
        mut out: Writer<'_>,
        meta: &Metadata<'_>,
        fields: &Fields,
    ) -> fmt::Result {
        self.write_stamp(&mut out)?;
        write!(
            out,
            " {}/{}[{}]: ",
            self.host_and_name,
            service(meta.target()),
            self.pid
        )?;
        if !write_line(&mut out, fields)? {
            write_other(&mut out, *meta.level(), fields)?;
        }
        out.write_char('\n')
    }

    fn write_stamp(&self, out: &mut Writer<'_>) -> fmt::Result {
        let now = self.clock.wall();
        let mut stamp = self
            .stamp
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if stamp.0 != now.secs() {
            *stamp = (now.secs(), date::syslog(now));
        }
        out.write_str(&stamp.1)
    }
}

/// `smtpd` of `postwerk::smtpd`, `deliver` of `postwerk::deliver::schedule`; another crate's own name.
fn service(target: &str) -> &str {
    let mut parts = target.split("::");
    match (parts.next(), parts.next()) {
        (Some("postwerk"), Some(part)) => part,
        (Some(first), _) => first,
        (None, _) => "master",
    }
}

/// Writes a line of the contract; false if the event is none.
fn write_line(out: &mut Writer<'_>, f: &Fields) -> Result<bool, fmt::Error> {
    let id = f.text("id");
    match f.text("line") {
        "connect" => write!(out, "connect from {}", f.client())?,
        "disconnect" => write!(out, "disconnect from {} {}", f.client(), f.text("summary"))?,
        "tls_from" => write_tls(out, "Anonymous", "from", &f.client(), f.text("tls"))?,
        "tls_to" => {
            let trust = match f.get("verified") {
                Some(super::fields::Value::Bool(true)) => "Trusted",
                _ => "Untrusted",
            };
            write_tls(out, trust, "to", f.text("relay"), f.text("tls"))?;
        }
        "client" => {
            write!(out, "{id}: client={}", f.client())?;
            if f.has("sasl_method") {
                let (method, name) = (f.text("sasl_method"), f.text("sasl_username"));
                write!(out, ", sasl_method={method}, sasl_username={name}")?;
            }
        }
        "message_id" => write!(out, "{id}: message-id={}", f.text("message_id"))?,
        "queued" => write!(
            out,
            "{id}: from=<{}>, size={}, nrcpt={} (queue active)",
            f.text("sender"),
            f.integer("size"),
            f.integer("nrcpt")
        )?,
        "expired" => write!(
            out,
            "{id}: from=<{}>, status=expired, returned to sender",
            f.text("sender")
        )?,
        "delivery" => write_delivery(out, f)?,
        "notification" => write!(
            out,
            "{id}: sender non-delivery notification: {}",
            f.text("notification")
        )?,
        "removed" => write!(out, "{id}: removed")?,
        "reject" => write_reject(out, f)?,
        "sasl_failed" => write!(
            out,
            "warning: {}: SASL {} authentication failed: {}",
            f.client(),
            f.text("mechanism"),
            f.text("text")
        )?,
        "acted" => write!(out, "{id}: {}", f.text("what"))?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn write_tls(out: &mut Writer<'_>, trust: &str, way: &str, peer: &str, tls: &str) -> fmt::Result {
    write!(
        out,
        "{trust} TLS connection established {way} {peer}: {tls}"
    )
}

fn write_delivery(out: &mut Writer<'_>, f: &Fields) -> fmt::Result {
    let delay = Duration::try_from_secs_f64(f.number("delay")).unwrap_or_default();
    write!(
        out,
        "{}: to=<{}>, relay={}, delay={}, delays={}",
        f.text("id"),
        f.text("recipient"),
        f.text("relay"),
        short_delay(delay),
        f.text("delays")
    )?;
    if f.has("tls") {
        write!(out, ", tls={}", f.text("tls"))?;
    }
    write!(
        out,
        ", dsn={}, status={} ({})",
        f.text("dsn"),
        f.text("status"),
        f.text("text")
    )
}

fn write_reject(out: &mut Writer<'_>, f: &Fields) -> fmt::Result {
    write!(
        out,
        "NOQUEUE: reject: {} from {}: {}",
        f.text("stage"),
        f.client(),
        f.integer("code")
    )?;
    if f.has("dsn") {
        write!(out, " {}", f.text("dsn"))?;
    }
    let (text, to) = (f.text("text"), f.text("recipient"));
    // Ban rules and grok patterns expect the refused address before the reason.
    if f.has("recipient") && f.text("stage") == "RCPT" && !text.starts_with('<') {
        write!(out, " <{to}>: {text};")?;
    } else {
        write!(out, " {text};")?;
    }
    if f.has("sender") {
        write!(out, " from=<{}>", f.text("sender"))?;
    }
    if f.has("recipient") {
        write!(out, " to=<{to}>")?;
    }
    write!(out, " proto={}", f.text("proto"))?;
    if !f.text("helo").is_empty() {
        write!(out, " helo=<{}>", f.text("helo"))?;
    }
    Ok(())
}

/// Anything else of the program: the message, then its fields.
fn write_other(out: &mut Writer<'_>, level: Level, f: &Fields) -> fmt::Result {
    out.write_str(match level {
        Level::ERROR => "error: ",
        Level::WARN => "warning: ",
        _ => "",
    })?;
    let message = f
        .get("message")
        .map(ToString::to_string)
        .unwrap_or_default();
    out.write_str(&message)?;
    for (n, (name, value)) in f.rest().enumerate() {
        let comma = if n == 0 && message.is_empty() {
            ""
        } else if n == 0 {
            ": "
        } else {
            ", "
        };
        write!(out, "{comma}{name}={value}")?;
    }
    Ok(())
}
