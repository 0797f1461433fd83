//! Milters: what they are shown, and what becomes of a mail by each of their answers.
//!
//! Not here: filters that we did not write (`tests/peers/milters.py`).

mod changes;
mod dialog;
pub mod peer;
