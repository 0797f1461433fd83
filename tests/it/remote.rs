//! A scripted remote MTA: it answers anything to any command, and breaks the line at any byte.
//!
//! The script is one function from what was asked to an answer; what it does not care for is answered as a well-behaved
//! server would. What it accepted is kept with its envelope, un-dot-stuffed. Not here: our own side of anything.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use postwerk::base::clock::Clock;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::DEADLINE;

/// What the remote was asked.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// `CONNECT`, `EHLO`, `STARTTLS`, `MAIL`, `RCPT`, `DATA`, `DOT` (the mail came whole), `QUIT`, …
    pub verb: &'a str,
    /// The whole line without its CRLF.
    pub line: &'a str,
    /// The how manieth of its verb, over all connections, from 1.
    pub nth: usize,
    /// The how manieth connection, from 1.
    pub connection: usize,
}

/// What it does then.
#[derive(Clone, Debug)]
pub enum Answer {
    /// As a well-behaved server would.
    Usual,
    /// These lines, without the last CRLF.
    Say(&'static str),
    /// The first octets of these lines, then the line breaks.
    Break(&'static str, usize),
    /// The usual answer, but the line breaks after so many octets of the mail that follows.
    BreakInMail(usize),
    /// Nothing, until the other side gives up.
    Silence,
}

/// What it accepted.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
    pub tls: bool,
    pub connection: usize,
}

type Script = dyn Fn(&Asked<'_>) -> Answer + Send + Sync;

/// Runs until it is dropped.
pub struct Remote {
    pub address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    script: Box<Script>,
    words: &'static [&'static str],
    tls: Option<tokio_rustls::TlsAcceptor>,
    counts: Mutex<HashMap<String, usize>>,
    lines: Mutex<Vec<String>>,
    mails: watch::Sender<Vec<Mail>>,
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

const WORDS: &[&str] = &[
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "SIZE 104857600",
];

impl Remote {
    /// Takes everything.
    pub async fn friendly() -> Self {
        Self::scripted(|_| Answer::Usual).await
    }

    /// Answers as the script says.
    pub async fn scripted(script: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(script, WORDS, None).await
    }

    /// Takes everything, at an address of loopback that the test chose.
    pub async fn friendly_at(address: SocketAddr) -> Self {
        Self::start_at(address, |_| Answer::Usual, WORDS, None).await
    }

    /// With other extensions in its EHLO.
    pub async fn with_words(words: &'static [&'static str]) -> Self {
        Self::start(|_| Answer::Usual, words, None).await
    }

    /// Without any, so that it is asked step by step.
    pub async fn bare(script: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(script, &[], None).await
    }

    /// Offers STARTTLS with a certificate that nobody signed; its PEM comes back.
    pub async fn with_tls(
        script: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("a certificate");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let remote = Self::start(script, WORDS, Some(acceptor)).await;
        (remote, made.cert.pem())
    }

    async fn start(
        script: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
        words: &'static [&'static str],
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), script, words, tls).await
    }

    async fn start_at(
        address: SocketAddr,
        script: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
        words: &'static [&'static str],
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State {
            script: Box::new(script),
            words,
            tls,
            counts: Mutex::default(),
            lines: Mutex::default(),
            mails: watch::Sender::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            _tasks: tasks,
        }
    }

    /// Waits for so many mails, and gives all that came.
    pub async fn mails(&self, least: usize) -> Vec<Mail> {
        let mut seen = self.state.mails.subscribe();
        let wait = seen.wait_for(|mails| mails.len() >= least);
        match Clock::system().timeout(DEADLINE, wait).await {
            Ok(got) => got.expect("the remote lives").clone(),
            Err(_) => panic!(
                "waited for {least} mails; came: {:?}\nasked: {:#?}",
                self.so_far(),
                self.lines()
            ),
        }
    }

    /// What came so far.
    pub fn so_far(&self) -> Vec<Mail> {
        self.state.mails.borrow().clone()
    }

    /// Every command line so far, of all connections.
    pub fn lines(&self) -> Vec<String> {
        self.state.lines.lock().expect("unpoisoned").clone()
    }

    /// How often a verb was asked.
    pub fn asked(&self, verb: &str) -> usize {
        let counts = self.state.counts.lock().expect("unpoisoned");
        counts.get(verb).copied().unwrap_or(0)
    }
}

