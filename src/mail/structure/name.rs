//! A file name as it is kept: no path, nothing hidden, bounded.
//!
//! A rule `*.exe` must see the ending that a reader's system acts by, and systems differ: they end a name at a NUL or a
//! colon, drop what they forbid behind it, and write wide letters as narrow ones.
//! Not here: which names a part may mean (`readings`).

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

/// What a system may make of it, the most probable first; empty if nothing is left.
pub fn each(raw: &str) -> Vec<String> {
    let mut all = Vec::new();
    if is_site(raw) {
        return all;
    }
    let mut add = |name: Option<String>| {
        if let Some(name) = name.filter(|name| !all.contains(name)) {
            all.push(name);
        }
    };
    add(of(raw));
    if is_ordinary(raw) {
        return all;
    }
    let first = raw.split(char::is_control).next();
    let first = first.filter(|first| *first != raw);
    for text in [Some(raw), first].into_iter().flatten() {
        let shown = text.chars().filter(|c| !is_blank(*c));
        let narrow: String = shown.map(narrow).collect();
        for text in [text, &narrow] {
            // `a.exe::$DATA` is `a.exe` to Windows, and `a.exe/` is to those that cut a path.
            let text = visible(text);
            let name = text.trim_end_matches(is_dropped);
            add(of(name));
            let own = name.rsplit(['/', '\\']).next().unwrap_or_default();
            add(before_stream(own).and_then(of));
        }
    }
    all
}

/// Whether every system makes the same of it.
fn is_ordinary(raw: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b" ._-+()[]&@#".contains(&b);
    raw.bytes().all(plain) && raw.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// What Windows and mail programs drop from the end of a name, because no file may be called so.
fn is_dropped(c: char) -> bool {
    c.is_whitespace() || ".:;,\"'<>|?*/\\".contains(c)
}

/// What stands before `:stream`. A colon with a blank behind it is one of a text: `Node.js: an introduction.pdf`.
fn before_stream(name: &str) -> Option<&str> {
    let (own, stream) = name.split_once(':')?;
    let is_text = stream.starts_with(char::is_whitespace) || is_host(own);
    (!is_text).then(|| own.trim_end_matches(is_dropped))
}

/// The address of a web site, which pages that are attached are called by: its ending is no file's.
fn is_site(raw: &str) -> bool {
    let secure = raw.strip_prefix("https://");
    let host = secure.or_else(|| raw.strip_prefix("http://"));
    host.is_some_and(|host| is_host(host.trim_end_matches('/')))
}

/// `www.example.com`
fn is_host(text: &str) -> bool {
    let inner = text
        .strip_prefix("www.")
        .and_then(|text| text.strip_suffix(".com"));
    inner.is_some_and(|inner| {
        inner
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
    })
}

/// Shows nothing, and is no hidden character to `base::text`: joiners, variation selectors and fillers.
fn is_blank(c: char) -> bool {
    matches!(c,
        '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}')
}

/// Wide letters and dots as what Windows writes for them in an old code page.
fn narrow(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => u32::from(c)
            .checked_sub(0xFEE0)
            .and_then(char::from_u32)
            .unwrap_or(c),
        '\u{3002}' | '\u{FF61}' | '\u{2024}' | '\u{FE52}' => '.',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_any_system_makes_of_it() {
        for (raw, also) in [
            ("a.js.", "a.js"),
            ("a.js::$DATA", "a.js"),
            ("a.js:x.txt", "a.js"),
            ("a.js ", "a.js"),
            ("a.js;", "a.js"),
            ("a.js: . ;", "a.js"),
            ("a.js\0.txt", "a.js"),
            ("a.js\r\n.txt", "a.js"),
            ("a.js/", "a.js"),
            ("dir\\a.js\\", "a.js"),
            ("a\u{FF0E}\u{FF4A}\u{FF53}", "a.js"),
            ("a\u{2024}js", "a.js"),
            ("a.j\u{200B}s", "a.js"),
            ("a.js\u{202E}", "a.js"),
            ("a.j\u{34F}s\u{FE0F}", "a.js"),
        ] {
            assert!(each(raw).iter().any(|name| name == also), "case: {raw:?}");
        }
        for raw in [
            "report.pdf",
            "Node.js: an introduction.pdf",
            "http://www.sender.com/a.pdf",
            "www.sender.com:a.pdf",
            "Angebot 5.3.pdf",
        ] {
            let all = each(raw);
            assert!(all.iter().all(|name| name.ends_with("pdf")), "{all:?}");
        }
        assert!(each(" .. ").is_empty() && each("http://www.sender.com").is_empty());
        for raw in [
            "http://a.js",
            "http://www.a.com/b.js",
            "http://a.com",
            "www.a.js:b.pdf",
        ] {
            let all = each(raw);
            assert!(all.iter().any(|name| !name.ends_with("pdf")), "{all:?}");
        }
    }

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
