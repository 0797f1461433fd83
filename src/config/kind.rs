//! Kinds of values: texts, flags, whole numbers, words to choose from, lists.
//!
//! A value of the wrong kind says what belongs there, what it is, and how to write what was probably meant.
//! Not here: what a text means (`value`).

use toml::de::DeValue;

use super::file::{Fault, Faults, KEY_MAX, Span, Value};
use crate::base::text;

/// A text.
pub(super) fn string<'v>(value: &'v Value<'_>) -> Result<&'v str, Fault> {
    if let DeValue::String(text) = value.get_ref() {
        return Ok(text);
    }
    if let DeValue::Integer(number) = value.get_ref() {
        return Err(not(value, "a text", &format!("\"{number}\"")));
    }
    Err(not(value, "a text", "one text in \"quotes\""))
}

/// The whole number that stands where something else belongs: remedies make use of it.
pub(super) fn number(value: &Value<'_>) -> Option<u64> {
    match value.get_ref() {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        DeValue::String(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

/// `true` or `false`.
pub(super) fn flag(value: &Value<'_>) -> Result<bool, Fault> {
    if let DeValue::Boolean(flag) = value.get_ref() {
        return Ok(*flag);
    }
    let word = string(value).unwrap_or_default().to_ascii_lowercase();
    let remedy = match (word.as_str(), number(value)) {
        ("yes" | "true" | "on", _) | (_, Some(1)) => "true, without quotes",
        ("no" | "false" | "off", _) | (_, Some(0)) => "false, without quotes",
        (_, _) => "true or false, without quotes",
    };
    Err(not(value, "true or false", remedy))
}

/// A whole number within bounds.
pub(super) fn whole(
    bounds: std::ops::RangeInclusive<usize>,
) -> impl FnOnce(&Value<'_>) -> Result<usize, Fault> {
    move |value| {
        let (least, most) = (*bounds.start(), *bounds.end());
        let remedy = format!("a number from {least} to {most}");
        let DeValue::Integer(number) = value.get_ref() else {
            return Err(not(value, "a whole number", &remedy));
        };
        usize::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| {
                Fault::new(
                    format!("{number} is out of bounds"),
                    format!("write {remedy}"),
                )
            })
    }
}

/// One of some words.
pub(super) fn choice<T: Copy>(
    words: &'static [(&'static str, T)],
) -> impl FnOnce(&Value<'_>) -> Result<T, Fault> {
    move |value| {
        let names = || words.iter().map(|(name, _)| *name);
        let all = || {
            let all: Vec<String> = names().map(|name| format!("\"{name}\"")).collect();
            format!("write one of {}", all.join(", "))
        };
        let word = string(value).map_err(|fault| fault.instead(all()))?;
        if let Some((_, chosen)) = words.iter().find(|(name, _)| *name == word) {
            return Ok(*chosen);
        }
        let remedy = match text::nearest(word, names()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => all(),
        };
        let shown = text::clean(word, KEY_MAX);
        Err(Fault::new(
            format!("\"{shown}\" is none of its words"),
            remedy,
        ))
    }
}

/// A list; every wrong element is told.
pub(super) fn list<'v, 'i: 'v, T>(
    each: impl Fn(&'v Value<'i>) -> Result<T, Fault>,
) -> impl FnOnce(&'v Value<'i>) -> Result<Vec<T>, Faults> {
    move |value| {
        let DeValue::Array(values) = value.get_ref() else {
            let remedy = match string(value) {
                Ok(text) => format!("[\"{}\"]", text::clean(text, KEY_MAX)),
                Err(_) => "it in [brackets]".to_owned(),
            };
            return Err(not(value, "a list", &remedy).into());
        };
        let (mut read, mut faults) = (Vec::new(), Faults::new());
        for one in values {
            match each(one) {
                Ok(one) => read.push(one),
                Err(fault) => faults.push(fault.within(one.span())),
            }
        }
        if faults.is_empty() {
            Ok(read)
        } else {
            Err(faults)
        }
    }
}

/// What `read` reads, with its place.
pub(super) fn placed<'v, 'i: 'v, T>(
    read: impl Fn(&'v Value<'i>) -> Result<T, Fault>,
) -> impl Fn(&'v Value<'i>) -> Result<(T, Span), Fault> {
    move |value| Ok((read(value)?, value.span()))
}

/// A value of another kind than wanted.
pub(super) fn not(value: &Value<'_>, wanted: &str, remedy: &str) -> Fault {
    let is = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Fault::new(
        format!("{wanted} belongs here, and this is {is}"),
        format!("write {remedy}"),
    )
    .within(value.span())
}
