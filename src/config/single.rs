//! The tables that stand once: server, queue, dns, limits, deliver, checks, log.
//!
//! A table that is not there is one with all defaults. Files that are named here are read now, so that a wrong path is
//! found before anything starts.
//! Not here: the tables that can stand several times (`section`), and certificates (`cert`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{Fault, Section, Value};
use super::kind::{choice, flag, list, string, whole};
use super::value::{bytes, host_name, mailbox, name, socket, span};
use super::{
    DeliverConf, DnsConf, LimitsConf, LogConf, LogFormat, MaybeDelivered, QueueConf, ServerConf,
    Timeouts, default,
};
use crate::base::limit;
use crate::base::size::ByteSize;
use crate::mail::domain::Domain;

/// `[server]`
pub(super) fn server(at: &Section<'_, '_>, folder: &Path) -> Option<ServerConf> {
    let hostname = at.need("hostname", "\"mail.example.org\"", host_name);
    let data_dir = at.get("data_dir", string).unwrap_or(default::DATA_DIR);
    let data_dir = folder.join(data_dir);
    let postmaster = at.get("postmaster", mailbox);
    at.finish();
    let socket = data_dir.join(SOCKET_NAME);
    let octets = socket.as_os_str().len();
    if octets > SOCKET_PATH_MAX {
        let fault = Fault::new(
            format!(
                "the path of its {SOCKET_NAME} has {octets} octets, and the system takes {SOCKET_PATH_MAX}"
            ),
            "write a shorter path",
        );
        at.fault("data_dir", fault);
    } else if data_dir.exists() && !data_dir.is_dir() {
        let what = format!("{} is no folder", data_dir.display());
        at.fault("data_dir", Fault::new(what, "write the path of a folder"));
    }
    let hostname = hostname?;
    if !hostname.as_str().contains('.') && hostname != localhost()? {
        let fault = Fault::new(
            format!("{hostname} has no dot; other servers refuse such a name in EHLO"),
            "write the full name, as \"mail.example.org\"",
        );
        at.warn("hostname", fault);
    }
    Some(ServerConf {
        hostname,
        data_dir,
        postmaster,
    })
}

fn localhost() -> Option<Domain> {
    Domain::parse("localhost").ok()
}

const MAYBE_DELIVERED: &[(&str, MaybeDelivered)] = &[
    ("retry", MaybeDelivered::Retry),
    ("hold", MaybeDelivered::Hold),
];

/// `[queue]`
pub(super) fn queue(at: &Section<'_, '_>) -> QueueConf {
    let other = QueueConf::default();
    let conf = QueueConf {
        retry: at.get("retry", list(wait)).unwrap_or(other.retry),
        lifetime: positive(at, "lifetime", other.lifetime),
        max_message_size: at
            .get("max_message_size", bytes)
            .unwrap_or(other.max_message_size),
        hops_max: at
            .get("hops_max", whole(5..=limit::RECEIVED_MAX))
            .unwrap_or(other.hops_max),
        paused: at.get("paused", flag).unwrap_or(other.paused),
        maybe_delivered: at
            .get("maybe_delivered", choice(MAYBE_DELIVERED))
            .unwrap_or(other.maybe_delivered),
        stop_timeout: at.get("stop_timeout", span).unwrap_or(other.stop_timeout),
        reserve: at.get("reserve", bytes).or(other.reserve),
        history: at.get("history", span).unwrap_or(other.history),
        cache: at.get("cache", bytes).unwrap_or(other.cache),
    };
    at.finish();
    check_retry(at, &conf);
    let (size, least) = (conf.max_message_size, ByteSize(64 << 10));
    if size < least || size > limit::MESSAGE_SIZE_MAX {
        let fault = Fault::new(
            format!("{size} is out of bounds"),
            format!(
                "write a size from {least} (RFC 5321 section 4.5.3.1.7) to {}",
                limit::MESSAGE_SIZE_MAX
            ),
        );
        at.fault("max_message_size", fault);
    }
    if conf.cache < ByteSize::mib(1) || conf.cache > ByteSize::mib(16 << 10) {
        let fault = Fault::new(
            format!("{} is out of bounds", conf.cache),
            "write a size from 1 MiB to 16 GiB",
        );
        at.fault("cache", fault);
    }
    conf
}

/// A span of `retry`.
fn wait(value: &Value<'_>) -> Result<Duration, Fault> {
    let span = span(value)?;
    if span < Duration::from_secs(1) {
        let what = "a site that is tried again at once is only burdened";
        return Err(Fault::new(what, "write a span of 1s or more"));
    }
    Ok(span)
}

fn check_retry(at: &Section<'_, '_>, conf: &QueueConf) {
    let Some(first) = conf.retry.first() else {
        let fault = Fault::new(
            "without a span nothing would ever be tried again",
            "write retry = [\"5m\", \"15m\", \"30m\", \"1h\", \"2h\", \"4h\"]",
        );
        return at.fault("retry", fault);
    };
    if conf.retry.len() > limit::RETRIES_MAX {
        let fault = Fault::new(
            format!("{} spans are too many", conf.retry.len()),
            format!("write at most {}; the last one repeats", limit::RETRIES_MAX),
        );
        at.fault("retry", fault);
    }
    if conf.lifetime < *first {
        let fault = Fault::new(
            "a message would expire before its second try",
            "write a lifetime longer than the first retry, such as \"5d\"",
        );
        at.fault("lifetime", fault);
    }
}

