//! What one try at one site meant for one recipient. Faults of a remote are values, not errors.
//!
//! A fault says whom it concerns: the recipient, the message, the host or the site.
//! Not here: how replies become faults (`deliver::trouble`).

use super::reply::Reply;

/// The result of an attempt for one recipient; the words are those of RFC 3464 section 2.3.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop has taken responsibility.
    Relayed(Reply),
    /// Not now.
    Deferred(Fault),
    /// Never.
    Failed(Fault),
    /// A fault of ours that no further try mends: kept for a person, in `bad`.
    Broken(Fault),
    /// The final dot went out and no verdict came back: the next hop may have it or not (RFC 1047).
    InDoubt(Fault),
    /// The site has no time for us now: no attempt is counted, and it is due again at once, when the site is.
    Postponed(Fault),
    /// Nothing was tried for it (the site is paused, we are stopping): no attempt is counted.
    Untried,
}

impl Outcome {
    /// Whether the next hop has it.
    pub fn is_relayed(&self) -> bool {
        match self {
            Self::Relayed(_) => true,
            Self::Deferred(_)
            | Self::Failed(_)
            | Self::Broken(_)
            | Self::InDoubt(_)
            | Self::Postponed(_)
            | Self::Untried => false,
        }
    }
}

/// What went wrong, where.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Fault {
    /// Whom the failure means.
    #[n(0)]
    pub scope: Scope,
    /// The remote's reply, or one of ours that says what happened (`synthetic`).
    #[n(1)]
    pub reply: Reply,
    /// Whether `reply` is ours: no remote said it.
    #[n(2)]
    pub synthetic: bool,
    /// The command that was answered, or the step that failed (`connect`, `TLS`, `DNS`).
    #[n(3)]
    pub step: String,
}

/// Whom a failure means; it decides what else is tried and what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Scope {
    /// This address only.
    #[n(0)]
    Recipient,
    /// Every recipient of this message.
    #[n(1)]
    Message,
    /// This host; the next one of the site may do.
    #[n(2)]
    Host,
    /// The whole site: other messages for it would fail alike.
    #[n(3)]
    Site,
    /// Our own side: no route, loop, configuration.
    #[n(4)]
    Local,
}
