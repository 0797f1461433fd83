//! What a part says of itself: Content-Type, Content-Disposition, Content-Transfer-Encoding (RFC 2045, RFC 2183).
//!
//! The first field of a kind says what is told to people; what cannot be read is plain text (RFC 2045 section 5.2).
//! Readers differ in what they make of fields that stand twice or are written in their own way: each of these readings
//! is kept beside it, so that nothing is found in one program that was not looked at here.
//! Not here: the readings of a single value (`readings`).

use super::name;
use super::parameter::Parameters;
use super::readings::{self, Texts};
use super::watch::Leaf;
use crate::base::limit::{MEDIA_TYPE_MAX, MIME_BOUNDARY_MAX, MIME_FIELDS_MAX};
use crate::mail::encoded_word;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, and what nobody knows.
    #[default]
    Plain,
    Base64,
    QuotedPrintable,
    /// Uuencode: lines with a file in them.
    Lines,
}

/// How a part may be gone into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// As a whole.
    Leaf,
    /// It is a mail.
    Mail,
    /// By a boundary; none: one that only its lines show.
    Multipart {
        boundary: Option<Vec<u8>>,
        digest: bool,
    },
}

/// One part.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// `type/subtype` in lower case.
    pub(super) declared: String,
    pub(super) name: Option<String>,
    /// Every name that it may have, as it came.
    pub(super) names: Vec<String>,
    /// Every type that it may be of; `declared` is the first.
    pub(super) types: Vec<String>,
    /// Every encoding that it may be in, the most probable one first.
    pub(super) encodings: Vec<Encoding>,
    /// Every way to go into it, the most probable one first.
    pub(super) openings: Vec<Opening>,
    /// An encoding that nobody knows.
    pub(super) unknown: Option<String>,
    /// Why what it says cannot be read in all ways.
    pub(super) over: Option<Over>,
    /// Not `inline`.
    apart: bool,
    /// The Content-Type field of a multipart, for when it is encoded as a whole.
    packed: Option<Vec<u8>>,
}

/// A bound of what a part says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Names,
    Boundary,
}

const TYPE: &[u8] = b"content-type";
const DISPOSITION: &[u8] = b"content-disposition";
const ENCODING: &[u8] = b"content-transfer-encoding";
/// A field of Netscape's that is a file name as a whole; Thunderbird takes it where there is no other.
const NAME: &[u8] = b"content-name";

