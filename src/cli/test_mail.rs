//! `postwerk test-mail`: sends one mail and prints the SMTP dialogue, so that a person sees who said what.
//!
//! The client is mail-send's, around a stream that prints what passes (`tee`); secrets show as `***`. Every recipient
//! is asked, also when one was refused. Exit: 0 all taken, 75 connection failed or a 4yz, 69 a 5yz, 2 wrong usage.
//! The body is written by our own dot-stuffing: mail-send's adds an empty line and misses a dot at the first octet.

mod tee;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use mail_builder::MessageBuilder;
use mail_send::{Credentials, Error, SmtpClient};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use self::tee::{Tee, Transcript};
use crate::base::clock::Clock;
use crate::base::secret::Secret;
use crate::deliver::wire::Stream;
use crate::mail::envelope::{MailFrom, Notify};
use crate::mail::mailbox::{Host, Mailbox};
use crate::mail::path::ReversePath;
use crate::net::plain;
use crate::net::tls::{ClientTls, Proof};
use crate::smtp::client::command::{self, Needs};
use crate::smtp::client::dots::Dots;
use crate::smtp::client::login::{Exchange, Mechanism};
use crate::smtp::client::offers::Offers;

/// What follows `postwerk test-mail`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Recipients
    #[arg(value_name = "ADDRESS", required = true)]
    to: Vec<Mailbox>,
    /// Where to send it
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1025")]
    server: String,
    /// The reverse-path and From; empty: the null path
    #[arg(long, value_name = "ADDRESS", default_value = "test@example.org")]
    from: String,
    /// Log in by this name
    #[arg(long, value_name = "NAME", requires = "password_file")]
    account: Option<String>,
    /// Where its password is
    #[arg(long, value_name = "FILE", requires = "account")]
    password_file: Option<PathBuf>,
    /// How TLS begins
    #[arg(long, value_enum, default_value_t = Tls::Off)]
    tls: Tls,
    /// Send this mail instead of a made one
    #[arg(long, value_name = "FILE.eml")]
    file: Option<PathBuf>,
    /// Take any certificate; on loopback that is the default
    #[arg(long)]
    insecure: bool,
}

/// How TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Tls {
    /// Never
    Off,
    /// After STARTTLS
    Starttls,
    /// At once
    Implicit,
}

/// How it ended, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Taken,
    NotNow,
    Never,
}

/// Why nothing could be sent.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("cannot talk to {server}: {why}")]
    Line { server: String, why: String },
}

type Client = SmtpClient<Tee<Stream>>;

/// Sends it.
pub fn run(args: Args) -> ExitCode {
    let transcript = Transcript::new(Box::new(std::io::stdout()));
    let sent = super::block_on(send(&args, &transcript));
    let code = match sent {
        Ok(Ok(End::Taken)) => 0,
        Ok(Ok(End::NotNow)) => NOT_NOW,
        Ok(Ok(End::Never)) => NEVER,
        Ok(Err(failure)) => complain(&failure),
        Err(error) => complain(&Failure::Usage(error.to_string())),
    };
    ExitCode::from(code)
}

fn complain(failure: &Failure) -> u8 {
    // A closed terminal is no reason to fail differently.
    drop(writeln!(std::io::stderr(), "postwerk test-mail: {failure}"));
    match failure {
        Failure::Usage(_) => 2,
        Failure::Line { .. } => NOT_NOW,
    }
}

async fn send(args: &Args, transcript: &Transcript) -> Result<End, Failure> {
    let from = ReversePath::parse(&args.from)
        .map_err(|error| Failure::Usage(format!("--from {}: {error}", args.from)))?;
    let secret = secret(args)?;
    let content = content(args, &from)?;
    let (host, stream) = connect(args).await?;
    let talk = Box::pin(dialogue(
        args, &host, stream, transcript, secret, &from, &content,
    ));
    talk.await.or_else(|error| match error {
        // A reply is an answer, not a failure of the line.
        Talk::Error(Error::UnexpectedReply(reply) | Error::AuthenticationFailed(reply)) => {
            Ok(End::of(reply.code))
        }
        Talk::Error(Error::Io(error)) => Err(line(args, &plain::io(&error))),
        Talk::Error(error) => Err(line(args, &error.to_string())),
        Talk::Text(why) => Err(line(args, &why)),
    })
}

enum Talk {
    Error(Error),
    Text(String),
}

