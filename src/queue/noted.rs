//! What the history says of an act beside who did it: which checks a release left out, and who learns of a bounce.
//!
//! In English, as all facts. Not here: the act (`act`).

use super::returned::Returned;
use super::verbs::Verb;
use crate::mail::hold::{Check, Hold};

/// Of a hold that `verb` ended; `made`: the checks that there are now, `backs`: what goes back for each recipient.
pub(super) fn note(made: &[Check], verb: Verb, hold: Option<&Hold>, backs: &[Returned]) -> String {
    match verb {
        Verb::Release { .. } => {
            let checked = hold.map(|hold| hold.checked.as_slice()).unwrap_or_default();
            let skipped = made.iter().filter(|check| !checked.contains(check));
            let skipped: Vec<_> = skipped.map(|check| check.word()).collect();
            if skipped.is_empty() {
                "released although it was held after every check".to_owned()
            } else {
                format!(
                    "released without being checked; skipped: {}",
                    skipped.join(", ")
                )
            }
        }
        Verb::Bounce => match (backs.iter().min(), backs.iter().max()) {
            (Some(most), Some(least)) if most == least || least.note().is_empty() => {
                least.note().to_owned()
            }
            (Some(_), Some(least)) => format!("of some recipients {}", least.note()),
            (None, _) | (_, None) => String::new(),
        },
        Verb::Retry | Verb::Requeue { .. } | Verb::Hold | Verb::Delete { .. } | Verb::Undo => {
            String::new()
        }
    }
}