/// Whether a header line begins a field that is read here.
pub(super) fn counts(line: &[u8]) -> bool {
    // Most lines end here.
    if !line.first().is_some_and(|b| b.eq_ignore_ascii_case(&b'c')) {
        return false;
    }
    let name = field_name(line);
    [TYPE, DISPOSITION, ENCODING, NAME]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether every reader takes a line for a field, or for the line that mailboxes put in front of a mail.
pub(super) fn is_field(line: &[u8]) -> bool {
    let colon = memchr::memchr(b':', line);
    let name = colon.and_then(|colon| line.get(..colon));
    let named = |name: &[u8]| !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    name.is_some_and(named) || line.starts_with(b"From ")
}

fn field_name(line: &[u8]) -> &[u8] {
    let colon = memchr::memchr(b':', line).unwrap_or_default();
    line.get(..colon).unwrap_or_default().trim_ascii_end()
}

impl Encoding {
    pub(super) fn is_plain(self) -> bool {
        self == Self::Plain
    }

    /// The word alone, as nearly every mail has it.
    fn exact(word: &str) -> Option<Self> {
        match word {
            "base64" => Some(Self::Base64),
            "quoted-printable" => Some(Self::QuotedPrintable),
            "x-uuencode" | "uuencode" | "x-uue" | "uue" => Some(Self::Lines),
            "7bit" | "8bit" | "binary" => Some(Self::Plain),
            _ => None,
        }
    }

    /// What is meant by a word with something around it.
    fn meant(squeezed: &str) -> Option<Self> {
        match squeezed {
            word if word.contains("base64") || word == "b64" => Some(Self::Base64),
            word if word.contains("quotedprint") || word == "qp" => Some(Self::QuotedPrintable),
            word if word.contains("uuencode") || word.ends_with("uue") => Some(Self::Lines),
            _ => None,
        }
    }
}

/// Words of programs that encode nothing, some of them charsets; letters and digits only.
fn is_identity(word: &str) -> bool {
    let known = [
        "", "7", "8", "bit7", "bit8", "none", "xnone", "unknown", "xunknown", "default",
        "identity", "plain", "text", "raw",
    ];
    let begins = [
        "7bit",
        "8bit",
        "16bit",
        "binary",
        "utf",
        "usascii",
        "ascii",
        "ansi",
        "iso8859",
        "windows",
        "cp125",
        "textplain",
    ];
    known.contains(&word) || begins.iter().any(|begin| word.starts_with(begin))
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
            name: None,
            names: Vec::new(),
            types: Vec::new(),
            encodings: Vec::new(),
            openings: Vec::new(),
            unknown: None,
            over: None,
            apart: false,
            packed: None,
        };
        let (mut types, mut dispositions, mut encodings) = (Vec::new(), Vec::new(), Vec::new());
        let mut named = Vec::new();
        for field in each_field(fields) {
            let own = field_name(&field.text);
            let of_kind = match own {
                own if own.eq_ignore_ascii_case(TYPE) => &mut types,
                own if own.eq_ignore_ascii_case(DISPOSITION) => &mut dispositions,
                own if own.eq_ignore_ascii_case(NAME) => &mut named,
                _ => &mut encodings,
            };
            if of_kind.len() >= MIME_FIELDS_MAX {
                part.over = Some(Over::Names);
                continue;
            }
            let field = field.value();
            // Some decode a whole field before they look for parameters.
            let decoded = field.decoded();
            of_kind.push(field);
            of_kind.extend(decoded);
        }
        part.first(types.first(), dispositions.first());
        part.encoded(&encodings);
        part.types(&types);
        part.names(&dispositions, &types);
        part.named(&named);
        if part.unknown.is_some() && !part.is_attachment() {
            // What is to be read is shown as it stands.
            part.unknown = None;
        }
        part
    }

    /// What is told to people, by the first fields.
    fn first(&mut self, of_type: Option<&Field>, disposition: Option<&Field>) {
        let mut named = None;
        if let Some(field) = of_type {
            let parameters = Parameters::read(&field.text);
            if let Some((kind, declared)) = declaration(parameters.head()) {
                (self.kind, self.declared) = (kind, declared);
            }
            named = parameters.text("name");
        }
        if let Some(field) = disposition {
            let parameters = Parameters::read(&field.text);
            let word = parameters.head();
            // RFC 2183 section 2.8: a word that nobody knows means attachment.
            self.apart = !word.is_empty() && !word.eq_ignore_ascii_case(b"inline");
            named = parameters.text("filename").or(named);
        }
        self.name = named.as_deref().and_then(name::of);
        self.names.extend(named);
    }

    /// Each field that says how it is encoded is tried. One that is written in its own way may be passed over too.
    fn encoded(&mut self, fields: &[Field]) {
        let mut unknown = None;
        for field in fields {
            let value = String::from_utf8_lossy(&field.text).to_ascii_lowercase();
            let value = value.trim();
            if let Some(known) = Encoding::exact(value) {
                push(&mut self.encodings, known);
                continue;
            }
            let plain = readings::without_comments(value.as_bytes());
            let mut squeezed = String::from_utf8_lossy(&plain).into_owned();
            squeezed.retain(|c| c.is_ascii_alphanumeric());
            if let Some(meant) = Encoding::meant(&squeezed) {
                push(&mut self.encodings, meant);
            } else if !is_identity(&squeezed) {
                unknown = Some(value.to_owned());
            }
            push(&mut self.encodings, Encoding::Plain);
        }
        if self.encodings.is_empty() {
            self.encodings.push(Encoding::Plain);
        }
        if self.encodings == [Encoding::Plain] {
            self.unknown = unknown;
        }
    }

    /// All types and all ways to go into it.
    fn types(&mut self, fields: &[Field]) {
        self.types.push(self.declared.clone());
        if fields.is_empty() {
            self.open(self.kind, &Texts::default());
        }
        for (n, field) in fields.iter().enumerate() {
            let boundaries = readings::boundaries(&field.text);
            let own = Parameters::read(&field.text);
            let head = readings::without_comments(&field.text);
            let lenient = readings::first_word(&head);
            let mut known = Vec::new();
            let first = declaration(own.head());
            // What the first field does not say in a readable way is what silence says.
            let first = first.or_else(|| (n == 0).then(|| (self.kind, self.declared.clone())));
            known.extend(first);
            known.extend(declaration(&lenient));
            if lenient.starts_with(b"multipart") && boundaries.is_some() {
                known.push((Kind::Multipart { digest: false }, MIXED.to_owned()));
            }
            for (kind, declared) in known {
                self.open(kind, &boundaries);
                if declared.starts_with("message/") && !REPORTS.contains(&declared.as_str()) {
                    // Some readers take any message for a mail.
                    push(&mut self.openings, Opening::Mail);
                }
                push(&mut self.types, declared);
            }
        }
        self.pack(fields);
    }

    fn open(&mut self, kind: Kind, boundaries: &Texts) {
        let openings = &mut self.openings;
        match kind {
            Kind::Text | Kind::Other => push(openings, Opening::Leaf),
            Kind::Mail => {
                let plain = self.encodings.iter().any(|own| own.is_plain());
                let encoded = self.encodings.iter().any(|own| !own.is_plain());
                // An encoding is forbidden here, and some readers pass over it (RFC 2046 section 5.2.1).
                if encoded {
                    push(openings, Opening::Leaf);
                }
                if plain || encoded {
                    push(openings, Opening::Mail);
                }
            }
            Kind::Multipart { digest } => {
                if boundaries.over
                    || boundaries
                        .all
                        .iter()
                        .any(|one| one.len() > MIME_BOUNDARY_MAX)
                {
                    self.over = Some(Over::Boundary);
                }
                for one in &boundaries.all {
                    if one.len() <= MIME_BOUNDARY_MAX {
                        let boundary = Some(one.clone());
                        push(openings, Opening::Multipart { boundary, digest });
                    }
                }
                if boundaries.all.is_empty() {
                    push(openings, Opening::Leaf);
                    let boundary = None;
                    push(openings, Opening::Multipart { boundary, digest });
                } else if openings.is_empty() {
                    push(openings, Opening::Leaf);
                }
            }
        }
    }

    /// A multipart may not be encoded (RFC 2045 section 6.4), and some readers decode it all the same.
    fn pack(&mut self, fields: &[Field]) {
        let is_open = |one: &Opening| matches!(one, Opening::Multipart { .. });
        let encoded = self.encodings.iter().any(|own| !own.is_plain());
        if encoded && self.openings.iter().any(is_open) {
            let mut fields = fields.iter().map(|field| &field.text);
            let meant = fields.find(|text| {
                let head = readings::without_comments(text);
                readings::first_word(&head).starts_with(b"multipart")
            });
            self.packed = meant.cloned();
            push(&mut self.openings, Opening::Leaf);
        }
    }

    fn names(&mut self, dispositions: &[Field], types: &[Field]) {
        for field in dispositions.iter().chain(types) {
            let bare = readings::bare(&field.text);
            let texts = [Some(&field.text), field.tight.as_ref(), bare.as_ref()];
            for text in texts.into_iter().flatten() {
                let over = readings::names(text, &mut self.names);
                if over {
                    self.over.get_or_insert(Over::Names);
                }
            }
        }
    }

    /// Fields of which the whole is a name, in quotes or not.
    fn named(&mut self, fields: &[Field]) {
        for field in fields {
            let value = field.text.trim_ascii();
            let inner = value.strip_prefix(b"\"").unwrap_or(value);
            let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
            for text in [value, inner] {
                if readings::texts(text, &mut self.names) {
                    self.over.get_or_insert(Over::Names);
                }
            }
        }
    }

    /// As it is told to who looks into it.
    pub(super) fn leaf(&self, lines: bool) -> Leaf {
        Leaf {
            names: self.names.clone(),
            types: self.types.clone(),
            lines,
            packed: self.packed.clone(),
            unknown: self.unknown.clone(),
        }
    }

    /// Whether it is more than text to read.
    pub(super) fn is_attachment(&self) -> bool {
        match self.kind {
            Kind::Multipart { .. } => false,
            Kind::Text => self.apart || self.name.is_some(),
            Kind::Mail | Kind::Other => true,
        }
    }

    /// Whether some reader may show it as more than that.
    pub(super) fn may_be_attachment(&self) -> bool {
        let is_text = |own: &String| own.starts_with("text/") || own.starts_with("multipart/");
        match self.kind {
            Kind::Multipart { .. } => self.types.iter().any(|own| !is_text(own)),
            Kind::Text | Kind::Mail | Kind::Other => {
                self.is_attachment()
                    || !self.names.is_empty()
                    || self.types.iter().any(|own| !is_text(own))
            }
        }
    }
}

