//! Loads a server with STARTTLS connections: connect, EHLO, STARTTLS, handshake, EHLO, QUIT, again.
//!
//! Used alike against any server by `end_to_end.py`: `starttls ADDRESS CLIENTS SECONDS` prints connections a second.
//! No session is resumed, so that every connection pays for its handshake. Not here: mail.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a program for one bench"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postwerk::base::clock::Clock;
use postwerk::net::tls::Anybody;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

fn main() {
    let words: Vec<String> = std::env::args().filter(|w| w != "--bench").collect();
    let [_, address, clients, seconds] = words.as_slice() else {
        // `cargo bench` and `cargo test --benches` start every bench without words.
        println!("usage: starttls ADDRESS CLIENTS SECONDS");
        return;
    };
    let address: SocketAddr = address.parse().expect("ADDRESS is IP:PORT");
    let clients: usize = clients.parse().expect("CLIENTS is a number");
    let span = Duration::from_secs(seconds.parse().expect("SECONDS is a number"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(load(address, clients, span));
}

async fn load(address: SocketAddr, clients: usize, span: Duration) {
    let clock = Clock::system();
    let connector = TlsConnector::from(Arc::new(config()));
    let done = Arc::new(AtomicU64::new(0));
    let start = clock.mono();
    for _ in 0..clients {
        let (connector, done) = (connector.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            loop {
                connection(address, &connector).await.expect("a connection");
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    clock.sleep(span).await;
    let spent = (clock.mono() - start).as_secs_f64();
    let done = u32::try_from(done.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    println!("{:.1} connections/s", f64::from(done) / spent);
}

async fn connection(address: SocketAddr, connector: &TlsConnector) -> std::io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut wire = BufStream::new(stream);
    reply(&mut wire, "220").await?;
    say(&mut wire, "EHLO loader.example", "250").await?;
    say(&mut wire, "STARTTLS", "220").await?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut wire = BufStream::new(connector.connect(name, wire.into_inner()).await?);
    say(&mut wire, "EHLO loader.example", "250").await?;
    say(&mut wire, "QUIT", "221").await
}

async fn say<S>(wire: &mut BufStream<S>, line: &str, wanted: &str) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    wire.write_all(format!("{line}\r\n").as_bytes()).await?;
    wire.flush().await?;
    reply(wire, wanted).await
}

async fn reply<S>(wire: &mut BufStream<S>, wanted: &str) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).await? == 0 || !line.starts_with(wanted) {
            return Err(std::io::Error::other(format!(
                "wanted {wanted}, got {line:?}"
            )));
        }
        if line.as_bytes().get(3) == Some(&b' ') {
            return Ok(());
        }
    }
}

fn config() -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config
}
