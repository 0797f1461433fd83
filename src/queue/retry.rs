//! When a deferred parcel is tried again.
//!
//! The spans come from `[queue] retry`; the last one repeats. A parcel draws its jitter once, so that recipients that
//! shared a transaction keep sharing it, and a thousand parcels that failed together do not come back together.

use std::time::Duration;

/// How much earlier or later than configured a try may be, in percent. 10 % of 5 minutes is half a minute: enough to
/// spread a burst, too little for a person to wonder.
const JITTER_PERCENT: u64 = 10;

/// The span until the next try after `attempts` tries (at least one).
pub fn wait(spans: &[Duration], attempts: u32, jitter: u16) -> Duration {
    let n = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let span = spans.get(n).or(spans.last()).copied().unwrap_or(FALLBACK);
    // 0..=65535 becomes 90 %..110 %.
    let percent_65535 = (100 - JITTER_PERCENT) * 65_535 + 2 * JITTER_PERCENT * u64::from(jitter);
    let micros =
        u128::from(crate::base::clock::micros(span)) * u128::from(percent_65535) / (100 * 65_535);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)).max(SHORTEST)
}

/// A deferral must move forward, or the scheduler spins.
const SHORTEST: Duration = Duration::from_millis(100);

/// `[queue] retry` is never empty; this is only its proof.
const FALLBACK: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_last_span_repeats() {
        let spans = [MINUTE, 5 * MINUTE];
        let middle = u16::MAX / 2;
        for (attempts, minutes) in [(1, 1), (2, 5), (3, 5), (4_000_000_000, 5)] {
            let got = wait(&spans, attempts, middle).as_secs_f64() / 60.0;
            assert!(
                (got - f64::from(minutes)).abs() < 0.01,
                "attempts {attempts}: got {got}"
            );
        }
    }

    #[test]
    fn jitter_stays_within_ten_percent_and_forward() {
        assert_eq!(wait(&[10 * MINUTE], 1, 0), 9 * MINUTE);
        assert_eq!(wait(&[10 * MINUTE], 1, u16::MAX), 11 * MINUTE);
        assert!(wait(&[Duration::ZERO], 1, 0) > Duration::ZERO);
    }
}
