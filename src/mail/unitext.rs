//! Addresses beyond ASCII where a parameter or a field must stay ASCII: the type `utf-8` of ORCPT and of the recipient
//! fields of a DSN (RFC 6533 section 3).
//!
//! `\x{F6}` stands for a character that cannot stand there itself. What is read holds no control characters.
//! Not here: the other types of address, which are xtext (`smtp::parameter`, RFC 3461 section 4).

use crate::base::text::is_hidden;

/// Hex digits of the largest code point.
const DIGITS_MAX: usize = 6;

/// `utf-8-addr-xtext`; with `native` `utf-8-addr-unitext`, which needs SMTPUTF8 or an 8-bit part around it.
///
/// Characters that turn or hide text are never written as themselves: programs read this beside people.
pub fn encode(address: &str, native: bool) -> String {
    let mut out = String::with_capacity(address.len());
    for c in address.chars() {
        let plain = if c.is_ascii() {
            c.is_ascii_graphic() && !matches!(c, '\\' | '+' | '=')
        } else {
            native && !c.is_whitespace() && !is_hidden(c)
        };
        if plain {
            out.push(c);
        } else {
            out.push_str(&format!("\\x{{{:02X}}}", u32::from(c)));
        }
    }
    out
}

/// Reads either form; characters beyond ASCII as themselves only with `native`.
///
/// `+2B` is read too, as in every other type: RFC 3461 section 4.2 says that an address is xtext, and some programs
/// follow it here.
pub fn decode(text: &str, native: bool) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (read, behind) = match c {
            '\\' => {
                let (digits, behind) = rest.strip_prefix("\\x{")?.split_once('}')?;
                (code_point(digits)?, behind)
            }
            '+' => {
                let (digits, behind) = rest.get(1..)?.split_at_checked(2)?;
                (xtext(digits)?, behind)
            }
            '=' => return None,
            _ if c.is_ascii_graphic() || native => (c, rest.get(c.len_utf8()..)?),
            _ => return None,
        };
        // A decoded line end would start a line of ours in the next dialog (CVE-2020-28026).
        if read.is_control() {
            return None;
        }
        out.push(read);
        rest = behind;
    }
    (!out.is_empty()).then_some(out)
}

/// HEXPOINT: no surrogate, no zeros in front, and of ASCII only what cannot stand there itself.
fn code_point(digits: &str) -> Option<char> {
    let good = (2..=DIGITS_MAX).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let value = good.then(|| u32::from_str_radix(digits, 16).ok())??;
    char::from_u32(value).filter(|c| !c.is_ascii() || matches!(c, ' ' | '+' | '=' | '\\'))
}

fn xtext(digits: &str) -> Option<char> {
    let good = digits.bytes().all(|b| b.is_ascii_hexdigit());
    let value = good.then(|| u8::from_str_radix(digits, 16).ok())??;
    Some(char::from(value)).filter(char::is_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_written_and_read_back() {
        for (address, xtext, unitext) in [
            ("a.b@x.example", "a.b@x.example", "a.b@x.example"),
            ("jö@z", "j\\x{F6}@z", "jö@z"),
            ("δο@x.test", "\\x{3B4}\\x{3BF}@x.test", "δο@x.test"),
            ("😀@x", "\\x{1F600}@x", "😀@x"),
            (
                "a+b=\\ c@x",
                "a\\x{2B}b\\x{3D}\\x{5C}\\x{20}c@x",
                "a\\x{2B}b\\x{3D}\\x{5C}\\x{20}c@x",
            ),
            ("a\u{202E}b@x", "a\\x{202E}b@x", "a\\x{202E}b@x"),
        ] {
            assert_eq!(encode(address, false), xtext, "case: {address:?}");
            assert_eq!(encode(address, true), unitext, "case: {address:?}");
            for native in [false, true] {
                let read = decode(&encode(address, native), native);
                assert_eq!(read.as_deref(), Some(address), "case: {address:?}");
            }
        }
    }

    #[test]
    fn what_older_programs_wrote_is_read() {
        assert_eq!(decode("a+2Bb@x", false).as_deref(), Some("a+b@x"));
        assert_eq!(decode("j\\x{f6}@x", false).as_deref(), Some("jö@x"));
    }

    #[test]
    fn what_the_grammar_forbids_is_refused() {
        for text in [
            "",
            "ö@x",
            "a=b@x",
            "a b@x",
            "a\\b@x",
            "a\\x{}@x",
            "a\\x{F6@x",
            "a\\x{F}@x",
            "a\\x{0F6}@x",
            "a\\x{00F6}@x",
            "a\\x{G6}@x",
            "a\\x{+F6}@x",
            "a\\x{D800}@x",
            "a\\x{DFFF}@x",
            "a\\x{110000}@x",
            "a\\x{1000000}@x",
            "a\\x{41}@x",
            "a\\x{0D}\\x{0A}@x",
            "a\\x{7F}@x",
            "a\\x{85}@x",
            "a\\X{F6}@x",
            "a+0D+0A@x",
            "a+F6@x",
            "a+2@x",
            "a+",
            "a+2ö",
        ] {
            assert_eq!(decode(text, false), None, "case: {text:?}");
        }
        assert_eq!(decode("a\u{85}@x", true), None);
    }
}
