//! Real sockets on the loopback, the real queue over a store in memory.
//!
//! Only what needs a socket is here; a dialog without one is in `tests/dialog`.
//! Not here: delivery (`deliver`).

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::base::shutdown::Finish;
use crate::config::{BareNewline, Role, SaslRule};
use crate::journal::event::Events;

struct House {
    address: SocketAddr,
    shutdown: Shutdown,
    finish: Finish,
    _dir: tempfile::TempDir,
}

fn listener(role: Role) -> ListenerConf {
    ListenerConf {
        bind: "127.0.0.1:0".parse().unwrap(),
        role,
        tls: ListenerTls::Starttls,
        auth: SaslRule::Required,
        auth_clear: false,
        trust: vec![crate::config::Network::parse("127.0.0.0/8").unwrap()],
        bare_newline: BareNewline::Reject,
    }
}

fn house(change: impl FnOnce(&mut Config)) -> House {
    let dir = tempfile::tempdir().unwrap();
    let mut conf = Config::fallback(
        "mail.example.org".parse().unwrap(),
        dir.path().to_path_buf(),
    );
    conf.listeners = vec![listener(Role::Submission)];
    change(&mut conf);
    let listeners = Listeners::bind(&conf).unwrap();
    let address = listeners.addresses()[0];
    let certs = Certs::load(&conf).unwrap();
    let conf: Shared = Arc::new(ArcSwap::from_pointee(conf));
    let clock = Clock::system();
    let store = crate::store::redb::memory(clock.clone());
    let (shutdown, finish) = Shutdown::new();
    let context = Context {
        queue: Queue::new(
            Arc::clone(&conf),
            store.clone(),
            clock.clone(),
            Events::new(),
        ),
        accounts: Accounts::new(Arc::clone(&conf), store),
        scanners: Scanners::new(Arc::clone(&conf), clock.clone()),
        conf,
        certs,
        permits: Permits::new("smtp", clock.clone()),
        clock,
        shutdown: shutdown.clone(),
    };
    tokio::spawn(run(listeners, context));
    House {
        address,
        shutdown,
        finish,
        _dir: dir,
    }
}

/// Sends each text after the reply to the one before; all that came back.
async fn talk(to: SocketAddr, texts: &[&str]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let mut all = String::new();
    for text in std::iter::once(&"").chain(texts) {
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.unwrap();
        all.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    all
}

const ENVELOPE: &str = "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";

#[tokio::test]
async fn a_mail_is_queued_and_its_replies_come_in_groups() {
    let house = house(|_| {});
    let said = talk(
        house.address,
        &[
            "EHLO c.example\r\n",
            ENVELOPE,
            "Subject: x\r\n\r\ny\r\n.\r\nQUIT\r\n",
        ],
    )
    .await;
    assert!(said.starts_with("220 mail.example.org ESMTP Postwerk\r\n"));
    assert!(said.contains("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 "));
    assert!(said.contains("250 2.0.0 Ok: queued as "), "got {said}");
    assert!(said.ends_with("221 2.0.0 Bye\r\n"), "got {said}");
}

#[tokio::test]
async fn lone_line_ends_are_refused_and_end_the_session() {
    let house = house(|_| {});
    let said = talk(
        house.address,
        &[
            "EHLO c.example\r\n",
            ENVELOPE,
            "Subject: x\r\n\r\ny\n.\nMAIL FROM:<>\r\n.\r\n",
            "",
        ],
    )
    .await;
    let last = said.lines().next_back().unwrap();
    assert_eq!(
        last,
        "550 5.5.2 line 3 ends with LF alone; end lines with CRLF (RFC 5321 section 2.3.8)"
    );
}

#[tokio::test]
async fn one_address_has_only_so_many_connections() {
    let house = house(|conf| conf.limits.connections_per_address = 1);
    let mut first = TcpStream::connect(house.address).await.unwrap();
    let mut buffer = [0; 100];
    assert!(first.read(&mut buffer).await.unwrap() > 0);
    let turned = talk(house.address, &[]).await;
    assert!(turned.starts_with("421 4.7.0 "), "got {turned}");
}

#[tokio::test]
async fn a_stop_tells_idle_sessions_and_is_awaited() {
    let house = house(|_| {});
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let mut buffer = [0; 500];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    house.shutdown.begin();
    let n = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..n].starts_with(b"421 4.3.2 "));
    drop((stream, house.shutdown));
    house.finish.finished().await;
}

#[tokio::test]
async fn idle_sessions_end_by_the_clock() {
    let house = house(|conf| conf.limits.command_timeout = std::time::Duration::from_millis(1));
    let said = talk(house.address, &[""]).await;
    assert!(said.contains("421 4.4.2 "), "got {said}");
}

#[tokio::test]
async fn the_end_of_a_transaction_comes_also_for_who_is_never_waited_for() {
    let house = house(|conf| conf.limits.transaction_timeout = std::time::Duration::ZERO);
    // The commands behind MAIL are there when its time is over.
    let said = talk(house.address, &["EHLO c.example\r\n", ENVELOPE]).await;
    assert!(said.contains("250 2.1.0 Ok\r\n421 4.4.2 "), "got {said}");
}
