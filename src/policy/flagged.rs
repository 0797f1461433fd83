//! What clamd finds and what is no malware means for a mail.
//!
//! A part that was not looked at is not judged: `bad`, and no recovery of the scanner changes that, so a person decides.
//! The others are judged. Whatever `on_failure` says: clamd did its work, and said that this mail wants a look.
//! Not here: which names of clamd's mean what (`scan::signature`).

use crate::mail::hold::{Hold, HoldQueue, HoldReason, SCANNER};
use crate::scan::signature::Flag;

/// The hold, and the line for the timeline.
pub(super) fn hold(scanner: &str, flag: Flag, signature: &str) -> (Hold, String) {
    let (queue, reason, words) = match flag {
        Flag::Limits => (
            HoldQueue::Bad,
            HoldReason::Scanner,
            "a limit of the scanner is exceeded, so it was not looked at whole",
        ),
        Flag::Encrypted => (
            HoldQueue::Quarantine,
            HoldReason::Attachment,
            "only a password opens it",
        ),
        Flag::Phishing => (
            HoldQueue::Quarantine,
            HoldReason::Phish,
            "suspected phishing",
        ),
        Flag::Macros => (
            HoldQueue::Quarantine,
            HoldReason::Attachment,
            "an Office file in it has macros",
        ),
    };
    let said = format!("{words} ({signature})");
    // The wording of the others says all of it.
    let cause = match flag {
        Flag::Phishing => signature,
        Flag::Limits | Flag::Encrypted | Flag::Macros => said.as_str(),
    };
    let hold = Hold::new(queue, reason, cause)
        .with("name", signature)
        .with("kind", flag.word());
    let hold = match flag {
        // With the scanner's name the hold would end when the scanner answers again, which it does all the time.
        Flag::Limits => hold,
        Flag::Encrypted | Flag::Phishing | Flag::Macros => hold.with(SCANNER, scanner),
    };
    (hold, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_is_held_where_it_belongs() {
        for (flag, wanted, scanner) in [
            (Flag::Limits, "bad scanner", None),
            (Flag::Encrypted, "quarantine attachment", Some("clam")),
            (Flag::Phishing, "quarantine phish", Some("clam")),
            (Flag::Macros, "quarantine attachment", Some("clam")),
        ] {
            let (hold, said) = hold("clam", flag, "Heuristics.X");
            assert_eq!(format!("{} {}", hold.queue, hold.reason), wanted);
            assert!(said.contains("Heuristics.X"), "{said}");
            assert!(hold.cause.contains("Heuristics.X"), "{hold:?}");
            let param = |name: &str| hold.params.get(name).map(String::as_str);
            assert_eq!(param("name"), Some("Heuristics.X"));
            assert_eq!(param(SCANNER), scanner);
            // A person decides: it waits for nobody.
            assert_eq!(hold.failed_scanner(), None, "{flag:?}");
        }
    }
}
