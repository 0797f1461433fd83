//! The demo's scanner: a small loopback server that speaks clamd's protocol, so that the real client talks to it.
//!
//! It decides by nothing but the text that comes over the wire: EICAR's test file in any part, or `virus@` in the To
//! field. The server knows nothing of it: it is an ordinary `[[scanner]]` of the demo's configuration.
//! Not here: what the server makes of the answers (`scan`, `policy`).

use std::net::{Ipv4Addr, SocketAddr};

use mail_parser::{Message, MessageParser};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Octets of a text that are looked at; of a longer one the beginning is.
const TEXT_MAX: usize = 32 << 20;
/// Octets of a command.
const COMMAND_MAX: usize = 64;
/// The harmless file that every scanner reports, in two pieces so that none reports this program.
const EICAR: [&str; 2] = [
    r"X5O!P%@AP[4\PZX54(P^)7CC)7}",
    "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
];
/// Who gets viruses in the demo.
const VIRUS: &str = "virus@demo.test";

/// Starts clamd's stand-in on any free loopback port.
///
/// # Errors
/// No port.
pub async fn clamd() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that breaks off is its own affair.
            tokio::spawn(async move { drop(answer(stream).await) });
        }
    });
    Ok(address)
}

/// One command a connection, as clamd has it outside of IDSESSION.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut command = Vec::new();
    while command.len() < COMMAND_MAX {
        match stream.read_u8().await? {
            0 => break,
            octet => command.push(octet),
        }
    }
    let said = match command.as_slice() {
        b"zPING" => "PONG".to_owned(),
        b"zVERSION" => "ClamAV 0 (the demo's)".to_owned(),
        b"zINSTREAM" => match found(&streamed(&mut stream).await?) {
            Some(name) => format!("stream: {name} FOUND"),
            None => "stream: OK".to_owned(),
        },
        _ => "UNKNOWN COMMAND".to_owned(),
    };
    stream.write_all(format!("{said}\0").as_bytes()).await
}

/// Chunks with their length in front, up to one of nought.
async fn streamed(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut text, mut part) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let mut left = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(text);
        }
        while left > 0 {
            let many = left.min(part.len());
            let room = part.get_mut(..many).unwrap_or_default();
            let read = stream.read_exact(room).await?;
            left = left.saturating_sub(read);
            if text.len() < TEXT_MAX {
                text.extend_from_slice(room);
            }
        }
    }
}

/// The name of what is in it.
fn found(text: &[u8]) -> Option<&'static str> {
    let eicar = EICAR.concat();
    let finder = memchr::memmem::Finder::new(&eicar);
    let mail = MessageParser::default().parse(text);
    let holds = |part: &mail_parser::MessagePart<'_>| finder.find(part.contents()).is_some();
    if finder.find(text).is_some() || mail.as_ref().is_some_and(|m| m.parts.iter().any(holds)) {
        return Some("Eicar-Test-Signature");
    }
    mail.filter(is_for_virus).map(|_| "Demo-Virus")
}

fn is_for_virus(mail: &Message<'_>) -> bool {
    let to = mail.to().into_iter().flat_map(|to| to.iter());
    to.filter_map(|one| one.address())
        .any(|address| address.eq_ignore_ascii_case(VIRUS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_over_the_wire_decides() {
        let eicar = EICAR.concat();
        let coded = {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(&eicar)
        };
        let attached = format!(
            "To: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{coded}\r\n"
        );
        for (text, wanted) in [
            (
                format!("To: a@b.example\r\n\r\n{eicar}\r\n"),
                Some("Eicar-Test-Signature"),
            ),
            (attached, Some("Eicar-Test-Signature")),
            (
                "To: V <Virus@demo.test>\r\n\r\nx\r\n".to_owned(),
                Some("Demo-Virus"),
            ),
            (
                "To: a@b.example\r\n\r\nvirus@demo.test\r\n".to_owned(),
                None,
            ),
            ("no mail at all".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(found(text.as_bytes()), wanted, "case: {text}");
        }
    }
}
