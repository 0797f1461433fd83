//! Every reading of a parameter's value that some mail program has: names of files, and boundaries.
//!
//! RFC 2045 section 5.1 and RFC 2231 say how a value is written, and programs differ in what they make of one that is
//! written otherwise: blanks and comments in a token, pieces that are missing, quotes that do not end, words of RFC 2047
//! in places where it forbids them. None of these readings is a fault of the mail; each is only one more name to look at.
//! The work is bounded: what gives more readings than `MIME_NAMES_MAX` is told, never read in part.
//! Not here: the one name that people are told (`parameter`), and what a system makes of a name (`name`).

use mail_parser::decoders::charsets::map::charset_decoder;

use super::foreign;
use super::parameter::{Parameters, labelled, percent, unlabelled, unquoted};
use crate::base::limit::{
    MIME_FIELDS_MAX, MIME_NAMES_MAX, MIME_NAMES_OCTETS_MAX, MIME_VALUE_MAX, MIME_VALUES_MAX,
    MIME_VALUES_OCTETS_MAX,
};
use crate::mail::encoded_word;

/// The readings of a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    pub(super) all: Vec<Vec<u8>>,
    /// There are more.
    pub(super) over: bool,
}

/// `name*2*=value` as it stands somewhere in a field.
#[derive(Clone, Debug)]
struct Found<'a> {
    /// Which piece of the value.
    piece: Option<u32>,
    /// Per cent and charset (RFC 2231 section 4).
    encoded: bool,
    /// What stands behind the equals sign.
    rest: &'a [u8],
}

impl Texts {
    pub(super) fn is_some(&self) -> bool {
        !self.all.is_empty()
    }

    fn add(&mut self, one: &[u8], most: usize) {
        if one.is_empty() || self.all.iter().any(|own| own == one) {
            return;
        }
        if self.all.len() == most {
            self.over = true;
        } else {
            self.all.push(one.to_vec());
        }
    }
}

/// The boundaries that a Content-Type may mean. Blanks at the end are no part of one.
pub(super) fn boundaries(field: &[u8]) -> Texts {
    let mut texts = Texts::default();
    let primary = Parameters::read(field);
    if let Some(first) = primary.boundary() {
        // An empty one is one: its delimiters are "--".
        texts.all.push(first);
    }
    further_boundaries(field, &mut texts);
    if let Some(bare) = bare(field) {
        further_boundaries(&bare, &mut texts);
    }
    texts
}

fn further_boundaries(field: &[u8], texts: &mut Texts) {
    let (all, over) = occurrences(field, "boundary");
    texts.over |= over;
    for one in &all {
        let mut own = Texts::default();
        if one.piece.is_none() && !one.encoded {
            own = plain(one.rest);
        } else if one.piece.is_none() {
            let value = unquoted_or_token(one.rest);
            let (charset, value) = labelled(&value);
            in_each_charset(charset.as_deref(), percent(value), &mut own);
        }
        for value in own.all {
            texts.add(value.trim_ascii_end(), MIME_FIELDS_MAX);
        }
    }
    for (charset, value) in joined(&all) {
        let mut own = Texts::default();
        in_each_charset(charset.as_deref(), value, &mut own);
        for value in own.all {
            texts.add(value.trim_ascii_end(), MIME_FIELDS_MAX);
        }
    }
}

/// A boundary in the charset that is named, and in none. One that is ASCII in both has one reading.
fn in_each_charset(charset: Option<&[u8]>, value: Vec<u8>, own: &mut Texts) {
    own.add(&value, MIME_VALUES_MAX);
    for text in readings_in(charset, &value) {
        if text.contains(|c: char| c.is_ascii_alphanumeric()) {
            own.add(text.as_bytes(), MIME_VALUES_MAX);
        }
    }
}

/// What octets mean in a charset; several readings of one that nobody here knows.
fn readings_in(charset: Option<&[u8]>, value: &[u8]) -> Vec<String> {
    match charset.filter(|charset| !charset.is_empty()) {
        None => Vec::new(),
        Some(charset) => match charset_decoder(charset) {
            Some(decode) => vec![decode(value)],
            None => foreign::EACH.iter().map(|read| read(value)).collect(),
        },
    }
}

