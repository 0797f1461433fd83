//! Names that hide what they are, and mails that hide their attachments.
//!
//! What one mail program shows and another does not counts all the same.

use super::corpus::{ByHand, EXE, mail, uuencoded, with_part, zipped};
use super::{SMALL, blocked, cut_at, look, rules};
use crate::mail::archive::{Bound, Bounds};

#[test]
fn a_name_is_read_as_every_system_reads_it() {
    for name in [
        "setup.exe",
        "SETUP.EXE",
        "rechnung\u{202e}fdp.exe",
        "a.e\u{200b}xe",
        "setup.exe. . ",
        "C:\\temp\\setup.exe",
        "../../setup.exe",
    ] {
        assert!(blocked(name, b"x").is_some(), "attached: {name:?}");
        assert!(
            blocked("a.zip", &zipped(&[(name, b"x")])).is_some(),
            "packed: {name:?}"
        );
    }
    for octets in [&b"setup.exe\0.txt"[..], b"r\xe4tsel.exe", b"\xff\xfe.exe"] {
        let mut file = ByHand::default();
        let at = file.local(octets, 0, 0, b"x");
        file.central(octets, 0, 0, 1, at);
        assert!(
            blocked("a.zip", &file.finish()).is_some(),
            "case: {octets:?}"
        );
    }
}

#[test]
fn every_name_that_a_part_gives_counts() {
    for fields in [
        "Content-Disposition: attachment; filename=a.txt\r\nContent-Type: text/plain; name=a.exe",
        "Content-Disposition: attachment; filename=a.exe\r\nContent-Type: text/plain; name=a.txt",
        "Content-Disposition: attachment; filename=a.exe; filename*=utf-8''a.txt",
        "Content-Disposition: attachment; filename*=utf-8''a%2eexe",
        "Content-Disposition: attachment; filename*0=a.e; filename*1=xe",
        "Content-Disposition: attachment; filename=a.txt; filename=a.exe",
        "Content-Disposition: inline; filename=\"=?utf-8?B?YS5leGU=?=\"",
        "Content-Type: application/x-msdownload",
    ] {
        assert!(
            look(&with_part(fields, b"x")).blocked.is_some(),
            "case: {fields}"
        );
    }
}

#[test]
fn content_counts_without_any_name_and_in_every_encoding() {
    assert!(
        look(&with_part("Content-Type: text/plain", EXE))
            .blocked
            .is_some()
    );
    let quoted = "Content-Type: image/png\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nMZ=90=00=\r\n=03=00\r\n";
    assert!(look(quoted.as_bytes()).blocked.is_some());
    let plain = uuencoded("a.dat", &zipped(&[("setup.exe", b"x")]));
    let found = look(format!("Subject: x\r\n\r\n{plain}").as_bytes());
    assert_eq!(
        found.blocked.unwrap().path,
        "text/plain > a.dat > setup.exe"
    );
    let found = look(format!("\r\n{}", uuencoded("x.dat", &[EXE, &[0; 300]].concat())).as_bytes());
    assert!(found.blocked.is_some());
    assert!(look(b"\r\nbegin 644\r\nbegin the day\r\nend\r\n").is_clear());
}

#[test]
fn mails_in_mails_are_looked_into_up_to_a_named_level() {
    let nested = |levels: usize| {
        let mut text = String::new();
        for _ in 0..levels {
            text.push_str("Content-Type: message/rfc822\r\n\r\n");
        }
        text.push_str("Content-Type: application/zip; name=setup.exe\r\n\r\nx");
        text.into_bytes()
    };
    assert!(look(&nested(100)).blocked.is_some());
    let stopped = look(&nested(101)).stopped.unwrap();
    assert_eq!(stopped.bound, Bound::Levels);
    let packed = with_part("Content-Type: message/rfc822", &mail("setup.exe", b"x"));
    assert_eq!(
        look(&packed).blocked.unwrap().path,
        "message/rfc822 > setup.exe"
    );
}

