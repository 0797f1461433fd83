//! The demo's scanners: two small loopback servers that speak clamd's and rspamd's protocols, so that the real clients
//! talk to them.
//!
//! They decide by nothing but what comes over the wire: EICAR's test file in any part, or `virus@` in the To field;
//! GTUBE in the text, or `spam@` in a Rcpt field of rspamd's request. The server knows nothing of it: they are ordinary
//! `[[scanner]]`s of the demo's configuration. Not here: what the server makes of the answers (`scan`, `policy`).

use std::net::{Ipv4Addr, SocketAddr};

use mail_parser::{Message, MessageParser};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
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
/// The harmless text that every spam filter reports.
const GTUBE: [&str; 2] = [
    "XJS*C4JDBQADN1.NSBN3*2IDNEN*",
    "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X",
];
/// Octets of a line, and lines, of a request's head.
const HEAD_MAX: u64 = 16 << 10;
/// Who gets spam in the demo.
const SPAM: &str = "spam@demo.test";
/// Who gets viruses in the demo.
const VIRUS: &str = "virus@demo.test";

/// Starts clamd's stand-in on any free loopback port.
///
/// # Errors
/// No port.
pub async fn clamd() -> std::io::Result<SocketAddr> {
    clamd_at((Ipv4Addr::LOCALHOST, 0).into()).await
}

/// The same at an address.
///
/// # Errors
/// It is taken.
pub async fn clamd_at(address: SocketAddr) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that breaks off is its own affair.
            tokio::spawn(async move { drop(answer(stream).await) });
        }
    });
    Ok(address)
}

/// Starts rspamd's stand-in on any free loopback port.
///
/// # Errors
/// No port.
pub async fn rspamd() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { drop(reply(stream).await) });
        }
    });
    Ok(address)
}

/// One request a connection, its text with a Content-Length.
async fn reply(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let left = HEAD_MAX.saturating_sub(head.len() as u64);
        let mut limited = (&mut stream).take(left);
        if limited.read_until(b'\n', &mut head).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let fields = || {
        head.lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
    };
    let length = fields().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: u64 = length
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let (status, body) = if head.starts_with("GET /ping ") {
        ("200 OK", "pong\r\n".to_owned())
    } else if head.starts_with("POST /checkv2 ") {
        let mut text = Vec::new();
        (&mut stream).take(length).read_to_end(&mut text).await?;
        let to = fields().filter(|(name, _)| name.eq_ignore_ascii_case("rcpt"));
        let to: Vec<&str> = to.map(|(_, value)| value).collect();
        ("200 OK", thinks(&text, &to))
    } else {
        ("404 Not found", r#"{"error":"invalid command"}"#.to_owned())
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(answer.as_bytes()).await
}

/// What rspamd would answer.
fn thinks(text: &[u8], to: &[&str]) -> String {
    let finder = memchr::memmem::find(text, GTUBE.concat().as_bytes());
    let (action, score, symbol, meaning) = if finder.is_some() {
        ("reject", 15.0, "GTUBE", "the test text of spam filters")
    } else if to.iter().any(|to| to.eq_ignore_ascii_case(SPAM)) {
        ("reject", 15.2, "DEMO_SPAM", "the demo's recipient of spam")
    } else {
        ("no action", 0.1, "DEMO_HAM", "nothing that the demo knows")
    };
    serde_json::json!({
        "action": action, "score": score, "required_score": 15.0, "is_skipped": false,
        "symbols": { symbol: { "name": symbol, "score": score, "description": meaning } },
    })
    .to_string()
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

    #[tokio::test]
    async fn rspamds_stand_in_looks_at_the_recipients_and_at_the_text() {
        let address = rspamd().await.unwrap();
        let gtube = GTUBE.concat();
        for (request, wanted) in [
            ("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "pong"),
            (
                "POST /checkv2 HTTP/1.1\r\nRcpt: Spam@demo.test\r\nContent-Length: 1\r\n\r\nx"
                    .to_owned(),
                "DEMO_SPAM",
            ),
            (
                "POST /checkv2 HTTP/1.1\r\nRcpt: a@demo.test\r\ncontent-length: 1\r\n\r\nx"
                    .to_owned(),
                "no action",
            ),
            (
                format!(
                    "POST /checkv2 HTTP/1.1\r\nContent-Length: {}\r\n\r\n{gtube}",
                    gtube.len()
                ),
                "GTUBE",
            ),
            ("POST /other HTTP/1.1\r\n\r\n".to_owned(), "invalid command"),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains(wanted), "case: {request} gave {answer}");
        }
    }

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
