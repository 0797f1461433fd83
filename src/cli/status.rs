//! `postwerk status`: how the running server is.
//!
//! Asks it by its control socket; no server is exit 75. What needs somebody's attention stands with a `!` before it.
//! Not here: what is asked (`admin::status`).

use std::process::ExitCode;

use super::control::Place;
use crate::admin::status::{Certificate, Connections, ScannerState, Status};
use crate::base::text::clean;

/// What follows `postwerk status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Characters of a trouble that are printed.
const WHY_MAX: usize = 300;
/// With more certificates only those are listed that somebody should look at.
const CERTIFICATES_MAX: usize = 5;

/// Prints it; the exit code says whether a server answered.
pub fn run(args: Args) -> ExitCode {
    let json = args.json;
    args.place.tell(|client| async move {
        let body = client.get("/api/v1/status").await?.body;
        let status: Status = client.read(&body)?;
        Ok(if json {
            format!("{}\n", body.trim_end())
        } else {
            printed(&status)
        })
    })
}

/// A line a topic.
fn printed(status: &Status) -> String {
    let mut out = String::new();
    let mut line = |mark: bool, topic: &str, text: &str| {
        let mark = if mark { '!' } else { ' ' };
        out.push_str(&format!("{mark} {topic:<12} {text}\n"));
    };
    let version = format!(
        "postwerk {} on {}, up {}",
        status.version,
        status.hostname,
        span(status.uptime_seconds)
    );
    line(false, "server", &version);
    let deliveries = if status.paused {
        "paused ([queue] paused)"
    } else {
        "going on"
    };
    line(status.paused, "deliveries", deliveries);
    line(status.room != "plenty", "disk", &status.room);
    let more = if status.queued_more { " or more" } else { "" };
    line(false, "queue", &format!("{}{more} messages", status.queued));
    for one in &status.waits {
        let (site, why) = (&one.site, clean(&one.reason, WHY_MAX));
        let text = format!("for {site} until {}: {why}", one.until);
        line(true, "waits", &text);
    }
    let held: u64 = status.holds.iter().map(|one| one.count).sum();
    line(false, "held", &format!("{held} recipients"));
    for one in &status.holds {
        line(
            false,
            "",
            &format!("{} {}: {}", one.queue, one.reason, one.count),
        );
    }
    if status.damaged > 0 {
        let first = clean(status.damaged_first.as_deref().unwrap_or_default(), WHY_MAX);
        let text = format!(
            "{} records are set aside and tried again at the next start; the first: {first}",
            status.damaged
        );
        line(true, "damaged", &text);
    }
    for one in &status.digest_troubles {
        let why = clean(&one.why, WHY_MAX);
        let text = format!(
            "{} to {} of {} did not arrive: {why}",
            one.number, one.to, one.at
        );
        line(true, "digest", &text);
    }
    if let Some(public) = &status.public_url {
        let found = match (&public.trouble, &public.checked) {
            (Some(why), _) => format!("cannot be reached from here: {}", clean(why, WHY_MAX)),
            (None, Some(at)) => format!("reached at {at}"),
            (None, None) => "not looked at yet".to_owned(),
        };
        let text = format!("{} {found}", public.url);
        line(public.trouble.is_some(), "public url", &text);
    }
    for (mark, text) in certificates(&status.certificates) {
        line(mark, "certificate", &text);
    }
    for one in &status.connections {
        line(crowded(one), "connections", &connections(one));
    }
    for one in &status.scanners {
        line(one.trouble.is_some(), "scanner", &scanner(one));
    }
    out
}

/// A line each; of many only those that somebody should look at, and how many others there are.
fn certificates(all: &[Certificate]) -> Vec<(bool, String)> {
    let mut lines = Vec::new();
    let mut quiet = 0;
    for one in all {
        let why = clean(one.last_error.as_deref().unwrap_or_default(), WHY_MAX);
        let (name, left) = (&one.name, &one.left);
        let text = match one.failures {
            0 if one.stand_in => {
                format!("{name} a self-signed one stands in until the first order is done")
            }
            0 => format!("{name} {left}"),
            1 => format!("{name} {left}; the last order failed: {why}"),
            many => format!("{name} {left}; {many} orders in a row failed: {why}"),
        };
        let mark = one.ends_soon || one.stand_in || one.failures > 0;
        if mark || all.len() <= CERTIFICATES_MAX {
            lines.push((mark, text));
        } else {
            quiet += 1;
        }
    }
    if quiet > 0 {
        lines.push((
            false,
            format!("{quiet} without trouble: postwerk cert list"),
        ));
    }
    lines
}

/// Nine of ten are taken.
fn crowded(one: &Connections) -> bool {
    one.open.saturating_mul(10) >= one.max.saturating_mul(9)
}

