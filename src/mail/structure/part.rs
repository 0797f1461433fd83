//! What a part says of itself: Content-Type, Content-Disposition, Content-Transfer-Encoding (RFC 2045, RFC 2183).
//!
//! Of each field the first counts. What cannot be read is what RFC 2045 section 5.2 says: plain text.

use super::name;
use super::parameter::Parameters;
use crate::base::limit::MEDIA_TYPE_MAX;

/// What kind of part it is, as far as the scan goes on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `text/*`, and what says nothing of itself.
    Text,
    /// Has parts.
    Multipart { digest: bool },
    /// Has a header and a body.
    Mail,
    /// Anything else.
    Other,
}

/// Content-Transfer-Encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, and what nobody knows.
    #[default]
    Plain,
    Base64,
    QuotedPrintable,
}

/// One part.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// `type/subtype` in lower case.
    pub(super) declared: String,
    pub(super) boundary: Option<Vec<u8>>,
    pub(super) name: Option<String>,
    pub(super) encoding: Encoding,
    /// Not `inline`.
    apart: bool,
}

const TYPE: &[u8] = b"content-type";
const DISPOSITION: &[u8] = b"content-disposition";
const ENCODING: &[u8] = b"content-transfer-encoding";

/// Whether a header line begins a field that is read here.
pub(super) fn counts(line: &[u8]) -> bool {
    // Most lines end here.
    if !line.first().is_some_and(|b| b.eq_ignore_ascii_case(&b'c')) {
        return false;
    }
    let name = field_name(line);
    [TYPE, DISPOSITION, ENCODING]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn field_name(line: &[u8]) -> &[u8] {
    let colon = memchr::memchr(b':', line).unwrap_or_default();
    line.get(..colon).unwrap_or_default().trim_ascii_end()
}

impl Encoding {
    pub(super) fn is_plain(self) -> bool {
        self == Self::Plain
    }

    fn of(value: &[u8]) -> Self {
        let word = value.trim_ascii();
        let word = word.split(|b| matches!(b, b' ' | b';' | b'(')).next();
        match word.unwrap_or_default() {
            word if word.eq_ignore_ascii_case(b"base64") => Self::Base64,
            word if word.eq_ignore_ascii_case(b"quoted-printable") => Self::QuotedPrintable,
            _ => Self::Plain,
        }
    }
}

impl Part {
    /// Reads fields that `counts` let through, each line ended by LF. `usual` is what is meant by silence.
    pub(super) fn read(fields: &[u8], usual: Kind) -> Self {
        let silent = if usual == Kind::Mail {
            "message/rfc822"
        } else {
            "text/plain"
        };
        let mut part = Self {
            kind: usual,
            declared: silent.to_owned(),
            boundary: None,
            name: None,
            encoding: Encoding::Plain,
            apart: false,
        };
        if fields.is_empty() {
            return part;
        }
        let find = |wanted: &[u8]| {
            each_field(fields).find(|field| field_name(field).eq_ignore_ascii_case(wanted))
        };
        let value = |field: &Vec<u8>| {
            let colon = memchr::memchr(b':', field).map_or(field.len(), |at| at + 1);
            field.get(colon..).unwrap_or_default().to_vec()
        };
        let (of_type, disposition) = (find(TYPE), find(DISPOSITION));
        let of_type = of_type.as_ref().map(value);
        let disposition = disposition.as_ref().map(value);
        let mut named = None;
        if let Some(text) = &of_type {
            let parameters = Parameters::read(text);
            part.declare(parameters.head());
            part.boundary = parameters.boundary();
            named = parameters.text("name");
        }
        if let Some(text) = &disposition {
            let parameters = Parameters::read(text);
            let word = parameters.head();
            // RFC 2183 section 2.8: a word that nobody knows means attachment.
            part.apart = !word.is_empty() && !word.eq_ignore_ascii_case(b"inline");
            named = parameters.text("filename").or(named);
        }
        part.name = named.and_then(|raw| name::of(&raw));
        part.encoding =
            find(ENCODING).map_or(Encoding::Plain, |field| Encoding::of(&value(&field)));
        part
    }

    /// Every file name in fields that `counts` let through: mail programs differ in which of them they show.
    pub(super) fn names(fields: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        for field in each_field(fields) {
            let own = field_name(&field);
            let wanted = match own {
                own if own.eq_ignore_ascii_case(TYPE) => "name",
                own if own.eq_ignore_ascii_case(DISPOSITION) => "filename",
                _ => continue,
            };
            let colon = memchr::memchr(b':', &field).map_or(field.len(), |at| at + 1);
            let value = field.get(colon..).unwrap_or_default();
            for name in Parameters::read(value).texts(wanted) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        // The one that most show stands first.
        names.reverse();
        names
    }

    /// Whether it is more than text to read.
    pub(super) fn is_attachment(&self) -> bool {
        match self.kind {
            Kind::Multipart { .. } => false,
            Kind::Text => self.apart || self.name.is_some(),
            Kind::Mail | Kind::Other => true,
        }
    }

    fn declare(&mut self, head: &[u8]) {
        let word = |b: &u8| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(b);
        let mut halves = head.splitn(2, |b| *b == b'/').map(<[u8]>::trim_ascii);
        let (Some(main), Some(sub)) = (halves.next(), halves.next()) else {
            return;
        };
        let good = !main.is_empty() && !sub.is_empty() && main.iter().chain(sub).all(word);
        if !good || main.len() + sub.len() >= MEDIA_TYPE_MAX {
            return;
        }
        let text = [main, b"/", sub].concat().to_ascii_lowercase();
        self.declared = String::from_utf8_lossy(&text).into_owned();
        self.kind = match self.declared.split_once('/') {
            Some(("text", _)) => Kind::Text,
            Some(("multipart", sub)) => Kind::Multipart {
                digest: sub == "digest",
            },
            Some(("message", "rfc822" | "global" | "news")) => Kind::Mail,
            Some(_) | None => Kind::Other,
        };
    }
}

/// Fields without their folds (RFC 5322 section 2.2.3).
fn each_field(fields: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let mut lines = fields.split(|b| *b == b'\n').peekable();
    std::iter::from_fn(move || {
        let mut field = lines.next().filter(|line| !line.is_empty())?.to_vec();
        while let Some(fold) = lines.next_if(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
            field.extend_from_slice(fold);
        }
        Some(field)
    })
}
