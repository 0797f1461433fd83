//! A held mail in words: what, from whom, to whom, why, what was checked, and until when.
//!
//! Everything that comes from the mail goes through `mail::shown`, so that nothing turns, hides, ends a line or is a link.
//! Not here: the first words of its text (`preview`), and HTML (`sheet`).

use jiff::tz::TimeZone;

use super::sheet::Row;
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::base::limit::{SHOWN_MAX, SHOWN_NAME_MAX};
use crate::digest::told::{self, size};
use crate::mail::attachment::Attachment;
use crate::mail::hold::Check;
use crate::mail::mailbox::Mailbox;
use crate::mail::shown::{address, author, defused};
use crate::queue::hold::Card;
use crate::words::{Arg, say};

/// How this page speaks of times.
#[derive(Clone, Debug)]
pub struct Tongue {
    /// The page's language.
    pub lang: Lang,
    /// `[digest] zone`
    pub zone: TimeZone,
}

impl Tongue {
    /// `Sa 21.11.2026 14:02`
    pub fn when(&self, at: Wall) -> String {
        told::moment(self.lang, &self.zone, at)
    }

    fn row(&self, key: &str, value: impl Into<String>) -> Row {
        Row::new(self.lang, key, value)
    }
}

/// The subject as a heading.
pub fn subject(lang: Lang, card: &Card) -> String {
    let subject = defused(card.subject.as_deref().unwrap_or_default(), SHOWN_MAX);
    if subject.is_empty() {
        say(lang, "link-no-subject", &[])
    } else {
        subject
    }
}

/// All rows, `expires` being when its time is over on the wall.
pub fn rows(tongue: &Tongue, card: &Card, expires: Wall) -> Vec<Row> {
    let mut rows = known_by(tongue, card);
    rows.extend(details(tongue, card, expires));
    rows
}

/// What somebody knows a mail again by, and why it is held.
pub fn known_by(tongue: &Tongue, card: &Card) -> Vec<Row> {
    let mut rows = vec![tongue.row("link-from", from(card))];
    rows.extend(envelope(tongue, card));
    rows.push(tongue.row("link-to", mailbox(&card.to)));
    rows.push(tongue.row("link-received", tongue.when(Wall(card.arrived))));
    rows.push(tongue.row("link-size", size(tongue.lang, card.size)));
    rows.extend(attachments(tongue, card));
    rows.push(reason(tongue, card));
    rows
}

/// Queue, checks, expiry and account.
pub fn details(tongue: &Tongue, card: &Card, expires: Wall) -> Vec<Row> {
    let queue = say(tongue.lang, &format!("queue-{}", card.hold.queue), &[]);
    let mut rows = vec![tongue.row("link-queue", queue)];
    rows.extend(checks(tongue, card));
    rows.push(tongue.row("link-expires", tongue.when(expires)));
    if let Some(account) = &card.account {
        rows.push(tongue.row("link-account", defused(account, SHOWN_NAME_MAX)));
    }
    rows
}

/// Enough to know a mail again: from whom, to whom, when.
pub fn brief(tongue: &Tongue, card: &Card) -> Vec<Row> {
    vec![
        tongue.row("link-from", from(card)),
        tongue.row("link-to", mailbox(&card.to)),
        tongue.row("link-received", tongue.when(Wall(card.arrived))),
    ]
}

/// An address, readable and no link.
pub fn mailbox(mailbox: &Mailbox) -> String {
    address(&mailbox.to_string())
}

/// `"Stadtwerke" <rechnung[at]stadtwerke[.]example>`: the name never without the address.
pub(crate) fn from(card: &Card) -> String {
    let author = author(card.author.as_deref().unwrap_or(&card.from));
    let more = match author.more {
        0 => String::new(),
        more => format!(" (+{more})"),
    };
    match author.name {
        Some(name) => format!("\"{}\" <{}>{more}", name.replace('"', "'"), author.address),
        None => format!("{}{more}", author.address),
    }
}

fn envelope(tongue: &Tongue, card: &Card) -> Option<Row> {
    envelope_text(tongue.lang, card).map(|text| tongue.row("link-envelope", text))
}

