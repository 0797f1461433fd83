//! Every kind of archive, and zips in which one program sees what another does not.
//!
//! Each case goes through the whole of a mail, at many cuts.

use super::corpus::{ByHand, EXE, deflated, gzipped, mail, tarred, tnef, zipped};
use super::{blocked, look};

#[test]
fn every_kind_of_archive_is_looked_into() {
    let long = format!("{}/setup.exe", "d".repeat(120));
    for (name, file, wanted) in [
        (
            "a.tar",
            tarred(&[("a.txt", b"a"), ("b/setup.exe", b"x")]),
            "a.tar > setup.exe",
        ),
        ("a.tar", tarred(&[(&long, b"x")]), "a.tar > setup.exe"),
        ("photo.jpg.gz", gzipped(EXE), "photo.jpg.gz > photo.jpg"),
        ("setup.exe.gz", gzipped(b"x"), "setup.exe.gz > setup.exe"),
        (
            "a.tgz",
            gzipped(&tarred(&[("a.dat", EXE)])),
            "a.tgz > a.tar > a.dat",
        ),
        (
            "winmail.dat",
            tnef("SETUP.EXE", None, b"x"),
            "winmail.dat > SETUP.EXE",
        ),
        (
            "winmail.dat",
            tnef("SETUP~1.TXT", Some("setup.scr"), b"x"),
            "winmail.dat > setup.scr",
        ),
        (
            "winmail.dat",
            tnef("A.TXT", Some("a.txt"), &zipped(&[("b.exe", b"")])),
            "winmail.dat > a.txt > b.exe",
        ),
        ("a.eml", mail("setup.exe", b"x"), "a.eml > setup.exe"),
        (
            "a.zip",
            zipped(&[("a.eml", &mail("a.gz", &gzipped(EXE)))]),
            "a.zip > … > a.gz > a",
        ),
    ] {
        assert_eq!(blocked(name, &file).as_deref(), Some(wanted));
    }
}

#[test]
fn members_of_a_gzip_file_are_one_content() {
    let (head, tail) = EXE.split_at(7);
    let joined = [gzipped(head), gzipped(tail)].concat();
    assert!(blocked("a.gz", &joined).is_some());
    let padded = [gzipped(b"text"), vec![0; 700]].concat();
    assert!(look(&mail("a.gz", &padded)).is_clear());
    // A name in the header of any member counts.
    let mut named = b"\x1f\x8b\x08\x08\0\0\0\0\0\xffsetup.exe\0".to_vec();
    named.extend(deflated(b"text"));
    named.extend([0; 8]);
    assert_eq!(blocked("a.gz", &named).as_deref(), Some("a.gz > setup.exe"));
    assert!(blocked("a.gz", &[gzipped(b"text"), named].concat()).is_some());
}

#[test]
fn a_zip_is_seen_as_every_program_sees_it() {
    let text = b"hello";
    let size = 5;
    let mut local = ByHand::default();
    let at = local.local(b"setup.exe", 0, 0, text);
    local.central(b"a.txt", 0, 0, size, at);
    let mut central = ByHand::default();
    let at = central.local(b"a.txt", 0, 0, text);
    central.central(b"setup.exe", 0, 0, size, at);
    // The directory knows nothing of it.
    let mut unlisted = ByHand::default();
    let at = unlisted.local(b"a.txt", 0, 0, text);
    unlisted.local(b"setup.exe", 0, 0, text);
    unlisted.central(b"a.txt", 0, 0, size, at);
    // A first entry pretends to be all that follows.
    let mut swallowed = ByHand::default();
    swallowed.local_of(b"a.txt", 0, 0, 1 << 20);
    let at = swallowed.local(b"b.txt", 0, 8, &deflated(EXE));
    swallowed.central(b"b.txt", 0, 8, 9, at);
    // Stored says one, deflated the other.
    let mut methods = ByHand::default();
    let at = methods.local(b"a.txt", 0, 0, &deflated(EXE));
    methods.central(b"a.txt", 0, 8, 9, at);
    // The size stands behind the content.
    let mut described = ByHand::default();
    let at = described.local(b"a.txt", 8, 8, &deflated(b"text"));
    described
        .bytes
        .extend(b"PK\x07\x08\0\0\0\0\0\0\0\0\0\0\0\0");
    let next = described.local(b"b.txt", 8, 8, &deflated(EXE));
    described.central(b"a.txt", 8, 8, 9, at);
    described.central(b"b.txt", 8, 8, 9, next);
    for (case, file) in [
        ("local", local.finish()),
        ("central", central.finish()),
        ("unlisted", unlisted.finish()),
        ("swallowed", swallowed.finish()),
        ("methods", methods.finish()),
        ("described", described.finish()),
    ] {
        assert!(blocked("a.zip", &file).is_some(), "case: {case}");
        let before = [b"anything".as_slice(), &file].concat();
        assert!(blocked("a.zip", &before).is_some(), "before: {case}");
        let behind = [&file, b"PK\x05\x06 anything".as_slice()].concat();
        assert!(blocked("a.zip", &behind).is_some(), "behind: {case}");
    }
}

