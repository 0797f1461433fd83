//! A connection to a scanner: TCP or a Unix socket.
//!
//! Whatever keeps it from being opened is told with the address, because that is what a person can change.
//! Not here: what is said over it (`clamd`, `rspamd`, `milter`), and its bound in time (`Scanners::ask`).

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::Trouble;
use crate::config::ScannerAddress;

/// Octets both ways.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Opens it.
pub(super) async fn connect(address: &ScannerAddress) -> Result<Box<dyn Duplex>, Trouble> {
    let opened: io::Result<Box<dyn Duplex>> = match address {
        ScannerAddress::Tcp(host, port) => match TcpStream::connect((host.as_str(), *port)).await {
            Ok(stream) => stream
                .set_nodelay(true)
                .map(|()| Box::new(stream) as Box<dyn Duplex>),
            Err(error) => Err(error),
        },
        ScannerAddress::Unix(path) => UnixStream::connect(path)
            .await
            .map(|stream| Box::new(stream) as Box<dyn Duplex>),
    };
    opened.map_err(|error| Trouble::Unreachable(address.to_string(), error.to_string()))
}
