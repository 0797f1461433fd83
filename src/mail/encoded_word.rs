//! Encoded words of a header: `=?utf-8?Q?Gr=C3=B6=C3=9Fe?=` is what people read as "Größe" (RFC 2047).
//!
//! Words that stand together in one charset are joined before they are decoded: RFC 2047 section 5 forbids to split a
//! character between two of them, many mailers do it, and every reader joins them. What is no word stays as it is; octets
//! without any charset are read here too.
//! Not here: what of the text people may see (`shown`), and encoded words in file names (`structure`).

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;

/// What stands where something was cut off.
const CUT: char = '…';
/// Octets of a charset's name; the longest registered one has 45.
const CHARSET_MAX: usize = 60;

/// One word, or several that stand together.
struct Word<'a> {
    charset: &'a str,
    octets: Vec<u8>,
}

/// `text` with its encoded words as they are meant. It may hold anything then, line ends too.
pub fn decoded(text: &str) -> String {
    decoded_by(text, |octets| String::from_utf8_lossy(octets).into_owned())
}

/// The same; `guess` reads what is in a charset that nobody here knows.
pub fn decoded_by(text: &str, guess: fn(&[u8]) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<Word<'_>> = None;
    let mut rest = text;
    while let Some((before, from)) = rest.find("=?").and_then(|at| rest.split_at_checked(at)) {
        let Some((word, behind)) = Word::read(from) else {
            close(&mut open, &mut out, guess);
            let (mark, behind) = from.split_at_checked(2).unwrap_or((from, ""));
            out.extend([before, mark]);
            rest = behind;
            continue;
        };
        // The blanks between two words are no text (RFC 2047 section 6.2).
        if open.is_none() || !before.chars().all(char::is_whitespace) {
            close(&mut open, &mut out, guess);
            out.push_str(before);
        }
        match &mut open {
            Some(own) if own.charset.eq_ignore_ascii_case(word.charset) => {
                own.octets.extend(word.octets);
            }
            Some(_) | None => {
                close(&mut open, &mut out, guess);
                open = Some(word);
            }
        }
        rest = behind;
    }
    close(&mut open, &mut out, guess);
    // What was cut before it was stored ends in half a word, which tells nobody anything.
    match rest_of_word(rest, &out) {
        Some(whole) => format!("{whole}{CUT}"),
        None => out + rest,
    }
}

/// Octets that name no charset: UTF-8, and what is none was written by a program that knows only windows-1252.
pub fn unlabelled(octets: &[u8]) -> String {
    match (
        std::str::from_utf8(octets),
        charset_decoder(b"windows-1252"),
    ) {
        (Ok(text), _) => text.to_owned(),
        (Err(_), Some(decode)) => decode(octets),
        (Err(_), None) => String::from_utf8_lossy(octets).into_owned(),
    }
}

/// What stands before half a word at the end; none if there is none. A mark that began no word is already in `out`.
fn rest_of_word<'a>(rest: &str, out: &'a str) -> Option<&'a str> {
    let before = out.strip_suffix("=?")?;
    (!rest.contains("?=") && rest.matches('?').count() > 1).then_some(before)
}

fn close(open: &mut Option<Word<'_>>, out: &mut String, guess: fn(&[u8]) -> String) {
    let Some(word) = open.take() else { return };
    match charset_decoder(word.charset.as_bytes()) {
        Some(decode) => out.push_str(&decode(&word.octets)),
        None => out.push_str(&guess(&word.octets)),
    }
}

impl<'a> Word<'a> {
    /// Reads a word at the beginning of `text`, and what follows it.
    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
        let (encoding, rest) = rest.split_once('?')?;
        let (content, behind) = rest.split_once("?=")?;
        // RFC 2231 section 5: a language may follow.
        let charset = charset.split('*').next().unwrap_or_default();
        let named = charset.len() <= CHARSET_MAX && charset.bytes().all(|b| b.is_ascii_graphic());
        if charset.is_empty() || !named {
            return None;
        }
        let octets = match encoding {
            "Q" | "q" => quoted(content),
            "B" | "b" => base64_decode(content.as_bytes())?,
            _ => return None,
        };
        Some((Self { charset, octets }, behind))
    }
}

/// Q: as quoted-printable, with `_` for a blank. What is no escape stays.
fn quoted(content: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'_' => out.push(b' '),
            b'=' => match tail
                .split_at_checked(2)
                .map(|(digits, tail)| (hex(digits), tail))
            {
                Some((Some(octet), tail)) => {
                    out.push(octet);
                    rest = tail;
                }
                Some((None, _)) | None => out.push(b'='),
            },
            other => out.push(*other),
        }
    }
    out
}

fn hex(digits: &[u8]) -> Option<u8> {
    let good = digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| good)?;
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_meant() {
        for (given, wanted) in [
            ("plain", "plain"),
            ("=?utf-8?Q?Gr=C3=B6=C3=9Fe_=E2=82=AC?=", "Größe €"),
            ("=?UTF-8?b?R3LDtsOfZQ==?= und mehr", "Größe und mehr"),
            ("Re: =?iso-8859-1?Q?Gr=FC=DFe?= (neu)", "Re: Grüße (neu)"),
            ("=?utf-8?Q?a?=\r\n =?utf-8?Q?b?=", "ab"),
            ("=?utf-8?Q?a?= =?iso-8859-1?Q?=FC?=", "aü"),
            ("=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"),
            ("=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
            ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
            ("=?x-unknown?Q?abc=C3=BC?=", "abcü"),
            ("=?utf-8?Q?a=ZZ=?=", "a=ZZ="),
        ] {
            assert_eq!(decoded(given), wanted, "case: {given:?}");
        }
    }

    #[test]
    fn a_character_that_was_split_between_two_words_is_whole() {
        for (name, given, wanted) in [
            ("B", "=?UTF-8?B?R3LD?=\r\n =?UTF-8?B?tsOfZQ==?=", "Größe"),
            ("Q", "=?UTF-8?Q?Gr=C3?= =?utf-8?Q?=B6=C3=9Fe?=", "Größe"),
            (
                "B and Q",
                "=?UTF-8?B?R3LD?= =?UTF-8?Q?=B6=C3=9Fe?=",
                "Größe",
            ),
            ("two octets", "=?gb2312?B?1g==?= =?gb2312?B?0A==?=", "中"),
        ] {
            assert_eq!(decoded(given), wanted, "case: {name}");
        }
    }

    #[test]
    fn octets_without_a_charset_are_read_as_they_were_meant() {
        assert_eq!(unlabelled("Grüße €".as_bytes()), "Grüße €");
        assert_eq!(unlabelled(b"Gr\xfc\xdfe \x80"), "Grüße €");
    }

    #[test]
    fn what_is_no_word_stays_and_half_a_word_is_cut() {
        for (given, wanted) in [
            ("=?", "=?"),
            ("=?bogus?", "=?bogus?"),
            ("a =?utf-8?X?abc?= b", "a =?utf-8?X?abc?= b"),
            ("=??Q?abc?=", "=??Q?abc?="),
            ("half =?utf-8?Q?abc", "half …"),
            ("=?utf-8?Q?a?= =?utf-8?B?YW", "a …"),
        ] {
            assert_eq!(decoded(given), wanted, "case: {given:?}");
        }
    }
}
