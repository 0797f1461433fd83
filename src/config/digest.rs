//! Reads `[digest]`, `[links]` and `[hold]`: when people are told of held mail, how they decide, and when it ends.
//!
//! A calendar is tried here: one whose day never comes is a mistake of the file, and not a silence of the server.
//! Not here: who is told when nobody is named, and whether links can work (`cross_held`).

use std::time::Duration;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::de::DeValue;

use super::default::days;
use super::file::{Fault, Section, Value};
use super::kind::{choice, flag, list, not, string};
use super::value::{SHOWN_MAX, mailbox, span};
use super::{
    ActionLinks, AtExpiry, DigestConf, HoldConf, HoldsConf, LinksConf, ReleaseRule, Timing,
};
use crate::base::lang::Lang;
use crate::base::limit;
use crate::base::size::show_span;
use crate::base::text::{clean, nearest};
use crate::mail::hold::HoldReason;
use crate::mail::mailbox::Mailbox;

/// `[digest]`
pub(super) fn digest(at: &Section<'_, '_>) -> DigestConf {
    let other = DigestConf::default();
    let switch = |key, other| at.get(key, flag).unwrap_or(other);
    let schedule = at.get("schedule", calendar);
    let every = bounded(
        at,
        "every",
        limit::DIGEST_EVERY_MIN,
        limit::DIGEST_EVERY_MAX,
    );
    let conf = DigestConf {
        action_links: at
            .get("action_links", action_links)
            .unwrap_or(other.action_links),
        to: administrators(at),
        owners: switch("owners", other.owners),
        from: at.get("from", own_address),
        timing: match (schedule, every) {
            (Some(cron), _) => Timing::Calendar(Box::new(cron)),
            (None, Some(every)) => Timing::Every(every),
            (None, None) => other.timing,
        },
        on_start: switch("on_start", other.on_start),
        on_first: switch("on_first", other.on_first),
        remind: switch("remind", other.remind),
        zone: at
            .get("zone", zone)
            .unwrap_or_else(|| TimeZone::try_system().unwrap_or(TimeZone::UTC)),
        lang: at
            .get("lang", choice(&[("de", Lang::De), ("en", Lang::En)]))
            .unwrap_or(other.lang),
    };
    at.finish();
    if at.has("schedule") && at.has("every") {
        let fault = Fault::new(
            "`schedule` says already when digests are due",
            "remove one of the two",
        );
        at.fault("every", fault);
    }
    conf
}

/// `[links]`
pub(super) fn links(at: &Section<'_, '_>) -> LinksConf {
    let other = LinksConf::default();
    let (least, most) = (limit::LINK_LIFETIME_MIN, limit::LINK_LIFETIME_MAX);
    let conf = LinksConf {
        lifetime: bounded(at, "lifetime", least, most).unwrap_or(other.lifetime),
        newest_only: at.get("newest_only", flag).unwrap_or(other.newest_only),
    };
    at.finish();
    conf
}

/// `[hold]`
pub(super) fn hold(at: &Section<'_, '_>) -> HoldsConf {
    let other = HoldsConf::default();
    let conf = HoldsConf {
        undo: bounded(at, "undo", Duration::ZERO, limit::UNDO_MAX).unwrap_or(other.undo),
        bad: hold_queue(&at.section("bad"), other.bad),
        quarantine: hold_queue(&at.section("quarantine"), other.quarantine),
        defect: hold_queue(&at.section("defect"), other.defect),
        release: release(&at.section("release"), other.release),
    };
    at.finish();
    conf
}

/// `[hold.QUEUE]`
fn hold_queue(at: &Section<'_, '_>, other: HoldConf) -> HoldConf {
    let (least, most) = (limit::HOLD_EXPIRY_MIN, limit::HOLD_EXPIRY_MAX);
    let conf = HoldConf {
        expiry: bounded(at, "expiry", least, most).unwrap_or(other.expiry),
        at_expiry: at
            .get("at_expiry", choice(AT_EXPIRY))
            .unwrap_or(other.at_expiry),
        to: administrators(at),
    };
    at.finish();
    conf
}

/// `[hold.release]`: its keys are the reasons, so that an unknown one is told as any unknown key is.
fn release(
    at: &Section<'_, '_>,
    other: Vec<(HoldReason, ReleaseRule)>,
) -> Vec<(HoldReason, ReleaseRule)> {
    let mut rules = other;
    for reason in HoldReason::ALL {
        if let Some(rule) = at.get(reason.word(), choice(RELEASE)) {
            rules.retain(|(of, _)| *of != reason);
            // A link is enough when nothing is said.
            if rule != ReleaseRule::Link {
                rules.push((reason, rule));
            }
        }
    }
    at.finish();
    rules
}

