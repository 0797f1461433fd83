//! ClamAV's daemon: INSTREAM and PING, in their NUL-terminated form (clamd(8), "COMMANDS").
//!
//! The mail goes over in chunks with their length in front and ends with a length of nought; the answer is one line:
//! `stream: OK`, `stream: NAME FOUND` or `... ERROR`. clamd may answer and close before it has read all of it. A connection
//! a mail is what everything understands that calls itself clamd; one that is asked often and knows IDSESSION gets many
//! mails over each (`session`). Not here: when that is, and how long connections are kept (`kept`).

mod kept;
mod session;
#[cfg(test)]
mod sessions_tests;

use std::pin::pin;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::socket::connect;
use super::{Opinion, ScanMail, Trouble, signature};
use crate::base::clock::Clock;
use crate::base::limit::{SCAN_PROBE_TIMEOUT, SCAN_WORDS_MAX};
use crate::base::text::clean_bytes;
use crate::config::ScannerConf;
use crate::net::plain;
pub(super) use kept::Kept;
use session::Session;

/// Octets of an answer: longer ones are garbage.
const LINE_MAX: usize = 4_096;
/// The length that ends a mail.
const END: [u8; 4] = [0; 4];

/// Asks about a mail.
pub(super) async fn scan(
    conf: &ScannerConf,
    mail: &ScanMail<'_>,
    clock: &Clock,
    kept: &Kept,
) -> Result<Opinion, Trouble> {
    if kept.wants_to_know(clock.mono()) {
        let knows = clock.timeout(SCAN_PROBE_TIMEOUT, knows_sessions(conf));
        let knows = matches!(knows.await, Ok(Ok(true)));
        tracing::debug!(scanner = conf.name, knows, "whether it knows IDSESSION");
        kept.learned(knows);
    }
    if kept.has_sessions(clock.mono()) {
        let mut session = session(conf, kept).await?;
        let said = session.ask(mail).await;
        match &said {
            Ok(_) => {
                kept.give_back(session, clock.mono());
                return said;
            }
            Err(Trouble::Broken(_)) if !session.heard() => {
                // It went away before it said a word, as kept connections do: that is no answer about this mail.
                kept.forget();
            }
            Err(Trouble::Broken(_) | Trouble::Garbage(_)) => {
                kept.forget();
                return said;
            }
            Err(_) => return said,
        }
    }
    let said = scan_alone(conf, mail).await;
    kept.answered(said.is_ok(), clock.mono());
    said
}

/// A connection that waits, or a new one.
async fn session(conf: &ScannerConf, kept: &Kept) -> Result<Session, Trouble> {
    while let Some(mut session) = kept.take() {
        if session.is_quiet().await {
            return Ok(session);
        }
    }
    Session::open(conf).await
}

/// One mail, one connection.
async fn scan_alone(conf: &ScannerConf, mail: &ScanMail<'_>) -> Result<Opinion, Trouble> {
    let wire = connect(&conf.address).await?;
    let (mut reading, mut writing) = tokio::io::split(wire);
    let said = ask(&mut reading, &mut writing, mail).await?;
    if said == Opinion::Clean {
        ended(&mut reading).await?;
    }
    Ok(said)
}

/// What it says of its commands; asked over a connection of its own, because it may be something that knows no other
/// command than INSTREAM and then waits for a mail.
async fn knows_sessions(conf: &ScannerConf) -> Result<bool, Trouble> {
    let mut wire = connect(&conf.address).await?;
    wire.write_all(b"zVERSIONCOMMANDS\0")
        .await
        .map_err(broken)?;
    let line = read_line(&mut wire).await?;
    Ok(names_sessions(&line))
}

fn names_sessions(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let commands = line.split_once("COMMANDS:").map_or("", |(_, all)| all);
    let knows = |wanted| commands.split_ascii_whitespace().any(|one| one == wanted);
    knows("IDSESSION") && knows("INSTREAM") && knows("PING")
}

async fn ask(
    reading: &mut (impl AsyncRead + Unpin),
    writing: &mut (impl AsyncWrite + Unpin),
    mail: &ScanMail<'_>,
) -> Result<Opinion, Trouble> {
    let mut line = pin!(read_line(reading));
    // Read meanwhile, and first: it may stop reading and say why (StreamMaxLength), or have found enough; and what is there
    // before the end went out was not said about the whole mail.
    let sent = tokio::select! {
        biased;
        early = &mut line => return opinion(&early?).and_then(early_opinion),
        sent = send(writing, mail, b"zINSTREAM\0", &END) => sent,
    };
    match sent {
        Ok(()) => opinion(&line.await?),
        Err(unread @ Trouble::Unread(_)) => Err(unread),
        // It closed: what it said before is worth more than the end of the line.
        Err(sent) => match line.await {
            Ok(line) => opinion(&line).and_then(early_opinion),
            Err(garbage @ Trouble::Garbage(_)) => Err(garbage),
            Err(_) => Err(sent),
        },
    }
}

