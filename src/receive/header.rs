//! The header section of a mail that arrives: kept whole up to its empty line, looked at, and edited.
//!
//! Only whole fields are added or taken away; every other octet stays as it came, or signatures would break. A line
//! that is no field ends the section too, and then an empty line is put before it, because a trace field that is
//! prepended later would make a header of the body otherwise. Memory above `HEADER_FREE` comes from a shared budget.
//! Not here: what follows the section (`text`), and what its fields mean for policy (`judge`).

use std::ops::Range;

use memchr::memchr;

use super::budget::{Budget, Loan};
use crate::base::clock::Wall;
use crate::base::limit::{HEADER_FREE, HEADER_MAX};
use crate::mail::date;
use crate::mail::results::claims;
use crate::queue::Source;

/// A section that is still arriving.
#[derive(Debug, Default)]
pub(super) struct Gather {
    bytes: Vec<u8>,
    line_start: usize,
    loan: Option<Loan>,
}

/// A complete section: fields, each with its CRLF, and no empty line.
#[derive(Debug)]
pub(super) struct Header {
    bytes: Vec<u8>,
    /// What already belongs to the body: the line that was no field.
    spilled: Vec<u8>,
    /// The empty line came, or something follows that needs one.
    separated: bool,
    _loan: Option<Loan>,
}

/// Which fields are ours alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ours {
    /// Authentication-Results with our name: whoever is behind us believes it, whether a scanner of ours writes one or not
    /// (RFC 8601 section 5).
    pub(super) results: bool,
    /// X-Spam-*
    pub(super) spam: bool,
    /// X-Virus-Scanned.
    pub(super) virus: bool,
}

/// Why a section cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// 552 5.3.4
    TooLong,
    /// 452 4.3.1
    NoMemory,
}

/// What one push led to.
#[derive(Debug)]
pub(super) enum Gathered {
    /// More is to come.
    More(Gather),
    /// The section is complete; so many octets of the push were used.
    Done(Header, usize),
}

/// A whole mail of a program, completed as a submission server does (`Header::complete`). `content` has CRLF line ends.
///
/// None: its header section is longer than `HEADER_MAX`.
pub fn completed(content: &[u8], id: &str, hostname: &str, now: Wall) -> Option<Vec<u8>> {
    let gathered = Gather::default().push(content, &Budget::new(), &Source::Own);
    let (mut header, used) = match gathered.ok()? {
        Gathered::Done(header, used) => (header, used),
        Gathered::More(gather) => (gather.finish(), content.len()),
    };
    header.complete(id, hostname, now);
    let mut whole = header.into_stored();
    whole.extend_from_slice(content.get(used..).unwrap_or_default());
    Some(whole)
}

impl Gather {
    /// Adds decoded text.
    pub(super) fn push(
        mut self,
        text: &[u8],
        budget: &Budget,
        source: &Source,
    ) -> Result<Gathered, HeaderFault> {
        let mut used = 0;
        while let Some(rest) = text.get(used..).filter(|rest| !rest.is_empty()) {
            let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let part = rest.get(..end).unwrap_or_default();
            self.grow(part, budget, source)?;
            used += end;
            if !part.ends_with(b"\n") {
                break;
            }
            match line_kind(self.bytes.get(self.line_start..).unwrap_or_default()) {
                LineKind::Empty => {
                    self.bytes.truncate(self.line_start);
                    return Ok(Gathered::Done(self.done(Vec::new(), true), used));
                }
                LineKind::Fold if self.line_start > 0 => {}
                LineKind::Field => {}
                LineKind::Fold | LineKind::Text => {
                    let spilled = self.bytes.split_off(self.line_start);
                    return Ok(Gathered::Done(self.done(spilled, true), used));
                }
            }
            self.line_start = self.bytes.len();
        }
        Ok(Gathered::More(self))
    }

    /// The mail ended inside the section.
    pub(super) fn finish(mut self) -> Header {
        let rest = self.bytes.split_off(self.line_start);
        debug_assert!(rest.is_empty(), "a decoded mail ends with CRLF");
        let separated = !rest.is_empty();
        self.done(rest, separated)
    }

    fn done(self, spilled: Vec<u8>, separated: bool) -> Header {
        Header {
            bytes: self.bytes,
            spilled,
            separated,
            _loan: self.loan,
        }
    }

    fn grow(&mut self, part: &[u8], budget: &Budget, source: &Source) -> Result<(), HeaderFault> {
        let len = self.bytes.len() + part.len();
        if len > HEADER_MAX {
            return Err(HeaderFault::TooLong);
        }
        if len > HEADER_FREE && self.loan.is_none() {
            self.loan = Some(budget.borrow(source).ok_or(HeaderFault::NoMemory)?);
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }
}

impl Header {
    /// What a submission server adds and takes away (RFC 6409 section 8): missing Date and Message-ID come, Bcc goes.
    pub(super) fn complete(&mut self, id: &str, hostname: &str, now: Wall) {
        self.remove(&[b"bcc", b"resent-bcc"]);
        if !self.has(b"date") {
            let field = format!("Date: {}\r\n", date::rfc5322(now));
            self.bytes.extend_from_slice(field.as_bytes());
        }
        if !self.has(b"message-id") {
            let field = format!("Message-ID: <{id}@{hostname}>\r\n");
            self.bytes.extend_from_slice(field.as_bytes());
        }
    }

