//! Scripted scanners on the loopback: they answer anything, at any time, and break off anywhere.
//!
//! `Peer::clamd` speaks INSTREAM and PING, `Peer::http` plain HTTP (rspamd), `Peer::raw` nothing of itself (milters, and
//! every wrong protocol). Each takes its place: a free TCP port or a Unix socket, which can come back after a `stop`.
//! Not here: what the server makes of them.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use postwerk::base::clock::Clock;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::DEADLINE;

/// A connection to a peer, buffered for reading.
pub type Line = BufReader<Box<dyn Wire>>;

pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Where it listens.
#[derive(Clone, Debug)]
pub enum At {
    /// A free port.
    Tcp,
    /// This path.
    Unix(PathBuf),
}

/// What it does.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Says this as its protocol frames it (clamd: a line with its NUL; HTTP: a body of JSON).
    Say(String),
    /// Exactly these octets; then it closes.
    Octets(Vec<u8>),
    /// Nothing, until the other side gives up.
    Silence,
    /// Closes.
    Close,
    /// `a` so many times, or until the other side gives up.
    Flood(usize),
    /// This, as soon as the gate is open.
    After(Gate, Box<Self>),
}

/// Shut until it is opened.
#[derive(Clone, Debug, Default)]
pub struct Gate(watch::Sender<bool>);

/// One HTTP request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `POST /checkv2`
    pub line: String,
    /// Its fields, names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Runs until it is dropped or stopped.
pub struct Peer {
    /// As a configuration writes it.
    pub address: String,
    seen: Arc<Seen>,
    tasks: JoinSet<()>,
}

/// What it saw.
#[derive(Default)]
struct Seen {
    connections: watch::Sender<usize>,
    asked: watch::Sender<usize>,
    mails: Mutex<Vec<Vec<u8>>>,
}

type Served = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;
type Serve = dyn Fn(Line, Arc<Seen>) -> Served + Send + Sync;

/// What clamd says when nothing was found.
pub const OK: &str = "stream: OK";

/// clamd's answers to all mails.
pub fn clean() -> Answer {
    Answer::Say(OK.to_owned())
}

/// clamd's answer to this mail: EICAR or not.
pub fn eicar(mail: &[u8]) -> Answer {
    let found = mail
        .windows(EICAR_TEXT.len())
        .any(|part| part == EICAR_TEXT);
    let base64 = mail
        .windows(EICAR_BASE64.len())
        .any(|part| part == EICAR_BASE64);
    Answer::Say(if found || base64 {
        "stream: Eicar-Test-Signature FOUND".to_owned()
    } else {
        OK.to_owned()
    })
}

/// The middle of EICAR's file, in pieces, so that no scanner of somebody's machine takes this file for one.
const EICAR_TEXT: &[u8] = concat!("EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE").as_bytes();
/// The same as it stands in a base64 of the whole file.
const EICAR_BASE64: &[u8] = concat!("JEVJQ0FSLVNU", "QU5EQVJE").as_bytes();

/// EICAR's file.
pub fn eicar_file() -> String {
    format!(
        "X5O!P%@AP[4\\PZX54(P^)7CC)7}}${}!$H+H*",
        String::from_utf8_lossy(EICAR_TEXT)
    )
}

impl Gate {
    /// Lets all through, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn wait(&self) {
        drop(self.0.subscribe().wait_for(|open| *open).await);
    }
}

impl Peer {
    /// clamd on a free port; the script gets the number of the mail, from 1, and the mail.
    pub async fn clamd(script: impl Fn(usize, &[u8]) -> Answer + Send + Sync + 'static) -> Self {
        Self::clamd_at(At::Tcp, usize::MAX, script).await
    }

