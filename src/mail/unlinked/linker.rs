//! An auto-linker as mail clients have them, for tests: what it finds in a text would be a link in somebody's client.
//!
//! Coarser than any one of them: schemes, `www.`, addresses, shares, and hosts under a few known top-level domains, all
//! found in the middle of words too. Not here: the text that must have no link (`unlinked`).

#![expect(clippy::string_slice, reason = "cut where an ASCII text was found")]

/// Top-level domains that occur in tests, and ends of file names that are some.
const TOPS: [&str; 14] = [
    "com", "example", "de", "net", "org", "zip", "mov", "ws", "sh", "app", "cab", "md", "xn--p1ai",
    "рф",
];

/// Everything that would be a link.
pub(crate) fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in text.split_whitespace() {
        let lower = word.to_lowercase();
        let is_end = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "+-.".contains(c));
        let scheme = lower.match_indices("://");
        let scheme = scheme.filter(|(at, _)| is_end(lower[..*at].chars().next_back()));
        let opaque = ["mailto:", "tel:", "javascript:", "file:", "sms:", "data:"];
        let opaque = opaque.iter().any(|scheme| {
            let mut found = lower.match_indices(scheme);
            found.any(|(at, _)| {
                let before = lower[..at].chars().next_back();
                lower.len() > at + scheme.len() && !before.is_some_and(char::is_alphanumeric)
            })
        });
        let of_web = lower.match_indices("www.").any(|(at, _)| {
            let before = lower[..at].chars().next_back();
            let behind = lower[at + 4..].chars().next();
            !before.is_some_and(char::is_alphanumeric) && behind.is_some_and(char::is_alphanumeric)
        });
        let share = lower.contains("\\\\") && !lower.contains("[\\\\]");
        if scheme.count() > 0 || opaque || share || of_web {
            found.push(word.to_owned());
            continue;
        }
        let address = lower.match_indices(['@', '＠']).any(|(at, mark)| {
            let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            let behind = &lower[at + mark.len()..];
            is_part(lower[..at].chars().next_back()) && is_part(behind.chars().next())
        });
        if address || has_host(&lower) {
            found.push(word.to_owned());
        }
    }
    found
}

fn has_host(word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || !c.is_ascii();
    let dots = word.match_indices(['.', '。', '．', '｡']);
    dots.into_iter().any(|(at, dot)| {
        let before = word[..at].chars().next_back();
        let behind: String = word[at + dot.len()..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '-')
            .collect();
        before.is_some_and(|c| is_part(c) && !"“”„’＠﹫。．｡".contains(c))
            && TOPS.contains(&behind.as_str())
    })
}
