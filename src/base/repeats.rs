//! Log lines that repeat: the first is said at once, then the same one once a minute with a count.
//!
//! A fault of a disk or of a peer is met again and again by whoever tries again; a log that tells each time fills the
//! disk that is low already. Whoever logs in a loop keeps a `Repeats` and asks it. Not here: how often is tried.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::clock::{Clock, Mono};
use super::limit::{REPEAT_SPAN, REPEATED_LINES_MAX};

/// Remembers what was said in the last minute.
#[derive(Debug)]
pub struct Repeats {
    clock: Clock,
    lines: Mutex<HashMap<String, Line>>,
}

#[derive(Debug)]
struct Line {
    said: Mono,
    unsaid: u64,
}

/// What a line ends with: nothing, or how often it was not said since the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated(u64);

impl Repeats {
    /// Nothing was said yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            lines: Mutex::default(),
        }
    }

    /// Whether this line is to be said now. `line` is what makes it the same: its text with what varies in it that
    /// tells one fault from another, and nothing that differs each time.
    pub fn say(&self, line: &str) -> Option<Repeated> {
        let now = self.clock.mono();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lines.get_mut(line) {
            if now - known.said < REPEAT_SPAN {
                known.unsaid = known.unsaid.saturating_add(1);
                return None;
            }
            known.said = now;
            return Some(Repeated(std::mem::take(&mut known.unsaid)));
        }
        if lines.len() >= REPEATED_LINES_MAX {
            lines.retain(|_, known| now - known.said < REPEAT_SPAN);
        }
        if lines.len() >= REPEATED_LINES_MAX {
            // So many different lines in a minute are a flood themselves.
            return None;
        }
        let first = Line {
            said: now,
            unsaid: 0,
        };
        lines.insert(line.to_owned(), first);
        Some(Repeated(0))
    }
}

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => f.write_str(" (repeated once)"),
            many => write!(f, " (repeated {many} times)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::Wall;

    #[test]
    fn the_same_line_is_said_once_a_minute_with_a_count() {
        let clock = Clock::moved(Wall(0));
        let repeats = Repeats::new(clock.clone());
        assert_eq!(
            repeats.say("disk").map(|said| said.to_string()),
            Some(String::new())
        );
        for _ in 0..412 {
            assert_eq!(repeats.say("disk"), None);
            clock.advance(Duration::from_millis(100));
        }
        assert!(
            repeats.say("other").is_some(),
            "another line is another fault"
        );
        clock.advance(Duration::from_secs(60));
        let said = repeats.say("disk").map(|said| said.to_string());
        assert_eq!(said.as_deref(), Some(" (repeated 412 times)"));
        clock.advance(Duration::from_secs(60));
        assert_eq!(repeats.say("disk"), Some(Repeated(0)), "counted once");
    }

    #[test]
    fn a_flood_of_different_lines_is_bounded_too() {
        let clock = Clock::moved(Wall(0));
        let repeats = Repeats::new(clock.clone());
        let said = |n: usize| repeats.say(&format!("line {n}")).is_some();
        let count = (0..3 * REPEATED_LINES_MAX).filter(|n| said(*n)).count();
        assert_eq!(count, REPEATED_LINES_MAX);
        clock.advance(REPEAT_SPAN);
        assert!(said(7 * REPEATED_LINES_MAX), "a minute later there is room");
    }
}