#[test]
fn what_only_a_password_opens_is_told_and_its_names_still_count() {
    let mut file = ByHand::default();
    let at = file.local(b"offer.pdf", 1, 8, &[7; 40]);
    file.central(b"offer.pdf", 1, 8, 40, at);
    let secret = file.clone();
    let found = look(&mail("a.zip", &file.finish()));
    assert_eq!(found.encrypted.as_deref(), Some("a.zip > offer.pdf"));
    let mut file = secret;
    let at = file.local(b"setup.exe", 1, 99, &[7; 40]);
    file.central(b"setup.exe", 1, 99, 40, at);
    let found = look(&mail("a.zip", &file.finish()));
    assert!(found.blocked.is_some() && found.encrypted.is_none());
    let mut office = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    office.resize(3_000, 0);
    let plain = office.clone();
    office.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    let found = look(&mail("a.docx", &office));
    assert_eq!(found.encrypted.as_deref(), Some("a.docx"));
    assert!(look(&mail("a.doc", &plain)).is_clear());
}

#[test]
fn macros_and_disk_images_are_known_by_content() {
    let mut office = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    office.resize(5_000, 0);
    office.extend("_VBA_PROJECT".encode_utf16().flat_map(u16::to_le_bytes));
    assert!(blocked("a.doc", &office).is_some());
    let new = zipped(&[
        ("[Content_Types].xml", b"<x/>"),
        ("word/vbaProject.bin", &office),
    ]);
    assert_eq!(
        blocked("a.docm", &new).as_deref(),
        Some("a.docm > vbaProject.bin")
    );
    let mut image = vec![0; 32_769];
    image.extend(b"CD001\x01");
    assert!(blocked("a.dat", &image).is_some());
}

#[test]
fn a_damaged_archive_is_told_after_all_that_can_be_read() {
    let whole = zipped(&[("a.txt", &[7; 5_000]), ("b.txt", b"b")]);
    let gz = gzipped(
        &(0..60_000u32)
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<_>>(),
    );
    let tar = tarred(&[("a.txt", &[7; 5_000])]);
    for (name, file) in [
        ("a.zip", whole.get(..whole.len() - 30).unwrap()),
        ("a.zip", whole.get(..60).unwrap()),
        ("a.gz", gz.get(..gz.len() / 2).unwrap()),
        ("a.gz", &[&gz[..500], &[0xff; 500]].concat()),
        ("a.tar", tar.get(..3_000).unwrap()),
    ] {
        let found = look(&mail(name, file));
        assert_eq!(
            found.damaged.as_deref().map(|path| path.starts_with(name)),
            Some(true),
            "case: {name}"
        );
    }
    let cut = zipped(&[("a.txt", b"a"), ("setup.exe", &[7; 5_000])]);
    assert!(blocked("a.zip", cut.get(..cut.len() - 150).unwrap()).is_some());
    // No zip at all, and an empty one.
    for file in [b"just a text".as_slice(), b"", &zipped(&[])] {
        assert!(look(&mail("a.zip", file)).is_clear());
    }
}

