//! A connection to a next hop: octets out, replies in, each with its bound in time.
//!
//! The reply reader keeps what came too early, so that pipelined replies are read once and in order.
//! Not here: what is said (`connect`, `transact`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::base::clock::Clock;
use crate::mail::reply::Reply;
use crate::smtp::client::offers::Offers;
use crate::smtp::client::reply::{NoReply, ReplyReader};

/// In the clear or under TLS.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Clear(TcpStream),
    /// TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A stream with its reply reader.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    reader: ReplyReader,
    input: Box<[u8; INPUT]>,
    clock: Clock,
}

/// Why nothing was read or written.
#[derive(Debug, thiserror::Error)]
pub enum WireFault {
    /// Too slow.
    #[error("no answer within {}", crate::base::size::show_span(*.0))]
    Slow(Duration),
    /// The peer closed.
    #[error("the server closed the connection")]
    Closed,
    /// The line broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// What came is no SMTP.
    #[error(transparent)]
    NoReply(#[from] NoReply),
}

/// A reply seldom has more octets; longer ones take several reads.
const INPUT: usize = 1_024;

impl Wire {
    /// Over a connected stream.
    pub fn new(stream: Stream, clock: Clock) -> Self {
        Self {
            stream,
            reader: ReplyReader::default(),
            input: Box::new([0; INPUT]),
            clock,
        }
    }

    /// Writes all of `octets`.
    pub async fn send(&mut self, octets: &[u8], within: Duration) -> Result<(), WireFault> {
        let stream = &mut self.stream;
        let write = async {
            stream.write_all(octets).await?;
            stream.flush().await
        };
        let done = self.clock.timeout(within, write).await;
        Ok(done.map_err(|_| WireFault::Slow(within))??)
    }

    /// The next reply.
    pub async fn reply(&mut self, within: Duration) -> Result<Reply, WireFault> {
        loop {
            if let Some(reply) = self.reader.next_reply()? {
                return Ok(reply);
            }
            self.read(within).await?;
        }
    }

    /// The reply to EHLO with what it offers.
    pub async fn offers(&mut self, within: Duration) -> Result<(Reply, Offers), WireFault> {
        loop {
            if let Some(raw) = self.reader.next_raw()? {
                return Ok((raw.to_reply(), Offers::parse(raw.octets)));
            }
            self.read(within).await?;
        }
    }

    /// Whether the peer said more than it was asked.
    pub fn has_more(&self) -> bool {
        !self.reader.is_empty()
    }

    /// The stream, for a handshake; what was read in the clear is forgotten.
    pub fn into_stream(self) -> Stream {
        self.stream
    }

    /// The stream, for an exchange that reads its replies itself. The reader must be empty.
    pub fn stream(&mut self) -> &mut Stream {
        debug_assert!(self.reader.is_empty(), "replies would be lost");
        &mut self.stream
    }

    async fn read(&mut self, within: Duration) -> Result<(), WireFault> {
        let read = self.stream.read(self.input.as_mut_slice());
        let done = self.clock.timeout(within, read).await;
        let octets = done.map_err(|_| WireFault::Slow(within))??;
        if octets == 0 {
            return Err(WireFault::Closed);
        }
        self.reader
            .feed(self.input.get(..octets).unwrap_or_default());
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
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