/// A digest must pass every hop, so its own address is one that every hop takes.
fn own_address(value: &Value<'_>) -> Result<Mailbox, Fault> {
    let mailbox = mailbox(value)?;
    if mailbox.needs_smtputf8() {
        let shown = clean(&mailbox.to_string(), SHOWN_MAX);
        return Err(Fault::new(
            format!("\"{shown}\" is not ASCII before the @, and not every server takes that"),
            "write it as \"name@example.org\"",
        ));
    }
    Ok(mailbox)
}

/// `to`
fn administrators(at: &Section<'_, '_>) -> Vec<Mailbox> {
    let to = at.get("to", list(mailbox)).unwrap_or_default();
    if to.len() > limit::DIGEST_TO_MAX {
        let fault = Fault::new(
            format!("{} addresses are too many", to.len()),
            format!(
                "write at most {}, or one mailing list",
                limit::DIGEST_TO_MAX
            ),
        );
        at.fault("to", fault);
    }
    to
}

/// A span within bounds.
fn bounded(
    at: &Section<'_, '_>,
    key: &'static str,
    least: Duration,
    most: Duration,
) -> Option<Duration> {
    at.get(key, |value| {
        let span = span(value)?;
        if (least..=most).contains(&span) {
            return Ok(span);
        }
        let least = match least {
            Duration::ZERO => "0s".to_owned(),
            least => show_span(least),
        };
        Err(Fault::new(
            format!("{} is out of bounds", show_span(span)),
            format!("write a span from {least} to {}", show_span(most)),
        ))
    })
}

/// `"auto"`, `true` or `false`.
fn action_links(value: &Value<'_>) -> Result<ActionLinks, Fault> {
    let word = match value.get_ref() {
        DeValue::Boolean(true) => return Ok(ActionLinks::On),
        DeValue::Boolean(false) => return Ok(ActionLinks::Off),
        DeValue::String(word) => word.trim().to_ascii_lowercase(),
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {
            return Err(not(value, "\"auto\", true or false", "\"auto\""));
        }
    };
    let remedy = match word.as_str() {
        "auto" => return Ok(ActionLinks::Auto),
        "true" | "yes" | "on" => "write true, without quotes",
        "false" | "no" | "off" => "write false, without quotes",
        _ => "write \"auto\", true or false",
    };
    let what = format!("\"{}\" is none of its words", clean(&word, SHOWN_MAX));
    Err(Fault::new(what, remedy))
}

