//! Reads `[[hold_rule]]`: what of a mail is looked at, and its hours of the week.
//!
//! A rule that would hold every mail, or never one, is a slip and is told.
//! Not here: matching a mail (`policy`), and two rules of one name (`cross_held`).

use super::file::{Fault, Section, Value};
use super::kind::{choice, list, string};
use super::section::Placed;
use super::value::{SHOWN_MAX, bytes, name, parsed};
use super::{AddressPattern, DomainPattern, Glob, HoldRule, Hours, RuleMatch};
use crate::base::limit;
use crate::base::text::clean;
use crate::mail::hold::HoldQueue;

/// `[[hold_rule]]`, the `n`th from 1.
pub(super) fn hold_rule<'n, 'i>(at: Section<'n, 'i>, n: usize) -> Option<Placed<'n, 'i, HoldRule>> {
    let called = at.get("name", name);
    let queue = at.get("queue", choice(QUEUES));
    let reason = at.need("reason", "\"to be looked at\"", reason);
    let matching = at.need("match", "{ recipient = \"*@example.org\" }", |_| {
        Ok::<_, Fault>(rule_match(&at.section("match")))
    });
    at.finish();
    let conf = HoldRule {
        name: called.unwrap_or_else(|| format!("hold_rule {n}")),
        queue: queue.unwrap_or(HoldQueue::Quarantine),
        reason: reason?,
        matching: matching?,
    };
    check_never(&at, &conf.matching);
    Some(Placed { conf, at })
}

/// `match`
fn rule_match(at: &Section<'_, '_>) -> RuleMatch {
    let pattern = |key| at.get(key, parsed("address pattern", AddressPattern::parse));
    let conf = RuleMatch {
        account: at.get("account", name),
        sender: pattern("sender"),
        recipient: pattern("recipient"),
        domain: at.get("domain", parsed("domain pattern", DomainPattern::parse)),
        header: at.get("header", parsed("header pattern", header)),
        larger: at.get("larger", bytes),
        attachment_type: at.get("attachment_type", parsed("media type", media_type)),
        attachment_name: at.get("attachment_name", parsed("file name", glob)),
        hours: hours(at),
    };
    at.finish();
    if at.is_there() && at.is_empty() {
        let fault = Fault::new(
            "without a condition every mail would be held",
            "write one, such as match = { recipient = \"*@example.org\" }; { sender = \"*\" } is every mail",
        );
        at.fault("", fault);
    }
    if let Some(Glob(name)) = &conf.attachment_name
        && name.starts_with('.')
        && !name.contains('*')
    {
        let fault = Fault::new(
            format!("only a file that is called \"{name}\" and nothing else fits"),
            format!("write \"*{name}\""),
        );
        at.warn("attachment_name", fault);
    }
    conf
}

/// `hours` and `days`; days alone are whole days, hours alone are of every day.
fn hours(at: &Section<'_, '_>) -> Option<Hours> {
    let span = at.get("hours", parsed("part of a day", Hours::parse));
    let days = at.get("days", list(|value| choice(DAYS)(value)));
    if at.has("days") && days.as_ref().is_some_and(Vec::is_empty) {
        let fault = Fault::new("no day is no time", "write days, or leave the key out");
        at.fault("days", fault);
    }
    if span.is_none() && days.is_none() {
        return None;
    }
    let (from, until) = span.unwrap_or((0, DAY));
    let mut on = [days.is_none(); 7];
    for day in days.unwrap_or_default() {
        if let Some(one) = on.get_mut(day) {
            *one = true;
        }
    }
    Some(Hours {
        from,
        until,
        days: on,
    })
}

/// A recipient who is not of the domain that is asked for too.
fn check_never(at: &Section<'_, '_>, matching: &RuleMatch) {
    if let (Some(recipient), Some(domain)) = (&matching.recipient, &matching.domain)
        && !recipient.host.covers(domain)
        && !domain.covers(&recipient.host)
    {
        let fault = Fault::new(
            format!("it never matches: no recipient is both of {recipient} and of {domain}"),
            "remove one of the two, or write two rules",
        );
        at.warn("match", fault);
    }
}

/// What a person reads who decides.
fn reason(value: &Value<'_>) -> Result<String, Fault> {
    let text = string(value)?.trim();
    let long = text.chars().count() > limit::RULE_REASON_MAX;
    if text.is_empty() || long || text.contains(char::is_control) {
        return Err(Fault::new(
            format!("\"{}\" is no reason", clean(text, SHOWN_MAX)),
            format!(
                "write 1 to {} characters in one line, such as \"to be looked at\"",
                limit::RULE_REASON_MAX
            ),
        ));
    }
    Ok(text.to_owned())
}