impl State {
    fn ask(&self, verb: &str, line: &str, connection: usize) -> Answer {
        let nth = {
            let mut counts = self.counts.lock().expect("unpoisoned");
            let count = counts.entry(verb.to_owned()).or_default();
            *count += 1;
            *count
        };
        self.lines.lock().expect("unpoisoned").push(line.to_owned());
        (self.script)(&Asked {
            verb,
            line,
            nth,
            connection,
        })
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    let mut sessions = JoinSet::new();
    let mut connection = 0;
    while let Ok((stream, _)) = listener.accept().await {
        connection += 1;
        let state = Arc::clone(&state);
        sessions.spawn(async move {
            // A broken line is what many tests are about; it ends the session and nothing else.
            drop(session(stream, state, connection).await);
        });
    }
}

/// One connection; an error is its end.
async fn session(
    stream: TcpStream,
    state: Arc<State>,
    connection: usize,
) -> Result<(), std::io::Error> {
    stream.set_nodelay(true)?;
    let mut wire: BufStream<Box<dyn Wire>> = BufStream::new(Box::new(stream));
    let mut mail = Mail {
        connection,
        ..Mail::default()
    };
    let banner = state.ask("CONNECT", "", connection);
    say(&mut wire, banner, "220 remote.example ESMTP").await?;
    loop {
        let mut line = Vec::new();
        if wire.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_uppercase();
        let answer = state.ask(&verb, &line, connection);
        match verb.as_str() {
            "EHLO" => {
                let usual = extensions(&state, mail.tls);
                say(&mut wire, answer, &usual).await?;
            }
            "STARTTLS" => {
                let usual = matches!(answer, Answer::Usual);
                say(&mut wire, answer, "220 2.0.0 go").await?;
                if let (true, Some(tls)) = (usual, &state.tls) {
                    let stream = tls.accept(wire.into_inner()).await?;
                    wire = BufStream::new(Box::new(stream));
                    mail.tls = true;
                }
            }
            "MAIL" => {
                mail.from = line.get(10..).unwrap_or_default().to_owned();
                mail.to.clear();
                say(&mut wire, answer, "250 2.1.0 ok").await?;
            }
            "RCPT" => {
                let said = say(&mut wire, answer, "250 2.1.5 ok").await?;
                if said.starts_with('2') {
                    mail.to.push(line.get(8..).unwrap_or_default().to_owned());
                }
            }
            "DATA" => data(&mut wire, &state, answer, &mut mail).await?,
            "QUIT" => {
                say(&mut wire, answer, "221 2.0.0 bye").await?;
                return Ok(());
            }
            _ => drop(say(&mut wire, answer, "250 2.0.0 ok").await?),
        }
    }
}

fn extensions(state: &State, tls: bool) -> String {
    let starttls = (state.tls.is_some() && !tls).then_some("STARTTLS");
    let words: Vec<&str> = state.words.iter().copied().chain(starttls).collect();
    let mut text = String::from("250-remote.example");
    for (n, word) in words.iter().enumerate() {
        let mark = if n + 1 == words.len() { ' ' } else { '-' };
        text.push_str(&format!("\r\n250{mark}{word}"));
    }
    if words.is_empty() {
        "250 remote.example".to_owned()
    } else {
        text
    }
}

async fn data(
    wire: &mut BufStream<Box<dyn Wire>>,
    state: &State,
    answer: Answer,
    mail: &mut Mail,
) -> Result<(), std::io::Error> {
    let most = match &answer {
        Answer::BreakInMail(most) => *most,
        Answer::Usual | Answer::Say(_) | Answer::Break(..) | Answer::Silence => usize::MAX,
    };
    // RFC 5321 section 3.3: without a recipient there is nothing to take.
    let usual = if mail.to.is_empty() {
        "554 5.5.1 no valid recipients"
    } else {
        "354 go"
    };
    if !say(wire, answer, usual).await?.starts_with("354") {
        return Ok(());
    }
    let mut raw = Vec::new();
    while !(raw.ends_with(b"\r\n.\r\n") || raw == b".\r\n") {
        if raw.len() >= most || wire.read_until(b'\n', &mut raw).await? == 0 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
    }
    raw.truncate(raw.len() - 3);
    let text = String::from_utf8_lossy(&raw).replace("\r\n.", "\r\n");
    mail.text = text.strip_prefix('.').unwrap_or(&text).to_owned();
    let answer = state.ask("DOT", ".", mail.connection);
    let kept = mail.clone();
    // The mail counts as taken when the answer says so, even when the line breaks inside that answer.
    if matches!(&answer, Answer::Usual) || said(&answer).starts_with('2') {
        state.mails.send_modify(|mails| mails.push(kept));
    }
    say(wire, answer, "250 2.0.0 kept").await?;
    Ok(())
}

fn said(answer: &Answer) -> &'static str {
    match answer {
        Answer::Say(text) | Answer::Break(text, _) => text,
        Answer::Usual | Answer::BreakInMail(_) | Answer::Silence => "",
    }
}

async fn say(
    wire: &mut BufStream<Box<dyn Wire>>,
    answer: Answer,
    usual: &str,
) -> Result<String, std::io::Error> {
    let (text, most) = match answer {
        Answer::Usual | Answer::BreakInMail(_) => (usual, usize::MAX),
        Answer::Say(text) => (text, usize::MAX),
        Answer::Break(text, most) => (text, most),
        Answer::Silence => {
            let mut rest = Vec::new();
            while wire.read_until(b'\n', &mut rest).await? > 0 {
                rest.clear();
            }
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
    };
    let line = format!("{text}\r\n");
    let cut = line.as_bytes().get(..most).unwrap_or(line.as_bytes());
    wire.write_all(cut).await?;
    wire.flush().await?;
    if cut.len() < line.len() {
        return Err(std::io::ErrorKind::BrokenPipe.into());
    }
    Ok(text.to_owned())
}