    /// clamd at a place, which answers after so many octets of a mail, whether its end has come or not: 0 = at once.
    pub async fn clamd_at(
        at: At,
        patience: usize,
        script: impl Fn(usize, &[u8]) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let script = Arc::new(script);
        Self::start(at, move |line, seen| {
            let script = Arc::clone(&script);
            Box::pin(clamd(line, seen, patience, script))
        })
        .await
    }

    /// HTTP with keep-alive; the script gets the number of the request, from 1, and the request.
    pub async fn http(script: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Self {
        let script = Arc::new(script);
        Self::start(At::Tcp, move |line, seen| {
            let script = Arc::clone(&script);
            Box::pin(http(line, seen, script))
        })
        .await
    }

    /// Anything: it gets the connection and its number, from 1.
    pub async fn raw<F>(at: At, serve: impl Fn(Line, usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        Self::start(at, move |line, seen| {
            let nth = seen.connections.borrow().to_owned();
            Box::pin(serve(line, nth))
        })
        .await
    }

    async fn start(
        at: At,
        serve: impl Fn(Line, Arc<Seen>) -> Served + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Seen::default());
        let serve: Arc<Serve> = Arc::new(serve);
        let mut tasks = JoinSet::new();
        let address = match at {
            At::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
                let address = listener.local_addr().expect("bound").to_string();
                tasks.spawn(listen_tcp(listener, Arc::clone(&seen), serve));
                address
            }
            At::Unix(path) => {
                drop(std::fs::remove_file(&path));
                let listener = UnixListener::bind(&path).expect("a socket");
                tasks.spawn(listen_unix(listener, Arc::clone(&seen), serve));
                format!("unix:{}", path.display())
            }
        };
        Self {
            address,
            seen,
            tasks,
        }
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        *self.seen.connections.borrow()
    }

    /// Mails (clamd) or requests (HTTP) that the script was asked about so far.
    pub fn asked(&self) -> usize {
        *self.seen.asked.borrow()
    }

    /// Waits until so many connections have come.
    pub async fn until_connected(&self, least: usize) {
        wait(&self.seen.connections, least, "connections").await;
    }

    /// Waits until the script was asked so often.
    pub async fn until_asked(&self, least: usize) {
        wait(&self.seen.asked, least, "mails at the scanner").await;
    }

    /// Every mail (clamd) or body (HTTP) so far.
    pub fn mails(&self) -> Vec<Vec<u8>> {
        self.seen.mails.lock().expect("unpoisoned").clone()
    }

    /// Dies: the place is free, and every connection breaks.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        if let Some(path) = self.address.strip_prefix("unix:") {
            drop(std::fs::remove_file(Path::new(path)));
        }
    }
}

async fn wait(count: &watch::Sender<usize>, least: usize, what: &str) {
    let mut seen = count.subscribe();
    let wait = seen.wait_for(|count| *count >= least);
    let got = Clock::system().timeout(DEADLINE, wait).await;
    assert!(
        got.is_ok(),
        "waited for {least} {what}, came {}",
        *count.borrow()
    );
}

async fn listen_tcp(listener: TcpListener, seen: Arc<Seen>, serve: Arc<Serve>) {
    let mut lines = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.send_modify(|count| *count += 1);
        lines.spawn(serve(BufReader::new(Box::new(stream)), Arc::clone(&seen)));
    }
}

async fn listen_unix(listener: UnixListener, seen: Arc<Seen>, serve: Arc<Serve>) {
    let mut lines = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.send_modify(|count| *count += 1);
        lines.spawn(serve(BufReader::new(Box::new(stream)), Arc::clone(&seen)));
    }
}

impl Seen {
    /// Another mail; its number.
    fn mail(&self, mail: &[u8]) -> usize {
        let mut mails = self.mails.lock().expect("unpoisoned");
        mails.push(mail.to_vec());
        mails.len()
    }
}