/// That a mail is sent tells only that the kernel has it. clamd closes behind its answer (no IDSESSION), and a close with
/// octets of the mail unread comes as a reset: only an orderly end shows that it had read all that it calls clean.
async fn ended(reading: &mut (impl AsyncRead + Unpin)) -> Result<(), Trouble> {
    match reading.read(&mut [0; 1]).await {
        Ok(0) => Ok(()),
        Ok(_) => Err(Trouble::Garbage("it goes on after its OK".to_owned())),
        Err(_) => Err(unread()),
    }
}

fn unread() -> Trouble {
    Trouble::Garbage("it said OK before it had the whole mail".to_owned())
}

/// Nothing was found in a part of the mail: that says nothing of the rest.
fn early_opinion(said: Opinion) -> Result<Opinion, Trouble> {
    match said {
        Opinion::Clean => Err(unread()),
        found @ (Opinion::Infected(_)
        | Opinion::Flagged(..)
        | Opinion::Scored(_)
        | Opinion::Filtered(_)
        | Opinion::Excepted(_)) => Ok(found),
    }
}

/// Whether it answers.
pub(super) async fn ping(conf: &ScannerConf) -> Result<String, Trouble> {
    let mut wire = connect(&conf.address).await?;
    wire.write_all(b"zPING\0").await.map_err(broken)?;
    let line = read_line(&mut wire).await?;
    if line == b"PONG" {
        Ok("PONG".to_owned())
    } else {
        Err(Trouble::Garbage(clean_bytes(&line, SCAN_WORDS_MAX)))
    }
}

/// The command, each chunk with its length, and the end; a mail of one chunk is one write.
async fn send(
    wire: &mut (impl AsyncWrite + Unpin),
    mail: &ScanMail<'_>,
    command: &[u8],
    end: &[u8],
) -> Result<(), Trouble> {
    let mut octets = mail.body.open();
    let mut next = async || loop {
        match octets.next().await {
            // A length of nought would be the end.
            Ok(Some(chunk)) if chunk.is_empty() => {}
            Ok(chunk) => return Ok(chunk),
            Err(error) => return Err(Trouble::Unread(error.to_string())),
        }
    };
    let mut before = command;
    let mut now = next().await?;
    loop {
        let chunk = now.unwrap_or_default();
        let following = if chunk.is_empty() {
            None
        } else {
            next().await?
        };
        let last = following.is_none();
        let after = if last { end } else { &[] };
        write(wire, before, chunk, after).await?;
        if last {
            break;
        }
        (before, now) = (&[], following);
    }
    wire.flush().await.map_err(broken)
}

async fn write(
    wire: &mut (impl AsyncWrite + Unpin),
    before: &[u8],
    chunk: Bytes,
    after: &[u8],
) -> Result<(), Trouble> {
    let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX).to_be_bytes();
    let length: &[u8] = if chunk.is_empty() { &[] } else { &length };
    let mut frame = Buf::chain(before, length).chain(chunk).chain(after);
    wire.write_all_buf(&mut frame).await.map_err(broken)
}

fn broken(error: std::io::Error) -> Trouble {
    Trouble::Broken(plain::io(&error).into_owned())
}

