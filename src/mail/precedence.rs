//! What a mail says of its own urgency.
//!
//! `Precedence: bulk` and its like stand in no standard but in forty years of mail (RFC 2076 section 3.9, RFC 3834
//! section 2). Nothing here makes a mail more urgent: that is not for its writer to say.

use memchr::memchr;

/// Whether a header section, with its line ends, says that the mail is one of many.
pub fn is_bulk(header: &[u8]) -> bool {
    let mut lines = header.split(|b| *b == b'\n').peekable();
    while let Some(line) = lines.next() {
        let Some((name, first)) = memchr(b':', line).map(|colon| line.split_at(colon)) else {
            continue;
        };
        if !name.trim_ascii_end().eq_ignore_ascii_case(b"precedence") {
            continue;
        }
        let mut word = first.get(1..).unwrap_or_default().trim_ascii();
        while let Some(fold) = lines.next_if(|next| matches!(next.first(), Some(b' ' | b'\t'))) {
            if word.is_empty() {
                word = fold.trim_ascii();
            }
        }
        if WORDS.iter().any(|bulk| bulk.eq_ignore_ascii_case(word)) {
            return true;
        }
    }
    false
}

/// All that is in use for many of a kind.
const WORDS: [&[u8]; 3] = [b"bulk", b"list", b"junk"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_one_of_many_only_if_it_says_so() {
        for (header, bulk) in [
            ("Precedence: bulk\r\n", true),
            ("Subject: a\r\nPRECEDENCE :\tList \r\n", true),
            ("precedence: junk\n", true),
            ("Precedence:\r\n bulk\r\nSubject: a\r\n", true),
            ("Precedence: first-class\r\nPrecedence: bulk\r\n", true),
            ("Precedence: urgent\r\n", false),
            ("Precedence: bulky\r\n", false),
            ("X-Precedence: bulk\r\n", false),
            ("Subject: a\r\n Precedence: bulk\r\n", false),
            ("Precedence\r\nSubject: bulk\r\n", false),
            ("Precedence:", false),
            ("", false),
        ] {
            assert_eq!(is_bulk(header.as_bytes()), bulk, "case: {header:?}");
        }
    }
}
