//! Why a hold stays that was judged again, and what else was found, in either language.
//!
//! A check is called by its name and its reason by a closed word: the words of a scanner's failure may name inner
//! addresses, and those are for logs. Not here: what was found first (`told`), and when a hold stays (`judge::keep`).

use super::told;
use crate::base::lang::Lang;
use crate::base::limit::SHOWN_NAME_MAX;
use crate::mail::hold::{Check, Hold};
use crate::mail::shown::defused;
use crate::words::{Arg, say};

/// A text each.
pub(super) fn words(lang: Lang, hold: &Hold) -> Vec<String> {
    let unseen = hold.unseen.iter().map(|one| {
        let name = name(lang, &one.by);
        let key = format!("unseen-{}", one.why.word());
        say(lang, &key, &[("name", Arg::Text(&name))])
    });
    let others = hold.others.iter().map(|found| {
        let what = told::reason(lang, &found.clone().into_hold());
        say(lang, "unseen-also", &[("what", Arg::Text(&what))])
    });
    unseen.chain(others).collect()
}

/// A check of ours by what it looks at, a scanner by its name.
fn name(lang: Lang, by: &str) -> String {
    match OURS.into_iter().find(|check| check.word() == by) {
        Some(check) => say(lang, &format!("check-{by}", by = check.word()), &[]),
        None => defused(by, SHOWN_NAME_MAX),
    }
}

/// Checks that are no scanners.
const OURS: [Check; 5] = [
    Check::Loop,
    Check::Mime,
    Check::Attachments,
    Check::Account,
    Check::Rules,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::found::{Found, Unseen, Why};
    use crate::mail::hold::{HoldQueue, HoldReason, SCANNER};

    #[test]
    fn a_hold_that_stays_says_why_without_inner_addresses() {
        let spam = Hold::new(HoldQueue::Quarantine, HoldReason::Spam, "BAYES_SPAM");
        let mut hold = Hold::new(HoldQueue::Quarantine, HoldReason::Virus, "Eicar")
            .with("name", "Eicar")
            .with(SCANNER, "clam")
            .beside(Found::told_by(&spam).into_iter().collect());
        for why in Why::ALL {
            hold.unseen = vec![Unseen {
                by: "clam".to_owned(),
                why,
                cause: "10.0.0.7:3310 cannot be reached".to_owned(),
            }];
            for lang in Lang::ALL {
                let text = told::reason(lang, &hold);
                assert!(!text.contains("10.0.0.7"), "{why:?}: {text}");
                assert!(!text.contains("unseen-"), "{why:?} has no words: {text}");
                assert!(text.contains("BAYES_SPAM"), "{why:?}: {text}");
                let named = text.contains("clam") || why == Why::Nameless;
                assert!(named, "{why:?}: {text}");
            }
        }
    }
}
