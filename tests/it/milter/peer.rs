//! A scripted milter: it answers any command with any packets, or with octets that are none.
//!
//! The script is one function from a command to an answer; what it does not care for it lets go on. Everything it was
//! asked is kept. Not here: the server under test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub command: u8,
    pub text: Vec<u8>,
    /// The how manieth connection, from 1.
    pub connection: usize,
}

/// What it does then.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Goes on.
    GoOn,
    /// These packets.
    Say(Vec<Vec<u8>>),
    /// These octets, whatever they are.
    Raw(Vec<u8>),
    /// Says nothing and listens on.
    Nothing,
    /// Closes.
    Close,
    /// Says nothing any more.
    Silence,
}

type Script = dyn Fn(&Asked) -> Answer + Send + Sync;

/// Runs until it is dropped.
pub struct Filter {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

/// All changes.
pub const ACTIONS: u32 = 0x1ff;

/// A packet.
pub fn packet(code: u8, text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    let mut whole = u32::try_from(text.len() + 1)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    whole.push(code);
    whole.extend_from_slice(text);
    whole
}

/// What it agrees on.
pub fn terms(version: u32, actions: u32, steps: u32) -> Vec<u8> {
    packet(
        b'O',
        [version, actions, steps].map(u32::to_be_bytes).concat(),
    )
}

impl Asked {
    /// Its parts, each up to its NUL.
    pub fn parts(&self) -> Vec<String> {
        let text = self.text.strip_suffix(b"\0").unwrap_or(&self.text);
        let parts = text.split(|octet| *octet == 0);
        parts
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect()
    }
}

impl Answer {
    /// One packet.
    pub fn one(code: u8, text: impl AsRef<[u8]>) -> Self {
        Self::Say(vec![packet(code, text)])
    }

    /// These, and then it goes on.
    pub fn changes(packets: &[(u8, &[u8])]) -> Self {
        let packets = packets.iter().map(|(code, text)| packet(*code, text));
        Self::Say(packets.chain([packet(b'c', "")]).collect())
    }
}

impl Filter {
    /// Lets everything go on.
    pub async fn mild() -> Self {
        Self::scripted(|_| Answer::GoOn).await
    }

    /// Does this at the end of each mail.
    pub async fn at_end(packets: &[(u8, &[u8])]) -> Self {
        let answer = Answer::changes(packets);
        Self::scripted(move |asked| match asked.command {
            b'E' => answer.clone(),
            _ => Answer::GoOn,
        })
        .await
    }

    /// Answers as the script says; the negotiation too, if the script cares.
    pub async fn scripted(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        Self::on(listener, script)
    }

    /// At an address that is known already.
    pub fn on(
        listener: TcpListener,
        script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, script): (_, Arc<Script>) = (Arc::clone(&asked), Arc::new(script));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut sessions = JoinSet::new();
            for connection in 1.. {
                let Ok((wire, _)) = listener.accept().await else {
                    return;
                };
                let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
                sessions.spawn(async move {
                    serve(wire, connection, &kept, &*script).await.ok();
                });
            }
        });
        Self {
            address,
            asked,
            _tasks: tasks,
        }
    }

    /// Its section of the configuration.
    pub fn section(&self, name: &str, more: &str) -> String {
        format!(
            "[[scanner]]\nname = \"{name}\"\nkind = \"milter\"\naddress = \"{}\"\n{more}\n",
            self.address
        )
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Those of one command.
    pub fn asked_for(&self, command: u8) -> Vec<Asked> {
        let mut all = self.asked();
        all.retain(|asked| asked.command == command);
        all
    }

    /// The commands, as they came.
    pub fn dialog(&self) -> String {
        self.asked()
            .iter()
            .map(|one| char::from(one.command))
            .collect()
    }
}

async fn serve(
    mut wire: TcpStream,
    connection: usize,
    kept: &Mutex<Vec<Asked>>,
    script: &Script,
) -> std::io::Result<()> {
    let mut silent = 0;
    loop {
        let length = wire.read_u32().await?;
        let mut text = vec![0; length as usize];
        wire.read_exact(&mut text).await?;
        let command = text.remove(0);
        let asked = Asked {
            command,
            text,
            connection,
        };
        kept.lock().unwrap().push(asked.clone());
        if command == b'Q' {
            return Ok(());
        }
        let answer = script(&asked);
        let usual = match command {
            b'O' => terms(6, ACTIONS, 0),
            b'D' | b'A' => Vec::new(),
            _ => packet(b'c', ""),
        };
        // What was agreed not to be answered is the script's business.
        let octets = match answer {
            Answer::GoOn if silent == 0 => usual,
            Answer::Say(packets) => packets.concat(),
            Answer::Raw(octets) => octets,
            Answer::GoOn | Answer::Nothing => Vec::new(),
            Answer::Close => return Ok(()),
            Answer::Silence => {
                silent += 1;
                Vec::new()
            }
        };
        wire.write_all(&octets).await?;
    }
}

/// An address whose connections reach `filter`, and stay open on our side whatever it does.
pub async fn open_behind(filter: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(filter).await.expect("connects");
            let (mut from, to) = near.into_split();
            let (mut behind, mut its) = far.into_split();
            let to = Arc::new(tokio::sync::Mutex::new(to));
            kept.push(Arc::clone(&to));
            tokio::spawn(async move { tokio::io::copy(&mut from, &mut its).await });
            tokio::spawn(async move {
                let mut to = to.lock().await;
                tokio::io::copy(&mut behind, &mut *to).await
            });
        }
    });
    address
}
