//! How often each command was said in a session, as the `disconnect` line of the log shows it.
//!
//! The words and their order are those of Postfix, for the programs that read logs.
//! Not here: the limits that counts reach (`session`).

use crate::smtp::command::Command;

/// A command, or what was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    Unknown,
}

const WORDS: [(Verb, &str); 14] = [
    (Verb::Ehlo, "ehlo"),
    (Verb::Helo, "helo"),
    (Verb::StartTls, "starttls"),
    (Verb::Auth, "auth"),
    (Verb::Mail, "mail"),
    (Verb::Rcpt, "rcpt"),
    (Verb::Data, "data"),
    (Verb::Bdat, "bdat"),
    (Verb::Rset, "rset"),
    (Verb::Noop, "noop"),
    (Verb::Vrfy, "vrfy"),
    (Verb::Help, "help"),
    (Verb::Quit, "quit"),
    (Verb::Unknown, "unknown"),
];

/// Good ones and all of them, by verb.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts([(u32, u32); WORDS.len()]);

impl Counts {
    pub(super) fn said(&mut self, verb: Verb) {
        if let Some((_, all)) = self.slot(verb) {
            *all = all.saturating_add(1);
        }
    }

    pub(super) fn succeeded(&mut self, verb: Verb) {
        if let Some((good, all)) = self.slot(verb) {
            *good = good.saturating_add(1).min(*all);
        }
    }

    /// `ehlo=1 mail=1 rcpt=1/2 data=1 commands=4/5`, as Postfix writes it: good, and all if there were more.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        let (mut good_sum, mut all_sum) = (0, 0);
        for ((_, word), (good, all)) in WORDS.iter().zip(self.0) {
            if all > 0 {
                show(&mut text, word, good, all);
            }
            good_sum += good;
            all_sum += all;
        }
        show(&mut text, "commands", good_sum, all_sum);
        text
    }

    fn slot(&mut self, verb: Verb) -> Option<&mut (u32, u32)> {
        let at = WORDS.iter().position(|(known, _)| *known == verb)?;
        self.0.get_mut(at)
    }
}

impl Verb {
    pub(super) fn of(command: &Command) -> Self {
        match command {
            Command::Ehlo(_) => Self::Ehlo,
            Command::Helo(_) => Self::Helo,
            Command::Mail(_) => Self::Mail,
            Command::Rcpt(_) => Self::Rcpt,
            Command::Data => Self::Data,
            Command::Bdat { .. } => Self::Bdat,
            Command::StartTls => Self::StartTls,
            Command::Login(..) => Self::Auth,
            Command::Rset => Self::Rset,
            Command::Noop => Self::Noop,
            Command::Vrfy => Self::Vrfy,
            Command::Help => Self::Help,
            Command::Quit => Self::Quit,
        }
    }
}

fn show(text: &mut String, word: &str, good: u32, all: u32) {
    let gap = if text.is_empty() { "" } else { " " };
    text.push_str(&if good == all {
        format!("{gap}{word}={all}")
    } else {
        format!("{gap}{word}={good}/{all}")
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_postfixs() {
        let mut counts = Counts::default();
        assert_eq!(counts.summary(), "commands=0");
        counts.said(Verb::Ehlo);
        counts.succeeded(Verb::Ehlo);
        counts.said(Verb::Auth);
        assert_eq!(counts.summary(), "ehlo=1 auth=0/1 commands=1/2");
    }
}
