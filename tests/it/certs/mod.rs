//! Certificates that are ordered and watched: the real server, a scripted directory, and a clock that is moved.
//!
//! The server is never without a certificate while an old one is valid, and every trouble is told once.

mod directory;
mod faults;
mod files;
mod orders;
mod reloads;
mod validate;
mod walls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use postwerk::base::clock::{Clock, Wall};
use postwerk::certs::CertStand;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::house::{Door, House, START, nobody};
use crate::until;
use directory::Directory;

const DAY: Duration = Duration::from_secs(86_400);
/// The name in the configuration of the house.
const NAME: &str = crate::house::HOSTNAME;

/// A directory and a server that orders from it.
struct Scene {
    house: House,
    directory: Directory,
}

impl Scene {
    /// `change` scripts the directory before the server starts.
    async fn start(
        challenge: &str,
        more: &str,
        change: impl FnOnce(&mut directory::Script),
    ) -> Self {
        let clock = Clock::moved(START);
        let directory = Directory::start(clock.clone()).await;
        directory.script(change);
        let dir = tempfile::tempdir().unwrap();
        let sections = directory.sections(dir.path(), challenge, more);
        let house = House::in_dir(dir, nobody().await, &sections, clock).await;
        let admin = house.server.admin_address().unwrap();
        directory.doors(house.server.redirect_address().unwrap(), admin);
        Self { house, directory }
    }

    fn stand(&self) -> CertStand {
        self.house.server.certs().stands().remove(0)
    }

    /// What the store of the certificate's files is called.
    fn path(&self, name: &str) -> PathBuf {
        self.house.dir.path().join("data/certs").join(name)
    }

    /// Waits until the last try has come to an end.
    async fn settled(&self) -> CertStand {
        until("the end of a try", || async {
            let stand = self.stand();
            let under_way = |error: &String| error.starts_with("the last order was interrupted");
            stand.next_try.is_some()
                && !stand.last_error.as_ref().is_some_and(under_way)
                && stand.next_try.unwrap() > self.now()
        })
        .await;
        self.stand()
    }

    fn now(&self) -> u64 {
        self.house.clock.wall().secs()
    }

    /// Lets time pass up to the next try, and waits for its end.
    async fn next(&self) -> CertStand {
        let next = self.stand().next_try.unwrap();
        let wait = next.saturating_sub(self.now());
        self.house.pass(Duration::from_secs(wait + 1));
        self.settled().await
    }

    /// What a client of mail is shown: the certificate itself.
    async fn shown(&self) -> Vec<u8> {
        let stream = hello(self.house.door(Door::Secure), NAME).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }
}

/// A handshake that takes any certificate.
async fn hello(to: SocketAddr, name: &str) -> TlsStream<TcpStream> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(postwerk::net::tls::Anybody(provider)))
        .with_no_client_auth();
    let stream = TcpStream::connect(to).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap()
}

/// Microseconds of a day, for a wall that jumps.
fn days(wall: Wall, days: u64) -> Wall {
    wall + Duration::from_secs(days * 86_400)
}
