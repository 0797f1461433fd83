//! May a mail be kept, and may it go out? Asked when its text is there.
//!
//! Pure: facts in, a reply or a hold out. A hold is never told to the peer.
//! Not here: reading the fields (`receive::header`), and what a hold means later (`queue`).

use super::{Client, TooFast, reply};
use crate::base::limit::{RECEIVED_MAX, RECEIVED_OWN_MAX};
use crate::config::RateAction;
use crate::mail::hold::{Check, Hold, HoldQueue, HoldReason};
use crate::mail::mailbox::Mailbox;
use crate::mail::reply::Reply;

/// What a mail is judged by when its text is there.
#[derive(Clone, Copy, Debug)]
pub struct TextFacts<'a> {
    /// Who sent it.
    pub client: Client<'a>,
    /// Received fields.
    pub received: usize,
    /// Received fields by our own name.
    pub received_own: usize,
    /// `[queue] hops_max`
    pub hops_max: usize,
    /// Addresses in From; none if one of them cannot be read.
    pub from: Option<&'a [Mailbox]>,
    /// The account was too fast at MAIL.
    pub too_fast: Option<TooFast>,
    /// Whether the rate was asked at all; a mail is counted once, when it comes.
    pub rate_asked: bool,
    /// Whether `[checks]` asks for malformed MIME.
    pub mime_asked: bool,
    /// What is malformed.
    pub broken_mime: Option<&'static str>,
}

/// Whether it is refused whatever the checks say.
pub fn refused(facts: &TextFacts<'_>) -> Option<Reply> {
    if facts.received > RECEIVED_MAX {
        let text = format!(
            "Too many hops: {} Received fields; the mail is in a loop",
            facts.received
        );
        return Some(reply(554, (5, 4, 6), text));
    }
    if let Some(permit) = &facts.client.account
        && !permit.senders.is_empty()
        && !facts
            .from
            .is_some_and(|from| !from.is_empty() && from.iter().all(|m| permit.allows(m)))
    {
        let text = format!(
            "From: the account {} may not send as this address",
            permit.name
        );
        return Some(reply(553, (5, 7, 1), text));
    }
    None
}

/// Whether a mail with these facts is looked at for this at all.
pub fn asks(check: Check, facts: &TextFacts<'_>) -> bool {
    match check {
        Check::Mime => facts.mime_asked,
        Check::Rate => facts.rate_asked,
        Check::Loop
        | Check::Account
        | Check::Attachments
        | Check::Virus
        | Check::Spam
        | Check::Dmarc
        | Check::Filter
        | Check::Rules => true,
    }
}

/// Why one check holds it, if it does.
pub fn fails(check: Check, facts: &TextFacts<'_>) -> Option<Hold> {
    let account = facts.client.account.as_ref();
    match check {
        Check::Loop => {
            let cause = format!(
                "{} Received fields, {} of them by this server",
                facts.received, facts.received_own
            );
            let wild = facts.received > facts.hops_max || facts.received_own >= RECEIVED_OWN_MAX;
            wild.then(|| {
                Hold::new(HoldQueue::Defect, HoldReason::Loop, cause)
                    .with("received", facts.received)
                    .with("own", facts.received_own)
            })
        }
        Check::Mime => facts
            .broken_mime
            .map(|what| Hold::new(HoldQueue::Defect, HoldReason::BrokenMime, what)),
        Check::Account => account.filter(|permit| permit.hold).map(|permit| {
            let cause = format!("everything of the account {} is held", permit.name);
            Hold::new(HoldQueue::Quarantine, HoldReason::Account, cause)
                .with("account", permit.name)
        }),
        Check::Rate => match facts.too_fast?.action {
            RateAction::Hold => account.map(|permit| {
                let cause = format!("the account {} sends more than its rate", permit.name);
                Hold::new(HoldQueue::Quarantine, HoldReason::RateLimit, cause)
                    .with("account", permit.name)
            }),
            // They were answered at MAIL.
            RateAction::Defer | RateAction::Reject => None,
        },
        // They need more than facts (`scanned`), or the recipients (`rules`).
        Check::Rules
        | Check::Attachments
        | Check::Virus
        | Check::Spam
        | Check::Dmarc
        | Check::Filter => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AddressPattern, Role, SaslRule};
    use crate::policy::Permit;

    const PLAIN: TextFacts<'_> = TextFacts {
        client: Client {
            role: Role::Mx,
            sasl: SaslRule::Off,
            trusted: false,
            account: None,
        },
        received: 1,
        received_own: 0,
        hops_max: 50,
        from: None,
        too_fast: None,
        rate_asked: true,
        mime_asked: false,
        broken_mime: None,
    };

    fn held(facts: &TextFacts<'_>) -> Option<(HoldQueue, HoldReason)> {
        assert_eq!(refused(facts), None);
        let order = [Check::Loop, Check::Mime, Check::Account, Check::Rate];
        let hold = order.into_iter().find_map(|check| fails(check, facts))?;
        Some((hold.queue, hold.reason))
    }

    #[test]
    fn a_loop_is_held_and_a_wild_one_refused() {
        let defect = Some((HoldQueue::Defect, HoldReason::Loop));
        for (received, received_own, wanted) in [
            (50, 4, None),
            (51, 0, defect),
            (5, 5, defect),
            (200, 0, defect),
        ] {
            let facts = TextFacts {
                received,
                received_own,
                ..PLAIN
            };
            assert_eq!(held(&facts), wanted, "case: {received} {received_own}");
        }
        let wild = TextFacts {
            received: 201,
            ..PLAIN
        };
        assert_eq!(
            refused(&wild).and_then(|reply| reply.status()),
            Some(crate::mail::reply::EnhancedStatus(5, 4, 6))
        );
    }

    #[test]
    fn an_account_writes_only_its_addresses_into_from() {
        let senders = [AddressPattern::parse("*@example.org").unwrap()];
        let client = Client {
            account: Some(Permit {
                name: "app1",
                senders: &senders,
                hold: false,
            }),
            ..PLAIN.client
        };
        let good = [Mailbox::parse("a@example.org").unwrap()];
        let bad = [good[0].clone(), Mailbox::parse("a@example.net").unwrap()];
        for (name, from, wanted) in [
            ("its own", Some(&good[..]), false),
            ("one foreign", Some(&bad[..]), true),
            ("none", Some(&[][..]), true),
            ("unreadable", None, true),
        ] {
            let facts = TextFacts {
                client,
                from,
                ..PLAIN
            };
            assert_eq!(refused(&facts).is_some(), wanted, "case: {name}");
        }
    }

    #[test]
    fn accounts_may_be_held_for_two_reasons() {
        let permit = Permit {
            name: "app1",
            senders: &[],
            hold: false,
        };
        let fast = TextFacts {
            client: Client {
                account: Some(permit),
                ..PLAIN.client
            },
            too_fast: Some(TooFast {
                action: RateAction::Hold,
            }),
            ..PLAIN
        };
        assert_eq!(
            held(&fast),
            Some((HoldQueue::Quarantine, HoldReason::RateLimit))
        );
        let all = TextFacts {
            client: Client {
                account: Some(Permit {
                    hold: true,
                    ..permit
                }),
                ..PLAIN.client
            },
            ..fast
        };
        assert_eq!(
            held(&all),
            Some((HoldQueue::Quarantine, HoldReason::Account))
        );
    }
}
