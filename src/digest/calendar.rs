//! When the next digest is due: so long after the last, or by a calendar in its zone.
//!
//! Pure: now comes in. A calendar goes by what clocks on walls show: at the change to summer time a digest of the hour
//! that does not exist comes at the hour's end, and at the change back one of the doubled hour comes once.
//! Not here: what becomes of the date (`stream`).

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::clock::Wall;
use crate::config::Timing;

/// When nothing in the calendar ever comes; it is looked at again then.
const NEVER: Duration = Duration::from_secs(366 * 86_400);
/// Shortest span between two digests, whatever is configured: no loop of mails.
const SHORTEST: Duration = Duration::from_secs(1);

/// The next date after `now`.
pub fn next(timing: &Timing, zone: &TimeZone, now: Wall) -> Wall {
    match timing {
        Timing::Every(span) => now + (*span).max(SHORTEST),
        Timing::Calendar(cron) => by_cron(cron, zone, now).unwrap_or(now + NEVER),
    }
}

fn by_cron(cron: &croner::Cron, zone: &TimeZone, now: Wall) -> Option<Wall> {
    let at = Timestamp::from_microsecond(i64::try_from(now.0).ok()?).ok()?;
    let found = cron.find_next_occurrence(&at.to_zoned(zone.clone()), false);
    let found = found.ok()?.timestamp().as_microsecond();
    let found = Wall(u64::try_from(found).ok()?);
    // Only forward: a date that is not behind now would be due again and again.
    Some(found).filter(|found| found.0 > now.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Wall {
        let at: Timestamp = text.parse().unwrap();
        Wall(u64::try_from(at.as_microsecond()).unwrap())
    }

    fn dates(pattern: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let timing = Timing::Calendar(Box::new(pattern.parse().unwrap()));
        let zone = TimeZone::get(zone).unwrap();
        let mut now = at(from);
        (0..count)
            .map(|_| {
                now = next(&timing, &zone, now);
                let stamp = Timestamp::from_microsecond(i64::try_from(now.0).unwrap()).unwrap();
                stamp.to_string()
            })
            .collect()
    }

    #[test]
    fn a_morning_stays_a_morning_over_both_changes_of_the_clock() {
        assert_eq!(
            dates("0 7 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3),
            [
                "2026-03-28T06:00:00Z",
                "2026-03-29T05:00:00Z",
                "2026-03-30T05:00:00Z"
            ]
        );
        assert_eq!(
            dates("0 7 * * *", "Europe/Berlin", "2026-10-23T12:00:00Z", 3),
            [
                "2026-10-24T05:00:00Z",
                "2026-10-25T06:00:00Z",
                "2026-10-26T06:00:00Z"
            ]
        );
    }

    #[test]
    fn an_hour_that_is_missing_or_doubled_gives_one_digest() {
        // 02:30 does not exist on 29 March.
        let spring = dates("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(spring[1], "2026-03-30T00:30:00Z");
        assert!(spring[0].starts_with("2026-03-29T01:"), "{spring:?}");
        // 02:30 comes twice on 25 October.
        assert_eq!(
            dates("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn a_span_is_counted_from_now() {
        let hour = Timing::Every(Duration::from_secs(3_600));
        assert_eq!(
            next(&hour, &TimeZone::UTC, at("2026-03-29T00:30:00Z")),
            at("2026-03-29T01:30:00Z")
        );
        let nothing = Timing::Every(Duration::ZERO);
        assert!(next(&nothing, &TimeZone::UTC, Wall(5)).0 > 5);
    }

    #[test]
    fn a_date_that_never_comes_is_looked_at_again_in_a_year() {
        let found = dates("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", 1);
        assert_eq!(found, ["2027-01-02T00:00:00Z"]);
    }
}
