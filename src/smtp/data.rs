//! Mail text as it comes behind DATA or in BDAT chunks, decoded without a copy and at any chunking.
//!
//! Only CRLF.CRLF ends DATA, the first line counts as standing behind a CRLF, and exactly one dot is taken off a line
//! that starts with one (RFC 5321 section 4.5.2). A lone CR or LF, or a NUL, is never passed on: the mail is refused,
//! or the line end becomes CRLF and the NUL is dropped. Everything else is how mails are smuggled (CVE-2023-51764).
//! After a fault the text is still read to its end, so that the dialog stays in step.
//! Not here: what the text says, and who reads it from the socket.

use memchr::memchr3;

/// What a lone CR, a lone LF or a NUL does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// The mail is refused.
    Refuse,
    /// It becomes CRLF; a NUL is dropped.
    Normalise,
}

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// With the number of the line.
    #[error("line {0} has a CR without LF; end lines with CRLF")]
    BareCr(u64),
    /// With the number of the line.
    #[error("line {0} ends with LF alone; end lines with CRLF")]
    BareLf(u64),
    /// With the number of the line.
    #[error("line {0} has a NUL octet; encode binary parts in base64")]
    Nul(u64),
    /// Above the bound.
    #[error("the mail is larger than this server takes")]
    TooLarge,
}

/// Decodes one mail.
#[derive(Debug)]
pub struct Decoder {
    bare: Bare,
    /// Whether dots mean something: DATA yes, BDAT no.
    dots: bool,
    place: Place,
    line: u64,
    octets: u64,
    octets_max: u64,
    seen: u64,
    fault: Option<TextFault>,
}

/// One piece of decoded text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// To be kept. Empty after a fault.
    pub text: &'a [u8],
    /// Octets of the input that are done with.
    pub used: usize,
    /// The input holds the end of data, and nothing behind `used` belongs to the mail.
    pub end: bool,
}

/// Where the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind CRLF.
    LineStart,
    Inside,
    /// Behind a CR that was not passed on yet.
    Cr,
    /// Behind a dot at the start of a line.
    Dot,
    /// Behind that dot and a CR.
    DotCr,
}

const CRLF: &[u8] = b"\r\n";

impl Decoder {
    /// For DATA.
    pub fn dotted(bare: Bare, octets_max: u64) -> Self {
        Self {
            bare,
            dots: true,
            place: Place::LineStart,
            line: 1,
            octets: 0,
            octets_max,
            seen: 0,
            fault: None,
        }
    }

    /// For BDAT; one for all chunks of a mail.
    pub fn chunked(bare: Bare, octets_max: u64) -> Self {
        Self {
            dots: false,
            ..Self::dotted(bare, octets_max)
        }
    }

