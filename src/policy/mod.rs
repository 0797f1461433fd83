//! Floor 6: one pure function per stage of the reception. Facts go in, a `Verdict` comes out.
//!
//! Nothing here waits, reads or stores; what must be looked up is a fact that `judge` brings. Every refusal says what
//! its reader can do. Hold is invisible to the peer: the mail is accepted and kept for a person.
//! Not here: gathering facts (`judge`), and limits of a connection (`net::limiter`).

mod attachments;
mod fields;
mod flagged;
mod hidden;
mod rcpt;
mod rules;
mod scanned;
mod spam;
mod text;

use std::net::IpAddr;

use crate::config::{AddressPattern, Network, RateAction, Role, SaslRule};
use crate::mail::hold::Hold;
use crate::mail::path::ReversePath;
use crate::mail::reply::{EnhancedStatus, Reply};

pub use attachments::{Attachments, attachments};
pub use rcpt::{RcptFacts, rcpt};
pub use rules::{Moment, RuleFacts, rules};
pub use scanned::{Scanned, scanned};
pub use text::{TextFacts, asks, fails, refused};

/// What is done with a command or a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Accept,
    /// Not now; a 4yz reply.
    Defer(Reply),
    /// Never; a 5yz reply.
    Reject(Reply),
    /// Accept it, and keep it for a person.
    Hold(Hold),
}

/// Where a mail that scanners looked at came from.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Our name.
    pub hostname: &'a str,
    /// What its listener is for.
    pub role: Role,
    /// Its reverse-path.
    pub from: &'a ReversePath,
    /// What its client called itself.
    pub helo: &'a str,
    /// Whether somebody is there who can be refused.
    pub answered: bool,
}

/// Who is at the other end; the same at every stage.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// What its listener is for.
    pub role: Role,
    /// Whether that listener wants a login.
    pub sasl: SaslRule,
    /// Its address is in `trust` of that listener.
    pub trusted: bool,
    /// Who logged in.
    pub account: Option<Permit<'a>>,
}

/// What an account may do.
#[derive(Clone, Copy, Debug)]
pub struct Permit<'a> {
    /// Its name.
    pub name: &'a str,
    /// Reverse-paths and From that it may use; empty: any.
    pub senders: &'a [AddressPattern],
    /// Hold everything.
    pub hold: bool,
}

/// An account sends more than its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFast {
    /// What its configuration says for that.
    pub action: RateAction,
}

impl Client<'_> {
    /// Whether it may send to any address. On an mx listener a login counts as much as on a submission listener.
    pub fn may_relay(&self) -> bool {
        self.trusted || self.account.is_some()
    }
}

/// Whether `peer` may relay without a login.
pub fn trusts(networks: &[Network], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    networks.iter().any(|network| network.contains(peer))
}

/// May this mail begin?
pub fn mail(client: &Client<'_>, from: &ReversePath, too_fast: Option<TooFast>) -> Verdict {
    if client.role == Role::Submission && client.sasl == SaslRule::Required && !client.may_relay() {
        return Verdict::Reject(reply(
            530,
            (5, 7, 0),
            "Authentication required; log in with AUTH",
        ));
    }
    if let (Some(permit), Some(mailbox)) = (&client.account, from.mailbox())
        && !permit.allows(mailbox)
    {
        let text = format!(
            "<{mailbox}>: the account {} may not send as this address",
            permit.name
        );
        return Verdict::Reject(reply(553, (5, 7, 1), text));
    }
    match too_fast.map(|fast| fast.action) {
        Some(RateAction::Defer) => Verdict::Defer(reply(
            450,
            (4, 7, 1),
            "The account sends more than its rate allows; try again later",
        )),
        Some(RateAction::Reject) => Verdict::Reject(reply(
            550,
            (5, 7, 1),
            "The account sends more than its rate allows",
        )),
        // Held when the text is there.
        Some(RateAction::Hold) | None => Verdict::Accept,
    }
}

impl Permit<'_> {
    fn allows(&self, mailbox: &crate::mail::mailbox::Mailbox) -> bool {
        self.senders.is_empty() || self.senders.iter().any(|pattern| pattern.matches(mailbox))
    }
}

fn reply(code: u16, status: (u8, u16, u16), text: impl Into<String>) -> Reply {
    let (class, subject, detail) = status;
    Reply::new(code, Some(EnhancedStatus(class, subject, detail)), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(verdict: &Verdict) -> u16 {
        match verdict {
            Verdict::Accept | Verdict::Hold(_) => 250,
            Verdict::Defer(reply) | Verdict::Reject(reply) => reply.code(),
        }
    }

    #[test]
    fn a_submission_listener_wants_a_login_or_trust() {
        for (name, sasl, trusted, wanted) in [
            ("stranger", SaslRule::Required, false, 530),
            ("trusted", SaslRule::Required, true, 250),
            ("stranger, login optional", SaslRule::Optional, false, 250),
        ] {
            let client = Client {
                role: Role::Submission,
                sasl,
                trusted,
                account: None,
            };
            let got = mail(&client, &ReversePath::Null, None);
            assert_eq!(code(&got), wanted, "case: {name}");
        }
    }

    #[test]
    fn an_account_sends_only_as_its_addresses() {
        let senders = [AddressPattern::parse("*@example.org").unwrap()];
        let client = Client {
            role: Role::Submission,
            sasl: SaslRule::Required,
            trusted: false,
            account: Some(Permit {
                name: "app1",
                senders: &senders,
                hold: false,
            }),
        };
        for (from, wanted) in [("a@example.org", 250), ("a@example.net", 553), ("", 250)] {
            let from = ReversePath::parse(from).unwrap();
            assert_eq!(code(&mail(&client, &from, None)), wanted, "case: {from}");
        }
        for (action, wanted) in [
            (RateAction::Defer, 450),
            (RateAction::Reject, 550),
            (RateAction::Hold, 250),
        ] {
            let got = mail(&client, &ReversePath::Null, Some(TooFast { action }));
            assert_eq!(code(&got), wanted, "case: {action:?}");
        }
    }

    #[test]
    fn a_trusted_network_is_known_in_both_notations() {
        let networks = [Network::parse("192.0.2.0/24").unwrap()];
        assert!(trusts(&networks, "192.0.2.7".parse().unwrap()));
        assert!(trusts(&networks, "::ffff:192.0.2.7".parse().unwrap()));
        assert!(!trusts(&networks, "192.0.3.7".parse().unwrap()));
        assert!(!trusts(&[], "127.0.0.1".parse().unwrap()));
    }
}
