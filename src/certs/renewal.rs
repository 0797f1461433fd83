//! When a certificate is renewed: in the window that its directory names (RFC 9773), else when a third of its life is
//! left.
//!
//! The moment is drawn once, so that many servers do not come together, and kept as long as the window holds it. A
//! window that is too late to be safe is not believed. Not here: the record that it becomes (`plan`).

use std::time::Duration;

use instant_acme::{Account, CertificateIdentifier, Error};
use rustls::sign::CertifiedKey;

use super::facts::Facts;
use super::failure::Failure;

/// What a directory says; empty: it says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// From and until, in seconds since 1970.
    pub(super) span: Option<(u64, u64)>,
    /// When to ask again.
    pub(super) again: Option<Duration>,
}

/// Asked again so late at the most when the directory did not answer.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(6 * 3_600);
/// Asked again at the earliest and at the latest, whatever the directory says (RFC 9773 section 4.3.2).
const LOOK_MIN: u64 = 3_600;
const LOOK_MAX: u64 = 86_400;

/// How long after so many questions in a row that were not answered the next one comes (RFC 9773 section 4.3.3).
pub(super) fn again(failed: u32) -> Duration {
    let doubled = failed.saturating_sub(1).min(8);
    let span = Duration::from_secs(LOOK_MIN).saturating_mul(1 << doubled);
    span.min(LOOK_AGAIN)
}

/// When what is in force is renewed at the latest, whatever a window says.
pub(super) fn latest(facts: &Facts) -> u64 {
    let life = facts.until.saturating_sub(facts.from);
    facts.until.saturating_sub(life / 6)
}

/// Asks; a directory without renewal information says nothing.
pub(super) async fn ask(account: &Account, pair: &CertifiedKey) -> Result<Window, Failure> {
    let Some(identifier) = identifier(pair) else {
        return Ok(Window::default());
    };
    match account.renewal_info(&identifier).await {
        Ok((found, again)) => {
            let secs = |at: i64| u64::try_from(at).unwrap_or(0);
            let window = &found.suggested_window;
            let from = secs(window.start.unix_timestamp());
            let until = secs(window.end.unix_timestamp());
            // A window that ends before it begins is to be treated as none (RFC 9773 section 4.2).
            Ok(Window {
                span: (from <= until).then_some((from, until)),
                again: Some(again),
            })
        }
        Err(Error::Unsupported(_)) => Ok(Window::default()),
        Err(error) => Err(error.into()),
    }
}

/// What the directory calls it; a certificate without an authority key identifier has no name.
pub(super) fn identifier(pair: &CertifiedKey) -> Option<CertificateIdentifier<'static>> {
    let own = CertificateIdentifier::try_from(pair.cert.first()?).ok()?;
    Some(own.into_owned())
}

/// When to order, and when to ask again (0: never). `drawn` is the moment that was drawn before.
pub(super) fn date(
    facts: &Facts,
    window: Window,
    drawn: Option<u64>,
    now: u64,
    jitter: u16,
) -> (u64, u64) {
    let life = facts.until.saturating_sub(facts.from);
    let part = |span: u64| span.saturating_mul(u64::from(jitter)) / 65_535;
    let look = window.again.map_or(0, |again| {
        now.saturating_add(again.as_secs().clamp(LOOK_MIN, LOOK_MAX))
    });
    let Some((from, until)) = window.span else {
        // Earlier by up to a fiftieth, never later: at a third of its life a short one is warned of.
        let third = facts.until.saturating_sub(life / 3);
        return (third.saturating_sub(part(life / 50)), look);
    };
    let order = match drawn {
        Some(drawn) if (from..=until).contains(&drawn) => drawn,
        Some(_) | None => from.saturating_add(part(until - from)),
    };
    (order.min(latest(facts)), look)
}

/// Before this nothing that was issued at `now` is ordered again, unless a person asks.
pub(super) fn rest(facts: &Facts, now: u64) -> u64 {
    let life = facts.until.saturating_sub(facts.from);
    now.saturating_add(LOOK_AGAIN.as_secs().min(life / 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(from: u64, until: u64) -> Facts {
        Facts {
            from,
            until,
            ..Facts::default()
        }
    }

    fn window(from: u64, until: u64) -> Window {
        Window {
            span: Some((from, until)),
            again: Some(Duration::from_secs(6 * 3_600)),
        }
    }

    #[test]
    fn without_a_window_a_third_of_the_life_is_left() {
        for days in [6, 90, 398] {
            let life = days * 86_400;
            let facts = facts(1_000, 1_000 + life);
            for jitter in [0, 30_000, u16::MAX] {
                let (order, look) = date(&facts, Window::default(), None, 1_000, jitter);
                let left = facts.until - order;
                assert!(
                    left >= life / 3 && left <= life / 3 + life / 50,
                    "{days} days: {left}"
                );
                assert_eq!(look, 0);
            }
        }
    }

    #[test]
    fn a_moment_is_drawn_inside_the_window_and_kept() {
        let facts = facts(0, 90 * 86_400);
        for jitter in [0, 30_000, u16::MAX] {
            let (order, _) = date(&facts, window(1_000, 2_000), None, 10, jitter);
            assert!((1_000..=2_000).contains(&order), "{order}");
            let again = date(&facts, window(900, 2_500), Some(order), 20, jitter / 2);
            assert_eq!(again.0, order);
        }
        // A window in the past: the directory is about to revoke it.
        assert_eq!(
            date(&facts, window(10, 20), Some(5_000_000), 1_000, 0).0,
            10
        );
        // One that is later than safe.
        let (order, _) = date(&facts, window(89 * 86_400, 95 * 86_400), None, 0, 0);
        assert_eq!(order, 75 * 86_400);
    }

    #[test]
    fn a_question_that_fails_is_asked_again_less_and_less_often() {
        for (failed, hours) in [(0, 1), (1, 1), (2, 2), (3, 4), (4, 6), (1_000, 6)] {
            assert_eq!(
                again(failed),
                Duration::from_secs(hours * 3_600),
                "{failed}"
            );
        }
    }

    #[test]
    fn a_directory_is_not_asked_too_often_nor_too_rarely() {
        let facts = facts(0, 90 * 86_400);
        for (says, wait) in [(0, LOOK_MIN), (7_200, 7_200), (u64::MAX, LOOK_MAX)] {
            let window = Window {
                again: Some(Duration::from_secs(says)),
                ..window(1, 2)
            };
            assert_eq!(date(&facts, window, None, 50, 0).1, 50 + wait, "{says}");
        }
    }
}
