//! A stream that prints the lines that pass it: `C:` ours, `S:` the server's. What AUTH carries shows as `***`.
//!
//! Not here: what is said.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::text::clean_bytes;

/// Where the lines go; clones share it, over STARTTLS too.
#[derive(Clone)]
pub(super) struct Transcript(Arc<Mutex<Lines>>);

struct Lines {
    out: Box<dyn Write + Send>,
    ours: Vec<u8>,
    theirs: Vec<u8>,
    /// Between AUTH and its last reply.
    secret: bool,
    hidden: bool,
}

/// The stream.
pub(super) struct Tee<S> {
    stream: S,
    transcript: Transcript,
}

/// Characters of a line that are shown.
const SHOWN: usize = 1_000;

impl Transcript {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            out,
            ours: Vec::new(),
            theirs: Vec::new(),
            secret: false,
            hidden: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Tee<S> {
    pub(super) fn new(stream: S, transcript: Transcript) -> Self {
        Self { stream, transcript }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// What is written from now on shows as `instead`.
    pub(super) fn hide(&self, instead: &str) {
        let mut lines = self.transcript.lock();
        lines.hidden = true;
        lines.print("C: ", instead.as_bytes());
    }

    /// Shows again what is written.
    pub(super) fn show(&self) {
        self.transcript.lock().hidden = false;
    }
}

impl Lines {
    fn wrote(&mut self, octets: &[u8]) {
        if self.hidden {
            return;
        }
        self.ours.extend_from_slice(octets);
        while let Some(line) = take_line(&mut self.ours) {
            if self.secret {
                self.print("C: ", b"***");
                continue;
            }
            let mut words = line.split(|b| *b == b' ');
            if words
                .next()
                .is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"))
            {
                self.secret = true;
                let mechanism = words.next().unwrap_or_default();
                let rest: &[u8] = if words.next().is_some() { b" ***" } else { b"" };
                self.print("C: ", &[b"AUTH ", mechanism, rest].concat());
            } else {
                self.print("C: ", &line);
            }
        }
    }

    fn read(&mut self, octets: &[u8]) {
        self.theirs.extend_from_slice(octets);
        while let Some(line) = take_line(&mut self.theirs) {
            self.secret = self.secret && line.starts_with(b"334");
            self.print("S: ", &line);
        }
    }

    fn print(&mut self, who: &str, line: &[u8]) {
        // A closed terminal must not stop the mail.
        drop(writeln!(self.out, "{who}{}", clean_bytes(line, SHOWN)));
    }
}

fn take_line(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = buffer.iter().position(|b| *b == b'\n')?;
    let mut line: Vec<u8> = buffer.drain(..=end).collect();
    while line.last().is_some_and(|b| matches!(b, b'\r' | b'\n')) {
        line.pop();
    }
    Some(line)
}

impl<S: AsyncRead + Unpin> AsyncRead for Tee<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let fresh = buf.filled().get(before..).unwrap_or_default();
        self.transcript.lock().read(fresh);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tee<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        let fresh = buf.get(..written).unwrap_or_default();
        self.transcript.lock().wrote(fresh);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
