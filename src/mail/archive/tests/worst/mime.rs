//! Mails whose structure is built to cost time, without any archive, and ordinary large ones.
//!
//! Boundaries in boundaries, parts of nothing, headers of thousands of parameters, encodings of nothing.

use super::Ends::{Either, Held, Seen};
use super::{Row, attached, base64, file_of, noise, prose};

pub(super) const CASES: &[Row] = &[
    (
        "mail: a picture",
        |n| attached("a.jpg", &noise(file_of(n))),
        Seen,
    ),
    ("mail: a long text", |n| prose_mail(n), Seen),
    (
        "mail: lines that are nearly delimiters",
        |n| levels(n, 1, b"\r\n--"),
        Either,
    ),
    (
        "mail: the same below a hundred multiparts",
        |n| levels(n, 100, b"\r\n--b"),
        Either,
    ),
    (
        "mail: long lines below a hundred multiparts",
        |n| levels(n, 100, &long_line()),
        Either,
    ),
    ("mail: parts of nothing", |n| parts(n, "\r\n"), Either),
    (
        "mail: parts with a header of parameters",
        |n| parts(n, &parameters("; a=b")),
        Either,
    ),
    (
        "mail: parts with names by the thousand",
        |n| parts(n, &parameters("; name=a")),
        Either,
    ),
    (
        "mail: parts with other names by the thousand",
        |n| parts(n, &numbered("; filename=")),
        Either,
    ),
    (
        "mail: names in thousands of pieces",
        |n| parts(n, &pieces()),
        Either,
    ),
    (
        "mail: names of encoded words",
        |n| parts(n, &named(&" =?utf-8?Q?=61?=".repeat(900))),
        Either,
    ),
    (
        "mail: names of paths",
        |n| parts(n, &named(&"a/".repeat(7_000))),
        Either,
    ),
    (
        "mail: names that are hidden",
        |n| parts(n, &named(&"\u{200b}".repeat(5_000))),
        Either,
    ),
    (
        "mail: fields by the hundred",
        |n| parts(n, &"Content-Type: a/b; name=a\r\n".repeat(500)),
        Either,
    ),
    (
        "mail: folded lines",
        |n| {
            parts(
                n,
                &format!("Content-Type: a/b;{}\r\n", "\r\n a=b;".repeat(2_000)),
            )
        },
        Either,
    ),
    (
        "mail: a header that never ends",
        |n| b"Content-Type: a/b; name=a\r\n".repeat(n / 27),
        Either,
    ),
    (
        "mail: base64 of nothing",
        |n| encoded(n, "base64", b"===="),
        Either,
    ),
    (
        "mail: base64 of blanks",
        |n| encoded(n, "base64", b"A B "),
        Either,
    ),
    (
        "mail: quoted-printable of nothing",
        |n| encoded(n, "quoted-printable", b"=\r\n"),
        Either,
    ),
    (
        "mail: quoted-printable of octets",
        |n| encoded(n, "quoted-printable", b"=00"),
        Either,
    ),
    (
        "mail: an encoding in four ways",
        |n| {
            encoded(
                n,
                "base64\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Transfer-Encoding: x-uue, y",
                b"TVqQ=00 \r\n",
            )
        },
        Either,
    ),
    (
        "mail: names in quotes that do not end",
        |n| {
            parts(
                n,
                &format!(
                    "Content-Disposition: a{}\r\n",
                    "; filename=\"a".repeat(1_200)
                ),
            )
        },
        Either,
    ),
    (
        "mail: comments that do not end",
        |n| {
            parts(
                n,
                &format!("Content-Type: a/b; name=a{}\r\n", "(".repeat(15_000)),
            )
        },
        Either,
    ),
    (
        "mail: ends of comments before equals signs",
        |n| parts(n, &format!("Content-Type: a/b;{}\r\n", ")=".repeat(7_500))),
        Either,
    ),
    (
        "mail: short lines in many readings",
        |n| readings(n, b"\r\n-"),
        Either,
    ),
    (
        "mail: long lines in many readings",
        |n| readings(n, &long_line()),
        Either,
    ),
    ("mail: mails in mails", mails, Either),
    ("mail: mails in base64 in mails", encoded_mails, Held),
];

fn prose_mail(size: usize) -> Vec<u8> {
    let mut text = b"Content-Type: text/plain\r\n\r\n".to_vec();
    for line in prose(size).chunks(76) {
        text.extend_from_slice(line);
        text.extend_from_slice(b"\r\n");
    }
    text
}

fn levels(size: usize, count: usize, line: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for n in 0..count {
        let head =
            format!("Content-Type: multipart/mixed; boundary=boundary{n}\r\n\r\n--boundary{n}\r\n");
        text.extend(head.into_bytes());
    }
    text.extend_from_slice(b"\r\n");
    text.extend(line.repeat(size / line.len()));
    text
}

fn long_line() -> Vec<u8> {
    [b"\r\n--".as_slice(), &[b'b'; 190]].concat()
}

fn parts(size: usize, fields: &str) -> Vec<u8> {
    let mut text = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    let one = format!("--b\r\n{fields}\r\nx\r\n");
    text.extend(one.repeat((size / one.len()).max(1)).into_bytes());
    text.extend_from_slice(b"--b--\r\n");
    text
}

fn parameters(one: &str) -> String {
    format!("Content-Type: a/b{}\r\n", one.repeat(16_000 / one.len()))
}

fn numbered(one: &str) -> String {
    let all: String = (0..900).map(|n| format!("{one}a{n}")).collect();
    format!("Content-Disposition: attachment{all}\r\n")
}

fn pieces() -> String {
    let all: String = (0..1_100).rev().map(|n| format!("; name*{n}*=a")).collect();
    format!("Content-Type: a/b{all}\r\n")
}

fn named(name: &str) -> String {
    format!("Content-Type: a/b; name=\"{name}\"\r\n")
}

fn encoded(size: usize, encoding: &str, filler: &[u8]) -> Vec<u8> {
    let head = format!("Content-Type: a/b\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
    [head.as_bytes(), &filler.repeat(size / filler.len())].concat()
}

fn mails(size: usize) -> Vec<u8> {
    let head = b"Content-Type: message/rfc822\r\n\r\n".repeat(99);
    [head.as_slice(), b"\r\n", &b"\r\n--".repeat(size / 4)].concat()
}

/// Readers differ in four boundaries, two types and two encodings.
fn readings(size: usize, line: &[u8]) -> Vec<u8> {
    let head = "Content-Type: multipart/mixed; boundary=a; boundary=b; boundary=c; boundary=d\r\nContent-Type: text/plain\r\n\
        Content-Transfer-Encoding: base64,\r\n \r\nno field\r\n\r\n--a\r\n\r\n--aX\r\n\r\n";
    let mut text = head.as_bytes().to_vec();
    text.extend(line.repeat(size / line.len()));
    text
}

/// Each is decoded for the one around it.
fn encoded_mails(size: usize) -> Vec<u8> {
    let mut mail = prose_mail(size / 60 + 10);
    for _ in 0..14 {
        let mut outer =
            b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n".to_vec();
        base64(&mail, &mut outer);
        mail = outer;
    }
    mail
}
