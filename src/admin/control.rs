//! The control socket: `<data_dir>/control.sock`, for the user of the server only.
//!
//! HTTP/1.1, one request a connection, with bounds on head, body, time and connections. Whoever may open the socket
//! may do everything, so its mode is 0600 from its first moment: it is made under another name and moved.
//! Not here: what can be asked (`api`).

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{Context, api};
use crate::base::clock::Clock;
use crate::base::limit::{CONTROL_CONNECTIONS_MAX, CONTROL_TIMEOUT};
use crate::base::repeats::Repeats;
use crate::queue::verbs::Actor;

/// The socket's name in the data directory.
pub const NAME: &str = "control.sock";
/// What it is called until its mode is set; not longer than `NAME`.
const NEW: &str = "control.new";
/// Octets that the address of a Unix socket can have (`sun_path`, less its end).
const PATH_MAX: usize = 107;
/// Head of a request, with its path and query.
const HEAD_MAX: usize = 16 << 10;
/// Header fields of a request.
const FIELDS_MAX: usize = 32;
/// Waited after an accept that failed, for a process out of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// A socket that listens; dropped, its file is removed.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The path does not fit.
    #[error(
        "the control socket {path} would have {octets} octets in its path, and a socket can have {PATH_MAX}; choose a shorter [server] data_dir"
    )]
    LongPath {
        /// The whole of it.
        path: PathBuf,
        /// Its length.
        octets: usize,
    },
    /// Somebody answers there.
    #[error("another server answers at {path}; stop it, or choose another [server] data_dir")]
    Live {
        /// The socket.
        path: PathBuf,
    },
    /// Anything else.
    #[error(
        "the control socket {path} cannot be made: {source}; check who owns the data directory"
    )]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Makes the socket. What a server that died left behind is replaced; a server that answers is not.
pub fn bind(data_dir: &Path) -> Result<Control, ControlError> {
    let path = socket_in(data_dir)?;
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        return Err(ControlError::Live { path });
    }
    let new = data_dir.join(NEW);
    let made = || -> io::Result<UnixListener> {
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&new)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&new, &path)?;
        Ok(listener)
    };
    match made() {
        Ok(listener) => Ok(Control { listener, path }),
        Err(source) => Err(ControlError::Io { path, source }),
    }
}

impl Control {
    /// Answers until the server stops; a request that is being answered is finished first.
    pub async fn run(self, context: Context) {
        let mut router = api::router(context.queue.clone(), context.accounts.clone())
            .merge(super::logins::router(
                context.queue.clone(),
                context.endpoint,
            ))
            .merge(super::links::router(
                context.keys.clone(),
                context.queue.store().clone(),
            ))
            .merge(super::status::router(
                context.queue.clone(),
                context.site.clone(),
            ));
        if let Some(site) = context.site.clone() {
            router = router
                .merge(super::certs::api::router(site.clone()))
                .merge(super::report::router(site.clone()))
                .merge(super::web::free_metrics(site));
        }
        if let Some(digests) = context.digests.clone() {
            router = router.merge(super::digests::router(digests));
        }
        let permits = Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX));
        let repeats = Repeats::new(context.clock.clone());
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                () = context.shutdown.wait() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (router, clock) = (router.clone(), context.clock.clone());
                    let guard = context.shutdown.guard();
                    tokio::spawn(async move {
                        answer(stream, router, clock).await;
                        drop((permit, guard));
                    });
                }
                Err(error) => {
                    if let Some(repeated) = repeats.say(&error.to_string()) {
                        tracing::warn!(%error, "the control socket cannot accept; it is tried again{repeated}");
                    }
                    context.clock.sleep(PAUSE).await;
                }
            }
        }
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Already gone is as good; nothing else can be done while stopping.
        drop(std::fs::remove_file(&self.path));
    }
}

/// The socket's path, if it fits into an address.
pub fn socket_in(data_dir: &Path) -> Result<PathBuf, ControlError> {
    let path = data_dir.join(NAME);
    let octets = AsRef::<OsStr>::as_ref(&path).as_bytes().len();
    if octets > PATH_MAX {
        return Err(ControlError::LongPath { path, octets });
    }
    Ok(path)
}

async fn answer(stream: UnixStream, router: Router, clock: Clock) {
    let actor = actor_of(&stream);
    let service = TowerToHyperService::new(router.layer(Extension(actor)));
    let serving = http1::Builder::new()
        .keep_alive(false)
        .max_headers(FIELDS_MAX)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match clock.timeout(CONTROL_TIMEOUT, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request to the control socket broke off"),
        Err(error) => tracing::warn!(%error, "a request to the control socket took too long"),
    }
}

/// Who opened the socket, as facts show it: `cli:root`.
fn actor_of(stream: &UnixStream) -> Actor {
    let name = match stream.peer_cred() {
        Ok(peer) => user_name(peer.uid()).unwrap_or_else(|| peer.uid().to_string()),
        Err(_) => "unknown".to_owned(),
    };
    Actor::of(format!("cli:{name}"))
}

/// The name of a local user; those of a directory service keep their number.
fn user_name(uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests;
