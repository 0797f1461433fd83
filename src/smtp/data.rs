//! data: being built.
