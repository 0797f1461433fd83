//! May a mail go there? The rules that keep us from being an open relay.
//!
//! Pure: facts in, a verdict out. What is not allowed by name is refused.
//! Not here: gathering the facts (`receive`).

use super::hidden::is_hidden;
use super::{Client, Verdict, reply};
use crate::config::DomainConf;
use crate::mail::mailbox::{Host, Mailbox};

/// What RCPT is judged by.
#[derive(Clone, Copy, Debug)]
pub struct RcptFacts<'a> {
    /// Who asks.
    pub client: Client<'a>,
    /// Where to; the bare postmaster is resolved.
    pub mailbox: &'a Mailbox,
    /// `[[domain]]`
    pub domains: &'a [DomainConf],
}

/// Accept, or 554 5.7.1 and 553 5.1.3.
pub fn rcpt(facts: &RcptFacts<'_>) -> Verdict {
    if facts.client.may_relay() {
        return Verdict::Accept;
    }
    let ours = match facts.mailbox.host() {
        Host::Domain(domain) => facts.domains.iter().any(|own| own.name == *domain),
        // RFC 5321 section 4.1.3 lets a client name us by address; nobody needs it, and open relays are found so.
        Host::Literal(_) => false,
    };
    if !ours {
        let text = format!("<{}>: Relay access denied", facts.mailbox);
        return Verdict::Reject(reply(554, (5, 7, 1), text));
    }
    if is_hidden(facts.mailbox.local()) {
        let text = format!(
            "<{}>: the local part hides another address, a file or a program",
            facts.mailbox
        );
        return Verdict::Reject(reply(553, (5, 1, 3), text));
    }
    Verdict::Accept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RelayTls, Role, SaslRule};
    use crate::policy::Permit;

    fn judged(role: Role, trusted: bool, account: bool, to: &str) -> u16 {
        let domains = [DomainConf {
            name: "example.org".parse().unwrap(),
            relay: Vec::new(),
            owner: None,
            tls: RelayTls::Off,
            ca: None,
        }];
        let permit = Permit {
            name: "app1",
            senders: &[],
            hold: false,
        };
        let facts = RcptFacts {
            client: Client {
                role,
                sasl: SaslRule::Off,
                trusted,
                account: account.then_some(permit),
            },
            mailbox: &Mailbox::parse(to).unwrap(),
            domains: &domains,
        };
        match rcpt(&facts) {
            Verdict::Accept | Verdict::Hold(_) => 250,
            Verdict::Defer(reply) | Verdict::Reject(reply) => reply.code(),
        }
    }

    #[test]
    fn a_stranger_reaches_only_our_domains() {
        for (to, wanted) in [
            ("user@example.org", 250),
            ("user@EXAMPLE.ORG", 250),
            ("user@example.net", 554),
            ("user@sub.example.org", 554),
            ("user@example.org.example.net", 554),
            ("user@evil-example.org", 554),
            ("user@[192.0.2.1]", 554),
            ("user@[127.0.0.1]", 554),
            ("v%example.net@example.org", 553),
            ("\"v@example.net\"@example.org", 553),
        ] {
            for role in [Role::Mx, Role::Submission] {
                assert_eq!(
                    judged(role, false, false, to),
                    wanted,
                    "case: {role:?} {to}"
                );
            }
        }
    }

    #[test]
    fn trust_and_login_reach_everybody() {
        for (trusted, account) in [(true, false), (false, true)] {
            for to in ["user@example.net", "user@[192.0.2.1]", "a%b@example.org"] {
                for role in [Role::Mx, Role::Submission] {
                    assert_eq!(
                        judged(role, trusted, account, to),
                        250,
                        "case: {role:?} {to}"
                    );
                }
            }
        }
    }
}
