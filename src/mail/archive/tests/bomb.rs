//! Archives that unpack to more than anybody has: each ends at its named bound.
//!
//! The bounds are smaller than those of the server, so that the files are too.

use super::corpus::{ByHand, EXE, deflated, gzipped, mail, tarred, zipped};
use super::{SMALL, cut_at, look, rules};
use crate::mail::archive::{Bound, Bounds};

fn stopped(name: &str, file: &[u8]) -> Option<Bound> {
    look(&mail(name, file)).stopped.map(|stopped| stopped.bound)
}

#[test]
fn what_swells_is_stopped() {
    let zeros = vec![0; 2 << 20];
    assert_eq!(
        stopped("a.zip", &zipped(&[("a.txt", &zeros)])),
        Some(Bound::Ratio)
    );
    assert_eq!(stopped("a.gz", &gzipped(&zeros)), Some(Bound::Ratio));
    assert_eq!(
        stopped("a.tgz", &gzipped(&tarred(&[("a", &zeros)]))),
        Some(Bound::Ratio)
    );
    // Small ones are no bombs, whatever their ratio.
    assert_eq!(
        stopped("a.zip", &zipped(&[("a.txt", &zeros[..500_000])])),
        None
    );
    // Each of them is honest; together they are too much.
    let honest: Vec<u8> = (0..150_000u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes())
        .collect();
    let one = zipped(&[("a.txt", &honest), ("b.txt", &honest)]);
    let names: Vec<_> = (0..10).map(|n| format!("{n}.zip")).collect();
    let many: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), one.as_slice()))
        .collect();
    let bounds = Bounds {
        held: 64 << 20,
        ..SMALL
    };
    let text = mail("a.zip", &zipped(&many));
    let found = cut_at(&text, 65_024, &rules(), bounds);
    assert_eq!(found.stopped.unwrap().bound, Bound::Total);
}

#[test]
fn zips_in_zips_end_at_a_named_level() {
    let mut file = zipped(&[("setup.exe", b"x")]);
    for _ in 0..11 {
        file = zipped(&[("a.zip", &file)]);
    }
    assert!(look(&mail("a.zip", &file)).blocked.is_some());
    file = zipped(&[("a.zip", &file)]);
    let found = look(&mail("a.zip", &file)).stopped.unwrap();
    assert_eq!(found.bound, Bound::Depth);
    assert_eq!(found.path, "a.zip > … > a.zip > a.zip");
    let mut file = gzipped(b"x");
    for _ in 0..100 {
        file = gzipped(&file);
    }
    assert_eq!(stopped("a.gz", &file), Some(Bound::Depth));
}

#[test]
fn a_zip_that_does_not_fit_is_not_kept() {
    let mut file = ByHand::default();
    let at = file.local(b"a.txt", 0, 0, &vec![7; 3 << 20]);
    file.central(b"a.txt", 0, 0, 3 << 20, at);
    assert_eq!(stopped("a.zip", &file.finish()), Some(Bound::Held));
}

#[test]
fn thousands_of_entries_end_at_a_named_number() {
    let names: Vec<_> = (0..600).map(|n| format!("{n}.txt")).collect();
    let many: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &b"x"[..]))
        .collect();
    assert_eq!(stopped("a.zip", &zipped(&many)), Some(Bound::Entries));
    assert_eq!(stopped("a.tar", &tarred(&many)), Some(Bound::Entries));
}

#[test]
fn entries_that_reach_one_kernel_through_each_others_headers_are_stopped() {
    // Each header is deflated as stored text of the one before it, so that all of them reach one kernel.
    let kernel = deflated(&vec![0; 1 << 20]);
    let mut file = ByHand::default();
    let mut heads = Vec::new();
    for n in 0..200 {
        let name = format!("{n:03}.txt");
        heads.push((file.bytes.len(), name.clone()));
        file.local_of(name.as_bytes(), 0, 8, 30_000);
        let next = 30 + 7u16;
        file.bytes.push(0);
        file.bytes.extend(next.to_le_bytes());
        file.bytes.extend((!next).to_le_bytes());
    }
    file.local_of(b"end.txt", 0, 8, 2_000);
    file.bytes.extend(&kernel);
    for (at, name) in heads {
        let at = u32::try_from(at).unwrap();
        file.central(name.as_bytes(), 0, 8, 30_000, at);
    }
    // What comes out of the first begins with the header of the second: it is a zip again.
    assert_eq!(stopped("a.zip", &file.finish()), Some(Bound::Entries));
}

#[test]
fn the_same_content_in_many_entries_costs_once() {
    let kernel = deflated(&vec![0; 200_000]);
    let mut file = ByHand::default();
    let at = file.local(b"0.txt", 0, 8, &kernel);
    for n in 0..400 {
        file.central(format!("{n}.txt").as_bytes(), 0, 8, 200, at);
    }
    assert!(look(&mail("a.zip", &file.clone().finish())).is_clear());
    file.central(b"setup.exe", 0, 8, 200, at);
    assert!(look(&mail("a.zip", &file.finish())).blocked.is_some());
}

#[test]
fn sizes_that_files_declare_are_not_believed() {
    let mut file = ByHand::default();
    file.local_of(b"a.txt", 0, 0, u32::MAX);
    file.bytes.extend(b"hello");
    file.central(b"a.txt", 0, 0, u32::MAX, 0);
    let found = look(&mail("a.zip", &file.finish()));
    assert!(found.stopped.is_none() && found.blocked.is_none());
    let mut tar = tarred(&[("a.txt", EXE)]);
    tar[124..136].copy_from_slice(b"77777777777\0");
    let sum: u32 = (0..512)
        .map(|n| {
            if (148..156).contains(&n) {
                32
            } else {
                u32::from(tar[n])
            }
        })
        .sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert!(look(&mail("a.tar", &tar)).blocked.is_some());
}
