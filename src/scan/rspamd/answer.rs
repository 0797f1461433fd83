//! rspamd's answer to `/checkv2`.
//!
//! What is not known is ignored; what is known and of a wrong kind makes no sense, and says which part. An answer without
//! an action or a score is none: a mail must not pass because a field was missing.

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::base::limit::{SCAN_WORDS_MAX, SUBJECT_WRITTEN_MAX};
use crate::base::text::{clean, clean_bytes};
use crate::mail::edit::Field;
use crate::scan::{Action, Score, Symbol, Trouble};

/// Symbols that are kept, the weightiest ones; rspamd finds 30 in a usual mail.
const SYMBOLS_MAX: usize = 100;
/// Options of a symbol that are kept.
const OPTIONS_MAX: usize = 10;
/// Fields that rspamd wants added.
const FIELDS_MAX: usize = 20;
/// Octets of the value of one: a DKIM signature with a long key has 1 KiB.
const VALUE_MAX: usize = 4 << 10;

/// Reads it.
pub(super) fn read(status: StatusCode, body: &[u8]) -> Result<Score, Trouble> {
    let read: Result<Value, _> = serde_json::from_slice(body);
    let object = match &read {
        Ok(Value::Object(object)) => Some(object),
        Ok(_) | Err(_) => None,
    };
    if let Some(why) = object.and_then(|object| object.get("error")) {
        let why = why.as_str().unwrap_or("it does not say why");
        return Err(Trouble::Unable(clean(why, SCAN_WORDS_MAX)));
    }
    if !status.is_success() {
        let text = clean_bytes(body.trim_ascii(), SCAN_WORDS_MAX);
        return Err(garbage(format!("HTTP {status} {text}")));
    }
    match (object, read.as_ref()) {
        (Some(object), _) => score(object),
        (None, Ok(_)) => Err(garbage("it is JSON, but no object")),
        (None, Err(error)) => Err(garbage(format!("it is no JSON: {error}"))),
    }
}

fn score(object: &Map<String, Value>) -> Result<Score, Trouble> {
    let missing = |key: &str| garbage(format!("\"{key}\" is missing"));
    let action = text(object, "action")?.ok_or_else(|| missing("action"))?;
    let action = action_of(action).ok_or_else(|| {
        let shown = clean(action, 40);
        garbage(format!("its action \"{shown}\" is not known"))
    })?;
    let score = number(object, "score")?.ok_or_else(|| missing("score"))?;
    let messages = part(object, "messages")?;
    let message = messages.map(|messages| text(messages, "smtp_message"));
    let message = message.transpose()?.flatten();
    let milter = part(object, "milter")?;
    let add = milter.map(|milter| part(milter, "add_headers"));
    let add = add.transpose()?.flatten();
    Ok(Score {
        action,
        score,
        required: number(object, "required_score")?.unwrap_or_default(),
        symbols: symbols(part(object, "symbols")?)?,
        subject: text(object, "subject")?.map(|subject| clean(subject, SUBJECT_WRITTEN_MAX)),
        message: message.map(|message| clean(message, SCAN_WORDS_MAX)),
        skipped: object.get("is_skipped").and_then(Value::as_bool) == Some(true),
        add: add.map(fields).unwrap_or_default(),
    })
}

fn symbols(all: Option<&Map<String, Value>>) -> Result<Vec<Symbol>, Trouble> {
    let mut found = Vec::new();
    for (name, value) in all.into_iter().flatten() {
        let Value::Object(value) = value else {
            return Err(garbage(format!("the symbol {} is no object", shown(name))));
        };
        let options = match value.get("options") {
            Some(Value::Array(options)) => options.iter().filter_map(Value::as_str),
            Some(_) | None => [].iter().filter_map(Value::as_str),
        };
        found.push(Symbol {
            name: shown(name),
            score: number(value, "score")?.unwrap_or_default(),
            text: clean(
                text(value, "description")?.unwrap_or_default(),
                SCAN_WORDS_MAX,
            ),
            options: options
                .take(OPTIONS_MAX)
                .map(|option| clean(option, SCAN_WORDS_MAX))
                .collect(),
        });
    }
    // What weighs nothing can still tell something (SPF, DKIM), so it is only last.
    found.sort_by(|a, b| {
        let weight = b.score.abs().total_cmp(&a.score.abs());
        weight.then_with(|| a.name.cmp(&b.name))
    });
    found.truncate(SYMBOLS_MAX);
    Ok(found)
}

/// `{"X-A": "b", "X-C": {"value": "d", "order": 1}, "X-E": ["f", {"value": "g"}]}`
fn fields(all: &Map<String, Value>) -> Vec<Field> {
    let mut found = Vec::new();
    for (name, value) in all {
        if !is_sensible(name) {
            continue;
        }
        let each: &[Value] = match value {
            Value::Array(values) => values,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => std::slice::from_ref(value),
        };
        for one in each {
            let text = one.as_str().or_else(|| one.get("value")?.as_str());
            if let Some(text) = text.filter(|text| text.len() <= VALUE_MAX)
                && found.len() < FIELDS_MAX
            {
                found.push(Field::new(name, text));
            }
        }
    }
    found
}

/// Whether a spam filter has any business to add a field of this name: nothing that says who wrote a mail, to whom, or
/// how it is read.
fn is_sensible(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let token = name.len() <= 76 && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    let known = [
        "dkim-signature",
        "arc-seal",
        "arc-message-signature",
        "arc-authentication-results",
        "authentication-results",
        "received-spf",
    ];
    token && ((lower.len() > 2 && lower.starts_with("x-")) || known.contains(&lower.as_str()))
}

