//! Envelope: reverse-path, recipients and ESMTP parameters; never headers (RFC 5321 section 2.3.1).
//!
//! A value here is parsed and within its limits.
//! Not here: the wire form of commands (`smtp`), and the state of a recipient (`state`).

use super::mailbox::Mailbox;
use super::path::ReversePath;

/// What MAIL said.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct MailFrom {
    /// Where DSNs go.
    #[n(0)]
    pub path: ReversePath,
    /// SIZE as the client declared it (RFC 1870).
    #[n(1)]
    pub size: Option<u64>,
    /// BODY (RFC 6152, RFC 3030).
    #[n(2)]
    pub body: BodyKind,
    /// SMTPUTF8 (RFC 6531).
    #[n(3)]
    pub smtputf8: bool,
    /// RET (RFC 3461 section 4.3).
    #[n(4)]
    pub ret: Option<Ret>,
    /// ENVID (RFC 3461 section 4.4), xtext decoded.
    #[n(5)]
    pub envid: Option<String>,
}

/// What RCPT said, its forward-path resolved to a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcptTo {
    /// Where it is routed.
    pub mailbox: Mailbox,
    /// NOTIFY (RFC 3461 section 4.1).
    pub notify: Notify,
    /// ORCPT (RFC 3461 section 4.2) with its address type, xtext decoded: `rfc822;a@b.example`.
    pub orcpt: Option<String>,
}

/// A whole envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What MAIL said.
    pub from: MailFrom,
    /// What each accepted RCPT said.
    pub recipients: Vec<RcptTo>,
}

impl Envelope {
    /// Recipients by their index, in the order of RCPT.
    pub fn numbered(&self) -> Vec<(u32, &Mailbox)> {
        let each = (0u32..).zip(&self.recipients);
        each.map(|(index, rcpt)| (index, &rcpt.mailbox)).collect()
    }
}

/// BODY parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum BodyKind {
    /// The default.
    #[default]
    #[n(0)]
    SevenBit,
    /// RFC 6152.
    #[n(1)]
    EightBitMime,
}

/// RET parameter: how much of the message a DSN brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Ret {
    /// All of it.
    #[n(0)]
    Full,
    /// Its header.
    #[n(1)]
    Headers,
}

/// NOTIFY parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Notify {
    /// Not given: failures, and delays if we wish.
    #[default]
    #[n(0)]
    Default,
    /// `NEVER`
    #[n(1)]
    Never,
    /// Any of the three.
    #[n(2)]
    On {
        /// `SUCCESS`
        #[n(0)]
        success: bool,
        /// `FAILURE`
        #[n(1)]
        failure: bool,
        /// `DELAY`
        #[n(2)]
        delay: bool,
    },
}

impl MailFrom {
    /// Without parameters.
    pub fn new(path: ReversePath) -> Self {
        Self {
            path,
            size: None,
            body: BodyKind::default(),
            smtputf8: false,
            ret: None,
            envid: None,
        }
    }
}

impl RcptTo {
    /// Without parameters.
    pub fn new(mailbox: Mailbox) -> Self {
        Self {
            mailbox,
            notify: Notify::default(),
            orcpt: None,
        }
    }
}

impl Notify {
    /// Whether a failure is told (RFC 3461 section 4.1: yes, unless forbidden).
    pub fn failure(self) -> bool {
        match self {
            Self::Default => true,
            Self::Never => false,
            Self::On { failure, .. } => failure,
        }
    }

    /// Whether a relay to a hop without DSN is told.
    pub fn success(self) -> bool {
        match self {
            Self::Default | Self::Never => false,
            Self::On { success, .. } => success,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_unless_forbidden() {
        assert!(Notify::Default.failure());
        assert!(!Notify::Never.failure());
        assert!(
            !Notify::On {
                success: true,
                failure: false,
                delay: false
            }
            .failure()
        );
    }
}
