//! The demo's outside world: an SMTP server that takes everything and answers as the recipient's name asks.
//!
//! `bounce@` 550 at RCPT; `defer@` 451 twice, then 250; `451@` always 451; `550@` 550 after the dot; `timeout@` closes
//! without a reply; `loop@` is sent back to where it came from. Only the sink knows these names; the product never does.
//! What it takes goes into the demo's inbox, and nowhere else.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::demo::inbox::{Inbox, MAIL_MAX};
use crate::base::clock::Clock;

/// `timeout@` says nothing for so long.
const SILENCE: Duration = Duration::from_secs(10);
/// Tries that `defer@` refuses.
const DEFERS: u32 = 2;
/// Octets of a line that is looked at.
const LINE_MAX: u64 = 64 << 10;
/// Deliveries not yet shown.
const SHOWN_MAX: usize = 1_024;

/// One mail that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The reverse-path; empty: a DSN.
    pub from: String,
    /// Who got it.
    pub to: Vec<String>,
    /// Its Subject.
    pub subject: String,
}

/// A running sink.
#[derive(Debug)]
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    /// What arrives.
    pub arrived: mpsc::Receiver<Arrived>,
    back: Back,
}

/// Where `loop@` is sent back to, once that is known.
type Back = Arc<OnceLock<SocketAddr>>;

/// Tries of a deferred recipient, by reverse-path and forward-path.
type Tries = Arc<Mutex<HashMap<(String, String), u32>>>;

impl Sink {
    /// Listens on any free loopback port.
    pub async fn start(clock: Clock, inbox: Inbox) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (tell, arrived) = mpsc::channel(SHOWN_MAX);
        let (tries, back) = (Tries::default(), Back::default());
        let sends_back = Arc::clone(&back);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let session = Session {
                    stream: BufReader::new(stream),
                    clock: clock.clone(),
                    tell: tell.clone(),
                    tries: Arc::clone(&tries),
                    inbox: inbox.clone(),
                    back: Arc::clone(&sends_back),
                    from: String::new(),
                    to: Vec::new(),
                };
                // A client that breaks off is its own affair.
                tokio::spawn(async move { drop(session.run().await) });
            }
        });
        Ok(Self {
            address,
            arrived,
            back,
        })
    }

    /// From now on `loop@` really loops; the first address stays.
    pub fn send_back_to(&self, server: SocketAddr) {
        self.back.get_or_init(|| server);
    }
}

struct Session {
    stream: BufReader<TcpStream>,
    clock: Clock,
    tell: mpsc::Sender<Arrived>,
    tries: Tries,
    inbox: Inbox,
    back: Back,
    from: String,
    to: Vec<String>,
}

impl Session {
    async fn run(mut self) -> std::io::Result<()> {
        self.say("220 sink ESMTP the demo's outside world").await?;
        loop {
            let line = self.line().await?;
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "" => return Ok(()),
                "EHLO" | "HELO" => {
                    self.say("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES").await?;
                }
                "MAIL" => {
                    self.from = path(rest);
                    self.to.clear();
                    self.say("250 2.1.0 ok").await?;
                }
                "RCPT" => self.rcpt(path(rest)).await?,
                "DATA" if self.to.is_empty() => self.say("503 5.5.1 no recipient").await?,
                "DATA" => self.content().await?,
                "QUIT" => return self.say("221 2.0.0 bye").await,
                _ => self.say("250 2.0.0 ok").await?,
            }
        }
    }

    async fn rcpt(&mut self, address: String) -> std::io::Result<()> {
        let local = address
            .split('@')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        match local.as_str() {
            "bounce" => self.say("550 5.1.1 no such mailbox here").await,
            "451" => self.say("451 4.3.0 try again later").await,
            "timeout" => {
                self.clock.sleep(SILENCE).await;
                Err(std::io::ErrorKind::TimedOut.into())
            }
            "defer" if self.deferred(&address) => {
                self.say("451 4.7.1 not before the third try").await
            }
            _ => {
                self.to.push(address);
                self.say("250 2.1.5 ok").await
            }
        }
    }

    /// Whether this try of a `defer@` is still refused.
    fn deferred(&self, address: &str) -> bool {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let count = tries
            .entry((self.from.clone(), address.to_owned()))
            .or_default();
        *count += 1;
        if *count > DEFERS {
            *count = 0;
            return false;
        }
        true
    }

    async fn content(&mut self) -> std::io::Result<()> {
        self.say("354 go on").await?;
        let raw = self.text().await?;
        let to = std::mem::take(&mut self.to);
        let (back, to): (Vec<_>, Vec<_>) = to.into_iter().partition(|to| to.starts_with("loop@"));
        if to.iter().any(|address| address.starts_with("550@")) {
            return self.say("550 5.7.1 this content is not wanted").await;
        }
        if let (Some(&server), false) = (self.back.get(), back.is_empty()) {
            let from = self.from.clone();
            let raw = raw.clone();
            // It is a demo of a loop; one that breaks is no loop any more.
            tokio::spawn(async move { drop(send_back(server, &from, &back, &raw).await) });
        }
        if !to.is_empty() {
            let subject = self
                .inbox
                .keep(self.clock.wall(), &self.from, &to.join(", "), raw);
            let arrived = Arrived {
                from: self.from.clone(),
                to,
                subject,
            };
            // The demo has ended when nobody counts any more.
            drop(self.tell.send(arrived).await);
        }
        self.say("250 2.0.0 kept").await
    }

    /// The mail up to its final dot, as far as the inbox keeps it, with the dots of RFC 5321 section 4.5.2 taken away.
    async fn text(&mut self) -> std::io::Result<Vec<u8>> {
        let mut raw = Vec::new();
        let mut starts = true;
        loop {
            let line = self.octets().await?;
            if starts && line == b".\r\n" {
                return Ok(raw);
            }
            let plain = if starts {
                line.strip_prefix(b".").unwrap_or(&line)
            } else {
                &line
            };
            if raw.len() + plain.len() <= MAIL_MAX {
                raw.extend_from_slice(plain);
            }
            starts = line.ends_with(b"\n");
        }
    }

    async fn octets(&mut self) -> std::io::Result<Vec<u8>> {
        read_line(&mut self.stream).await
    }

    async fn line(&mut self) -> std::io::Result<String> {
        Ok(String::from_utf8_lossy(&self.octets().await?)
            .trim_end_matches(['\r', '\n'])
            .to_owned())
    }

    async fn say(&mut self, reply: &str) -> std::io::Result<()> {
        self.stream
            .get_mut()
            .write_all(format!("{reply}\r\n").as_bytes())
            .await
    }
}

