//! Zips: what they say of themselves makes them dear, or how they are deflated.
//!
//! Headers that overlap, directories that name one entry a thousand times, sizes that nobody knows, streams of blocks.

use super::Ends::{Either, Held, Seen};
use super::{Bits, Row, attached, deflated, file_of, noise, prose};

pub(super) const CASES: &[Row] = &[
    ("zip: documents", documents, Seen),
    (
        "zip: noise, deflated with codes of one length",
        literals,
        Seen,
    ),
    (
        "zip: entries whose size nobody knows",
        |n| small(|n| unknown(n, b"PK\x01\x01"), n),
        Either,
    ),
    (
        "zip: the same, packed once more",
        |n| large(|n| unknown(n, b"\x01\x02"), n),
        Either,
    ),
    (
        "zip: headers at every fourth octet",
        |n| small(|n| b"PK\x03\x04".repeat(n / 4), n),
        Either,
    ),
    (
        "zip: one entry with many names and sizes",
        |n| small(|n| central(n, 1), n),
        Held,
    ),
    (
        "zip: the same, packed once more",
        |n| large(|n| central(n, 1), n),
        Held,
    ),
    (
        "zip: the same with long names",
        |n| small(|n| central(n, 4_000), n),
        Either,
    ),
    (
        "zip: headers inside the names of others",
        |n| small(overlapping, n),
        Either,
    ),
    (
        "zip: headers whose content is all that follows",
        |n| small(following, n),
        Either,
    ),
    ("zip: extra fields of nothing", |n| small(extras, n), Either),
    (
        "zip: end records",
        |n| small(|n| b"PK\x05\x06".repeat(n / 4), n),
        Either,
    ),
    (
        "zip: empty blocks with fixed codes",
        |n| small(|n| entry(8, &empty_blocks(n)), n),
        Either,
    ),
    (
        "zip: blocks of one repetition",
        |n| small(|n| entry(8, &short_blocks(n)), n),
        Either,
    ),
    (
        "zip: empty blocks with codes of their own",
        |n| small(|n| entry(8, &own_blocks(n)), n),
        Either,
    ),
    ("zip: zeros as far as the ratio lets them", zeros, Either),
    ("zip: entries of one octet", |n| small(tiny, n), Either),
    (
        "zip: mails of empty lines",
        |n| inside("a.eml", n, lines),
        Either,
    ),
    (
        "zip: mails of lines that are nearly delimiters",
        |n| inside("a.eml", n, dashes),
        Either,
    ),
];

/// A mail of a file for as many octets as fit.
fn small(make: impl Fn(usize) -> Vec<u8>, size: usize) -> Vec<u8> {
    attached("a.zip", &make(file_of(size)))
}

/// The same, but deflated: what travels is small, and what comes out is as large as a ratio of a hundred lets it be.
fn large(make: impl Fn(usize) -> Vec<u8>, size: usize) -> Vec<u8> {
    let most = (file_of(size) * 8).min(40 << 20);
    attached("a.zip", &entry_of(b"b.zip", 8, &deflated(&make(most))))
}

fn entry(method: u16, content: &[u8]) -> Vec<u8> {
    entry_of(b"a.dat", method, content)
}

fn entry_of(name: &[u8], method: u16, content: &[u8]) -> Vec<u8> {
    let mut file = local(name, 0, method, content.len());
    file.extend_from_slice(content);
    let at = file.len();
    record(&mut file, name, method, content.len(), 0);
    end(&mut file, at, 1);
    file
}

fn local(name: &[u8], flags: u16, method: u16, size: usize) -> Vec<u8> {
    let mut head = b"PK\x03\x04\x14\0".to_vec();
    head.extend(flags.to_le_bytes());
    head.extend(method.to_le_bytes());
    head.extend([0; 8]);
    head.extend((size as u32).to_le_bytes());
    head.extend((size as u32).to_le_bytes());
    head.extend((name.len() as u16).to_le_bytes());
    head.extend([0; 2]);
    head.extend_from_slice(name);
    head
}

fn record(file: &mut Vec<u8>, name: &[u8], method: u16, size: usize, at: usize) {
    file.extend_from_slice(b"PK\x01\x02\x14\0\x14\0\0\0");
    file.extend(method.to_le_bytes());
    file.extend([0; 8]);
    file.extend((size as u32).to_le_bytes());
    file.extend((size as u32).to_le_bytes());
    file.extend((name.len() as u16).to_le_bytes());
    file.extend([0; 12]);
    file.extend((at as u32).to_le_bytes());
    file.extend_from_slice(name);
}

fn end(file: &mut Vec<u8>, directory: usize, count: usize) {
    let size = file.len() - directory;
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    let count = count.min(65_535) as u16;
    file.extend(count.to_le_bytes());
    file.extend(count.to_le_bytes());
    file.extend((size as u32).to_le_bytes());
    file.extend((directory as u32).to_le_bytes());
    file.extend([0; 2]);
}

/// Half of it is packed text, half pictures.
fn documents(size: usize) -> Vec<u8> {
    let (half, one) = (file_of(size) / 2, 200 << 10);
    let text = deflated(&prose(one.min(half)));
    let picture = noise(one.min(half));
    let (mut file, mut all) = (Vec::new(), Vec::new());
    while file.len() < 2 * half {
        for (method, content) in [(8, &text), (0, &picture)] {
            let name = format!("folder/document {}.txt", all.len());
            all.push((name.clone(), method, content.len(), file.len()));
            file.extend(local(name.as_bytes(), 0, method, content.len()));
            file.extend_from_slice(content);
        }
    }
    let at = file.len();
    for (name, method, length, local) in &all {
        record(&mut file, name.as_bytes(), *method, *length, *local);
    }
    end(&mut file, at, all.len());
    attached("a.zip", &file)
}

