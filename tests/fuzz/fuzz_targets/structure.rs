//! `cargo fuzz run structure --fuzz-dir tests/fuzz`; what must hold stands in `targets.rs`.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::structure(bytes));
