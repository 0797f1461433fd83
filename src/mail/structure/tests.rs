//! Mails that are well, mails that are not, and mails made by chance: the same structure however they are cut.
//!
//! What is made by chance is built by mail-builder and compared with what mail-parser reads in it.

use std::borrow::Cow;

use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};
use mail_parser::{MessageParser, MimeHeaders, PartType};

use super::*;
use crate::base::limit::{ATTACHMENTS_LOOKED_MAX, MIME_DEPTH_MAX, MIME_PARTS_MAX};

fn scan(text: &[u8], size: usize) -> Structure {
    let mut scan = Scan::default();
    text.chunks(size.max(1)).for_each(|piece| scan.feed(piece));
    scan.finish()
}

/// At many chunk sizes, which must not matter.
fn structure(text: &str) -> Structure {
    let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    let whole = scan(text.as_bytes(), text.len());
    for size in [1, 2, 3, 5, 7, 64, 1_000] {
        assert_eq!(
            scan(text.as_bytes(), size),
            whole,
            "chunks of {size}: {text}"
        );
    }
    whole
}

fn rows(text: &str) -> Vec<(String, String, String, u64)> {
    let found = structure(text).attachments.into_iter();
    found
        .map(|a| {
            (
                a.name.unwrap_or_default(),
                a.declared,
                a.found.unwrap_or_default(),
                a.size,
            )
        })
        .collect()
}

fn names(text: &str) -> Vec<String> {
    rows(text).into_iter().map(|row| row.0).collect()
}

/// One part with these fields, in a multipart.
fn part(fields: &str) -> String {
    format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{fields}\n\nx\n--b--\n")
}

#[test]
fn a_plain_mail_has_no_structure() {
    for text in [
        "Subject: x\n\nbody\n",
        "Subject: x\n",
        "",
        "\n\nbody",
        "Content-Type: text/html\n\n<html>\n--b\n",
        "Content-Type: rubbish\n\n",
    ] {
        let found = structure(text);
        let plain = Structure {
            parts: 1,
            ..Structure::default()
        };
        assert_eq!(found, plain, "case: {text}");
    }
}

#[test]
fn attachments_are_found_with_type_name_content_and_size() {
    let text = "Content-Type: multipart/mixed;\n boundary=\"a b\"\n\npreamble\n--a b\n\ntext\n--a b\n\
        Content-Type: application/PDF; name=x.pdf\nContent-Transfer-Encoding: base64\n\nTVqQ\nAAMA\n--a b\n\
        Content-Disposition: attachment; filename=\"n.txt\"\n\n%PDF-1.4\n\n--a b  \nContent-Type: image/png\n\n--a b--\nepilogue\n--a b\n\
        Content-Type: image/gif\n\n";
    let row = |name: &str, declared: &str, found: &str, size| {
        (name.to_owned(), declared.to_owned(), found.to_owned(), size)
    };
    assert_eq!(
        rows(text),
        [
            row(
                "x.pdf",
                "application/pdf",
                "application/vnd.microsoft.portable-executable",
                10
            ),
            row("n.txt", "text/plain", "application/pdf", 10),
            row("", "image/png", "", 0),
        ]
    );
    let found = structure(text);
    assert_eq!((found.parts, found.depth, found.broken), (5, 1, None));
}

#[test]
fn a_mail_that_is_one_attachment_is_one() {
    let text = "Content-Type: application/zip; name=a.zip\nContent-Transfer-Encoding: base64\n\nUEsDBA==\n";
    let wanted = (
        "a.zip".to_owned(),
        "application/zip".to_owned(),
        "application/zip".to_owned(),
        10,
    );
    assert_eq!(rows(text), [wanted]);
}

#[test]
fn only_a_whole_line_is_a_delimiter() {
    let inner = "Content-Type: multipart/mixed; boundary=ab";
    let text = format!(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\n{inner}\n\n--ab\nContent-Type: image/png\n\n--a b\n--abc\n --ab\n-\n--\n--ab--\n--a\n\
         Content-Type: image/gif\n\nx\n--a--\n"
    );
    let found = structure(&text);
    assert_eq!((found.parts, found.depth, found.broken), (4, 2, None));
    let sizes: Vec<_> = found.attachments.iter().map(|a| a.size).collect();
    assert_eq!(
        sizes,
        ["--a b\r\n--abc\r\n --ab\r\n-\r\n--".len() as u64, 1]
    );
}

#[test]
fn an_outer_delimiter_ends_what_is_inside() {
    let text = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n\nx\n--a\n\
        Content-Type: image/gif\n\ny\n--a--\n";
    let found = structure(text);
    assert_eq!(found.broken, Some("a multipart without its end"));
    assert_eq!(found.attachments.len(), 2);
    assert_eq!(found.attachments[0].size, 1);
}

