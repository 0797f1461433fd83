//! A certificate's stand in words of one language: where it comes from, how long it lasts, what happens next.
//!
//! Moments come as text, because pages write them in a zone and the command line in UTC.
//! Not here: what is wrong with it (`check`), and its records (`tlsa`).

use crate::base::lang::Lang;
use crate::certs::{CertSource, CertStand};
use crate::words::{Arg, say};

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;
/// Longer is without end for a person: self-signed ones end in the year 4096.
const NEVER: u64 = 36_500 * DAY;

/// Whole days from `now` to `until`, both in seconds since 1970; below zero: it has ended.
pub fn days(until: u64, now: u64) -> i64 {
    let seconds = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    seconds(until)
        .saturating_sub(seconds(now))
        .div_euclid(86_400)
}

/// `63 days left`
pub fn left(lang: Lang, until: u64, now: u64) -> String {
    let count = |key: &str, count: u64| say(lang, key, &[("count", Arg::Count(count))]);
    match until.checked_sub(now) {
        None | Some(0) => count("certs-ended", now.saturating_sub(until) / DAY),
        Some(NEVER..) => say(lang, "certs-never", &[]),
        Some(span) if span < 2 * DAY => count("certs-hours", span / HOUR),
        Some(span) => count("certs-days", span / DAY),
    }
}

/// Who makes and renews it.
pub fn source(lang: Lang, stand: &CertStand) -> String {
    let key = match stand.source {
        CertSource::Acme if stand.stand_in => "certs-source-stand-in",
        CertSource::Acme => "certs-source-acme",
        CertSource::Files => "certs-source-files",
        CertSource::SelfSigned => "certs-source-self-signed",
    };
    say(lang, key, &[])
}

/// When and by whom it is renewed; `at` writes a moment.
pub fn renewal(lang: Lang, stand: &CertStand, at: impl Fn(u64) -> String) -> String {
    let key = match (stand.source, stand.next_try) {
        (CertSource::Files, _) => return say(lang, "certs-renewal-files", &[]),
        (CertSource::SelfSigned, _) => return say(lang, "certs-renewal-self-signed", &[]),
        (CertSource::Acme, None) => return say(lang, "certs-renewal-unplanned", &[]),
        (CertSource::Acme, Some(_)) if stand.failures > 0 => "certs-renewal-again",
        (CertSource::Acme, Some(_)) if stand.stand_in => "certs-renewal-first",
        (CertSource::Acme, Some(_)) => "certs-renewal-at",
    };
    let at = stand.next_try.map(at).unwrap_or_default();
    say(lang, key, &[("at", Arg::Text(&at))])
}

/// How many orders failed; nothing when none did.
pub fn failures(lang: Lang, stand: &CertStand) -> Option<String> {
    let count = u64::from(stand.failures);
    (count > 0).then(|| say(lang, "certs-failures", &[("count", Arg::Count(count))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_people_count_them() {
        for (span, wanted) in [
            (63 * 86_400, "63 days left"),
            (2 * 86_400, "2 days left"),
            (2 * 86_400 - 1, "47 hours left"),
            (3_600, "1 hour left"),
            (1, "less than an hour left"),
            (0, "ended less than a day ago"),
            (-1, "ended less than a day ago"),
            (-86_400, "ended 1 day ago"),
            (-3 * 86_400, "ended 3 days ago"),
            (36_500 * 86_400, "without end"),
        ] {
            let now = 1_795_291_200_u64;
            let until = now.checked_add_signed(span).unwrap();
            assert_eq!(left(Lang::En, until, now), wanted, "case: {span}");
        }
        assert_eq!(left(Lang::De, 90_000, 0), "noch 25 Stunden");
        assert_eq!((days(1, 0), days(0, 1), days(86_400, 0)), (0, -1, 1));
    }
}
