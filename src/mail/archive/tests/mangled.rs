//! The corpus with octets changed, cut out and doubled by chance.
//!
//! Never a panic, never above a bound, never by the cut; the chances are the same at every run.

use super::corpus::{ByHand, EXE, gzipped, mail, tarred, tnef, uuencoded, zipped};
use super::{SMALL, cut_at, look, rules};

/// xorshift: the same chances at every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (most.max(1) as u64)).unwrap()
    }

    fn mangle(&mut self, file: &mut Vec<u8>) {
        for _ in 0..=self.below(6) {
            let (at, other) = (self.below(file.len()), self.below(file.len()));
            let (from, to) = (at.min(other), at.max(other).min(at.min(other) + 300));
            match self.below(5) {
                0 => file[at] ^= 1 << self.below(8),
                1 => file[at] = 0xff,
                2 => drop(file.drain(from..to)),
                3 => {
                    let piece = file[from..to].to_vec();
                    file.splice(other..other, piece);
                }
                _ => file[from..to].fill(0),
            }
            if file.is_empty() {
                file.push(0);
            }
        }
    }
}

fn corpus() -> Vec<(&'static str, Vec<u8>)> {
    let inner = zipped(&[("setup.exe", EXE), ("a.txt", &[7; 900])]);
    let mut hand = ByHand::default();
    let at = hand.local(b"a.txt", 8, 0, b"text");
    hand.central(b"b.txt", 8, 0, 4, at);
    vec![
        ("a.zip", zipped(&[("a.txt", b"a"), ("inner.zip", &inner)])),
        ("a.zip", hand.finish()),
        ("a.gz", gzipped(&inner)),
        (
            "a.tgz",
            gzipped(&tarred(&[("a.zip", &inner), (&"l".repeat(150), b"x")])),
        ),
        ("a.tar", tarred(&[("a.gz", &gzipped(EXE))])),
        ("winmail.dat", tnef("A.TXT", Some("a.zip"), &inner)),
        ("a.eml", mail("a.zip", &inner)),
        ("a.txt", uuencoded("a.zip", &inner).into_bytes()),
    ]
}

#[test]
fn mangled_files_are_survived_and_the_cut_does_not_matter() {
    let rules = rules();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for (name, file) in corpus() {
        assert!(!file.is_empty());
        for _ in 0..ROUNDS {
            let mut file = file.clone();
            chance.mangle(&mut file);
            let mut text = mail(name, &file);
            if chance.below(4) == 0 {
                chance.mangle(&mut text);
            }
            let whole = cut_at(&text, text.len(), &rules, SMALL);
            let size = 1 + chance.below(3_000);
            assert_eq!(cut_at(&text, size, &rules, SMALL), whole, "{name}");
            assert!(whole.looked <= SMALL.entries + 1);
        }
    }
}

#[test]
fn what_is_no_archive_is_survived() {
    let mut chance = Chance(7);
    for magic in [
        &b"PK\x03\x04"[..],
        b"PK\x05\x06",
        b"\x1f\x8b\x08\x1f",
        b"\x78\x9f\x3e\x22",
        b"",
    ] {
        for _ in 0..50 {
            let mut file = magic.to_vec();
            file.extend((0..chance.below(2_000)).map(|_| u8::try_from(chance.below(256)).unwrap()));
            look(&mail("a.tar", &file));
            look(&mail("a.zip", &file));
        }
    }
}

const ROUNDS: usize = 150;
