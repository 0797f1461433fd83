//! fact: being built.