#[test]
fn what_leaves_a_reader_without_content_is_broken() {
    const HEAD: &str = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n";
    for (name, text, wanted) in [
        ("whole", format!("{HEAD}--b\n\nx\n--b--\n"), None),
        (
            "without a last line end",
            format!("{HEAD}--b\n\nx\n--b--"),
            None,
        ),
        (
            "no boundary",
            "Content-Type: multipart/mixed\n\nx\n".to_owned(),
            Some("a multipart without a boundary"),
        ),
        (
            "never begins",
            format!("{HEAD}x\n"),
            Some("a multipart whose boundary never comes"),
        ),
        (
            "never ends",
            format!("{HEAD}--b\n\nx\n"),
            Some("a multipart without its end"),
        ),
        (
            "a header only",
            HEAD.to_owned(),
            Some("a multipart whose boundary never comes"),
        ),
        (
            "a long boundary",
            format!(
                "Content-Type: multipart/mixed; boundary={}\n\n",
                "b".repeat(2_001)
            ),
            Some("a multipart whose boundary is too long"),
        ),
    ] {
        assert_eq!(structure(&text).broken, wanted, "case: {name}");
    }
}

#[test]
fn a_mail_in_a_mail_is_an_attachment_and_is_looked_into() {
    let inner = "Subject: inner\nContent-Type: multipart/mixed; boundary=i\n\n--i\nContent-Type: application/zip; name=deep.zip\n\nPK\n--i--\n";
    let text = format!(
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n{inner}\n--o--\n"
    );
    let found = structure(&text);
    assert_eq!(names(&text), ["", "deep.zip"]);
    assert_eq!((found.parts, found.depth, found.broken), (4, 3, None));
    assert_eq!(
        found.attachments[0].size,
        inner.replace('\n', "\r\n").len() as u64
    );
    let digest = text.replace(
        "multipart/mixed; boundary=o",
        "multipart/digest; boundary=o",
    );
    assert_eq!(
        names(&digest.replace("Content-Type: message/rfc822\n", "")),
        ["", "deep.zip"]
    );
    // Encoded it cannot be looked into, and is one.
    let encoded = text.replace("rfc822\n", "rfc822\nContent-Transfer-Encoding: base64\n");
    assert_eq!(structure(&encoded).attachments.len(), 1);
}

#[test]
fn names_are_read_however_they_are_written() {
    for (field, wanted) in [
        ("Content-Type: text/plain; name=a.txt", "a.txt"),
        (
            "content-type : text/plain;\n\tNAME = \"a b;c.txt\" ; charset=utf-8",
            "a b;c.txt",
        ),
        (
            "Content-Disposition: inline; filename=\"a \\\"b\\\".txt\"",
            "a \"b\".txt",
        ),
        (
            "Content-Disposition: attachment; filename=\"C:\\dir\\a.exe\"",
            "a.exe",
        ),
        (
            "Content-Disposition: attachment; filename=my report.pdf",
            "my report.pdf",
        ),
        (
            "Content-Disposition: attachment; filename*=UTF-8'de'%C3%A4.txt; filename=a.txt",
            "ä.txt",
        ),
        (
            "Content-Disposition: attachment; filename*=ISO-8859-1''%E4.txt",
            "ä.txt",
        ),
        (
            "Content-Disposition: attachment;\n filename*1=b.e; filename*0=\"a\";\n filename*2=xe",
            "ab.exe",
        ),
        (
            "Content-Disposition: attachment; filename*0*=UTF-8''%C3; filename*1*=%A4; filename*2=%.txt",
            "ä%.txt",
        ),
        (
            "Content-Disposition: attachment; filename*0=a.exe; filename*2=b.txt",
            "a.exe",
        ),
        (
            "Content-Disposition: attachment; filename=\"=?utf-8?Q?=C3=A4=2Etxt?=\"",
            "ä.txt",
        ),
        (
            "Content-Type: image/png; name=a\nContent-Disposition: inline; filename=b",
            "b",
        ),
        (
            "Content-Type: image/png; name=a\nContent-Type: image/gif; name=b",
            "a",
        ),
        ("Content-Disposition: attachment; filename=ä.txt", "ä.txt"),
        (
            "Content-Disposition: attachment; filename=../../a\u{202E}.txt",
            "a.txt",
        ),
        ("Content-Disposition: whatever", ""),
    ] {
        assert_eq!(names(&part(field)), [wanted], "case: {field}");
    }
    let latin = [
        part("Content-Disposition: attachment; filename=")
            .trim_end_matches("\n\nx\n--b--\n")
            .as_bytes(),
        b"\xe4.txt\n\nx\n--b--\n",
    ]
    .concat();
    assert_eq!(
        scan(&latin, 9).attachments[0].name.as_deref(),
        Some("ä.txt")
    );
}

#[test]
fn text_without_a_name_is_no_attachment() {
    for field in [
        "Content-Type: text/html",
        "Content-Disposition: inline",
        "X: y",
        "no field",
    ] {
        assert_eq!(names(&part(field)), [""; 0], "case: {field}");
    }
}

#[test]
fn ten_thousand_parts_are_counted_and_no_more() {
    let one = "--b\nContent-Type: image/png\n\nx\n";
    let mail = |n: usize| {
        format!(
            "Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n",
            one.repeat(n)
        )
    };
    let most = scan(mail(MIME_PARTS_MAX - 1).as_bytes(), 1_000);
    assert_eq!(most.parts, MIME_PARTS_MAX);
    assert_eq!(
        (most.attachments.len(), most.cut, most.broken),
        (ATTACHMENTS_LOOKED_MAX, true, None)
    );
    let more = scan(mail(MIME_PARTS_MAX + 500).as_bytes(), 1_000);
    assert_eq!(
        (more.parts, more.cut, more.broken),
        (MIME_PARTS_MAX, true, None)
    );
}

