//! What each kind of failure means: the recipient, the message, the host or the site; now, or for ever; and what next.
//!
//! This is the one file that decides it. Before MAIL nothing is for ever but what DNS says for sure and what loops:
//! a host that refuses us, cannot do TLS or does not know our password may do so tomorrow, and the lifetime of a
//! message bounds how long we ask. From MAIL on the peer's own class decides (RFC 5321 section 4.2.1).
//! Not here: back-off of a site (`site`), and when the next try is (`queue::retry`).

use super::throttle::{self, Slow};
use crate::base::limit::REPLY_TEXT_MAX;
use crate::base::text::clean;
use crate::mail::outcome::{Fault, Outcome, Scope};
use crate::mail::reply::{Class, EnhancedStatus, Reply};
use crate::net::dns::DnsFault;
use crate::smtp::client::transaction::{Cut, Stage};

/// Something that kept mail from being relayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// DNS has no host for the domain, or cannot say.
    Domain(DnsFault),
    /// DNS has no address for one host, or cannot say.
    Host(DnsFault),
    /// A zone of somebody else names an address of ours, or none that a host can have.
    Forbidden(String),
    /// The way leads back to us.
    Loop(String),
    /// No TCP connection.
    Unreachable(String),
    /// Connected, and lost or silent before MAIL.
    Broken {
        /// Banner, EHLO, STARTTLS.
        step: &'static str,
        /// What happened.
        why: String,
    },
    /// Connected, and refused before MAIL.
    Unwelcome {
        /// Banner, EHLO, STARTTLS.
        step: &'static str,
        /// How.
        reply: Reply,
    },
    /// TLS is required and cannot be had.
    NoTls(String),
    /// The peer does not take our name and password.
    LoginRefused(Reply),
    /// We do not give our password: no TLS, no common mechanism.
    LoginUnsafe(String),
    /// An address needs SMTPUTF8 (RFC 6531), which the hop has not.
    NeedsUtf8,
    /// The content needs 8BITMIME (RFC 6152), which the hop has not.
    NeedsEightBit,
    /// Larger than the hop takes (RFC 1870).
    TooLarge(u64),
    /// The peer answered a command of the transaction with 4yz or 5yz.
    Refused {
        /// Which.
        stage: Stage,
        /// How.
        reply: Reply,
    },
    /// The connection ended in the transaction.
    Cut {
        /// The answer that was waited for.
        stage: Stage,
        /// Why.
        cut: Cut,
    },
    /// We ourselves cannot read the mail now.
    Ours(String),
}

/// What follows from a trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Never again, rather than later.
    pub ends: bool,
    /// Another host of the site may do.
    pub next_host: bool,
    /// For the record.
    pub fault: Fault,
    /// What it says of other mail for the site.
    pub bears: Bears,
}

/// Whom, besides the mail that met it, a trouble concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bears {
    /// Nobody.
    Mail,
    /// The host asks for less: the site is slowed, and no try is counted.
    Slow(Slow),
    /// This host does not work.
    Host,
    /// The way there is wrong: every mail for the site would fail alike.
    Site,
}

impl Trouble {
    /// Whether the peer may have taken the mail: its dot went out, and no answer came that can be read. A 421 is one
    /// (RFC 5321 section 4.2.1: the action was not taken).
    pub fn is_in_doubt(&self) -> bool {
        matches!(
            self,
            Self::Cut {
                stage: Stage::Dot,
                cut: Cut::Lost(_)
            }
        )
    }
}

impl Ruling {
    /// For one recipient.
    pub fn outcome(&self) -> Outcome {
        if self.ends {
            Outcome::Failed(self.fault.clone())
        } else {
            match self.bears {
                Bears::Slow(_) => Outcome::Postponed(self.fault.clone()),
                Bears::Mail | Bears::Host | Bears::Site => Outcome::Deferred(self.fault.clone()),
            }
        }
    }

    /// The same, of a host that asks for less.
    fn slowing(mut self, slow: Option<Slow>) -> Self {
        if let Some(slow) = slow {
            self.bears = Bears::Slow(slow);
        }
        self
    }

