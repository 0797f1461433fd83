//! How things stand with a link, as a page: which title, which words, which buttons.
//!
//! Open shows the mail and what may be done with it; done and handled show what was, when and by whom; what is over shows
//! no mail any more, but how to get a fresh digest. Every page that has a form says so by its status too.
//! Not here: the request (`super`), and the words of the mail (`facts`).

use std::time::Duration;

use axum::http::StatusCode;

use super::facts::{self, Tongue};
use super::form::Confirm;
use super::sheet::{Button, CodeField, Form, Mail, Notice, Row, Sheet, Words};
use crate::admin::preview::Preview;
use crate::base::clock::Wall;
use crate::base::lang::Lang;
use crate::base::limit::DIGEST_ROWS_MAX;
use crate::config::AtExpiry;
use crate::digest::desk::{Opened, Right, Stand};
use crate::digest::token::{Action, Token};
use crate::digest::told;
use crate::mail::hold::{Hold, HoldQueue, HoldReason, Risk};
use crate::queue::hold::{Card, Decision};
use crate::words::{Arg, say};

/// What a page is made of besides how things stand.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// Language and zone.
    pub tongue: Tongue,
    /// What the link said.
    pub token: Token,
    /// The link.
    pub text: &'a str,
    /// The form's, bound to the cookie.
    pub nonce: String,
    /// Our host name.
    pub host: String,
    /// The wall's now.
    pub wall: Wall,
    /// The store's now in microseconds.
    pub store: u64,
    /// What happens when a hold of this queue expires.
    pub at_expiry: AtExpiry,
    /// Nobody may have it judged again, so such an end of its time changes nothing.
    pub stays: bool,
    /// Whom owners ask.
    pub administrator: Option<String>,
    /// Whether who asks is logged in.
    pub login: bool,
}

impl Setting<'_> {
    fn sheet(&self, status: StatusCode, key: &str) -> Sheet {
        let mut sheet = Sheet::new(self.tongue.lang, status, key);
        sheet.host.clone_from(&self.host);
        self.text.clone_into(&mut sheet.token);
        sheet
    }

    /// The card as this visitor may know it.
    fn seen(&self, card: &Card) -> Card {
        let hold = if self.login {
            card.hold.clone()
        } else {
            told::discreet(&card.hold)
        };
        Card {
            hold,
            ..card.clone()
        }
    }

    fn say(&self, key: &str, args: &[(&'static str, Arg<'_>)]) -> String {
        say(self.tongue.lang, key, args)
    }

    /// When a store time will be, or was, on the wall.
    fn on_the_wall(&self, store: u64) -> Wall {
        if store >= self.store {
            self.wall + Duration::from_micros(store - self.store)
        } else {
            Wall(self.wall.0.saturating_sub(self.store - store))
        }
    }

    /// Microseconds until a decision cannot be taken back any more.
    fn left(&self, end: &Decision) -> Option<u64> {
        let left = end.until?.checked_sub(self.store)?;
        (left > 0).then_some(left)
    }

    fn code(&self) -> CodeField {
        CodeField {
            why: self.say("link-code-why", &[]),
            name: self.say("link-code", &[]),
            hint: self.say("link-code-hint", &[]),
            wrong: false,
        }
    }

    fn form(&self) -> Form {
        Form {
            nonce: self.nonce.clone(),
            code: None,
            first: None,
            others: Vec::new(),
            others_name: self.say("link-others", &[]),
        }
    }
}

/// The page of a link of ours.
pub fn sheet(setting: &Setting<'_>, opened: &Opened, preview: Option<Preview>) -> Sheet {
    let mut sheet = stands(setting, opened, preview);
    match opened.stand {
        Stand::Open | Stand::Done | Stand::Handled => sheet.more = Some(more(setting, opened)),
        // There the first button mails a digest with links that count.
        Stand::Replaced(_) | Stand::Expired | Stand::Closed => {}
    }
    sheet
}

/// A button that has something mailed to the digest's own address.
pub(super) fn mailing(lang: Lang, confirm: Confirm, to: &str, first: bool) -> Button {
    let args = [
        ("to", Arg::Text(to)),
        (
            "count",
            Arg::Count(u64::try_from(DIGEST_ROWS_MAX).unwrap_or(u64::MAX)),
        ),
    ];
    let word = confirm.word();
    Button {
        value: word,
        name: say(lang, &format!("link-{word}"), &args),
        help: say(lang, &format!("link-help-{word}"), &args),
        class: if first { "main" } else { "" },
    }
}

/// The other rows of the digest.
fn more(setting: &Setting<'_>, opened: &Opened) -> Form {
    let to = facts::mailbox(&opened.digest.to);
    Form {
        others: vec![mailing(setting.tongue.lang, Confirm::More, &to, false)],
        others_name: setting.say("link-more-others", &[]),
        ..setting.form()
    }
}