fn action_of(word: &str) -> Option<Action> {
    Some(match word {
        "no action" | "accept" => Action::None,
        "greylist" => Action::Greylist,
        "add header" | "add_header" => Action::AddHeader,
        "rewrite subject" | "rewrite_subject" => Action::RewriteSubject,
        "soft reject" | "soft_reject" => Action::SoftReject,
        "quarantine" => Action::Quarantine,
        "reject" => Action::Reject,
        "discard" => Action::Discard,
        _ => return None,
    })
}

fn part<'a>(
    object: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a Map<String, Value>>, Trouble> {
    match object.get(key) {
        Some(Value::Object(part)) => Ok(Some(part)),
        // rspamd's tables are written as a list when they are empty.
        Some(Value::Array(none)) if none.is_empty() => Ok(None),
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(garbage(format!("\"{key}\" is no object")))
        }
    }
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Trouble> {
    match object.get(key) {
        Some(Value::String(text)) => Ok(Some(text)),
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_) | Value::Array(_)) => {
            Err(garbage(format!("\"{key}\" is no text")))
        }
    }
}

fn number(object: &Map<String, Value>, key: &str) -> Result<Option<f64>, Trouble> {
    match object.get(key) {
        Some(Value::Number(number)) => match number.as_f64().filter(|n| n.abs() <= POINTS_MAX) {
            Some(number) => Ok(Some(number)),
            None => Err(garbage(format!("\"{key}\" is no sensible number"))),
        },
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(_) | Value::String(_) | Value::Object(_) | Value::Array(_)) => {
            Err(garbage(format!("\"{key}\" is no number")))
        }
    }
}

/// Points that can be meant; rspamd's rules end below a thousand.
const POINTS_MAX: f64 = 1e9;

fn shown(name: &str) -> String {
    clean(name, 80)
}

fn garbage(text: impl AsRef<str>) -> Trouble {
    Trouble::Garbage(clean(text.as_ref(), SCAN_WORDS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Score, Trouble> {
        read(StatusCode::OK, text.as_bytes())
    }

    #[test]
    fn an_answer_is_read_and_what_is_not_known_is_ignored() {
        let score = of(r#"{"action":"add header","score":7.25,"required_score":15,"is_skipped":false,"time_real":0.1,
            "symbols":{"A":{"name":"A","score":0.5,"description":"weighs\u0000 little","options":["x",1]},"B":{"score":-3}},
            "messages":{"smtp_message":"go\r\naway"},"subject":"[SPAM] a","urls":[],
            "milter":{"add_headers":{"X-A":{"value":"b","order":1},"Subject":"no","X-C":["d",{"value":"e"}],"X-Bad\r\nTo":"f"}}}"#)
        .unwrap();
        assert_eq!(
            (score.action, score.score, score.required),
            (Action::AddHeader, 7.25, 15.0)
        );
        assert_eq!(score.message.as_deref(), Some("go??away"));
        let names: Vec<_> = score.symbols.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["B", "A"]);
        assert_eq!(score.symbols[1].text, "weighs? little");
        assert_eq!(score.symbols[1].options, ["x"]);
        let fields: String = score.add.iter().map(Field::to_line).collect();
        assert_eq!(fields, "X-A: b\r\nX-C: d\r\nX-C: e\r\n");
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_none() {
        for (text, wanted) in [
            ("", "it is no JSON"),
            ("[]", "it is JSON, but no object"),
            ("{}", "\"action\" is missing"),
            (r#"{"action":"no action"}"#, "\"score\" is missing"),
            (r#"{"action":7,"score":1}"#, "\"action\" is no text"),
            (
                r#"{"action":"dance","score":1}"#,
                "its action \"dance\" is not known",
            ),
            (
                r#"{"action":"reject","score":"1"}"#,
                "\"score\" is no number",
            ),
            (
                r#"{"action":"reject","score":1e300}"#,
                "\"score\" is no sensible number",
            ),
            (
                r#"{"action":"reject","score":1e999}"#,
                "it is no JSON: number out of range",
            ),
            (r#"{"action":"reject","score":nan}"#, "it is no JSON"),
            (
                r#"{"action":"reject","score":1,"symbols":7}"#,
                "\"symbols\" is no object",
            ),
            (
                r#"{"action":"reject","score":1,"symbols":{"A":7}}"#,
                "the symbol A is no object",
            ),
            (
                r#"{"action":"reject","score":1,"symbols":{"A":{"score":[]}}}"#,
                "\"score\" is no number",
            ),
        ] {
            match of(text) {
                Err(Trouble::Garbage(got)) => {
                    assert!(got.starts_with(wanted), "case: {text} gave {got}")
                }
                other => panic!("case: {text} gave {other:?}"),
            }
        }
        let deep = format!("{}{}", r#"{"action":"#.repeat(500), "}".repeat(500));
        assert!(matches!(of(&deep), Err(Trouble::Garbage(_))));
    }

    #[test]
    fn what_rspamd_cannot_do_it_says_in_its_words() {
        let got = read(
            StatusCode::BAD_REQUEST,
            br#"{"error":"invalid command\r\n"}"#,
        );
        assert_eq!(got, Err(Trouble::Unable("invalid command??".to_owned())));
        let got = read(StatusCode::INTERNAL_SERVER_ERROR, b"oops\n");
        let wanted = "HTTP 500 Internal Server Error oops";
        assert_eq!(got, Err(Trouble::Garbage(wanted.to_owned())));
        let empty = r#"{"action":"no action","score":0,"symbols":[],"messages":[]}"#;
        assert_eq!(of(empty), Ok(Score::default()));
    }
}
