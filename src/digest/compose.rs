//! What a digest says, before it is text or HTML: rows, links, notes, closing lines, in one language.
//!
//! Both parts are written from the same `View`, so they cannot differ but for the canary. Pure: cards, time, keys and
//! configuration come in. Which holds are listed is chosen elsewhere (`stream`), how it looks too (`plain`, `html`).

use jiff::tz::TimeZone;

use super::record::Scope;
use super::token::Action;
use super::told;
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::base::limit::SHOWN_MAX;
use crate::base::text::visible;
use crate::config::{AtExpiry, HoldsConf, PublicUrl, ReleaseRule};
use crate::mail::domain::Domain;
use crate::mail::hold::HoldQueue;
use crate::mail::mailbox::Mailbox;
use crate::mail::shown::{address, author, defused};
use crate::mail::unlinked::unlinked;
use crate::queue::hold::Card;
use crate::queue::record::HoldId;
use crate::words::{Arg, say};

/// Everything that a digest is made from.
pub struct Sheet<'a> {
    /// Ours.
    pub hostname: &'a Domain,
    /// Whose digest.
    pub to: &'a Mailbox,
    /// What of it is theirs.
    pub scopes: &'a [Scope],
    /// Its language.
    pub lang: Lang,
    /// Of all times in it.
    pub zone: &'a TimeZone,
    /// When the last one was sent.
    pub since: Option<Wall>,
    /// Now.
    pub now: Wall,
    /// Newest first.
    pub entries: &'a [Entry],
    /// How much there is.
    pub tally: &'a Tally,
    /// Who may release, and what happens at expiry.
    pub holds: &'a HoldsConf,
    /// None: it says how to act without them.
    pub links: Option<Links<'a>>,
}

/// One held recipient that is listed.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As it is held.
    pub card: Card,
    /// When its hold ends.
    pub until: Wall,
    /// That is before the digest after the next one.
    pub ending: bool,
}

/// How much is held.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// What this digest tells of, by queue.
    pub told: Vec<(HoldQueue, u64)>,
    /// Told of, but not listed.
    pub left_out: u64,
    /// Held, and listed before.
    pub older: u64,
    /// What is told of and left out is at least so much.
    pub capped: bool,
    /// And so is what was listed before.
    pub older_capped: bool,
}

/// Where links lead, and who signs them.
#[derive(Clone, Copy)]
pub struct Links<'a> {
    /// Of the pages.
    pub url: &'a PublicUrl,
    /// The hour since 1970 at which they end.
    pub end: u32,
    /// Only those of the newest digest count.
    pub newest_only: bool,
    /// 44 characters.
    pub token: &'a dyn Fn(Action, HoldId) -> String,
    /// Four digits.
    pub code: &'a dyn Fn(HoldId) -> String,
}

/// A digest in words.
#[derive(Clone, Debug)]
pub struct View {
    /// Its language.
    pub lang: Lang,
    /// Of the mail.
    pub subject: String,
    /// First line.
    pub title: String,
    /// Which time it tells of.
    pub span: String,
    /// Messages.
    pub rows: Vec<Row>,
    /// How many more there are.
    pub closing: Vec<String>,
    /// To the list of everything.
    pub list: Option<Link>,
    /// What can be done and how; a line that begins with a blank is to be typed.
    pub help: Vec<String>,
    /// Who gets this and why; who sends it.
    pub footer: Vec<String>,
    /// What only robots open.
    pub canary: Option<String>,
}

/// One message in words.
#[derive(Clone, Debug)]
pub struct Row {
    /// From 1.
    pub number: usize,
    /// Its subject.
    pub subject: String,
    /// Label and text.
    pub fields: Vec<(String, String)>,
    /// That it ends soon.
    pub warning: Option<String>,
    /// What cannot be done, and why.
    pub notes: Vec<String>,
    /// What can.
    pub links: Vec<Link>,
}

/// One link with its words.
#[derive(Clone, Debug)]
pub struct Link {
    /// What it offers.
    pub label: String,
    /// Where it leads.
    pub url: String,
}

