//! A connection to a scanner: TCP or a Unix socket.
//!
//! Whatever keeps it from being opened is told with the address, because that is what a person can change.
//! Not here: what is said over it (`clamd`, `rspamd`, `milter`), and its bound in time (`Scanners::ask`).

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use super::Trouble;
use crate::config::ScannerAddress;
use crate::net::plain;

/// Octets both ways.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Where answers of a connection come that goes on.
pub(super) trait Answers: AsyncRead + Send + Unpin {
    /// An answer came, another one follows, and nothing is said between them: a peer that lets its octets wait until those
    /// before are acknowledged (RFC 1122 section 4.2.3.4) is not to wait for our delay of that (section 4.2.3.2).
    fn hurry(&self);
}

impl Answers for tcp::OwnedReadHalf {
    fn hurry(&self) {
        // Without it answers come later, and they come.
        let _ignored = socket2::SockRef::from(self.as_ref()).set_tcp_quickack(true);
    }
}

impl Answers for unix::OwnedReadHalf {
    fn hurry(&self) {}
}

/// Both halves of a connection.
pub(super) type Halves = (Box<dyn Answers>, Box<dyn AsyncWrite + Send + Unpin>);

/// Opens it.
pub(super) async fn connect(address: &ScannerAddress) -> Result<Box<dyn Duplex>, Trouble> {
    Ok(match open(address).await? {
        Stream::Tcp(stream) => Box::new(stream),
        Stream::Unix(stream) => Box::new(stream),
    })
}

/// Opens one that goes on.
pub(super) async fn connect_halves(address: &ScannerAddress) -> Result<Halves, Trouble> {
    Ok(match open(address).await? {
        Stream::Tcp(stream) => {
            let (reading, writing) = stream.into_split();
            (Box::new(reading), Box::new(writing))
        }
        Stream::Unix(stream) => {
            let (reading, writing) = stream.into_split();
            (Box::new(reading), Box::new(writing))
        }
    })
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

async fn open(address: &ScannerAddress) -> Result<Stream, Trouble> {
    let opened = match address {
        ScannerAddress::Tcp(host, port) => match TcpStream::connect((host.as_str(), *port)).await {
            Ok(stream) => stream.set_nodelay(true).map(|()| Stream::Tcp(stream)),
            Err(error) => Err(error),
        },
        ScannerAddress::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
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
