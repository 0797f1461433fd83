//! Which replies speak of us, our pace or the host's load, and not of the mail or its recipient.
//!
//! A small table of texts and statuses, from the public documentation of providers and servers and from the labelled
//! replies of real bounces; a later classifier takes over. A text counts only where it cannot mean something else: at
//! RCPT "try again later" is greylisting, which must never slow a site, and so is whatever speaks of a mailbox.
//! Not here: what follows for the mail (`trouble`) and for the site (`pace`).

use std::time::Duration;

use crate::mail::reply::{Class, EnhancedStatus, Reply};
use crate::smtp::client::transaction::Stage;

/// The site asks for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// Of what.
    pub what: What,
    /// For so long, if it says so.
    pub span: Option<Duration>,
}

/// Of what there is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Connections: fewer may do.
    Connections,
    /// Mail at this time, or anything at all: the host is busy.
    Rate,
}

/// Where a text means what the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Anywhere,
    /// Up to the reply to MAIL: nobody has named a recipient yet.
    Early,
}

/// What the reply asks for, if it speaks of the host, the rate or us. `stage`: none before MAIL.
pub fn slow(stage: Option<Stage>, reply: &Reply) -> Option<Slow> {
    if reply.class() != Class::NotNow {
        return None;
    }
    let text = reply.text().to_lowercase().replace('\n', " ");
    if is_of_recipient(stage, reply, &text) {
        return None;
    }
    let early = match stage {
        None | Some(Stage::Reset | Stage::Mail) => true,
        Some(Stage::Rcpt | Stage::Data | Stage::Dot) => false,
    };
    let fits = |place: Where| match place {
        Where::Anywhere => true,
        Where::Early => early,
    };
    let of_text = TEXTS
        .iter()
        .find(|(part, place, _)| fits(*place) && text.contains(part))
        .map(|(_, _, what)| *what);
    let of_status = || {
        let status = reply.status()?;
        let found = STATUSES
            .iter()
            .find(|((subject, detail), place, _)| {
                fits(*place) && (status.1, status.2) == (*subject, *detail)
            })
            .map(|(_, _, what)| *what)?;
        Some(found)
    };
    // 421 closes the connection whatever was asked (RFC 5321 section 3.8): the host has no time for us.
    let of_code = || (reply.code() == 421).then_some(What::Rate);
    let what = of_text.or_else(of_status).or_else(of_code)?;
    let span = named_span(&text);
    Some(Slow { what, span })
}

/// Whether the reply to RCPT says that the transaction has recipients enough (RFC 5321 section 4.5.3.1.10). A status
/// decides; without one old servers say it with 552, and the text must not speak of a mailbox.
pub fn too_many(reply: &Reply) -> bool {
    match (reply.code(), reply.status()) {
        (450..=452 | 552, Some(EnhancedStatus(_, 5, 3))) => true,
        (452 | 552, None) => {
            let text = reply.text().to_lowercase();
            !MAILBOX.iter().any(|part| text.contains(part))
        }
        _ => false,
    }
}

fn is_of_recipient(stage: Option<Stage>, reply: &Reply, text: &str) -> bool {
    if RECIPIENT.iter().any(|part| text.contains(part)) || too_many_at(stage, reply) {
        return true;
    }
    match reply.status() {
        // Orange says 421 4.2.0 to everybody; a mailbox that is disabled or full is one.
        Some(EnhancedStatus(_, 2, detail)) => reply.code() != 421 || matches!(detail, 1 | 2),
        Some(EnhancedStatus(_, 1, _)) => reply.code() != 421,
        Some(EnhancedStatus(..)) | None => false,
    }
}

fn too_many_at(stage: Option<Stage>, reply: &Reply) -> bool {
    stage == Some(Stage::Rcpt) && too_many(reply)
}

/// "try again in 300 seconds", "wait 5 minutes": the span that a text names, if it names one.
fn named_span(text: &str) -> Option<Duration> {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(3).find_map(|three| {
        let [before, number, unit] = three else {
            return None;
        };
        if !matches!(*before, "in" | "after" | "wait" | "for" | "least" | "about") {
            return None;
        }
        let digits = number.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let glued = number.get(digits.len()..).filter(|unit| !unit.is_empty());
        let number: u64 = digits.parse().ok()?;
        let secs = match glued.unwrap_or(unit) {
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3_600,
            _ => return None,
        };
        Some(Duration::from_secs(number.saturating_mul(secs)))
    })
}