#[test]
fn a_hundred_levels_are_looked_into_and_no_more() {
    let mail = |n: usize| {
        let open = |n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
        let close = |n: usize| format!("\n--b{n}--\n");
        let leaf = "Content-Type: image/png\n\nx".to_owned();
        let all = (0..n).map(open).chain([leaf]);
        all.chain((0..n).rev().map(close)).collect::<String>()
    };
    let most = structure(&mail(MIME_DEPTH_MAX));
    assert_eq!(
        (most.depth, most.parts),
        (MIME_DEPTH_MAX, MIME_DEPTH_MAX + 1)
    );
    assert_eq!(
        (most.attachments.len(), most.cut, most.broken),
        (1, false, None)
    );
    let more = structure(&mail(MIME_DEPTH_MAX + 50));
    assert_eq!(
        (more.depth, more.cut, more.broken),
        (MIME_DEPTH_MAX, true, None)
    );
    let mails = structure(&"Content-Type: message/rfc822\n\n".repeat(500));
    assert_eq!(
        (mails.depth, mails.cut, mails.broken),
        (MIME_DEPTH_MAX, true, None)
    );
}

#[test]
fn a_header_without_end_is_cut() {
    let text = part(&format!(
        "Content-Type: text/plain; name={}.exe",
        "a".repeat(100_000)
    ));
    let found = structure(&text);
    assert!(found.cut);
    assert_eq!(found.attachments.len(), 1);
    let folds = part(&format!(
        "Content-Type: text/plain;{} name=a.exe",
        "\n ".repeat(20_000)
    ));
    assert!(structure(&folds).cut);
}

/// A part by chance, with parts of its own above `depth`.
fn by_chance(random: &mut fastrand::Rng, depth: usize) -> MimePart<'static> {
    if depth > 0 && random.u8(0..3) == 0 {
        let count = random.usize(1..4);
        let kind = [
            "multipart/mixed",
            "multipart/alternative",
            "multipart/related",
        ];
        let parts = (0..count).map(|_| by_chance(random, depth - 1)).collect();
        return MimePart::new(random.choice(kind).unwrap(), BodyPart::Multipart(parts));
    }
    let text = [
        "",
        "--",
        "hello\r\n--x\r\n",
        "äöü €\r\n\r\n",
        "=3D \t\r\n-\r\n",
        "--=_\r\n",
    ];
    let body: String = (0..random.usize(0..5))
        .map(|_| random.choice(text).unwrap())
        .collect();
    let name = [
        "a.txt",
        "ä b.pdf",
        "x;y\"z.exe",
        "sehr langer name mit vielen wörtern und zeichen für mehrere zeilen.docx",
    ];
    let name = random.choice(name).unwrap();
    match random.u8(0..4) {
        0 => MimePart::new("text/plain", BodyPart::Text(Cow::Owned(body))),
        1 => MimePart::new("text/html", BodyPart::Text(Cow::Owned(body))).attachment(name),
        2 => MimePart::new(
            ContentType::new("application/octet-stream").attribute("name", name),
            BodyPart::Binary(Cow::Owned(
                (0..random.usize(0..2_000)).map(|_| random.u8(..)).collect(),
            )),
        ),
        _ => MimePart::new(
            "image/png",
            BodyPart::Binary(Cow::Borrowed(b"\x89PNG\r\n\x1a\n\0")),
        )
        .inline()
        .header("X-Other", Raw::new("y")),
    }
}

#[test]
fn mails_by_chance_are_read_as_mail_parser_reads_them() {
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..300 {
        let mut text = Vec::new();
        by_chance(&mut random, 5).write_part(&mut text);
        let found = scan(&text, text.len());
        for _ in 0..4 {
            let size = random.usize(1..200);
            assert_eq!(scan(&text, size), found, "round {round}, chunks of {size}");
        }
        let shown = String::from_utf8_lossy(&text);
        let read = MessageParser::new().parse(&text).unwrap();
        assert_eq!(found.parts, read.parts.len(), "{shown}");
        assert_eq!(
            (found.broken, found.cut),
            (
                None,
                found.attachments.len() == ATTACHMENTS_LOOKED_MAX && found.cut
            )
        );
        let names: Vec<_> = read
            .parts
            .iter()
            .filter(|part| !matches!(part.body, PartType::Multipart(_)))
            .filter(|part| {
                let text = part.content_type().is_none_or(|of| of.ctype() == "text");
                !text || part.attachment_name().is_some()
            })
            .map(|part| part.attachment_name().map(str::to_owned))
            .take(ATTACHMENTS_LOOKED_MAX)
            .collect();
        let own: Vec<_> = found.attachments.iter().map(|a| a.name.clone()).collect();
        assert_eq!(own, names, "{shown}");
    }
}
