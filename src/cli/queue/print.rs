//! The list and the story of a message, for people at a terminal.
//!
//! Everything that came from outside is cleaned line by line, so that no subject and no reply can move a cursor. Nobody
//! parses this; programs take `--json`.

use std::io::{self, Write};

use jiff::Timestamp;

use crate::admin::view::{Row, RowRecipient, Step, StepRecipient, Story};
use crate::base::clock::Wall;
use crate::base::size::{ByteSize, show_span};
use crate::base::text::clean;
use crate::mail::date;

/// Characters of one printed line.
const LINE_MAX: usize = 2_000;
/// What a step's further lines begin with: the width of its time.
const INDENT: &str = "                     ";

/// Above the first row.
pub(super) fn head(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "QUEUE ID          AGE       SIZE      STATE     FROM")
}

/// A message, and a line for each recipient.
pub(super) fn row(out: &mut impl Write, row: &Row, now: Wall) -> io::Result<()> {
    let age = now - Wall(row.arrival_time.saturating_mul(1_000_000));
    say(
        out,
        &format!(
            "{}  {:<9} {:<9} {:<9} {}",
            row.queue_id,
            show_span(age),
            ByteSize(row.message_size).to_string(),
            row.queue_name,
            row.from
        ),
    )?;
    for one in &row.recipients {
        say(out, &format!("    {}: {}", one.address, state(one, now)))?;
    }
    Ok(())
}

/// Below the last row.
pub(super) fn foot(out: &mut impl Write, count: usize, more: bool) -> io::Result<()> {
    match (count, more) {
        (0, false) => writeln!(out, "nothing in the queue matches"),
        (1, false) => writeln!(out, "1 message"),
        (count, false) => writeln!(out, "{count} messages"),
        (count, true) => writeln!(out, "{count} messages, and there are more"),
    }
}

/// All about one message.
pub(super) fn story(
    out: &mut impl Write,
    story: &Story,
    now: Wall,
    dialogue: bool,
) -> io::Result<()> {
    match &story.message {
        Some(row) => about(out, row, now)?,
        None if !story.damaged.is_empty() => say(
            out,
            &format!("{}: cannot be read; this is what is left", story.queue_id),
        )?,
        None => say(
            out,
            &format!("{}: finished; this is its history", story.queue_id),
        )?,
    }
    if let Some(report) = &story.report {
        let (at, left) = (local(&report.at), until(&report.at, now));
        let of = match report.recipients {
            1 => "1 recipient".to_owned(),
            many => format!("{many} recipients"),
        };
        let why = "failures of one minute share a report";
        say(
            out,
            &format!("    a report about {of} goes to the sender at {at} ({left}): {why}"),
        )?;
    }
    for one in &story.damaged {
        say(
            out,
            &format!("  ! damaged and set aside; the next start tries it again: {one}"),
        )?;
    }
    writeln!(out)?;
    for one in &story.timeline {
        step(out, one, dialogue)?;
    }
    Ok(())
}

fn about(out: &mut impl Write, row: &Row, now: Wall) -> io::Result<()> {
    let subject = row.subject.as_deref().unwrap_or_default();
    say(
        out,
        &format!(
            "{}  {}  from {}  {subject}",
            row.queue_id,
            ByteSize(row.message_size),
            row.from
        ),
    )?;
    if let Some(id) = &row.message_id {
        say(out, &format!("    Message-ID {id}"))?;
    }
    for one in &row.recipients {
        say(out, &format!("    {}: {}", one.address, state(one, now)))?;
    }
    Ok(())
}

