//! The two languages that people are spoken to in.
//!
//! Logs, SMTP replies and the API stay English, because tools parse them. Not here: the texts (`words`).

use std::fmt;

/// A language of pages, digests and DSNs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Lang {
    /// Deutsch.
    #[n(0)]
    De,
    /// English.
    #[default]
    #[n(1)]
    En,
}

impl Lang {
    /// Both.
    pub const ALL: [Self; 2] = [Self::De, Self::En];

    /// As `lang` attributes, Content-Language and the configuration spell it (BCP 47).
    pub fn code(self) -> &'static str {
        match self {
            Self::De => "de",
            Self::En => "en",
        }
    }

    /// The first language of an Accept-Language field that we speak (RFC 9110 section 12.5.4), weights respected.
    pub fn accepted(field: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for wish in field.split(',').take(WISHES_MAX) {
            let mut parts = wish.split(';');
            let range = parts.next().unwrap_or_default().trim();
            let primary = range.split('-').next().unwrap_or_default();
            let Some(lang) = Self::ALL
                .into_iter()
                .find(|lang| lang.code().eq_ignore_ascii_case(primary))
            else {
                continue;
            };
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if weight > 0.0 && best.is_none_or(|(old, _)| weight > old) {
                best = Some((weight, lang));
            }
        }
        best.map(|(_, lang)| lang)
    }
}

/// No browser sends more wishes; a longer field is not worth reading.
const WISHES_MAX: usize = 32;

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_wish_that_we_speak_counts() {
        for (field, wanted) in [
            ("de-DE,de;q=0.9,en;q=0.8", Some(Lang::De)),
            ("en-US,en;q=0.9", Some(Lang::En)),
            ("fr, en;q=0.5, de;q=0.7", Some(Lang::De)),
            ("de;q=0, en;q=0.1", Some(Lang::En)),
            ("fr", None),
            ("", None),
            ("de;q=x", None),
        ] {
            assert_eq!(Lang::accepted(field), wanted, "case: {field}");
        }
    }
}
