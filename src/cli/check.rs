//! check: being built.
