//! What happened to a held mail, in words: its facts, as far as they are about this recipient.
//!
//! Replies and causes were written by others: they are cleaned like everything else of theirs.
//! Not here: the facts themselves (`journal`).

use crate::admin::link::facts::Tongue;
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::base::limit::SHOWN_MAX;
use crate::digest::told;
use crate::journal::fact::{Entry, Fact};
use crate::mail::shown::defused;
use crate::queue::hold::Card;
use crate::queue::judging::FOUND_GOOD;
use crate::queue::returned::Returned;
use crate::words::{Arg, say};

/// One line.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) when: String,
    pub(super) text: String,
    pub(super) more: Vec<String>,
}

/// The timeline of a card's recipient.
pub(super) fn steps(tongue: &Tongue, card: &Card, facts: &[Entry]) -> Vec<Step> {
    let to = card.to.to_string();
    facts
        .iter()
        .filter_map(|entry| {
            let (text, more) = step(tongue.lang, &to, &entry.fact)?;
            let more = more.into_iter().filter(|line| !line.is_empty()).collect();
            Some(Step {
                when: tongue.when(Wall(entry.at)),
                text,
                more,
            })
        })
        .collect()
}

fn step(lang: Lang, to: &str, fact: &Fact) -> Option<(String, Vec<String>)> {
    let says = |key: &str, args: &[(&'static str, Arg<'_>)]| say(lang, key, args);
    let mine = |all: &[String]| all.iter().any(|one| one == to);
    match fact {
        Fact::Accepted(fact) => {
            let peer = defused(&fact.peer, SHOWN_MAX);
            let text = says("holds-step-accepted", &[("peer", Arg::Text(&peer))]);
            let more = [
                Some(fact.with.clone()),
                fact.tls.clone(),
                fact.account.clone(),
            ];
            let more: Vec<String> = more.into_iter().flatten().collect();
            let came = defused(&more.join(", "), SHOWN_MAX);
            let said = fact.said.iter().map(|line| said(lang, line));
            Some((text, std::iter::once(came).chain(said).collect()))
        }
        Fact::Tried(fact) => {
            let one = fact.results.iter().find(|one| one.address == to)?;
            let site = defused(&fact.site, SHOWN_MAX);
            let args = [
                ("count", Arg::Count(u64::from(fact.attempt))),
                ("site", Arg::Text(&site)),
            ];
            let reply = one.reply.as_ref().map(ToString::to_string);
            let reply = defused(&reply.unwrap_or_default(), SHOWN_MAX);
            Some((says("holds-step-tried", &args), vec![reply]))
        }
        Fact::Held(fact) if mine(&fact.recipients) => {
            let reason = told::reason(lang, &fact.hold);
            let text = says("holds-step-held", &[("reason", Arg::Text(&reason))]);
            Some((text, vec![who(lang, &fact.by, None)]))
        }
        Fact::Acted(fact) if mine(&fact.recipients) => {
            let verb = verb(lang, &fact.verb);
            let who = who(lang, &fact.by, fact.place.as_deref());
            let more = std::iter::once(who).chain(note(lang, &fact.verb, &fact.note));
            Some((verb, more.collect()))
        }
        Fact::Expired(fact) if mine(&fact.recipients) => {
            Some((says("holds-step-expired", &[]), Vec::new()))
        }
        Fact::Notified(fact) if mine(&fact.recipients) => {
            let to = defused(&fact.to, SHOWN_MAX);
            let text = says("holds-step-told", &[("to", Arg::Text(&to))]);
            Some((text, vec![fact.dsn.clone()]))
        }
        Fact::InDoubt(fact) if mine(&fact.recipients) => {
            let site = defused(&fact.site, SHOWN_MAX);
            let text = says("holds-step-doubt", &[("site", Arg::Text(&site))]);
            Some((text, Vec::new()))
        }
        Fact::Held(_)
        | Fact::Acted(_)
        | Fact::Expired(_)
        | Fact::Notified(_)
        | Fact::InDoubt(_) => None,
    }
}

fn verb(lang: Lang, word: &str) -> String {
    match word {
        "release" | "requeue" | "delete" | "bounce" | "undo" => {
            say(lang, &format!("verb-{word}"), &[])
        }
        "report ham" => say(lang, "report-step-ham", &[]),
        "report spam" => say(lang, "report-step-spam", &[]),
        "judge" => say(lang, "holds-step-judged", &[]),
        "retry" => say(lang, "holds-step-retry", &[]),
        "expire" => say(lang, "link-by-expiry", &[]),
        other => other.to_owned(),
    }
}

/// What a scanner said.
fn said(lang: Lang, line: &str) -> String {
    let line = defused(line, SHOWN_MAX);
    say(lang, "holds-step-said", &[("text", Arg::Text(&line))])
}

/// What was written down with a decision.
fn note(lang: Lang, verb: &str, note: &str) -> Vec<String> {
    if let Some(back) = Returned::of_note(note).filter(|_| verb == "bounce") {
        return vec![say(
            lang,
            &format!("holds-step-returned{}", back.word()),
            &[],
        )];
    }
    // The judge writes it for the log and the command line, in English.
    match note.strip_prefix(FOUND_GOOD).filter(|_| verb == "judge") {
        Some(rest) => {
            let all = rest
                .strip_prefix(" (")
                .and_then(|rest| rest.strip_suffix(')'));
            let all = all.map(|all| said(lang, all));
            let good = say(lang, "holds-step-good", &[]);
            std::iter::once(good).chain(all).collect()
        }
        None => vec![defused(note, SHOWN_MAX)],
    }
}

/// Who it was, and from where.
pub(super) fn who(lang: Lang, by: &str, place: Option<&str>) -> String {
    let name = match by.split_once(':') {
        Some(("link", to)) => {
            let to = defused(to, SHOWN_MAX);
            say(lang, "link-by-link", &[("who", Arg::Text(&to))])
        }
        Some(("cli", user)) => {
            let user = defused(user, SHOWN_MAX);
            say(lang, "holds-by-cli", &[("who", Arg::Text(&user))])
        }
        Some(_) | None => match by {
            "admin" => say(lang, "link-by-admin", &[]),
            "postwerk" => "Postwerk".to_owned(),
            other => defused(other, SHOWN_MAX),
        },
    };
    match place {
        Some(place) => format!("{name} ({})", defused(place, SHOWN_MAX)),
        None => name,
    }
}