/// Messages that are no mails to anybody.
const REPORTS: &[&str] = &[
    "message/delivery-status",
    "message/disposition-notification",
    "message/external-body",
    "message/feedback-report",
    "message/global-delivery-status",
    "message/global-disposition-notification",
    "message/partial",
];
const MIXED: &str = "multipart/mixed";

/// `type/subtype` in lower case, and what that is.
fn declaration(head: &[u8]) -> Option<(Kind, String)> {
    let word = |b: &u8| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(b);
    let mut halves = head.splitn(2, |b| *b == b'/').map(<[u8]>::trim_ascii);
    let (main, sub) = (halves.next()?, halves.next()?);
    let good = !main.is_empty() && !sub.is_empty() && main.iter().chain(sub).all(word);
    if !good || main.len() + sub.len() >= MEDIA_TYPE_MAX {
        return None;
    }
    let text = [main, b"/", sub].concat().to_ascii_lowercase();
    let declared = String::from_utf8_lossy(&text).into_owned();
    let kind = match declared.split_once('/') {
        Some(("text", _)) => Kind::Text,
        Some(("multipart", sub)) => Kind::Multipart {
            digest: sub == "digest",
        },
        Some(("message", "rfc822" | "global" | "news")) => Kind::Mail,
        Some(_) | None => Kind::Other,
    };
    Some((kind, declared))
}

