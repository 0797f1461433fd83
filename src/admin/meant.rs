//! What a verb would do to all that a query means, in words: understood as what, how many of them are dangerous, what
//! stays, and whether it can be taken back.
//!
//! Pages say it in the visitor's language, the API and the command line in English. Not here: the counts (`queue::survey`).

use crate::base::lang::Lang;
use crate::mail::hold::Risk;
use crate::queue::survey::{Survey, TakeBack};
use crate::words::{Arg, say};

/// What must be known of what a survey found, a sentence each.
pub fn notes(lang: Lang, survey: &Survey) -> Vec<String> {
    let notes = [
        ("holds-of-high", survey.high),
        ("holds-of-raised", survey.raised),
        ("holds-of-stays", survey.stays),
        ("holds-of-login", survey.login),
    ];
    notes
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(key, count)| say(lang, key, &[("count", Arg::Count(count))]))
        .collect()
}

/// Whether and how long it can be taken back as a whole.
pub fn take_back(lang: Lang, back: TakeBack) -> String {
    match back {
        TakeBack::Trash(span) => {
            let days = span.as_secs() / 86_400;
            say(lang, "holds-back-trash", &[("count", Arg::Count(days))])
        }
        TakeBack::Wait(span) => {
            let seconds = span.as_secs();
            say(lang, "holds-back-wait", &[("count", Arg::Count(seconds))])
        }
        TakeBack::Never => say(lang, "holds-back-never", &[]),
    }
}

/// The mark of a row whose mail is dangerous, with the tone of its tag; none: it is not.
pub fn mark(lang: Lang, risk: Risk) -> Option<(&'static str, String)> {
    match risk {
        Risk::High => Some(("bad", say(lang, "holds-mark-high", &[]))),
        Risk::Raised => Some(("warn", say(lang, "holds-mark-raised", &[]))),
        Risk::Low => None,
    }
}