/// An address to be typed: whole, and in the form in which it is stored, unless that hides something.
fn typed(to: &Mailbox) -> String {
    let whole = to.to_string();
    if visible(&whole) == whole {
        unlinked(&whole)
    } else {
        address(&whole)
    }
}

impl View {
    /// Puts it into words.
    pub fn of(sheet: &Sheet<'_>) -> Self {
        let lang = sheet.lang;
        Self {
            lang,
            subject: sheet.subject(),
            title: sheet.say("digest-title", &[("host", sheet.host())]),
            span: sheet.span(),
            rows: (1..)
                .zip(sheet.entries)
                .map(|(number, entry)| sheet.row(number, entry))
                .collect(),
            closing: sheet.closing(),
            list: sheet.list().map(|url| Link {
                label: say(lang, "digest-all", &[]),
                url,
            }),
            help: sheet.help(),
            footer: sheet.footer(),
            canary: sheet.url(Action::Canary, HoldId(0)),
        }
    }
}

impl Sheet<'_> {
    fn say(&self, key: &str, args: &[(&'static str, Arg<'_>)]) -> String {
        say(self.lang, key, args)
    }

    fn host(&self) -> Arg<'_> {
        Arg::Text(self.hostname.as_str())
    }

    fn url(&self, ask: Action, hold: HoldId) -> Option<String> {
        let links = self.links?;
        Some(format!("{}/d/{}", links.url, (links.token)(ask, hold)))
    }

    /// Where all is shown: administrators have a list; owners cannot log in, and have the rest mailed.
    fn list(&self) -> Option<String> {
        let links = self.links?;
        if self.is_for_admins() {
            return Some(format!("{}/holds", links.url));
        }
        let is_all = self.tally.left_out == 0 && self.tally.older == 0;
        self.url(Action::More, HoldId(0)).filter(|_| !is_all)
    }

    /// `[mail.verein.de] 3 angehaltene Nachrichten (2 Quarantäne, 1 Störung) – 21.11.2026`
    fn subject(&self) -> String {
        let total: u64 = self.tally.told.iter().map(|(_, n)| n).sum();
        let key = if self.tally.capped {
            "digest-held-more"
        } else {
            "held-messages"
        };
        let held = self.say(key, &[("count", Arg::Count(total))]);
        let queues: Vec<String> = self
            .tally
            .told
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(queue, n)| format!("{n} {}", self.queue(*queue)))
            .collect();
        let args = [
            ("host", self.host()),
            ("held", Arg::Text(&held)),
            ("queues", Arg::Text(&queues.join(", "))),
            (
                "date",
                Arg::Text(&told::date(self.lang, self.zone, self.now)),
            ),
        ];
        self.say("digest-subject", &args)
    }

    fn span(&self) -> String {
        let moment = |at| told::moment(self.lang, self.zone, at);
        let (until, zone) = (moment(self.now), told::zone_name(self.zone, self.now));
        let (until, zone) = (Arg::Text(&until), Arg::Text(&zone));
        match self.since {
            Some(since) => {
                let from = moment(since);
                let args = [("from", Arg::Text(&from)), ("until", until), ("zone", zone)];
                self.say("digest-span", &args)
            }
            None => self.say("digest-until", &[("until", until), ("zone", zone)]),
        }
    }

    fn queue(&self, queue: HoldQueue) -> String {
        self.say(&format!("queue-{}", queue.word()), &[])
    }

    fn row(&self, number: usize, entry: &Entry) -> Row {
        let card = &entry.card;
        let subject = defused(card.subject.as_deref().unwrap_or_default(), SHOWN_MAX);
        let (links, notes) = self.offers(card);
        Row {
            number,
            subject: if subject.is_empty() {
                self.say("digest-no-subject", &[])
            } else {
                subject
            },
            fields: self.fields(entry),
            warning: self.warning(entry).filter(|_| entry.ending),
            notes,
            links,
        }
    }

    fn fields(&self, entry: &Entry) -> Vec<(String, String)> {
        let card = &entry.card;
        let mut size = told::size(self.lang, card.size);
        let attached = told::attachments(self.lang, &card.attachments);
        if !attached.is_empty() {
            size = format!("{size}, {attached}");
        }
        let received = told::moment(self.lang, self.zone, Wall(card.arrived));
        let mut fields = vec![
            ("from", self.written_by(card)),
            ("to", address(&card.to.to_string())),
            ("received", received),
            ("size", size),
            ("reason", self.reason(card)),
            ("queue", self.queue(card.hold.queue)),
            ("expires", told::date(self.lang, self.zone, entry.until)),
            // Typed as it is read: the marks in it are understood.
            ("id", format!("{}/{}", card.message, typed(&card.to))),
        ];
        if let Some(account) = &card.account {
            fields.insert(1, ("account", defused(account, SHOWN_MAX)));
        }
        if let Some(links) = self.links {
            fields.push(("code", (links.code)(card.id)));
        }
        fields
            .into_iter()
            .map(|(label, text)| (self.say(&format!("digest-label-{label}"), &[]), text))
            .collect()
    }

    fn reason(&self, card: &Card) -> String {
        if self.is_admins(card) {
            told::reason(self.lang, &card.hold)
        } else {
            told::reason(self.lang, &told::discreet(&card.hold))
        }
    }

    /// `"Stadtwerke" <rechnung[at]stadtwerke-x[.]de> (Umschlag: bounce[at]mailer[.]example)`
    fn written_by(&self, card: &Card) -> String {
        let envelope = if card.from.is_empty() {
            self.say("digest-no-sender", &[])
        } else {
            address(&card.from)
        };
        let Some(field) = card.author.as_deref().filter(|field| !field.is_empty()) else {
            return envelope;
        };
        let author = author(field);
        let mut text = match &author.name {
            Some(name) => format!("\"{}\" <{}>", name.replace('"', "'"), author.address),
            None => author.address.clone(),
        };
        if author.more > 0 {
            let more = self.say("digest-and-more", &[("count", told::count(author.more))]);
            text = format!("{text} {more}");
        }
        if !author.raw.eq_ignore_ascii_case(&card.from) {
            let args = [("address", Arg::Text(&envelope))];
            text = format!("{text} {}", self.say("digest-envelope", &args));
        }
        text
    }

    /// What happens at its end; none: nothing does.
    fn warning(&self, entry: &Entry) -> Option<String> {
        let hold = &entry.card.hold;
        let what = match self.holds.of(hold.queue).at_expiry {
            // Nobody is told of it then.
            AtExpiry::Bounce if !entry.card.returned().tells() => "digest-warn-delete",
            AtExpiry::Delete => "digest-warn-delete",
            AtExpiry::Bounce => "digest-warn-bounce",
            AtExpiry::Requeue if self.holds.requeue_of(hold) == ReleaseRule::Never => return None,
            AtExpiry::Requeue => "digest-warn-requeue",
        };
        let date = told::date(self.lang, self.zone, entry.until);
        Some(self.say(what, &[("date", Arg::Text(&date))]))
    }

    /// The links of a row, and what is said instead of those that are missing.
    fn offers(&self, card: &Card) -> (Vec<Link>, Vec<String>) {
        let (mut asks, mut notes) = (Vec::new(), Vec::new());
        if self.is_admins(card) || card.hold.is_owners() {
            match self.holds.release_of(&card.hold) {
                ReleaseRule::Link => asks.push((Action::Release, "verb-release")),
                ReleaseRule::Login => {
                    asks.push((Action::Release, "verb-release"));
                    notes.push(self.say("digest-note-login", &[]));
                }
                ReleaseRule::Never => notes.push(self.say("digest-note-never", &[])),
            }
            if self.holds.requeue_of(&card.hold) != ReleaseRule::Never {
                asks.push((Action::Requeue, "verb-requeue"));
            }
        } else {
            notes.push(self.say("digest-note-administrator", &[]));
        }
        asks.push((Action::Delete, "verb-delete"));
        let link = |(ask, verb)| {
            self.url(ask, card.id).map(|url| Link {
                label: self.say(verb, &[]),
                url,
            })
        };
        (asks.into_iter().filter_map(link).collect(), notes)
    }

    fn is_admins(&self, card: &Card) -> bool {
        self.scopes
            .iter()
            .any(|scope| scope.is_admins() && scope.holds(card))
    }

    /// Owners cannot log in, so they are not sent to pages that ask for it, nor to the command line.
    fn is_for_admins(&self) -> bool {
        self.scopes.iter().any(Scope::is_admins)
    }

    fn closing(&self) -> Vec<String> {
        let told = |count: u64, capped: bool, key: &str| {
            let more = format!("{key}-more");
            let key = if capped { &more } else { key };
            (count > 0).then(|| self.say(key, &[("count", Arg::Count(count))]))
        };
        let Tally {
            left_out, older, ..
        } = *self.tally;
        let waits = (left_out > 0).then(|| self.say("digest-left-out-next", &[]));
        let left_out = told(left_out, self.tally.capped, "digest-left-out");
        let older = told(older, self.tally.older_capped, "digest-older");
        left_out.into_iter().chain(waits).chain(older).collect()
    }

    fn help(&self) -> Vec<String> {
        let verbs = ["release", "requeue", "delete"];
        let explained = verbs.map(|verb| self.say(&format!("digest-help-{verb}"), &[]));
        let Some(links) = self.links else {
            return self.help_without_links(explained);
        };
        let end = Wall(u64::from(links.end).saturating_mul(3_600_000_000));
        let end = told::moment(self.lang, self.zone, end);
        let pages = if links.newest_only {
            "digest-help-newest"
        } else {
            "digest-help-pages"
        };
        let mut help = explained.to_vec();
        help.push(self.say(pages, &[("end", Arg::Text(&end))]));
        help.push(self.say("digest-help-code", &[]));
        help.push(self.say("digest-help-care", &[]));
        help
    }

    fn help_without_links(&self, explained: [String; 3]) -> Vec<String> {
        let care = self.say("digest-help-care", &[]);
        if !self.is_for_admins() {
            return vec![
                self.say("digest-no-links-owner", &[("host", self.host())]),
                care,
            ];
        }
        let id = self.say("digest-label-id", &[]).to_uppercase();
        let mut help = vec![self.say("digest-no-links-administrator", &[])];
        for verb in ["release", "requeue", "delete"] {
            help.push(format!("    postwerk queue {verb} {id}"));
        }
        help.extend(explained);
        help.push(care);
        help
    }

    fn footer(&self) -> Vec<String> {
        let to = address(&self.to.to_string());
        let to = ("to", Arg::Text(&to));
        let queues: Vec<String> = self
            .scopes
            .iter()
            .filter_map(|scope| match scope {
                Scope::Queue(queue) => Some(self.queue(*queue)),
                Scope::Domain(_) | Scope::Account(_) => None,
            })
            .collect();
        let mut footer = Vec::new();
        if !queues.is_empty() {
            let args = [
                to,
                ("host", self.host()),
                ("queues", Arg::Text(&queues.join(", "))),
            ];
            footer.push(self.say("digest-why-administrator", &args));
        }
        for scope in self.scopes {
            match scope {
                Scope::Domain(domain) => {
                    let domain = defused(domain, SHOWN_MAX);
                    let args = [to, ("domain", Arg::Text(&domain))];
                    footer.push(self.say("digest-why-domain", &args));
                }
                Scope::Account(account) => {
                    let account = defused(account, SHOWN_MAX);
                    let args = [to, ("account", Arg::Text(&account))];
                    footer.push(self.say("digest-why-account", &args));
                }
                Scope::Queue(_) => {}
            }
        }
        let version = ("version", Arg::Text(env!("CARGO_PKG_VERSION")));
        footer.push(self.say("digest-version", &[version, ("host", self.host())]));
        footer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::unlinked::joined;

    #[test]
    fn the_recipient_in_an_id_can_be_typed_back() {
        let long = format!("{}@{}.example", "a".repeat(64), "b".repeat(60));
        for text in [
            "kasse@verein.example",
            "x@xn--pypal-4ve.example",
            "max.muster@b\u{FC}cher.example",
            &long,
        ] {
            let to: Mailbox = text.parse().unwrap();
            let back: Mailbox = joined(&typed(&to)).parse().unwrap();
            assert_eq!(back, to, "case: {text}");
        }
    }
}