fn push<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// A field without its folds (RFC 5322 section 2.2.3); then its value.
#[derive(Debug)]
struct Field {
    text: Vec<u8>,
    /// If a fold stood in quotes: without the blanks that the fold began with.
    tight: Option<Vec<u8>>,
}

impl Field {
    /// With its encoded words as they are meant, if it has any.
    fn decoded(&self) -> Option<Self> {
        memchr::memmem::find(&self.text, b"=?")?;
        let text = String::from_utf8_lossy(&self.text);
        let text = encoded_word::decoded(&text).into_bytes();
        Some(Self { text, tight: None })
    }

    fn value(mut self) -> Self {
        for text in [Some(&mut self.text), self.tight.as_mut()]
            .into_iter()
            .flatten()
        {
            let colon = memchr::memchr(b':', text).map_or(text.len(), |at| at + 1);
            text.drain(..colon);
        }
        self
    }
}

fn each_field(fields: &[u8]) -> impl Iterator<Item = Field> + '_ {
    let mut lines = fields.split(|b| *b == b'\n').peekable();
    std::iter::from_fn(move || {
        let mut text = lines.next().filter(|line| !line.is_empty())?.to_vec();
        let mut tight: Option<Vec<u8>> = None;
        let (mut quotes, mut counted) = (0, 0);
        while let Some(fold) = lines.next_if(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
            let new = text.get(counted..).unwrap_or_default();
            quotes += new.iter().filter(|b| **b == b'"').count();
            counted = text.len();
            if quotes % 2 == 1 || tight.is_some() {
                let tight = tight.get_or_insert_with(|| text.clone());
                tight.extend_from_slice(fold.trim_ascii_start());
            }
            text.extend_from_slice(fold);
        }
        Some(Field { text, tight })
    })
}
