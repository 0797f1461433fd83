//! A connection to a next hop: octets out, replies in, each with its bound in time.
//!
//! A bound is for a whole reply and for all octets of a write, never for a single read: a peer that drips is given up
//! when one that is silent would be. While somebody waits for a connection a reply has `REPLY_HURRIED` (`Hurry`).
//! The reply reader keeps what came too early, so that pipelined replies are read once and in order.
//! Not here: what is said (`connect`, `transact`), and the bound of a whole transaction (`transact`).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;

use crate::base::clock::{Clock, Mono};
use crate::base::limit::{REPLY_HURRIED, SEND_RATE_MIN};
use crate::base::size::show_span;
use crate::mail::reply::Reply;
use crate::net::plain;
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
pub struct Wire<S = Stream> {
    stream: S,
    reader: ReplyReader,
    input: Box<[u8; INPUT]>,
    clock: Clock,
    hurry: Hurry,
}

/// Whether somebody waits for a connection; clones share it. By default nobody ever does.
#[derive(Clone, Debug)]
pub struct Hurry(Arc<watch::Sender<bool>>);

/// The reply to the final dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastReply {
    /// What the peer decided.
    pub reply: Reply,
    /// Whether it came to its end. If not, nobody knows what the connection says next.
    pub whole: bool,
}

/// Why nothing was read or written.
#[derive(Debug, thiserror::Error)]
pub enum WireFault {
    /// Too slow to answer.
    #[error("no whole answer within {}", show_span(*.0))]
    Slow(Duration),
    /// Slower than others may wait.
    #[error(
        "no whole answer within {}, while other mail waited for a connection",
        show_span(REPLY_HURRIED)
    )]
    Hurried,
    /// Too slow to take what is sent.
    #[error("the server did not take what was sent within {}", show_span(*.0))]
    Stuck(Duration),
    /// All steps together took too long.
    #[error("the transaction was not done within {}", show_span(*.0))]
    Long(Duration),
    /// It speaks of what it cannot know yet.
    #[error("the server answered before it was asked")]
    Early,
    /// The peer closed.
    #[error("the server closed the connection")]
    Closed,
    /// The line broke.
    #[error("{}", plain::io(.0))]
    Io(io::Error),
    /// What came is no SMTP.
    #[error(transparent)]
    NoReply(#[from] NoReply),
}

/// A reply seldom has more octets; longer ones take several reads.
const INPUT: usize = 1_024;

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Over a connected stream.
    pub fn new(stream: S, clock: Clock, hurry: Hurry) -> Self {
        Self {
            stream,
            reader: ReplyReader::default(),
            input: Box::new([0; INPUT]),
            clock,
            hurry,
        }
    }

    /// Writes all of `octets` within `within` and what they take at the least rate.
    pub async fn send(&mut self, octets: &[u8], within: Duration) -> Result<(), WireFault> {
        let within = within + at_least_rate(octets.len() as u64);
        let stream = &mut self.stream;
        let write = async {
            stream.write_all(octets).await?;
            stream.flush().await
        };
        let done = self.clock.timeout(within, write).await;
        Ok(done.map_err(|_| WireFault::Stuck(within))??)
    }

    /// The next reply, whole.
    pub async fn reply(&mut self, within: Duration) -> Result<Reply, WireFault> {
        let start = self.clock.mono();
        loop {
            if let Some(reply) = self.reader.next_reply()? {
                return Ok(reply);
            }
            self.read(start, within, true).await?;
        }
    }

    /// The reply to EHLO with what it offers.
    pub async fn offers(&mut self, within: Duration) -> Result<(Reply, Offers), WireFault> {
        let start = self.clock.mono();
        loop {
            if let Some(raw) = self.reader.next_raw()? {
                return Ok((raw.to_reply(), Offers::parse(raw.octets)));
            }
            self.read(start, within, true).await?;
        }
    }

    /// A command and its reply.
    pub async fn ask(&mut self, line: &[u8], within: Duration) -> Result<Reply, WireFault> {
        self.send(line, within).await?;
        self.reply(within).await
    }

    /// The reply to the final dot: its code counts as soon as it was read, however it goes on, ends or breaks. Who said
    /// 250 has the mail, and sending it again would double it (RFC 1047). Nobody hurries it.
    pub async fn last_reply(&mut self, within: Duration) -> Result<LastReply, WireFault> {
        let start = self.clock.mono();
        loop {
            let fault = match self.reader.next_reply() {
                Ok(Some(reply)) => return Ok(LastReply { reply, whole: true }),
                Ok(None) => match self.read(start, within, false).await {
                    Ok(()) => continue,
                    Err(fault) => fault,
                },
                Err(nonsense) => nonsense.into(),
            };
            return self.head().ok_or(fault);
        }
    }

    /// What of the reply to the final dot was read, if that says already what it will be.
    pub fn head(&self) -> Option<LastReply> {
        let whole = false;
        let reply = self.reader.head()?;
        Some(LastReply { reply, whole })
    }

    /// Whether the peer said more than it was asked.
    pub fn has_more(&self) -> bool {
        !self.reader.is_empty()
    }

    /// The stream, for a handshake; what was read in the clear is forgotten.
    pub fn into_stream(self) -> S {
        self.stream
    }

    async fn read(
        &mut self,
        start: Mono,
        within: Duration,
        may_hurry: bool,
    ) -> Result<(), WireFault> {
        let (clock, hurry) = (&self.clock, may_hurry.then_some(&self.hurry));
        let octets = tokio::select! {
            biased;
            read = self.stream.read(self.input.as_mut_slice()) => read?,
            fault = late(clock, hurry, start, within) => return Err(fault),
        };
        if octets == 0 {
            return Err(WireFault::Closed);
        }
        self.reader
            .feed(self.input.get(..octets).unwrap_or_default());
        Ok(())
    }
}