#[test]
fn ten_thousand_parts_are_looked_at_and_no_more() {
    let bounds = Bounds {
        entries: 20_000,
        ..SMALL
    };
    let many = |count: usize, last: &str| {
        let part = "--b\r\nContent-Type: image/png; name=a.png\r\n\r\nx\r\n";
        let text = part.repeat(count);
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{text}{last}--b--\r\n")
            .into_bytes()
    };
    let rules = rules();
    let last = "--b\r\nContent-Type: image/png; name=setup.exe\r\n\r\nx\r\n";
    let found = cut_at(&many(9_998, last), 65_024, &rules, bounds);
    assert!(found.blocked.is_some() && found.looked == 9_999);
    let found = cut_at(&many(10_000, last), 65_024, &rules, bounds);
    assert_eq!(found.stopped.unwrap().bound, Bound::Parts);
    let found = look(&many(600, last));
    assert_eq!(found.stopped.unwrap().bound, Bound::Entries);
}

#[test]
fn a_path_is_bounded_and_keeps_the_ending() {
    let long = format!("{}.exe", "a".repeat(300));
    let path = blocked("a.zip", &zipped(&[(&long, b"x")])).unwrap();
    assert!(
        path.chars().count() < 50 && path.ends_with("aaa.exe"),
        "{path}"
    );
}

#[test]
fn uuencode_without_any_file_that_is_found_is_told() {
    let part = |body: &str| {
        let fields = "Content-Disposition: attachment; filename=a.zip\r\nContent-Transfer-Encoding: x-uuencode";
        format!("{fields}\r\n\r\n{body}").into_bytes()
    };
    for body in ["begin 0o644 a.zip\r\n!80  \r\n`\r\nend\r\n", "UEsDBBQ=\r\n"] {
        assert!(look(&part(body)).lost.is_some(), "case: {body:?}");
    }
    for body in ["", "\r\n", &uuencoded("a.txt", b"x")] {
        assert!(look(&part(body)).is_clear(), "case: {body:?}");
    }
    // Who does not know the encoding sees the octets as they are.
    let raw = [part(""), zipped(&[("setup.exe", b"x")])].concat();
    assert!(look(&raw).blocked.is_some());
}

#[test]
fn prose_is_no_file_and_every_file_in_prose_is_one() {
    let text = |body: &str| format!("\r\n{body}").into_bytes();
    let words = "(This file must be converted with BinHex 4.0)";
    for prose in [
        "begin 1 run.bat setup.exe\r\nand then wait\r\n",
        "begin 2024 we had setup.exe\r\nand nobody knew it\r\nuntil: the end\r\nend\r\n",
        "begin 7 setup.exe\r\n",
        &format!("it says {words}\r\n:here\r\n"),
        &format!("{words}\r\nis what it says\r\nand\r\nso on\r\n:-)\r\n"),
    ] {
        let found = look(&text(prose));
        assert!(found.is_clear(), "{prose:?}: {found:?}");
    }
    for file in [
        "begin 644 setup.exe\r\nand then\r\n",
        "begin 7 setup.exe\r\n!80\r\n`\r\nend\r\n",
        "begin 644 my own setup.exe\r\n!80``\r\n`\r\nend\r\n",
        "begin 644 my own setup.exe\r\nnot yet\r\n\r\n!80``\r\nend\r\n",
        "begin 644 my own setup.exe\r\naxp``\r\nend\r\n",
        "begin 1 b\r\nbegin 1 a setup.exe\r\n!80``\r\nend\r\n",
    ] {
        assert!(look(&text(file)).blocked.is_some(), "{file:?}");
    }
    for file in [
        format!("{words}\r\n\r\n:$f*TEQKPH\r\n"),
        format!("{words}\r\n\r\n\r\n\r\n\r\nx\r\n:$f*TEQKPH\r\n"),
    ] {
        assert!(look(&text(&file)).lost.is_some(), "{file:?}");
    }
}