    /// Takes away what claims to come from us and what only our scanners may say: whole fields, nothing else.
    pub(super) fn disown(&mut self, ours: &Ours, hostname: &str) {
        self.remove_if(|name, value| {
            let name = name.to_ascii_lowercase();
            let spam = || name == b"x-spam" || name.starts_with(b"x-spam-");
            ours.virus && name == b"x-virus-scanned"
                || ours.spam && spam()
                || ours.results && name == b"authentication-results" && claims(value, hostname)
        });
    }

    /// The fields.
    pub(super) fn fields(&self) -> &[u8] {
        &self.bytes
    }

    /// The section as it is stored: fields, empty line, and what was taken for a field before.
    pub(super) fn into_stored(mut self) -> Vec<u8> {
        if self.separated {
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.bytes.append(&mut self.spilled);
        self.bytes
    }

    fn has(&self, name: &[u8]) -> bool {
        ranges(&self.bytes).any(|range| is_named(self.bytes.get(range), name))
    }

    fn remove(&mut self, names: &[&[u8]]) {
        self.remove_if(|name, _| names.iter().any(|other| name.eq_ignore_ascii_case(other)));
    }

    /// Removes the fields of whose name and value this is true.
    fn remove_if(&mut self, gone: impl Fn(&[u8], &[u8]) -> bool) {
        let mut kept = Vec::new();
        let mut found = false;
        for range in ranges(&self.bytes) {
            let field = self.bytes.get(range).unwrap_or_default();
            let colon = memchr(b':', field).unwrap_or(field.len());
            let (name, value) = field.split_at(colon);
            if gone(name.trim_ascii_end(), value.get(1..).unwrap_or_default()) {
                found = true;
            } else {
                kept.extend_from_slice(field);
            }
        }
        if found {
            self.bytes = kept;
        }
    }
}

enum LineKind {
    Empty,
    Fold,
    Field,
    Text,
}

fn line_kind(line: &[u8]) -> LineKind {
    match line.first() {
        Some(b' ' | b'\t') => LineKind::Fold,
        Some(b'\r') if line == b"\r\n" => LineKind::Empty,
        Some(_) | None => {
            // RFC 5322 section 3.6.8: printable US-ASCII but the colon. A space before the colon is obsolete and read.
            let name = memchr(b':', line).and_then(|at| line.get(..at));
            let good = name
                .map(<[u8]>::trim_ascii_end)
                .is_some_and(|name| !name.is_empty() && name.iter().all(u8::is_ascii_graphic));
            if good {
                LineKind::Field
            } else {
                LineKind::Text
            }
        }
    }
}

fn is_named(field: Option<&[u8]>, name: &[u8]) -> bool {
    let field = field.unwrap_or_default();
    memchr(b':', field)
        .and_then(|at| field.get(..at))
        .is_some_and(|found| found.trim_ascii_end().eq_ignore_ascii_case(name))
}

/// Where each field begins and ends, folds included.
fn ranges(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        loop {
            let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
            at += memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            if !matches!(bytes.get(at), Some(b' ' | b'\t')) {
                return Some(start..at);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The section, and the octets behind it, when the text comes in pieces of `size`.
    fn gathered(text: &[u8], size: usize) -> (Header, Vec<u8>) {
        let budget = Budget::new();
        let mut gather = Gather::default();
        let mut at = 0;
        for piece in text.chunks(size) {
            match gather.push(piece, &budget, &Source::Own).unwrap() {
                Gathered::More(more) => gather = more,
                Gathered::Done(header, used) => return (header, text[at + used..].to_vec()),
            }
            at += piece.len();
        }
        (gather.finish(), Vec::new())
    }

    fn stored(text: &[u8]) -> Vec<u8> {
        let (header, rest) = gathered(text, 1_000);
        let mut all = header.into_stored();
        all.extend_from_slice(&rest);
        all
    }

    #[test]
    fn octets_stay_as_they_came() {
        for text in [
            &b"Subject: a\r\n b\r\nX-Y : z\r\n\r\nbody: text\r\n"[..],
            b"\r\nbody\r\n",
            b"Subject: a\r\n",
            b"Subject: a\r\n\r\n",
            b"",
        ] {
            for size in [1, 2, 3, 1_000] {
                let (header, rest) = gathered(text, size);
                let mut all = header.into_stored();
                all.extend_from_slice(&rest);
                assert_eq!(all, text, "case: {size} {}", String::from_utf8_lossy(text));
            }
        }
    }

    #[test]
    fn a_line_that_is_no_field_ends_the_section() {
        assert_eq!(
            stored(b"Subject: a\r\nhello you\r\nb: c\r\n"),
            b"Subject: a\r\n\r\nhello you\r\nb: c\r\n"
        );
        assert_eq!(stored(b"hello\r\n"), b"\r\nhello\r\n");
        assert_eq!(stored(b" folded first\r\n"), b"\r\n folded first\r\n");
    }

    #[test]
    fn a_submitted_mail_gets_what_is_missing_and_loses_blind_copies() {
        let (mut header, _) = gathered(
            b"BCC: a@b.example,\r\n c@d.example\r\nSubject: x\r\nResent-Bcc: e@f.example\r\n\r\nBcc: stays\r\n",
            1_000,
        );
        header.complete("0643E1B2A90C7701", "mail.example.org", Wall(0));
        let text = String::from_utf8(header.into_stored()).unwrap();
        assert!(text.starts_with("Subject: x\r\nDate: "), "got {text}");
        assert!(text.ends_with("\r\nMessage-ID: <0643E1B2A90C7701@mail.example.org>\r\n\r\n"));
    }

    /// Fields of others that stay, and those that claim to be ours.
    const THEIRS: [&str; 7] = [
        "Received: from x\r\n\tby mx.example.org\r\n",
        "Authentication-Results: other.example; spf=pass\r\n smtp.mailfrom=mx.example.org\r\n",
        "X-Spamd-Result: mine\r\n",
        "X-Spammer: no\r\n",
        "Subject: X-Spam-Flag: YES\r\n",
        "Subject:\r\n X-Spam-Flag: YES\r\n\tAuthentication-Results: mx.example.org\r\n",
        "ARC-Authentication-Results: i=1; mx.example.org; spf=pass\r\n",
    ];
    const CLAIMED: [&str; 7] = [
        "Authentication-Results: mx.example.org; spf=pass\r\n",
        "AUTHENTICATION-RESULTS :\r\n\t(x) \"MX.example.org\" 1\r\n ; dmarc=pass\r\n",
        "X-Spam-Flag: NO\r\n",
        "x-spam-STATUS \t: No,\r\n score=-100\r\n",
        "X-Spam: \r\n\tno\r\n",
        "X-Spam-: \r\n",
        "X-Virus-Scanned: clean\r\n",
    ];

    #[test]
    fn what_claims_to_be_ours_goes_and_everything_else_stays_as_it_came() {
        let both = Ours {
            results: true,
            spam: true,
            virus: true,
        };
        let mut random = fastrand::Rng::with_seed(4);
        for round in 0..2_000 {
            let (mut text, mut wanted) = (String::new(), String::new());
            for _ in 0..random.usize(0..12) {
                let n = random.usize(0..7);
                if random.bool() {
                    text.push_str(THEIRS[n]);
                    wanted.push_str(THEIRS[n]);
                } else {
                    text.push_str(CLAIMED[n]);
                }
            }
            text.push_str("\r\nX-Spam-Flag: a body\r\n");
            wanted.push_str("\r\nX-Spam-Flag: a body\r\n");
            let (mut header, rest) = gathered(text.as_bytes(), random.usize(1..200));
            header.disown(&both, "mx.example.org");
            let mut all = header.into_stored();
            all.extend_from_slice(&rest);
            assert_eq!(
                String::from_utf8(all).unwrap(),
                wanted,
                "round {round}: {text}"
            );
        }
    }

    #[test]
    fn results_with_our_name_go_without_any_scanner() {
        let all = CLAIMED.concat();
        let (mut header, _) = gathered(all.as_bytes(), 1_000);
        let ours = Ours {
            results: true,
            ..Ours::default()
        };
        header.disown(&ours, "mx.example.org");
        assert_eq!(header.fields(), CLAIMED[2..].concat().as_bytes());
    }

    #[test]
    fn without_a_scanner_that_writes_them_nothing_goes() {
        let all = CLAIMED.concat();
        let (mut header, _) = gathered(all.as_bytes(), 1_000);
        header.disown(&Ours::default(), "mx.example.org");
        assert_eq!(header.fields(), all.as_bytes());
    }

    #[test]
    fn what_is_there_is_not_added_again() {
        let fields = b"date: x\r\nMESSAGE-ID:\r\n <a@b>\r\n";
        let (mut header, _) = gathered(fields, 1_000);
        header.complete("1", "h", Wall(0));
        assert_eq!(header.fields(), fields);
    }

    #[test]
    fn a_long_section_borrows_and_a_longer_one_is_refused() {
        let budget = Budget::new();
        let before = budget.left();
        let line = [b"X: ", [b'a'; 995].as_slice(), b"\r\n"].concat();
        let mut gather = Gather::default();
        let mut fault = None;
        for n in 0..HEADER_MAX / line.len() + 2 {
            if n == HEADER_FREE / line.len() + 1 {
                assert!(budget.left() < before);
            }
            match gather.push(&line, &budget, &Source::Own) {
                Ok(Gathered::More(more)) => gather = more,
                Ok(Gathered::Done(..)) => panic!("no empty line came"),
                Err(found) => {
                    fault = Some(found);
                    break;
                }
            }
        }
        assert_eq!(fault, Some(HeaderFault::TooLong));
        assert_eq!(budget.left(), before);
    }
}
