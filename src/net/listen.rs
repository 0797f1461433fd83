//! Listening sockets, and what comes in by them.
//!
//! When the system has no descriptors left, the loop waits instead of spinning; what is open goes on.
//! Not here: whether a connection finds a place (`permits`), and what is spoken on it (`receive`).

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::base::clock::Clock;
use crate::base::limit::{ACCEPT_PAUSE, FILES_SPARE, LISTEN_BACKLOG};
use crate::base::repeats::Repeats;

/// Why a listener could not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else listens there.
    #[error("{address} is in use; stop the other server, or choose another port")]
    Taken {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Ports below 1024.
    #[error(
        "{address} needs more rights; start as a service with CAP_NET_BIND_SERVICE, or choose a port from 1024 on"
    )]
    Forbidden {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No such address here, and the like.
    #[error("cannot listen on {address}: {source}; choose an address of this machine")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Opens a listening socket; needs a runtime. A port that a dead server of ours still holds is taken over.
pub fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    listening(address).map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            ListenError::Taken { address, source }
        } else if source.kind() == io::ErrorKind::PermissionDenied {
            ListenError::Forbidden { address, source }
        } else {
            ListenError::Other { address, source }
        }
    })
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The next connection. Errors of one connection are skipped; when the system has run out of something, it waits.
pub async fn next(
    listener: &TcpListener,
    clock: &Clock,
    repeats: &Repeats,
) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Replies are written in whole groups; holding them back gains nothing.
                if stream.set_nodelay(true).is_ok() {
                    return (
                        stream,
                        SocketAddr::new(peer.ip().to_canonical(), peer.port()),
                    );
                }
            }
            Err(error) if of_one_connection(&error) => {}
            Err(error) => {
                if let Some(repeated) = repeats.say(&error.to_string()) {
                    tracing::warn!(%error, "no connection can be taken now; raise the limit of open files{repeated}");
                }
                clock.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Files that may be open for connections, of all kinds together.
pub fn files() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = limit.current.unwrap_or(u64::MAX);
    let all = usize::try_from(all).unwrap_or(usize::MAX);
    all.saturating_sub(FILES_SPARE)
}

fn of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err();
        assert!(matches!(error, ListenError::Taken { .. }), "got {error}");
    }
}
