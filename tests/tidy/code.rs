//! Rust text without what is no code: comments, strings, characters, and test code.
//!
//! Lines stay where they are. It knows just enough of the language for the rules; a macro that builds half an item
//! would fool it, and there is none in the house. Not here: the rules (`tidy.rs`).

/// Blanks comments, and what stands in strings and characters; lines stay where they are.
pub(crate) fn code_only(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = token_end(&letters, at);
        let token = &letters[at..end];
        let blank = token.len() > 1;
        for letter in token {
            match letter {
                '\n' => out.push('\n'),
                _ if blank => out.push(' '),
                letter => out.push(*letter),
            }
        }
        at = end;
    }
    out
}

/// Where the comment or literal that starts at `at` ends; one letter for everything else.
fn token_end(letters: &[char], at: usize) -> usize {
    let is = |n: usize, c: char| letters.get(n) == Some(&c);
    let until = |from: usize, stop: &dyn Fn(usize) -> bool| {
        (from..letters.len())
            .find(|n| stop(*n))
            .unwrap_or(letters.len())
    };
    match letters[at] {
        '/' if is(at + 1, '/') => until(at, &|n| is(n, '\n')),
        '/' if is(at + 1, '*') => until(at + 2, &|n| is(n, '*') && is(n + 1, '/')) + 2,
        '"' => {
            let mut n = at + 1;
            while n < letters.len() && !is(n, '"') {
                n += if is(n, '\\') { 2 } else { 1 };
            }
            n + 1
        }
        'r' if raw_hashes(letters, at).is_some() => {
            let hashes = raw_hashes(letters, at).unwrap_or_default();
            let closes = |n: usize| is(n, '"') && (1..=hashes).all(|h| is(n + h, '#'));
            until(at + hashes + 2, &closes) + hashes + 1
        }
        // A character, not a lifetime: 'x' or '\…'.
        '\'' if is(at + 1, '\\') => until(at + 3, &|n| is(n, '\'')) + 1,
        '\'' if is(at + 2, '\'') => at + 3,
        _ => at + 1,
    }
    .min(letters.len())
}

fn raw_hashes(letters: &[char], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).and_then(|n| letters.get(n));
    if before.is_some_and(|c| (c.is_alphanumeric() && *c != 'b') || *c == '_') {
        return None;
    }
    let hashes = letters[at + 1..].iter().take_while(|c| **c == '#').count();
    (letters.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

/// Cuts what stands behind `#[cfg(test)]`: an item up to its closing brace or semicolon.
pub(crate) fn without_tests(code: &str) -> String {
    if code.contains("#![cfg(test)]") {
        return String::new();
    }
    let mut out = String::new();
    let mut rest = code;
    while let Some((before, behind)) = rest.split_once("#[cfg(test)]") {
        out.push_str(before);
        let mut depth = 0_usize;
        let mut end = behind.len();
        for (n, letter) in behind.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && matches!(letter, '}' | ';') {
                end = n + 1;
                break;
            }
        }
        rest = &behind[end..];
    }
    out.push_str(rest);
    out
}
