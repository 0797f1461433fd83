//! The server under test: the real one, in process, on free ports, with a clock that stands until it is moved.
//!
//! A scenario writes the sections of its configuration as a user would. Waiting is for events and records, never for
//! time; every wait ends after `DEADLINE` with what the house looked like. Not here: the outside world (`remote`).

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use postwerk::app::server::{Server, Submission};
use postwerk::base::clock::{Clock, Wall};
use postwerk::config;
use postwerk::journal::event::{Event, EventKind, Subscription};
use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::mail::state::State;
use postwerk::queue::verbs::{Actor, Target, Verb};
use postwerk::queue::{MessageId, record};
use postwerk::store::{Batch, Key, Op, Record};
use tempfile::TempDir;

use crate::DEADLINE;
use crate::client::Client;
use crate::remote::Remote;

/// 2026-11-21 20:00:00 UTC.
pub const START: Wall = Wall(1_795_291_200_000_000);

/// Our own name; loops are counted by it.
pub const HOSTNAME: &str = "mail.postwerk.example";

/// One running server and its directory.
pub struct House {
    pub server: Server,
    pub clock: Clock,
    pub dir: TempDir,
    events: Subscription,
    past: Vec<Event>,
}

/// Four doors, in the order of `Server::addresses`.
#[derive(Clone, Copy, Debug)]
pub enum Door {
    /// Submission from a trusted network, with STARTTLS.
    Open = 0,
    /// Submission with AUTH after STARTTLS.
    Login = 1,
    /// The same, TLS at once.
    Secure = 2,
    /// For our domains, from anybody.
    Mx = 3,
}

/// One recipient in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub address: String,
    pub state: State,
    pub hold: Option<(HoldQueue, HoldReason)>,
}

/// The configuration with every recipient routed to `next`, and more sections behind.
pub fn sections(dir: &Path, next: SocketAddr, more: &str) -> String {
    let routes = if more.contains("[[route]]") || more.contains("[dns]") {
        String::new()
    } else {
        format!("[[route]]\ndomain = \"*\"\nrelay = [\"{next}\"]\ntls = \"opportunistic\"\n")
    };
    let listener = |role: &str, tls: &str, rule: &str| {
        format!(
            "[[listener]]\nbind = \"127.0.0.1:0\"\nrole = \"{role}\"\ntls = \"{tls}\"\n{rule}\n"
        )
    };
    let open = listener(
        "submission",
        "starttls",
        "auth = \"off\"\ntrust = [\"127.0.0.0/8\"]",
    );
    let login = listener("submission", "starttls", "auth = \"required\"");
    let secure = listener("submission", "implicit", "auth = \"required\"");
    let mx = listener("mx", "starttls", "auth = \"off\"");
    let dir = dir.display();
    format!(
        "[server]\nhostname = \"{HOSTNAME}\"\ndata_dir = \"{dir}/data\"\n\
         {open}{login}{secure}{mx}\
         [[domain]]\nname = \"example.org\"\nrelay = [\"{next}\"]\nowner = \"chef@example.org\"\n\
         {routes}{more}\n"
    )
}

impl House {
    /// A server that brings everything to `remote`.
    pub async fn before(remote: &Remote, more: &str) -> Self {
        Self::start(remote.address, more).await
    }

    /// A server whose next hop is at `next`.
    pub async fn start(next: SocketAddr, more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self::in_dir(dir, next, more, Clock::moved(START)).await
    }

    /// A server over what a former one left.
    pub async fn in_dir(dir: TempDir, next: SocketAddr, more: &str, clock: Clock) -> Self {
        let conf = config(dir.path(), next, more);
        Self::with(dir, conf, clock).await
    }

