//! Breaks what mail clients make links of: schemes, addresses, hosts, shares. `[at]`, `[.]` and `[:]` stand for the marks.
//!
//! Visible brackets and no hidden characters: clients and converters drop zero widths, readers see what they compare,
//! and `joined` gives the text back. A dot is broken wherever something that could be a top-level domain follows it,
//! whatever stands around: clients look into the middle of words, and their lists of domains change every week.
//! Not here: what hides or turns text (`shown`). Numbers stay: a telephone's links are asked off where HTML is made.

/// Ends of file names that are no top-level domains: a name that ends so stays as it is.
const ENDINGS: [&str; 44] = [
    "bat", "bmp", "bz2", "cmd", "csv", "dll", "doc", "docm", "docx", "eml", "exe", "gif", "gz",
    "htm", "html", "ics", "img", "iso", "jar", "jpeg", "jpg", "js", "jse", "json", "lnk", "msi",
    "odp", "ods", "odt", "pdf", "php", "png", "ppt", "pptx", "rar", "rtf", "scr", "tar", "txt",
    "vbs", "xls", "xlsm", "xlsx", "xml",
];
/// Schemes that act without `//`.
const SCHEMES: [&str; 32] = [
    "about",
    "bitcoin",
    "callto",
    "cid",
    "data",
    "facetime",
    "facetime-audio",
    "file",
    "ftp",
    "geo",
    "http",
    "https",
    "imap",
    "intent",
    "javascript",
    "ldap",
    "magnet",
    "mailto",
    "market",
    "mid",
    "news",
    "nntp",
    "search-ms",
    "sip",
    "sips",
    "skype",
    "sms",
    "smsto",
    "tel",
    "vbscript",
    "webcal",
    "xmpp",
];

/// The text with every link broken; blanks and line ends stay.
pub fn unlinked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        rest = if name.is_empty() {
            push_mark(&mut out, first, rest)
        } else {
            push_name(&mut out, name, behind)
        };
    }
    out
}

/// What `unlinked` was given, as far as its marks tell: for identifiers that are typed as they were read.
pub fn joined(text: &str) -> String {
    let text = text.replace("[at]", "@").replace("[.]", ".");
    text.replace("[:]", ":")
}

/// A run of what names are made of. What is not ASCII may be part of a name in some script, or a picture.
fn is_of_name(c: char) -> bool {
    let ascii = c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ascii || (!c.is_ascii() && !c.is_whitespace() && !is_at(c) && !is_colon(c))
}

/// IDNA's dots, and one that looks like it and is folded to it.
fn is_dot(c: char) -> bool {
    matches!(
        c,
        '.' | '\u{2024}' | '\u{3002}' | '\u{FE52}' | '\u{FF0E}' | '\u{FF61}'
    )
}

fn is_at(c: char) -> bool {
    matches!(c, '@' | '\u{FE6B}' | '\u{FF20}')
}

fn is_colon(c: char) -> bool {
    matches!(c, ':' | '\u{FE55}' | '\u{FF1A}')
}

/// A name; what is left after it, and after a colon that made it a scheme.
fn push_name<'t>(out: &mut String, name: &str, behind: &'t str) -> &'t str {
    let after = behind.strip_prefix(is_colon);
    let lower = name.to_lowercase();
    let is_scheme = after.is_some_and(|after| {
        let slashes = after.starts_with(['/', '\\', '\u{2215}', '\u{FF0F}']);
        let goes_on = after.chars().next().is_some_and(|c| !c.is_whitespace());
        slashes || (goes_on && SCHEMES.iter().any(|scheme| ends_in(&lower, scheme)))
    });
    match after.filter(|_| is_scheme) {
        Some(after) => {
            push_host(out, &tamed(name, &lower));
            out.push_str("[:]");
            after
        }
        None => {
            push_host(out, name);
            behind
        }
    }
}

/// Whether the word is its last one.
fn ends_in(name: &str, word: &str) -> bool {
    let before = name.strip_suffix(word);
    before.is_some_and(|before| !before.ends_with(|c: char| c.is_ascii_alphanumeric()))
}

/// `hxxp` for `http`: whoever reads it knows the sign.
fn tamed(name: &str, lower: &str) -> String {
    for (scheme, other) in [("http", "hxxp"), ("https", "hxxps")] {
        if lower.ends_with(scheme) && name.len() == lower.len() {
            let (before, _) = name.split_at(name.len() - scheme.len());
            return format!("{before}{other}");
        }
    }
    name.to_owned()
}

fn push_host(out: &mut String, name: &str) {
    if !is_host(name) {
        out.push_str(name);
        return;
    }
    for c in name.chars() {
        if is_dot(c) {
            out.push_str("[.]");
        } else {
            out.push(c);
        }
    }
}

