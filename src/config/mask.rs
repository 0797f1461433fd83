//! A line of the configuration as a mistake may show it: no value of which it is not known that it is no secret.
//!
//! The value that a mistake is about is shown, if its key is asked for and neither it nor a key above it holds a
//! secret. Every other value is `***`: beside a forgotten comma or bracket nobody knows whose it is. So are what stands
//! behind a key that nobody knows, lines inside a text of several lines, and comments. A strange key itself is shown only if it looks like a slip: somebody may have pasted a secret
//! in its place. Not here: where the mistakes are found (`file`), and how they print (`problem`).

use std::collections::BTreeSet;
use std::ops::Range;

use super::secret::SECRET_KEYS;
use crate::base::text::{clean, nearest};

/// What is printed of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The line.
    pub(super) text: String,
    /// Characters before the first caret.
    pub(super) indent: usize,
    /// Carets.
    pub(super) width: usize,
}

/// Tells keys that may be shown from others.
pub(super) struct Mask<'k> {
    known: BTreeSet<&'k str>,
}

/// One piece of a line.
struct Piece<'l> {
    at: Range<usize>,
    text: &'l str,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Blanks, brackets, `=`, `,`, `.`
    Mark,
    /// With its quotes; also one that does not end here.
    Quoted,
    /// Without quotes.
    Bare,
    /// To the end of the line.
    Comment,
}

impl<'k> Mask<'k> {
    /// Of the keys that are asked for.
    pub(super) fn new(known: impl Iterator<Item = &'k str>) -> Self {
        Self {
            known: known.collect(),
        }
    }

    /// Whether what stands behind this key is no secret.
    pub(super) fn is_open(&self, key: &str) -> bool {
        self.known.contains(key) && !SECRET_KEYS.contains(&key)
    }

    /// A key as it may be shown.
    pub(super) fn key(&self, word: &str) -> String {
        let looks = word.len() <= WORD_MAX
            && word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let is_near = || nearest(word, self.known.iter().copied()).is_some();
        if self.known.contains(word) || looks || (word.len() <= WORD_MAX && is_near()) {
            clean(word, WORD_MAX)
        } else {
            VEIL.to_owned()
        }
    }

    /// A line with carets under octets `marked`; `key`: whose mistake it is.
    pub(super) fn line(&self, line: &str, marked: &Range<usize>, key: &str) -> Excerpt {
        let own = key.rsplit('.').next().unwrap_or_default();
        let is_own = self.is_open(own) && !names_secret(key);
        let mut out = Excerpt::default();
        let (mut start, mut end) = (None, 0);
        let (mut owner, mut value): (Option<&str>, bool) = (None, false);
        let pieces = pieces(line);
        for (n, piece) in pieces.iter().enumerate() {
            let touched = if marked.is_empty() {
                piece.at.contains(&marked.start)
            } else {
                piece.at.start < marked.end && marked.start < piece.at.end
            };
            let before = out.text.chars().count();
            let shown = match piece.kind {
                Kind::Mark => {
                    match piece.text {
                        "=" => value = true,
                        "," | "{" if is_table(&pieces, n) => (owner, value) = (None, false),
                        _ => {}
                    }
                    piece.text.replace('\t', " ")
                }
                Kind::Comment => "#".to_owned(),
                Kind::Quoted | Kind::Bare if !value && is_key(&pieces, n) => {
                    let word = piece.text.trim_matches(['"', '\'']);
                    owner = word.rsplit('.').next();
                    let parts: Vec<String> = word.split('.').map(|part| self.key(part)).collect();
                    piece.text.replace(word, &parts.join("."))
                }
                Kind::Quoted | Kind::Bare => {
                    // A bare word without its key may stand inside a text whose end is missing.
                    let theirs = match owner {
                        Some(owner) => owner == own,
                        None => touched && piece.kind == Kind::Quoted,
                    };
                    if is_own && theirs {
                        veil_login(piece.text)
                    } else {
                        veil(piece.text, piece.kind, owner.is_some())
                    }
                }
            };
            out.text.push_str(&shown);
            if touched && piece.kind != Kind::Comment {
                // A mark within a piece that is shown as it is stands where it stood.
                let inside = piece.text == shown;
                let skip = marked.start.saturating_sub(piece.at.start);
                let skip = piece.text.get(..skip).filter(|_| inside);
                start.get_or_insert(before + skip.map_or(0, |skip| skip.chars().count()));
                let over = piece
                    .at
                    .end
                    .saturating_sub(marked.end.max(marked.start + 1));
                let over = if inside { over } else { 0 };
                end = out.text.chars().count().saturating_sub(over);
            }
        }
        out.text = clean(&out.text, SOURCE_MAX);
        let length = out.text.chars().count();
        out.indent = start.unwrap_or(length).min(length);
        out.width = end.min(length).saturating_sub(out.indent).max(1);
        out
    }

