//! Postwerk: an SMTP edge server that accepts and relays mail, keeps what must not go out yet, and has a reason for
//! everything. One program, and this library for programs that embed it.
//!
//! ```no_run
//! use postwerk::{Clock, Config, Server, Submission};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::load("conf/postwerk.toml".as_ref())?;
//! let server = Server::start(config, Clock::system()).await?;
//! let mut events = server.events();
//! let id = server
//!     .submit(Submission {
//!         from: "app@example.org".into(),
//!         to: vec!["anna@example.net".into()],
//!         content: b"Subject: hello\n\nIt works.\n".to_vec(),
//!     })
//!     .await?; // Ok: it is on disk
//! while let Some(event) = events.next().await {
//!     println!("{} {} {}", event.queue_id, event.kind.name(), event.text);
//!     if event.queue_id == id && event.kind.name() == "email.delivered" {
//!         break;
//!     }
//! }
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # The house
//!
//! Imports point down; neighbours on a floor do not know each other (`tests/tidy.rs` holds it).
//!
//! | floor | modules |
//! |---|---|
//! | 0 | `base`: clock, ids, limits, text, sizes, secrets, shutdown |
//! | 1 | `mail`: the nouns of the RFCs, and the life of a recipient · `words`: texts in two languages |
//! | 2 | `config`: loading is checking |
//! | 3 | `store`: the boundary and the redb engine · `net`: listeners, lines, TLS, DNS |
//! | 4 | `smtp`: the wire, pure · `journal`: facts, events, log lines |
//! | 5 | `queue` · `accounts` · `certs` · `scan`: clamd, rspamd, milters are asked |
//! | 6 | `policy`: facts in, verdict out |
//! | 7 | `judge`: gathers the facts, asks policy |
//! | 8 | `receive` · `deliver` |
//! | 9 | `bounce`: DSNs |
//! | 10 | `digest`: who is told of what is held, and the links that decide it |
//! | 11 | `admin`: the control socket and its API, the HTTPS endpoint and its pages |
//! | 12 | `app`, `cli` |
//!
//! # The way of one message
//!
//! 1. [`net::listen`] accepts a connection; when places are used up, [`net::permits`] chooses who goes. `receive` drives
//!    [`smtp::server`]: strict lines from [`net::line`] in, actions out; [`smtp::command`] parses, [`smtp::data`] finds the
//!    one true end of the content.
//! 2. `judge` gathers facts and [`policy`] answers `Accept`, `Defer`, `Reject` or `Hold` at each stage.
//! 3. The content goes to [`queue::Queue::begin_body`] chunk by chunk; [`queue::Queue::accept`] writes body, message,
//!    parcels and fact in one batch of [`store::Engine::commit`]. Only then the session says 250.
//! 4. `deliver` asks [`queue::Deliveries::ready`] for groups, chooses one, and [`queue::Deliveries::claim`] lends it
//!    parcels. It routes, plans TLS, takes a place ([`deliver::places`]), reuses or opens a connection, and drives
//!    [`smtp::client`]; each reply is kept. The final dot waits until [`queue::Queue::intend`] is on disk; intents that a
//!    start finds left over say who may have the mail already ([`queue::Queue::recover`]).
//! 5. [`queue::Queue::settle`] ends the try: [`mail::state::next`] says where each recipient goes, and states, facts
//!    and the work that follows land in one batch. A deferral is due again after [`queue::retry::wait`]; a site that is
//!    down or asks for less waits as a whole ([`deliver::stand`], [`queue::waits`]), and no try is counted.
//! 6. What failed makes DSN work due; `bounce` claims it, composes, and accepts the DSN with the claim as `Finishing`.
//! 7. What must not go out yet is held: [`queue::hold`] keeps its card, `digest` tells whom it concerns, with links that
//!    [`digest::token`] signs. `admin::link` shows how things stand; its button asks [`digest::desk`], and
//!    [`queue::Queue::decide`] lets one of many win. A requeue is judged again, and what was found stays until its own check
//!    looked again (`judge`, [`manual::findings`]); a release goes out as it is.
//! 8. When nothing is left, [`queue::Queue::upkeep`] retires the message; its facts stay for `[queue] history`.
//!
//! What must happen later is a due record in the store, so a crash needs only one recovery: who may have a mail already is
//! marked before anything is delivered. All else goes on by itself: claims are lost, and what was claimed is due again.
//! Decisions stand in [`manual`].

#[doc(hidden)]
pub mod accounts;
#[doc(hidden)]
pub mod admin;
#[doc(hidden)]
pub mod app;
#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod bounce;
#[doc(hidden)]
pub mod certs;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod deliver;
#[doc(hidden)]
pub mod digest;
#[doc(hidden)]
pub mod journal;
#[doc(hidden)]
pub mod judge;
#[doc(hidden)]
pub mod mail;
pub mod manual;
#[doc(hidden)]
pub mod net;
#[doc(hidden)]
pub mod policy;
#[doc(hidden)]
pub mod queue;
#[doc(hidden)]
pub mod receive;
#[doc(hidden)]
pub mod scan;
#[doc(hidden)]
pub mod smtp;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod words;

pub use app::server::{Server, StartError, Submission, SubmitError};
pub use base::clock::Clock;
pub use config::{Config, Problem, Problems};
pub use journal::event::{Event, EventKind, Subscription};