/// Parts of texts in lower case; the first that fits decides.
///
/// Sources: [G] Google, "SMTP error reference"; [M] Microsoft, "Non-delivery report" and sendersupport codes; [Y] Yahoo,
/// "SMTP error codes" (TS, TSS); [P] Postfix `smtpd` and `anvil`; [E] Exim's and cPanel's texts; [S] sendmail
/// `ConnectionRateThrottle`; [O] Orange's list of OFR codes; [D] replies of bounces with the label `rate_limited`.
const TEXTS: &[(&str, Where, What)] = &[
    ("too many connections", Where::Anywhere, What::Connections), // [P] [O]
    ("too many concurrent", Where::Anywhere, What::Connections),  // [E] [M]
    ("too many simultaneous", Where::Anywhere, What::Connections), // [E]
    ("too many sessions", Where::Anywhere, What::Connections),    // [M]
    ("maximum connections", Where::Anywhere, What::Connections),
    ("connection limit", Where::Anywhere, What::Connections),
    ("connections per", Where::Anywhere, What::Connections),
    ("connection rate", Where::Anywhere, What::Rate), // [P] [S] [D]
    ("unusual rate", Where::Anywhere, What::Rate),    // [G] 4.7.28
    ("rate limit", Where::Anywhere, What::Rate),      // [M] [D]
    ("ratelimit", Where::Anywhere, What::Rate),
    ("rate-limit", Where::Anywhere, What::Rate),
    ("message rate", Where::Anywhere, What::Rate),
    ("sending rate", Where::Anywhere, What::Rate),
    ("throttl", Where::Anywhere, What::Rate), // [M]
    ("too much mail", Where::Anywhere, What::Rate),
    ("too many messages", Where::Anywhere, What::Rate), // [E]
    ("too many emails", Where::Anywhere, What::Rate),
    ("too many mails", Where::Anywhere, What::Rate),
    ("unexpected volume", Where::Anywhere, What::Rate), // [Y] TSS04
    ("user complaints", Where::Anywhere, What::Rate),   // [Y] TS01
    ("[ts0", Where::Anywhere, What::Rate),              // [Y]
    ("[tss0", Where::Anywhere, What::Rate),             // [Y]
    ("ip reputation", Where::Anywhere, What::Rate),     // [M] 4.7.650
    ("from your ip", Where::Anywhere, What::Rate),      // [G]
    ("from your domain", Where::Anywhere, What::Rate),  // [G]
    ("slow down", Where::Anywhere, What::Rate),
    ("server is busy", Where::Anywhere, What::Rate), // [M]
    ("server busy", Where::Anywhere, What::Rate),    // [M] 4.3.2
    ("too busy", Where::Anywhere, What::Rate),
    ("system load", Where::Anywhere, What::Rate), // [S] [E]
    ("load is too high", Where::Anywhere, What::Rate), // [E]
    ("overload", Where::Anywhere, What::Rate),
    (
        "resources temporarily unavailable",
        Where::Anywhere,
        What::Rate,
    ), // [Y]
    ("insufficient system resources", Where::Anywhere, What::Rate), // [M] 4.3.1
    ("service refuse", Where::Early, What::Rate),                   // [O]
    ("service not available", Where::Early, What::Rate),            // RFC 5321 section 4.2.3
    ("service unavailable", Where::Early, What::Rate),
    ("service is unavailable", Where::Early, What::Rate),
    ("temporarily deferred", Where::Early, What::Rate), // [Y]
    ("not accepting messages", Where::Early, What::Rate),
    ("no capacity", Where::Early, What::Rate),
];

/// Subject and detail of a status, for replies whose text says nothing.
const STATUSES: &[((u16, u16), Where, What)] = &[
    ((7, 28), Where::Anywhere, What::Rate), // [G] unusual rate, by address, domain or account
    ((7, 650), Where::Anywhere, What::Rate), // [M] rate limited by reputation
    ((3, 1), Where::Early, What::Rate),     // RFC 3463 section 3.4: its disk is full
    ((3, 2), Where::Early, What::Rate), // RFC 3463 section 3.4: the system is not accepting messages
    ((4, 5), Where::Anywhere, What::Rate), // RFC 3463 section 3.5: congestion
];

/// What looks like a rate and means one recipient.
const RECIPIENT: &[&str] = &[
    "receiving mail at a rate",   // [G] 4.2.1
    "receiving mail too quickly", // [G] 4.2.1
    "recipient has exceeded",     // [M]
    "recipient is receiving",
    "recipient error", // [D]
    "greylist",
    "graylist",
    "grey-list",
];

/// What 452 and 552 speak of when they do not mean the number of recipients.
const MAILBOX: &[&str] = &[
    "mailbox", "storage", "quota", "full", "space", "size", "large", "disk",
];

#[cfg(test)]
mod tests;
