//! One JSON object a line, with the record names that KumoMTA's users know: Reception, Delivery, TransientFailure, Bounce,
//! Expiration, AdminBounce, Rejection; and ours beside them: Held, Released, Requeued, Retried, Deleted.
//!
//! `type`, `timestamp` and `id` come first, so that a line can be read by eye. The table below is the only place that
//! maps lines to record names. What is no line of the mail road has the type `Log`.

use std::fmt;

use serde_json::{Map, Value as Node, json};
use tracing::Metadata;
use tracing_subscriber::fmt::format::Writer;

use super::fields::{Fields, Value};
use crate::base::clock::Clock;
use crate::mail::date;

/// The shape of JSON.
#[derive(Debug)]
pub(super) struct Json {
    clock: Clock,
}

impl Json {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock }
    }

    pub(super) fn write(
        &self,
        mut out: Writer<'_>,
        meta: &Metadata<'_>,
        f: &Fields,
    ) -> fmt::Result {
        let line = f.text("line");
        let kind = record_type(line, f);
        // Written by hand: these three stand first, whatever the order of a map is.
        write!(
            out,
            "{{\"type\":\"{kind}\",\"timestamp\":\"{}\"",
            date::rfc3339(self.clock.wall())
        )?;
        let mut record = Map::new();
        if kind == "Log" {
            record.insert("level".into(), json!(meta.level().as_str()));
            record.insert("target".into(), json!(meta.target()));
            record.insert("message".into(), node(f.get("message")));
        }
        if f.has("id") {
            write!(out, ",\"id\":{}", node(f.get("id")))?;
        }
        match line {
            "delivery" | "reject" => {
                record.insert("response".into(), response(f));
            }
            _ => {}
        }
        if f.has("peer") {
            record.insert("peer_address".into(), json!({ "addr": f.text("peer") }));
        }
        for (name, value) in f.rest() {
            if let Some(name) = member(line, name) {
                record.insert(name.to_owned(), node(Some(value)));
            }
        }
        for (name, value) in &record {
            write!(out, ",\"{name}\":{value}")?;
        }
        out.write_str("}\n")
    }
}

/// The table: a line and the name of its record.
fn record_type(line: &str, f: &Fields) -> &'static str {
    match (line, f.text("status"), f.text("what")) {
        ("connect", ..) => "Connect",
        ("disconnect", ..) => "Disconnect",
        ("tls_from" | "tls_to", ..) => "Tls",
        ("client", ..) => "Client",
        ("message_id", ..) => "MessageId",
        ("queued", ..) => "Reception",
        ("expired", ..) => "Expiration",
        ("delivery", "sent", _) => "Delivery",
        ("delivery", "deferred", _) => "TransientFailure",
        ("delivery", "expired", _) => "Expiration",
        ("delivery", ..) => "Bounce",
        ("notification", ..) => "Notification",
        ("removed", ..) => "Removed",
        ("reject", ..) => "Rejection",
        ("sasl_failed", ..) => "AuthFailure",
        ("acted", _, "placed on hold") => "Held",
        ("acted", _, "released from hold") => "Released",
        ("acted", _, "requeued") => "Requeued",
        ("acted", _, "removed" | "deleted") => "Deleted",
        ("acted", _, "bounced") => "AdminBounce",
        ("acted", _, "retried") => "Retried",
        ("acted", ..) => "Acted",
        _ => "Log",
    }
}

/// The name of a field in the record; none: it is written elsewhere.
fn member<'a>(line: &str, name: &'a str) -> Option<&'a str> {
    match (line, name) {
        (_, "id" | "peer") | ("delivery" | "reject", "text" | "dsn" | "code" | "status") => None,
        ("delivery" | "tls_to", "relay") => Some("site"),
        ("delivery" | "tls_from" | "tls_to", "tls") => Some("tls_cipher"),
        ("sasl_failed", "text") => Some("reason"),
        (_, name) => Some(name),
    }
}

/// `{"code":550,"enhanced_code":"5.1.1","content":"…"}`; the code of a delivery is read from its text.
fn response(f: &Fields) -> Node {
    let text = f.text("text");
    let code = match f.get("code") {
        Some(Value::Integer(code)) => Some(*code),
        Some(Value::Text(_) | Value::Signed(_) | Value::Number(_) | Value::Bool(_)) | None => {
            code_in(text)
        }
    };
    json!({ "code": code, "enhanced_code": node(f.get("dsn")), "content": text })
}

/// The code of `550 …` and of `host mx.example[192.0.2.1] said: 550 …`.
fn code_in(text: &str) -> Option<u64> {
    let reply = text.split_once(" said: ").map_or(text, |(_, reply)| reply);
    let code = reply.split([' ', '-']).next()?;
    (code.len() == 3).then(|| code.parse().ok()).flatten()
}

fn node(value: Option<&Value>) -> Node {
    match value {
        Some(Value::Text(text)) => json!(text),
        Some(Value::Integer(number)) => json!(number),
        Some(Value::Signed(number)) => json!(number),
        Some(Value::Number(number)) => json!(number),
        Some(Value::Bool(yes)) => json!(yes),
        None => Node::Null,
    }
}