/// Adds the file names that a field may mean to `names`; whether there are more than are looked at.
pub(super) fn names(field: &[u8], names: &mut Vec<String>) -> bool {
    let mut over = false;
    for word in ["filename", "name"] {
        let (all, more) = occurrences(field, word);
        over |= more;
        for one in &all {
            if one.piece.is_some() {
                continue;
            }
            if one.encoded {
                let value = unquoted_or_token(one.rest);
                let (charset, text) = labelled(&value);
                over |= encoded(charset.as_deref(), &percent(text), names);
                continue;
            }
            let values = plain(one.rest);
            over |= values.over;
            for value in values.all {
                over |= texts(&value, names);
            }
        }
        for (charset, value) in joined(&all) {
            over |= encoded(charset.as_deref(), &value, names);
            over |= texts(&value, names);
        }
    }
    over
}

/// Where `word` is given a value, whatever stands around it.
fn occurrences<'a>(field: &'a [u8], word: &str) -> (Vec<Found<'a>>, bool) {
    let mut all = Vec::new();
    let (mut at, mut octets) = (0, 0);
    let mut cut = false;
    while let Some(equals) = next_equals(field, at) {
        at = equals + 1;
        let before = field.get(equals.saturating_sub(NAME_MAX)..equals);
        let before = before.unwrap_or_default();
        let Some((piece, encoded)) = named(before, word) else {
            continue;
        };
        let rest = field.get(at..).unwrap_or_default().trim_ascii_start();
        let more = rest.get(..=MIME_VALUE_MAX).unwrap_or(rest);
        cut |= reach(more) > MIME_VALUE_MAX;
        let rest = rest.get(..MIME_VALUE_MAX).unwrap_or(rest);
        octets += reach(rest);
        if all.len() == MIME_VALUES_MAX || octets > MIME_VALUES_OCTETS_MAX {
            return (all, true);
        }
        all.push(Found {
            piece,
            encoded,
            rest,
        });
    }
    (all, cut)
}

fn next_equals(field: &[u8], from: usize) -> Option<usize> {
    let found = memchr::memchr(b'=', field.get(from..)?)?;
    Some(from + found)
}

/// Whether `word`, maybe with a piece, a star, blanks and a comment, ends `before`.
fn named(before: &[u8], word: &str) -> Option<(Option<u32>, bool)> {
    let mut name = before.trim_ascii_end();
    while let Some(inner) = name.strip_suffix(b")") {
        let open = memchr::memrchr(b'(', inner)?;
        name = inner.get(..open)?.trim_ascii_end();
    }
    let star = |text: &mut &[u8]| {
        let bare = text.strip_suffix(b"*").map(<[u8]>::trim_ascii_end);
        *text = bare.unwrap_or(text);
        bare.is_some()
    };
    let mut encoded = star(&mut name);
    let digits = name.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (front, number) = name.split_at(name.len() - digits);
    let mut front = front;
    let mut piece = None;
    if digits > 0 {
        // `name1` is another parameter.
        if !star(&mut front) {
            return None;
        }
        let number = std::str::from_utf8(number).ok()?.parse();
        piece = Some(number.unwrap_or(u32::MAX));
        name = front;
    } else if encoded && star(&mut name) {
        encoded = true;
    }
    let from = name.len().checked_sub(word.len())?;
    let (front, own) = name.split_at(from);
    let begins = front
        .last()
        .is_none_or(|b| b.is_ascii_whitespace() || b";,)\"".contains(b));
    (begins && own.eq_ignore_ascii_case(word.as_bytes())).then_some((piece, encoded))
}

/// Octets that the readings of a value go through.
fn reach(rest: &[u8]) -> usize {
    let value = rest.trim_ascii_start();
    let end = match value.strip_prefix(b"\"") {
        Some(inner) => closing(inner).map(|at| at + 1),
        None => memchr::memchr(b';', value),
    };
    end.unwrap_or(value.len())
}

/// The readings of a value that is neither in pieces nor encoded.
fn plain(rest: &[u8]) -> Texts {
    let mut texts = Texts::default();
    let mut add = |one: &[u8]| texts.add(one.trim_ascii(), MIME_VALUES_MAX);
    let value = rest.trim_ascii_start();
    let value = behind_comments(value);
    if let Some(inner) = value.strip_prefix(b"\"") {
        quoted(inner, &mut add);
    } else {
        token(value, &mut add);
    }
    texts
}