/// Up to its NUL, or to the end of the connection.
async fn read_line(wire: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Trouble> {
    let (mut line, mut part) = (Vec::new(), [0; 512]);
    loop {
        let read = wire.read(&mut part).await.map_err(broken)?;
        let octets = part.get(..read).unwrap_or_default();
        if let Some(end) = memchr::memchr(0, octets) {
            line.extend_from_slice(octets.get(..end).unwrap_or_default());
            if octets.len() > end + 1 {
                return Err(Trouble::Garbage("it goes on behind its end".to_owned()));
            }
            return Ok(line);
        }
        line.extend_from_slice(octets);
        if line.len() > LINE_MAX {
            return Err(Trouble::Garbage("it does not end".to_owned()));
        }
        if read == 0 {
            return Err(Trouble::Broken(if line.is_empty() {
                "it closed without an answer".to_owned()
            } else {
                format!("after \"{}\"", clean_bytes(&line, SCAN_WORDS_MAX))
            }));
        }
    }
}

fn opinion(line: &[u8]) -> Result<Opinion, Trouble> {
    if line == b"stream: OK" {
        return Ok(Opinion::Clean);
    }
    let found = line.strip_prefix(b"stream: ");
    if let Some(name) = found.and_then(|rest| rest.strip_suffix(b" FOUND")) {
        return signature::opinion(name);
    }
    let shown = clean_bytes(line, SCAN_WORDS_MAX);
    let Some(why) = shown.strip_suffix("ERROR") else {
        return Err(Trouble::Garbage(shown));
    };
    let why = why.trim().trim_end_matches('.');
    if why.contains("size limit exceeded") {
        let text = format!("{why}; set StreamMaxLength in clamd.conf to max_size of this scanner");
        return Err(Trouble::OverLimit(text));
    }
    Err(Trouble::Unable(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_garbage_is_no_answer() {
        for (line, wanted) in [
            ("stream: OK", Ok(Opinion::Clean)),
            (
                "stream: Eicar-Test-Signature FOUND",
                Ok(Opinion::Infected("Eicar-Test-Signature".to_owned())),
            ),
            (
                "stream: Win.Test(0123456789abcdef:68) FOUND",
                Ok(Opinion::Infected("Win.Test(0123456789abcdef:68)".to_owned())),
            ),
            (
                "INSTREAM size limit exceeded. ERROR",
                Err(Trouble::OverLimit(
                    "INSTREAM size limit exceeded; set StreamMaxLength in clamd.conf to max_size of this scanner"
                        .to_owned(),
                )),
            ),
            (
                "stream: Can't allocate memory ERROR",
                Err(Trouble::Unable("stream: Can't allocate memory".to_owned())),
            ),
            ("", Err(Trouble::Garbage(String::new()))),
            ("stream: ok", Err(Trouble::Garbage("stream: ok".to_owned()))),
            ("stream: OK ", Err(Trouble::Garbage("stream: OK ".to_owned()))),
            ("xstream: OK", Err(Trouble::Garbage("xstream: OK".to_owned()))),
            (
                "stream: (null) FOUND",
                Err(Trouble::Unable("it found something without a name (\"(null)\")".to_owned())),
            ),
            (
                "stream:  FOUND",
                Err(Trouble::Unable("it found something without a name (\"\")".to_owned())),
            ),
            ("stream: FOUND", Err(Trouble::Garbage("stream: FOUND".to_owned()))),
            ("UNKNOWN COMMAND", Err(Trouble::Garbage("UNKNOWN COMMAND".to_owned()))),
        ] {
            assert_eq!(opinion(line.as_bytes()), wanted, "case: {line}");
        }
    }

    #[tokio::test]
    async fn a_line_ends_with_its_nul_and_has_a_bound() {
        let mut whole: &[u8] = b"stream: OK\0";
        assert_eq!(read_line(&mut whole).await.unwrap(), b"stream: OK");
        let mut more: &[u8] = b"stream: OK\0stream: X FOUND\0";
        let read = read_line(&mut more).await;
        assert!(matches!(read, Err(Trouble::Garbage(_))), "{read:?}");
        let mut half: &[u8] = b"stream: O";
        assert!(
            matches!(read_line(&mut half).await, Err(Trouble::Broken(why)) if why.contains("stream: O"))
        );
        let mut none: &[u8] = b"";
        assert!(matches!(
            read_line(&mut none).await,
            Err(Trouble::Broken(_))
        ));
        let mut endless = tokio::io::repeat(b'a');
        assert!(matches!(
            read_line(&mut endless).await,
            Err(Trouble::Garbage(_))
        ));
    }

    #[tokio::test]
    async fn a_chunk_goes_over_with_its_length_in_front() {
        for (name, before, chunk, after, wanted) in [
            (
                "whole",
                "zINSTREAM\0",
                "ab",
                "\0\0\0\0",
                &b"zINSTREAM\0\0\0\0\x02ab\0\0\0\0"[..],
            ),
            ("middle", "", "ab", "", b"\0\0\0\x02ab"),
            (
                "empty",
                "zINSTREAM\0",
                "",
                "\0\0\0\0",
                b"zINSTREAM\0\0\0\0\0",
            ),
        ] {
            let mut out = Vec::new();
            let chunk = Bytes::from(chunk.to_owned());
            write(&mut out, before.as_bytes(), chunk, after.as_bytes())
                .await
                .unwrap();
            assert_eq!(out, wanted, "case: {name}");
        }
    }

    #[test]
    fn sessions_are_only_spoken_with_who_names_them() {
        for (name, line, wanted) in [
            (
                "clamd",
                "ClamAV 1.4.6/27000/Mon Nov 30 2026| COMMANDS: SCAN PING IDSESSION INSTREAM END",
                true,
            ),
            (
                "without signatures",
                "ClamAV 1.4.6| COMMANDS: PING IDSESSION INSTREAM",
                true,
            ),
            (
                "not that one",
                "x| COMMANDS: PING INSTREAM NOIDSESSION",
                false,
            ),
            (
                "before the list",
                "IDSESSION PING INSTREAM| COMMANDS: SCAN",
                false,
            ),
            ("no list", "IDSESSION PING INSTREAM", false),
            ("no clamd", "UNKNOWN COMMAND", false),
            ("an answer about a mail", "stream: OK", false),
        ] {
            assert_eq!(names_sessions(line.as_bytes()), wanted, "case: {name}");
        }
    }
}
