//! What the first octets of a part show, whatever it is declared as.
//!
//! Looks at `SNIFF_MAX` decoded octets. The table names what people make rules for; what it does not know is nothing,
//! never a guess.

use super::decode::Decoder;
use super::part::Encoding;
use crate::base::limit::SNIFF_MAX;

/// The beginning of one part; its buffer is used again for the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Sniff {
    wanted: bool,
    decoder: Decoder,
    octets: Vec<u8>,
}

impl Sniff {
    pub(super) fn begin(&mut self, encoding: Encoding) {
        self.wanted = true;
        self.decoder = Decoder::new(encoding);
        self.octets.clear();
    }

    pub(super) fn feed(&mut self, text: &[u8]) {
        for piece in text.chunks(SNIFF_MAX) {
            if !self.wanted {
                return;
            }
            self.decoder.feed(piece, &mut self.octets);
            self.wanted = self.octets.len() < SNIFF_MAX;
        }
    }

    /// What it is.
    pub(super) fn end(&mut self) -> Option<&'static str> {
        self.wanted = false;
        let found = media_type(self.octets.get(..SNIFF_MAX).unwrap_or(&self.octets));
        self.octets.clear();
        found
    }
}

/// Media types by how their files begin.
const MAGIC: &[(&[u8], &str)] = &[
    (b"\x7fELF", "application/x-elf"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"BZh", "application/x-bzip2"),
    (b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "application/x-ole-storage",
    ),
    (b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"#!", "text/x-script"),
    (b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
    (b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
    (b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"dex\n03", "application/vnd.android.dex"),
    (b"\0asm\x01\0\0\0", "application/wasm"),
    (b"ITSF\x03\0\0\0", "application/vnd.ms-htmlhelp"),
    (b"vhdxfile", "application/x-vhdx"),
    (b"conectix", "application/x-vhd"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
    (
        b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3",
        "application/onenote",
    ),
    (b"[InternetShortcut]", "application/x-mswinurl"),
    (b"Windows Registry Editor Version ", "text/x-ms-regedit"),
    (b"REGEDIT4\r\n", "text/x-ms-regedit"),
    (b"@echo off", "text/x-msdos-batch"),
    (b"@ECHO OFF", "text/x-msdos-batch"),
];

/// Tags that only a web page begins with.
const TAGS: &[&[u8]] = &[
    b"!doctype html",
    b"html",
    b"head",
    b"body",
    b"script",
    b"iframe",
    b"meta",
    b"title",
];

/// The media type of a file that begins so, as far as the table knows it.
pub fn media_type(octets: &[u8]) -> Option<&'static str> {
    if let Some((_, found)) = MAGIC.iter().find(|(magic, _)| octets.starts_with(magic)) {
        return Some(found);
    }
    // Texts may begin with these letters too; a program has zeros soon.
    if octets.starts_with(b"MZ") && octets.iter().take(64).any(|b| *b == 0) {
        return Some("application/vnd.microsoft.portable-executable");
    }
    if let Some(entry) = octets.strip_prefix(b"PK\x03\x04") {
        return Some(of_zip(entry));
    }
    if octets.starts_with(b"PK\x05\x06") {
        return Some("application/zip");
    }
    if let [0xca, 0xfe, 0xba, 0xbe, a, b, c, d, ..] = octets {
        // A Mach-O for several processors counts them here; a Java class has its version, which began at 45.
        return Some(match u32::from_be_bytes([*a, *b, *c, *d]) {
            1..45 => "application/x-mach-binary",
            0 | 45.. => "application/java-vm",
        });
    }
    if octets.get(257..262) == Some(b"ustar") {
        return Some("application/x-tar");
    }
    if octets.starts_with(b"RIFF") && octets.get(8..12) == Some(b"WEBP") {
        return Some("image/webp");
    }
    let text = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let text = text.trim_ascii_start();
    if text.starts_with(b"%PDF-") {
        return Some("application/pdf");
    }
    let tag = text.strip_prefix(b"<")?;
    let is = |name: &&&[u8]| {
        let (start, end) = (tag.get(..name.len()), tag.get(name.len()));
        start.is_some_and(|start| start.eq_ignore_ascii_case(name))
            && end.is_none_or(|end| matches!(end, b'>' | b'/') || end.is_ascii_whitespace())
    };
    TAGS.iter().find(is).map(|_| "text/html")
}

/// The name of the first entry tells office documents and Java archives from others. `entry` is what follows its
/// signature.
fn of_zip(entry: &[u8]) -> &'static str {
    const LENGTH: usize = 22;
    const NAME: usize = 26;
    let length = entry.get(LENGTH..LENGTH + 2).unwrap_or_default();
    let length = length
        .iter()
        .rev()
        .fold(0, |sum, b| sum << 8 | usize::from(*b));
    let rest = entry.get(NAME..).unwrap_or_default();
    let name = rest.get(..length).unwrap_or(rest);
    if name.starts_with(b"META-INF/") {
        return "application/java-archive";
    }
    let of_office: [&[u8]; 5] = [b"[Content_Types].xml", b"_rels/", b"word/", b"xl/", b"ppt/"];
    if of_office.iter().any(|start| name.starts_with(start)) {
        return "application/vnd.openxmlformats-officedocument";
    }
    let open: &[u8] = b"application/vnd.oasis.opendocument";
    if name == b"mimetype" && memchr::memmem::find(rest, open).is_some() {
        return "application/vnd.oasis.opendocument";
    }
    "application/zip"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip(name: &str) -> Vec<u8> {
        let mut file = b"PK\x03\x04".to_vec();
        file.extend_from_slice(&[0; 22]);
        file.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        file.extend_from_slice(&[0; 2]);
        file.extend_from_slice(name.as_bytes());
        file
    }

    #[test]
    fn files_are_known_by_their_beginning() {
        for (octets, wanted) in [
            (
                &b"MZ\x90\0\x03"[..],
                Some("application/vnd.microsoft.portable-executable"),
            ),
            (b"MZ is a text", None),
            (b"\x7fELF\x02", Some("application/x-elf")),
            (b"%PDF-1.7", Some("application/pdf")),
            (b"\r\n %PDF-1.7", Some("application/pdf")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"RIFF\0\0\0\0WEBPVP8", Some("image/webp")),
            (b"\xef\xbb\xbf\n<!DOCTYPE HTML>", Some("text/html")),
            (b"<html>", Some("text/html")),
            (b"<htmlx>", None),
            (b"<?xml?>", None),
            (b"#!/bin/sh", Some("text/x-script")),
            (
                b"\xca\xfe\xba\xbe\0\0\0\x02",
                Some("application/x-mach-binary"),
            ),
            (b"\xca\xfe\xba\xbe\0\0\0\x34", Some("application/java-vm")),
            (b"\x78\x9f\x3e\x22\x01\0", Some("application/vnd.ms-tnef")),
            (b"hello", None),
            (b"", None),
        ] {
            assert_eq!(media_type(octets), wanted, "case: {octets:?}");
        }
        for (name, wanted) in [
            ("a.txt", "application/zip"),
            ("META-INF/MANIFEST.MF", "application/java-archive"),
            (
                "[Content_Types].xml",
                "application/vnd.openxmlformats-officedocument",
            ),
        ] {
            assert_eq!(media_type(&zip(name)), Some(wanted), "case: {name}");
        }
        assert_eq!(media_type(b"PK\x03\x04"), Some("application/zip"));
    }

    #[test]
    fn encoded_octets_are_decoded_as_they_come() {
        for (name, encoding, text) in [
            ("base64", Encoding::Base64, &b"TVqQAAMAAAAEAAAA"[..]),
            (
                "base64 in lines",
                Encoding::Base64,
                b"\r\n TVq\r\nQ!AAMAA\r\nAAEAAAA",
            ),
            (
                "quoted-printable",
                Encoding::QuotedPrintable,
                b"MZ=90=\r\n=00=03",
            ),
            ("8bit", Encoding::Plain, b"MZ\x90\0\x03"),
        ] {
            for size in [1, 2, 3, 100] {
                let mut sniff = Sniff::default();
                sniff.begin(encoding);
                text.chunks(size).for_each(|piece| sniff.feed(piece));
                assert_eq!(
                    sniff.end(),
                    Some("application/vnd.microsoft.portable-executable"),
                    "case: {name} {size}"
                );
            }
        }
    }
}
