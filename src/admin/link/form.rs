//! What the form of a link's page sends: its nonce, one action, and the code when it is asked for.
//!
//! Read strictly: a field that comes twice, that nobody asked for or that does not decode is refused as a whole, because
//! a proxy and we could otherwise read two different orders from the same octets. Nothing is guessed.
//! Not here: whether the nonce fits (`digest::key`), and what the action does (`digest::desk`).

use crate::base::limit::{LINK_FIELDS_MAX, LINK_FORM_MAX};

/// A form that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// As the page issued it.
    pub nonce: String,
    /// The button.
    pub confirm: Confirm,
    /// What was typed.
    pub code: Code,
}

/// The buttons of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// Deliver it, unchecked.
    Release,
    /// Check it again.
    Requeue,
    /// Into the trash.
    Delete,
    /// Delete it and tell the sender.
    Bounce,
    /// Take back what was just done.
    Undo,
    /// Mail a fresh digest to the same address.
    Fresh,
    /// Mail the next rows to the same address.
    More,
}

/// The field for the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// Empty or not sent.
    None,
    /// Four digits.
    Given(String),
    /// Something else; it is not counted as a try.
    Malformed,
}

/// Why a form was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadForm {
    /// More octets or fields than the page can send.
    #[error("the form is longer than the page's own")]
    Long,
    /// Not `application/x-www-form-urlencoded`.
    #[error("the form is not encoded as the page's own")]
    Broken,
    /// Which of two would count?
    #[error("a field of the form comes twice")]
    Twice,
    /// A field that the page does not have.
    #[error("the form has a field that the page does not have")]
    Foreign,
    /// No button, or none of ours.
    #[error("the form does not name one of the page's actions")]
    Action,
}

impl Order {
    /// Reads the body of a POST.
    pub fn parse(body: &[u8]) -> Result<Self, BadForm> {
        if body.len() > LINK_FORM_MAX {
            return Err(BadForm::Long);
        }
        let body = std::str::from_utf8(body).map_err(|_| BadForm::Broken)?;
        let (mut nonce, mut confirm, mut code) = (None, None, None);
        for (n, pair) in body.split('&').enumerate() {
            if n >= LINK_FIELDS_MAX {
                return Err(BadForm::Long);
            }
            let (name, value) = pair.split_once('=').ok_or(BadForm::Broken)?;
            let value = decoded(value).ok_or(BadForm::Broken)?;
            let field = match decoded(name).ok_or(BadForm::Broken)?.as_str() {
                "nonce" => &mut nonce,
                "confirm" => &mut confirm,
                "code" => &mut code,
                _ => return Err(BadForm::Foreign),
            };
            if field.replace(value).is_some() {
                return Err(BadForm::Twice);
            }
        }
        let confirm = confirm.ok_or(BadForm::Action)?;
        Ok(Self {
            // Without a nonce the form fits no page, which is answered like a wrong one.
            nonce: nonce.unwrap_or_default(),
            confirm: Confirm::of(&confirm).ok_or(BadForm::Action)?,
            code: Code::of(&code.unwrap_or_default()),
        })
    }
}

impl Confirm {
    const ALL: [Self; 7] = [
        Self::Release,
        Self::Requeue,
        Self::Delete,
        Self::Bounce,
        Self::Undo,
        Self::Fresh,
        Self::More,
    ];

    /// As the button's value spells it; also the end of the keys of its words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Requeue => "requeue",
            Self::Delete => "delete",
            Self::Bounce => "bounce",
            Self::Undo => "undo",
            Self::Fresh => "fresh",
            Self::More => "more",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }
}

impl Code {
    /// Spaces do not count: phones put them in.
    fn of(text: &str) -> Self {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.is_empty() {
            Self::None
        } else if digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()) {
            Self::Given(digits)
        } else {
            Self::Malformed
        }
    }
}

/// Percent-decoding of one name or value (URL Standard section 5.1), but strict: a broken escape is an error.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            plain => out.push(plain),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_our_pages_are_understood() {
        for confirm in Confirm::ALL {
            let body = format!("nonce=abc-_&confirm={}", confirm.word());
            let order = Order::parse(body.as_bytes()).unwrap();
            assert_eq!((order.confirm, order.code), (confirm, Code::None));
            assert_eq!(order.nonce, "abc-_");
        }
    }

    #[test]
    fn the_code_is_four_digits_with_or_without_spaces() {
        for (typed, wanted) in [
            ("", Code::None),
            ("+", Code::None),
            ("0427", Code::Given("0427".to_owned())),
            ("+04+27+", Code::Given("0427".to_owned())),
            ("427", Code::Malformed),
            ("04277", Code::Malformed),
            ("042a", Code::Malformed),
            ("%EF%BC%90427", Code::Malformed),
        ] {
            let body = format!("nonce=n&code={typed}&confirm=delete");
            let order = Order::parse(body.as_bytes()).unwrap();
            assert_eq!(order.code, wanted, "case: {typed}");
        }
    }

    #[test]
    fn what_our_page_cannot_have_sent_is_refused() {
        let long = "a".repeat(LINK_FORM_MAX + 1);
        let many = format!("{}confirm=release", "nonce=a&".repeat(LINK_FIELDS_MAX));
        for (body, wanted) in [
            ("", BadForm::Broken),
            ("nonce=a", BadForm::Action),
            ("nonce=a&confirm=explode", BadForm::Action),
            ("nonce=a&confirm=Release", BadForm::Action),
            ("nonce=a&confirm=release&confirm=delete", BadForm::Twice),
            ("nonce=a&confirm=release&confirm=release", BadForm::Twice),
            ("nonce=a&confirm=release&c%6Fnfirm=delete", BadForm::Twice),
            ("nonce=a&nonce=b&confirm=release", BadForm::Twice),
            ("nonce=a&confirm=release&x=1", BadForm::Foreign),
            ("nonce&confirm=release", BadForm::Broken),
            ("nonce=%G1&confirm=release", BadForm::Broken),
            ("nonce=a&confirm=release%2", BadForm::Broken),
            ("nonce=%FF&confirm=release", BadForm::Broken),
            ("{\"confirm\":\"release\"}", BadForm::Broken),
            (&long, BadForm::Long),
            (&many, BadForm::Twice),
        ] {
            assert_eq!(Order::parse(body.as_bytes()), Err(wanted), "case: {body}");
        }
    }
}
