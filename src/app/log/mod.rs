//! Logs: one line per fact, in the shape of Postfix, as JSON, or for people.
//!
//! `start` installs the one global subscriber of the process and is called by the command line only; a program that
//! embeds the server keeps its own, and gets our events as they are. A format reads fields, never texts, and writes
//! each line once. Lines go through a thread of their own: a file waits for its disk, a stalled terminal loses lines
//! rather than stopping the mail. Not here: which facts are logged (`journal::line`), events for programs.

mod fields;
mod json;
mod postfix;
mod pretty;

use std::fmt;
use std::io::{self, BufWriter, IsTerminal};
use std::path::{Path, PathBuf};

use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::base::clock::Clock;
use crate::base::limit::LOG_LINES_WAITING_MAX;
use crate::config::{LogConf, LogFormat};

use fields::Fields;

/// Octets written at once when many lines wait.
const LOG_BUFFER: usize = 32 << 10;

/// Writes what still waits when it is dropped; `main` holds it to its end.
#[derive(Debug)]
pub struct LogGuard {
    _worker: WorkerGuard,
}

/// Why the log could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not what `EnvFilter` reads.
    #[error(
        "[log] level = \"{level}\" is no filter: {source}; write error, warn, info, debug or trace"
    )]
    Level {
        /// As configured.
        level: String,
        /// What it says.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The file cannot be written.
    #[error(
        "the log file {path} cannot be opened: {source}; make its folder writable for this user or change [log] file"
    )]
    File {
        /// As configured.
        path: PathBuf,
        /// What the system says.
        source: InitError,
    },
    /// Something else in this process logs already.
    #[error("this process has a log subscriber already; call log::start once")]
    Taken,
}

/// The three shapes of a line.
#[derive(Debug)]
enum Shape {
    Postfix(postfix::Postfix),
    Json(json::Json),
    Pretty(pretty::Pretty),
}

/// Starts logging for this process. Call it once, from the program and not from the library.
pub fn start(conf: &LogConf) -> Result<LogGuard, LogError> {
    let filter = filter(&conf.level)?;
    let terminal = conf.file.is_none() && io::stderr().is_terminal();
    let (writer, worker) = match &conf.file {
        Some(path) => to_file(path, conf.keep)?,
        None => queued(io::stderr(), true),
    };
    let shape = Shape::of(conf, terminal, Clock::system());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(terminal)
        .event_format(shape)
        .try_init()
        .map_err(|_| LogError::Taken)?;
    Ok(LogGuard { _worker: worker })
}

/// The filter of the configuration. The resolver's own warnings are about faults of remotes, which we tell ourselves
/// with the message that they concern; who names its crates in `level` sees them.
fn filter(level: &str) -> Result<EnvFilter, LogError> {
    let wanted = if level.contains("hickory") {
        level.to_owned()
    } else {
        format!("{level},hickory_proto=off,hickory_net=off,hickory_resolver=off")
    };
    EnvFilter::builder()
        .parse(&wanted)
        .map_err(|source| LogError::Level {
            level: level.to_owned(),
            source,
        })
}

fn to_file(path: &Path, keep: usize) -> Result<(NonBlocking, WorkerGuard), LogError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let rolling = RollingFileAppender::builder().filename_prefix(name);
    let rolling = if keep == 0 {
        rolling.rotation(Rotation::NEVER)
    } else {
        rolling.rotation(Rotation::DAILY).max_log_files(keep)
    };
    let file = rolling.build(folder).map_err(|source| LogError::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(queued(file, false))
}

fn queued(out: impl io::Write + Send + 'static, lossy: bool) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .buffered_lines_limit(LOG_LINES_WAITING_MAX)
        .lossy(lossy)
        .thread_name("log")
        // Its thread flushes as soon as no line waits, so a busy server saves a system call a line and a quiet one
        // shows each at once.
        .finish(BufWriter::with_capacity(LOG_BUFFER, out))
}

impl Shape {
    fn of(conf: &LogConf, terminal: bool, clock: Clock) -> Self {
        let format = conf.format.unwrap_or(if terminal {
            LogFormat::Pretty
        } else {
            LogFormat::Postfix
        });
        match format {
            LogFormat::Postfix => Self::Postfix(postfix::Postfix::new(
                clock,
                &machine_name(),
                &conf.syslog_name,
                std::process::id(),
            )),
            LogFormat::Json => Self::Json(json::Json::new(clock)),
            LogFormat::Pretty => Self::Pretty(pretty::Pretty::new(clock)),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Shape
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let fields = Fields::of(event);
        match self {
            Self::Postfix(shape) => shape.write(out, event.metadata(), &fields),
            Self::Json(shape) => shape.write(out, event.metadata(), &fields),
            Self::Pretty(shape) => shape.write(out, event.metadata(), &fields),
        }
    }
}

/// The machine's short name, as syslog writes it.
fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .unwrap_or_default();
    match name.trim().split('.').next() {
        Some(short) if !short.is_empty() => short.to_owned(),
        _ => "localhost".to_owned(),
    }
}

#[cfg(test)]
mod tests;
