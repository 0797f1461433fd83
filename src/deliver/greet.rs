//! What is said between the connection and AUTH: banner, EHLO, STARTTLS.
//!
//! Each step has its bound and its words for what can go wrong, with the address that it went wrong at.
//! Not here: addresses, TCP and the handshake, and what is tried next (`connect`).

use std::net::SocketAddr;

use super::connect::said;
use super::plan::Plan;
use super::trouble::Trouble;
use super::wire::{Wire, WireFault};
use crate::config::{NextHop, RelayTls, Timeouts};
use crate::mail::domain::Domain;
use crate::mail::reply::{Class, Reply};
use crate::smtp::client::offers::Offers;

/// One address of one host.
pub(super) struct Target<'a> {
    pub(super) plan: &'a Plan,
    pub(super) hop: &'a NextHop,
    pub(super) at: SocketAddr,
    /// `mx.example[192.0.2.1]:25`
    pub(super) site: String,
    pub(super) timeouts: Timeouts,
    pub(super) own: Domain,
    /// Without STARTTLS, though it may be offered.
    pub(super) clear: bool,
}

/// Why one address could not be used.
pub(super) struct Miss {
    pub(super) trouble: Trouble,
    /// STARTTLS broke, and TLS is only opportunistic: without it the host may do.
    pub(super) try_clear: bool,
}

impl Target<'_> {
    /// Whether mail may go there in the clear though TLS is offered: not where a password must follow, or TLS is required.
    pub(super) fn may_be_clear(&self) -> bool {
        let password = self.plan.sasl.is_some() && !self.at.ip().is_loopback();
        self.plan.tls == RelayTls::Opportunistic && !password
    }

    /// A fault between STARTTLS and the EHLO behind it, wherever it is: RFC 7435 section 3 wants the mail to go on.
    pub(super) fn behind_starttls(&self, miss: Miss) -> Miss {
        let loops = matches!(miss.trouble, Trouble::Loop(_));
        Miss {
            try_clear: self.may_be_clear() && !loops,
            ..miss
        }
    }

    pub(super) fn broken(&self, step: &'static str, why: &str) -> Miss {
        let why = format!("{}: {why}", self.site);
        Miss::from(Trouble::Broken { step, why })
    }

    fn broken_by(&self, step: &'static str, fault: &WireFault) -> Miss {
        self.broken(step, &format!("{fault} ({step})"))
    }
}

/// 220.
pub(super) async fn banner(
    wire: &mut Wire,
    target: &Target<'_>,
    log: &mut String,
) -> Result<(), Miss> {
    let reply = wire.reply(target.timeouts.banner).await;
    let reply = reply.map_err(|fault| target.broken_by("banner", &fault))?;
    said(log, "S:", &reply.to_string());
    if reply.class() == Class::Done {
        Ok(())
    } else {
        Err(unwelcome("banner", reply))
    }
}

/// EHLO, and HELO for peers that do not know it (RFC 5321 section 3.2).
pub(super) async fn ehlo(
    wire: &mut Wire,
    target: &Target<'_>,
    log: &mut String,
) -> Result<Offers, Miss> {
    let own = &target.own;
    for (word, step) in [("EHLO", "EHLO"), ("HELO", "HELO")] {
        said(log, "C:", &format!("{word} {own}"));
        let command = format!("{word} {own}\r\n");
        let sent = wire.send(command.as_bytes(), target.timeouts.ehlo).await;
        sent.map_err(|fault| target.broken_by(step, &fault))?;
        let answer = wire.offers(target.timeouts.ehlo).await;
        let (reply, offers) = answer.map_err(|fault| target.broken_by(step, &fault))?;
        said(log, "S:", &reply.to_string());
        match reply.class() {
            Class::Done if word == "HELO" => return Ok(Offers::default()),
            Class::Done => {
                if target.plan.foreign && offers.name().eq_ignore_ascii_case(own.as_str()) {
                    let text =
                        format!("mail loops back to myself: {} greets as {own}", target.site);
                    return Err(Miss::from(Trouble::Loop(text)));
                }
                return Ok(offers);
            }
            Class::Never if word == "EHLO" => {}
            Class::Never | Class::NotNow | Class::GoOn => return Err(unwelcome(step, reply)),
        }
    }
    Err(target.broken("HELO", "neither EHLO nor HELO was taken"))
}

/// Whether the handshake may begin; a refusal is borne when TLS is opportunistic.
pub(super) async fn starttls(
    wire: &mut Wire,
    target: &Target<'_>,
    log: &mut String,
) -> Result<bool, Miss> {
    said(log, "C:", "STARTTLS");
    let reply = wire.ask(b"STARTTLS\r\n", target.timeouts.ehlo).await;
    let reply = reply.map_err(|fault| target.broken_by("STARTTLS", &fault))?;
    said(log, "S:", &reply.to_string());
    // What follows the 220 in the clear could be an attacker's, and would count as said under TLS (CVE-2011-0411).
    if wire.has_more() {
        let why = "octets follow the reply to STARTTLS in the clear";
        return Err(target.broken("STARTTLS", why));
    }
    match (reply.class(), target.plan.tls) {
        (Class::Done, _) => Ok(true),
        // 421: it closes (RFC 5321 section 3.8); in the clear it must be asked anew.
        (_, RelayTls::Opportunistic) if reply.code() != 421 => Ok(false),
        (_, RelayTls::Opportunistic | RelayTls::Off | RelayTls::Required | RelayTls::Implicit) => {
            Err(unwelcome("STARTTLS", reply))
        }
    }
}

fn unwelcome(step: &'static str, reply: Reply) -> Miss {
    Miss::from(Trouble::Unwelcome { step, reply })
}

impl From<Trouble> for Miss {
    fn from(trouble: Trouble) -> Self {
        Self {
            trouble,
            try_clear: false,
        }
    }
}
