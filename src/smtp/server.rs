//! server: being built.
