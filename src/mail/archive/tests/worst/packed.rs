//! gzip, tar, TNEF, uuencode and old office files that are built to cost time, and archives of sources that are not.
//!
//! Members of nothing, names by the million, values without an end.

use super::Ends::{Either, Held, Seen};
use super::{Row, attached, deflated, file_of, prose, seeded};

pub(super) const CASES: &[Row] = &[
    ("tar: sources, packed", sources, Seen),
    (
        "gzip: a text",
        |n| attached("a.gz", &gzip(&prose(file_of(n) * 2))),
        Seen,
    ),
    (
        "gzip: members of nothing",
        |n| whole("a.gz", member(&[3, 0]), n),
        Either,
    ),
    (
        "gzip: members with names",
        |n| whole("a.gz", named_member(), n),
        Either,
    ),
    (
        "gzip: a header that never ends",
        |n| whole("a.gz", b"\x1f\x8b\x08\x08xx".to_vec(), n),
        Either,
    ),
    (
        "tar: many names for one entry",
        |n| tar(n, b'x', &b"9 path=a\n".repeat(7_000)),
        Held,
    ),
    (
        "tar: other names for one entry",
        |n| tar(n, b'x', &paths()),
        Held,
    ),
    (
        "tar: sizes for one entry",
        |n| tar(n, b'x', &b"9 size=1\n".repeat(7_000)),
        Either,
    ),
    ("tar: long names of nothing", |n| tar(n, b'L', b""), Either),
    ("tar: long names", |n| tar(n, b'L', &[b'a'; 60_000]), Either),
    ("tar: links to long names", |n| tar(n, b'K', b""), Either),
    (
        "tar: fields for all, packed",
        |n| attached("a.tgz", &gzip(&blocks(file_of(n) * 30, b'g', b""))),
        Either,
    ),
    (
        "TNEF: names without an end",
        |n| tnef(n, 0x0006_9005, |n| values(n, 0x3707_101e, 0, 1)),
        Either,
    ),
    (
        "TNEF: other names without an end",
        |n| tnef(n, 0x0006_9005, |n| values(n, 0x3707_101e, 4, 1)),
        Held,
    ),
    (
        "TNEF: contents without an end",
        |n| tnef(n, 0x0006_9005, |n| values(n, 0x3701_1102, 0, 1)),
        Either,
    ),
    (
        "TNEF: properties of nothing",
        |n| tnef(n, 0x0006_9005, |n| values(n, 0x1000_1003, 4, 1_000)),
        Either,
    ),
    (
        "TNEF: titles",
        |n| rows("winmail.dat", TNEF, &attribute(0x0001_8010, b"abc\0"), n),
        Either,
    ),
    (
        "TNEF: attachments of nothing",
        |n| rows("winmail.dat", TNEF, &attribute(0x0006_9002, b""), n),
        Either,
    ),
    ("TNEF: contents under many names", many_contents, Either),
    (
        "uuencode: files of nothing",
        |n| text(n, "begin 644 a\r\n"),
        Either,
    ),
    (
        "uuencode: lines of one octet",
        |n| text(n, "!!\r\n"),
        Either,
    ),
    ("uuencode: an old document by one octet", ole_lines, Either),
    ("uuencode: empty lines", |n| text(n, "\r\n"), Either),
    (
        "office: what nearly is a macro",
        |n| ole(n, b"_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0_\0"),
        Either,
    ),
    (
        "office: what nearly is a password",
        |n| ole(n, b"E\0n\0c\0r\0y\0p\0t\0e\0d\0"),
        Either,
    ),
    ("office: zeros", |n| ole(n, &[0; 8]), Seen),
];

/// As often as fits.
fn whole(name: &str, one: Vec<u8>, size: usize) -> Vec<u8> {
    attached(name, &one.repeat(file_of(size) / one.len()))
}

fn rows(name: &str, head: &[u8], one: &[u8], size: usize) -> Vec<u8> {
    let file = [head, &one.repeat(file_of(size) / one.len())].concat();
    attached(name, &file)
}

fn member(deflated: &[u8]) -> Vec<u8> {
    [
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff".as_slice(),
        deflated,
        &[0; 8],
    ]
    .concat()
}

