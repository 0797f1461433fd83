//! Undoes Content-Transfer-Encoding as octets come (RFC 2045 sections 6.7, 6.8).
//!
//! Octets that do not belong are passed over, as readers do, and so is padding where no group can end; behind padding
//! that ends one it goes on. What is left does not depend on how the octets were cut.
//! Not here: which encoding a part has (`part`), and what the octets are (`sniff`).

use super::part::Encoding;

/// The state between two pieces of one part.
#[derive(Clone, Debug, Default)]
pub(super) struct Decoder {
    encoding: Encoding,
    /// Bits of base64 that are not yet an octet, or the first digit of `=XY`, or the blanks behind its equals sign.
    rest: u32,
    /// How many bits, or how many octets of `=XY` came.
    count: u8,
    /// Padding came, and a group needs it twice.
    padded: bool,
}

impl Decoder {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            rest: 0,
            count: 0,
            padded: false,
        }
    }

    pub(super) fn feed(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Plain | Encoding::Lines => out.extend_from_slice(text),
            Encoding::Base64 => {
                out.reserve(text.len() / 4 * 3);
                let mut rest = text;
                while let Some((first, tail)) = rest.split_first() {
                    rest = match self.quads(rest, out) {
                        0 => {
                            self.base64(*first, out);
                            tail
                        }
                        used => rest.get(used..).unwrap_or_default(),
                    };
                }
            }
            Encoding::QuotedPrintable => {
                out.reserve(text.len());
                for byte in text {
                    self.quoted(*byte, out);
                }
            }
        }
    }

    /// Whole groups of four digits, which is what nearly all of a file is.
    fn quads(&self, text: &[u8], out: &mut Vec<u8>) -> usize {
        if self.count != 0 {
            return 0;
        }
        let mut used = 0;
        for group in text.chunks_exact(4) {
            let mut bits = 0;
            for byte in group {
                let digit = DIGITS.get(usize::from(*byte)).copied();
                bits = bits << 6 | u32::from(digit.unwrap_or(NO_DIGIT));
            }
            if group
                .iter()
                .any(|byte| DIGITS.get(usize::from(*byte)) == Some(&NO_DIGIT))
            {
                break;
            }
            let [_, a, b, c] = bits.to_be_bytes();
            out.extend_from_slice(&[a, b, c]);
            used += 4;
        }
        used
    }

    fn base64(&mut self, byte: u8, out: &mut Vec<u8>) {
        if byte == b'=' {
            // Padding ends a group; some mailers join several. Elsewhere it is as any letter that does not belong.
            let ends = self.count == LAST || (self.count == MIDDLE && self.padded);
            self.padded = !ends;
            if ends {
                (self.rest, self.count) = (0, 0);
            }
            return;
        }
        let value = match DIGITS.get(usize::from(byte)).copied() {
            Some(NO_DIGIT) | None => return,
            Some(value) => value,
        };
        self.padded = false;
        self.rest = (self.rest << 6) | u32::from(value);
        self.count += 6;
        if self.count >= 8 {
            self.count -= 8;
            let [.., octet] = (self.rest >> self.count).to_be_bytes();
            self.rest &= (1 << self.count) - 1;
            out.push(octet);
        }
    }

    fn quoted(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.count, byte) {
            (0, b'=') => self.count = 1,
            (0, _) => out.push(byte),
            (1, b'\r') => {}
            // A soft line break; blanks before it were put there on the way (RFC 2045 section 6.7).
            (1, b'\n') => (self.rest, self.count) = (0, 0),
            (1, b' ' | b'\t') => self.rest += 1,
            (1, _) if self.rest > 0 => {
                out.push(b'=');
                out.extend((0..self.rest).map(|_| b' '));
                (self.rest, self.count) = (0, 0);
                self.quoted(byte, out);
            }
            (1, _) => match hex(byte) {
                Some(high) => (self.rest, self.count) = (high, 2),
                None => {
                    self.count = 0;
                    out.extend([b'=', byte]);
                }
            },
            (_, _) => {
                self.count = 0;
                let high = std::mem::take(&mut self.rest);
                if let Some(low) = hex(byte) {
                    let [.., octet] = (high << 4 | low).to_be_bytes();
                    out.push(octet);
                }
            }
        }
    }
}

fn hex(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

/// Bits that wait when two digits of a group came, and when three did.
const MIDDLE: u8 = 4;
const LAST: u8 = 2;
const NO_DIGIT: u8 = 0xff;

/// What each octet is in base64.
#[expect(
    clippy::indexing_slicing,
    reason = "the compiler makes the table, and would say so"
)]
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut rest: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0;
    while let [first, tail @ ..] = rest {
        digits[*first as usize] = value;
        value += 1;
        rest = tail;
    }
    digits
};
