//! Sizes and spans as people write them: `20 MiB`, `4h`.
//!
//! One parser for configuration, queries and flags. Units: B, KiB, MiB, GiB (and kB, MB, GB as powers of ten);
//! ms, s, m, h, d, w. A number without a unit is an error, because `5` has been minutes somewhere and seconds elsewhere.

use std::fmt;
use std::time::Duration;

/// A number of octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Why a text is no size or span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAmount {
    /// No size.
    #[error("`{0}` is no size; write a number and B, KiB, MiB or GiB, such as \"20 MiB\"")]
    Size(String),
    /// No span.
    #[error("`{0}` is no span of time; write a number and ms, s, m, h, d or w, such as \"4h\"")]
    Span(String),
}

impl ByteSize {
    /// Mebibytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// Reads `20 MiB`, `512 KiB`, `100 B`.
    pub fn parse(text: &str) -> Result<Self, BadAmount> {
        let bad = || BadAmount::Size(text.to_owned());
        let (number, unit) = split(text).ok_or_else(bad)?;
        let factor: u64 = match unit {
            "B" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" | "K" => 1 << 10,
            "MiB" | "M" => 1 << 20,
            "GiB" | "G" => 1 << 30,
            _ => return Err(bad()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if n >= 1 << shift {
                let tenths = (n >> (shift - 10)) * 10 / 1024;
                return if tenths.is_multiple_of(10) {
                    write!(f, "{} {unit}", tenths / 10)
                } else {
                    write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
                };
            }
        }
        write!(f, "{n} B")
    }
}

/// Reads `4h`, `30 s`, `5d`, and sums such as `1h30m`.
pub fn parse_span(text: &str) -> Result<Duration, BadAmount> {
    let bad = || BadAmount::Span(text.to_owned());
    let mut sum = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(bad)?;
        let tail = tail.trim_start();
        let end = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at_checked(end).ok_or_else(bad)?;
        let number: u64 = number.parse().map_err(|_| bad())?;
        let part = match unit {
            "ms" => Some(Duration::from_millis(number)),
            "s" => Some(Duration::from_secs(number)),
            "m" | "min" => number.checked_mul(60).map(Duration::from_secs),
            "h" => number.checked_mul(3_600).map(Duration::from_secs),
            "d" => number.checked_mul(86_400).map(Duration::from_secs),
            "w" => number.checked_mul(604_800).map(Duration::from_secs),
            _ => None,
        };
        sum = part
            .and_then(|part| sum.checked_add(part))
            .ok_or_else(bad)?;
        rest = next.trim_start();
    }
    if text.trim().is_empty() {
        Err(bad())
    } else {
        Ok(sum)
    }
}

/// The two largest units of a span: `3d 4h`, `2m 5s`, `800ms`.
pub fn show_span(span: Duration) -> String {
    let secs = span.as_secs();
    if secs == 0 {
        return format!("{}ms", span.as_millis());
    }
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = secs;
    let mut words = Vec::new();
    for (size, unit) in units {
        let n = left / size;
        left %= size;
        if n > 0 {
            words.push(format!("{n}{unit}"));
        }
        if words.len() == 2 || (words.len() == 1 && n == 0) {
            break;
        }
    }
    words.join(" ")
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, octets) in [
            ("20 MiB", 20 << 20),
            ("1GiB", 1 << 30),
            ("100 B", 100),
            ("1 MB", 1_000_000),
        ] {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize(octets)), "case: {text}");
        }
        for text in ["", "20", "MiB", "1.5 MiB", "99999999999 GiB", "-1 B"] {
            assert!(ByteSize::parse(text).is_err(), "case: {text}");
        }
    }

    #[test]
    fn sizes_print_short() {
        for (octets, text) in [(5, "5 B"), (1536, "1.5 KiB"), (50 << 20, "50 MiB")] {
            assert_eq!(ByteSize(octets).to_string(), text);
        }
    }

    #[test]
    fn spans_are_read_and_printed() {
        for (text, secs) in [
            ("4h", 14_400),
            ("5 d", 432_000),
            ("1h30m", 5_400),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_span(text),
                Ok(Duration::from_secs(secs)),
                "case: {text}"
            );
        }
        for text in ["", "5", "h", "1x", "5 minutes"] {
            assert!(parse_span(text).is_err(), "case: {text}");
        }
        assert_eq!(show_span(Duration::from_secs(90_061)), "1d 1h");
        assert_eq!(show_span(Duration::from_secs(3_605)), "1h");
        assert_eq!(show_span(Duration::from_millis(800)), "800ms");
    }
}
