//! A connection to a scanner: TCP or a Unix socket.
//!
//! Whatever keeps it from being opened is told with the address, because that is what a person can change.
//! Not here: what is said over it (`clamd`, `rspamd`, `milter`), and its bound in time (`Scanners::ask`).

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::Trouble;
use crate::config::ScannerAddress;
use crate::net::plain;

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
    opened.map_err(|error| {
        let why = format!("{}{}", plain::io(&error), remedy(address, &error));
        Trouble::Unreachable(address.to_string(), why)
    })
}

/// What helps, where it is known.
fn remedy(address: &ScannerAddress, error: &io::Error) -> &'static str {
    match (address, error.kind()) {
        (ScannerAddress::Tcp(..), io::ErrorKind::ConnectionRefused) => {
            "; start it, or write where it listens into `address`"
        }
        (ScannerAddress::Unix(_), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            "; start it, or write the path of its socket into `address`"
        }
        (ScannerAddress::Unix(_), io::ErrorKind::PermissionDenied) => {
            "; add the user of this server to the group of the socket"
        }
        // What happened is all that is known.
        (ScannerAddress::Tcp(..) | ScannerAddress::Unix(_), _) => "",
    }
}
