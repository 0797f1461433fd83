//! A clamd that finds nothing and needs no time for it: what is left is what asking costs.
//!
//! Started by `scanning.py`: `clamd PORT` speaks INSTREAM, PING and IDSESSION on 127.0.0.1 until it is ended. It reads each
//! mail to its end, keeps nothing, and takes one buffer a connection; COUNT says how many there were.
//! Not here: load, and measuring.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a program for one bench"
)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Octets of one read.
const READ: usize = 64 << 10;

fn main() {
    let words: Vec<String> = std::env::args().filter(|w| w != "--bench").collect();
    let [_, port] = words.as_slice() else {
        // `cargo bench` and `cargo test --benches` start every bench without words.
        println!("usage: clamd PORT");
        return;
    };
    let port: u16 = port.parse().expect("PORT is a number");
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(serve(port));
}

async fn serve(port: u16) {
    let door = TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("the port is free");
    let mails = Arc::new(AtomicU64::new(0));
    loop {
        let mails = Arc::clone(&mails);
        let (wire, _) = door.accept().await.expect("a connection");
        tokio::spawn(async move {
            if let Err(error) = answer(wire, &mails).await {
                println!("a connection ended: {error}");
            }
        });
    }
}

async fn answer(wire: TcpStream, mails: &AtomicU64) -> io::Result<()> {
    wire.set_nodelay(true)?;
    let mut wire = BufReader::with_capacity(READ, wire);
    // Of a session, the number of the command.
    let mut session = None;
    loop {
        let mut command = Vec::new();
        loop {
            match wire.read_u8().await {
                Ok(0) => break,
                Ok(octet) => command.push(octet),
                // A connection that only looked whether somebody is there, or one that is no longer needed.
                Err(_) if command.is_empty() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let said = match command.as_slice() {
            b"zIDSESSION" => {
                session = Some(0_u64);
                continue;
            }
            b"zINSTREAM" => {
                read_mail(&mut wire).await?;
                mails.fetch_add(1, Ordering::Relaxed);
                "stream: OK".to_owned()
            }
            b"zPING" => "PONG".to_owned(),
            b"zVERSIONCOMMANDS" => "bench| COMMANDS: PING IDSESSION INSTREAM".to_owned(),
            // As `scanning.py` reads it.
            b"zCOUNT" => {
                let count = mails.load(Ordering::Relaxed).to_string();
                return wire.write_all(count.as_bytes()).await;
            }
            _ => "UNKNOWN COMMAND".to_owned(),
        };
        let Some(number) = &mut session else {
            return wire.write_all(format!("{said}\0").as_bytes()).await;
        };
        *number += 1;
        // An answer at a time, as clamd does.
        wire.write_all(format!("{number}: {said}\0").as_bytes())
            .await?;
    }
}

async fn read_mail(wire: &mut BufReader<TcpStream>) -> io::Result<()> {
    loop {
        let length = u64::from(wire.read_u32().await?);
        if length == 0 {
            return Ok(());
        }
        let mut chunk = (&mut *wire).take(length);
        if tokio::io::copy_buf(&mut chunk, &mut tokio::io::sink()).await? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
