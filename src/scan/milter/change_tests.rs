//! Positions and packets of changes.
//!
//! Not here: what they do to a text (`tests/it/milter`).

use super::*;
use crate::scan::milter::packet::Packet;
use crate::scan::milter::terms::Terms;

const NAMES: [&str; 4] = ["received", "from", "x-spam", "x-spam"];

fn names() -> Vec<String> {
    NAMES.map(str::to_owned).to_vec()
}

fn field(name: &str, value: &str) -> Field {
    Field::new(name, value)
}

fn on_top(changes: Vec<Change>) -> Option<Vec<String>> {
    let (top, fields) = resolved(changes, names());
    fields
        .is_empty()
        .then(|| top.iter().map(Field::to_line).collect())
}

#[test]
fn what_only_comes_on_top_makes_no_new_text() {
    let changes = vec![
        Change::Add(field("A", "1")),
        Change::Insert(1, field("B", "2")),
        Change::Insert(0, field("C", "3")),
        Change::Insert(2, field("D", "4")),
        // Nothing of that name is there.
        Change::Put(1, field("X-None", "")),
        Change::Put(7, field("X-Spam", "new")),
    ];
    let wanted = [
        "C: 3\r\n",
        "D: 4\r\n",
        "B: 2\r\n",
        "A: 1\r\n",
        "X-Spam: new\r\n",
    ];
    assert_eq!(on_top(changes).unwrap(), wanted);
}

#[test]
fn everything_else_is_done_in_its_order() {
    for change in [
        Change::Put(2, field("X-SPAM", "")),
        Change::Put(0, field("x-spam", "no")),
        Change::Insert(2, field("A", "1")),
        Change::Insert(99, field("A", "1")),
        Change::Add(field("A", "ä")),
        Change::Add(field("A", &"a".repeat(TOP_OF_ONE_MAX))),
    ] {
        let (top, all) = resolved(vec![change, Change::Add(field("B", "2"))], names());
        assert!(top.is_empty());
        assert_eq!(all.len(), 2);
    }
    // One that was removed is not counted any more.
    let twice = || Change::Put(1, field("X-Spam", ""));
    let (_, all) = resolved(vec![twice(), twice(), twice()], names());
    assert_eq!(all.len(), 2);
}

fn taken(code: u8, text: &[u8]) -> Result<Edits, String> {
    let terms = Terms::of_all();
    let mut changes = Changes::new(terms, 1_000, Arc::new(Semaphore::new(2_000)));
    let text = text.to_vec();
    match changes.take(&Packet { code, text }) {
        Ok(()) => Ok(changes.finish(names())),
        Err(Wrong::Garbage(words)) => Err(words),
        Err(Wrong::NoRoom) => Err("no room".to_owned()),
        Err(Wrong::Other) => Err("other".to_owned()),
    }
}

#[test]
fn what_is_no_change_is_said_in_words() {
    for (code, text, wanted) in [
        (b'h', &b"X\0v"[..], "a field that cannot be read"),
        (b'h', b"X\0v\0more", "more octets"),
        (b'h', b"\0v\0", "is no name"),
        (b'h', b"X Y\0v\0", "is no name"),
        (b'h', b"X:\0v\0", "is no name"),
        (b'h', b"X\r\nEvil\0v\0", "is no name"),
        (b'i', b"\0\0\0", "a field that cannot be read"),
        (b'm', b"\0\0\0\x01X\0", "a field that cannot be read"),
        (b'+', b"<a@b.example>", "without its end"),
        (b'+', b"<a@b.example> NOTIFY=NEVER\0", "is no address"),
        (b'+', b"<a@b.example>\r\nDATA\0", "is no address"),
        (b'+', b"<>\0", "is no address"),
        (b'+', b"<a@b@c>\0", "is no address"),
        (b'+', b"\xff@b.example\0", "is no address"),
        (b'2', b"<a@b.example>\0NOTIFY=NEVER", "without their end"),
        (b'e', b"<a b@c.example>\0", "is no address"),
        (b'q', b"why", "without its reason's end"),
        (b'b', &[b'a'; 1_001], "larger than max_size"),
        (b'b', &[b'a'; 2_001], "no room"),
        (b'z', b"", "other"),
    ] {
        let got = taken(code, text).expect_err("no change");
        let shown = String::from_utf8_lossy(text);
        assert!(got.contains(wanted), "case: {shown}: {got}");
    }
}

#[test]
fn addresses_come_with_brackets_or_without_and_with_parameters() {
    for text in [
        &b"<a@b.example>\0"[..],
        b"a@b.example\0",
        b"<a@b.example>\0NOTIFY=NEVER\0",
    ] {
        let edits = taken(b'2', text).expect("an address");
        assert_eq!(edits.add.len(), 1);
    }
    assert_eq!(taken(b'e', b"<>\0").unwrap().from, Some(ReversePath::Null));
    assert_eq!(taken(b'-', b"<a@b.example>\0").unwrap().remove.len(), 1);
}

#[test]
fn a_new_body_has_the_line_ends_of_mail_and_its_memory_comes_back() {
    let room = Arc::new(Semaphore::new(100));
    let mut changes = Changes::new(Terms::of_all(), 1_000, Arc::clone(&room));
    for piece in [&b"one\ntwo\r"[..], b"\nthr", b"ee\rfour"] {
        let text = piece.to_vec();
        assert!(changes.take(&Packet { code: b'b', text }).is_ok());
    }
    let edits = changes.finish(names());
    assert!(room.available_permits() < 100);
    let body: Vec<u8> = edits.body.as_ref().unwrap().pieces.concat();
    assert_eq!(body, b"one\r\ntwo\r\nthree\r\nfour\r\n");
    drop(edits);
    assert_eq!(room.available_permits(), 100);
}
