//! # Why modules are public but hidden
//!
//! The public API is what `lib.rs` re-exports: `Config`, `Server`, `Submission`, `Event` and their errors. All modules
//! are `#[doc(hidden)] pub`, because integration tests, benches and fuzz targets are crates of their own and must
//! reach the line reader, the session machine, the decoder and the store without a second, test-only door. `missing_docs`
//! therefore speaks for the re-exported types only; `tests/tidy.rs` asks every file for its header, and the lints ask
//! `unreachable_pub` of the rest.