fn stands(setting: &Setting<'_>, opened: &Opened, preview: Option<Preview>) -> Sheet {
    match &opened.stand {
        Stand::Open => open(setting, opened, preview),
        Stand::Done => done(setting, opened),
        Stand::Handled => handled(setting, opened),
        Stand::Replaced(_) => over(setting, opened, "replaced").lead("link-replaced", &[]),
        Stand::Expired => {
            let end = Wall(u64::from(setting.token.end).saturating_mul(HOUR_MICROS));
            let sheet = over(setting, opened, "expired");
            if end > setting.wall {
                // Revoked, or not its recipient's any more: the same answer to both.
                return sheet.lead("link-ended", &[]);
            }
            let date = setting.tongue.when(end);
            sheet.lead("link-expired", &[("date", Arg::Text(&date))])
        }
        Stand::Closed => over(setting, opened, "closed").lead("link-closed", &[]),
    }
}

/// What a fresh digest came to: `fresh`, `fresh-none` or `fresh-soon`.
pub fn fresh(lang: Lang, status: StatusCode, key: &str, to: &str) -> Sheet {
    let text = if key == "fresh" {
        "link-fresh-sent".to_owned()
    } else {
        format!("link-{key}")
    };
    Sheet::new(lang, status, key).lead(&text, &[("to", Arg::Text(to))])
}

fn open(setting: &Setting<'_>, opened: &Opened, preview: Option<Preview>) -> Sheet {
    let lang = setting.tongue.lang;
    let card = &setting.seen(&opened.card);
    let verb = match setting.token.action {
        Action::Canary | Action::More | Action::Release => Confirm::Release,
        Action::Requeue => Confirm::Requeue,
        Action::Delete => Confirm::Delete,
    };
    let word = verb.word();
    let mut sheet = setting
        .sheet(StatusCode::OK, word)
        .lead(&format!("link-lead-{word}"), &[]);
    let mut form = setting.form();
    let risk = risk(&card.hold);
    for one in [
        Confirm::Release,
        Confirm::Requeue,
        Confirm::Delete,
        Confirm::Bounce,
    ] {
        let right = right(opened, one);
        // Where nobody is told, giving it up is deleting it.
        if one == Confirm::Bounce && !card.returned().tells() {
            continue;
        }
        if right != Right::Yes {
            if one == verb {
                sheet.notices.push(refused(setting, right));
            }
            continue;
        }
        let mut button = Button::new(lang, one, one == verb);
        match (one, risk) {
            (Confirm::Release, Some(risk)) if one == verb => {
                sheet = sheet.notice("warn", risk, &[])
            }
            (Confirm::Release, Some(risk)) => {
                button.help = format!("{} {}", button.help, setting.say(risk, &[]));
            }
            _ => {}
        }
        if one == verb {
            form.first = Some(button);
        } else {
            form.others.push(button);
        }
    }
    form.code = opened.needs_code.then(|| setting.code());
    let expires = setting.on_the_wall(card.until);
    sheet.mail = Some(Mail {
        subject: facts::subject(lang, card),
        rows: facts::known_by(&setting.tongue, card),
        details: facts::details(&setting.tongue, card, expires),
        details_name: setting.say("link-details", &[]),
        preview: Some(Words::new(lang, preview)),
    });
    if form.first.is_some() || !form.others.is_empty() {
        sheet.form = Some(form);
    }
    let key = match setting.at_expiry {
        AtExpiry::Bounce if !card.returned().tells() => "link-nothing-delete",
        AtExpiry::Bounce => "link-nothing-bounce",
        AtExpiry::Delete => "link-nothing-delete",
        AtExpiry::Requeue if setting.stays => "link-nothing-stays",
        AtExpiry::Requeue => "link-nothing-requeue",
    };
    let date = setting.tongue.when(expires);
    sheet
        .after
        .push(setting.say(key, &[("date", Arg::Text(&date))]));
    sheet
}

/// Done a moment ago; with the way back while there is one.
fn done(setting: &Setting<'_>, opened: &Opened) -> Sheet {
    let Some(end) = &opened.card.end else {
        return handled(setting, opened);
    };
    let key = match end.verb.as_str() {
        "release" => "done-release",
        "requeue" => "done-requeue",
        "delete" => "done-delete",
        "bounce" => "done-bounce",
        _ => return handled(setting, opened),
    };
    let sheet = setting.sheet(StatusCode::OK, key);
    let mut sheet = match (key, setting.left(end)) {
        ("done-release" | "done-requeue", Some(left)) => {
            let seconds = ("seconds", Arg::Count(left.div_ceil(1_000_000)));
            sheet.notice("good", &format!("link-{key}-wait"), &[seconds])
        }
        ("done-delete", Some(left)) => {
            let date = setting.wall + Duration::from_micros(left);
            let date = setting.tongue.when(date);
            sheet.notice("good", "link-done-delete", &[("date", Arg::Text(&date))])
        }
        ("done-delete", None) => sheet.notice("good", "link-done-delete-now", &[]),
        ("done-bounce", _) => {
            let key = format!("link-done-bounce{}", opened.card.returned().word());
            sheet.notice("good", &key, &[])
        }
        _ => sheet.notice("good", &format!("link-{key}"), &[]),
    };
    sheet.form = undo(setting, opened);
    sheet.mail = Some(brief(setting, opened));
    sheet
}