async fn dialogue(
    args: &Args,
    host: &Host,
    stream: TcpStream,
    transcript: &Transcript,
    secret: Option<(String, Secret)>,
    from: &ReversePath,
    content: &[u8],
) -> Result<End, Talk> {
    let peer = stream.peer_addr().map_err(Error::from)?;
    let own = own_name(stream.local_addr().map_err(Error::from)?.ip());
    let unverified = args.insecure || peer.ip().is_loopback();
    let proof = if unverified {
        Proof::Nothing
    } else {
        Proof::Name(None)
    };
    let stream = match args.tls {
        Tls::Implicit => secure(stream, host, proof).await?,
        Tls::Off | Tls::Starttls => Stream::Clear(stream),
    };
    let mut client = client(stream, transcript);
    // mail-send bounds its commands, but not this.
    let greeting = Clock::system().timeout(PATIENCE, client.read()).await;
    let greeting = greeting.map_err(|_| Error::Timeout)??;
    if greeting.code != 220 {
        return Ok(End::of(greeting.code));
    }
    let mut offered = client.ehlo(&own).await?;
    if args.tls == Tls::Starttls {
        let reply = client.cmd(b"STARTTLS\r\n").await?;
        if reply.code != 220 {
            return Ok(End::of(reply.code));
        }
        let Stream::Clear(stream) = client.stream.into_inner() else {
            return Err(Talk::Text("TLS inside TLS".to_owned()));
        };
        client = self::client(secure(stream, host, proof).await?, transcript);
        offered = client.ehlo(&own).await?;
    }
    let offers = Offers::from(offered);
    if let Some((name, password)) = secret {
        let code = login(&mut client, &offers, &name, &password).await?;
        if code != 235 {
            // 250, or 334 without end, is no way in either.
            return Ok(End::of(code).max(End::NotNow));
        }
    }
    let end = transaction(args, &mut client, &offers, from, content).await?;
    // The mail's fate is known; how the farewell goes changes nothing.
    drop(client.quit().await);
    Ok(end)
}

/// AUTH; the code of its last reply.
async fn login(
    client: &mut Client,
    offers: &Offers,
    name: &str,
    password: &Secret,
) -> Result<u16, Talk> {
    let password = password.reveal();
    let mut exchange = match offers.mechanisms().next() {
        Some(Mechanism::Plain) => Exchange::plain(name, password),
        Some(Mechanism::Login) => Exchange::login(name, password),
        Some(Mechanism::CramMd5) => {
            let credentials = Credentials::new(name, password);
            client
                .authenticate(&credentials, &offers.only_cram_md5())
                .await?;
            return Ok(235);
        }
        None => {
            let text = "the server offers no AUTH here; try --tls starttls";
            return Err(Talk::Text(text.to_owned()));
        }
    };
    let mut reply = client.cmd(exchange.first()).await?;
    while reply.code == 334 {
        let Some(line) = exchange.answer() else {
            // RFC 4954 section 4; whatever it answers, there is no more to say.
            return Ok(client.cmd("*\r\n").await?.code);
        };
        reply = client.cmd(&line).await?;
    }
    Ok(reply.code)
}

async fn transaction(
    args: &Args,
    client: &mut Client,
    offers: &Offers,
    from: &ReversePath,
    content: &[u8],
) -> Result<End, Talk> {
    let utf8 = args.to.iter().any(Mailbox::needs_smtputf8)
        || from.mailbox().is_some_and(Mailbox::needs_smtputf8);
    let needs = Needs {
        size: u64::try_from(content.len()).unwrap_or(u64::MAX),
        eight_bit: !content.is_ascii(),
        smtputf8: utf8,
    };
    let mut command = Vec::new();
    command::mail(&MailFrom::new(from.clone()), needs, offers, &mut command);
    let reply = client.cmd(&command).await?;
    if !done(reply.code) {
        return Ok(End::of(reply.code));
    }
    let (mut worst, mut taken) = (End::Taken, 0);
    for to in &args.to {
        command.clear();
        command::rcpt(to, Notify::Default, None, utf8, offers, &mut command);
        let reply = client.cmd(&command).await?;
        worst = worst.max(End::of(reply.code));
        taken += usize::from(done(reply.code));
    }
    if taken == 0 {
        return Ok(worst);
    }
    let reply = client.cmd(b"DATA\r\n").await?;
    if reply.code != 354 {
        return Ok(worst.max(End::of(reply.code)));
    }
    let (mut dots, mut wire) = (Dots::default(), Vec::new());
    dots.write(content, &mut wire);
    dots.finish(&mut wire);
    client.stream.hide(&format!(
        "(message of {} octets, then a dot)",
        content.len()
    ));
    let write = async {
        client.stream.write_all(&wire).await?;
        client.stream.flush().await
    };
    let written = Clock::system().timeout(PATIENCE, write).await;
    written.map_err(|_| Error::Timeout)?.map_err(Error::from)?;
    client.stream.show();
    let read = Clock::system().timeout(PATIENCE, client.read()).await;
    let reply = read.map_err(|_| Error::Timeout)??;
    Ok(worst.max(End::of(reply.code)))
}

