//! Parameters of a field: `; name=value`, quoted, with charset and in pieces (RFC 2045 section 5.1, RFC 2231).
//!
//! Read as leniently as mail programs do, so that a rule sees the name that a reader sees: values may be unquoted with
//! blanks in them, and a backslash counts only before a quote or a backslash, because paths come unescaped.
//! This is the one reading that people are told; every other one is in `readings`.
//! Not here: what is left of a name that is shown (`name`).

use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;
use memchr::memchr;

/// The word in front, and the parameters.
#[derive(Debug, Default)]
pub(super) struct Parameters<'a> {
    head: &'a [u8],
    all: Vec<Parameter>,
}

/// `name*2*=value`
#[derive(Debug)]
struct Parameter {
    name: String,
    /// Which piece; none: the value is whole.
    piece: Option<u16>,
    /// Per cent and charset (RFC 2231 section 4).
    encoded: bool,
    quoted: bool,
    value: Vec<u8>,
}

impl<'a> Parameters<'a> {
    pub(super) fn read(text: &'a [u8]) -> Self {
        let mut pieces = pieces(text);
        let head = pieces.next().unwrap_or_default();
        // A comment behind the word says nothing.
        let head = head.split(|b| *b == b'(').next().unwrap_or_default();
        Self {
            head: head.trim_ascii(),
            all: pieces.filter_map(Parameter::read).collect(),
        }
    }

    pub(super) fn head(&self) -> &'a [u8] {
        self.head
    }

    /// A boundary has no blank at its end, and unquoted none at all.
    pub(super) fn boundary(&self) -> Option<Vec<u8>> {
        let quoted = self.whole("boundary").is_none_or(|own| own.quoted);
        let (value, _) = self.octets("boundary")?;
        let value = value.trim_ascii_end();
        let end = value
            .iter()
            .position(|b| !quoted && matches!(b, b' ' | b'\t'));
        let value = value.get(..end.unwrap_or(value.len()))?;
        Some(value.to_vec())
    }

    /// A value as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let (value, charset) = self.octets(name)?;
        Some(match charset.as_deref().and_then(charset_decoder) {
            Some(decode) => decode(&value),
            None => unlabelled(value),
        })
    }

    fn whole(&self, name: &str) -> Option<&Parameter> {
        self.all
            .iter()
            .find(|own| own.name == name && own.piece.is_none() && !own.encoded)
    }

    /// What RFC 2231 says of it, else the plain one.
    fn octets(&self, name: &str) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let own = || self.all.iter().filter(|own| own.name == name);
        if let Some(whole) = own().find(|own| own.piece.is_none() && own.encoded) {
            let (charset, value) = labelled(&whole.value);
            return Some((percent(value), charset));
        }
        let mut pieces: Vec<_> = own().filter(|own| own.piece.is_some()).collect();
        pieces.sort_by_key(|own| own.piece);
        // One that is missing ends it: what follows could be anything.
        let pieces = pieces
            .into_iter()
            .zip(0u16..)
            .take_while(|(own, n)| own.piece == Some(*n));
        let (mut value, mut charset) = (Vec::new(), None);
        for (own, n) in pieces {
            let mut text = own.value.as_slice();
            if own.encoded && n == 0 {
                (charset, text) = labelled(text);
            }
            if own.encoded {
                value.extend(percent(text));
            } else {
                value.extend_from_slice(text);
            }
        }
        if value.is_empty() {
            return Some((self.whole(name)?.value.clone(), None));
        }
        Some((value, charset))
    }
}

impl Parameter {
    fn read(text: &[u8]) -> Option<Self> {
        let (name, value) = text.split_at(memchr(b'=', text)?);
        let value = value.get(1..)?.trim_ascii();
        let (value, quoted) = match value.strip_prefix(b"\"") {
            Some(inner) => (unquoted(inner), true),
            None => (value.to_vec(), false),
        };
        let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
        let (name, encoded) = match name.strip_suffix('*') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        let (name, piece) = match name.split_once('*') {
            Some((name, piece)) => (name, Some(piece.parse().ok()?)),
            None => (name, None),
        };
        Some(Self {
            name: name.to_owned(),
            piece,
            encoded,
            quoted,
            value,
        })
    }
}

/// What stands between semicolons that are not in quotes.
fn pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some(end) = piece_end(text) else {
            return Some(text);
        };
        rest = text.get(end + 1..);
        text.get(..end)
    })
}

fn piece_end(text: &[u8]) -> Option<usize> {
    let (mut open, mut escaped, mut before) = (false, false, b' ');
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = open,
            b'"' if open => open = false,
            // Elsewhere it is a letter like any other: `5" disk`.
            b'"' => open = before == b'=',
            b';' if !open => return Some(at),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = *byte;
        }
    }
    None
}

/// Up to the closing quote, backslashes taken as they are meant.
pub(super) fn unquoted(inner: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next_if(|next| matches!(next, b'"' | b'\\')) {
                Some(next) => value.push(*next),
                None => value.push(b'\\'),
            },
            b'"' => break,
            byte => value.push(*byte),
        }
    }
    value
}

/// `charset'language'value`
pub(super) fn labelled(text: &[u8]) -> (Option<Vec<u8>>, &[u8]) {
    let mut parts = text.splitn(3, |b| *b == b'\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_), Some(value)) => (Some(charset.to_vec()), value),
        _ => (None, text),
    }
}

pub(super) fn percent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let value = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match value.filter(|_| *byte == b'%') {
            Some(value) => {
                out.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    out
}

/// Octets without a charset: UTF-8, else Latin-1, and encoded words although RFC 2047 section 5 forbids them here.
pub(super) fn unlabelled(value: Vec<u8>) -> String {
    if memchr::memmem::find(&value, b"=?").is_some() {
        let line = [value.as_slice(), b"\n"].concat();
        let words = MessageStream::new(&line).parse_unstructured();
        if let Some(text) = words.as_text() {
            return text.to_owned();
        }
    }
    String::from_utf8(value).unwrap_or_else(|error| {
        error
            .as_bytes()
            .iter()
            .map(|byte| char::from(*byte))
            .collect()
    })
}
