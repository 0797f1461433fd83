//! command: being built.