    /// A server whose configuration is changed where no section could.
    pub async fn changed(
        next: SocketAddr,
        more: &str,
        change: impl FnOnce(&mut config::Config),
    ) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut conf = config(dir.path(), next, more);
        change(&mut conf);
        Self::with(dir, conf, Clock::moved(START)).await
    }

    async fn with(dir: TempDir, conf: config::Config, clock: Clock) -> Self {
        let server = Server::start(conf, clock.clone())
            .await
            .unwrap_or_else(|e| panic!("the server does not start: {e}"));
        let events = server.events();
        Self {
            server,
            clock,
            dir,
            events,
            past: Vec::new(),
        }
    }

    /// Stops in order and starts again over the same store.
    pub async fn restart(self, next: SocketAddr, more: &str) -> Self {
        let Self {
            server, dir, clock, ..
        } = self;
        server.shutdown().await;
        // A real start takes a moment, and ids are made of time.
        clock.advance(Duration::from_secs(1));
        Self::in_dir(dir, next, more, clock).await
    }

    pub fn door(&self, door: Door) -> SocketAddr {
        self.server.addresses()[door as usize]
    }

    /// A client that has said EHLO.
    pub async fn client(&self, door: Door) -> Client {
        Client::hello(self.door(door)).await
    }

    /// One mail through the open door; its queue id.
    pub async fn send(&self, from: &str, to: &[&str], text: &str) -> String {
        let reply = self.client(Door::Open).await.mail(from, to, text).await;
        assert_eq!(reply.code, 250, "{reply:?}");
        reply.queue_id()
    }

    /// Hands a mail over without a socket; its queue id.
    pub async fn submit(&self, from: &str, to: &[&str], text: &str) -> String {
        self.server
            .submit(Submission {
                from: from.to_owned(),
                to: to.iter().map(|&to| to.to_owned()).collect(),
                content: text.into(),
            })
            .await
            .expect("submitted")
    }

    /// What `/metrics` says at the control socket.
    pub async fn metrics(&self) -> String {
        let place = postwerk::cli::control::Place {
            config: "unused".into(),
            data: Some(self.dir.path().join("data")),
        };
        let client = place.client().expect("a socket");
        client.get("/metrics").await.expect("metrics").body
    }

    /// The next event of this kind; those before it are passed over.
    pub async fn told(&mut self, kind: EventKind) -> Event {
        self.told_nth(kind, 1).await
    }

    /// The nth event of this kind from now on.
    pub async fn told_nth(&mut self, kind: EventKind, nth: usize) -> Event {
        let mut left = nth;
        loop {
            let next = Clock::system().timeout(DEADLINE, self.events.next()).await;
            match next {
                Ok(Some(event)) => {
                    self.past.push(event.clone());
                    if event.kind == kind {
                        left -= 1;
                    }
                    if left == 0 {
                        return event;
                    }
                }
                Ok(None) => panic!("the server has ended; told so far: {:#?}", self.past),
                Err(_) => panic!(
                    "waited for {kind:?}; told so far: {:#?}\nin the queue: {:#?}",
                    self.past,
                    self.places().await
                ),
            }
        }
    }

    /// Lets time pass for the server, and none for us.
    pub fn pass(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// Lets time pass in small steps until the event comes: for chains of due work.
    pub async fn pass_until(&mut self, kind: EventKind, step: Duration, most: u32) -> Event {
        for _ in 0..most {
            self.pass(step);
            let soon = Duration::from_millis(150);
            while let Ok(Some(event)) = Clock::system().timeout(soon, self.events.next()).await {
                self.past.push(event.clone());
                if event.kind == kind {
                    return event;
                }
            }
        }
        panic!(
            "{most} times {step:?} passed without {kind:?}; told so far: {:#?}\nin the queue: {:#?}",
            self.past,
            self.places().await
        );
    }

    /// All recipients in the queue, ended ones too while their message is not retired.
    pub async fn places(&self) -> Vec<Place> {
        let (listed, _) = self
            .server
            .queue()
            .list(|_, _| true, None, 10_000)
            .await
            .expect("listed");
        let mut places = Vec::new();
        for parcel in listed.iter().flat_map(|message| &message.parcels) {
            let hold = parcel.parcel.hold.as_ref();
            places.extend(parcel.parcel.slots.iter().map(|slot| Place {
                address: slot.mailbox.to_string(),
                state: slot.state.clone(),
                hold: hold.map(|kept| (kept.hold.queue, kept.hold.reason)),
            }));
        }
        places
    }

    /// Waits until a recipient is somewhere.
    pub async fn until_place(&self, address: &str, wanted: impl Fn(&Place) -> bool) -> Place {
        let clock = Clock::system();
        let end = clock.mono() + DEADLINE;
        loop {
            let places = self.places().await;
            if let Some(place) = places.iter().find(|p| p.address == address && wanted(p)) {
                return place.clone();
            }
            assert!(
                clock.mono() < end,
                "{address} did not get there: {places:#?}"
            );
            clock.sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until what a start begins by itself is done: the walks of upkeep.
    pub async fn started(&self) {
        let store = self.server.queue().store();
        let walks = || [b"history".as_slice(), b"mend"].map(|name| Key::of(b'w', &[name]));
        crate::until("the walks of the start", || async {
            let found = store.get(walks().to_vec()).await.expect("read");
            let over = |record: &Record| record.due.is_none_or(|(_, at)| at > store.now());
            found.iter().all(|record| record.as_ref().is_some_and(over))
        })
        .await;
    }

    /// Takes the first chunk of a message's body away, as a bad disk would.
    pub async fn lose_body(&self, id: &str) {
        self.commit(Op::Delete(record::chunk_key(message_id(id), 0)))
            .await;
    }

    /// Makes a message's record unreadable.
    pub async fn spoil_message(&self, id: &str) {
        let spoilt = Op::Put {
            key: record::message_key(message_id(id)),
            value: "spoilt".into(),
            due: None,
            terms: Vec::new(),
        };
        self.commit(spoilt).await;
    }

    async fn commit(&self, op: Op) {
        let mut batch = Batch::new();
        batch.ops.push(op);
        let store = self.server.queue().store();
        store.commit(batch).await.expect("committed");
    }

    /// What a person does at the command line.
    pub async fn act(&self, verb: Verb, id: &str) -> usize {
        let target: Target = id.parse().expect("an id");
        self.server
            .queue()
            .act(verb, &target, &Actor::of("test"))
            .await
            .unwrap_or_else(|e| panic!("{verb:?} {id}: {e}"))
    }
}

fn message_id(id: &str) -> MessageId {
    MessageId(u64::from_str_radix(id, 16).expect("an id"))
}

/// Parsed and checked as a file would be; `{dir}` in it is the scenario's directory.
pub fn config(dir: &Path, next: SocketAddr, more: &str) -> config::Config {
    let more = more.replace("{dir}", &dir.display().to_string());
    let text = sections(dir, next, &more);
    match config::parse(&text, &dir.join("postwerk.toml")) {
        Ok((conf, _)) => conf,
        Err(problems) => panic!("{problems}\n{text}"),
    }
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback");
    listener.local_addr().expect("bound")
}
