//! event: being built.