/// Where a recipient stands, and what comes next and why.
fn state(one: &RowRecipient, now: Wall) -> String {
    let waits = matches!(one.status.as_str(), "due" | "maybe_delivered");
    let mut text = match one.status.as_str() {
        "due" if one.in_delivery => "in delivery".to_owned(),
        "maybe_delivered" if one.in_delivery => "may have arrived; in delivery".to_owned(),
        "due" if one.attempts == 0 => "waits for its first try".to_owned(),
        "due" => "waits for its next try".to_owned(),
        "maybe_delivered" => "may have arrived; waits for its next try".to_owned(),
        "held" => "held".to_owned(),
        other => other.replace('_', " "),
    };
    if let Some(queue) = &one.hold_queue {
        text.push_str(&format!(" in {queue}"));
    }
    if let Some(reason) = &one.reason {
        text.push_str(&format!(", reason {reason}"));
    }
    if let Some(cause) = &one.cause {
        text.push_str(&format!(" ({cause})"));
    }
    match (&one.waits_for, &one.next_try) {
        (Some(site), at) if waits => text.push_str(&held_back(one, site, at.as_deref(), now)),
        (_, Some(at)) => text.push_str(&format!(" at {} ({})", local(at), until(at, now))),
        (_, None) => {}
    }
    if one.attempts > 0 {
        let tries = if one.attempts == 1 { "try" } else { "tries" };
        text.push_str(&format!(", {} {tries}", one.attempts));
        if let Some(site) = &one.site {
            text.push_str(&format!(", last at {site}"));
        }
    }
    if let Some(before) = &one.unanswered {
        let what = if one.status == "relayed" {
            "it may have arrived twice"
        } else {
            "it may have arrived"
        };
        let at = local(&before.timestamp);
        text.push_str(&format!(
            "\n        {what}: no answer came from {} at {at}",
            before.site
        ));
    }
    if let Some(reason) = one.delay_reason.as_ref().or(one.bounce_reason.as_ref()) {
        text.push_str(&format!("\n        because: {reason}"));
    }
    text
}

/// One truth for the mail and its site: until when, and held back by what.
fn held_back(one: &RowRecipient, site: &str, at: Option<&str>, now: Wall) -> String {
    let end = at
        .map(|at| format!(" until {} ({})", local(at), until(at, now)))
        .unwrap_or_default();
    let why = one.wait_reason.as_deref().unwrap_or_default();
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    };
    format!(", held back by {site}{end}{why}")
}

fn step(out: &mut impl Write, step: &Step, dialogue: bool) -> io::Result<()> {
    let by = match &step.actor {
        Some(actor) => format!(", by {actor}"),
        None => String::new(),
    };
    say(
        out,
        &format!("{}  {}{by}", local(&step.timestamp), step.text),
    )?;
    if let Some(tls) = &step.tls {
        say(out, &format!("{INDENT}TLS: {tls}"))?;
    } else if step.kind == "attempt" || step.kind == "email.accepted" {
        say(out, &format!("{INDENT}TLS: none"))?;
    }
    for one in &step.recipients {
        say(out, &format!("{INDENT}{}", outcome(one)))?;
    }
    for line in &step.said {
        say(out, &format!("{INDENT}check: {line}"))?;
    }
    if let Some(at) = &step.next_try {
        say(out, &format!("{INDENT}next try at {}", local(at)))?;
    }
    if let (true, Some(text)) = (dialogue, &step.dialogue) {
        for line in text.lines() {
            say(out, &format!("{INDENT}| {line}"))?;
        }
    }
    Ok(())
}

fn outcome(one: &StepRecipient) -> String {
    let word = match one.kind.as_deref() {
        Some("email.delivered") => ": delivered",
        Some("email.deferred") => ": later",
        Some("email.maybe_delivered") => ": may have arrived",
        Some("email.held") => ": held",
        Some(_) => ": failed",
        None => "",
    };
    let mut text = format!("<{}>{word}", one.address);
    if let Some(reply) = &one.reply {
        text.push_str(&format!(": {reply}"));
    }
    if let Some(command) = &one.command {
        text.push_str(&format!(" (in reply to {command})"));
    }
    if one.maybe_before {
        text.push_str(match one.kind.as_deref() {
            Some("email.delivered") => "; it may have arrived twice",
            Some(_) | None => "; it may have arrived before",
        });
    }
    text
}

/// A time of the API in the zone of the reader.
fn local(rfc3339: &str) -> String {
    wall(rfc3339).map_or_else(|| rfc3339.to_owned(), date::local)
}

