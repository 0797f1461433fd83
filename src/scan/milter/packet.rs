//! Packets of the filter protocol: four octets of length, one that says what it is, and its text.
//!
//! Both directions are bounded: what we send fits what libmilter takes, and what a filter sends is read up to
//! `PACKET_MAX` a packet and `PACKETS_MAX` of them a mail. What does not fit its form is a `Trouble` in words.
//! An answer counts only if it was asked for: one too many would be taken for that of the next step, so whatever lies
//! there before a step goes out, or comes behind the last one, breaks the line.
//! Not here: which packet may come when (`dialog`), and what it means (`change`, `answer`).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::super::Trouble;
use super::super::socket::Duplex;
use crate::base::limit::SCAN_WORDS_MAX;
use crate::base::text::clean_bytes;
use crate::net::plain;

/// Octets of a packet's text that libmilter takes, its command included.
pub(super) const SENT_MAX: usize = 65_535;
/// Octets of one answer: libmilter cuts a new body into 65,535, others into more.
const PACKET_MAX: usize = 1 << 20;
/// Answers to one mail. A new body of 2 GiB comes in 32,768; each header field has one answer.
const PACKETS_MAX: usize = 200_000;
/// Octets that are read at once: answers are a few, but for new bodies.
const READ_MAX: usize = 4 << 10;
/// Octets that are gathered before they are sent.
const OUT_MAX: usize = 64 << 10;

/// What we send.
pub(super) mod command {
    pub(in super::super) const ABORT: u8 = b'A';
    pub(in super::super) const BODY: u8 = b'B';
    pub(in super::super) const CONNECT: u8 = b'C';
    pub(in super::super) const MACRO: u8 = b'D';
    pub(in super::super) const END: u8 = b'E';
    pub(in super::super) const HELO: u8 = b'H';
    pub(in super::super) const HEADER: u8 = b'L';
    pub(in super::super) const MAIL: u8 = b'M';
    pub(in super::super) const EOH: u8 = b'N';
    pub(in super::super) const NEGOTIATE: u8 = b'O';
    pub(in super::super) const QUIT: u8 = b'Q';
    pub(in super::super) const RCPT: u8 = b'R';
    pub(in super::super) const DATA: u8 = b'T';
}

/// The line to a filter.
pub(super) struct Line {
    wire: BufReader<Box<dyn Duplex>>,
    out: Vec<u8>,
    read: usize,
    /// What it is asked about, for words.
    pub(super) step: &'static str,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) code: u8,
    pub(super) text: Vec<u8>,
}

/// What is left of a packet's text.
pub(super) struct Parts<'a>(pub(super) &'a [u8]);

impl Line {
    pub(super) fn new(wire: Box<dyn Duplex>) -> Self {
        Self {
            wire: BufReader::with_capacity(READ_MAX, wire),
            out: Vec::new(),
            read: 0,
            step: "negotiation",
        }
    }

    /// A step: nothing may have been said since the answer to the last one.
    pub(super) async fn begin(&mut self, step: &'static str) -> Result<(), Trouble> {
        let wire = Pin::new(&mut self.wire);
        let mut wire = Some(wire);
        let said = poll_fn(|context| {
            let seen = wire.take().map(|wire| wire.poll_fill_buf(context));
            // A line that ended is told by whoever reads from it.
            let said = matches!(seen, Some(Poll::Ready(Ok(octets))) if !octets.is_empty());
            Poll::Ready(said)
        });
        if said.await {
            return Err(self.unasked());
        }
        self.step = step;
        Ok(())
    }

    /// The end: it closes and says nothing more (the farewell's answer). Only then all that it said was asked for.
    pub(super) async fn end(&mut self) -> Result<(), Trouble> {
        self.step = "the end";
        // It may be gone already.
        let gone = self.put(command::QUIT, &[]).await.is_err() || self.flush().await.is_err();
        match self.wire.fill_buf().await.map(<[u8]>::is_empty) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.unasked()),
            // A reset comes behind everything that it said.
            Err(error) if gone || error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// Gathers a packet; it goes out with the next `flush`.
    pub(super) async fn put(&mut self, command: u8, parts: &[&[u8]]) -> Result<(), Trouble> {
        let length = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
        let octets = u32::try_from(length).unwrap_or(u32::MAX);
        if length > SENT_MAX + 1 {
            let words = format!("{} needs {length} octets in one packet", self.step);
            return Err(Trouble::Unfit(words));
        }
        self.out.extend_from_slice(&octets.to_be_bytes());
        self.out.push(command);
        for part in parts {
            self.out.extend_from_slice(part);
        }
        if self.out.len() >= OUT_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends what was gathered.
    pub(super) async fn flush(&mut self) -> Result<(), Trouble> {
        let sent = self.wire.write_all(&self.out).await;
        self.out.clear();
        let step = self.step;
        sent.map_err(|error| Trouble::Broken(format!("{} (at {step})", plain::io(&error))))
    }

    /// The next answer.
    pub(super) async fn next(&mut self) -> Result<Packet, Trouble> {
        self.flush().await?;
        self.read += 1;
        if self.read > PACKETS_MAX {
            return Err(self.garbage("it does not come to an end"));
        }
        let mut head = [0; 4];
        let got = self.wire.read_exact(&mut head).await;
        got.map_err(|error| self.broken(&error))?;
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        if length == 0 || length > PACKET_MAX {
            let seen = clean_bytes(&head, SCAN_WORDS_MAX);
            let words = format!("a packet of {length} octets (it begins with \"{seen}\")");
            return Err(self.garbage(&words));
        }
        let code = self.wire.read_u8().await;
        let code = code.map_err(|error| self.broken(&error))?;
        // Grown as it comes: a length alone takes no memory.
        let mut text = Vec::new();
        let rest = u64::try_from(length - 1).unwrap_or(u64::MAX);
        let got = (&mut self.wire).take(rest).read_to_end(&mut text).await;
        got.map_err(|error| self.broken(&error))?;
        if text.len() + 1 < length {
            return Err(self.broken(&std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Packet { code, text })
    }

    pub(super) fn garbage(&self, words: &str) -> Trouble {
        Trouble::Garbage(format!("{words} (at {})", self.step))
    }

    fn unasked(&self) -> Trouble {
        self.garbage("an answer that nobody asked for; nothing that it says is believed")
    }

    /// A packet that has no place here.
    pub(super) fn unexpected(&self, packet: &Packet) -> Trouble {
        let code = clean_bytes(&[packet.code], 1);
        self.garbage(&format!("a packet \"{code}\" that has no place here"))
    }

    fn broken(&self, error: &std::io::Error) -> Trouble {
        let step = self.step;
        Trouble::Broken(if error.kind() == std::io::ErrorKind::UnexpectedEof {
            format!("it closed instead of answering (at {step})")
        } else {
            format!("{} (at {step})", plain::io(error))
        })
    }
}

impl<'a> Parts<'a> {
    /// Four octets.
    pub(super) fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    /// Up to its NUL.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.0)?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        Some(text)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