/// One line, or `LINE_MAX` octets of it.
async fn read_line(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(LINE_MAX).read_until(b'\n', &mut bytes).await?;
    if bytes.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Plays the server that forwards a mail to where it came from.
async fn send_back(
    server: SocketAddr,
    from: &str,
    to: &[String],
    raw: &[u8],
) -> std::io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(server).await?);
    let mut commands = vec![
        String::new(),
        "EHLO forwarder.invalid\r\n".to_owned(),
        format!("MAIL FROM:<{from}>\r\n"),
    ];
    commands.extend(to.iter().map(|to| format!("RCPT TO:<{to}>\r\n")));
    commands.push("DATA\r\n".to_owned());
    for command in commands {
        stream.get_mut().write_all(command.as_bytes()).await?;
        // 220, 250, 354; the last line of a reply has a blank behind its code (RFC 5321 section 4.2).
        while read_line(&mut stream).await?.get(3) == Some(&b'-') {}
    }
    let mut stuffed = Vec::with_capacity(raw.len() + 8);
    for line in raw.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    stuffed.extend_from_slice(b".\r\n");
    stream.get_mut().write_all(&stuffed).await?;
    read_line(&mut stream).await?;
    stream.get_mut().write_all(b"QUIT\r\n").await
}

/// What stands between the angle brackets.
fn path(argument: &str) -> String {
    let from = argument.find('<').map_or(0, |at| at + 1);
    let to = argument.rfind('>').unwrap_or(argument.len());
    argument.get(from..to).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_stands_in_the_inbox_without_its_extra_dots() {
        let inbox = Inbox::default();
        let mut sink = Sink::start(Clock::system(), inbox.clone()).await.unwrap();
        let raw = b"Subject: dots\r\n\r\n.\r\n..two\r\nlast\r\n";
        let to = ["a@example.org".to_owned(), "b@example.org".to_owned()];
        send_back(sink.address, "c@example.org", &to, raw)
            .await
            .unwrap();
        let arrived = sink.arrived.recv().await.unwrap();
        assert_eq!((arrived.to.len(), arrived.subject.as_str()), (2, "dots"));
        let all = inbox.newest();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].raw, raw);
        assert_eq!(all[0].to, "a@example.org, b@example.org");
    }

    #[tokio::test]
    async fn a_loop_comes_back_to_where_it_was_sent_from_and_stays_out_of_the_inbox() {
        let inbox = Inbox::default();
        let sink = Sink::start(Clock::system(), inbox.clone()).await.unwrap();
        let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        sink.send_back_to(server.local_addr().unwrap());
        let to = ["loop@example.org".to_owned(), "a@example.org".to_owned()];
        let raw = b"Subject: again\r\n\r\n.\r\n";
        send_back(sink.address, "", &to, raw).await.unwrap();
        assert_eq!(inbox.newest()[0].to, "a@example.org");
        let mut stream = BufReader::new(server.accept().await.unwrap().0);
        let mut seen = Vec::new();
        for reply in ["220 x", "250-x\r\n250 y", "250 x", "250 x", "354 x"] {
            let reply = format!("{reply}\r\n");
            stream.get_mut().write_all(reply.as_bytes()).await.unwrap();
            seen.push(String::from_utf8(read_line(&mut stream).await.unwrap()).unwrap());
        }
        let wanted = "EHLO forwarder.invalid\r\nMAIL FROM:<>\r\nRCPT TO:<loop@example.org>\r\nDATA\r\nSubject: again\r\n";
        assert_eq!(seen.concat(), wanted);
    }
}