#[test]
fn what_is_packed_by_a_method_that_is_not_unpacked_is_told_after_its_names() {
    for (method, word) in [
        (1, "shrink"),
        (6, "implode"),
        (9, "deflate64"),
        (12, "bzip2"),
        (14, "lzma"),
        (93, "zstd"),
        (95, "xz"),
        (98, "ppmd"),
        (77, "unknown"),
    ] {
        // Either header may say it, and a program may believe either.
        for (own, listed) in [(method, method), (0, method), (method, 0), (8, method)] {
            let mut file = ByHand::default();
            let at = file.local(b"inner.zip", 0, own, &[7; 40]);
            file.central(b"inner.zip", 0, listed, 40, at);
            let other = file.clone();
            let found = look(&mail("a.zip", &file.finish()));
            let packed = found.packed.expect(word);
            assert_eq!(
                (packed.path.as_str(), packed.method),
                ("a.zip > inner.zip", word),
                "case: {own} {listed}"
            );
            let mut file = other;
            let at = file.local(b"setup.exe", 0, method, &[7; 40]);
            file.central(b"setup.exe", 0, method, 40, at);
            assert!(look(&mail("a.zip", &file.finish())).blocked.is_some());
        }
    }
    // A directory, or a file of nothing, hides nothing.
    let mut file = ByHand::default();
    let at = file.local(b"folder/", 0, 14, b"");
    file.central(b"folder/", 0, 14, 0, at);
    assert!(look(&mail("a.zip", &file.finish())).is_clear());
}

#[test]
fn the_last_name_of_a_thousand_counts_and_one_more_ends_the_look() {
    let names = |count: usize| -> Vec<String> {
        let each = (1..count).map(|n| format!("{n}.txt"));
        each.chain(["setup.exe".to_owned()]).collect()
    };
    let zip = |names: &[String]| {
        let mut file = ByHand::default();
        let at = file.local(names[0].as_bytes(), 0, 0, b"x");
        for name in names {
            file.central(name.as_bytes(), 0, 0, 1, at);
        }
        file.finish()
    };
    let rules = super::rules();
    for (name, few, many) in [
        ("a.zip", zip(&names(1_000)), zip(&names(1_002))),
        (
            "winmail.dat",
            super::tnef_of(&names(1_000), 1),
            super::tnef_of(&names(1_002), 1),
        ),
    ] {
        let found = super::cut_at(&mail(name, &few), 65_024, &rules, super::SMALL);
        assert!(found.blocked.is_some(), "{name}: {found:?}");
        let found = super::cut_at(&mail(name, &many), 65_024, &rules, super::SMALL);
        let bound = found.stopped.map(|stopped| stopped.bound);
        assert_eq!(bound, Some(super::Bound::Names), "{name}");
    }
}

