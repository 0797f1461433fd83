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
                for byte in text {
                    self.base64(*byte, out);
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

    fn base64(&mut self, byte: u8, out: &mut Vec<u8>) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                // Padding ends a group; some mailers join several.
                (self.rest, self.count) = (0, 0);
                return;
            }
            _ => return,
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