fn named_member() -> Vec<u8> {
    [
        b"\x1f\x8b\x08\x08\0\0\0\0\0\xffa\0".as_slice(),
        &[3, 0],
        &[0; 8],
    ]
    .concat()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    member(&deflated(content))
}

fn header(kind: u8, name: &str, size: usize) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[148..156].fill(b' ');
    block[156] = kind;
    block[257..263].copy_from_slice(b"ustar\0");
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Headers of one kind, and then the entry that they are about.
fn blocks(size: usize, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut one = header(kind, "a", content.len());
    one.extend_from_slice(content);
    one.resize(one.len().next_multiple_of(512), 0);
    let mut file = one.repeat((size / one.len()).max(1));
    file.extend(header(b'0', "a.txt", 0));
    file
}

fn tar(size: usize, kind: u8, content: &[u8]) -> Vec<u8> {
    let content = &content[..content.len().min(file_of(size) / 2)];
    attached("a.tar", &blocks(file_of(size), kind, content))
}

fn paths() -> Vec<u8> {
    let each = (1_000..6_000).map(|n| format!("13 path={n}\n"));
    each.collect::<String>().into_bytes()
}

/// Nearly as many entries as are allowed, whatever the size.
fn sources(size: usize) -> Vec<u8> {
    let count = (file_of(size) / 1_000).clamp(1, 19_000);
    let each = file_of(size) * 2 / count;
    let mut file = Vec::new();
    for n in 0..count {
        let name = format!("project/src/module_{}/part_number_{n}.rs", n % 70);
        file.extend(header(b'0', &name, each));
        file.extend(seeded(each, n as u64 + 1));
        file.resize(file.len().next_multiple_of(512), 0);
    }
    attached("a.tgz", &gzip(&file))
}

const TNEF: &[u8] = b"\x78\x9f\x3e\x22\x01\0";

fn attribute(id: u32, data: &[u8]) -> Vec<u8> {
    let mut out = vec![2];
    out.extend(id.to_le_bytes());
    out.extend((data.len() as u32).to_le_bytes());
    out.extend_from_slice(data);
    out.extend([0; 2]);
    out
}

fn tnef(size: usize, id: u32, make: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let file = [TNEF, &attribute(id, &make(file_of(size)))].concat();
    attached("winmail.dat", &file)
}

/// Properties of one kind with as many values as fit, each of so many octets and unlike the others.
fn values(size: usize, tag: u32, octets: usize, properties: usize) -> Vec<u8> {
    let mut out = (properties as u32).to_le_bytes().to_vec();
    let count = size / properties / (4 + octets);
    for _ in 0..properties {
        out.extend(tag.to_le_bytes());
        if tag & 0x1000 != 0 {
            out.extend((count as u32).to_le_bytes());
        }
        for n in 0..count {
            if tag & 0xfff != 3 {
                out.extend((octets as u32).to_le_bytes());
            }
            let digits = format!("{n:09}");
            out.extend(&digits.as_bytes()[9 - octets..]);
        }
    }
    out
}

/// Each content is looked at under each name.
fn many_contents(size: usize) -> Vec<u8> {
    let mut file = TNEF.to_vec();
    for n in 0..900.min(file_of(size) / 50) {
        file.extend(attribute(0x0001_8010, format!("{n:06}\0").as_bytes()));
    }
    while file.len() < file_of(size) {
        file.extend(attribute(0x0006_800f, b"PK\x05\x06 zip"));
    }
    attached("winmail.dat", &file)
}

fn text(size: usize, line: &str) -> Vec<u8> {
    let head = "Content-Type: text/plain\r\n\r\nbegin 644 a\r\n";
    [head, &line.repeat(size / line.len())]
        .concat()
        .into_bytes()
}

fn ole_lines(size: usize) -> Vec<u8> {
    let first = "*T,\\1X*&Q&N$\r\n";
    [
        &text(20, "\r\n"),
        first.as_bytes(),
        &b"!!\r\n".repeat(size / 4),
    ]
    .concat()
}

fn ole(size: usize, filler: &[u8]) -> Vec<u8> {
    rows("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", filler, size)
}
