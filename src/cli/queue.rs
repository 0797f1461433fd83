//! queue: being built.
