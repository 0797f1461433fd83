//! Text of strangers as people may see it: decoded, without what hides or turns it, and bounded.
//!
//! Subjects, names and addresses come from mails that were withheld, so each is taken for hostile: nothing of it may
//! end a line, turn what follows it, or become a link in the reader's client. Escaping is done where HTML is made.
//! Not here: how links are broken (`unlinked`), text for logs (`base::text`), and what a digest says by itself (`words`).

use mail_parser::Address;
use mail_parser::parsers::MessageStream;

use super::encoded_word::decoded;
use super::unlinked::unlinked;
use crate::base::limit::{SHOWN_MAX, SHOWN_NAME_MAX};
use crate::base::text;

/// What stands where something was cut off.
const CUT: char = '…';
/// Who a From field says wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Author {
    /// The display name, shown.
    pub name: Option<String>,
    /// The address as it stands there: for comparisons, not for showing.
    pub raw: String,
    /// The address, shown: `a[at]b[.]example`.
    pub address: String,
    /// Addresses behind the first one.
    pub more: usize,
}

/// A header's text decoded (RFC 2047), without control, bidi and zero-width characters, on one line, and of at most
/// `max` characters.
pub fn shown(text: &str, max: usize) -> String {
    let decoded = decoded(text);
    let mut out = String::new();
    let mut blank = false;
    for (count, c) in decoded.chars().filter(|c| !is_hidden(*c)).enumerate() {
        // A bomb of blanks or marks is not worth reading to its end.
        if count > 20 * max {
            break;
        }
        if c.is_whitespace() || c.is_control() {
            blank = !out.is_empty();
            continue;
        }
        if blank {
            out.push(' ');
            blank = false;
        }
        out.push(c);
    }
    cut(&out, max)
}

/// The same with what a client would make a link of broken: `hxxp[:]//evil[.]example`, `a[at]evil[.]example`.
pub fn defused(text: &str, max: usize) -> String {
    unlinked(&shown(text, max))
}

/// The author that a From field names, decoded.
pub fn author(field: &str) -> Author {
    let line = format!("{field}\n");
    let parsed = MessageStream::new(line.as_bytes()).parse_address();
    let list = match parsed.into_address() {
        Some(Address::List(list)) => list,
        Some(Address::Group(groups)) => groups
            .into_iter()
            .flat_map(|group| group.addresses)
            .collect(),
        None => Vec::new(),
    };
    let mut found = list.into_iter().filter(|one| one.address.is_some());
    let Some(first) = found.next() else {
        return Author {
            address: defused(field, SHOWN_MAX),
            ..Author::default()
        };
    };
    let raw = first.address.as_deref().unwrap_or_default().to_owned();
    let name = first
        .name
        .as_deref()
        .map(|name| defused(name, SHOWN_NAME_MAX));
    Author {
        name: name.filter(|name| !name.is_empty()),
        address: address(&raw),
        raw,
        more: found.count(),
    }
}

/// An address, its domain readable, and no link: `a[at]b[.]example`; with its ASCII form beside it when scripts mix in it.
pub fn address(text: &str) -> String {
    let Some((local, host)) = text.rsplit_once('@') else {
        return defused(text, SHOWN_MAX);
    };
    let (readable, _) = idna::domain_to_unicode(host);
    let readable = shown(&readable, SHOWN_MAX);
    let local = shown(local, SHOWN_MAX);
    let whole = if readable.is_ascii() || !readable.chars().any(char::is_alphanumeric) {
        format!("{local}@{}", shown(host, SHOWN_MAX))
    } else if mixes_scripts(&readable) {
        let ascii = idna::domain_to_ascii(host).unwrap_or_else(|_| host.to_owned());
        format!("{local}@{readable} ({})", shown(&ascii, SHOWN_MAX))
    } else {
        format!("{local}@{readable}")
    };
    unlinked(&whole)
}

fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(max.saturating_sub(1)).collect();
    out.truncate(out.trim_end().len());
    out.push(CUT);
    out
}

/// What turns, joins or hides text; what parts words and lines becomes a blank.
pub fn is_hidden(c: char) -> bool {
    !c.is_whitespace() && text::is_hidden(c)
}

/// Latin beside Cyrillic, Greek beside Latin: what makes one name look like another.
fn mixes_scripts(text: &str) -> bool {
    let mut first = None;
    text.chars().filter_map(script).any(|script| {
        let before = *first.get_or_insert(script);
        before != script
    })
}

fn script(c: char) -> Option<u8> {
    match c {
        'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => Some(0),
        '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Some(1),
        '\u{400}'..='\u{52F}' => Some(2),
        c if c.is_alphabetic() => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_turns_or_ends_a_line_is_gone() {
        for (given, wanted) in [
            ("Rechnung 2026", "Rechnung 2026"),
            ("=?utf-8?Q?M=C3=BCller_=E2=82=AC?=", "Müller €"),
            ("=?utf-8?B?TcO8?= =?utf-8?B?bGxlcg==?=", "Müller"),
            ("=?utf-8?B?TcM=?=\r\n =?utf-8?B?vGxsZXI=?=", "Müller"),
            ("=?utf-8?Q?a=0D=0ABcc:_x=40y?=", "a Bcc: x@y"),
            ("a\r\nX-Evil: 1", "a X-Evil: 1"),
            ("invoice\u{202E}fdp.exe", "invoicefdp.exe"),
            ("pay\u{200B}pal \u{2066}x\u{2069}", "paypal x"),
            ("  a \u{2028} b\t\tc ", "a b c"),
            ("a\u{0}b\u{7}c", "abc"),
            ("half =?utf-8?Q?abc", "half …"),
            ("=?bogus?", "=?bogus?"),
            ("👍🏽 ok", "👍🏽 ok"),
        ] {
            assert_eq!(shown(given, 120), wanted, "case: {given:?}");
        }
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        let long = shown(&"ä".repeat(300), 120);
        assert_eq!(long.chars().count(), 120);
        assert!(long.ends_with('…'));
        assert_eq!(shown(&" ".repeat(100_000), 120), "");
    }

    #[test]
    fn the_real_address_stands_beside_the_name() {
        let bank = author(
            "=?utf-8?Q?Ihre_Bank_<service=40bank.example>?= <x@evil.example>, <second@y.example>",
        );
        assert_eq!(bank.address, "x[at]evil[.]example");
        assert_eq!(bank.raw, "x@evil.example");
        assert_eq!(bank.more, 1);
        assert!(bank.name.is_some_and(|name| name.starts_with("Ihre Bank")));
        assert_eq!(author("no address at all").address, "no address at all");
        assert_eq!(author("").address, "");
    }

    #[test]
    fn a_domain_that_mixes_scripts_shows_its_ascii_form() {
        assert_eq!(address("a@xn--bcher-kva.example"), "a[at]bücher[.]example");
        let mixed = address("a@xn--pypal-4ve.example");
        assert!(mixed.ends_with("(xn--pypal-4ve[.]example)"), "{mixed}");
        assert_eq!(address("a@b.example"), "a[at]b[.]example");
        assert_eq!(address("a@[192.0.2.1]"), "a[at][192[.]0[.]2[.]1]");
    }
}
