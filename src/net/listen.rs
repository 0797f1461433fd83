//! Listening sockets, and permits for what comes in.
//!
//! A connection is served only with a permit: so many in all, so many of one address. Without one it is told so and
//! closed at once, so that one address cannot use up what others need. When the system has no descriptors left, the
//! loop waits instead of spinning; what is open goes on.
//! Not here: what is spoken on a connection (`receive`).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::limiter::peer_key;
use crate::base::clock::Clock;
use crate::base::limit::{ACCEPT_PAUSE, LISTEN_BACKLOG};
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

fn of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Counts what is open; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Permits(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Held as long as the connection is open.
#[derive(Debug)]
pub struct Permit {
    permits: Permits,
    key: IpAddr,
}

/// Why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Too many in all.
    All,
    /// Too many of this address.
    Address,
}

impl Permits {
    /// A permit for one connection of `ip`.
    pub fn take(&self, ip: IpAddr, max: usize, max_of_address: usize) -> Result<Permit, Busy> {
        let key = peer_key(ip);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= max {
            return Err(Busy::All);
        }
        let mine = open.by_address.entry(key).or_default();
        if *mine >= max_of_address {
            return Err(Busy::Address);
        }
        *mine += 1;
        open.all += 1;
        Ok(Permit {
            permits: self.clone(),
            key,
        })
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self
            .permits
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(mine) = open.by_address.get_mut(&self.key) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                open.by_address.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const TWO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn one_address_cannot_take_what_others_need() {
        let permits = Permits::default();
        let first = permits.take(ONE, 3, 2).unwrap();
        let second = permits.take(ONE, 3, 2).unwrap();
        assert_eq!(permits.take(ONE, 3, 2).unwrap_err(), Busy::Address);
        let third = permits.take(TWO, 3, 2).unwrap();
        assert_eq!(permits.take(TWO, 3, 2).unwrap_err(), Busy::All);
        drop((first, second, third));
        assert_eq!(permits.open(), 0);
        assert!(permits.0.lock().unwrap().by_address.is_empty());
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err();
        assert!(matches!(error, ListenError::Taken { .. }), "got {error}");
    }
}