fn connections(one: &Connections) -> String {
    let (door, open, max) = (&one.door, one.open, one.max);
    let mut text = format!("{door} {open} of {max}");
    for (count, what) in [
        (one.favoured as u64, "trusted or logged in"),
        (one.made_room, "idle ones made room since the start"),
        (one.turned_away, "turned away since the start"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}

fn scanner(one: &ScannerState) -> String {
    let found = match (&one.trouble, &one.answered) {
        (Some(why), _) => {
            let since = one.failing.as_deref().unwrap_or_default();
            let what = match one.on_failure.as_str() {
                "defer" => "mails are put off",
                "accept" => "mails pass unseen",
                _ => "mails are held",
            };
            format!("fails since {since}; {what}: {}", clean(why, WHY_MAX))
        }
        (None, Some(at)) => format!("answered at {at}"),
        (None, None) => "not asked yet".to_owned(),
    };
    format!("{} ({}, {}) {found}", one.name, one.kind, one.address)
}

fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::status::{Held, Public, Undelivered, Waited};

    fn state(name: &str, trouble: Option<&str>, answered: Option<&str>) -> ScannerState {
        ScannerState {
            name: name.into(),
            kind: "clamd".into(),
            address: "127.0.0.1:3310".into(),
            failing: trouble.map(|_| "2026-11-21T08:00:00.000Z".into()),
            trouble: trouble.map(Into::into),
            answered: answered.map(Into::into),
            on_failure: "hold".into(),
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a picture of the whole")]
    fn what_needs_attention_is_marked() {
        let status = Status {
            hostname: "mail.example.org".into(),
            version: "0.1.0".into(),
            uptime_seconds: 93_600,
            paused: false,
            room: "low".into(),
            queued: 12,
            queued_more: false,
            waits: vec![Waited {
                site: "mx.example.net[192.0.2.25]:25".into(),
                until: "2026-11-21T07:30:00.000Z".into(),
                reason: "connection\nrefused".into(),
                groups: 2,
            }],
            holds: vec![Held {
                queue: "bad".into(),
                reason: "internal".into(),
                count: 3,
            }],
            damaged: 2,
            damaged_first: Some("n/1: end of input\nbytes".into()),
            digest_troubles: vec![Undelivered {
                to: "chef@example.org".into(),
                number: 7,
                at: "2026-11-21T07:00:00.000Z".into(),
                why: "550 no\r\n! such user".into(),
            }],
            public_url: Some(Public {
                url: "https://mail.example.org:444".into(),
                checked: None,
                trouble: Some("connection refused".into()),
            }),
            scanners: vec![
                state("clam", None, Some("2026-11-21T07:00:00.000Z")),
                state("spam", Some("no answer\nwithin 30s"), None),
                state("sign", None, None),
            ],
            connections: vec![
                Connections {
                    door: "smtp".into(),
                    open: 1_000,
                    favoured: 12,
                    max: 1_000,
                    made_room: 40,
                    turned_away: 3,
                },
                Connections {
                    door: "https".into(),
                    open: 3,
                    max: 512,
                    ..Connections::default()
                },
            ],
            certificate_days: Some(63),
            certificates: vec![
                Certificate {
                    name: "mail.example.org".into(),
                    left: "63 days left".into(),
                    ..Certificate::default()
                },
                Certificate {
                    name: "lists.example.org".into(),
                    left: "5 days left".into(),
                    ends_soon: true,
                    failures: 3,
                    last_error: Some("the directory\r\nis down".into()),
                    ..Certificate::default()
                },
            ],
        };
        let wanted = "  server       postwerk 0.1.0 on mail.example.org, up 1 d 2 h
  deliveries   going on
! disk         low
  queue        12 messages
! waits        for mx.example.net[192.0.2.25]:25 until 2026-11-21T07:30:00.000Z: connection?refused
  held         3 recipients
               bad internal: 3
! damaged      2 records are set aside and tried again at the next start; the first: n/1: end of input?bytes
! digest       7 to chef@example.org of 2026-11-21T07:00:00.000Z did not arrive: 550 no??! such user
! public url   https://mail.example.org:444 cannot be reached from here: connection refused
  certificate  mail.example.org 63 days left
! certificate  lists.example.org 5 days left; 3 orders in a row failed: the directory??is down
! connections  smtp 1000 of 1000, 12 trusted or logged in, 40 idle ones made room since the start, 3 turned away since the start
  connections  https 3 of 512
  scanner      clam (clamd, 127.0.0.1:3310) answered at 2026-11-21T07:00:00.000Z
! scanner      spam (clamd, 127.0.0.1:3310) fails since 2026-11-21T08:00:00.000Z; mails are held: no answer?within 30s
  scanner      sign (clamd, 127.0.0.1:3310) not asked yet
";
        assert_eq!(printed(&status), wanted);
    }

    #[test]
    fn of_many_certificates_only_those_with_trouble_are_listed() {
        let quiet = Certificate {
            name: "a.example".into(),
            left: "63 days left".into(),
            ..Certificate::default()
        };
        let mut all = vec![quiet; 6];
        all.push(Certificate {
            name: "b.example".into(),
            stand_in: true,
            ..Certificate::default()
        });
        let lines = certificates(&all);
        let stands_in = "b.example a self-signed one stands in until the first order is done";
        assert_eq!(
            lines,
            [
                (true, stands_in.to_owned()),
                (false, "6 without trouble: postwerk cert list".to_owned())
            ]
        );
    }
}