/// Every octet is a symbol of its own.
fn literals(size: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0b011, 3);
    for byte in noise(file_of(size).saturating_sub(200)) {
        // Codes stand with their first bit first.
        let code = u64::from(byte % 144) + 0x30;
        bits.put((code as u8).reverse_bits().into(), 8);
    }
    bits.put(0, 7);
    attached("a.zip", &entry(8, &bits.finish()))
}

/// Stored, the size behind the content; a mark stands right behind each header, and the other one nowhere.
fn unknown(size: usize, filler: &[u8]) -> Vec<u8> {
    let mut one = local(b"", 8, 0, 0);
    one.extend(b"PK\x07\x08");
    let count = (size / 2 / one.len()).min(19_000);
    let mut file = one.repeat(count);
    file.extend(filler.repeat((size - file.len()) / filler.len()));
    let at = file.len();
    end(&mut file, at, 0);
    file
}

fn central(size: usize, name: usize) -> Vec<u8> {
    let count = size / (48 + name.max(5));
    let content = vec![b'x'; count + 8];
    let mut file = local(b"a", 0, 0, content.len());
    file.extend(content);
    let at = file.len();
    for n in 0..count {
        let own = format!("{n:a>name$x}");
        record(&mut file, own.as_bytes(), 0, n + 1, 0);
    }
    end(&mut file, at, count);
    file
}

/// The name of each has the headers of a thousand others in it, and the directory leads to all of them.
fn overlapping(size: usize) -> Vec<u8> {
    let count = (size / 2 / 47).min(19_000);
    let mut file = Vec::new();
    for _ in 0..count {
        let mut head = local(b"", 0, 0, 0);
        head[26..28].copy_from_slice(&u16::MAX.to_le_bytes());
        file.extend(head);
    }
    file.resize(size / 2 + (64 << 10).min(size / 4), b'a');
    let at = file.len();
    for n in 0..count {
        record(&mut file, b"", 0, 0, n * 30);
    }
    end(&mut file, at, count);
    file
}

/// Deflated streams that each go on through the headers of all others.
fn following(size: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let count = (size / 40).min(19_000);
    for _ in 0..count {
        file.extend(local(b"", 0, 8, size));
        // A stored block over the next header.
        file.extend([0, 35, 0, !35, 0xff]);
    }
    file.resize(size, b'a');
    let at = file.len();
    end(&mut file, at, 0);
    file
}

fn extras(size: usize) -> Vec<u8> {
    let mut head = local(b"a", 0, 0, 0);
    head[28..30].copy_from_slice(&65_532u16.to_le_bytes());
    head.extend([9, 9, 0, 0].repeat(65_532 / 4));
    head.repeat((size / head.len()).max(1))
}

fn empty_blocks(size: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    for _ in 0..size * 8 / 10 {
        bits.put(0b010, 10);
    }
    bits.finish()
}

/// Three octets come out of each, so that the ratio says nothing.
fn short_blocks(size: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0b010, 3);
    bits.put(u64::from(0x91u8.reverse_bits()), 8);
    bits.put(0, 7);
    for _ in 0..size.saturating_sub(60) * 8 / 22 {
        bits.put(0b010, 3);
        // Three octets again, from one before.
        bits.put(0b100_0000, 7);
        bits.put(0, 5);
        bits.put(0, 7);
    }
    bits.put(0b011, 10);
    bits.finish()
}

/// Each begins with tables for the one symbol that ends it.
fn own_blocks(size: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    for _ in 0..size * 8 / 90 {
        bits.put(0b100, 3);
        bits.put(0, 5);
        bits.put(0, 5);
        bits.put(14, 4);
        // Lengths of codes: one bit for "zeros" (the third), one for "one bit" (the eighteenth).
        for n in 0..18 {
            bits.put(u64::from(n == 2 || n == 17), 3);
        }
        for zeros in [138, 118] {
            bits.put(1, 1);
            bits.put(zeros - 11, 7);
        }
        bits.put(0, 2);
        bits.put(0, 1);
    }
    bits.finish()
}

/// Entries of 200 KiB, each of which a ratio of 190 lets through.
fn zeros(size: usize) -> Vec<u8> {
    let mut content = vec![0; 200 << 10];
    content.extend(noise(1 << 10));
    let packed = deflated(&content);
    let one = [local(b"a.txt", 0, 8, packed.len()), packed].concat();
    let mut file = one.repeat((file_of(size) / one.len()).max(1));
    let at = file.len();
    end(&mut file, at, 0);
    attached("a.zip", &file)
}

fn tiny(size: usize) -> Vec<u8> {
    let packed = deflated(b"x");
    let one = [local(b"a", 0, 8, packed.len()), packed].concat();
    one.repeat(size / one.len())
}

/// A mail in a zip, which comes out a hundred times as large.
fn inside(name: &str, size: usize, make: fn(usize) -> Vec<u8>) -> Vec<u8> {
    let most = (file_of(size) * 100).min(400 << 20);
    let packed = deflated(&make(most));
    attached("a.zip", &entry_of(name.as_bytes(), 8, &packed))
}

fn lines(size: usize) -> Vec<u8> {
    vec![b'\n'; size]
}

fn dashes(size: usize) -> Vec<u8> {
    let mut text = b"Content-Type: multipart/mixed; boundary=b\n\n".to_vec();
    text.extend(b"--\n".repeat(size / 3));
    text
}
