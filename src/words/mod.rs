//! Floor 1: every text that people read in two languages, by key: pages, digests, reasons.
//!
//! The texts stand beside this file, one file a topic and language, and are compiled in. A key in one language only, or
//! with other arguments, fails a test. Arguments are plain text: escaping is done where HTML is made.
//! Not here: logs, SMTP replies and the API, which are English.

use std::borrow::Cow;
use std::collections::HashMap;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader, langid};

use crate::base::lang::Lang;

fluent_templates::static_loader! {
    static TEXTS = {
        locales: "src/words/texts",
        fallback_language: "en",
        // Marks around arguments would show up in plain text mails.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

const DE: LanguageIdentifier = langid!("de");
const EN: LanguageIdentifier = langid!("en");

/// An argument of a text.
#[derive(Clone, Copy, Debug)]
pub enum Arg<'a> {
    /// Shown as it is.
    Text(&'a str),
    /// Chooses between singular and plural, and is written as the language writes numbers.
    Count(u64),
}

/// The text of `key`. A key that does not exist is shown as itself, which a test finds before a user does.
pub fn say(lang: Lang, key: &str, args: &[(&'static str, Arg<'_>)]) -> String {
    let id = match lang {
        Lang::De => &DE,
        Lang::En => &EN,
    };
    let args: HashMap<Cow<'static, str>, FluentValue<'_>> = args
        .iter()
        .map(|(name, arg)| (Cow::Borrowed(*name), arg.value()))
        .collect();
    TEXTS
        .try_lookup_complete(id, key, Some(&args))
        .unwrap_or_else(|| key.to_owned())
}

impl<'a> Arg<'a> {
    fn value(self) -> FluentValue<'a> {
        match self {
            Self::Text(text) => FluentValue::from(text),
            Self::Count(count) => FluentValue::from(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_follow_the_count() {
        let held = |lang, count| say(lang, "held-messages", &[("count", Arg::Count(count))]);
        assert_eq!(held(Lang::De, 1), "1 angehaltene Nachricht");
        assert_eq!(held(Lang::De, 3), "3 angehaltene Nachrichten");
        assert_eq!(held(Lang::En, 1), "1 message held");
        assert_eq!(held(Lang::En, 3), "3 messages held");
    }

    /// Keys with the arguments that they name, of one language.
    fn keys(lang: Lang) -> Vec<(String, Vec<String>)> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/words/texts")
            .join(lang.code());
        let mut found = Vec::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let mut key: Option<(String, Vec<String>)> = None;
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                if let Some((name, _)) = line.split_once(" =").filter(|_| !line.starts_with(' ')) {
                    found.extend(key.take());
                    key = Some((name.to_owned(), Vec::new()));
                }
                for arg in line.split("$").skip(1) {
                    let arg: String = arg
                        .chars()
                        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                        .collect();
                    if let Some((_, args)) = &mut key
                        && !args.contains(&arg)
                    {
                        args.push(arg);
                    }
                }
            }
            found.extend(key);
        }
        for (_, args) in &mut found {
            args.sort();
        }
        found.sort();
        found
    }

    #[test]
    fn both_languages_have_the_same_keys_and_arguments() {
        let (de, en) = (keys(Lang::De), keys(Lang::En));
        for one in &de {
            assert!(en.contains(one), "only in German: {one:?}");
        }
        for one in &en {
            assert!(de.contains(one), "only in English: {one:?}");
        }
        let mut names: Vec<&String> = de.iter().map(|(name, _)| name).collect();
        names.dedup();
        assert_eq!(names.len(), de.len(), "a key stands twice");
    }

    #[test]
    fn every_reason_queue_and_check_has_its_words() {
        use crate::mail::hold::{Check, HoldQueue, HoldReason};
        let reasons = HoldReason::ALL.map(|reason| format!("reason-{}", reason.word()));
        let queues = HoldQueue::ALL.map(|queue| format!("queue-{}", queue.word()));
        let checks = Check::ALL.map(|check| format!("check-{}", check.word()));
        for key in reasons.iter().chain(&queues).chain(&checks) {
            for lang in Lang::ALL {
                assert_ne!(say(lang, key, &[]), *key, "{lang}: {key} has no text");
            }
        }
    }
}