    /// With the address that it was met at in the words of ours; a remote's own reply is told beside its address anyway.
    pub fn at(mut self, site: &str) -> Self {
        let reply = &self.fault.reply;
        if self.fault.synthetic && self.fault.scope != Scope::Local && !reply.text().contains(site)
        {
            let text = clean(&format!("{site}: {}", reply.text()), REPLY_TEXT_MAX);
            self.fault.reply = Reply::new(reply.code(), reply.status(), text);
        }
        self
    }
}

/// The rule for one trouble.
pub fn rule(trouble: &Trouble) -> Ruling {
    match trouble {
        Trouble::Domain(fault) => domain(fault),
        Trouble::Host(fault) => host(fault),
        Trouble::Forbidden(text) => ours(HOST, true, 554, (4, 6), "DNS", text),
        Trouble::Loop(text) => ours(HOST, true, 554, (4, 6), "connect", text),
        Trouble::Unreachable(text) => ours(HOST, false, 451, (4, 1), "connect", text),
        Trouble::Broken { step, why } => ours(HOST, false, 451, (4, 2), step, why),
        Trouble::Unwelcome { step, reply } => {
            theirs(HOST, false, reply, step).slowing(throttle::slow(None, reply))
        }
        Trouble::NoTls(text) => ours(HOST, false, 451, (7, 5), "TLS", text),
        Trouble::LoginRefused(reply) => theirs(SITE, false, reply, "AUTH"),
        Trouble::LoginUnsafe(text) => ours(SITE, false, 451, (7, 11), "AUTH", text),
        Trouble::NeedsUtf8 => ours(
            RECIPIENT,
            true,
            553,
            (6, 7),
            OFFERS,
            "the address has characters beyond ASCII, and the next hop does not offer SMTPUTF8",
        ),
        // RFC 6152 section 3: convert or return, never send as it is. Conversion would break signatures.
        Trouble::NeedsEightBit => ours(
            MESSAGE,
            true,
            554,
            (6, 3),
            OFFERS,
            "the content has octets above 127, and the next hop does not offer 8BITMIME",
        ),
        Trouble::TooLarge(most) => ours(
            MESSAGE,
            true,
            552,
            (3, 4),
            OFFERS,
            &format!("the next hop takes at most {most} octets"),
        ),
        Trouble::Refused { stage, reply } => refused(*stage, reply),
        Trouble::Cut { stage, cut } => cut_off(*stage, cut),
        Trouble::Ours(text) => ours(Scope::Local, false, 451, (3, 0), "queue", text),
    }
}

/// The trouble that decides when every host of a site had its own: the first that lets it be tried later; else the first.
pub fn decisive(troubles: &[Trouble]) -> Option<usize> {
    let later = troubles.iter().position(|trouble| !rule(trouble).ends);
    later.or((!troubles.is_empty()).then_some(0))
}

/// The rule when every host of a site had its trouble: later, if any of them may do later; else the first one's.
pub fn rule_all(troubles: &[Trouble]) -> Ruling {
    let Some(trouble) = decisive(troubles).and_then(|n| troubles.get(n)) else {
        return ours(
            Scope::Local,
            false,
            451,
            (4, 0),
            "DNS",
            "no host was left to try",
        );
    };
    let mut ruling = rule(trouble);
    if ruling.fault.scope == HOST {
        ruling.fault.scope = SITE;
    }
    ruling
}

/// Where it was seen that a hop cannot take a mail: nothing was asked yet.
const OFFERS: &str = "offers";
const RECIPIENT: Scope = Scope::Recipient;
const MESSAGE: Scope = Scope::Message;
const HOST: Scope = Scope::Host;
const SITE: Scope = Scope::Site;

fn domain(fault: &DnsFault) -> Ruling {
    let text = fault.to_string();
    match fault {
        DnsFault::NoSuchDomain(_) => ours(SITE, true, 550, (1, 2), "DNS", &text),
        // RFC 7505 section 4.2.
        DnsFault::NullMx(_) => ours(SITE, true, 556, (1, 10), "DNS", &text),
        DnsFault::NoAddress(_) | DnsFault::UnusableMx(_) => {
            ours(SITE, true, 550, (4, 4), "DNS", &text)
        }
        DnsFault::NotNow { .. } => ours(SITE, false, 451, (4, 3), "DNS", &text),
    }
}

