//! Octets in a charset that the decoder does not know: what is left in them for programs that do.
//!
//! Most charsets write letters and dots as ASCII does, so that octets alone show an ending. Three kinds do not, and each
//! is tried wherever a charset is named that nobody here knows: EBCDIC, escapes of programming languages, and UTF-7.
//! Not here: charsets that are known (`mail_parser`), and where a charset is named (`readings`).

use mail_parser::decoders::charsets::map::charset_decoder;

/// What octets may mean.
pub(super) type Reading = fn(&[u8]) -> String;

/// Each way.
pub(super) const EACH: [Reading; 3] = [ebcdic, escaped, utf7];

/// Whether an escape names a letter by a word: that is not read here.
pub(super) fn has_named(value: &[u8]) -> bool {
    memchr::memmem::find(value, b"\\N{").is_some()
}

/// Letters, digits and signs that stand at the same place in every EBCDIC; one that varies is a question mark.
fn ebcdic(value: &[u8]) -> String {
    let row = |first: u8, from: u8, byte: u8| char::from(first + (byte - from));
    let read = |byte: &u8| match *byte {
        own @ 0x81..=0x89 => row(b'a', 0x81, own),
        own @ 0x91..=0x99 => row(b'j', 0x91, own),
        own @ 0xa2..=0xa9 => row(b's', 0xa2, own),
        own @ 0xc1..=0xc9 => row(b'A', 0xc1, own),
        own @ 0xd1..=0xd9 => row(b'J', 0xd1, own),
        own @ 0xe2..=0xe9 => row(b'S', 0xe2, own),
        own @ 0xf0..=0xf9 => row(b'0', 0xf0, own),
        0x40 => ' ',
        0x4b => '.',
        0x5e => ';',
        0x60 => '-',
        0x61 => '/',
        0x6d => '_',
        0x7a => ':',
        0x7d => '\'',
        0x7e => '=',
        0x7f => '"',
        0x00 => '\0',
        _ => '?',
    };
    value.iter().map(read).collect()
}

/// `\x2e`, `\u002e`, `\U0000002e`, `\56`.
fn escaped(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.push_str(before);
        let (from, most, radix) = match behind.as_bytes().first() {
            Some(b'x') => (1, 2, 16),
            Some(b'u') => (1, 4, 16),
            Some(b'U') => (1, 8, 16),
            Some(_) | None => (0, 3, 8),
        };
        let digits = behind.get(from..).unwrap_or_default();
        let count = digits.chars().take(most).take_while(|c| c.is_digit(radix));
        let count = count.count();
        let (digits, tail) = digits.split_at(count);
        let letter = u32::from_str_radix(digits, radix).ok();
        match letter.and_then(char::from_u32) {
            Some(letter) => {
                out.push(letter);
                rest = tail;
            }
            None => {
                out.push('\\');
                rest = behind;
            }
        }
    }
    out + rest
}

fn utf7(value: &[u8]) -> String {
    match charset_decoder(b"utf-7") {
        Some(decode) => decode(value),
        None => String::from_utf8_lossy(value).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_and_letters_are_found_in_charsets_that_nobody_knows() {
        for (value, wanted) in [
            (&b"\x85\xa5\x89\x93\x4b\x91\xa2"[..], "evil.js"),
            (b"evil\\x2ejs", "evil.js"),
            (b"evil\\u002Ejs", "evil.js"),
            (b"evil\\U0000002ejs", "evil.js"),
            (b"evil\\56js", "evil.js"),
            (b"\\q\\", "\\q\\"),
            (b"evil+AC4-js", "evil.js"),
        ] {
            let mut all = EACH.iter().map(|read| read(value));
            assert!(all.any(|text| text == wanted), "case: {wanted}");
        }
    }
}