    /// Takes what it can from the front of `input`. Call it again with the rest until that is empty or `end`.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Piece<'a> {
        let mut piece = self.step(input);
        self.seen += octets(piece.used);
        self.octets += octets(piece.text.len());
        if self.octets > self.octets_max {
            self.fault.get_or_insert(TextFault::TooLarge);
        }
        if self.fault.is_some() {
            piece.text = &[];
        }
        piece
    }

    /// The last chunk was read: what is still owed. A text that does not end with CRLF gets one, because DATA could
    /// not carry it to the next hop otherwise.
    pub fn finish_chunks(&mut self) -> &'static [u8] {
        let owed: &'static [u8] = match self.place {
            Place::Cr => {
                self.lone(TextFault::BareCr(self.line));
                CRLF
            }
            Place::Inside => CRLF,
            Place::LineStart | Place::Dot | Place::DotCr => &[],
        };
        self.place = Place::LineStart;
        if self.fault.is_some() { &[] } else { owed }
    }

    /// Why the mail must be refused, if it must.
    pub fn fault(&self) -> Option<TextFault> {
        self.fault
    }

    /// Octets read, dots and faults included.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    fn step<'a>(&mut self, input: &'a [u8]) -> Piece<'a> {
        let Some(&first) = input.first() else {
            return piece(&[], 0);
        };
        match self.place {
            Place::Cr => self.behind_cr(first),
            Place::Dot if first == b'\r' => {
                self.place = Place::DotCr;
                piece(&[], 1)
            }
            Place::Dot => {
                self.place = Place::Inside;
                self.run(input)
            }
            Place::DotCr if first == b'\n' => Piece {
                end: true,
                ..piece(&[], 1)
            },
            // The line is `.` and a lone CR; the dot was a stuffed one.
            Place::DotCr => self.behind_cr(first),
            Place::LineStart if first == b'.' && self.dots => {
                self.place = Place::Dot;
                piece(&[], 1)
            }
            Place::LineStart | Place::Inside => self.run(input),
        }
    }

    fn behind_cr<'a>(&mut self, first: u8) -> Piece<'a> {
        if first == b'\n' {
            self.place = Place::LineStart;
            self.line += 1;
            return piece(CRLF, 1);
        }
        self.place = Place::Inside;
        self.lone(TextFault::BareCr(self.line));
        piece(CRLF, 0)
    }

    /// The longest text that can be passed on as it stands.
    fn run<'a>(&mut self, input: &'a [u8]) -> Piece<'a> {
        let mut from = 0;
        loop {
            let rest = input.get(from..).unwrap_or_default();
            let Some(at) = memchr3(b'\r', b'\n', 0, rest).map(|at| from + at) else {
                if !rest.is_empty() {
                    self.place = Place::Inside;
                }
                return piece(input, input.len());
            };
            let next = input.get(at + 1).copied();
            match (input.get(at), next) {
                (Some(b'\r'), Some(b'\n')) => {
                    self.line += 1;
                    self.place = Place::LineStart;
                    from = at + 2;
                    if self.dots && input.get(from) == Some(&b'.') {
                        return piece(input.get(..from).unwrap_or_default(), from);
                    }
                }
                (Some(b'\r'), _) => {
                    self.place = Place::Cr;
                    return piece(input.get(..at).unwrap_or_default(), at + 1);
                }
                // The lone octet is looked at again when what stands before it was passed on.
                _ if at > 0 => {
                    self.place = Place::Inside;
                    return piece(input.get(..at).unwrap_or_default(), at);
                }
                (Some(b'\n'), _) => {
                    self.place = Place::Inside;
                    self.lone(TextFault::BareLf(self.line));
                    return piece(CRLF, 1);
                }
                _ => {
                    self.place = Place::Inside;
                    self.lone(TextFault::Nul(self.line));
                    return piece(&[], 1);
                }
            }
        }
    }

    fn lone(&mut self, fault: TextFault) {
        match self.bare {
            Bare::Refuse => {
                self.fault.get_or_insert(fault);
            }
            // Behind a line end that only we see, a dot is a dot: the client did not stuff it.
            Bare::Normalise => self.line += 1,
        }
    }
}

const fn piece(text: &[u8], used: usize) -> Piece<'_> {
    Piece {
        text,
        used,
        end: false,
    }
}

