//! What a person reports, handed to rspamd's controller: `/learnspam` and `/learnham`.
//!
//! Its own words come back where it has some. Not here: who may report (`admin`).

use hyper::Method;
use serde_json::Value;

use super::http::{Answered, Asked, ask};
use crate::base::limit::SCAN_WORDS_MAX;
use crate::base::text::{clean, clean_bytes};
use crate::config::{RspamdConf, ScannerAddress};
use crate::scan::{Body, Trouble};

/// What a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// No spam.
    Ham,
    /// Spam.
    Spam,
}

/// What came of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It knows more now.
    New,
    /// It knew that mail already.
    Already,
    /// It learned nothing from it, and why.
    Nothing(String),
}

impl Class {
    /// `ham`, `spam`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ham => "ham",
            Self::Spam => "spam",
        }
    }

    /// The other way round.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Ham, Self::Spam]
            .into_iter()
            .find(|class| class.word() == word)
    }
}

/// Tells the controller.
pub(in crate::scan) async fn learn(
    at: &ScannerAddress,
    own: &RspamdConf,
    class: Class,
    body: &dyn Body,
    size: u64,
) -> Result<Learned, Trouble> {
    let password = own.password.as_ref();
    let fields: Vec<_> = password
        .map(|password| ("Password", password.reveal().as_bytes().to_vec()))
        .into_iter()
        .collect();
    let asked = Asked {
        method: Method::POST,
        path: match class {
            Class::Ham => "/learnham",
            Class::Spam => "/learnspam",
        },
        fields: &fields,
        body: Some((body, size)),
    };
    read(&ask(at, asked).await?)
}

fn read(answer: &Answered) -> Result<Learned, Trouble> {
    let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let said = |key: &str| json.as_ref()?.get(key)?.as_str();
    let why = said("error").map(|why| clean(why, SCAN_WORDS_MAX));
    match answer.status.as_u16() {
        200 if json.as_ref().and_then(|json| json.get("success")) == Some(&Value::Bool(true)) => {
            Ok(Learned::New)
        }
        208 => Ok(Learned::Already),
        200 | 204 => Ok(Learned::Nothing(why.unwrap_or_else(|| {
            "it has too few words, or rspamd has no classifier that learns".to_owned()
        }))),
        401 | 403 => Err(Trouble::Unable(
            "rspamd refuses to learn from us; check `password` of this scanner, and secure_ip of rspamd's controller"
                .to_owned(),
        )),
        code => {
            let text = why.unwrap_or_else(|| clean_bytes(&answer.body, SCAN_WORDS_MAX));
            // A classifier that has it in another class, or takes no more of one, says so here.
            if text.contains("already learned") {
                return Ok(Learned::Already);
            }
            Err(Trouble::Unable(format!("HTTP {code} {text}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controllers_answers_are_told_apart() {
        let of = |code: u16, body: &'static str| {
            read(&Answered {
                status: hyper::StatusCode::from_u16(code).unwrap(),
                body: body.into(),
            })
        };
        assert_eq!(of(200, r#"{"success":true}"#), Ok(Learned::New));
        let known = r#"{"error":"<a@b> has been already learned as spam, ignore it"}"#;
        assert_eq!(of(208, known), Ok(Learned::Already));
        assert!(matches!(of(204, ""), Ok(Learned::Nothing(_))));
        let few = of(200, r#"{"success":false,"error":"too few\r\ntokens"}"#);
        assert_eq!(few, Ok(Learned::Nothing("too few??tokens".to_owned())));
        for (code, body, part) in [
            (403, r#"{"error":"Unauthorized"}"#, "`password`"),
            (500, "", "HTTP 500"),
            (404, r#"{"error":"Invalid command"}"#, "Invalid command"),
        ] {
            let got = of(code, body).unwrap_err().to_string();
            assert!(got.contains(part), "case: {code} gave {got}");
        }
    }
}