fn host(fault: &DnsFault) -> Ruling {
    let text = fault.to_string();
    match fault {
        DnsFault::NoSuchDomain(_)
        | DnsFault::NullMx(_)
        | DnsFault::NoAddress(_)
        | DnsFault::UnusableMx(_) => ours(HOST, true, 550, (4, 4), "DNS", &text),
        DnsFault::NotNow { .. } => ours(HOST, false, 451, (4, 3), "DNS", &text),
    }
}

fn refused(stage: Stage, reply: &Reply) -> Ruling {
    let ends = reply.class() == Class::Never;
    let step = stage.to_string();
    if let Some(slow) = throttle::slow(Some(stage), reply) {
        return of_host(stage, reply).slowing(Some(slow));
    }
    match stage {
        // 530: the site wants TLS or a login first, for any mail (RFC 3207 section 4, RFC 4954 section 6).
        Stage::Mail if reply.code() == 530 => theirs(SITE, false, reply, &step),
        // RFC 5321 section 4.5.3.1.10: 552 to RCPT is how old servers say "too many recipients", with a status or without.
        Stage::Rcpt if reply.code() == 552 && may_be_many(reply) => {
            theirs(RECIPIENT, false, reply, &step)
        }
        Stage::Rcpt => theirs(RECIPIENT, ends, reply, &step),
        Stage::Reset | Stage::Mail | Stage::Data | Stage::Dot => {
            theirs(MESSAGE, ends, reply, &step)
        }
    }
}

/// Whether 552 can speak of the number of recipients; without a status it always can.
fn may_be_many(reply: &Reply) -> bool {
    reply.status().is_none() || throttle::too_many(reply)
}

fn cut_off(stage: Stage, cut: &Cut) -> Ruling {
    let step = stage.to_string();
    match cut {
        Cut::Closing(reply) => of_host(stage, reply).slowing(throttle::slow(Some(stage), reply)),
        // RFC 1047: whether it was delivered is unknown.
        Cut::Lost(why) if stage == Stage::Dot => {
            let text = format!("{why}; the mail may have been delivered");
            Ruling {
                next_host: false,
                bears: Bears::Mail,
                ..ours(HOST, false, 451, (4, 2), &step, &text)
            }
        }
        Cut::Lost(why) => ours(HOST, false, 451, (4, 2), &step, why),
    }
}

/// The host speaks for itself; behind the dot it has decided about the mail, and no other host is asked at once.
fn of_host(stage: Stage, reply: &Reply) -> Ruling {
    let ruling = theirs(HOST, false, reply, &stage.to_string());
    Ruling {
        next_host: stage != Stage::Dot,
        bears: if stage == Stage::Dot {
            Bears::Mail
        } else {
            Bears::Host
        },
        ..ruling
    }
}

fn bears(scope: Scope) -> Bears {
    match scope {
        Scope::Recipient | Scope::Message | Scope::Local => Bears::Mail,
        Scope::Host => Bears::Host,
        Scope::Site => Bears::Site,
    }
}

/// A reply of ours, for what no remote said.
fn ours(
    scope: Scope,
    ends: bool,
    code: u16,
    (subject, detail): (u16, u16),
    step: &str,
    text: &str,
) -> Ruling {
    let class = if ends { 5 } else { 4 };
    let status = EnhancedStatus(class, subject, detail);
    Ruling {
        ends,
        next_host: scope == HOST,
        bears: bears(scope),
        fault: Fault {
            scope,
            reply: Reply::new(code, Some(status), clean(text, REPLY_TEXT_MAX)),
            synthetic: true,
            step: step.to_owned(),
        },
    }
}

fn theirs(scope: Scope, ends: bool, reply: &Reply, step: &str) -> Ruling {
    Ruling {
        ends,
        next_host: scope == HOST,
        bears: bears(scope),
        fault: Fault {
            scope,
            reply: reply.clone(),
            synthetic: false,
            step: step.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
