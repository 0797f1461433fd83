//! What is told about certificates: one line in the log and one event each, for somebody who reads it at night.
//!
//! Each text says what happened, what is in force now, and when it goes on.
//! Not here: the words of failures (`failure`).

use super::Tools;
use super::check::day;
use super::failure::Failure;
use super::table::Shown;
use crate::journal::event::{Event, EventKind};

pub(super) const RENEWED: EventKind = EventKind::CertRenewed;
pub(super) const FAILED: EventKind = EventKind::CertFailed;
pub(super) const EXPIRING: EventKind = EventKind::CertExpiring;

/// A new one is about to be shown.
pub(super) fn renewed(
    tools: &Tools,
    title: &str,
    shown: &Shown,
    next: u64,
    notes: &[&str],
) -> String {
    let (until, issuer) = (day(shown.facts.until), &shown.facts.issuer);
    let mut text = format!(
        "ordered; valid until {until}, issued by {issuer}, to be renewed about {}",
        day(next.max(tools.clock.wall().secs()))
    );
    for note in notes {
        text = format!("{text}; {note}");
    }
    tracing::info!(certificate = title, "{text}");
    text
}

/// A try failed; what is in force stays.
pub(super) fn failed(
    title: &str,
    shown: Option<&Shown>,
    failure: &Failure,
    next: u64,
    now: u64,
) -> String {
    let why = &failure.why;
    let state = state(shown, now);
    let next = day(next);
    tracing::warn!(
        certificate = title,
        why,
        "no new certificate; {state}; next try {next}"
    );
    format!("{why}; {state}; next try {next}")
}

/// Files changed, and are not good.
pub(super) fn broken_files(title: &str, shown: &Shown, why: &str, now: u64) -> String {
    let state = state(Some(shown), now);
    tracing::error!(
        certificate = title,
        why,
        "the changed certificate files are not used; {state}"
    );
    format!("the changed files are not used: {why}; {state}")
}

/// Files changed, and are in force.
pub(super) fn fresh_files(title: &str, shown: &Shown) -> String {
    let text = format!(
        "read from changed files; valid until {}",
        day(shown.facts.until)
    );
    tracing::info!(certificate = title, "{text}");
    text
}

/// It ends soon.
pub(super) fn expiring(title: &str, shown: &Shown, now: u64) -> String {
    let until = shown.facts.until;
    let text = if until <= now {
        format!("ended on {}; clients that verify refuse it", day(until))
    } else {
        let days = (until - now) / 86_400;
        format!(
            "ends on {} ({days} days left), and nothing has replaced it",
            day(until)
        )
    };
    tracing::warn!(certificate = title, "the certificate {text}");
    text
}

fn state(shown: Option<&Shown>, now: u64) -> String {
    match shown {
        None => "nothing is shown for it".to_owned(),
        Some(shown) if shown.stand_in => "a self-signed one stands in".to_owned(),
        Some(shown) if shown.facts.until <= now => {
            format!("the old one ended on {}", day(shown.facts.until))
        }
        Some(shown) => format!("the old one stays, valid until {}", day(shown.facts.until)),
    }
}

/// To who listens.
pub(super) fn event(tools: &Tools, kind: EventKind, title: &str, text: String) {
    tools.events.send(Event {
        kind,
        at: tools.clock.wall(),
        queue_id: String::new(),
        tenant: String::new(),
        from: String::new(),
        recipient: title.to_owned(),
        text,
    });
}