async fn connect(args: &Args) -> Result<(Host, TcpStream), Failure> {
    let wrong = || Failure::Usage(format!("--server {}: write HOST:PORT", args.server));
    let (name, port) = args.server.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let host = match name.parse::<IpAddr>() {
        Ok(address) => Host::Literal(address),
        Err(_) => Host::Domain(name.parse().map_err(|_| wrong())?),
    };
    let open = async {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((name, port)).await?.collect();
        TcpStream::connect(found.as_slice()).await
    };
    let opened = Clock::system().timeout(PATIENCE, open).await;
    let stream = opened
        .map_err(|elapsed| line(args, &elapsed.to_string()))?
        .map_err(|error| line(args, &plain::io(&error)))?;
    Ok((host, stream))
}

async fn secure(stream: TcpStream, host: &Host, proof: Proof<'_>) -> Result<Stream, Talk> {
    let text = |error: &dyn std::fmt::Display| Talk::Text(error.to_string());
    let tls = ClientTls::new().map_err(|error| text(&error))?;
    let shaken = Clock::system()
        .timeout(PATIENCE, tls.connect(stream, host, proof))
        .await;
    let stream = shaken
        .map_err(|error| text(&error))?
        .map_err(|error| text(&format!("{error}; --insecure takes any certificate")))?;
    Ok(Stream::Tls(Box::new(stream)))
}

fn client(stream: Stream, transcript: &Transcript) -> Client {
    SmtpClient {
        stream: Tee::new(stream, transcript.clone()),
        timeout: PATIENCE,
    }
}

fn secret(args: &Args) -> Result<Option<(String, Secret)>, Failure> {
    let (Some(name), Some(path)) = (&args.account, &args.password_file) else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    Ok(Some((name.clone(), Secret::new(&text))))
}

/// The mail, its line ends CRLF.
fn content(args: &Args, from: &ReversePath) -> Result<Vec<u8>, Failure> {
    if let Some(path) = &args.file {
        let octets = std::fs::read(path)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
        return Ok(with_crlf(&octets));
    }
    let now = Clock::system().wall();
    let to: Vec<String> = args.to.iter().map(Mailbox::to_string).collect();
    let sender = match from {
        ReversePath::Null => "postmaster@localhost".to_owned(),
        ReversePath::Mailbox(mailbox) => mailbox.to_string(),
    };
    let host = from
        .mailbox()
        .map_or("localhost".to_owned(), |m| m.host().to_string());
    let made = MessageBuilder::new()
        .from(sender)
        .to(to)
        .subject("Test mail from postwerk")
        .date(i64::try_from(now.secs()).unwrap_or(i64::MAX))
        .message_id(format!("test.{}.{:08x}@{host}", now.0, fastrand::u32(..)))
        .text_body("This is a test mail, sent by `postwerk test-mail`.\r\n")
        .write_to_vec();
    made.map_err(|error| Failure::Usage(error.to_string()))
}

fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 40);
    for line in octets.split_inclusive(|b| *b == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// What a client without a name calls itself (RFC 5321 section 4.1.4).
fn own_name(address: IpAddr) -> String {
    Host::Literal(address).to_string()
}

fn done(code: u16) -> bool {
    (200..300).contains(&code)
}

fn line(args: &Args, why: &str) -> Failure {
    Failure::Line {
        server: args.server.clone(),
        why: why.to_owned(),
    }
}

impl End {
    fn of(code: u16) -> Self {
        match code {
            200..400 => Self::Taken,
            400..500 => Self::NotNow,
            _ => Self::Never,
        }
    }
}

impl From<Error> for Talk {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// EX_TEMPFAIL
const NOT_NOW: u8 = 75;
/// EX_UNAVAILABLE
const NEVER: u8 = 69;
/// For each step: a person is waiting.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
