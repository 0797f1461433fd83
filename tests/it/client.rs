//! A raw SMTP client: it sends exactly the bytes it is told to, and waits for one reply at a time.
//!
//! Every wait ends after `DEADLINE` of real time, with what was waited for; the moved clock has no say here.
//! Not here: the remote that we deliver to (`remote`).

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postwerk::base::clock::Clock;
use postwerk::net::tls::Anybody;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpSocket, TcpStream};

use crate::DEADLINE;

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// One connection to the server under test.
pub struct Client {
    wire: BufStream<Box<dyn Wire>>,
}

/// One whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub lines: Vec<String>,
}

impl Client {
    /// Connects and expects 220.
    pub async fn connect(to: SocketAddr) -> Self {
        let (client, banner) = Self::open(TcpStream::connect(to).await.expect("connects")).await;
        assert_eq!(banner.code, 220, "banner: {banner:?}");
        client
    }

    /// Connects from another loopback address, and gives whatever banner comes.
    pub async fn connect_from(from: &str, to: SocketAddr) -> (Self, Reply) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind(SocketAddr::new(from.parse().expect("an address"), 0))
            .expect("loopback");
        Self::open(socket.connect(to).await.expect("connects")).await
    }

    async fn open(stream: TcpStream) -> (Self, Reply) {
        stream.set_nodelay(true).expect("nodelay");
        let mut client = Self {
            wire: BufStream::new(Box::new(stream)),
        };
        let banner = client.reply().await;
        (client, banner)
    }

    /// Connects, says EHLO and expects 250.
    pub async fn hello(to: SocketAddr) -> Self {
        let mut client = Self::connect(to).await;
        let reply = client.cmd("EHLO client.example").await;
        assert_eq!(reply.code, 250, "EHLO: {reply:?}");
        client
    }

    /// Sends these bytes and nothing else.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.write_all(bytes.as_ref()).await.expect("sent");
        self.wire.flush().await.expect("sent");
    }

    /// Sends a line and reads one reply.
    pub async fn cmd(&mut self, line: &str) -> Reply {
        self.send(format!("{line}\r\n")).await;
        self.reply().await
    }

    /// The next reply; panics when the connection ends first.
    pub async fn reply(&mut self) -> Reply {
        self.next_reply()
            .await
            .expect("a reply before the connection ends")
    }

    /// The next reply, or none when the connection has ended.
    pub async fn next_reply(&mut self) -> Option<Reply> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.wire.read_line(&mut line);
            let n = Clock::system()
                .timeout(DEADLINE, read)
                .await
                .expect("a reply in time")
                .unwrap_or(0);
            if n == 0 {
                return None;
            }
            let line = line.trim_end_matches(['\r', '\n']);
            let code = line.get(..3).and_then(|c| c.parse().ok()).unwrap_or(0);
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Some(Reply { code, lines });
            }
        }
    }

    /// Whether the server has closed, after whatever it still said.
    pub async fn closed(&mut self) -> bool {
        while self.next_reply().await.is_some() {}
        true
    }

    /// MAIL, RCPT and DATA up to the final reply; the first refusal ends it.
    pub async fn mail(&mut self, from: &str, to: &[&str], text: &str) -> Reply {
        let reply = self.cmd(&format!("MAIL FROM:<{from}>")).await;
        if reply.code != 250 {
            return reply;
        }
        for to in to {
            let reply = self.cmd(&format!("RCPT TO:<{to}>")).await;
            if reply.code != 250 {
                return reply;
            }
        }
        self.data(text).await
    }

    /// DATA and a text whose lines end with CRLF; dots are doubled here.
    pub async fn data(&mut self, text: &str) -> Reply {
        let reply = self.cmd("DATA").await;
        if reply.code != 354 {
            return reply;
        }
        self.send(stuffed(text)).await;
        self.reply().await
    }

    /// STARTTLS, and EHLO again inside; no certificate is checked.
    pub async fn starttls(mut self) -> Self {
        let reply = self.cmd("STARTTLS").await;
        assert_eq!(reply.code, 220, "STARTTLS: {reply:?}");
        let mut client = Self::wrapped(self.wire.into_inner()).await;
        assert_eq!(client.cmd("EHLO client.example").await.code, 250);
        client
    }

    /// Implicit TLS.
    pub async fn connect_tls(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.expect("connects");
        let mut client = Self::wrapped(Box::new(stream)).await;
        assert_eq!(client.reply().await.code, 220);
        client
    }

    async fn wrapped(stream: Box<dyn Wire>) -> Self {
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = tokio_rustls::TlsConnector::from(Arc::new(blind()));
        let stream = Clock::system()
            .timeout(DEADLINE, connector.connect(name, stream))
            .await
            .expect("a handshake in time")
            .expect("a handshake");
        Self {
            wire: BufStream::new(Box::new(stream)),
        }
    }

    /// AUTH PLAIN.
    pub async fn login(&mut self, name: &str, password: &str) -> Reply {
        let text = STANDARD.encode(format!("\0{name}\0{password}"));
        self.cmd(&format!("AUTH PLAIN {text}")).await
    }
}

impl Reply {
    /// All its text, for `contains`.
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The queue id in a 250.
    pub fn queue_id(&self) -> String {
        let text = self.text();
        text.split(|c: char| !c.is_ascii_hexdigit())
            .find(|word| word.len() == 16)
            .unwrap_or_else(|| panic!("no queue id in {self:?}"))
            .to_owned()
    }
}

/// Dots doubled, with the final dot.
pub fn stuffed(text: &str) -> String {
    let text = text.replace("\r\n.", "\r\n..");
    let text = if text.starts_with('.') {
        format!(".{text}")
    } else {
        text
    };
    let end = if text.ends_with("\r\n") || text.is_empty() {
        ""
    } else {
        "\r\n"
    };
    format!("{text}{end}.\r\n")
}

/// A mail with all its fields, whose text names it.
pub fn letter(tag: &str) -> String {
    format!(
        "From: <a@sender.example>\r\nTo: <b@example.org>\r\nDate: Sat, 21 Nov 2026 20:00:00 +0000\r\n\
         Message-ID: <{tag}@sender.example>\r\nSubject: {tag}\r\n\r\nHello {tag}\r\n"
    )
}

fn blind() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // Whom we talk to is not what is tested.
    let anybody = Anybody(Arc::clone(&provider));
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(anybody))
        .with_no_client_auth()
}