/// The reverse-path, when it says something else than the From field.
pub(crate) fn envelope_text(lang: Lang, card: &Card) -> Option<String> {
    if card.from.is_empty() {
        return Some(say(lang, "link-envelope-null", &[]));
    }
    let field = card.author.as_deref()?;
    let differs = !author(field).raw.eq_ignore_ascii_case(&card.from);
    differs.then(|| address(&card.from))
}

fn attachments(tongue: &Tongue, card: &Card) -> Option<Row> {
    let mut lines = card
        .attachments
        .iter()
        .map(|one| attachment(tongue.lang, one));
    let mut row = tongue.row("link-attachments", lines.next()?);
    row.more = lines.collect();
    Some(row)
}

/// `rechnung.pdf (application/pdf, 214 kB)`, and what it really is.
fn attachment(lang: Lang, one: &Attachment) -> String {
    let name = one
        .name
        .as_deref()
        .map(|name| defused(name, SHOWN_NAME_MAX));
    let name = name
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| say(lang, "link-attachment-unnamed", &[]));
    let declared = defused(&one.declared, SHOWN_NAME_MAX);
    let line = format!("{name} ({declared}, {})", size(lang, one.size));
    match one.found.as_deref().filter(|found| *found != one.declared) {
        Some(found) => {
            let found = defused(found, SHOWN_NAME_MAX);
            let real = say(
                lang,
                "link-attachment-found",
                &[("found", Arg::Text(&found))],
            );
            format!("{line}. {real}")
        }
        None => line,
    }
}

/// What the digest says, and in the same words.
fn reason(tongue: &Tongue, card: &Card) -> Row {
    tongue.row("link-reason", told::reason(tongue.lang, &card.hold))
}

fn checks(tongue: &Tongue, card: &Card) -> Vec<Row> {
    let made = &card.hold.checked;
    let names = |wanted: bool| {
        let names: Vec<String> = Check::ALL
            .into_iter()
            .filter(|check| made.contains(check) == wanted)
            .map(|check| say(tongue.lang, &format!("check-{}", check.word()), &[]))
            .collect();
        names.join(", ")
    };
    let (yes, no) = (names(true), names(false));
    let yes = if yes.is_empty() {
        say(tongue.lang, "link-checked-none", &[])
    } else {
        yes
    };
    let mut rows = vec![tongue.row("link-checked", yes)];
    if !no.is_empty() {
        rows.push(tongue.row("link-unchecked", no));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::hold::{Hold, HoldQueue, HoldReason};
    use crate::mail::unlinked::linker::links;
    use crate::queue::record::{HoldId, MessageId};

    fn hostile(text: &str) -> Card {
        let attached = |name: &str, declared: &str| Attachment {
            name: Some(name.to_owned()),
            declared: declared.to_owned(),
            found: Some(text.to_owned()),
            size: 1,
        };
        Card {
            id: HoldId(1),
            message: MessageId(1),
            parcel: 0,
            index: 0,
            to: Mailbox::parse("max.muster@evil.example").unwrap(),
            from: "bounce.x@www.evil.example".to_owned(),
            author: Some(format!("\"{text}\" <x@evil.example>")),
            subject: Some(text.to_owned()),
            size: 1,
            attachments: vec![attached(text, "text/evil.com"), attached("evil.zip", text)],
            account: Some(text.to_owned()),
            hold: Hold::new(HoldQueue::Quarantine, HoldReason::Filter, text).with("name", text),
            since: 0,
            until: 0,
            arrived: 0,
            end: None,
            back: None,
            proven: None,
        }
    }

    #[test]
    fn nothing_that_a_page_tells_of_a_mail_is_a_link() {
        let tongue = Tongue {
            lang: Lang::En,
            zone: TimeZone::UTC,
        };
        for text in [
            "visit http://evil.example/x now",
            "WWW.EVIL.EXAMPLE.pdf",
            "click:evil.com mailto:a@evil.example",
            "пример.рф ❤.ws evil。com",
        ] {
            let card = hostile(text);
            let all = rows(&tongue, &card, Wall(0)).into_iter();
            let mut told: Vec<String> = all
                .chain(brief(&tongue, &card))
                .flat_map(|row| std::iter::once(row.value).chain(row.more))
                .collect();
            told.push(subject(Lang::En, &card));
            for line in told {
                let found = links(&line);
                assert!(found.is_empty(), "case: {text}: {found:?} in {line}");
            }
        }
    }
}