async fn clamd(
    mut line: Line,
    seen: Arc<Seen>,
    patience: usize,
    script: Arc<impl Fn(usize, &[u8]) -> Answer + Send + Sync>,
) -> std::io::Result<()> {
    let mut mail = Vec::new();
    if patience > 0 {
        let mut command = Vec::new();
        line.read_until(0, &mut command).await?;
        match command.as_slice() {
            b"zPING\0" => return line.write_all(b"PONG\0").await,
            b"zINSTREAM\0" => {}
            _ => return line.write_all(b"UNKNOWN COMMAND\0").await,
        }
        loop {
            let length = line.read_u32().await?;
            if length == 0 {
                break;
            }
            let mut chunk = vec![0; length as usize];
            let room = patience.saturating_sub(mail.len());
            if room < chunk.len() {
                chunk.truncate(room);
                line.read_exact(&mut chunk).await?;
                mail.extend(chunk);
                break;
            }
            line.read_exact(&mut chunk).await?;
            mail.extend(chunk);
        }
    }
    let nth = seen.mail(&mail);
    let answer = script(nth, &mail);
    seen.asked.send_modify(|count| *count += 1);
    say(&mut line, answer, |text| [text.as_bytes(), b"\0"].concat()).await
}

async fn http(
    mut line: Line,
    seen: Arc<Seen>,
    script: Arc<impl Fn(usize, &Request) -> Answer + Send + Sync>,
) -> std::io::Result<()> {
    loop {
        let mut request = Request::default();
        loop {
            let mut field = String::new();
            if line.read_line(&mut field).await? == 0 {
                return Ok(());
            }
            let field = field.trim_end();
            if field.is_empty() {
                break;
            }
            match field.split_once(':') {
                Some((name, value)) if !request.line.is_empty() => {
                    let name = name.to_ascii_lowercase();
                    request.fields.push((name, value.trim().to_owned()));
                }
                _ => request.line = field.trim_end_matches(" HTTP/1.1").to_owned(),
            }
        }
        request.body = body(&mut line, &request).await?;
        let nth = seen.mail(&request.body);
        let answer = script(nth, &request);
        seen.asked.send_modify(|count| *count += 1);
        let open = matches!(answer, Answer::Say(_));
        say(&mut line, answer, |text| {
            let length = text.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{text}"
            )
            .into_bytes()
        })
        .await?;
        if !open {
            return Ok(());
        }
    }
}

/// By its length or in chunks.
async fn body(line: &mut Line, request: &Request) -> std::io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    if let Some(length) = request.field("content-length") {
        whole.resize(length.parse().unwrap_or(0), 0);
        line.read_exact(&mut whole).await?;
    } else if request.field("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            line.read_line(&mut size).await?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let mut chunk = vec![0; size + 2];
            line.read_exact(&mut chunk).await?;
            if size == 0 {
                break;
            }
            whole.extend_from_slice(&chunk[..size]);
        }
    }
    Ok(whole)
}

impl Request {
    /// A field's value; its name in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(one, _)| one == name)?;
        Some(&found.1)
    }
}

/// Does as the script says.
pub async fn say(
    line: &mut Line,
    answer: Answer,
    frame: impl Fn(&str) -> Vec<u8> + Send,
) -> std::io::Result<()> {
    let mut answer = answer;
    while let Answer::After(gate, then) = answer {
        gate.wait().await;
        answer = *then;
    }
    match answer {
        Answer::Say(text) => line.write_all(&frame(&text)).await?,
        Answer::Octets(octets) => {
            line.write_all(&octets).await?;
            line.shutdown().await?;
        }
        Answer::Silence => {
            let mut rest = vec![0; 65_536];
            while line.read(&mut rest).await? > 0 {}
        }
        Answer::Close => line.shutdown().await?,
        Answer::Flood(octets) => {
            let part = vec![b'a'; 65_536];
            for _ in 0..octets.div_ceil(part.len()) {
                line.write_all(&part).await?;
            }
        }
        Answer::After(..) => unreachable!("opened above"),
    }
    line.flush().await
}
