//! Files for the tests.
//!
//! By the crates that others use, and by hand where no crate would write them.

use std::fmt::Write as _;
use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use zip::write::SimpleFileOptions;

/// As a program for Windows begins.
pub(super) const EXE: &[u8] = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0 and so on";

/// A mail with a text and one file.
pub(super) fn mail(name: &str, file: &[u8]) -> Vec<u8> {
    with_part(
        &format!("Content-Disposition: attachment; filename=\"{name}\""),
        file,
    )
}

/// A mail with a text and one part with these fields.
pub(super) fn with_part(fields: &str, file: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n\
         {fields}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    base64(file, &mut text);
    text.push_str("--b--\r\n");
    text.into_bytes()
}

pub(super) fn base64(file: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for line in file.chunks(57) {
        for group in line.chunks(3) {
            let bits = group.iter().fold(0u32, |sum, b| sum << 8 | u32::from(*b));
            let bits = bits << (8 * (3 - group.len()));
            for n in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * n)) as usize & 63];
                let shown = if n > group.len() { b'=' } else { digit };
                out.push(char::from(shown));
            }
        }
        writeln!(out, "\r").unwrap();
    }
}

pub(super) fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        file.start_file(*name, SimpleFileOptions::default())
            .unwrap();
        file.write_all(content).unwrap();
    }
    file.finish().unwrap().into_inner()
}

pub(super) fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    file.write_all(content).unwrap();
    file.finish().unwrap()
}

pub(super) fn deflated(content: &[u8]) -> Vec<u8> {
    let mut file = DeflateEncoder::new(Vec::new(), Compression::best());
    file.write_all(content).unwrap();
    file.finish().unwrap()
}

pub(super) fn tarred(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_cksum();
        file.append_data(&mut header, name, *content).unwrap();
    }
    file.into_inner().unwrap()
}

/// A zip by hand: whatever is asked for stands in it.
#[derive(Clone, Debug, Default)]
pub(super) struct ByHand {
    pub(super) bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl ByHand {
    /// A local header and the content.
    pub(super) fn local(&mut self, name: &[u8], flags: u16, method: u16, content: &[u8]) -> u32 {
        let at = u32::try_from(self.bytes.len()).unwrap();
        let size = u32::try_from(content.len()).unwrap();
        self.local_of(name, flags, method, size);
        self.bytes.extend_from_slice(content);
        at
    }

    /// A local header that speaks of `size` octets.
    pub(super) fn local_of(&mut self, name: &[u8], flags: u16, method: u16, size: u32) {
        self.bytes.extend_from_slice(b"PK\x03\x04\x14\0");
        self.bytes.extend_from_slice(&flags.to_le_bytes());
        self.bytes.extend_from_slice(&method.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes.extend_from_slice(&size.to_le_bytes());
        let length = u16::try_from(name.len()).unwrap();
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(name);
    }

    /// A central header that means the local one at `at`.
    pub(super) fn central(&mut self, name: &[u8], flags: u16, method: u16, size: u32, at: u32) {
        let to = &mut self.directory;
        to.extend_from_slice(b"PK\x01\x02\x14\0\x14\0");
        to.extend_from_slice(&flags.to_le_bytes());
        to.extend_from_slice(&method.to_le_bytes());
        to.extend_from_slice(&[0; 8]);
        to.extend_from_slice(&size.to_le_bytes());
        to.extend_from_slice(&size.to_le_bytes());
        to.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        to.extend_from_slice(&[0; 12]);
        to.extend_from_slice(&at.to_le_bytes());
        to.extend_from_slice(name);
        self.count += 1;
    }

    /// The directory and its end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let at = u32::try_from(self.bytes.len()).unwrap();
        let size = u32::try_from(self.directory.len()).unwrap();
        self.bytes.extend_from_slice(&self.directory);
        self.bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend_from_slice(&self.count.to_le_bytes());
        self.bytes.extend_from_slice(&self.count.to_le_bytes());
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes.extend_from_slice(&at.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes
    }
}

/// A winmail.dat with one attachment.
pub(super) fn tnef(title: &str, long: Option<&str>, content: &[u8]) -> Vec<u8> {
    let mut file = b"\x78\x9f\x3e\x22\x01\0".to_vec();
    let mut attribute = |level: u8, id: u32, data: &[u8]| {
        file.push(level);
        file.extend_from_slice(&id.to_le_bytes());
        file.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
        file.extend_from_slice(data);
        let sum = data
            .iter()
            .fold(0u16, |sum, b| sum.wrapping_add(u16::from(*b)));
        file.extend_from_slice(&sum.to_le_bytes());
    };
    attribute(1, 0x0008_9006, &[0, 0, 1, 0]);
    attribute(2, 0x0006_9002, &[0; 14]);
    attribute(2, 0x0001_8010, format!("{title}\0").as_bytes());
    attribute(2, 0x0006_800f, content);
    if let Some(long) = long {
        // PR_ATTACH_NUM as a number, and PR_ATTACH_LONG_FILENAME in UTF-16.
        let mut data = 2u32.to_le_bytes().to_vec();
        data.extend_from_slice(&0x0e21_0003u32.to_le_bytes());
        data.extend_from_slice(&[0; 4]);
        data.extend_from_slice(&0x3707_001fu32.to_le_bytes());
        data.extend_from_slice(&1u32.to_le_bytes());
        let units: Vec<u8> = long
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        data.extend_from_slice(&u32::try_from(units.len()).unwrap().to_le_bytes());
        data.extend_from_slice(&units);
        data.resize(data.len().next_multiple_of(4), 0);
        attribute(2, 0x0006_9005, &data);
    }
    file
}

pub(super) fn uuencoded(name: &str, content: &[u8]) -> String {
    let mut text = format!("hello\r\n\r\nbegin 644 {name}\r\n");
    let digit = |bits: u8| char::from(if bits == 0 { b'`' } else { bits + b' ' });
    for line in content.chunks(45) {
        text.push(digit(u8::try_from(line.len()).unwrap()));
        for group in line.chunks(3) {
            let [a, b, c] = [0, 1, 2].map(|n| group.get(n).copied().unwrap_or_default());
            for bits in [
                a >> 2,
                (a << 4 | b >> 4) & 63,
                (b << 2 | c >> 6) & 63,
                c & 63,
            ] {
                text.push(digit(bits));
            }
        }
        text.push_str("\r\n");
    }
    text.push_str("`\r\nend\r\n");
    text
}
