//! ClamAV's daemon: INSTREAM and PING, in their NUL-terminated form (clamd(8), "COMMANDS").
//!
//! The mail goes over in chunks with their length in front and ends with a length of nought; the answer is one line:
//! `stream: OK`, `stream: NAME FOUND` or `... ERROR`. clamd may answer and close before it has read all of it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::socket::{Duplex, connect};
use super::{Opinion, ScanMail, Trouble};
use crate::base::limit::SCAN_WORDS_MAX;
use crate::base::text::clean_bytes;
use crate::config::ScannerConf;

/// Octets of an answer: longer ones are garbage.
const LINE_MAX: usize = 4_096;

/// Asks about a mail.
pub(super) async fn scan(conf: &ScannerConf, mail: &ScanMail<'_>) -> Result<Opinion, Trouble> {
    let mut wire = connect(&conf.address).await?;
    let sent = send(&mut *wire, mail).await;
    // An answer that came early is worth more than the end of the line.
    let line = match (sent, read_line(&mut *wire).await) {
        (Err(unread @ Trouble::Unread(_)), _) => return Err(unread),
        (Ok(()), line) => line?,
        (Err(_), Ok(line)) => line,
        (Err(sent), Err(_)) => return Err(sent),
    };
    opinion(&line)
}

/// Whether it answers.
pub(super) async fn ping(conf: &ScannerConf) -> Result<String, Trouble> {
    let mut wire = connect(&conf.address).await?;
    let asked = wire.write_all(b"zPING\0").await;
    asked.map_err(|error| Trouble::Broken(error.to_string()))?;
    let line = read_line(&mut *wire).await?;
    if line == b"PONG" {
        Ok("PONG".to_owned())
    } else {
        Err(Trouble::Garbage(clean_bytes(&line, SCAN_WORDS_MAX)))
    }
}

async fn send(wire: &mut dyn Duplex, mail: &ScanMail<'_>) -> Result<(), Trouble> {
    let broken = |error: std::io::Error| Trouble::Broken(error.to_string());
    wire.write_all(b"zINSTREAM\0").await.map_err(broken)?;
    let mut octets = mail.body.open();
    loop {
        let chunk = octets.next().await;
        let Some(chunk) = chunk.map_err(|error| Trouble::Unread(error.to_string()))? else {
            break;
        };
        // A length of nought would be the end.
        if chunk.is_empty() {
            continue;
        }
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        wire.write_all(&length.to_be_bytes())
            .await
            .map_err(broken)?;
        wire.write_all(&chunk).await.map_err(broken)?;
    }
    wire.write_all(&[0; 4]).await.map_err(broken)?;
    wire.flush().await.map_err(broken)
}

/// Up to its NUL, or to the end of the connection.
async fn read_line(wire: &mut dyn Duplex) -> Result<Vec<u8>, Trouble> {
    let (mut line, mut part) = (Vec::new(), [0; 512]);
    loop {
        let read = wire.read(&mut part).await;
        let read = read.map_err(|error| Trouble::Broken(error.to_string()))?;
        let octets = part.get(..read).unwrap_or_default();
        if let Some(end) = memchr::memchr(0, octets) {
            line.extend_from_slice(octets.get(..end).unwrap_or_default());
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
    let shown = clean_bytes(line, SCAN_WORDS_MAX);
    if line == b"stream: OK" {
        return Ok(Opinion::Clean);
    }
    let found = shown.strip_prefix("stream: ");
    if let Some(name) = found.and_then(|rest| rest.strip_suffix(" FOUND"))
        && !name.is_empty()
    {
        return Ok(Opinion::Infected(name.to_owned()));
    }
    match shown.strip_suffix("ERROR") {
        Some(why) => Err(Trouble::Unable(why.trim().trim_end_matches('.').to_owned())),
        None => Err(Trouble::Garbage(shown)),
    }
}