/// The way back, if this visitor has one.
fn undo(setting: &Setting<'_>, opened: &Opened) -> Option<Form> {
    opened.undo.then(|| Form {
        first: Some(Button::new(setting.tongue.lang, Confirm::Undo, false)),
        code: opened.needs_code.then(|| setting.code()),
        ..setting.form()
    })
}

/// Decided before, by whomever.
fn handled(setting: &Setting<'_>, opened: &Opened) -> Sheet {
    let mut sheet = setting.sheet(StatusCode::CONFLICT, "handled");
    let Some(end) = &opened.card.end else {
        return sheet.notice("", "link-handled-other", &[]);
    };
    let key = match end.verb.as_str() {
        "bounce" if !opened.card.returned().tells() => "link-handled-untold".to_owned(),
        verb @ ("release" | "requeue" | "delete" | "bounce" | "expire") => {
            format!("link-handled-{verb}")
        }
        _ => "link-handled-other".to_owned(),
    };
    sheet = sheet.notice("", &key, &[]);
    if end.again.is_some() {
        sheet = sheet.notice("", "link-again", &[]);
    }
    sheet.outcome = outcome(setting, opened, end);
    sheet.form = undo(setting, opened);
    sheet.mail = Some(brief(setting, opened));
    sheet.after.push(setting.say("link-nothing-changed", &[]));
    sheet
}

/// The link is over: no mail is shown, and a fresh digest can be asked for.
fn over(setting: &Setting<'_>, opened: &Opened, key: &str) -> Sheet {
    let mut sheet = setting.sheet(StatusCode::GONE, key);
    let to = facts::mailbox(&opened.digest.to);
    let mut form = setting.form();
    form.first = Some(mailing(setting.tongue.lang, Confirm::Fresh, &to, true));
    sheet.form = Some(form);
    sheet.after.push(setting.say("link-nothing-changed", &[]));
    sheet
}

/// Enough of a mail to know which it was.
fn brief(setting: &Setting<'_>, opened: &Opened) -> Mail {
    let card = &opened.card;
    Mail {
        subject: facts::subject(setting.tongue.lang, card),
        rows: facts::brief(&setting.tongue, card),
        details: Vec::new(),
        details_name: String::new(),
        preview: None,
    }
}

fn outcome(setting: &Setting<'_>, opened: &Opened, end: &Decision) -> Vec<Row> {
    let lang = setting.tongue.lang;
    let who = match end.by.split_once(':') {
        Some(("link", who)) if who == opened.digest.to.to_string() => {
            let who = crate::mail::shown::address(who);
            setting.say("link-by-link", &[("who", Arg::Text(&who))])
        }
        // Who else gets digests is told to nobody who has a link.
        Some(("link", _)) => setting.say("link-by-other", &[]),
        None if end.by == "postwerk" => setting.say("link-by-expiry", &[]),
        // Who it was among the administrators is not told to whoever has a link.
        Some(_) | None => setting.say("link-by-admin", &[]),
    };
    vec![
        Row::new(lang, "link-handled-when", setting.tongue.when(Wall(end.at))),
        Row::new(lang, "link-handled-who", who),
    ]
}

fn right(opened: &Opened, verb: Confirm) -> Right {
    match verb {
        Confirm::Release => opened.rights.release,
        Confirm::Requeue => opened.rights.requeue,
        Confirm::Delete => opened.rights.delete,
        Confirm::Bounce => opened.rights.bounce,
        Confirm::Undo | Confirm::Fresh | Confirm::More => Right::Yes,
    }
}

/// Why the link's own verb has no button.
fn refused(setting: &Setting<'_>, right: Right) -> Notice {
    let (key, command) = match right {
        Right::Login => ("link-login", Some("postwerk admin login-link".to_owned())),
        Right::Never => ("link-never", None),
        Right::Yes | Right::Administrator if setting.administrator.is_some() => {
            ("link-administrator", setting.administrator.clone())
        }
        Right::Yes | Right::Administrator => ("link-administrator-unknown", None),
    };
    Notice {
        tone: "warn",
        text: setting.say(key, &[]),
        command,
        // Browsers keep the session from a page that a link in a mail opened (SameSite=Strict); from here it goes along.
        again: (right == Right::Login).then(|| setting.say("link-login-again", &[])),
    }
}

/// What a release is warned with.
pub(crate) fn risk(hold: &Hold) -> Option<&'static str> {
    match (hold.queue, hold.reason, hold.risk()) {
        (_, _, Risk::High) => Some("link-risk-high"),
        // It was checked and sent; what a release risks is that it comes a second time.
        (_, HoldReason::MaybeDelivered, _) => Some("link-risk-twice"),
        (HoldQueue::Bad, _, _) | (_, HoldReason::Scanner | HoldReason::Internal, _) => {
            Some("link-risk-bad")
        }
        (HoldQueue::Quarantine | HoldQueue::Defect, _, Risk::Raised) => Some("link-risk-raised"),
        (HoldQueue::Quarantine | HoldQueue::Defect, _, Risk::Low) => None,
    }
}

/// Of an hour, in which links count.
const HOUR_MICROS: u64 = 3_600_000_000;
