//! receive: being built.