/// `Subject: *invoice*`
fn header(text: &str) -> Result<(String, Glob), String> {
    let shape = || "write it as \"Subject: *invoice*\" (`*` is anything)".to_owned();
    let (field, pattern) = text.split_once(':').ok_or_else(shape)?;
    let field = field.trim();
    // RFC 5322 section 3.6.8: printable US-ASCII except the colon.
    let is_field = !field.is_empty()
        && field.len() <= limit::GLOB_MAX
        && field.bytes().all(|b| b.is_ascii_graphic());
    if !is_field {
        return Err(shape());
    }
    let pattern = glob(pattern.trim())
        .map_err(|_| format!("write \"{field}: *\" for any text, or \"{field}: *word*\""))?;
    Ok((field.to_owned(), pattern))
}

pub(super) fn media_type(text: &str) -> Result<Glob, String> {
    let shape = || "write it as \"application/zip\" or \"image/*\"".to_owned();
    if !text.contains(['/', '*']) || text.contains(char::is_whitespace) {
        return Err(shape());
    }
    glob(text).map_err(|_| shape())
}

pub(super) fn glob(text: &str) -> Result<Glob, String> {
    if text.is_empty() || text.len() > limit::GLOB_MAX || text.contains(char::is_control) {
        return Err(format!(
            "write 1 to {} octets, such as \"*.exe\" (`*` is anything)",
            limit::GLOB_MAX
        ));
    }
    Ok(Glob(text.to_owned()))
}

impl Hours {
    /// Reads `18:00-06:00` as minutes after midnight; `24:00` is the end of the day.
    pub fn parse(text: &str) -> Result<(u16, u16), String> {
        let shape = || "write it as \"18:00-06:00\" or \"08:00-24:00\"".to_owned();
        let (from, until) = text.split_once('-').ok_or_else(shape)?;
        let minutes = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let digits = |text: &str| {
                (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
            };
            if !digits(hour) || !digits(minute) || minute.len() != 2 {
                return None;
            }
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            let all = hour * 60 + minute;
            (minute < 60 && all <= DAY).then_some(all)
        };
        let (from, until) = (
            minutes(from).ok_or_else(shape)?,
            minutes(until).ok_or_else(shape)?,
        );
        if from == DAY {
            return Err(format!(
                "write 00:00 for midnight at its begin, as \"00:00-{:02}:{:02}\"",
                until / 60,
                until % 60
            ));
        }
        if from == until {
            return Err(
                "write two different times; leave `hours` out for the whole day".to_owned(),
            );
        }
        Ok((from, until))
    }
}

/// Minutes of a day.
const DAY: u16 = 24 * 60;
const QUEUES: &[(&str, HoldQueue)] = &[
    ("bad", HoldQueue::Bad),
    ("quarantine", HoldQueue::Quarantine),
    ("defect", HoldQueue::Defect),
];
const DAYS: &[(&str, usize)] = &[
    ("mon", 0),
    ("tue", 1),
    ("wed", 2),
    ("thu", 3),
    ("fri", 4),
    ("sat", 5),
    ("sun", 6),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_two_times_of_a_day() {
        for (text, read) in [
            ("18:00-06:00", (1_080, 360)),
            ("8:30 - 17:05", (510, 1_025)),
            ("00:00-24:00", (0, 1_440)),
            ("22:00-00:00", (1_320, 0)),
        ] {
            assert_eq!(Hours::parse(text), Ok(read), "case: {text}");
        }
        for text in [
            "",
            "18:00",
            "18-06",
            "18:00-18:00",
            "24:00-06:00",
            "24:01-06:00",
            "18:60-06:00",
            "18:0-06:00",
            "-1:00-06:00",
            "18:00-06:00-07:00",
            "\u{0661}8:00-06:00",
        ] {
            assert!(Hours::parse(text).is_err(), "case: {text}");
        }
    }

    #[test]
    fn a_header_pattern_is_a_field_and_its_text() {
        assert_eq!(
            header("Subject: *in:voice*"),
            Ok(("Subject".to_owned(), Glob("*in:voice*".to_owned())))
        );
        for text in [
            "Subject",
            ": x",
            "Subject:",
            "Sub ject: x",
            "Sübject: x",
            "A: \u{7}",
        ] {
            assert!(header(text).is_err(), "case: {text}");
        }
    }
}
