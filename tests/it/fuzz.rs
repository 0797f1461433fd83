//! The corpus of the fuzz targets, and small changes of it, through the same functions as `cargo fuzz`.
//!
//! A seed is fixed, so that a failure comes again; real fuzzing is `cargo fuzz run … --fuzz-dir tests/fuzz`.

use std::path::Path;

#[path = "../fuzz/targets.rs"]
mod targets;

const CHANGES: usize = 3_000;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let mut seeds: Vec<_> = folder
        .read_dir()
        .expect("a corpus")
        .map(|entry| entry.unwrap().path())
        .collect();
    seeds.sort();
    assert!(seeds.len() >= 5, "the corpus of {name} is small");
    seeds
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn change(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    const LETTERS: &[u8] = b"\r\n\0. <>@\"\\:;,=+[]aZ9%\xC3\xA4\xFF";
    let mut text = random.choice(seeds).unwrap().clone();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(0..=text.len());
        let letter = LETTERS[random.usize(0..LETTERS.len())];
        match random.u8(0..4) {
            0 => text.insert(at, letter),
            1 if at < text.len() => text[at] = letter,
            2 if at < text.len() => drop(text.remove(at)),
            _ => {
                let other = random.choice(seeds).unwrap();
                let from = random.usize(0..=other.len());
                text.truncate(at);
                text.extend_from_slice(&other[from..]);
            }
        }
    }
    text
}

fn run(name: &str, target: fn(&[u8])) {
    let seeds = corpus(name);
    for seed in &seeds {
        target(seed);
    }
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..CHANGES {
        target(&change(&mut random, &seeds));
    }
}

#[test]
fn lines_hold_what_they_promise() {
    run("line", targets::line);
}

#[test]
fn commands_hold_what_they_promise() {
    run("command", targets::command);
}

#[test]
fn mail_text_holds_what_it_promises() {
    run("data", targets::data);
}

#[test]
fn addresses_hold_what_they_promise() {
    run("address", targets::address);
}

#[test]
fn structures_hold_what_they_promise() {
    run("structure", targets::structure);
}