fn quoted(inner: &[u8], add: &mut dyn FnMut(&[u8])) {
    let end = closing(inner);
    let (own, behind) = inner.split_at(end.unwrap_or(inner.len()));
    add(&unquoted(own));
    if own.contains(&b'\\') {
        add(own);
        add(&unescaped(own));
        // For those to whom a backslash says nothing the first quote is the end.
        add(until(own, b'"'));
    }
    let first = until(own, b';');
    let behind_it = own.get(first.len() + 1..).unwrap_or_default();
    // Some cut there all the same; with a blank behind it is one of a text: `Node.js; an introduction.pdf`.
    if own.len() > first.len() && (end.is_none() || behind_it.first() != Some(&b' ')) {
        add(first);
    }
    let tail = without_comments(until(behind.get(1..).unwrap_or_default(), b';'));
    let tail: Vec<u8> = tail.into_iter().filter(|b| *b != b'"').collect();
    if end.is_some() && !tail.trim_ascii().is_empty() {
        add(&[own, tail.as_slice()].concat());
    }
}

fn token(value: &[u8], add: &mut dyn FnMut(&[u8])) {
    let whole = until(value, b';').trim_ascii();
    let blank = |text: &[u8]| {
        let end = text.iter().position(u8::is_ascii_whitespace);
        text.get(..end.unwrap_or(text.len())).map(<[u8]>::to_vec)
    };
    let bare = without_comments(whole);
    add(whole);
    add(&bare);
    for text in [whole, bare.as_slice()] {
        add(&blank(text).unwrap_or_default());
    }
    if whole.contains(&b'"') {
        let open: Vec<u8> = whole.iter().copied().filter(|b| *b != b'"').collect();
        add(&open);
        // A quote in the middle may hold a semicolon.
        let all: Vec<u8> = value.iter().copied().filter(|b| *b != b'"').collect();
        add(&all);
    }
    if let Some(inner) = value.strip_prefix(b"'") {
        add(until(inner, b'\''));
    }
}