#[test]
fn a_file_is_looked_into_as_what_it_shows_and_as_what_it_claims() {
    let zip = zipped(&[("setup.exe", b"x")]);
    let tar = tarred(&[("a.txt", b"hello")]);
    let heads: [(&str, &[u8]); 4] = [
        ("gzip", &gzipped(b"hello")),
        ("tar", tar.get(..512).unwrap()),
        ("ole", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("no entries", b"PK\x05\x06"),
    ];
    let inner = b"X: y\r\nContent-Disposition: attachment; filename=setup.exe\r\n\r\nx";
    let uu = super::corpus::uuencoded("setup.exe", b"x");
    for (case, head) in heads {
        let packed = [head, &zip].concat();
        for name in ["a.zip", "a.docx", "a.war", "a.zip.", "a.zip:s"] {
            assert!(blocked(name, &packed).is_some(), "{case}, {name}");
        }
        let again = zipped(&[("a.jar", &packed)]);
        assert!(blocked("b.zip", &again).is_some(), "{case}, packed");
        let eml = [head, b": x\r\n", inner].concat();
        for name in ["a.eml", "a.eml. "] {
            assert!(blocked(name, &eml).is_some(), "{case}, {name}");
        }
        let text = [head, b"\r\n\r\n", uu.as_bytes()].concat();
        for (fields, file) in [
            ("Content-Type: application/zip", &packed),
            ("Content-Type: message/rfc822", &eml),
            ("Content-Type: text/plain", &text),
        ] {
            let found = look(&super::corpus::with_part(fields, file));
            assert!(found.blocked.is_some(), "{case}, {fields}");
        }
        let mut image = head.to_vec();
        image.resize(32_769, 0);
        image.extend(b"CD001\x01");
        assert!(blocked("a.iso", &image).is_some(), "{case}, image");
    }
    assert_eq!(
        blocked("setup.exe.gz.", &gzipped(b"x")).as_deref(),
        Some("setup.exe.gz > setup.exe")
    );
}

/// A header of this kind before its content, and both filled up.
fn tar_of(entries: &[(u8, &[u8])]) -> Vec<u8> {
    let mut file = Vec::new();
    for (kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_path("a.txt").unwrap();
        header.set_size(content.len() as u64);
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_cksum();
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(content);
        file.resize(file.len().next_multiple_of(512), 0);
    }
    file.resize(file.len() + 1_024, 0);
    file
}

/// One field of pax, whose length counts itself.
fn pax(field: &str) -> Vec<u8> {
    let rest = field.len() + 2;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {field}\n").into_bytes()
}

#[test]
fn every_field_that_names_entries_of_a_tar_counts() {
    let long = [
        pax(&format!("comment={}", "c".repeat(70_000))),
        pax("path=setup.exe"),
    ]
    .concat();
    let own = ("x", pax("path=setup.exe"));
    let sparse = ("x", pax("GNU.sparse.name=setup.exe"));
    let global = ("g", pax("path=setup.exe"));
    let global_sparse = ("g", pax("GNU.sparse.name=dir/setup.exe"));
    for (kind, fields) in [own, sparse, global, global_sparse] {
        let kind = kind.as_bytes()[0];
        let last = [(kind, fields.as_slice()), (b'0', b"x")];
        assert!(blocked("a.tar", &tar_of(&last)).is_some(), "{fields:?}");
    }
    let later = pax("path=photo.jpg");
    let file = tar_of(&[(b'g', &pax("path=a.exe")), (b'x', &later), (b'0', b"x")]);
    assert!(blocked("a.tar", &file).is_some());
    for kind in [b'x', b'g', b'L'] {
        let found = look(&mail("a.tar", &tar_of(&[(kind, &long), (b'0', b"x")])));
        let bound = found.stopped.map(|stopped| stopped.bound);
        assert_eq!(bound, Some(super::Bound::Names), "kind: {kind}");
    }
    let found = look(&mail(
        "a.tar",
        &tar_of(&[(b'g', &pax("size=1")), (b'0', b"x")]),
    ));
    assert!(found.damaged.is_some());
    // As git writes it.
    let comment = pax(&format!("comment={}", "0".repeat(40)));
    let found = look(&mail("a.tar", &tar_of(&[(b'g', &comment), (b'0', b"x")])));
    assert!(found.is_clear(), "{found:?}");
}

#[test]
fn properties_that_are_not_read_are_told() {
    let attached = |count: u32, properties: &[u8]| {
        let data = [&count.to_le_bytes(), properties].concat();
        let mut file = tnef("A.TXT", None, b"x");
        file.push(2);
        file.extend(0x0006_9005u32.to_le_bytes());
        file.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        file.extend_from_slice(&data);
        file.extend([0; 2]);
        file
    };
    let number = [0x0003_u32.to_le_bytes(), [0; 4]].concat();
    let mut name = [0x3707_001e_u32, 1, 10].map(u32::to_le_bytes).concat();
    name.extend(b"setup.exe\0\0\0");
    let after = |before: &[u8]| [before, name.as_slice()].concat();
    let found = look(&mail(
        "winmail.dat",
        &attached(1_000, &after(&number.repeat(999))),
    ));
    assert!(found.blocked.is_some());
    let found = look(&mail(
        "winmail.dat",
        &attached(1_001, &after(&number.repeat(1_000))),
    ));
    let bound = found.stopped.map(|stopped| stopped.bound);
    assert_eq!(bound, Some(super::Bound::Entries));
    // A kind without a value, before the name.
    let found = look(&mail(
        "winmail.dat",
        &attached(2, &after(&1u32.to_le_bytes())),
    ));
    assert!(!found.is_clear(), "{found:?}");
    let found = look(&mail("winmail.dat", &attached(2, &number)));
    assert!(found.damaged.is_some(), "{found:?}");
    assert!(look(&mail("winmail.dat", &attached(1, &number))).is_clear());
}

#[test]
fn a_directory_behind_more_end_records_than_are_tried_is_told() {
    let mut file = ByHand::default();
    let at = file.local(b"readme.txt", 0, 0, b"x");
    file.central(b"setup.exe", 0, 0, 1, at);
    let file = file.finish();
    let with = |ends: usize| [file.as_slice(), &b"PK\x05\x06 none here ".repeat(ends)].concat();
    assert!(look(&mail("a.zip", &with(60))).blocked.is_some());
    let found = look(&mail("a.zip", &with(70)));
    assert!(found.damaged.is_some(), "{found:?}");
}