impl Hurry {
    /// Whether somebody waits.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Somebody waits, or nobody does any more.
    pub fn set(&self, waits: bool) {
        self.0
            .send_if_modified(|now| std::mem::replace(now, waits) != waits);
    }
}

/// Ends when a reply that is waited for since `start` is late: after `within`, or after `REPLY_HURRIED` as soon as
/// somebody else waits, also when that begins later.
async fn late(clock: &Clock, hurry: Option<&Hurry>, start: Mono, within: Duration) -> WireFault {
    if let Some(hurry) = hurry.filter(|_| within > REPLY_HURRIED) {
        clock.sleep_until(start + REPLY_HURRIED).await;
        let mut waits = hurry.0.subscribe();
        tokio::select! {
            biased;
            // The sender lives as long as `hurry`, so the wait cannot fail before it succeeds.
            _ = waits.wait_for(|waits| *waits) => return WireFault::Hurried,
            () = clock.sleep_until(start + within) => {}
        }
    } else {
        clock.sleep_until(start + within).await;
    }
    WireFault::Slow(within)
}

/// What so many octets may take because of their number alone.
pub(super) fn at_least_rate(octets: u64) -> Duration {
    Duration::from_secs(octets / SEND_RATE_MIN)
}

impl Default for Hurry {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl From<io::Error> for WireFault {
    /// A peer that drops TLS without its farewell has closed like any other.
    fn from(error: io::Error) -> Self {
        let closed = [io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe];
        if closed.contains(&error.kind()) {
            Self::Closed
        } else {
            Self::Io(error)
        }
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

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;
    use crate::base::clock::Wall;

    const MINUTE: Duration = Duration::from_secs(60);

    fn pair(hurry: &Hurry) -> (Wire<DuplexStream>, DuplexStream, Clock) {
        let clock = Clock::moved(Wall(0));
        let (ours, theirs) = tokio::io::duplex(64);
        (Wire::new(ours, clock.clone(), hurry.clone()), theirs, clock)
    }

    /// Drips an octet of `text` a second until nobody reads; how much time passed until `work` ended.
    async fn dripping<T>(
        work: impl Future<Output = T>,
        mut peer: DuplexStream,
        clock: &Clock,
        text: &'static [u8],
    ) -> (T, Duration) {
        let start = clock.mono();
        let drip = async {
            for octet in text.iter().cycle().take(100_000) {
                peer.write_all(&[*octet]).await.unwrap();
                // The other side reads it and waits again before time passes.
                for _ in 0..4 {
                    tokio::task::yield_now().await;
                }
                clock.advance(Duration::from_secs(1));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            done = work => (done, clock.mono() - start),
            () = drip => unreachable!("it never ends"),
        }
    }

    #[tokio::test]
    async fn a_reply_that_drips_ends_when_silence_would() {
        for text in [&b"250-x"[..], b"250-x\r\n"] {
            let (mut wire, peer, clock) = pair(&Hurry::default());
            let (result, took) = dripping(wire.reply(5 * MINUTE), peer, &clock, text).await;
            assert!(matches!(result, Err(WireFault::Slow(_))), "got {result:?}");
            assert_eq!(took, 5 * MINUTE);
            let (mut wire, peer, clock) = pair(&Hurry::default());
            let (result, took) = dripping(wire.offers(MINUTE), peer, &clock, text).await;
            assert!(matches!(result, Err(WireFault::Slow(_))), "got {result:?}");
            assert_eq!(took, MINUTE);
        }
    }

    #[tokio::test]
    async fn a_reply_without_end_ends_also_when_it_comes_fast() {
        let (mut wire, mut peer, _clock) = pair(&Hurry::default());
        let flood = async move { while peer.write_all(b"250-more and more\r\n").await.is_ok() {} };
        let (result, ()) = tokio::join!(
            async move {
                wire.reply(MINUTE)
                    .await
                    .map_err(|fault| (fault, drop(wire)))
            },
            flood
        );
        assert!(
            matches!(result, Err((WireFault::NoReply(NoReply::Endless), ()))),
            "got {result:?}"
        );
    }

    #[tokio::test]
    async fn who_waits_for_a_connection_cuts_a_wait_to_a_minute() {
        for (name, begins, ends) in [
            ("from the start", Some(0), 60),
            ("before its minute is over", Some(20), 60),
            ("a wait that is under way", Some(100), 100),
            ("never", None, 300),
        ] {
            let hurry = Hurry::default();
            let (mut wire, _peer, clock) = pair(&hurry);
            let mut reply = std::pin::pin!(wire.reply(5 * MINUTE));
            let mut took = None;
            for second in 0..=301 {
                if begins == Some(second) {
                    hurry.set(true);
                }
                let ended = tokio::select! {
                    biased;
                    _ = &mut reply => true,
                    () = tokio::task::yield_now() => false,
                };
                if ended {
                    took = Some(second);
                    break;
                }
                clock.advance(Duration::from_secs(1));
            }
            assert_eq!(took, Some(ends), "case: {name}");
        }
    }

    #[tokio::test]
    async fn nobody_hurries_the_reply_to_the_final_dot() {
        let hurry = Hurry::default();
        hurry.set(true);
        let (mut wire, mut peer, clock) = pair(&hurry);
        let wait = wire.last_reply(10 * MINUTE);
        let answer = async {
            clock.advance(9 * MINUTE);
            tokio::task::yield_now().await;
            peer.write_all(b"250 2.0.0 kept\r\n").await.unwrap();
        };
        let (last, ()) = tokio::join!(wait, answer);
        assert!(last.unwrap().whole);
    }

    #[tokio::test]
    async fn the_last_reply_counts_by_its_head_however_it_ends() {
        for (said, wanted) in [
            ("250 2.0.0 kept\r\n", Ok(("250 2.0.0 kept", true))),
            ("250 2.0.0 kept", Ok(("250 2.0.0 kept", false))),
            ("250x\r\n", Ok(("250 x", false))),
            (
                "250-2.0.0 first\r\nnonsense\r\n",
                Ok(("250 2.0.0 first", false)),
            ),
            ("552 5.3.4 too la", Ok(("552 5.3.4 too la", false))),
            (
                "banana\r\n",
                Err("the server answered something that is no SMTP reply"),
            ),
            ("25", Err("the server closed the connection")),
            ("", Err("the server closed the connection")),
        ] {
            let (mut wire, mut peer, _clock) = pair(&Hurry::default());
            peer.write_all(said.as_bytes()).await.unwrap();
            drop(peer);
            let got = wire.last_reply(MINUTE).await;
            let got = got.map(|last| (last.reply.to_string(), last.whole));
            let wanted = wanted.map(|(text, whole): (&str, bool)| (text.to_owned(), whole));
            assert_eq!(
                got.map_err(|fault| fault.to_string()),
                wanted.map_err(str::to_owned),
                "case: {said}"
            );
        }
    }

    #[tokio::test]
    async fn a_last_reply_without_an_end_counts_when_its_time_is_over() {
        let (mut wire, peer, clock) = pair(&Hurry::default());
        let (last, took) = dripping(wire.last_reply(10 * MINUTE), peer, &clock, b"250-x").await;
        assert_eq!(last.unwrap().reply.code(), 250);
        assert_eq!(took, 10 * MINUTE);
    }

    #[tokio::test]
    async fn a_write_that_drips_ends_by_its_size() {
        let (mut wire, mut peer, clock) = pair(&Hurry::default());
        let octets = vec![b'x'; 16 * 1_024];
        let start = clock.mono();
        let take = async {
            let mut one = [0];
            while peer.read(&mut one).await.is_ok() {
                for _ in 0..4 {
                    tokio::task::yield_now().await;
                }
                clock.advance(Duration::from_millis(100));
            }
        };
        let result = tokio::select! {
            biased;
            done = wire.send(&octets, MINUTE) => done,
            () = take => unreachable!("it never ends"),
        };
        assert!(matches!(result, Err(WireFault::Stuck(_))), "got {result:?}");
        assert_eq!((clock.mono() - start).as_secs(), 62);
    }

    #[test]
    fn a_dropped_connection_is_told_in_plain_words() {
        let dropped = io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "peer closed connection without sending TLS close_notify: https://docs.rs/rustls",
        );
        let text = WireFault::from(dropped).to_string();
        assert_eq!(text, "the server closed the connection");
    }
}
