//! One connection: its stream, what was read and not used, and the replies that wait to go out together.
//!
//! Replies to commands that came together leave together (RFC 2920); what was read before TLS is thrown away.
//! Not here: what the octets mean (`smtp::server`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::server::ClientHello;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::base::limit::{LINGER_MAX, READ_SMALL};
use crate::certs::Certs;
use crate::mail::reply::Reply;
use crate::net::line::LineBuffer;
use crate::net::tls;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    pub(super) buffer: LineBuffer,
    out: Vec<u8>,
    /// Octets of `out` that went out already.
    sent: usize,
}

#[derive(Debug)]
enum Stream {
    Clear(TcpStream),
    Secret(Box<TlsStream<TcpStream>>),
    /// A handshake failed.
    Gone,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream: Stream::Clear(stream),
            buffer: LineBuffer::new(),
            out: Vec::new(),
            sent: 0,
        }
    }

    /// Whether something came before we said a word.
    pub(super) fn is_early(&self) -> bool {
        let mut one = [std::mem::MaybeUninit::uninit()];
        match &self.stream {
            Stream::Clear(stream) => socket2::SockRef::from(stream)
                .peek(&mut one)
                .is_ok_and(|n| n > 0),
            Stream::Secret(_) | Stream::Gone => false,
        }
    }

    /// Puts a reply to those that wait.
    pub(super) fn say(&mut self, reply: &Reply) {
        reply.write(&mut self.out);
    }

    /// Sends what waits.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        // A deadline may end this wait anywhere; what went out must not go out again before the last reply.
        while let Some(rest) = self.out.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => self.sent += n,
            }
        }
        self.stream.flush().await?;
        self.out.clear();
        self.sent = 0;
        Ok(())
    }

    /// Sends what waits, then reads once; 0 is the end.
    pub(super) async fn fill(&mut self, bulk: bool) -> io::Result<usize> {
        self.flush().await?;
        if !bulk {
            self.buffer.release();
        }
        self.buffer.fill(&mut self.stream, bulk).await
    }

    /// The handshake; what TLS was agreed on.
    pub(super) async fn secure(&mut self, certs: &Certs) -> io::Result<String> {
        let Stream::Clear(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        // Nothing that came in the clear is read as if it had come under TLS.
        self.buffer.clear();
        let stream = if certs.expects_validation() {
            // While an order is under way, a hello may be the directory's (RFC 8737).
            let choose = |hello: &ClientHello<'_>| {
                let validation = certs.validation(hello);
                validation.unwrap_or_else(|| certs.server_config())
            };
            tls::accept_by_hello(stream, choose).await?
        } else {
            TlsAcceptor::from(certs.server_config())
                .accept(stream)
                .await?
        };
        let (_, agreed) = stream.get_ref();
        if Certs::was_validation(agreed.alpn_protocol()) {
            tracing::info!("a name was validated by tls-alpn-01");
            // Nothing follows it (RFC 8737 section 3).
            let mut stream = stream;
            stream.shutdown().await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let facts = tls::facts(agreed.protocol_version(), agreed.negotiated_cipher_suite());
        self.stream = Stream::Secret(Box::new(stream));
        Ok(facts)
    }

    /// Says that nothing more comes. `linger`: the peer may still be sending; what it sends is read away for a
    /// while, because closing with octets unread would take our last reply from it.
    pub(super) async fn close(&mut self, linger: bool) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown().await?;
        let mut left = if linger { LINGER_MAX } else { 0 };
        let mut sink = Vec::new();
        while left > 0 {
            sink.clear();
            sink.reserve_exact(READ_SMALL);
            let n = self.stream.read_buf(&mut sink).await?;
            left = if n == 0 { 0 } else { left.saturating_sub(n) };
        }
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Secret(stream) => match Pin::new(stream.as_mut()).poll_read(cx, buf) {
                // Many clients close without close_notify; a mail never depends on it, its end is in the text.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                read @ (Poll::Ready(_) | Poll::Pending) => read,
            },
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Secret(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secret(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secret(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