/// Pieces of a value (RFC 2231 section 3) put together in each way that is known, with the charset of the first.
fn joined(all: &[Found<'_>]) -> Vec<(Option<Vec<u8>>, Vec<u8>)> {
    let as_written: Vec<_> = all.iter().filter(|one| one.piece.is_some()).collect();
    if as_written.is_empty() {
        return Vec::new();
    }
    let mut sorted = as_written.clone();
    sorted.sort_by_key(|one| one.piece);
    let whole = sorted.iter().zip(0u32..);
    let whole = whole.take_while(|(one, n)| one.piece == Some(*n));
    let unbroken: Vec<_> = whole.map(|(one, _)| *one).collect();
    let mut first_of = sorted.clone();
    first_of.dedup_by_key(|one| one.piece);
    let mut last_of: Vec<_> = sorted.iter().rev().copied().collect();
    last_of.dedup_by_key(|one| one.piece);
    last_of.reverse();
    let mut ways: Vec<(Option<Vec<u8>>, Vec<u8>)> = Vec::new();
    for way in [unbroken, sorted, as_written, first_of, last_of] {
        let value = concat(&way);
        if !value.1.is_empty() && !ways.contains(&value) {
            ways.push(value);
        }
    }
    ways
}

fn concat(pieces: &[&Found<'_>]) -> (Option<Vec<u8>>, Vec<u8>) {
    let (mut charset, mut value) = (None, Vec::new());
    for (n, one) in pieces.iter().enumerate() {
        let text = unquoted_or_token(one.rest);
        if !one.encoded {
            value.extend_from_slice(&text);
            continue;
        }
        let mut text = text.as_slice();
        if n == 0 {
            (charset, text) = labelled(text);
        }
        value.extend(percent(text));
    }
    (charset, value)
}

/// The value as most read it.
fn unquoted_or_token(rest: &[u8]) -> Vec<u8> {
    let value = behind_comments(rest.trim_ascii_start());
    match value.strip_prefix(b"\"") {
        Some(inner) => unquoted(inner),
        None => until(value, b';').trim_ascii().to_vec(),
    }
}

/// In the charset that is named, and in none.
fn encoded(charset: Option<&[u8]>, value: &[u8], names: &mut Vec<String>) -> bool {
    let mut over = false;
    for text in readings_in(charset, value) {
        over |= add(text, names);
    }
    let known = charset.is_none_or(|charset| charset_decoder(charset).is_some());
    over |= !known && foreign::has_named(value);
    over | texts(value, names)
}

/// The readings of the octets of a name.
pub(super) fn texts(value: &[u8], names: &mut Vec<String>) -> bool {
    let mut over = add(unlabelled(value.to_vec()), names);
    if std::str::from_utf8(value).is_err() {
        // What is no letter in UTF-8 is left out by some.
        let lossy = String::from_utf8_lossy(value);
        over |= add(lossy.replace(char::REPLACEMENT_CHARACTER, ""), names);
    }
    if memchr::memmem::find(value, b"=?").is_some() {
        let text = String::from_utf8_lossy(value).into_owned();
        over |= add(encoded_word::decoded(&text), names);
        for read in foreign::EACH {
            over |= add(encoded_word::decoded_by(&text, read), names);
        }
        over |= add(text, names);
    }
    if value.contains(&b'%') {
        let open = percent(value);
        if open != value {
            over |= add(unlabelled(open), names);
        }
    }
    over
}

fn add(name: String, names: &mut Vec<String>) -> bool {
    if name.trim().is_empty() || names.contains(&name) {
        return false;
    }
    let octets: usize = names.iter().map(String::len).sum();
    let room = names.len() < MIME_NAMES_MAX && octets + name.len() <= MIME_NAMES_OCTETS_MAX;
    if room {
        names.push(name);
    }
    !room
}

/// `text/plain` however it is written: behind comments, in quotes, with blanks, without a semicolon behind it.
pub(super) fn first_word(head: &[u8]) -> Vec<u8> {
    let head = until(head, b';');
    let mut word = Vec::new();
    let mut bytes = head.trim_ascii().iter().filter(|b| **b != b'"').peekable();
    while let Some(byte) = bytes.next() {
        let slash = |b: Option<&&u8>| b.is_some_and(|b| **b == b'/');
        if byte.is_ascii_whitespace() {
            while bytes.next_if(|b| b.is_ascii_whitespace()).is_some() {}
            // Blanks around the slash are none of the word.
            if word.last() != Some(&b'/') && !slash(bytes.peek()) && !word.is_empty() {
                break;
            }
        } else if *byte == b',' {
            break;
        } else {
            word.push(byte.to_ascii_lowercase());
        }
    }
    word
}

/// Without comments, if there is one outside quotes.
pub(super) fn bare(field: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'(', field)?;
    let bare = without_comments(field);
    (bare.len() < field.len()).then_some(bare)
}

/// Without `(comments)` outside quotes; one that does not end is none. A backslash takes what follows its meaning.
pub(super) fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let (mut depth, mut begun, mut in_quotes, mut escaped) = (0, 0, false, false);
    for byte in text {
        if escaped {
            out.push(*byte);
            escaped = false;
            continue;
        }
        escaped = *byte == b'\\' && (in_quotes || depth > 0);
        if depth == 0 {
            begun = out.len();
            in_quotes ^= *byte == b'"';
        }
        out.push(*byte);
        match byte {
            b'(' if !in_quotes => depth += 1,
            b')' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    out.truncate(begun);
                }
            }
            _ => {}
        }
    }
    out
}

/// Behind the comments and blanks that a value begins with.
fn behind_comments(mut value: &[u8]) -> &[u8] {
    while let Some(inner) = value.strip_prefix(b"(") {
        let Some(end) = comment_end(inner) else {
            break;
        };
        value = inner.get(end..).unwrap_or_default().trim_ascii_start();
    }
    value
}

/// Comments nest (RFC 5322 section 3.2.2); `inner` is what follows the first parenthesis.
fn comment_end(inner: &[u8]) -> Option<usize> {
    let mut depth = 1;
    for (at, byte) in inner.iter().take(COMMENT_MAX).enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// Octets of a comment that is passed over, and of a parameter's name with comments behind it: a search through the whole
/// field for each of them would cost its square.
const COMMENT_MAX: usize = 200;
const NAME_MAX: usize = 300;

/// Where the quote stands that ends a quoted string.
fn closing(inner: &[u8]) -> Option<usize> {
    let mut escaped = false;
    inner.iter().position(|byte| {
        let is_end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        is_end
    })
}

/// Every backslash taken as a quoted-pair.
fn unescaped(inner: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let keep = |byte: &u8| {
        escaped = *byte == b'\\' && !escaped;
        !escaped
    };
    inner.iter().copied().filter(keep).collect()
}

fn until(text: &[u8], end: u8) -> &[u8] {
    let at = memchr::memchr(end, text).unwrap_or(text.len());
    text.get(..at).unwrap_or(text)
}