fn octets(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The same, slow and obviously right: what tests and the fuzzer compare with.
///
/// `None`: the end has not come. Else the text, or why it is refused, and the octets up to the end.
#[doc(hidden)]
pub fn reference(input: &[u8], bare: Bare) -> Option<(Result<Vec<u8>, ()>, usize)> {
    let mut with_start = CRLF.to_vec();
    with_start.extend_from_slice(input);
    let end = with_start.windows(5).position(|w| w == b"\r\n.\r\n")?;
    let raw = with_start.get(2..end + 2).unwrap_or_default();
    let (mut out, mut lone, mut start, mut i) = (Vec::new(), false, true, 0);
    while let Some(&b) = raw.get(i) {
        match (b, raw.get(i + 1)) {
            (b'\r', Some(b'\n')) => {
                out.extend_from_slice(CRLF);
                start = true;
                i += 2;
                continue;
            }
            (b'\r' | b'\n', _) => {
                lone = true;
                out.extend_from_slice(CRLF);
            }
            (0, _) => lone = true,
            (b'.', _) if start => {}
            _ => out.push(b),
        }
        start = false;
        i += 1;
    }
    let text = if lone && bare == Bare::Refuse {
        Err(())
    } else {
        Ok(out)
    };
    Some((text, end + 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text and octets used up to the end, fed in pieces that `cut` chooses.
    fn decode(
        input: &[u8],
        bare: Bare,
        mut cut: impl FnMut() -> usize,
    ) -> Option<(Result<Vec<u8>, ()>, usize)> {
        let mut decoder = Decoder::dotted(bare, u64::MAX);
        let (mut out, mut at) = (Vec::new(), 0);
        while at < input.len() {
            let to = (at + cut().max(1)).min(input.len());
            while at < to {
                let piece = decoder.next(&input[at..to]);
                out.extend_from_slice(piece.text);
                at += piece.used;
                if piece.end {
                    let text = if decoder.fault().is_some() {
                        Err(())
                    } else {
                        Ok(out)
                    };
                    return Some((text, at));
                }
            }
        }
        None
    }

    fn whole(input: &[u8], bare: Bare) -> Option<(Result<Vec<u8>, ()>, usize)> {
        decode(input, bare, || usize::MAX / 2)
    }

    #[test]
    fn only_crlf_dot_crlf_ends_data() {
        for (name, input, wanted) in [
            ("empty mail", &b".\r\n"[..], Some((Ok(b"".to_vec()), 3))),
            (
                "one line and a command behind",
                b"a\r\n.\r\nRSET\r\n",
                Some((Ok(b"a\r\n".to_vec()), 6)),
            ),
            (
                "stuffed first line",
                b"..a\r\n.\r\n",
                Some((Ok(b".a\r\n".to_vec()), 8)),
            ),
            (
                "line of two dots",
                b"a\r\n..\r\n.\r\n",
                Some((Ok(b"a\r\n.\r\n".to_vec()), 10)),
            ),
            ("LF.LF", b"a\n.\nb", None),
            ("LF.CRLF", b"a\n.\r\nb", None),
            ("CRLF.LF", b"a\r\n.\nb", None),
            ("CR.CR", b"a\r.\rb", None),
            ("CRLF.CRCRLF", b"a\r\n.\r\r\nb", None),
            ("CRLF.SP CRLF", b"a\r\n. \r\nb", None),
            ("CRLF NUL.CRLF", b"a\r\n\0.\r\nb", None),
        ] {
            assert_eq!(whole(input, Bare::Refuse), wanted, "case: {name}");
        }
    }

    #[test]
    fn lone_line_ends_are_refused_with_their_line() {
        for (name, input, fault) in [
            ("LF", &b"a\r\nb\nc\r\n.\r\n"[..], TextFault::BareLf(2)),
            ("CR", b"a\rb\r\n.\r\n", TextFault::BareCr(1)),
            ("NUL", b"a\r\nb\r\n\0\r\n.\r\n", TextFault::Nul(3)),
            ("CR behind a dot", b".\rx\r\n.\r\n", TextFault::BareCr(1)),
        ] {
            let mut decoder = Decoder::dotted(Bare::Refuse, 1_000);
            let (mut at, mut end) = (0, false);
            while !end {
                let piece = decoder.next(&input[at..]);
                (at, end) = (at + piece.used, piece.end);
            }
            assert_eq!(decoder.fault(), Some(fault), "case: {name}");
            assert_eq!(at, input.len(), "case: {name}");
        }
    }

    #[test]
    fn normalised_text_has_no_lone_line_end() {
        let (text, _) = whole(b"a\nb\rc\n.\nd\0e\r\r\n.\r\n", Bare::Normalise).unwrap();
        assert_eq!(text.unwrap(), b"a\r\nb\r\nc\r\n.\r\nde\r\n\r\n");
    }

    #[test]
    fn the_decoder_agrees_with_the_reference_at_any_chunking() {
        let mut random = fastrand::Rng::with_seed(7);
        let letters = b"\r\r\n\n..a\0";
        for round in 0..20_000 {
            let input: Vec<u8> = (0..random.usize(0..40))
                .map(|_| letters[random.usize(0..letters.len())])
                .chain(*b"\r\n.\r\nX")
                .collect();
            for bare in [Bare::Refuse, Bare::Normalise] {
                let got = decode(&input, bare, || random.usize(1..9));
                assert_eq!(
                    got,
                    reference(&input, bare),
                    "round {round}: {:?}",
                    String::from_utf8_lossy(&input)
                );
            }
        }
    }

    #[test]
    fn a_mail_above_the_bound_is_read_to_its_end() {
        let mut decoder = Decoder::dotted(Bare::Refuse, 4);
        let piece = decoder.next(b"123456");
        assert_eq!((piece.text, piece.used), (&b""[..], 6));
        assert_eq!(decoder.fault(), Some(TextFault::TooLarge));
        let piece = decoder.next(b"\r\n.\r\n");
        assert!(piece.text.is_empty());
    }

    #[test]
    fn chunks_know_no_dots_and_end_with_a_line_end() {
        let mut decoder = Decoder::chunked(Bare::Refuse, 100);
        let piece = decoder.next(b"x\r\n.\r\n..y");
        assert_eq!((piece.text, piece.end), (&b"x\r\n.\r\n..y"[..], false));
        assert_eq!(decoder.finish_chunks(), CRLF);
        assert_eq!(decoder.finish_chunks(), b"");
    }

    #[test]
    fn a_line_end_may_be_cut_between_two_chunks() {
        let mut decoder = Decoder::chunked(Bare::Refuse, 100);
        assert_eq!(decoder.next(b"x\r").text, b"x");
        assert_eq!(decoder.next(b"\ny").text, CRLF);
        let mut lone = Decoder::chunked(Bare::Refuse, 100);
        assert_eq!(lone.next(b"x\r").text, b"x");
        assert_eq!(lone.finish_chunks(), b"");
        assert_eq!(lone.fault(), Some(TextFault::BareCr(1)));
    }
}
