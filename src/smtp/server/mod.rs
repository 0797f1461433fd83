//! The server side of a session as a pure machine: a line or an answer goes in, a reply and what comes next go out.
//!
//! The machine keeps the order of the dialog (RFC 5321, and the extensions in `hello`), counts errors and idle
//! commands, and asks whoever drives it what it may not decide: `Ask` goes out, and exactly one `answer` comes back
//! before the next line. It judges nothing, stores nothing and knows no clock. State from before STARTTLS is forgotten.
//! Not here: sockets and deadlines (`receive`), verdicts (`policy`), and the text of a mail (`data`).

mod counts;
mod hello;
mod sasl;
mod session;

pub use hello::{Offer, SaslOffer};
pub use sasl::Login;
pub use session::Session;

use super::command::Recipient;
use crate::mail::envelope::MailFrom;
use crate::mail::reply::{EnhancedStatus, Reply};

/// What the driver does after one input.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Goes out first, together with what waits.
    pub reply: Option<Reply>,
    /// And then.
    pub then: Then,
}

/// What comes after the reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Then {
    /// Read the next line.
    Line,
    /// Find the answer, and give it.
    Ask(Ask),
    /// Begin the handshake, and say `tls_started`.
    Tls,
    /// Close the connection when the replies are out.
    Close,
}

/// What the machine may not decide.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// May this client go on?
    Hello(String),
    /// May this mail begin?
    Mail(MailFrom),
    /// May it go there?
    Rcpt(Recipient),
    /// May its text come? Nothing was read yet.
    Data,
    /// Read the text up to its end, and keep the mail.
    Body,
    /// Read `size` octets; keep the mail when it was the last chunk.
    Chunk {
        /// Octets that follow.
        size: u64,
        /// The last one.
        last: bool,
        /// Whether they belong to a mail; else they are only skipped.
        keep: bool,
    },
    /// Is this the password?
    Login(Login),
}

/// The answer to an `Ask`.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes, with the usual reply.
    Yes,
    /// The mail is safe; its queue id.
    Queued(String),
    /// No.
    No(Reply),
    /// No, and the session ends.
    Cut(Reply),
}

/// Why a session ends that did nothing wrong in its last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing came in time.
    Idle,
    /// A command line began and did not end in time.
    Drip,
    /// For a long time no mail was taken, whatever else was said.
    Unused,
    /// The transaction took too long.
    Slow,
    /// All places are taken, and it does nothing with its own.
    Crowded,
    /// We stop.
    Shutdown,
}

impl Step {
    const fn say(reply: Reply) -> Self {
        Self {
            reply: Some(reply),
            then: Then::Line,
        }
    }

    const fn ask(ask: Ask) -> Self {
        Self {
            reply: None,
            then: Then::Ask(ask),
        }
    }

    /// The last words.
    pub const fn close(reply: Reply) -> Self {
        Self {
            reply: Some(reply),
            then: Then::Close,
        }
    }
}

/// `250 2.1.0 Ok` and the like.
fn reply(code: u16, status: (u8, u16, u16), text: impl Into<String>) -> Reply {
    let (class, subject, detail) = status;
    Reply::new(code, Some(EnhancedStatus(class, subject, detail)), text)
}
