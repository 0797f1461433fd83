//! account: being built.
