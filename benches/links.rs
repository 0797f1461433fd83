//! How fast a link is believed or refused: what a flood of unknown tokens costs, and that wrong ones cost the same.
//!
//! `cargo bench --bench links`. No store and no HTTP: reading a token asks memory alone.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use postwerk::base::clock::Clock;
use postwerk::digest::key::Keys;
use postwerk::digest::token::Action;
use postwerk::queue::record::HoldId;
use postwerk::store::redb::memory;

fn main() {
    divan::main();
}

fn keys() -> Keys {
    let clock = Clock::system();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let load = Keys::load(memory(clock.clone()), clock);
    runtime.unwrap().block_on(load).unwrap()
}

fn measure(bencher: Bencher<'_, '_>, text: &str, keys: &Keys) {
    bencher
        .counter(ItemsCount::new(1u32))
        .bench(|| black_box(keys.read(black_box(text))));
}

fn token(keys: &Keys) -> String {
    keys.signer().token(Action::Release, HoldId(7), 1, 500_000)
}

#[divan::bench]
fn good(bencher: Bencher<'_, '_>) {
    let keys = keys();
    measure(bencher, &token(&keys), &keys);
}

#[divan::bench]
fn wrong_mac(bencher: Bencher<'_, '_>) {
    let keys = keys();
    let text = token(&keys);
    let last = if text.ends_with('A') { 'B' } else { 'A' };
    let wrong: String = text.chars().take(43).chain([last]).collect();
    measure(bencher, &wrong, &keys);
}

#[divan::bench]
fn unknown_key(bencher: Bencher<'_, '_>) {
    let keys = keys();
    let wrong: String = ['_']
        .into_iter()
        .chain(token(&keys).chars().skip(1))
        .collect();
    measure(bencher, &wrong, &keys);
}

#[divan::bench]
fn no_token(bencher: Bencher<'_, '_>) {
    let keys = keys();
    measure(bencher, "favicon.ico", &keys);
}

#[divan::bench]
fn signed(bencher: Bencher<'_, '_>) {
    let keys = keys();
    let signer = keys.signer();
    bencher
        .counter(ItemsCount::new(1u32))
        .bench(|| signer.token(Action::Release, black_box(HoldId(7)), 1, 500_000));
}
