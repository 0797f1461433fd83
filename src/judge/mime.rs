//! Whether a mail's MIME structure is broken (RFC 2045, RFC 2046).
//!
//! Asked only when `[checks] broken_mime` says so: broken mails are common, and most are read without trouble.
//! mail-parser is forgiving, so only what leaves a reader without its content counts.

use mail_parser::{MessageParser, MimeHeaders};

/// What is broken. `text` is the mail; `whole` says that it is all of it.
pub fn broken(text: &[u8], whole: bool) -> Option<&'static str> {
    let message = MessageParser::new().with_mime_headers().parse(text)?;
    for part in &message.parts {
        let Some(kind) = part.content_type() else {
            continue;
        };
        if !kind.ctype().eq_ignore_ascii_case("multipart") {
            continue;
        }
        let Some(boundary) = kind.attribute("boundary").filter(|b| !b.is_empty()) else {
            return Some("a multipart without a boundary");
        };
        let open = format!("--{boundary}");
        if whole && memchr::memmem::find(text, open.as_bytes()).is_none() {
            return Some("a multipart whose boundary never comes");
        }
        let close = format!("--{boundary}--");
        if whole && memchr::memmem::find(text, close.as_bytes()).is_none() {
            return Some("a multipart without its end");
        }
    }
    if whole && message.parts.iter().any(|part| part.is_encoding_problem) {
        return Some("a part that cannot be decoded");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::broken;

    const HEAD: &str = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";

    #[test]
    fn what_leaves_a_reader_without_content_is_broken() {
        for (name, text, wanted) in [
            ("plain", "Subject: x\r\n\r\ny\r\n".to_owned(), None),
            ("whole", format!("{HEAD}--b\r\n\r\nx\r\n--b--\r\n"), None),
            (
                "no boundary",
                "Content-Type: multipart/mixed\r\n\r\nx\r\n".to_owned(),
                Some("a multipart without a boundary"),
            ),
            (
                "never begins",
                format!("{HEAD}x\r\n"),
                Some("a multipart whose boundary never comes"),
            ),
            (
                "never ends",
                format!("{HEAD}--b\r\n\r\nx\r\n"),
                Some("a multipart without its end"),
            ),
        ] {
            assert_eq!(broken(text.as_bytes(), true), wanted, "case: {name}");
        }
        assert_eq!(broken(format!("{HEAD}x").as_bytes(), false), None);
    }
}
