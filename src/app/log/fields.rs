//! The fields of one event, read once for whichever shape writes it.
//!
//! Only what an event carries is here; the spans around it are not, because every fact names its own message and peer.
//! Texts are made safe where they are read, so that no shape can forget it.

use std::fmt::{self, Debug};
use std::net::{IpAddr, SocketAddr};

use tracing::Event;
use tracing::field::{Field, Visit};

use crate::base::text::logged;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(u64),
    Signed(i64),
    Number(f64),
    Bool(bool),
}

/// The fields in the order in which they were given.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut fields = Self(Vec::with_capacity(12));
        event.record(&mut fields);
        fields
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value)
    }

    /// A text, or nothing when the event has no such field.
    pub(super) fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Value::Text(text)) => text,
            Some(Value::Integer(_) | Value::Signed(_) | Value::Number(_) | Value::Bool(_))
            | None => "",
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Value::Number(number)) => *number,
            Some(Value::Text(_) | Value::Integer(_) | Value::Signed(_) | Value::Bool(_)) | None => {
                0.0
            }
        }
    }

    pub(super) fn integer(&self, name: &str) -> u64 {
        match self.get(name) {
            Some(Value::Integer(number)) => *number,
            Some(Value::Text(_) | Value::Signed(_) | Value::Number(_) | Value::Bool(_)) | None => 0,
        }
    }

    /// Everything but the message and the kind of line.
    pub(super) fn rest(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0
            .iter()
            .filter(|(name, _)| !matches!(*name, "message" | "line"))
            .map(|(name, value)| (*name, value))
    }

    /// `host[ip]` of the peer, as Postfix writes it. We look no names up: nothing may be decided by them.
    pub(super) fn client(&self) -> String {
        let Ok(peer) = self.text("peer").parse::<SocketAddr>() else {
            return "unknown[unknown]".to_owned();
        };
        let ip: IpAddr = peer.ip().to_canonical();
        let name = if ip.is_loopback() {
            "localhost"
        } else {
            "unknown"
        };
        format!("{name}[{ip}]")
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.push((field.name(), Value::Number(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.name(), Value::Signed(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), Value::Integer(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.push((field.name(), Value::Bool(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0
            .push((field.name(), Value::Text(logged(value.to_owned()))));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0
            .push((field.name(), Value::Text(logged(format!("{value:?}")))));
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Signed(number) => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(yes) => write!(f, "{yes}"),
        }
    }
}