fn until(rfc3339: &str, now: Wall) -> String {
    match wall(rfc3339) {
        Some(at) if at > now => format!("in {}", show_span(at - now)),
        Some(_) | None => "now".to_owned(),
    }
}

fn wall(rfc3339: &str) -> Option<Wall> {
    let at: Timestamp = rfc3339.parse().ok()?;
    u64::try_from(at.as_microsecond()).ok().map(Wall)
}

fn say(out: &mut impl Write, text: &str) -> io::Result<()> {
    for line in text.lines() {
        writeln!(out, "{}", clean(line, LINE_MAX).trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::view::{RowUnanswered, WaitingReport};

    const NOW: Wall = Wall(1_795_287_508_204_000);

    fn recipient() -> RowRecipient {
        RowRecipient {
            address: "kunde@example.net".into(),
            orig_address: None,
            delay_reason: Some("451 4.7.1 Greylisted".into()),
            bounce_reason: None,
            status: "due".into(),
            hold_queue: None,
            reason: None,
            cause: None,
            next_try: Some(date::rfc3339(NOW + std::time::Duration::from_secs(300))),
            in_delivery: false,
            waits_for: None,
            wait_reason: None,
            attempts: 2,
            site: Some("mx.example.net[192.0.2.25]:25".into()),
            unanswered: None,
        }
    }

    fn message() -> Row {
        Row {
            queue_name: "deferred".into(),
            queue_id: "0643E1B2A90C7701".into(),
            arrival_time: NOW.secs() - 3_600,
            message_size: 1_234,
            forced_expire: false,
            from: "rechnung@verein.example".into(),
            recipients: vec![recipient()],
            hold_queue: None,
            reason: None,
            next_try: None,
            attempts: 2,
            account: None,
            tenant: "standard".into(),
            message_id: Some("<a@b>".into()),
            subject: Some("Hi\u{1b}[2J".into()),
        }
    }

    fn printed(work: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        work(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_says_what_comes_next_and_why() {
        let text = printed(|out| row(out, &message(), NOW));
        let at = date::local(NOW + std::time::Duration::from_secs(300));
        assert_eq!(
            text,
            format!(
                "0643E1B2A90C7701  1h        1.2 KiB   deferred  rechnung@verein.example\n    kunde@example.net: waits for its next try at {at} (in 5m), 2 tries, last at mx.example.net[192.0.2.25]:25\n        because: 451 4.7.1 Greylisted\n"
            )
        );
    }

    #[test]
    fn a_site_that_is_waited_for_and_a_delivery_under_way_are_told() {
        let mut one = RowRecipient {
            delay_reason: None,
            waits_for: Some("mx.example.net[192.0.2.25]:25".into()),
            wait_reason: Some("connection refused".into()),
            attempts: 0,
            ..recipient()
        };
        let at = date::local(NOW + std::time::Duration::from_secs(300));
        assert_eq!(
            state(&one, NOW),
            format!(
                "waits for its first try, held back by mx.example.net[192.0.2.25]:25 until {at} (in 5m): connection refused"
            )
        );
        one.waits_for = Some("[queue] paused".into());
        (one.next_try, one.wait_reason) = (None, None);
        let text = state(&one, NOW);
        assert_eq!(text, "waits for its first try, held back by [queue] paused");
        one.waits_for = None;
        one.in_delivery = true;
        assert_eq!(state(&one, NOW), "in delivery");
    }

    #[test]
    fn a_mail_that_may_have_arrived_says_so_while_it_waits_and_when_it_is_relayed() {
        for (status, wanted) in [
            (
                "maybe_delivered",
                "it may have arrived: no answer came from mx[192.0.2.1]:25 at",
            ),
            ("held", "it may have arrived: no answer"),
            (
                "relayed",
                "it may have arrived twice: no answer came from mx[192.0.2.1]:25 at",
            ),
        ] {
            let mut one = recipient();
            one.status = status.into();
            one.unanswered = Some(RowUnanswered {
                timestamp: date::rfc3339(NOW),
                site: "mx[192.0.2.1]:25".into(),
            });
            let text = state(&one, NOW);
            assert!(text.contains(wanted), "case: {status}, got {text}");
        }
        for (kind, wanted) in [
            (
                "email.delivered",
                "<a@b.example>: delivered; it may have arrived twice",
            ),
            (
                "email.bounced",
                "<a@b.example>: failed; it may have arrived before",
            ),
        ] {
            let one = StepRecipient {
                address: "a@b.example".into(),
                kind: Some(kind.into()),
                maybe_before: true,
                ..StepRecipient::default()
            };
            assert_eq!(outcome(&one), wanted, "case: {kind}");
        }
    }

    #[test]
    fn no_subject_moves_the_cursor() {
        let story_of = Story {
            queue_id: "0643E1B2A90C7701".into(),
            message: Some(message()),
            ..Story::default()
        };
        let text = printed(|out| story(out, &story_of, NOW, false));
        assert!(!text.contains('\u{1b}'), "got {text:?}");
    }

    #[test]
    fn a_story_tells_of_a_report_that_waits_and_of_what_is_damaged() {
        let at = NOW + std::time::Duration::from_secs(40);
        let story_of = Story {
            queue_id: "0643E1B2A90C7701".into(),
            message: Some(message()),
            report: Some(WaitingReport {
                at: date::rfc3339(at),
                recipients: 3,
            }),
            damaged: vec!["p/1: \u{1b}[2J".into()],
            ..Story::default()
        };
        let text = printed(|out| story(out, &story_of, NOW, false));
        let wanted = format!(
            "    a report about 3 recipients goes to the sender at {} (in 40s): failures of one minute share a report\n  ! damaged and set aside; the next start tries it again: p/1: ?[2J\n",
            date::local(at)
        );
        assert!(text.contains(&wanted), "got {text}");
    }

    #[test]
    fn a_story_tells_what_each_scanner_said() {
        let accepted = Step {
            timestamp: date::rfc3339(NOW),
            kind: "email.accepted".into(),
            text: "accepted".into(),
            said: vec!["clam: \u{1b}[2J".into(), "spam: 7.5 of 15.0 points".into()],
            ..Step::default()
        };
        let text = printed(|out| step(out, &accepted, false));
        let lines: Vec<&str> = text.lines().skip(2).collect();
        let wanted = ["check: clam: ?[2J", "check: spam: 7.5 of 15.0 points"];
        assert_eq!(lines, wanted.map(|line| format!("{INDENT}{line}")));
    }

    #[test]
    fn a_story_tells_every_try_with_its_reply_and_tls() {
        let tried = Step {
            timestamp: date::rfc3339(NOW),
            kind: "attempt".into(),
            text: "try 1 at mx.example.net[192.0.2.25]:25".into(),
            tls: Some("TLSv1.3 with cipher X".into()),
            recipients: vec![StepRecipient {
                address: "kunde@example.net".into(),
                kind: Some("email.deferred".into()),
                reply: Some("451 4.7.1 Greylisted".into()),
                command: Some("RCPT TO".into()),
                maybe_before: false,
            }],
            dialogue: Some("> RCPT TO:<kunde@example.net>\n< 451 4.7.1 Greylisted".into()),
            ..Step::default()
        };
        let finished = Story {
            queue_id: "0643E1B2A90C7701".into(),
            message: None,
            timeline: vec![tried],
            ..Story::default()
        };
        let text = printed(|out| story(out, &finished, NOW, true));
        let at = date::local(NOW);
        assert_eq!(
            text,
            format!(
                "0643E1B2A90C7701: finished; this is its history\n\n{at}  try 1 at mx.example.net[192.0.2.25]:25\n{INDENT}TLS: TLSv1.3 with cipher X\n{INDENT}<kunde@example.net>: later: 451 4.7.1 Greylisted (in reply to RCPT TO)\n{INDENT}| > RCPT TO:<kunde@example.net>\n{INDENT}| < 451 4.7.1 Greylisted\n"
            )
        );
    }
}
