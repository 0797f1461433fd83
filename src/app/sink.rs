//! The demo's outside world: an SMTP server that takes everything and answers as the recipient's name asks.
//!
//! `bounce@` 550 at RCPT; `defer@` 451 twice, then 250; `451@` always 451; `550@` 550 after the dot; `timeout@` closes
//! without a reply. Only the sink knows these names; the product never does. It keeps nothing but counts.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

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
}

/// Tries of a deferred recipient, by reverse-path and forward-path.
type Tries = Arc<Mutex<HashMap<(String, String), u32>>>;

impl Sink {
    /// Listens on any free loopback port.
    pub async fn start(clock: Clock) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (tell, arrived) = mpsc::channel(SHOWN_MAX);
        let tries = Tries::default();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let session = Session {
                    stream: BufReader::new(stream),
                    clock: clock.clone(),
                    tell: tell.clone(),
                    tries: Arc::clone(&tries),
                    from: String::new(),
                    to: Vec::new(),
                };
                // A client that breaks off is its own affair.
                tokio::spawn(async move { drop(session.run().await) });
            }
        });
        Ok(Self { address, arrived })
    }
}

struct Session {
    stream: BufReader<TcpStream>,
    clock: Clock,
    tell: mpsc::Sender<Arrived>,
    tries: Tries,
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
        let mut subject = String::new();
        let mut header = true;
        loop {
            let line = self.line().await?;
            if line == "." {
                break;
            }
            header = header && !line.is_empty();
            if let (true, Some(("Subject", value))) = (header, line.split_once(':')) {
                value.trim().clone_into(&mut subject);
            }
        }
        if self.to.iter().any(|address| address.starts_with("550@")) {
            return self.say("550 5.7.1 this content is not wanted").await;
        }
        let arrived = Arrived {
            from: self.from.clone(),
            to: std::mem::take(&mut self.to),
            subject,
        };
        // The demo has ended when nobody counts any more.
        drop(self.tell.send(arrived).await);
        self.say("250 2.0.0 kept").await
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let mut bytes = Vec::new();
        (&mut self.stream)
            .take(LINE_MAX)
            .read_until(b'\n', &mut bytes)
            .await?;
        if bytes.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&bytes)
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

/// What stands between the angle brackets.
fn path(argument: &str) -> String {
    let from = argument.find('<').map_or(0, |at| at + 1);
    let to = argument.rfind('>').unwrap_or(argument.len());
    argument.get(from..to).unwrap_or_default().to_owned()
}
