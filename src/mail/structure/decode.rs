//! Undoes Content-Transfer-Encoding as octets come (RFC 2045 sections 6.7, 6.8).
//!
//! Octets that do not belong are passed over, as readers do; what is left does not depend on how they were cut.
//! Not here: which encoding a part has (`part`), and what the octets are (`sniff`).

use super::part::Encoding;

/// The state between two pieces of one part.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    encoding: Encoding,
    /// Bits of base64 that are not yet an octet, or the first digit of `=XY`.
    rest: u32,
    /// How many bits, or how many octets of `=XY` came.
    count: u8,
}

impl Decoder {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            rest: 0,
            count: 0,
        }
    }

    pub(super) fn feed(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Plain => out.extend_from_slice(text),
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
            // Padding ends a group; some mailers join several.
            (self.rest, self.count) = (0, 0);
            return;
        }
        let value = match DIGITS.get(usize::from(byte)).copied() {
            Some(NO_DIGIT) | None => return,
            Some(value) => value,
        };
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
            // A soft line break.
            (1, b'\n') => self.count = 0,
            (1, _) => match hex(byte) {
                Some(high) => (self.rest, self.count) = (high, 2),
                None => {
                    self.count = 0;
                    out.extend([b'=', byte]);
                }
            },
            (_, _) => {
                self.count = 0;
                if let Some(low) = hex(byte) {
                    let [.., octet] = (self.rest << 4 | low).to_be_bytes();
                    out.push(octet);
                }
            }
        }
    }
}

fn hex(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

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