    /// What the parser says of a file that is no TOML: it quotes what it did not understand.
    pub(super) fn syntax(&self, message: &str) -> String {
        let mut out = String::new();
        for (n, part) in message.split('`').enumerate() {
            let quoted = n % 2 == 1;
            let harmless = part.chars().filter(|c| c.is_alphanumeric()).count() <= 1
                || self.known.contains(part);
            if n > 0 {
                out.push('`');
            }
            out.push_str(if quoted && !harmless { VEIL } else { part });
        }
        out
    }
}

/// Whether a dotted key has a secret's key in it: what stands below is the secret's, whatever its name.
pub(super) fn names_secret(key: &str) -> bool {
    key.split('.').any(|part| SECRET_KEYS.contains(&part))
}

/// A reference to a secret is none, and shows which it is.
fn veil(text: &str, kind: Kind, owned: bool) -> String {
    let inside = text.trim_matches(['"', '\'']);
    let refers = inside.starts_with("file:") || inside.starts_with("env:");
    if inside.is_empty() || (refers && owned) {
        return text.to_owned();
    }
    let quote = match kind {
        Kind::Quoted => text.chars().next(),
        Kind::Bare | Kind::Mark | Kind::Comment => None,
    };
    match quote {
        Some(quote) if text.len() > 1 && text.ends_with(quote) => format!("{quote}{VEIL}{quote}"),
        Some(quote) => format!("{quote}{VEIL}"),
        None => VEIL.to_owned(),
    }
}

/// `text` with `***` for user and password of every URL in it, and of every `user:password@host`.
pub(super) fn veil_login(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';');
    text.split_inclusive(is_end).map(veil_word).collect()
}

fn veil_word(word: &str) -> String {
    let (scheme, rest) = match word.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), word),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_login = |(user, _): &(&str, &str)| user.contains(':') || !scheme.is_empty();
    let found = authority.rsplit_once('@').filter(is_login);
    // A password with a slash ends what looks like the host, which then has no port.
    let odd = || {
        let (_, port) = authority.split_once(':')?;
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        (!digits).then(|| rest.rsplit_once('@')).flatten()
    };
    match found {
        Some((user, _)) => {
            let tail = rest.get(user.len()..).unwrap_or_default();
            format!("{scheme}{VEIL}{tail}")
        }
        None => match odd() {
            Some((_, host)) => format!("{scheme}{VEIL}@{host}"),
            None => word.to_owned(),
        },
    }
}

