//! Many mails over one connection: clamd's IDSESSION, in which each answer begins with the number of its command.
//!
//! A connection that goes on has no end that shows that clamd had read all of what it calls clean. So each mail is followed
//! by a PING: its PONG comes when the octets before it were read to their end. Without it OK is not believed.
//! Not here: who speaks like this, and what becomes of the connection afterwards (`kept`).

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::{END, LINE_MAX, broken, early_opinion, opinion, send, unread};
use crate::base::limit::{SCAN_SESSION_MAILS, SCAN_WORDS_MAX};
use crate::base::text::clean_bytes;
use crate::config::ScannerConf;
use crate::scan::socket::{Answers, connect_halves};
use crate::scan::{Opinion, ScanMail, Trouble};

/// One connection.
pub(in crate::scan) struct Session {
    lines: Lines,
    writing: Box<dyn AsyncWrite + Send + Unpin>,
    mails: u32,
    /// The last mail was answered to its end, and nothing more came.
    done: bool,
}

/// Answers, and what came behind them.
struct Lines {
    reading: Box<dyn Answers>,
    came: Vec<u8>,
    /// Something came since the last mail.
    heard: bool,
}

impl Session {
    /// Opens it; what makes it a session goes out with the first mail.
    pub(super) async fn open(conf: &ScannerConf) -> Result<Self, Trouble> {
        let (reading, writing) = connect_halves(&conf.address).await?;
        Ok(Self {
            lines: Lines {
                reading,
                came: Vec::new(),
                heard: false,
            },
            writing,
            mails: 0,
            done: true,
        })
    }

    /// Whether anything was said about the last mail.
    pub(super) fn heard(&self) -> bool {
        self.lines.heard
    }

    /// Whether another mail may go over it.
    pub(super) fn is_good(&self) -> bool {
        self.done && self.mails < SCAN_SESSION_MAILS
    }

    /// Whether it is still open and silent, as far as is known here.
    pub(super) fn is_quiet(&mut self) -> impl Future<Output = bool> {
        let reading = &mut self.lines.reading;
        poll_fn(move |context| {
            let mut octet = [0; 1];
            let polled = Pin::new(&mut *reading).poll_read(context, &mut ReadBuf::new(&mut octet));
            Poll::Ready(polled.is_pending())
        })
    }

    /// Asks about a mail.
    pub(super) async fn ask(&mut self, mail: &ScanMail<'_>) -> Result<Opinion, Trouble> {
        let command: &[u8] = match self.mails {
            0 => b"zIDSESSION\0zINSTREAM\0",
            _ => b"zINSTREAM\0",
        };
        // Two commands a mail, and the first of a session has the number 1.
        let own = self.mails * 2 + 1;
        self.mails += 1;
        self.done = false;
        self.lines.heard = false;
        let (lines, writing) = (&mut self.lines, &mut self.writing);
        let sent = {
            let mut early = pin!(lines.next());
            // As without a session: what is there before the end went out was not said about the whole mail.
            tokio::select! {
                biased;
                early = &mut early => return early_answer(&early?, own),
                sent = send(writing, mail, command, ENDS) => sent,
            }
        };
        match sent {
            Ok(()) => {}
            Err(unread @ Trouble::Unread(_)) => return Err(unread),
            Err(sent) => {
                return match lines.next().await {
                    Ok(line) => early_answer(&line, own),
                    Err(garbage @ Trouble::Garbage(_)) => Err(garbage),
                    Err(_) => Err(sent),
                };
            }
        }
        let said = lines.answers(own).await?;
        self.done = said.1 && self.lines.came.is_empty();
        Ok(said.0)
    }
}

/// Behind the last octets of each mail.
const ENDS: &[u8] = b"\0\0\0\0zPING\0";
const _: () = assert!(ENDS.len() == END.len() + "zPING\0".len());

impl Lines {
    /// The opinion, and whether the PONG behind it came too. What was found needs none.
    async fn answers(&mut self, own: u32) -> Result<(Opinion, bool), Trouble> {
        let (mut clean, mut whole) = (false, false);
        while !(clean && whole) {
            let line = match self.next().await {
                Ok(line) => line,
                Err(Trouble::Broken(_)) if clean => return Err(unread()),
                Err(trouble) => return Err(trouble),
            };
            match numbered(&line)? {
                (number, said) if number == own && !clean => match opinion(said)? {
                    Opinion::Clean => clean = true,
                    found @ (Opinion::Infected(_)
                    | Opinion::Flagged(..)
                    | Opinion::Scored(_)
                    | Opinion::Filtered(_)
                    | Opinion::Excepted(_)) => return Ok((found, whole)),
                },
                // A clamd with threads says it while another one still looks at the mail.
                (number, b"PONG") if number == own + 1 && !whole => whole = true,
                _ => return Err(strange(&line)),
            }
            if self.came.is_empty() && !(clean && whole) {
                self.reading.hurry();
            }
        }
        Ok((Opinion::Clean, true))
    }

    /// The next one, without its NUL; who stops waiting loses nothing.
    async fn next(&mut self) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some(end) = memchr::memchr(0, &self.came) {
                let mut line: Vec<u8> = self.came.drain(..=end).collect();
                line.pop();
                return Ok(line);
            }
            if self.came.len() > LINE_MAX {
                return Err(Trouble::Garbage("it does not end".to_owned()));
            }
            let mut part = [0; 512];
            let read = self.reading.read(&mut part).await.map_err(broken)?;
            if read == 0 {
                return Err(Trouble::Broken(if self.came.is_empty() {
                    "it closed without an answer".to_owned()
                } else {
                    format!("after \"{}\"", clean_bytes(&self.came, SCAN_WORDS_MAX))
                }));
            }
            self.heard = true;
            self.came
                .extend_from_slice(part.get(..read).unwrap_or_default());
        }
    }
}

/// What was said before the mail had gone out to its end.
fn early_answer(line: &[u8], own: u32) -> Result<Opinion, Trouble> {
    match numbered(line)? {
        (number, said) if number == own => opinion(said).and_then(early_opinion),
        _ => Err(strange(line)),
    }
}

/// `7: stream: OK`
fn numbered(line: &[u8]) -> Result<(u32, &[u8]), Trouble> {
    let read = || {
        let colon = memchr::memchr(b':', line)?;
        let number = line.get(..colon)?;
        // As clamd writes it: a sign or a nought in front is none of its.
        let plain = number.first().is_some_and(|first| *first != b'0');
        let plain = plain && number.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        let said = line.get(colon..)?.strip_prefix(b": ")?;
        plain.then_some((number, said))
    };
    read().ok_or_else(|| strange(line))
}

fn strange(line: &[u8]) -> Trouble {
    let shown = clean_bytes(line, SCAN_WORDS_MAX);
    Trouble::Garbage(format!("it does not belong to what was asked: \"{shown}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_number_as_clamd_writes_it() {
        for (line, wanted) in [
            ("1: stream: OK", Some((1, "stream: OK"))),
            ("23: PONG", Some((23, "PONG"))),
            ("4294967295: x", Some((u32::MAX, "x"))),
            ("4294967296: x", None),
            ("stream: OK", None),
            ("+1: stream: OK", None),
            ("01: stream: OK", None),
            (" 1: stream: OK", None),
            ("1 : stream: OK", None),
            ("1:stream: OK", None),
            (": stream: OK", None),
            ("1", None),
            ("", None),
        ] {
            let wanted = wanted.map(|(number, said)| (number, said.as_bytes()));
            assert_eq!(numbered(line.as_bytes()).ok(), wanted, "case: {line}");
        }
    }
}
