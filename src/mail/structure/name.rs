//! A file name as it is kept: no path, nothing hidden, bounded.
//!
//! A rule `*.exe` must see the ending that a reader's system acts by.

use crate::base::limit::ATTACHMENT_NAME_MAX;
use crate::base::text::visible;

/// Characters at the end of a name that is too long which stay: what it ends with says what it is.
const TAIL: usize = 40;

/// None: nothing is left.
pub fn of(raw: &str) -> Option<String> {
    let shown = visible(raw);
    let name = shown.rsplit(['/', '\\']).next().unwrap_or_default();
    // Windows opens `a.exe. .` as `a.exe`.
    let name = name
        .trim_start()
        .trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    if name.is_empty() {
        return None;
    }
    let count = name.chars().count();
    if count <= ATTACHMENT_NAME_MAX {
        return Some(name.to_owned());
    }
    let head = name.chars().take(ATTACHMENT_NAME_MAX - TAIL - 1);
    let tail = name.chars().skip(count - TAIL);
    Some(head.chain(['…']).chain(tail).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_path_and_nothing_hidden() {
        for (raw, wanted) in [
            ("report.pdf", Some("report.pdf")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\Users\\a\\evil.exe", Some("evil.exe")),
            ("invoice\u{202E}fdp.exe", Some("invoicefdp.exe")),
            ("a\u{200B}.e\0x\r\ne", Some("a.exe")),
            ("evil.exe. . ", Some("evil.exe")),
            ("  ", None),
            ("..", None),
            ("a/", None),
            ("", None),
        ] {
            assert_eq!(of(raw).as_deref(), wanted, "case: {raw:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let name = of(&format!("{}.exe", "ä".repeat(10_000))).unwrap();
        assert_eq!(name.chars().count(), ATTACHMENT_NAME_MAX);
        assert!(name.ends_with(".exe") && name.starts_with('ä'));
    }
}