/// Whether a word without a value before it is a key: `word =`, `word.`, `[word]`.
fn is_key(pieces: &[Piece<'_>], n: usize) -> bool {
    let blank = |piece: &&Piece<'_>| piece.kind == Kind::Mark && piece.text.trim().is_empty();
    let behind = pieces.iter().skip(n + 1).find(|piece| !blank(piece));
    let first = pieces.iter().find(|piece| !blank(piece));
    let header = first.is_some_and(|first| first.text == "[")
        && pieces.get(n).is_some_and(|piece| piece.kind == Kind::Bare);
    header || behind.is_some_and(|piece| matches!(piece.text, "=" | "."))
}

/// Whether a comma at `n` parts the keys of an inline table, and not the elements of a list.
fn is_table(pieces: &[Piece<'_>], n: usize) -> bool {
    let mut open = Vec::new();
    for piece in pieces.iter().take(n + 1) {
        match piece.text {
            "{" | "[" if piece.kind == Kind::Mark => open.push(piece.text),
            "}" | "]" if piece.kind == Kind::Mark => drop(open.pop()),
            _ => {}
        }
    }
    open.last() == Some(&"{")
}

fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(rest) = line.get(at..)
        && let Some(first) = rest.chars().next()
    {
        let (length, kind) = match first {
            '#' => (rest.len(), Kind::Comment),
            '"' | '\'' => (quoted(rest, first), Kind::Quoted),
            _ if is_mark(first) => (first.len_utf8(), Kind::Mark),
            _ => {
                let ends = |c: char| is_mark(c) && c != '.' || matches!(c, '#' | '"' | '\'');
                let bare = rest.find(ends).unwrap_or(rest.len());
                (bare, Kind::Bare)
            }
        };
        let end = at + length;
        let text = line.get(at..end).unwrap_or_default();
        pieces.push(Piece {
            at: at..end,
            text,
            kind,
        });
        at = end;
    }
    pieces
}

fn is_mark(c: char) -> bool {
    c.is_whitespace() || matches!(c, '=' | ',' | '.' | '{' | '}' | '[' | ']')
}

/// Octets of a quoted text, with its quotes; of three of them too.
fn quoted(rest: &str, quote: char) -> usize {
    let three: String = std::iter::repeat_n(quote, 3).collect();
    let close = if rest.starts_with(&three) {
        three
    } else {
        quote.to_string()
    };
    let mut at = close.len();
    while let Some(inside) = rest.get(at..) {
        if inside.starts_with(&close) {
            return at + close.len();
        }
        let mut chars = inside.chars();
        match chars.next() {
            None => break,
            // Only "..." has escapes.
            Some('\\') if quote == '"' => {
                at += 1 + chars.next().map_or(0, char::len_utf8);
            }
            Some(c) => at += c.len_utf8(),
        }
    }
    rest.len()
}

/// What stands for what is not shown.
const VEIL: &str = "***";
/// Characters of a source line that are shown.
const SOURCE_MAX: usize = 160;
/// Letters of the longest key that can be a slip; ours have at most 24.
const WORD_MAX: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn mask() -> Mask<'static> {
        Mask::new(["password", "user", "bind", "relay", "url", "mode", "auth"].into_iter())
    }

    fn shown(line: &str, key: &str) -> String {
        mask().line(line, &(0..line.len()), key).text
    }

    #[test]
    fn only_what_is_known_to_be_no_secret_shows() {
        for (line, key, wanted) in [
            ("bind = \"x:99\"", "listener.bind", "bind = \"x:99\""),
            ("password = \"hunter1\"", "a.password", "password = \"***\""),
            ("password = 'hunter1'", "a.password", "password = '***'"),
            (
                "password = \"file:pw\"",
                "a.password",
                "password = \"file:pw\"",
            ),
            ("password = \"hunter1", "", "password = \"***"),
            ("password = hunter1", "", "password = ***"),
            ("password = 4711", "a.password", "password = ***"),
            (
                "password = [\"h1\", 'h2']",
                "a.password",
                "password = [\"***\", '***']",
            ),
            ("password = \"\"\"hunter1", "a.password", "password = \"***"),
            (
                "password = \"a\\\"hunter1\"",
                "a.password",
                "password = \"***\"",
            ),
            (
                "\"password\" = \"hunter1\"",
                "a.password",
                "\"password\" = \"***\"",
            ),
            (
                "a.password = \"hunter1\"",
                "a.password",
                "a.password = \"***\"",
            ),
            ("kennwort = \"hunter1\"", "a.kennwort", "kennwort = \"***\""),
            ("hunter1 = 1", "a", "*** = ***"),
            ("\"hunter1-x\" = 1", "a", "\"***\" = ***"),
            ("[hunter1]", "", "[***]"),
            ("[[hunter1.x]]", "", "[[***.x]]"),
            ("[queeu]", "queeu", "[queeu]"),
        ] {
            assert_eq!(shown(line, key), wanted, "case: {line}");
        }
    }

    #[test]
    fn a_line_is_read_as_toml_reads_it() {
        for (line, key, wanted) in [
            ("hunter1\"\"\"", "a.password", "***\"\"\""),
            (
                "[hold.quarantaine]",
                "hold.quarantaine",
                "[hold.quarantaine]",
            ),
            ("[hold.hunter1]", "", "[hold.***]"),
            ("  hunter1,", "a.password", "  ***,"),
            ("  \"smtp.x:99999\",", "route.relay", "  \"smtp.x:99999\","),
            ("  \"hunter1\",", "a.strange", "  \"***\","),
            ("bind = 1 # password = hunter1", "l.bind", "bind = 1 #"),
            (
                "auth = { user = \"me\", \"hunter1\" = 1, password = \"hunter2\" }",
                "route.auth",
                "auth = { user = \"***\", \"***\" = ***, password = \"***\" }",
            ),
            (
                "auth = { password = \"hunter1\", user = \"me\" }",
                "route.auth",
                "auth = { password = \"***\", user = \"***\" }",
            ),
            (
                "url = \"https://me:hunter1@x.example/\"",
                "s.url",
                "url = \"https://***@x.example/\"",
            ),
            (
                "relay = [\"me:hunter1@x.example:587\"]",
                "r.relay",
                "relay = [\"***@x.example:587\"]",
            ),
            ("aHVudGVyMQ==", "a.password", "***=="),
        ] {
            assert_eq!(shown(line, key), wanted, "case: {line}");
        }
    }

    #[test]
    fn the_carets_stand_under_what_is_meant() {
        for (line, word, key, indent, width) in [
            ("  retri = 5", "retri", "queue.retri", 2, 5),
            ("password = \"hunter1\"", "\"hunter1\"", "a.password", 11, 5),
            ("x = { hunter1 = 1, usr = 2 }", "usr", "a.usr", 17, 3),
            ("bind = \"1.2.3.4:x\"", "x", "l.bind", 16, 1),
            ("[server]", "", "", 0, 1),
        ] {
            let start = line.find(word).unwrap();
            let start = if word == "x" {
                line.rfind(word).unwrap()
            } else {
                start
            };
            let found = mask().line(line, &(start..start + word.len()), key);
            assert_eq!(
                (found.indent, found.width),
                (indent, width),
                "{}",
                found.text
            );
        }
    }

    #[test]
    fn a_login_in_a_url_does_not_show() {
        for (text, wanted) in [
            (
                "https://me:hunter1@x.example/y@z",
                "https://***@x.example/y@z",
            ),
            ("https://me:hun/ter1@x.example/", "https://***@x.example/"),
            (
                "\"http://hunter1@x\" and 'ftp://a:hunter2@y'",
                "\"http://***@x\" and 'ftp://***@y'",
            ),
            ("me:hunter1@x.example:25", "***@x.example:25"),
            (
                "https://x.example:443/ # me@x",
                "https://x.example:443/ # me@x",
            ),
            ("a@b.example", "a@b.example"),
            ("https://a:b", "https://a:b"),
        ] {
            assert_eq!(veil_login(text), wanted);
        }
    }

    #[test]
    fn what_the_parser_quotes_is_shown_only_if_it_is_a_key_or_a_mark() {
        for (message, wanted) in [
            ("expected `]`", "expected `]`"),
            (
                "duplicate key `bind` in `hunter1`",
                "duplicate key `bind` in `***`",
            ),
        ] {
            assert_eq!(mask().syntax(message), wanted);
        }
    }
}