/// `[dns]`
pub(super) fn dns(at: &Section<'_, '_>) -> DnsConf {
    let server = |value| {
        let ip = string(value)?.parse::<std::net::IpAddr>();
        ip.map(|ip| (ip, 53).into()).or_else(|_| socket(value))
    };
    let servers = at.get("servers", list(server)).unwrap_or_default();
    at.finish();
    DnsConf { servers }
}

/// `[limits]`
pub(super) fn limits(at: &Section<'_, '_>) -> LimitsConf {
    let other = LimitsConf::default();
    let number = |key, most, other| at.get(key, whole(1..=most)).unwrap_or(other);
    let errors = number("errors", 1_000, limit::ERRORS_MAX as usize);
    let conf = LimitsConf {
        connections: number("connections", 100_000, other.connections),
        connections_per_address: number(
            "connections_per_address",
            100_000,
            other.connections_per_address,
        ),
        connections_per_network: number(
            "connections_per_network",
            100_000,
            other.connections_per_network,
        ),
        recipients: number("recipients", limit::RECIPIENTS_MAX, other.recipients),
        errors: u32::try_from(errors).unwrap_or(other.errors),
        command_timeout: positive(at, "command_timeout", other.command_timeout),
        transaction_timeout: positive(at, "transaction_timeout", other.transaction_timeout),
    };
    at.finish();
    if conf.recipients < limit::PARCEL_RECIPIENTS_MAX {
        let fault = Fault::new(
            "a server must take at least 100 (RFC 5321 section 4.5.3.1.8)",
            "write 100 or more",
        );
        at.warn("recipients", fault);
    }
    if conf.connections_per_address > conf.connections && at.has("connections_per_address") {
        let fault = Fault::new(
            format!(
                "one address cannot have more than all, and that is {}",
                conf.connections
            ),
            "write less, or raise `connections`",
        );
        at.warn("connections_per_address", fault);
    }
    if conf.connections_per_network < conf.connections_per_address
        && at.has("connections_per_network")
    {
        let fault = Fault::new(
            format!(
                "a network cannot have less than one of its addresses, and that is {}",
                conf.connections_per_address
            ),
            "write more, or lower `connections_per_address`",
        );
        at.warn("connections_per_network", fault);
    }
    conf
}

/// `[deliver]`
pub(super) fn deliver(at: &Section<'_, '_>) -> DeliverConf {
    let other = DeliverConf::default();
    let number = |key, other| at.get(key, whole(1..=10_000)).unwrap_or(other);
    let wait = other.timeouts;
    let conf = DeliverConf {
        connections: number("connections", other.connections),
        connections_per_site: number("connections_per_site", other.connections_per_site),
        site_messages: number("site_messages", other.site_messages),
        timeouts: Timeouts {
            connect: positive(at, "timeout_connect", wait.connect),
            banner: positive(at, "timeout_banner", wait.banner),
            ehlo: positive(at, "timeout_ehlo", wait.ehlo),
            tls: positive(at, "timeout_tls", wait.tls),
            mail: positive(at, "timeout_mail", wait.mail),
            rcpt: positive(at, "timeout_rcpt", wait.rcpt),
            data: positive(at, "timeout_data", wait.data),
            block: positive(at, "timeout_block", wait.block),
            dot: positive(at, "timeout_dot", wait.dot),
            reset: positive(at, "timeout_reset", wait.reset),
        },
    };
    at.finish();
    conf
}

/// A span above zero: to wait for no time is to fail always.
fn positive(at: &Section<'_, '_>, key: &'static str, other: Duration) -> Duration {
    let read = at.get(key, |value| {
        let span = span(value)?;
        if span.is_zero() {
            let fault = Fault::new("no time is too little", "write a span above zero");
            return Err(fault);
        }
        Ok(span)
    });
    read.unwrap_or(other)
}

/// `[log]`
pub(super) fn log(at: &Section<'_, '_>, folder: &Path) -> LogConf {
    let other = LogConf::default();
    let words = &[
        ("pretty", LogFormat::Pretty),
        ("postfix", LogFormat::Postfix),
        ("json", LogFormat::Json),
    ];
    let format = at.get("format", choice(words));
    let level = at.get("level", |value| {
        let text = string(value)?;
        let known = |part: &str| LEVELS.contains(&part.rsplit('=').next().unwrap_or(part).trim());
        if text.split(',').all(known) {
            return Ok(text.to_owned());
        }
        let near = crate::base::text::nearest(text, LEVELS);
        let remedy = near.map_or_else(
            || format!("write one of {}", LEVELS.join(", ")),
            |near| format!("did you mean \"{near}\"?"),
        );
        Err(Fault::new(format!("\"{text}\" is no level"), remedy))
    });
    let file: Option<PathBuf> = at.get("file", string).map(|path| folder.join(path));
    let daily = at.get("rotation", choice(&[("daily", true), ("never", false)]));
    let keep = at.get("keep", whole(1..=3_650)).unwrap_or(other.keep);
    let syslog_name = at.get("syslog_name", name).unwrap_or(other.syslog_name);
    at.finish();
    let folder_there = |path: &PathBuf| path.parent().is_none_or(Path::is_dir);
    if let Some(path) = file.as_ref().filter(|path| !folder_there(path)) {
        let what = format!("the folder of {} is not there", path.display());
        at.fault("file", Fault::new(what, "create it, or write another path"));
    }
    LogConf {
        format,
        level: level.unwrap_or(other.level),
        file,
        keep: if daily == Some(false) { 0 } else { keep },
        syslog_name,
    }
}

/// Of a `tracing` filter.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
/// The control socket in the data directory.
const SOCKET_NAME: &str = "control.sock";
/// `sockaddr_un.sun_path` holds 108 octets with its zero.
const SOCKET_PATH_MAX: usize = 107;