/// `0 7 * * 1-5`: five fields, and a day that comes.
fn calendar(value: &Value<'_>) -> Result<croner::Cron, Fault> {
    let text = string(value)?;
    let shown = clean(text, SHOWN_MAX);
    let shape = "write \"MINUTE HOUR DAY MONTH WEEKDAY\", such as \"0 7 * * *\" (daily at 7:00) or \"0 7,15 * * 1-5\"";
    let fields = text.split_whitespace().count();
    if text.len() > limit::SCHEDULE_MAX || !(fields == 5 || text.starts_with('@')) {
        let what = format!("\"{shown}\" has {fields} fields, and a schedule has five");
        return Err(Fault::new(what, shape));
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    let cron = parser.parse(text).map_err(|why| {
        let why = match why {
            CronError::ComponentError(why)
            | CronError::IllegalCharacters(why)
            | CronError::InvalidPattern(why) => why,
            CronError::EmptyPattern
            | CronError::InvalidDate
            | CronError::InvalidTime
            | CronError::TimeSearchLimitExceeded => why.to_string(),
        };
        let why = why.trim_end_matches('.');
        Fault::new(format!("\"{shown}\" is no schedule: {why}"), shape)
    })?;
    if !comes(&cron) {
        let what = format!("\"{shown}\" never comes: no month has such a day");
        return Err(Fault::new(
            what,
            "write a day that comes, such as \"0 7 * * *\"",
        ));
    }
    Ok(cron)
}

/// Whether any day fits: 28 years have all pairs of a date and a weekday. The search of `croner` itself goes on to the
/// year 5000.
fn comes(cron: &croner::Cron) -> bool {
    days_of(cron, 28).next().is_some()
}

/// The days of some years that fit, the hours left aside.
fn days_of(cron: &croner::Cron, years: i16) -> impl Iterator<Item = Date> {
    let fits = |day: &Date| {
        let number = |n: i8| u32::try_from(n).unwrap_or_default();
        let (month, date) = (number(day.month()), number(day.day()));
        let weekday = number(day.weekday().to_sunday_zero_offset());
        let weekday = croner::Weekday::from_days_from_sunday(weekday);
        let pattern = &cron.pattern;
        pattern.month_match(month).unwrap_or(false)
            && pattern
                .day_match(day.year().into(), month, date, weekday)
                .unwrap_or(false)
    };
    let first = jiff::civil::date(2000, 1, 1);
    first
        .series(1.day())
        .take_while(move |day| day.year() < 2000 + years)
        .filter(fits)
}

/// The longest time between two digests; by the calendar in whole days.
pub(super) fn longest_wait(timing: &Timing) -> Duration {
    let cron = match timing {
        Timing::Every(every) => return *every,
        Timing::Calendar(cron) => cron,
    };
    // Two leap days lie in it.
    let (mut last, mut longest) = (None, 1);
    for day in days_of(cron, 5) {
        if let Some(last) = last.replace(day) {
            let wait = day.duration_since(last).as_hours() / 24;
            longest = longest.max(u64::try_from(wait).unwrap_or_default());
        }
    }
    days(longest)
}

/// `Europe/Berlin`
fn zone(value: &Value<'_>) -> Result<TimeZone, Fault> {
    let text = string(value)?;
    if let Ok(zone) = TimeZone::get(text) {
        return Ok(zone);
    }
    let known: Vec<String> = jiff::tz::db()
        .available()
        .map(|name| name.to_string())
        .collect();
    let shown = clean(text, SHOWN_MAX);
    if known.is_empty() {
        let what =
            format!("\"{shown}\" is unknown, because this system has no table of time zones");
        return Err(Fault::new(
            what,
            "install the package tzdata, or write \"UTC\"",
        ));
    }
    let city = |name: &&String| {
        let own = name.rsplit('/').next().unwrap_or(name);
        own.eq_ignore_ascii_case(text.trim())
    };
    let near = known.iter().find(city).map(String::as_str);
    let near = near.or_else(|| nearest(&shown, known.iter().map(String::as_str)));
    let remedy = match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "write a name such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
    };
    Err(Fault::new(format!("\"{shown}\" is no time zone"), remedy))
}

const AT_EXPIRY: &[(&str, AtExpiry)] = &[
    ("bounce", AtExpiry::Bounce),
    ("delete", AtExpiry::Delete),
    ("requeue", AtExpiry::Requeue),
];
const RELEASE: &[(&str, ReleaseRule)] = &[
    ("link", ReleaseRule::Link),
    ("login", ReleaseRule::Login),
    ("never", ReleaseRule::Never),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schedule: &str) -> Result<(), String> {
        let file = format!("a = \"{schedule}\"");
        let table = toml::de::DeTable::parse(&file).unwrap();
        let value = table.get_ref().get("a").unwrap();
        calendar(value)
            .map(|_| ())
            .map_err(|fault| format!("{fault:?}"))
    }

    #[test]
    fn the_longest_wait_is_over_the_weekend_or_the_month() {
        for (schedule, wanted) in [
            ("*/5 * * * *", 1),
            ("0 7 * * 1-5", 3),
            ("0 7 * * MON", 7),
            ("0 7 1 * *", 31),
            ("0 7 29 2 *", 4 * 365 + 1),
        ] {
            let cron = CronParser::new().parse(schedule).unwrap();
            let wait = longest_wait(&Timing::Calendar(Box::new(cron)));
            assert_eq!(wait, days(wanted), "case: {schedule}");
        }
    }

    #[test]
    fn a_schedule_has_five_fields_and_a_day_that_comes() {
        for right in [
            "0 7 * * *",
            "0 7,15 * * 1-5",
            "*/30 8-18 * * MON-FRI",
            "0 7 29 2 *",
            "0 7 29 2 +1",
            "0 7 L * *",
            "0 7 * * 5#3",
            "@daily",
        ] {
            assert_eq!(told(right), Ok(()), "case: {right}");
        }
        for (wrong, why) in [
            ("", "has 0 fields"),
            ("0 0 7 * * *", "has 6 fields"),
            ("7:00", "has 1 fields"),
            ("@often", "is no schedule"),
            ("0 7 * * MONDAY", "is no schedule"),
            ("60 7 * * *", "is no schedule"),
            ("0 7 30 2 *", "never comes"),
            ("0 7 31 4,6,9,11 *", "never comes"),
            ("0 7 30 2 +MON", "never comes"),
        ] {
            let told = told(wrong).unwrap_err();
            assert!(told.contains(why), "case: {wrong}: {told}");
        }
    }
}
