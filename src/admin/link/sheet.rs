//! What a link's page shows, before it is HTML: title, notices, the mail, and the form with its buttons.
//!
//! Every text here is plain: the template escapes all of it. No page has a script, an image or a list of anything else.
//! Not here: which of it a stand of things needs (`answer`), and the frame around it (`web::page`).

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::form::Confirm;
use crate::admin::preview::Preview;
use crate::admin::web::page;
use crate::base::lang::Lang;
use crate::words::{Arg, say};

/// One page.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Its language.
    pub lang: Lang,
    /// Of the answer.
    pub status: StatusCode,
    /// Whose page it is: our host name.
    pub host: String,
    /// The one heading.
    pub title: String,
    /// What must be read first.
    pub notices: Vec<Notice>,
    /// What follows the heading.
    pub lead: Vec<String>,
    /// When, and by whom.
    pub outcome: Vec<Row>,
    /// The held mail.
    pub mail: Option<Mail>,
    /// What can be decided.
    pub form: Option<Form>,
    /// What can be asked for besides, by a form of its own: it needs no code.
    pub more: Option<Form>,
    /// Below everything.
    pub after: Vec<String>,
    /// The link itself.
    pub token: String,
}

/// A paragraph that stands out.
#[derive(Clone, Debug)]
pub struct Notice {
    /// As the style sheet calls it.
    pub tone: &'static str,
    /// Plain text.
    pub text: String,
    /// Something to type, on a line of its own.
    pub command: Option<String>,
    /// The words of a way to this page from this page.
    pub again: Option<String>,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// In the page's language.
    pub name: String,
    /// Shown first.
    pub value: String,
    /// Further lines.
    pub more: Vec<String>,
}

/// What is told of a mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Its heading.
    pub subject: String,
    /// What it is known again by, in the order of the digest.
    pub rows: Vec<Row>,
    /// The rest, shown when it is asked for.
    pub details: Vec<Row>,
    /// Its heading.
    pub details_name: String,
    /// Its first words.
    pub preview: Option<Words>,
}

/// The first words, with their heading.
#[derive(Clone, Debug)]
pub struct Words {
    /// The heading.
    pub name: String,
    /// Empty: only the note is shown.
    pub text: String,
    /// What is missing.
    pub note: String,
}

/// The form.
#[derive(Clone, Debug)]
pub struct Form {
    /// Bound to link, cookie and hour.
    pub nonce: String,
    /// The field for the code, if it is asked for.
    pub code: Option<CodeField>,
    /// What the link is for; Enter presses it.
    pub first: Option<Button>,
    /// What else can be done.
    pub others: Vec<Button>,
    /// Their heading.
    pub others_name: String,
}

/// The field for the four digits.
#[derive(Clone, Debug)]
pub struct CodeField {
    /// Why it is asked for.
    pub why: String,
    /// Its label.
    pub name: String,
    /// Where to find the code.
    pub hint: String,
    /// It was wrong before.
    pub wrong: bool,
}

/// A button and what it does in words.
#[derive(Clone, Debug)]
pub struct Button {
    /// What the form sends.
    pub value: &'static str,
    /// On it.
    pub name: String,
    /// Beside it.
    pub help: String,
    /// As the style sheet calls it.
    pub class: &'static str,
}

#[derive(Template)]
#[template(config = "src/askama.toml", path = "admin/link/page.html")]
struct Body<'a> {
    sheet: &'a Sheet,
}

impl Sheet {
    /// A page of a title and nothing else yet; texts of `KEY` are `link-title-KEY` and, if there is one, `link-KEY`.
    pub fn new(lang: Lang, status: StatusCode, key: &str) -> Self {
        Self {
            lang,
            status,
            host: String::new(),
            title: say(lang, &format!("link-title-{key}"), &[]),
            notices: Vec::new(),
            lead: Vec::new(),
            outcome: Vec::new(),
            mail: None,
            form: None,
            more: None,
            after: Vec::new(),
            token: String::new(),
        }
    }

    /// With one more paragraph below the heading.
    #[must_use]
    pub fn lead(mut self, key: &str, args: &[(&'static str, Arg<'_>)]) -> Self {
        self.lead.push(say(self.lang, key, args));
        self
    }

    /// With one more paragraph that stands out.
    #[must_use]
    pub fn notice(
        mut self,
        tone: &'static str,
        key: &str,
        args: &[(&'static str, Arg<'_>)],
    ) -> Self {
        self.notices.push(Notice {
            tone,
            text: say(self.lang, key, args),
            command: None,
            again: None,
        });
        self
    }

    /// What the last request came to stands above everything.
    pub fn head(&mut self, status: StatusCode, text: String, wrong_code: bool) {
        self.status = status;
        let tone = if status == StatusCode::OK {
            "good"
        } else {
            "bad"
        };
        let notice = Notice {
            tone,
            text,
            command: None,
            again: None,
        };
        self.notices.insert(0, notice);
        if let Some(code) = self.form.as_mut().and_then(|form| form.code.as_mut()) {
            code.wrong = wrong_code;
        }
    }

    /// As an answer.
    pub fn into_response(self) -> Response {
        let html = Body { sheet: &self }.render();
        match html {
            Ok(html) => page(self.lang, self.status, &self.title, html),
            Err(error) => {
                tracing::error!(%error, "the page of a link could not be made");
                page(
                    self.lang,
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &self.title,
                    String::new(),
                )
            }
        }
    }
}

impl Row {
    /// Of one line.
    pub fn new(lang: Lang, key: &str, value: impl Into<String>) -> Self {
        Self {
            name: say(lang, key, &[]),
            value: value.into(),
            more: Vec::new(),
        }
    }
}

impl Button {
    /// As words has it. Only the first one is filled; what cannot be taken back from here is red.
    pub fn new(lang: Lang, confirm: Confirm, first: bool) -> Self {
        let danger = matches!(confirm, Confirm::Delete | Confirm::Bounce);
        let key = match confirm {
            Confirm::Release
            | Confirm::Requeue
            | Confirm::Delete
            | Confirm::Bounce
            | Confirm::Undo => "verb",
            Confirm::Fresh | Confirm::More => "link",
        };
        let word = confirm.word();
        Self {
            value: word,
            name: say(lang, &format!("{key}-{word}"), &[]),
            help: say(lang, &format!("link-help-{word}"), &[]),
            class: match (first, danger) {
                (true, false) => "main",
                (true, true) => "main danger",
                (false, true) => "danger",
                (false, false) => "",
            },
        }
    }
}

impl Words {
    /// Of what could be read; none: the mail is gone.
    pub fn new(lang: Lang, preview: Option<Preview>) -> Self {
        let note = match &preview {
            None => "link-preview-gone",
            Some(preview) if preview.text.is_empty() => "link-preview-none",
            Some(_) => "link-preview-cut",
        };
        let preview = preview.unwrap_or_default();
        Self {
            name: say(lang, "link-preview", &[]),
            text: if preview.cut {
                format!("{} …", preview.text)
            } else {
                preview.text
            },
            note: say(lang, note, &[]),
        }
    }
}
