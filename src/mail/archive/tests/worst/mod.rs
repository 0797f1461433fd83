//! Mails that are built to cost as much time as they can, and ordinary ones of the same size.
//!
//! Each is made for a number of octets, so that a test looks into small ones and `benches/look.rs` into 50 MiB. What the
//! table says of a mail holds for any size: how a look into it ends when it may do as much work for each octet as the
//! server allows. Nothing here needs the rest of the program.

#![expect(
    clippy::cast_possible_truncation,
    reason = "no mail here is as large as 4 GiB, no name as 64 KiB"
)]

mod mime;
mod packed;
mod zips;

/// One mail for any size.
pub(super) struct Case {
    /// What it is.
    pub(super) name: &'static str,
    /// About so many octets of it.
    pub(super) make: fn(usize) -> Vec<u8>,
    /// How a look into it ends.
    pub(super) ends: Ends,
}

/// How a look ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// All of it was seen.
    Seen,
    /// Nobody can say what is in it: held, whatever the reason.
    Held,
    /// Either, as it comes; only the work counts.
    Either,
}

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    let each = zips::CASES.iter().chain(packed::CASES).chain(mime::CASES);
    let case = |(name, make, ends): &Row| Case {
        name,
        make: *make,
        ends: *ends,
    };
    each.map(case).collect()
}

/// A row of a table.
type Row = (&'static str, fn(usize) -> Vec<u8>, Ends);

/// A mail of one file. Lines of 76 are what mailers write.
fn attached(name: &str, file: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: \
         application/octet-stream\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    base64(file, &mut text);
    text.extend_from_slice(b"--b--\r\n");
    text
}

fn base64(file: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for line in file.chunks(57) {
        for group in line.chunks(3) {
            let bits = group.iter().fold(0u32, |sum, b| sum << 8 | u32::from(*b));
            let bits = bits << (8 * (3 - group.len()));
            for n in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * n)) as usize & 63];
                out.push(if n > group.len() { b'=' } else { digit });
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Octets of a file that fills a mail of so many.
fn file_of(size: usize) -> usize {
    size / 78 * 57
}

fn deflated(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let level = flate2::Compression::best();
    let mut file = flate2::write::DeflateEncoder::new(Vec::new(), level);
    file.write_all(content).unwrap();
    file.finish().unwrap()
}

/// So many octets that look like text, and pack as text does.
fn prose(size: usize) -> Vec<u8> {
    seeded(size, 0)
}

fn seeded(size: usize, seed: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(size + 16);
    let mut state = 88_172_645_463_325_252u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    while out.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let length = 2 + state as usize % 8;
        for n in 0..length {
            // Few letters are most of a text.
            let letter = (state >> (n * 5)) & 31;
            out.push(b"eeeetttaaaoooinnsshrdlcumwfgypbv"[letter as usize]);
        }
        out.push(b' ');
    }
    out.truncate(size);
    out
}

/// So many octets that nothing packs.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..size / 8 + 1).flat_map(|_| next()).take(size).collect()
}

/// Bits as deflate has them.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    rest: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, bits: u64, count: u32) {
        self.rest |= bits << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push((self.rest & 255) as u8);
            self.rest >>= 8;
            self.count -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.put(0, (8 - self.count) % 8);
        self.bytes
    }
}
