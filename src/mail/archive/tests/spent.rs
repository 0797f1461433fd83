//! The account of work: mails that are built to cost time end by it, and ordinary ones never do.
//!
//! Work is counted, so nothing here asks a clock; what a unit costs in time is measured by `benches/look.rs`. Each mail may
//! do as much for each of its octets as the server allows one of 50 MiB.

use std::sync::atomic::AtomicBool;

use super::corpus::{EXE, mail, zipped};
use super::worst::{Case, Ends, cases};
use super::{rules, tnef_of};
use crate::base::limit::{ARCHIVE_WORK_MAX, ARCHIVE_WORK_PER_OCTET, MIME_HEADERS_MAX};
use crate::mail::archive::{Arc, Bound, Bounds, Findings, Inspector, Rules};
use crate::mail::structure::Scan;

/// Bounds under which only the account of work, and not the size of the mail, ends a look.
const FAIR: Bounds = Bounds {
    held: 64 << 20,
    total: 512 << 20,
    ratio: 200,
    free: 32 << 20,
    depth: 12,
    entries: 20_000,
    work: 0,
};

fn looked(text: &[u8], bounds: Bounds) -> (Findings, u64) {
    let mut inspector = Inspector::bounded(rules(), bounds);
    text.chunks(64 << 10)
        .for_each(|piece| inspector.feed(piece));
    inspector.finish_counted()
}

#[test]
fn ordinary_mails_are_seen_to_their_end_and_the_worst_cost_no_more_than_others() {
    for Case { name, make, ends } in cases() {
        let [(_, half), (found, whole)] = [SIZE / 2, SIZE].map(|size| looked(&make(size), FAIR));
        let seen = found.blocked.is_none() && found.stopped.is_none();
        let right = match ends {
            Ends::Seen => seen,
            Ends::Held => !seen,
            Ends::Either => true,
        };
        assert!(right, "{name} ends as {found:?}");
        // What takes more for each octet of a longer mail would end far above the bound.
        if seen {
            let most = half * 5 / 2 + SLACK;
            assert!(whole <= most, "{name}: {whole} of {most}");
        }
    }
}

#[test]
fn a_look_whose_account_is_spent_ends_there_and_says_so() {
    let worst = cases()
        .into_iter()
        .find(|case| case.name.contains("empty blocks with fixed"));
    let text = (worst.unwrap().make)(SIZE);
    let (found, worked) = looked(&text, FAIR);
    assert_eq!(found.stopped.unwrap().bound, Bound::Work);
    let most = ARCHIVE_WORK_PER_OCTET * text.len() as u64;
    assert!((most..most + SLACK).contains(&worked), "{worked} of {most}");
    // Nothing else about it is wrong.
    let rich = Bounds {
        work: u64::MAX,
        ..FAIR
    };
    assert_eq!(looked(&text, rich).0.stopped, None);
    // The bound of the server is that of its largest usual mail.
    const { assert!(ARCHIVE_WORK_PER_OCTET * (50 << 20) >= ARCHIVE_WORK_MAX) };
}

#[test]
fn a_thousand_patterns_cost_an_archive_of_sources_no_more_than_ten() {
    let sources = cases()
        .into_iter()
        .find(|case| case.name == "tar: sources, packed");
    let text = (sources.unwrap().make)(SIZE);
    let cost = |count: usize| {
        let many: Vec<String> = (0..count).map(|n| format!("*.x{n}")).collect();
        let rules = Arc::new(Rules::new(many.iter().map(String::as_str), true));
        let mut inspector = Inspector::bounded(rules, FAIR);
        inspector.feed(&text);
        inspector.finish_counted().1
    };
    let (few, many) = (cost(10), cost(1_000));
    assert!(many <= few * 11 / 10, "{many} instead of {few}");
}

#[test]
fn names_of_an_entry_are_read_once_however_many_contents_it_has() {
    let names: Vec<String> = (0..300).map(|n| format!("{n}.txt")).collect();
    let cost = |contents: usize| {
        let file = tnef_of(&names, contents);
        let (found, worked) = looked(&mail("winmail.dat", &file), Bounds::default());
        assert!(found.is_clear(), "{found:?}");
        worked
    };
    let (one, many) = (cost(1), cost(101));
    assert!(many < one * 5, "{many} instead of {one}");
}

#[test]
fn a_scan_reads_no_more_headers_than_its_bound_and_says_that_parts_are_left_out() {
    let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned();
    let field = format!(
        "--b\r\nContent-Disposition: attachment; {}\r\n\r\n",
        "x".repeat(16_000)
    );
    let scan = |parts: usize| {
        let mut scan = Scan::default();
        scan.feed(head.as_bytes());
        (0..parts).for_each(|_| scan.feed(field.as_bytes()));
        let last = "--b\r\nContent-Type: a/b; name=last.txt\r\n\r\n--b--\r\n";
        scan.feed(last.as_bytes());
        scan.finish()
    };
    let few = scan(100);
    assert!(!few.cut && few.parts == 102, "{few:?}");
    let many = MIME_HEADERS_MAX / 16_000 + 10;
    let found = scan(many);
    assert!(found.cut && found.parts < many, "{}", found.parts);
}

#[test]
fn a_look_that_nobody_waits_for_ends_at_its_next_step() {
    let cancel = Arc::new(AtomicBool::new(false));
    let mut inspector = Inspector::cancelled_by(rules(), Bounds::default(), Arc::clone(&cancel));
    let text = mail("a.zip", &zipped(&[("setup.exe", EXE)]));
    inspector.feed(&text[..200]);
    assert!(!inspector.is_done());
    cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(inspector.is_done());
    inspector.feed(&text[200..]);
    assert_eq!(inspector.finish().blocked, None);
}

/// Octets of a mail: enough for the worst to show.
const SIZE: usize = 48 << 10;
/// One step more, and what every look costs.
const SLACK: u64 = 400_000;
