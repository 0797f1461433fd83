//! Text of peers, made safe and short before it is stored, logged or shown.
//!
//! What comes out holds no control characters and no more octets than asked for.
//! Not here: addresses, replies and headers, which are parsed (`mail`).

use std::ops::RangeInclusive;

/// What control characters, bidi overrides and zero-width characters become.
const MARK: char = '?';

/// `text` cut to `max` characters (not octets), with control, bidi and zero-width characters replaced.
///
/// The reply of a peer goes into logs and mails; a line end in it must never start a line of ours.
pub fn clean(text: &str, max: usize) -> String {
    text.chars()
        .take(max)
        .map(|c| if is_hidden(c) { MARK } else { c })
        .collect()
}

/// The same for octets that ought to be UTF-8.
pub fn clean_bytes(text: &[u8], max: usize) -> String {
    let some = text.get(..max.saturating_mul(4)).unwrap_or(text);
    clean(&String::from_utf8_lossy(some), max)
}

/// `text` without control, bidi and zero-width characters: what a reader sees of it.
pub fn visible(text: &str) -> String {
    text.chars().filter(|c| !is_hidden(*c)).collect()
}

/// What no reader sees, or what turns, joins or ends what a reader sees, besides control characters: line and paragraph
/// separators, bidi controls, zero widths, fillers, tags. The one table for logs, mails, pages and the terminal.
///
/// Not in it: variation selectors, which choose how the character before them looks.
pub const HIDDEN: [RangeInclusive<char>; 18] = [
    '\u{AD}'..='\u{AD}',
    '\u{34F}'..='\u{34F}',
    '\u{61C}'..='\u{61C}',
    '\u{115F}'..='\u{1160}',
    '\u{17B4}'..='\u{17B5}',
    '\u{180B}'..='\u{180E}',
    '\u{200B}'..='\u{200F}',
    '\u{2028}'..='\u{202E}',
    '\u{2060}'..='\u{206F}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{FEFF}'..='\u{FEFF}',
    '\u{FFA0}'..='\u{FFA0}',
    '\u{FFF0}'..='\u{FFFB}',
    '\u{13430}'..='\u{1343F}',
    '\u{1BCA0}'..='\u{1BCA3}',
    '\u{1D173}'..='\u{1D17A}',
    '\u{E0000}'..='\u{E0FFF}',
];

/// Control characters, and those of [`HIDDEN`].
pub fn is_hidden(c: char) -> bool {
    c.is_control() || (!c.is_ascii() && HIDDEN.iter().any(|range| range.contains(&c)))
}

/// `text` as one line of a log may hold it, whatever its shape: a line end in it must not start a line of ours.
pub fn logged(text: String) -> String {
    if !text.chars().any(is_hidden) {
        return text;
    }
    let safe = |c: char| match c {
        _ if c.is_control() => ' ',
        _ if is_hidden(c) => MARK,
        _ => c,
    };
    text.chars().map(safe).collect()
}

/// Whether all of `text` fits `pattern`, in which `*` stands for anything: parts in order, the first and last anchored.
/// Case counts.
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        let Some((_, behind)) = text.split_once(part) else {
            return false;
        };
        text = behind;
    }
    true
}

/// The one of `words` that `wrong` was probably meant to be: at most a third of it is wrong.
pub fn nearest<'a>(wrong: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (wrong.chars().count() / 3).max(1);
    words
        .into_iter()
        .map(|word| (distance(wrong, word), word))
        .filter(|(d, _)| *d <= most)
        .min()
        .map(|(_, word)| word)
}

/// Edit distance in which two swapped neighbours count as one change (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let width = b.len() + 1;
    let mut grid = vec![0usize; (a.len() + 1) * width];
    let at = |grid: &[usize], i: usize, j: usize| grid.get(i * width + j).copied().unwrap_or(0);
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let best = if i == 0 || j == 0 {
                i + j
            } else {
                let same = usize::from(a.get(i - 1) != b.get(j - 1));
                let mut best = (at(&grid, i - 1, j) + 1)
                    .min(at(&grid, i, j - 1) + 1)
                    .min(at(&grid, i - 1, j - 1) + same);
                if i > 1 && j > 1 && a.get(i - 1) == b.get(j - 2) && a.get(i - 2) == b.get(j - 1) {
                    best = best.min(at(&grid, i - 2, j - 2) + 1);
                }
                best
            };
            if let Some(cell) = grid.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    at(&grid, a.len(), b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_replaced_and_text_is_cut() {
        assert_eq!(clean("a\r\nb\u{202E}c", 10), "a??b?c");
        assert_eq!(clean("äöü", 2), "äö");
        assert_eq!(clean_bytes(b"ab\xffc", 10), "ab\u{FFFD}c");
    }

    #[test]
    fn nothing_of_the_table_comes_through_any_door() {
        let ends = HIDDEN
            .iter()
            .flat_map(|range| [*range.start(), *range.end()]);
        let controls = [
            '\0', '\u{7}', '\n', '\r', '\u{1B}', '\u{7F}', '\u{85}', '\u{9B}', '\u{9F}',
        ];
        for c in ends.chain(controls) {
            let text = format!("a{c}b");
            assert!(is_hidden(c), "{c:?}");
            assert_eq!(clean(&text, 10), "a?b", "{c:?}");
            assert_eq!(clean_bytes(text.as_bytes(), 10), "a?b", "{c:?}");
            assert_eq!(visible(&text), "ab", "{c:?}");
            let line = if c.is_control() { "a b" } else { "a?b" };
            assert_eq!(logged(text), line, "{c:?}");
        }
        for c in [
            'a',
            ' ',
            'ä',
            '€',
            '\u{5D0}',
            '\u{627}',
            '\u{FE0F}',
            '\u{1F600}',
            '\u{10FFFD}',
        ] {
            assert!(!is_hidden(c), "{c:?}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        assert_eq!(
            nearest("relay_hsot", ["relay_host", "hostname"]),
            Some("relay_host")
        );
        assert_eq!(nearest("banana", ["relay", "hostname"]), None);
    }
}
