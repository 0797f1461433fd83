//! Files that hide, lie and swell, built octet by octet or by the crates that others use.
//!
//! They are found, bounded, and the same however the mail is cut.

mod bomb;
mod corpus;
mod mangled;
mod packed;
mod parts;
mod spent;
mod worst;

use super::*;
use corpus::{EXE, mail, zipped};

fn rules() -> Arc<Rules> {
    let block = [
        "*.exe",
        "*.scr",
        "application/x-dosexec",
        "application/x-iso9660-image",
        "application/vnd.ms-office.vbaproject",
    ];
    Arc::new(Rules::new(block, true))
}

/// Small enough for tests, and in the same order.
const SMALL: Bounds = Bounds {
    held: 2 << 20,
    total: 16 << 20,
    ratio: 200,
    free: 1 << 20,
    depth: 12,
    entries: 500,
    work: u64::MAX,
};

fn cut_at(text: &[u8], size: usize, rules: &Arc<Rules>, bounds: Bounds) -> Findings {
    let mut inspector = Inspector::bounded(Arc::clone(rules), bounds);
    for piece in text.chunks(size.max(1)) {
        inspector.feed(piece);
    }
    inspector.finish()
}

/// At many cuts, which must not matter.
fn look(text: &[u8]) -> Findings {
    let rules = rules();
    let whole = cut_at(text, text.len(), &rules, SMALL);
    for size in [1, 3, 76, 1_000, 4_096, 65_024] {
        assert_eq!(cut_at(text, size, &rules, SMALL), whole, "pieces of {size}");
    }
    whole
}

/// The path of what is blocked in a mail with this one file.
fn blocked(name: &str, file: &[u8]) -> Option<String> {
    look(&mail(name, file)).blocked.map(|blocked| blocked.path)
}

/// A winmail.dat with one attachment that has all these names, in the order of their worth, and so many contents.
fn tnef_of(names: &[String], contents: usize) -> Vec<u8> {
    let mut file = b"\x78\x9f\x3e\x22\x01\0".to_vec();
    let mut attribute = |id: u32, data: &[u8]| {
        file.push(2);
        file.extend(id.to_le_bytes());
        file.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        file.extend_from_slice(data);
        file.extend([0; 2]);
    };
    for name in names {
        attribute(0x0001_8010, format!("{name}\0").as_bytes());
    }
    for _ in 0..contents {
        attribute(0x0006_800f, b"text");
    }
    file
}

#[test]
fn a_program_is_found_in_a_zip_in_a_zip_by_name_and_by_content() {
    let inner = zipped(&[("setup.exe", b"not even a program")]);
    let outer = zipped(&[("readme.txt", b"hello"), ("inner.zip", &inner)]);
    let found = look(&mail("rechnung.zip", &outer));
    let wanted = Blocked {
        path: "rechnung.zip > inner.zip > setup.exe".to_owned(),
        media: None,
        rule: "*.exe".to_owned(),
    };
    assert_eq!(found.blocked, Some(wanted));
    let inner = zipped(&[("photo.jpg", EXE)]);
    let found = look(&mail("a.dat", &zipped(&[("b.dat", &inner)])));
    let wanted = Blocked {
        path: "a.dat > b.dat > photo.jpg".to_owned(),
        media: Some("application/vnd.microsoft.portable-executable".to_owned()),
        rule: "application/x-dosexec".to_owned(),
    };
    assert_eq!(found.blocked, Some(wanted));
}

#[test]
fn what_is_not_blocked_is_clear_and_counted() {
    let inner = zipped(&[("a.txt", b"a"), ("b/c.txt", b"c")]);
    let found = look(&mail("a.zip", &inner));
    assert!(found.is_clear(), "{found:?}");
    // The text, the zip, and two entries.
    assert_eq!(found.looked, 4);
}

#[test]
fn without_archives_only_the_attachment_itself_counts() {
    let rules = Arc::new(Rules::new(["*.exe"], false));
    let packed = mail("a.zip", &zipped(&[("setup.exe", b"x")]));
    assert!(cut_at(&packed, 100, &rules, SMALL).is_clear());
    let plain = mail("setup.exe", b"x");
    assert!(cut_at(&plain, 100, &rules, SMALL).blocked.is_some());
}