/// Whether some client may take it, or the middle of it, for a host.
fn is_host(name: &str) -> bool {
    let lower = name.to_lowercase();
    let labels: Vec<&str> = lower.split(is_dot).collect();
    let of_web = labels.len() > 1 && labels.iter().any(|label| ends_in(label, "www"));
    let is_number = |label: &&str| label.parse::<u8>().is_ok();
    let of_numbers = labels.len() == 4 && labels.iter().all(is_number);
    let mut pairs = labels.windows(2);
    let named = pairs.any(|pair| match pair {
        [before, top] => !before.is_empty() && is_top(top),
        _ => false,
    });
    of_web || of_numbers || named
}

/// Whether a label could be a top-level domain: two characters or more, no number first, and no end of a file's name.
fn is_top(label: &str) -> bool {
    let label = label.trim_matches(|c: char| !c.is_alphanumeric());
    label.chars().count() >= 2
        && label.starts_with(char::is_alphabetic)
        && !ENDINGS.contains(&label)
}

/// What no name is made of; what is left after it.
fn push_mark<'t>(out: &mut String, mark: char, rest: &'t str) -> &'t str {
    let behind = rest.strip_prefix(mark).unwrap_or_default();
    let touches = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace());
    if is_at(mark) && touches(out.chars().next_back()) && touches(behind.chars().next()) {
        out.push_str("[at]");
    } else if let Some(share) = rest.strip_prefix("\\\\") {
        // `\\host\share`, which a click would log in to.
        out.push_str("[\\\\]");
        return share;
    } else {
        out.push(mark);
    }
    behind
}

#[cfg(test)]
pub(crate) mod linker;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_makes_a_link_of_is_broken_and_readable() {
        for (given, wanted) in [
            (
                "see https://evil.example/a.b",
                "see hxxps[:]//evil[.]example/a.b",
            ),
            ("HTTP://EVIL.EXAMPLE", "hxxp[:]//EVIL[.]EXAMPLE"),
            ("(http://x.example)", "(hxxp[:]//x[.]example)"),
            ("http://2130706433/", "hxxp[:]//2130706433/"),
            ("www.evil.example now", "www[.]evil[.]example now"),
            ("WWW.EVIL.EXAMPLE.pdf", "WWW[.]EVIL[.]EXAMPLE[.]pdf"),
            ("www.pdf", "www[.]pdf"),
            ("evil.com.pdf", "evil[.]com[.]pdf"),
            ("evil.zip", "evil[.]zip"),
            ("evil.dot", "evil[.]dot"),
            ("click:evil.com", "click:evil[.]com"),
            ("a|evil.com|b", "a|evil[.]com|b"),
            ("„evil.com“", "„evil[.]com“"),
            ("evil.com’s", "evil[.]com’s"),
            ("evil.xn--p1ai", "evil[.]xn--p1ai"),
            ("пример.рф", "пример[.]рф"),
            ("evil。com", "evil[.]com"),
            ("❤.ws", "❤[.]ws"),
            ("192.0.2.1/x", "192[.]0[.]2[.]1/x"),
            ("ftp://x.example", "ftp[:]//x[.]example"),
            ("mailto:x", "mailto[:]x"),
            ("Tel:+49900123", "Tel[:]+49900123"),
            ("\\\\evil\\share", "[\\\\]evil\\share"),
            ("a@b.example", "a[at]b[.]example"),
            ("a＠b.example", "a[at]b[.]example"),
            ("a@b", "a[at]b"),
            ("x\nevil.com\n", "x\nevil[.]com\n"),
        ] {
            assert_eq!(unlinked(given), wanted, "case: {given}");
            let found = linker::links(&unlinked(given));
            assert!(found.is_empty(), "case: {given}: {found:?}");
        }
    }

    #[test]
    fn what_no_client_makes_a_link_of_stays_as_it_is() {
        for text in [
            "rechnung.pdf v1.2 z.B. d.h. 12:30 Re: AW:x",
            "Rechnung.2026.pdf backup.tar.gz a.exe.pdf",
            "Ende. Anfang … @anna 5 @ 3 1.000,50",
            "Nr.12 7.4 e.V. a > setup.exe",
        ] {
            assert_eq!(unlinked(text), text);
            assert!(linker::links(text).is_empty(), "case: {text}");
        }
    }

    #[test]
    fn an_identifier_is_typed_as_it_was_read() {
        for text in ["kasse@verein.example", "max.muster@bücher.example"] {
            assert_eq!(joined(&unlinked(text)), text);
        }
    }

    #[test]
    fn no_text_is_too_odd_and_none_keeps_a_link() {
        let pieces = [
            "evil", ".", "com", "@", "://", "http", "www", ":", "/", "\\", "[", "]", "“", "。",
            " ", "\n", "-", "_", "xn--p1ai", "рф", "1", "pdf", "mailto", "❤", "(", ">", "＠", ",",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let count = random.usize(0..9);
            let text: String = (0..count)
                .map(|_| *random.choice(pieces.iter()).unwrap())
                .collect();
            let found = linker::links(&unlinked(&text));
            assert!(found.is_empty(), "{text:?}: {found:?}");
        }
    }
}
