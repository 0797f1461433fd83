//! dns: being built.
