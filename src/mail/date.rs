//! Dates as mails and logs write them.
//!
//! Pure: the moment comes in, the text comes out, always in UTC or the zone of the machine as the name says.
//! Not here: what time it is (`base::clock`).

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::clock::Wall;

/// `Sat, 21 Nov 2026 19:58:28 +0100` (RFC 5322 section 3.3), in the machine's zone.
pub fn rfc5322(at: Wall) -> String {
    let zoned = timestamp(at).to_zoned(TimeZone::system());
    zoned.strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
}

/// `2026-11-21T18:58:28.204Z` (RFC 3339), as events and JSON logs write it.
pub fn rfc3339(at: Wall) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// For a person at a terminal: `2026-11-21 19:58:28`, in the machine's zone.
pub fn local(at: Wall) -> String {
    timestamp(at)
        .to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// `Nov 21 19:58:28` as syslog writes it (RFC 3164 section 4.1.2), in the machine's zone.
pub fn syslog(at: Wall) -> String {
    timestamp(at)
        .to_zoned(TimeZone::system())
        .strftime("%b %e %H:%M:%S")
        .to_string()
}

/// `19:58:28`, in the machine's zone.
pub fn time_of_day(at: Wall) -> String {
    timestamp(at)
        .to_zoned(TimeZone::system())
        .strftime("%H:%M:%S")
        .to_string()
}

fn timestamp(at: Wall) -> Timestamp {
    let micros = i64::try_from(at.0).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_the_rfcs_ask() {
        let at = Wall(1_795_287_508_204_000);
        assert_eq!(rfc3339(at), "2026-11-21T18:58:28.204Z");
        let date = rfc5322(at);
        assert!(
            date.starts_with("Sat, 21 Nov 2026 ") || date.starts_with("Sun, 22 Nov 2026 "),
            "got {date}"
        );
        assert_eq!(date.len(), "Sat, 21 Nov 2026 19:58:28 +0100".len());
    }
}
